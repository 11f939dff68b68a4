/* SPDX-License-Identifier: MIT
 *
 * Graphs in model files. The op table says which fields an op's attributes have.
 */
#include "train/graph_json.h"

#include "base/arena.h"
#include "base/status.h"
#include "graph/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NODES 65536
#define MOST_INPUTS 1024
#define REFUSE(...) assay_status_set(status, ASSAY_E_DATA, __VA_ARGS__)

/* ---- Writing ---- */

static json_t *number_to_json(const unsigned char *at, uint32_t kind) {
  switch (kind) {
  case ASSAY_FIELD_I32: return json_integer(*(const int32_t *)(const void *)at);
  case ASSAY_FIELD_U32: return json_integer(*(const uint32_t *)(const void *)at);
  case ASSAY_FIELD_I64: return json_integer(*(const int64_t *)(const void *)at);
  default: {
    const double real = *(const double *)(const void *)at;
    return isfinite(real) ? json_real(real) : json_string(isnan(real) ? "nan" : real > 0 ? "inf" : "-inf");
  }
  }
}

static size_t field_size(uint32_t kind) { return kind == ASSAY_FIELD_I32 || kind == ASSAY_FIELD_U32 ? 4 : 8; }

static json_t *attributes_to_json(const struct assay_op_info *info, const unsigned char *attributes) {
  json_t *object = json_object();
  for (const struct assay_attribute_field *field = info->fields; field != NULL && field->name != NULL; field++) {
    json_t *value = field->count == 1 ? number_to_json(attributes + field->offset, field->kind) : json_array();
    for (uint32_t i = 0; field->count > 1 && i < field->count; i++)
      json_array_append_new(value, number_to_json(attributes + field->offset + i * field_size(field->kind), field->kind));
    if (json_object_set_new(object, field->name, value) != 0) {
      json_decref(object);
      return NULL;
    }
  }
  return object;
}

static json_t *ids_to_json(const int32_t *ids, uint32_t count, const int32_t *numbers) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < count; i++) json_array_append_new(array, json_integer(numbers[ids[i]]));
  return array;
}

json_t *assay_graph_to_json(const struct assay_function *function) {
  const struct assay_graph *graph = function->graph;
  int32_t *numbers = calloc((size_t)graph->value_count + 1, sizeof *numbers), next = 0;
  json_t *nodes = json_array();
  bool complete = numbers != NULL && nodes != NULL;
  for (uint32_t i = 0; complete && i < graph->node_count; i++) {
    const struct assay_node *node = graph->nodes[i];
    const struct assay_op_info *info = assay_op_info(node->op);
    complete = info != NULL && json_array_append_new(nodes, json_pack("{s:s, s:o, s:o, s:s}", "op", info->name, "inputs", ids_to_json(node->inputs, node->input_count, numbers),
                                                                      "attributes", attributes_to_json(info, node->attributes), "origin", node->origin)) == 0;
    for (uint32_t k = 0; k < node->output_count; k++) numbers[node->first_output + (int32_t)k] = next++;
  }
  json_t *json = complete ? json_pack("{s:O, s:o}", "nodes", nodes, "fetches", ids_to_json(function->fetches, function->fetch_count, numbers)) : NULL;
  json_decref(nodes);
  free(numbers);
  return json;
}

/* ---- Reading ---- */

static bool number_from_json(const json_t *json, uint32_t kind, unsigned char *at) {
  if (kind == ASSAY_FIELD_F64) {
    const char *word = json_string_value(json);
    double real = json_number_value(json);
    if (word != NULL && strcmp(word, "nan") == 0) real = NAN;
    else if (word != NULL && strcmp(word, "inf") == 0) real = INFINITY;
    else if (word != NULL && strcmp(word, "-inf") == 0) real = -INFINITY;
    else if (!json_is_number(json)) return false;
    memcpy(at, &real, sizeof real);
    return true;
  }
  if (!json_is_integer(json)) return false;
  const int64_t integer = json_integer_value(json);
  const int32_t narrow = (int32_t)integer;
  const uint32_t natural = (uint32_t)integer;
  if (kind == ASSAY_FIELD_I32 && narrow != integer) return false;
  if (kind == ASSAY_FIELD_U32 && natural != integer) return false;
  if (kind == ASSAY_FIELD_I32) memcpy(at, &narrow, sizeof narrow);
  if (kind == ASSAY_FIELD_U32) memcpy(at, &natural, sizeof natural);
  if (kind == ASSAY_FIELD_I64) memcpy(at, &integer, sizeof integer);
  return true;
}

static bool attributes_from_json(const json_t *json, const struct assay_op_info *info, unsigned char *attributes) {
  for (const struct assay_attribute_field *field = info->fields; field != NULL && field->name != NULL; field++) {
    const json_t *value = json_object_get(json, field->name);
    if (field->count > 1 && json_array_size(value) != field->count) return false;
    for (uint32_t i = 0; i < field->count; i++)
      if (!number_from_json(field->count > 1 ? json_array_get(value, i) : value, field->kind, attributes + field->offset + i * field_size(field->kind))) return false;
  }
  return true;
}

struct reading {
  struct assay_builder *builder;
  const assay_value *feeds, *variables;
  uint32_t feed_count, variable_count;
  assay_value *values; /* by number in the file */
  size_t value_count, capacity;
};

static bool look_up(const struct reading *reading, const json_t *number, assay_value *value) {
  const json_int_t index = json_is_integer(number) ? json_integer_value(number) : -1;
  if (index < 0 || (uint64_t)index >= reading->value_count) return false;
  *value = reading->values[index];
  return true;
}

static int add_values(struct reading *reading, assay_value first, uint32_t count, struct assay_status *status) {
  void *values = reading->values;
  if (!assay_grow(&values, &reading->capacity, reading->value_count + count, sizeof *reading->values)) return assay_status_memory(status);
  reading->values = values;
  for (uint32_t i = 0; i < count; i++) reading->values[reading->value_count++] = assay_output(first, (int32_t)i);
  return 0;
}

static bool may_be_stored(const struct assay_op_info *info) {
  return info != NULL && !(info->flags & ASSAY_OP_EFFECT) && info->op != ASSAY_OP_RANDOM_UNIFORM;
}

static int read_node(struct reading *reading, const json_t *json, size_t number, struct assay_status *status) {
  const char *op = json_string_value(json_object_get(json, "op"));
  const struct assay_op_info *info = op == NULL ? NULL : assay_op_by_name(op);
  if (!may_be_stored(info)) return REFUSE("node %zu: there is no op %s for a model; this Assay may be too old for it", number, op == NULL ? "at all" : op);
  union {
    unsigned char bytes[512];
    uint64_t aligned;
    struct assay_source_attributes source;
  } attributes = {.bytes = {0}};
  const json_t *inputs = json_object_get(json, "inputs");
  const size_t input_count = json_array_size(inputs);
  if (info->attributes_size > sizeof attributes || !attributes_from_json(json_object_get(json, "attributes"), info, attributes.bytes))
    return REFUSE("node %zu: the attributes of %s are not complete", number, info->name);
  if (!json_is_array(inputs) || input_count > MOST_INPUTS) return REFUSE("node %zu: %s has no list of inputs, or too many", number, info->name);
  if (info->op == ASSAY_OP_INPUT || info->op == ASSAY_OP_VARIABLE) {
    const bool input = info->op == ASSAY_OP_INPUT;
    if (attributes.source.index >= (input ? reading->feed_count : reading->variable_count)) return REFUSE("node %zu: there is no %s %u", number, info->name, attributes.source.index);
    return add_values(reading, (input ? reading->feeds : reading->variables)[attributes.source.index], 1, status);
  }
  assay_value values[MOST_INPUTS];
  for (size_t i = 0; i < input_count; i++)
    if (!look_up(reading, json_array_get(inputs, i), &values[i])) return REFUSE("node %zu: input %zu of %s is made by no earlier node", number, i + 1, info->name);
  const char *origin = json_string_value(json_object_get(json, "origin"));
  assay_builder_scope(reading->builder, origin == NULL ? "" : origin, NULL);
  return add_values(reading, reading->builder->host->emit(reading->builder, info->op, values, (uint32_t)input_count, attributes.bytes, info->attributes_size),
                    info->output_count, status);
}

int assay_graph_from_json(const json_t *json, struct assay_builder *builder, const assay_value *feeds, uint32_t feed_count, const assay_value *variables,
                          uint32_t variable_count, assay_value *fetches, uint32_t fetch_count, struct assay_status *status) {
  const json_t *nodes = json_object_get(json, "nodes"), *wanted = json_object_get(json, "fetches");
  struct reading reading = {.builder = builder, .feeds = feeds, .variables = variables, .feed_count = feed_count, .variable_count = variable_count};
  if (!json_is_array(nodes) || json_array_size(nodes) > MOST_NODES || json_array_size(wanted) != fetch_count)
    return REFUSE("there is no graph of at most %d nodes with %u results", MOST_NODES, fetch_count);
  int code = 0;
  for (size_t i = 0; code == 0 && i < json_array_size(nodes); i++) code = read_node(&reading, json_array_get(nodes, i), i, status);
  for (uint32_t i = 0; code == 0 && i < fetch_count; i++)
    if (!look_up(&reading, json_array_get(wanted, i), &fetches[i])) code = REFUSE("result %u is made by no node", i + 1);
  free(reading.values);
  return code;
}
