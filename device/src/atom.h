/* Atoms as float32: shared by the bundle's check and OMP. */
#ifndef EDGETWIN_ATOM_H
#define EDGETWIN_ATOM_H

#include "edgetwin/dictionary.h"

static inline const void *et_atom(const et_dictionary *dictionary, unsigned j)
{
    return (const uint8_t *)dictionary->atoms + (size_t)j * dictionary->stride;
}

/* Element i of atom j, which lies at `atom`. */
static inline float et_atom_value(const et_dictionary *dictionary, const void *atom, unsigned j, unsigned i)
{
    switch (dictionary->atom_type) {
    case ET_ATOM_INT8:
        return (float)((const int8_t *)atom)[i] * dictionary->scales[j];
    case ET_ATOM_INT16:
        return (float)((const int16_t *)atom)[i] * dictionary->scales[j];
    default:
        return ((const float *)atom)[i];
    }
}

#endif
