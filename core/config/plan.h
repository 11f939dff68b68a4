/* SPDX-License-Identifier: MIT
 *
 * The plan: every value of an INI file with its default, its domain and where it came from. From a plan and a point of its space come the
 * settings of one trial.
 */
#ifndef ASSAY_CONFIG_PLAN_H
#define ASSAY_CONFIG_PLAN_H

#include "plugin/registry.h"
#include <assay/search.h>

struct assay_plan;
struct assay_text;
struct assay_arena;

/* ---- Settings: the typed values of one trial. Plain data for the rest of the core. ---- */

/* A plugin with its options. */
struct assay_component {
  const char *name;  /* the layer's name; else the section's */
  const char *where; /* "file:line, [section]", for messages */
  const struct assay_plugin *plugin;
  const struct assay_option_value *const *values; /* parallel to the plugin's options */
};

struct assay_layer_setting {
  struct assay_component component;
  uint32_t input_count;
  const int32_t *inputs; /* numbers of earlier layers; -1: the images */
};

enum assay_fit { ASSAY_FIT_STRETCH = 0, ASSAY_FIT_CROP = 1, ASSAY_FIT_LETTERBOX = 2 };
enum assay_filter { ASSAY_FILTER_AREA = 0, ASSAY_FILTER_BILINEAR = 1, ASSAY_FILTER_LINEAR = 2 };
/* A part of upright pictures. */
enum { ASSAY_REGION_WHOLE = 1000000 };
struct assay_region {
  uint32_t x, y, width, height; /* in pixels; width 0: the whole picture */
  uint32_t shares;              /* 1: not in pixels, but in millionths (ASSAY_REGION_WHOLE) of the picture's sides */
};
/* How a picture is brought to a size. */
struct assay_fitting {
  uint32_t fit;    /* enum assay_fit */
  uint32_t resize; /* CROP: the short side becomes so many pixels, then the middle is cut out; 0: the largest window is */
  uint32_t filter; /* enum assay_filter */
  struct assay_region region; /* what of the picture is looked at */
};
enum assay_colour { ASSAY_COLOUR_RGB = 0, ASSAY_COLOUR_GREY = 1 };
enum assay_near_duplicates { ASSAY_NEAR_TOGETHER = 0 /* found, and kept in one part and fold */, ASSAY_NEAR_IGNORE = 1 };
enum assay_normalise {
  ASSAY_NORMALISE_STANDARD = 0,  /* mean 0, deviation 1 a channel, of the training part */
  ASSAY_NORMALISE_UNIT = 1,      /* 0 … 1 */
  ASSAY_NORMALISE_SYMMETRIC = 2, /* -1 … 1 */
  ASSAY_NORMALISE_IMAGENET = 3,  /* by ImageNet's mean and deviation, as torchvision's weights expect */
  ASSAY_NORMALISE_VALUES = 4     /* by `mean` and `deviation` */
};

enum assay_patch_score { ASSAY_PATCH_MAX = 0, ASSAY_PATCH_MEAN = 1 };

enum { ASSAY_MOST_FOLDS = 1000, ASSAY_MOST_REPEATS = 1000 };

struct assay_data_settings {
  const char *path;       /* absolute */
  uint32_t width, height; /* pixels that the network sees; 0: those of the images, which must then be all equal */
  struct assay_fitting fitting;
  uint32_t patch_columns, patch_rows, patch_score; /* a picture is cut into so many patches, whose logits give the picture's; 0 and 1: it is not cut */
  uint32_t min_defect;    /* the smallest defect's extent in pixels of the image, for a warning; 0: not known */
  uint32_t colour, normalise;
  uint32_t mean_count, deviation_count; /* VALUES: 1 or 3 */
  const double *mean, *deviation;       /* in units of 0 … 255 */
  uint32_t folds;         /* 1: a single hold-out of `validation` */
  uint32_t repeats;       /* how often folds are drawn and trained, each time with a seed of its own; 0 and 1: once */
  double validation;      /* share held out for validation when folds is 1 */
  double test;            /* share held out for the test; 0: none */
  bool test_own;          /* the data must have a test part of its own: a test/ folder or an IDX test pair */
  const char *test_path;  /* a labelled folder used as the test; NULL */
  const char *positive;   /* NULL: none named */
  uint32_t near_duplicates;
  const char *group;      /* POSIX extended regular expression: images whose names match alike (in the first parentheses) stay together; NULL: none */
  uint64_t seed;          /* of the split */
  uint32_t threads;       /* for loading; 0: as many as processors */
  uint64_t limit;         /* at most so many images outside of the test, stratified; 0: all */
};

enum assay_schedule {
  ASSAY_SCHEDULE_CONSTANT = 0,
  ASSAY_SCHEDULE_STEP = 1,
  ASSAY_SCHEDULE_COSINE = 2,
  ASSAY_SCHEDULE_LINEAR = 3,
  ASSAY_SCHEDULE_RESTARTS = 4,
  ASSAY_SCHEDULE_ONE_CYCLE = 5
};
/* Batch-norm layers that go by their running statistics while training, and leave them as they are. */
enum assay_keep_statistics { ASSAY_KEEP_FROZEN = 0 /* those that are frozen */, ASSAY_KEEP_NONE = 1, ASSAY_KEEP_ALL = 2 };
enum assay_final { ASSAY_FINAL_REFIT = 0, ASSAY_FINAL_BEST_FOLD = 1, ASSAY_FINAL_ENSEMBLE = 2 };
enum assay_class_weights { ASSAY_CLASS_WEIGHTS_NONE = 0, ASSAY_CLASS_WEIGHTS_BALANCED = 1, ASSAY_CLASS_WEIGHTS_LIST = 2 };

/* One stage of a training at progressive sizes. */
struct assay_stage_settings {
  uint32_t width, height, batch, epochs;
};

struct assay_train_settings {
  uint32_t epochs, batch;
  uint32_t stage_count;   /* of [stages]; 0: none. `epochs` is then the sum of theirs */
  const struct assay_stage_settings *stages;
  uint32_t patience;      /* epochs without a better validation value; 0: never stop early */
  uint64_t seed;
  double oversample;      /* share of the largest class up to which the samples of others are repeated in training; 0: none are */
  uint32_t schedule, final, class_weights;
  double warmup_epochs, warmup_start; /* before any schedule: epochs, and the factor that they begin with */
  uint32_t step_epochs;   /* STEP: every so many epochs the rate is multiplied by … */
  double step_factor;     /* … this */
  double cosine_end, linear_end;      /* the factor that is reached in the end */
  uint32_t cycle_epochs;  /* RESTARTS: length of the first cycle; each further one is longer by … */
  double cycle_factor, cycle_end;     /* … this; the factor at a cycle's end */
  double one_cycle_rise, one_cycle_start, one_cycle_end; /* ONE_CYCLE: share of the steps that rise; the factors at both ends */
  double one_cycle_momentum;          /* ONE_CYCLE: momentum (or beta1) at the top */
  const char *freeze;     /* a layer, or what parameters' names begin with: everything up to its end is not trained; NULL: nothing */
  uint32_t unfreeze_after; /* epochs after which that is trained, too; 0: never */
  uint32_t keep_statistics;
  uint32_t rate_count;    /* groups of parameters with learning rates of their own; 0 or 1: one */
  const char *const *rate_groups; /* [rate_count - 1]: what each group but the first begins with */
  const double *rates;    /* [rate_count]: factors of the learning rate */
  double ema;             /* share of the running mean of weights that is kept at each step; 0: none is made */
  const double *class_weight_list; /* LIST: one a class */
  uint32_t class_weight_count;
  struct assay_component loss; /* plugin NULL: binary_cross_entropy for one logit, cross_entropy otherwise */
};

/* Random changes of training images; train/augment.h says how they are made. In the order of the section's keys. */
enum assay_augment_kind {
  ASSAY_AUGMENT_FLIP_HORIZONTAL, /* this and the next two: probability */
  ASSAY_AUGMENT_FLIP_VERTICAL,
  ASSAY_AUGMENT_QUARTER_TURNS,
  ASSAY_AUGMENT_ROTATION, /* this and all that follow: the most that an image draws */
  ASSAY_AUGMENT_ZOOM,
  ASSAY_AUGMENT_SHIFT,
  ASSAY_AUGMENT_SHEAR,
  ASSAY_AUGMENT_PERSPECTIVE,
  ASSAY_AUGMENT_CROP, /* so far geometry */
  ASSAY_AUGMENT_BLUR,
  ASSAY_AUGMENT_BRIGHTNESS, /* from here colours */
  ASSAY_AUGMENT_CONTRAST,
  ASSAY_AUGMENT_SATURATION,
  ASSAY_AUGMENT_HUE, /* to here */
  ASSAY_AUGMENT_NOISE,
  ASSAY_AUGMENT_CUTOUT,
  ASSAY_AUGMENT_MIXUP, /* not an amount: the parameter of its distribution */
  ASSAY_AUGMENT_COUNT
};
struct assay_augment_settings {
  double strength[ASSAY_AUGMENT_COUNT];
  double most[ASSAY_AUGMENT_COUNT]; /* the largest strength of any point of the space; 0: never used, and no part of the program */
  uint32_t border;                  /* enum assay_border, of assay/graph.h */
};

struct assay_search_settings {
  struct assay_component search, pruner, objective; /* plugins of kind SEARCH, PRUNER, METRIC */
  uint32_t trials, workers; /* workers: 0 when left open: one a device */
  double time;            /* seconds; 0: no limit */
  uint64_t seed;
};

/* What a rule of [judge] says of one metric. */
enum assay_rule_kind {
  ASSAY_RULE_NONE = 0,
  ASSAY_RULE_FIXED = 1,    /* just `bound` */
  ASSAY_RULE_BEST = 2,     /* the metric at its best */
  ASSAY_RULE_AT_LEAST = 3, /* the metric reaches `bound` */
  ASSAY_RULE_AT_MOST = 4
};
struct assay_judge_rule {
  uint32_t kind;
  const char *metric; /* its name; NULL with NONE and FIXED */
  double bound;
};

enum assay_calibration { ASSAY_CALIBRATION_NONE = 0, ASSAY_CALIBRATION_TEMPERATURE = 1 };

struct assay_judge_settings {
  struct assay_judge_rule threshold, target;                    /* threshold's NONE: the objective at its best */
  struct assay_component threshold_metric, target_metric; /* plugin NULL: the rule names none (a threshold of NONE has the objective) */
  const char *threshold_text, *target_text;                     /* as written */
  uint32_t calibration;
};

struct assay_settings {
  struct assay_data_settings data;
  struct assay_augment_settings augment;
  uint32_t layer_count;
  const struct assay_layer_setting *layers; /* in order; the last one's output is the logits */
  const char *weights;                      /* pretrained, absolute; NULL: none */
  const char *weights_classes;              /* a file with the names of their classes; NULL */
  struct assay_component optimizer;
  struct assay_train_settings train;
  struct assay_search_settings search;
  struct assay_judge_settings judge;
  uint32_t device_count;
  const char *const *devices;           /* `[backend] devices`, word by word: "cpu", "opencl:0", a part of a name, "auto", "all" */
  uint32_t backend_count;
  const struct assay_component *backends; /* those that the words name ("cpu", "opencl:…"); every installed one when a word names none. Options: [backend.NAME] */
  double timeout;                         /* seconds that a device may take for a call; 0: any time */
  uint64_t memory;                        /* bytes of a device that training may take; 0: as many as there are */
  uint32_t metric_count;
  const struct assay_component *metrics; /* what is reported, the objective and those of [judge] among them */
};

/* ---- From file to plan ---- */

/* `overrides`: "section.key=value" each, as given with -s; paths in them start at the process' folder, in the file at the file's. Every error names file,
 * line, section and key. ASSAY_E_CONFIG or ASSAY_E_PLUGIN. */
int assay_plan_load(const char *file, const char *const *overrides, uint32_t override_count, struct assay_registry *registry, struct assay_plan **plan,
                    struct assay_status *status);
/* As if the text stood in a file of that name. `text` may hold any bytes. */
int assay_plan_parse(const char *name, const char *text, size_t size, const char *const *overrides, uint32_t override_count, struct assay_registry *registry,
                     struct assay_plan **plan, struct assay_status *status);
void assay_plan_release(struct assay_plan *plan);

/* The searchable axes; lives as long as the plan. */
const struct assay_space *assay_plan_space(const struct assay_plan *plan);
/* The text of value `number` of axis `dimension` as it would stand in the file ("relu", "3", "0.001"); from `arena`. */
const char *assay_plan_value_text(const struct assay_plan *plan, uint32_t dimension, double number, struct assay_arena *arena);

/* Settings at a point (NULL: the defaults; NaN: the default of that axis). Memory from `arena`. */
int assay_plan_settings(const struct assay_plan *plan, const double *point, struct assay_arena *arena, const struct assay_settings **settings,
                        struct assay_status *status);

/* The resolved file as INI text, at a point (NULL: with its domains). With `origins`, each line ends in a comment that says where the value came from. */
void assay_plan_print(const struct assay_plan *plan, const double *point, bool origins, struct assay_text *text);
/* The keys whose values differ between two plans and that a continued run may not change (all but trials, time, workers, devices, threads, [judge]), as
 * "section.key" with commas between them, from `arena`; NULL when there are none. What means the same (0.1 and 0.10) does not differ. */
const char *assay_plan_difference(const struct assay_plan *before, const struct assay_plan *now, struct assay_arena *arena);

#endif
