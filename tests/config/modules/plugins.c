/* SPDX-License-Identifier: MIT
 *
 * Plugins of every kind that do nothing, with options of every type: what the tests of core/config read INI files against.
 */
#include <assay/backend.h>
#include <assay/layer.h>
#include <assay/metric.h>
#include <assay/optimizer.h>
#include <assay/search.h>

#include <float.h>
#include <stdint.h>

#define OPTION(...) (&(const struct assay_option){.struct_size = sizeof(struct assay_option), __VA_ARGS__})
#define INT(key, text, low, high)                                                                                                                              \
  OPTION(.type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE, .name = key, .default_text = text, .minimum = low, .maximum = high, .help = "a count")
#define FIXED_INT(key, text, low, high)                                                                                                                        \
  OPTION(.type = ASSAY_OPTION_INT, .name = key, .default_text = text, .minimum = low, .maximum = high, .help = "a count that stays")
#define REAL(key, text, low, high)                                                                                                                             \
  OPTION(.type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_SEARCHABLE, .name = key, .default_text = text, .minimum = low, .maximum = high, .help = "a number")
#define RATE(key, text, low, high)                                                                                                                             \
  OPTION(.type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_SEARCHABLE | ASSAY_OPTION_RUNTIME, .name = key, .default_text = text, .minimum = low,                \
         .maximum = high, .help = "a number that may change")
#define BOOL(key, text) OPTION(.type = ASSAY_OPTION_BOOL, .flags = ASSAY_OPTION_SEARCHABLE, .name = key, .default_text = text, .help = "yes or no")
#define CHOICE(key, text, list)                                                                                                                                \
  OPTION(.type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .name = key, .default_text = text, .choices = list, .help = "a word")

static const char *const activations[] = {"relu", "tanh", "leaky_relu", NULL};
static const char *const averages[] = {"binary", "macro", NULL};

static const struct assay_option *const conv_blocks[] = {INT("blocks", "2", 1, 8),  INT("channels", "16", 1, 4096), INT("kernel", "3", 1, 15),
                                                         INT("pool", "2", 1, 8),    CHOICE("activation", "relu", activations), NULL};
static const struct assay_option *const dense[] = {
    OPTION(.type = ASSAY_OPTION_INT, .flags = ASSAY_OPTION_SEARCHABLE | ASSAY_OPTION_REQUIRED, .name = "units", .minimum = 1, .maximum = 65536, .help = "outputs"),
    BOOL("bias", "yes"), NULL};
static const struct assay_option *const dropout[] = {
    OPTION(.type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_SEARCHABLE, .name = "rate", .default_text = "0.5", .minimum = 0, .maximum = 0.99, .help = "rate"), NULL};
static const struct assay_option *const every[] = {
    OPTION(.type = ASSAY_OPTION_INTS, .flags = ASSAY_OPTION_SEARCHABLE, .name = "sizes", .default_text = "8, 16", .minimum = 1, .maximum = 64, .help = "sizes"),
    OPTION(.type = ASSAY_OPTION_REALS, .name = "scales", .default_text = "0.5", .minimum = 0, .maximum = 1, .help = "scales"),
    OPTION(.type = ASSAY_OPTION_TEXT, .flags = ASSAY_OPTION_SEARCHABLE, .name = "note", .default_text = "", .help = "any text"),
    REAL("share", "0.25", 0, 1), FIXED_INT("fixed", "1", 0, 10), NULL};
static const struct assay_option *const smoothing[] = {RATE("label_smoothing", "0", 0, 1), NULL};
static const struct assay_option *const sgd[] = {RATE("learning_rate", "0.01", 0, 10), RATE("momentum", "0", 0, 1), BOOL("nesterov", "no"), NULL};
static const struct assay_option *const rmsprop[] = {RATE("learning_rate", "0.001", 0, 10), RATE("decay", "0.9", 0, 1), NULL};
static const struct assay_option *const adam[] = {RATE("learning_rate", "0.001", 0, 1), RATE("beta1", "0.9", 0, 1), RATE("beta2", "0.999", 0, 1), NULL};
static const struct assay_option *const tpe[] = {FIXED_INT("startup", "10", 1, 1000), INT("candidates", "24", 1, 1000), NULL};
static const struct assay_option *const grid[] = {FIXED_INT("levels", "5", 2, 1000), NULL};
static const struct assay_option *const median[] = {FIXED_INT("startup", "5", 1, 1000), NULL};
static const struct assay_option *const average[] = {CHOICE("average", "binary", averages), NULL};
static const struct assay_option *const threads[] = {FIXED_INT("threads", "0", 0, 64), BOOL("fast", "yes"), NULL};
static const struct assay_option *const precision[] = {BOOL("fast", "no"), NULL};

static assay_value build(struct assay_builder *b, const struct assay_option_value *const *o, const assay_value *i, uint32_t n) {
  return (void)b, (void)o, (void)n, i[0];
}
static assay_value update(struct assay_builder *b, const struct assay_option_value *const *o, assay_value p, assay_value g, uint32_t r) {
  return (void)b, (void)o, (void)g, (void)r, p;
}
static int ask(const struct assay_option_value *const *o, const struct assay_space *s, const struct assay_history *h, uint32_t n, const double *f,
               struct assay_random *r, double *p, struct assay_status *status) {
  return (void)o, (void)s, (void)h, (void)n, (void)f, (void)r, (void)p, (void)status, ASSAY_E_FINDINGS;
}
static int prune(const struct assay_option_value *const *o, const struct assay_history *h, const struct assay_trial *t) { return (void)o, (void)h, (void)t, 0; }
static double compute(const struct assay_option_value *const *o, const struct assay_predictions *p) { return (void)o, (void)p, 0; }

/* No backend function is ever called; each only has to be there. */
static int unused(void) { return ASSAY_E_FAILED; }
#define SLOT(function) .function = (void *)unused

static const struct assay_layer one_input = {sizeof one_input, 0, 1, 1, build, 0};
static const struct assay_layer slowed = {sizeof slowed, 0, 1, 1, build, 0.1};
static const struct assay_layer many_inputs = {sizeof many_inputs, 0, 2, UINT32_MAX, build, 0};
static const struct assay_layer loss_layer = {sizeof loss_layer, ASSAY_LAYER_LOSS, 2, 2, build, 0};
static const struct assay_optimizer optimizer = {sizeof optimizer, 0, update, NULL};
static const struct assay_optimizer adaptive = {sizeof adaptive, ASSAY_OPTIMIZER_ADAPTIVE, update, NULL};
static const struct assay_search search = {sizeof search, 0, ask, NULL};
static const struct assay_pruner pruner = {sizeof pruner, 0, prune};
static const struct assay_metric plain_metric = {sizeof plain_metric, 0, compute, NULL};
static const struct assay_metric better_larger = {sizeof better_larger, ASSAY_METRIC_MAXIMISE, compute, NULL};
static const struct assay_metric binary_metric = {sizeof binary_metric, ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY, compute, NULL};
#pragma GCC diagnostic ignored "-Wpedantic"
static const struct assay_backend backend = {
    .struct_size = sizeof backend, SLOT(list),          SLOT(open),         SLOT(close),       SLOT(supports),      SLOT(compile),      SLOT(memory),
    SLOT(release),                 SLOT(buffer_create), SLOT(buffer_write), SLOT(buffer_read), SLOT(buffer_release), SLOT(store_create), SLOT(store_write),
    SLOT(store_read),              SLOT(store_copy),    SLOT(store_release), SLOT(run),        SLOT(sync)};

#define PLUGIN(what, major, minor, word, table, vt)                                                                                                            \
  { ASSAY_PLUGIN_MAGIC, sizeof(struct assay_plugin), what, major, minor, word, "does nothing", "1", table, &vt, sizeof vt, 0 }
#define LAYER(word, table, vt) PLUGIN(ASSAY_LAYER, ASSAY_LAYER_ABI_MAJOR, ASSAY_LAYER_ABI_MINOR, word, table, vt)
#define OPTIMIZER(word, table, vt) PLUGIN(ASSAY_OPTIMIZER, ASSAY_OPTIMIZER_ABI_MAJOR, ASSAY_OPTIMIZER_ABI_MINOR, word, table, vt)
#define SEARCH(word, table) PLUGIN(ASSAY_SEARCH, ASSAY_SEARCH_ABI_MAJOR, ASSAY_SEARCH_ABI_MINOR, word, table, search)
#define PRUNER(word, table) PLUGIN(ASSAY_PRUNER, ASSAY_PRUNER_ABI_MAJOR, ASSAY_PRUNER_ABI_MINOR, word, table, pruner)
#define METRIC(word, table, vt) PLUGIN(ASSAY_METRIC, ASSAY_METRIC_ABI_MAJOR, ASSAY_METRIC_ABI_MINOR, word, table, vt)
#define BACKEND(word, table) PLUGIN(ASSAY_BACKEND, ASSAY_BACKEND_ABI_MAJOR, ASSAY_BACKEND_ABI_MINOR, word, table, backend)

static const struct assay_plugin plugins[] = {
    LAYER("conv_blocks", conv_blocks, one_input),
    LAYER("dense", dense, one_input),
    LAYER("dropout", dropout, one_input),
    LAYER("every", every, one_input),
    LAYER("classifier", NULL, one_input),
    LAYER("relu", NULL, one_input),
    LAYER("broad", NULL, slowed),
    LAYER("add", NULL, many_inputs),
    LAYER("cross_entropy", smoothing, loss_layer),
    LAYER("binary_cross_entropy", smoothing, loss_layer),
    OPTIMIZER("sgd", sgd, optimizer),
    OPTIMIZER("rmsprop", rmsprop, adaptive),
    OPTIMIZER("adam", adam, adaptive),
    SEARCH("random", NULL),
    SEARCH("grid", grid),
    SEARCH("tpe", tpe),
    PRUNER("none", NULL),
    PRUNER("median", median),
    METRIC("loss", NULL, plain_metric),
    METRIC("accuracy", NULL, better_larger),
    METRIC("balanced_accuracy", NULL, better_larger),
    METRIC("mcc", NULL, better_larger),
    METRIC("precision", NULL, better_larger),
    METRIC("recall", NULL, better_larger),
    METRIC("false_negative_rate", NULL, binary_metric),
    METRIC("roc_auc", NULL, better_larger),
    METRIC("average_precision", NULL, better_larger),
    METRIC("calibration_error", NULL, plain_metric),
    METRIC("specificity", NULL, binary_metric),
    METRIC("false_positive_rate", NULL, binary_metric),
    METRIC("true_positives", NULL, binary_metric),
    METRIC("false_negatives", NULL, binary_metric),
    METRIC("false_positives", NULL, binary_metric),
    METRIC("true_negatives", NULL, binary_metric),
    METRIC("f1", average, better_larger),
    BACKEND("cpu", threads),
    BACKEND("reference", NULL),
    BACKEND("opencl", precision),
};

const struct assay_plugin *assay_plugin_query(unsigned index) { return index < sizeof plugins / sizeof plugins[0] ? &plugins[index] : NULL; }
