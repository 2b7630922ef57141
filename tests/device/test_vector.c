/* The kernels against vector.h's words: whatever port the program is linked with gives these bits. */
#include <string.h>

#include "edgetwin/vector.h"
#include "runner.h"

#define MOST 40u /* covers each unrolled loop of every port twice, and each remainder */
#define ROUNDS 20u

static uint32_t bits(float value)
{
    uint32_t result;
    memcpy(&result, &value, sizeof result);
    return result;
}

/* Magnitudes from 2^-20 to 2^11, so that most sums round. */
static float spread_float(uint32_t *state)
{
    float value = test_random_float(state);
    for (uint32_t halvings = test_random(state) % 21; halvings > 0; --halvings)
        value *= 0.5f;
    return test_random(state) % 4 == 0 ? value * 2048.0f : value;
}

static float dot_f32_by_definition(const float *a, const float *b, size_t count)
{
    volatile float partial[4] = {0.0f, 0.0f, 0.0f, 0.0f}; /* volatile: product and sum are rounded one by one */
    for (size_t i = 0; i < count; ++i) {
        volatile float product = a[i] * b[i];
        partial[i % 4] = partial[i % 4] + product;
    }
    const float even = partial[0] + partial[1];
    const float odd = partial[2] + partial[3];
    return even + odd;
}

static void float_dot_sums_four_partials_in_order(void)
{
    uint32_t state = 1;
    for (size_t count = 0; count <= MOST; ++count) {
        test_note("count", (int64_t)count);
        float *a = test_take(count * sizeof *a), *b = test_take(count * sizeof *b);
        for (unsigned round = 0; round < ROUNDS; ++round) {
            for (size_t i = 0; i < count; ++i) {
                a[i] = spread_float(&state);
                b[i] = spread_float(&state);
            }
            CHECK_EQUAL(bits(et_dot_f32(a, b, count)), bits(dot_f32_by_definition(a, b, count)));
        }
        test_give(b);
        test_give(a);
    }
}

static void float_dot_keeps_denormals(void)
{
    float a[9], b[9];
    for (unsigned i = 0; i < 9; ++i) {
        a[i] = 1e-20f;
        b[i] = 1e-23f;
    }
    CHECK(et_dot_f32(a, b, 9) > 0.0f);
    CHECK_EQUAL(bits(et_dot_f32(a, b, 9)), bits(dot_f32_by_definition(a, b, 9)));
}

static void axpy_rounds_product_then_sum(void)
{
    uint32_t state = 2;
    for (size_t count = 0; count <= MOST; ++count) {
        test_note("count", (int64_t)count);
        float *x = test_take(count * sizeof *x), *y = test_take(count * sizeof *y);
        float expected[MOST];
        for (unsigned round = 0; round < ROUNDS; ++round) {
            const float a = spread_float(&state);
            for (size_t i = 0; i < count; ++i) {
                x[i] = spread_float(&state);
                y[i] = spread_float(&state);
                volatile float product = a * x[i];
                expected[i] = y[i] + product;
            }
            et_axpy_f32(a, x, y, count);
            CHECK_BYTES(y, expected, count * sizeof *y);
        }
        test_give(y);
        test_give(x);
    }
}

static void int16_dot_is_exact(void)
{
    uint32_t state = 3;
    for (size_t count = 0; count <= MOST; ++count) {
        test_note("count", (int64_t)count);
        int16_t *atom = test_take(count * sizeof *atom), *residual = test_take(count * sizeof *residual);
        for (unsigned round = 0; round < ROUNDS; ++round) {
            int64_t expected = 0;
            for (size_t i = 0; i < count; ++i) {
                atom[i] = (int16_t)(test_random(&state) >> 16);
                residual[i] = (int16_t)((int32_t)(test_random(&state) % 32769) - 16384);
                expected += (int64_t)atom[i] * residual[i];
            }
            CHECK_EQUAL(et_dot_s16(atom, residual, count), expected);
        }
        test_give(residual);
        test_give(atom);
    }
}

static void int16_dot_takes_the_largest_sum(void)
{
    const size_t count = 4096;
    int16_t *atom = test_take(count * sizeof *atom), *residual = test_take(count * sizeof *residual);
    if (atom == NULL || residual == NULL)
        return;
    for (size_t i = 0; i < count; ++i) {
        atom[i] = -32768;
        residual[i] = -16384;
    }
    CHECK_EQUAL(et_dot_s16(atom, residual, count), (int64_t)1 << 41);
}

/* The order that vector.h asks for: 0, 2, 1, 3 in each full group of four. */
static void interleave(const int16_t *natural, int16_t *interleaved, size_t count)
{
    static const unsigned order[4] = {0, 2, 1, 3};
    for (size_t i = 0; i < count; ++i) {
        const size_t group = i & ~(size_t)3;
        interleaved[i] = group + 4 <= count ? natural[group + order[i % 4]] : natural[i];
    }
}

static void int8_dot_is_exact(void)
{
    uint32_t state = 4;
    for (size_t count = 0; count <= MOST; ++count) {
        test_note("count", (int64_t)count);
        int8_t *atom = test_take(count);
        int16_t *residual = test_take(count * sizeof *residual);
        int16_t natural[MOST];
        for (unsigned round = 0; round < ROUNDS; ++round) {
            int64_t expected = 0;
            for (size_t i = 0; i < count; ++i) {
                atom[i] = (int8_t)(test_random(&state) >> 24);
                natural[i] = (int16_t)((int32_t)(test_random(&state) % 32769) - 16384);
                expected += (int64_t)atom[i] * natural[i];
            }
            interleave(natural, residual, count);
            CHECK_EQUAL(et_dot_s8(atom, residual, count), expected);
        }
        test_give(residual);
        test_give(atom);
    }
}

SUITE(vector, TEST(float_dot_sums_four_partials_in_order), TEST(float_dot_keeps_denormals),
      TEST(axpy_rounds_product_then_sum), TEST(int16_dot_is_exact), TEST(int16_dot_takes_the_largest_sum),
      TEST(int8_dot_is_exact))
