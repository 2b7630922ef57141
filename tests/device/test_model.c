/* Model bundles: what is whole runs, everything else is refused by name and changes nothing. The kernels here are the
 * tests' own; hostile_models.c does the same to the records of the core's. */
#include "edgetwin/model.h"

#include <string.h>

#include "problem.h"
#include "runner.h"

#define VALUES 4u

enum { /* of the bundle below, in bytes */
       FIELDS = ET_BUNDLE_HEADER,
       INPUT = FIELDS + 32,
       OUTPUT = INPUT + 48,
       RECORDS = OUTPUT + 48,
       RECORD_BYTES = 20,
       STATE = RECORDS + 48, /* two records, padded */
       CONSTANTS = STATE + 16,
       END = CONSTANTS + 16,
       WORKSPACE = 64 /* state, input, between, output: 16 each */
};

#define IN_CONSTANTS 0x80000000u

/* output[i] = input[i] + constants[i] + state[0]; then state[0] is one more */
typedef struct sum_record {
    uint16_t kernel, words;
    uint32_t input, output, constants, count;
} sum_record;

static int inside(uint64_t place, uint64_t bytes, size_t size) { return place + bytes <= size; }

static int check_sum(const et_model *model, const void *record)
{
    const sum_record *sum = record;
    return inside(sum->input, sum->count, model->workspace_size) &&
           inside(sum->output, sum->count, model->workspace_size) && (sum->constants & IN_CONSTANTS) != 0 &&
           inside(sum->constants & ~IN_CONSTANTS, sum->count, model->constants_size) && model->workspace_size > 0;
}

static void run_sum(const et_model *model, const void *record, uint8_t *workspace)
{
    const sum_record *sum = record;
    for (uint32_t i = 0; i < sum->count; ++i)
        workspace[sum->output + i] = (uint8_t)(workspace[sum->input + i] +
                                               model->constants[(sum->constants & ~IN_CONSTANTS) + i] + workspace[0]);
    ++workspace[0];
}

static const et_kernel kernel_sum = {7, RECORD_BYTES / 4, check_sum, run_sum};
static const et_kernel *const kernels[] = {&kernel_sum, NULL};
static const et_kernel *const no_kernels[] = {NULL};

static void put_u16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    put_u16(bytes, value & 0xffff);
    put_u16(bytes + 2, value >> 16);
}

static void put_tensor(uint8_t *bytes, uint32_t place)
{
    const int32_t shape[ET_MAX_RANK] = {1, VALUES, 1, 1, 1};
    const float scale = 0.5f;
    put_u32(bytes, place);
    put_u32(bytes + 4, VALUES);
    bytes[8] = ET_TENSOR_INT8;
    bytes[9] = 2;
    for (unsigned i = 0; i < ET_MAX_RANK; ++i)
        put_u32(bytes + 12 + 4 * i, (uint32_t)shape[i]);
    memcpy(bytes + 32, &scale, sizeof scale);
    put_u32(bytes + 36, (uint32_t)-3);
}

static void put_record(uint8_t *bytes, uint32_t input, uint32_t output)
{
    put_u16(bytes, kernel_sum.number);
    put_u16(bytes + 2, kernel_sum.words);
    put_u32(bytes + 4, input);
    put_u32(bytes + 8, output);
    put_u32(bytes + 12, IN_CONSTANTS);
    put_u32(bytes + 16, VALUES);
}

static void seal(uint8_t *bytes) { seal_bundle(bytes, ET_KIND_MODEL, END - ET_BUNDLE_HEADER); }

/* A model of two layers; state and constants: 5; 1 2 3 4. */
static void write_model(uint8_t *bytes)
{
    memset(bytes, 0, END);
    put_u16(bytes + FIELDS, 1);
    put_u32(bytes + FIELDS + 4, WORKSPACE);
    put_u32(bytes + FIELDS + 8, 16);
    put_u16(bytes + FIELDS + 12, 1);
    put_u16(bytes + FIELDS + 14, 1);
    put_u16(bytes + FIELDS + 16, 2);
    put_u32(bytes + FIELDS + 20, 2 * RECORD_BYTES);
    put_u32(bytes + FIELDS + 24, 16);
    put_tensor(bytes + INPUT, 16);
    put_tensor(bytes + OUTPUT, 48);
    put_record(bytes + RECORDS, 16, 32);
    put_record(bytes + RECORDS + RECORD_BYTES, 32, 48);
    bytes[STATE] = 5;
    for (unsigned i = 0; i < VALUES; ++i)
        bytes[CONSTANTS + i] = (uint8_t)(i + 1);
    seal(bytes);
}

static uint8_t *take_model(void)
{
    uint8_t *bytes = test_take(END);
    if (bytes != NULL)
        write_model(bytes);
    return bytes;
}

/* Opens, and checks that an error leaves the output as it was. */
static et_status open_model(const uint8_t *bytes, size_t size, et_model *model)
{
    et_model before;
    memset(model, 0x5a, sizeof *model);
    memcpy(&before, model, sizeof before);
    const et_status status = et_model_open(bytes, size, kernels, model);
    if (status != ET_OK)
        CHECK_BYTES(model, &before, sizeof before);
    return status;
}

static et_status seal_and_open(uint8_t *bytes)
{
    et_model model;
    seal(bytes);
    return open_model(bytes, END, &model);
}

static void whole_model_opens_in_place(void)
{
    uint8_t *bytes = take_model();
    et_model m;
    if (bytes == NULL)
        return;
    CHECK_EQUAL(open_model(bytes, END, &m), ET_OK);
    CHECK_EQUAL(m.target, ET_TARGET_PORTABLE);
    CHECK_EQUAL(m.inputs, 1);
    CHECK_EQUAL(m.outputs, 1);
    CHECK_EQUAL(m.layers, 2);
    CHECK_EQUAL(m.state_size, 16);
    CHECK_EQUAL(m.constants_size, 16);
    CHECK_EQUAL(et_model_workspace_size(&m), WORKSPACE);
    CHECK_BYTES(&m.id, bytes + 16, 8);
    CHECK(m.constants == bytes + CONSTANTS && m.state == bytes + STATE);
    CHECK_EQUAL(m.tensors[0].type, ET_TENSOR_INT8);
    CHECK_EQUAL(m.tensors[0].rank, 2);
    CHECK_EQUAL(m.tensors[0].shape[1], VALUES);
    CHECK(m.tensors[0].scale == 0.5f && m.tensors[0].zero_point == -3);
    CHECK_EQUAL(m.tensors[1].place, 48);
}

static void layers_run_in_order_and_state_outlives_an_invocation(void)
{
    static const uint8_t input[VALUES] = {10, 20, 30, 40};
    uint8_t *bytes = take_model(), *workspace = test_take(WORKSPACE);
    et_model m;
    if (bytes == NULL || workspace == NULL)
        return;
    CHECK_EQUAL(open_model(bytes, END, &m), ET_OK);
    for (unsigned series = 0; series < 2; ++series) {
        CHECK_EQUAL(et_model_reset(&m, workspace, WORKSPACE), ET_OK);
        for (unsigned k = 0; k < 3; ++k) {
            const uint8_t states = (uint8_t)(5 + 2 * k + 6 + 2 * k);
            memcpy(et_model_input(&m, workspace, 0), input, VALUES);
            CHECK_EQUAL(et_model_invoke(&m, workspace, WORKSPACE), ET_OK);
            const uint8_t *output = et_model_output(&m, workspace, 0);
            for (unsigned i = 0; i < VALUES; ++i)
                CHECK_EQUAL(output[i], input[i] + 2 * (i + 1) + states);
        }
    }
}

static void steps_are_the_layers_of_an_invocation(void)
{
    uint8_t *bytes = take_model(), *whole = test_take(WORKSPACE), *stepped = test_take(WORKSPACE);
    et_model m;
    if (bytes == NULL || whole == NULL || stepped == NULL)
        return;
    CHECK_EQUAL(open_model(bytes, END, &m), ET_OK);
    memset(whole, 3, WORKSPACE);
    memset(stepped, 3, WORKSPACE);
    CHECK_EQUAL(et_model_invoke(&m, whole, WORKSPACE), ET_OK);
    const uint32_t *record = m.records;
    for (unsigned layer = 0; layer < m.layers; ++layer)
        et_model_step(&m, stepped, &record);
    CHECK(record == m.records + 2 * RECORD_BYTES / 4);
    CHECK_BYTES(stepped, whole, WORKSPACE);
}

static void workspace_that_is_too_small_or_misaligned_is_refused(void)
{
    uint8_t *bytes = take_model(), *workspace = test_take(WORKSPACE + ET_MODEL_ALIGN);
    et_model m;
    if (bytes == NULL || workspace == NULL)
        return;
    CHECK_EQUAL(open_model(bytes, END, &m), ET_OK);
    memset(workspace, 0x33, WORKSPACE + ET_MODEL_ALIGN);
    CHECK_EQUAL(et_model_reset(&m, workspace, WORKSPACE - 1), ET_ERR_WORKSPACE);
    CHECK_EQUAL(et_model_invoke(&m, workspace, WORKSPACE - 1), ET_ERR_WORKSPACE);
    CHECK_EQUAL(et_model_reset(&m, workspace + 8, WORKSPACE + 8), ET_ERR_WORKSPACE);
    CHECK_EQUAL(et_model_invoke(&m, workspace + 8, WORKSPACE + 8), ET_ERR_WORKSPACE);
    for (unsigned i = 0; i < WORKSPACE + ET_MODEL_ALIGN; ++i)
        CHECK_EQUAL(workspace[i], 0x33);
}

static void every_changed_byte_is_refused(void)
{
    static const uint8_t masks[] = {0x01, 0x10, 0x80, 0xff};
    uint8_t *bytes = take_model();
    for (size_t i = 0; bytes != NULL && i < END; ++i)
        for (unsigned k = 0; k < sizeof masks; ++k) {
            et_model m;
            bytes[i] ^= masks[k];
            test_note("byte", (int64_t)i);
            CHECK(open_model(bytes, END, &m) != ET_OK);
            bytes[i] ^= masks[k];
        }
}

static void every_cut_is_refused(void)
{
    uint8_t *bytes = take_model();
    for (size_t size = 0; bytes != NULL && size < END; ++size) {
        et_model m;
        uint8_t *cut = test_take(size); /* of its own, so that the sanitizer sees a read beyond */
        if (cut == NULL)
            return;
        memcpy(cut, bytes, size);
        test_note("bytes", (int64_t)size);
        CHECK_EQUAL(open_model(cut, size, &m), ET_ERR_TRUNCATED);
        test_give(cut);
    }
}

/* A payload that ends early, yet is sealed: the sections do not fit in. */
static void every_short_payload_is_refused(void)
{
    uint8_t *bytes = take_model();
    for (size_t size = ET_BUNDLE_HEADER; bytes != NULL && size < END; size += 16) {
        et_model m;
        uint8_t *cut = test_take(size);
        if (cut == NULL)
            return;
        memcpy(cut, bytes, size);
        seal_bundle(cut, ET_KIND_MODEL, size - ET_BUNDLE_HEADER);
        test_note("bytes", (int64_t)size);
        CHECK_EQUAL(open_model(cut, size, &m), ET_ERR_TRUNCATED);
        test_give(cut);
    }
}

static void bundles_of_other_kinds_and_misaligned_ones_are_refused(void)
{
    uint8_t *bytes = take_model(), *moved = test_take(END + 3);
    et_model m;
    if (bytes == NULL || moved == NULL)
        return;
    for (unsigned offset = 1; offset < 4; ++offset) {
        memcpy(moved + offset, bytes, END);
        CHECK_EQUAL(open_model(moved + offset, END, &m), ET_ERR_ARGUMENT);
    }
    seal_bundle(bytes, ET_KIND_DICTIONARY, END - ET_BUNDLE_HEADER);
    CHECK_EQUAL(open_model(bytes, END, &m), ET_ERR_KIND);
}

/* Opens with each word in turn in place of what is there. */
typedef struct hostile {
    unsigned offset, size; /* from the section's start; of the value: 1, 2, 4 bytes */
    uint32_t value;
    et_status status;
} hostile;

static void check_hostile(unsigned section, const hostile *cases, size_t count)
{
    uint8_t *bytes = take_model();
    for (size_t i = 0; bytes != NULL && i < count; ++i) {
        uint8_t *at = bytes + section + cases[i].offset;
        write_model(bytes);
        for (unsigned k = 0; k < cases[i].size; ++k)
            at[k] = (uint8_t)(cases[i].value >> (8 * k));
        test_note("case", (int64_t)i);
        CHECK_EQUAL(seal_and_open(bytes), cases[i].status);
    }
}

static void header_fields_out_of_range_are_refused(void)
{
    static const hostile cases[] = {
        {0, 2, 0, ET_ERR_VERSION},
        {0, 2, 2, ET_ERR_VERSION},
        {0, 2, 65535, ET_ERR_VERSION},
        {2, 1, ET_TARGET_HELIUM, ET_OK},
        {2, 1, 2, ET_ERR_FORMAT},
        {2, 1, 255, ET_ERR_FORMAT},
        {3, 1, 1, ET_ERR_FORMAT},
        {4, 4, 0, ET_ERR_FORMAT}, /* workspace */
        {4, 4, WORKSPACE - 1, ET_ERR_FORMAT},
        {4, 4, WORKSPACE - 16, ET_ERR_FORMAT},
        {4, 4, WORKSPACE + 16, ET_OK},
        {4, 4, 0x7ffffff0u, ET_OK},
        {4, 4, 0x80000000u, ET_ERR_FORMAT},
        {4, 4, 0xfffffff0u, ET_ERR_FORMAT},
        {4, 4, 0xffffffffu, ET_ERR_FORMAT},
        {8, 4, WORKSPACE + 1, ET_ERR_FORMAT}, /* state */
        {8, 4, 0xffffffffu, ET_ERR_FORMAT},
        {12, 2, 0, ET_ERR_FORMAT}, /* inputs */
        {12, 2, 65535, ET_ERR_TRUNCATED},
        {14, 2, 0, ET_ERR_FORMAT}, /* outputs */
        {14, 2, 65535, ET_ERR_TRUNCATED},
        {16, 2, 0, ET_ERR_FORMAT}, /* layers */
        {16, 2, 1, ET_ERR_FORMAT},
        {16, 2, 3, ET_ERR_FORMAT},
        {16, 2, 65535, ET_ERR_FORMAT},
        {18, 2, 1, ET_ERR_FORMAT},
        {20, 4, 0, ET_ERR_FORMAT},
        {20, 4, 2 * RECORD_BYTES - 4, ET_ERR_FORMAT}, /* bytes of the records */
        {20, 4, 2 * RECORD_BYTES + 4, ET_ERR_FORMAT},
        {20, 4, 2 * RECORD_BYTES + 1, ET_ERR_FORMAT},
        {20, 4, 0x7ffffff0u, ET_ERR_TRUNCATED},
        {20, 4, 0xfffffffcu, ET_ERR_TRUNCATED},
        {24, 4, 0, ET_ERR_FORMAT},
        {24, 4, VALUES - 1, ET_ERR_FORMAT}, /* constants */
        {24, 4, VALUES, ET_OK},
        {24, 4, 17, ET_ERR_TRUNCATED},
        {24, 4, 0xffffffffu, ET_ERR_TRUNCATED},
        {28, 4, 1, ET_ERR_FORMAT},
    };
    check_hostile(FIELDS, cases, sizeof cases / sizeof *cases);
}

static void tensors_out_of_range_are_refused(void)
{
    static const hostile cases[] = {
        {0, 4, WORKSPACE - VALUES, ET_OK},
        {0, 4, WORKSPACE - VALUES + 1, ET_ERR_FORMAT},
        {0, 4, WORKSPACE, ET_ERR_FORMAT},
        {0, 4, 0x7fffffffu, ET_ERR_FORMAT},
        {0, 4, IN_CONSTANTS, ET_ERR_FORMAT},
        {0, 4, 0xffffffffu, ET_ERR_FORMAT},
        {4, 4, 0, ET_ERR_FORMAT},
        {4, 4, VALUES + 1, ET_ERR_FORMAT},
        {4, 4, 0xffffffffu, ET_ERR_FORMAT},
        {8, 1, 0, ET_ERR_FORMAT},
        {8, 1, ET_TENSOR_FLOAT32, ET_ERR_FORMAT},
        {8, 1, 3, ET_ERR_FORMAT},
        {8, 1, 255, ET_ERR_FORMAT},
        {9, 1, 0, ET_ERR_FORMAT},
        {9, 1, 1, ET_ERR_FORMAT},
        {9, 1, 5, ET_OK},
        {9, 1, 6, ET_ERR_FORMAT},
        {9, 1, 255, ET_ERR_FORMAT},
        {10, 2, 1, ET_ERR_FORMAT},
        {12, 4, 0, ET_ERR_FORMAT},
        {12, 4, 2, ET_ERR_FORMAT},
        {12, 4, 0xffffffffu, ET_ERR_FORMAT},
        {12, 4, 0x40000001u, ET_ERR_FORMAT}, /* 4 times that is 4 in 32 bits */
        {16, 4, 3, ET_ERR_FORMAT},
        {16, 4, 0x80000000u, ET_ERR_FORMAT},
        {20, 4, 2, ET_ERR_FORMAT},
        {28, 4, 0, ET_ERR_FORMAT},
    };
    check_hostile(INPUT, cases, sizeof cases / sizeof *cases);
    check_hostile(OUTPUT, cases, sizeof cases / sizeof *cases);
}

static void float_tensors_are_aligned(void)
{
    static const hostile cases[] = {{0, 4, 20, ET_OK}, {0, 4, 17, ET_ERR_FORMAT}, {0, 4, 18, ET_ERR_FORMAT}};
    uint8_t *bytes = take_model();
    for (unsigned i = 0; bytes != NULL && i < sizeof cases / sizeof *cases; ++i) {
        put_u32(bytes + INPUT, cases[i].value);
        put_u32(bytes + INPUT + 4, 4 * VALUES);
        bytes[INPUT + 8] = ET_TENSOR_FLOAT32;
        CHECK_EQUAL(seal_and_open(bytes), cases[i].status);
    }
}

static void records_out_of_range_are_refused(void)
{
    static const hostile cases[] = {
        {0, 2, 8, ET_ERR_KERNEL},
        {0, 2, 0, ET_ERR_KERNEL},
        {0, 2, 65535, ET_ERR_KERNEL},
        {2, 2, 0, ET_ERR_FORMAT},
        {2, 2, 4, ET_ERR_FORMAT},
        {2, 2, 6, ET_ERR_FORMAT},
        {2, 2, 10, ET_ERR_FORMAT},
        {2, 2, 65535, ET_ERR_FORMAT},
        {4, 4, WORKSPACE - 3, ET_ERR_FORMAT},
        {4, 4, 0xffffffffu, ET_ERR_FORMAT},
        {8, 4, WORKSPACE - 3, ET_ERR_FORMAT},
        {16, 4, 17, ET_ERR_FORMAT},
        {16, 4, 0xffffffffu, ET_ERR_FORMAT},
        {16, 4, 16, ET_OK},
    };
    check_hostile(RECORDS, cases, sizeof cases / sizeof *cases);
    check_hostile(RECORDS + RECORD_BYTES, cases, sizeof cases / sizeof *cases - 1);
}

static void kernel_that_is_not_linked_is_named(void)
{
    uint8_t *bytes = take_model();
    et_model m;
    if (bytes == NULL)
        return;
    CHECK_EQUAL(et_model_open(bytes, END, no_kernels, &m), ET_ERR_KERNEL);
    bytes[FIELDS + 2] = ET_TARGET_HELIUM;
    seal(bytes);
    CHECK_EQUAL(et_model_open(bytes, END, no_kernels, &m), ET_ERR_TARGET);
}

/* Sealed again, a changed model opens or not; one that opens runs in its workspace and nowhere else. */
static void every_flipped_bit_is_harmless(void)
{
    uint8_t *bytes = take_model();
    for (unsigned bit = 8 * FIELDS; bytes != NULL && bit < 8u * END; ++bit) {
        et_model m;
        write_model(bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        seal(bytes);
        if (open_model(bytes, END, &m) != ET_OK || m.workspace_size > 1024)
            continue;
        uint8_t *workspace = test_take(m.workspace_size);
        if (workspace == NULL)
            return;
        memset(workspace, 0, m.workspace_size);
        CHECK_EQUAL(et_model_reset(&m, workspace, m.workspace_size), ET_OK);
        CHECK_EQUAL(et_model_invoke(&m, workspace, m.workspace_size), ET_OK);
        test_give(workspace);
    }
}

SUITE(model, TEST(whole_model_opens_in_place), TEST(layers_run_in_order_and_state_outlives_an_invocation),
      TEST(steps_are_the_layers_of_an_invocation), TEST(workspace_that_is_too_small_or_misaligned_is_refused),
      TEST(every_changed_byte_is_refused), TEST(every_cut_is_refused), TEST(every_short_payload_is_refused),
      TEST(bundles_of_other_kinds_and_misaligned_ones_are_refused), TEST(header_fields_out_of_range_are_refused),
      TEST(tensors_out_of_range_are_refused), TEST(float_tensors_are_aligned), TEST(records_out_of_range_are_refused),
      TEST(kernel_that_is_not_linked_is_named), TEST(every_flipped_bit_is_harmless))
