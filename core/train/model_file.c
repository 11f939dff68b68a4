/* SPDX-License-Identifier: MIT
 *
 * model.safetensors: tensors named after variables, and under the metadata key `assay` a JSON description with the inference graph. Members of an
 * ensemble have "member0/" and so on before their tensors' names.
 */
#include "train/model.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "graph/ops.h"
#include "train/graph_json.h"
#include "graph/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA 1
#define FILE_LIMIT ((size_t)4 << 30)
#define MOST_CLASSES 100000
#define MOST_MEMBERS 1000
#define MOST_VARIABLES 8192
#define MOST_PIXELS 65535 /* a side */

static const char *const fits[] = {"stretch", "crop", "letterbox"};
static const char *const filters[] = {"area", "bilinear", "linear"};
static const char *const units[] = {"pixels", "millionths"};
static const char *const colours[] = {"rgb", "grey"};

static const char *tensor_name(struct assay_arena *arena, const struct assay_model *model, uint32_t member, const char *variable) {
  return model->member_count == 1 ? variable : assay_arena_print(arena, "member%u/%s", member, variable);
}

/* ---- Writing ---- */

static json_t *strings_to_json(const char *const *strings, uint32_t count) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < count; i++) json_array_append_new(array, json_string(strings[i]));
  return array;
}

static json_t *variables_to_json(const struct assay_program *program) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < program->variable_count; i++)
    json_array_append_new(array, json_pack("{s:s, s:i}", "name", program->variables[i]->name, "role", (int)program->variables[i]->role));
  return array;
}

static json_t *description(const struct assay_model *model) {
  char hash[33];
  struct assay_hash data;
  memcpy(data.bytes, model->data_hash, sizeof data.bytes);
  assay_hash_print(&data, hash);
  json_t *input = json_pack("{s:i, s:i, s:i, s:s, s:i, s:s, s:s}", "width", (int)model->width, "height", (int)model->height, "channels", (int)model->channels, "fit", fits[model->fitting.fit],
                            "resize", (int)model->fitting.resize, "filter", filters[model->fitting.filter], "colour", colours[model->colour]);
  const struct assay_region *region = &model->fitting.region;
  if (region->width != 0)
    json_object_set_new(input, "region", json_pack("{s:s, s:[i, i, i, i]}", "unit", units[region->shares], "window", (int)region->x, (int)region->y, (int)region->width,
                                                   (int)region->height));
  return json_pack("{s:i, s:s, s:o, s:o, s:f, s:f, s:o, s:o, s:i, s:s, s:i, s:o, s:o}", "schema", SCHEMA, "version", model->version, "classes",
                   strings_to_json(model->classes, model->class_count), "positive", model->positive < 0 ? json_null() : json_string(model->classes[model->positive]),
                   "threshold", model->threshold, "temperature", model->temperature, "judge", assay_model_judge_to_json(&model->judge), "input", input, "logits", (int)model->logit_count, "data", hash, "members", (int)model->member_count, "variables",
                   variables_to_json(model->program), "graph", assay_graph_to_json(model->program->functions[0]));
}

static int collect_tensors(const struct assay_model *model, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status) {
  const struct assay_program *program = model->program;
  struct assay_tensor *tensors = ASSAY_NEW_ARRAY(arena, struct assay_tensor, (size_t)model->member_count * program->variable_count);
  if (tensors == NULL) return assay_status_memory(status);
  file->tensors = tensors;
  for (uint32_t member = 0; member < model->member_count; member++)
    for (uint32_t i = 0; i < program->variable_count; i++) {
      const char *name = tensor_name(arena, model, member, program->variables[i]->name);
      if (name == NULL) return assay_status_memory(status);
      tensors[file->tensor_count++] = (struct assay_tensor){
          .name = name, .type = program->variables[i]->type, .data = model->members[member].data[i], .size = model->members[member].sizes[i]};
    }
  return 0;
}

int assay_model_write(const struct assay_model *model, const char *path, struct assay_status *status) {
  struct assay_arena *arena = assay_arena_create();
  json_t *json = description(model);
  char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
  json_decref(json);
  int code;
  if (arena == NULL || text == NULL) {
    code = assay_status_memory(status);
  } else {
    const struct assay_string_pair pairs[] = {{"format", "assay"}, {"assay", text}};
    struct assay_safetensors file = {.pair_count = 2, .pairs = pairs};
    code = collect_tensors(model, arena, &file, status);
    if (code == 0) code = assay_safetensors_write(path, &file, status);
  }
  free(text);
  assay_arena_release(arena);
  return code;
}

/* ---- Reading ---- */

#define REFUSE(...) assay_status_set(status, ASSAY_E_DATA, __VA_ARGS__)

/* An integer in a range; false when it is not. */
static bool read_count(const json_t *json, const char *key, uint32_t low, uint32_t high, uint32_t *count) {
  const json_t *value = json_object_get(json, key);
  const json_int_t integer = json_is_integer(value) ? json_integer_value(value) : -1;
  if (integer < (json_int_t)low || integer > (json_int_t)high) return false;
  *count = (uint32_t)integer;
  return true;
}

static bool read_word(const json_t *json, const char *key, const char *const *words, uint32_t count, uint32_t *index) {
  const char *word = json_string_value(json_object_get(json, key));
  for (uint32_t i = 0; word != NULL && i < count; i++) {
    if (strcmp(words[i], word) != 0) continue;
    *index = i;
    return true;
  }
  return false;
}

static bool read_hash(const char *text, uint8_t bytes[16]) {
  if (text == NULL || strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32) return false;
  for (int i = 0; i < 16; i++) {
    const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
    bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  return true;
}

static int read_classes(const char *name, const json_t *json, struct assay_model *model, struct assay_status *status) {
  const json_t *list = json_object_get(json, "classes");
  const char *positive = json_string_value(json_object_get(json, "positive"));
  const size_t count = json_array_size(list);
  if (count < 2 || count > MOST_CLASSES) return REFUSE("%s: a model has 2 to %d classes, not %zu", name, MOST_CLASSES, count);
  const char **classes = ASSAY_NEW_ARRAY(model->arena, const char *, count);
  if (classes == NULL) return assay_status_memory(status);
  model->classes = classes;
  model->class_count = (uint32_t)count;
  model->positive = -1;
  for (size_t i = 0; i < count; i++) {
    const char *class = json_string_value(json_array_get(list, i));
    if (class == NULL || !assay_is_printable(class)) return REFUSE("%s: the name of class %zu cannot be read", name, i + 1);
    classes[i] = assay_arena_copy(model->arena, class);
    if (classes[i] == NULL) return assay_status_memory(status);
    if (positive != NULL && strcmp(class, positive) == 0) model->positive = (int32_t)i;
  }
  return positive == NULL || model->positive >= 0 ? 0 : REFUSE("%s: the positive class is none of the classes", name);
}

/* Absent: the whole image. */
static bool read_region(const json_t *json, struct assay_region *region) {
  const json_t *window = json_object_get(json, "window");
  uint32_t *const numbers[4] = {&region->x, &region->y, &region->width, &region->height};
  *region = (struct assay_region){0};
  if (json == NULL) return true;
  if (!read_word(json, "unit", units, 2, &region->shares) || json_array_size(window) != 4) return false;
  const json_int_t most = region->shares ? ASSAY_REGION_WHOLE : 65535;
  for (size_t i = 0; i < 4; i++) {
    const json_t *number = json_array_get(window, i);
    const json_int_t value = json_is_integer(number) ? json_integer_value(number) : -1;
    if (value < (i >= 2) || value > most) return false;
    *numbers[i] = (uint32_t)value;
  }
  return !region->shares || (region->x + region->width <= ASSAY_REGION_WHOLE && region->y + region->height <= ASSAY_REGION_WHOLE);
}

static int read_facts(const char *name, const json_t *json, struct assay_model *model, struct assay_status *status) {
  uint32_t schema = 0;
  if (!read_count(json, "schema", 1, UINT32_MAX, &schema)) return REFUSE("%s: this is no model of Assay's", name);
  if (schema > SCHEMA) return REFUSE("%s: the model was written by a newer Assay (schema %u, this one knows %d)", name, schema, SCHEMA);
  const int code = read_classes(name, json, model, status);
  if (code != 0) return code;
  const json_t *input = json_object_get(json, "input");
  const char *version = json_string_value(json_object_get(json, "version"));
  model->threshold = json_number_value(json_object_get(json, "threshold"));
  const json_t *temperature = json_object_get(json, "temperature"); /* absent in models of 0.1.0 */
  model->temperature = temperature == NULL ? 1 : json_number_value(temperature);
  const bool right = isfinite(model->temperature) && model->temperature >= 1e-3 && model->temperature <= 1e3 && read_count(input, "width", 1, MOST_PIXELS, &model->width) && read_count(input, "height", 1, MOST_PIXELS, &model->height) &&
                     read_count(input, "channels", 1, 4, &model->channels) && read_word(input, "fit", fits, 3, &model->fitting.fit) &&
                     (json_object_get(input, "resize") == NULL || read_count(input, "resize", 0, MOST_PIXELS, &model->fitting.resize)) &&
                     (json_object_get(input, "filter") == NULL || read_word(input, "filter", filters, 3, &model->fitting.filter)) &&
                     read_region(json_object_get(input, "region"), &model->fitting.region) && read_word(input, "colour", colours, 2, &model->colour) && read_count(json, "members", 1, MOST_MEMBERS, &model->member_count) &&
                     read_count(json, "logits", 1, MOST_CLASSES, &model->logit_count) &&
                     (model->logit_count == model->class_count || (model->logit_count == 1 && model->class_count == 2)) &&
                     read_hash(json_string_value(json_object_get(json, "data")), model->data_hash) && json_is_number(json_object_get(json, "threshold")) &&
                     isfinite(model->threshold) && version != NULL && assay_is_printable(version);
  if (!right) return REFUSE("%s: the description lacks input, members, logits, data, threshold, temperature or version, or one of them makes no sense", name);
  model->version = assay_arena_copy(model->arena, version);
  if (model->version == NULL) return assay_status_memory(status);
  return assay_model_judge_from_json(name, json_object_get(json, "judge"), model->arena, &model->judge, status); /* absent in older models */
}

static const struct assay_tensor *find_tensor(const struct assay_safetensors *file, const char *name) {
  return name == NULL ? NULL : assay_safetensors_tensor(file, name);
}

/* Declares the variables, whose types are those of the first member's tensors. */
static int read_variables(const char *name, const json_t *list, const struct assay_safetensors *file, struct assay_model *model, struct assay_builder *builder,
                          assay_value *variables, struct assay_status *status) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *json = json_array_get(list, i);
    const char *variable = json_string_value(json_object_get(json, "name"));
    uint32_t role;
    if (variable == NULL || !assay_is_printable(variable) || !read_count(json, "role", ASSAY_ROLE_WEIGHT, ASSAY_ROLE_STATISTIC, &role))
      return REFUSE("%s: variable %zu has no name or role", name, i);
    const struct assay_tensor *tensor = find_tensor(file, tensor_name(model->arena, model, 0, variable));
    if (tensor == NULL || tensor->type.dtype == 0) return REFUSE("%s: there is no tensor for variable %s, or one of a dtype that Assay does not compute with", name, variable);
    variables[i] = builder->host->variable(builder, variable, &tensor->type, ASSAY_INIT_CONSTANT, 0, role);
    if (assay_program_variable_count(model->builder) != i + 1) return REFUSE("%s: variable %s is there twice, or cannot be", name, variable);
  }
  return 0;
}

static int read_members(const char *name, const struct assay_safetensors *file, struct assay_model *model, struct assay_status *status) {
  const struct assay_program *program = model->program;
  struct assay_weights *members = ASSAY_NEW_ARRAY(model->arena, struct assay_weights, model->member_count);
  if (members == NULL) return assay_status_memory(status);
  model->members = members;
  if (file->tensor_count != (uint64_t)model->member_count * program->variable_count)
    return REFUSE("%s: %u tensors for %u members of %u variables", name, file->tensor_count, model->member_count, program->variable_count);
  for (uint32_t member = 0; member < model->member_count; member++) {
    const uint8_t **data = ASSAY_NEW_ARRAY(model->arena, const uint8_t *, program->variable_count);
    uint64_t *sizes = ASSAY_NEW_ARRAY(model->arena, uint64_t, program->variable_count);
    if (data == NULL || sizes == NULL) return assay_status_memory(status);
    for (uint32_t i = 0; i < program->variable_count; i++) {
      const struct assay_tensor *tensor = find_tensor(file, tensor_name(model->arena, model, member, program->variables[i]->name));
      if (tensor == NULL || memcmp(&tensor->type, &program->variables[i]->type, sizeof tensor->type) != 0)
        return REFUSE("%s: member %u has no tensor for variable %s, or one of another shape", name, member, program->variables[i]->name);
      sizes[i] = tensor->size;
      data[i] = (const uint8_t *)assay_arena_copy_bytes(model->arena, tensor->data, tensor->size);
      if (data[i] == NULL) return assay_status_memory(status);
    }
    members[member] = (struct assay_weights){program->variable_count, sizes, data};
  }
  return 0;
}

/* The results must be what the rest of the program takes for granted. */
static int check_results(const char *name, const struct assay_model *model, struct assay_builder *builder, const assay_value fetches[2], struct assay_status *status) {
  const struct assay_tensor_type *logits = assay_type(builder, fetches[ASSAY_FETCH_LOGITS]), *losses = assay_type(builder, fetches[ASSAY_FETCH_LOSSES]);
  if (logits->dtype == ASSAY_F32 && logits->rank == 2 && logits->extents[0] == 2 && logits->extents[1] == model->logit_count && losses->dtype == ASSAY_F32 &&
      losses->rank == 1 && losses->extents[0] == 2)
    return 0;
  return REFUSE("%s: the graph does not give %u logits and a loss a sample", name, model->logit_count);
}

static int read_function(const char *name, const json_t *json, const struct assay_safetensors *file, struct assay_model *model, struct assay_builder *builder,
                         struct assay_status *status) {
  const json_t *list = json_object_get(json, "variables");
  const size_t count = json_array_size(list);
  if (!json_is_array(list) || count > MOST_VARIABLES) return REFUSE("%s: there is no list of variables", name);
  assay_value *variables = ASSAY_NEW_ARRAY(model->arena, assay_value, count), fetches[2];
  if (variables == NULL) return assay_status_memory(status);
  const int64_t pixels[4] = {2, model->height, model->width, model->channels};
  const assay_value feeds[2] = {assay_function_feed(builder, ASSAY_U8, 4, pixels), assay_function_feed(builder, ASSAY_I32, 1, pixels)};
  const struct assay_build_context context = {sizeof context, 0, model->class_count, assay_invalid(), assay_invalid()};
  assay_function_context(builder, &context);
  int code = read_variables(name, list, file, model, builder, variables, status);
  if (code != 0) return code;
  code = assay_graph_from_json(json_object_get(json, "graph"), builder, feeds, 2, variables, (uint32_t)count, fetches, 2, status);
  if (code != 0) {
    assay_status_prefix(status, "%s", name);
    return code;
  }
  for (int i = 0; i < 2; i++) assay_function_fetch(builder, fetches[i]);
  struct assay_status cause;
  code = assay_function_end(builder, &cause);
  if (code == ASSAY_E_MEMORY) return assay_status_memory(status);
  if (code != 0) return REFUSE("%s: the graph does not fit together: %s", name, cause.message);
  return check_results(name, model, builder, fetches, status);
}

static int read_model(const char *name, const json_t *json, const struct assay_safetensors *file, struct assay_model *model, struct assay_status *status) {
  int code = read_facts(name, json, model, status);
  if (code != 0) return code;
  model->builder = assay_program_begin();
  struct assay_builder *builder = model->builder == NULL ? NULL : assay_function_begin(model->builder, "infer");
  if (builder == NULL) return assay_status_memory(status);
  code = read_function(name, json, file, model, builder, status);
  struct assay_status cause;
  if (code == 0 && (code = assay_program_finish(model->builder, &model->program, &cause)) != 0)
    code = assay_status_set(status, code == ASSAY_E_MEMORY ? code : ASSAY_E_DATA, "%s: %s", name, cause.message);
  return code == 0 ? read_members(name, file, model, status) : code;
}

int assay_model_parse(const char *name, const void *data, size_t size, struct assay_model **model, struct assay_status *status) {
  *model = NULL;
  struct assay_arena *arena = assay_arena_create();
  struct assay_model *made = arena == NULL ? NULL : ASSAY_NEW(arena, struct assay_model);
  if (made == NULL) {
    assay_arena_release(arena);
    return assay_status_memory(status);
  }
  made->arena = arena;
  struct assay_safetensors file;
  int code = assay_safetensors_parse(name, data, size, arena, &file, status);
  if (code == 0) {
    const char *text = assay_safetensors_find(&file, "assay");
    json_error_t error;
    json_t *json = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);
    code = json == NULL ? REFUSE("%s: this file holds weights, but no model of Assay's", name) : read_model(name, json, &file, made, status);
    json_decref(json);
  }
  if (code != 0) assay_model_release(made);
  else *model = made;
  return code;
}

int assay_model_read(const char *path, struct assay_model **model, struct assay_status *status) {
  char *data;
  size_t size;
  *model = NULL;
  int code = assay_file_read(path, FILE_LIMIT, ASSAY_E_DATA, &data, &size, status);
  if (code != 0) return code;
  code = assay_model_parse(path, data, size, model, status);
  free(data);
  return code;
}
