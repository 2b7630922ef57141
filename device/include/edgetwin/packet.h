/* Packets: the codes of one or more consecutive windows as bytes (FORMATS.md). A packet is coded and read as a whole, by
 * itself; how many windows it holds is said beside it (by a frame, by a file). */
#ifndef EDGETWIN_PACKET_H
#define EDGETWIN_PACKET_H

#include "edgetwin/encode.h"
#include "edgetwin/range_coder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_PACKET_WINDOWS 255u /* most windows in a packet */

typedef struct et_packet {
    const et_dictionary *dictionary;
    const et_encoder *encoder;
    et_range_writer writer;
    uint16_t windows;
    uint8_t previous; /* kind of the window before */
} et_packet;

/* Most bytes that a packet of one window takes: with that capacity et_packet_add does not fail on an empty packet. */
size_t et_packet_window_size(const et_dictionary *dictionary);

/* Begins a packet in `bytes`. dictionary, encoder and bytes stay the caller's until et_packet_end. */
void et_packet_begin(et_packet *packet, const et_dictionary *dictionary, const et_encoder *encoder, uint8_t *bytes,
                     size_t capacity);

/* Adds the window that et_encode has just coded, `count` atoms, `signal` as et_encode left it. The workspace is used up,
 * signal, support, coefficients and means are not: after ET_ERR_CAPACITY the packet is as it was, and the same window may be
 * the first of another one. */
et_status et_packet_add(et_packet *packet, const float *signal, unsigned count);

/* Ends the packet; returns its size in bytes, which may be 0. */
size_t et_packet_end(et_packet *packet);

typedef struct et_packet_reader {
    const et_dictionary *dictionary;
    const et_encoder *encoder; /* scratch */
    et_range_reader reader;
    uint16_t windows; /* still to read */
    uint8_t previous;
    uint8_t begun; /* a window was read */
} et_packet_reader;

/* What et_packet_next says of a window. The atoms are encoder->support and encoder->coefficients. */
typedef struct et_window {
    et_window_kind kind;
    uint16_t count; /* atoms; 0 for other kinds than sparse */
} et_window;

/* Opens a packet of `windows` windows. */
void et_packet_open(et_packet_reader *reader, const et_dictionary *dictionary, const et_encoder *encoder,
                    const uint8_t *bytes, size_t size, unsigned windows);

/* Decodes the next window to m samples in the sensor's units. ET_ERR_TRUNCATED, ET_ERR_FORMAT, ET_ERR_CODEC: nothing more
 * can be read; what was read before is to be thrown away. */
et_status et_packet_next(et_packet_reader *reader, float *signal, et_window *window);

/* ET_OK if all windows were read and the bytes are what et_packet_end gave, no more and no less; else ET_ERR_FORMAT. */
et_status et_packet_close(const et_packet_reader *reader);

#ifdef __cplusplus
}
#endif
#endif
