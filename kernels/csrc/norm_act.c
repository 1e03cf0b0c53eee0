/* Group norm, scale-shift and SiLU in one pass, forward and backward.

   Activations are bfloat16, channels last: N images of P pixels of C channels. The sums are taken
   over fixed chunks of pixels and added in a fixed order, so that an image's result depends neither
   on the number of threads nor on the batch. z = a x + b with the norm, its weights w and bias v and
   the modulation (s, t) of the example folded together; y = z sigmoid(z). */

#include <omp.h>
#include <stdint.h>
#include <string.h>

#include <immintrin.h>

#include "bfloat16.h"
#include "kernels.h"

enum { CHUNK = NORM_CHUNK, MOST = NORM_MOST };

static inline float sigmoid(float z) {
    float t = z * -1.44269504f, e;
    t = t > 126.0f ? 126.0f : t;
    t = t < -126.0f ? -126.0f : t;
    float whole = __builtin_rintf(t), f = t - whole;
    float p = 1.0f + f * (0.69314718f + f * (0.24022651f + f * (0.05550411f
              + f * (0.00961813f + f * 0.00133336f))));
    int32_t bits = ((int32_t)whole + 127) << 23;
    memcpy(&e, &bits, 4);
    return 1.0f / (1.0f + p * e);
}

static long chunks_of(const Norm *norm) { return (norm->pixels + CHUNK - 1) / CHUNK; }

static long length_of(const Norm *norm, long chunk) {
    long left = norm->pixels - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static float *part_of(const Norm *norm, long n, long chunk) {
    return norm->scratch + (n * chunks_of(norm) + chunk) * 2 * norm->channels;
}

static void sum_chunk(const Norm *norm, long n, long chunk) {
    long C = norm->channels, count = length_of(norm, chunk);
    const uint16_t *x = norm->x + (n * norm->pixels + chunk * CHUNK) * C;
    float *sum = part_of(norm, n, chunk), *square = sum + C;
    memset(sum, 0, 2 * C * sizeof(float));
    long p = 0;
    for (; p + 4 <= count; p += 4, x += 4 * C)
        for (long c = 0; c < C; c++) {
            float a = wide(x[c]), b = wide(x[c + C]), d = wide(x[c + 2 * C]), e = wide(x[c + 3 * C]);
            sum[c] += (a + b) + (d + e);
            square[c] += (a * a + b * b) + (d * d + e * e);
        }
    for (; p < count; p++, x += C)
        for (long c = 0; c < C; c++) {
            float a = wide(x[c]);
            sum[c] += a;
            square[c] += a * a;
        }
}

static void statistics(const Norm *norm, long n, double eps) {
    long C = norm->channels, width = C / norm->groups, chunks = chunks_of(norm);
    for (long g = 0; g < norm->groups; g++) {
        double sum = 0, square = 0, size = (double)norm->pixels * width;
        for (long k = 0; k < chunks; k++) {
            const float *part = part_of(norm, n, k) + g * width;
            for (long c = 0; c < width; c++) {
                sum += part[c];
                square += part[C + c];
            }
        }
        double mean = sum / size, variance = square / size - mean * mean;
        variance = (variance > 0 ? variance : 0) + eps;
        float *out = norm->stats + (n * norm->groups + g) * 2;
        out[0] = (float)mean;
        out[1] = (float)(1.0 / __builtin_sqrt(variance));
    }
}

static void affine(const Norm *norm, long n, float *restrict a, float *restrict b) {
    long C = norm->channels, width = C / norm->groups;
    const float *stats = norm->stats + n * norm->groups * 2;
    const float *m = norm->modulation;
    if (m && norm->rows > 1) m += n * 2 * C;
    for (long c = 0; c < C; c++) {
        float weight = norm->weight[c], bias = norm->bias[c];
        if (m) {
            bias = bias * (1.0f + m[c]) + m[C + c];
            weight *= 1.0f + m[c];
        }
        a[c] = weight * stats[c / width * 2 + 1];
        b[c] = bias - a[c] * stats[c / width * 2];
    }
}

/* y of 16 channels. The quotient is the processor's estimate, whose error is at most 2^-14. */
static inline void apply_vector(const uint16_t *x, __m512 a, __m512 b, uint16_t *y) {
    __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    __m512 z = _mm512_fmadd_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)), b);
    __m512 t = _mm512_mul_ps(z, _mm512_set1_ps(-1.44269504f)); /* e^-z = 2^t */
    t = _mm512_min_ps(t, _mm512_set1_ps(126.0f));
    __m512 f = _mm512_sub_ps(t, _mm512_roundscale_ps(t, 0)), p = _mm512_set1_ps(0.00961813f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.05550411f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24022651f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.69314718f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    p = _mm512_scalef_ps(p, _mm512_sub_ps(t, f));
    z = _mm512_mul_ps(z, _mm512_rcp14_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f))));
    _mm256_storeu_si256((__m256i *)y, (__m256i)_mm512_cvtneps_pbh(z));
}

/* Of the first channels, 64 at a time and then 16: return how many are done. */
static long apply_vectors(const uint16_t *x, const float *a, const float *b, uint16_t *y, long C,
                          long count) {
    long c = 0;
    for (long step; (step = C - c >= 64 ? 64 : 16) <= C - c; c += step) {
        __m512 A[4], B[4];
        for (int k = 0; 16 * k < step; k++) {
            A[k] = _mm512_loadu_ps(a + c + 16 * k);
            B[k] = _mm512_loadu_ps(b + c + 16 * k);
        }
        if (step == 64)
            for (long p = 0; p < count; p++)
#pragma GCC unroll 4
                for (int k = 0; k < 4; k++)
                    apply_vector(x + p * C + c + 16 * k, A[k], B[k], y + p * C + c + 16 * k);
        else
            for (long p = 0; p < count; p++) apply_vector(x + p * C + c, A[0], B[0], y + p * C + c);
    }
    return c;
}

static void apply_chunk(const Norm *norm, long n, long chunk, const float *restrict a,
                        const float *restrict b, uint16_t *y) {
    long C = norm->channels, count = length_of(norm, chunk);
    long from = (n * norm->pixels + chunk * CHUNK) * C;
    const uint16_t *x = norm->x + from; /* may be y */
    y += from;
    long done = apply_vectors(x, a, b, y, C, count);
    for (long p = 0; p < count && done < C; p++, x += C, y += C)
        for (long c = done; c < C; c++) {
            float z = a[c] * wide(x[c]) + b[c];
            y[c] = narrow(z * sigmoid(z));
        }
}

/* Write y; `stats` keeps what the backward pass needs. */
void norm_act(const Norm *norm, uint16_t *y, double eps) {
    long images = norm->images, chunks = chunks_of(norm);
#pragma omp parallel
    {
        float a[MOST], b[MOST];
        if (images >= omp_get_num_threads()) { /* an image at a time: it stays in the cache */
#pragma omp for schedule(static)
            for (long n = 0; n < images; n++) {
                for (long k = 0; k < chunks; k++) sum_chunk(norm, n, k);
                statistics(norm, n, eps);
                affine(norm, n, a, b);
                for (long k = 0; k < chunks; k++) apply_chunk(norm, n, k, a, b, y);
            }
        } else {
#pragma omp for schedule(static)
            for (long i = 0; i < images * chunks; i++) sum_chunk(norm, i / chunks, i % chunks);
#pragma omp for schedule(static)
            for (long n = 0; n < images; n++) statistics(norm, n, eps);
            long last = -1;
#pragma omp for schedule(static)
            for (long i = 0; i < images * chunks; i++) {
                if (i / chunks != last) affine(norm, last = i / chunks, a, b);
                apply_chunk(norm, last, i % chunks, a, b, y);
            }
        }
    }
}

/* The slope of SiLU times dy. */
static inline float slope(float z, float dy) {
    float s = sigmoid(z);
    return dy * s * (1.0f + z * (1.0f - s));
}

static void back_sums(const Norm *norm, long n, long chunk, const float *restrict a,
                      const float *restrict b, const uint16_t *restrict dy) {
    long C = norm->channels, count = length_of(norm, chunk);
    long from = (n * norm->pixels + chunk * CHUNK) * C;
    const uint16_t *restrict x = norm->x + from;
    dy += from;
    float *restrict sum = part_of(norm, n, chunk);
    float *restrict product = sum + C;
    memset(sum, 0, 2 * C * sizeof(float));
    for (long p = 0; p < count; p++, x += C, dy += C)
        for (long c = 0; c < C; c++) {
            float value = wide(x[c]), dz = slope(a[c] * value + b[c], wide(dy[c]));
            sum[c] += dz;
            product[c] += dz * value;
        }
}

/* Sum the chunks into `sums` (S = sum dz, T = sum dz xhat per channel); give dx = a dz + q x + r. */
static void back_factors(const Norm *norm, long n, const float *restrict a, float *restrict sums,
                         float *restrict q, float *restrict r) {
    long C = norm->channels, width = C / norm->groups, chunks = chunks_of(norm);
    memset(sums, 0, 2 * C * sizeof(float));
    for (long k = 0; k < chunks; k++) {
        const float *part = part_of(norm, n, k);
        for (long c = 0; c < 2 * C; c++) sums[c] += part[c];
    }
    for (long g = 0; g < norm->groups; g++) {
        const float *stats = norm->stats + (n * norm->groups + g) * 2;
        float mean = stats[0], inverse = stats[1], size = (float)norm->pixels * width;
        float first = 0, second = 0; /* inverse deviation times the means of w dz and w dz xhat */
        for (long c = g * width; c < (g + 1) * width; c++) {
            sums[C + c] = inverse * (sums[C + c] - mean * sums[c]);
            first += a[c] * sums[c];
            second += a[c] * sums[C + c];
        }
        first /= size;
        second /= size;
        for (long c = g * width; c < (g + 1) * width; c++) {
            q[c] = -inverse * second;
            r[c] = -first + inverse * mean * second;
        }
    }
}

static void back_chunk(const Norm *norm, long n, long chunk, const float *restrict a,
                       const float *restrict b, const float *restrict q, const float *restrict r,
                       const uint16_t *restrict dy, uint16_t *restrict dx) {
    long C = norm->channels, count = length_of(norm, chunk);
    long from = (n * norm->pixels + chunk * CHUNK) * C;
    const uint16_t *restrict x = norm->x + from;
    dy += from;
    dx += from;
    for (long p = 0; p < count; p++, x += C, dy += C, dx += C)
        for (long c = 0; c < C; c++) {
            float value = wide(x[c]), dz = slope(a[c] * value + b[c], wide(dy[c]));
            dx[c] = narrow(a[c] * dz + q[c] * value + r[c]);
        }
}

/* Write dx, and per image and channel the sums of dz and of dz xhat (`sums`, images x 2C). */
void norm_act_back(const Norm *norm, const uint16_t *dy, uint16_t *dx, float *sums) {
    long chunks = chunks_of(norm);
#pragma omp parallel for schedule(static)
    for (long n = 0; n < norm->images; n++) {
        float a[MOST], b[MOST], q[MOST], r[MOST];
        affine(norm, n, a, b);
        for (long k = 0; k < chunks; k++) back_sums(norm, n, k, a, b, dy);
        back_factors(norm, n, a, sums + n * 2 * norm->channels, q, r);
        for (long k = 0; k < chunks; k++) back_chunk(norm, n, k, a, b, q, r, dy, dx);
    }
}
