/* SPDX-License-Identifier: MIT */
#include "run/starter.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "config/known_weights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const telling_words[] = {"crack",   "cracked", "defect", "defects", "defective", "anomaly", "anomalous", "abnormal", "nok",
                                            "ng",      "bad",     "fail",   "failed",  "faulty",    "fault",   "broken",    "damaged",  "damage",
                                            "scratch", "reject",  "positive"};
static const char *const negating_words[] = {"no", "not", "non", "without"};

static bool is_listed(const char *word, const char *const *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(word, list[i]) == 0) return true;
  return false;
}

/* Does one of the name's words tell, with no word before it that turns it around ("no_crack")? */
static bool name_tells(const char *name) {
  char copy[128];
  if (strlen(name) >= sizeof copy) return false;
  for (size_t i = 0; i <= strlen(name); i++) copy[i] = (char)tolower((unsigned char)name[i]);
  bool negated = false;
  char *rest = NULL;
  for (char *word = strtok_r(copy, "_- .", &rest); word != NULL; word = strtok_r(NULL, "_- .", &rest)) {
    if (is_listed(word, negating_words, sizeof negating_words / sizeof *negating_words)) negated = true;
    else if (is_listed(word, telling_words, sizeof telling_words / sizeof *telling_words)) return !negated;
  }
  return false;
}

const char *assay_starter_positive(const char *const *classes, uint32_t count) {
  const char *found = NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (!name_tells(classes[i])) continue;
    if (found != NULL) return NULL;
    found = classes[i];
  }
  return found;
}

struct facts {
  uint32_t usable, smallest, largest; /* images in the training part: all, of the smallest and of the largest class */
  uint32_t width, height;             /* the commonest size */
  bool grey;                          /* every image has one channel */
};

static int compare_sizes(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void commonest_size(const struct assay_dataset *dataset, struct facts *facts) {
  uint64_t *sizes = calloc(dataset->count + 1, sizeof *sizes);
  if (sizes == NULL) return;
  uint32_t count = 0;
  for (uint32_t i = 0; i < dataset->count; i++)
    if (dataset->samples[i].problem == NULL) sizes[count++] = (uint64_t)dataset->samples[i].width << 32 | dataset->samples[i].height;
  qsort(sizes, count, sizeof *sizes, compare_sizes);
  for (uint32_t i = 0, best = 0; i < count;) {
    uint32_t end = i;
    while (end < count && sizes[end] == sizes[i]) end++;
    if (end - i > best) {
      best = end - i;
      facts->width = (uint32_t)(sizes[i] >> 32);
      facts->height = (uint32_t)sizes[i];
    }
    i = end;
  }
  free(sizes);
}

static struct facts look(const struct assay_dataset *dataset) {
  struct facts facts = {.smallest = UINT32_MAX, .grey = true};
  uint32_t *counts = calloc(dataset->class_count + 1, sizeof *counts);
  for (uint32_t i = 0; i < dataset->count; i++) {
    const struct assay_sample *sample = &dataset->samples[i];
    if (sample->problem != NULL) continue;
    if (sample->channels > 2) facts.grey = false;
    if (sample->part == ASSAY_PART_TEST || sample->part == ASSAY_PART_VALIDATION) continue;
    facts.usable++;
    if (counts != NULL) counts[sample->label]++;
  }
  for (uint32_t c = 0; counts != NULL && c < dataset->class_count; c++) {
    if (counts[c] < facts.smallest) facts.smallest = counts[c];
    if (counts[c] > facts.largest) facts.largest = counts[c];
  }
  free(counts);
  commonest_size(dataset, &facts);
  return facts;
}

enum { LONGEST_SIDE = 96, PRETRAINED_SIDE = 224, FEW_FOR_TRAINING = 1000, FOLDS = 5, FEW_IMAGES = 2000 };

/* The first of the known weights that were fetched already; NULL. `path`: its file, from `arena`. */
static const struct assay_known_weights *fetched(struct assay_arena *arena, const char **path) {
  const struct assay_known_weights *weights;
  for (uint32_t i = 0; arena != NULL && (weights = assay_known_weights(i)) != NULL; i++) {
    *path = assay_known_weights_path(weights, arena);
    if (*path != NULL && assay_is_printable(*path) && assay_file_exists(*path)) return weights;
  }
  return NULL;
}

/* Few images: what others have learnt from many, if it is at hand, and a new classifier on it. */
static void write_network(bool few, const struct assay_known_weights *weights, const char *file, struct assay_text *text) {
  if (few && weights != NULL) {
    assay_text_print(text, "\n[network]\nlayers  = %s, classifier\nweights = \"%s\" ; features learnt from %s; licence %s\n", weights->name, file, weights->trained,
                     weights->licence);
    return;
  }
  if (few)
    assay_text_add(text, "\n; With fewer than 1,000 images, features learnt elsewhere and a new classifier are often better: `assay weights get resnet18`, then write this file anew.");
  assay_text_add(text, "\n[network]\nlayers = features, classifier\n\n"
                       "[layer.features]\ntype       = conv_blocks  ; convolution, activation, max pooling; channels double from block to block\n"
                       "blocks     = 2  ~ choice(2, 3)\nchannels   = 16 ~ choice(8, 16, 32)\nkernel     = 3  ~ choice(3, 5)\nactivation = relu ~ choice(relu, leaky_relu)\n");
}

/* Frozen layers see each image once as long as it stays the same; changed in every epoch, it goes through all of them again. */
static void write_augment(bool frozen, struct assay_text *text) {
  if (frozen)
    assay_text_add(text, "\n[augment]\n; Random changes of training images, drawn anew each epoch. Without any, what the frozen layers make of an image is computed only once.\n"
                         "; rotation   = 0 ~ real(0, 15)\n; brightness = 0 ~ real(0, 0.2)\n");
  else
    assay_text_add(text, "\n[augment]\n; Random changes of training images, drawn anew each epoch: off, but the search may find that they help.\n"
                         "rotation   = 0 ~ real(0, 15)   ; degrees either way\nbrightness = 0 ~ real(0, 0.2)  ; a factor between 1 - brightness and 1 + brightness\n");
  assay_text_add(text, "; flip_horizontal = 0.5        ; for objects that may lie either way round; `assay check --preview DIR` shows what comes out\n");
}

static void write_data(const struct assay_dataset *dataset, const struct facts *facts, const char *path, uint32_t most, struct assay_text *text) {
  uint32_t width = facts->width, height = facts->height;
  const uint32_t longest = width > height ? width : height;
  if (longest > most) {
    width = (width * most + longest / 2) / longest;
    height = (height * most + longest / 2) / longest;
  }
  assay_text_print(text, "; Made by `assay init` from %u images in %u classes:", dataset->count, dataset->class_count);
  for (uint32_t c = 0; c < dataset->class_count && c < 20; c++) assay_text_print(text, "%s %s", c == 0 ? "" : ",", dataset->classes[c]);
  if (dataset->class_count > 20) assay_text_add(text, ", …");
  assay_text_print(text, "\n; A value may be followed by ~ and a domain; `assay search` explores it, `assay train` uses the value before the ~.\n\n[data]\npath      = \"%s\"\n", path);
  assay_text_print(text, "size      = %ux%u        ; width x height that the network sees; the commonest size here is %ux%u\n", width > 0 ? width : 1, height > 0 ? height : 1,
                   facts->width, facts->height);
  if (longest > most && facts->width >= 8 && facts->height >= 8)
    assay_text_print(text, "; region  = %ux%u+%u+%u     ; if only a part of each image matters: width x height + left + top in its pixels, or in per cent, as 50%%x50%%+25%%+25%%\n",
                     facts->width / 2, facts->height / 2, facts->width / 4, facts->height / 4);
  if (facts->grey) assay_text_add(text, "colour    = grey         ; every image here is grey\n");
  if (dataset->has_validation) {
    assay_text_add(text, "folds     = 1            ; the val/ folder is used as it is\n");
  } else if (facts->usable < FEW_IMAGES && facts->smallest >= 2) {
    const struct assay_repeat_proposal few = assay_dataset_propose_repeats(dataset);
    assay_text_print(text, "folds     = %u            ; few images: cross-validation\n", facts->smallest < FOLDS ? facts->smallest : FOLDS);
    if (few.repeats > 0)
      assay_text_print(text, "repeats   = %u            ; only %u images of %s: folds are drawn so often, so each is judged so often; costs as many trainings\n", few.repeats, few.count,
                       dataset->classes[few.label]);
  } else {
    assay_text_add(text, "folds     = 1            ; one hold-out\nvalidation = 0.2         ; its share\n");
  }
  assay_text_add(text, dataset->has_test ? "test      = own          ; the set's own test part, seen once at the end\n"
                                         : "test      = 0.2          ; share held out, seen once at the end; none: no test\n");
  const char *positive = assay_starter_positive(dataset->classes, dataset->class_count);
  if (positive != NULL) assay_text_print(text, "positive  = %s        ; guessed from its name: what precision, recall and f1 look for\n", positive);
}

/* What the user alone can know: which mistakes count, and how good is good enough. */
static void write_judge(const struct assay_dataset *dataset, struct assay_text *text) {
  const char *positive = assay_starter_positive(dataset->classes, dataset->class_count);
  assay_text_add(text, "\n[judge]\n");
  if (positive != NULL) assay_text_add(text, "threshold = auto         ; or what must not be missed, as recall >= 0.98; or f1; or cost, weighed in [metric.cost]\n");
  assay_text_print(text, "target    = none         ; what the test must reach, as %s >= 0.95; missed: exit code 7\n", positive != NULL ? "f1" : "accuracy");
}

void assay_starter_write(const struct assay_dataset *dataset, const char *path, struct assay_text *text) {
  const struct facts facts = look(dataset);
  const bool imbalanced = facts.smallest > 0 && facts.largest > 3 * facts.smallest;
  const bool few = facts.usable < FEW_FOR_TRAINING;
  struct assay_arena *arena = assay_arena_create();
  const char *file = NULL;
  const struct assay_known_weights *weights = few ? fetched(arena, &file) : NULL;
  write_data(dataset, &facts, path, weights != NULL ? PRETRAINED_SIDE : LONGEST_SIDE, text);
  write_augment(weights != NULL, text);
  write_network(few, weights, file, text);
  assay_text_add(text, "\n[optimizer]\ntype          = adam\nlearning_rate = 0.001 ~ log(0.0001, 0.01)\n\n"
                       "[train]\nepochs        = 30\nbatch         = 16\npatience      = 5            ; epochs without a better validation loss\n");
  if (weights != NULL) assay_text_print(text, "freeze        = %s     ; only the classifier learns; unfreeze_after = 10 would let all learn from then on\n", weights->name);
  if (imbalanced) assay_text_add(text, "class_weights = balanced     ; the classes differ in size\n");
  assay_text_print(text, "final         = refit        ; train once more on all training data with the best values\n\n"
                         "[search]\ntype      = tpe\ntrials    = 20\nobjective = %s%s\n",
                   imbalanced ? "mcc" : "loss", imbalanced ? "          ; accuracy would hide a useless classifier: one class has over three times the images of another" : "");
  write_judge(dataset, text);
  assay_arena_release(arena);
}
