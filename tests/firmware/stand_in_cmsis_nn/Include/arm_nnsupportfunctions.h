/* Stand-in: what its functions share. */
#ifndef ARM_NNSUPPORTFUNCTIONS_H
#define ARM_NNSUPPORTFUNCTIONS_H
#include <stddef.h>
#include "arm_nnfunctions.h"

/* x * multiplier / 2^31 * 2^shift, rounded after the product and after the shift. */
int32_t arm_nn_requantize(int32_t x, int32_t multiplier, int32_t shift);
int32_t arm_nn_doubling_high_mult(int32_t a, int32_t b);
int32_t arm_nn_divide_by_power_of_two(int32_t x, int32_t exponent);
int8_t arm_nn_clamped(int32_t x, int32_t lowest, int32_t highest);

#endif
