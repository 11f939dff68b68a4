/* SPDX-License-Identifier: MIT */
#include "train/weight_names.h"

#include <stdio.h>
#include <string.h>

/* The last linear layer: torchvision's resnet, resnets for CIFAR, timm, timm's vgg, torchvision's vgg and mobilenet_v2. */
static const char *const last_layers[] = {"fc", "linear", "classifier", "head.fc", "head", "classifier.6", "classifier.1", "last_linear"};
enum { LAST_COUNT = sizeof last_layers / sizeof *last_layers };

/* "features.3.conv.0.0.weight": the part of mobilenet_v2 behind the block's number as timm has it, in a block with (or without) an expansion. */
static const struct {
  const char *ours, *expanded, *plain;
} block_parts[] = {{"conv.0.0.", "conv_pw.", "conv_dw."}, {"conv.0.1.", "bn1.", "bn1."}, {"conv.1.0.", "conv_dw.", NULL}, {"conv.1.1.", "bn2.", NULL},
                   {"conv.1.", NULL, "conv_pw."},         {"conv.2.", "conv_pwl.", "bn2."}, {"conv.3.", "bn3.", NULL}};

/* Our block number (from 1) to timm's stage and place in it. */
static bool stage_of(unsigned number, unsigned *stage, unsigned *place) {
  static const unsigned char blocks[] = {1, 2, 3, 4, 3, 3, 1};
  unsigned before = 1;
  for (*stage = 0; *stage < sizeof blocks; before += blocks[(*stage)++])
    if (number >= before && number < before + blocks[*stage]) {
      *place = number - before;
      return true;
    }
  return false;
}

static bool mobilenet(const char *path, char *name) {
  static const char *const ends[][2] = {{"features.0.0.", "conv_stem."}, {"features.0.1.", "bn1."}, {"features.18.0.", "conv_head."}, {"features.18.1.", "bn2."}};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (strncmp(path, ends[i][0], strlen(ends[i][0])) == 0) {
      snprintf(name, ASSAY_WEIGHT_NAME, "%s%s", ends[i][1], path + strlen(ends[i][0]));
      return true;
    }
  unsigned number, stage, place;
  int length = 0;
  if (sscanf(path, "features.%2u.%n", &number, &length) != 1 || length == 0 || !stage_of(number, &stage, &place)) return false;
  const char *part = path + length;
  for (size_t i = 0; i < sizeof block_parts / sizeof *block_parts; i++) {
    const char *theirs = number == 1 ? block_parts[i].plain : block_parts[i].expanded;
    if (theirs == NULL || strncmp(part, block_parts[i].ours, strlen(block_parts[i].ours)) != 0) continue;
    snprintf(name, ASSAY_WEIGHT_NAME, "blocks.%u.%u.%s%s", stage, place, theirs, part + strlen(block_parts[i].ours));
    return true;
  }
  return false;
}

static bool vgg(const char *path, char *name) {
  const bool first = strncmp(path, "classifier.0.", 13) == 0;
  if (!first && strncmp(path, "classifier.3.", 13) != 0) return false;
  snprintf(name, ASSAY_WEIGHT_NAME, "pre_logits.fc%d.%s", first ? 1 : 2, path + 13);
  return true;
}

bool assay_weight_name(const char *path, bool last, uint32_t index, char name[ASSAY_WEIGHT_NAME]) {
  const bool linear = last && (strcmp(path, "weight") == 0 || strcmp(path, "bias") == 0);
  if (linear) {
    if (index < LAST_COUNT) snprintf(name, ASSAY_WEIGHT_NAME, "%s.%s", last_layers[index], path);
    return index < LAST_COUNT;
  }
  if (index == 0) snprintf(name, ASSAY_WEIGHT_NAME, "%s", path);
  return index == 0 || (index == 1 && (mobilenet(path, name) || vgg(path, name)));
}

const char *assay_weight_prefix(uint32_t index) {
  static const char *const prefixes[] = {"", "module.", "model.", "backbone.", "member0/"};
  return index < sizeof prefixes / sizeof *prefixes ? prefixes[index] : NULL;
}
