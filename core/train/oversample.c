/* SPDX-License-Identifier: MIT */
#include "train/oversample.h"

#include "base/status.h"
#include "data/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many samples a class of `members` has in an epoch. */
static uint32_t wanted(uint32_t members, uint32_t largest, double share) {
  const uint32_t least = (uint32_t)llround(share * largest);
  return members == 0 || members >= least ? members : least;
}

static void count_classes(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, uint32_t *members) {
  memset(members, 0, samples->class_count * sizeof *members);
  for (uint32_t i = 0; i < count; i++) members[samples->labels[numbers[i]]]++;
}

static uint32_t most(const uint32_t *members, uint32_t count) {
  uint32_t largest = 0;
  for (uint32_t c = 0; c < count; c++) largest = members[c] > largest ? members[c] : largest;
  return largest;
}

uint32_t assay_epoch_size(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, double share) {
  if (!(share > 0)) return count;
  uint64_t size = 0;
  uint32_t largest = 0;
  for (uint32_t pass = 0; pass < 2; pass++)
    for (uint32_t class = 0; class < samples->class_count; class++) {
      uint32_t members = 0;
      for (uint32_t i = 0; i < count; i++) members += samples->labels[numbers[i]] == (int32_t)class;
      if (pass == 0) largest = members > largest ? members : largest;
      else size += wanted(members, largest, share);
    }
  return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

int assay_epoch_fill(const struct assay_samples *samples, const uint32_t *numbers, uint32_t count, double share, uint64_t seed, uint32_t epoch, uint32_t *order,
                     struct assay_status *status) {
  memcpy(order, numbers, count * sizeof *order);
  if (!(share > 0)) return 0;
  uint32_t *members = calloc(samples->class_count, sizeof *members), *own = malloc(((size_t)count + 1) * sizeof *own), filled = count;
  const bool ready = members != NULL && own != NULL;
  if (ready) count_classes(samples, numbers, count, members);
  const uint32_t largest = ready ? most(members, samples->class_count) : 0;
  for (uint32_t class = 0; ready && class < samples->class_count; class++) {
    uint32_t rest = wanted(members[class], largest, share) - members[class];
    for (uint32_t i = 0, k = 0; rest > 0 && i < count; i++)
      if (samples->labels[numbers[i]] == (int32_t)class) own[k++] = numbers[i];
    if (rest % (members[class] > 0 ? members[class] : 1) != 0) assay_batch_shuffle(own, members[class], seed ^ (0x6f766572u + class), epoch); /* who comes once more */
    for (uint32_t now; rest > 0; rest -= now) {
      now = rest < members[class] ? rest : members[class];
      memcpy(order + filled, own, now * sizeof *order);
      filled += now;
    }
  }
  free(members);
  free(own);
  return ready ? 0 : assay_status_memory(status);
}
