/* SPDX-License-Identifier: MIT
 *
 * What the layers of this module share: tables in short form, initialisers and the two extents of a window.
 */
#ifndef ASSAY_LAYERS_LAYERS_H
#define ASSAY_LAYERS_LAYERS_H

#include <assay/layer.h>

#define OPTION(...) (&(const struct assay_option){.struct_size = sizeof(struct assay_option), __VA_ARGS__})

/* A descriptor `assay_layer_NAME`; `rate`: see adaptive_rate. */
#define LAYER_AT_RATE(identifier, line, rate, layer_flags, fewest_inputs, most_inputs, option_table, build_function)                                           \
  const struct assay_plugin assay_layer_##identifier = {                                                                                                       \
      .magic = ASSAY_PLUGIN_MAGIC,                                                                                                                             \
      .struct_size = sizeof(struct assay_plugin),                                                                                                              \
      .kind = ASSAY_LAYER,                                                                                                                                     \
      .abi_major = ASSAY_LAYER_ABI_MAJOR,                                                                                                                      \
      .abi_minor = ASSAY_LAYER_ABI_MINOR,                                                                                                                      \
      .name = #identifier,                                                                                                                                     \
      .summary = line,                                                                                                                                         \
      .version = "1",                                                                                                                                          \
      .options = option_table,                                                                                                                                 \
      .vtable = &(const struct assay_layer){sizeof(struct assay_layer), layer_flags, fewest_inputs, most_inputs, build_function, rate},                        \
      .vtable_size = sizeof(struct assay_layer),                                                                                                               \
  }
#define LAYER(identifier, line, layer_flags, fewest_inputs, most_inputs, option_table, build_function)                                                         \
  LAYER_AT_RATE(identifier, line, 1, layer_flags, fewest_inputs, most_inputs, option_table, build_function)

/* The choices of every `initialiser` option, and what each means for a weight. */
extern const char *const assay_initialiser_choices[];
#define INITIALISER_OPTION                                                                                                                                     \
  OPTION(.name = "initialiser", .type = ASSAY_OPTION_CHOICE, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "fan_in_uniform",                               \
         .choices = assay_initialiser_choices,                                                                                                                 \
         .help = "First weights: fan_in_uniform is within 1/sqrt(fan_in), as PyTorch does; he_*: He et al., 2015; glorot_*: Glorot and Bengio, 2010; "         \
                 "lecun_*: LeCun et al., 1998.")
#define BIAS_OPTION OPTION(.name = "bias", .type = ASSAY_OPTION_BOOL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "yes", .help = "Add a trained number to each output.")

/* A weight of shape [outputs, …] by the choice's number. */
assay_value assay_weight(struct assay_builder *b, const char *name, int32_t rank, const int64_t *extents, int64_t initialiser);
/* Its bias [outputs]: as PyTorch with fan_in_uniform (within 1/sqrt(fan_in)), else zeros. */
assay_value assay_bias(struct assay_builder *b, const char *name, int64_t outputs, int64_t fan_in, int64_t initialiser);

/* One number for both axes, or height and width. Fails the build on any other count. */
void assay_height_width(struct assay_builder *b, const struct assay_option_value *option, const char *what, int64_t pair[2]);

/* x as [N, features]. */
assay_value assay_flat(struct assay_builder *b, assay_value x);
/* x [N, F] times a new weight [outputs, F], transposed, plus a bias where wanted. */
assay_value assay_affine(struct assay_builder *b, assay_value x, int64_t outputs, int bias, int64_t initialiser);
/* Fails with a hint and gives 0 unless x is N, C, H, W. */
int assay_is_image(struct assay_builder *b, assay_value x);

/* Convolution with a new weight (and bias); the variables' names are `prefix`weight and `prefix`bias. */
struct assay_convolution {
  int64_t channels;
  int64_t kernel[2];
  struct assay_conv2d_attributes attributes;
  int bias;
  int64_t initialiser;
};
assay_value assay_convolve(struct assay_builder *b, assay_value x, const struct assay_convolution *convolution, const char *prefix);

/* Longest name of a variable inside of a layer, its end counted. */
#define ASSAY_LAYER_NAME 96

/* How a layer normalises by the batch. */
struct assay_batch_norm_choice {
  double epsilon;
  assay_value momentum;
};
/* Batch normalisation of x with variables of its own: scale, bias, mean and variance where `prefix` is empty, else torchvision's names behind it (weight, bias,
 * running_mean, running_var). */
assay_value assay_batch_norm(struct assay_builder *b, assay_value x, const struct assay_batch_norm_choice *choice, const char *prefix);
#define NORM_OPTIONS                                                                                                                                           \
  OPTION(.name = "momentum", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_RUNTIME | ASSAY_OPTION_SEARCHABLE, .default_text = "0.1", .minimum = 0,          \
         .maximum = 1, .help = "Weight of the newest batch in the running statistics."),                                                                       \
      OPTION(.name = "epsilon", .type = ASSAY_OPTION_REAL, .flags = ASSAY_OPTION_SEARCHABLE, .default_text = "0.00001", .minimum = 1e-12, .maximum = 1,        \
             .help = "Added to the variance before its root is taken.")

/* x with a share `rate` of its numbers set to zero and the rest scaled up, while training. */
assay_value assay_drop(struct assay_builder *b, assay_value x, assay_value rate);

/* Mean over height x width cells that cover x evenly, as adaptive pooling in PyTorch: cell i of n begins at floor(i e / n) and ends before ceil((i + 1) e / n). */
assay_value assay_adaptive_mean(struct assay_builder *b, assay_value x, int64_t height, int64_t width);

/* max(x, slope * x), with the slope as gradient at 0. */
assay_value assay_leaky_relu(struct assay_builder *b, assay_value x, double slope);

#endif
