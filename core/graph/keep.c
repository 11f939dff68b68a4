/* SPDX-License-Identifier: MIT
 *
 * What functions of a program compute of samples over and over, computed once: values that depend on one sample each and on variables that nothing writes,
 * but on no label, no random number and nothing that changes from step to step. Each function is cut where such values (*early* ones) are read by others.
 * One more function computes them, as one row of numbers a sample, and the functions read their samples' rows.
 *
 * Where a cut lies is found in the graph alone: it need not fall between layers, and a shortcut that passes by makes it two values wide.
 */
#include "graph/builder.h"

#include "base/status.h"

#include <stdlib.h>

enum { MOST_KEPT = 256 }; /* values */
enum feed { SAMPLES, LABELS, ROWS, OPTIONS, COMMON_FEEDS };

/* A function of the program, looked at. */
struct looked_at {
  const struct assay_function *function;
  int32_t samples, labels; /* values: the batch's */
  bool *left;              /* by node: not taken for early, since what it makes cannot be kept */
  struct assay_following following; /* OWN: early; NONE: the same for all samples; MIXED: the rest */
  bool *deep;              /* by value: a parameter went into it */
  bool *cut;               /* by value: early, and read by what is not */
  bool *near;              /* by value: cut, or made from cut values without a product */
  bool wanted;
};

/* What is kept of a sample: values of the function that computes it. */
struct kept {
  assay_value values[MOST_KEPT];
  int64_t widths[MOST_KEPT], places[MOST_KEPT], width; /* numbers a sample */
  uint32_t count;
};

struct keeping {
  const struct assay_program *program;
  const struct assay_keep_task *task;
  struct assay_program_builder *builder;
  struct looked_at *functions;
  struct kept kept;
  assay_value *map, *inputs; /* scratch for the largest graph */
  int32_t (*at)[MOST_KEPT];  /* by function: which of `kept` each of its cut values is, in their order */
};

/* ---- Looking ---- */

/* The number of a VARIABLE node's variable. */
static uint32_t variable_of(const struct assay_node *node) { return ((const struct assay_source_attributes *)node->attributes)->index; }

static bool is_parameter(const struct assay_program *program, const struct assay_node *node) {
  return node->op == ASSAY_OP_VARIABLE && program->variables[variable_of(node)]->role <= ASSAY_ROLE_NORM_BIAS;
}

/* The value of a feed for the samples of the batch: itself, or the rows that are gathered from it. */
static int32_t of_batch(const struct assay_graph *graph, int32_t feed) {
  for (uint32_t n = 0; n < graph->node_count; n++)
    if (graph->nodes[n]->op == ASSAY_OP_GATHER && graph->nodes[n]->inputs[0] == feed) return graph->nodes[n]->first_output;
  return feed;
}

/* By variable: does a function of the phase write it? */
static void list_written(const struct keeping *keeping, uint32_t phase, bool *written) {
  for (uint32_t f = 0; f < keeping->program->function_count; f++) {
    const struct assay_graph *graph = keeping->program->functions[f]->graph;
    for (uint32_t n = 0; keeping->task->functions[f].phase == phase && n < graph->node_count; n++) {
      if (graph->nodes[n]->op != ASSAY_OP_ASSIGN) continue;
      written[variable_of(graph->nodes[graph->producers[graph->nodes[n]->inputs[0]]])] = true;
    }
  }
}

/* Single options that stay as they are. */
static bool is_lasting_option(const struct keeping *keeping, const struct looked_at *at, const struct assay_node *node) {
  if (node->op != ASSAY_OP_SLICE || node->inputs[0] != at->function->feeds[OPTIONS]) return false;
  const struct assay_slice_attributes *slice = node->attributes;
  return slice->start[0] >= keeping->task->first_lasting && slice->stop[0] <= keeping->task->end_lasting;
}

static enum assay_dependence look_at_node(const struct keeping *keeping, const struct looked_at *at, uint32_t number, const bool *written) {
  const struct assay_node *node = at->function->graph->nodes[number];
  if (node->first_output == at->samples && node->output_count > 0) return ASSAY_DEPENDS_OWN;
  if (node->op == ASSAY_OP_INPUT || node->op == ASSAY_OP_ASSIGN || at->left[number]) return ASSAY_DEPENDS_MIXED;
  if (node->op == ASSAY_OP_VARIABLE) return written[variable_of(node)] ? ASSAY_DEPENDS_MIXED : ASSAY_DEPENDS_NONE;
  return is_lasting_option(keeping, at, node) ? ASSAY_DEPENDS_NONE : assay_follow(&at->following, node);
}

static bool is_early(const struct looked_at *at, int32_t value) { return at->following.states[value] == ASSAY_DEPENDS_OWN; }

static void mark_cut(const struct looked_at *at) {
  const struct assay_graph *graph = at->function->graph;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    const bool late = node->output_count == 0 || at->following.states[node->first_output] == ASSAY_DEPENDS_MIXED;
    for (uint32_t i = 0; late && i < node->input_count; i++) at->cut[node->inputs[i]] |= is_early(at, node->inputs[i]);
  }
  for (uint32_t i = 0; i < at->function->fetch_count; i++) at->cut[at->function->fetches[i]] |= is_early(at, at->function->fetches[i]);
}

/* Early values come from no gradient. */
static bool is_product(const struct assay_node *node) { return node->op == ASSAY_OP_MATMUL || node->op == ASSAY_OP_CONV2D; }

/* What is made without a product from values that are kept anyway, as the padded shortcut of a residual block is, is not worth keeping. True: there was such
 * a value, and the function will make it. */
static bool leave_cheap(const struct looked_at *at) {
  const struct assay_graph *graph = at->function->graph;
  bool any = false;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    if (node->output_count == 0 || !is_early(at, node->first_output)) continue;
    bool cheap = !is_product(node) && node->first_output != at->samples;
    for (uint32_t i = 0; i < node->input_count; i++) cheap = cheap && (!is_early(at, node->inputs[i]) || at->near[node->inputs[i]]);
    for (int32_t i = 0, value = node->first_output; i < (int32_t)node->output_count; i++, value++) {
      at->near[value] = cheap || at->cut[value];
      if (!cheap || !at->cut[value]) continue;
      at->left[n] = any = true;
    }
  }
  return any;
}

/* Follows the samples through the function. False: something at the cut cannot be kept as numbers, or need not be; it is left to the function, and the cut
 * moves. */
static bool look(const struct keeping *keeping, struct looked_at *at, const bool *written) {
  const struct assay_graph *graph = at->function->graph;
  at->wanted = false;
  for (uint32_t value = 0; value < graph->value_count; value++) at->cut[value] = at->deep[value] = at->near[value] = false;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    const enum assay_dependence state = look_at_node(keeping, at, n, written);
    bool deep = is_parameter(keeping->program, node);
    for (uint32_t i = 0; i < node->input_count; i++) deep = deep || at->deep[node->inputs[i]];
    for (uint32_t i = 0; i < node->output_count; i++) {
      at->following.states[node->first_output + (int32_t)i] = (uint8_t)state;
      at->deep[node->first_output + (int32_t)i] = deep;
    }
  }
  mark_cut(at);
  if (leave_cheap(at)) return false;
  for (uint32_t value = 0; value < graph->value_count; value++) {
    if (!at->cut[value]) continue;
    if (graph->types[value]->dtype != ASSAY_F32) {
      at->wanted = false;
      if ((int32_t)value == at->samples) return true; /* the samples themselves are needed */
      at->left[graph->producers[value]] = true;
      return false;
    }
    at->wanted |= at->deep[value];
  }
  return true;
}

static int look_at_function(const struct keeping *keeping, uint32_t number, const bool *written, struct assay_status *status) {
  struct looked_at *at = &keeping->functions[number];
  at->function = keeping->program->functions[number];
  if (!keeping->task->functions[number].has_samples) return 0;
  const struct assay_graph *graph = at->function->graph;
  at->samples = of_batch(graph, at->function->feeds[SAMPLES]);
  at->labels = of_batch(graph, at->function->feeds[LABELS]);
  at->following.graph = graph;
  at->following.samples = graph->types[at->samples]->extents[0];
  at->following.states = calloc((size_t)graph->value_count + 1, 1);
  at->left = calloc((size_t)graph->node_count + 1, sizeof *at->left);
  at->deep = calloc((size_t)graph->value_count + 1, sizeof *at->deep);
  at->cut = calloc((size_t)graph->value_count + 1, sizeof *at->cut);
  at->near = calloc((size_t)graph->value_count + 1, sizeof *at->near);
  if (at->following.states == NULL || at->left == NULL || at->deep == NULL || at->cut == NULL || at->near == NULL) return assay_status_memory(status);
  while (!look(keeping, at, written)) continue;
  return 0;
}

/* Functions of one kind are cut alike, or not at all. */
static void agree(const struct keeping *keeping) {
  const uint32_t count = keeping->program->function_count;
  for (uint32_t f = 0; f < count; f++)
    for (uint32_t other = 0; !keeping->functions[f].wanted && other < count; other++)
      if (keeping->task->functions[other].kind == keeping->task->functions[f].kind) keeping->functions[other].wanted = false;
}

static int look_at_all(const struct keeping *keeping, struct assay_status *status) {
  bool *written = calloc((size_t)keeping->program->variable_count + 1, sizeof *written);
  int code = written == NULL ? assay_status_memory(status) : 0;
  for (uint32_t f = 0; code == 0 && f < keeping->program->function_count; f++) {
    for (uint32_t i = 0; i < keeping->program->variable_count; i++) written[i] = false;
    list_written(keeping, keeping->task->functions[f].phase, written);
    code = look_at_function(keeping, f, written, status);
  }
  free(written);
  if (code == 0) agree(keeping);
  return code;
}

/* ---- The function that computes what is kept ---- */

static void emit(const struct keeping *keeping, struct assay_builder *b, const struct assay_node *node) {
  for (uint32_t i = 0; i < node->input_count; i++) keeping->inputs[i] = keeping->map[node->inputs[i]];
  assay_inside(b)->origin = node->origin;
  assay_builder_repeat(assay_inside(b), node, keeping->inputs, keeping->map);
}

/* Is `now` the type `then` of as many samples more or less? */
static bool same_but_for_samples(const struct assay_tensor_type *then, int64_t samples_then, const struct assay_tensor_type *now, int64_t samples_now) {
  bool same = now->dtype == then->dtype && now->rank == then->rank && now->extents[0] * samples_then == then->extents[0] * samples_now;
  for (int32_t axis = 1; same && axis < then->rank; axis++) same = now->extents[axis] == then->extents[axis];
  return same;
}

/* The number of the value among those that are kept; -1: no more fit. */
static int32_t add_kept(struct kept *kept, assay_value value, int64_t width) {
  for (uint32_t i = 0; i < kept->count; i++)
    if (kept->values[i].id == value.id) return (int32_t)i;
  if (kept->count == MOST_KEPT) return -1;
  kept->values[kept->count] = value;
  kept->widths[kept->count] = width;
  kept->places[kept->count] = kept->width;
  kept->width += width;
  return (int32_t)kept->count++;
}

/* Builds the early part of one function; nodes that are there already are shared. */
static void add_early_part(const struct keeping *keeping, const struct looked_at *at, struct assay_builder *b, assay_value samples, assay_value options) {
  const struct assay_graph *graph = at->function->graph;
  for (uint32_t i = 0; i < graph->value_count; i++) keeping->map[i] = assay_invalid();
  keeping->map[at->function->feeds[OPTIONS]] = options;
  keeping->map[at->samples] = samples;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    const bool early = node->op != ASSAY_OP_INPUT && node->output_count > 0 && at->following.states[node->first_output] != ASSAY_DEPENDS_MIXED;
    if (early && node->first_output != at->samples) emit(keeping, b, node);
  }
}

/* Notes what was built for the function's cut. False: it could not be built for this number of samples. */
static bool note_cut(struct keeping *keeping, uint32_t number, struct assay_builder *b, int64_t samples) {
  const struct looked_at *at = &keeping->functions[number];
  const struct assay_graph *graph = at->function->graph;
  for (uint32_t value = 0, k = 0; value < graph->value_count; value++) {
    if (!at->cut[value]) continue;
    const assay_value now = keeping->map[value];
    if (k == MOST_KEPT || !assay_is_valid(now) || !same_but_for_samples(graph->types[value], at->following.samples, assay_type(b, now), samples)) return false;
    const int32_t place = add_kept(&keeping->kept, now, assay_element_count(graph->types[value]) / at->following.samples);
    if (place < 0) return false;
    keeping->at[number][k++] = place;
  }
  return true;
}

static assay_value feed_like(struct assay_builder *b, const struct assay_function *function, uint32_t number) {
  const struct assay_tensor_type *type = function->graph->types[function->feeds[number]];
  return assay_function_feed(b, type->dtype, type->rank, type->extents);
}

/* One row a sample: f32 [samples, width]. */
static assay_value join(const struct kept *kept, struct assay_builder *b) {
  assay_value rows[MOST_KEPT];
  for (uint32_t i = 0; i < kept->count; i++) rows[i] = assay_reshape(b, kept->values[i], 2, (const int64_t[]){-1, kept->widths[i]});
  return kept->count == 1 ? rows[0] : assay_concat(b, rows, kept->count, 1);
}

static struct assay_builder *begin(const struct keeping *keeping, const char *name) {
  struct assay_builder *b = assay_function_begin(keeping->builder, name);
  if (b != NULL && (assay_inside(b)->known = assay_known_nodes_create()) == NULL) return NULL;
  return b;
}

static int end(const struct keeping *keeping, struct assay_builder *b, const struct assay_function **function, struct assay_status *status) {
  const int code = assay_function_end(b, status);
  if (code != 0) return code;
  const struct assay_function *as_written = assay_builder_function(assay_inside(b));
  return as_written == NULL ? assay_status_memory(status) : assay_function_rebuild(keeping->builder, as_written, NULL, function, status);
}

/* `function` stays NULL where a part cannot be built for another number of samples. */
static int build_kept(struct keeping *keeping, const struct assay_function **function, struct assay_status *status) {
  const struct assay_keep_task *task = keeping->task;
  const struct assay_function *like = keeping->program->functions[task->like];
  struct assay_builder *b = begin(keeping, "kept");
  if (b == NULL) return assay_status_memory(status);
  assay_value feeds[COMMON_FEEDS];
  for (uint32_t i = 0; i < COMMON_FEEDS; i++) feeds[i] = feed_like(b, like, i);
  const bool resident = keeping->functions[task->like].samples != like->feeds[SAMPLES];
  const assay_value samples = resident ? assay_gather(b, feeds[SAMPLES], feeds[ROWS]) : feeds[SAMPLES];
  bool whole = true;
  for (uint32_t f = 0; whole && f < keeping->program->function_count; f++) {
    if (!keeping->functions[f].wanted) continue;
    add_early_part(keeping, &keeping->functions[f], b, samples, feeds[OPTIONS]);
    whole = note_cut(keeping, f, b, assay_extent(b, samples, 0));
  }
  if (!whole) return 0;
  assay_function_fetch(b, join(&keeping->kept, b));
  return end(keeping, b, function, status);
}

/* ---- The functions that read it ---- */

/* The function's cut values, from the rows of its samples. */
static void take_kept(const struct keeping *keeping, uint32_t number, struct assay_builder *b, assay_value rows) {
  const struct looked_at *at = &keeping->functions[number];
  const struct assay_graph *graph = at->function->graph;
  for (uint32_t value = 0, k = 0; value < graph->value_count; value++) {
    if (!at->cut[value]) continue;
    const int32_t place = keeping->at[number][k++];
    const int64_t start = keeping->kept.places[place];
    const assay_value own = assay_slice(b, rows, 1, start, start + keeping->kept.widths[place]);
    keeping->map[value] = assay_reshape(b, own, graph->types[value]->rank, graph->types[value]->extents);
  }
}

/* What comes behind the cut, and what does not depend on the samples. */
static void emit_rest(const struct keeping *keeping, const struct looked_at *at, struct assay_builder *b, int effects) {
  const struct assay_graph *graph = at->function->graph;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    const bool effect = node->output_count == 0;
    const bool early = !effect && (is_early(at, node->first_output) || node->first_output == at->labels);
    if (node->op != ASSAY_OP_INPUT && !early && effect == effects) emit(keeping, b, node);
  }
}

static int build_reader(const struct keeping *keeping, uint32_t number, const struct assay_function **function, struct assay_status *status) {
  const struct assay_keep_task *task = keeping->task;
  const struct looked_at *at = &keeping->functions[number];
  const struct assay_function *old = at->function;
  struct assay_builder *b = begin(keeping, old->name);
  if (b == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < old->graph->value_count; i++) keeping->map[i] = assay_invalid();
  const int64_t count = task->resident_rows > 0 ? task->resident_rows : at->following.samples, extents[2] = {count, keeping->kept.width};
  for (uint32_t i = 0; i < old->feed_count; i++) {
    if (i == SAMPLES) keeping->map[old->feeds[i]] = assay_function_feed(b, ASSAY_F32, 2, extents);
    else if (i == LABELS) keeping->map[old->feeds[i]] = assay_function_feed(b, ASSAY_I32, 1, extents);
    else keeping->map[old->feeds[i]] = feed_like(b, old, i);
  }
  assay_value rows = keeping->map[old->feeds[SAMPLES]], labels = keeping->map[old->feeds[LABELS]];
  if (task->resident_rows > 0) {
    rows = assay_gather(b, rows, keeping->map[old->feeds[ROWS]]);
    labels = assay_gather(b, labels, keeping->map[old->feeds[ROWS]]);
  }
  keeping->map[at->labels] = labels;
  take_kept(keeping, number, b, rows);
  for (int effects = 0; effects < 2; effects++) emit_rest(keeping, at, b, effects);
  for (uint32_t i = 0; i < old->fetch_count; i++) assay_function_fetch(b, keeping->map[old->fetches[i]]);
  return end(keeping, b, function, status);
}

/* ---- All of it ---- */

static int prepare(struct keeping *keeping, struct assay_status *status) {
  size_t values = 1, inputs = 1;
  for (uint32_t f = 0; f < keeping->program->function_count; f++) {
    const struct assay_graph *graph = keeping->program->functions[f]->graph;
    if (graph->value_count > values) values = graph->value_count;
    for (uint32_t n = 0; n < graph->node_count; n++)
      if (graph->nodes[n]->input_count > inputs) inputs = graph->nodes[n]->input_count;
  }
  const size_t count = keeping->program->function_count;
  keeping->functions = calloc(count + 1, sizeof *keeping->functions);
  keeping->at = calloc(count + 1, sizeof *keeping->at);
  keeping->map = calloc(values, sizeof *keeping->map);
  keeping->inputs = calloc(inputs, sizeof *keeping->inputs);
  const bool made = keeping->functions != NULL && keeping->at != NULL && keeping->map != NULL && keeping->inputs != NULL && keeping->builder != NULL;
  return made ? assay_program_copy_variables(keeping->builder, keeping->program, status) : assay_status_memory(status);
}

static void release(struct keeping *keeping) {
  for (uint32_t f = 0; keeping->functions != NULL && f < keeping->program->function_count; f++) {
    free(keeping->functions[f].following.states);
    free(keeping->functions[f].left);
    free(keeping->functions[f].deep);
    free(keeping->functions[f].cut);
    free(keeping->functions[f].near);
  }
  free(keeping->functions);
  free(keeping->at);
  free(keeping->map);
  free(keeping->inputs);
  assay_program_release(keeping->builder);
}

/* The program with `kept` as its last function. */
static int assemble(const struct keeping *keeping, const struct assay_function *kept, bool *reads, const struct assay_program **program,
                    struct assay_status *status) {
  const uint32_t count = keeping->program->function_count;
  const struct assay_function **functions = ASSAY_NEW_ARRAY(keeping->builder->arena, const struct assay_function *, count + 1);
  int code = functions == NULL ? assay_status_memory(status) : 0;
  for (uint32_t f = 0; code == 0 && f < count; f++) {
    reads[f] = keeping->functions[f].wanted;
    functions[f] = keeping->program->functions[f];
    if (reads[f]) code = build_reader(keeping, f, &functions[f], status);
  }
  if (code != 0) return code;
  functions[count] = kept;
  *program = assay_program_assemble(keeping->builder, functions, count + 1);
  return *program == NULL ? assay_status_memory(status) : 0;
}

int assay_program_keep(struct assay_program_builder *owner, const struct assay_program *program, const struct assay_keep_task *task,
                       struct assay_keep_result *result, struct assay_status *status) {
  *result = (struct assay_keep_result){.program = program};
  struct keeping *keeping = calloc(1, sizeof *keeping);
  if (keeping == NULL) return assay_status_memory(status);
  *keeping = (struct keeping){.program = program, .task = task, .builder = assay_program_begin_in(owner->arena)};
  const struct assay_function *kept = NULL;
  int code = prepare(keeping, status);
  if (code == 0) code = look_at_all(keeping, status);
  bool any = false;
  for (uint32_t f = 0; code == 0 && f < program->function_count; f++) any |= keeping->functions[f].wanted;
  if (any) code = build_kept(keeping, &kept, status);
  bool *reads = kept == NULL ? NULL : ASSAY_NEW_ARRAY(owner->arena, bool, program->function_count);
  if (code == 0 && kept != NULL) {
    result->width = (uint64_t)keeping->kept.width;
    result->function = program->function_count;
    result->reads = reads;
    code = reads == NULL ? assay_status_memory(status) : assemble(keeping, kept, reads, &result->program, status);
  }
  release(keeping);
  free(keeping);
  return code;
}
