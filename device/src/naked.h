/* Functions of assembly alone. Their callers must not draw conclusions from a body that seems to use no parameter. */
#ifndef EDGETWIN_NAKED_H
#define EDGETWIN_NAKED_H

#ifdef __clang__
#define ET_NAKED __attribute__((naked, noinline))
#else
#define ET_NAKED __attribute__((naked, noipa))
#endif
#define ET_NAKED_PARAMETER __attribute__((unused))

#endif
