/* SPDX-License-Identifier: MIT */
#include "train/pretrained.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "config/weights_file.h"
#include "graph/number.h"
#include "graph/ops.h"
#include "graph/safetensors.h"
#include "train/network.h"
#include "train/weight_names.h"

#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)8 << 30)
enum { LONGEST_CLASS_FILE = 16 << 20 };

#define COUNTER "a counter that is not needed"

/* How a tensor becomes a variable. */
enum fit { FIT_NONE = 0, FIT_SAME, FIT_SUMMED, FIT_REPEATED, FIT_ROWS, FIT_DIFFERENCE };

struct match {
  const struct assay_tensor *tensor;
  enum fit fit;
};

struct assay_pretrained {
  struct assay_arena *arena;
  char *data;
  const char *path;
  struct assay_safetensors file;
  struct assay_weights_facts facts;
  const struct assay_settings *settings;
  const struct assay_program *program;
  struct assay_program_builder *builder; /* of a program of its own; NULL */
  struct match *matches;   /* by variable */
  const uint32_t *rows;    /* by class of the data: the row of the classifier; NULL: as they stand */
  uint32_t logit_count_in_file;
  uint32_t loaded, wanted;
  uint32_t row_count;
  struct assay_weight_row *table;
};

/* ---- Which tensor ---- */

static const struct assay_tensor *find_prefixed(const struct assay_safetensors *file, const char *name) {
  char whole[2 * ASSAY_WEIGHT_NAME];
  const char *prefix;
  for (uint32_t i = 0; (prefix = assay_weight_prefix(i)) != NULL; i++) {
    const size_t length = strlen(prefix), rest = strlen(name);
    if (length + rest >= sizeof whole) continue;
    memcpy(whole, prefix, length);
    memcpy(whole + length, name, rest + 1);
    const struct assay_tensor *tensor = assay_safetensors_tensor(file, whole);
    if (tensor != NULL) return tensor;
  }
  return NULL;
}

static const struct assay_tensor *find_by_path(const struct assay_safetensors *file, const char *path, bool last) {
  char name[ASSAY_WEIGHT_NAME];
  for (uint32_t i = 0; assay_weight_name(path, last, i, name); i++) {
    const struct assay_tensor *tensor = find_prefixed(file, name);
    if (tensor != NULL) return tensor;
  }
  return NULL;
}

/* PATH of LAYER.PATH; NULL when the variable is no layer's. `last`: of the last layer. */
static const char *path_of(const struct assay_settings *settings, const char *variable, bool *last) {
  for (uint32_t i = 0; i < settings->layer_count; i++) {
    const char *layer = settings->layers[i].component.name;
    const size_t length = strlen(layer);
    if (strncmp(variable, layer, length) != 0 || variable[length] != '.') continue;
    /* "conv2d.2" is a layer of its own, behind "conv2d" in the list. */
    bool longer = false;
    for (uint32_t k = 0; k < settings->layer_count; k++) {
      const char *other = settings->layers[k].component.name;
      const size_t other_length = strlen(other);
      longer = longer || (other_length > length && strncmp(variable, other, other_length) == 0 && variable[other_length] == '.');
    }
    if (longer) continue;
    *last = i + 1 == settings->layer_count;
    return variable + length + 1;
  }
  return NULL;
}

/* ---- Does it fit ---- */

static bool same_shape(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  if (a->rank != b->rank) return false;
  for (int32_t axis = 0; axis < a->rank; axis++)
    if (a->extents[axis] != b->extents[axis]) return false;
  return true;
}

static enum fit fit_channels(const struct assay_tensor_type *variable, const struct assay_tensor_type *tensor) {
  struct assay_tensor_type other = *tensor;
  if (variable->rank != 4 || tensor->rank != 4) return FIT_NONE;
  other.extents[1] = variable->extents[1];
  if (!same_shape(variable, &other)) return FIT_NONE;
  if (variable->extents[1] == 1 && tensor->extents[1] == 3) return FIT_SUMMED;
  return variable->extents[1] == 3 && tensor->extents[1] == 1 ? FIT_REPEATED : FIT_NONE;
}

static enum fit fit_rows(const struct assay_pretrained *pretrained, const struct assay_tensor_type *variable, const struct assay_tensor_type *tensor) {
  struct assay_tensor_type other = *tensor;
  if (variable->rank != tensor->rank || variable->rank == 0) return FIT_NONE;
  other.extents[0] = variable->extents[0];
  if (!same_shape(variable, &other)) return FIT_NONE;
  if (pretrained->rows == NULL) return variable->extents[0] == 1 && tensor->extents[0] == 2 ? FIT_DIFFERENCE : tensor->extents[0] == other.extents[0] ? FIT_SAME : FIT_NONE;
  if (tensor->extents[0] != pretrained->facts.class_count) return FIT_NONE;
  return variable->extents[0] == 1 ? FIT_DIFFERENCE : FIT_ROWS;
}

static enum fit fit_of(const struct assay_pretrained *pretrained, const struct assay_tensor_type *variable, const struct assay_tensor *tensor, bool last) {
  const struct assay_tensor_type *type = &tensor->type;
  if (!assay_dtype_is_float(type->dtype)) return FIT_NONE;
  if (last && pretrained->facts.class_count > 0 && pretrained->rows == NULL) return FIT_NONE; /* other classes */
  if (last) return fit_rows(pretrained, variable, type);
  if (same_shape(variable, type)) return FIT_SAME;
  /* A linear layer kept as a convolution over all of its input: timm's vgg. */
  if (variable->rank == 2 && type->rank == 4 && variable->extents[0] == type->extents[0] && assay_element_count(variable) == assay_element_count(type)) return FIT_SAME;
  return fit_channels(variable, type);
}

static const char *shape_text(struct assay_arena *arena, const struct assay_tensor_type *type) {
  const char *text = "";
  for (int32_t axis = 0; axis < type->rank && text != NULL; axis++)
    text = assay_arena_print(arena, "%s%s%lld", text, axis > 0 ? "x" : "", (long long)type->extents[axis]);
  return text == NULL ? "?" : text;
}

/* ---- The classifier's rows ---- */

/* Finds each class of the data among the weights' by name. */
static int pick_rows(struct assay_pretrained *pretrained, const char *const *classes, uint32_t class_count, struct assay_status *status) {
  const struct assay_weights_facts *facts = &pretrained->facts;
  if (facts->class_count == 0) return 0;
  uint32_t *rows = ASSAY_NEW_ARRAY(pretrained->arena, uint32_t, class_count);
  if (rows == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < class_count; i++) {
    uint32_t row = 0;
    while (row < facts->class_count && strcmp(facts->classes[row], classes[i]) != 0) row++;
    if (row == facts->class_count) return 0;
    rows[i] = row;
  }
  pretrained->rows = rows;
  return 0;
}

/* ---- Matching ---- */

static const char *note_of(enum fit fit) {
  switch (fit) {
  case FIT_SUMMED: return "filters summed over the channels, as the images are grey";
  case FIT_REPEATED: return "filters repeated for three channels, divided by three";
  case FIT_ROWS: return "rows picked by the classes' names";
  case FIT_DIFFERENCE: return "the second class' row less the first's, as two classes have one logit";
  default: return "";
  }
}

static const char *reason(struct assay_pretrained *pretrained, const struct assay_tensor_type *variable, const struct assay_tensor *tensor) {
  if (!assay_dtype_is_float(tensor->type.dtype)) return "its tensor does not hold floats";
  if (pretrained->facts.class_count > 0 && pretrained->rows == NULL) return "a new classifier: the weights were trained for other classes";
  return assay_arena_print(pretrained->arena, "a new classifier: %s in the weights, %s here", shape_text(pretrained->arena, &tensor->type),
                           shape_text(pretrained->arena, variable));
}

static int match_variable(struct assay_pretrained *pretrained, uint32_t v, struct assay_status *status) {
  const struct assay_variable *variable = pretrained->program->variables[v];
  struct assay_weight_row *row = &pretrained->table[pretrained->row_count];
  bool last = false;
  if (variable->role > ASSAY_ROLE_STATISTIC) return 0;
  const char *path = path_of(pretrained->settings, variable->name, &last);
  if (path == NULL) return 0;
  pretrained->row_count++;
  pretrained->wanted++;
  const struct assay_tensor *tensor = find_prefixed(&pretrained->file, variable->name);
  if (tensor == NULL) tensor = find_by_path(&pretrained->file, path, last);
  *row = (struct assay_weight_row){variable->name, NULL, "new: the weights have no tensor for it"};
  if (tensor == NULL) return 0;
  const enum fit fit = fit_of(pretrained, &variable->type, tensor, last);
  if (fit == FIT_NONE && !last)
    return assay_status_set(status, ASSAY_E_CONFIG, "%s: tensor %s is %s %s, but %s of this network is %s; choose the layer and the options that the weights were trained with",
                            pretrained->path, tensor->name, tensor->dtype, shape_text(pretrained->arena, &tensor->type), variable->name,
                            shape_text(pretrained->arena, &variable->type));
  row->note = fit == FIT_NONE ? reason(pretrained, &variable->type, tensor) : note_of(fit);
  if (row->note == NULL) return assay_status_memory(status);
  if (fit == FIT_NONE) return 0;
  row->tensor = tensor->name;
  pretrained->matches[v] = (struct match){tensor, fit};
  pretrained->loaded++;
  return 0;
}

/* Is it the weight or bias of the layer that the classifier was looked for in? */
static bool is_last_layer(const char *name) {
  static const char *const parts[] = {"weight", "bias"};
  char last[ASSAY_WEIGHT_NAME];
  const char *prefix;
  for (uint32_t p = 0; (prefix = assay_weight_prefix(p)) != NULL; p++)
    for (size_t part = 0; strncmp(name, prefix, strlen(prefix)) == 0 && part < sizeof parts / sizeof *parts; part++)
      for (uint32_t i = 0; assay_weight_name(parts[part], true, i, last); i++)
        if (strcmp(name + strlen(prefix), last) == 0) return true;
  return false;
}

static const char *note_of_unread(const char *name) {
  static const char counter[] = "num_batches_tracked";
  const size_t length = strlen(name), tail = sizeof counter - 1;
  if (length >= tail && strcmp(name + length - tail, counter) == 0) return COUNTER;
  return is_last_layer(name) ? "the old classifier, for other classes" : "no variable has its name";
}

static void list_unread(struct assay_pretrained *pretrained) {
  const uint32_t variables = pretrained->program->variable_count;
  for (uint32_t i = 0; i < pretrained->file.tensor_count; i++) {
    const struct assay_tensor *tensor = &pretrained->file.tensors[i];
    bool read = false;
    for (uint32_t v = 0; v < variables && !read; v++) read = pretrained->matches[v].tensor == tensor;
    if (!read) pretrained->table[pretrained->row_count++] = (struct assay_weight_row){NULL, tensor->name, note_of_unread(tensor->name)};
  }
}

static int match(struct assay_pretrained *pretrained, struct assay_status *status) {
  const uint32_t variables = pretrained->program->variable_count;
  pretrained->matches = ASSAY_NEW_ARRAY(pretrained->arena, struct match, variables);
  pretrained->table = ASSAY_NEW_ARRAY(pretrained->arena, struct assay_weight_row, (size_t)variables + pretrained->file.tensor_count);
  if (pretrained->matches == NULL || pretrained->table == NULL) return assay_status_memory(status);
  for (uint32_t v = 0; v < variables; v++) {
    const int code = match_variable(pretrained, v, status);
    if (code != 0) return code;
  }
  if (pretrained->loaded == 0)
    return assay_status_set(status, ASSAY_E_CONFIG, "%s: none of its %u tensors (%s, …) has the name of a variable of this network (%s, …)", pretrained->path,
                            pretrained->file.tensor_count, pretrained->file.tensor_count > 0 ? pretrained->file.tensors[0].name : "",
                            pretrained->row_count > 0 ? pretrained->table[0].variable : "");
  list_unread(pretrained);
  return 0;
}

/* ---- Opening ---- */

/* One name a line; blank lines at the end are none. */
static int read_class_file(const char *path, struct assay_arena *arena, struct assay_weights_facts *facts, struct assay_status *status) {
  char *data;
  size_t size;
  int code = assay_file_read(path, LONGEST_CLASS_FILE, ASSAY_E_CONFIG, &data, &size, status);
  if (code != 0) return code;
  uint32_t most = 1, count = 0;
  for (size_t i = 0; i < size; i++) most += data[i] == '\n';
  const char **classes = ASSAY_NEW_ARRAY(arena, const char *, most);
  if (classes == NULL) code = assay_status_memory(status);
  for (char *rest = data, *line; code == 0 && (line = strsep(&rest, "\n")) != NULL;) {
    line[strcspn(line, "\r")] = '\0';
    if (*line == '\0' && rest == NULL) break;
    if (*line == '\0' || !assay_is_printable(line)) code = assay_status_set(status, ASSAY_E_CONFIG, "%s:%u: is no name of a class; write one a line", path, count + 1);
    else if ((classes[count++] = assay_arena_copy(arena, line)) == NULL) code = assay_status_memory(status);
  }
  free(data);
  if (code == 0 && count < 2) code = assay_status_set(status, ASSAY_E_CONFIG, "%s: names %u classes; 2 are the least", path, count);
  facts->classes = classes;
  facts->class_count = count;
  return code;
}

static int read_facts(const struct assay_settings *settings, const struct assay_safetensors *file, struct assay_arena *arena, struct assay_weights_facts *facts,
                      struct assay_status *status) {
  const int code = assay_weights_facts(settings->weights, file, arena, facts, status);
  return code != 0 || settings->weights_classes == NULL ? code : read_class_file(settings->weights_classes, arena, facts, status);
}

int assay_pretrained_open(const struct assay_settings *settings, const struct assay_program *program, const char *const *classes, uint32_t class_count,
                          struct assay_pretrained **pretrained, struct assay_status *status) {
  *pretrained = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_pretrained *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_pretrained);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  *made = (struct assay_pretrained){.arena = arena, .path = settings->weights, .settings = settings, .program = program};
  size_t size = 0;
  int code = assay_file_read(settings->weights, FILE_LIMIT, ASSAY_E_DATA, &made->data, &size, status);
  if (code == 0) code = assay_safetensors_parse(settings->weights, made->data, size, arena, &made->file, status);
  if (code == 0) code = read_facts(settings, &made->file, arena, &made->facts, status);
  if (code == 0) code = pick_rows(made, classes, class_count, status);
  if (code == 0) code = match(made, status);
  if (code != 0) assay_pretrained_release(made);
  else *pretrained = made;
  return code;
}

int assay_pretrained_plan(const struct assay_settings *settings, const char *const *classes, uint32_t class_count, struct assay_pretrained **pretrained,
                          struct assay_status *status) {
  enum { ANY_SIDE = 224 };
  const struct assay_network_facts facts = {.class_count = class_count,
                                            .width = settings->data.width > 0 ? settings->data.width : ANY_SIDE,
                                            .height = settings->data.height > 0 ? settings->data.height : ANY_SIDE,
                                            .channels = settings->data.colour == ASSAY_COLOUR_GREY ? 1 : 3};
  struct assay_program_builder *builder;
  const struct assay_program *program;
  int code = assay_network_inference(settings, &facts, &builder, &program, status);
  if (code != 0) return code;
  code = assay_pretrained_open(settings, program, classes, class_count, pretrained, status);
  if (code == 0) (*pretrained)->builder = builder;
  else assay_program_release(builder);
  return code;
}

void assay_pretrained_release(struct assay_pretrained *pretrained) {
  if (pretrained == NULL) return;
  assay_program_release(pretrained->builder);
  free(pretrained->data);
  assay_arena_release(pretrained->arena);
}

/* ---- Numbers ---- */

bool assay_pretrained_has(const struct assay_pretrained *pretrained, uint32_t variable) {
  return pretrained != NULL && pretrained->matches[variable].fit != FIT_NONE;
}

static void read_floats(const struct assay_tensor *tensor, int64_t first, int64_t count, float *numbers) {
  assay_load_floats((const char *)tensor->data + (size_t)first * assay_dtype_size(tensor->type.dtype), tensor->type.dtype, (size_t)count, numbers);
}

static void fill_channels(const struct assay_tensor *tensor, const struct assay_tensor_type *variable, bool summed, float *numbers) {
  const int64_t plane = variable->extents[2] * variable->extents[3], filters = variable->extents[0];
  for (int64_t filter = 0; filter < filters; filter++)
    for (int64_t i = 0; i < plane; i++) {
      float channels[3];
      for (int c = 0; c < 3; c++) read_floats(tensor, summed ? (filter * 3 + c) * plane + i : filter * plane + i, 1, &channels[c]);
      if (summed) numbers[filter * plane + i] = channels[0] + channels[1] + channels[2];
      for (int c = 0; c < 3 && !summed; c++) numbers[(filter * 3 + c) * plane + i] = channels[c] / 3;
    }
}

static void fill_rows(const struct assay_pretrained *pretrained, const struct assay_tensor *tensor, const struct assay_tensor_type *variable, bool difference,
                      float *numbers) {
  const int64_t width = assay_element_count(&tensor->type) / tensor->type.extents[0];
  const uint32_t *rows = pretrained->rows;
  for (int64_t row = 0; row < variable->extents[0]; row++)
    for (int64_t i = 0; i < width; i++) {
      float second, first = 0;
      read_floats(tensor, (difference ? (rows == NULL ? 1 : rows[1]) : rows[row]) * width + i, 1, &second);
      if (difference) read_floats(tensor, (rows == NULL ? 0 : rows[0]) * width + i, 1, &first);
      numbers[row * width + i] = second - first;
    }
}

void assay_pretrained_fill(const struct assay_pretrained *pretrained, uint32_t variable, float *numbers) {
  const struct match *match = &pretrained->matches[variable];
  const struct assay_tensor_type *type = &pretrained->program->variables[variable]->type;
  switch (match->fit) {
  case FIT_SUMMED:
  case FIT_REPEATED: fill_channels(match->tensor, type, match->fit == FIT_SUMMED, numbers); break;
  case FIT_ROWS:
  case FIT_DIFFERENCE: fill_rows(pretrained, match->tensor, type, match->fit == FIT_DIFFERENCE, numbers); break;
  default: read_floats(match->tensor, 0, assay_element_count(type), numbers); break;
  }
}

/* ---- Telling ---- */

const struct assay_weight_row *assay_pretrained_rows(const struct assay_pretrained *pretrained, uint32_t *count) {
  *count = pretrained->row_count;
  return pretrained->table;
}

void assay_pretrained_summarise(const struct assay_pretrained *pretrained, struct assay_text *text) {
  enum { MOST_NAMED = 4 };
  assay_text_print(text, "%s: %u of %u variables loaded", pretrained->path, pretrained->loaded, pretrained->wanted);
  uint32_t fresh = 0, unread = 0;
  for (uint32_t i = 0; i < pretrained->row_count; i++) {
    const struct assay_weight_row *row = &pretrained->table[i];
    unread += row->variable == NULL && strcmp(row->note, COUNTER) != 0;
    if (row->variable == NULL) continue;
    if (row->tensor != NULL && *row->note != '\0') assay_text_print(text, "; %s: %s", row->variable, row->note);
    if (row->tensor == NULL && fresh++ < MOST_NAMED) assay_text_print(text, "; %s: %s", row->variable, row->note);
  }
  if (fresh > MOST_NAMED) assay_text_print(text, "; %u more are new", fresh - MOST_NAMED);
  if (unread > 0) assay_text_print(text, "; %u tensors of the file are not used", unread);
}

void assay_pretrained_tell(const struct assay_pretrained *pretrained) {
  struct assay_text text = {0};
  assay_pretrained_summarise(pretrained, &text);
  if (text.data != NULL) assay_log_message(ASSAY_LOG_INFO, "%s", text.data);
  assay_text_release(&text);
}

int assay_pretrained_classes(const struct assay_settings *settings, struct assay_arena *arena, const char *const **classes, uint32_t *count,
                             struct assay_status *status) {
  struct assay_safetensors file;
  struct assay_weights_facts facts;
  int code = assay_safetensors_read_header(settings->weights, ASSAY_E_CONFIG, arena, &file, status);
  if (code == 0) code = read_facts(settings, &file, arena, &facts, status);
  if (code != 0) return code;
  const struct assay_tensor *last = find_by_path(&file, "weight", true);
  if (last == NULL || last->type.rank < 2 || last->type.extents[0] < 2 || last->type.extents[0] > 100000)
    return assay_status_set(status, ASSAY_E_CONFIG, "%s has no classifier, only features; train one on labelled images first", settings->weights);
  const uint32_t outputs = (uint32_t)last->type.extents[0];
  if (facts.class_count > 0 && facts.class_count != outputs)
    return assay_status_set(status, ASSAY_E_CONFIG, "%s has %u outputs, but %u classes are named", settings->weights, outputs, facts.class_count);
  const char **numbered = facts.class_count > 0 ? NULL : ASSAY_NEW_ARRAY(arena, const char *, outputs);
  for (uint32_t i = 0; numbered != NULL && i < outputs; i++)
    if ((numbered[i] = assay_arena_print(arena, "%04u", i)) == NULL) return assay_status_memory(status);
  if (numbered == NULL && facts.class_count == 0) return assay_status_memory(status);
  *classes = numbered != NULL ? numbered : facts.classes;
  *count = outputs;
  return 0;
}
