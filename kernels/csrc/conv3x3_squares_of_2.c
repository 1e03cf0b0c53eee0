/* 3x3 convolution, stride 1, padding 1, by Winograd's F(2x2, 3x3): 16 products for 4 outputs where
   the definition takes 36 (Lavin and Gray 2016). bfloat16, channels last, sums in float32.

   A block of tiles is transformed (V), multiplied with the transformed weights (U) a panel of
   outputs at a time, and transformed back, all within a core's cache. A tile's result depends on
   nothing but its pixels: not on the batch, the block or the threads.

   An input of half the size counts as doubled, each pixel four times (`doubled`): then the third of
   the transform's four values is always zero, and 9 products remain of the 16. */

#include "conv3x3.h"

/* The rows of x that a row of tiles reads: where each begins, and the step from pixel to pixel;
   rows outside of the image are zeros without a step. */
typedef struct {
    const uint16_t *at[4];
    long step[4], width;
} Rows;

static const uint16_t nothing[32];

INLINE Rows rows_of(const Conv3x3 *conv, long image, long row, int doubled) {
    long height = conv->height >> doubled, top = doubled ? row - 1 : 2 * row - 1;
    Rows rows = {.width = conv->width >> doubled};
    for (long i = 0; i < 4 - doubled; i++) {
        int inside = top + i >= 0 && top + i < height;
        long pixel = (image * height + top + i) * rows.width;
        rows.at[i] = inside ? conv->x + pixel * conv->inputs : nothing;
        rows.step[i] = inside ? conv->inputs : 0;
    }
    return rows;
}

/* B' d of one column of pixels, 16 channels. */
INLINE void column_of(const Rows *rows, long column, long c,
                                                            const int doubled, __m512 t[4]) {
    __m512 d[4];
    int inside = column >= 0 && column < rows->width;
#pragma GCC unroll 4
    for (int i = 0; i < 4 - doubled; i++) {
        long at = column * rows->step[i] + (rows->step[i] ? c : 0);
        d[i] = inside ? load(rows->at[i] + at) : _mm512_setzero_ps();
    }
    if (doubled) d[3] = d[2], d[2] = d[1];
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
}

/* V = B' d B of one tile, 16 channels; the 16 results lie `step` apart. */
INLINE void spread_tile(const Rows *rows, long column,
    long c, uint16_t *v, long step, const int doubled) {
    __m512 t[4][4];
    long left = doubled ? column - 1 : 2 * column - 1;
#pragma GCC unroll 4
    for (int j = 0; j < 4 - doubled; j++) column_of(rows, left + j, c, doubled, t[j]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        if (doubled && i == 2) continue;
        __m512 third = t[doubled ? 1 : 2][i];
        store(v + (4 * i + 0) * step, t[0][i] - third);
        store(v + (4 * i + 1) * step, t[1][i] + third);
        if (!doubled) store(v + (4 * i + 2) * step, third - t[1][i]);
        store(v + (4 * i + 3) * step, t[1][i] - t[3 - doubled][i]);
    }
}

static void enter(const Conv3x3 *conv, long tile, uint16_t *v, long step) {
    long row, column, image = tile_place(conv, 2, tile, &row, &column);
    Rows rows = rows_of(conv, image, row, conv->doubled);
    for (long c = 0; c < conv->inputs; c += 16)
        if (conv->doubled) spread_tile(&rows, column, c, v + c, step, 1);
        else spread_tile(&rows, column, c, v + c, step, 0);
}

/* m = v u for ROWS tiles and 16 VECTORS outputs; u holds pairs of inputs, outputs side by side. */
INLINE void multiply(const int ROWS, const int VECTORS,
    const uint16_t *v, long inputs, const uint16_t *u, float *m, long outputs) {
    __m512 sum[12][3];
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int k = 0; k < VECTORS; k++) sum[r][k] = _mm512_setzero_ps();
    for (long c = 0; c < inputs; c += 2, u += 32 * VECTORS) {
        __m512bh b[3];
#pragma GCC unroll 3
        for (int k = 0; k < VECTORS; k++) b[k] = (__m512bh)_mm512_loadu_si512(u + 32 * k);
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, v + r * inputs + c, 4);
            __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 3
            for (int k = 0; k < VECTORS; k++) sum[r][k] = _mm512_dpbf16_ps(sum[r][k], a, b[k]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int k = 0; k < VECTORS; k++) _mm512_storeu_ps(m + r * outputs + 16 * k, sum[r][k]);
}

/* The products of `rows` tiles. u: 16 x (outputs / panel) x (inputs / 2) x panel x 2. */
static void products(const Conv3x3 *conv, const uint16_t *v, float *m, long rows, long most) {
    long inputs = conv->inputs, outputs = conv->outputs, panel = outputs % 32 ? 48 : 32;
    for (long xi = 0; xi < 16; xi++) {
        if (conv->doubled && (xi / 4 == 2 || xi % 4 == 2)) continue;
        for (long k = 0; k < outputs; k += panel) {
            const uint16_t *u = (const uint16_t *)conv->weight + (xi * outputs + k) * inputs;
            const uint16_t *from = v + xi * most * inputs;
            float *to = m + xi * most * outputs + k;
            if (panel == 32)
                for (long r = 0; r < rows; r += 12)
                    multiply(12, 2, from + r * inputs, inputs, u, to + r * outputs, outputs);
            else
                for (long r = 0; r < rows; r += 8)
                    multiply(8, 3, from + r * inputs, inputs, u, to + r * outputs, outputs);
        }
    }
}

/* A' m A of one tile, 16 outputs; the 16 values lie `step` apart. */
INLINE void back(const float *m, long step, const int doubled,
                                                       __m512 out[4]) {
    __m512 t[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        if (doubled && j == 2) continue;
        __m512 a = _mm512_loadu_ps(m + j * step), b = _mm512_loadu_ps(m + (4 + j) * step);
        __m512 d = doubled ? _mm512_setzero_ps() : _mm512_loadu_ps(m + (8 + j) * step);
        t[0][j] = a + b + d;
        t[1][j] = b - d - _mm512_loadu_ps(m + (12 + j) * step);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512 third = doubled ? _mm512_setzero_ps() : t[i][2];
        out[2 * i] = t[i][0] + t[i][1] + third;
        out[2 * i + 1] = t[i][1] - third - t[i][3];
    }
}

/* y = scale (A' m A + bias + residual) of one tile. */
static void leave(const Conv3x3 *conv, long tile, const float *m, long step) {
    long row, column, image = tile_place(conv, 2, tile, &row, &column), outputs = conv->outputs;
    long from = ((image * conv->height + 2 * row) * conv->width + 2 * column) * outputs;
    Residual beside = residual_of(conv, 2, image, row, column);
    for (long c = 0; c < outputs; c += 16, m += 16) {
        __m512 out[4], bias = conv->bias ? _mm512_loadu_ps(conv->bias + c) : _mm512_setzero_ps();
        if (conv->doubled) back(m, step, 1, out);
        else back(m, step, 0, out);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) leave_vector(conv, beside, from, i / 2, i % 2, c, out[i] + bias);
    }
}

/* G w along one side: 3 values to 4. */
static inline void spread(__m512 a, __m512 b, __m512 c, __m512 out[4]) {
    __m512 half = _mm512_set1_ps(0.5f), sum = half * (a + c), middle = half * b;
    out[0] = a;
    out[1] = sum + middle;
    out[2] = sum - middle;
    out[3] = c;
}

/* The 16 values of one input and 16 outputs; `lanes`: where in `w` the outputs lie. */
static inline void spread_both(const float *w, __m512i lanes, long row, long column, __m512 out[4][4]) {
    __m512 t[3][4];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        __m512 d[3];
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) d[i] = _mm512_i32gather_ps(lanes, w + i * row + j * column, 4);
        spread(d[0], d[1], d[2], t[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) spread(t[0][i], t[1][i], t[2][i], out[i]);
}

static inline __m512i halves(__m512 value) {
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(value));
}

/* U = G w G' in the order that `products` reads. */
void pack3x3_squares_of_2(const Weight3x3 *w, uint16_t *u) {
    long outputs = w->outputs, inputs = w->inputs, panel = outputs % 32 ? 48 : 32;
    __m512i lanes = lanes_of(w->output);
#pragma omp parallel for schedule(static)
    for (long c = 0; c < inputs; c += 2)
        for (long k = 0; k < outputs; k += 16) {
            __m512 even[4][4], odd[4][4];
            const float *from = w->at + k * w->output + c * w->input;
            spread_both(from, lanes, w->row, w->column, even);
            spread_both(from + w->input, lanes, w->row, w->column, odd);
            uint16_t *to = u + (k - k % panel) * inputs + c * panel + k % panel * 2;
#pragma GCC unroll 16
            for (int xi = 0; xi < 16; xi++) {
                __m512i low = halves(even[xi / 4][xi % 4]), high = halves(odd[xi / 4][xi % 4]);
                high = _mm512_slli_epi32(high, 16);
                _mm512_storeu_si512(to + xi * outputs * inputs, _mm512_or_si512(low, high));
            }
        }
}

int conv3x3_squares_of_2(const Conv3x3 *conv) {
    long tiles = tile_count(conv, 2), most = 24, inputs = conv->inputs, outputs = conv->outputs;
    int failed = 0;
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (long first = 0; first < tiles; first += most) {
        long rows = tiles - first < most ? tiles - first : most;
        size_t entered = 16 * most * inputs * sizeof(uint16_t);
        uint16_t *v = (uint16_t *)memory(entered + 16 * most * outputs * sizeof(float));
        float *m = (float *)((char *)v + entered);
        if (!v) {
            failed = 1;
            continue;
        }
        for (long r = 0; r < rows; r++) enter(conv, first + r, v + r * inputs, most * inputs);
        products(conv, v, m, rows, most);
        for (long r = 0; r < rows; r++) leave(conv, first + r, m + r * outputs, most * outputs);
    }
    return failed;
}
