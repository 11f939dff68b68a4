/* SPDX-License-Identifier: MIT
 *
 * Programs: variables and functions collected, then assembled with a key.
 */
#include "graph/builder.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>

struct assay_program_builder *assay_program_begin_in(struct assay_arena *arena) {
  struct assay_program_builder *program = calloc(1, sizeof *program);
  if (program == NULL) return NULL;
  program->arena = arena;
  program->precision = ASSAY_F32;
  return program;
}

struct assay_program_builder *assay_program_begin(void) {
  struct assay_arena *arena = assay_arena_create();
  struct assay_program_builder *program = arena == NULL ? NULL : assay_program_begin_in(arena);
  if (program == NULL) assay_arena_release(arena);
  else program->owns_arena = true;
  return program;
}

static void release_function(struct assay_function_builder *function) {
  assay_known_nodes_release(function->known);
  free(function->nodes);
  free(function->types);
  free(function->producers);
  free(function->feeds);
  free(function->fetches);
  free(function->reads);
  free(function);
}

void assay_program_release(struct assay_program_builder *program) {
  if (program == NULL) return;
  for (uint32_t i = 0; i < program->function_count; i++) release_function(program->functions[i]);
  free(program->functions);
  free(program->variables);
  if (program->owns_arena) assay_arena_release(program->arena);
  free(program);
}

int assay_program_precision(struct assay_program_builder *program, int32_t dtype, struct assay_status *status) {
  if (dtype != ASSAY_F32 && dtype != ASSAY_F64) return assay_status_set(status, ASSAY_E_CONFIG, "a program is built in f32 or f64");
  if (program->function_count > 0) return assay_status_set(status, ASSAY_E_CONFIG, "a program's precision is set before its first function");
  program->precision = dtype;
  return 0;
}

int32_t assay_program_find_variable(const struct assay_program_builder *program, const char *name) {
  for (uint32_t i = 0; i < program->variable_count; i++)
    if (strcmp(program->variables[i]->base.name, name) == 0) return (int32_t)i;
  return -1;
}

uint32_t assay_program_variable_count(const struct assay_program_builder *program) { return program->variable_count; }

const struct assay_variable_definition *assay_program_variable(const struct assay_program_builder *program, uint32_t index) {
  return index < program->variable_count ? program->variables[index] : NULL;
}

int assay_program_copy_variables(struct assay_program_builder *program, const struct assay_program *from, struct assay_status *status) {
  void *variables = program->variables;
  const bool roomy = assay_grow(&variables, &program->variable_capacity, from->variable_count, sizeof *program->variables);
  program->variables = variables;
  if (!roomy) return assay_status_memory(status);
  for (uint32_t i = 0; i < from->variable_count; i++) {
    struct assay_variable_definition *definition = ASSAY_NEW(program->arena, struct assay_variable_definition);
    const char *name = assay_arena_copy(program->arena, from->variables[i]->name);
    if (definition == NULL || name == NULL) return assay_status_memory(status);
    definition->base = *from->variables[i];
    definition->base.name = name;
    program->variables[i] = definition;
  }
  program->variable_count = from->variable_count;
  return 0;
}

/* Text that was copied last is not copied again: neighbours mostly share their origin. */
struct text_copy {
  const char *from, *to;
};

static const struct assay_node *copy_node(const struct assay_node *node, struct text_copy *origin, struct assay_arena *arena) {
  struct assay_node *copy = ASSAY_NEW(arena, struct assay_node);
  if (origin->from != node->origin) *origin = (struct text_copy){node->origin, assay_arena_copy(arena, node->origin)};
  void *inputs = assay_arena_copy_bytes(arena, node->inputs, node->input_count * sizeof *node->inputs);
  void *attributes = assay_arena_copy_bytes(arena, node->attributes, node->attributes_size);
  if (copy == NULL || origin->to == NULL || inputs == NULL || attributes == NULL) return NULL;
  *copy = *node;
  copy->inputs = inputs;
  copy->attributes = attributes;
  copy->origin = origin->to;
  return copy;
}

static const struct assay_graph *copy_graph(const struct assay_graph *graph, struct assay_arena *arena) {
  struct assay_graph *copy = ASSAY_NEW(arena, struct assay_graph);
  const struct assay_node **nodes = ASSAY_NEW_ARRAY(arena, const struct assay_node *, graph->node_count);
  const struct assay_tensor_type **types = ASSAY_NEW_ARRAY(arena, const struct assay_tensor_type *, graph->value_count);
  struct assay_tensor_type *all = ASSAY_NEW_ARRAY(arena, struct assay_tensor_type, graph->value_count);
  void *producers = assay_arena_copy_bytes(arena, graph->producers, graph->value_count * sizeof *graph->producers);
  if (copy == NULL || nodes == NULL || types == NULL || all == NULL || producers == NULL) return NULL;
  struct text_copy origin = {NULL, NULL};
  for (uint32_t i = 0; i < graph->node_count; i++)
    if ((nodes[i] = copy_node(graph->nodes[i], &origin, arena)) == NULL) return NULL;
  for (uint32_t i = 0; i < graph->value_count; i++) {
    all[i] = *graph->types[i];
    types[i] = &all[i];
  }
  *copy = *graph;
  copy->nodes = nodes;
  copy->types = types;
  copy->producers = producers;
  return copy;
}

const struct assay_function *assay_function_copy(const struct assay_function *function, struct assay_arena *arena) {
  struct assay_function *copy = ASSAY_NEW(arena, struct assay_function);
  const char *name = assay_arena_copy(arena, function->name);
  const struct assay_graph *graph = copy_graph(function->graph, arena);
  void *feeds = assay_arena_copy_bytes(arena, function->feeds, function->feed_count * sizeof *function->feeds);
  void *fetches = assay_arena_copy_bytes(arena, function->fetches, function->fetch_count * sizeof *function->fetches);
  if (copy == NULL || name == NULL || graph == NULL || feeds == NULL || fetches == NULL) return NULL;
  *copy = *function;
  copy->name = name;
  copy->graph = graph;
  copy->feeds = feeds;
  copy->fetches = fetches;
  return copy;
}

const struct assay_program *assay_program_assemble(struct assay_program_builder *builder, const struct assay_function *const *functions,
                                                   uint32_t function_count) {
  struct assay_arena *arena = builder->arena;
  struct assay_program *program = ASSAY_NEW(arena, struct assay_program);
  const struct assay_variable **variables = ASSAY_NEW_ARRAY(arena, const struct assay_variable *, builder->variable_count);
  void *copy = assay_arena_copy_bytes(arena, functions, function_count * sizeof *functions);
  if (program == NULL || variables == NULL || copy == NULL) return NULL;
  for (uint32_t i = 0; i < builder->variable_count; i++) variables[i] = &builder->variables[i]->base;
  *program = (struct assay_program){sizeof *program, builder->variable_count, function_count, 0, variables, copy, {0}};
  assay_program_hash(program, program->key);
  return program;
}

/* Same definitions, same numbers: nothing but the list is copied. */
static bool share_variables(struct assay_program_builder *to, const struct assay_program_builder *from) {
  void *variables = to->variables;
  const bool roomy = assay_grow(&variables, &to->variable_capacity, from->variable_count, sizeof *to->variables);
  to->variables = variables;
  if (!roomy) return false;
  for (uint32_t i = 0; i < from->variable_count; i++) to->variables[i] = from->variables[i];
  to->variable_count = from->variable_count;
  return true;
}

static int finish_function(struct assay_program_builder *finished, struct assay_function_builder *written, const struct assay_function **function,
                           struct assay_status *status) {
  int error = assay_function_end(&written->base, status);
  if (error != 0) return error;
  const struct assay_function *as_written = assay_builder_function(written);
  return as_written == NULL ? assay_status_memory(status) : assay_function_rebuild(finished, as_written, NULL, function, status);
}

int assay_program_finish(struct assay_program_builder *builder, const struct assay_program **program, struct assay_status *status) {
  struct assay_program_builder *finished = assay_program_begin_in(builder->arena);
  const struct assay_function **functions = ASSAY_NEW_ARRAY(builder->arena, const struct assay_function *, builder->function_count);
  int error = 0;
  if (finished == NULL || functions == NULL || !share_variables(finished, builder)) error = assay_status_memory(status);
  for (uint32_t i = 0; i < builder->function_count && error == 0; i++) error = finish_function(finished, builder->functions[i], &functions[i], status);
  if (error == 0 && (*program = assay_program_assemble(finished, functions, builder->function_count)) == NULL) error = assay_status_memory(status);
  assay_program_release(finished);
  return error;
}
