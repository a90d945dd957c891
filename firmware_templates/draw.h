/* The generator of inputs: the same as in bench/firmware/generator.py. */
#ifndef DRAW_H
#define DRAW_H
#include <stdint.h>

static inline uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7FEB352DU;
    x ^= x >> 15;
    x *= 0x846CA68BU;
    x ^= x >> 16;
    return x;
}

static inline uint32_t draw(uint32_t seed, uint32_t stream, uint32_t index)
{
    return mix(mix(seed ^ (stream * 0x9E3779B9U)) + index);
}

#endif
