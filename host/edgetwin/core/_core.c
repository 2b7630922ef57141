/* The binding of the C core: buffers in, buffers out. Shapes and types are checked by edgetwin.core (Python), sizes here. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#include "edgetwin/bundle.h"
#include "edgetwin/code.h"
#include "edgetwin/model.h"
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

/* A checked model bundle with its own copy of the bytes, and a workspace that keeps its state between calls. */
typedef struct model_object {
    PyObject_HEAD uint8_t *memory; /* of both, not aligned */
    uint8_t *workspace;
    et_model model;
    int busy; /* a thread computes in the workspace */
} model_object;

static uint8_t *aligned_up(uint8_t *memory)
{
    return memory + (ET_MODEL_ALIGN - (uintptr_t)memory % ET_MODEL_ALIGN) % ET_MODEL_ALIGN;
}

/* open_model(bytes) -> (status, Model | None) */
static PyObject *core_open_model(PyObject *module, PyObject *args)
{
    Py_buffer bundle;
    if (!PyArg_ParseTuple(args, "y*", &bundle))
        return NULL;
    PyTypeObject *type = (PyTypeObject *)PyObject_GetAttrString(module, "Model");
    model_object *self = type != NULL ? PyObject_New(model_object, type) : NULL;
    Py_XDECREF((PyObject *)type);
    if (self == NULL) {
        PyBuffer_Release(&bundle);
        return NULL;
    }
    self->busy = 0;
    self->workspace = NULL;
    self->memory = PyMem_Malloc((size_t)bundle.len + ET_MODEL_ALIGN);
    if (self->memory == NULL) {
        PyBuffer_Release(&bundle);
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    uint8_t *bytes = aligned_up(self->memory);
    memcpy(bytes, bundle.buf, (size_t)bundle.len);
    const et_status status = et_model_open(bytes, (size_t)bundle.len, et_kernels_all, &self->model);
    PyBuffer_Release(&bundle);
    if (status == ET_OK) {
        const size_t size = et_model_workspace_size(&self->model);
        self->workspace = PyMem_Calloc(size + ET_MODEL_ALIGN, 1);
        if (self->workspace == NULL) {
            Py_DECREF(self);
            return PyErr_NoMemory();
        }
        et_model_reset(&self->model, aligned_up(self->workspace), size);
    }
    PyObject *answer = Py_BuildValue("(iO)", (int)status, status == ET_OK ? (PyObject *)self : Py_None);
    Py_DECREF(self);
    return answer;
}

static void model_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyMem_Free(((model_object *)object)->memory);
    PyMem_Free(((model_object *)object)->workspace);
    PyObject_Free(object);
    Py_DECREF(type);
}

/* shape() -> (id, target, layers, workspace bytes, state bytes, (inputs, outputs)), each of the last a list of
 * (place, bytes, type, rank, shape, scale, zero point) */
static PyObject *model_shape(PyObject *object, PyObject *unused)
{
    const et_model *model = &((model_object *)object)->model;
    (void)unused;
    PyObject *lists[2] = {PyList_New(0), PyList_New(0)};
    for (unsigned i = 0; lists[0] != NULL && lists[1] != NULL && i < (unsigned)model->inputs + model->outputs; ++i) {
        const et_tensor *t = &model->tensors[i];
        const int32_t *d = t->shape;
        PyObject *tensor = Py_BuildValue("(IIII(iiiii)fi)", t->place, t->size, (unsigned)t->type, (unsigned)t->rank,
                                         d[0], d[1], d[2], d[3], d[4], (double)t->scale, t->zero_point);
        if (tensor == NULL || PyList_Append(lists[i >= model->inputs], tensor) != 0)
            Py_CLEAR(lists[0]);
        Py_XDECREF(tensor);
    }
    if (lists[0] == NULL || lists[1] == NULL) {
        Py_XDECREF(lists[0]);
        Py_XDECREF(lists[1]);
        return NULL;
    }
    return Py_BuildValue("(KiInn(NN))", (unsigned long long)model->id, model->target, model->layers,
                         (Py_ssize_t)model->workspace_size, (Py_ssize_t)model->state_size, lists[0], lists[1]);
}

/* Takes the workspace for this thread. */
static int begin_use(model_object *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the model computes in another thread: give each thread its own");
        return 0;
    }
    self->busy = 1;
    return 1;
}

static PyObject *model_reset(PyObject *object, PyObject *unused)
{
    model_object *self = (model_object *)object;
    (void)unused;
    if (!begin_use(self))
        return NULL;
    et_model_reset(&self->model, aligned_up(self->workspace), self->model.workspace_size);
    self->busy = 0;
    return Py_NewRef(Py_None);
}

static void release_all(Py_buffer *buffers, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; ++i)
        PyBuffer_Release(&buffers[i]);
    PyMem_Free(buffers);
}

/* The buffers of a list that has one for each of `count` tensors, each of `rows` times the tensor's bytes. */
static Py_buffer *tensor_buffers(PyObject *list, const et_tensor *tensors, unsigned count, size_t rows, int flags)
{
    if (!PyList_Check(list) || PyList_Size(list) != (Py_ssize_t)count) {
        PyErr_Format(PyExc_ValueError, "a list of %u arrays is needed", count);
        return NULL;
    }
    Py_buffer *buffers = PyMem_Calloc(count, sizeof *buffers);
    if (buffers == NULL)
        PyErr_NoMemory();
    for (unsigned i = 0; buffers != NULL && i < count; ++i) {
        const int taken = PyObject_GetBuffer(PyList_GetItem(list, (Py_ssize_t)i), &buffers[i], flags) == 0;
        if (!taken || (size_t)buffers[i].len / tensors[i].size < rows) {
            if (taken)
                PyErr_Format(PyExc_ValueError, "tensor %u: %zd bytes, %zu rows of %u needed", i, buffers[i].len, rows,
                             tensors[i].size);
            release_all(buffers, (Py_ssize_t)i + taken);
            return NULL;
        }
    }
    return buffers;
}

static void put_inputs(const et_model *model, uint8_t *workspace, const Py_buffer *inputs, size_t row)
{
    for (unsigned i = 0; i < model->inputs; ++i) {
        const size_t size = model->tensors[i].size;
        memcpy(et_model_input(model, workspace, i), (const uint8_t *)inputs[i].buf + row * size, size);
    }
}

/* invoke(rows, list of input arrays, list of output arrays): one invocation after the other. */
static PyObject *model_invoke(PyObject *object, PyObject *args)
{
    model_object *self = (model_object *)object;
    const et_model *model = &self->model;
    uint8_t *workspace = aligned_up(self->workspace);
    PyObject *input_list, *output_list, *answer = NULL;
    Py_ssize_t rows;
    if (!PyArg_ParseTuple(args, "nOO", &rows, &input_list, &output_list) || !begin_use(self))
        return NULL;
    Py_buffer *outputs = NULL;
    Py_buffer *inputs = tensor_buffers(input_list, model->tensors, model->inputs, (size_t)rows, PyBUF_SIMPLE);
    if (inputs != NULL)
        outputs =
            tensor_buffers(output_list, model->tensors + model->inputs, model->outputs, (size_t)rows, PyBUF_WRITABLE);
    if (outputs != NULL) {
        Py_ssize_t row = 0;
        for (; row < rows && PyErr_CheckSignals() == 0; ++row) {
            Py_BEGIN_ALLOW_THREADS
            put_inputs(model, workspace, inputs, (size_t)row);
            et_model_invoke(model, workspace, model->workspace_size);
            for (unsigned i = 0; i < model->outputs; ++i) {
                const size_t size = model->tensors[model->inputs + i].size;
                memcpy((uint8_t *)outputs[i].buf + (size_t)row * size, et_model_output(model, workspace, i), size);
            }
            Py_END_ALLOW_THREADS
        }
        if (row == rows)
            answer = Py_NewRef(Py_None);
        release_all(outputs, model->outputs);
    }
    if (inputs != NULL)
        release_all(inputs, model->inputs);
    self->busy = 0;
    return answer;
}

/* trace(list of input arrays, list of (layer, place, bytes) by ascending layer) -> list of bytes: what lies at each place
 * when its layer has run, in one invocation. */
static PyObject *model_trace(PyObject *object, PyObject *args)
{
    model_object *self = (model_object *)object;
    const et_model *model = &self->model;
    uint8_t *workspace = aligned_up(self->workspace);
    PyObject *input_list, *places;
    if (!PyArg_ParseTuple(args, "OO!", &input_list, &PyList_Type, &places) || !begin_use(self))
        return NULL;
    PyObject *answer = NULL;
    Py_buffer *inputs = tensor_buffers(input_list, model->tensors, model->inputs, 1, PyBUF_SIMPLE);
    if (inputs != NULL) {
        const uint32_t *record = model->records;
        unsigned done = 0;
        put_inputs(model, workspace, inputs, 0);
        answer = PyList_New(0);
        for (Py_ssize_t i = 0; answer != NULL && i < PyList_Size(places); ++i) {
            unsigned layer, place, size;
            PyObject *bytes = NULL;
            if (PyArg_ParseTuple(PyList_GetItem(places, i), "III", &layer, &place, &size)) {
                for (; done <= layer && done < model->layers; ++done)
                    et_model_step(model, workspace, &record);
                if (done == layer + 1u && (size_t)place <= model->workspace_size &&
                    size <= model->workspace_size - place)
                    bytes = PyBytes_FromStringAndSize((const char *)workspace + place, (Py_ssize_t)size);
                else
                    PyErr_SetString(PyExc_ValueError, "layers must ascend and places lie in the workspace");
            }
            if (bytes == NULL || PyList_Append(answer, bytes) != 0)
                Py_CLEAR(answer);
            Py_XDECREF(bytes);
        }
        for (; answer != NULL && done < model->layers; ++done)
            et_model_step(model, workspace, &record);
        release_all(inputs, model->inputs);
    }
    self->busy = 0;
    return answer;
}

static PyMethodDef model_methods[] = {
    {"shape", model_shape, METH_NOARGS, NULL},
    {"reset", model_reset, METH_NOARGS, NULL},
    {"invoke", model_invoke, METH_VARARGS, NULL},
    {"trace", model_trace, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot model_slots[] = {
    {Py_tp_dealloc, (void *)model_dealloc},
    {Py_tp_methods, model_methods},
    {0, NULL},
};

static PyType_Spec model_spec = {
    .name = "edgetwin.core._core.Model",
    .basicsize = sizeof(model_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = model_slots,
};

static PyMethodDef core_methods[] = {
    {"status_text", core_status_text, METH_VARARGS, NULL},
    {"omp_workspace_size", core_omp_workspace_size, METH_VARARGS, NULL},
    {"node_buffers_size", core_node_buffers_size, METH_VARARGS, NULL},
    {"omp", core_omp, METH_VARARGS, NULL},
    {"open_dictionary", core_open_dictionary, METH_VARARGS, NULL},
    {"open_model", core_open_model, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef core_module = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, core_methods, NULL, NULL, NULL, NULL};

/* Adds a type under its name. */
static int add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromSpec(spec);
    const int added = type != NULL && PyModule_AddObjectRef(module, name, type) == 0;
    Py_XDECREF(type);
    return added;
}

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&core_module);
    if (module == NULL)
        return NULL;
    if (!add_type(module, &dictionary_spec, "Dictionary") || !add_type(module, &model_spec, "Model") ||
        PyModule_AddStringConstant(module, "VERSION", ET_CORE_VERSION) != 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
