/* SPDX-License-Identifier: MIT
 *
 * The images of IDX files, as MNIST has them.
 */
#include "data/scan.h"

#include "base/arena.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static int fail_idx(struct assay_scan *scan, const char *images) {
  return assay_status_set(scan->status, ASSAY_E_DATA, "%s: its %s are missing beside it", scan->root.path,
                          images == NULL ? "images (…-images-idx3-ubyte)" : "labels (…-labels-idx1-ubyte)");
}

int assay_scan_find_idx(struct assay_scan *scan) {
  static const char *const prefixes[] = {"train", "t10k", "test"};
  struct assay_source *source = scan->dataset->source;
  const char *images[3], *labels[3];
  if (scan->root.archive != NULL || scan->root.manifest) return 0;
  for (int i = 0; i < 3; i++) {
    assay_idx_find(scan->root.path, prefixes[i], scan->arena, &images[i], &labels[i]);
    if ((images[i] == NULL) != (labels[i] == NULL)) return fail_idx(scan, images[i]);
  }
  const int test = images[1] != NULL ? 1 : images[2] != NULL ? 2 : -1;
  if (scan->given != NULL) { /* evaluation: the test pair, or the only one */
    const int one = test >= 0 ? test : images[0] != NULL ? 0 : -1;
    if (one >= 0) source->pairs[source->pair_count++].images = images[one], source->pairs[0].labels = labels[one];
    return 0;
  }
  if (images[0] == NULL) return 0;
  source->pairs[source->pair_count].images = images[0];
  source->pairs[source->pair_count++].labels = labels[0];
  if (test < 0) return 0;
  source->pairs[source->pair_count].images = images[test];
  source->pairs[source->pair_count++].labels = labels[test];
  scan->dataset->has_test = true;
  return 0;
}

/* Class number of each label value; -1 where there is none. */
static int class_idx(struct assay_scan *scan, int32_t numbers[256]) {
  struct assay_dataset *dataset = scan->dataset;
  const struct assay_idx *idx = dataset->source->pairs[0].idx;
  bool seen[256] = {false};
  int most = 0;
  for (int v = 0; v < 256; v++) numbers[v] = -1;
  if (scan->given != NULL) {
    for (uint32_t c = 0; c < scan->given_count; c++) {
      char *end;
      const long value = strtol(scan->given[c], &end, 10);
      if (end != scan->given[c] && *end == '\0' && value >= 0 && value < 256) numbers[value] = (int32_t)c;
    }
    return 0;
  }
  for (uint32_t i = 0; i < idx->count; i++) seen[idx->labels[i]] = true;
  for (int v = 0; v < 256; v++) most = seen[v] ? v : most;
  const int digits = most > 99 ? 3 : most > 9 ? 2 : 1; /* so that names sort as numbers do */
  const char **classes = ASSAY_NEW_ARRAY(scan->arena, const char *, 256);
  if (classes == NULL) return assay_status_memory(scan->status);
  for (int v = 0; v < 256; v++) {
    if (!seen[v]) continue;
    numbers[v] = (int32_t)dataset->class_count;
    if ((classes[dataset->class_count++] = assay_arena_print(scan->arena, "%0*d", digits, v)) == NULL) return assay_status_memory(scan->status);
  }
  dataset->classes = classes;
  if (dataset->class_count < 2) return assay_status_set(scan->status, ASSAY_E_DATA, "%s: has fewer than two classes", dataset->source->pairs[0].labels);
  return 0;
}

static int add_pair(struct assay_scan *scan, uint32_t pair, const int32_t numbers[256]) {
  struct assay_dataset *dataset = scan->dataset;
  const struct assay_idx *idx = dataset->source->pairs[pair].idx;
  const char *name = assay_path_name(dataset->source->pairs[pair].images);
  for (uint32_t i = 0; i < idx->count; i++) {
    const int32_t label = numbers[idx->labels[i]];
    if (label < 0)
      return assay_status_set(scan->status, ASSAY_E_DATA, "%s: label %u of image %u is no class of the %s", dataset->source->pairs[pair].labels, idx->labels[i],
                              i, scan->given != NULL ? "model" : "training part");
    struct assay_sample *sample = &dataset->samples[dataset->source->pairs[pair].first + i];
    *sample = (struct assay_sample){.path = assay_arena_print(scan->arena, "%s#%u", name, i),
                                    .label = label,
                                    .width = idx->width,
                                    .height = idx->height,
                                    .part = pair == 1 || scan->given != NULL ? ASSAY_PART_TEST : ASSAY_PART_TRAIN,
                                    .channels = 1,
                                    .bits = 8,
                                    .format = "idx"};
    if (sample->path == NULL) return assay_status_memory(scan->status);
    const size_t size = (size_t)idx->width * idx->height;
    sample->hash = assay_hash_bytes(idx->pixels + i * size, size);
  }
  return 0;
}

int assay_scan_idx(struct assay_scan *scan) {
  struct assay_dataset *dataset = scan->dataset;
  struct assay_source *source = dataset->source;
  if (scan->test.path != NULL)
    return assay_status_set(scan->status, ASSAY_E_DATA, "%s: a test folder of its own cannot be joined to IDX files; leave it out", scan->test.path);
  int result = 0;
  uint64_t count = 0;
  for (uint32_t pair = 0; pair < source->pair_count && result == 0; pair++) {
    result = assay_idx_load(source->pairs[pair].images, source->pairs[pair].labels, &source->pairs[pair].idx, scan->status);
    source->pairs[pair].first = (uint32_t)count;
    if (result == 0) count += source->pairs[pair].idx->count;
  }
  if (result == 0 && (count == 0 || count > UINT32_MAX))
    result = assay_status_set(scan->status, ASSAY_E_DATA, "%s: has %llu images", scan->root.path, (unsigned long long)count);
  if (result != 0) return result;
  int32_t numbers[256];
  dataset->count = (uint32_t)count;
  dataset->samples = ASSAY_NEW_ARRAY(scan->arena, struct assay_sample, dataset->count);
  result = dataset->samples == NULL ? assay_status_memory(scan->status) : class_idx(scan, numbers);
  for (uint32_t pair = 0; pair < source->pair_count && result == 0; pair++) result = add_pair(scan, pair, numbers);
  return result;
}
