/* SPDX-License-Identifier: MIT */
#include "report/verdict.h"

#include "base/options.h"
#include "base/text.h"
#include "config/sections.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- What the curves say ---- */

/* Means over the folds, as shares of the loss by chance. */
struct signs {
  double first, lowest, highest, last; /* training loss: of the first epoch, the lowest, the highest, of the last */
  double at_best;                   /* training loss at the best epoch */
  double best, end;                 /* validation loss: at the best epoch, and in the end */
  double late_fall;                 /* how far the training loss fell over the last quarter of the epochs */
  double chance;
  uint32_t longest;                 /* epochs of the longest fold */
};

static void add(struct signs *signs, const struct assay_curve *curve, double share) {
  const uint32_t last = curve->epoch_count - 1;
  double lowest = curve->training_loss[0], highest = lowest;
  for (uint32_t e = 1; e <= last; e++) {
    lowest = fmin(lowest, curve->training_loss[e]);
    highest = fmax(highest, curve->training_loss[e]);
  }
  signs->first += share * curve->training_loss[0];
  signs->lowest += share * lowest;
  signs->highest += share * highest;
  signs->last += share * curve->training_loss[last];
  signs->at_best += share * curve->training_loss[curve->best_epoch];
  signs->best += share * curve->validation_loss[curve->best_epoch];
  signs->end += share * curve->validation_loss[last];
  signs->late_fall += share * (curve->training_loss[last - last / 4] - curve->training_loss[last]);
  if (curve->epoch_count > signs->longest) signs->longest = curve->epoch_count;
}

static struct signs read_signs(const struct assay_verdict_sources *sources) {
  struct signs signs = {0};
  uint32_t used = 0;
  for (uint32_t i = 0; i < sources->curve_count; i++) used += sources->curves[i].epoch_count > 0;
  for (uint32_t i = 0; i < sources->curve_count; i++)
    if (sources->curves[i].epoch_count > 0) add(&signs, &sources->curves[i], 1.0 / used);
  /* A loss with a scale of its own is seen beside its first epoch. */
  const struct assay_plugin *loss = sources->settings->train.loss.plugin;
  const bool entropy = loss == NULL || strstr(loss->name, "cross_entropy") != NULL;
  signs.chance = entropy && sources->chance_loss > 0 ? sources->chance_loss : signs.first > 0 ? signs.first : 1;
  return signs;
}

enum verdict { FITS, UNDERFITS, OVERFITS, DIVERGES };
static const char *const verdict_names[] = {"fits", "underfits", "overfits", "diverges"};

static enum verdict judge(const struct signs *s) {
  const double chance = s->chance;
  const bool blown_up = s->last > 1.5 * chance && s->last > 1.5 * s->lowest, never_sane = s->lowest > 2 * chance;
  /* Thrown far off at once, and come back without having learned anything: Adam comes back from everywhere. */
  const bool thrown_off = s->highest > 5 * chance && s->lowest > 0.9 * chance;
  if (!isfinite(s->last) || !isfinite(s->best) || blown_up || never_sane || thrown_off) return DIVERGES;
  const double gap = (s->best - s->at_best) / chance, rise = (s->end - s->best) / chance;
  if (gap > 0.25 && s->best > 2 * s->at_best) return OVERFITS;
  if (rise > 0.25 && s->last < 0.8 * s->at_best) return OVERFITS;
  if (s->last < 0.3 * chance && s->best > 0.8 * chance) return OVERFITS;
  return fmin(s->last, s->best) > 0.5 * chance ? UNDERFITS : FITS;
}

/* ---- Remedies ---- */

static void remedy(json_t *list, const char *set, const char *value, const char *why) {
  json_array_append_new(list, json_pack("{s:s?,s:s?,s:s}", "set", set, "value", value, "why", why));
}

static void set_number(json_t *list, const char *set, double value, const char *why) {
  char number[32];
  assay_print_real(value, number);
  remedy(list, set, number, why);
}

static double option_of(const struct assay_component *component, const char *name, bool *found) {
  const int index = component->plugin == NULL ? -1 : assay_option_index(component->plugin->options, name);
  *found = index >= 0;
  return index < 0 ? 0 : component->values[index]->real;
}

static double rounded(double value) {
  char text[32];
  double number = value;
  snprintf(text, sizeof text, "%.2g", value);
  (void)assay_parse_real(text, &number);
  return number;
}

static void scale_rate(json_t *list, const struct assay_settings *settings, double factor, const char *why) {
  bool found;
  const double rate = option_of(&settings->optimizer, "learning_rate", &found);
  if (found) set_number(list, "[optimizer] learning_rate", rounded(rate * factor), why);
}

/* A named network's neighbours, from small to large. */
static const char *neighbour(const char *type, bool larger) {
  static const char *const families[][6] = {{"resnet18", "resnet34", "resnet50", "resnext50_32x4d"}, {"resnet20", "resnet32", "resnet44", "resnet56", "resnet110"},
                                            {"vgg11", "vgg13", "vgg16", "vgg19"}, {"vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}};
  for (size_t f = 0; f < sizeof families / sizeof *families; f++)
    for (int i = 0; i < 6 && families[f][i] != NULL; i++)
      if (strcmp(families[f][i], type) == 0) return larger ? (i < 5 ? families[f][i + 1] : NULL) : i > 0 ? families[f][i - 1] : NULL;
  return NULL;
}

/* The first layer whose size can be told from an option or its type. */
static void resize_network(json_t *list, const struct assay_settings *settings, bool larger) {
  static const char *const sizes[] = {"channels", "units", "width", "blocks"};
  const bool own_weights = settings->weights != NULL; /* those named fit this network alone */
  const char *why = larger ? own_weights ? "a larger network, with weights made for it, can fit more" : "a larger network can fit more"
                    : own_weights ? "a smaller network, with weights made for it, has less room to learn the training images by heart"
                                  : "a smaller network has less room to learn the training images by heart";
  for (uint32_t i = 0; i < settings->layer_count; i++) {
    const struct assay_component *layer = &settings->layers[i].component;
    char set[160];
    const char *other = neighbour(layer->plugin->name, larger);
    if (other != NULL) {
      snprintf(set, sizeof set, "[layer.%s] type", layer->name);
      remedy(list, set, other, why);
      return;
    }
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      const int index = assay_option_index(layer->plugin->options, sizes[k]);
      if (index < 0) continue;
      const struct assay_option *option = layer->plugin->options[index];
      const double now = layer->values[index]->real, then = larger ? now * 2 : option->type == ASSAY_OPTION_INT ? floor(now / 2) : now / 2;
      if (then < option->minimum || then > option->maximum) continue;
      snprintf(set, sizeof set, "[layer.%s] %s", layer->name, sizes[k]);
      set_number(list, set, then, why);
      return;
    }
  }
}

/* Random changes of images that are in use: the strongest reason first would need a search, so all are named. */
static bool augments(const struct assay_settings *settings) {
  for (int kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++)
    if (settings->augment.strength[kind] > 0) return true;
  return false;
}

static void less_augmentation(json_t *list, const struct assay_settings *settings) {
  const struct assay_option *const *options = assay_section_options("augment");
  for (int kind = 0; kind < ASSAY_AUGMENT_COUNT; kind++) {
    char set[80];
    if (settings->augment.strength[kind] <= 0) continue;
    snprintf(set, sizeof set, "[augment] %s", options[kind]->name);
    set_number(list, set, rounded(settings->augment.strength[kind] / 2), "training images that change less are easier to learn");
  }
}

static void less_regularisation(json_t *list, const struct assay_settings *settings) {
  bool found;
  const double decay = option_of(&settings->optimizer, "weight_decay", &found);
  if (found && decay > 0) set_number(list, "[optimizer] weight_decay", 0, "weights are held back by it");
  for (uint32_t i = 0; i < settings->layer_count; i++) {
    const struct assay_component *layer = &settings->layers[i].component;
    const bool drops = strcmp(layer->plugin->name, "dropout") == 0;
    const double rate = option_of(layer, drops ? "rate" : "dropout", &found);
    char set[160];
    snprintf(set, sizeof set, "[layer.%s] %s", layer->name, drops ? "rate" : "dropout");
    if (found && rate > 0) set_number(list, set, rounded(rate / 2), "dropout holds the network back");
  }
}

static void larger_images(json_t *list, const struct assay_settings *settings) {
  char size[48];
  if (settings->data.width == 0) return;
  snprintf(size, sizeof size, "%ux%u", 2 * settings->data.width, 2 * settings->data.height);
  remedy(list, settings->train.stage_count > 0 ? "[stages] size" : "[data] size", size, "details may be lost at this size; up to that of the images");
}

static void against_underfitting(json_t *list, const struct assay_settings *settings, const struct signs *s) {
  const bool still_falling = s->late_fall > 0.03 * s->chance, hardly_moved = s->first - s->lowest < 0.1 * s->chance;
  if (hardly_moved) {
    scale_rate(list, settings, 10, "the loss has hardly moved");
    remedy(list, NULL, NULL, "'assay check --lr-range FILE.ini' finds a learning rate");
    remedy(list, NULL, NULL, "'assay check --overfit FILE.ini' tells whether the network can learn these images and labels at all");
  }
  if (still_falling) set_number(list, settings->train.stage_count > 0 ? "[stages] epochs" : "[train] epochs", 2.0 * s->longest, "the losses were still falling");
  if (settings->train.freeze != NULL && settings->train.unfreeze_after == 0)
    set_number(list, "[train] unfreeze_after", fmax(1, floor(s->longest / 2.0)), "what is frozen may have to be trained, too");
  resize_network(list, settings, true);
  less_augmentation(list, settings);
  less_regularisation(list, settings);
  larger_images(list, settings);
}

static void against_overfitting(json_t *list, const struct assay_settings *settings, uint32_t image_count) {
  char sentence[160];
  bool found;
  snprintf(sentence, sizeof sentence, image_count > 0 ? "more images help most; there are %u" : "more images help most", image_count);
  remedy(list, NULL, NULL, sentence);
  if (!augments(settings)) {
    set_number(list, "[augment] flip_horizontal", 0.5, "random changes make more of the images that there are, as far as mirrored ones can occur");
    set_number(list, "[augment] rotation", 10, "likewise, as far as turned ones can occur");
    set_number(list, "[augment] brightness", 0.2, "likewise");
  } else {
    set_number(list, "[augment] cutout", 0.3, "stronger augmentation leaves less to learn by heart");
  }
  if (settings->weights == NULL && image_count > 0 && image_count < 1000)
    remedy(list, "[network] weights", "FILE.safetensors", "features that were learned from many images need fewer of yours; 'assay weights list' shows some");
  else if (settings->weights != NULL && settings->train.freeze == NULL && settings->layer_count > 1)
    remedy(list, "[train] freeze", settings->layers[0].component.name, "with frozen features there is less to fit");
  resize_network(list, settings, false);
  const double decay = option_of(&settings->optimizer, "weight_decay", &found);
  if (found) set_number(list, "[optimizer] weight_decay", decay > 0 ? rounded(10 * decay) : 0.0001, "keeps weights small");
}

static void against_divergence(json_t *list, const struct assay_settings *settings) {
  bool normalised = false;
  scale_rate(list, settings, 0.1, "the steps are too long");
  remedy(list, NULL, NULL, "'assay check --lr-range FILE.ini' finds a learning rate");
  remedy(list, "[optimizer] clip", "norm", "limits steps where gradients are steep");
  if (settings->train.warmup_epochs == 0) set_number(list, "[train] warmup_epochs", 1, "the first steps are the most dangerous ones");
  for (uint32_t i = 0; i < settings->layer_count; i++)
    normalised = normalised || strcmp(settings->layers[i].component.plugin->name, "batch_norm") == 0 || neighbour(settings->layers[i].component.plugin->name, true) != NULL;
  if (!normalised) remedy(list, "[network] layers", NULL, "batch_norm between the layers bears higher rates");
}

/* ---- The verdict ---- */

static void explain(enum verdict verdict, const struct signs *s, const struct assay_verdict_sources *sources, char why[400]) {
  switch (verdict) {
  case DIVERGES:
    if (sources->nonfinite) snprintf(why, 400, "the loss stopped being a finite number");
    else
      snprintf(why, 400, "the training loss was %.3g at its highest and %.3g at its lowest, and ends at %.3g; knowing only how common the classes are gives "
               "%.3g", s->highest, s->lowest, s->last, s->chance);
    break;
  case OVERFITS:
    snprintf(why, 400, "what is learned does not carry over: where it is best, the loss is %.3g on training and %.3g on validation images; in the end %.3g and %.3g", s->at_best, s->best,
             s->last, s->end);
    break;
  case UNDERFITS:
    snprintf(why, 400, "even the training images are not learned well: their loss ends at %.3g; knowing only how common the classes are gives %.3g", s->last, s->chance);
    break;
  default: snprintf(why, 400, "the loss is %.3g on training and %.3g on validation images; knowing only how common the classes are gives %.3g", s->at_best, s->best, s->chance); break;
  }
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *assay_verdict_build(const struct assay_verdict_sources *sources) {
  struct signs signs = {0};
  enum verdict verdict = DIVERGES;
  char why[400];
  uint32_t epochs = 0;
  for (uint32_t i = 0; i < sources->curve_count; i++) epochs += sources->curves[i].epoch_count;
  if (epochs == 0 && !sources->nonfinite) return json_null();
  if (epochs > 0) {
    signs = read_signs(sources);
    verdict = sources->nonfinite ? DIVERGES : judge(&signs);
  }
  explain(verdict, &signs, sources, why);
  json_t *remedies = json_array();
  if (verdict == DIVERGES) against_divergence(remedies, sources->settings);
  if (verdict == UNDERFITS) against_underfitting(remedies, sources->settings, &signs);
  if (verdict == OVERFITS) against_overfitting(remedies, sources->settings, sources->image_count);
  return json_pack("{s:s,s:s,s:o,s:o,s:o,s:i,s:o}", "verdict", verdict_names[verdict], "why", why, "training_loss", number(epochs > 0 ? signs.at_best : NAN),
                   "validation_loss", number(epochs > 0 ? signs.best : NAN), "chance_loss", number(epochs > 0 ? signs.chance : NAN), "images",
                   (int)sources->image_count, "remedies", remedies);
}

void assay_verdict_print(const json_t *verdict, struct assay_text *text) {
  if (!json_is_object(verdict)) return;
  const json_t *remedies = json_object_get(verdict, "remedies");
  assay_text_print(text, "\nVerdict: the training %s: %s\n", json_string_value(json_object_get(verdict, "verdict")), json_string_value(json_object_get(verdict, "why")));
  for (size_t i = 0; i < json_array_size(remedies); i++) {
    const json_t *one = json_array_get(remedies, i);
    const char *set = json_string_value(json_object_get(one, "set")), *value = json_string_value(json_object_get(one, "value"));
    assay_text_print(text, "  %zu. ", i + 1);
    if (set != NULL) assay_text_print(text, "%s%s%s: ", set, value != NULL ? " = " : "", value != NULL ? value : "");
    assay_text_print(text, "%s\n", json_string_value(json_object_get(one, "why")));
  }
}
