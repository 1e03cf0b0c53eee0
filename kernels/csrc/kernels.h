/* The functions that `register.cpp` makes into torch's operators.

   They read and write bfloat16 (uint16_t), channels last. Those that need working memory return 0,
   or 1 when they could not get it; what is in y then is no result. */

#ifndef KERNELS_H
#define KERNELS_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const uint16_t *x, *residual; /* residual: added before scaling, or NULL */
    const void *weight;           /* as the pack function makes it */
    const float *units, *bias;    /* units: of integer weights; bias: or NULL */
    uint16_t *y;
    long images, height, width, inputs, outputs; /* height and width of y */
    float scale;
    int doubled, coarse; /* x, and the residual, have half of y's height and width */
} Conv3x3;

/* A weight tensor in float32: its steps from output to output, input, row and column. */
typedef struct {
    const float *at;
    long output, input, row, column, outputs, inputs;
} Weight3x3;

int conv3x3_squares_of_2(const Conv3x3 *conv);
int conv3x3_squares_of_4(const Conv3x3 *conv);
void pack3x3_squares_of_2(const Weight3x3 *weight, uint16_t *packed);
void pack3x3_squares_of_4(const Weight3x3 *weight, int16_t *packed, float *units);

typedef struct {
    const uint16_t *x;
    const float *weight, *bias, *modulation; /* modulation: rows of 2C, or NULL */
    long rows, images, pixels, channels, groups;
    float *stats;   /* images x groups x (mean, 1 / deviation) */
    float *scratch; /* images x chunks of NORM_CHUNK pixels x 2C */
} Norm;

enum { NORM_CHUNK = 128, NORM_MOST = 4096 }; /* pixels of a partial sum; channels at most */

void norm_act(const Norm *norm, uint16_t *y, double eps);
void norm_act_back(const Norm *norm, const uint16_t *dy, uint16_t *dx, float *sums);

/* Some channels of a channels-last map; step: from pixel to pixel. */
typedef struct {
    uint16_t *at;
    long images, height, width, channels, step;
} Map;

enum { CONV_MOST = 4096 }; /* inputs of a convolution */

int inception_convolve(const Map *x, const uint16_t *weight, const float *bias, const Map *y,
                       long shape, long top, long left);
void pool_largest(const Map *x, const Map *y, long stride, long pad);
void pool_average(const Map *x, const Map *y);
void resize_tf1(const uint8_t *x, uint16_t *y, long height, long width, long side, float *scratch);
#ifdef __cplusplus
}
#endif
#endif
