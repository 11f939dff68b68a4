/* SPDX-License-Identifier: MIT */
#include "data/near.h"

#include "base/arena.h"
#include "data/parallel.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Measured on three sets of photographs and changed copies of them: copies stay below 0.22 and 0.43, strangers above 0.26 or 0.8. */
static const float most_whole = 0.22f, most_worst = 0.45f;
enum {
  LEAST_CORRELATION = 75, /* of hashes, in hundredths */
  LEAST_FOR_COMMON = 20,  /* in a smaller set copies would take each other for what all have in common */
  FREQUENCIES = 8,
  HASH = FREQUENCIES * FREQUENCIES,
  PARTNERS = 6,
  ROWS_A_ROUND = 16
};
#define SIDE ASSAY_PRINT_SIDE

/* The crops of a picture whose copies are looked for; the first is the picture itself. */
static const struct assay_warp crops[] = {{0, 0, 0, 0},
                                          {-0.06, 0, -0.06, 0},
                                          {-0.06, -0.05, -0.06, -0.05},
                                          {-0.06, -0.05, -0.06, 0.05},
                                          {-0.06, 0.05, -0.06, -0.05},
                                          {-0.06, 0.05, -0.06, 0.05}};
enum { CROPS = sizeof crops / sizeof *crops };

struct hash {
  int8_t numbers[HASH]; /* of length 127, roughly */
};

struct search {
  const uint8_t *const *prints;
  uint32_t count;
  struct assay_pyramid common;
  float cosines[FREQUENCIES][SIDE];
  float common_hash[CROPS][HASH];         /* of the common picture, cropped */
  struct hash *cropped[CROPS], *whole[CROPS]; /* of every print: cropped; as it is; both without what the crop of the common picture explains */
  pthread_mutex_t mutex;
  struct assay_near_pair *pairs;
  size_t pair_count, capacity;
  _Atomic bool failed;
};

/* The lowest frequencies of the cosine transform (DCT-II), the mean left out. */
static void transform(const struct search *search, const float *picture, float *numbers) {
  float rows[FREQUENCIES][SIDE];
  memset(rows, 0, sizeof rows);
  for (int y = 0; y < SIDE; y++)
    for (int v = 0; v < FREQUENCIES; v++) {
      const float cosine = search->cosines[v][y];
      for (int x = 0; x < SIDE; x++) rows[v][x] += cosine * picture[y * SIDE + x];
    }
  for (int v = 0; v < FREQUENCIES; v++)
    for (int u = 0; u < FREQUENCIES; u++) {
      float sum = 0;
      for (int x = 0; x < SIDE; x++) sum += rows[v][x] * search->cosines[u][x];
      numbers[v * FREQUENCIES + u] = sum;
    }
  numbers[0] = 0;
}

/* `numbers` without what `common` explains, as bytes. */
static void reduce(const float *numbers, const float *common, struct hash *hash) {
  float along = 0, square = 0, rest[HASH], length = 0;
  for (int k = 0; k < HASH; k++) {
    along += numbers[k] * common[k];
    square += common[k] * common[k];
  }
  const float share = square > 0 ? along / square : 0;
  for (int k = 0; k < HASH; k++) {
    rest[k] = numbers[k] - share * common[k];
    length += rest[k] * rest[k];
  }
  const float scale = length > 0 ? 127 / sqrtf(length) : 0;
  for (int k = 0; k < HASH; k++) hash->numbers[k] = (int8_t)lrintf(rest[k] * scale);
}

static void hash_one(void *context, uint32_t number) {
  struct search *search = context;
  float print[ASSAY_PRINT_SIZE], cropped[ASSAY_PRINT_SIZE], whole[HASH], numbers[HASH];
  for (int i = 0; i < ASSAY_PRINT_SIZE; i++) print[i] = search->prints[number][i];
  transform(search, print, whole);
  for (int c = 0; c < CROPS; c++) {
    assay_warp_print(print, &crops[c], cropped);
    transform(search, cropped, numbers);
    reduce(numbers, search->common_hash[c], &search->cropped[c][number]);
    reduce(whole, search->common_hash[c], &search->whole[c][number]);
  }
}

/* ---- Pairs ---- */

static int correlate(const struct hash *a, const struct hash *b) {
  int sum = 0;
  for (int k = 0; k < HASH; k++) sum += a->numbers[k] * b->numbers[k];
  return sum;
}

/* The best partners of a print so far, the best first. */
struct partners {
  uint32_t count;
  struct partner {
    int correlation, crop;
    uint32_t print;
  } list[PARTNERS];
};

static void consider(struct partners *partners, const struct partner *partner) {
  uint32_t place = partners->count;
  for (uint32_t i = 0; i < partners->count; i++) {
    if (partners->list[i].print != partner->print) continue;
    if (partners->list[i].correlation >= partner->correlation) return;
    place = i; /* the same print by a better crop: moves up from here */
    partners->count--;
    memmove(&partners->list[i], &partners->list[i + 1], (partners->count - i) * sizeof partners->list[0]);
    place = partners->count;
    break;
  }
  while (place > 0 && partners->list[place - 1].correlation < partner->correlation) place--;
  if (place == PARTNERS) return;
  if (partners->count < PARTNERS) partners->count++;
  memmove(&partners->list[place + 1], &partners->list[place], (partners->count - place - 1) * sizeof partners->list[0]);
  partners->list[place] = *partner;
}

static void note_pair(struct search *search, uint32_t a, uint32_t b, const struct assay_likeness *likeness) {
  pthread_mutex_lock(&search->mutex);
  void *pairs = search->pairs;
  if (!assay_grow(&pairs, &search->capacity, search->pair_count + 1, sizeof *search->pairs)) {
    search->failed = true;
  } else {
    search->pairs = pairs;
    search->pairs[search->pair_count++] = (struct assay_near_pair){a < b ? a : b, a < b ? b : a, (float)likeness->whole, (float)likeness->worst};
  }
  pthread_mutex_unlock(&search->mutex);
}

static bool is_copy(const struct assay_likeness *likeness) { return likeness->whole <= most_whole && likeness->worst <= most_worst; }

/* From the crop whose hash agreed best, and when that comes near without arriving, from no crop and from twice the crop. */
static struct assay_likeness align(const struct search *search, const struct assay_pyramid *source, const struct assay_pyramid *target, const struct assay_warp *crop) {
  const struct assay_warp starts[] = {*crop, {0, 0, 0, 0}, {2 * crop->scale_x, 2 * crop->shift_x, 2 * crop->scale_y, 2 * crop->shift_y}};
  struct assay_likeness best = {INFINITY, INFINITY};
  for (int i = 0; i < (crop->scale_x == 0 ? 1 : 3); i++) {
    const struct assay_likeness likeness = assay_align(source, target, &search->common, starts[i]);
    if (likeness.whole < best.whole) best = likeness;
    if (is_copy(&best)) break;
  }
  return best;
}

static void verify(struct search *search, uint32_t number, const struct partners *partners) {
  static _Thread_local struct assay_pyramid source, target;
  for (uint32_t i = 0; i < partners->count; i++) {
    const struct partner *partner = &partners->list[i];
    if (i == 0) assay_pyramid_fill(search->prints[number], &source);
    assay_pyramid_fill(search->prints[partner->print], &target);
    const struct assay_likeness likeness = align(search, &source, &target, &crops[partner->crop]);
    if (is_copy(&likeness)) note_pair(search, number, partner->print, &likeness);
  }
}

/* Some prints against all others: their crops against what others are. The print itself only against later ones. */
static void pair_some(void *context, uint32_t round) {
  struct search *search = context;
  const int least = 127 * 127 * LEAST_CORRELATION / 100;
  const uint32_t first = round * ROWS_A_ROUND, end = first + ROWS_A_ROUND < search->count ? first + ROWS_A_ROUND : search->count;
  struct partners partners[ROWS_A_ROUND];
  memset(partners, 0, sizeof partners);
  for (int c = 0; c < CROPS; c++)
    for (uint32_t other = c == 0 ? first : 0; other < search->count; other++)
      for (uint32_t number = first; number < end; number++) {
        if (number == other || (c == 0 && other < number)) continue;
        const struct partner partner = {correlate(&search->cropped[c][number], &search->whole[c][other]), c, other};
        if (partner.correlation >= least) consider(&partners[number - first], &partner);
      }
  for (uint32_t number = first; number < end; number++) verify(search, number, &partners[number - first]);
}

/* ---- The whole ---- */

static bool prepare(struct search *search) {
  float *sums = calloc(ASSAY_PRINT_SIZE, sizeof *sums), *cropped = calloc(ASSAY_PRINT_SIZE, sizeof *cropped);
  uint8_t *mean = malloc(ASSAY_PRINT_SIZE);
  bool ready = sums != NULL && mean != NULL && cropped != NULL;
  for (int f = 0; f < FREQUENCIES; f++)
    for (int x = 0; x < SIDE; x++) search->cosines[f][x] = (float)cos((x + 0.5) * f * 3.14159265358979323846 / SIDE);
  for (uint32_t i = 0; ready && i < search->count; i++)
    for (int k = 0; k < ASSAY_PRINT_SIZE; k++) sums[k] += search->prints[i][k];
  for (int k = 0; ready && k < ASSAY_PRINT_SIZE; k++) mean[k] = search->count < LEAST_FOR_COMMON ? 0 : (uint8_t)lrintf(sums[k] / (float)search->count);
  if (ready) assay_pyramid_fill(mean, &search->common);
  for (int c = 0; c < CROPS && ready; c++) {
    assay_warp_print(search->common.levels[0], &crops[c], cropped);
    transform(search, cropped, search->common_hash[c]);
    search->cropped[c] = malloc(search->count * sizeof *search->cropped[c]);
    search->whole[c] = malloc(search->count * sizeof *search->whole[c]);
    ready = search->cropped[c] != NULL && search->whole[c] != NULL;
  }
  free(sums);
  free(mean);
  free(cropped);
  return ready;
}

static int by_places(const void *a, const void *b) {
  const struct assay_near_pair *left = a, *right = b;
  if (left->first != right->first) return left->first < right->first ? -1 : 1;
  if (left->second != right->second) return left->second < right->second ? -1 : 1;
  return (left->whole > right->whole) - (left->whole < right->whole);
}

bool assay_near_find(const uint8_t *const *prints, uint32_t count, uint32_t threads, struct assay_near_pair **pairs, uint32_t *pair_count) {
  *pairs = NULL;
  *pair_count = 0;
  if (count < 2) return true;
  struct search *search = calloc(1, sizeof *search);
  if (search == NULL) return false;
  search->prints = prints;
  search->count = count;
  pthread_mutex_init(&search->mutex, NULL);
  bool ready = prepare(search);
  if (ready) {
    assay_parallel_for(count, threads, hash_one, search);
    assay_parallel_for((count + ROWS_A_ROUND - 1) / ROWS_A_ROUND, threads, pair_some, search);
    ready = !search->failed;
  }
  if (search->pair_count > 0) qsort(search->pairs, search->pair_count, sizeof *search->pairs, by_places);
  uint32_t kept = 0; /* of a pair that was found both ways, the better */
  for (size_t i = 0; i < search->pair_count; i++)
    if (kept == 0 || search->pairs[kept - 1].first != search->pairs[i].first || search->pairs[kept - 1].second != search->pairs[i].second)
      search->pairs[kept++] = search->pairs[i];
  *pairs = search->pairs;
  *pair_count = kept;
  if (!ready) {
    free(search->pairs);
    *pairs = NULL;
    *pair_count = 0;
  }
  for (int c = 0; c < CROPS; c++) {
    free(search->cropped[c]);
    free(search->whole[c]);
  }
  pthread_mutex_destroy(&search->mutex);
  free(search);
  return ready;
}
