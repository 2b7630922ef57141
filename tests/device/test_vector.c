/* The kernels against vector.h's words: whatever port the program is linked with gives these bits. */
#include <string.h>

#include "edgetwin/vector.h"
#include "runner.h"

#define MOST 72u /* covers each unrolled loop of every port twice, and each remainder */
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

/* n = 0 .. 3 atoms: pairs, and what is left. */
#define ATOMS 3u

static void float_correlations_are_those_of_each_atom(void)
{
    uint32_t state = 5;
    for (size_t m = 0; m <= MOST; ++m) {
        float *atoms = test_take(ATOMS * m * sizeof *atoms), *residual = test_take(m * sizeof *residual);
        test_note("m", (int64_t)m);
        for (unsigned round = 0; round < ROUNDS; ++round) {
            for (size_t i = 0; i < ATOMS * m; ++i)
                atoms[i] = spread_float(&state);
            for (size_t i = 0; i < m; ++i)
                residual[i] = spread_float(&state);
            for (size_t n = 0; n <= ATOMS; ++n) {
                float sums[ATOMS + 1] = {7.0f, 7.0f, 7.0f, 7.0f};
                et_dots_f32(atoms, m * sizeof *atoms, n, residual, m, sums);
                for (size_t j = 0; j < n; ++j)
                    CHECK_EQUAL(bits(sums[j]), bits(dot_f32_by_definition(atoms + j * m, residual, m)));
                CHECK(sums[n] == 7.0f);
            }
        }
        test_give(residual);
        test_give(atoms);
    }
}

static void int16_correlations_are_exact(void)
{
    uint32_t state = 3;
    for (size_t m = 0; m <= MOST; m += 2) {
        int16_t *atoms = test_take(ATOMS * m * sizeof *atoms), *residual = test_take(m * sizeof *residual);
        test_note("m", (int64_t)m);
        for (unsigned round = 0; round < ROUNDS; ++round) {
            int64_t expected[ATOMS] = {0, 0, 0};
            for (size_t i = 0; i < m; ++i) {
                residual[i] = (int16_t)((int32_t)(test_random(&state) % 32769) - 16384);
                for (size_t j = 0; j < ATOMS; ++j) {
                    atoms[j * m + i] = (int16_t)(test_random(&state) >> 16);
                    expected[j] += (int64_t)atoms[j * m + i] * residual[i];
                }
            }
            for (size_t n = 0; n <= ATOMS; ++n) {
                int64_t sums[ATOMS + 1] = {7, 7, 7, 7};
                et_dots_s16(atoms, m * sizeof *atoms, n, residual, m, sums);
                for (size_t j = 0; j < n; ++j)
                    CHECK_EQUAL(sums[j], expected[j]);
                CHECK_EQUAL(sums[n], 7);
            }
        }
        test_give(residual);
        test_give(atoms);
    }
}

static void int16_correlation_takes_the_largest_sum(void)
{
    const size_t m = 4096;
    int16_t *atom = test_take(m * sizeof *atom), *residual = test_take(m * sizeof *residual);
    int64_t sums[2];
    if (atom == NULL || residual == NULL)
        return;
    for (size_t i = 0; i < m; ++i) {
        atom[i] = -32768;
        residual[i] = -16384;
    }
    et_dots_s16(atom, 0, 2, residual, m, sums);
    CHECK_EQUAL(sums[0], (int64_t)1 << 41);
    CHECK_EQUAL(sums[1], (int64_t)1 << 41);
}

/* The order that vector.h asks for: 0, 2, 1, 3 in each group of four. */
static void interleave(const int16_t *natural, int16_t *interleaved, size_t count)
{
    static const unsigned order[4] = {0, 2, 1, 3};
    for (size_t i = 0; i < count; ++i)
        interleaved[i] = natural[(i & ~(size_t)3) + order[i % 4]];
}

static void int8_correlations_are_exact(void)
{
    uint32_t state = 4;
    for (size_t m = 0; m <= MOST; m += 4) {
        int8_t *atoms = test_take(ATOMS * m);
        int16_t *residual = test_take(m * sizeof *residual);
        int16_t natural[MOST];
        test_note("m", (int64_t)m);
        for (unsigned round = 0; round < ROUNDS; ++round) {
            int64_t expected[ATOMS] = {0, 0, 0};
            for (size_t i = 0; i < m; ++i) {
                natural[i] = (int16_t)((int32_t)(test_random(&state) % 32769) - 16384);
                for (size_t j = 0; j < ATOMS; ++j) {
                    atoms[j * m + i] = (int8_t)(test_random(&state) >> 24);
                    expected[j] += (int64_t)atoms[j * m + i] * natural[i];
                }
            }
            interleave(natural, residual, m);
            for (size_t n = 0; n <= ATOMS; ++n) {
                int32_t sums[ATOMS + 1] = {7, 7, 7, 7};
                et_dots_s8(atoms, m, n, residual, m, sums);
                for (size_t j = 0; j < n; ++j)
                    CHECK_EQUAL(sums[j], expected[j]);
                CHECK_EQUAL(sums[n], 7);
            }
        }
        test_give(residual);
        test_give(atoms);
    }
}

SUITE(vector, TEST(float_dot_sums_four_partials_in_order), TEST(float_dot_keeps_denormals),
      TEST(axpy_rounds_product_then_sum), TEST(float_correlations_are_those_of_each_atom),
      TEST(int16_correlations_are_exact), TEST(int16_correlation_takes_the_largest_sum),
      TEST(int8_correlations_are_exact))
