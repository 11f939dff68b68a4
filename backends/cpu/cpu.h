/* SPDX-License-Identifier: MIT
 *
 * The cpu backend's own words. A function is compiled into a list of *steps*; steps work on *buffers*, stretches of memory whose
 * place is fixed at compile; a graph's value lives in one or more buffers, each a *form* of it: the same numbers in a certain layout.
 *
 *   plugin.c       the door: options and table of functions          layout.c       orders of axes, and dnnl's blocked layouts
 *   device.c       the processor, threads, buffers                   elementwise.c  chains of elementwise ops, a tile at a time
 *   compile.c      from graph to steps                               convolution.c  convolutions; convolution_tail.c: what is fused into them
 *   lower.c        which ops are taken, and by whom                  copy.c, place.c, reduce.c, pool.c, rows.c, norm.c, picture.c, product.c: ops
 *   memory.c       liveness, work in place, the plan of memory       store.c        variables
 *   behind_pool.c  gradients behind max pooling kept small           sparse.c       their steps
 *   choice.c       timed choices, remembered                         probe.c        timing convolutions
 *   profile.c      what steps took                                   convolution_choice.c  which of dnnl's primitives
 *   images.c       how images lie between convolutions
 *   kernels/       loops, compiled once a processor level
 */
#ifndef ASSAY_BACKENDS_CPU_CPU_H
#define ASSAY_BACKENDS_CPU_CPU_H

#include "kernels/kernels.h"

#include <assay/backend.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#define ASSAY_CPU_ALIGNMENT 64 /* bytes: a cache line, and the widest vector */
#define ASSAY_CPU_LAYOUT_DIMS 12
#define ASSAY_CPU_BLOCK 16 /* channels that lie together in blocked images: a vector of AVX-512 */

enum assay_cpu_images { ASSAY_CPU_IMAGES_AUTO, ASSAY_CPU_IMAGES_LAST, ASSAY_CPU_IMAGES_BLOCKS };

struct assay_device {
  const struct assay_backend_host *host;
  const struct assay_cpu_kernels *kernels;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  int threads;
  uint32_t images; /* enum assay_cpu_images */
  bool winograd;   /* may be chosen */
  struct assay_cpu_choice *choices;
  unsigned char *workspace; /* one for all executables, as large as the largest needs: they never run at the same time */
  uint64_t workspace_size;
  bool profile; /* ASSAY_CPU_PROFILE is set: executables tell at their end what their steps took */
  char identity[256]; /* processor, library and thread count: what a timed choice depends on */
};

struct assay_buffer {
  unsigned char *bytes;
  uint64_t size;
};

/* ---- Layouts ---- */

/* One physical dimension: it runs over logical axis `axis` in steps of `step`, `extent` times. */
struct assay_cpu_dim {
  int32_t axis;
  int64_t extent, step;
};
/* Dense storage: physical dimensions from the outermost to the innermost; those of extent 1 are left out, so that equal places mean
 * equal layouts. Layouts are kept once an executable: equal means the same pointer. */
struct assay_cpu_layout {
  struct assay_tensor_type type;
  int32_t count;
  struct assay_cpu_dim dims[ASSAY_CPU_LAYOUT_DIMS];
  dnnl_memory_desc_t descriptor; /* f32 only */
  bool permuted;                 /* an order of the axes, without blocks */
  struct assay_cpu_layout *next;
};

/* ---- Buffers and steps ---- */

enum assay_cpu_base { ASSAY_CPU_WORKSPACE, ASSAY_CPU_STORE, ASSAY_CPU_CONSTANTS, ASSAY_CPU_FEEDS }; /* feed f is FEEDS + f; then the fetches */

struct assay_cpu_buffer {
  uint32_t base;                 /* enum assay_cpu_base */
  uint32_t producer;             /* step that writes it; UINT32_MAX: none */
  uint64_t offset, size;         /* bytes */
  uint32_t first, last;          /* steps between which it is needed */
  struct assay_cpu_buffer *host; /* the buffer in whose place it lives, or NULL */
  struct assay_cpu_buffer *next;
};

/* What a run hands to each step. */
struct assay_cpu_frame {
  unsigned char *const *bases;
  const struct assay_cpu_kernels *kernels;
  dnnl_stream_t stream;
  int threads;
};

/* fn(context, begin, end) for parts of [0, count), shared between threads when `work` (about one unit a number touched) is worth it. */
typedef void (*assay_cpu_part)(const void *context, int64_t begin, int64_t end);
void assay_cpu_share(const struct assay_cpu_frame *frame, int64_t count, int64_t work, assay_cpu_part part, const void *context);

struct assay_cpu_use {
  struct assay_cpu_buffer *buffer;
  bool write;
  bool aligned; /* elementwise steps: element i of this buffer is touched together with element i of the aligned outputs, and never again later */
};

/* Every kind of step begins so. `run` gives 0 or an enum assay_error. */
struct assay_cpu_step {
  int (*run)(const struct assay_cpu_step *step, const struct assay_cpu_frame *frame);
  const char *kind;   /* for profiles */
  const char *origin; /* the layer */
  double time; /* milliseconds of the calling thread's processor time, where there is a profile */
  uint32_t use_count, use_capacity;
  struct assay_cpu_use *uses;
};

static inline void *assay_cpu_at(const struct assay_cpu_frame *frame, const struct assay_cpu_buffer *buffer) {
  return frame->bases[buffer->base] + buffer->offset;
}

/* ---- Executables ---- */

struct assay_cpu_function {
  uint32_t step_count, base_count, feed_count, fetch_count;
  uint64_t runs;
  struct assay_cpu_step **steps;
  unsigned char **bases;
};

struct assay_cpu_slot { /* of a variable in a store */
  const struct assay_cpu_layout *layout;
  uint64_t offset, size;
};

struct assay_executable {
  struct assay_device *device;
  const struct assay_program *program;
  struct assay_cpu_block *blocks;   /* everything that compile allocates, freed as one */
  struct assay_cpu_handle *handles; /* dnnl's objects, likewise */
  struct assay_cpu_layout *layouts;
  struct assay_cpu_slot *slots;
  uint64_t store_size, workspace_size, constants_size;
  unsigned char *constants;
  struct assay_cpu_function *functions;
  const struct assay_graph **graphs; /* of the functions, after the passes */
  bool blocked;                      /* images between convolutions lie in blocks of channels, where the channels fill them */
};

struct assay_store {
  struct assay_executable *executable;
  unsigned char *bytes;
};

/* A value in one layout. `layout` is NULL when it is one that only the primitive knows that asked for it. */
struct assay_cpu_form {
  const struct assay_cpu_layout *layout;
  dnnl_memory_desc_t descriptor; /* where layout is NULL */
  struct assay_cpu_buffer *buffer;
  struct assay_cpu_form *next;
};

struct assay_cpu_value {
  struct assay_cpu_form *forms; /* the first is the one it was made in */
  uint32_t consumers;           /* nodes that read it, fetches counted */
};

enum { ASSAY_CPU_ABSORBED = 2 }; /* of `done`: a later node does it, and is still to read its inputs */

/* A function under compilation. */
struct assay_cpu_build {
  struct assay_executable *executable;
  const struct assay_function *function;
  const struct assay_graph *graph;
  uint32_t function_index;
  struct assay_status *status;
  struct assay_cpu_value *values; /* by value id */
  int32_t *groups;                /* by node: elementwise group or -1 */
  uint8_t *done;                  /* by node: nothing left to emit: 1, or ASSAY_CPU_ABSORBED */
  uint32_t *first_consumer;       /* by value: where its consumers start in `consumers` */
  uint32_t *consumers;            /* nodes, in order */
  struct assay_cpu_buffer *buffers;
  struct assay_cpu_step **steps;
  uint32_t step_count, step_capacity;
  uint32_t node; /* at hand, for messages */
  struct assay_cpu_assign *assigns;
  uint32_t assign_count;
};

struct assay_cpu_assign {
  uint32_t variable;
  int32_t value;
};

/* compile.c */
void *assay_cpu_take(struct assay_executable *executable, size_t count, size_t size); /* zeroed; NULL when memory is short */
int assay_cpu_keep(struct assay_executable *executable, void *handle, dnnl_status_t (*destroy)(void *));
int assay_cpu_keep_primitive(struct assay_executable *executable, dnnl_primitive_t primitive);
int assay_cpu_keep_descriptor(struct assay_executable *executable, dnnl_primitive_desc_t descriptor);
int assay_cpu_keep_memory(struct assay_executable *executable, dnnl_memory_t memory);
int assay_cpu_fail(struct assay_status *status, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int assay_cpu_no_memory(struct assay_status *status);
/* A step of `size` bytes at the end of the list; NULL when memory is short. Its uses follow with assay_cpu_use. */
void *assay_cpu_emit(struct assay_cpu_build *build, size_t size, const char *kind, int (*run)(const struct assay_cpu_step *, const struct assay_cpu_frame *));
struct assay_cpu_buffer *assay_cpu_read(struct assay_cpu_build *build, void *step, struct assay_cpu_buffer *buffer);
struct assay_cpu_buffer *assay_cpu_write(struct assay_cpu_build *build, void *step, struct assay_cpu_buffer *buffer);
struct assay_cpu_buffer *assay_cpu_buffer_new(struct assay_cpu_build *build, uint64_t size);
/* Memory of the workspace that only this step uses. */
struct assay_cpu_buffer *assay_cpu_scratch(struct assay_cpu_build *build, void *step, uint64_t size);
const struct assay_node *assay_cpu_producer(const struct assay_cpu_build *build, int32_t value);
/* The only node that reads a value, or UINT32_MAX. */
uint32_t assay_cpu_only_consumer(const struct assay_cpu_build *build, int32_t value);
static inline const struct assay_tensor_type *assay_cpu_type(const struct assay_cpu_build *build, int32_t value) { return build->graph->types[value]; }
/* The constant that a value is, seen through broadcasts and reshapes; false when it is none. */
bool assay_cpu_constant(const struct assay_cpu_build *build, int32_t value, double *number);

/* layout.c */
const struct assay_cpu_layout *assay_cpu_layout_plain(struct assay_executable *executable, const struct assay_tensor_type *type);
/* Physical order of the axes, from the outermost to the innermost. */
const struct assay_cpu_layout *assay_cpu_layout_order(struct assay_executable *executable, const struct assay_tensor_type *type, const int32_t *order);
/* Axis 1 innermost; plain below rank 3. */
const struct assay_cpu_layout *assay_cpu_layout_channels_last(struct assay_executable *executable, const struct assay_tensor_type *type);
/* How images lie between convolutions: channels last, or in blocks of channels where that is the executable's choice and the channels fill blocks. Any dtype. */
const struct assay_cpu_layout *assay_cpu_layout_image(struct assay_executable *executable, const struct assay_tensor_type *type);
/* The same places for another dtype; NULL for blocks that are not an image's. */
const struct assay_cpu_layout *assay_cpu_layout_as(struct assay_executable *executable, const struct assay_cpu_layout *layout, int32_t dtype);
/* NULL when it is padded or otherwise not dense. */
const struct assay_cpu_layout *assay_cpu_layout_blocked(struct assay_executable *executable, const struct assay_tensor_type *type,
                                                        const dnnl_memory_desc_t *descriptor);
/* The same numbers in the same places, for a tensor whose axis i is axis axes[i] of this one (a transposed view). Permuted layouts only. */
const struct assay_cpu_layout *assay_cpu_layout_transposed(struct assay_executable *executable, const struct assay_cpu_layout *layout,
                                                           const struct assay_tensor_type *type, const int32_t *axes);
void assay_cpu_layout_axes(const struct assay_cpu_layout *layout, int32_t order[ASSAY_MAX_RANK]); /* of a permuted layout */
/* Strides in elements, by logical axis, of a permuted layout. */
void assay_cpu_layout_strides(const struct assay_cpu_layout *layout, int64_t strides[ASSAY_MAX_RANK]);
/* A value in the layout asked for, converted if need be; NULL with the status filled. */
struct assay_cpu_buffer *assay_cpu_form_get(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout *layout);
/* In whatever dnnl asks for. */
struct assay_cpu_buffer *assay_cpu_form_described(struct assay_cpu_build *build, int32_t value, const dnnl_memory_desc_t *descriptor);
/* In a permuted layout that exists already, or plain; `layout` says which. Prefers channels last. */
struct assay_cpu_buffer *assay_cpu_form_any(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout **layout);
/* Declares that a value lives in a buffer. */
int assay_cpu_form_put(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout *layout, struct assay_cpu_buffer *buffer);
/* A new buffer for a value in a layout, put as its form. */
struct assay_cpu_buffer *assay_cpu_form_new(struct assay_cpu_build *build, int32_t value, const struct assay_cpu_layout *layout);
/* Points a dnnl memory at bytes; false on failure. Setting is not free, so an equal address is left alone. */
bool assay_cpu_bind(dnnl_memory_t memory, void *bytes);
int assay_cpu_emit_reorder(struct assay_cpu_build *build, const dnnl_memory_desc_t *from, struct assay_cpu_buffer *source, const dnnl_memory_desc_t *to,
                           struct assay_cpu_buffer *target);

/* copy.c: strided copies. Offsets and strides in elements, strides by axis. */
int assay_cpu_emit_copy(struct assay_cpu_build *build, size_t element, int32_t rank, const int64_t *extents, struct assay_cpu_buffer *source,
                        int64_t source_offset, const int64_t *source_strides, struct assay_cpu_buffer *target, int64_t target_offset,
                        const int64_t *target_strides);

/* elementwise.c */
bool assay_cpu_is_elementwise(uint32_t op);
bool assay_cpu_elementwise_supported(const struct assay_graph *graph, const struct assay_node *node);
/* Emits a whole group (or one node) of elementwise nodes; nodes marked `done` are left out. */
int assay_cpu_emit_elementwise(struct assay_cpu_build *build, const uint32_t *nodes, uint32_t count);

/* convolution.c */
int assay_cpu_emit_convolution(struct assay_cpu_build *build, uint32_t node);
/* The layout in which a convolution would like its weights; plain when it does not matter. */
const struct assay_cpu_layout *assay_cpu_convolution_weights(struct assay_executable *executable, const struct assay_graph *graph, uint32_t node);

/* lower.c: ops that are neither elementwise nor sources */
int assay_cpu_emit_node(struct assay_cpu_build *build, uint32_t node);
/* place.c, reduce.c, pool.c, rows.c, picture.c, product.c: one node each */
int assay_cpu_emit_reshape(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_transpose(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_slice(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_pad(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_concat(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_gather(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_scatter_add(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_one_hot(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_reduce(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_argmax(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_pool(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_softmax(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_cross_entropy(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_batch_norm(struct assay_cpu_build *build, uint32_t node);
/* Takes the gradients of ReLUs behind batch normalisations into the normalisations' own. Before anything is emitted. */
void assay_cpu_absorb_masks(struct assay_cpu_build *build);
int assay_cpu_emit_random(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_picture(struct assay_cpu_build *build, const struct assay_node *node);
bool assay_cpu_picture_supported(const struct assay_graph *graph, const struct assay_node *node);
int assay_cpu_emit_matmul(struct assay_cpu_build *build, const struct assay_node *node);

/* behind_pool.c: ops that only exist inside, and the pass that brings them in. `graph` is replaced by a graph that lives as long as the executable. */
enum {
  ASSAY_CPU_OP_GATHER_MAXIMA = 0x7F000001, /* (values, where) to values at the maxima; attributes of the pooling */
  ASSAY_CPU_OP_SPARSE_PAIRS,               /* (pooled dy, where) to lists of places and gradients; struct assay_cpu_sparse_attributes */
  ASSAY_CPU_OP_SPARSE_WEIGHT_GRADIENT,     /* (x, pairs); likewise */
  ASSAY_CPU_OP_SPARSE_INPUT_GRADIENT       /* (pairs, w); likewise */
};
struct assay_cpu_sparse_attributes {
  struct assay_cpu_sparse shape;
  struct assay_cpu_pool pool; /* of the convolution's result */
};
/* Words of the pairs of a convolution. */
int64_t assay_cpu_pairs_size(const struct assay_cpu_sparse *shape);
int assay_cpu_shrink_gradients(struct assay_executable *executable, const struct assay_function *function, const struct assay_graph **graph);
/* sparse.c */
int assay_cpu_emit_gather_maxima(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_sparse_pairs(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_sparse_weight_gradient(struct assay_cpu_build *build, const struct assay_node *node);
int assay_cpu_emit_sparse_input_gradient(struct assay_cpu_build *build, const struct assay_node *node);
/* pool.c: from the attributes and the types of the larger and the smaller side */
struct assay_cpu_pool assay_cpu_describe_pool(const struct assay_pool2d_attributes *attributes, const struct assay_tensor_type *large,
                                              const struct assay_tensor_type *small);

/* profile.c: milliseconds of the calling thread's processor time; and what the steps of an executable took, by kind, to the log. */
double assay_cpu_thread_time(void);
void assay_cpu_tell_profile(const struct assay_executable *executable);

/* images.c: whether images lie in blocks, by what the program's convolutions take */
void assay_cpu_choose_image_layout(struct assay_executable *executable);

/* memory.c */
int assay_cpu_plan(struct assay_cpu_build *build);

/* store.c */
int assay_cpu_choose_slots(struct assay_executable *executable, struct assay_status *status);

/* choice.c: which of `count` candidates; `measure` gives a time, or a negative number for one that does not work or is not exact enough.
 * `time` is that of the chosen one; 0 where there is no cache, and nothing is measured. */
typedef double (*assay_cpu_measure)(void *context, uint32_t candidate);
uint32_t assay_cpu_choose(struct assay_device *device, const char *key, uint32_t count, assay_cpu_measure measure, void *context, double *time);
void assay_cpu_forget_choices(struct assay_device *device);

/* probe.c: milliseconds of a primitive with two operands and a result, or -1. The first candidate fills `expected` (numbers of the result as it lies outside); others may differ
 * from it by this much of the largest number. */
#define ASSAY_CPU_MOST_DIFFERENCE 1e-5
struct assay_cpu_operand {
  int argument;       /* DNNL_ARG_... */
  dnnl_query_t query; /* of its descriptor */
  dnnl_memory_desc_t outside;
  bool timed; /* conversions between outside and the primitive's own layout count */
};
struct assay_cpu_trial {
  struct assay_cpu_operand inputs[2], output;
  float *expected;
  bool first;
  double limit; /* milliseconds of the best so far, 0: none; what is far behind is not run again */
};
double assay_cpu_time_convolution(struct assay_device *device, dnnl_primitive_desc_t descriptor, const struct assay_cpu_trial *trial);

/* The vtable's functions, by file. */
int assay_cpu_supports(struct assay_device *device, const struct assay_graph *graph, uint32_t node);
int assay_cpu_compile(struct assay_device *device, const struct assay_program *program, struct assay_executable **executable, uint32_t refused[2],
                      struct assay_status *status);
void assay_cpu_memory(const struct assay_executable *executable, struct assay_memory_need *need);
void assay_cpu_release(struct assay_executable *executable);
int assay_cpu_run(struct assay_executable *executable, uint32_t function, struct assay_store *store, struct assay_buffer *const *feeds,
                  struct assay_buffer *const *fetches, struct assay_status *status);
int assay_cpu_list(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, assay_found_device found,
                   void *context, struct assay_status *status);
int assay_cpu_open(const struct assay_backend_host *host, const struct assay_option_value *const *options, const char *const *drivers, const char *id,
                   struct assay_device **device, struct assay_status *status);
void assay_cpu_close(struct assay_device *device);
int assay_cpu_sync(struct assay_device *device, struct assay_status *status);
int assay_cpu_buffer_create(struct assay_device *device, uint64_t size, struct assay_buffer **buffer, struct assay_status *status);
int assay_cpu_buffer_write(struct assay_buffer *buffer, uint64_t offset, const void *data, uint64_t size, struct assay_status *status);
int assay_cpu_buffer_read(struct assay_buffer *buffer, uint64_t offset, void *data, uint64_t size, struct assay_status *status);
void assay_cpu_buffer_release(struct assay_buffer *buffer);
int assay_cpu_store_create(struct assay_executable *executable, struct assay_store **store, struct assay_status *status);
int assay_cpu_store_write(struct assay_store *store, uint32_t variable, const void *data, struct assay_status *status);
int assay_cpu_store_read(struct assay_store *store, uint32_t variable, void *data, struct assay_status *status);
int assay_cpu_store_copy(struct assay_store *to, const struct assay_store *from, struct assay_status *status);
void assay_cpu_store_release(struct assay_store *store);
/* Zeroed, aligned; NULL when memory is short. Freed with free. */
void *assay_cpu_aligned(uint64_t size);

#endif
