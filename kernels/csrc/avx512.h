/* What the convolutions share: bfloat16 in and out of registers, and a thread's working memory. */

#ifndef AVX512_H
#define AVX512_H
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
#define K(value) _mm512_set1_ps(value)

INLINE __m512 load(const uint16_t *at) {
    __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

INLINE void store(uint16_t *at, __m512 value) {
    _mm256_storeu_si256((__m256i *)at, (__m256i)_mm512_cvtneps_pbh(value));
}

/* This thread's working memory, kept from call to call; NULL when there is none. */
static char *memory(size_t size) {
    static __thread char *kept;
    static __thread size_t length;
    if (length < size) {
        free(kept);
        length = (size + 4095) / 4096 * 4096;
        kept = (char *)aligned_alloc(4096, length);
        if (!kept) length = 0;
    }
    return kept;
}
#endif
