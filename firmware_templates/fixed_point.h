/* Exponential, reciprocal and logistic function in fixed point; bench/firmware/fixed_point.py computes the same on the host.
 * A number with i integer bits (besides its sign) is raw / 2^(31-i). The formulas are those of the library gemmlowp (fixedpoint/fixedpoint.h),
 * which the reference kernels of TensorFlow Lite use. */
#ifndef FIXED_POINT_H
#define FIXED_POINT_H
#include "quantization.h"

#define FIXED_ONE INT32_MAX /* the greatest number without integer bits stands for 1 */

/* x * 2^exponent, exponent 1..30; what does not fit saturates. */
static inline int32_t saturating_shift_left(int32_t x, int32_t exponent)
{
    const int32_t limit = (int32_t)(((uint32_t)1 << (31 - exponent)) - 1U);
    return x > limit ? INT32_MAX : x < -limit ? INT32_MIN : (int32_t)((uint32_t)x << exponent);
}

/* exp(a) of -1/4 <= a < 0, without integer bits: the Taylor series to the fourth power around -1/8. */
static inline int32_t fixed_exp_near_zero(int32_t a)
{
    const int32_t exp_of_minus_eighth = 1895147668, third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = saturating_rounding_doubling_high_mul(x, x);
    const int32_t x3 = saturating_rounding_doubling_high_mul(x2, x);
    const int32_t x4 = saturating_rounding_doubling_high_mul(x2, x2);
    const int32_t cubic = saturating_rounding_doubling_high_mul(rounding_divide_by_power_of_two(x4, 2) + x3, third);
    const int32_t series = x + rounding_divide_by_power_of_two(cubic + x2, 1);
    return exp_of_minus_eighth + saturating_rounding_doubling_high_mul(exp_of_minus_eighth, series);
}

/* exp(a) of a <= 0 with integer_bits 0..5; the result has none. What is above the last quarter comes from factors exp(-2^j), j = -2 .. integer_bits - 1. */
static inline int32_t fixed_exp_of_negative(int32_t a, int32_t integer_bits)
{
    static const int32_t factors[] = { 1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242 };
    if (a == 0) {
        return FIXED_ONE;
    }
    const int32_t quarter_bit = 29 - integer_bits;
    const int32_t quarter = 1 << quarter_bit;
    const int32_t last = (a & (quarter - 1)) - quarter;
    const int32_t rest = last - a;
    int32_t result = fixed_exp_near_zero((int32_t)((uint32_t)last << integer_bits));
    for (int32_t j = 0; j < integer_bits + 2; j++) {
        if (rest & (1 << (quarter_bit + j))) {
            result = saturating_rounding_doubling_high_mul(result, factors[j]);
        }
    }
    return result;
}

/* 1 / (1 + a) of 0 <= a <= 1, both without integer bits: three Newton steps for half the denominator, from 48/17 - 32/17 times it. */
static inline int32_t fixed_reciprocal_of_one_plus(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((uint32_t)a + 0x80000000U) >> 1);
    const int32_t one = 1 << 29; /* with two integer bits, as the constants and x */
    const int32_t start = 1515870810, slope = -1010580540;
    int32_t x = start + saturating_rounding_doubling_high_mul(half_denominator, slope);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t defect = one - saturating_rounding_doubling_high_mul(half_denominator, x);
        x += saturating_shift_left(saturating_rounding_doubling_high_mul(x, defect), 2);
    }
    return saturating_shift_left(x, 1);
}

/* 1 / (1 + exp(-a)) of a with integer_bits 0..5; the result has none. */
static inline int32_t fixed_logistic(int32_t a, int32_t integer_bits)
{
    if (a == 0) {
        return 1 << 30;
    }
    const int32_t upper = fixed_reciprocal_of_one_plus(fixed_exp_of_negative(a > 0 ? -a : a, integer_bits));
    return a > 0 ? upper : FIXED_ONE - upper;
}

#endif
