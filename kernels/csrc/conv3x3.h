/* What both 3x3 convolutions share (stride 1, padding 1; bfloat16, channels last): what is convolved,
   where a tile of outputs lies, and how it is left. */

#ifndef CONV3X3_H
#define CONV3X3_H
#include "avx512.h"
#include "kernels.h"

/* Tile `tile` of all images, of `side` outputs a side: its image, and its place among the image's. */
INLINE long tile_place(const Conv3x3 *conv, long side, long tile, long *row, long *column) {
    long across = conv->width / side, each = across * (conv->height / side);
    *row = tile % each / across;
    *column = tile % across;
    return tile / each;
}

/* How many tiles of `side` outputs a side all images have. */
INLINE long tile_count(const Conv3x3 *conv, long side) {
    return conv->images * (conv->height / side) * (conv->width / side);
}

/* Where the residual of a tile's first output lies, or NULL; and the steps to the output below it
   and beside it, of two outputs where the residual is coarse. */
typedef struct {
    const uint16_t *at;
    long down, right;
    int coarse;
} Residual;

INLINE Residual residual_of(const Conv3x3 *conv, long side, long image, long row, long column) {
    int coarse = conv->coarse;
    long width = conv->width >> coarse, height = conv->height >> coarse, step = side >> coarse;
    long pixel = (image * height + row * step) * width + column * step;
    const uint16_t *at = conv->residual ? conv->residual + pixel * conv->outputs : NULL;
    return (Residual){at, width * conv->outputs, conv->outputs, coarse};
}

/* Write scale (value + residual) of 16 outputs from c on, at row i and column j of the tile, which
   begins at `from` in y. */
INLINE void leave_vector(const Conv3x3 *conv, Residual beside, long from, long i, long j, long c,
                         __m512 value) {
    if (beside.at) {
        long there = (i >> beside.coarse) * beside.down + (j >> beside.coarse) * beside.right;
        value += load(beside.at + there + c);
    }
    store(conv->y + from + (i * conv->width + j) * conv->outputs + c, value * K(conv->scale));
}

/* Where in w the weights of 16 outputs lie. */
INLINE __m512i lanes_of(long output) {
    int32_t places[16];
    for (int k = 0; k < 16; k++) places[k] = (int32_t)(k * output);
    return _mm512_loadu_si512(places);
}
#endif
