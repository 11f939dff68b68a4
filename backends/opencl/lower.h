/* SPDX-License-Identifier: MIT
 *
 * Lowering: a function's graph becomes a list of steps (kernel launches, mostly) on storages. What a step reads and writes is written
 * down with it, and memory and bindings are worked out from that afterwards.
 */
#ifndef ASSAY_OPENCL_LOWER_H
#define ASSAY_OPENCL_LOWER_H

#include "backends/opencl/device.h"
#include "backends/opencl/tile.h"
#include "backends/opencl/view.h"

enum assay_cl_storage_kind {
  ASSAY_CL_WORKSPACE, /* lives for some steps of a run */
  ASSAY_CL_FEED,
  ASSAY_CL_FETCH,
  ASSAY_CL_VARIABLE
};

struct assay_cl_storage {
  enum assay_cl_storage_kind kind;
  uint32_t number; /* of the feed, fetch or variable */
  uint64_t size;   /* bytes */
  int32_t first_step, last_step; /* that touch it; -1: none */
  uint64_t offset; /* WORKSPACE: in the executable's block */
};

enum assay_cl_access {
  ASSAY_CL_READ = 1,
  ASSAY_CL_WRITE = 2,
  ASSAY_CL_IN_PLACE = 4 /* with READ: a work-item reads only the element that it also writes, and reads it before */
};

struct assay_cl_argument {
  uint32_t access;  /* 0: a number, `size` bytes of `value` */
  uint32_t storage; /* when `access` is set */
  int32_t dtype;    /* of a number */
  size_t size;
  union {
    cl_int integer;
    cl_uint natural;
    cl_float real;
    cl_uchar byte;
  } value;
};

/* A product that CLBlast does; the arguments of its step are a, b, y, and a temporary buffer when it needs one. Row-major. */
struct assay_cl_gemm {
  bool transpose_a, transpose_b;
  size_t rows, columns, depth, a_offset, a_leading, b_offset, b_leading;
};

/* Steps that became one launch: sweep.c. */
struct assay_cl_member {
  uint32_t first_argument, argument_count;
  uint32_t function; /* of the kernel's functions for an element */
};
struct assay_cl_sweep {
  struct assay_cl_member *members;
  uint32_t member_count;
  uint32_t stretch; /* elements that a work-group takes */
};

struct assay_cl_step {
  const char *source, *options, *kernel_name; /* of a kernel launch */
  const struct assay_cl_gemm *gemm;           /* of a CLBlast call; else NULL */
  const char *element; /* of a generated elementwise kernel: parameters and body of the function for one element. Behind `index` come the arguments behind the first. Else NULL */
  const struct assay_cl_sweep *sweep; /* whose arguments are those of the steps that it stands for; else NULL */
  const char *origin;                         /* the layer that it came from */
  double operations;                          /* of a product, a multiply-add counts two; else 0 */
  cl_kernel kernel;
  struct assay_cl_argument *arguments;
  uint32_t argument_count, argument_capacity;
  cl_uint dimensions;
  size_t global[3], local[3];
};

struct assay_cl_function {
  struct assay_cl_step **steps;
  uint32_t step_count, step_capacity;
  struct assay_cl_storage *storages;
  uint32_t storage_count, storage_capacity;
  uint64_t workspace; /* bytes */
};

struct assay_cl_lowering {
  struct assay_device *device;
  const struct assay_program *program;
  const struct assay_function *source;
  const struct assay_graph *graph;
  struct assay_cl_function *function;
  struct assay_cl_pool **pool; /* what lives as long as the executable */
  struct assay_cl_pool *scratch;
  struct assay_cl_view *views;  /* by value id */
  int32_t *dense_copies;        /* by value id: storage of a dense copy, -1 while there is none */
  int32_t *groups;              /* by node: elementwise group, -1 */
  int32_t *fetch_of;            /* by value id: a fetch that wants it, -1 */
  uint8_t *assigned;            /* by variable */
  int32_t *heads;               /* by last node of a group: the product whose results the group is computed on while they are in registers, and the other way; -1 */
  uint8_t *reduced;             /* by node: a reduction that is done with the group that makes its input */
  uint8_t *remade;              /* by value id: not stored, but made again by each group that reads it */
  uint32_t *scalars;            /* nodes of single elements that wait to be computed together, in graph order where it counts */
  uint32_t scalar_count;
  int32_t scalar_group; /* of those that wait */
  int32_t next_group;           /* a number that no group has */
  const char *origin;           /* of the node at hand */
  struct assay_cl_step spare;   /* what is handed out when memory is short */
  struct assay_status *status;
  int32_t refused; /* node; -1 */
  int code;        /* sticky: the first failure */
};

/* Fills `function`. ASSAY_E_UNSUPPORTED with the node in `refused`, or another error. */
int assay_cl_lower(struct assay_device *device, const struct assay_program *program, uint32_t number, struct assay_cl_pool **pool,
                   struct assay_cl_function *function, uint32_t *refused, struct assay_status *status);
void assay_cl_function_release(struct assay_cl_function *function);
/* Whether a node can be lowered as it stands. */
bool assay_cl_supports(const struct assay_graph *graph, uint32_t node);

/* ---- For the files that lower families of ops. Errors are sticky, so nothing needs to be checked between. ---- */

void assay_cl_lowering_fail(struct assay_cl_lowering *lowering, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void assay_cl_lowering_memory(struct assay_cl_lowering *lowering);
static inline const struct assay_tensor_type *assay_cl_type(const struct assay_cl_lowering *lowering, int32_t value) { return lowering->graph->types[value]; }
static inline const struct assay_cl_view *assay_cl_view_of(const struct assay_cl_lowering *lowering, int32_t value) { return &lowering->views[value]; }
static inline size_t assay_cl_round_up(size_t number, size_t multiple) { return (number + multiple - 1) / multiple * multiple; }

int32_t assay_cl_storage_add(struct assay_cl_lowering *lowering, enum assay_cl_storage_kind kind, uint32_t number, uint64_t size);
/* A dense view for a result; the value's view from now on. */
struct assay_cl_view assay_cl_result(struct assay_cl_lowering *lowering, int32_t value);
/* A dense view in the workspace that belongs to no value. */
struct assay_cl_view assay_cl_temporary(struct assay_cl_lowering *lowering, const struct assay_tensor_type *type);
/* The value dense from offset 0, copied when it is not so already. */
struct assay_cl_view assay_cl_dense(struct assay_cl_lowering *lowering, int32_t value);
/* The value with whatever strides, but in memory and stored as what it is. */
struct assay_cl_view assay_cl_readable(struct assay_cl_lowering *lowering, int32_t value);

/* The text of kernels/FILE.cl; "", and the lowering fails, when there is none to be had. */
const char *assay_cl_text_of(struct assay_cl_lowering *lowering, const char *file);
/* The functions that generated text calls: kernels/elementwise.cl. */
static inline const char *assay_cl_helpers(struct assay_cl_lowering *lowering) { return assay_cl_text_of(lowering, "elementwise"); }
/* A launch of a kernel of kernels/FILE.cl. */
struct assay_cl_step *assay_cl_step(struct assay_cl_lowering *lowering, const char *file, const char *kernel_name, const char *options, uint32_t argument_capacity);
struct assay_cl_step *assay_cl_step_source(struct assay_cl_lowering *lowering, const char *source, const char *kernel_name, const char *options,
                                           uint32_t argument_capacity);
void assay_cl_memory(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int32_t storage, uint32_t access);
void assay_cl_natural(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int64_t value);
void assay_cl_integer(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int64_t value);
/* A constant of that dtype, converted as a cast would. */
void assay_cl_number(struct assay_cl_lowering *lowering, struct assay_cl_step *step, int32_t dtype, double value);
/* One work-item an element, in groups of 64. */
void assay_cl_items(struct assay_cl_step *step, int64_t count);
/* Groups of `items` along the first axis. */
void assay_cl_groups(struct assay_cl_step *step, size_t items, int64_t first, int64_t second, int64_t third);
/* Numbers of a run (kernels/runs.cl) in rows of that length. */
int assay_cl_run_length(const struct assay_device *device, int64_t row);
const char *assay_cl_type_name(int32_t dtype); /* in OpenCL C; NULL for what is not supported */

/* The options that a launch is compiled with, from the executable's pool. */
const char *assay_cl_options(struct assay_cl_lowering *lowering, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *assay_cl_tile_options(struct assay_cl_lowering *lowering, const struct assay_cl_tile *tile, const char *more);

/* elementwise.c: nodes of one group in graph order. */
bool assay_cl_elementwise_op(uint32_t op);
void assay_cl_lower_elementwise(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count);
void assay_cl_copy(struct assay_cl_lowering *lowering, const struct assay_cl_view *from, const struct assay_cl_view *to);

/* sweep.c: steps that update variables alike become one. After assigns, before memory is planned. */
void assay_cl_join_sweeps(struct assay_cl_lowering *lowering);
/* What a sweep reads in place of arguments; `variables`: where each variable lies. Memory is planned by now. NULL when memory is short; the caller frees it. */
cl_uint *assay_cl_sweep_table(const struct assay_device *device, const struct assay_cl_function *function, const struct assay_cl_step *step, const uint64_t *variables);
uint64_t assay_cl_sweep_table_size(const struct assay_cl_step *step); /* bytes; 0 for what is no sweep */
/* Numbers of the feeds that a sweep's kernel gets behind its other parameters; gives how many. */
enum { ASSAY_CL_SWEEP_FEEDS = 8 };
uint32_t assay_cl_sweep_feeds(const struct assay_cl_function *function, const struct assay_cl_step *step, uint32_t feeds[ASSAY_CL_SWEEP_FEEDS]);

/* groups.c: which nodes share a kernel. */
void assay_cl_pair_groups(struct assay_cl_lowering *lowering);                   /* before the walk */
void assay_cl_lower_group(struct assay_cl_lowering *lowering, uint32_t node);    /* at the place of each of its nodes */
void assay_cl_lower_scalars(struct assay_cl_lowering *lowering);                 /* the single elements that wait, in one kernel */
void assay_cl_need_inputs(struct assay_cl_lowering *lowering, const struct assay_node *node); /* single elements must be there before somebody reads one */
/* A product with the group that alone reads it. False when the group, if any, is still to be lowered. */
bool assay_cl_lower_product(struct assay_cl_lowering *lowering, uint32_t number, const uint32_t *nodes, uint32_t count);
/* reduce.c: a group with reductions of what it makes, all over the same axes. False, and nothing done, when a kernel cannot have that many arguments. */
bool assay_cl_lower_reductions(struct assay_cl_lowering *lowering, const uint32_t *nodes, uint32_t count, const uint32_t *reductions, uint32_t reduction_count);

/* tail.c: a group of elementwise nodes as the function TAIL of kernels/tile.cl. `head` is the value that the product makes and that only the group reads. False,
 * and nothing done, when an operand of the group lies in a way that the function cannot follow. Without nodes it is the plain store to `head`. */
struct assay_cl_tail {
  const char *definition;  /* text to stand in front of the kernel; NULL: none */
  struct assay_cl_kernel *kernel; /* operands, in the order of its parameters */
  struct assay_cl_view result;    /* without a definition */
};
bool assay_cl_tail(struct assay_cl_lowering *lowering, int32_t head, const uint32_t *nodes, uint32_t count, struct assay_cl_tail *tail);
/* A launch of a kernel with that tail, and the tail's arguments, which come last. */
struct assay_cl_step *assay_cl_step_with_tail(struct assay_cl_lowering *lowering, const char *file, const char *kernel_name, const char *options,
                                              uint32_t argument_capacity, const struct assay_cl_tail *tail);
void assay_cl_tail_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct assay_cl_tail *tail);
/* Can its results go through a tail? */
bool assay_cl_takes_tail(const struct assay_cl_lowering *lowering, const struct assay_node *node);

/* One file a family. */
void assay_cl_lower_reduce(struct assay_cl_lowering *lowering, const struct assay_node *node);
void assay_cl_lower_matmul(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_tail *tail);
void assay_cl_lower_conv2d(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_tail *tail);
void assay_cl_lower_pool2d(struct assay_cl_lowering *lowering, const struct assay_node *node);
void assay_cl_lower_place(struct assay_cl_lowering *lowering, const struct assay_node *node); /* views, pad, concat */
void assay_cl_lower_rows(struct assay_cl_lowering *lowering, const struct assay_node *node);  /* gather, scatter, one-hot, random */
void assay_cl_lower_softmax(struct assay_cl_lowering *lowering, const struct assay_node *node);
void assay_cl_lower_warp(struct assay_cl_lowering *lowering, const struct assay_node *node);
/* Sums (or maxima) of `view` over `axes`, dense into `to`. */
void assay_cl_reduce(struct assay_cl_lowering *lowering, const struct assay_cl_view *view, uint32_t axes, bool maximum, const struct assay_cl_view *to);

#endif
