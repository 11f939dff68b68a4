/* SPDX-License-Identifier: MIT
 *
 * Memory of a function: when each buffer is needed, which results can take the place of an input that dies with the step, and where
 * the rest goes. Functions of one executable share one workspace, since they never run at the same time.
 */
#include "cpu.h"

static struct assay_cpu_buffer *root_of(struct assay_cpu_buffer *buffer) {
  while (buffer->host) buffer = buffer->host;
  return buffer;
}

static void measure_lives(struct assay_cpu_build *build) {
  for (struct assay_cpu_buffer *buffer = build->buffers; buffer; buffer = buffer->next) buffer->first = UINT32_MAX, buffer->last = 0;
  for (uint32_t s = 0; s < build->step_count; s++)
    for (uint32_t u = 0; u < build->steps[s]->use_count; u++) {
      struct assay_cpu_buffer *buffer = build->steps[s]->uses[u].buffer;
      if (buffer->first == UINT32_MAX) buffer->first = s;
      buffer->last = s;
    }
}

/* The input whose place output `out` of step s can take; NULL. */
static struct assay_cpu_buffer *dying_input(const struct assay_cpu_step *step, uint32_t s, const struct assay_cpu_buffer *out) {
  for (uint32_t u = 0; u < step->use_count; u++) {
    const struct assay_cpu_use *seen = &step->uses[u];
    if (seen->write || !seen->aligned || seen->buffer->base != ASSAY_CPU_WORKSPACE) continue;
    struct assay_cpu_buffer *root = root_of(seen->buffer);
    if (root->last != s || root->first == s || root->size != out->size) continue;
    bool elsewhere = false; /* the same step may also read it in another order */
    for (uint32_t v = 0; v < step->use_count; v++)
      if (!step->uses[v].write && !step->uses[v].aligned && root_of(step->uses[v].buffer) == root) elsewhere = true;
    if (!elsewhere) return root;
  }
  return NULL;
}

static void work_in_place(struct assay_cpu_build *build) {
  for (uint32_t s = 0; s < build->step_count; s++) {
    const struct assay_cpu_step *step = build->steps[s];
    for (uint32_t u = 0; u < step->use_count; u++) {
      struct assay_cpu_buffer *out = step->uses[u].buffer;
      if (!step->uses[u].write || !step->uses[u].aligned || out->base != ASSAY_CPU_WORKSPACE || out->host || out->first != s) continue;
      struct assay_cpu_buffer *root = dying_input(step, s, out);
      if (!root) continue;
      out->host = root;
      root->last = out->last > s ? out->last : s;
      if (root->last == s) root->last = s + 1; /* taken: no second output may live there */
    }
  }
}

int assay_cpu_plan(struct assay_cpu_build *build) {
  struct assay_executable *executable = build->executable;
  measure_lives(build);
  work_in_place(build);
  uint32_t count = 0;
  for (const struct assay_cpu_buffer *buffer = build->buffers; buffer; buffer = buffer->next) count++;
  struct assay_interval *intervals = assay_cpu_take(executable, count, sizeof *intervals);
  struct assay_cpu_buffer **planned = assay_cpu_take(executable, count, sizeof(struct assay_cpu_buffer *));
  uint64_t *offsets = assay_cpu_take(executable, count, sizeof *offsets), total = 0;
  if (!intervals || !planned || !offsets) return assay_cpu_no_memory(build->status);
  count = 0;
  for (struct assay_cpu_buffer *buffer = build->buffers; buffer; buffer = buffer->next) {
    if (buffer->base != ASSAY_CPU_WORKSPACE || buffer->host || buffer->first == UINT32_MAX) continue;
    intervals[count] = (struct assay_interval){buffer->size ? buffer->size : 1, buffer->first, buffer->last};
    planned[count++] = buffer;
  }
  if (executable->device->host->plan_memory(intervals, count, ASSAY_CPU_ALIGNMENT, offsets, &total) != 0) return assay_cpu_no_memory(build->status);
  for (uint32_t i = 0; i < count; i++) planned[i]->offset = offsets[i];
  for (struct assay_cpu_buffer *buffer = build->buffers; buffer; buffer = buffer->next)
    if (buffer->host) buffer->offset = root_of(buffer)->offset;
  if (total > executable->workspace_size) executable->workspace_size = total;
  return 0;
}
