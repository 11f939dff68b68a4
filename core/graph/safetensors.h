/* SPDX-License-Identifier: MIT
 *
 * The container: named tensors and a map of strings in one file. Eight bytes of header length, a JSON header, the data, all little-endian; nothing in
 * it can execute (github.com/huggingface/safetensors).
 */
#ifndef ASSAY_GRAPH_SAFETENSORS_H
#define ASSAY_GRAPH_SAFETENSORS_H

#include <assay/types.h>
#include <stddef.h>

struct assay_arena;

struct assay_tensor {
  const char *name;
  struct assay_tensor_type type; /* dtype 0: one that Assay has no use for, as `dtype` says; shape and size are right all the same */
  const void *data;              /* of any alignment; NULL where only the header was read */
  uint64_t size;                 /* bytes: those of the type */
  uint64_t offset;               /* of the data, from the first tensor's; not looked at by writing */
  const char *dtype;             /* as the file writes it: "F32"; set by reading */
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
/* Tensors point into `data`, the rest comes from `arena`. Refuses (ASSAY_E_DATA; `name` is for the message) headers over 16 MiB, names twice or not printable, holes
 * and overlaps, sizes that do not fit the shape, dtypes that the format does not have, and files of other formats (PyTorch's pickles by name). */
int assay_safetensors_parse(const char *name, const void *data, size_t size, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status);
/* The header alone, all checks made: tensors without data. `code` is what a file that cannot be read is called. */
int assay_safetensors_read_header(const char *path, int code, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status);
/* The value of a key; NULL. */
const char *assay_safetensors_find(const struct assay_safetensors *file, const char *key);
/* The tensor of that name in a file that was read; NULL. */
const struct assay_tensor *assay_safetensors_tensor(const struct assay_safetensors *file, const char *name);

#endif
