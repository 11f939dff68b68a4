/* SPDX-License-Identifier: MIT
 *
 * The key of a program: XXH3-128 over a canonical walk of everything that decides what it computes. Names, origins and initialisers stay out. Attribute
 * structures have no padding and are normalised when nodes are made, so their bytes are canonical.
 */
#include "graph/builder.h"

#include "base/hash.h"

#include <string.h>

static void add_u32(struct assay_hasher *hasher, uint32_t number) { assay_hasher_add(hasher, &number, sizeof number); }

static void add_type(struct assay_hasher *hasher, const struct assay_tensor_type *type) {
  add_u32(hasher, (uint32_t)type->dtype);
  add_u32(hasher, (uint32_t)type->rank);
  assay_hasher_add(hasher, type->extents, (size_t)type->rank * sizeof type->extents[0]);
}

static void add_node(struct assay_hasher *hasher, const struct assay_graph *graph, const struct assay_node *node) {
  add_u32(hasher, node->op);
  add_u32(hasher, node->input_count);
  assay_hasher_add(hasher, node->inputs, node->input_count * sizeof *node->inputs);
  add_u32(hasher, node->attributes_size);
  assay_hasher_add(hasher, node->attributes, node->attributes_size);
  add_u32(hasher, node->output_count);
  for (uint32_t i = 0; i < node->output_count; i++) add_type(hasher, graph->types[node->first_output + (int32_t)i]);
}

static void add_function(struct assay_hasher *hasher, const struct assay_function *function) {
  const struct assay_graph *graph = function->graph;
  add_u32(hasher, graph->node_count);
  for (uint32_t i = 0; i < graph->node_count; i++) add_node(hasher, graph, graph->nodes[i]);
  add_u32(hasher, function->feed_count);
  assay_hasher_add(hasher, function->feeds, function->feed_count * sizeof *function->feeds);
  add_u32(hasher, function->fetch_count);
  assay_hasher_add(hasher, function->fetches, function->fetch_count * sizeof *function->fetches);
}

/* When memory is short the key stays zero: it is then equal to no other's, see session.c. */
void assay_program_hash(const struct assay_program *program, uint8_t key[16]) {
  memset(key, 0, 16);
  struct assay_hasher *hasher = assay_hasher_create();
  if (hasher == NULL) return;
  add_u32(hasher, program->variable_count);
  for (uint32_t i = 0; i < program->variable_count; i++) {
    add_u32(hasher, program->variables[i]->role);
    add_type(hasher, &program->variables[i]->type);
  }
  add_u32(hasher, program->function_count);
  for (uint32_t i = 0; i < program->function_count; i++) add_function(hasher, program->functions[i]);
  const struct assay_hash hash = assay_hasher_finish(hasher);
  memcpy(key, hash.bytes, 16);
}
