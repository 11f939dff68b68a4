/* SPDX-License-Identifier: MIT
 *
 * Steps that work on pictures with what each sample brings along: a map to sample by, a mixture of channels, a blur.
 */
#include "cpu.h"

struct picture_step {
  struct assay_cpu_step step;
  struct assay_cpu_picture picture;
  int64_t samples;
  uint32_t op;
};

struct picture_context {
  const struct picture_step *step;
  const struct assay_cpu_kernels *kernels;
  const float *x, *by_sample;
  float *y;
};

static void picture_part(const void *context, int64_t begin, int64_t end) {
  const struct picture_context *c = context;
  const struct assay_cpu_kernels *kernels = c->kernels;
  const uint32_t op = c->step->op;
  (op == ASSAY_OP_WARP ? kernels->warp : op == ASSAY_OP_MIX_CHANNELS ? kernels->mix_channels : kernels->gaussian_blur)(&c->step->picture, c->x, c->by_sample,
                                                                                                                       c->y, begin, end);
}

static int run_picture(const struct assay_cpu_step *base, const struct assay_cpu_frame *frame) {
  const struct picture_step *step = (const struct picture_step *)base;
  const struct picture_context context = {step, frame->kernels, assay_cpu_at(frame, base->uses[0].buffer), assay_cpu_at(frame, base->uses[1].buffer),
                                          assay_cpu_at(frame, base->uses[2].buffer)};
  const struct assay_cpu_picture *picture = &step->picture;
  const int64_t lines = step->samples * picture->height;
  assay_cpu_share(frame, lines, 4 * lines * picture->width * picture->channels, picture_part, &context);
  return 0;
}

bool assay_cpu_picture_supported(const struct assay_graph *graph, const struct assay_node *node) {
  const struct assay_tensor_type *type = graph->types[node->inputs[0]];
  return type->dtype == ASSAY_F32 && type->extents[1] <= 4;
}

int assay_cpu_emit_picture(struct assay_cpu_build *build, const struct assay_node *node) {
  const struct assay_tensor_type *type = assay_cpu_type(build, node->inputs[0]);
  const struct assay_cpu_layout *layout = assay_cpu_layout_channels_last(build->executable, type);
  struct assay_cpu_buffer *x = assay_cpu_form_get(build, node->inputs[0], layout);
  struct assay_cpu_buffer *by_sample =
    assay_cpu_form_get(build, node->inputs[1], assay_cpu_layout_plain(build->executable, assay_cpu_type(build, node->inputs[1])));
  struct assay_cpu_buffer *y = x && by_sample ? assay_cpu_form_new(build, node->first_output, layout) : NULL;
  if (!y) return ASSAY_E_MEMORY;
  const char *kind = node->op == ASSAY_OP_WARP ? "warp" : node->op == ASSAY_OP_MIX_CHANNELS ? "mix channels" : "blur";
  struct picture_step *step = assay_cpu_emit(build, sizeof *step, kind, run_picture);
  if (!step || !assay_cpu_read(build, step, x) || !assay_cpu_read(build, step, by_sample) || !assay_cpu_write(build, step, y))
    return assay_cpu_no_memory(build->status);
  step->op = node->op;
  step->samples = type->extents[0];
  step->picture = (struct assay_cpu_picture){.channels = type->extents[1], .height = type->extents[2], .width = type->extents[3]};
  if (node->op == ASSAY_OP_WARP) step->picture.border = ((const struct assay_warp_attributes *)node->attributes)->border;
  if (node->op == ASSAY_OP_GAUSSIAN_BLUR) step->picture.radius = ((const struct assay_blur_attributes *)node->attributes)->radius;
  return 0;
}
