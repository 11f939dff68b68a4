/* SPDX-License-Identifier: MIT
 *
 * A metric of one's own, outside of Assay's tree: Youden's J = recall + specificity - 1 ("Index for rating diagnostic tests", 1950). Build with make, then:
 *
 *   assay search casting.ini --plugin-path $PWD -s search.objective=youden
 */
#include <assay/metric.h>
#include <math.h>

static double compute(const struct assay_option_value *const *options, const struct assay_predictions *predictions) {
  (void)options;
  double hits[2] = {0, 0}, counts[2] = {0, 0}; /* of the negatives, of the positives */
  for (uint32_t i = 0; i < predictions->count; i++) {
    const int truth = predictions->labels[i] == predictions->positive, guess = predictions->guesses[i] == predictions->positive;
    counts[truth]++;
    hits[truth] += truth == guess;
  }
  if (counts[0] == 0 || counts[1] == 0) return NAN; /* not defined without both */
  return hits[1] / counts[1] + hits[0] / counts[0] - 1;
}

static const struct assay_metric youden = {
    .struct_size = sizeof youden,
    .flags = ASSAY_METRIC_MAXIMISE | ASSAY_METRIC_BINARY,
    .compute = compute,
};

static const struct assay_plugin plugin = {
    .magic = ASSAY_PLUGIN_MAGIC,
    .struct_size = sizeof plugin,
    .kind = ASSAY_METRIC,
    .abi_major = ASSAY_METRIC_ABI_MAJOR,
    .abi_minor = ASSAY_METRIC_ABI_MINOR,
    .name = "youden",
    .summary = "Youden's J: recall plus specificity minus one",
    .version = "1.0",
    .vtable = &youden,
    .vtable_size = sizeof youden,
};

const struct assay_plugin *assay_plugin_query(unsigned index) { return index == 0 ? &plugin : NULL; }
