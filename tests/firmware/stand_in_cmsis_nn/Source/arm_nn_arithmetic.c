#include "arm_nnsupportfunctions.h"

int32_t arm_nn_doubling_high_mult(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1LL << 30)) >> 31);
}

int32_t arm_nn_divide_by_power_of_two(int32_t x, int32_t exponent)
{
    const int32_t floor = x >> exponent, rest = x - (int32_t)((uint32_t)floor << exponent);
    const int64_t twice = 2LL * rest, unit = 1LL << exponent;
    return floor + (twice > unit || (twice == unit && exponent > 0 && x >= 0));
}

int32_t arm_nn_requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t up = shift > 0 ? shift : 0, down = shift < 0 ? -shift : 0;
    return arm_nn_divide_by_power_of_two(arm_nn_doubling_high_mult((int32_t)((uint32_t)x << up), multiplier), down);
}

int8_t arm_nn_clamped(int32_t x, int32_t lowest, int32_t highest)
{
    return (int8_t)(x < lowest ? lowest : x > highest ? highest : x);
}
