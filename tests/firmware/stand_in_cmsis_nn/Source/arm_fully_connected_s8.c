#include "arm_nnsupportfunctions.h"

int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims *filter_dims)
{
    return 0;
}

static int32_t row_sum(const int8_t *input, const int8_t *row, int32_t count, int32_t offset)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        sum += (input[i] + offset) * row[i];
    }
    return sum;
}

arm_cmsis_nn_status arm_fully_connected_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_fc_params *params, const cmsis_nn_per_tensor_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims, const int8_t *filter,
    const cmsis_nn_dims *bias_dims, const int32_t *bias, const cmsis_nn_dims *output_dims, int8_t *output)
{
    for (int32_t i = 0; i < output_dims->c; i++) {
        const int32_t sum = bias[i] + row_sum(input, filter + i * filter_dims->n, filter_dims->n, params->input_offset);
        const int32_t scaled = arm_nn_requantize(sum, quant->multiplier, quant->shift) + params->output_offset;
        output[i] = arm_nn_clamped(scaled, params->activation.min, params->activation.max);
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_fully_connected_per_channel_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_fc_params *params, const cmsis_nn_per_channel_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims, const int8_t *filter,
    const cmsis_nn_dims *bias_dims, const int32_t *bias, const cmsis_nn_dims *output_dims, int8_t *output)
{
    for (int32_t i = 0; i < output_dims->c; i++) {
        const int32_t sum = bias[i] + row_sum(input, filter + i * filter_dims->n, filter_dims->n, params->input_offset);
        const int32_t scaled = arm_nn_requantize(sum, quant->multiplier[i], quant->shift[i]) + params->output_offset;
        output[i] = arm_nn_clamped(scaled, params->activation.min, params->activation.max);
    }
    return ARM_CMSIS_NN_SUCCESS;
}
