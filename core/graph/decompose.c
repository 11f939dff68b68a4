/* SPDX-License-Identifier: MIT
 *
 * Making a program fit a backend: composites that it does not take are taken apart, level by level.
 */
#include "graph/builder.h"

#include "base/status.h"

#include <stdlib.h>

struct fitting {
  struct assay_program_builder *builder;
  assay_takes takes;
  void *context;
};

/* Sets refused[node] for composites that are not taken; gives how many. A primitive that is not taken is remembered in `primitive`. */
static uint32_t ask(const struct fitting *fitting, const struct assay_graph *graph, bool *refused, int64_t *primitive) {
  uint32_t count = 0;
  *primitive = -1;
  for (uint32_t i = 0; i < graph->node_count; i++) {
    refused[i] = false;
    if (fitting->takes(fitting->context, graph, i)) continue;
    if (assay_op_info(graph->nodes[i]->op)->flags & ASSAY_OP_COMPOSITE) {
      refused[i] = true;
      count++;
    } else if (*primitive < 0) {
      *primitive = i;
    }
  }
  return count;
}

static int refuse_primitive(const struct assay_graph *graph, uint32_t index, struct assay_status *status) {
  const struct assay_node *node = graph->nodes[index];
  char text[ASSAY_TYPE_TEXT] = "nothing";
  const int32_t value = node->output_count > 0 ? node->first_output : node->input_count > 0 ? node->inputs[0] : -1;
  if (value >= 0) assay_type_text(graph->types[value], text);
  return assay_status_set(status, ASSAY_E_UNSUPPORTED, "%s%sthe backend does not support %s of %s; use another backend", node->origin,
                          *node->origin == '\0' ? "" : ": ", assay_op_info(node->op)->name, text);
}

static int fit_function(const struct fitting *fitting, const struct assay_function *function, const struct assay_function **fitted,
                        struct assay_status *status) {
  *fitted = NULL;
  int error = assay_function_rebuild(fitting->builder, function, NULL, fitted, status);
  while (error == 0) {
    const struct assay_graph *graph = (*fitted)->graph;
    bool *refused = malloc(graph->node_count + 1);
    if (refused == NULL) return assay_status_memory(status);
    int64_t primitive;
    const uint32_t count = ask(fitting, graph, refused, &primitive);
    if (count > 0) error = assay_function_rebuild(fitting->builder, *fitted, refused, fitted, status);
    free(refused);
    if (count == 0) return primitive < 0 ? 0 : refuse_primitive(graph, (uint32_t)primitive, status);
  }
  return error;
}

/* Fits one function in an arena of its own, which takes what the passes leave behind, and copies the result. */
static int fit_and_copy(const struct assay_program *program, uint32_t index, assay_takes takes, void *context, struct assay_arena *arena,
                        const struct assay_function **fitted, struct assay_status *status) {
  const struct fitting fitting = {assay_program_begin(), takes, context};
  if (fitting.builder == NULL) return assay_status_memory(status);
  const struct assay_function *function = NULL;
  int error = assay_program_copy_variables(fitting.builder, program, status);
  if (error == 0) error = fit_function(&fitting, program->functions[index], &function, status);
  if (error == 0 && (*fitted = assay_function_copy(function, arena)) == NULL) error = assay_status_memory(status);
  assay_program_release(fitting.builder);
  return error;
}

int assay_program_decompose(const struct assay_program *program, assay_takes takes, void *context, struct assay_arena *arena,
                            const struct assay_program **decomposed, struct assay_status *status) {
  struct assay_program_builder *builder = assay_program_begin_in(arena);
  const struct assay_function **functions = ASSAY_NEW_ARRAY(arena, const struct assay_function *, program->function_count);
  int error = builder == NULL || functions == NULL ? assay_status_memory(status) : assay_program_copy_variables(builder, program, status);
  for (uint32_t i = 0; i < program->function_count && error == 0; i++) error = fit_and_copy(program, i, takes, context, arena, &functions[i], status);
  if (error == 0 && (*decomposed = assay_program_assemble(builder, functions, program->function_count)) == NULL) error = assay_status_memory(status);
  assay_program_release(builder);
  return error;
}
