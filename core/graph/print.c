/* SPDX-License-Identifier: MIT
 *
 * Graphs as text: `%4 %5 = max_pool2d(%3) kernel=[2, 2] … : f32 [8, 16, 14, 14], i32 [8, 16, 14, 14]  ; features`. Fields that are zero are left out.
 */
#include "base/text.h"
#include "graph/ops.h"

#include <string.h>

static void print_element(struct assay_text *text, const struct assay_attribute_field *field, const unsigned char *at) {
  switch (field->kind) {
  case ASSAY_FIELD_I32: {
    int32_t number;
    memcpy(&number, at, sizeof number);
    const char *dtype = strcmp(field->name, "dtype") == 0 ? assay_dtype_name(number) : NULL;
    if (dtype != NULL) assay_text_add(text, dtype);
    else assay_text_print(text, "%d", number);
    break;
  }
  case ASSAY_FIELD_U32: {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    assay_text_print(text, "%u", number);
    break;
  }
  case ASSAY_FIELD_I64: {
    int64_t number;
    memcpy(&number, at, sizeof number);
    if (number == INT64_MAX) assay_text_add(text, "end");
    else assay_text_print(text, "%lld", (long long)number);
    break;
  }
  default: {
    double number;
    char digits[32];
    memcpy(&number, at, sizeof number);
    assay_print_real(number, digits);
    assay_text_add(text, digits);
    break;
  }
  }
}

static size_t element_size(uint32_t kind) { return kind == ASSAY_FIELD_I64 || kind == ASSAY_FIELD_F64 ? 8 : 4; }

static void print_field(struct assay_text *text, const struct assay_attribute_field *field, const unsigned char *attributes) {
  static const unsigned char zeros[8 * ASSAY_MAX_RANK];
  const size_t size = element_size(field->kind);
  if (field->count > 1 && memcmp(attributes + field->offset, zeros, field->count * size) == 0) return;
  assay_text_print(text, " %s=%s", field->name, field->count > 1 ? "[" : "");
  for (uint32_t i = 0; i < field->count; i++) {
    if (i > 0) assay_text_add(text, ", ");
    print_element(text, field, attributes + field->offset + i * size);
  }
  if (field->count > 1) assay_text_add(text, "]");
}

static void print_node(struct assay_text *text, const struct assay_graph *graph, const struct assay_node *node) {
  const struct assay_op_info *info = assay_op_info(node->op);
  for (uint32_t i = 0; i < node->output_count; i++) assay_text_print(text, "%%%d ", node->first_output + (int32_t)i);
  if (node->output_count > 0) assay_text_add(text, "= ");
  if (info != NULL) assay_text_print(text, "%s(", info->name);
  else assay_text_print(text, "op%u(", node->op);
  for (uint32_t i = 0; i < node->input_count; i++) assay_text_print(text, "%s%%%d", i == 0 ? "" : ", ", node->inputs[i]);
  assay_text_add(text, ")");
  if (info != NULL && info->fields != NULL)
    for (const struct assay_attribute_field *field = info->fields; field->name != NULL; field++) print_field(text, field, node->attributes);
  for (uint32_t i = 0; i < node->output_count; i++) {
    char type[ASSAY_TYPE_TEXT];
    assay_text_print(text, "%s%s", i == 0 ? " : " : ", ", assay_type_text(graph->types[node->first_output + (int32_t)i], type));
  }
  if (*node->origin != '\0') assay_text_print(text, "  ; %s", node->origin);
  assay_text_add(text, "\n");
}

void assay_graph_print(const struct assay_graph *graph, struct assay_text *text) {
  for (uint32_t i = 0; i < graph->node_count; i++) print_node(text, graph, graph->nodes[i]);
}
