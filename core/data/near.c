/* SPDX-License-Identifier: MIT */
#include "data/near.h"

#include "base/arena.h"
#include "data/parallel.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What a copy may leave unexplained, of all and in the worst block. */
static const float most_whole = 0.22f, most_worst = 0.45f;
enum {
  LEAST_CORRELATION = 70, /* of hashes, in hundredths */
  MOST_SIGNS = 26,
  LEAST_FOR_COMMON = 20,  /* in a smaller set copies would take each other for what all have in common */
  FREQUENCIES = 8,
  HASH = FREQUENCIES * FREQUENCIES,
  PARTNERS = 8,
  ROWS_A_ROUND = 16
};
#define SIDE ASSAY_PRINT_SIDE

/* The crops of a picture whose copies are looked for: by so much, towards corners, edges and the middle. Close enough together that what a set has in common, however strong, is
 * taken out of a cropped copy, too. Along an axis there are ten; the first is the picture itself. */
static const double cuts[] = {0.03, 0.06, 0.1};
enum { AXES = 1 + 3 * 3, CROPS = 1 + 3 * 9 };

static double cut_of(int axis) { return axis == 0 ? 0 : cuts[(axis - 1) / 3]; }
static double shift_of(int axis) { return axis == 0 ? 0 : ((axis - 1) % 3 - 1) * cut_of(axis); }
static int across_of(int crop) { return crop == 0 ? 0 : 1 + (crop - 1) / 9 * 3 + (crop - 1) % 3; }
static int down_of(int crop) { return crop == 0 ? 0 : 1 + (crop - 1) / 9 * 3 + (crop - 1) / 3 % 3; }

static struct assay_warp crop_of(int crop) {
  const int across = across_of(crop), down = down_of(crop);
  return (struct assay_warp){-cut_of(across), shift_of(across), -cut_of(down), shift_of(down)};
}

struct hash {
  int8_t numbers[HASH]; /* of length 127, roughly */
  uint64_t signs;
};

struct search {
  const uint8_t *const *prints;
  uint32_t count;
  struct assay_pyramid common;
  float cosines[AXES][FREQUENCIES][SIDE];     /* seen through the crops of an axis */
  float common_hash[CROPS][HASH];         /* of the common picture, cropped */
  struct hash *cropped[CROPS], *whole[CROPS]; /* of every print: cropped; as it is; both without what the crop of the common picture explains */
  pthread_mutex_t mutex;
  struct assay_near_pair *pairs;
  size_t pair_count, capacity;
  _Atomic bool failed;
};

/* The lowest frequencies of the cosine transform (DCT-II) of a picture's crops, the mean left out. A crop is linear along each axis, so it goes into the cosines. */
static void transform(const struct search *search, const float *picture, float numbers[CROPS][HASH]) {
  float rows[AXES][FREQUENCIES][SIDE];
  memset(rows, 0, sizeof rows);
  for (int a = 0; a < AXES; a++)
    for (int y = 0; y < SIDE; y++)
      for (int v = 0; v < FREQUENCIES; v++) {
        const float cosine = search->cosines[a][v][y];
        for (int x = 0; x < SIDE; x++) rows[a][v][x] += cosine * picture[y * SIDE + x];
      }
  for (int c = 0; c < CROPS; c++) {
    const int across = across_of(c), down = down_of(c);
    for (int v = 0; v < FREQUENCIES; v++)
      for (int u = 0; u < FREQUENCIES; u++) {
        float lanes[16] = {0}, sum = 0;
        for (int x = 0; x < SIDE; x += 16)
          for (int k = 0; k < 16; k++) lanes[k] += rows[down][v][x + k] * search->cosines[across][u][x + k];
        for (int k = 0; k < 16; k++) sum += lanes[k];
        numbers[c][v * FREQUENCIES + u] = sum;
      }
    numbers[c][0] = 0;
  }
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
  hash->signs = 0;
  for (int k = 0; k < HASH; k++) {
    hash->numbers[k] = (int8_t)lrintf(rest[k] * scale);
    hash->signs |= (uint64_t)(rest[k] > 0) << k;
  }
}

static void hash_one(void *context, uint32_t number) {
  struct search *search = context;
  float print[ASSAY_PRINT_AREA], numbers[CROPS][HASH];
  for (int i = 0; i < ASSAY_PRINT_AREA; i++) print[i] = search->prints[number][i];
  transform(search, print, numbers);
  for (int c = 0; c < CROPS; c++) {
    reduce(numbers[c], search->common_hash[c], &search->cropped[c][number]);
    reduce(numbers[0], search->common_hash[c], &search->whole[c][number]);
  }
}

/* ---- Pairs ---- */

/* 0 where the signs already say that it is little: at a correlation of 0.7 about a quarter of 64 signs differ, 16 with a deviation of 3.5. */
static int correlate(const struct hash *a, const struct hash *b) {
  int sum = 0;
  if (__builtin_popcountll(a->signs ^ b->signs) > MOST_SIGNS) return 0;
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
  for (int i = 0; i < 2 * (crop->scale_x == 0 ? 1 : 3); i++) {
    const struct assay_likeness likeness = assay_align(source, target, &search->common, starts[i / 2], i % 2 == 1);
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
    const struct assay_warp crop = crop_of(partner->crop);
    const struct assay_likeness likeness = align(search, &source, &target, &crop);
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

/* Cosines, seen through each crop of an axis. */
static void make_cosines(struct search *search) {
  for (int f = 0; f < FREQUENCIES; f++) {
    float plain[SIDE];
    for (int x = 0; x < SIDE; x++) plain[x] = (float)cos((x + 0.5) * f * 3.14159265358979323846 / SIDE);
    for (int a = 0; a < AXES; a++) assay_warp_weights(-cut_of(a), shift_of(a), plain, search->cosines[a][f]);
  }
}

static bool prepare(struct search *search) {
  float *sums = calloc(ASSAY_PRINT_AREA, sizeof *sums);
  uint8_t *mean = calloc(1, ASSAY_PRINT_SIZE); /* light is nowhere at its limits */
  bool ready = sums != NULL && mean != NULL;
  make_cosines(search);
  for (uint32_t i = 0; ready && i < search->count; i++)
    for (int k = 0; k < ASSAY_PRINT_AREA; k++) sums[k] += search->prints[i][k];
  for (int k = 0; ready && k < ASSAY_PRINT_AREA; k++) mean[k] = search->count < LEAST_FOR_COMMON ? 0 : (uint8_t)lrintf(sums[k] / (float)search->count);
  if (ready) {
    assay_pyramid_fill(mean, &search->common);
    transform(search, search->common.levels[0], search->common_hash);
  }
  for (int c = 0; c < CROPS && ready; c++) {
    search->cropped[c] = malloc(search->count * sizeof *search->cropped[c]);
    search->whole[c] = malloc(search->count * sizeof *search->whole[c]);
    ready = search->cropped[c] != NULL && search->whole[c] != NULL;
  }
  free(sums);
  free(mean);
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
