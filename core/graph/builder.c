/* SPDX-License-Identifier: MIT
 *
 * Building one function: what plugins reach through their host table, and what the core adds (scopes, feeds, fetches). Every node is checked by its shape rule
 * as it is made; the first error sticks.
 */
#include "graph/builder.h"

#include "graph/op_rules.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_VALUES = 1 << 24 };

/* ---- Errors ---- */

void assay_builder_refuse(struct assay_function_builder *builder, const char *op, const struct assay_status *cause) {
  struct assay_status *status = &builder->status;
  if (status->code != 0) return;
  assay_status_set(status, cause->code, "%s%s%s%s%s%s", op == NULL ? "" : op, op == NULL ? "" : ": ", cause->message, *builder->options == '\0' ? "" : " (",
                   builder->options, *builder->options == '\0' ? "" : ")");
  if (*builder->scope != '\0' && strstr(builder->where, builder->scope) == NULL) assay_status_prefix(status, "%s", builder->scope);
  if (*builder->where != '\0') assay_status_prefix(status, "%s", builder->where);
}

void assay_builder_out_of_memory(struct assay_function_builder *builder) {
  if (builder->status.code == 0) assay_status_memory(&builder->status);
}

#define FAIL(builder, op, ...)                                                                                                                                 \
  do {                                                                                                                                                         \
    struct assay_status cause_;                                                                                                                                \
    assay_status_set(&cause_, ASSAY_E_CONFIG, __VA_ARGS__);                                                                                                    \
    assay_builder_refuse(builder, op, &cause_);                                                                                                                \
  } while (0)

/* ---- Nodes ---- */

static bool make_room(struct assay_function_builder *builder, uint32_t outputs) {
  const size_t values = (size_t)builder->value_count + outputs;
  void *nodes = builder->nodes, *types = builder->types, *producers = builder->producers;
  const bool roomy = values <= MOST_VALUES && assay_grow(&nodes, &builder->node_capacity, (size_t)builder->node_count + 1, sizeof *builder->nodes) &&
                     assay_grow(&types, &builder->type_capacity, values, sizeof *builder->types) &&
                     assay_grow(&producers, &builder->producer_capacity, values, sizeof *builder->producers);
  builder->nodes = nodes;
  builder->types = types;
  builder->producers = producers;
  return roomy;
}

assay_value assay_builder_append(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs, uint32_t input_count,
                                 const void *attributes, const struct assay_tensor_type *outputs) {
  struct assay_arena *arena = builder->program->arena;
  struct assay_node *node = ASSAY_NEW(arena, struct assay_node);
  int32_t *ids = ASSAY_NEW_ARRAY(arena, int32_t, input_count);
  void *copy = assay_arena_copy_bytes(arena, attributes, info->attributes_size);
  struct assay_tensor_type *types = ASSAY_NEW_ARRAY(arena, struct assay_tensor_type, info->output_count);
  if (node == NULL || ids == NULL || copy == NULL || types == NULL || !make_room(builder, info->output_count)) {
    assay_builder_out_of_memory(builder);
    return assay_invalid();
  }
  for (uint32_t i = 0; i < input_count; i++) ids[i] = inputs[i].id;
  const int32_t first = info->output_count == 0 ? -1 : (int32_t)builder->value_count;
  *node = (struct assay_node){sizeof *node, info->op, input_count, info->output_count, ids, first, info->attributes_size, copy, builder->origin};
  for (uint32_t i = 0; i < info->output_count; i++) {
    types[i] = outputs[i];
    builder->types[builder->value_count] = &types[i];
    builder->producers[builder->value_count++] = (int32_t)builder->node_count;
  }
  builder->nodes[builder->node_count++] = node;
  return (assay_value){first};
}

/* What `assay_program_precision` asks for. */
static int32_t in_precision(const struct assay_function_builder *builder, int32_t dtype) {
  return dtype == ASSAY_F32 ? builder->program->precision : dtype;
}

union attributes {
  struct assay_source_attributes source;
  struct assay_constant_attributes constant;
  struct assay_cast_attributes cast;
  struct assay_slice_attributes slice;
  struct assay_pad_attributes pad;
  struct assay_conv2d_attributes conv2d;
  struct assay_pool2d_attributes pool2d;
  struct assay_random_attributes random;
  unsigned char bytes[256];
};

/* A copy of the attributes that the node may keep. A newer plugin's longer structure is taken when what we do not know of is zero. */
static bool copy_attributes(struct assay_function_builder *builder, const struct assay_op_info *info, const void *given, uint32_t size,
                            union attributes *attributes) {
  *attributes = (union attributes){.bytes = {0}};
  if (size < info->attributes_size || (size > 0 && given == NULL)) {
    FAIL(builder, info->name, "needs %u bytes of attributes, not %u; the plugin was built against other headers", info->attributes_size, size);
    return false;
  }
  for (uint32_t i = info->attributes_size; i < size; i++) {
    if (((const unsigned char *)given)[i] == 0) continue;
    FAIL(builder, info->name, "has attributes that this version of Assay does not know; the plugin is newer");
    return false;
  }
  if (info->attributes_size > 0) memcpy(attributes->bytes, given, info->attributes_size);
  return true;
}

static bool check_inputs(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs, uint32_t input_count) {
  if (info->input_count < 0 ? input_count < 1 : input_count != (uint32_t)info->input_count) {
    const char *plural = info->input_count < 0 ? " or more" : info->input_count == 1 ? "" : "s";
    FAIL(builder, info->name, "takes %d input%s, not %u", info->input_count < 0 ? 1 : info->input_count, plural, input_count);
    return false;
  }
  for (uint32_t i = 0; i < input_count; i++) {
    if (inputs[i].id >= 0 && (uint32_t)inputs[i].id < builder->value_count) continue;
    FAIL(builder, info->name, "input %u is not a value of this function", i + 1);
    return false;
  }
  return true;
}

/* ASSIGN: into a variable, once. */
static bool check_assign(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs) {
  if (assay_builder_variable_index(&builder->base, inputs[0]) < 0) {
    FAIL(builder, info->name, "the first input must be a variable");
    return false;
  }
  for (uint32_t i = 0; i < builder->node_count; i++) {
    if (builder->nodes[i]->op != ASSAY_OP_ASSIGN || builder->nodes[i]->inputs[0] != inputs[0].id) continue;
    FAIL(builder, info->name, "a variable can be written once a function");
    return false;
  }
  return true;
}

static int is_held(struct assay_builder *public_builder, assay_value value) {
  const struct assay_function_builder *builder = assay_inside(public_builder);
  const int32_t index = assay_builder_variable_index(public_builder, value);
  return index >= 0 && (uint32_t)index < builder->held_count && builder->held[index] != 0;
}

static assay_value emit_as_written(struct assay_function_builder *builder, const struct assay_op_info *info, const assay_value *inputs, uint32_t input_count,
                                   union attributes *attributes) {
  const struct assay_tensor_type *small[8], **types = small;
  struct assay_tensor_type outputs[4];
  memset(outputs, 0, sizeof outputs);
  if (input_count > 8 && (types = ASSAY_NEW_ARRAY(builder->program->arena, const struct assay_tensor_type *, input_count)) == NULL) {
    assay_builder_out_of_memory(builder);
    return assay_invalid();
  }
  for (uint32_t i = 0; i < input_count; i++) types[i] = builder->types[inputs[i].id];
  if (info->normalise != NULL) info->normalise(attributes, info->op, types);
  struct assay_status cause = {0, {0}};
  int error = info->shape(attributes, types, input_count, outputs, &cause);
  for (uint32_t i = 0; i < info->output_count && error == 0; i++) error = assay_type_check(&outputs[i], &cause);
  if (error != 0) {
    assay_builder_refuse(builder, info->name, &cause);
    return assay_invalid();
  }
  if (info->op == ASSAY_OP_ASSIGN && !check_assign(builder, info, inputs)) return assay_invalid();
  if (info->op == ASSAY_OP_ASSIGN && is_held(&builder->base, inputs[0])) return inputs[0];
  if (builder->known != NULL) {
    const assay_value same = assay_simplify_node(builder, info, inputs, input_count, attributes, outputs);
    if (assay_is_valid(same) || builder->status.code != 0) return same;
  }
  const assay_value first = assay_builder_append(builder, info, inputs, input_count, attributes, outputs);
  if (builder->known != NULL && builder->status.code == 0) assay_remember_node(builder, builder->node_count - 1);
  return info->op == ASSAY_OP_ASSIGN && builder->status.code == 0 ? inputs[0] : first;
}

static assay_value emit(struct assay_builder *public_builder, uint32_t op, const assay_value *inputs, uint32_t input_count, const void *given, uint32_t size) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  if (builder->status.code != 0) return assay_invalid();
  const struct assay_op_info *info = assay_op_info(op);
  if (info == NULL) {
    FAIL(builder, NULL, "op %u is unknown to this version of Assay", op);
    return assay_invalid();
  }
  union attributes attributes;
  if (!check_inputs(builder, info, inputs, input_count) || !copy_attributes(builder, info, given, size, &attributes)) return assay_invalid();
  if (op == ASSAY_OP_CONSTANT) attributes.constant.dtype = in_precision(builder, attributes.constant.dtype);
  if (op == ASSAY_OP_CAST) attributes.cast.dtype = in_precision(builder, attributes.cast.dtype);
  const assay_value value = emit_as_written(builder, info, inputs, input_count, &attributes);
  const bool always_single = op == ASSAY_OP_ONE_HOT || op == ASSAY_OP_RANDOM_UNIFORM;
  return always_single && builder->program->precision != ASSAY_F32 ? assay_cast(public_builder, value, ASSAY_F32) : value;
}

static const struct assay_tensor_type *type_of(struct assay_builder *public_builder, assay_value value) {
  static const struct assay_tensor_type none = {ASSAY_F32, 0, {0}};
  const struct assay_function_builder *builder = assay_inside(public_builder);
  return value.id >= 0 && (uint32_t)value.id < builder->value_count ? builder->types[value.id] : &none;
}

/* ---- Variables ---- */

static const char *full_name(struct assay_function_builder *builder, const char *name) {
  const char *full = assay_arena_print(builder->program->arena, "%s%s%s", builder->scope, *builder->scope == '\0' ? "" : ".", name);
  if (full == NULL) assay_builder_out_of_memory(builder);
  return full;
}

/* A variable that another function asked for must be asked for alike. */
static bool same_definition(struct assay_function_builder *builder, const struct assay_variable_definition *definition, const struct assay_tensor_type *type,
                            uint32_t initialiser, double argument, uint32_t role) {
  char before[ASSAY_TYPE_TEXT], now[ASSAY_TYPE_TEXT];
  const char *name = definition->base.name;
  if (!assay_same_type(&definition->base.type, type))
    FAIL(builder, NULL, "variable %s is %s elsewhere, and %s here", name, assay_type_text(&definition->base.type, before), assay_type_text(type, now));
  else if (definition->base.role != role)
    FAIL(builder, NULL, "variable %s has role %u elsewhere, and %u here", name, definition->base.role, role);
  else if (definition->initialiser != initialiser || definition->argument != argument)
    FAIL(builder, NULL, "variable %s has another initialiser elsewhere", name);
  return builder->status.code == 0;
}

static int32_t add_variable(struct assay_function_builder *builder, const char *name, const struct assay_tensor_type *type, uint32_t initialiser,
                            double argument, uint32_t role) {
  struct assay_program_builder *program = builder->program;
  void *variables = program->variables;
  struct assay_variable_definition *definition = ASSAY_NEW(program->arena, struct assay_variable_definition);
  const bool roomy = assay_grow(&variables, &program->variable_capacity, (size_t)program->variable_count + 1, sizeof *program->variables);
  program->variables = variables;
  if (definition == NULL || !roomy) {
    assay_builder_out_of_memory(builder);
    return -1;
  }
  *definition = (struct assay_variable_definition){{sizeof definition->base, role, name, *type}, initialiser, argument};
  for (int32_t axis = type->rank; axis < ASSAY_MAX_RANK; axis++) definition->base.type.extents[axis] = 0;
  program->variables[program->variable_count] = definition;
  return (int32_t)program->variable_count++;
}

static bool check_variable(struct assay_function_builder *builder, const char *name, const struct assay_tensor_type *type, uint32_t initialiser,
                           double argument, uint32_t role) {
  struct assay_status cause;
  if (assay_type_check(type, &cause) != 0) {
    assay_builder_refuse(builder, name, &cause);
    return false;
  }
  if (role < ASSAY_ROLE_WEIGHT || role > ASSAY_ROLE_METRIC) FAIL(builder, name, "%u is no role of a variable", role);
  if (initialiser < ASSAY_INIT_CONSTANT || initialiser > ASSAY_INIT_LECUN_NORMAL) FAIL(builder, name, "%u is no initialiser", initialiser);
  if (!(argument == argument)) FAIL(builder, name, "the initialiser's argument is not a number");
  if (initialiser != ASSAY_INIT_CONSTANT && !assay_dtype_is_float(type->dtype)) FAIL(builder, name, "only floats can start with random numbers");
  return builder->status.code == 0;
}

static assay_value variable(struct assay_builder *public_builder, const char *name, const struct assay_tensor_type *asked, uint32_t initialiser,
                            double argument, uint32_t role) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  if (builder->status.code != 0) return assay_invalid();
  struct assay_tensor_type type = *asked;
  type.dtype = in_precision(builder, type.dtype);
  const char *full = full_name(builder, name);
  if (full == NULL || !check_variable(builder, full, &type, initialiser, argument, role)) return assay_invalid();
  int32_t index = assay_program_find_variable(builder->program, full);
  if (index < 0) index = add_variable(builder, full, &type, initialiser, argument, role);
  else if (!same_definition(builder, builder->program->variables[index], &type, initialiser, argument, role)) return assay_invalid();
  return index < 0 ? assay_invalid() : assay_builder_variable(public_builder, (uint32_t)index);
}

assay_value assay_builder_variable(struct assay_builder *public_builder, uint32_t index) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  if (builder->status.code != 0) return assay_invalid();
  if (index >= builder->program->variable_count) {
    FAIL(builder, NULL, "there is no variable number %u", index);
    return assay_invalid();
  }
  void *reads = builder->reads;
  const bool roomy = assay_grow(&reads, &builder->read_capacity, (size_t)index + 1, sizeof *builder->reads);
  builder->reads = reads;
  if (!roomy) {
    assay_builder_out_of_memory(builder);
    return assay_invalid();
  }
  while (builder->read_count <= index) builder->reads[builder->read_count++] = -1;
  if (builder->reads[index] < 0) {
    const struct assay_source_attributes source = {index};
    builder->reads[index] =
        assay_builder_append(builder, assay_op_info(ASSAY_OP_VARIABLE), NULL, 0, &source, &builder->program->variables[index]->base.type).id;
  }
  return (assay_value){builder->reads[index]};
}

void assay_builder_read_as(struct assay_builder *public_builder, uint32_t index, assay_value value) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  if (assay_is_valid(assay_builder_variable(public_builder, index)) && assay_is_valid(value)) builder->reads[index] = value.id;
}

void assay_function_hold(struct assay_builder *public_builder, const uint8_t *held, uint32_t count) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  builder->held = held;
  builder->held_count = count;
}

uint32_t assay_builder_streams(struct assay_builder *builder) { return assay_inside(builder)->streams; }

int32_t assay_builder_variable_index(struct assay_builder *public_builder, assay_value value) {
  const struct assay_function_builder *builder = assay_inside(public_builder);
  if (value.id < 0 || (uint32_t)value.id >= builder->value_count) return -1;
  const struct assay_node *node = builder->nodes[builder->producers[value.id]];
  return node->op == ASSAY_OP_VARIABLE ? (int32_t)((const struct assay_source_attributes *)node->attributes)->index : -1;
}

/* ---- The rest of the host table ---- */

static uint32_t stream(struct assay_builder *builder) { return assay_inside(builder)->streams++; }

static void fail(struct assay_builder *public_builder, const char *message) { FAIL(assay_inside(public_builder), NULL, "%s", message); }

static const struct assay_graph_host host = {sizeof host, 0, emit, type_of, variable, stream, fail, is_held};

/* ---- What the core adds ---- */

struct assay_builder *assay_function_begin(struct assay_program_builder *program, const char *name) {
  void *functions = program->functions;
  const bool roomy = assay_grow(&functions, &program->function_capacity, (size_t)program->function_count + 1, sizeof *program->functions);
  program->functions = functions;
  const char *copy = assay_arena_copy(program->arena, name);
  struct assay_function_builder *builder = calloc(1, sizeof *builder);
  if (!roomy || copy == NULL || builder == NULL) {
    free(builder);
    return NULL;
  }
  builder->base = (struct assay_builder){&host, &builder->context};
  builder->context = (struct assay_build_context){sizeof builder->context, 0, 0, {-1}, {-1}};
  builder->program = program;
  builder->name = copy;
  builder->scope = builder->where = builder->options = builder->origin = "";
  program->functions[program->function_count++] = builder;
  return &builder->base;
}

void assay_function_context(struct assay_builder *builder, const struct assay_build_context *context) {
  struct assay_build_context *own = &assay_inside(builder)->context;
  *own = *context;
  own->struct_size = sizeof *own;
}

static bool append_id(struct assay_function_builder *builder, int32_t **list, size_t *capacity, uint32_t *count, int32_t id) {
  void *grown = *list;
  const bool roomy = assay_grow(&grown, capacity, (size_t)*count + 1, sizeof **list);
  *list = grown;
  if (roomy) (*list)[(*count)++] = id;
  else assay_builder_out_of_memory(builder);
  return roomy;
}

assay_value assay_function_feed(struct assay_builder *public_builder, int32_t dtype, int32_t rank, const int64_t *extents) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  if (builder->status.code != 0) return assay_invalid();
  struct assay_tensor_type type = {in_precision(builder, dtype), rank, {0}};
  for (int32_t axis = 0; axis < rank && axis < ASSAY_MAX_RANK; axis++) type.extents[axis] = extents[axis];
  struct assay_status cause;
  if (assay_type_check(&type, &cause) != 0) {
    assay_builder_refuse(builder, "feed", &cause);
    return assay_invalid();
  }
  const struct assay_source_attributes source = {builder->feed_count};
  const assay_value value = assay_builder_append(builder, assay_op_info(ASSAY_OP_INPUT), NULL, 0, &source, &type);
  if (assay_is_valid(value)) append_id(builder, &builder->feeds, &builder->feed_capacity, &builder->feed_count, value.id);
  return value;
}

void assay_function_fetch(struct assay_builder *public_builder, assay_value value) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  if (builder->status.code != 0) return;
  if (value.id < 0 || (uint32_t)value.id >= builder->value_count) FAIL(builder, "fetch", "result %u is not a value of this function", builder->fetch_count + 1);
  else append_id(builder, &builder->fetches, &builder->fetch_capacity, &builder->fetch_count, value.id);
}

int assay_function_end(struct assay_builder *builder, struct assay_status *status) {
  const struct assay_status *own = &assay_inside(builder)->status;
  return own->code == 0 ? 0 : assay_status_set(status, own->code, "%s", own->message);
}

static const char *copy_or_empty(struct assay_function_builder *builder, const char *text) {
  if (text == NULL) return "";
  const char *copy = assay_arena_copy(builder->program->arena, text);
  if (copy != NULL) return copy;
  assay_builder_out_of_memory(builder);
  return "";
}

void assay_builder_scope(struct assay_builder *public_builder, const char *name, const char *where) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  builder->scope = builder->origin = copy_or_empty(builder, name);
  builder->where = copy_or_empty(builder, where);
  builder->options = "";
}

void assay_builder_options(struct assay_builder *public_builder, const char *text) {
  struct assay_function_builder *builder = assay_inside(public_builder);
  builder->options = copy_or_empty(builder, text);
}

/* ---- The result ---- */

const struct assay_graph *assay_builder_graph(struct assay_function_builder *builder) {
  struct assay_arena *arena = builder->program->arena;
  struct assay_graph *graph = ASSAY_NEW(arena, struct assay_graph);
  void *nodes = assay_arena_copy_bytes(arena, builder->nodes, builder->node_count * sizeof *builder->nodes);
  void *types = assay_arena_copy_bytes(arena, builder->types, builder->value_count * sizeof *builder->types);
  void *producers = assay_arena_copy_bytes(arena, builder->producers, builder->value_count * sizeof *builder->producers);
  if (graph == NULL || nodes == NULL || types == NULL || producers == NULL) return NULL;
  *graph = (struct assay_graph){sizeof *graph, builder->node_count, builder->value_count, 0, nodes, types, producers};
  return graph;
}

const struct assay_function *assay_builder_function(struct assay_function_builder *builder) {
  struct assay_arena *arena = builder->program->arena;
  struct assay_function *function = ASSAY_NEW(arena, struct assay_function);
  const struct assay_graph *graph = assay_builder_graph(builder);
  void *feeds = assay_arena_copy_bytes(arena, builder->feeds, builder->feed_count * sizeof *builder->feeds);
  void *fetches = assay_arena_copy_bytes(arena, builder->fetches, builder->fetch_count * sizeof *builder->fetches);
  if (function == NULL || graph == NULL || feeds == NULL || fetches == NULL) return NULL;
  *function = (struct assay_function){sizeof *function, builder->feed_count, builder->fetch_count, 0, builder->name, graph, feeds, fetches};
  return function;
}
