/* SPDX-License-Identifier: MIT
 *
 * What a builder is inside: for the passes of this folder alone.
 */
#ifndef ASSAY_GRAPH_BUILDER_H
#define ASSAY_GRAPH_BUILDER_H

#include "base/arena.h"
#include "graph/ops.h"

struct assay_known_nodes; /* table of nodes by what they compute; see simplify.c */

struct assay_function_builder {
  struct assay_builder base; /* comes first: this is what plugins are handed */
  struct assay_program_builder *program;
  struct assay_build_context context;
  const char *name;

  /* The graph so far; arrays malloc'ed, what they point to in the program's arena. */
  struct assay_node **nodes;
  struct assay_tensor_type **types;
  int32_t *producers;
  size_t node_capacity, type_capacity, producer_capacity;
  uint32_t node_count, value_count;

  int32_t *feeds, *fetches;
  size_t feed_capacity, fetch_capacity;
  uint32_t feed_count, fetch_count;
  int32_t *reads; /* by variable: the value that reads it, or -1 */
  size_t read_capacity;
  uint32_t read_count;
  const uint8_t *held; /* by variable; the caller's */
  uint32_t held_count;

  const char *scope, *where, *options; /* never NULL; empty: none */
  const char *origin;                  /* of the next nodes; the scope, or during a pass that of the node at hand */
  uint32_t streams;                    /* handed out */
  struct assay_known_nodes *known;     /* not NULL: nodes are simplified and shared as they are emitted */
  struct assay_status status;          /* the first error; code 0: none */
};

struct assay_program_builder {
  struct assay_arena *arena;
  bool owns_arena;
  int32_t precision; /* ASSAY_F32 or ASSAY_F64 */
  struct assay_function_builder **functions;
  struct assay_variable_definition **variables;
  size_t function_capacity, variable_capacity;
  uint32_t function_count, variable_count;
};

/* The builder as the core sees it. */
static inline struct assay_function_builder *assay_inside(struct assay_builder *builder) { return (struct assay_function_builder *)builder; }

/* As assay_program_begin, but in an arena of the caller's. */
struct assay_program_builder *assay_program_begin_in(struct assay_arena *arena);
/* Another program's variables, same numbers. */
int assay_program_copy_variables(struct assay_program_builder *program, const struct assay_program *from, struct assay_status *status);

/* Makes the first error of a build. `node` names the op at hand; NULL. */
void assay_builder_refuse(struct assay_function_builder *builder, const char *op, const struct assay_status *cause);
void assay_builder_out_of_memory(struct assay_function_builder *builder);

/* Adds a node as it is: inputs, attributes and output types are known to be right. Gives the first output, or invalid when memory is short. */
assay_value assay_builder_append(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs, uint32_t input_count,
                                 const void *attributes, const struct assay_tensor_type *outputs);

/* The graph so far, in the program's arena; NULL when memory is short. */
const struct assay_graph *assay_builder_graph(struct assay_function_builder *builder);
/* The function so far, likewise. */
const struct assay_function *assay_builder_function(struct assay_function_builder *builder);

/* ---- Following samples through a graph; coupling.c ---- */

enum assay_dependence {
  ASSAY_DEPENDS_NONE = 0, /* not on the samples */
  ASSAY_DEPENDS_OWN = 1,  /* axis 0 falls into one block a sample, and each block depends on its sample alone */
  ASSAY_DEPENDS_MIXED = 2 /* on several, or it is not known */
};
struct assay_following {
  const struct assay_graph *graph;
  int64_t samples; /* of the batch */
  uint8_t *states; /* by value: enum assay_dependence */
};
/* What the results of a node depend on, by what its inputs do. */
enum assay_dependence assay_follow(const struct assay_following *following, const struct assay_node *node);

/* Reverse mode over the nodes [first, last): seeds are pairs of a value and its gradient; fills gradients of `wrt`, invalid where nothing flows. */
void assay_builder_reverse(struct assay_function_builder *builder, uint32_t first, uint32_t last, const assay_value *seeds, const assay_value *seed_gradients,
                           uint32_t seed_count, const assay_value *wrt, uint32_t wrt_count, assay_value *gradients);

/* Called by emit when `known` is set: an existing value that is the same, or invalid: the node must be added, and then remembered. */
assay_value assay_simplify_node(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs, uint32_t input_count,
                                const void *attributes, const struct assay_tensor_type *outputs);
/* The number of an equal node, or -1; and adding one. */
int32_t assay_known_node(const struct assay_function_builder *builder, const struct assay_op_info *info, const int32_t *inputs, uint32_t input_count,
                         const void *attributes);
void assay_remember_node(struct assay_function_builder *builder, uint32_t node);
struct assay_known_nodes *assay_known_nodes_create(void);
void assay_known_nodes_release(struct assay_known_nodes *known);

/* Emits a node of another function over the same variables, no INPUT, with these inputs; where its results went is written to `map`, by their old
 * numbers. */
void assay_builder_repeat(struct assay_function_builder *builder, const struct assay_node *node, const assay_value *inputs, assay_value *map);

/* Builds `function` anew in `program`: dead nodes left out, the rest simplified, composites for which `decompose` (may be NULL) is set taken apart, assigns
 * at the end. Node numbers of `decompose` are those of `function`. */
int assay_function_rebuild(struct assay_program_builder *program, const struct assay_function *function, const bool *decompose,
                           const struct assay_function **rebuilt, struct assay_status *status);
/* A function without what its making left behind: everything copied into `arena`. NULL when memory is short. */
const struct assay_function *assay_function_copy(const struct assay_function *function, struct assay_arena *arena);
/* The program of given functions, with its key, in the builder's arena. */
const struct assay_program *assay_program_assemble(struct assay_program_builder *builder, const struct assay_function *const *functions,
                                                   uint32_t function_count);

#endif
