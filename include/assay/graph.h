/* SPDX-License-Identifier: MIT
 *
 * The graph language: ops, their attributes, and the builder with which layers and gradient optimizers compose them. Values are
 * tensors of static shape. A node has one output unless its op says otherwise; output k of a node whose first output is v is
 * `assay_output(v, k)`.
 *
 * Elementwise ops broadcast as NumPy does (axes aligned at the end, extents of 1 stretched); their inputs share one dtype.
 * Integers wrap around; their quotients are cut towards zero, and a quotient by zero is zero. What maxima, minima and comparisons make of
 * not-a-number is the backend's affair; IS_FINITE is the way to look for it.
 * Errors are sticky: an op on an invalid value gives an invalid value, and whoever started the build gets the first error with the
 * layer and the option that caused it. So a plugin need not check a value before it uses it.
 */
#ifndef ASSAY_GRAPH_H
#define ASSAY_GRAPH_H

#include <assay/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ids are written into model files and hashed into program keys: never renumber. */
enum assay_op {
  /* Sources; made by the core, not by plugins. */
  ASSAY_OP_INPUT = 1,    /* fed at each run; attributes: struct assay_source_attributes */
  ASSAY_OP_VARIABLE = 2, /* read of a variable, as it was before the call; struct assay_source_attributes */
  ASSAY_OP_CONSTANT = 3, /* a scalar; struct assay_constant_attributes */

  /* Elementwise, one input. Float in, same dtype out, unless said otherwise. */
  ASSAY_OP_NEGATE = 10,        /* also integers */
  ASSAY_OP_ABS = 11,           /* also integers */
  ASSAY_OP_SIGN = 12,          /* -1, 0 or 1; gradient 0 */
  ASSAY_OP_EXP = 13,
  ASSAY_OP_LOG = 14,
  ASSAY_OP_LOG1P = 15,
  ASSAY_OP_SQRT = 16,
  ASSAY_OP_TANH = 17,
  ASSAY_OP_SIGMOID = 18,       /* 1 / (1 + exp(-x)) without overflow */
  ASSAY_OP_ERF = 19,
  ASSAY_OP_FLOOR = 20,         /* gradient 0 */
  ASSAY_OP_RELU = 21,          /* max(x, 0); gradient 0 at 0 */
  ASSAY_OP_IS_FINITE = 22,     /* float to bool */
  ASSAY_OP_NOT = 23,           /* bool */
  ASSAY_OP_CAST = 24,          /* any to any; struct assay_cast_attributes; float to integer rounds towards zero and saturates (not-a-number:
                                  0), integer to a narrower one keeps the low bits, to bool is x != 0 */
  ASSAY_OP_STOP_GRADIENT = 25, /* identity whose gradient is 0 */
  ASSAY_OP_SIN = 26,
  ASSAY_OP_COS = 27,

  /* Elementwise, two inputs. */
  ASSAY_OP_ADD = 40, /* also integers, as the next five */
  ASSAY_OP_SUBTRACT = 41,
  ASSAY_OP_MULTIPLY = 42,
  ASSAY_OP_DIVIDE = 43,
  ASSAY_OP_MAXIMUM = 44, /* gradient to the first where equal */
  ASSAY_OP_MINIMUM = 45, /* gradient to the first where equal */
  ASSAY_OP_POWER = 46,   /* float */
  ASSAY_OP_EQUAL = 47,   /* any to bool, as the next two */
  ASSAY_OP_LESS = 48,
  ASSAY_OP_LESS_EQUAL = 49,
  ASSAY_OP_AND = 50, /* bool */
  ASSAY_OP_OR = 51,  /* bool */

  /* Elementwise, three inputs: condition (bool), value where true, value where false. */
  ASSAY_OP_SELECT = 52,

  /* Reductions; struct assay_reduce_attributes. */
  ASSAY_OP_REDUCE_SUM = 60, /* f16 and bf16 accumulate in f32 */
  ASSAY_OP_REDUCE_MAX = 61, /* gradient shared equally among equals */
  ASSAY_OP_ARGMAX = 62,     /* one axis, the first of equals; i32 */

  /* Shape and place. */
  ASSAY_OP_BROADCAST = 70,   /* NumPy's broadcast_to; struct assay_shape_attributes */
  ASSAY_OP_RESHAPE = 71,     /* struct assay_shape_attributes; one extent may be -1 */
  ASSAY_OP_TRANSPOSE = 72,   /* struct assay_transpose_attributes */
  ASSAY_OP_SLICE = 73,       /* struct assay_slice_attributes */
  ASSAY_OP_PAD = 74,         /* struct assay_pad_attributes */
  ASSAY_OP_CONCAT = 75,      /* one or more inputs; struct assay_axis_attributes */
  ASSAY_OP_GATHER = 76,      /* rows of input 0 (axis 0) by input 1 (i32 [N]); indices are clamped into range */
  ASSAY_OP_SCATTER_ADD = 77, /* rows of input 0 [N, …] added at indices of input 1 (i32 [N]; clamped as in GATHER) into zeros;
                                struct assay_count_attributes: rows of the result */
  ASSAY_OP_ONE_HOT = 78,     /* i32 [N] to f32 [N, count]; out of range: a row of zeros; struct assay_count_attributes */

  /* Products. Accumulation in f32 for f16 and bf16. */
  ASSAY_OP_MATMUL = 80, /* [M, K] x [K, N], or both with one leading batch axis; struct assay_matmul_attributes */

  /* Convolution (cross-correlation). x: N, C, H, W. w: O, C / groups, KH, KW. struct assay_conv2d_attributes */
  ASSAY_OP_CONV2D = 90,                 /* (x, w) */
  ASSAY_OP_CONV2D_INPUT_GRADIENT = 91,  /* (dy, w); input_extents set */
  ASSAY_OP_CONV2D_WEIGHT_GRADIENT = 92, /* (x, dy); kernel_extents set */

  /* Pooling over the last two axes of N, C, H, W; struct assay_pool2d_attributes. Padding never wins a maximum. */
  ASSAY_OP_MAX_POOL2D = 100,          /* (x) to (y, residual); the residual is i32 of y's shape and only the same backend reads it */
  ASSAY_OP_MAX_POOL2D_GRADIENT = 101, /* (dy, residual); input_extents set; the first of equals gets the gradient */
  ASSAY_OP_AVG_POOL2D = 102,          /* (x); padding counts when count_padding is set */
  ASSAY_OP_AVG_POOL2D_GRADIENT = 103, /* (dy); input_extents set */

  /* Uniform f32 in [0, 1) of shape [N, extents…]; input: keys u32 [N, 2]. Element e of a sample is word e % 4 of
   * philox(counter = {e / 4, stream, 0, 0}, key = keys[n]), shifted right by 8, times 2^-24. struct assay_random_attributes */
  ASSAY_OP_RANDOM_UNIFORM = 110,

  /* (variable, value): the value is written into the variable when the function ends. No output. At most one a variable. */
  ASSAY_OP_ASSIGN = 120,

  /* Composites: each has a decomposition into the ops above, which defines its meaning. */
  ASSAY_OP_SOFTMAX = 1000,                      /* over the last axis */
  ASSAY_OP_LOG_SOFTMAX = 1001,                  /* over the last axis */
  ASSAY_OP_SOFTMAX_CROSS_ENTROPY = 1002,        /* (logits [N, C], target probabilities [N, C]) to loss [N] */
  ASSAY_OP_SIGMOID_CROSS_ENTROPY = 1003,        /* (logits, targets in [0, 1]) elementwise, same shape out */
  ASSAY_OP_BATCH_NORM_TRAINING = 1004,          /* (x, scale [C], bias [C]) to (y, mean [C], biased variance [C]) over all axes but 1;
                                                   struct assay_epsilon_attributes. Ioffe and Szegedy, 2015 */
  ASSAY_OP_BATCH_NORM_TRAINING_GRADIENT = 1005, /* (dy, x, scale, mean, variance) to (dx, dscale, dbias); same attributes */
  ASSAY_OP_BATCH_NORM_INFERENCE = 1006,         /* (x, scale, bias, mean, variance) to y; same attributes */
  ASSAY_OP_WARP = 1007,                         /* (x [N, C, H, W], maps [N, 9]) to a picture of x's shape, sampled bilinearly where a projective map
                                                   says; struct assay_warp_attributes */
  ASSAY_OP_MIX_CHANNELS = 1008,                 /* (x [N, C, H, W], maps [N, C, C + 1]) to y[n, k] = sum over c of maps[n, k, c] x[n, c], + maps[n, k, C] */
  ASSAY_OP_GAUSSIAN_BLUR = 1009,                /* (x [N, C, H, W], deviations [N], in pixels) to x's shape, the edge going on beyond the picture;
                                                   struct assay_blur_attributes */
  ASSAY_OP_SOFTMAX_CROSS_ENTROPY_GRADIENT = 1010 /* (gradient of the loss [N], logits [N, C], target probabilities [N, C]) to that of the logits */
};

/* What lies beyond the edge of a picture that is sampled. */
enum assay_border {
  ASSAY_BORDER_ZERO = 0,
  ASSAY_BORDER_EDGE = 1,   /* the nearest pixel */
  ASSAY_BORDER_REFLECT = 2 /* mirrored at the outer side of the outermost pixel: c b a | a b c */
};

/* Attributes: plain structures, copied by `emit`. Zero is the neutral value of a field added later. */
struct assay_source_attributes {
  uint32_t index; /* INPUT: number of the feed; VARIABLE: number in the program's table of variables */
};
struct assay_constant_attributes {
  double value;
  int32_t dtype;
  int32_t reserved;
};
struct assay_cast_attributes {
  int32_t dtype;
};
struct assay_reduce_attributes {
  uint32_t axes;      /* bit a: axis a is reduced */
  uint32_t keep_axes; /* 1: reduced axes stay with extent 1 */
};
struct assay_shape_attributes {
  int32_t rank;
  int32_t reserved;
  int64_t extents[ASSAY_MAX_RANK];
};
struct assay_transpose_attributes {
  int32_t axes[ASSAY_MAX_RANK]; /* output axis i is input axis axes[i] */
};
struct assay_slice_attributes {
  int64_t start[ASSAY_MAX_RANK];
  int64_t stop[ASSAY_MAX_RANK]; /* exclusive; INT64_MAX: to the end */
  int64_t step[ASSAY_MAX_RANK]; /* positive */
};
struct assay_pad_attributes {
  int64_t low[ASSAY_MAX_RANK], high[ASSAY_MAX_RANK]; /* not negative */
  int64_t interior[ASSAY_MAX_RANK];                  /* elements put between neighbours; not negative */
  double value;
};
struct assay_axis_attributes {
  int32_t axis;
};
struct assay_count_attributes {
  int64_t count;
};
struct assay_matmul_attributes {
  uint32_t transpose_a, transpose_b; /* 1: the last two axes of that input are exchanged */
};
struct assay_conv2d_attributes {
  int64_t stride[2], dilation[2];      /* height, width; at least 1 */
  int64_t pad_low[2], pad_high[2];     /* top, left; bottom, right; zeros */
  int64_t groups;                      /* at least 1 */
  int64_t input_extents[2];            /* H, W of x: INPUT_GRADIENT only */
  int64_t kernel_extents[2];           /* KH, KW: WEIGHT_GRADIENT only */
};
struct assay_pool2d_attributes {
  int64_t kernel[2], stride[2];
  int64_t pad_low[2], pad_high[2];
  int64_t count_padding;    /* AVG_POOL2D */
  int64_t input_extents[2]; /* H, W of x: gradients only */
};
struct assay_random_attributes {
  uint32_t stream;
  int32_t rank; /* of the result, N included */
  int64_t extents[ASSAY_MAX_RANK]; /* extents[0] is ignored: N comes from the keys */
};
struct assay_epsilon_attributes {
  double epsilon;
};
/* A map is a 3x3 matrix, row by row. With u to the right and v downwards from the centre of the picture, in pixels, the result at (u, v) is taken from
 * (X / Z, Y / Z) for (X, Y, Z) = map (u, v, 1). The identity leaves the picture as it is. */
struct assay_warp_attributes {
  uint32_t border; /* enum assay_border */
  uint32_t reserved;
};
struct assay_blur_attributes {
  int64_t radius; /* 0 to 64: the weights exp(-k² / (2 deviation²)) for |k| up to it are made to sum to 1 */
};

/* How a parameter starts. fan_in is the product of all extents but the first (weights are [out, in, …]), fan_out the product of
 * all but the second. */
enum assay_initialiser {
  ASSAY_INIT_CONSTANT = 1,       /* argument: the value */
  ASSAY_INIT_UNIFORM = 2,        /* within ± argument */
  ASSAY_INIT_NORMAL = 3,         /* standard deviation: argument */
  ASSAY_INIT_GLOROT_UNIFORM = 4, /* Glorot and Bengio, 2010: ± sqrt(6 / (fan_in + fan_out)) */
  ASSAY_INIT_GLOROT_NORMAL = 5,
  ASSAY_INIT_HE_UNIFORM = 6, /* He et al., 2015, argument a = slope of the leaky ReLU behind: ± sqrt(6 / ((1 + a²) fan_in)); a = √5 is PyTorch's default */
  ASSAY_INIT_HE_NORMAL = 7,
  ASSAY_INIT_LECUN_UNIFORM = 8, /* LeCun et al., "Efficient BackProp", 1998: ± sqrt(3 / fan_in) */
  ASSAY_INIT_LECUN_NORMAL = 9
};

/* What a variable is for. */
enum assay_role {
  ASSAY_ROLE_WEIGHT = 1,     /* trained; weight decay applies */
  ASSAY_ROLE_BIAS = 2,       /* trained */
  ASSAY_ROLE_NORM_SCALE = 3, /* trained */
  ASSAY_ROLE_NORM_BIAS = 4,  /* trained */
  ASSAY_ROLE_STATISTIC = 5,  /* of the network, not trained: running mean and variance; part of the model */
  ASSAY_ROLE_OPTIMIZER = 6,  /* state of a gradient optimizer */
  ASSAY_ROLE_METRIC = 7      /* sums over an epoch */
};

struct assay_builder;

/* What the core offers a build. The wrappers below are the way to call it. */
struct assay_graph_host {
  uint32_t struct_size;
  uint32_t reserved;
  /* Adds a node; gives its first output (for ASSIGN: the input variable's value, so that the call can be checked like any other). */
  assay_value (*emit)(struct assay_builder *builder, uint32_t op, const assay_value *inputs, uint32_t input_count, const void *attributes,
                      uint32_t attributes_size);
  /* Type of a value; for an invalid value an f32 of rank 0. Lives as long as the build. */
  const struct assay_tensor_type *(*type)(struct assay_builder *builder, assay_value value);
  /* A variable that belongs to what is being built; the core puts the layer's name (or the parameter's, for an optimizer) and a dot before `name`. */
  assay_value (*variable)(struct assay_builder *builder, const char *name, const struct assay_tensor_type *type, uint32_t initialiser, double argument,
                          uint32_t role);
  /* A number for RANDOM_UNIFORM's `stream`, a different one at each call within a function. */
  uint32_t (*stream)(struct assay_builder *builder);
  /* Reports an error: one sentence on what is wrong and what would be right. */
  void (*fail)(struct assay_builder *builder, const char *message);
  /* 1: this function leaves the variable as it is (it is frozen, say), so assignments to it are left out. Since 1.1 of the layers' interface. */
  int (*held)(struct assay_builder *builder, assay_value variable);
};

/* Facts of the build at hand. */
struct assay_build_context {
  uint32_t struct_size;
  uint32_t training;  /* 1: this pass will be differentiated; dropout drops and batch norm measures */
  int64_t classes;    /* of the data set */
  assay_value keys;   /* u32 [N, 2], one random key a sample; valid while training */
  assay_value step;   /* f32 scalar, 1 for the first update; valid in optimizers */
};

/* Every builder begins so; the rest is the core's. */
struct assay_builder {
  const struct assay_graph_host *host;
  const struct assay_build_context *context;
};

/* ---- Wrappers ---- */

static inline assay_value assay_invalid(void) {
  assay_value value = {-1};
  return value;
}
static inline int assay_is_valid(assay_value value) { return value.id >= 0; }
static inline assay_value assay_output(assay_value first, int32_t index) {
  assay_value value = {first.id < 0 ? -1 : first.id + index};
  return value;
}
static inline const struct assay_tensor_type *assay_type(struct assay_builder *b, assay_value x) { return b->host->type(b, x); }
static inline int64_t assay_extent(struct assay_builder *b, assay_value x, int32_t axis) {
  const struct assay_tensor_type *type = assay_type(b, x);
  return axis >= 0 && axis < type->rank ? type->extents[axis] : 1;
}
/* Is the variable held fixed in this pass? A normalisation whose running statistics are held goes by them also while training. */
static inline int assay_is_held(struct assay_builder *b, assay_value variable) { return b->host->held(b, variable); }
static inline assay_value assay_fail(struct assay_builder *b, const char *message) {
  b->host->fail(b, message);
  return assay_invalid();
}
static inline assay_value assay_emit1(struct assay_builder *b, uint32_t op, assay_value x, const void *attributes, size_t size) {
  return b->host->emit(b, op, &x, 1, attributes, (uint32_t)size);
}
static inline assay_value assay_emit2(struct assay_builder *b, uint32_t op, assay_value x, assay_value y, const void *attributes, size_t size) {
  const assay_value inputs[2] = {x, y};
  return b->host->emit(b, op, inputs, 2, attributes, (uint32_t)size);
}

static inline assay_value assay_negate(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_NEGATE, x, NULL, 0); }
static inline assay_value assay_abs(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_ABS, x, NULL, 0); }
static inline assay_value assay_sign(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_SIGN, x, NULL, 0); }
static inline assay_value assay_exp(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_EXP, x, NULL, 0); }
static inline assay_value assay_log(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_LOG, x, NULL, 0); }
static inline assay_value assay_log1p(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_LOG1P, x, NULL, 0); }
static inline assay_value assay_sqrt(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_SQRT, x, NULL, 0); }
static inline assay_value assay_tanh(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_TANH, x, NULL, 0); }
static inline assay_value assay_sigmoid(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_SIGMOID, x, NULL, 0); }
static inline assay_value assay_erf(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_ERF, x, NULL, 0); }
static inline assay_value assay_floor(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_FLOOR, x, NULL, 0); }
static inline assay_value assay_relu(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_RELU, x, NULL, 0); }
static inline assay_value assay_is_finite(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_IS_FINITE, x, NULL, 0); }
static inline assay_value assay_not(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_NOT, x, NULL, 0); }
static inline assay_value assay_stop_gradient(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_STOP_GRADIENT, x, NULL, 0); }
static inline assay_value assay_sin(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_SIN, x, NULL, 0); }
static inline assay_value assay_cos(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_COS, x, NULL, 0); }
static inline assay_value assay_cast(struct assay_builder *b, assay_value x, int32_t dtype) {
  const struct assay_cast_attributes attributes = {dtype};
  return assay_emit1(b, ASSAY_OP_CAST, x, &attributes, sizeof attributes);
}

static inline assay_value assay_add(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_ADD, x, y, NULL, 0); }
static inline assay_value assay_sub(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_SUBTRACT, x, y, NULL, 0); }
static inline assay_value assay_mul(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_MULTIPLY, x, y, NULL, 0); }
static inline assay_value assay_div(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_DIVIDE, x, y, NULL, 0); }
static inline assay_value assay_max(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_MAXIMUM, x, y, NULL, 0); }
static inline assay_value assay_min(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_MINIMUM, x, y, NULL, 0); }
static inline assay_value assay_pow(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_POWER, x, y, NULL, 0); }
static inline assay_value assay_equal(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_EQUAL, x, y, NULL, 0); }
static inline assay_value assay_less(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_LESS, x, y, NULL, 0); }
static inline assay_value assay_less_equal(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_LESS_EQUAL, x, y, NULL, 0); }
static inline assay_value assay_and(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_AND, x, y, NULL, 0); }
static inline assay_value assay_or(struct assay_builder *b, assay_value x, assay_value y) { return assay_emit2(b, ASSAY_OP_OR, x, y, NULL, 0); }
static inline assay_value assay_select(struct assay_builder *b, assay_value condition, assay_value if_true, assay_value if_false) {
  const assay_value inputs[3] = {condition, if_true, if_false};
  return b->host->emit(b, ASSAY_OP_SELECT, inputs, 3, NULL, 0);
}

/* A scalar constant of the dtype of `like`, to be used beside it. */
static inline assay_value assay_number(struct assay_builder *b, assay_value like, double number) {
  const struct assay_constant_attributes attributes = {number, assay_type(b, like)->dtype, 0};
  return b->host->emit(b, ASSAY_OP_CONSTANT, NULL, 0, &attributes, sizeof attributes);
}

/* Sum, maximum over the axes whose bits are set. */
static inline assay_value assay_reduce_sum(struct assay_builder *b, assay_value x, uint32_t axes, int keep_axes) {
  const struct assay_reduce_attributes attributes = {axes, keep_axes ? 1u : 0u};
  return assay_emit1(b, ASSAY_OP_REDUCE_SUM, x, &attributes, sizeof attributes);
}
static inline assay_value assay_reduce_max(struct assay_builder *b, assay_value x, uint32_t axes, int keep_axes) {
  const struct assay_reduce_attributes attributes = {axes, keep_axes ? 1u : 0u};
  return assay_emit1(b, ASSAY_OP_REDUCE_MAX, x, &attributes, sizeof attributes);
}
static inline assay_value assay_argmax(struct assay_builder *b, assay_value x, int32_t axis) {
  const struct assay_reduce_attributes attributes = {1u << axis, 0};
  return assay_emit1(b, ASSAY_OP_ARGMAX, x, &attributes, sizeof attributes);
}
/* Arithmetic mean over axes: the sum times a constant. */
static inline assay_value assay_mean(struct assay_builder *b, assay_value x, uint32_t axes, int keep_axes) {
  double count = 1;
  for (int32_t axis = 0; axis < assay_type(b, x)->rank; axis++)
    if (axes >> axis & 1) count *= (double)assay_extent(b, x, axis);
  return assay_mul(b, assay_reduce_sum(b, x, axes, keep_axes), assay_number(b, x, 1 / count));
}

static inline assay_value assay_reshape(struct assay_builder *b, assay_value x, int32_t rank, const int64_t *extents) {
  struct assay_shape_attributes attributes = {rank, 0, {0}};
  for (int32_t axis = 0; axis < rank && axis < ASSAY_MAX_RANK; axis++) attributes.extents[axis] = extents[axis];
  return assay_emit1(b, ASSAY_OP_RESHAPE, x, &attributes, sizeof attributes);
}
static inline assay_value assay_broadcast(struct assay_builder *b, assay_value x, int32_t rank, const int64_t *extents) {
  struct assay_shape_attributes attributes = {rank, 0, {0}};
  for (int32_t axis = 0; axis < rank && axis < ASSAY_MAX_RANK; axis++) attributes.extents[axis] = extents[axis];
  return assay_emit1(b, ASSAY_OP_BROADCAST, x, &attributes, sizeof attributes);
}
static inline assay_value assay_transpose(struct assay_builder *b, assay_value x, const int32_t *axes) {
  struct assay_transpose_attributes attributes = {{0}};
  for (int32_t axis = 0; axis < assay_type(b, x)->rank; axis++) attributes.axes[axis] = axes[axis];
  return assay_emit1(b, ASSAY_OP_TRANSPOSE, x, &attributes, sizeof attributes);
}
/* [start, stop) of one axis. */
static inline assay_value assay_slice(struct assay_builder *b, assay_value x, int32_t axis, int64_t start, int64_t stop) {
  struct assay_slice_attributes attributes = {{0}, {0}, {0}};
  for (int32_t i = 0; i < ASSAY_MAX_RANK; i++) {
    attributes.stop[i] = INT64_MAX;
    attributes.step[i] = 1;
  }
  attributes.start[axis] = start;
  attributes.stop[axis] = stop;
  return assay_emit1(b, ASSAY_OP_SLICE, x, &attributes, sizeof attributes);
}
static inline assay_value assay_pad(struct assay_builder *b, assay_value x, const struct assay_pad_attributes *attributes) {
  return assay_emit1(b, ASSAY_OP_PAD, x, attributes, sizeof *attributes);
}
static inline assay_value assay_concat(struct assay_builder *b, const assay_value *inputs, uint32_t count, int32_t axis) {
  const struct assay_axis_attributes attributes = {axis};
  return b->host->emit(b, ASSAY_OP_CONCAT, inputs, count, &attributes, sizeof attributes);
}
static inline assay_value assay_gather(struct assay_builder *b, assay_value rows, assay_value indices) { return assay_emit2(b, ASSAY_OP_GATHER, rows, indices, NULL, 0); }
static inline assay_value assay_one_hot(struct assay_builder *b, assay_value indices, int64_t count) {
  const struct assay_count_attributes attributes = {count};
  return assay_emit1(b, ASSAY_OP_ONE_HOT, indices, &attributes, sizeof attributes);
}

static inline assay_value assay_matmul(struct assay_builder *b, assay_value x, assay_value y, int transpose_x, int transpose_y) {
  const struct assay_matmul_attributes attributes = {transpose_x ? 1u : 0u, transpose_y ? 1u : 0u};
  return assay_emit2(b, ASSAY_OP_MATMUL, x, y, &attributes, sizeof attributes);
}
static inline assay_value assay_conv2d(struct assay_builder *b, assay_value x, assay_value w, const struct assay_conv2d_attributes *attributes) {
  return assay_emit2(b, ASSAY_OP_CONV2D, x, w, attributes, sizeof *attributes);
}
static inline assay_value assay_max_pool2d(struct assay_builder *b, assay_value x, const struct assay_pool2d_attributes *attributes) {
  return assay_emit1(b, ASSAY_OP_MAX_POOL2D, x, attributes, sizeof *attributes);
}
static inline assay_value assay_avg_pool2d(struct assay_builder *b, assay_value x, const struct assay_pool2d_attributes *attributes) {
  return assay_emit1(b, ASSAY_OP_AVG_POOL2D, x, attributes, sizeof *attributes);
}

/* Uniform f32 in [0, 1) of the shape of `like` (whose axis 0 is the sample), the same for a sample whatever batch it is in. */
static inline assay_value assay_random_like(struct assay_builder *b, assay_value like) {
  const struct assay_tensor_type *type = assay_type(b, like);
  struct assay_random_attributes attributes = {b->host->stream(b), type->rank, {0}};
  for (int32_t axis = 0; axis < type->rank; axis++) attributes.extents[axis] = type->extents[axis];
  return assay_emit1(b, ASSAY_OP_RANDOM_UNIFORM, b->context->keys, &attributes, sizeof attributes);
}

static inline assay_value assay_softmax(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_SOFTMAX, x, NULL, 0); }
static inline assay_value assay_log_softmax(struct assay_builder *b, assay_value x) { return assay_emit1(b, ASSAY_OP_LOG_SOFTMAX, x, NULL, 0); }
static inline assay_value assay_softmax_cross_entropy(struct assay_builder *b, assay_value logits, assay_value targets) {
  return assay_emit2(b, ASSAY_OP_SOFTMAX_CROSS_ENTROPY, logits, targets, NULL, 0);
}
static inline assay_value assay_sigmoid_cross_entropy(struct assay_builder *b, assay_value logits, assay_value targets) {
  return assay_emit2(b, ASSAY_OP_SIGMOID_CROSS_ENTROPY, logits, targets, NULL, 0);
}

static inline assay_value assay_warp(struct assay_builder *b, assay_value x, assay_value maps, uint32_t border) {
  const struct assay_warp_attributes attributes = {border, 0};
  return assay_emit2(b, ASSAY_OP_WARP, x, maps, &attributes, sizeof attributes);
}
static inline assay_value assay_mix_channels(struct assay_builder *b, assay_value x, assay_value maps) {
  return assay_emit2(b, ASSAY_OP_MIX_CHANNELS, x, maps, NULL, 0);
}
static inline assay_value assay_gaussian_blur(struct assay_builder *b, assay_value x, assay_value deviations, int64_t radius) {
  const struct assay_blur_attributes attributes = {radius};
  return assay_emit2(b, ASSAY_OP_GAUSSIAN_BLUR, x, deviations, &attributes, sizeof attributes);
}

/* A trained parameter, f32, with its first value: enum assay_initialiser and its argument. */
static inline assay_value assay_parameter(struct assay_builder *b, const char *name, int32_t rank, const int64_t *extents, uint32_t initialiser, double argument,
                                          uint32_t role) {
  struct assay_tensor_type type = {ASSAY_F32, rank, {0}};
  for (int32_t axis = 0; axis < rank && axis < ASSAY_MAX_RANK; axis++) type.extents[axis] = extents[axis];
  return b->host->variable(b, name, &type, initialiser, argument, role);
}
/* A variable that is not trained but written with assay_assign: ASSAY_ROLE_STATISTIC in a layer, ASSAY_ROLE_OPTIMIZER in an optimizer. */
static inline assay_value assay_state(struct assay_builder *b, const char *name, const struct assay_tensor_type *type, double first, uint32_t role) {
  return b->host->variable(b, name, type, ASSAY_INIT_CONSTANT, first, role);
}
static inline void assay_assign(struct assay_builder *b, assay_value variable, assay_value value) { (void)assay_emit2(b, ASSAY_OP_ASSIGN, variable, value, NULL, 0); }

#ifdef __cplusplus
}
#endif
#endif
