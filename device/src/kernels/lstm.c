/* UNIDIRECTIONAL_SEQUENCE_LSTM: int8 inputs, weights and hidden state, int16 gates and cell state, one series. */
#include "kernels/kernel.h"
#include "kernels/kernels.h"
#include "kernels/rescale.h"

#include <string.h>

enum { INPUT_GATE, FORGET_GATE, CELL_GATE, OUTPUT_GATE, GATES };

typedef struct lstm_record {
    et_record header;
    uint32_t input, output, hidden, cell; /* places; the last two are states, int8 and int16 */
    int32_t steps, depth, units;
    uint32_t input_weights, hidden_weights; /* places: int8 [unit][gate][depth], [unit][gate][unit] */
    uint32_t biases;                        /* place: int32 [unit][0: input, 1: hidden][gate], zero points included */
    uint32_t sigmoid;                       /* constant: 256 uint16, 65536 / (1 + exp(-i / 24)) */
    int32_t input_multipliers[GATES], input_shifts[GATES];
    int32_t hidden_multipliers[GATES], hidden_shifts[GATES];
    int32_t forget_multiplier, forget_shift;       /* forget gate times cell state, to the cell state */
    int32_t update_multiplier, update_shift;       /* input gate times cell gate, to the cell state */
    int32_t output_multiplier, output_shift, zero; /* output gate times tanh of the cell state, to the hidden state */
    int32_t clip;                                  /* of the cell state: 1 .. 32768 */
    int32_t tanh_factor, tanh_shift;               /* bring a cell state to steps of 1 / 12288 */
} lstm_record;

/* Of the gates' sums, in steps of 2^-12. */
#define GATE_FACTOR 3

static int check(const et_model *model, const void *record)
{
    const lstm_record *lstm = record;
    const int32_t inputs[2] = {lstm->steps, lstm->depth}, outputs[2] = {lstm->steps, lstm->units};
    const int32_t weights[3] = {GATES, lstm->units, lstm->depth}, recurrent[3] = {GATES, lstm->units, lstm->units};
    for (unsigned gate = 0; gate < GATES; ++gate)
        if (!et_within(lstm->input_shifts[gate], -31, 30) || !et_within(lstm->hidden_shifts[gate], -31, 30))
            return 0;
    if (et_volume(inputs, 2) == 0 || et_volume(outputs, 2) == 0 || et_volume(weights, 3) == 0 ||
        et_volume(recurrent, 3) == 0)
        return 0;
    const uint64_t units = (uint32_t)lstm->units;
    return et_can_read(model, lstm->input, et_volume(inputs, 2), 1) &&
           et_can_write(model, lstm->output, et_volume(outputs, 2), 1) && et_can_write(model, lstm->hidden, units, 1) &&
           et_can_write(model, lstm->cell, units * sizeof(int16_t), 2) &&
           et_can_read(model, lstm->input_weights, et_volume(weights, 3), 1) &&
           et_can_read(model, lstm->hidden_weights, et_volume(recurrent, 3), 1) &&
           et_can_read(model, lstm->biases, units * 2 * GATES * sizeof(int32_t), 4) &&
           et_can_read(model, lstm->sigmoid, 256 * sizeof(uint16_t), 2) && et_within(lstm->forget_shift, -31, 30) &&
           et_within(lstm->update_shift, -31, 30) && et_within(lstm->output_shift, -31, 30) &&
           et_within(lstm->zero, -128, 127) && et_within(lstm->clip, 1, 32768) &&
           et_within(lstm->tanh_factor, 1, GATE_FACTOR << 14) && et_within(lstm->tanh_shift, 0, 15);
}

static int32_t saturated(int32_t value) { return et_clamp(value, INT16_MIN, INT16_MAX); }

/* Between two entries of the sigmoid's table; 2^bits steps lie between them. */
static int32_t interpolated(const uint16_t *sigmoid, uint32_t x, unsigned bits)
{
    const int32_t low = sigmoid[x >> bits], high = sigmoid[(x >> bits) + 1];
    return low * (1 << bits) + (int32_t)(x & ((1u << bits) - 1)) * (high - low);
}

/* x in steps of 1 / 12288 to steps of 2^-15. */
static int32_t sigmoid_of(const uint16_t *sigmoid, int32_t x)
{
    const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
    const int32_t value = magnitude >> 9 >= 255 ? 0x7FFF << 10 : interpolated(sigmoid, magnitude, 9);
    return (x < 0 ? (1 << 25) - value + (1 << 9) - 1 : value + (1 << 9)) >> 10;
}

/* 2 sigmoid(2x) - 1. */
static int32_t tanh_of(const uint16_t *sigmoid, int32_t x)
{
    const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
    const int32_t value = magnitude >> 8 >= 255 ? 0xFFFF << 8 : interpolated(sigmoid, magnitude, 8);
    return (x < 0 ? (1 << 23) - value + (1 << 7) - 1 : value - (1 << 23) + (1 << 7)) >> 8;
}

/* sums[gate] += weights[gate] . x, modulo 2^32. */
static void add_products(const int8_t *weights, const int8_t *x, size_t count, uint32_t sums[GATES])
{
    const int8_t *const forget = weights + count, *const cell = forget + count, *const output = cell + count;
    uint32_t a = sums[INPUT_GATE], b = sums[FORGET_GATE], c = sums[CELL_GATE], d = sums[OUTPUT_GATE];
    for (size_t i = 0; i < count; ++i) {
        const int32_t value = x[i];
        a += (uint32_t)(weights[i] * value);
        b += (uint32_t)(forget[i] * value);
        c += (uint32_t)(cell[i] * value);
        d += (uint32_t)(output[i] * value);
    }
    sums[INPUT_GATE] = a, sums[FORGET_GATE] = b, sums[CELL_GATE] = c, sums[OUTPUT_GATE] = d;
}

/* The next hidden state of one unit, whose cell state moves on. */
static int8_t next_hidden(const lstm_record *lstm, const uint16_t *sigmoid, const uint32_t inputs[GATES],
                          const uint32_t recurrent[GATES], int16_t *cell)
{
    int32_t gates[GATES];
    for (unsigned gate = 0; gate < GATES; ++gate) {
        const int32_t from_input =
            et_rescale((int32_t)inputs[gate], lstm->input_multipliers[gate], (int)lstm->input_shifts[gate]);
        const int32_t from_hidden =
            et_rescale((int32_t)recurrent[gate], lstm->hidden_multipliers[gate], (int)lstm->hidden_shifts[gate]);
        const int32_t sum = saturated(saturated(from_input) + saturated(from_hidden)) * GATE_FACTOR;
        gates[gate] = gate == CELL_GATE ? tanh_of(sigmoid, sum) : sigmoid_of(sigmoid, sum);
    }
    const int32_t kept = et_rescale(gates[FORGET_GATE] * *cell, lstm->forget_multiplier, (int)lstm->forget_shift);
    const int32_t update =
        et_rescale(gates[INPUT_GATE] * gates[CELL_GATE], lstm->update_multiplier, (int)lstm->update_shift);
    const int32_t state = et_clamp(saturated(saturated(kept) + saturated(update)), -lstm->clip, lstm->clip);
    *cell = (int16_t)state;
    const int32_t half = (1 << lstm->tanh_shift) >> 1;
    const int32_t squashed = tanh_of(sigmoid, (state * lstm->tanh_factor + half) >> lstm->tanh_shift);
    const int32_t hidden = et_rescale(squashed * gates[OUTPUT_GATE], lstm->output_multiplier, (int)lstm->output_shift);
    return (int8_t)(et_clamp(hidden, -128 - lstm->zero, 127 - lstm->zero) + lstm->zero);
}

static void run(const et_model *model, const void *record, uint8_t *workspace)
{
    const lstm_record *lstm = record;
    const size_t depth = (size_t)lstm->depth, units = (size_t)lstm->units;
    const int8_t *input = et_at(model, workspace, lstm->input);
    const uint16_t *sigmoid = et_at(model, workspace, lstm->sigmoid);
    int8_t *output = (int8_t *)workspace + lstm->output, *hidden = (int8_t *)workspace + lstm->hidden;
    for (int32_t step = 0; step < lstm->steps; ++step, input += depth, output += units) {
        const int8_t *input_weights = et_at(model, workspace, lstm->input_weights);
        const int8_t *hidden_weights = et_at(model, workspace, lstm->hidden_weights);
        const uint32_t *biases = et_at(model, workspace, lstm->biases);
        int16_t *cell = (int16_t *)(void *)(workspace + lstm->cell);
        for (size_t unit = 0; unit < units; ++unit) {
            uint32_t inputs[GATES], recurrent[GATES];
            memcpy(inputs, biases, sizeof inputs);
            memcpy(recurrent, biases + GATES, sizeof recurrent);
            add_products(input_weights, input, depth, inputs);
            add_products(hidden_weights, hidden, units, recurrent);
            output[unit] = next_hidden(lstm, sigmoid, inputs, recurrent, &cell[unit]);
            input_weights += GATES * depth;
            hidden_weights += GATES * units;
            biases += sizeof inputs / 4 + sizeof recurrent / 4;
        }
        memmove(hidden, output, units); /* only now: all units saw the old one */
    }
}

const et_kernel et_kernel_lstm = {15, sizeof(lstm_record) / 4, check, run};
