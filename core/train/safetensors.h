/* SPDX-License-Identifier: MIT
 *
 * The container: named tensors and a map of strings in one file. Eight bytes of header length, a JSON header, the data, all little-endian; nothing in
 * it can execute (github.com/huggingface/safetensors).
 */
#ifndef ASSAY_TRAIN_SAFETENSORS_H
#define ASSAY_TRAIN_SAFETENSORS_H

#include <assay/types.h>
#include <stddef.h>

struct assay_arena;

struct assay_tensor {
  const char *name;
  struct assay_tensor_type type;
  const void *data;
  uint64_t size; /* bytes: those of the type */
};

struct assay_string_pair {
  const char *key, *value;
};

struct assay_safetensors {
  uint32_t tensor_count, pair_count;
  const struct assay_tensor *tensors;   /* in the order of their data */
  const struct assay_string_pair *pairs; /* __metadata__ */
  const struct assay_tensor *const *by_name; /* the tensors sorted by name; set by reading */
};

/* Written as a whole or not at all. ASSAY_E_STORAGE, ASSAY_E_MEMORY. */
int assay_safetensors_write(const char *path, const struct assay_safetensors *file, struct assay_status *status);
/* Tensors point into `data`, the rest comes from `arena`. Refuses (ASSAY_E_DATA; `name` is for the message) headers over 16 MiB, names twice, holes and overlaps, sizes
 * that do not fit the shape, and dtypes that Assay does not know. */
int assay_safetensors_parse(const char *name, const void *data, size_t size, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status);
/* The value of a key; NULL. */
const char *assay_safetensors_find(const struct assay_safetensors *file, const char *key);
/* The tensor of that name in a file that was read; NULL. */
const struct assay_tensor *assay_safetensors_tensor(const struct assay_safetensors *file, const char *name);

#endif
