/* What a board brings: start-up, a byte link, time, entropy and bundle slots. boards/<name>/board.c implements it;
 * the node program (main.c) and the programs of tests and benchmarks use nothing else. */
#ifndef EDGETWIN_BOARD_H
#define EDGETWIN_BOARD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "edgetwin/node.h"

/* board.toml's [node], given by the build: largest payload, frames of it the receive buffer holds, the buffer's bytes. */
#if !defined(BOARD_NAME) || !defined(BOARD_MAX_PAYLOAD) || !defined(BOARD_CREDIT) || !defined(BOARD_RECEIVE_BUFFER)
#error "build with `edgetwin build`, which turns board.toml into these definitions"
#endif

#define BOARD_EXIT_FAULT 99 /* code of board_exit when the core faults */

typedef struct board_resources {
    const char *slot_memory; /* "flash", "ram" or "file" */
    et_slot slots[ET_NODE_SLOTS]; /* those that a board lacks are zero */
    uint8_t *arena; /* 8-byte aligned */
    size_t arena_size;
} board_resources;

/* Clocks, link, timers, slots. Call it first, once. argc and argv are those of main: options of the native program,
 * none on a board. */
const board_resources *board_init(int argc, char **argv);

/* Takes up to `capacity` bytes that have arrived; 0 if there are none. Never waits. */
size_t board_read(uint8_t *bytes, size_t capacity);

/* Nonzero once after the link was lost: the host closed the connection or the pseudo-terminal. Call it after
 * board_read, before its bytes are used: they are the next host's. Always 0 where the link is a UART. */
int board_hung_up(void);

/* Sends bytes; returns when the last one has been taken by the link. */
void board_write(const uint8_t *bytes, size_t size);

/* Sleeps until a byte arrives or a millisecond (native: two) has passed; returns at once if bytes are waiting. */
void board_idle(void);

uint32_t board_clock_ms(void); /* since start, wraps */
uint32_t board_ticks(void);    /* the finest free-running counter, wraps; 0 where there is none (native) */

/* Feeds the watchdog, and starts it at the first call: programs that never call it run without. From then on the board
 * resets when no call comes for about 30 s (native: never). */
void board_feed(void);

/* The best randomness at hand; never the same twice in a row. Hash it before use. */
void board_entropy(uint8_t bytes[ET_NODE_NONCE]);

/* As et_port in edgetwin/node.h. */
et_status board_slot_erase(unsigned slot);
et_status board_slot_program(unsigned slot, size_t offset, const uint8_t *bytes, size_t size);

/* Ends a program. In tests and benchmarks the emulator (or the process) exits with `code`; a node restarts. */
__attribute__((noreturn)) void board_exit(int code);

static inline void board_puts(const char *text) { board_write((const uint8_t *)text, strlen(text)); }

#endif
