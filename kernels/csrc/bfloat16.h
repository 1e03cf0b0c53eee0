/* bfloat16 without a processor's instructions for it. */

#ifndef BFLOAT16_H
#define BFLOAT16_H
#include <stdint.h>
#include <string.h>

static inline float wide(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* To the nearest, ties to even; not for NaN. */
static inline uint16_t narrow(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#endif
