/* The native node's link: a TCP port, a pseudo-terminal, or standard input and output. */
#ifndef EDGETWIN_NATIVE_LINK_H
#define EDGETWIN_NATIVE_LINK_H

/* Listens on 127.0.0.1 (port 0: any free one) and prints the URL as one line. Nonzero, with errno set, on failure. */
int link_listen(unsigned port);

/* Makes a pseudo-terminal and prints its path as one line. Nonzero, with errno set, on failure. */
int link_open_pty(void);

/* Uses standard input and output; the end of the input ends the process. */
void link_use_stdio(void);

#endif
