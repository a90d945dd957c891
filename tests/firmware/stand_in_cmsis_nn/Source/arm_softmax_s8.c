/* The fixed-point arithmetic of the stand-in's softmax: exponentials by squaring exp(-1/4) ... exp(-16), the reciprocal by Newton's method. */
#include "arm_nnsupportfunctions.h"

extern const int32_t arm_nn_exp_factors[7];

#define TIMES(a, b) arm_nn_doubling_high_mult((a), (b))

static int32_t saturating_double(int32_t x, int32_t bits)
{
    const int64_t wide = (int64_t)x << bits;
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* exp(x) of x <= 0 with five integer bits; the result has none. */
static int32_t exponential(int32_t x)
{
    const int32_t last = (x & 0xFFFFFF) - 0x1000000, rest = last - x;
    const int32_t t = (int32_t)((uint32_t)last << 5) + (1 << 28);
    const int32_t t2 = TIMES(t, t), t3 = TIMES(t2, t), t4 = TIMES(t2, t2);
    const int32_t cubic = TIMES(arm_nn_divide_by_power_of_two(t4, 2) + t3, 715827883);
    int32_t result = 1895147668 + TIMES(1895147668, t + arm_nn_divide_by_power_of_two(cubic + t2, 1));
    for (int32_t i = 0; i < 7; i++) {
        if (rest & (1 << (24 + i))) {
            result = TIMES(result, arm_nn_exp_factors[i]);
        }
    }
    return x == 0 ? INT32_MAX : result;
}

/* 1 / (1 + x) of 0 <= x <= 1, without integer bits. */
static int32_t reciprocal(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1);
    int32_t guess = 1515870810 + TIMES(half, -1010580540);
    for (int32_t i = 0; i < 3; i++) {
        guess += saturating_double(TIMES(guess, (1 << 29) - TIMES(half, guess)), 2);
    }
    return saturating_double(guess, 1);
}

void arm_softmax_s8(
    const int8_t *input, const int32_t rows, const int32_t row_size, const int32_t multiplier, const int32_t shift,
    const int32_t difference_minimum, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += row_size, output += row_size) {
        int32_t greatest = INT8_MIN, sum = 0;
        for (int32_t i = 0; i < row_size; i++) {
            greatest = input[i] > greatest ? input[i] : greatest;
        }
        for (int32_t i = 0; i < row_size; i++) {
            const int32_t difference = input[i] - greatest;
            if (difference >= difference_minimum) {
                sum += arm_nn_divide_by_power_of_two(exponential(arm_nn_requantize(difference, multiplier, shift)), 12);
            }
        }
        const int32_t headroom = __builtin_clz((uint32_t)sum);
        const int32_t factor = reciprocal((int32_t)(((uint32_t)sum << headroom) - 0x80000000U));
        for (int32_t i = 0; i < row_size; i++) {
            const int32_t difference = input[i] - greatest;
            int32_t value = 0;
            if (difference >= difference_minimum) {
                const int32_t product = TIMES(factor, exponential(arm_nn_requantize(difference, multiplier, shift)));
                value = arm_nn_divide_by_power_of_two(product, 12 - headroom + 23);
            }
            output[i] = arm_nn_clamped(value + INT8_MIN, INT8_MIN, INT8_MAX);
        }
    }
}
