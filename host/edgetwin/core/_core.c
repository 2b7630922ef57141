/* The binding of the C core: buffers in, buffers out. Shapes and types are checked by edgetwin.core (Python), sizes here. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#include "edgetwin/bundle.h"
#include "edgetwin/code.h"
#include "edgetwin/node.h"
#include "edgetwin/packet.h"
#include "edgetwin/version.h"

/* Reports a buffer that is smaller than the shapes say. */
static int holds(const Py_buffer *buffer, size_t bytes, const char *name)
{
    if ((size_t)buffer->len >= bytes)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s: %zd bytes, %zu needed", name, buffer->len, bytes);
    return 0;
}

static PyObject *core_status_text(PyObject *self, PyObject *args)
{
    int status;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &status))
        return NULL;
    return PyUnicode_FromString(et_status_text((et_status)status));
}

static PyObject *core_omp_workspace_size(PyObject *self, PyObject *args)
{
    unsigned type, m, n, s;
    (void)self;
    if (!PyArg_ParseTuple(args, "IIII", &type, &m, &n, &s))
        return NULL;
    return PyLong_FromSize_t(et_omp_workspace_size((et_atom_type)type, m, n, s));
}

static PyObject *core_node_buffers_size(PyObject *self, PyObject *args)
{
    unsigned short max_payload;
    (void)self;
    if (!PyArg_ParseTuple(args, "H", &max_payload))
        return NULL;
    return PyLong_FromSize_t(et_node_buffers_size(max_payload));
}

/* omp(type, m, n, s, tolerance, least, atoms, scales | None, signals, support, coefficients, count, norm, status) */
static PyObject *core_omp(PyObject *self, PyObject *args)
{
    unsigned type, m, n, s;
    float tolerance, least;
    Py_buffer atoms, scales = {0}, signals, support, coefficients, count, norm, status;
    PyObject *scales_object, *answer = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "IIIIffy*Oy*w*w*w*w*w*", &type, &m, &n, &s, &tolerance, &least, &atoms, &scales_object, &signals,
                          &support, &coefficients, &count, &norm, &status))
        return NULL;
    if (scales_object != Py_None && PyObject_GetBuffer(scales_object, &scales, PyBUF_SIMPLE) != 0)
        goto release;

    et_dictionary d;
    memset(&d, 0, sizeof d);
    d.m = (uint16_t)m;
    d.n = (uint16_t)n;
    d.s = (uint16_t)s;
    d.atom_type = (uint8_t)type;
    d.stride = et_atom_stride((et_atom_type)type, m);
    d.atoms = atoms.buf;
    d.scales = scales.buf;
    const size_t rows = (size_t)status.len, workspace_size = et_omp_workspace_size((et_atom_type)type, m, n, s);
    const size_t k = m > 0 && n > 0 ? et_most_atoms(&d) : 0;
    if (workspace_size == 0) {
        PyErr_SetString(PyExc_ValueError, "m, n or the atom type is out of range");
        goto release;
    }
    if (!holds(&atoms, (size_t)n * d.stride, "atoms") || !holds(&signals, rows * m * 4, "signals") ||
        !holds(&support, rows * k * 2, "support") || !holds(&coefficients, rows * k * 4, "coefficients") ||
        !holds(&count, rows * 2, "count") || !holds(&norm, rows * 4, "norm") ||
        (type != ET_ATOM_FLOAT32 && !holds(&scales, (size_t)n * 4, "scales")))
        goto release;
    void *workspace = PyMem_Malloc(workspace_size);
    if (workspace == NULL) {
        PyErr_NoMemory();
        goto release;
    }
    Py_BEGIN_ALLOW_THREADS
    for (size_t i = 0; i < rows; ++i) {
        et_omp_result result = {0, 0.0f};
        ((uint8_t *)status.buf)[i] = (uint8_t)et_omp(
            &d, s, tolerance, least, (const float *)signals.buf + i * m, (uint16_t *)support.buf + i * k,
            (float *)coefficients.buf + i * k, &result, workspace, workspace_size);
        ((uint16_t *)count.buf)[i] = result.count;
        ((float *)norm.buf)[i] = result.residual_norm;
    }
    Py_END_ALLOW_THREADS
    PyMem_Free(workspace);
    answer = Py_NewRef(Py_None);
release:
    PyBuffer_Release(&atoms);
    if (scales.obj != NULL)
        PyBuffer_Release(&scales);
    PyBuffer_Release(&signals);
    PyBuffer_Release(&support);
    PyBuffer_Release(&coefficients);
    PyBuffer_Release(&count);
    PyBuffer_Release(&norm);
    PyBuffer_Release(&status);
    return answer;
}

/* A checked dictionary bundle with its own copy of the bytes and scratch for one call at a time. */
typedef struct dictionary_object {
    PyObject_HEAD
    uint8_t *bytes;
    et_dictionary dictionary;
} dictionary_object;

/* open_dictionary(bytes) -> (status, Dictionary | None) */
static PyObject *core_open_dictionary(PyObject *module, PyObject *args)
{
    Py_buffer bundle;
    if (!PyArg_ParseTuple(args, "y*", &bundle))
        return NULL;
    PyTypeObject *type = (PyTypeObject *)PyObject_GetAttrString(module, "Dictionary");
    dictionary_object *self = type != NULL ? PyObject_New(dictionary_object, type) : NULL;
    Py_XDECREF((PyObject *)type);
    if (self == NULL) {
        PyBuffer_Release(&bundle);
        return NULL;
    }
    self->bytes = PyMem_Malloc((size_t)bundle.len + 1);
    if (self->bytes == NULL) {
        PyBuffer_Release(&bundle);
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    memcpy(self->bytes, bundle.buf, (size_t)bundle.len);
    const et_status status = et_dictionary_open(self->bytes, (size_t)bundle.len, &self->dictionary);
    PyBuffer_Release(&bundle);
    PyObject *answer = Py_BuildValue("(iO)", (int)status, status == ET_OK ? (PyObject *)self : Py_None);
    Py_DECREF(self);
    return answer;
}

static void dictionary_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyMem_Free(((dictionary_object *)object)->bytes);
    PyObject_Free(object);
    Py_DECREF(type);
}

/* Scratch for the dictionary's windows and, behind it, for one window; NULL without memory. */
static void *new_encoder(const et_dictionary *d, et_encoder *encoder, float **signal)
{
    const size_t size = et_encoder_size(d);
    uint8_t *memory = PyMem_Malloc(size + 4u * (size_t)d->m);
    if (memory == NULL)
        return PyErr_NoMemory();
    et_encoder_place(encoder, d, memory);
    *signal = (float *)(void *)(memory + size);
    return memory;
}

/* Sum of the windows of all packets. */
static size_t sum_of(const Py_buffer *counts)
{
    size_t sum = 0;
    for (Py_ssize_t i = 0; i < counts->len; ++i)
        sum += ((const uint8_t *)counts->buf)[i];
    return sum;
}

/* encode(signals (N * m float32), counts (P uint8: windows of each packet, N in all), status (N uint8)) -> list of P bytes.
 * A window whose status is not 0 is in no packet. */
static PyObject *dictionary_encode(PyObject *object, PyObject *args)
{
    const et_dictionary *d = &((dictionary_object *)object)->dictionary;
    Py_buffer signals, counts, status;
    PyObject *packets = NULL;
    if (!PyArg_ParseTuple(args, "y*y*w*", &signals, &counts, &status))
        return NULL;
    const size_t rows = (size_t)status.len, m = d->m, most = et_packet_window_size(d);
    et_encoder encoder;
    float *signal = NULL;
    uint8_t *bytes = NULL;
    void *scratch = NULL;
    if (sum_of(&counts) != rows) {
        PyErr_SetString(PyExc_ValueError, "the packets' windows are not those of the signals");
        goto release;
    }
    if (!holds(&signals, rows * m * 4, "signals"))
        goto release;
    scratch = new_encoder(d, &encoder, &signal);
    bytes = PyMem_Malloc(ET_PACKET_WINDOWS * most);
    if (scratch == NULL || bytes == NULL) {
        PyErr_NoMemory();
        goto release;
    }
    packets = PyList_New(counts.len);
    size_t row = 0;
    for (Py_ssize_t i = 0; packets != NULL && i < counts.len; ++i) {
        size_t size;
        const unsigned windows = ((const uint8_t *)counts.buf)[i];
        Py_BEGIN_ALLOW_THREADS
        et_packet packet;
        et_packet_begin(&packet, d, &encoder, bytes, windows * most);
        for (unsigned w = 0; w < windows; ++w, ++row) {
            et_omp_result result;
            memcpy(signal, (const float *)signals.buf + row * m, 4 * m);
            et_status one = et_encode(d, &encoder, signal, &result);
            if (one == ET_OK)
                one = et_packet_add(&packet, signal, result.count);
            ((uint8_t *)status.buf)[row] = (uint8_t)one;
        }
        size = et_packet_end(&packet);
        Py_END_ALLOW_THREADS
        PyObject *one = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)size);
        if (one == NULL || PyList_SetItem(packets, i, one) != 0 || PyErr_CheckSignals() != 0)
            Py_CLEAR(packets);
    }
release:
    PyMem_Free(scratch);
    PyMem_Free(bytes);
    PyBuffer_Release(&signals);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&status);
    return packets;
}

/* Decodes one packet; the status of all its windows. */
static et_status decode_packet(const et_dictionary *d, const et_encoder *encoder, const uint8_t *bytes, size_t size,
                               unsigned windows, float *signals, uint8_t *kinds, uint16_t *atoms, uint32_t *usage)
{
    et_packet_reader reader;
    et_packet_open(&reader, d, encoder, bytes, size, windows);
    for (unsigned w = 0; w < windows; ++w) {
        et_window window;
        const et_status status = et_packet_next(&reader, signals + (size_t)w * d->m, &window);
        if (status != ET_OK)
            return status;
        kinds[w] = (uint8_t)window.kind;
        atoms[w] = window.count;
        for (unsigned i = 0; i < window.count; ++i)
            ++usage[encoder->support[i]];
    }
    return et_packet_close(&reader);
}

/* decode(list of P bytes, counts (P uint8), signals (N * m float32), status (N uint8), kinds (N uint8), atoms (N uint16),
 * usage (n uint32, added to)). The windows of a packet that is not valid have its status, and undefined values. */
static PyObject *dictionary_decode(PyObject *object, PyObject *args)
{
    const et_dictionary *d = &((dictionary_object *)object)->dictionary;
    PyObject *packets, *answer = NULL;
    Py_buffer counts, signals, status, kinds, atoms, usage;
    if (!PyArg_ParseTuple(args, "Oy*w*w*w*w*w*", &packets, &counts, &signals, &status, &kinds, &atoms, &usage))
        return NULL;
    const size_t rows = (size_t)status.len, m = d->m;
    const Py_ssize_t length = PyList_Check(packets) ? PyList_Size(packets) : -1;
    et_encoder encoder;
    float *unused = NULL;
    void *scratch = NULL;
    const char **bytes = NULL;
    Py_ssize_t *sizes = NULL;
    if (length != counts.len || sum_of(&counts) != rows) {
        PyErr_SetString(PyExc_ValueError, "a list of packets and their windows must agree");
        goto release;
    }
    if (!holds(&signals, rows * m * 4, "signals") || !holds(&kinds, rows, "kinds") || !holds(&atoms, rows * 2, "atoms") ||
        !holds(&usage, 4u * d->n, "usage"))
        goto release;
    scratch = new_encoder(d, &encoder, &unused);
    bytes = PyMem_Malloc((size_t)length * sizeof *bytes + 1);
    sizes = PyMem_Malloc((size_t)length * sizeof *sizes + 1);
    if (scratch == NULL || bytes == NULL || sizes == NULL) {
        PyErr_NoMemory();
        goto release;
    }
    for (Py_ssize_t i = 0; i < length; ++i) {
        char *start;
        if (PyBytes_AsStringAndSize(PyList_GetItem(packets, i), &start, &sizes[i]) != 0)
            goto release;
        bytes[i] = start;
    }
    Py_BEGIN_ALLOW_THREADS /* the list keeps the bytes alive, and the caller keeps the list */
    size_t row = 0;
    for (Py_ssize_t i = 0; i < length; ++i) {
        const unsigned windows = ((const uint8_t *)counts.buf)[i];
        const et_status one = decode_packet(d, &encoder, (const uint8_t *)bytes[i], (size_t)sizes[i], windows,
                                            (float *)signals.buf + row * m, (uint8_t *)kinds.buf + row,
                                            (uint16_t *)atoms.buf + row, usage.buf);
        memset((uint8_t *)status.buf + row, (int)one, windows);
        row += windows;
    }
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
release:
    PyMem_Free(scratch);
    PyMem_Free(bytes);
    PyMem_Free(sizes);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&signals);
    PyBuffer_Release(&status);
    PyBuffer_Release(&kinds);
    PyBuffer_Release(&atoms);
    PyBuffer_Release(&usage);
    return answer;
}

/* unpack(code, support (k uint16), coefficients (k float32)) -> (status, count) */
static PyObject *dictionary_unpack(PyObject *object, PyObject *args)
{
    const et_dictionary *d = &((dictionary_object *)object)->dictionary;
    Py_buffer code, support, coefficients;
    PyObject *answer = NULL;
    unsigned count = 0;
    if (!PyArg_ParseTuple(args, "y*w*w*", &code, &support, &coefficients))
        return NULL;
    const size_t k = et_most_atoms(d);
    if (holds(&support, 2 * k, "support") && holds(&coefficients, 4 * k, "coefficients")) {
        size_t used = 0;
        et_status status =
            et_code_unpack(d, code.buf, (size_t)code.len, support.buf, coefficients.buf, &count, &used);
        if (status == ET_OK && used != (size_t)code.len)
            status = ET_ERR_FORMAT;
        answer = Py_BuildValue("(iI)", (int)status, count);
    }
    PyBuffer_Release(&code);
    PyBuffer_Release(&support);
    PyBuffer_Release(&coefficients);
    return answer;
}

/* pack(support (count uint16), coefficients (count float32)) -> (status, bytes) */
static PyObject *dictionary_pack(PyObject *object, PyObject *args)
{
    const et_dictionary *d = &((dictionary_object *)object)->dictionary;
    Py_buffer support, coefficients;
    PyObject *answer = NULL;
    if (!PyArg_ParseTuple(args, "y*y*", &support, &coefficients))
        return NULL;
    const size_t count = (size_t)support.len / 2, most = et_code_max_size(d);
    size_t size = 0;
    uint8_t *packed = PyMem_Malloc(most);
    if (packed == NULL)
        PyErr_NoMemory();
    else if (holds(&coefficients, 4 * count, "coefficients")) {
        const et_status status =
            et_code_pack(d, support.buf, coefficients.buf, (unsigned)count, packed, most, &size);
        answer = Py_BuildValue("(iy#)", (int)status, (const char *)packed, (Py_ssize_t)size);
    }
    PyMem_Free(packed);
    PyBuffer_Release(&support);
    PyBuffer_Release(&coefficients);
    return answer;
}

/* sizes() -> (workspace bytes of OMP, arena bytes in a node, most bytes of a packet of one window) */
static PyObject *dictionary_sizes(PyObject *object, PyObject *unused)
{
    const et_dictionary *d = &((dictionary_object *)object)->dictionary;
    (void)unused;
    return Py_BuildValue("(nnn)", (Py_ssize_t)et_omp_workspace_size((et_atom_type)d->atom_type, d->m, d->n, d->s),
                         (Py_ssize_t)et_node_dictionary_size(d), (Py_ssize_t)et_packet_window_size(d));
}

/* shape() -> (m, n, s, atom type, channels, id) */
static PyObject *dictionary_shape(PyObject *object, PyObject *unused)
{
    const et_dictionary *d = &((dictionary_object *)object)->dictionary;
    (void)unused;
    return Py_BuildValue("(iiiiiK)", d->m, d->n, d->s, d->atom_type, d->channels, (unsigned long long)d->id);
}

static PyMethodDef dictionary_methods[] = {
    {"encode", dictionary_encode, METH_VARARGS, NULL},
    {"decode", dictionary_decode, METH_VARARGS, NULL},
    {"unpack", dictionary_unpack, METH_VARARGS, NULL},
    {"pack", dictionary_pack, METH_VARARGS, NULL},
    {"sizes", dictionary_sizes, METH_NOARGS, NULL},
    {"shape", dictionary_shape, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot dictionary_slots[] = {
    {Py_tp_dealloc, (void *)dictionary_dealloc},
    {Py_tp_methods, dictionary_methods},
    {0, NULL},
};

static PyType_Spec dictionary_spec = {
    .name = "edgetwin.core._core.Dictionary",
    .basicsize = sizeof(dictionary_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = dictionary_slots,
};

static PyMethodDef core_methods[] = {
    {"status_text", core_status_text, METH_VARARGS, NULL},
    {"omp_workspace_size", core_omp_workspace_size, METH_VARARGS, NULL},
    {"node_buffers_size", core_node_buffers_size, METH_VARARGS, NULL},
    {"omp", core_omp, METH_VARARGS, NULL},
    {"open_dictionary", core_open_dictionary, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef core_module = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, core_methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&core_module);
    if (module == NULL)
        return NULL;
    PyObject *type = PyType_FromSpec(&dictionary_spec);
    if (type == NULL || PyModule_AddObjectRef(module, "Dictionary", type) != 0 ||
        PyModule_AddStringConstant(module, "VERSION", ET_CORE_VERSION) != 0) {
        Py_XDECREF(type);
        Py_DECREF(module);
        return NULL;
    }
    Py_DECREF(type);
    return module;
}
