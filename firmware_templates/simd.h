/* The SIMD instructions of the Armv7E-M DSP extension that the dsp kernels use, on two signed 16-bit lanes.
 * Ref: ARM DDI 0403 (Armv7-M architecture reference manual) A7.7; names as in the Arm C language extensions (IHI 0053). */
#ifndef SIMD_H
#define SIMD_H
#include <arm_acle.h>
#include <stdint.h>

/* Four bytes from any address; the core reads unaligned words in one instruction. */
static inline uint32_t read_4(const int8_t *from)
{
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

/* Bytes 0 and 2, sign extended to lanes. */
static inline int16x2_t lanes_02(uint32_t bytes)
{
    return __sxtb16((int8x4_t)bytes);
}

/* Bytes 1 and 3, sign extended to lanes. */
static inline int16x2_t lanes_13(uint32_t bytes)
{
    int16x2_t lanes;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(lanes) : "r"(bytes));
    return lanes;
}

/* `value` in both lanes. */
static inline int16x2_t both_lanes(int32_t value)
{
    return (int16x2_t)((uint32_t)value << 16 | ((uint32_t)value & 0xFFFFU));
}

/* lanes + bytes 0 and 2, sign extended: an offset costs nothing while bytes are widened. */
static inline int16x2_t add_lanes_02(int16x2_t lanes, uint32_t bytes)
{
    return __sxtab16(lanes, (int8x4_t)bytes);
}

/* lanes + bytes 1 and 3, sign extended. */
static inline int16x2_t add_lanes_13(int16x2_t lanes, uint32_t bytes)
{
    int16x2_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(lanes), "r"(bytes));
    return sum;
}

/* The lower lane of `low` under the lower lane of `high`. */
static inline int16x2_t pack_lower(int16x2_t low, int16x2_t high)
{
    int16x2_t lanes;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(lanes) : "r"(low), "r"(high));
    return lanes;
}

/* The upper lane of `low` under the upper lane of `high`. */
static inline int16x2_t pack_upper(int16x2_t low, int16x2_t high)
{
    int16x2_t lanes;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(lanes) : "r"(high), "r"(low));
    return lanes;
}

/* The lower lane of `low` under the upper lane of `high`. */
static inline int16x2_t pack_outer(int16x2_t low, int16x2_t high)
{
    int16x2_t lanes;
    __asm__("pkhtb %0, %1, %2" : "=r"(lanes) : "r"(high), "r"(low));
    return lanes;
}

/* Two 16-bit values from any even address, and back. */
static inline int16x2_t read_lanes(const int16_t *from)
{
    int16x2_t lanes;
    __builtin_memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

static inline void write_lanes(int16_t *to, int16x2_t lanes)
{
    __builtin_memcpy(to, &lanes, sizeof lanes);
}

#endif
