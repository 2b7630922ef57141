/* Models: int8 networks that run in place from a checked bundle (FORMATS.md, "Model payload"), equal to TensorFlow Lite
 * Micro's reference kernels bit for bit. The host has planned all memory; here nothing is allocated or decided. */
#ifndef EDGETWIN_MODEL_H
#define EDGETWIN_MODEL_H

#include "edgetwin/bundle.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ET_MAX_RANK 5u
#define ET_MODEL_ALIGN 16u /* of the workspace */

typedef enum et_tensor_type { ET_TENSOR_INT8 = 1, ET_TENSOR_FLOAT32 = 2 } et_tensor_type;

/* An input or an output of a model, as it lies in the bundle. A real value is scale * (q - zero_point). */
typedef struct et_tensor {
    uint32_t place; /* bytes from the workspace's start */
    uint32_t size;  /* bytes */
    uint8_t type;   /* et_tensor_type */
    uint8_t rank;   /* 0 .. ET_MAX_RANK */
    uint16_t zero;
    int32_t shape[ET_MAX_RANK]; /* 1 beyond the rank */
    float scale;                /* 0 where type is float32 */
    int32_t zero_point;
    uint32_t reserved[2];
} et_tensor;

struct et_model;

/* One kernel: how a layer's record is checked and run. A program lists those that it links. */
typedef struct et_kernel {
    uint16_t number; /* as records name it */
    uint16_t words;  /* 32-bit words of its record, the header included */
    /* Nonzero if all that `run` reads and writes for this record lies inside the bundle and the workspace. */
    int (*check)(const struct et_model *model, const void *record);
    void (*run)(const struct et_model *model, const void *record, uint8_t *workspace);
} et_kernel;

/* All kernels, NULL at the end. A program that names it links them all; one that lists its own links only those. */
extern const et_kernel *const et_kernels_all[];

/* What bundles can be packed for. Portable ones run everywhere. */
typedef enum et_model_target { ET_TARGET_PORTABLE = 0, ET_TARGET_HELIUM = 1 } et_model_target;

typedef struct et_model {
    uint64_t id;
    uint8_t target;                   /* et_model_target */
    uint16_t inputs, outputs, layers; /* how many */
    const et_tensor *tensors;         /* inputs, then outputs */
    const uint32_t *records;          /* of the layers, one after the other */
    const uint8_t *state;             /* what the workspace begins with before the first invocation */
    const uint8_t *constants;
    size_t state_size, constants_size, workspace_size;
    const et_kernel *const *kernels;
} et_model;

/* Checks a bundle once and for all: after ET_OK no layer reads outside bundle and workspace or writes outside the
 * workspace, whatever the bundle says. `bytes` is 4-byte aligned (16 for speed) and must stay; so must `kernels`, which
 * ends with NULL. A bundle that passes computes what its compiler meant, or nonsense, never harm.
 * ET_ERR_KERNEL: a layer needs a kernel that is not in `kernels`. ET_ERR_TARGET: packed for another kind of core.
 * Else as et_bundle_open; ET_ERR_KIND, ET_ERR_TRUNCATED, ET_ERR_FORMAT. On error *model is untouched. */
et_status et_model_open(const uint8_t *bytes, size_t size, const et_kernel *const kernels[], et_model *model);

/* Bytes of the workspace: tensors, scratch and state. */
size_t et_model_workspace_size(const et_model *model);

/* Writes the initial state. Before the first invocation, and to begin a new series.
 * ET_ERR_WORKSPACE: too small, or not aligned to ET_MODEL_ALIGN. */
et_status et_model_reset(const et_model *model, void *workspace, size_t workspace_size);

/* Where input and output `index` lie in a workspace; index is below model->inputs, model->outputs. Outputs hold from an
 * invocation to the next write into the workspace; inputs do not outlive the invocation. */
void *et_model_input(const et_model *model, void *workspace, unsigned index);
const void *et_model_output(const et_model *model, const void *workspace, unsigned index);

/* Runs all layers. Reads inputs and state; writes outputs and state. Never fails once the workspace is right
 * (ET_ERR_WORKSPACE). */
et_status et_model_invoke(const et_model *model, void *workspace, size_t workspace_size);

/* Runs layer *record only and moves *record to the next one; begin with model->records, model->layers times. For profiles
 * and for looking at what is between layers. `workspace` is one that et_model_invoke would take. */
void et_model_step(const et_model *model, void *workspace, const uint32_t **record);

#ifdef __cplusplus
}
#endif
#endif
