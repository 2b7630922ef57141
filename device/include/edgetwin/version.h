#ifndef EDGETWIN_VERSION_H
#define EDGETWIN_VERSION_H

#define ET_CORE_VERSION "0.1.0" /* the Python package's, too */

#endif
