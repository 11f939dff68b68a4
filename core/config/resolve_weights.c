/* SPDX-License-Identifier: MIT
 *
 * [network] weights: what the file says of itself becomes the default of keys that the INI leaves out: how pixels are normalised, the epsilon of batch
 * normalisation, and any option of a layer that the metadata has under its name. What the INI says otherwise stays, with a warning.
 */
#include "config/resolver.h"

#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "config/sections.h"
#include "config/weights_file.h"
#include "graph/safetensors.h"

#include <math.h>
#include <string.h>

static bool is_open(const struct assay_plan_value *value) { return value->origin == ASSAY_ORIGIN_DEFAULT && value->domain == NULL; }

static void set(struct assay_plan_value *value, const char *text) {
  value->text = text;
  value->origin = ASSAY_ORIGIN_WEIGHTS;
}

/* ---- Layers ---- */

/* The metadata's text for an option: the first words of it that are a value ("v1: the stage's stride …" for `variant`, whose choices are written with _). */
static const char *first_words(struct assay_resolver *resolver, const char *text) {
  char *copy = assay_arena_copy_bytes(resolver->arena, text, strcspn(text, ":,;"));
  for (char *c = copy; c != NULL && *c != '\0'; c++)
    if (*c == '.') *c = '_';
  return copy;
}

static int set_option(struct assay_resolver *resolver, struct assay_plan_value *value, const struct assay_safetensors *file, const struct assay_weights_facts *facts) {
  const char *said = NULL, *text;
  char number[32];
  if (strcmp(value->key, "epsilon") == 0 && facts->has_epsilon) {
    assay_print_real(facts->epsilon, number);
    said = text = assay_arena_copy(resolver->arena, number);
  } else {
    said = assay_safetensors_find(file, value->key);
    text = said == NULL ? NULL : first_words(resolver, said);
  }
  if (said == NULL) return 0;
  if (text == NULL) return OUT_OF_MEMORY(resolver);
  struct assay_option_value parsed;
  if (assay_option_parse(value->option, text, resolver->arena, &parsed, NULL) == 0) set(value, text);
  else if (assay_is_printable(said))
    assay_log_message(ASSAY_LOG_WARNING, "the weights say on %s: \"%.200s\"; look whether [%s] %s = %s is right", value->key, said, value->section, value->key, value->text);
  return 0;
}

static int set_layers(struct assay_resolver *resolver, const struct assay_safetensors *file, const struct assay_weights_facts *facts) {
  const struct assay_plan *plan = resolver->plan;
  for (uint32_t i = 0; i < plan->layer_count; i++)
    for (uint32_t v = 0; v < plan->layers[i].group->variant_count; v++) {
      const struct assay_plan_variant *variant = &plan->layers[i].group->variants[v];
      for (uint32_t k = 0; variant->plugin->options != NULL && variant->plugin->options[k] != NULL; k++) {
        const int code = is_open(variant->values[k]) ? set_option(resolver, variant->values[k], file, facts) : 0;
        if (code != 0) return code;
      }
    }
  return 0;
}

/* ---- The input ---- */

static const char *triple_text(struct assay_resolver *resolver, const double values[3]) {
  char numbers[3][32];
  for (int c = 0; c < 3; c++) assay_print_real(round(values[c] * 1e6) / 1e6, numbers[c]);
  if (strcmp(numbers[0], numbers[1]) == 0 && strcmp(numbers[0], numbers[2]) == 0) return assay_arena_copy(resolver->arena, numbers[0]);
  return assay_arena_print(resolver->arena, "%s, %s, %s", numbers[0], numbers[1], numbers[2]);
}

/* What the INI's own choice means; false where that depends on the data. */
static bool written_input(struct assay_resolver *resolver, struct assay_weights_facts *written) {
  struct assay_plan_value *const *core = resolver->plan->data.core;
  const char *choice = core[DATA_NORMALISE]->text;
  if (strcmp(choice, "unit") == 0) return assay_weights_input("0..1", written);
  if (strcmp(choice, "symmetric") == 0) return assay_weights_input("-1..1", written);
  if (strcmp(choice, "imagenet") == 0) return assay_weights_input("0..1, minus mean 0.485,0.456,0.406, over std 0.229,0.224,0.225", written);
  struct assay_option_value mean, deviation;
  if (strcmp(choice, "values") != 0 || assay_option_parse(core[DATA_MEAN]->option, core[DATA_MEAN]->text, resolver->arena, &mean, NULL) != 0 ||
      assay_option_parse(core[DATA_DEVIATION]->option, core[DATA_DEVIATION]->text, resolver->arena, &deviation, NULL) != 0 || mean.count == 0 || deviation.count == 0)
    return false;
  for (uint32_t c = 0; c < 3; c++) {
    written->mean[c] = mean.reals[c < mean.count ? c : 0];
    written->deviation[c] = deviation.reals[c < deviation.count ? c : 0];
  }
  return true;
}

static bool agree(const struct assay_weights_facts *a, const struct assay_weights_facts *b) {
  for (int c = 0; c < 3; c++)
    if (fabs(a->mean[c] - b->mean[c]) > 1 || fabs(a->deviation[c] / b->deviation[c] - 1) > 0.02) return false;
  return true;
}

static int set_input(struct assay_resolver *resolver, const char *path, const struct assay_weights_facts *facts) {
  struct assay_plan_value *const *core = resolver->plan->data.core;
  struct assay_weights_facts written = {.has_input = false};
  const char *mean = triple_text(resolver, facts->mean), *deviation = triple_text(resolver, facts->deviation), *name = assay_path_name(path);
  if (mean == NULL || deviation == NULL) return OUT_OF_MEMORY(resolver);
  const bool open = is_open(core[DATA_NORMALISE]);
  if (!facts->has_input && open) {
    assay_log_message(ASSAY_LOG_WARNING, "%s does not say what input it expects%s%s%s; pixels are normalised by the training images. Most weights of torchvision and timm "
                      "want [data] normalise = imagenet", name, facts->input_text != NULL ? " in words that are known here (\"" : "",
                      facts->input_text != NULL ? facts->input_text : "", facts->input_text != NULL ? "\")" : "");
  } else if (facts->has_input && open) {
    set(core[DATA_NORMALISE], "values");
    set(core[DATA_MEAN], mean);
    set(core[DATA_DEVIATION], deviation);
  } else if (facts->has_input && core[DATA_NORMALISE]->domain == NULL && (!written_input(resolver, &written) || !agree(&written, facts))) {
    assay_log_message(ASSAY_LOG_WARNING, "%s expects another input than [data] normalise = %s gives: pixels of 0 … 255 less %s, divided by %s; leave normalise out to have that",
                      name, core[DATA_NORMALISE]->text, mean, deviation);
  }
  return 0;
}

/* Features see things at the size in pixels that they were trained at. Growing sizes ([stages]) end at [data] size or leave it out. */
static void check_size(const struct assay_resolver *resolver, const char *path, const struct assay_weights_facts *facts) {
  const struct assay_plan_value *size = resolver->plan->data.core[DATA_SIZE];
  uint32_t width, height;
  if (facts->size == 0 || size->domain != NULL || assay_parse_size(size->text, &width, &height, NULL) != 0 || width == 0) return;
  if (2 * (uint64_t)(width < height ? width : height) >= facts->size) return;
  assay_log_message(ASSAY_LOG_WARNING, "%s were trained at %ux%u pixels, and [data] size = %s shows things less than half as large; a larger size may serve them better",
                    assay_path_name(path), facts->size, facts->size, size->text);
}

int assay_resolve_weights(struct assay_resolver *resolver) {
  struct assay_plan *plan = resolver->plan;
  struct assay_plan_value *weights = plan->network.core[NETWORK_WEIGHTS], *classes = plan->network.core[NETWORK_CLASSES];
  const struct assay_ini_entry *classes_entry = assay_ini_find(resolver->ini, "network", "classes"), *entry = assay_ini_find(resolver->ini, "network", "weights");
  if (weights->text[0] == '\0') {
    if (classes->text[0] == '\0') return 0;
    return assay_ini_refuse(resolver->ini, classes_entry, resolver->status, "only counts beside weights; remove it, or name the weights");
  }
  int code = assay_resolve_absolute(resolver, weights);
  if (code == 0 && classes->text[0] != '\0') code = assay_resolve_absolute(resolver, classes);
  if (code != 0) return code;
  if (!assay_file_exists(weights->text))
    return assay_ini_refuse(resolver->ini, entry, resolver->status, "there is no file %s; 'assay weights list' says what can be had from where", weights->text);
  struct assay_safetensors file;
  struct assay_weights_facts facts;
  if (assay_safetensors_read_header(weights->text, ASSAY_E_CONFIG, resolver->arena, &file, resolver->status) != 0)
    return assay_ini_blame(resolver->ini, entry, resolver->status);
  code = assay_weights_facts(weights->text, &file, resolver->arena, &facts, resolver->status);
  if (code == 0) code = set_layers(resolver, &file, &facts);
  if (code == 0) code = set_input(resolver, weights->text, &facts);
  if (code == 0) check_size(resolver, weights->text, &facts);
  return code;
}
