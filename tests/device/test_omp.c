/* The defined results of omp.h, in every atom type, and properties that any right OMP has. */
#include <math.h>
#include <string.h>

#include "edgetwin/omp.h"
#include "problem.h"
#include "runner.h"

static const et_atom_type types[] = {ET_ATOM_FLOAT32, ET_ATOM_INT16, ET_ATOM_INT8};

/* One problem and the places of its answer. */
typedef struct problem {
    et_dictionary *dictionary;
    et_encoder encoder;
    float *signal;
    et_omp_result result;
    unsigned s;
} problem;

/* Nonzero if there was memory for it. The signal is zero. */
static int take_problem(problem *p, et_atom_type type, unsigned m, unsigned n, unsigned s, make_atoms *make)
{
    memset(p, 0, sizeof *p);
    p->s = s;
    p->dictionary = take_dictionary(type, m, n, s, make);
    p->signal = test_take(m * sizeof *p->signal);
    if (p->dictionary == NULL || p->signal == NULL || !take_encoder(p->dictionary, &p->encoder))
        return 0;
    memset(p->signal, 0, m * sizeof *p->signal);
    return 1;
}

static void give_problem(problem *p)
{
    test_give(p->encoder.workspace);
    test_give(p->signal);
    test_give((void *)(uintptr_t)p->dictionary->atoms);
    if (p->dictionary->scales != NULL)
        test_give((void *)(uintptr_t)p->dictionary->scales);
    test_give(p->dictionary);
}

static et_status solve(problem *p, float tolerance)
{
    return et_omp(p->dictionary, p->s, tolerance, 0.0f, p->signal, p->encoder.support, p->encoder.coefficients, &p->result,
                  p->encoder.workspace, p->encoder.workspace_size);
}

static void add_atom(problem *p, float coefficient, unsigned j)
{
    for (unsigned i = 0; i < p->dictionary->m; ++i)
        p->signal[i] += coefficient * atom_element(p->dictionary, j, i);
}

static void random_signal(problem *p, uint32_t seed)
{
    for (unsigned i = 0; i < p->dictionary->m; ++i)
        p->signal[i] = test_random_float(&seed);
}

static int near(float actual, float expected, float relative)
{
    return fabsf(actual - expected) <= relative * fabsf(expected);
}

/* What holds after every success: support ascending and in range, all finite, ||y - D x|| as reported. */
static void check_code(const problem *p)
{
    const unsigned m = p->dictionary->m;
    double signal_energy = 0.0, residual_energy = 0.0;
    CHECK(p->result.count <= code_atoms(p->dictionary));
    for (unsigned k = 0; k < p->result.count; ++k) {
        CHECK(p->encoder.support[k] < p->dictionary->n);
        CHECK(k == 0 || p->encoder.support[k] > p->encoder.support[k - 1]);
        CHECK(isfinite(p->encoder.coefficients[k]));
    }
    for (unsigned i = 0; i < m; ++i) {
        double r = (double)p->signal[i];
        for (unsigned k = 0; k < p->result.count; ++k)
            r -= (double)p->encoder.coefficients[k] * (double)atom_element(p->dictionary, p->encoder.support[k], i);
        signal_energy += (double)p->signal[i] * (double)p->signal[i];
        residual_energy += r * r;
    }
    const double norm = sqrt(residual_energy), scale = sqrt(signal_energy);
    CHECK(fabs(norm - (double)p->result.residual_norm) <= 1e-5 * scale);
}

#define FOR_EACH_TYPE(type)                                                                                            \
    for (unsigned type##_index = 0; type##_index < 3; ++type##_index)                                                  \
        for (et_atom_type type = types[type##_index], *type##_once = &type;                                            \
             type##_once != NULL && (test_note("atom type", (int64_t)type), 1); type##_once = NULL)

static void zero_signal_has_no_atoms(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 9, 12, 4, random_atoms))
            return;
        p.result.count = 77;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 0);
        CHECK(p.result.residual_norm == 0.0f);
        give_problem(&p);
    }
}

static void one_sparse_signal_gives_its_atom(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 16, 24, 5, random_atoms))
            return;
        for (unsigned j = 0; j < 24; ++j) {
            const float coefficient = j % 2 == 0 ? 2.5f : -0.75f;
            memset(p.signal, 0, 16 * sizeof *p.signal);
            add_atom(&p, coefficient, j);
            CHECK_EQUAL(solve(&p, 1e-5f), ET_OK);
            CHECK_EQUAL(p.result.count, 1);
            CHECK_EQUAL(p.encoder.support[0], j);
            CHECK(near(p.encoder.coefficients[0], coefficient, 1e-4f));
            check_code(&p);
        }
        give_problem(&p);
    }
}

/* Without a tolerance too: what is left is rounding noise, which must not be encoded. */
static void residual_that_is_gone_ends_the_code(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 16, 16, 8, identity_atoms))
            return;
        add_atom(&p, 3.0f, 11);
        add_atom(&p, -1.0f, 2);
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 2);
        CHECK_EQUAL(p.encoder.support[0], 2);
        CHECK_EQUAL(p.encoder.support[1], 11);
        CHECK(near(p.encoder.coefficients[0], -1.0f, 1e-5f));
        CHECK(near(p.encoder.coefficients[1], 3.0f, 1e-5f));
        check_code(&p);
        give_problem(&p);
    }
}

static void twin_atoms(float *atoms, unsigned m, unsigned n)
{
    random_atoms(atoms, m, n / 2);
    for (size_t i = 0; i < (size_t)(n / 2) * m; ++i)
        atoms[(size_t)(n / 2) * m + i] = i / m % 2 == 0 ? atoms[i] : -atoms[i]; /* every other twin is opposite */
}

static void repeated_atoms_are_never_chosen_twice(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 12, 10, 10, twin_atoms))
            return;
        for (uint32_t seed = 1; seed <= 10; ++seed) {
            random_signal(&p, seed);
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK_EQUAL(p.result.count, 5); /* the rank; a tie takes the first of two twins */
            for (unsigned k = 0; k < p.result.count; ++k)
                CHECK_EQUAL(p.encoder.support[k], k);
            check_code(&p);
        }
        give_problem(&p);
    }
}

/* All atoms in a space of three dimensions. */
static void flat_atoms(float *atoms, unsigned m, unsigned n)
{
    uint32_t state = 99;
    for (unsigned j = 0; j < n; ++j) {
        float *atom = atoms + (size_t)j * m;
        float energy = 0.0f;
        memset(atom, 0, m * sizeof *atom);
        for (unsigned i = 0; i < 3; ++i) {
            atom[3 * i] = test_random_float(&state);
            energy += atom[3 * i] * atom[3 * i];
        }
        for (unsigned i = 0; i < 3; ++i)
            atom[3 * i] *= 1.0f / sqrtf(energy);
    }
}

static void dependent_atoms_are_left_out(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 12, 20, 12, flat_atoms))
            return;
        for (uint32_t seed = 1; seed <= 10; ++seed) {
            random_signal(&p, seed);
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK(p.result.count <= 3);
            check_code(&p);
        }
        give_problem(&p);
    }
}

static void signal_outside_the_span_has_no_atoms(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 12, 20, 12, flat_atoms))
            return;
        p.signal[1] = 3.0f;
        p.signal[10] = 4.0f;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 0);
        CHECK(near(p.result.residual_norm, 5.0f, 1e-6f));
        give_problem(&p);
    }
}

static void nan_and_infinity_are_refused_and_change_nothing(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 7, 9, 3, random_atoms))
            return;
        for (unsigned i = 0; i < 7; ++i) {
            for (unsigned b = 0; b < 3; ++b) {
                random_signal(&p, 5);
                p.signal[i] = bad[b];
                memset(p.encoder.support, 0x5a, 3 * sizeof *p.encoder.support);
                memset(p.encoder.coefficients, 0x5a, 3 * sizeof *p.encoder.coefficients);
                p.result.count = 77;
                p.result.residual_norm = 7.0f;
                CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_NOT_FINITE);
                CHECK_EQUAL(p.result.count, 77);
                CHECK(p.result.residual_norm == 7.0f);
                for (unsigned k = 0; k < 3; ++k)
                    CHECK_EQUAL(p.encoder.support[k], 0x5a5a);
            }
        }
        random_signal(&p, 5);
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK); /* the next signal is encoded all the same */
        check_code(&p);
        give_problem(&p);
    }
}

static void s_above_the_rank_behaves_as_the_rank(void)
{
    static const unsigned shapes[][3] = {{6, 20, 50}, {20, 6, 50}, {6, 6, 65535}, {5, 9, 5}};
    FOR_EACH_TYPE(type) {
        for (unsigned i = 0; i < 4; ++i) {
            problem p;
            if (!take_problem(&p, type, shapes[i][0], shapes[i][1], shapes[i][2], random_atoms))
                return;
            const unsigned k = code_atoms(p.dictionary);
            uint16_t support[20];
            float coefficients[20];
            CHECK_EQUAL(et_omp_workspace_size(type, shapes[i][0], shapes[i][1], shapes[i][2]),
                        et_omp_workspace_size(type, shapes[i][0], shapes[i][1], k));
            random_signal(&p, 3);
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            check_code(&p);
            const et_omp_result first = p.result;
            memcpy(support, p.encoder.support, first.count * sizeof *support);
            memcpy(coefficients, p.encoder.coefficients, first.count * sizeof *coefficients);
            p.s = k;
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK_EQUAL(p.result.count, first.count);
            CHECK_BYTES(p.encoder.support, support, first.count * sizeof *support);
            CHECK_BYTES(p.encoder.coefficients, coefficients, first.count * sizeof *coefficients);
            give_problem(&p);
        }
    }
}

static void s_of_zero_gives_the_norm_of_the_signal(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 5, 8, 0, random_atoms))
            return;
        p.signal[0] = 3.0f;
        p.signal[4] = -4.0f;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 0);
        CHECK(p.result.residual_norm == 5.0f);
        give_problem(&p);
    }
}

static void one_sample_and_one_atom_work(void)
{
    static const unsigned shapes[][2] = {{1, 1}, {1, 5}, {7, 1}};
    FOR_EACH_TYPE(type) {
        for (unsigned i = 0; i < 3; ++i) {
            problem p;
            if (!take_problem(&p, type, shapes[i][0], shapes[i][1], 3, random_atoms))
                return;
            add_atom(&p, -2.0f, 0);
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK_EQUAL(p.result.count, 1);
            CHECK_EQUAL(p.encoder.support[0], 0);
            CHECK(near(p.encoder.coefficients[0], -2.0f, 1e-4f));
            check_code(&p);
            give_problem(&p);
        }
    }
}

static void huge_signals_are_encoded(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 16, 24, 6, random_atoms))
            return;
        random_signal(&p, 8);
        for (unsigned i = 0; i < 16; ++i)
            p.signal[i] *= 1e38f; /* squares overflow a float32 77 orders of magnitude over */
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 6);
        check_code(&p);
        give_problem(&p);
    }
}

static void constant_atom(float *atoms, unsigned m, unsigned n)
{
    for (size_t i = 0; i < (size_t)m * n; ++i)
        atoms[i] = 1.0f / sqrtf((float)m);
}

static void coefficient_beyond_float32_is_an_overflow(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 16, 1, 1, constant_atom))
            return;
        for (unsigned i = 0; i < 16; ++i)
            p.signal[i] = 3e38f; /* a coefficient of 1.2e39 */
        p.result.count = 77;
        CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_OVERFLOW);
        CHECK_EQUAL(p.result.count, 77);
        p.s = 0; /* ||y|| does not fit either */
        CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_OVERFLOW);
        give_problem(&p);
    }
}

static void denormal_signals_are_encoded(void)
{
    const float smallest = 1.4012984643e-45f;
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 8, 8, 3, identity_atoms))
            return;
        p.signal[3] = smallest;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 1);
        CHECK_EQUAL(p.encoder.support[0], 3);
        CHECK(p.encoder.coefficients[0] == smallest);
        p.signal[5] = -smallest * 1000.0f;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 2);
        CHECK_EQUAL(p.encoder.support[0], 3);
        CHECK_EQUAL(p.encoder.support[1], 5);
        CHECK(p.encoder.coefficients[1] == -smallest * 1000.0f);
        give_problem(&p);
    }
}

static void ties_go_to_the_lowest_index(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 8, 16, 3, identity_atoms)) /* atoms j and j + 8 are the same */
            return;
        for (unsigned i = 0; i < 8; ++i)
            p.signal[i] = i % 2 == 0 ? 1.0f : -1.0f;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_EQUAL(p.result.count, 3);
        for (unsigned k = 0; k < 3; ++k)
            CHECK_EQUAL(p.encoder.support[k], k);
        give_problem(&p);
    }
}

static void workspace_must_be_whole_and_aligned(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 8, 16, 3, random_atoms))
            return;
        random_signal(&p, 1);
        p.result.count = 77;
        p.encoder.workspace_size -= 1;
        CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_WORKSPACE);
        p.encoder.workspace_size += 1;
        uint8_t *workspace = p.encoder.workspace;
        for (unsigned offset = 1; offset < 4; ++offset) {
            p.encoder.workspace = workspace + offset;
            CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_WORKSPACE);
        }
        p.encoder.workspace = NULL;
        CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_WORKSPACE);
        CHECK_EQUAL(p.result.count, 77);
        p.encoder.workspace = workspace;
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        give_problem(&p);
    }
}

/* The address sanitizer guards the ends on the host; boards have this. */
static void workspace_is_not_left(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 11, 33, 5, random_atoms))
            return;
        uint8_t *guarded = test_take(p.encoder.workspace_size + 32);
        if (guarded == NULL)
            return;
        memset(guarded, 0xa5, p.encoder.workspace_size + 32);
        void *own = p.encoder.workspace;
        p.encoder.workspace = guarded + 16;
        random_signal(&p, 1);
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        for (unsigned i = 0; i < 16; ++i) {
            CHECK_EQUAL(guarded[i], 0xa5);
            CHECK_EQUAL(guarded[16 + p.encoder.workspace_size + i], 0xa5);
        }
        p.encoder.workspace = own;
        test_give(guarded);
        give_problem(&p);
    }
}

static void workspace_size_keeps_its_bound(void)
{
    static const unsigned sizes[] = {1, 2, 3, 31, 32, 33, 64, 165, 349, 1024, 4096};
    const unsigned count = sizeof sizes / sizeof *sizes;
    FOR_EACH_TYPE(type) {
        for (unsigned a = 0; a < count; ++a)
            for (unsigned b = 0; b < count; ++b)
                for (unsigned c = 0; c < count; ++c) {
                    const uint64_t m = sizes[a], n = sizes[b], s = sizes[c];
                    const size_t size = et_omp_workspace_size(type, sizes[a], sizes[b], sizes[c]);
                    CHECK(size > 0 && size % 4 == 0);
                    if (s <= m && s <= n)
                        CHECK(size <= 4 * (m * s + s * s + 2 * n + 2 * m));
                }
        CHECK_EQUAL(et_omp_workspace_size(type, 0, 1, 1), 0);
        CHECK_EQUAL(et_omp_workspace_size(type, 1, 0, 1), 0);
        CHECK_EQUAL(et_omp_workspace_size(type, ET_MAX_SAMPLES + 1, 1, 1), 0);
        CHECK_EQUAL(et_omp_workspace_size(type, 1, ET_MAX_ATOMS + 1, 1), 0);
    }
    CHECK_EQUAL(et_omp_workspace_size((et_atom_type)4, 1, 1, 1), 0);
}

/* A power of two is exact, so support and coefficients scale with the signal, bit for bit. */
static void scaling_by_powers_of_two_changes_no_bit(void)
{
    static const float factors[] = {2.0f, 0.5f, 1099511627776.0f, 9.094947017729282e-13f, 1.2676506e30f, 7.8886091e-31f};
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 16, 24, 6, random_atoms))
            return;
        uint16_t support[6];
        float coefficients[6];
        random_signal(&p, 21);
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        const et_omp_result first = p.result;
        memcpy(support, p.encoder.support, sizeof support);
        memcpy(coefficients, p.encoder.coefficients, sizeof coefficients);
        for (unsigned f = 0; f < 6; ++f) {
            random_signal(&p, 21);
            for (unsigned i = 0; i < 16; ++i)
                p.signal[i] *= factors[f];
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK_EQUAL(p.result.count, first.count);
            CHECK(p.result.residual_norm == first.residual_norm * factors[f]);
            CHECK_BYTES(p.encoder.support, support, sizeof support);
            for (unsigned k = 0; k < first.count; ++k)
                CHECK(p.encoder.coefficients[k] == coefficients[k] * factors[f]);
        }
        give_problem(&p);
    }
}

static void tolerance_ends_the_code_as_soon_as_it_is_met(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        float norms[9];
        if (!take_problem(&p, type, 16, 24, 8, random_atoms))
            return;
        random_signal(&p, 4);
        for (p.s = 0; p.s <= 8; ++p.s) {
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            norms[p.s] = p.result.residual_norm;
            CHECK(p.s == 0 || norms[p.s] < norms[p.s - 1]);
        }
        p.s = 8;
        for (unsigned k = 0; k <= 8; ++k) {
            CHECK_EQUAL(solve(&p, norms[k] * 1.0001f), ET_OK);
            CHECK_EQUAL(p.result.count, k);
        }
        CHECK_EQUAL(solve(&p, 3e38f), ET_OK);
        CHECK_EQUAL(p.result.count, 0);
        give_problem(&p);
    }
}

static void tolerance_must_be_finite_and_not_negative(void)
{
    static const float bad[] = {-1e-9f, -INFINITY, INFINITY, NAN};
    problem p;
    if (!take_problem(&p, ET_ATOM_FLOAT32, 4, 4, 2, identity_atoms))
        return;
    for (unsigned i = 0; i < 4; ++i)
        CHECK_EQUAL(solve(&p, bad[i]), ET_ERR_ARGUMENT);
}

/* Two independent properties of textbook OMP: the first atom has the largest correlation, and the residual is
 * orthogonal to every chosen atom. */
static void code_is_that_of_textbook_omp(void)
{
    FOR_EACH_TYPE(type) {
        problem p;
        if (!take_problem(&p, type, 20, 40, 6, random_atoms))
            return;
        for (uint32_t seed = 1; seed <= 8; ++seed) {
            random_signal(&p, seed);
            unsigned best = 0;
            double largest = -1.0;
            for (unsigned j = 0; j < 40; ++j) {
                double c = 0.0;
                for (unsigned i = 0; i < 20; ++i)
                    c += (double)p.signal[i] * (double)atom_element(p.dictionary, j, i);
                if (fabs(c) > largest) {
                    largest = fabs(c);
                    best = j;
                }
            }
            p.s = 1;
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK_EQUAL(p.encoder.support[0], best);

            p.s = 6;
            CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
            CHECK_EQUAL(p.result.count, 6);
            check_code(&p);
            for (unsigned k = 0; k < 6; ++k) {
                double product = 0.0;
                for (unsigned i = 0; i < 20; ++i) {
                    double r = (double)p.signal[i];
                    for (unsigned l = 0; l < 6; ++l)
                        r -= (double)p.encoder.coefficients[l] *
                             (double)atom_element(p.dictionary, p.encoder.support[l], i);
                    product += r * (double)atom_element(p.dictionary, p.encoder.support[k], i);
                }
                CHECK(fabs(product) < 1e-5);
            }
        }
        give_problem(&p);
    }
}

/* The most negative integers, where a product of the extremes is one beyond what a positive one would give. */
static void atoms_of_the_most_negative_integer_are_found(void)
{
    static const unsigned lengths[] = {4, 16, 1023, 1024, 2047, 2048, 4096};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; ++i) {
        const unsigned m = lengths[i];
        for (unsigned t = 1; t < 3; ++t) {
            test_note("samples", m);
            problem p;
            if (!take_problem(&p, types[t], m, 1, 1, constant_atom))
                return;
            uint8_t *atom = (uint8_t *)(uintptr_t)p.dictionary->atoms;
            for (unsigned k = 0; k < m; ++k) {
                if (types[t] == ET_ATOM_INT8)
                    ((int8_t *)atom)[k] = -128;
                else
                    ((int16_t *)(void *)atom)[k] = -32768;
            }
            *(float *)(uintptr_t)p.dictionary->scales = 1.0f / (sqrtf((float)m) * (t == 1 ? 32768.0f : 128.0f));
            for (float sign = -1.0f; sign <= 1.0f; sign += 2.0f) {
                const float sample = sign * 1.99999988f; /* rounds to the largest integer that the residual may have */
                for (unsigned k = 0; k < m; ++k)
                    p.signal[k] = sample;
                CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
                CHECK_EQUAL(p.result.count, 1);
                CHECK(near(p.encoder.coefficients[0], -sample * sqrtf((float)m), 1e-4f));
            }
            give_problem(&p);
        }
    }
}

/* A bundle's atoms are padded to whole words; no more than m elements may count. */
static void bytes_between_atoms_do_not_matter(void)
{
    for (unsigned t = 1; t < 3; ++t) {
        problem p;
        uint16_t support[3];
        float coefficients[3];
        if (!take_problem(&p, types[t], 13, 10, 3, random_atoms))
            return;
        const size_t used = 13u * (types[t] == ET_ATOM_INT8 ? 1 : 2);
        random_signal(&p, 2);
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        memcpy(support, p.encoder.support, sizeof support);
        memcpy(coefficients, p.encoder.coefficients, sizeof coefficients);
        for (unsigned j = 0; j < 10; ++j)
            memset((uint8_t *)(uintptr_t)p.dictionary->atoms + j * p.dictionary->stride + used, 0x7f,
                   p.dictionary->stride - used);
        CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
        CHECK_BYTES(p.encoder.support, support, sizeof support);
        CHECK_BYTES(p.encoder.coefficients, coefficients, sizeof coefficients);
        give_problem(&p);
    }
}

/* The proof of bit-exactness in small: one checksum over many codes, the same constant for every target and port. */
static void codes_have_the_same_bits_on_every_target(void)
{
    static const uint32_t expected[] = {1287718697u, 2897731939u, 2861060882u};
    static const unsigned shapes[][3] = {{5, 7, 3}, {8, 16, 4}, {19, 30, 6}, {21, 17, 9}, {32, 20, 7}};
    for (unsigned t = 0; t < 3; ++t) {
        uint32_t crc = 0;
        for (unsigned i = 0; i < 5; ++i) {
            problem p;
            if (!take_problem(&p, types[t], shapes[i][0], shapes[i][1], shapes[i][2], random_atoms))
                return;
            for (uint32_t seed = 1; seed <= 10; ++seed) {
                random_signal(&p, seed);
                CHECK_EQUAL(solve(&p, 0.0f), ET_OK);
                crc = et_crc32(crc, p.encoder.support, p.result.count * sizeof *p.encoder.support);
                crc = et_crc32(crc, p.encoder.coefficients, p.result.count * sizeof *p.encoder.coefficients);
                crc = et_crc32(crc, &p.result.residual_norm, sizeof p.result.residual_norm);
            }
            give_problem(&p);
        }
        test_note("atom type", (int64_t)types[t]);
        CHECK_EQUAL(crc, expected[t]);
    }
}

static void unknown_dictionaries_are_refused(void)
{
    problem p;
    if (!take_problem(&p, ET_ATOM_FLOAT32, 4, 4, 2, identity_atoms))
        return;
    et_dictionary *d = p.dictionary;
    d->m = 0;
    CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_ARGUMENT);
    d->m = 4;
    d->n = 0;
    CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_ARGUMENT);
    d->n = 4;
    d->atom_type = 9;
    CHECK_EQUAL(solve(&p, 0.0f), ET_ERR_ARGUMENT);
}

SUITE(omp, TEST(zero_signal_has_no_atoms), TEST(one_sparse_signal_gives_its_atom),
      TEST(residual_that_is_gone_ends_the_code), TEST(repeated_atoms_are_never_chosen_twice),
      TEST(dependent_atoms_are_left_out), TEST(signal_outside_the_span_has_no_atoms),
      TEST(nan_and_infinity_are_refused_and_change_nothing), TEST(s_above_the_rank_behaves_as_the_rank),
      TEST(s_of_zero_gives_the_norm_of_the_signal), TEST(one_sample_and_one_atom_work), TEST(huge_signals_are_encoded),
      TEST(coefficient_beyond_float32_is_an_overflow), TEST(denormal_signals_are_encoded),
      TEST(ties_go_to_the_lowest_index), TEST(workspace_must_be_whole_and_aligned), TEST(workspace_is_not_left),
      TEST(workspace_size_keeps_its_bound), TEST(scaling_by_powers_of_two_changes_no_bit),
      TEST(tolerance_ends_the_code_as_soon_as_it_is_met), TEST(tolerance_must_be_finite_and_not_negative),
      TEST(code_is_that_of_textbook_omp), TEST(atoms_of_the_most_negative_integer_are_found),
      TEST(bytes_between_atoms_do_not_matter), TEST(codes_have_the_same_bits_on_every_target), TEST(unknown_dictionaries_are_refused))
