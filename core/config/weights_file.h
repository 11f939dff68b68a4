/* SPDX-License-Identifier: MIT
 *
 * What a file of pretrained weights says of itself in its metadata, beside the tensors: the input that it expects, the epsilon of its batch normalisation, the
 * classes of its classifier. Understood are
 *
 *   batch_norm_eps   a number
 *   input            words with commas between: RGB; the range 0..1, 0..255 or -1..1; value/A - B; minus mean a,b,c; over std a,b,c; size N
 *   classes          names with blanks between
 *
 * and for files that say nothing (timm's, torchvision's), what the table of known files has under their name.
 */
#ifndef ASSAY_CONFIG_WEIGHTS_FILE_H
#define ASSAY_CONFIG_WEIGHTS_FILE_H

#include <assay/types.h>
#include <stdbool.h>

struct assay_arena;
struct assay_safetensors;

struct assay_weights_facts {
  bool has_epsilon, has_input;
  double epsilon;
  double mean[3], deviation[3]; /* the input is (pixel - mean) / deviation, pixels from 0 to 255 */
  uint32_t size;                /* height and width in training; 0: not said */
  uint32_t class_count;         /* 0: no names */
  const char *const *classes;
  const char *input_text;       /* as written; NULL */
};

/* From the metadata; `path` only for its name, under which the table of known files may have it. What cannot be understood counts as not said. Only memory can be short. */
int assay_weights_facts(const char *path, const struct assay_safetensors *file, struct assay_arena *arena, struct assay_weights_facts *facts,
                        struct assay_status *status);
/* Reads an `input` text; false when a word of it is not understood. */
bool assay_weights_input(const char *text, struct assay_weights_facts *facts);

#endif
