/* SPDX-License-Identifier: MIT
 *
 * 128-bit content hashes (XXH3, seed 0): identity of images, caches and programs. Not for secrets.
 */
#ifndef ASSAY_BASE_HASH_H
#define ASSAY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct assay_hash {
  uint8_t bytes[16]; /* canonical (big-endian) order */
};

struct assay_hasher; /* for data that comes in pieces */

struct assay_hash assay_hash_bytes(const void *data, size_t size);
struct assay_hasher *assay_hasher_create(void); /* NULL when memory is short */
void assay_hasher_add(struct assay_hasher *hasher, const void *data, size_t size);
struct assay_hash assay_hasher_finish(struct assay_hasher *hasher); /* releases the hasher */
/* 32 hexadecimal digits and a NUL. */
void assay_hash_print(const struct assay_hash *hash, char text[33]);

#endif
