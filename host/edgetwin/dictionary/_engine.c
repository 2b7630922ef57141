/* The binding of the learning kernels: buffers in, buffers out; every call drops the interpreter lock.
 *
 * Shapes and values are checked by the Python callers, sizes here. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#include "engine/kernels.h"

/* A build of the kernels for an instruction set, in both types. */
typedef struct engine_build {
    const engine_kernels *of_float, *of_double;
} engine_build;

static const engine_build builds[] = {
#ifdef ENGINE_X86
    {&engine_float_avx512, &engine_double_avx512},
    {&engine_float_avx2, &engine_double_avx2},
#endif
    {&engine_float_base, &engine_double_base},
};
enum { BUILDS = sizeof builds / sizeof *builds };

static const engine_build *current;

static int runs_here(const engine_build *build)
{
#ifdef ENGINE_X86
    if (build->of_float == &engine_float_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (build->of_float == &engine_float_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return build != NULL;
}

static const engine_kernels *kernels_of(unsigned real_size)
{
    return real_size == sizeof(double) ? current->of_double : current->of_float;
}

/* instruction_sets() -> names of the builds that run on this machine, fastest first */
static PyObject *engine_instruction_sets(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyObject *names = PyList_New(0);
    for (int i = 0; names != NULL && i < BUILDS; ++i)
        if (runs_here(&builds[i])) {
            PyObject *name = PyUnicode_FromString(builds[i].of_float->name);
            if (name == NULL || PyList_Append(names, name) != 0)
                Py_CLEAR(names);
            Py_XDECREF(name);
        }
    return names;
}

/* use(name): which build the next calls run, of instruction_sets() */
static PyObject *engine_use(PyObject *self, PyObject *args)
{
    const char *name;
    (void)self;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    for (int i = 0; i < BUILDS; ++i)
        if (runs_here(&builds[i]) && strcmp(name, builds[i].of_float->name) == 0) {
            current = &builds[i];
            Py_RETURN_NONE;
        }
    return PyErr_Format(PyExc_ValueError, "this machine does not run %s", name);
}

/* The buffers of a call: released together. */
enum { MOST_BUFFERS = 8 };
typedef struct buffers {
    Py_buffer of[MOST_BUFFERS];
} buffers;

static void release(buffers *held)
{
    for (int i = 0; i < MOST_BUFFERS; ++i)
        if (held->of[i].obj != NULL)
            PyBuffer_Release(&held->of[i]);
}

/* Reports a buffer that is smaller than the shapes say. */
static int holds(const Py_buffer *buffer, size_t bytes, const char *name)
{
    if ((size_t)buffer->len >= bytes)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s: %zd bytes, %zu needed", name, buffer->len, bytes);
    return 0;
}

/* Reports sizes that no buffer can have. With these checked, a product of two of them and of a real's size is exact. */
static int are_sizes(unsigned real_size, Py_ssize_t m, Py_ssize_t n, Py_ssize_t ld, Py_ssize_t s)
{
    const Py_ssize_t most = INT32_MAX / 2;
    if ((real_size == sizeof(float) || real_size == sizeof(double)) && m >= 1 && n >= 1 && ld >= n && s >= 1 &&
        m <= most && n <= most && ld <= most && s <= m && s <= n)
        return 1;
    PyErr_SetString(PyExc_ValueError, "m, n, s, ld or the size of a real is out of range");
    return 0;
}

static int codes_hold(const Py_buffer *support, const Py_buffer *coefficients, const Py_buffer *counts, size_t s,
                      unsigned real_size, engine_codes *codes)
{
    codes->rows = (size_t)counts->len / sizeof(int32_t);
    codes->s = s;
    codes->support = support->buf;
    codes->coefficients = coefficients->buf;
    codes->counts = counts->buf;
    return holds(support, codes->rows * s * sizeof(int32_t), "support") &&
           holds(coefficients, codes->rows * s * real_size, "coefficients");
}

/* 64 bytes aligned memory, freed by free_scratch. */
static void *new_scratch(size_t size, void **allocated)
{
    *allocated = PyMem_Malloc(size + 64);
    if (*allocated == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    return (void *)(((uintptr_t)*allocated + 63) / 64 * 64);
}

/* batch_omp(real_size, m, n, ld, s, tolerance, signals, atoms, correlations, gram, support, coefficients, counts) */
static PyObject *engine_batch_omp(PyObject *self, PyObject *args)
{
    unsigned real_size;
    Py_ssize_t m, n, ld, s;
    double tolerance;
    buffers held;
    PyObject *answer = NULL;
    void *allocated = NULL;
    (void)self;
    memset(&held, 0, sizeof held);
    if (!PyArg_ParseTuple(args, "Innnndy*y*y*y*w*w*w*", &real_size, &m, &n, &ld, &s, &tolerance, &held.of[0],
                          &held.of[1], &held.of[2], &held.of[3], &held.of[4], &held.of[5], &held.of[6]))
        return NULL;
    const size_t real = real_size;
    engine_codes codes;
    const engine_problem problem = {(size_t)m, (size_t)n, held.of[0].buf, held.of[1].buf, tolerance};
    if (!are_sizes(real_size, m, n, ld, s))
        goto done;
    if ((size_t)ld * real % ENGINE_PADDING != 0) {
        PyErr_SetString(PyExc_ValueError, "ld is not padded");
        goto done;
    }
    if (!codes_hold(&held.of[4], &held.of[5], &held.of[6], (size_t)s, real_size, &codes) ||
        !holds(&held.of[0], codes.rows * (size_t)m * real, "signals") ||
        !holds(&held.of[1], (size_t)(n * m) * real, "atoms") ||
        !holds(&held.of[2], codes.rows * (size_t)ld * real, "correlations") ||
        !holds(&held.of[3], (size_t)(n * ld) * real, "gram"))
        goto done;
    const engine_kernels *kernels = kernels_of(real_size);
    void *scratch = new_scratch(kernels->batch_omp_scratch((size_t)m, (size_t)ld, (size_t)s), &allocated);
    if (scratch == NULL)
        goto done;
    Py_BEGIN_ALLOW_THREADS
    kernels->batch_omp(&problem, held.of[2].buf, held.of[3].buf, (size_t)ld, &codes, scratch);
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    PyMem_Free(allocated);
    release(&held);
    return answer;
}

/* baseline_omp(method: "naive" | "cholesky", real_size, m, n, s, tolerance, signals, atoms, support, coefficients, counts) */
static PyObject *engine_baseline_omp(PyObject *self, PyObject *args)
{
    const char *method;
    unsigned real_size;
    Py_ssize_t m, n, s;
    double tolerance;
    buffers held;
    PyObject *answer = NULL;
    void *allocated = NULL;
    (void)self;
    memset(&held, 0, sizeof held);
    if (!PyArg_ParseTuple(args, "sInnndy*y*w*w*w*", &method, &real_size, &m, &n, &s, &tolerance, &held.of[0],
                          &held.of[1], &held.of[2], &held.of[3], &held.of[4]))
        return NULL;
    engine_codes codes;
    const engine_problem problem = {(size_t)m, (size_t)n, held.of[0].buf, held.of[1].buf, tolerance};
    if (!are_sizes(real_size, m, n, n, s) ||
        !codes_hold(&held.of[2], &held.of[3], &held.of[4], (size_t)s, real_size, &codes) ||
        !holds(&held.of[0], codes.rows * (size_t)m * real_size, "signals") ||
        !holds(&held.of[1], (size_t)(n * m) * real_size, "atoms"))
        goto done;
    const engine_kernels *kernels = kernels_of(real_size);
    const int naive = strcmp(method, "naive") == 0;
    const size_t size = naive ? kernels->naive_omp_scratch((size_t)m, (size_t)n, (size_t)s)
                              : kernels->cholesky_omp_scratch((size_t)m, (size_t)n, (size_t)s);
    void *scratch = new_scratch(size, &allocated);
    if (scratch == NULL)
        goto done;
    Py_BEGIN_ALLOW_THREADS
    if (naive)
        kernels->naive_omp(&problem, &codes, scratch);
    else
        kernels->cholesky_omp(&problem, &codes, scratch);
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    PyMem_Free(allocated);
    release(&held);
    return answer;
}

/* Are all atoms of the codes among n, and all counts within s? */
static int codes_fit(const engine_codes *codes, size_t n)
{
    for (size_t row = 0; row < codes->rows; ++row) {
        if (codes->counts[row] < 0 || (size_t)codes->counts[row] > codes->s)
            return 0;
        for (int32_t i = 0; i < codes->counts[row]; ++i) {
            const int32_t atom = codes->support[row * codes->s + (size_t)i];
            if (atom < 0 || (size_t)atom >= n)
                return 0;
        }
    }
    return 1;
}

/* residuals(real_size, m, n, s, signals, atoms, support, coefficients, counts, residual, squared_norms) */
static PyObject *engine_residuals(PyObject *self, PyObject *args)
{
    unsigned real_size;
    Py_ssize_t m, n, s;
    buffers held;
    PyObject *answer = NULL;
    (void)self;
    memset(&held, 0, sizeof held);
    if (!PyArg_ParseTuple(args, "Innny*y*y*y*y*w*w*", &real_size, &m, &n, &s, &held.of[0], &held.of[1], &held.of[2],
                          &held.of[3], &held.of[4], &held.of[5], &held.of[6]))
        return NULL;
    engine_codes codes;
    const engine_problem problem = {(size_t)m, (size_t)n, held.of[0].buf, held.of[1].buf, 0.0};
    if (!are_sizes(real_size, m, n, n, s) ||
        !codes_hold(&held.of[2], &held.of[3], &held.of[4], (size_t)s, real_size, &codes) ||
        !holds(&held.of[0], codes.rows * (size_t)m * real_size, "signals") ||
        !holds(&held.of[1], (size_t)(n * m) * real_size, "atoms") ||
        !holds(&held.of[5], codes.rows * (size_t)m * real_size, "residual") ||
        !holds(&held.of[6], codes.rows * sizeof(double), "squared_norms"))
        goto done;
    int fit;
    Py_BEGIN_ALLOW_THREADS
    fit = codes_fit(&codes, (size_t)n);
    if (fit)
        kernels_of(real_size)->residuals(&problem, &codes, held.of[5].buf, held.of[6].buf);
    Py_END_ALLOW_THREADS
    if (fit)
        answer = Py_NewRef(Py_None);
    else
        PyErr_SetString(PyExc_ValueError, "a code names an atom that the dictionary does not have");
done:
    release(&held);
    return answer;
}

/* Atoms after which Ctrl-C is looked for: one that many signals use takes a while. */
enum { ATOMS_A_LOOK = 16 };

/* update_atoms(real_size, steps, turn, m, n, s, atoms, support, coefficients, counts, residual)
 * The entries of each atom are listed here: the columns of X, by counting. */
static PyObject *engine_update_atoms(PyObject *self, PyObject *args)
{
    unsigned real_size, steps;
    double turn;
    Py_ssize_t m, n, s;
    buffers held;
    int interrupted = 0;
    PyObject *answer = NULL;
    int64_t *starts = NULL, *entries = NULL;
    void *scratch = NULL;
    (void)self;
    memset(&held, 0, sizeof held);
    if (!PyArg_ParseTuple(args, "IIdnnnw*y*w*y*w*", &real_size, &steps, &turn, &m, &n, &s, &held.of[0], &held.of[1],
                          &held.of[2], &held.of[3], &held.of[4]))
        return NULL;
    engine_codes codes;
    if (!are_sizes(real_size, m, n, n, s) ||
        !codes_hold(&held.of[1], &held.of[2], &held.of[3], (size_t)s, real_size, &codes) ||
        !holds(&held.of[0], (size_t)(n * m) * real_size, "atoms") ||
        !holds(&held.of[4], codes.rows * (size_t)m * real_size, "residual"))
        goto done;
    if (!codes_fit(&codes, (size_t)n)) {
        PyErr_SetString(PyExc_ValueError, "a code names an atom that the dictionary does not have");
        goto done;
    }
    starts = PyMem_Calloc((size_t)n + 2, sizeof *starts);
    entries = PyMem_Malloc((codes.rows * (size_t)s + 1) * sizeof *entries);
    scratch = PyMem_Malloc((2 * (size_t)m + codes.rows * (size_t)s) * real_size);
    if (starts == NULL || entries == NULL || scratch == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    for (size_t row = 0; row < codes.rows; ++row)
        for (int32_t i = 0; i < codes.counts[row]; ++i)
            ++starts[codes.support[row * codes.s + (size_t)i] + 2];
    for (Py_ssize_t j = 2; j <= n; ++j)
        starts[j] += starts[j - 1];
    for (size_t row = 0; row < codes.rows; ++row)
        for (int32_t i = 0; i < codes.counts[row]; ++i) {
            const size_t entry = row * codes.s + (size_t)i;
            entries[starts[codes.support[entry] + 1]++] = (int64_t)entry;
        }
    for (size_t first = 0; first < (size_t)n && !interrupted; first += ATOMS_A_LOOK) {
        const size_t count = (size_t)n - first < ATOMS_A_LOOK ? (size_t)n - first : ATOMS_A_LOOK;
        char *atoms = (char *)held.of[0].buf + first * (size_t)m * real_size;
        kernels_of(real_size)->update_atoms((size_t)m, count, atoms, &codes, starts + first, entries, held.of[4].buf,
                                            steps, turn, scratch);
        Py_BLOCK_THREADS
        interrupted = PyErr_CheckSignals();
        Py_UNBLOCK_THREADS
    }
    Py_END_ALLOW_THREADS
    if (!interrupted)
        answer = Py_NewRef(Py_None);
done:
    PyMem_Free(starts);
    PyMem_Free(entries);
    PyMem_Free(scratch);
    release(&held);
    return answer;
}

static PyMethodDef engine_methods[] = {
    {"instruction_sets", engine_instruction_sets, METH_NOARGS, NULL},
    {"use", engine_use, METH_VARARGS, NULL},
    {"batch_omp", engine_batch_omp, METH_VARARGS, NULL},
    {"baseline_omp", engine_baseline_omp, METH_VARARGS, NULL},
    {"residuals", engine_residuals, METH_VARARGS, NULL},
    {"update_atoms", engine_update_atoms, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef engine_module = {
    PyModuleDef_HEAD_INIT, "_engine", NULL, 0, engine_methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__engine(void)
{
    for (int i = BUILDS; i-- > 0;)
        if (runs_here(&builds[i]))
            current = &builds[i];
    PyObject *module = PyModule_Create(&engine_module);
    if (module != NULL && PyModule_AddIntConstant(module, "PADDING", ENGINE_PADDING) != 0)
        Py_CLEAR(module);
    return module;
}
