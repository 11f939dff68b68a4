/* SPDX-License-Identifier: MIT
 *
 * Strided copies: transposing, slicing, padding, joining.
 */
#include "cpu.h"

#include <string.h>

struct copy_step {
  struct assay_cpu_step step;
  size_t element;
  int32_t rank;
  int64_t extents[ASSAY_MAX_RANK], source[ASSAY_MAX_RANK], target[ASSAY_MAX_RANK]; /* the innermost last; strides in elements */
  int64_t source_offset, target_offset;
};

static void copy_line(unsigned char *to, int64_t target, const unsigned char *from, int64_t source, int64_t count, size_t element) {
  if (target == 1 && source == 1) {
    memcpy(to, from, (size_t)count * element);
  } else if (element == 4) {
    uint32_t *t = (uint32_t *)(void *)to;
    const uint32_t *f = (const uint32_t *)(const void *)from;
    for (int64_t i = 0; i < count; i++) t[i * target] = f[i * source];
  } else {
    for (int64_t i = 0; i < count; i++) memcpy(to + (size_t)(i * target) * element, from + (size_t)(i * source) * element, element);
  }
}

static void copy_part(const struct copy_step *step, const unsigned char *from, unsigned char *to, int64_t begin, int64_t end) {
  const int32_t inner = step->rank - 1;
  int64_t index[ASSAY_MAX_RANK] = {0}, rest = begin, source = step->source_offset, target = step->target_offset;
  for (int32_t axis = inner - 1; axis >= 0; axis--) {
    index[axis] = rest % step->extents[axis];
    rest /= step->extents[axis];
    source += index[axis] * step->source[axis];
    target += index[axis] * step->target[axis];
  }
  for (int64_t line = begin; line < end; line++) {
    copy_line(to + (size_t)target * step->element, step->target[inner], from + (size_t)source * step->element, step->source[inner], step->extents[inner],
              step->element);
    for (int32_t axis = inner - 1; axis >= 0; axis--) {
      source += step->source[axis];
      target += step->target[axis];
      if (++index[axis] < step->extents[axis]) break;
      source -= index[axis] * step->source[axis];
      target -= index[axis] * step->target[axis];
      index[axis] = 0;
    }
  }
}

static int run_copy(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct copy_step *step = (const struct copy_step *)base;
  const unsigned char *from = assay_cpu_at(frame, base->uses[0].buffer);
  unsigned char *to = assay_cpu_at(frame, base->uses[1].buffer);
  int64_t lines = 1;
  for (int32_t axis = 0; axis + 1 < step->rank; axis++) lines *= step->extents[axis];
  const int parts = lines * step->extents[step->rank - 1] < 65536 || lines < frame->threads ? 1 : frame->threads;
  if (parts == 1) {
    copy_part(step, from, to, 0, lines);
    return 0;
  }
#pragma omp parallel for num_threads(parts) schedule(static)
  for (int part = 0; part < parts; part++) copy_part(step, from, to, lines * part / parts, lines * (part + 1) / parts);
  return 0;
}

/* Sorts the axes by the target's strides and melts those that follow one another in both. */
static void simplify(struct copy_step *step, int32_t rank, const int64_t *extents, const int64_t *source, const int64_t *target) {
  int32_t order[ASSAY_MAX_RANK], count = 0;
  for (int32_t axis = 0; axis < rank; axis++) {
    if (extents[axis] == 1) continue;
    int32_t at = count++;
    for (; at > 0 && target[order[at - 1]] < target[axis]; at--) order[at] = order[at - 1];
    order[at] = axis;
  }
  for (int32_t i = 0; i < count; i++) {
    const int32_t axis = order[i], last = step->rank - 1;
    if (step->rank > 0 && step->source[last] == source[axis] * extents[axis] && step->target[last] == target[axis] * extents[axis]) {
      step->extents[last] *= extents[axis];
      step->source[last] = source[axis];
      step->target[last] = target[axis];
    } else {
      step->extents[step->rank] = extents[axis];
      step->source[step->rank] = source[axis];
      step->target[step->rank++] = target[axis];
    }
  }
  if (step->rank == 0) step->extents[step->rank] = step->source[step->rank] = step->target[step->rank] = 1, step->rank++;
}

int assay_cpu_emit_copy(struct assay_cpu_build *build, size_t element, int32_t rank, const int64_t *extents, struct assay_cpu_buffer *source,
                        int64_t source_offset, const int64_t *source_strides, struct assay_cpu_buffer *target, int64_t target_offset,
                        const int64_t *target_strides) {
  struct copy_step *step = assay_cpu_emit(build, sizeof *step, "copy", run_copy);
  if (!step || !assay_cpu_read(build, step, source) || !assay_cpu_write(build, step, target)) return assay_cpu_no_memory(build->status);
  step->element = element;
  step->source_offset = source_offset;
  step->target_offset = target_offset;
  simplify(step, rank, extents, source_strides, target_strides);
  return 0;
}
