/* Integer arithmetic of quantised networks; bench/firmware/quantization.py computes the same on the host.
 * Ref: B. Jacob et al., CVPR 2018, sections 2.2 to 2.4; roundings as in the reference kernels of TensorFlow Lite. */
#ifndef QUANTIZATION_H
#define QUANTIZATION_H
#include <stdint.h>

#define INT8_LOWEST (-128)
#define INT8_HIGHEST 127

static inline int32_t clamp(int32_t x, int32_t lowest, int32_t highest)
{
    return x < lowest ? lowest : x > highest ? highest : x;
}

static inline int8_t saturate_int8(int32_t x)
{
    return (int8_t)clamp(x, INT8_LOWEST, INT8_HIGHEST);
}

/* The upper 32 bits of 2 a b, rounded to nearest, halves upwards. The reference kernels nudge by the sign and divide towards zero, which gives
 * the same number. Only -2^31 times itself overflows, and would have to saturate: of two factors here at most one can be -2^31. */
static inline int32_t saturating_rounding_doubling_high_mul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^exponent, rounded to nearest, ties away from zero; exponent 0..31. */
static inline int32_t rounding_divide_by_power_of_two(int32_t x, int32_t exponent)
{
    int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1U);
    int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* x / count, rounded to nearest, ties away from zero; count above 0. */
static inline int32_t rounding_divide(int32_t x, int32_t count)
{
    return (x > 0 ? x + count / 2 : x - count / 2) / count;
}

/* x * multiplier / 2^31 * 2^shift. */
static inline int32_t multiply_by_quantized_multiplier(int32_t x, int32_t multiplier, int32_t shift)
{
    int32_t left = shift > 0 ? shift : 0;
    int32_t right = shift > 0 ? 0 : -shift;
    return rounding_divide_by_power_of_two(
        saturating_rounding_doubling_high_mul((int32_t)((uint32_t)x << left), multiplier), right);
}

static inline int8_t requantize(int32_t accumulator, int32_t multiplier, int32_t shift, int32_t zero_point)
{
    return saturate_int8(multiply_by_quantized_multiplier(accumulator, multiplier, shift) + zero_point);
}

#endif
