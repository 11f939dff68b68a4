/* SPDX-License-Identifier: MIT */
#include "train/bench.h"

#include "base/log.h"
#include "base/status.h"
#include "train/oversample.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EVALUATION_BATCH 64 /* at least so many samples at once, as long as there are so many */
#define HOST_SHARE 8        /* one part in so many of the computer's memory may hold what frozen layers make: several workers may run beside each other */

struct assay_cut assay_cut_whole(const struct assay_settings *settings, uint32_t first, uint32_t end) {
  const uint32_t batch = settings->train.batch;
  return (struct assay_cut){.first = first, .end = end, .piece = batch, .evaluation = batch > EVALUATION_BATCH ? batch : EVALUATION_BATCH};
}

static uint64_t most_on_host(void) { return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / HOST_SHARE; }

/* Where what frozen layers make of the samples goes. */
static void tell_kept(const struct assay_network *network) {
  const struct assay_network_kept *kept = &network->kept;
  const double mebibyte = 1 << 20;
  if (kept->width > 0 && !kept->resident)
    assay_log_message(ASSAY_LOG_INFO, "what frozen layers make of the images (%.4g MiB) is computed once and kept beside the device; batches of it are sent",
                      (double)kept->bytes / mebibyte);
  if (kept->width == 0 && kept->bytes > 0)
    assay_log_message(ASSAY_LOG_INFO,
                      "what frozen layers make of the images is computed in every step: keeping it would take %.4g MiB, and at most %.4g MiB of the computer's "
                      "memory are for that", (double)kept->bytes / mebibyte, (double)network->facts.most_sent / mebibyte);
}

/* Matches the pretrained weights, if there are any, and prepares for what is kept; says once what came of it. */
static int load(struct assay_material *material, const struct assay_settings *settings, struct assay_cut *cut, struct assay_bench *bench,
                struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  int code = 0;
  if (settings->weights != NULL)
    code = assay_pretrained_open(settings, bench->network->program, samples->classes, samples->class_count, &bench->pretrained, status);
  if (code != 0) return code;
  if (!cut->told && bench->pretrained != NULL) assay_pretrained_tell(bench->pretrained);
  if (!cut->told) tell_kept(bench->network);
  cut->told = true;
  cut->resident = cut->resident || bench->network->kept.resident;
  return assay_features_prepare(&material->features, material->session, samples, bench->network, status);
}

int assay_bench_set_up(struct assay_material *material, const struct assay_settings *settings, struct assay_cut *cut, struct assay_bench *bench, struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  const uint32_t count = cut->end - cut->first;
  uint32_t *counts = calloc(count, sizeof *counts);
  if (counts == NULL) return assay_status_memory(status);
  uint32_t evaluation = settings->train.freeze != NULL ? samples->count : 1; /* what frozen layers make of the samples is computed in such batches, too */
  for (uint32_t i = 0; i < count; i++) {
    const struct assay_fold_part *part = &material->parts[cut->first + i];
    counts[i] = assay_epoch_size(samples, part->training, part->training_count, settings->train.oversample);
    if (part->validation_count > evaluation) evaluation = part->validation_count;
  }
  const struct assay_network_facts facts = {.class_count = samples->class_count,
                                            .first_is_positive = samples->positive == 0,
                                            .height = samples->height,
                                            .width = samples->width,
                                            .channels = samples->channels,
                                            .resident = material->residency.count,
                                            .kept_rows = assay_features_count(samples),
                                            .most_resident = cut->sent ? 0 : ASSAY_MOST_RESIDENT,
                                            .most_sent = most_on_host(),
                                            .training_count_count = count,
                                            .training_counts = counts,
                                            .evaluation_batch = evaluation < cut->evaluation ? evaluation : cut->evaluation,
                                            .piece = cut->piece < settings->train.batch ? cut->piece : 0};
  *bench = (struct assay_bench){.network = NULL};
  int code = assay_network_create(settings, &facts, &bench->network, status);
  free(counts);
  if (code != 0) return code;
  cut->built = true;
  cut->coupled = bench->network->coupling != NULL;
  if (cut->coupled) snprintf(cut->coupling, sizeof cut->coupling, "%s", bench->network->coupling);
  code = load(material, settings, cut, bench, status);
  if (code == 0) code = assay_runner_create(material->session, samples, &material->residency, &material->features, bench->network, &bench->runner, status);
  bench->runner.pretrained = bench->pretrained;
  if (code != 0) {
    assay_pretrained_release(bench->pretrained);
    assay_network_release(bench->network);
  }
  return code;
}

void assay_bench_take_down(struct assay_bench *bench) {
  assay_runner_release(&bench->runner);
  assay_pretrained_release(bench->pretrained);
  assay_network_release(bench->network);
}

/* The largest half, quarter, … of the batch for which there is memory; 0: there is none. */
static uint32_t batch_that_fits(struct assay_material *material, const struct assay_settings *settings, const struct assay_cut *cut) {
  for (uint32_t batch = settings->train.batch / 2; batch > 0; batch /= 2) {
    struct assay_settings smaller = *settings;
    struct assay_status ignored;
    struct assay_bench bench;
    smaller.train.batch = batch;
    struct assay_cut attempt = assay_cut_whole(&smaller, cut->first, cut->end);
    attempt.evaluation = batch;
    attempt.sent = attempt.told = true;
    const int code = assay_bench_set_up(material, &smaller, &attempt, &bench, &ignored);
    if (code == 0) assay_bench_take_down(&bench);
    assay_session_trim(material->session, 0);
    if (code == 0) return batch;
  }
  return 0;
}

static int give_up(struct assay_material *material, const struct assay_settings *settings, const struct assay_cut *cut, struct assay_status *status) {
  const struct assay_samples *samples = material->samples;
  const uint32_t fits = cut->coupled ? batch_that_fits(material, settings, cut) : 0;
  char advice[256];
  if (fits > 0)
    snprintf(advice, sizeof advice, "with [train] batch = %u it fits; the batch cannot be cut into pieces, since layer \"%s\" ties its samples together", fits, cut->coupling);
  else snprintf(advice, sizeof advice, "even one image at a time is too much; a smaller [data] size or network helps");
  return assay_status_prefix(status, "training on %ux%u images with batch = %u needs more memory than there is: %s", samples->width, samples->height,
                             settings->train.batch, advice);
}

/* Takes off the device what lies there beside the program. False: there was nothing. */
static bool make_room(struct assay_material *stages, uint32_t stage_count, struct assay_cut *cut, const struct assay_status *status) {
  bool any = cut->resident && !cut->sent;
  for (uint32_t s = 0; s < stage_count; s++) {
    any |= stages[s].residency.count > 0;
    assay_features_release(&stages[s].features, stages[s].session);
    assay_material_withdraw(&stages[s]);
  }
  cut->sent = true;
  if (any) assay_log_message(ASSAY_LOG_INFO, "images%s are sent batch by batch, since they do not fit on the device beside the network (%s)",
                             cut->resident ? " and what frozen layers make of them" : "", status->message);
  return any;
}

int assay_cut_smaller(struct assay_material *stages, uint32_t stage_count, const struct assay_settings *settings, struct assay_cut *cut,
                      struct assay_status *status) {
  struct assay_material *last = &stages[stage_count - 1];
  assay_session_trim(last->session, 0); /* what was compiled may hold memory */
  if (make_room(stages, stage_count, cut, status)) return 0;
  if (cut->evaluation > cut->piece) {
    cut->evaluation = cut->piece;
    return 0;
  }
  if (!cut->built || cut->coupled || cut->piece == 1) return give_up(last, settings, cut, status);
  cut->piece = cut->evaluation = (cut->piece + 1) / 2;
  assay_log_message(ASSAY_LOG_INFO, "a batch of %u does not fit into memory, so it is cut into pieces of %u, whose gradients are added up (%s)",
                    settings->train.batch, cut->piece, status->message);
  return 0;
}
