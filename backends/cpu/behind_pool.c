/* SPDX-License-Identifier: MIT
 *
 * Gradients behind max pooling stay small. Max pooling hands the gradient of each of its results to one place of its input and zero to all
 * others; what follows (the derivative of the activation, the gradients of the convolution before it) is linear in that gradient and
 * works place by place. So all of it can be done on the pooled plane, a quarter of the size for the usual 2 x 2, together with the
 * places. This pass rewrites a graph so:
 *
 *     dy = max_pool_gradient(dp, where)           (gone)
 *     dz = E(dy, y, v, …)                         dq = E(dp, p, gather(v, where), …)
 *                                                 pairs = sparse_pairs(dq, where)
 *     conv_weight_gradient(x, dz)                 sparse_weight_gradient(x, pairs)
 *     conv_input_gradient(dz, w)                  sparse_input_gradient(pairs, w)
 *     reduce_sum(dz, over H, W)                   reduce_sum(dq, over H, W)
 *
 * where p = max_pool(y), and E is a chain of elementwise ops that is zero where dy is zero. It is done only where everything that reads dy
 * is of this kind; the results are the same sums with the zeros left out.
 */
#include "cpu.h"

#include <string.h>

struct region {
  struct assay_executable *executable;
  const struct assay_graph *graph;
  const struct assay_function *function;
  const struct assay_node *gradient, *pool;
  uint32_t gradient_at, pool_at;
  const struct assay_tensor_type *plane; /* of y and dy */
  bool *linear;                          /* by value: dy, or linear in it */
  bool *inside;                          /* by node: moves to the pooled plane */
  bool has_convolution;
};

static const struct assay_node *producer(const struct region *region, int32_t value) { return region->graph->nodes[region->graph->producers[value]]; }

static bool on_plane(const struct region *region, int32_t value) {
  const struct assay_tensor_type *type = region->graph->types[value];
  return type->rank == 4 && memcmp(type->extents, region->plane->extents, 4 * sizeof(int64_t)) == 0;
}

/* The same number all over H and W. */
static bool flat(const struct region *region, int32_t value) {
  const struct assay_tensor_type *type = region->graph->types[value];
  return (type->rank < 1 || type->extents[type->rank - 1] == 1) && (type->rank < 2 || type->extents[type->rank - 2] == 1);
}

static int32_t through_broadcast(const struct region *region, int32_t value) {
  while (producer(region, value)->op == ASSAY_OP_BROADCAST) value = producer(region, value)->inputs[0];
  return value;
}

static bool is_zero(const struct region *region, int32_t value) {
  const struct assay_node *node = producer(region, through_broadcast(region, value));
  return node->op == ASSAY_OP_CONSTANT && ((const struct assay_constant_attributes *)node->attributes)->value == 0;
}

/* Is an elementwise node with linear inputs zero wherever dy is? */
static bool keeps_zeros(const struct region *region, const struct assay_node *node) {
  const bool *linear = region->linear;
  switch (node->op) {
  case ASSAY_OP_NEGATE: return true;
  case ASSAY_OP_MULTIPLY: return linear[node->inputs[0]] != linear[node->inputs[1]];
  case ASSAY_OP_DIVIDE: return linear[node->inputs[0]] && !linear[node->inputs[1]];
  case ASSAY_OP_ADD:
  case ASSAY_OP_SUBTRACT: return linear[node->inputs[0]] && linear[node->inputs[1]];
  case ASSAY_OP_SELECT:
    return !linear[node->inputs[0]] && (linear[node->inputs[1]] || is_zero(region, node->inputs[1])) &&
           (linear[node->inputs[2]] || is_zero(region, node->inputs[2]));
  default: return false;
  }
}

static bool plain_convolution(const struct assay_conv2d_attributes *a) {
  return a->groups == 1 && a->stride[0] == 1 && a->stride[1] == 1 && a->dilation[0] == 1 && a->dilation[1] == 1;
}

/* May this node, which reads something linear, stay a reader of the pooled gradient? */
static bool can_end(const struct region *region, const struct assay_node *node) {
  switch (node->op) {
  case ASSAY_OP_CONV2D_WEIGHT_GRADIENT: return !region->linear[node->inputs[0]] && plain_convolution(node->attributes);
  case ASSAY_OP_CONV2D_INPUT_GRADIENT: return !region->linear[node->inputs[1]] && plain_convolution(node->attributes);
  case ASSAY_OP_REDUCE_SUM: return (((const struct assay_reduce_attributes *)node->attributes)->axes & 0xC) == 0xC;
  default: return false;
  }
}

static bool fetched(const struct region *region, int32_t value) {
  for (uint32_t f = 0; f < region->function->fetch_count; f++)
    if (region->function->fetches[f] == value) return true;
  return false;
}

/* Everything that reads dy, or what is linear in it. */
static bool follow_gradient(struct region *region) {
  const struct assay_graph *graph = region->graph;
  region->linear[region->gradient->first_output] = true;
  if (fetched(region, region->gradient->first_output)) return false;
  for (uint32_t n = region->gradient_at + 1; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    bool reads = false;
    for (uint32_t k = 0; k < node->input_count; k++) reads |= region->linear[node->inputs[k]];
    if (!reads) continue;
    if (assay_cpu_is_elementwise(node->op)) {
      if (!keeps_zeros(region, node) || !on_plane(region, node->first_output) || fetched(region, node->first_output)) return false;
      for (uint32_t k = 0; k < node->input_count; k++)
        if (!on_plane(region, node->inputs[k]) && !flat(region, node->inputs[k])) return false;
      region->linear[node->first_output] = true;
      region->inside[n] = true;
    } else {
      if (!can_end(region, node)) return false;
      region->has_convolution |= node->op != ASSAY_OP_REDUCE_SUM;
    }
  }
  return region->has_convolution;
}

/* Elementwise nodes behind the pooling that only the region reads, such as the 1 - y² of tanh, move along. */
static void take_helpers(struct region *region) {
  const struct assay_graph *graph = region->graph;
  for (uint32_t n = graph->node_count; n-- > region->pool_at + 1;) {
    const struct assay_node *node = graph->nodes[n];
    if (region->inside[n] || !assay_cpu_is_elementwise(node->op) || !on_plane(region, node->first_output) || fetched(region, node->first_output)) continue;
    bool only = true, any = false;
    for (uint32_t m = n + 1; m < graph->node_count && only; m++)
      for (uint32_t k = 0; k < graph->nodes[m]->input_count; k++)
        if (graph->nodes[m]->inputs[k] == node->first_output) any = true, only &= region->inside[m];
    for (uint32_t k = 0; k < node->input_count; k++) only &= on_plane(region, node->inputs[k]) || flat(region, node->inputs[k]);
    region->inside[n] = any && only;
  }
}

/* ---- Writing the new graph ---- */

struct writer {
  const struct region *region;
  const struct assay_node **nodes;
  const struct assay_tensor_type **types;
  int32_t *producers;
  uint32_t node_count, value_count;
  int32_t *gathered;                                      /* by old value: the gathered one, or -1 */
  int32_t *paired;                                        /* by old value: its pairs, or -1 */
  const struct assay_tensor_type *pooled[ASSAY_BOOL + 1]; /* by dtype */
};

static struct assay_node *copy_node(struct writer *writer, const struct assay_node *node) {
  struct assay_node *copy = assay_cpu_take(writer->region->executable, 1, sizeof *copy);
  int32_t *inputs = assay_cpu_take(writer->region->executable, node->input_count, sizeof *inputs);
  if (!copy || !inputs) return NULL;
  *copy = *node;
  if (node->input_count) memcpy(inputs, node->inputs, node->input_count * sizeof *inputs);
  copy->inputs = inputs;
  return copy;
}

static void add_node(struct writer *writer, const struct assay_node *node) {
  for (uint32_t i = 0; i < node->output_count; i++) writer->producers[node->first_output + (int32_t)i] = (int32_t)writer->node_count;
  writer->nodes[writer->node_count++] = node;
}

static const struct assay_tensor_type *pooled_type(struct writer *writer, int32_t dtype) {
  if (!writer->pooled[dtype]) {
    struct assay_tensor_type *type = assay_cpu_take(writer->region->executable, 1, sizeof *type);
    if (!type) return NULL;
    *type = *writer->region->graph->types[writer->region->pool->first_output];
    type->dtype = dtype;
    writer->pooled[dtype] = type;
  }
  return writer->pooled[dtype];
}

/* Adds a node of two inputs, the second of which is the places of the maxima; gives its output, or -1 when memory is short. */
static int32_t add_beside_where(struct writer *writer, uint32_t op, int32_t value, const struct assay_tensor_type *type, const void *attributes, size_t size,
                                const char *origin) {
  const struct region *region = writer->region;
  struct assay_node *node = assay_cpu_take(region->executable, 1, sizeof *node);
  int32_t *inputs = assay_cpu_take(region->executable, 2, sizeof *inputs);
  if (!node || !inputs || !type || !attributes) return -1;
  inputs[0] = value;
  inputs[1] = region->pool->first_output + 1;
  *node = (struct assay_node){.struct_size = sizeof *node,
                              .op = op,
                              .input_count = 2,
                              .output_count = 1,
                              .inputs = inputs,
                              .first_output = (int32_t)writer->value_count,
                              .attributes = attributes,
                              .attributes_size = (uint32_t)size,
                              .origin = origin};
  writer->types[writer->value_count++] = type;
  add_node(writer, node);
  return node->first_output;
}

/* v at the places of the maxima. */
static int32_t gather(struct writer *writer, int32_t value, const char *origin) {
  const struct assay_node *pool = writer->region->pool;
  int32_t *known = &writer->gathered[value];
  if (*known < 0)
    *known = add_beside_where(writer, ASSAY_CPU_OP_GATHER_MAXIMA, value, pooled_type(writer, writer->region->graph->types[value]->dtype), pool->attributes,
                              pool->attributes_size, origin);
  return *known;
}

/* Lists of the gradient's pairs; `old` is the value in the old graph, `value` in the new. */
static int32_t pair(struct writer *writer, int32_t old, int32_t value, const struct assay_cpu_sparse_attributes *attributes, const char *origin) {
  int32_t *known = &writer->paired[old];
  if (*known >= 0) return *known;
  struct assay_tensor_type *type = assay_cpu_take(writer->region->executable, 1, sizeof *type);
  if (!type) return -1;
  *type = (struct assay_tensor_type){ASSAY_I32, 1, {assay_cpu_pairs_size(&attributes->shape)}};
  return *known = add_beside_where(writer, ASSAY_CPU_OP_SPARSE_PAIRS, value, type, attributes, sizeof *attributes, origin);
}

/* An input of a node that moved: what stands for it on the pooled plane. */
static int32_t moved_input(struct writer *writer, int32_t value, const char *origin) {
  const struct region *region = writer->region;
  if (value == region->gradient->first_output) return region->gradient->inputs[0];
  if (region->inside[region->graph->producers[value]]) return value;
  if (value == region->pool->inputs[0]) return region->pool->first_output;
  const int32_t behind = through_broadcast(region, value);
  if (flat(region, behind)) return behind;
  return flat(region, value) ? value : gather(writer, value, origin);
}

static int write_moved(struct writer *writer, const struct assay_node *node) {
  struct assay_node *copy = copy_node(writer, node);
  const struct assay_tensor_type *type = pooled_type(writer, writer->region->graph->types[node->first_output]->dtype);
  if (!copy || !type) return ASSAY_E_MEMORY;
  for (uint32_t k = 0; k < node->input_count; k++) {
    const int32_t value = moved_input(writer, node->inputs[k], node->origin);
    if (value < 0) return ASSAY_E_MEMORY;
    ((int32_t *)(uintptr_t)copy->inputs)[k] = value;
  }
  writer->types[node->first_output] = type;
  add_node(writer, copy);
  return 0;
}

static struct assay_cpu_sparse_attributes *describe(const struct writer *writer, const struct assay_node *node) {
  const struct region *region = writer->region;
  const bool weights = node->op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT;
  const struct assay_conv2d_attributes *convolution = node->attributes;
  const struct assay_tensor_type *x = region->graph->types[weights ? node->inputs[0] : node->first_output];
  const struct assay_tensor_type *w = region->graph->types[weights ? node->first_output : node->inputs[1]];
  const struct assay_tensor_type *pooled = region->graph->types[region->pool->first_output];
  struct assay_cpu_sparse_attributes *made = assay_cpu_take(region->executable, 1, sizeof *made);
  if (!made) return NULL;
  made->pool = assay_cpu_describe_pool(region->pool->attributes, region->plane, pooled);
  made->shape = (struct assay_cpu_sparse){
    .batch = x->extents[0],
    .channels = x->extents[1],
    .height = x->extents[2],
    .width = x->extents[3],
    .out_channels = w->extents[0],
    .pooled = pooled->extents[2] * pooled->extents[3],
    .kernel = {w->extents[2], w->extents[3]},
    .pad = {convolution->pad_low[0], convolution->pad_low[1]},
    .plane_height = x->extents[2] + convolution->pad_low[0] + convolution->pad_high[0],
    /* Odd, so that rows do not lie a power of two apart, where processors take different addresses for equal ones. */
    .plane_width = (x->extents[3] + convolution->pad_low[1] + convolution->pad_high[1]) | 1,
  };
  return made;
}

/* A convolution's gradient or a sum that reads the gradient. */
static int write_end(struct writer *writer, const struct assay_node *node) {
  const struct region *region = writer->region;
  struct assay_node *copy = copy_node(writer, node);
  if (!copy) return ASSAY_E_MEMORY;
  int32_t *inputs = (int32_t *)(uintptr_t)copy->inputs;
  for (uint32_t k = 0; k < node->input_count; k++)
    if (inputs[k] == region->gradient->first_output) inputs[k] = region->gradient->inputs[0];
  if (node->op != ASSAY_OP_REDUCE_SUM) {
    const bool weights = node->op == ASSAY_OP_CONV2D_WEIGHT_GRADIENT;
    const struct assay_cpu_sparse_attributes *attributes = describe(writer, node);
    const int k = weights ? 1 : 0;
    inputs[k] = attributes ? pair(writer, node->inputs[k], inputs[k], attributes, node->origin) : -1;
    if (inputs[k] < 0) return ASSAY_E_MEMORY;
    copy->op = weights ? ASSAY_CPU_OP_SPARSE_WEIGHT_GRADIENT : ASSAY_CPU_OP_SPARSE_INPUT_GRADIENT;
    copy->attributes = attributes;
    copy->attributes_size = sizeof *attributes;
  }
  add_node(writer, copy);
  return 0;
}

static int write_graph(const struct region *region, const struct assay_graph **result) {
  const struct assay_graph *graph = region->graph;
  struct assay_executable *executable = region->executable;
  const size_t nodes = 2 * (size_t)graph->node_count,
               values = (size_t)graph->value_count + graph->node_count; /* at most one gather a value read, one list of pairs an end */
  struct writer writer = {.region = region, .value_count = graph->value_count};
  writer.nodes = assay_cpu_take(executable, nodes + values, sizeof *writer.nodes);
  writer.types = assay_cpu_take(executable, 2 * values, sizeof *writer.types);
  writer.producers = assay_cpu_take(executable, 2 * values, sizeof *writer.producers);
  writer.gathered = assay_cpu_take(executable, graph->value_count, sizeof *writer.gathered);
  writer.paired = assay_cpu_take(executable, graph->value_count, sizeof *writer.paired);
  struct assay_graph *made = assay_cpu_take(executable, 1, sizeof *made);
  if (!writer.nodes || !writer.types || !writer.producers || !writer.gathered || !writer.paired || !made) return ASSAY_E_MEMORY;
  memcpy(writer.types, graph->types, graph->value_count * sizeof *writer.types);
  for (uint32_t v = 0; v < graph->value_count; v++) writer.gathered[v] = writer.paired[v] = -1;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    bool reads = false;
    for (uint32_t k = 0; k < node->input_count; k++) reads |= region->linear[node->inputs[k]];
    int error = 0;
    if (n == region->gradient_at) { /* the value stays known, as what it came from */
      writer.producers[node->first_output] = writer.producers[node->inputs[0]];
      writer.types[node->first_output] = graph->types[node->inputs[0]];
    } else if (region->inside[n]) error = write_moved(&writer, node);
    else if (reads) error = write_end(&writer, node);
    else add_node(&writer, node);
    if (error) return error;
  }
  *made = (struct assay_graph){.struct_size = sizeof *made,
                               .node_count = writer.node_count,
                               .value_count = writer.value_count,
                               .nodes = writer.nodes,
                               .types = writer.types,
                               .producers = writer.producers};
  *result = made;
  return 0;
}

static bool pools_plainly(const struct assay_pool2d_attributes *a) {
  return a->pad_low[0] == 0 && a->pad_low[1] == 0 && a->pad_high[0] == 0 && a->pad_high[1] == 0 && a->stride[0] * a->stride[1] > 1;
}

static int rewrite_one(struct assay_executable *executable, const struct assay_function *function, const struct assay_graph *graph, uint32_t at,
                       const struct assay_graph **result) {
  struct region region = {.executable = executable, .graph = graph, .function = function, .gradient = graph->nodes[at], .gradient_at = at};
  region.pool_at = (uint32_t)graph->producers[region.gradient->inputs[1]];
  region.pool = graph->nodes[region.pool_at];
  if (region.pool->op != ASSAY_OP_MAX_POOL2D || region.gradient->inputs[1] != region.pool->first_output + 1 || !pools_plainly(region.pool->attributes))
    return 0;
  region.plane = graph->types[region.gradient->first_output];
  if (!on_plane(&region, region.pool->inputs[0])) return 0;
  region.linear = assay_cpu_take(executable, graph->value_count, sizeof *region.linear);
  region.inside = assay_cpu_take(executable, graph->node_count, sizeof *region.inside);
  if (!region.linear || !region.inside) return ASSAY_E_MEMORY;
  if (!follow_gradient(&region)) return 0;
  take_helpers(&region);
  return write_graph(&region, result);
}

int assay_cpu_shrink_gradients(struct assay_executable *executable, const struct assay_function *function, const struct assay_graph **graph) {
  for (uint32_t n = 0; n < (*graph)->node_count;) {
    const struct assay_graph *before = *graph;
    if (before->nodes[n]->op == ASSAY_OP_MAX_POOL2D_GRADIENT) {
      const int error = rewrite_one(executable, function, before, n, graph);
      if (error) return error;
    }
    n = *graph == before ? n + 1 : 0;
  }
  return 0;
}
