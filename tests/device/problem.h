/* Dictionaries and signals for tests, the same bits on every target, and bundles of them. */
#ifndef EDGETWIN_TEST_PROBLEM_H
#define EDGETWIN_TEST_PROBLEM_H

#include "edgetwin/bundle.h"
#include "edgetwin/code.h"
#include "edgetwin/packet.h"
#include "edgetwin/sha256.h"

/* Makes the atoms of a dictionary: unit norm, n x m, atom-major. */
typedef void make_atoms(float *atoms, unsigned m, unsigned n);

void random_atoms(float *atoms, unsigned m, unsigned n);   /* uniform entries, normalised */
void identity_atoms(float *atoms, unsigned m, unsigned n); /* atom j is the unit vector e_(j mod m) */

/* A dictionary of one channel, offset 0, gain 1, packed 32-bit coefficients, in memory of test_take. Its atoms are what
 * `make` gives, rounded to the type. Fields may be changed afterwards. NULL for want of memory. */
et_dictionary *take_dictionary(et_atom_type type, unsigned m, unsigned n, unsigned s, make_atoms *make);

/* Gives a dictionary the entropy codec with `kinds` (bit k: et_window_kind k), steps of 1/16 and tables in memory of
 * test_take: geometric magnitudes, all else about equally likely. Fields of dictionary->entropy may be changed afterwards,
 * the kinds to fewer. Nonzero if there was enough memory. */
int take_codec(et_dictionary *dictionary, unsigned kinds);

#define ALL_KINDS 7u

/* Element i of atom j as float32, by the definition of FORMATS.md. */
float atom_element(const et_dictionary *dictionary, unsigned j, unsigned i);

/* Writes the dictionary, and its codec's tables, as a sealed bundle to `bundle`, 4-byte aligned, NULL to ask for the size; returns the size. */
size_t write_dictionary_bundle(const et_dictionary *dictionary, uint8_t *bundle);

/* A bundle of that kind around the payload that lies at bundle + ET_BUNDLE_HEADER; `payload_size` a multiple of 16. */
void seal_bundle(uint8_t *bundle, et_bundle_kind kind, size_t payload_size);

/* Scratch for et_encode in memory of test_take, which begins at its workspace; nonzero if there was enough. */
int take_encoder(const et_dictionary *dictionary, et_encoder *encoder);

/* min(s, m, n) */
unsigned code_atoms(const et_dictionary *dictionary);

#endif
