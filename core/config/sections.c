/* SPDX-License-Identifier: MIT */
#include "config/sections.h"

#include "base/arena.h"
#include "base/options.h"
#include "base/status.h"
#include "base/text.h"

#include <float.h>
#include <math.h>
#include <regex.h>
#include <string.h>

#define MOST_EXACT 9007199254740991.0 /* 2^53 - 1: whole numbers up to here are exact everywhere, JSON included */
#define SEARCHABLE ASSAY_OPTION_SEARCHABLE
#define REQUIRED ASSAY_OPTION_REQUIRED
#define KEY(variable, ...) static const struct assay_option variable = {.struct_size = sizeof(struct assay_option), __VA_ARGS__}
#define INT_KEY(variable, key, default_value, low, high, search, sentence)                                                                                     \
  KEY(variable, .type = ASSAY_OPTION_INT, .flags = search, .name = key, .default_text = default_value, .minimum = low, .maximum = high, .help = sentence)
#define REAL_KEY(variable, key, default_value, low, high, search, sentence)                                                                                    \
  KEY(variable, .type = ASSAY_OPTION_REAL, .flags = search, .name = key, .default_text = default_value, .minimum = low, .maximum = high, .help = sentence)
#define TEXT_KEY(variable, key, default_value, search, sentence)                                                                                               \
  KEY(variable, .type = ASSAY_OPTION_TEXT, .flags = search, .name = key, .default_text = default_value, .help = sentence)
#define CHOICE_KEY(variable, key, default_value, list, search, sentence)                                                                                       \
  KEY(variable, .type = ASSAY_OPTION_CHOICE, .flags = search, .name = key, .default_text = default_value, .choices = list, .help = sentence)

/* Choices stand in the order of their enumerators in plan.h. */
static const char *const patch_scores[] = {"max", "mean", NULL};
static const char *const near_choices[] = {"together", "ignore", NULL};
static const char *const fits[] = {"stretch", "crop", "letterbox", NULL};
static const char *const filters[] = {"area", "bilinear", "linear", NULL};
static const char *const colours[] = {"rgb", "grey", NULL};
static const char *const normalisations[] = {"standard", "unit", "symmetric", "imagenet", "values", NULL};
static const char *const borders[] = {"black", "edge", "reflect", NULL};
static const char *const schedules[] = {"constant", "step", "cosine", "linear", "restarts", "one_cycle", NULL};
static const char *const calibrations[] = {"none", "temperature", NULL};
static const char *const keeps[] = {"frozen", "none", "all", NULL};
static const char *const finals[] = {"refit", "best_fold", "ensemble", NULL};

/* ---- [data] ---- */
TEXT_KEY(data_path, "path", NULL, REQUIRED, "the images: a folder with a folder a class, or an IDX pair; a .tar or .zip of such folders; a .csv list; relative to the INI file");
TEXT_KEY(data_size, "size", "", SEARCHABLE, "width x height in pixels that the network sees, as 60x30; empty: that of the images");
CHOICE_KEY(data_fit, "fit", "stretch", fits, SEARCHABLE, "how an image of another shape is brought to that size");
INT_KEY(data_resize, "resize", "0", 0, 65535, SEARCHABLE, "pixels that the short side is brought to (the long one to the nearest pixel) before the middle is cut out, as 256 for size = 224x224; 0: the largest window");
CHOICE_KEY(data_filter, "filter", "area", filters, SEARCHABLE, "how pixels become fewer: the mean of what each covers (area), a triangle twice as wide (bilinear, as Pillow and torchvision), or between the nearest two without smoothing (linear, as OpenCV)");
CHOICE_KEY(data_colour, "colour", "rgb", colours, SEARCHABLE, "channels that the network sees: three or one");
CHOICE_KEY(data_normalise, "normalise", "standard", normalisations, SEARCHABLE, "pixels to mean 0 and deviation 1 a channel (of the training part, or of imagenet), to 0 … 1 (unit), to -1 … 1 (symmetric), or by the values mean and deviation");
KEY(data_mean, .type = ASSAY_OPTION_REALS, .name = "mean", .default_text = "0", .minimum = -1e6, .maximum = 1e6,
    .help = "what is taken from pixels of 0 … 255: one number, or one a channel");
KEY(data_deviation, .type = ASSAY_OPTION_REALS, .name = "deviation", .default_text = "255", .minimum = 1e-6, .maximum = 1e6,
    .help = "what pixels are then divided by: one number, or one a channel");
INT_KEY(data_folds, "folds", "1", 1, ASSAY_MOST_FOLDS, 0, "folds of cross-validation; 1: a single part of the images is held out for validation");
INT_KEY(data_repeats, "repeats", "1", 1, ASSAY_MOST_REPEATS, 0,
        "how often the folds (or the part held out for validation) are drawn and trained, each time another split and the next seed of [train]: where few images are positive");
REAL_KEY(data_validation, "validation", "0.2", 0.001, 0.9, 0, "share of the images held out for validation");
TEXT_KEY(data_test, "test", "own", 0, "held out and seen once, at the end: own (the data's test part), a share as 0.2, labelled images as for path, or none");
TEXT_KEY(data_positive, "positive", "", 0, "name of the class that binary metrics look for, such as crack; empty: none");
INT_KEY(data_seed, "seed", "1", 0, MOST_EXACT, 0, "seed of the split");
INT_KEY(data_threads, "threads", "0", 0, 1024, 0, "threads that decode images; 0: one a processor");
INT_KEY(data_limit, "limit", "0", 0, MOST_EXACT, 0, "at most so many images outside of the test, classes in proportion; 0: all");
TEXT_KEY(data_group, "group", "", 0,
         "regular expression (POSIX extended) on the file's name, or with a / in it on the path: images that agree in its first parentheses stay together; empty: none");
TEXT_KEY(data_region, "region", "", 0,
         "the part of each image that is looked at: width x height + left + top in pixels, as 800x600+100+50, or in per cent of the image, as 50%x50%+25%+0%; empty: all of it");
INT_KEY(data_min_defect, "min_defect", "0", 0, 65535, 0, "extent of the smallest defect in pixels of the image: a warning when size leaves less than 5 of them; 0: not known");
TEXT_KEY(data_patches, "patches", "1x1", 0, "columns x rows into which a picture of size is cut, as 4x4: the network sees the patches one by one; 1x1: it is not cut");
CHOICE_KEY(data_patch_score, "patch_score", "max", patch_scores, SEARCHABLE,
           "what the patches say of their picture: max, the patch that is surest of the positive class (else of each class), or the mean of all");
CHOICE_KEY(data_near_duplicates, "near_duplicates", "together", near_choices, 0,
           "images that are almost the same (saved again, brightened, slightly cropped): found and kept in one part and fold, or not looked for");
static const struct assay_option *const data_options[] = {
    [DATA_PATH] = &data_path,       [DATA_SIZE] = &data_size,   [DATA_FIT] = &data_fit,         [DATA_RESIZE] = &data_resize,
    [DATA_FILTER] = &data_filter,       [DATA_COLOUR] = &data_colour,
    [DATA_NORMALISE] = &data_normalise, [DATA_MEAN] = &data_mean, [DATA_DEVIATION] = &data_deviation,
    [DATA_FOLDS] = &data_folds, [DATA_REPEATS] = &data_repeats, [DATA_VALIDATION] = &data_validation, [DATA_TEST] = &data_test,
    [DATA_POSITIVE] = &data_positive,   [DATA_SEED] = &data_seed,   [DATA_THREADS] = &data_threads,       [DATA_LIMIT] = &data_limit,
    [DATA_GROUP] = &data_group,     [DATA_NEAR_DUPLICATES] = &data_near_duplicates,
    [DATA_MIN_DEFECT] = &data_min_defect, [DATA_PATCHES] = &data_patches, [DATA_PATCH_SCORE] = &data_patch_score,
    [DATA_REGION] = &data_region,
    NULL};

/* ---- [augment]: training images only ---- */
#define CHANCE(variable, key, sentence) REAL_KEY(variable, key, "0", 0, 1, SEARCHABLE, sentence)
#define AMOUNT(variable, key, high, sentence) REAL_KEY(variable, key, "0", 0, high, SEARCHABLE, sentence)
CHANCE(augment_flip_horizontal, "flip_horizontal", "probability that left and right change places, as 0.5");
CHANCE(augment_flip_vertical, "flip_vertical", "probability that top and bottom change places");
CHANCE(augment_quarter_turns, "quarter_turns", "probability of a turn by 90, 180 or 270 degrees; 0.75: all four directions alike");
AMOUNT(augment_rotation, "rotation", 180, "rotated by up to so many degrees either way");
AMOUNT(augment_zoom, "zoom", 4, "enlarged or shrunk by a factor of up to 1 + zoom, as 0.2");
AMOUNT(augment_shift, "shift", 1, "moved by up to this share of the width and of the height");
AMOUNT(augment_shear, "shear", 40, "sheared along and across by up to so many degrees");
AMOUNT(augment_perspective, "perspective", 0.45, "tilted until opposite edges differ in scale by up to (1 + p) / (1 - p), as 0.1");
AMOUNT(augment_crop, "crop", 0.9, "cropped at random: up to this share of the width and of the height is cut off");
AMOUNT(augment_blur, "blur", 8, "Gaussian blur with a deviation of up to so many pixels of the network's size");
AMOUNT(augment_brightness, "brightness", 1, "multiplied by a factor between 1 - brightness and 1 + brightness, as 0.2");
AMOUNT(augment_contrast, "contrast", 1, "difference from the image's mean grey multiplied by 1 - contrast to 1 + contrast");
AMOUNT(augment_saturation, "saturation", 1, "difference from grey multiplied by 1 - saturation to 1 + saturation; without effect on grey images");
AMOUNT(augment_hue, "hue", 180, "colours turned by up to so many degrees either way; without effect on grey images");
AMOUNT(augment_noise, "noise", 128, "Gaussian noise with a deviation of up to so many grey levels (of 255)");
AMOUNT(augment_cutout, "cutout", 1, "a rectangle of up to this share of the width and of the height is filled with the mean colour");
AMOUNT(augment_mixup, "mixup", 1, "pairs are mixed by shares from the distribution Beta(mixup, mixup), their labels too; 0: none");
CHOICE_KEY(augment_border, "border", "reflect", borders, SEARCHABLE, "what fills places that lie outside of the image");
static const struct assay_option *const augment_options[] = {[ASSAY_AUGMENT_FLIP_HORIZONTAL] = &augment_flip_horizontal,
                                                             [ASSAY_AUGMENT_FLIP_VERTICAL] = &augment_flip_vertical,
                                                             [ASSAY_AUGMENT_QUARTER_TURNS] = &augment_quarter_turns,
                                                             [ASSAY_AUGMENT_ROTATION] = &augment_rotation,
                                                             [ASSAY_AUGMENT_ZOOM] = &augment_zoom,
                                                             [ASSAY_AUGMENT_SHIFT] = &augment_shift,
                                                             [ASSAY_AUGMENT_SHEAR] = &augment_shear,
                                                             [ASSAY_AUGMENT_PERSPECTIVE] = &augment_perspective,
                                                             [ASSAY_AUGMENT_CROP] = &augment_crop,
                                                             [ASSAY_AUGMENT_BLUR] = &augment_blur,
                                                             [ASSAY_AUGMENT_BRIGHTNESS] = &augment_brightness,
                                                             [ASSAY_AUGMENT_CONTRAST] = &augment_contrast,
                                                             [ASSAY_AUGMENT_SATURATION] = &augment_saturation,
                                                             [ASSAY_AUGMENT_HUE] = &augment_hue,
                                                             [ASSAY_AUGMENT_NOISE] = &augment_noise,
                                                             [ASSAY_AUGMENT_CUTOUT] = &augment_cutout,
                                                             [ASSAY_AUGMENT_MIXUP] = &augment_mixup,
                                                             [AUGMENT_BORDER] = &augment_border,
                                                             NULL};

/* ---- [network] ---- */
TEXT_KEY(network_layers, "layers", NULL, REQUIRED, "names of the layers in order, with commas between them; a name without a section is a type with its defaults");
TEXT_KEY(network_weights, "weights", "", 0, "pretrained weights that training begins with: a safetensors file with torchvision's or timm's names; empty: none");
TEXT_KEY(network_classes, "classes", "", 0, "names of the classes that the weights were trained for, in order: a text file, one a line; empty: as the weights say");
static const struct assay_option *const network_options[] = {
    [NETWORK_LAYERS] = &network_layers, [NETWORK_WEIGHTS] = &network_weights, [NETWORK_CLASSES] = &network_classes, NULL};

/* ---- [train] ---- */
INT_KEY(train_epochs, "epochs", "30", 1, 1000000, 0, "at most so many passes over the training part");
INT_KEY(train_batch, "batch", "16", 1, 65536, SEARCHABLE, "images a step");
INT_KEY(train_patience, "patience", "5", 0, 1000000, 0, "epochs without a better validation loss after which training stops; 0: never");
INT_KEY(train_seed, "seed", "1", 0, MOST_EXACT, 0, "seed of first weights, order and dropout");
CHOICE_KEY(train_schedule, "schedule", "constant", schedules, SEARCHABLE, "how the learning rate changes over the epochs, step by step");
REAL_KEY(train_warmup_epochs, "warmup_epochs", "0", 0, 1000000, SEARCHABLE, "epochs, before the schedule begins, in which the learning rate rises evenly to its value");
REAL_KEY(train_warmup_start, "warmup_start", "0.01", 0, 1, SEARCHABLE, "share of the learning rate that warmup_epochs begin with");
INT_KEY(train_step_epochs, "step_epochs", "10", 1, 1000000, SEARCHABLE, "epochs after which the learning rate is multiplied by step_factor");
REAL_KEY(train_step_factor, "step_factor", "0.1", 1e-9, 1, SEARCHABLE, "what the learning rate is multiplied by every step_epochs");
REAL_KEY(train_cosine_end, "cosine_end", "0", 0, 1, SEARCHABLE, "share of the learning rate that is left after half a cosine over all epochs");
REAL_KEY(train_linear_end, "linear_end", "0", 0, 1, SEARCHABLE, "share of the learning rate that is left after a straight line over all epochs");
INT_KEY(train_cycle_epochs, "cycle_epochs", "1", 1, 1000000, SEARCHABLE, "epochs from the start to the first warm restart; each cycle is half a cosine");
REAL_KEY(train_cycle_factor, "cycle_factor", "2", 1, 100, SEARCHABLE, "how many times as long as the one before each cycle is: 1, 2, 4, 8, 16 epochs for 2");
REAL_KEY(train_cycle_end, "cycle_end", "0", 0, 1, SEARCHABLE, "share of the learning rate at the end of a cycle");
REAL_KEY(train_one_cycle_rise, "one_cycle_rise", "0.3", 0, 1, SEARCHABLE, "share of all steps in which the learning rate rises to its value before it falls");
REAL_KEY(train_one_cycle_start, "one_cycle_start", "0.04", 0, 1, SEARCHABLE, "share of the learning rate that the cycle begins with");
REAL_KEY(train_one_cycle_end, "one_cycle_end", "0.000004", 0, 1, SEARCHABLE, "share of the learning rate that the cycle ends with");
REAL_KEY(train_one_cycle_momentum, "one_cycle_momentum", "0.85", 0, 0.9999, SEARCHABLE,
         "momentum (or beta1) where the learning rate is highest, if that is less than the optimizer's own");
TEXT_KEY(train_freeze, "freeze", "none", SEARCHABLE, "a layer, or what names of parameters begin with, as features.layer3: all that comes up to its end is not trained");
INT_KEY(train_unfreeze_after, "unfreeze_after", "0", 0, 1000000, SEARCHABLE, "epochs after which what is frozen is trained too, with a fresh optimizer; 0: never");
CHOICE_KEY(train_keep_statistics, "keep_statistics", "frozen", keeps, SEARCHABLE, "batch-norm layers that go by their running statistics while training: those that are frozen, none, or all");
TEXT_KEY(train_rate_groups, "rate_groups", "", SEARCHABLE, "layers, or what names of parameters begin with, each of which starts a group with a learning rate of its own");
TEXT_KEY(train_rates, "rates", "1", SEARCHABLE, "factor of the learning rate for each group, as 0.1, 0.2, 1 or lr/10, lr/5, lr");
TEXT_KEY(train_dropouts, "dropouts", "", 0, "rate of each layer that drops, in order, each with a domain if it likes, or one for all; empty: as the layers say");
REAL_KEY(train_ema, "ema", "0", 0, 0.999999, SEARCHABLE, "share of the weights' running mean that is kept at each step; it is what is judged and saved; 0: no mean");
CHOICE_KEY(train_final, "final", "refit", finals, 0, "the final model: trained again on all training images, the best fold's, or the folds' average");
TEXT_KEY(train_class_weights, "class_weights", "none", SEARCHABLE, "weight of each class in the training loss: none, balanced, or one number a class");
REAL_KEY(train_oversample, "oversample", "0", 0, 1, SEARCHABLE,
         "in training, images of rare classes are repeated until a class has this share of the largest; 1: as many; 0: none are repeated");
TEXT_KEY(train_loss, "loss", "auto", 0, "the training loss; auto: binary_cross_entropy for one logit, cross_entropy otherwise");
TEXT_KEY(train_metrics, "metrics", "loss, accuracy, balanced_accuracy, precision, recall, specificity, f1, mcc, false_negative_rate, false_positive_rate, roc_auc, average_precision, "
         "calibration_error, true_positives, false_negatives, false_positives, true_negatives", 0,
         "what is reported, with commas between; the objective is always among them, and those of a positive class only count where one is named");
static const struct assay_option *const train_options[] = {
    [TRAIN_EPOCHS] = &train_epochs,           [TRAIN_BATCH] = &train_batch,
    [TRAIN_PATIENCE] = &train_patience,       [TRAIN_SEED] = &train_seed,
    [TRAIN_SCHEDULE] = &train_schedule,       [TRAIN_WARMUP_EPOCHS] = &train_warmup_epochs,
    [TRAIN_WARMUP_START] = &train_warmup_start, [TRAIN_STEP_EPOCHS] = &train_step_epochs,
    [TRAIN_STEP_FACTOR] = &train_step_factor, [TRAIN_COSINE_END] = &train_cosine_end,
    [TRAIN_LINEAR_END] = &train_linear_end,   [TRAIN_CYCLE_EPOCHS] = &train_cycle_epochs,
    [TRAIN_CYCLE_FACTOR] = &train_cycle_factor, [TRAIN_CYCLE_END] = &train_cycle_end,
    [TRAIN_ONE_CYCLE_RISE] = &train_one_cycle_rise, [TRAIN_ONE_CYCLE_START] = &train_one_cycle_start,
    [TRAIN_ONE_CYCLE_END] = &train_one_cycle_end, [TRAIN_ONE_CYCLE_MOMENTUM] = &train_one_cycle_momentum,
    [TRAIN_FREEZE] = &train_freeze,           [TRAIN_UNFREEZE_AFTER] = &train_unfreeze_after,
    [TRAIN_KEEP_STATISTICS] = &train_keep_statistics, [TRAIN_RATE_GROUPS] = &train_rate_groups,
    [TRAIN_RATES] = &train_rates, [TRAIN_DROPOUTS] = &train_dropouts,             [TRAIN_EMA] = &train_ema,
    [TRAIN_FINAL] = &train_final,
    [TRAIN_CLASS_WEIGHTS] = &train_class_weights, [TRAIN_OVERSAMPLE] = &train_oversample, [TRAIN_LOSS] = &train_loss,
    [TRAIN_METRICS] = &train_metrics,         NULL};

/* ---- [search] ---- */
INT_KEY(search_trials, "trials", "50", 1, 1000000, 0, "how many points of the space are tried, the defaults first");
INT_KEY(search_workers, "workers", "0", 0, 1024, 0, "trials at the same time, dealt out to the devices in turn; 0: one a device");
TEXT_KEY(search_time, "time", "none", 0, "no new trial after this time: a number with s, m, h or d, as 2h; none: no limit");
INT_KEY(search_seed, "seed", "1", 0, MOST_EXACT, 0, "seed of the search");
TEXT_KEY(search_objective, "objective", "loss", 0, "the metric on validation that the search makes as good as it can");
TEXT_KEY(search_pruner, "pruner", "none", 0, "what stops trials early that promise little");
static const struct assay_option *const search_options[] = {
    [SEARCH_TRIALS] = &search_trials, [SEARCH_WORKERS] = &search_workers,     [SEARCH_TIME] = &search_time,
    [SEARCH_SEED] = &search_seed,     [SEARCH_OBJECTIVE] = &search_objective, [SEARCH_PRUNER] = &search_pruner,
    NULL};

/* ---- [stages] ---- */
TEXT_KEY(stages_size, "size", "", 0, "progressive sizes: width x height of each stage, as 64x64, 128x128; each starts from the best weights of the one before; empty: [data] size");
KEY(stages_batch, .type = ASSAY_OPTION_INTS, .name = "batch", .default_text = "", .minimum = 1, .maximum = 65536,
    .help = "images a step in each stage, or one number for all; empty: [train] batch");
KEY(stages_epochs, .type = ASSAY_OPTION_INTS, .name = "epochs", .default_text = "", .minimum = 1, .maximum = 1000000,
    .help = "at most so many epochs in each stage, or one number for all; empty: [train] epochs");
static const struct assay_option *const stages_options[] = {
    [STAGES_SIZE] = &stages_size, [STAGES_BATCH] = &stages_batch, [STAGES_EPOCHS] = &stages_epochs, NULL};

/* ---- [judge] ---- */
TEXT_KEY(judge_threshold, "threshold", "auto", 0,
         "from which score on the positive class is decided for: a metric that shall be best, as f1 or cost; a bound, as recall >= 0.98, within which the fewest are wrong; a "
         "number; auto: the objective at its best. Found on out-of-fold predictions");
TEXT_KEY(judge_target, "target", "none", 0, "what the model must reach on the test, as f1 >= 0.95; missed: exit code 7");
CHOICE_KEY(judge_calibration, "calibration", "none", calibrations, 0,
           "temperature: the model's scores are scaled to fit how often they are right (Guo et al., 2017), as found on out-of-fold predictions");
static const struct assay_option *const judge_options[] = {
    [JUDGE_THRESHOLD] = &judge_threshold, [JUDGE_TARGET] = &judge_target, [JUDGE_CALIBRATION] = &judge_calibration, NULL};

/* ---- [backend] ---- */
TEXT_KEY(backend_devices, "devices", "auto", 0, "where it runs, with commas between: cpu, reference, opencl:0, a part of a device's name, all, or auto: the fastest on this network, measured once");
INT_KEY(backend_threads, "threads", "0", 0, 1024, 0, "threads of a backend that runs on the processor; 0: as many as there are cores");
REAL_KEY(backend_memory, "memory", "0", 0, 1e9, 0, 
         "MiB of a device that training may take, as 512; where more is needed images are sent batch by batch, then batches cut into pieces; 0: as much as there is");
REAL_KEY(backend_timeout, "timeout", "600", 0, 1e9, 0, "seconds after which a device that has not come back from a call counts as hung; 0: never");
static const struct assay_option *const backend_options[] = {
    [BACKEND_DEVICES] = &backend_devices, [BACKEND_THREADS] = &backend_threads, [BACKEND_MEMORY] = &backend_memory,
    [BACKEND_TIMEOUT] = &backend_timeout, NULL};

static const struct assay_option *const no_options[] = {NULL};

const char *const assay_section_names[] = {"data", "augment", "network", "optimizer", "train", "stages", "loss", "search", "pruner", "judge", "backend", NULL};

const struct assay_option *const *assay_section_options(const char *section) {
  static const struct assay_option *const *const tables[] = {data_options, augment_options, network_options, no_options, train_options, stages_options,
                                                             no_options,   search_options,  no_options, judge_options, backend_options};
  for (uint32_t i = 0; assay_section_names[i] != NULL; i++)
    if (strcmp(assay_section_names[i], section) == 0) return tables[i];
  return NULL;
}

const char *assay_section_condition(const char *section, const char *key, const char **choice) {
  static const struct {
    const char *section, *key, *on, *choice;
  } conditions[] = {{"data", "validation", "folds", "1"}, {"data", "resize", "fit", "crop"}, {"data", "mean", "normalise", "values"}, {"data", "deviation", "normalise", "values"},
                    {"train", "step_epochs", "schedule", "step"},
                    {"train", "step_factor", "schedule", "step"},
                    {"train", "cosine_end", "schedule", "cosine"},
                    {"train", "linear_end", "schedule", "linear"},
                    {"train", "cycle_epochs", "schedule", "restarts"},
                    {"train", "cycle_factor", "schedule", "restarts"},
                    {"train", "cycle_end", "schedule", "restarts"},
                    {"train", "one_cycle_rise", "schedule", "one_cycle"},
                    {"train", "one_cycle_start", "schedule", "one_cycle"},
                    {"train", "one_cycle_end", "schedule", "one_cycle"},
                    {"train", "one_cycle_momentum", "schedule", "one_cycle"}};
  for (uint32_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
    if (strcmp(conditions[i].section, section) != 0 || strcmp(conditions[i].key, key) != 0) continue;
    *choice = conditions[i].choice;
    return conditions[i].on;
  }
  return NULL;
}

/* ---- Grammars ---- */

#define REFUSE(...) assay_status_set(status, ASSAY_E_CONFIG, __VA_ARGS__)

int assay_parse_size(const char *text, uint32_t *width, uint32_t *height, struct assay_status *status) {
  *width = *height = 0;
  if (text[0] == '\0') return 0;
  char first[16];
  const char *cross = strchr(text, 'x');
  int64_t w, h;
  if (cross != NULL && (size_t)(cross - text) < sizeof first) {
    memcpy(first, text, (size_t)(cross - text));
    first[cross - text] = '\0';
    if (assay_parse_integer(first, &w) && assay_parse_integer(cross + 1, &h) && w >= 1 && h >= 1 && w <= 65535 && h <= 65535 && w * h <= 1 << 28) {
      *width = (uint32_t)w;
      *height = (uint32_t)h;
      return 0;
    }
  }
  return REFUSE("size cannot be \"%.60s\": write width x height in pixels, as 60x30 (at most 65535 a side and 2^28 in all), or leave it empty", text);
}

/* A number of pixels, or of per cent in millionths; false when it is neither, or mixed with the other kind. */
static bool parse_extent(char *text, int shares, uint32_t *number) {
  const size_t length = strlen(text);
  int64_t pixels;
  double share;
  if (length > 0 && (text[length - 1] == '%') != shares) return false;
  if (shares) {
    text[length - 1] = '\0';
    if (!assay_parse_real(text, &share) || !(share >= 0 && share <= 100)) return false;
    *number = (uint32_t)lround(share * (ASSAY_REGION_WHOLE / 100));
    return true;
  }
  if (!assay_parse_integer(text, &pixels) || pixels < 0 || pixels > 65535) return false;
  *number = (uint32_t)pixels;
  return true;
}

int assay_parse_region(const char *text, struct assay_region *region, struct assay_status *status) {
  static const char separators[] = "x++";
  char copy[64];
  struct assay_region parsed = {.shares = strchr(text, '%') != NULL};
  uint32_t *const numbers[4] = {&parsed.width, &parsed.height, &parsed.x, &parsed.y};
  *region = (struct assay_region){0};
  if (text[0] == '\0') return 0;
  bool right = strlen(text) < sizeof copy;
  char *at = strcpy(copy, right ? text : "");
  for (int i = 0; i < 4 && right; i++) {
    char *end = i < 3 ? strchr(at, separators[i]) : NULL;
    if (end != NULL) *end = '\0';
    right = (end != NULL) == (i < 3) && parse_extent(at, (int)parsed.shares, numbers[i]);
    at = end == NULL ? at : end + 1;
  }
  if (!right || parsed.width == 0 || parsed.height == 0)
    return REFUSE("region cannot be \"%.60s\": write width x height + left + top in pixels, as 800x600+100+50, or in per cent, as 50%%x50%%+25%%+0%%, or leave it empty", text);
  if (parsed.shares && (parsed.x + parsed.width > ASSAY_REGION_WHOLE || parsed.y + parsed.height > ASSAY_REGION_WHOLE))
    return REFUSE("region = %.60s reaches beyond 100%%: left and width, top and height add up to at most that", text);
  *region = parsed;
  return 0;
}

int assay_parse_time(const char *text, double *seconds, struct assay_status *status) {
  *seconds = 0;
  if (strcmp(text, "none") == 0) return 0;
  static const struct {
    char unit;
    double seconds;
  } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  const size_t length = strlen(text);
  char number[32];
  for (uint32_t i = 0; length > 1 && length < sizeof number && i < 4; i++) {
    if (text[length - 1] != units[i].unit) continue;
    memcpy(number, text, length - 1);
    number[length - 1] = '\0';
    double count;
    if (!assay_parse_real(number, &count) || count <= 0 || count * units[i].seconds > 1e9) break;
    *seconds = count * units[i].seconds;
    return 0;
  }
  return REFUSE("time cannot be \"%.60s\": write a number above 0 with its unit s, m, h or d, as 90s, 10m or 2h, or none", text);
}

int assay_parse_class_weights(const char *text, struct assay_arena *arena, uint32_t *mode, const double **list, uint32_t *count,
                              struct assay_status *status) {
  static const struct assay_option numbers = {.struct_size = sizeof numbers,
                                              .type = ASSAY_OPTION_REALS,
                                              .name = "class_weights",
                                              .default_text = "",
                                              .minimum = 0,
                                              .maximum = 1e9,
                                              .help = "weights"};
  *list = NULL;
  *count = 0;
  *mode = ASSAY_CLASS_WEIGHTS_NONE;
  if (strcmp(text, "none") == 0) return 0;
  *mode = ASSAY_CLASS_WEIGHTS_BALANCED;
  if (strcmp(text, "balanced") == 0) return 0;
  *mode = ASSAY_CLASS_WEIGHTS_LIST;
  struct assay_option_value value;
  if (assay_option_parse(&numbers, text, arena, &value, NULL) != 0 || value.count < 2)
    return REFUSE("class_weights cannot be \"%.60s\": write none, balanced, or one number of at least 0 for each class, with commas between them", text);
  double sum = 0;
  for (uint32_t i = 0; i < value.count; i++) sum += value.reals[i];
  if (sum <= 0) return REFUSE("class_weights are all 0, so nothing would be learnt; give at least one class a weight");
  *list = value.reals;
  *count = value.count;
  return 0;
}

/* "lr", "lr/10" or a number. */
static bool parse_rate(const char *text, double *rate) {
  *rate = 1;
  if (strncmp(text, "lr", 2) != 0) return assay_parse_real(text, rate) && *rate >= 0 && *rate <= 1e6;
  if (text[2] == '\0') return true;
  double divisor;
  if (text[2] != '/' || !assay_parse_real(text + 3, &divisor) || divisor < 1e-6) return false;
  *rate = 1 / divisor;
  return true;
}

int assay_parse_rates(const char *text, struct assay_arena *arena, const double **rates, uint32_t *count, struct assay_status *status) {
  const char *const *words;
  const int code = assay_parse_names(text, arena, &words, count, status);
  if (code != 0) return code;
  double *factors = ASSAY_NEW_ARRAY(arena, double, *count);
  if (factors == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < *count; i++)
    if (!parse_rate(words[i], &factors[i]))
      return REFUSE("rates cannot hold \"%.60s\": write a factor of at least 0 for each group, as 0.1, 0.2, 1, or lr/10, lr/5, lr", words[i]);
  *rates = factors;
  return 0;
}

int assay_parse_test(const char *text, double *share, bool *is_own, bool *is_folder, struct assay_status *status) {
  *share = 0;
  *is_own = strcmp(text, "own") == 0;
  *is_folder = false;
  if (*is_own || strcmp(text, "none") == 0) return 0;
  if (text[0] == '\0') return REFUSE("test is empty: write own, a share as 0.2, a labelled folder, or none");
  if (!assay_parse_real(text, share)) {
    *is_folder = true;
    return 0;
  }
  if (*share > 0 && *share <= 0.9) return 0;
  return REFUSE("test cannot be %s: a share lies above 0 and is at most 0.9; write none to hold nothing out", text);
}

int assay_parse_names(const char *text, struct assay_arena *arena, const char *const **names, uint32_t *count, struct assay_status *status) {
  uint32_t most = 1;
  for (const char *c = text; *c != '\0'; c++) most += *c == ',';
  char *copy = assay_arena_copy(arena, text);
  const char **elements = ASSAY_NEW_ARRAY(arena, const char *, most + 1);
  if (copy == NULL || elements == NULL) return assay_status_memory(status);
  *count = 0;
  for (char *rest = copy, *element; (element = strsep(&rest, ",")) != NULL; ++*count) {
    element += strspn(element, " \t");
    for (size_t length = strlen(element); length > 0 && strchr(" \t", element[length - 1]) != NULL; length--) element[length - 1] = '\0';
    if (*element == '\0') return REFUSE("%s; write names with single commas between them", text[0] == '\0' ? "the list is empty" : "a name in the list is empty");
    elements[*count] = element;
  }
  *names = elements;
  return 0;
}

static int check_rule(const char *key, const char *text, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  struct assay_judge_rule rule;
  int code = assay_parse_rule(text, arena, &rule, status);
  const bool target = strcmp(key, "target") == 0;
  if (code == 0 && target && rule.kind != ASSAY_RULE_AT_LEAST && rule.kind != ASSAY_RULE_AT_MOST && strcmp(text, "none") != 0)
    code = REFUSE("target cannot be \"%.60s\": write a metric with its bound, as f1 >= 0.95, or none", text);
  if (code == 0 && !target && strcmp(text, "none") == 0) code = REFUSE("threshold cannot be none: write auto, a number, a metric, or a bound as recall >= 0.98");
  if (code == 0 && !target && rule.kind == ASSAY_RULE_FIXED && !(rule.bound > 0 && rule.bound <= 1)) code = REFUSE("threshold cannot be %s: a score lies above 0 and is at most 1", text);
  assay_arena_release(arena);
  return code;
}

static int check_pattern(const char *text, struct assay_status *status) {
  regex_t expression;
  const int error = text[0] == '\0' ? 0 : regcomp(&expression, text, REG_EXTENDED);
  if (error == 0) {
    if (text[0] != '\0') regfree(&expression);
    return 0;
  }
  char reason[128];
  regerror(error, &expression, reason, sizeof reason);
  return REFUSE("group cannot be \"%.60s\": it is no POSIX extended regular expression (%s); write one such as ^(IMG_[0-9]+)", text, reason);
}

/* "a, b, c", a number a channel of RGB, or one for all; grey images take the mean of three. */
static int check_channels(const char *key, const char *text, struct assay_status *status) {
  uint32_t count = text[0] != '\0';
  for (const char *c = text; *c != '\0'; c++) count += *c == ',';
  return count == 1 || count == 3 ? 0 : REFUSE("%s has %u numbers; write one, or one for each of red, green, blue, with commas between", key, count);
}

int assay_section_check(const char *section, const char *key, const char *text, struct assay_status *status) {
  uint32_t width, height, mode, count;
  double number;
  bool is_own, is_folder;
  if (strcmp(section, "data") == 0 && strcmp(key, "path") == 0 && text[0] == '\0') return REFUSE("path is empty: name the folder of images");
  if (strcmp(section, "data") == 0 && (strcmp(key, "mean") == 0 || strcmp(key, "deviation") == 0)) return check_channels(key, text, status);
  if (strcmp(section, "data") == 0 && strcmp(key, "size") == 0) return assay_parse_size(text, &width, &height, status);
  if (strcmp(section, "data") == 0 && strcmp(key, "patches") == 0 && (assay_parse_size(text, &width, &height, NULL) != 0 || width * height < 1 || width * height > 1024))
    return REFUSE("patches cannot be \"%.60s\": write columns x rows, as 4x4 (at most 1,024 in all), or 1x1 for none", text);
  struct assay_region region;
  if (strcmp(section, "data") == 0 && strcmp(key, "region") == 0) return assay_parse_region(text, &region, status);
  if (strcmp(section, "data") == 0 && strcmp(key, "group") == 0) return check_pattern(text, status);
  if (strcmp(section, "data") == 0 && strcmp(key, "test") == 0) return assay_parse_test(text, &number, &is_own, &is_folder, status);
  if (strcmp(section, "search") == 0 && strcmp(key, "time") == 0) return assay_parse_time(text, &number, status);
  if (strcmp(section, "judge") == 0 && strcmp(key, "calibration") != 0) return check_rule(key, text, status);
  const bool sizes = strcmp(section, "stages") == 0 && strcmp(key, "size") == 0 && text[0] != '\0';
  if (strcmp(section, "train") != 0 && !sizes) return 0;
  struct assay_arena *arena = assay_arena_create();
  if (arena == NULL) return assay_status_memory(status);
  const double *list;
  const char *const *names;
  int code = 0;
  if (strcmp(key, "class_weights") == 0) code = assay_parse_class_weights(text, arena, &mode, &list, &count, status);
  if (sizes) code = assay_parse_names(text, arena, &names, &count, status);
  for (uint32_t i = 0; sizes && code == 0 && i < count; i++) code = assay_parse_size(names[i], &width, &height, status);
  if (strcmp(key, "rates") == 0) code = assay_parse_rates(text, arena, &list, &count, status);
  if (strcmp(key, "rate_groups") == 0 && text[0] != '\0') code = assay_parse_names(text, arena, &names, &count, status);
  if (strcmp(key, "freeze") == 0 && text[0] == '\0') code = REFUSE("freeze is empty: name a layer or what parameters' names begin with, or write none");
  assay_arena_release(arena);
  return code;
}
