/* SPDX-License-Identifier: MIT
 *
 * Counter-based random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3"
 * (SC 2011). A number is a pure function of (key, counter), so nothing depends on the order of calls, threads or devices.
 */
#ifndef ASSAY_RANDOM_H
#define ASSAY_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One block: four 32-bit words from a 128-bit counter and a 64-bit key. */
static inline void assay_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = (uint32_t)p1;
    c2 = n2;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* A stream of numbers for code that draws one after another, such as a search plugin. Copying it forks it. */
struct assay_random {
  uint32_t key[2];
  uint32_t counter[4];
  uint32_t block[4];
  uint32_t used; /* words of `block` already given out; 4: draw a new block */
};

/* A stream of its own for every (seed, stream) pair. */
static inline struct assay_random assay_random_seed(uint64_t seed, uint64_t stream) {
  struct assay_random random = {{(uint32_t)seed, (uint32_t)(seed >> 32)}, {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)}, {0, 0, 0, 0}, 4};
  return random;
}

static inline uint32_t assay_random_u32(struct assay_random *random) {
  if (random->used == 4) {
    assay_philox(random->counter, random->key, random->block);
    if (++random->counter[0] == 0) random->counter[1]++;
    random->used = 0;
  }
  return random->block[random->used++];
}

/* Uniform in [0, 1), 53 bits. */
static inline double assay_random_uniform(struct assay_random *random) {
  const uint64_t high = assay_random_u32(random), low = assay_random_u32(random);
  return (double)((high << 32 | low) >> 11) * (1.0 / 9007199254740992.0);
}

/* Uniform in {0, …, bound - 1}, without bias; bound > 0. */
static inline uint32_t assay_random_below(struct assay_random *random, uint32_t bound) {
  const uint32_t threshold = (uint32_t)(-bound) % bound;
  for (;;) {
    const uint64_t product = (uint64_t)assay_random_u32(random) * bound;
    if ((uint32_t)product >= threshold) return (uint32_t)(product >> 32);
  }
}

#ifdef __cplusplus
}
#endif
#endif
