/* SPDX-License-Identifier: MIT
 *
 * Names of the functions of one processor level, and small functions that vectorise. ASSAY_CPU_LEVEL is base, v3 or v4 (x86-64's
 * levels: AVX2 with FMA, AVX-512) and comes from the makefile.
 */
#ifndef ASSAY_BACKENDS_CPU_LEVEL_H
#define ASSAY_BACKENDS_CPU_LEVEL_H

#include "kernels.h"

#include <math.h>
#include <string.h>

#ifndef ASSAY_CPU_LEVEL
#define ASSAY_CPU_LEVEL base
#endif
#define ASSAY_CPU_JOIN2(a, b) a##_##b
#define ASSAY_CPU_JOIN(a, b) ASSAY_CPU_JOIN2(a, b)
#define ASSAY_CPU_KERNEL(name) ASSAY_CPU_JOIN(assay_cpu_##name, ASSAY_CPU_LEVEL)

/* Iterations do not depend on one another, although pointers may be equal. */
#define ASSAY_CPU_SIMD _Pragma("omp simd")

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* e^x within 1.5 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2; 2^n is multiplied in two halves so that subnormal results
 * and infinity come out right. */
static inline float exp_of(float x) {
  const float clamped = x < -110.f ? -110.f : x > 90.f ? 90.f : x;
  const float shifted = clamped * 1.44269504088896341f + 12582912.f; /* 1.5 * 2^23: the integer stands in the low bits */
  const int32_t n = (int32_t)(bits_of(shifted) - 0x4B400000u);
  const float whole = shifted - 12582912.f;
  float r = clamped - whole * 0.693359375f;
  r = r + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const int32_t half = n >> 1;
  return p * float_of((uint32_t)(half + 127) << 23) * float_of((uint32_t)(n - half + 127) << 23);
}

/* ln x within 2 units in the last place: x = 2^e m, sqrt(1/2) <= m < sqrt(2). */
static inline float log_of(float x) {
  const int tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 33554432.f : x;
  const uint32_t bits = bits_of(scaled);
  const uint32_t shifted = bits + (0x3F800000u - 0x3F3504F3u);
  const float e = (float)((int32_t)(shifted >> 23) - 127) - (tiny ? 25.f : 0.f);
  const float m = float_of((shifted & 0x007FFFFFu) + 0x3F3504F3u) - 1.f;
  const float z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float y = m * z * p;
  y = y - e * 2.12194440e-4f - 0.5f * z;
  y = m + y + e * 0.693359375f;
  return x > 3.4028234664e38f ? x : x == 0.f ? -INFINITY : x > 0.f ? y : NAN;
}

static inline float log1p_of(float x) {
  const float u = 1.f + x;
  const float y = log_of(u);
  const float correction = (x - (u - 1.f)) / u;
  return u > 0.f && u < 3.4028234664e38f ? y + correction : y;
}

static inline float sigmoid_of(float x) { return 1.f / (1.f + exp_of(-x)); }

static inline float tanh_of(float x) {
  const float a = fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float small = p * z * x + x;
  const float large = copysignf(1.f - 2.f / (exp_of(2.f * a) + 1.f), x);
  return a < 0.625f ? small : x == x ? large : x;
}

/* Own least-maximum fits: below 1, erf x / x as a polynomial in x² (relative error 2e-9); from 1 to 4, -ln(1 - erf x) as one in x (error of erf 1e-10);
 * beyond 4 it is 1 to the last bit. */
static inline float erf_of(float x) {
  const float z = x * x, a = fabsf(x), t = a < 4.f ? a : 4.f;
  float p = 7.853858e-05f;
  p = p * z - 8.0101925e-04f;
  p = p * z + 5.1883277e-03f;
  p = p * z - 2.6853811e-02f;
  p = p * z + 1.12835854e-01f;
  p = p * z - 3.7612626e-01f;
  p = p * z + 1.1283791f;
  float q = 2.168685e-05f;
  q = q * t - 4.4133636e-04f;
  q = q * t + 4.204562e-03f;
  q = q * t - 2.5208257e-02f;
  q = q * t + 1.0841858e-01f;
  q = q * t + 6.332199e-01f;
  q = q * t + 1.1295785f;
  q = q * t - 1.8804023e-04f;
  const float large = copysignf(1.f - exp_of(-q), x);
  return a < 1.f ? p * x : x == x ? large : x;
}

#endif
