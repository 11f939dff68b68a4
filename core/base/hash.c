/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static struct assay_hash canonical(XXH128_hash_t hash) {
  XXH128_canonical_t big_endian;
  XXH128_canonicalFromHash(&big_endian, hash);
  struct assay_hash result;
  memcpy(result.bytes, big_endian.digest, sizeof result.bytes);
  return result;
}

struct assay_hash assay_hash_bytes(const void *data, size_t size) { return canonical(XXH3_128bits(data, size)); }

struct assay_hasher *assay_hasher_create(void) {
  XXH3_state_t *state = XXH3_createState();
  if (state != NULL) XXH3_128bits_reset(state);
  return (struct assay_hasher *)state;
}

void assay_hasher_add(struct assay_hasher *hasher, const void *data, size_t size) { XXH3_128bits_update((XXH3_state_t *)hasher, data, size); }

struct assay_hash assay_hasher_finish(struct assay_hasher *hasher) {
  const struct assay_hash hash = canonical(XXH3_128bits_digest((XXH3_state_t *)hasher));
  XXH3_freeState((XXH3_state_t *)hasher);
  return hash;
}

void assay_hash_print(const struct assay_hash *hash, char text[33]) {
  for (int i = 0; i < 16; i++) snprintf(text + 2 * i, 3, "%02x", hash->bytes[i]);
}
