#include "arm_nnsupportfunctions.h"

arm_cmsis_nn_status arm_elementwise_add_s8(
    const int8_t *a, const int8_t *b, const int32_t a_offset, const int32_t a_multiplier, const int32_t a_shift,
    const int32_t b_offset, const int32_t b_multiplier, const int32_t b_shift, const int32_t left_shift, int8_t *output,
    const int32_t output_offset, const int32_t multiplier, const int32_t shift, const int32_t lowest, const int32_t highest, const int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t sum = arm_nn_requantize((a[i] + a_offset) * (1 << left_shift), a_multiplier, a_shift)
            + arm_nn_requantize((b[i] + b_offset) * (1 << left_shift), b_multiplier, b_shift);
        output[i] = arm_nn_clamped(arm_nn_requantize(sum, multiplier, shift) + output_offset, lowest, highest);
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_elementwise_mul_s8(
    const int8_t *a, const int8_t *b, const int32_t a_offset, const int32_t b_offset, int8_t *output,
    const int32_t output_offset, const int32_t multiplier, const int32_t shift, const int32_t lowest, const int32_t highest, const int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t product = (a[i] + a_offset) * (b[i] + b_offset);
        output[i] = arm_nn_clamped(arm_nn_requantize(product, multiplier, shift) + output_offset, lowest, highest);
    }
    return ARM_CMSIS_NN_SUCCESS;
}
