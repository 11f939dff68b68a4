/* SPDX-License-Identifier: MIT
 *
 * Chains of elementwise ops. A group becomes one step: a short program of loops that runs on one tile of elements after another, so that
 * what passes between the ops stays in the first-level cache. All full-size operands lie in one layout and are read in place;
 * constants are tiles made at compile; broadcast operands are spread into tiles, once a run where their pattern repeats in every tile.
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 512, PARALLEL_FROM = 32768 }; /* elements */

enum slot_kind {
  SLOT_LINEAR, /* element i of the group is element i of the buffer */
  SLOT_FIXED,  /* a tile of constants */
  SLOT_TILE,   /* between two ops */
  SLOT_SPREAD, /* a broadcast operand */
};

struct slot {
  enum slot_kind kind;
  uint32_t use;                           /* LINEAR, FIXED, SPREAD: number of the step's use */
  uint32_t tile;                          /* TILE, SPREAD: number of the tile */
  uint32_t element;                       /* bytes */
  bool once;                              /* SPREAD: the same in every tile */
  int64_t strides[ASSAY_CPU_LAYOUT_DIMS]; /* SPREAD: elements, by physical dimension of the group */
};

struct instruction {
  assay_cpu_tile run;
  uint32_t out, in[3], in_count; /* slots */
};

struct elementwise_step {
  struct assay_cpu_step step;
  int64_t count, tile; /* elements */
  int32_t dim_count;
  int64_t extents[ASSAY_CPU_LAYOUT_DIMS];
  uint32_t slot_count, instruction_count, tile_count, scratch_use;
  uint64_t scratch_size; /* bytes a thread */
  struct slot *slots;
  struct instruction *instructions;
};

/* ---- Running ---- */

/* Elements [start, start + count) of a broadcast operand. */
static void spread(const struct elementwise_step *step, const struct slot *slot, const unsigned char *from, unsigned char *to, int64_t start, int64_t count) {
  int64_t index[ASSAY_CPU_LAYOUT_DIMS] = {0}, place = 0, rest = start;
  const int32_t inner = step->dim_count - 1;
  for (int32_t d = inner; d >= 0; d--) {
    index[d] = rest % step->extents[d];
    rest /= step->extents[d];
    place += index[d] * slot->strides[d];
  }
  for (int64_t done = 0; done < count;) {
    int64_t run = inner < 0 ? count : step->extents[inner] - index[inner];
    const int64_t stride = inner < 0 ? 0 : slot->strides[inner];
    if (run > count - done) run = count - done;
    if (slot->element == 4) {
      uint32_t *t = (uint32_t *)(void *)to + done;
      const uint32_t *f = (const uint32_t *)(const void *)from + place;
      if (stride == 1) memcpy(t, f, (size_t)run * 4);
      else
        for (int64_t i = 0; i < run; i++) t[i] = f[i * stride];
    } else {
      for (int64_t i = 0; i < run; i++) to[done + i] = from[place + i * stride];
    }
    done += run;
    if (inner < 0) continue;
    index[inner] += run;
    place += run * stride;
    for (int32_t d = inner; d > 0 && index[d] == step->extents[d]; d--) {
      place += slot->strides[d - 1] - index[d] * slot->strides[d];
      index[d] = 0;
      index[d - 1]++;
    }
  }
}

/* Tiles [begin, end). The scratch begins with the slots' addresses. */
static void run_tiles(const struct elementwise_step *step, const struct assay_cpu_frame *frame, unsigned char *scratch, int64_t begin, int64_t end) {
  unsigned char **at = (unsigned char **)(void *)scratch;
  unsigned char *tiles = scratch + (step->slot_count * sizeof(unsigned char *) + ASSAY_CPU_ALIGNMENT - 1) / ASSAY_CPU_ALIGNMENT * ASSAY_CPU_ALIGNMENT;
  const int64_t first = begin * step->tile;
  for (uint32_t s = 0; s < step->slot_count; s++) {
    const struct slot *slot = &step->slots[s];
    unsigned char *memory = slot->kind == SLOT_TILE ? NULL : assay_cpu_at(frame, step->step.uses[slot->use].buffer);
    if (slot->kind == SLOT_LINEAR) at[s] = memory + first * slot->element;
    else if (slot->kind == SLOT_FIXED) at[s] = memory;
    else at[s] = tiles + (uint64_t)slot->tile * TILE * 4;
    if (slot->kind == SLOT_SPREAD && slot->once) spread(step, slot, memory, at[s], 0, step->count < step->tile ? step->count : step->tile);
  }
  for (int64_t t = begin; t < end; t++) {
    const int64_t start = t * step->tile, count = step->count - start < step->tile ? step->count - start : step->tile;
    if (t > begin)
      for (uint32_t s = 0; s < step->slot_count; s++)
        if (step->slots[s].kind == SLOT_LINEAR) at[s] += step->tile * step->slots[s].element;
    for (uint32_t s = 0; s < step->slot_count; s++)
      if (step->slots[s].kind == SLOT_SPREAD && !step->slots[s].once)
        spread(step, &step->slots[s], assay_cpu_at(frame, step->step.uses[step->slots[s].use].buffer), at[s], start, count);
    for (uint32_t i = 0; i < step->instruction_count; i++) {
      const struct instruction *instruction = &step->instructions[i];
      const void *in[3] = {at[instruction->in[0]], at[instruction->in[1]], at[instruction->in[2]]};
      instruction->run(at[instruction->out], in, count);
    }
  }
}

static int run_elementwise(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct elementwise_step *step = (const struct elementwise_step *)base;
  unsigned char *scratch = assay_cpu_at(frame, base->uses[step->scratch_use].buffer);
  const int64_t tiles = (step->count + step->tile - 1) / step->tile;
  const int parts = step->count < PARALLEL_FROM ? 1 : frame->threads;
  if (parts == 1) {
    run_tiles(step, frame, scratch, 0, tiles);
    return 0;
  }
#pragma omp parallel for num_threads(parts) schedule(static)
  for (int part = 0; part < parts; part++)
    run_tiles(step, frame, scratch + (uint64_t)part * step->scratch_size, tiles * part / parts, tiles * (part + 1) / parts);
  return 0;
}

/* ---- Compiling ---- */

bool assay_cpu_is_elementwise(uint32_t op) {
  return (op >= ASSAY_OP_NEGATE && op <= ASSAY_OP_COS) || (op >= ASSAY_OP_ADD && op <= ASSAY_OP_OR) || op == ASSAY_OP_SELECT;
}

/* Dtype that picks the loop: of the values, not of the condition. */
static int32_t from_dtype(const struct assay_graph *graph, const struct assay_node *node) {
  return graph->types[node->inputs[node->op == ASSAY_OP_SELECT ? 1 : 0]]->dtype;
}

bool assay_cpu_elementwise_supported(const struct assay_graph *graph, const struct assay_node *node) {
  return assay_cpu_kernels_base.tile(node->op, from_dtype(graph, node), graph->types[node->first_output]->dtype) != NULL;
}

/* A group while it is compiled. */
struct group {
  struct assay_cpu_build *build;
  struct elementwise_step *step;
  const uint32_t *nodes;
  uint32_t node_count;
  const struct assay_tensor_type *type;  /* of the first output: the extents */
  const struct assay_cpu_layout *layout; /* of full-size operands, up to the dtype */
  struct member {                        /* by slot */
    int32_t value;                       /* -1: none */
    uint32_t last_read;                  /* instruction */
  } *members;
};

static bool same_extents(const struct assay_tensor_type *a, const struct assay_tensor_type *b) {
  if (a->rank != b->rank) return false;
  for (int32_t axis = 0; axis < a->rank; axis++)
    if (a->extents[axis] != b->extents[axis]) return false;
  return true;
}

static bool in_group(const struct group *group, int32_t value) {
  const uint32_t producer = (uint32_t)group->build->graph->producers[value];
  for (uint32_t i = 0; i < group->node_count; i++)
    if (group->nodes[i] == producer) return true;
  return false;
}

/* What an input really reads: a broadcast of something smaller is that something. */
static int32_t seen_through(const struct group *group, int32_t value) {
  while (!in_group(group, value) && !group->build->values[value].forms && assay_cpu_producer(group->build, value)->op == ASSAY_OP_BROADCAST)
    value = assay_cpu_producer(group->build, value)->inputs[0];
  return value;
}

/* Can all operands of the group lie so? Blocks of weights are f32's own. */
static bool serves(const struct group *group, const struct assay_cpu_layout *layout) {
  const struct assay_cpu_build *build = group->build;
  if (layout->permuted) return true;
  for (uint32_t i = 0; i < group->node_count; i++) {
    const struct assay_node *node = build->graph->nodes[group->nodes[i]];
    if (!assay_cpu_layout_as(build->executable, layout, assay_cpu_type(build, node->first_output)->dtype)) return false;
    for (uint32_t k = 0; k < node->input_count; k++)
      if (!assay_cpu_layout_as(build->executable, layout, assay_cpu_type(build, node->inputs[k])->dtype)) return false;
  }
  return true;
}

/* A layout that is not row-major among those in which full-size inputs lie already; else row-major. That of a variable comes first: a
 * gradient is converted once rather than the parameter and all of its state. */
static const struct assay_cpu_layout *choose_layout(const struct group *group) {
  struct assay_cpu_build *build = group->build;
  const struct assay_cpu_layout *found = NULL;
  for (uint32_t i = 0; i < group->node_count; i++) {
    const struct assay_node *node = build->graph->nodes[group->nodes[i]];
    for (uint32_t k = 0; k < node->input_count; k++) {
      const int32_t value = seen_through(group, node->inputs[k]);
      if (in_group(group, value) || !same_extents(assay_cpu_type(build, value), group->type)) continue;
      const struct assay_cpu_form *form = build->values[value].forms;
      if (!form || !form->layout || !serves(group, form->layout)) continue;
      if (form->buffer->base == ASSAY_CPU_STORE) return form->layout;
      if (!found && form->layout != assay_cpu_layout_plain(build->executable, &form->layout->type)) found = form->layout;
    }
  }
  return found ? found : assay_cpu_layout_plain(build->executable, group->type);
}

static uint32_t add_slot(struct group *group, enum slot_kind kind, int32_t value) {
  struct elementwise_step *step = group->step;
  const uint32_t s = step->slot_count++;
  step->slots[s].kind = kind;
  group->members[s].value = value;
  if (value >= 0) step->slots[s].element = (uint32_t)assay_dtype_size(assay_cpu_type(group->build, value)->dtype);
  return s;
}

static int add_use(struct group *group, uint32_t slot, struct assay_cpu_buffer *buffer, bool write, bool aligned) {
  struct assay_cpu_step *step = &group->step->step;
  if (!buffer || !(write ? assay_cpu_write : assay_cpu_read)(group->build, step, buffer)) return ASSAY_E_MEMORY;
  step->uses[step->use_count - 1].aligned = aligned;
  group->step->slots[slot].use = step->use_count - 1;
  return 0;
}

/* Bytes of a tile full of one number. */
static void fill_tile(unsigned char *tile, int32_t dtype, double number) {
  for (int i = 0; i < TILE; i++) {
    const int64_t whole = number != number ? 0 : number > 4294967295. ? 4294967295 : number < -2147483648. ? INT32_MIN : (int64_t)number;
    if (dtype == ASSAY_F32) ((float *)(void *)tile)[i] = (float)number;
    else if (dtype == ASSAY_I32) ((int32_t *)(void *)tile)[i] = whole > INT32_MAX ? INT32_MAX : (int32_t)whole;
    else if (dtype == ASSAY_U32) ((uint32_t *)(void *)tile)[i] = whole < 0 ? 0 : (uint32_t)whole;
    else if (dtype == ASSAY_U8) tile[i] = whole < 0 ? 0 : whole > 255 ? 255 : (uint8_t)whole;
    else tile[i] = number != 0;
  }
}

/* A tile of constants in the executable's own memory; equal ones are shared. */
static struct assay_cpu_buffer *constant_tile(struct assay_cpu_build *build, int32_t dtype, double number) {
  struct assay_executable *executable = build->executable;
  unsigned char tile[TILE * 4] = {0};
  fill_tile(tile, dtype, number);
  uint64_t offset = 0;
  while (offset < executable->constants_size && memcmp(executable->constants + offset, tile, sizeof tile) != 0) offset += sizeof tile;
  if (offset == executable->constants_size) {
    unsigned char *grown = assay_cpu_aligned(executable->constants_size + sizeof tile);
    if (!grown) return NULL;
    if (offset) memcpy(grown, executable->constants, offset);
    memcpy(grown + offset, tile, sizeof tile);
    free(executable->constants);
    executable->constants = grown;
    executable->constants_size += sizeof tile;
  }
  struct assay_cpu_buffer *buffer = assay_cpu_buffer_new(build, sizeof tile);
  if (!buffer) return NULL;
  buffer->base = ASSAY_CPU_CONSTANTS;
  buffer->offset = offset;
  return buffer;
}

static const struct assay_cpu_layout *layout_like(const struct group *group, int32_t dtype) {
  return assay_cpu_layout_as(group->build->executable, group->layout, dtype);
}

static int add_spread(struct group *group, uint32_t s, int32_t value) {
  const struct assay_tensor_type *type = assay_cpu_type(group->build, value);
  const struct assay_cpu_layout *layout;
  struct assay_cpu_buffer *buffer = assay_cpu_form_any(group->build, value, &layout);
  if (!buffer) return ASSAY_E_MEMORY;
  int64_t strides[ASSAY_MAX_RANK];
  assay_cpu_layout_strides(layout, strides);
  struct slot *slot = &group->step->slots[s];
  for (int32_t d = 0; d < group->layout->count; d++) {
    const struct assay_cpu_dim *dim = &group->layout->dims[d];
    const int32_t axis = dim->axis - (group->type->rank - type->rank);
    slot->strides[d] = axis < 0 || type->extents[axis] == 1 ? 0 : strides[axis] * dim->step;
  }
  return add_use(group, s, buffer, false, false);
}

/* The slot of an input, made at first sight. */
static int input_slot(struct group *group, int32_t value, uint32_t *slot) {
  struct assay_cpu_build *build = group->build;
  value = seen_through(group, value);
  for (uint32_t s = 0; s < group->step->slot_count; s++)
    if (group->members[s].value == value) {
      *slot = s;
      return 0;
    }
  const struct assay_tensor_type *type = assay_cpu_type(build, value);
  double number;
  if (assay_cpu_constant(build, value, &number)) {
    *slot = add_slot(group, SLOT_FIXED, value);
    return add_use(group, *slot, constant_tile(build, type->dtype, number), false, false);
  }
  if (same_extents(type, group->type)) {
    *slot = add_slot(group, SLOT_LINEAR, value);
    return add_use(group, *slot, assay_cpu_form_get(build, value, layout_like(group, type->dtype)), false, true);
  }
  *slot = add_slot(group, SLOT_SPREAD, value);
  return add_spread(group, *slot, value);
}

static bool needed_outside(const struct group *group, int32_t value) {
  const struct assay_cpu_build *build = group->build;
  const uint32_t first = build->first_consumer[value], last = build->first_consumer[value + 1];
  if (build->values[value].consumers > last - first) return true; /* fetched */
  for (uint32_t c = first; c < last; c++) {
    bool inside = false;
    for (uint32_t i = 0; i < group->node_count; i++) inside |= group->nodes[i] == build->consumers[c];
    if (!inside && build->done[build->consumers[c]] != 1) return true;
  }
  return false;
}

/* Last instruction that reads any operand in place. */
static uint32_t last_linear_read(const struct group *group) {
  uint32_t last = 0;
  for (uint32_t s = 0; s < group->step->slot_count; s++)
    if (group->step->slots[s].kind == SLOT_LINEAR && group->members[s].last_read > last) last = group->members[s].last_read;
  return last;
}

static int add_instructions(struct group *group) {
  struct assay_cpu_build *build = group->build;
  for (uint32_t i = 0; i < group->node_count; i++) {
    const struct assay_node *node = build->graph->nodes[group->nodes[i]];
    struct instruction *instruction = &group->step->instructions[group->step->instruction_count];
    instruction->run = build->executable->device->kernels->tile(node->op, from_dtype(build->graph, node), assay_cpu_type(build, node->first_output)->dtype);
    instruction->in_count = node->input_count;
    for (uint32_t k = 0; k < node->input_count; k++) {
      const int error = input_slot(group, node->inputs[k], &instruction->in[k]);
      if (error) return error;
      group->members[instruction->in[k]].last_read = group->step->instruction_count;
    }
    for (uint32_t k = node->input_count; k < 3; k++) instruction->in[k] = instruction->in[0];
    instruction->out = add_slot(group, SLOT_TILE, node->first_output);
    group->step->instruction_count++;
  }
  return 0;
}

/* Results that are needed outside go to memory: at once where no operand is read after that (it may be the operand's own place), else by a
 * copy at the end of the tile. */
static int add_outputs(struct group *group) {
  struct assay_cpu_build *build = group->build;
  const uint32_t count = group->step->instruction_count, last_read = last_linear_read(group);
  for (uint32_t i = 0; i < count; i++) {
    struct instruction *instruction = &group->step->instructions[i];
    const int32_t value = group->members[instruction->out].value, dtype = assay_cpu_type(build, value)->dtype;
    if (!needed_outside(group, value)) continue;
    struct assay_cpu_buffer *buffer = assay_cpu_form_new(build, value, layout_like(group, dtype));
    uint32_t target = instruction->out;
    if (i < last_read) {
      target = add_slot(group, SLOT_LINEAR, -1);
      group->step->slots[target].element = (uint32_t)assay_dtype_size(dtype);
      struct instruction *copy = &group->step->instructions[group->step->instruction_count++];
      *copy = (struct instruction){
        build->executable->device->kernels->tile(ASSAY_OP_BROADCAST, dtype, dtype), target, {instruction->out, instruction->out, instruction->out}, 1};
      group->members[instruction->out].last_read = group->step->instruction_count - 1;
    }
    group->step->slots[target].kind = SLOT_LINEAR;
    const int error = add_use(group, target, buffer, true, true);
    if (error) return error;
  }
  return 0;
}

/* Length after which a broadcast operand repeats. */
static int64_t period(const struct elementwise_step *step, const struct slot *slot) {
  int64_t length = 1;
  int32_t outermost = step->dim_count;
  for (int32_t d = step->dim_count - 1; d >= 0; d--)
    if (slot->strides[d] != 0) outermost = d;
  for (int32_t d = outermost; d < step->dim_count; d++) length *= step->extents[d];
  return length;
}

/* The tile's length is a multiple of the periods as far as they fit; operands whose pattern then repeats are spread once a run. */
static void choose_tile(struct elementwise_step *step) {
  int64_t common = 1;
  for (uint32_t s = 0; s < step->slot_count; s++) {
    if (step->slots[s].kind != SLOT_SPREAD) continue;
    const int64_t length = period(step, &step->slots[s]);
    int64_t a = common, b = length;
    while (b) {
      const int64_t rest = a % b;
      a = b;
      b = rest;
    }
    const int64_t multiple = length > TILE ? INT64_MAX : common / a * length;
    if (multiple <= TILE) common = multiple;
  }
  step->tile = TILE / common * common;
  for (uint32_t s = 0; s < step->slot_count; s++)
    if (step->slots[s].kind == SLOT_SPREAD) step->slots[s].once = step->tile % period(step, &step->slots[s]) == 0;
}

/* Tiles for what passes between instructions; one is free again after its last reader. */
static int place_tiles(struct group *group) {
  struct elementwise_step *step = group->step;
  uint32_t *free_tiles = assay_cpu_take(group->build->executable, step->slot_count, sizeof *free_tiles), free_count = 0;
  if (!free_tiles) return ASSAY_E_MEMORY;
  for (uint32_t s = 0; s < step->slot_count; s++)
    if (step->slots[s].kind == SLOT_SPREAD) step->slots[s].tile = step->tile_count++;
  for (uint32_t i = 0; i < step->instruction_count; i++) {
    const struct instruction *instruction = &step->instructions[i];
    struct slot *out = &step->slots[instruction->out];
    if (out->kind == SLOT_TILE) out->tile = free_count ? free_tiles[--free_count] : step->tile_count++;
    for (uint32_t k = 0; k < instruction->in_count; k++) {
      const uint32_t s = instruction->in[k];
      bool again = false; /* named twice by one instruction */
      for (uint32_t j = 0; j < k; j++) again |= instruction->in[j] == s;
      if (step->slots[s].kind == SLOT_TILE && group->members[s].last_read == i && !again) free_tiles[free_count++] = step->slots[s].tile;
    }
    if (out->kind == SLOT_TILE && group->members[instruction->out].last_read <= i) free_tiles[free_count++] = out->tile; /* read by nobody */
  }
  return 0;
}

int assay_cpu_emit_elementwise(struct assay_cpu_build *build, const uint32_t *nodes, uint32_t count) {
  struct assay_executable *executable = build->executable;
  struct elementwise_step *step = assay_cpu_take(executable, 1, sizeof *step);
  struct group group = {
    .build = build, .step = step, .nodes = nodes, .node_count = count, .type = assay_cpu_type(build, build->graph->nodes[nodes[0]]->first_output)};
  if (build->graph->nodes[nodes[0]]->op == ASSAY_OP_CONSTANT) { /* somebody wants it in memory */
    const struct assay_constant_attributes *attributes = build->graph->nodes[nodes[0]]->attributes;
    return assay_cpu_form_put(build, build->graph->nodes[nodes[0]]->first_output, assay_cpu_layout_plain(executable, group.type),
                              constant_tile(build, attributes->dtype, attributes->value));
  }
  const size_t slots = 5 * (size_t)count; /* three inputs, a result, its copy */
  if (step) {
    step->slots = assay_cpu_take(executable, slots, sizeof *step->slots);
    step->instructions = assay_cpu_take(executable, 2 * (size_t)count, sizeof *step->instructions);
    group.members = assay_cpu_take(executable, slots, sizeof *group.members);
  }
  if (!step || !step->slots || !step->instructions || !group.members || !(group.layout = choose_layout(&group))) return assay_cpu_no_memory(build->status);
  step->count = assay_element_count(group.type);
  step->dim_count = group.layout->count;
  for (int32_t d = 0; d < step->dim_count; d++) step->extents[d] = group.layout->dims[d].extent;
  int error = add_instructions(&group);
  if (!error) error = add_outputs(&group);
  if (error) return build->status->code ? build->status->code : assay_cpu_no_memory(build->status);
  choose_tile(step);
  if (place_tiles(&group) != 0) return assay_cpu_no_memory(build->status);
  const uint64_t addresses = (step->slot_count * sizeof(unsigned char *) + ASSAY_CPU_ALIGNMENT - 1) / ASSAY_CPU_ALIGNMENT * ASSAY_CPU_ALIGNMENT;
  step->scratch_size = addresses + (uint64_t)step->tile_count * TILE * 4;
  /* Inputs have emitted their conversions by now: the step comes behind them. */
  struct elementwise_step *placed = assay_cpu_emit(build, sizeof *placed, "elementwise", run_elementwise);
  if (!placed) return assay_cpu_no_memory(build->status);
  step->step.run = placed->step.run;
  step->step.kind = placed->step.kind;
  step->step.origin = placed->step.origin;
  *placed = *step;
  if (!assay_cpu_scratch(build, placed, step->scratch_size * (uint64_t)executable->device->threads)) return assay_cpu_no_memory(build->status);
  placed->scratch_use = placed->step.use_count - 1;
  return 0;
}
