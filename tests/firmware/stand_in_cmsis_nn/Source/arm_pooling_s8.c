#include "arm_nnsupportfunctions.h"

int32_t arm_avgpool_s8_get_buffer_size(const int output_width, const int channels)
{
    return channels * (int32_t)sizeof(int32_t);
}

static int32_t reduced(
    const cmsis_nn_pool_params *params, const cmsis_nn_dims *in, const int8_t *input, const cmsis_nn_dims *window,
    int32_t oy, int32_t ox, int32_t c, int average)
{
    int32_t sum = 0, greatest = INT8_MIN;
    const int32_t count = window->h * window->w;
    for (int32_t ky = 0; ky < window->h; ky++) {
        for (int32_t kx = 0; kx < window->w; kx++) {
            const int32_t y = oy * params->stride.h + ky, x = ox * params->stride.w + kx;
            const int32_t value = input[(y * in->w + x) * in->c + c];
            sum += value;
            greatest = value > greatest ? value : greatest;
        }
    }
    return !average ? greatest : (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

static void pool(
    const cmsis_nn_pool_params *params, const cmsis_nn_dims *in, const int8_t *input, const cmsis_nn_dims *window,
    const cmsis_nn_dims *out, int8_t *output, int average)
{
    for (int32_t oy = 0; oy < out->h; oy++) {
        for (int32_t ox = 0; ox < out->w; ox++) {
            for (int32_t c = 0; c < in->c; c++) {
                const int32_t value = reduced(params, in, input, window, oy, ox, c, average);
                *output++ = arm_nn_clamped(value, params->activation.min, params->activation.max);
            }
        }
    }
}

arm_cmsis_nn_status arm_avgpool_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_pool_params *params, const cmsis_nn_dims *input_dims, const int8_t *input,
    const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims, int8_t *output)
{
    if (ctx->buf == NULL) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    pool(params, input_dims, input, filter_dims, output_dims, output, 1);
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_max_pool_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_pool_params *params, const cmsis_nn_dims *input_dims, const int8_t *input,
    const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims, int8_t *output)
{
    pool(params, input_dims, input, filter_dims, output_dims, output, 0);
    return ARM_CMSIS_NN_SUCCESS;
}
