/* Sections of a bundle's payload: one after the other, each padded to 16 bytes. */
#ifndef EDGETWIN_SECTION_H
#define EDGETWIN_SECTION_H

#include "edgetwin/bundle.h"

/* Takes the next section of `size` bytes. NULL if the payload ends before it does. */
static inline const void *et_take_section(const et_bundle *bundle, size_t *offset, size_t size)
{
    const uint8_t *section = bundle->payload + *offset;
    if (size > bundle->payload_size - *offset)
        return NULL;
    *offset += (size + 15) & ~(size_t)15; /* payload_size is a multiple of 16 */
    return section;
}

/* codec.c: the sections of ET_CODEC_ENTROPY, into dictionary->entropy. ET_ERR_TRUNCATED, ET_ERR_FORMAT. */
et_status et_codec_open(const et_bundle *bundle, size_t *offset, et_dictionary *dictionary);

#endif
