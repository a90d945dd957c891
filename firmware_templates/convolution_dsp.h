/* What the int8 convolutions of the dsp flavor share: lines of 16-bit values, and sums of products over them, a row of outputs at a time.
 *
 * Every input value is widened to 16 bits once, with its offset added, into a ring of k lines (line of input row y: slot y mod k), where a
 * padded border is zero. A row of a window then is a run of a line, so nothing is copied for each window, and SMLAD takes two values at a time.
 * Sums go by tiles of four; where the row ends within a tile, lines are long enough to read on, and nobody asks for those sums. The sums of the
 * row are scaled in a loop of their own: so each loop has the registers it needs.
 *
 * A value with its offset is at most 255 in magnitude and a weight 128, so a sum of up to 65,000 products fits 32 bits whatever the offset
 * is; with the workloads' offset, 3, up to 129,000 do, and no convolution has more than 83,000. */
#ifndef CONVOLUTION_DSP_H
#define CONVOLUTION_DSP_H
#include "quantization.h"
#include "simd.h"

enum { TILE = 4 };

/* Loops over whole rows are functions of their own: the loops around them would take their registers. */
#define OUT_OF_LINE __attribute__((noinline, unused)) static

/* The sums of one row of outputs, of one channel or of two. */
struct job {
    /* The window's rows: a run of lines from the window's first row on, and behind the ring's end maybe another from its beginning. */
    const int16_t *lines[2];
    int32_t rows[2], runs; /* lines of each run; how many runs there are */
    int32_t pitch;         /* values from a line to the next */
    const void *weights;   /* those of the window's first row */
    int32_t words;         /* of weights in a row of the window */
    int32_t step;          /* values from an output's first to the next output's first */
    const int32_t *bias;   /* of the channel, or of both */
    int32_t *sums;         /* of `outputs` rounded up to a tile; the second channel's behind them */
    int32_t outputs;
};

static inline int32_t smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t greater(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* `count` rounded up to whole tiles. */
static inline int32_t tiles(int32_t count)
{
    return (count + TILE - 1) / TILE * TILE;
}

/* Places the window on input rows `first`..`end` - 1 of a ring of k lines. */
static inline void place(struct job *job, const int16_t *ring, int32_t k, int32_t first, int32_t end)
{
    const int32_t slot = first % k;
    job->lines[0] = ring + slot * job->pitch;
    job->lines[1] = ring;
    job->rows[0] = smaller(end - first, k - slot);
    job->rows[1] = end - first - job->rows[0];
    job->runs = job->rows[1] > 0 ? 2 : 1;
}

static inline void clear(int16_t *restrict to, int32_t elements)
{
    for (int32_t i = 0; i < elements; i++) {
        to[i] = 0;
    }
}

/* Widens `elements` bytes, in their order. */
OUT_OF_LINE void widen(
    int16_t *restrict to, const int8_t *restrict from, int32_t elements, int32_t offset)
{
    const int16x2_t offsets = both_lanes(offset);
    const int8_t *const end = from + elements;
    for (const int8_t *const last = end - 4; from <= last; from += 4, to += 4) {
        const uint32_t bytes = read_4(from);
        const int16x2_t even = add_lanes_02(offsets, bytes), odd = add_lanes_13(offsets, bytes);
        write_lanes(to, pack_lower(even, odd));
        write_lanes(to + 2, pack_upper(even, odd));
    }
    while (from < end) {
        *to++ = (int16_t)(*from++ + offset);
    }
}

/* Widens `elements` bytes, a multiple of 4, in the order 0, 2, 1, 3 within each four: as SXTB16 takes the weights apart. */
OUT_OF_LINE void widen_by_4(int16_t *restrict to, const int8_t *restrict from, int32_t elements, int32_t offset)
{
    const int16x2_t offsets = both_lanes(offset);
    for (const int8_t *const end = from + elements; from < end; from += 4, to += 4) {
        const uint32_t bytes = read_4(from);
        write_lanes(to, add_lanes_02(offsets, bytes));
        write_lanes(to + 2, add_lanes_13(offsets, bytes));
    }
}

/* Scales `count` sums of one channel to outputs `step` bytes apart. */
OUT_OF_LINE void scale(
    int8_t *restrict output, int32_t step, const int32_t *restrict sums, int32_t count, int32_t multiplier, int32_t shift, int32_t zero_point)
{
    for (const int32_t *const end = sums + count; sums < end; output += step) {
        *output = (int8_t)__ssat(multiply_by_quantized_multiplier(*sums++, multiplier, shift) + zero_point, 8);
    }
}

/* The window moves by one value: the word of outputs 0 and 1 serves outputs 2 and 3 one pair later, and the odd outputs take their lanes crosswise,
 * so that all loads are aligned. `words` is a constant to the compiler, which unrolls. */
static inline __attribute__((always_inline)) void correlate_adjacent_of(const struct job *job, const int32_t words)
{
    const int32_t bias = *job->bias, pitch = job->pitch;
    int32_t *sums = job->sums;

    for (int32_t x = 0; x < job->outputs; x += TILE, sums += TILE) {
        int32_t s0 = bias, s1 = bias, s2 = bias, s3 = bias;
        const int16_t *weights = job->weights;
        for (int32_t run = 0; run < job->runs; run++) {
            const int16_t *line = job->lines[run] + x, *const end = line + job->rows[run] * pitch;
            for (; line != end; line += pitch) {
                int16x2_t a = read_lanes(line), b = read_lanes(line + 2);
                for (int32_t i = 0; i < words; i++) {
                    const int16x2_t w = read_lanes(weights + 2 * i), c = read_lanes(line + 2 * i + 4);
                    s0 = __smlad(a, w, s0);
                    s1 = __smladx(pack_outer(b, a), w, s1);
                    s2 = __smlad(b, w, s2);
                    s3 = __smladx(pack_outer(c, b), w, s3);
                    a = b;
                    b = c;
                }
                weights += 2 * words;
            }
        }
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
}

/* One channel where the window moves by one value; lines in their order, 16-bit weights. */
OUT_OF_LINE void correlate_adjacent(const struct job *job)
{
    switch (job->words) {
    case 1: correlate_adjacent_of(job, 1); break; /* k = 1 */
    case 2: correlate_adjacent_of(job, 2); break; /* k = 3 */
    case 3: correlate_adjacent_of(job, 3); break; /* k = 5 */
    case 4: correlate_adjacent_of(job, 4); break; /* k = 7 */
    default: correlate_adjacent_of(job, 5); break; /* k = 9 */
    }
}

/* The same where the window moves by any number of values. */
OUT_OF_LINE void correlate_apart(const struct job *job)
{
    const int32_t bias = *job->bias, step = job->step;
    int32_t *sums = job->sums;

    for (int32_t x = 0; x < job->outputs; x += TILE, sums += TILE) {
        int32_t s0 = bias, s1 = bias, s2 = bias, s3 = bias;
        const int16_t *weights = job->weights;
        for (int32_t run = 0; run < job->runs; run++) {
            const int16_t *line = job->lines[run] + x * step;
            for (int32_t rows = job->rows[run]; rows > 0; rows--, line += job->pitch) {
                const int16_t *in0 = line, *in1 = in0 + step, *in2 = in1 + step, *in3 = in2 + step;
                const int16_t *const end = weights + 2 * job->words;
                do {
                    const int16x2_t w = read_lanes(weights);
                    s0 = __smlad(read_lanes(in0), w, s0);
                    s1 = __smlad(read_lanes(in1), w, s1);
                    s2 = __smlad(read_lanes(in2), w, s2);
                    s3 = __smlad(read_lanes(in3), w, s3);
                    weights += 2, in0 += 2, in1 += 2, in2 += 2, in3 += 2;
                } while (weights != end);
            }
        }
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
}

/* The same over lines widened by 4, with 8-bit weights. */
OUT_OF_LINE void correlate_apart_by_4(const struct job *job)
{
    const int32_t bias = *job->bias, step = job->step;
    int32_t *sums = job->sums;

    for (int32_t x = 0; x < job->outputs; x += TILE, sums += TILE) {
        int32_t s0 = bias, s1 = bias, s2 = bias, s3 = bias;
        const int8_t *weights = job->weights;
        for (int32_t run = 0; run < job->runs; run++) {
            const int16_t *line = job->lines[run] + x * step;
            for (int32_t rows = job->rows[run]; rows > 0; rows--, line += job->pitch) {
                const int16_t *in0 = line, *in1 = in0 + step, *in2 = in1 + step, *in3 = in2 + step;
                const int8_t *const end = weights + 4 * job->words;
                do {
                    const uint32_t bytes = read_4(weights);
                    const int16x2_t w02 = lanes_02(bytes), w13 = lanes_13(bytes);
                    s0 = __smlad(read_lanes(in0 + 2), w13, __smlad(read_lanes(in0), w02, s0));
                    s1 = __smlad(read_lanes(in1 + 2), w13, __smlad(read_lanes(in1), w02, s1));
                    s2 = __smlad(read_lanes(in2 + 2), w13, __smlad(read_lanes(in2), w02, s2));
                    s3 = __smlad(read_lanes(in3 + 2), w13, __smlad(read_lanes(in3), w02, s3));
                    weights += 4, in0 += 4, in1 += 4, in2 += 4, in3 += 4;
                } while (weights != end);
            }
        }
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
}

/* Two channels over lines widened by 4, two outputs at a time; the second channel's 8-bit weights lie `channel` bytes on. */
OUT_OF_LINE void correlate_2x2_by_4(const struct job *job, int32_t channel)
{
    const int32_t step = job->step;
    int32_t *first = job->sums, *second = first + tiles(job->outputs);

    for (int32_t x = 0; x < job->outputs; x += 2, first += 2, second += 2) {
        int32_t s00 = job->bias[0], s01 = s00, s10 = job->bias[1], s11 = s10;
        const int8_t *weights = job->weights;
        for (int32_t run = 0; run < job->runs; run++) {
            const int16_t *line = job->lines[run] + x * step;
            for (int32_t rows = job->rows[run]; rows > 0; rows--, line += job->pitch) {
                const int16_t *in0 = line, *in1 = line + step;
                const int8_t *const end = weights + 4 * job->words;
                do {
                    const uint32_t v = read_4(weights), w = read_4(weights + channel);
                    const int16x2_t v02 = lanes_02(v), v13 = lanes_13(v), w02 = lanes_02(w), w13 = lanes_13(w);
                    const int16x2_t a = read_lanes(in0), b = read_lanes(in0 + 2), c = read_lanes(in1), d = read_lanes(in1 + 2);
                    s00 = __smlad(b, v13, __smlad(a, v02, s00));
                    s10 = __smlad(b, w13, __smlad(a, w02, s10));
                    s01 = __smlad(d, v13, __smlad(c, v02, s01));
                    s11 = __smlad(d, w13, __smlad(c, w02, s11));
                    weights += 4, in0 += 4, in1 += 4;
                } while (weights != end);
            }
        }
        first[0] = s00, first[1] = s01;
        second[0] = s10, second[1] = s11;
    }
}

#endif
