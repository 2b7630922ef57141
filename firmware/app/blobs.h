/* What the build links in from files (blobs.S). A size of 0: none was given. All are 16-byte aligned. */
#ifndef EDGETWIN_BLOBS_H
#define EDGETWIN_BLOBS_H

#include <stdint.h>

extern const uint8_t blob_key[];        /* pre-shared key */
extern const uint8_t blob_dictionary[]; /* bundle used while no slot holds one */
extern const uint8_t blob_model[];      /* likewise */
extern const uint8_t blob_recording[];  /* bundle of samples that the board streams on its own clock */
extern const uint32_t blob_key_size, blob_dictionary_size, blob_model_size, blob_recording_size;

#endif
