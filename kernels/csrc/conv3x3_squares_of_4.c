/* 3x3 convolution, stride 1, padding 1, by Winograd's F(4x4, 3x3): 36 products for 16 outputs, where
   F(2x2, 3x3) takes 64 and the definition 144 (Lavin and Gray 2016). bfloat16, channels last.

   In bfloat16 its transforms would cost accuracy. Here the products are of 16-bit integers, as fast
   and finer: a tile's transformed pixels are scaled by what its largest pixel allows, the weights of
   an output by what 32 bits hold of their sum. So no sum overflows, and all of them are exact: a
   tile's result depends on nothing but its pixels. The points are 0, +-2/3, +-3/2 and infinity. */

#include <omp.h>
#include <string.h>

#include "conv3x3.h"

enum { PANEL = 32, VALUES = 36 };

#define A (2.0f / 3.0f)
#define B (3.0f / 2.0f)
#define SQUARES (A * A + B * B)

/* What B' d can make of pixels of size one, along one side: the sums of its rows' sizes. */
static const float bounds[6] = {2 + SQUARES, (1 + B * B) * (1 + A), (1 + B * B) * (1 + A),
                                (1 + A * A) * (1 + B), (1 + A * A) * (1 + B), 2 + SQUARES};

/* The largest size that a transformed pixel may take. */
static float top_of(long inputs) { return inputs > 256 ? 8191.0f : 16383.0f; }

static const uint16_t nothing[CONV_MOST];

/* The 36 pixels of a tile; those outside of the image are zeros. */
static void pixels_of(const Conv3x3 *conv, long tile, const uint16_t *at[VALUES]) {
    long row, column, image = tile_place(conv, 4, tile, &row, &column);
    for (long i = 0; i < 6; i++) {
        long y = 4 * row - 1 + i;
        for (long j = 0; j < 6; j++) {
            long x = 4 * column - 1 + j;
            int inside = y >= 0 && y < conv->height && x >= 0 && x < conv->width;
            long pixel = (image * conv->height + y) * conv->width + x;
            at[6 * i + j] = inside ? conv->x + pixel * conv->inputs : nothing;
        }
    }
}

/* The largest size of the pixels, as bfloat16's order is that of its bits. */
static float largest(const uint16_t *const at[VALUES], long inputs) {
    __m512i most = _mm512_setzero_si512(), size = _mm512_set1_epi16(0x7fff);
    for (int p = 0; p < VALUES; p++)
        for (long c = 0; c < inputs; c += 32) {
            __mmask32 there = inputs - c < 32 ? 0xffff : 0xffffffff;
            __m512i bits = _mm512_maskz_loadu_epi16(there, at[p] + c);
            most = _mm512_max_epu16(most, _mm512_and_si512(bits, size));
        }
    __m512i low = _mm512_and_si512(most, _mm512_set1_epi32(0xffff));
    uint32_t bits = _mm512_reduce_max_epu32(_mm512_max_epu32(low, _mm512_srli_epi32(most, 16))) << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* B' d along one side. */
INLINE void spread(const __m512 d[6], __m512 t[6]) {
    __m512 even = d[4] - B * B * d[2], odd = d[3] - B * B * d[1];
    t[0] = d[0] + d[4] - SQUARES * d[2];
    t[1] = even + A * odd;
    t[2] = even - A * odd;
    even = d[4] - A * A * d[2], odd = d[3] - A * A * d[1];
    t[3] = even + B * odd;
    t[4] = even - B * odd;
    t[5] = d[1] + d[5] - SQUARES * d[3];
}

/* V = B' d B of 32 inputs of one tile, or those `there`; the 36 results lie `step` apart. The even
   and the odd inputs are apart on the way. */
INLINE void spread_tile(const uint16_t *const at[VALUES], long c, __mmask32 there,
                               const float factors[VALUES], int16_t *v, long step) {
    __m512 round = _mm512_set1_ps(12582912.0f); /* 1.5 x 2^23: the sum's last bits are the integer */
    __m512 t[2][6][6], d[2][6], out[2][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) {
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
            __m512i bits = _mm512_maskz_loadu_epi16(there, at[6 * i + j] + c);
            d[0][i] = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
            d[1][i] = _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(0xffff0000)));
        }
        spread(d[0], t[0][j]);
        spread(d[1], t[1][j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++) {
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++) d[odd][j] = t[odd][j][i];
            spread(d[odd], out[odd]);
        }
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            __m512 factor = _mm512_set1_ps(factors[6 * i + j]);
            __m512i even = _mm512_castps_si512(_mm512_fmadd_ps(out[0][j], factor, round));
            __m512i odd = _mm512_castps_si512(_mm512_fmadd_ps(out[1][j], factor, round));
            even = _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16));
            _mm512_mask_storeu_epi16(v + (6 * i + j) * step, there, even);
        }
    }
}

/* V = B' d B of one tile in integers; the 36 results lie `step` apart. Returns the tile's unit. */
static float enter(const Conv3x3 *conv, long tile, int16_t *v, long step) {
    const uint16_t *at[VALUES];
    float factors[VALUES], top = top_of(conv->inputs);
    pixels_of(conv, tile, at);
    float size = largest(at, conv->inputs), unit = (size > 1e-30f || size != size ? size : 1e-30f) / top;
    for (int k = 0; k < VALUES; k++) factors[k] = 1.0f / (unit * bounds[k / 6] * bounds[k % 6]);
    for (long c = 0; c < conv->inputs; c += 32)
        spread_tile(at, c, conv->inputs - c < 32 ? 0xffff : 0xffffffff, factors, v + c, step);
    return unit;
}

/* m = v u for ROWS tiles and a panel of outputs; u holds pairs of inputs, outputs side by side. */
INLINE void multiply(const int ROWS, const int16_t *v,
    long inputs, const int16_t *u, int32_t *m) {
    __m512i sum[12][2];
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
    for (long c = 0; c < inputs; c += 2, u += 2 * PANEL) {
        __m512i b[2] = {_mm512_loadu_si512(u), _mm512_loadu_si512(u + PANEL)};
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            int32_t pair;
            memcpy(&pair, v + r * inputs + c, 4);
            __m512i a = _mm512_set1_epi32(pair);
            sum[r][0] = _mm512_dpwssd_epi32(sum[r][0], a, b[0]);
            sum[r][1] = _mm512_dpwssd_epi32(sum[r][1], a, b[1]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++) {
        _mm512_storeu_si512(m + r * PANEL, sum[r][0]);
        _mm512_storeu_si512(m + r * PANEL + 16, sum[r][1]);
    }
}

/* The products of `rows` tiles, a multiple of four, with one panel's weights. */
static void products(const int16_t *v, long inputs, const int16_t *u, int32_t *m, long rows) {
    for (long k = 0; k < VALUES; k++, v += rows * inputs, u += inputs * PANEL, m += rows * PANEL) {
        long r = 0;
        for (; r + 12 <= rows; r += 12) multiply(12, v + r * inputs, inputs, u, m + r * PANEL);
        for (; r + 8 <= rows; r += 8) multiply(8, v + r * inputs, inputs, u, m + r * PANEL);
        for (; r < rows; r += 4) multiply(4, v + r * inputs, inputs, u, m + r * PANEL);
    }
}

/* A' m along one side. */
INLINE void gather(const __m512 m[6], __m512 out[4]) {
    __m512 sum = m[1] + m[2], difference = m[1] - m[2];
    __m512 more = m[3] + m[4], other = m[3] - m[4];
    out[0] = m[0] + sum + more;
    out[1] = A * difference + B * other;
    out[2] = A * A * sum + B * B * more;
    out[3] = A * A * A * difference + B * B * B * other + m[5];
}

/* y = scale (A' m A + bias + residual) of one tile and panel; the 36 values lie `step` apart. */
static void leave(const Conv3x3 *conv, long tile, long first, float unit, const int32_t *m, long step) {
    long row, column, image = tile_place(conv, 4, tile, &row, &column);
    long from = ((image * conv->height + 4 * row) * conv->width + 4 * column) * conv->outputs;
    Residual beside = residual_of(conv, 4, image, row, column);
    const float *units = conv->units + first * VALUES;
    __m512 whole = K(unit);
    for (long c = 0; c < PANEL; c += 16) {
        __m512 t[6][4], d[6], out[4], bias = _mm512_setzero_ps();
        if (conv->bias) bias = _mm512_loadu_ps(conv->bias + first + c);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++) {
                __m512i sum = _mm512_loadu_si512(m + (6 * i + j) * step + c);
                d[i] = _mm512_cvtepi32_ps(sum) * _mm512_loadu_ps(units + (6 * i + j) * PANEL + c);
            }
            gather(d, t[j]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++) d[j] = t[j][i];
            gather(d, out);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                __m512 value = _mm512_fmadd_ps(out[j], whole, bias);
                leave_vector(conv, beside, from, i, j, first + c, value);
            }
        }
    }
}

/* G w along one side: 3 values to 6. */
INLINE void widen(__m512 a, __m512 b, __m512 c, __m512 out[6]) {
    const float near = 1 / (2 * A * A * (A * A - B * B)), far = 1 / (2 * B * B * (B * B - A * A));
    __m512 even = near * a + near * A * A * c, odd = near * A * b;
    out[0] = a; /* over A^2 B^2 = 1 */
    out[1] = even + odd;
    out[2] = even - odd;
    even = far * a + far * B * B * c, odd = far * B * b;
    out[3] = even + odd;
    out[4] = even - odd;
    out[5] = c;
}

/* The 36 values of one input and 16 outputs; `lanes`: where in `w` the outputs lie. */
INLINE void widen_both(const float *w, __m512i lanes, long row, long column, __m512 out[6][6]) {
    __m512 t[3][6];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        __m512 d[3];
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) d[i] = _mm512_i32gather_ps(lanes, w + i * row + j * column, 4);
        widen(d[0], d[1], d[2], t[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) widen(t[0][i], t[1][i], t[2][i], out[i]);
}

/* The units of 16 outputs' weights, and their inverses: no sum over the inputs may overflow. */
static void measure(const float *w, __m512i lanes, const long steps[3], long inputs, float *units,
                    __m512 inverse[VALUES]) {
    __m512 sum[VALUES], most[VALUES], out[6][6];
    float top = top_of(inputs), room = 2147483647.0f / top - inputs, least = 1e-30f;
    for (int k = 0; k < VALUES; k++) sum[k] = most[k] = _mm512_setzero_ps();
    for (long c = 0; c < inputs; c++) {
        widen_both(w + c * steps[0], lanes, steps[1], steps[2], out);
        for (int k = 0; k < VALUES; k++) {
            __m512 size = _mm512_abs_ps(out[k / 6][k % 6]);
            sum[k] += size;
            most[k] = _mm512_max_ps(most[k], size);
        }
    }
    for (int k = 0; k < VALUES; k++) {
        __m512 unit = _mm512_max_ps(sum[k] / room, most[k] / 32767.0f);
        unit = _mm512_max_ps(unit, _mm512_set1_ps(least));
        inverse[k] = 1.0f / unit;
        _mm512_storeu_ps(units + k * PANEL, unit * bounds[k / 6] * bounds[k % 6]);
    }
}

/* U = G w G' in integers, in the order that `products` reads. */
void pack3x3_squares_of_4(const Weight3x3 *w, int16_t *u, float *units) {
    __m512i lanes = lanes_of(w->output);
    const long steps[3] = {w->input, w->row, w->column}, inputs = w->inputs;
#pragma omp parallel for schedule(static)
    for (long k = 0; k < w->outputs; k += 16) {
        __m512 inverse[VALUES], even[6][6], odd[6][6];
        long panel = k / PANEL * PANEL;
        const float *of = w->at + k * w->output;
        measure(of, lanes, steps, inputs, units + panel * VALUES + k % PANEL, inverse);
        for (long c = 0; c < inputs; c += 2) {
            widen_both(of + c * w->input, lanes, w->row, w->column, even);
            widen_both(of + (c + 1) * w->input, lanes, w->row, w->column, odd);
            int16_t *to = u + panel * VALUES * inputs + c * PANEL + k % PANEL * 2;
            for (int i = 0; i < VALUES; i++) {
                __m512i low = _mm512_cvtps_epi32(even[i / 6][i % 6] * inverse[i]);
                __m512i high = _mm512_cvtps_epi32(odd[i / 6][i % 6] * inverse[i]);
                low = _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16));
                _mm512_storeu_si512(to + i * inputs * PANEL, low);
            }
        }
    }
}

/* One block of tiles, in this thread's memory; returns 1 when there is none. */
static int convolve(const Conv3x3 *conv, long first, long count) {
    long rows = (count + 3) / 4 * 4, inputs = conv->inputs;
    size_t entered = VALUES * rows * inputs * sizeof(int16_t);
    size_t left = VALUES * rows * PANEL * sizeof(int32_t);
    int16_t *v = (int16_t *)memory(entered + left + rows * sizeof(float));
    if (!v) return 1;
    int32_t *m = (int32_t *)((char *)v + entered);
    float *units = (float *)((char *)m + left);
    const int16_t *u = (const int16_t *)conv->weight;
    for (long r = 0; r < count; r++)
        units[r] = enter(conv, first + r, v + r * inputs, rows * inputs);
    for (long k = 0; k < conv->outputs; k += PANEL) {
        products(v, inputs, u + k * VALUES * inputs, m, rows);
        for (long r = 0; r < count; r++)
            leave(conv, first + r, k, units[r], m + r * PANEL, rows * PANEL);
    }
    return 0;
}

int conv3x3_squares_of_4(const Conv3x3 *conv) {
    long tiles = tile_count(conv, 4), most = 12;
    int failed = 0;
#pragma omp parallel reduction(| : failed)
    {
        long threads = omp_get_num_threads(), share = (tiles + threads - 1) / threads;
        long blocks = (share + most - 1) / most, rows = (share + blocks - 1) / blocks;
#pragma omp for schedule(static)
        for (long first = 0; first < tiles; first += rows)
            failed |= convolve(conv, first, tiles - first < rows ? tiles - first : rows);
    }
    return failed;
}
