/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4): for files that came over a network and must be the ones that were meant. What only tells our own files apart is in hash.h.
 */
#ifndef ASSAY_BASE_SHA256_H
#define ASSAY_BASE_SHA256_H

#include <assay/types.h>

struct assay_sha256 {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  uint8_t block[64];
};

void assay_sha256_begin(struct assay_sha256 *hash);
void assay_sha256_add(struct assay_sha256 *hash, const void *data, size_t size);
/* 64 hexadecimal digits and a NUL byte. */
void assay_sha256_end(struct assay_sha256 *hash, char text[65]);
/* Of a whole file. ASSAY_E_STORAGE when it cannot be read. */
int assay_sha256_file(const char *path, char text[65], struct assay_status *status);

#endif
