/* Passes over bfloat16 images, channels last: 3x3 pools, and the resize that Inception wants. */

#include <stdint.h>
#include <string.h>

#include "bfloat16.h"
#include "kernels.h"

enum { LANES = 32 }; /* channels at a time */

/* What lies in the image of a window of three that begins at `from`. */
static inline void window(long from, long side, long *first, long *end) {
    *first = from < 0 ? 0 : from;
    *end = from + 3 < side ? from + 3 : side;
}

/* The largest of each 3x3 window. For what is not negative: zero is the least, and the order of
   the numbers is that of their bits. */
void pool_largest(const Map *x, const Map *y, long stride, long pad) {
    long height = x->height, width = x->width;
#pragma omp parallel for schedule(static)
    for (long line = 0; line < x->images * y->height; line++) {
        const uint16_t *image = x->at + line / y->height * height * width * x->step;
        long top, bottom, left, right;
        window(line % y->height * stride - pad, height, &top, &bottom);
        for (long column = 0; column < y->width; column++) {
            uint16_t *to = y->at + (line * y->width + column) * y->step;
            window(column * stride - pad, width, &left, &right);
            for (long c = 0; c < x->channels; c += LANES) {
                uint16_t most[LANES] = {0};
                for (long r = top; r < bottom; r++)
                    for (long s = left; s < right; s++) {
                        const uint16_t *from = image + (r * width + s) * x->step + c;
                        for (int k = 0; k < LANES; k++) most[k] = from[k] > most[k] ? from[k] : most[k];
                    }
                memcpy(to + c, most, sizeof most);
            }
        }
    }
}

/* ReLU of the mean of the 3x3 window around each pixel; what lies outside does not count. */
void pool_average(const Map *x, const Map *y) {
    long height = x->height, width = x->width;
#pragma omp parallel for schedule(static)
    for (long line = 0; line < x->images * height; line++) {
        const uint16_t *image = x->at + line / height * height * width * x->step;
        long top, bottom, left, right;
        window(line % height - 1, height, &top, &bottom);
        for (long column = 0; column < width; column++) {
            uint16_t *to = y->at + (line * width + column) * y->step;
            window(column - 1, width, &left, &right);
            float share = 1.f / (float)((bottom - top) * (right - left));
            for (long c = 0; c < x->channels; c += LANES) {
                float sum[LANES] = {0};
                for (long r = top; r < bottom; r++)
                    for (long s = left; s < right; s++) {
                        const uint16_t *from = image + (r * width + s) * x->step + c;
                        for (int k = 0; k < LANES; k++) sum[k] += wide(from[k]);
                    }
                for (int k = 0; k < LANES; k++) to[c + k] = narrow(sum[k] > 0 ? sum[k] * share : 0);
            }
        }
    }
}

/* An RGB image in -1..1 on a square: output i of a side lies at i * (the image's side) / side, as
   TensorFlow 1 has it, and the last pixel is repeated. scratch: 3 width + 9 side floats. */
void resize_tf1(const uint8_t *x, uint16_t *y, long height, long width, long side, float *scratch) {
    float *line = scratch, *share = line + 3 * width, step = (float)width / (float)side;
    int32_t *left = (int32_t *)(share + 3 * side), *right = left + 3 * side;
    for (long k = 0; k < 3 * side; k++) {
        float at = (float)(k / 3) * step;
        long pixel = (long)at < width ? (long)at : width - 1, next = pixel + 1 < width;
        left[k] = (int32_t)(3 * pixel + k % 3);
        right[k] = left[k] + 3 * (int32_t)next;
        share[k] = at - (float)pixel;
    }
    for (long i = 0; i < side; i++, y += 3 * side) {
        float at = (float)i * ((float)height / (float)side);
        long row = (long)at < height ? (long)at : height - 1;
        const uint8_t *upper = x + 3 * width * row, *lower = upper + (row + 1 < height ? 3 * width : 0);
        float below = at - (float)row;
        for (long k = 0; k < 3 * width; k++)
            line[k] = (float)upper[k] + below * (float)(lower[k] - upper[k]);
        for (long k = 0; k < 3 * side; k++) {
            float one = line[left[k]], other = line[right[k]];
            y[k] = narrow((one + share[k] * (other - one) - 128) / 128);
        }
    }
}
