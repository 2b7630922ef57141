#include "edgetwin/dictionary.h"

size_t et_atom_stride(et_atom_type type, unsigned m)
{
    size_t element = 0;
    switch (type) {
    case ET_ATOM_FLOAT32:
        element = 4;
        break;
    case ET_ATOM_INT16:
        element = 2;
        break;
    case ET_ATOM_INT8:
        element = 1;
        break;
    }
    return (element * m + 3) & ~(size_t)3;
}

void et_dictionary_scale(const et_dictionary *dictionary, float *signal)
{
    unsigned channel = 0;
    for (unsigned i = 0; i < dictionary->m; ++i) {
        signal[i] = (signal[i] - dictionary->offsets[channel]) * dictionary->gains[channel];
        if (++channel == dictionary->channels)
            channel = 0;
    }
}
