/* SPDX-License-Identifier: MIT
 *
 * Pretrained weights that can be had: where from, and how to know that they are the right ones. timm's files need no conversion and say nothing of their input, so
 * the table does.
 */
#ifndef ASSAY_CONFIG_KNOWN_WEIGHTS_H
#define ASSAY_CONFIG_KNOWN_WEIGHTS_H

#include <stdint.h>

struct assay_arena;

struct assay_known_weights {
  const char *name;    /* of the layer, too: `layers = NAME, classifier` */
  const char *file;    /* what the file is called here */
  const char *address; /* https */
  const char *sha256;  /* 64 digits */
  uint64_t size;       /* bytes; 0: not known */
  const char *licence; /* SPDX identifier */
  const char *input;   /* in the words of weights_file.h */
  const char *trained; /* on what, by whom */
};

/* NULL past the last one. */
const struct assay_known_weights *assay_known_weights(uint32_t index);
/* By the file's name, whatever folder it is in; NULL. */
const struct assay_known_weights *assay_known_weights_file(const char *path);
/* Where `assay weights get` puts the file: $XDG_CACHE_HOME/assay/weights/FILE; the folder is made. From `arena`; NULL when there is no such folder. */
const char *assay_known_weights_path(const struct assay_known_weights *weights, struct assay_arena *arena);

#endif
