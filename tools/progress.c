/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "base/clock.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>

static const double REDRAW_EVERY = 0.1; /* seconds */

void progress_duration(double seconds, char *text) {
  const long long whole = (long long)(seconds + 0.5);
  if (whole >= 3600) snprintf(text, 32, "%lld h %02lld m", whole / 3600, whole / 60 % 60);
  else if (whole >= 60) snprintf(text, 32, "%lld m %02lld s", whole / 60, whole % 60);
  else snprintf(text, 32, "%lld s", whole);
}

void progress_end(struct progress *progress) {
  if (progress->line) fputs("\r\033[K", stderr);
  progress->line = false;
}

static bool draws(const struct progress *progress) { return progress->cli->terminal && !progress->cli->quiet; }

static void draw(struct progress *progress, const struct assay_message *message) {
  const double now = assay_clock_seconds();
  if (!draws(progress) || now - progress->drawn < REDRAW_EVERY) return;
  progress->drawn = now;
  const bool colour = getenv("NO_COLOR") == NULL;
  fprintf(stderr, "\r\033[K%s", colour ? "\033[36m" : "");
  if (progress->final || message->fold == message->folds) fprintf(stderr, "final model");
  else fprintf(stderr, "trial %u/%u · fold %u/%u", message->number + 1, progress->trials, message->fold + 1, message->folds);
  fprintf(stderr, "%s · epoch %u/%u · loss %.4g", colour ? "\033[0m" : "", message->epoch + 1, message->epochs, message->training);
  if (isfinite(message->value)) fprintf(stderr, " · validation %.4g", message->value);
  if (isfinite(progress->best)) fprintf(stderr, " · best %s %.4g", progress->objective, progress->best);
  const uint32_t done = progress->finished - progress->finished_before;
  if (done > 0 && progress->finished < progress->trials && !progress->final) {
    char text[32];
    progress_duration((now - progress->began) / done * (progress->trials - progress->finished), text);
    fprintf(stderr, " · %s left", text);
  }
  fflush(stderr);
  progress->line = true;
}

static void tell_trial(struct progress *progress, const struct assay_message *message) {
  progress->finished++;
  const bool better = isfinite(message->value) && (!isfinite(progress->best) || (progress->maximise ? message->value > progress->best : message->value < progress->best));
  if (better) {
    progress->best = message->value;
    progress->best_trial = message->number;
  }
  if (progress->cli->quiet) return;
  progress_end(progress);
  fprintf(stderr, "trial %u: ", message->number);
  if (isfinite(message->value)) fprintf(stderr, "%s %.6g%s\n", progress->objective, message->value, better ? ", the best so far" : "");
  else fprintf(stderr, "%s%s\n", message->text[0] == '\0' || message->text[0] == 'p' ? "" : "failed: ", message->text);
}

void progress_message(void *context, uint32_t worker, const struct assay_message *message) {
  struct progress *progress = context;
  switch (message->kind) {
  case ASSAY_MESSAGE_DEVICE:
    progress_end(progress);
    assay_log_message(ASSAY_LOG_DEBUG, "worker %u works on %s", worker, message->text);
    break;
  case ASSAY_MESSAGE_EPOCH: draw(progress, message); break;
  case ASSAY_MESSAGE_TOLD: tell_trial(progress, message); break;
  case ASSAY_MESSAGE_NOTE:
    progress_end(progress);
    assay_log_message((int)message->number, "%s", message->text);
    break;
  default: break;
  }
}
