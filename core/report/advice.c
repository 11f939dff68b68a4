/* SPDX-License-Identifier: MIT
 *
 * The rules. Thresholds are rules of thumb: an eye, or a network, needs some five pixels across to make out a defect.
 */
#include "report/advice.h"

#include "base/arena.h"
#include "base/status.h"
#include "data/fit_plan.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_PIXELS = 5, DARK = 20, BRIGHT = 235, MOST_AVERAGED = 500 };
#define CUT_OFF 0.1        /* more of the pixels than before at black or white */
#define WIDE 1.5           /* proportions from which on a quarter turn loses much */
#define HALF_WIDTH 2.355   /* of a Gaussian, in deviations */
#define DIFFERENT 0.5      /* correlation of the mean image with its mirror image */
#define TRIMMED 0.1        /* share of a side from which on it matters that it is cut off */
#define PLAIN 8            /* deviation of a mean image that shows nothing, in grey levels */

struct adviser {
  const struct assay_settings *settings;
  const struct assay_samples *samples;
  struct assay_arena *arena;
  struct assay_advice *advice;
  bool failed;
};

static void say(struct adviser *adviser, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct adviser *adviser, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const char *copy = assay_arena_copy(adviser->arena, text);
  if (copy == NULL) adviser->failed = true;
  else if (adviser->advice->count < sizeof adviser->advice->sentences / sizeof *adviser->advice->sentences)
    adviser->advice->sentences[adviser->advice->count++] = copy;
}

static double most(const struct adviser *adviser, uint32_t kind) { return adviser->settings->augment.most[kind]; }

/* ---- Size, blur, cutout: what becomes of a small defect ---- */

/* How an image of the commonest size comes to the network: pixels of the file for one of the network's, and what is cut off. */
struct view {
  double shrink;
  double trimmed[2]; /* shares of width and height */
};

static struct view view_of(const struct adviser *adviser, uint32_t width, uint32_t height) {
  const struct assay_data_settings *data = &adviser->settings->data;
  struct assay_window window;
  if (!assay_region_window(&data->fitting.region, width, height, width, height, &window)) window = (struct assay_window){0, 0, width, height};
  const struct assay_fit_plan plan = assay_fit_plan(&data->fitting, &window, adviser->samples->width, adviser->samples->height);
  const double across = (double)plan.source_width / plan.scaled_width, down = (double)plan.source_height / plan.scaled_height;
  return (struct view){fmax(1, fmax(across, down)),
                       {1 - plan.target_width * across / window.width, 1 - plan.target_height * down / window.height}};
}

static void advise_on_small_defects(struct adviser *adviser, uint32_t width, uint32_t height) {
  const struct assay_samples *samples = adviser->samples;
  const struct view view = view_of(adviser, width, height);
  const double shrink = view.shrink, smallest = adviser->settings->data.min_defect;
  if (shrink >= 2)
    say(adviser, "[data] size: images of %ux%u shrink to %ux%u; a defect of less than %.0f pixels there covers less than %d here and may be lost", width, height,
        samples->width, samples->height, ceil(LEAST_PIXELS * shrink), LEAST_PIXELS);
  for (int axis = 0; axis < 2; axis++)
    if (view.trimmed[axis] >= TRIMMED)
      say(adviser, "[data] fit = crop: %.0f %% of the %s of images of %ux%u are cut off; a defect there is never seen. Use stretch or letterbox, or a size of "
          "their proportions", 100 * view.trimmed[axis], axis == 0 ? "width" : "height", width, height);
  const double blur = most(adviser, ASSAY_AUGMENT_BLUR) * HALF_WIDTH;
  if (blur >= 2 || (smallest > 0 && blur * shrink >= smallest))
    say(adviser, "[augment] blur: defects of less than %.0f pixels (%.0f of the original image) are washed out by it%s", ceil(blur), ceil(blur * shrink),
        smallest > 0 && blur * shrink >= smallest ? ", those of [data] min_defect too" : "");
  const double cut = fmax(most(adviser, ASSAY_AUGMENT_CROP), most(adviser, ASSAY_AUGMENT_SHIFT));
  if (cut >= 2 * TRIMMED)
    say(adviser, "[augment] %s: up to %.0f %% of each side are cut off; a defect near an edge can go with them, and the label stays",
        most(adviser, ASSAY_AUGMENT_CROP) >= 2 * TRIMMED ? "crop" : "shift", 100 * cut);
  if (most(adviser, ASSAY_AUGMENT_CUTOUT) >= 0.5)
    say(adviser, "[augment] cutout: a rectangle of up to %.0f %% of each side can cover a whole defect, and the label stays", 100 * most(adviser, ASSAY_AUGMENT_CUTOUT));
}

/* ---- Turns ---- */

static void advise_on_turns(struct adviser *adviser) {
  const struct assay_samples *samples = adviser->samples;
  const double longer = fmax(samples->width, samples->height), shorter = fmin(samples->width, samples->height);
  const bool quarter = most(adviser, ASSAY_AUGMENT_QUARTER_TURNS) > 0;
  if (longer < WIDE * shorter || (!quarter && most(adviser, ASSAY_AUGMENT_ROTATION) < 45)) return;
  say(adviser, "[augment] %s: a turn by 90 degrees cuts off %.0f %% of a %ux%u image and fills as much with the border; use a half turn (both flips) instead",
      quarter ? "quarter_turns" : "rotation", 100 * (1 - shorter / longer), samples->width, samples->height);
}

/* ---- Flips ---- */

static bool is_directional(const char *name) {
  static const char *const words[] = {"left", "right", "up", "down", "top", "bottom", "upper", "lower", "clockwise", "upside", "flipped", "mirrored", "rotated"};
  if (strlen(name) == 1 && isalnum((unsigned char)name[0])) return true; /* letters and digits are read in one direction */
  char copy[128], *rest = NULL;
  snprintf(copy, sizeof copy, "%s", name);
  for (char *c = copy; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
  for (char *word = strtok_r(copy, "_- .", &rest); word != NULL; word = strtok_r(NULL, "_- .", &rest))
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
      if (strcmp(word, words[i]) == 0) return true;
  return false;
}

/* Correlation of the mean image with its mirror image; 1 where it shows nothing. */
static double likeness(const double *mean, uint32_t width, uint32_t height, bool across) {
  const size_t count = (size_t)width * height;
  double sum = 0, squares = 0, products = 0;
  for (size_t i = 0; i < count; i++) sum += mean[i];
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++) {
      const double here = mean[(size_t)y * width + x] - sum / (double)count;
      const double there = mean[across ? (size_t)y * width + (width - 1 - x) : (size_t)(height - 1 - y) * width + x] - sum / (double)count;
      squares += here * here;
      products += here * there;
    }
  return squares / (double)count < PLAIN * PLAIN ? 1 : products / squares;
}

static int mean_image(const struct assay_samples *samples, double **mean, struct assay_status *status) {
  const size_t pixels = (size_t)samples->width * samples->height;
  uint32_t taken = 0;
  *mean = calloc(pixels, sizeof **mean);
  if (*mean == NULL) return assay_status_memory(status);
  const uint32_t step = samples->count / MOST_AVERAGED + 1;
  for (uint32_t i = 0; i < samples->count; i += step) {
    if (samples->pixels[i] == NULL || samples->parts[i] != ASSAY_PART_TRAIN) continue;
    taken++;
    for (size_t p = 0; p < pixels; p++)
      for (uint32_t c = 0; c < samples->channels; c++) (*mean)[p] += samples->pixels[i][p * samples->channels + c];
  }
  for (size_t p = 0; p < pixels && taken > 0; p++) (*mean)[p] /= (double)taken * samples->channels;
  return 0;
}

static int advise_on_flips(struct adviser *adviser, struct assay_status *status) {
  static const struct {
    uint32_t kind;
    bool across;
    const char *key, *sides;
  } flips[] = {{ASSAY_AUGMENT_FLIP_HORIZONTAL, true, "flip_horizontal", "left and right"}, {ASSAY_AUGMENT_FLIP_VERTICAL, false, "flip_vertical", "top and bottom"}};
  const struct assay_samples *samples = adviser->samples;
  if (most(adviser, ASSAY_AUGMENT_FLIP_HORIZONTAL) <= 0 && most(adviser, ASSAY_AUGMENT_FLIP_VERTICAL) <= 0) return 0;
  double *mean;
  const int code = mean_image(samples, &mean, status);
  if (code != 0) return code;
  for (size_t i = 0; i < 2; i++) {
    if (most(adviser, flips[i].kind) <= 0) continue;
    const double like = likeness(mean, samples->width, samples->height, flips[i].across);
    if (like < DIFFERENT)
      say(adviser, "[augment] %s: %s differ throughout these images (the mean image and its mirror image correlate by %.2f), so it makes images that do not occur", flips[i].key,
          flips[i].sides, like);
    for (uint32_t c = 0; c < samples->class_count; c++)
      if (is_directional(samples->classes[c])) {
        say(adviser, "[augment] %s: the name of class %s says that direction may tell it from others; then a flipped image has the wrong label", flips[i].key, samples->classes[c]);
        break;
      }
  }
  free(mean);
  return 0;
}

/* ---- Light ---- */

static void advise_on_light(struct adviser *adviser) {
  const struct assay_samples *samples = adviser->samples;
  const size_t size = (size_t)samples->width * samples->height * samples->channels;
  uint32_t counts[2] = {0}, first[2] = {0};
  for (uint32_t i = 0; i < samples->count; i++) {
    uint64_t sum = 0;
    if (samples->pixels[i] == NULL) continue;
    for (size_t p = 0; p < size; p++) sum += samples->pixels[i][p];
    const double mean = (double)sum / (double)size;
    for (int bright = 0; bright < 2; bright++)
      if ((bright ? mean > BRIGHT : mean < DARK) && counts[bright]++ == 0) first[bright] = i;
  }
  for (int bright = 0; bright < 2; bright++)
    if (counts[bright] > 0)
      say(adviser, "%u of the images are nearly %s (mean %s %d of 255), such as %s", counts[bright], bright ? "white" : "black", bright ? "above" : "below",
          bright ? BRIGHT : DARK, samples->paths[first[bright]]);
}

static double share_cut_off(const uint8_t *pixels, size_t count) {
  size_t cut = 0;
  for (size_t i = 0; i < count; i++) cut += pixels[i] == 0 || pixels[i] == 255;
  return count > 0 ? (double)cut / (double)count : 0;
}

static void advise_on_colours(struct adviser *adviser, const uint8_t *originals, const uint8_t *augmented, uint32_t pictures) {
  const struct assay_samples *samples = adviser->samples;
  const size_t count = (size_t)pictures * samples->width * samples->height * samples->channels;
  const double before = share_cut_off(originals, count), after = share_cut_off(augmented, count);
  const bool colours = most(adviser, ASSAY_AUGMENT_BRIGHTNESS) + most(adviser, ASSAY_AUGMENT_CONTRAST) + most(adviser, ASSAY_AUGMENT_NOISE) > 0;
  if (colours && after - before > CUT_OFF)
    say(adviser, "[augment] brightness, contrast, noise: %.0f %% of the augmented pixels are black or white, %.0f %% before; lower them", 100 * after, 100 * before);
  if (samples->channels != 3 && most(adviser, ASSAY_AUGMENT_SATURATION) + most(adviser, ASSAY_AUGMENT_HUE) > 0)
    say(adviser, "[augment] saturation, hue: have no effect on grey images; remove them");
}

int assay_advise(const struct assay_settings *settings, const struct assay_samples *samples, uint32_t width, uint32_t height, const uint8_t *originals,
                 const uint8_t *augmented, uint32_t pictures, struct assay_arena *arena, struct assay_advice *advice, struct assay_status *status) {
  struct adviser adviser = {settings, samples, arena, advice, false};
  advice->count = 0;
  advise_on_small_defects(&adviser, width, height);
  advise_on_light(&adviser);
  advise_on_turns(&adviser);
  advise_on_colours(&adviser, originals, augmented, pictures);
  const int code = advise_on_flips(&adviser, status);
  return code == 0 && adviser.failed ? assay_status_memory(status) : code;
}
