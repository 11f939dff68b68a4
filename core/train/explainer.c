/* SPDX-License-Identifier: MIT */
#include "train/explainer.h"

#include "base/status.h"

#include <assay/graph.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MAPS = 64 };

struct assay_explainer {
  struct assay_session *session;
  const struct assay_backend *backend;
  const struct assay_model *model;
  enum assay_explain_method method;
  bool found; /* by the last run */
  struct assay_program_builder *builder;
  struct assay_executable *executable; /* the session's */
  struct assay_store **stores;         /* by member */
  uint32_t batch;                      /* 1, or what the graph is fixed to: then all rows are the same image */
  uint32_t map_count;
  int32_t maps[MOST_MAPS];             /* values of the stored graph */
  uint32_t heights[MOST_MAPS], widths[MOST_MAPS];
  uint32_t rows, columns;              /* patches that an image is cut into (train/patches.h); 1 and 1: none */
  int32_t scores;                      /* value of the stored graph: the logits, or with patches each patch's own */
  struct assay_buffer *pixels, *labels, *choice, *results[MOST_MAPS];
  uint8_t *host_pixels;
  float *host_choice, *host_map;
};

/* ---- Finding the last maps ---- */

/* Which values lie on a way from the pixels to the logits. */
struct ways {
  const struct assay_graph *graph;
  bool *from_pixels, *to_logits; /* by value */
};

/* Marks all values that depend on `start`. */
static void mark_forward(const struct assay_graph *graph, int32_t start, bool *marks) {
  marks[start] = true;
  for (uint32_t n = 0; n < graph->node_count; n++) {
    const struct assay_node *node = graph->nodes[n];
    bool any = false;
    for (uint32_t i = 0; i < node->input_count; i++) any |= marks[node->inputs[i]];
    for (uint32_t i = 0; any && i < node->output_count; i++) marks[node->first_output + (int32_t)i] = true;
  }
}

static void mark_backward(const struct assay_graph *graph, int32_t end, bool *marks) {
  marks[end] = true;
  for (uint32_t n = graph->node_count; n-- > 0;) {
    const struct assay_node *node = graph->nodes[n];
    bool any = false;
    for (uint32_t i = 0; i < node->output_count; i++) any |= marks[node->first_output + (int32_t)i];
    for (uint32_t i = 0; any && i < node->input_count; i++) marks[node->inputs[i]] = true;
  }
}

static bool has_place(const struct ways *ways, int32_t value) {
  const struct assay_tensor_type *type = ways->graph->types[value];
  return ways->from_pixels[value] && ways->to_logits[value] && type->dtype == ASSAY_F32 && type->rank == 4 && type->extents[2] * type->extents[3] > 1;
}

/* Values with a place that feed a node which has none, and none of which is needed for another. */
static void list_maps(struct assay_explainer *explainer, const struct ways *ways, bool *marks) {
  for (uint32_t n = 0; n < ways->graph->node_count; n++) {
    const struct assay_node *node = ways->graph->nodes[n];
    bool goes_on = !ways->to_logits[node->first_output];
    for (uint32_t i = 0; i < node->output_count; i++) goes_on |= has_place(ways, node->first_output + (int32_t)i);
    for (uint32_t i = 0; !goes_on && i < node->input_count; i++) {
      const int32_t value = node->inputs[i];
      bool known = !has_place(ways, value);
      for (uint32_t k = 0; k < explainer->map_count; k++) known |= explainer->maps[k] == value;
      if (!known && explainer->map_count < MOST_MAPS) explainer->maps[explainer->map_count++] = value;
    }
  }
  bool needed[MOST_MAPS] = {false};
  for (uint32_t i = 0; i < explainer->map_count; i++) {
    memset(marks, 0, ways->graph->value_count * sizeof *marks);
    mark_forward(ways->graph, explainer->maps[i], marks);
    for (uint32_t k = 0; k < explainer->map_count; k++) needed[i] |= k != i && marks[explainer->maps[k]];
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < explainer->map_count; i++)
    if (!needed[i]) explainer->maps[kept++] = explainer->maps[i];
  explainer->map_count = kept;
}

/* Places of patches, from the value that has them on axes of their own: f32 [B, rows, columns, C, height, width]. */
static void find_patches(struct assay_explainer *explainer, const struct ways *ways) {
  const struct assay_model *model = explainer->model;
  for (uint32_t value = 0; value < ways->graph->value_count; value++) {
    const struct assay_tensor_type *type = ways->graph->types[value];
    if (!ways->from_pixels[value] || !ways->to_logits[value] || type->rank != 6) continue;
    if (type->extents[1] * type->extents[4] != model->height || type->extents[2] * type->extents[5] != model->width) continue;
    explainer->rows = (uint32_t)type->extents[1];
    explainer->columns = (uint32_t)type->extents[2];
    return;
  }
}

/* Each patch's own logits: the last ones that there are for patches. */
static void find_scores(struct assay_explainer *explainer, const struct ways *ways, int64_t patches) {
  for (uint32_t value = 0; value < ways->graph->value_count; value++) {
    const struct assay_tensor_type *type = ways->graph->types[value];
    const bool logits = type->rank == 2 && type->extents[0] == patches && type->extents[1] == explainer->model->logit_count;
    if (logits && ways->from_pixels[value] && ways->to_logits[value]) explainer->scores = (int32_t)value;
  }
}

static int find_maps(struct assay_explainer *explainer, struct assay_status *status) {
  const struct assay_function *function = explainer->model->program->functions[0];
  const struct assay_graph *graph = function->graph;
  bool *marks = calloc(3 * (size_t)graph->value_count + 1, sizeof *marks);
  if (marks == NULL) return assay_status_memory(status);
  const struct ways ways = {graph, marks, marks + graph->value_count};
  mark_forward(graph, function->feeds[0], ways.from_pixels);
  mark_backward(graph, function->fetches[ASSAY_FETCH_LOGITS], ways.to_logits);
  list_maps(explainer, &ways, marks + 2 * (size_t)graph->value_count);
  const int64_t images = graph->types[function->feeds[0]]->extents[0];
  find_patches(explainer, &ways);
  const int64_t seen = images * explainer->rows * explainer->columns;
  explainer->scores = function->fetches[ASSAY_FETCH_LOGITS];
  if (seen > images) find_scores(explainer, &ways, seen);
  free(marks);
  bool placed = graph->types[explainer->scores]->extents[0] == seen;
  for (uint32_t i = 0; i < explainer->map_count; i++) placed = placed && graph->types[explainer->maps[i]]->extents[0] == seen;
  if (explainer->map_count == 0)
    return assay_status_set(status, ASSAY_E_UNSUPPORTED, "the network has no feature maps with a place, so it cannot be said where it looks");
  return placed ? 0
                : assay_status_set(status, ASSAY_E_UNSUPPORTED,
                                   "the network's maps are not one an image, and where in the image they lie is not known; a model with [data] patches of an "
                                   "earlier version must be trained again");
}

/* ---- The program ---- */

/* What the network sees of a batch: its images, or their patches. */
static uint32_t seen(const struct assay_explainer *explainer) { return explainer->batch * explainer->rows * explainer->columns; }

/* The heat of each of the maps: f32 [images or patches, height, width]. Patches have theirs from their own logits, whatever the image's is made of. */
static void emit_heat(struct assay_builder *b, const struct assay_explainer *explainer, const assay_value *fetches) {
  const int64_t extents[2] = {seen(explainer), explainer->model->logit_count};
  const assay_value choice = assay_function_feed(b, ASSAY_F32, 2, extents);
  const assay_value score = assay_reduce_sum(b, assay_mul(b, fetches[2 + explainer->map_count], choice), 3, 0);
  assay_value gradients[MOST_MAPS];
  assay_builder_gradient(b, score, fetches + 2, explainer->map_count, gradients);
  for (uint32_t i = 0; i < explainer->map_count; i++) {
    const assay_value weights = explainer->method == ASSAY_EXPLAIN_GRAD_CAM ? assay_mean(b, gradients[i], 1 << 2 | 1 << 3, 1) : gradients[i];
    assay_function_fetch(b, assay_relu(b, assay_reduce_sum(b, assay_mul(b, weights, fetches[2 + i]), 1 << 1, 0)));
  }
}

static int build(struct assay_explainer *explainer, uint32_t batch, const struct assay_program **program, struct assay_status *status) {
  explainer->builder = assay_program_begin();
  explainer->batch = batch;
  struct assay_builder *b = explainer->builder == NULL ? NULL : assay_function_begin(explainer->builder, "explain");
  assay_value fetches[3 + MOST_MAPS];
  int32_t wanted[1 + MOST_MAPS];
  memcpy(wanted, explainer->maps, sizeof explainer->maps);
  wanted[explainer->map_count] = explainer->scores;
  int code = b == NULL ? assay_status_memory(status) : assay_model_replay(explainer->model, b, batch, wanted, explainer->map_count + 1, fetches, status);
  if (code == 0) emit_heat(b, explainer, fetches);
  if (code == 0) code = assay_function_end(b, status);
  if (code == 0) code = assay_program_finish(explainer->builder, program, status);
  if (code != 0) {
    assay_program_release(explainer->builder);
    explainer->builder = NULL;
  }
  return code;
}

static int prepare(struct assay_explainer *explainer, const struct assay_program *program, struct assay_status *status) {
  const struct assay_model *model = explainer->model;
  const struct assay_backend *backend = explainer->backend;
  struct assay_device *device = assay_session_device(explainer->session);
  const uint64_t batch = explainer->batch, image = (uint64_t)model->height * model->width * model->channels;
  uint64_t largest = 1;
  for (uint32_t i = 0; i < explainer->map_count; i++) {
    const struct assay_tensor_type *type = model->program->functions[0]->graph->types[explainer->maps[i]];
    explainer->heights[i] = (uint32_t)type->extents[2];
    explainer->widths[i] = (uint32_t)type->extents[3];
    const uint64_t size = (uint64_t)explainer->heights[i] * explainer->widths[i];
    if (size > largest) largest = size;
  }
  explainer->host_pixels = malloc(batch * image);
  explainer->host_choice = calloc((size_t)seen(explainer) * model->logit_count, sizeof(float));
  explainer->host_map = malloc(largest * explainer->rows * explainer->columns * sizeof(float));
  if (explainer->host_pixels == NULL || explainer->host_choice == NULL || explainer->host_map == NULL) return assay_status_memory(status);
  int code = assay_session_compile(explainer->session, program, &explainer->executable, status);
  if (code == 0) code = backend->buffer_create(device, batch * image, &explainer->pixels, status);
  if (code == 0) code = backend->buffer_create(device, batch * sizeof(int32_t), &explainer->labels, status);
  if (code == 0) code = backend->buffer_create(device, (uint64_t)seen(explainer) * model->logit_count * sizeof(float), &explainer->choice, status);
  for (uint32_t i = 0; code == 0 && i < explainer->map_count; i++) {
    const uint64_t cells = (uint64_t)explainer->heights[i] * explainer->widths[i];
    code = backend->buffer_create(device, seen(explainer) * cells * sizeof(float), &explainer->results[i], status);
  }
  return code == 0 ? assay_model_stores_create(model, backend, explainer->executable, &explainer->stores, status) : code;
}

int assay_explainer_create(struct assay_session *session, const struct assay_model *model, enum assay_explain_method method, struct assay_explainer **explainer,
                           struct assay_status *status) {
  *explainer = NULL;
  struct assay_explainer *made = calloc(1, sizeof *made);
  if (made == NULL) return assay_status_memory(status);
  made->session = session;
  made->backend = assay_session_backend(session);
  made->model = model;
  made->method = method;
  made->rows = made->columns = 1;
  const struct assay_program *program;
  int code = find_maps(made, status);
  if (code == 0 && (code = build(made, 1, &program, status)) == ASSAY_E_DATA) code = build(made, assay_model_fixed_batch(model), &program, status);
  if (code == 0) code = prepare(made, program, status);
  if (code != 0) assay_explainer_release(made);
  else *explainer = made;
  return code;
}

void assay_explainer_release(struct assay_explainer *explainer) {
  if (explainer == NULL) return;
  const struct assay_backend *backend = explainer->backend;
  assay_model_stores_release(explainer->model, backend, explainer->stores);
  backend->buffer_release(explainer->pixels);
  backend->buffer_release(explainer->labels);
  backend->buffer_release(explainer->choice);
  for (uint32_t i = 0; i < explainer->map_count; i++) backend->buffer_release(explainer->results[i]);
  assay_program_release(explainer->builder);
  free(explainer->host_pixels);
  free(explainer->host_choice);
  free(explainer->host_map);
  free(explainer);
}

/* ---- Running it ---- */

/* Adds a map, bilinear between the centres of its cells, held at the edges, to width x height places of `heat`, whose lines are `line` long. */
static void add_enlarged(const float *map, uint32_t map_width, uint32_t map_height, float *heat, uint32_t width, uint32_t height, uint32_t line) {
  for (uint32_t y = 0; y < height; y++) {
    const double place_y = fmin(fmax((y + 0.5) * map_height / height - 0.5, 0), map_height - 1);
    const uint32_t y0 = (uint32_t)place_y, y1 = y0 + 1 < map_height ? y0 + 1 : y0;
    for (uint32_t x = 0; x < width; x++) {
      const double place_x = fmin(fmax((x + 0.5) * map_width / width - 0.5, 0), map_width - 1);
      const uint32_t x0 = (uint32_t)place_x, x1 = x0 + 1 < map_width ? x0 + 1 : x0;
      const double fy = place_y - y0, fx = place_x - x0;
      const double above = map[y0 * map_width + x0] * (1 - fx) + map[y0 * map_width + x1] * fx;
      const double below = map[y1 * map_width + x0] * (1 - fx) + map[y1 * map_width + x1] * fx;
      heat[(size_t)y * line + x] += (float)(above * (1 - fy) + below * fy);
    }
  }
}

/* Adds the maps of an image, or of all its patches, each in its place. */
static void add_maps(const struct assay_explainer *explainer, uint32_t number, float *heat, uint32_t width, uint32_t height) {
  const size_t cells = (size_t)explainer->heights[number] * explainer->widths[number];
  const float *map = explainer->host_map;
  for (uint32_t row = 0; row < explainer->rows; row++)
    for (uint32_t column = 0; column < explainer->columns; column++, map += cells) {
      const uint32_t left = column * width / explainer->columns, right = (column + 1) * width / explainer->columns;
      const uint32_t top = row * height / explainer->rows, bottom = (row + 1) * height / explainer->rows;
      add_enlarged(map, explainer->widths[number], explainer->heights[number], heat + (size_t)top * width + left, right - left, bottom - top, width);
    }
}

static int run_member(struct assay_explainer *explainer, uint32_t member, uint32_t width, uint32_t height, float *heat, struct assay_status *status) {
  struct assay_buffer *const feeds[] = {explainer->pixels, explainer->labels, explainer->choice};
  int code = explainer->backend->run(explainer->executable, 0, explainer->stores[member], feeds, explainer->results, status);
  for (uint32_t i = 0; code == 0 && i < explainer->map_count; i++) {
    const size_t cells = (size_t)explainer->heights[i] * explainer->widths[i] * explainer->rows * explainer->columns;
    code = explainer->backend->buffer_read(explainer->results[i], 0, explainer->host_map, cells * sizeof(float), status);
    if (code == 0) add_maps(explainer, i, heat, width, height);
  }
  return code;
}

int assay_explainer_run(struct assay_explainer *explainer, const uint8_t *image, int32_t class, uint32_t width, uint32_t height, float *heat,
                        struct assay_status *status) {
  const struct assay_model *model = explainer->model;
  const size_t size = (size_t)model->height * model->width * model->channels, places = (size_t)width * height;
  const uint32_t logits = model->logit_count;
  for (uint32_t row = 0; row < explainer->batch; row++) memcpy(explainer->host_pixels + row * size, image, size);
  for (uint32_t row = 0; row < seen(explainer); row++)
    for (uint32_t k = 0; k < logits; k++) explainer->host_choice[row * logits + k] = logits == 1 ? (class == 1 ? 1 : -1) : (int32_t)k == class;
  memset(heat, 0, places * sizeof *heat);
  int code = explainer->backend->buffer_write(explainer->pixels, 0, explainer->host_pixels, explainer->batch * size, status);
  const uint64_t choice = (uint64_t)seen(explainer) * logits * sizeof(float);
  if (code == 0) code = explainer->backend->buffer_write(explainer->choice, 0, explainer->host_choice, choice, status);
  for (uint32_t member = 0; code == 0 && member < model->member_count; member++) code = run_member(explainer, member, width, height, heat, status);
  if (code != 0) return code;
  float most = 0;
  for (size_t i = 0; i < places; i++) {
    if (!isfinite(heat[i])) return assay_status_set(status, ASSAY_E_NONFINITE, "the heat is not a finite number; the model's weights may be damaged");
    most = fmaxf(most, heat[i]);
  }
  for (size_t i = 0; most > 0 && i < places; i++) heat[i] /= most;
  explainer->found = most > 0;
  return 0;
}

bool assay_explainer_found(const struct assay_explainer *explainer) { return explainer->found; }

/* ---- Showing it ---- */

/* Lightness rises all the way, so that the scale also reads in grey and to eyes that cannot tell red from green. */
static void heat_colour(float heat, double colour[3]) {
  static const double stops[][3] = {{10, 8, 40}, {80, 20, 110}, {165, 40, 100}, {230, 95, 45}, {252, 175, 40}, {250, 250, 150}};
  enum { LAST = sizeof stops / sizeof *stops - 1 };
  const double place = heat * LAST;
  const int below = place >= LAST ? LAST - 1 : (int)place;
  for (int c = 0; c < 3; c++) colour[c] = stops[below][c] + (place - below) * (stops[below + 1][c] - stops[below][c]);
}

void assay_heat_overlay(uint8_t *pixels, uint32_t width, uint32_t height, const float *heat) {
  for (size_t i = 0; i < (size_t)width * height; i++) {
    double colour[3];
    uint8_t *pixel = pixels + 3 * i;
    heat_colour(heat[i], colour);
    const double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    for (int c = 0; c < 3; c++) pixel[c] = (uint8_t)lround(0.5 * (0.6 * grey + 0.4 * pixel[c]) + 0.5 * colour[c]);
  }
}
