#include "arm_nnsupportfunctions.h"

int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(
    const cmsis_nn_dw_conv_params *params, const cmsis_nn_dims *input_dims, const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims)
{
    return filter_dims->h == 3 ? 0 : filter_dims->h * filter_dims->w * input_dims->c * (int32_t)sizeof(int16_t);
}

arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_dw_conv_params *params, const cmsis_nn_per_channel_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims, const int8_t *filter,
    const cmsis_nn_dims *bias_dims, const int32_t *bias, const cmsis_nn_dims *output_dims, int8_t *output)
{
    const int32_t channels = input_dims->c;
    if (params->ch_mult != 1 || output_dims->c != channels) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    for (int32_t oy = 0; oy < output_dims->h; oy++) {
        for (int32_t ox = 0; ox < output_dims->w; ox++) {
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = bias[c];
                for (int32_t ky = 0; ky < filter_dims->h; ky++) {
                    for (int32_t kx = 0; kx < filter_dims->w; kx++) {
                        const int32_t y = oy * params->stride.h - params->padding.h + ky;
                        const int32_t x = ox * params->stride.w - params->padding.w + kx;
                        if (y >= 0 && x >= 0 && y < input_dims->h && x < input_dims->w) {
                            sum += (input[(y * input_dims->w + x) * channels + c] + params->input_offset)
                                * filter[(ky * filter_dims->w + kx) * channels + c];
                        }
                    }
                }
                sum = arm_nn_requantize(sum, quant->multiplier[c], quant->shift[c]) + params->output_offset;
                *output++ = arm_nn_clamped(sum, params->activation.min, params->activation.max);
            }
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}
