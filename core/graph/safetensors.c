/* SPDX-License-Identifier: MIT
 *
 * Reading and writing the safetensors container.
 */
#include "graph/safetensors.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "graph/ops.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian; a big-endian machine needs conversion here");

#define HEADER_LIMIT ((size_t)16 << 20)
#define METADATA "__metadata__"

/* ---- Writing ---- */

/* "F32" for ASSAY_F32. */
static json_t *dtype_to_json(int32_t dtype) {
  char name[8] = {0};
  const char *lower = assay_dtype_name(dtype);
  for (size_t i = 0; lower != NULL && lower[i] != '\0' && i + 1 < sizeof name; i++) name[i] = (char)toupper((unsigned char)lower[i]);
  return json_string(name);
}

static json_t *tensor_to_json(const struct assay_tensor *tensor, uint64_t begin) {
  json_t *shape = json_array();
  for (int32_t axis = 0; axis < tensor->type.rank; axis++) json_array_append_new(shape, json_integer(tensor->type.extents[axis]));
  return json_pack("{s:o, s:o, s:[I, I]}", "dtype", dtype_to_json(tensor->type.dtype), "shape", shape, "data_offsets", (json_int_t)begin,
                   (json_int_t)(begin + tensor->size));
}

/* Text of the header, padded with blanks to a multiple of 8; free() it. NULL when memory is short. */
static char *header_text(const struct assay_safetensors *file, size_t *length) {
  json_t *header = json_object(), *metadata = json_object();
  bool complete = header != NULL && metadata != NULL;
  for (uint32_t i = 0; complete && i < file->pair_count; i++) complete = json_object_set_new(metadata, file->pairs[i].key, json_string(file->pairs[i].value)) == 0;
  complete = complete && json_object_set_new(header, METADATA, metadata) == 0;
  uint64_t begin = 0;
  for (uint32_t i = 0; complete && i < file->tensor_count; i++) {
    complete = json_object_set_new(header, file->tensors[i].name, tensor_to_json(&file->tensors[i], begin)) == 0;
    begin += file->tensors[i].size;
  }
  char *text = complete ? json_dumps(header, JSON_COMPACT) : NULL;
  json_decref(header);
  if (text == NULL) return NULL;
  const size_t used = strlen(text), padded = (used + 7) / 8 * 8;
  char *grown = realloc(text, padded + 1);
  if (grown == NULL) {
    free(text);
    return NULL;
  }
  memset(grown + used, ' ', padded - used);
  *length = padded;
  return grown;
}

int assay_safetensors_write(const char *path, const struct assay_safetensors *file, struct assay_status *status) {
  size_t length = 0;
  char *header = header_text(file, &length);
  size_t total = 8 + length;
  bool fits = header != NULL;
  for (uint32_t i = 0; fits && i < file->tensor_count; i++) fits = !__builtin_add_overflow(total, (size_t)file->tensors[i].size, &total);
  char *whole = fits ? malloc(total) : NULL;
  if (whole == NULL) {
    free(header);
    return assay_status_memory(status);
  }
  const uint64_t prefix = length;
  memcpy(whole, &prefix, 8);
  memcpy(whole + 8, header, length);
  size_t at = 8 + length;
  for (uint32_t i = 0; i < file->tensor_count; i++) {
    memcpy(whole + at, file->tensors[i].data, file->tensors[i].size);
    at += file->tensors[i].size;
  }
  const int code = assay_file_write(path, whole, total, status);
  free(header);
  free(whole);
  return code;
}

/* ---- Reading ---- */

#define REFUSE(...) assay_status_set(status, ASSAY_E_DATA, __VA_ARGS__)

/* What the format has, as of its version 0.5. */
static const struct {
  const char *name;
  int32_t dtype; /* 0: nothing that Assay computes with */
  uint32_t size;
} dtypes[] = {{"F32", ASSAY_F32, 4}, {"F16", ASSAY_F16, 2}, {"BF16", ASSAY_BF16, 2}, {"F64", ASSAY_F64, 8}, {"I64", 0, 8},    {"I32", ASSAY_I32, 4}, {"U8", ASSAY_U8, 1}, {"BOOL", ASSAY_BOOL, 1},
              {"U32", ASSAY_U32, 4}, {"I16", 0, 2},         {"I8", 0, 1},           {"U16", 0, 2},         {"U64", 0, 8}, {"F8_E4M3", 0, 1},     {"F8_E5M2", 0, 1}};

static int read_type(const char *name, const json_t *json, struct assay_tensor *tensor, uint32_t *element, struct assay_status *status) {
  const json_t *shape = json_object_get(json, "shape");
  const char *dtype = json_string_value(json_object_get(json, "dtype"));
  for (size_t i = 0; dtype != NULL && i < sizeof dtypes / sizeof *dtypes; i++) {
    if (strcmp(dtypes[i].name, dtype) != 0) continue;
    tensor->dtype = dtypes[i].name;
    tensor->type.dtype = dtypes[i].dtype;
    *element = dtypes[i].size;
  }
  if (tensor->dtype == NULL || !json_is_array(shape)) return REFUSE("%s: tensor %s has no dtype or shape that the format knows", name, tensor->name);
  if (json_array_size(shape) > ASSAY_MAX_RANK) return REFUSE("%s: tensor %s has %zu axes; %d are the most", name, tensor->name, json_array_size(shape), ASSAY_MAX_RANK);
  tensor->type.rank = (int32_t)json_array_size(shape);
  for (int32_t axis = 0; axis < tensor->type.rank; axis++) {
    const json_t *extent = json_array_get(shape, (size_t)axis);
    tensor->type.extents[axis] = json_is_integer(extent) ? json_integer_value(extent) : -1;
  }
  struct assay_tensor_type checked = tensor->type;
  if (checked.dtype == 0) checked.dtype = ASSAY_U8;
  struct assay_status cause;
  return assay_type_check(&checked, &cause) == 0 ? 0 : REFUSE("%s: tensor %s: %s", name, tensor->name, cause.message);
}

/* `size`: of all data. */
static int read_tensor(const char *name, const json_t *json, uint64_t size, struct assay_tensor *tensor, struct assay_status *status) {
  uint32_t element = 0;
  const int code = read_type(name, json, tensor, &element, status);
  if (code != 0) return code;
  const json_t *offsets = json_object_get(json, "data_offsets"), *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end)) return REFUSE("%s: tensor %s has no data_offsets", name, tensor->name);
  const json_int_t from = json_integer_value(begin), to = json_integer_value(end);
  if (from < 0 || to < from || (uint64_t)to > size) return REFUSE("%s: the data of tensor %s lies outside of the file; it may be cut off", name, tensor->name);
  tensor->offset = (uint64_t)from;
  tensor->size = (uint64_t)(to - from);
  if (tensor->size != (uint64_t)assay_element_count(&tensor->type) * element)
    return REFUSE("%s: the data of tensor %s does not have the size of its shape", name, tensor->name);
  return 0;
}

static int read_metadata(const char *name, const json_t *json, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status) {
  struct assay_string_pair *pairs = ASSAY_NEW_ARRAY(arena, struct assay_string_pair, json_object_size(json));
  if (!json_is_object(json)) return REFUSE("%s: the metadata is no JSON object", name);
  if (pairs == NULL) return assay_status_memory(status);
  file->pairs = pairs;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)json, key, value) {
    if (!json_is_string(value)) return REFUSE("%s: the metadata %s is no string", name, assay_is_printable(key) ? key : "under a name that cannot be printed");
    pairs[file->pair_count].key = assay_arena_copy(arena, key);
    pairs[file->pair_count].value = assay_arena_copy(arena, json_string_value(value));
    if (pairs[file->pair_count].key == NULL || pairs[file->pair_count].value == NULL) return assay_status_memory(status);
    file->pair_count++;
  }
  return 0;
}

static int by_place(const void *left, const void *right) {
  const uint64_t a = ((const struct assay_tensor *)left)->offset, b = ((const struct assay_tensor *)right)->offset;
  return (a > b) - (a < b);
}

static int by_name(const void *left, const void *right) {
  return strcmp((*(const struct assay_tensor *const *)left)->name, (*(const struct assay_tensor *const *)right)->name);
}

static int sort_names(struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status) {
  const struct assay_tensor **sorted = ASSAY_NEW_ARRAY(arena, const struct assay_tensor *, file->tensor_count);
  if (sorted == NULL) return assay_status_memory(status);
  for (uint32_t i = 0; i < file->tensor_count; i++) sorted[i] = &file->tensors[i];
  qsort(sorted, file->tensor_count, sizeof *sorted, by_name);
  file->by_name = sorted;
  return 0;
}

/* `data` may be NULL: tensors then have none. */
static int read_tensors(const char *name, const json_t *header, const char *data, uint64_t size, struct assay_arena *arena, struct assay_safetensors *file,
                        struct assay_status *status) {
  struct assay_tensor *tensors = ASSAY_NEW_ARRAY(arena, struct assay_tensor, json_object_size(header));
  if (tensors == NULL) return assay_status_memory(status);
  file->tensors = tensors;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)header, key, value) {
    int code;
    if (strcmp(key, METADATA) == 0) {
      code = read_metadata(name, value, arena, file, status);
    } else if (!assay_is_printable(key)) {
      code = REFUSE("%s: the name of tensor %u has characters that cannot be printed", name, file->tensor_count);
    } else {
      struct assay_tensor *tensor = &tensors[file->tensor_count++];
      tensor->name = assay_arena_copy(arena, key);
      code = tensor->name == NULL ? assay_status_memory(status) : read_tensor(name, value, size, tensor, status);
    }
    if (code != 0) return code;
  }
  qsort(tensors, file->tensor_count, sizeof *tensors, by_place);
  uint64_t expected = 0;
  for (uint32_t i = 0; i < file->tensor_count; i++) {
    if (tensors[i].offset != expected) return REFUSE("%s: there is a hole or an overlap before the data of tensor %s", name, tensors[i].name);
    expected += tensors[i].size;
    if (data != NULL) tensors[i].data = data + tensors[i].offset;
  }
  if (expected != size) return REFUSE("%s: there are bytes behind the last tensor", name);
  return sort_names(arena, file, status);
}

/* What people have who look for safetensors: named, so that the way out can be. */
static const char *other_format(const unsigned char *begin, size_t size) {
  if (size >= 4 && memcmp(begin, "PK\3\4", 4) == 0) return "a zip archive, as PyTorch's torch.save writes it";
  if (size >= 2 && begin[0] == 0x80 && begin[1] >= 2 && begin[1] <= 5) return "a pickle, as PyTorch's torch.save writes it";
  if (size >= 4 && memcmp(begin, "\x89HDF", 4) == 0) return "an HDF5 file, as Keras writes it";
  return NULL;
}

/* `begin` has the first `available` bytes of a file of `size`. Gives the header's length. */
static int check_beginning(const char *name, const unsigned char *begin, size_t available, uint64_t size, uint64_t *length, struct assay_status *status) {
  const char *other = other_format(begin, available);
  if (other != NULL)
    return REFUSE("%s is %s; such files can hold code and are not read. Convert it once where PyTorch is: python3 -c \"import sys, torch, safetensors.torch as s; "
                  "s.save_file({k: v.contiguous() for k, v in torch.load(sys.argv[1], map_location='cpu', weights_only=True).items()}, sys.argv[1] + '.safetensors')\" %s",
                  name, other, name);
  if (size < 8) return REFUSE("%s: this is no safetensors file: it has only %llu bytes", name, (unsigned long long)size);
  memcpy(length, begin, 8);
  if (*length > HEADER_LIMIT || *length > size - 8)
    return REFUSE("%s: this is no safetensors file, or it is cut off: its header would have %llu bytes", name, (unsigned long long)*length);
  return 0;
}

static int parse_header(const char *name, const char *text, size_t length, const char *data, uint64_t size, struct assay_arena *arena, struct assay_safetensors *file,
                        struct assay_status *status) {
  json_error_t error;
  json_t *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(header)) {
    json_decref(header);
    /* The parser quotes the file, which may hold what a terminal would obey. */
    const char *reason = header != NULL ? "another value" : assay_is_printable(error.text) ? error.text : "it is damaged";
    return REFUSE("%s: the header is no JSON object: %s (byte %d)", name, reason, error.position);
  }
  const int code = read_tensors(name, header, data, size, arena, file, status);
  json_decref(header);
  return code;
}

int assay_safetensors_parse(const char *name, const void *data, size_t size, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status) {
  *file = (struct assay_safetensors){0};
  uint64_t length = 0;
  const int code = check_beginning(name, data, size, size, &length, status);
  const char *text = (const char *)data + 8;
  return code != 0 ? code : parse_header(name, text, (size_t)length, text + length, size - 8 - length, arena, file, status);
}

/* Exactly so many bytes; false when there are fewer. */
static bool read_bytes(int descriptor, void *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    const ssize_t got = read(descriptor, (char *)bytes + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += (size_t)got;
  }
  return true;
}

static int read_header(const char *path, int descriptor, uint64_t size, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status) {
  unsigned char begin[8] = {0};
  uint64_t length = 0;
  const size_t available = size < sizeof begin ? (size_t)size : sizeof begin;
  if (!read_bytes(descriptor, begin, available)) return REFUSE("%s cannot be read: %s", path, strerror(errno));
  int code = check_beginning(path, begin, available, size, &length, status);
  char *text = code == 0 ? malloc((size_t)length + 1) : NULL;
  if (code == 0 && text == NULL) code = assay_status_memory(status);
  if (code == 0 && !read_bytes(descriptor, text, (size_t)length)) code = REFUSE("%s cannot be read: %s", path, strerror(errno));
  if (code == 0) code = parse_header(path, text, (size_t)length, NULL, size - 8 - length, arena, file, status);
  free(text);
  return code;
}

int assay_safetensors_read_header(const char *path, int code, struct assay_arena *arena, struct assay_safetensors *file, struct assay_status *status) {
  *file = (struct assay_safetensors){0};
  struct stat facts;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return assay_status_set(status, code, "%s cannot be read: %s", path, strerror(errno));
  int result;
  if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) result = assay_status_set(status, code, "%s is no file", path);
  else result = read_header(path, descriptor, (uint64_t)facts.st_size, arena, file, status);
  close(descriptor);
  return result;
}

const char *assay_safetensors_find(const struct assay_safetensors *file, const char *key) {
  for (uint32_t i = 0; i < file->pair_count; i++)
    if (strcmp(file->pairs[i].key, key) == 0) return file->pairs[i].value;
  return NULL;
}

static int name_against(const void *name, const void *tensor) { return strcmp(name, (*(const struct assay_tensor *const *)tensor)->name); }

const struct assay_tensor *assay_safetensors_tensor(const struct assay_safetensors *file, const char *name) {
  if (file->tensor_count == 0) return NULL;
  const struct assay_tensor *const *found = bsearch(name, file->by_name, file->tensor_count, sizeof *file->by_name, name_against);
  return found == NULL ? NULL : *found;
}
