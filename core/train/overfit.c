/* SPDX-License-Identifier: MIT
 *
 * Overfitting a few images, and finding out why when it fails: pixels first, then the learning rate, then labels.
 */
#include "train/desk.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOW_LOSS 0.05
#define BLOWN_UP 10 /* times the loss of the first step */
#define TRAINED 0.8  /* share of them from which on the learning rate is not what is wrong */
#define LEARNED 0.95 /* share of training images that are right when more of them would not help the question of labels */
/* CARRY_EPOCHS: as many steps as MOST_STEPS, with CARRY_IMAGES in batches of CARRY_BATCH. CARRY_LAG: epochs that evaluation may lag behind training. */
enum { MOST_STEPS = 300, EVERY = 10, WARMUP_STEPS = 30, CARRY_IMAGES = 60, CARRY_BATCH = 16, CARRY_EPOCHS = 75, CARRY_EVERY = 3, CARRY_LAG = 20 };

/* ---- Settings without what makes learning by heart hard ---- */

static int quieten(struct assay_settings *settings, struct assay_arena *arena, struct assay_status *status) {
  struct assay_layer_setting *layers = ASSAY_NEW_ARRAY(arena, struct assay_layer_setting, settings->layer_count);
  if (layers == NULL) return assay_status_memory(status);
  memcpy(layers, settings->layers, settings->layer_count * sizeof *layers);
  settings->layers = layers;
  for (uint32_t i = 0; i <= settings->layer_count; i++) {
    struct assay_component *component = i < settings->layer_count ? &layers[i].component : &settings->optimizer;
    const struct assay_option *const *options = component->plugin->options;
    const uint32_t count = assay_option_count(options);
    const struct assay_option_value **values = ASSAY_NEW_ARRAY(arena, const struct assay_option_value *, count + 1);
    if (values == NULL) return assay_status_memory(status);
    for (uint32_t k = 0; k < count; k++) {
      const bool drops = strcmp(options[k]->name, "dropout") == 0 || (strcmp(component->plugin->name, "dropout") == 0 && strcmp(options[k]->name, "rate") == 0);
      struct assay_option_value *copy = ASSAY_NEW(arena, struct assay_option_value);
      if (copy == NULL) return assay_status_memory(status);
      *copy = *component->values[k];
      if (options[k]->type == ASSAY_OPTION_REAL && (drops || strcmp(options[k]->name, "weight_decay") == 0)) copy->real = 0;
      values[k] = copy;
    }
    component->values = values;
  }
  settings->augment = (struct assay_augment_settings){.border = settings->augment.border};
  settings->train.ema = 0;
  settings->train.unfreeze_after = 0;
  return 0;
}

/* ---- Choosing images ---- */

/* `count` of the training part, of all classes in turn, in an order of the seed; those of `taken` are left alone. Gives how many there were. */
static uint32_t choose(const struct assay_samples *samples, uint64_t seed, uint32_t count, const bool *taken, bool *chosen) {
  uint32_t found = 0;
  for (bool any = true; any && found < count;) {
    any = false;
    for (uint32_t class = 0; class < samples->class_count && found < count; class++) {
      uint32_t best = UINT32_MAX, best_key = 0;
      for (uint32_t i = 0; i < samples->count; i++) {
        if (samples->pixels[i] == NULL || samples->parts[i] != ASSAY_PART_TRAIN || samples->labels[i] != (int32_t)class || chosen[i] || (taken != NULL && taken[i])) continue;
        uint32_t block[4];
        assay_philox((const uint32_t[4]){i, 0x6f766572u /* "over" */, 0, 0}, (const uint32_t[2]){(uint32_t)seed, (uint32_t)(seed >> 32)}, block);
        if (best != UINT32_MAX && block[0] >= best_key) continue;
        best = i;
        best_key = block[0];
      }
      if (best == UINT32_MAX) continue;
      chosen[best] = any = true;
      found++;
    }
  }
  return found;
}

/* ---- Pixels ---- */

static bool is_blank(const struct assay_samples *samples, uint32_t sample) {
  const uint8_t *pixels = samples->pixels[sample];
  const size_t size = (size_t)samples->height * samples->width;
  for (uint32_t channel = 0; channel < samples->channels; channel++) {
    uint8_t low = 255, high = 0;
    for (size_t i = 0; i < size; i++) {
      const uint8_t value = pixels[i * samples->channels + channel];
      low = value < low ? value : low;
      high = value > high ? value : high;
    }
    if (high - low > 4) return false;
  }
  return true;
}

/* Looks for what no network can learn. */
static bool look(const struct assay_samples *samples, const bool *chosen, struct assay_overfit *overfit) {
  const size_t size = (size_t)samples->height * samples->width * samples->channels;
  for (uint32_t i = 0; i < samples->count; i++) {
    if (!chosen[i]) continue;
    if (is_blank(samples, i)) {
      overfit->outcome = ASSAY_OVERFIT_BLANK;
      overfit->first = samples->paths[i];
      return true;
    }
    for (uint32_t k = 0; k < i; k++) {
      if (!chosen[k] || samples->labels[k] == samples->labels[i] || memcmp(samples->pixels[k], samples->pixels[i], size) != 0) continue;
      overfit->outcome = ASSAY_OVERFIT_EQUAL;
      overfit->first = samples->paths[k];
      overfit->second = samples->paths[i];
      return true;
    }
  }
  return false;
}

/* ---- Learning by heart ---- */

static int evaluate(struct assay_desk *desk, const uint32_t *numbers, uint32_t count, double *loss, uint32_t *right, struct assay_status *status) {
  const uint32_t classes = desk->samples.class_count;
  double *scores = malloc((size_t)count * classes * sizeof *scores), *losses = malloc(count * sizeof *losses);
  int code = scores == NULL || losses == NULL ? assay_status_memory(status) : assay_runner_evaluate(&desk->bench.runner, numbers, count, desk->options, scores, losses, status);
  *loss = 0;
  *right = 0;
  for (uint32_t i = 0; code == 0 && i < count; i++) {
    uint32_t guess = 0;
    for (uint32_t class = 1; class < classes; class++)
      if (scores[(size_t)i * classes + class] > scores[(size_t)i * classes + guess]) guess = class;
    *loss += losses[i] / count;
    *right += (int32_t)guess == desk->samples.labels[numbers[i]];
  }
  free(scores);
  free(losses);
  return code;
}

/* How an attempt trains: at one rate, to which it may rise evenly first. */
struct attempt {
  double rate;
  uint32_t warmup; /* steps; 0: none */
};

static uint32_t warmup_of(const struct assay_settings *settings) { return settings->train.warmup_epochs > 0 ? WARMUP_STEPS : 0; }

static double rate_of_step(const struct attempt *attempt, uint32_t step) {
  return attempt->rate * (step < attempt->warmup ? (step + 1.0) / attempt->warmup : 1);
}

/* Trains until both losses are low; `done` says whether they came there without blowing up on the way: some optimizers come back from anything. */
static int learn(struct assay_desk *desk, const struct assay_settings *settings, const struct attempt *attempt, const struct assay_hooks *hooks,
                 struct assay_overfit *overfit, bool *done, struct assay_status *status) {
  double accuracy, first = NAN;
  int code = assay_desk_restart(desk, settings, status);
  *done = false;
  for (overfit->steps = 0; code == 0 && !*done && overfit->steps < MOST_STEPS; overfit->steps++) {
    code = assay_desk_train(desk, desk->count, rate_of_step(attempt, overfit->steps), hooks, &overfit->training_loss, &accuracy, status);
    if (overfit->steps == 0) first = overfit->training_loss;
    if (code == 0 && overfit->training_loss > BLOWN_UP * first) break;
    if (code != 0 || (overfit->steps % EVERY != EVERY - 1 && isfinite(overfit->training_loss))) continue;
    if (!isfinite(overfit->training_loss)) break;
    code = evaluate(desk, desk->numbers, desk->count, &overfit->evaluation_loss, &overfit->right, status);
    const bool low = overfit->training_loss < LOW_LOSS && overfit->evaluation_loss < LOW_LOSS;
    *done = code == 0 && overfit->steps >= attempt->warmup && low && overfit->right == desk->count;
  }
  return code;
}

/* Other rates, nearest first: the one that does it says what is wrong with the given one. */
static int try_rates(struct assay_desk *desk, const struct assay_settings *settings, const struct assay_hooks *hooks, struct assay_overfit *overfit, struct assay_status *status) {
  static const double factors[] = {0.1, 10, 0.01, 100, 0.001, 0.0001};
  overfit->outcome = ASSAY_OVERFIT_NETWORK;
  for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
    const struct attempt attempt = {overfit->rate * factors[i], warmup_of(settings)};
    struct assay_overfit ignored = *overfit;
    bool done;
    const int code = learn(desk, settings, &attempt, hooks, &ignored, &done, status);
    if (code != 0) return code;
    if (!done) continue;
    overfit->outcome = factors[i] < 1 ? ASSAY_OVERFIT_RATE_HIGH : ASSAY_OVERFIT_RATE_LOW;
    overfit->better_rate = overfit->rate * factors[i];
    return 0;
  }
  return 0;
}

/* ---- Labels ---- */

/* Images that are learned, and others that they are to help with. */
struct carry {
  struct assay_desk *desk; /* its numbers begin with the learned ones */
  const uint32_t *others;
  uint32_t learned, judged;
  double by_guessing, beyond; /* of the others: right with luck at most, and so many that it cannot be luck */
};

/* What came of learning them. */
struct learning {
  bool by_heart;   /* nearly all learned images are right in evaluation */
  double accuracy; /* of the last epoch, as training saw it */
  uint32_t right;  /* of the others */
};

/* Trains until that many others are right that it cannot be luck, or nearly all learned images are right, in evaluation too: batch norm's running statistics
 * are far from the truth in the first steps. */
static int learn_well(const struct carry *carry, const struct assay_settings *settings, double rate, const struct assay_hooks *hooks, struct learning *learning,
                      struct assay_status *status) {
  struct assay_desk *desk = carry->desk;
  const struct attempt attempt = {rate, warmup_of(settings)};
  const uint32_t steps = (carry->learned + CARRY_BATCH - 1) / CARRY_BATCH;
  int code = assay_desk_restart(desk, settings, status);
  double loss;
  uint32_t lag = 0;
  *learning = (struct learning){.by_heart = false};
  for (uint32_t epoch = 0; code == 0 && !learning->by_heart && learning->right < carry->beyond && lag < CARRY_LAG && epoch < CARRY_EPOCHS; epoch++) {
    uint32_t own = 0;
    code = assay_desk_train(desk, carry->learned, rate_of_step(&attempt, epoch * steps), hooks, &loss, &learning->accuracy, status);
    if (code == 0 && learning->accuracy >= LEARNED) code = evaluate(desk, desk->numbers, carry->learned, &loss, &own, status);
    lag += learning->accuracy >= LEARNED;
    learning->by_heart = own >= LEARNED * carry->learned;
    const bool ends = learning->by_heart || lag == CARRY_LAG || epoch % CARRY_EVERY == CARRY_EVERY - 1;
    if (code == 0 && ends) code = evaluate(desk, carry->others, carry->judged, &loss, &learning->right, status);
  }
  return code;
}

/* What is learned by heart and is of no use for others has the wrong labels. What is not learned at all may suffer from the learning rate, which more images
 * ask more of: lower ones are tried, and where none helps it is the labels again, as without rhyme or reason they are hard to learn even by heart. Where
 * training goes well and evaluation lags behind, as batch norm's statistics do in deep networks on few images, nothing can be said. */
static int judge_labels(const struct carry *carry, const struct assay_settings *settings, const struct assay_hooks *hooks, struct assay_overfit *overfit,
                        struct assay_status *status) {
  static const double factors[] = {1, 0.1, 0.01, 0.001};
  for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
    struct learning learning;
    const double rate = overfit->rate * factors[i];
    const int code = learn_well(carry, settings, rate, hooks, &learning, status);
    if (code != 0) return code;
    overfit->carried_right = learning.right;
    if (overfit->carried_right > carry->by_guessing) {
      if (i > 0) overfit->outcome = ASSAY_OVERFIT_RATE_HIGH;
      if (i > 0) overfit->better_rate = rate;
      return 0;
    }
    if (learning.by_heart || isnan(overfit->rate)) break;
    if (learning.accuracy >= TRAINED) return 0;
  }
  overfit->outcome = ASSAY_OVERFIT_LABELS;
  return 0;
}

/* Learns some images and judges others. Labels that do not belong to their images can be learned by heart, but help with no other image. */
static int carry_over(struct assay_session *session, const struct assay_samples *samples, const struct assay_settings *settings, const struct assay_hooks *hooks,
                      struct assay_arena *arena, struct assay_overfit *overfit, struct assay_status *status) {
  bool *learned = ASSAY_NEW_ARRAY(arena, bool, samples->count), *judged = ASSAY_NEW_ARRAY(arena, bool, samples->count), *both = ASSAY_NEW_ARRAY(arena, bool, samples->count);
  uint32_t *others = ASSAY_NEW_ARRAY(arena, uint32_t, samples->count), *members = ASSAY_NEW_ARRAY(arena, uint32_t, samples->class_count);
  if (learned == NULL || judged == NULL || both == NULL || others == NULL || members == NULL) return assay_status_memory(status);
  uint32_t available = 0;
  for (uint32_t i = 0; i < samples->count; i++) available += samples->pixels[i] != NULL && samples->parts[i] == ASSAY_PART_TRAIN;
  const uint32_t each = available / 2 < CARRY_IMAGES ? available / 2 : CARRY_IMAGES;
  if (each < CARRY_IMAGES / 3) return 0; /* too few to tell */
  (void)choose(samples, settings->train.seed, each, NULL, learned);
  (void)choose(samples, settings->train.seed, each, learned, judged);
  struct assay_settings own = *settings;
  own.train.batch = CARRY_BATCH;
  for (uint32_t i = 0; i < samples->count; i++) both[i] = learned[i] || judged[i];
  struct assay_desk desk;
  int code = assay_desk_open(session, samples, both, each, &own, &desk, status);
  uint32_t first = 0, rest = 0, commonest = 0;
  for (uint32_t i = 0; code == 0 && i < samples->count; i++) {
    if (learned[i]) desk.numbers[first++] = i;
    if (!judged[i]) continue;
    others[rest++] = i;
    if (++members[samples->labels[i]] > commonest) commonest = members[samples->labels[i]];
  }
  if (code == 0) {
    /* Normal approximation of the binomial distribution: fewer than by_guessing in 95 % of guesses by the commonest class, fewer than beyond in 99.9 %. */
    const double chance = (double)commonest / rest, deviation = sqrt(rest * chance * (1 - chance));
    const struct carry carry = {&desk, others, first, rest, rest * chance + 1.645 * deviation, fmin(rest, rest * chance + 3.09 * deviation)};
    overfit->learned_images = first;
    overfit->carried_images = rest;
    code = judge_labels(&carry, &own, hooks, overfit, status);
  }
  assay_desk_close(&desk);
  return code;
}

/* ---- The whole ---- */

static int heart(struct assay_session *session, const struct assay_samples *samples, const struct assay_settings *settings, const bool *chosen, const struct assay_hooks *hooks,
                 struct assay_overfit *overfit, struct assay_status *status) {
  struct assay_desk desk;
  bool done = false;
  int code = assay_desk_open(session, samples, chosen, overfit->images, settings, &desk, status);
  if (code == 0) {
    const int32_t option = desk.bench.network->rate_option;
    overfit->rate = option >= 0 ? desk.options[option] : NAN;
    const struct attempt attempt = {overfit->rate, warmup_of(settings)};
    code = learn(&desk, settings, &attempt, hooks, overfit, &done, status);
    if (code == 0 && !done) code = option >= 0 ? try_rates(&desk, settings, hooks, overfit, status) : 0;
    if (code == 0 && !done && option < 0) overfit->outcome = ASSAY_OVERFIT_NETWORK;
  }
  assay_desk_close(&desk);
  return code;
}

int assay_overfit_test(struct assay_session *session, const struct assay_samples *samples, const struct assay_settings *settings, uint32_t images,
                       const struct assay_hooks *hooks, struct assay_arena *arena, struct assay_overfit *overfit, struct assay_status *status) {
  bool *chosen = ASSAY_NEW_ARRAY(arena, bool, samples->count);
  struct assay_settings own = *settings;
  *overfit = (struct assay_overfit){.training_loss = NAN, .evaluation_loss = NAN, .better_rate = NAN};
  if (chosen == NULL) return assay_status_memory(status);
  overfit->images = choose(samples, settings->train.seed, images, NULL, chosen);
  if (overfit->images == 0) return assay_status_set(status, ASSAY_E_DATA, "there are no images to train on");
  if (look(samples, chosen, overfit)) return 0;
  int code = quieten(&own, arena, status);
  own.train.batch = overfit->images;
  if (code == 0) code = heart(session, samples, &own, chosen, hooks, overfit, status);
  if (code != 0 || overfit->outcome != ASSAY_OVERFIT_DONE) return code;
  return carry_over(session, samples, &own, hooks, arena, overfit, status);
}
