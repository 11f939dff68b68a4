/* SPDX-License-Identifier: MIT
 *
 * What backends are helped with: memory plans, elementwise fusion, the cache of compiled things; and how variables start.
 */
#include "base/arena.h"
#include "base/file.h"
#include "graph/builder.h"
#include "graph/number.h"
#include "graph/session.h"
#include "harness.h"

#include <assay/random.h>
#include <dirent.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Memory plans ---- */

static void check_plan(const struct assay_interval *intervals, uint32_t count, uint64_t alignment, const uint64_t *offsets, uint64_t total) {
  for (uint32_t i = 0; i < count; i++) {
    ck_assert_uint_eq(offsets[i] % alignment, 0);
    ck_assert_uint_le(offsets[i] + intervals[i].size, total);
    for (uint32_t k = 0; k < i; k++) {
      const bool both_alive = intervals[i].first <= intervals[k].last && intervals[k].first <= intervals[i].last;
      const bool apart = offsets[i] + intervals[i].size <= offsets[k] || offsets[k] + intervals[k].size <= offsets[i];
      ck_assert_msg(!both_alive || apart, "blocks %u and %u overlap", i, k);
    }
  }
}

START_TEST(blocks_alive_together_never_overlap) {
  struct assay_random random = assay_random_seed(1, 0);
  struct assay_interval intervals[60];
  uint64_t offsets[60], total;
  for (int round = 0; round < 400; round++) {
    const uint32_t count = 1 + assay_random_below(&random, 60);
    const uint64_t alignment = (uint64_t[]){1, 16, 64, 100}[assay_random_below(&random, 4)];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t first = assay_random_below(&random, 40);
      intervals[i] = (struct assay_interval){assay_random_below(&random, 5) == 0 ? 0 : 1 + assay_random_below(&random, 1000), first,
                                             first + assay_random_below(&random, 10)};
      sum += (intervals[i].size + alignment - 1) / alignment * alignment;
    }
    ck_assert_int_eq(assay_plan_memory(intervals, count, alignment, offsets, &total), 0);
    check_plan(intervals, count, alignment, offsets, total);
    ck_assert_uint_le(total, sum);
  }
}
END_TEST

/* A chain of equal blocks, each alive with its neighbour only, needs two places; nothing can do with less. */
START_TEST(a_chain_needs_two_places) {
  struct assay_interval intervals[100];
  uint64_t offsets[100], total;
  for (uint32_t i = 0; i < 100; i++) intervals[i] = (struct assay_interval){64, i, i + 1};
  ck_assert_int_eq(assay_plan_memory(intervals, 100, 64, offsets, &total), 0);
  ck_assert_uint_eq(total, 128);
  ck_assert_int_eq(assay_plan_memory(NULL, 0, 64, NULL, &total), 0);
  ck_assert_uint_eq(total, 0);
}
END_TEST

START_TEST(plans_without_end_are_refused) {
  const struct assay_interval intervals[2] = {{UINT64_MAX - 10, 0, 1}, {100, 0, 1}};
  uint64_t offsets[2], total;
  ck_assert_int_eq(assay_plan_memory(intervals, 2, 64, offsets, &total), ASSAY_E_MEMORY);
}
END_TEST

/* ---- Fusion ---- */

static struct assay_program_builder *program;
static struct assay_builder *b;

static void begin(void) {
  program = assay_program_begin();
  b = assay_function_begin(program, "f");
}

/* Runs every group at the place of its last node and checks that whatever a node reads has been made by then. */
static uint32_t check_schedule(const struct assay_graph *graph, const uint8_t *stop, const int32_t *groups) {
  uint32_t place[512], count = 0;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_op_info *info = assay_op_info(graph->nodes[n]->op);
    const bool fusible = info->flags & ASSAY_OP_ELEMENTWISE && !stop[n];
    ck_assert_int_eq(groups[n] >= 0, fusible);
    ck_assert_int_le(groups[n], (int32_t)n);
    place[n] = n;
    for (uint32_t k = 0; k < graph->node_count && fusible; k++) {
      if (groups[k] != groups[n]) continue;
      if (k > place[n]) place[n] = k;
      const struct assay_tensor_type *a = graph->types[graph->nodes[k]->first_output], *c = graph->types[graph->nodes[n]->first_output];
      ck_assert(a->rank == c->rank && memcmp(a->extents, c->extents, sizeof a->extents) == 0);
    }
    if (groups[n] >= (int32_t)count) count = (uint32_t)groups[n] + 1;
  }
  for (uint32_t n = 0; n < graph->node_count; n++)
    for (uint32_t i = 0; i < graph->nodes[n]->input_count; i++) {
      const uint32_t from = (uint32_t)graph->producers[graph->nodes[n]->inputs[i]];
      const bool together = groups[n] >= 0 && groups[from] == groups[n];
      ck_assert_msg(together ? from < n : place[from] < place[n], "node %u, run at %u, reads node %u, run at %u", n, place[n], from, place[from]);
    }
  return count;
}

static assay_value random_node(struct assay_random *random, const assay_value *values, uint32_t count) {
  const uint32_t near = count > 6 ? count - 6 : 0;
  const assay_value x = values[near + assay_random_below(random, count - near)], y = values[near + assay_random_below(random, count - near)];
  switch (assay_random_below(random, 9)) {
  case 0:
  case 1: return assay_add(b, x, y);
  case 2: return assay_mul(b, x, values[assay_random_below(random, count)]);
  case 3:
  case 4: return assay_exp(b, x);
  case 5: return assay_softmax(b, assay_broadcast(b, x, 2, (const int64_t[]){3, 4}));
  case 6: return assay_reduce_sum(b, assay_broadcast(b, x, 2, (const int64_t[]){3, 4}), 1, 0);
  case 7: return assay_select(b, assay_less(b, x, y), x, y);
  default: return assay_reshape(b, assay_broadcast(b, x, 2, (const int64_t[]){3, 4}), 2, (const int64_t[]){3, 4});
  }
}

START_TEST(groups_respect_every_dependency) {
  struct assay_random random = assay_random_seed(5, 0);
  uint32_t nodes = 0, groups_made = 0;
  for (int round = 0; round < 300; round++) {
    assay_value values[60];
    begin();
    values[0] = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){3, 4});
    values[1] = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){4});
    for (uint32_t i = 2; i < 60; i++) values[i] = random_node(&random, values, i);
    ck_assert_int_eq(assay_function_end(b, NULL), 0);
    const struct assay_graph *graph = assay_builder_graph(assay_inside(b));
    uint8_t stop[512] = {0};
    int32_t groups[512];
    ck_assert_uint_lt(graph->node_count, 512);
    for (uint32_t n = 0; n < graph->node_count; n++) stop[n] = round % 2 == 1 && assay_random_below(&random, 8) == 0;
    ck_assert_int_eq(assay_fuse_elementwise(graph, round % 2 == 0 ? NULL : stop, groups), 0);
    groups_made += check_schedule(graph, stop, groups);
    for (uint32_t n = 0; n < graph->node_count; n++) nodes += groups[n] >= 0;
    assay_program_release(program);
  }
  ck_assert_uint_gt(nodes, groups_made * 3 / 2); /* it does fuse */
}
END_TEST

static int32_t group_of(const struct assay_graph *graph, const int32_t *groups, assay_value value) { return groups[graph->producers[value.id]]; }

/* exp feeds both a sum over rows and what divides by that sum: the sum lies between, so exp runs before it, alone. */
START_TEST(a_diamond_around_a_reduction_is_cut) {
  begin();
  const assay_value x = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){3, 4});
  const assay_value scaled = assay_mul(b, x, assay_number(b, x, 2)), e = assay_exp(b, scaled), sum = assay_reduce_sum(b, e, 2, 1);
  const assay_value y = assay_div(b, e, sum), z = assay_relu(b, y);
  const struct assay_graph *graph = assay_builder_graph(assay_inside(b));
  int32_t groups[16];
  ck_assert_int_eq(assay_fuse_elementwise(graph, NULL, groups), 0);
  ck_assert_int_eq(group_of(graph, groups, scaled), group_of(graph, groups, e));
  ck_assert_int_eq(group_of(graph, groups, y), group_of(graph, groups, z));
  ck_assert_int_ne(group_of(graph, groups, e), group_of(graph, groups, y));
  ck_assert_int_eq(group_of(graph, groups, sum), -1);
  ck_assert_int_eq(group_of(graph, groups, e), 0);
  ck_assert_int_eq(group_of(graph, groups, y), 1);
  assay_program_release(program);
}
END_TEST

/* A diamond of elementwise nodes is one loop, also when results are needed elsewhere later. */
START_TEST(a_diamond_of_elementwise_nodes_is_one_loop) {
  begin();
  const assay_value x = assay_function_feed(b, ASSAY_F32, 2, (const int64_t[]){3, 4}), row = assay_function_feed(b, ASSAY_F32, 1, (const int64_t[]){4});
  const assay_value e = assay_exp(b, x), left = assay_sub(b, e, row), right = assay_sigmoid(b, e), y = assay_mul(b, left, right);
  const assay_value sum = assay_reduce_sum(b, left, 3, 0), small = assay_exp(b, sum);
  const struct assay_graph *graph = assay_builder_graph(assay_inside(b));
  int32_t groups[16];
  ck_assert_int_eq(assay_fuse_elementwise(graph, NULL, groups), 0);
  const int32_t group = group_of(graph, groups, e);
  ck_assert(group_of(graph, groups, left) == group && group_of(graph, groups, right) == group && group_of(graph, groups, y) == group);
  ck_assert_int_ne(group_of(graph, groups, small), group);
  assay_program_release(program);
}
END_TEST

/* ---- Initialisers ---- */

static struct assay_variable_definition definition_of(const char *name, uint32_t initialiser, double argument) {
  /* fan_in 18 * 3 * 5 = 270, fan_out 40 * 3 * 5 = 600. */
  return (struct assay_variable_definition){{sizeof(struct assay_variable), ASSAY_ROLE_WEIGHT, name, {ASSAY_F32, 4, {40, 18, 3, 5}}}, initialiser, argument};
}
enum { WEIGHTS = 40 * 18 * 3 * 5 };

START_TEST(initialisers_follow_their_papers) {
  const struct {
    uint32_t initialiser;
    double argument, bound, deviation; /* bound 0: normal */
  } expected[] = {
      {ASSAY_INIT_UNIFORM, 0.3, 0.3, 0.3 / sqrt(3)},
      {ASSAY_INIT_NORMAL, 0.02, 0, 0.02},
      {ASSAY_INIT_GLOROT_UNIFORM, 0, sqrt(6.0 / (270 + 600)), sqrt(2.0 / (270 + 600))},
      {ASSAY_INIT_GLOROT_NORMAL, 0, 0, sqrt(2.0 / (270 + 600))},
      {ASSAY_INIT_HE_UNIFORM, 0, sqrt(6.0 / 270), sqrt(2.0 / 270)},
      {ASSAY_INIT_HE_UNIFORM, sqrt(5), 1 / sqrt(270), 1 / sqrt(3 * 270.0)}, /* PyTorch's default: 1 / sqrt(fan_in) */
      {ASSAY_INIT_HE_NORMAL, 0.1, 0, sqrt(2.0 / (1.01 * 270))},
      {ASSAY_INIT_LECUN_UNIFORM, 0, sqrt(3.0 / 270), sqrt(1.0 / 270)},
      {ASSAY_INIT_LECUN_NORMAL, 0, 0, sqrt(1.0 / 270)},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    const struct assay_variable_definition variable = definition_of("conv.weight", expected[i].initialiser, expected[i].argument);
    float data[WEIGHTS];
    ck_assert_int_eq(assay_variable_initialise(&variable, 7, data, NULL), 0);
    double mean = 0, square = 0, fourth = 0, most = 0;
    for (int k = 0; k < WEIGHTS; k++) {
      mean += data[k];
      square += (double)data[k] * data[k];
      fourth += pow(data[k], 4);
      if (fabsf(data[k]) > most) most = fabsf(data[k]);
    }
    mean /= WEIGHTS, square /= WEIGHTS, fourth /= WEIGHTS;
    const double deviation = expected[i].deviation;
    /* Four standard errors; the variance of a normal's squares is 2 sigma^4. */
    ck_assert_double_lt(fabs(mean), 4 * deviation / sqrt(WEIGHTS));
    ck_assert_double_lt(fabs(square / (deviation * deviation) - 1), 4 * sqrt(2.0 / WEIGHTS));
    const double kurtosis = fourth / (square * square); /* 3 of a normal, 9/5 of a uniform distribution */
    if (expected[i].bound > 0) {
      ck_assert_double_le(most, expected[i].bound * (1 + 1e-6));
      ck_assert_double_gt(most, expected[i].bound * 0.99);
      ck_assert_double_lt(fabs(kurtosis - 1.8), 0.1);
    } else {
      ck_assert_double_gt(most, 3 * deviation);
      ck_assert_double_lt(fabs(kurtosis - 3), 0.3);
    }
  }
}
END_TEST

START_TEST(a_variable_starts_alike_for_seed_and_name) {
  float first[WEIGHTS], second[WEIGHTS];
  double precise[WEIGHTS];
  struct assay_variable_definition variable = definition_of("a", ASSAY_INIT_HE_NORMAL, 0);
  assay_variable_initialise(&variable, 7, first, NULL);
  assay_variable_initialise(&variable, 7, second, NULL);
  ck_assert_mem_eq(first, second, sizeof first);
  variable.base.type.dtype = ASSAY_F64;
  assay_variable_initialise(&variable, 7, precise, NULL);
  for (int i = 0; i < WEIGHTS; i++) ck_assert(first[i] == (float)precise[i]);
  variable.base.type.dtype = ASSAY_F32;
  assay_variable_initialise(&variable, 8, second, NULL);
  ck_assert_mem_ne(first, second, sizeof first);
  variable.base.name = "b";
  assay_variable_initialise(&variable, 7, second, NULL);
  ck_assert_mem_ne(first, second, sizeof first);
}
END_TEST

START_TEST(constants_start_in_every_dtype) {
  const struct {
    int32_t dtype;
    double number;
    uint64_t bits;
  } expected[] = {
      {ASSAY_F64, 0.1, 0x3FB999999999999Au}, {ASSAY_F32, 0.1, 0x3DCCCCCDu}, {ASSAY_F16, 0.1, 0x2E66u},  {ASSAY_BF16, 0.1, 0x3DCDu},
      {ASSAY_I32, -3.7, 0xFFFFFFFDu},        {ASSAY_U32, 5e9, 0xFFFFFFFFu}, {ASSAY_U8, 200.9, 200},     {ASSAY_BOOL, 0.5, 1},
      {ASSAY_F16, 65519, 0x7BFFu},           {ASSAY_F16, 65520, 0x7C00u},   {ASSAY_F16, 6e-8, 0x0001u}, {ASSAY_F16, -1, 0xBC00u},
      {ASSAY_F16, 2049, 0x6800u},            {ASSAY_F16, 2051, 0x6802u},    {ASSAY_BF16, 1e-45, 0x0000u}};
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    const struct assay_variable_definition variable = {
        {sizeof(struct assay_variable), ASSAY_ROLE_STATISTIC, "v", {expected[i].dtype, 1, {2}}}, ASSAY_INIT_CONSTANT, expected[i].number};
    unsigned char data[16];
    const size_t size = assay_dtype_size(expected[i].dtype);
    ck_assert_int_eq(assay_variable_initialise(&variable, 7, data, NULL), 0);
    for (int k = 0; k < 2; k++) {
      uint64_t bits = 0;
      memcpy(&bits, data + (size_t)k * size, size);
      ck_assert_msg(bits == expected[i].bits, "%zu: %llx", i, (unsigned long long)bits);
    }
  }
}
END_TEST

/* ---- The cache of compiled things ---- */

static char cache[] = "/tmp/assay-cache-XXXXXX";

static void use_empty_cache(void) {
  strcpy(cache, "/tmp/assay-cache-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(cache));
  ck_assert_int_eq(setenv("XDG_CACHE_HOME", cache, 1), 0);
}

/* Calls `visit` with the path of the one file below the cache folder. */
static void with_entry(void (*visit)(const char *path)) {
  char folder[600], path[1200];
  snprintf(folder, sizeof folder, "%s/assay/compiled", cache);
  int found = 0;
  for (int depth = 0; depth < 2; depth++) {
    DIR *listing = opendir(folder);
    ck_assert_ptr_nonnull(listing);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%.500s/%.300s", folder, entry->d_name);
      found++;
    }
    closedir(listing);
    snprintf(folder, sizeof folder, "%.599s", path);
  }
  ck_assert_int_eq(found, 2);
  visit(path);
}

static long damage_at;
static void flip_byte(const char *path) {
  FILE *file = fopen(path, "r+b");
  ck_assert_ptr_nonnull(file);
  fseek(file, damage_at, SEEK_SET);
  const int byte = fgetc(file);
  fseek(file, damage_at, SEEK_SET);
  fputc(byte ^ 1, file);
  fclose(file);
}
static void cut_short(const char *path) { ck_assert_int_eq(truncate(path, damage_at), 0); }
static void lengthen(const char *path) {
  FILE *file = fopen(path, "ab");
  fputc(0, file);
  fclose(file);
}

START_TEST(what_was_compiled_is_found_again_or_not_at_all) {
  const struct assay_backend_host *host = assay_backend_host_table();
  const char key[] = "kernel source and device", data[] = "binary of the kernel";
  void *loaded;
  size_t size;
  use_empty_cache();
  ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), ASSAY_E_STORAGE);
  ck_assert_int_eq(host->cache_save(key, sizeof key, data, sizeof data), 0);
  ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), 0);
  ck_assert_uint_eq(size, sizeof data);
  ck_assert_mem_eq(loaded, data, sizeof data);
  free(loaded);
  ck_assert_int_eq(host->cache_load("kernel", 6, &loaded, &size), ASSAY_E_STORAGE);
  for (damage_at = 0; damage_at < (long)(40 + sizeof key + sizeof data); damage_at += 7) {
    with_entry(flip_byte);
    ck_assert_msg(host->cache_load(key, sizeof key, &loaded, &size) == ASSAY_E_STORAGE, "byte %ld", damage_at);
    ck_assert_ptr_null(loaded);
    ck_assert_int_eq(host->cache_save(key, sizeof key, data, sizeof data), 0); /* rebuilt */
    ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), 0);
    free(loaded);
    with_entry(cut_short);
    ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), ASSAY_E_STORAGE);
    ck_assert_int_eq(host->cache_save(key, sizeof key, data, sizeof data), 0);
    with_entry(lengthen);
    ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), ASSAY_E_STORAGE);
    ck_assert_int_eq(host->cache_save(key, sizeof key, data, sizeof data), 0);
  }
  ck_assert_int_eq(host->cache_save(key, sizeof key, NULL, 0), 0);
  ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), 0);
  ck_assert_uint_eq(size, 0);
  free(loaded);
  ck_assert_int_eq(setenv("XDG_CACHE_HOME", "/proc/nowhere", 1), 0); /* no cache: none, and no harm */
  ck_assert_int_ne(host->cache_save(key, sizeof key, data, sizeof data), 0);
  ck_assert_int_eq(host->cache_load(key, sizeof key, &loaded, &size), ASSAY_E_STORAGE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("helpers");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 30);
  tcase_add_test(all, blocks_alive_together_never_overlap);
  tcase_add_test(all, a_chain_needs_two_places);
  tcase_add_test(all, plans_without_end_are_refused);
  tcase_add_test(all, groups_respect_every_dependency);
  tcase_add_test(all, a_diamond_around_a_reduction_is_cut);
  tcase_add_test(all, a_diamond_of_elementwise_nodes_is_one_loop);
  tcase_add_test(all, initialisers_follow_their_papers);
  tcase_add_test(all, a_variable_starts_alike_for_seed_and_name);
  tcase_add_test(all, constants_start_in_every_dtype);
  tcase_add_test(all, what_was_compiled_is_found_again_or_not_at_all);
  suite_add_tcase(suite, all);
  return assay_run_suite(suite);
}
