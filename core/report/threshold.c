/* SPDX-License-Identifier: MIT
 *
 * Choosing a threshold by a rule.
 */
#include "report/threshold.h"

#include "base/status.h"

#include <math.h>
#include <stdlib.h>

enum { CANDIDATES_A_CLASS = 500 };

static int ascending(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

struct search {
  const struct assay_prediction_set *set;
  const struct assay_judge_settings *judge;
  int32_t sought; /* the class that is decided for */
  double *edges;  /* ascending, from 0 to 1: thresholds between neighbours decide alike */
  uint32_t edge_count;
  int32_t *guesses;
};

/* How good a threshold is: first by keeping the bound (0, or minus how far it is missed), then by the metric. Larger is better. */
struct merit {
  double bound, metric;
  double value; /* of the rule's metric, in its own direction */
};

static double compute(const struct search *search, const struct assay_predictions *view) {
  const struct assay_component *metric = &search->judge->threshold_metric;
  return ((const struct assay_metric *)metric->plugin->vtable)->compute(metric->values, view);
}

static struct merit merit_at(const struct search *search, double threshold) {
  const struct assay_prediction_set *set = search->set;
  uint32_t right = 0;
  for (uint32_t row = 0; row < set->count; row++) {
    search->guesses[row] = set->scores[(size_t)row * 2 + (size_t)search->sought] >= threshold ? search->sought : 1 - search->sought;
    right += search->guesses[row] == set->labels[row];
  }
  struct assay_predictions view = assay_predictions_view(set);
  view.guesses = search->guesses;
  const struct assay_judge_rule *rule = &search->judge->threshold;
  const double value = compute(search, &view);
  if (rule->kind != ASSAY_RULE_AT_LEAST && rule->kind != ASSAY_RULE_AT_MOST)
    return (struct merit){0, assay_metric_maximises(&search->judge->threshold_metric) ? value : -value, value};
  const double missed = rule->kind == ASSAY_RULE_AT_LEAST ? rule->bound - value : value - rule->bound;
  return (struct merit){missed <= 0 ? 0 : isnan(missed) ? -INFINITY : -missed, right, value};
}

static bool is_better(const struct merit *a, const struct merit *b) { return a->bound > b->bound || (a->bound == b->bound && a->metric > b->metric); }
static bool is_equal(const struct merit *a, const struct merit *b) { return a->bound == b->bound && a->metric == b->metric; }

/* All thresholds in (edges[i], edges[i + 1]] decide alike. Among neighbouring stretches that are equally good, the widest. */
static void walk(const struct search *search, struct assay_threshold_choice *choice) {
  struct merit best = {-INFINITY, -INFINITY, NAN}, last = {NAN, NAN, NAN};
  double start = 0, best_start = 0, best_end = 1;
  for (uint32_t i = 0; i + 1 < search->edge_count; i++) {
    const struct merit merit = merit_at(search, search->edges[i + 1]);
    if (!is_equal(&merit, &last)) start = search->edges[i];
    last = merit;
    if (!(is_better(&merit, &best) || (is_equal(&merit, &best) && search->edges[i + 1] - start > best_end - best_start))) continue;
    best = merit;
    best_start = start;
    best_end = search->edges[i + 1];
  }
  /* Where not every score is an edge, the middle may decide otherwise than the end. */
  const double middle = best_start + (best_end - best_start) / 2;
  const struct merit there = merit_at(search, middle);
  choice->threshold = is_better(&best, &there) ? best_end : middle;
  choice->value = is_better(&best, &there) ? best.value : there.value;
  choice->met = best.bound == 0;
}

/* 0, scores of either class, 1. */
static void collect_edges(struct search *search, double *scores) {
  const struct assay_prediction_set *set = search->set;
  uint32_t count = 0;
  for (int32_t class = 0; class < 2; class++) {
    uint32_t members = 0;
    for (uint32_t row = 0; row < set->count; row++)
      if (set->labels[row] == class) scores[members++] = set->scores[(size_t)row * 2 + (size_t)search->sought];
    qsort(scores, members, sizeof *scores, ascending);
    const uint32_t stride = (members + CANDIDATES_A_CLASS - 1) / CANDIDATES_A_CLASS;
    for (uint32_t i = 0; i < members; i += stride) search->edges[count++] = scores[i];
  }
  search->edges[count++] = 0;
  search->edges[count++] = 1;
  qsort(search->edges, count, sizeof *search->edges, ascending);
  for (uint32_t i = 0; i < count; i++)
    if (i == 0 || search->edges[i] > search->edges[search->edge_count - 1]) search->edges[search->edge_count++] = search->edges[i];
}

int assay_threshold_choose(const struct assay_prediction_set *set, const struct assay_judge_settings *judge, struct assay_threshold_choice *choice,
                           struct assay_status *status) {
  *choice = (struct assay_threshold_choice){.threshold = 0.5, .value = NAN, .met = true};
  if (judge->threshold.kind == ASSAY_RULE_FIXED) choice->threshold = judge->threshold.bound;
  uint32_t second = 0;
  for (uint32_t row = 0; row < set->count; row++) second += set->labels[row] == 1;
  if (judge->threshold_metric.plugin == NULL || set->class_count != 2 || second == 0 || second == set->count) return 0;
  struct search search = {.set = set,
                          .judge = judge,
                          .sought = set->positive >= 0 ? set->positive : 1,
                          .edges = malloc((2 * CANDIDATES_A_CLASS + 2) * sizeof *search.edges),
                          .guesses = malloc(set->count * sizeof *search.guesses)};
  double *scores = malloc(set->count * sizeof *scores);
  const bool ready = search.edges != NULL && search.guesses != NULL && scores != NULL;
  if (ready) {
    collect_edges(&search, scores);
    walk(&search, choice);
  }
  free(search.edges);
  free(search.guesses);
  free(scores);
  return ready ? 0 : assay_status_memory(status);
}
