/* ReLU of a convolution of stride 1 by Winograd's minimal filtering, for Inception's shapes: 3x3,
   5x5, 1x3, 3x1, 1x7 and 7x1. bfloat16, channels last, sums in float32.

   A tile of outputs needs a product for each of its points, fewer than the definition takes
   (Lavin and Gray 2016). The points lie along rows, columns or both, and each side is one of:

     ONE     not convolved
     THREE   F(2, 3): 2 outputs of 3 weights by 4 products for 6; points 0, 1, -1, infinity
     FOUR    F(4, 3): 4 outputs of 3 weights by 6 products for 12; points 0, 2/3, -2/3, 3/2, -3/2,
             infinity
     FIVE    2 outputs of 5 weights by 7 products for 10: F(2, 3) for the first three weights and
             F(2, 2) for the other two, points 0, 1, infinity
     SEVEN   3 outputs of 7 weights by 11 products for 21: F(3, 4) for the first four weights,
             points 0, 2/3, -2/3, 3/2, -3/2, infinity, and F(3, 3) for the other three, points
             0, 3/4, -3/4, 2, infinity. F(3, 7) would take 9, with four times the error.

   A block of tiles is transformed (V), multiplied with the transformed weights (U) and transformed
   back within a core's cache. A tile's result depends on nothing but its pixels. */

#include <stddef.h>

#include "avx512.h"
#include "kernels.h"

enum { ONE, THREE, FOUR, FIVE, SEVEN };

/* Pixels that a tile reads, its points, and its outputs, along such a side. */
static const int pixels_of[] = {1, 4, 6, 6, 9}, points_of[] = {1, 4, 6, 7, 11};
static const int outputs_of[] = {1, 2, 4, 2, 3};

typedef struct {
    const uint16_t *x, *u;
    const float *bias;
    uint16_t *y;
    long height, width, x_step, inputs;      /* of x; step: from pixel to pixel */
    long y_height, y_width, y_step, outputs; /* of y */
    long top, left;                          /* zeros before x */
    long down, across;                       /* tiles of an image */
} Conv;

#define A (2 / 3.f)
#define B (3 / 2.f) /* A * B is 1 */
#define C (3 / 4.f)
#define D 2.f

/* The value at a point p is that of the polynomial product (z - q) over the other points q, whose
   coefficients are the weights of the pixels; at infinity, over all points. */
INLINE void spread_six(const __m512 *d, __m512 *v) {
    __m512 squares = K(A * A + B * B);
    __m512 even_a = d[4] - K(B * B) * d[2], odd_a = d[3] - K(B * B) * d[1];
    __m512 even_b = d[4] - K(A * A) * d[2], odd_b = d[3] - K(A * A) * d[1];
    v[0] = d[0] - squares * d[2] + d[4];
    v[1] = even_a + K(A) * odd_a;
    v[2] = even_a - K(A) * odd_a;
    v[3] = even_b + K(B) * odd_b;
    v[4] = even_b - K(B) * odd_b;
    v[5] = d[1] - squares * d[3] + d[5];
}

INLINE void spread_five(const __m512 *d, __m512 *v) {
    __m512 e[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) e[i] = d[i + 1] - K(D) * d[i];
    v[0] = e[2] - K(C * C) * e[0];
    v[1] = e[2] + K(C) * e[1];
    v[2] = e[2] - K(C) * e[1];
    v[3] = d[3] - K(C * C) * d[1];
    v[4] = e[3] - K(C * C) * e[1];
}

INLINE void spread(const int side, const __m512 *d, __m512 *v) {
    if (side == ONE) v[0] = d[0];
    if (side == THREE || side == FIVE) {
        v[0] = d[2] - d[0];
        v[1] = d[2] + d[1];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
    }
    if (side == FIVE) {
        v[4] = d[4] - d[3];
        v[5] = d[4];
        v[6] = d[5] - d[4];
    }
    if (side == FOUR || side == SEVEN) spread_six(d, v);
    if (side == SEVEN) spread_five(d + 4, v + 6);
}

/* Output i is the sum of point^i times its product; infinity counts only in the last output. */
INLINE void gather(const int side, const __m512 *m, __m512 *y) {
    if (side == ONE) y[0] = m[0];
    if (side == THREE || side == FIVE) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] + m[3];
    }
    if (side == FIVE) {
        y[0] += m[4] + m[5];
        y[1] += m[5] + m[6];
    }
    if (side == FOUR || side == SEVEN) {
        __m512 even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
        y[0] = m[0] + even_a + even_b;
        y[1] = K(A) * odd_a + K(B) * odd_b;
        y[2] = K(A * A) * even_a + K(B * B) * even_b;
        if (side == FOUR) y[3] = K(A * A * A) * odd_a + K(B * B * B) * odd_b + m[5];
        else y[2] += m[5];
    }
    if (side == SEVEN) {
        __m512 even = m[7] + m[8], odd = m[7] - m[8];
        y[0] += m[6] + even + m[9];
        y[1] += K(C) * odd + K(D) * m[9];
        y[2] += K(C * C) * even + K(D * D) * m[9] + m[10];
    }
}

static const uint16_t outside[CONV_MOST]; /* as many zeros as a pixel may have channels */

/* Tile `tile` of all images: its image, and its place among the image's tiles. */
INLINE long place(const Conv *conv, long tile, long *row, long *column) {
    long each = conv->down * conv->across;
    *row = tile % each / conv->across;
    *column = tile % conv->across;
    return tile / each;
}

/* V of one tile; its points lie `step` apart. */
INLINE void enter(const Conv *conv, const int R, const int S, long tile, uint16_t *v, long step) {
    const uint16_t *from[9][9];
    long row, column, image = place(conv, tile, &row, &column);
    for (int i = 0; i < pixels_of[R]; i++)
        for (int j = 0; j < pixels_of[S]; j++) {
            long r = row * outputs_of[R] - conv->top + i, c = column * outputs_of[S] - conv->left + j;
            int inside = r >= 0 && r < conv->height && c >= 0 && c < conv->width;
            long pixel = (image * conv->height + r) * conv->width + c;
            from[i][j] = inside ? conv->x + pixel * conv->x_step : outside;
        }
    for (long c = 0; c < conv->inputs; c += 16, v += 16) {
        __m512 d[9], t[9][11], out[11];
#pragma GCC unroll 9
        for (int j = 0; j < pixels_of[S]; j++) {
#pragma GCC unroll 9
            for (int i = 0; i < pixels_of[R]; i++) d[i] = load(from[i][j] + c);
            spread(R, d, t[j]);
        }
#pragma GCC unroll 11
        for (int i = 0; i < points_of[R]; i++) {
#pragma GCC unroll 9
            for (int j = 0; j < pixels_of[S]; j++) d[j] = t[j][i];
            spread(S, d, out);
#pragma GCC unroll 11
            for (int j = 0; j < points_of[S]; j++) store(v + (i * points_of[S] + j) * step, out[j]);
        }
    }
}

/* y of one tile, as far as it lies in the image. */
INLINE void leave(const Conv *conv, const int R, const int S, long tile, const float *m, long step) {
    uint16_t *to[4][4];
    long row, column, image = place(conv, tile, &row, &column);
    for (int i = 0; i < outputs_of[R]; i++)
        for (int j = 0; j < outputs_of[S]; j++) {
            long r = row * outputs_of[R] + i, c = column * outputs_of[S] + j;
            long pixel = (image * conv->y_height + r) * conv->y_width + c;
            int inside = r < conv->y_height && c < conv->y_width;
            to[i][j] = inside ? conv->y + pixel * conv->y_step : NULL;
        }
    for (long c = 0; c < conv->outputs; c += 16, m += 16) {
        __m512 d[11], t[11][4], out[4], bias = _mm512_loadu_ps(conv->bias + c);
#pragma GCC unroll 11
        for (int j = 0; j < points_of[S]; j++) {
#pragma GCC unroll 11
            for (int i = 0; i < points_of[R]; i++) d[i] = _mm512_loadu_ps(m + (i * points_of[S] + j) * step);
            gather(R, d, t[j]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < outputs_of[R]; i++) {
#pragma GCC unroll 11
            for (int j = 0; j < points_of[S]; j++) d[j] = t[j][i];
            gather(S, d, out);
#pragma GCC unroll 4
            for (int j = 0; j < outputs_of[S]; j++)
                if (to[i][j]) store(to[i][j] + c, _mm512_max_ps(out[j] + bias, _mm512_setzero_ps()));
        }
    }
}

/* m = v u for 12 tiles and 32 outputs; u holds pairs of inputs, outputs side by side. */
static void multiply(const uint16_t *v, long inputs, const uint16_t *u, float *m, long outputs) {
    __m512 sum[12][2];
#pragma GCC unroll 12
    for (int r = 0; r < 12; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (long c = 0; c < inputs; c += 2, u += 64) {
        __m512bh first = (__m512bh)_mm512_loadu_si512(u);
        __m512bh second = (__m512bh)_mm512_loadu_si512(u + 32);
#pragma GCC unroll 12
        for (int r = 0; r < 12; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, v + r * inputs + c, 4);
            __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], a, first);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], a, second);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < 12; r++) {
        _mm512_storeu_ps(m + r * outputs, sum[r][0]);
        _mm512_storeu_ps(m + r * outputs + 16, sum[r][1]);
    }
}

enum { TILES = 24 }; /* of a block */

/* Returns 1 when there is no memory. */
INLINE int block(const Conv *conv, const int R, const int S, long first, long tiles) {
    const int all = points_of[R] * points_of[S];
    long inputs = conv->inputs, outputs = conv->outputs;
    long v_step = TILES * inputs, m_step = TILES * outputs;
    size_t entered = all * v_step * sizeof(uint16_t);
    uint16_t *v = (uint16_t *)memory(entered + all * m_step * sizeof(float));
    float *m = (float *)((char *)v + entered);
    if (!v) return 1;
    for (long t = 0; t < tiles; t++) enter(conv, R, S, first + t, v + t * inputs, v_step);
    for (long k = 0; k < all; k++)
        for (long o = 0; o < outputs; o += 32)
            for (long t = 0; t < tiles; t += 12)
                multiply(v + k * v_step + t * inputs, inputs, conv->u + (k * outputs + o) * inputs,
                         m + k * m_step + t * outputs + o, outputs);
    for (long t = 0; t < tiles; t++) leave(conv, R, S, first + t, m + t * outputs, m_step);
    return 0;
}

#define SHAPE(NAME, R, S)                                           \
    static int NAME(const Conv *conv, long first, long tiles) {     \
        return block(conv, R, S, first, tiles);                     \
    }
SHAPE(conv_3x3, THREE, FOUR)
SHAPE(conv_5x5, FIVE, FIVE)
SHAPE(conv_1x3, ONE, FOUR)
SHAPE(conv_3x1, FOUR, ONE)
SHAPE(conv_1x7, ONE, SEVEN)
SHAPE(conv_7x1, SEVEN, ONE)

static const struct {
    int (*block)(const Conv *, long, long);
    int rows, columns;
} shapes[] = {
    {conv_3x3, 2, 4}, {conv_5x5, 2, 2}, {conv_1x3, 1, 4}, {conv_3x1, 4, 1},
    {conv_1x7, 1, 3}, {conv_7x1, 3, 1},
};

/* weight: points x (outputs / 32) x (inputs / 2) x 32 x 2. */
int inception_convolve(const Map *x, const uint16_t *weight, const float *bias, const Map *y,
                       long shape, long top, long left) {
    long down = (y->height + shapes[shape].rows - 1) / shapes[shape].rows;
    long across = (y->width + shapes[shape].columns - 1) / shapes[shape].columns;
    Conv conv = {.x = x->at, .u = weight, .bias = bias, .y = y->at,
                 .height = x->height, .width = x->width, .x_step = x->step, .inputs = x->channels,
                 .y_height = y->height, .y_width = y->width, .y_step = y->step,
                 .outputs = y->channels, .top = top, .left = left, .down = down, .across = across};
    long tiles = x->images * down * across;
    int failed = 0;
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (long first = 0; first < tiles; first += TILES)
        failed |= shapes[shape].block(&conv, first, tiles - first < TILES ? tiles - first : TILES);
    return failed;
}
