/* Entropy for boards without a generator that answers. */
#ifndef EDGETWIN_BARE_METAL_JITTER_H
#define EDGETWIN_BARE_METAL_JITTER_H

#include <stddef.h>
#include <stdint.h>

/* Fills bytes from the counter's phase against the arrival of the host's hello, a counter in memory that a reset does not
 * clear (its power-on value is noise), and a count of calls. Weak against someone who controls power and timing to the
 * tick; enough that no nonce repeats by itself. */
void jitter_bytes(uint8_t *bytes, size_t size);

#endif
