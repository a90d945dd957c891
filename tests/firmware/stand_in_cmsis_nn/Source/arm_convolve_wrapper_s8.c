#include "arm_nnsupportfunctions.h"

/* Two windows of 16 bits each, in whole groups of four; a 1 x 1 window is read where it lies. */
int32_t arm_convolve_wrapper_s8_get_buffer_size(
    const cmsis_nn_conv_params *params, const cmsis_nn_dims *input_dims, const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims)
{
    const int32_t window = filter_dims->h * filter_dims->w * input_dims->c;
    return filter_dims->h == 1 && filter_dims->w == 1 ? 0 : (window + 3) / 4 * 4 * 2 * (int32_t)sizeof(int16_t);
}

arm_cmsis_nn_status arm_convolve_wrapper_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_conv_params *params, const cmsis_nn_per_channel_quant_params *quant,
    const cmsis_nn_dims *input_dims, const int8_t *input, const cmsis_nn_dims *filter_dims, const int8_t *filter,
    const cmsis_nn_dims *bias_dims, const int32_t *bias, const cmsis_nn_dims *output_dims, int8_t *output)
{
    const int32_t needed = arm_convolve_wrapper_s8_get_buffer_size(params, input_dims, filter_dims, output_dims);
    if (needed > 0 && (ctx->buf == NULL || ctx->size < needed)) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    int unused; /* a warning that is none of the caller's business */
    const int32_t channels = input_dims->c;
    for (int32_t oy = 0; oy < output_dims->h; oy++) {
        for (int32_t ox = 0; ox < output_dims->w; ox++) {
            const int8_t *weight = filter;
            for (int32_t oc = 0; oc < output_dims->c; oc++) {
                int32_t sum = bias[oc];
                for (int32_t ky = 0; ky < filter_dims->h; ky++) {
                    const int32_t y = oy * params->stride.h - params->padding.h + ky;
                    for (int32_t kx = 0; kx < filter_dims->w; kx++) {
                        const int32_t x = ox * params->stride.w - params->padding.w + kx;
                        const int inside = y >= 0 && x >= 0 && y < input_dims->h && x < input_dims->w;
                        for (int32_t c = 0; c < channels; c++, weight++) {
                            if (inside) {
                                sum += (input[(y * input_dims->w + x) * channels + c] + params->input_offset) * *weight;
                            }
                        }
                    }
                }
                sum = arm_nn_requantize(sum, quant->multiplier[oc], quant->shift[oc]) + params->output_offset;
                *output++ = arm_nn_clamped(sum, params->activation.min, params->activation.max);
            }
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}
