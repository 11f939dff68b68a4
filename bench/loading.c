/* SPDX-License-Identifier: MIT
 *
 * Loading: files to augmented, normalised batches, by the code that a run uses. Decoding and resizing share threads; augmentation runs as the graph of a
 * training step on the cpu backend. bench/peers/loading.py does the same with torchvision.
 *
 *   bench/loading FOLDER THREADS [BATCH [SIDE [ROUNDS]]]
 *
 * Prints images a second: decode and resize alone; augment and normalise alone; both, one batch after the other, as in the first epoch; and a batch from the
 * cache of decoded images, as in all later ones.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/options.h"
#include "data/data.h"
#include "data/parallel.h"
#include "graph/session.h"
#include "plugin/registry.h"
#include "train/augment.h"
#include "train/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct assay_status status;

static void stop(void) {
  fprintf(stderr, "loading: %s\n", status.message);
  exit(1);
}
#define CHECK(call)                                                                                                                                            \
  do {                                                                                                                                                         \
    if ((call) != 0) stop();                                                                                                                                   \
  } while (0)

struct work {
  struct assay_image_list *list;
  uint32_t count, batch, threads, first;
  int64_t side;
  struct assay_data_settings data;
  uint8_t *pixels, *cached; /* a batch; all images */
  struct assay_session *session;
  const struct assay_backend *backend;
  struct assay_executable *executable;
  struct assay_store *store;
  struct assay_buffer *feeds[3], *fetch;
};

static size_t image_size(const struct work *work) { return (size_t)(work->side * work->side * 3); }

static void load_one(void *context, uint32_t i) {
  struct work *work = context;
  struct assay_status own;
  if (assay_image_list_load(work->list, (work->first + i) % work->count, &work->data, work->pixels + i * image_size(work), &own) != 0)
    fprintf(stderr, "%s\n", own.message);
}

static void load(struct work *work, uint32_t first) {
  work->first = first;
  assay_parallel_for(work->batch, work->threads, load_one, work);
}

static void from_cache(struct work *work, uint32_t first) {
  for (uint32_t i = 0; i < work->batch; i++) memcpy(work->pixels + i * image_size(work), work->cached + (first + i * 7) % work->count * image_size(work), image_size(work));
}

/* Feeds: pixels, options, keys. The augmentation of bench/peers/loading.py. */
static void build(struct work *work, struct assay_program_builder *builder, const struct assay_augment_settings *settings) {
  struct assay_builder *b = assay_function_begin(builder, "loading");
  const struct assay_program *program;
  const int64_t batch = work->batch, extents[4] = {batch, work->side, work->side, 3}, options = assay_augment_count(settings);
  const assay_value pixels = assay_function_feed(b, ASSAY_U8, 4, extents), strengths = assay_function_feed(b, ASSAY_F32, 1, &options);
  const assay_value keys = assay_function_feed(b, ASSAY_U32, 2, (const int64_t[]){batch, 2});
  const struct assay_build_context context = {sizeof context, 1, 2, keys, assay_invalid()};
  assay_function_context(b, &context);
  const assay_value planes = assay_transpose(b, assay_cast(b, pixels, ASSAY_F32), (const int32_t[]){0, 3, 1, 2});
  assay_value shares;
  const assay_value seen = assay_augment_planes(b, settings, strengths, planes, assay_invalid(), &shares);
  assay_function_fetch(b, assay_mul(b, assay_sub(b, seen, assay_number(b, seen, 120)), assay_number(b, seen, 1 / 60.0)));
  CHECK(assay_function_end(b, &status));
  CHECK(assay_program_finish(builder, &program, &status));
  CHECK(assay_session_compile(work->session, program, &work->executable, &status));
  CHECK(work->backend->store_create(work->executable, &work->store, &status));
  const uint64_t sizes[3] = {work->batch * image_size(work), sizeof(float) * (uint64_t)options, 8 * (uint64_t)batch};
  for (int i = 0; i < 3; i++) CHECK(work->backend->buffer_create(assay_session_device(work->session), sizes[i], &work->feeds[i], &status));
  CHECK(work->backend->buffer_create(assay_session_device(work->session), sizes[0] * sizeof(float), &work->fetch, &status));
  float values[ASSAY_AUGMENT_COUNT];
  assay_augment_options(settings, values);
  CHECK(work->backend->buffer_write(work->feeds[1], 0, values, sizes[1], &status));
}

static void augment(struct work *work, uint32_t first) {
  uint32_t *keys = malloc(work->batch * 2 * sizeof *keys);
  if (keys == NULL) exit(1);
  for (uint32_t i = 0; i < work->batch; i++) assay_sample_key(1, 0, first + i, 0, keys + 2 * (size_t)i);
  CHECK(work->backend->buffer_write(work->feeds[0], 0, work->pixels, work->batch * image_size(work), &status));
  CHECK(work->backend->buffer_write(work->feeds[2], 0, keys, work->batch * 2 * sizeof *keys, &status));
  CHECK(work->backend->run(work->executable, 0, work->store, work->feeds, &work->fetch, &status));
  CHECK(work->backend->sync(assay_session_device(work->session), &status));
  free(keys);
}

static void load_and_augment(struct work *work, uint32_t first) {
  load(work, first);
  augment(work, first);
}
static void cache_and_augment(struct work *work, uint32_t first) {
  from_cache(work, first);
  augment(work, first);
}

/* Of all threads: what counts on a busy machine. */
static double processor_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The best of the rounds, each once through all files. */
static void measure(struct work *work, const char *what, uint32_t rounds, void (*task)(struct work *, uint32_t)) {
  double best = 0, best_processor = 0;
  task(work, 0);
  for (uint32_t round = 0; round < rounds; round++) {
    const double start = assay_clock_seconds(), processor_start = processor_seconds();
    uint32_t done = 0;
    for (; done + work->batch <= work->count; done += work->batch) task(work, done);
    const double rate = done / (assay_clock_seconds() - start);
    if (rate > best) best = rate;
    const double processor_rate = done / (processor_seconds() - processor_start);
    if (processor_rate > best_processor) best_processor = processor_rate;
  }
  printf("%-28s %8.1f images/s, %8.1f a second of processor time\n", what, best, best_processor);
  fflush(stdout);
}

static void open_cpu(struct work *work, struct assay_registry *registry, struct assay_arena *arena) {
  const struct assay_plugin *plugin;
  const struct assay_option_value *const *defaults;
  CHECK(assay_registry_find(registry, ASSAY_BACKEND, "cpu", &plugin, &status));
  CHECK(assay_option_defaults(plugin->options, arena, &defaults, &status));
  const uint32_t count = assay_option_count(plugin->options);
  const struct assay_option_value **values = ASSAY_NEW_ARRAY(arena, const struct assay_option_value *, count + 1);
  struct assay_option_value *threads = ASSAY_NEW(arena, struct assay_option_value);
  const int index = assay_option_index(plugin->options, "threads");
  if (values == NULL || threads == NULL || index < 0) exit(1);
  memcpy(values, defaults, count * sizeof *values);
  char text[16];
  snprintf(text, sizeof text, "%u", work->threads);
  CHECK(assay_option_parse(plugin->options[index], text, arena, threads, &status));
  values[index] = threads;
  CHECK(assay_session_open(plugin, values, NULL, &work->session, &status));
  work->backend = assay_session_backend(work->session);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "probe-plugin") == 0) return assay_plugin_probe_main(argv[2]); /* modules outside of $(pkglibdir) are tried out first */
  if (argc < 3) {
    fputs("usage: loading FOLDER THREADS [BATCH [SIDE [ROUNDS]]]\n", stderr);
    return 2;
  }
  struct work work = {.threads = (uint32_t)atoi(argv[2]), .batch = argc > 3 ? (uint32_t)atoi(argv[3]) : 32, .side = argc > 4 ? atoi(argv[4]) : 224};
  const uint32_t rounds = argc > 5 ? (uint32_t)atoi(argv[5]) : 3;
  struct assay_arena *arena = assay_arena_create();
  struct assay_registry *registry;
  struct assay_augment_settings settings = {.border = ASSAY_BORDER_REFLECT};
  settings.strength[ASSAY_AUGMENT_FLIP_HORIZONTAL] = 0.5;
  settings.strength[ASSAY_AUGMENT_ROTATION] = 10;
  settings.strength[ASSAY_AUGMENT_SHIFT] = settings.strength[ASSAY_AUGMENT_ZOOM] = 0.1;
  settings.strength[ASSAY_AUGMENT_BRIGHTNESS] = settings.strength[ASSAY_AUGMENT_CONTRAST] = settings.strength[ASSAY_AUGMENT_SATURATION] = 0.2;
  memcpy(settings.most, settings.strength, sizeof settings.most);
  CHECK(assay_registry_create(NULL, &registry, &status));
  CHECK(assay_image_list_open((const char *const[]){argv[1]}, 1, &work.list, &status));
  work.count = assay_image_list_count(work.list);
  if (work.count < work.batch) work.batch = work.count;
  work.data = (struct assay_data_settings){.width = (uint32_t)work.side, .height = (uint32_t)work.side, .threads = work.threads};
  work.pixels = malloc(work.batch * image_size(&work));
  work.cached = calloc(work.count, image_size(&work));
  if (work.pixels == NULL || work.cached == NULL || work.batch == 0) return 1;
  open_cpu(&work, registry, arena);
  struct assay_program_builder *builder = assay_program_begin();
  build(&work, builder, &settings);
  printf("%u files, batch %u, %ux%u, %u threads\n", work.count, work.batch, work.data.width, work.data.height, work.threads);
  measure(&work, "decode, resize", rounds, load);
  measure(&work, "augment, normalise", rounds, augment);
  measure(&work, "all (first epoch)", rounds, load_and_augment);
  measure(&work, "from the cache (later ones)", rounds, cache_and_augment);
  assay_program_release(builder);
  free(work.pixels);
  free(work.cached);
  work.backend->store_release(work.store);
  for (int i = 0; i < 3; i++) work.backend->buffer_release(work.feeds[i]);
  work.backend->buffer_release(work.fetch);
  assay_session_close(work.session);
  assay_image_list_release(work.list);
  assay_registry_release(registry);
  assay_arena_release(arena);
  return 0;
}
