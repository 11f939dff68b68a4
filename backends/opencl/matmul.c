/* SPDX-License-Identifier: MIT
 *
 * Lowering of matrix products. CLBlast takes those that gemm.h says: it is fast at large ones, but compiles for seconds (on PoCL 20) when a process
 * first uses it. The others and batches go to kernels/matmul.cl, which follows any strides and puts elementwise operations behind its results.
 */
#include "backends/opencl/lower.h"

#include <clblast_c.h>

enum {
  DOT_ITEMS = 64,
  FEW_ELEMENTS = 256,  /* results at most, and */
  LONG_DEPTH = 256,    /* inner extent at least, for a work-group a result */
  LEAST_CHUNK = 256    /* of an inner extent that is cut, so that a group has something to do */
};

/* One operand as batch of rows x columns. */
struct matrix {
  int32_t storage;
  int64_t batch, rows, columns, offset, batch_stride, row_stride, column_stride;
};

static struct matrix matrix_of(const struct assay_cl_view *view, bool transpose) {
  const int32_t row = view->rank - (transpose ? 1 : 2), column = view->rank - (transpose ? 2 : 1);
  return (struct matrix){view->storage, view->rank == 3 ? view->extents[0] : 1,
                         view->extents[row], view->extents[column],
                         view->offset, view->rank == 3 ? view->strides[0] : 0,
                         view->strides[row], view->strides[column]};
}

/* BLAS wants one of the strides to be 1; the other is then the leading dimension. */
static bool fits_blas(const struct matrix *matrix, bool *transpose, size_t *leading) {
  *transpose = matrix->column_stride != 1;
  const int64_t inner = *transpose ? matrix->row_stride : matrix->column_stride, outer = *transpose ? matrix->column_stride : matrix->row_stride;
  *leading = (size_t)outer;
  return inner == 1 && outer >= (*transpose ? matrix->rows : matrix->columns);
}

/* False when the operands do not lie as BLAS wants them. */
static bool lower_clblast(struct assay_cl_lowering *lowering, const struct matrix *a, const struct matrix *b, int32_t y) {
  struct assay_cl_gemm gemm = {.rows = (size_t)a->rows,
                               .columns = (size_t)b->columns,
                               .depth = (size_t)a->columns,
                               .a_offset = (size_t)a->offset,
                               .b_offset = (size_t)b->offset};
  if (!fits_blas(a, &gemm.transpose_a, &gemm.a_leading) || !fits_blas(b, &gemm.transpose_b, &gemm.b_leading)) return false;
  size_t temporary = 0;
  if (CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, gemm.transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
                                 gemm.transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, gemm.rows, gemm.columns, gemm.depth, gemm.a_offset, gemm.a_leading,
                                 gemm.b_offset, gemm.b_leading, 0, gemm.columns, &lowering->device->queue, &temporary) != CLBlastSuccess)
    return false;
  struct assay_cl_gemm *kept = ASSAY_CL_NEW(lowering->pool, struct assay_cl_gemm, 1);
  if (!kept) {
    assay_cl_lowering_memory(lowering);
    return true;
  }
  *kept = gemm;
  struct assay_cl_step *step = assay_cl_step_source(lowering, NULL, "CLBlastSgemm", NULL, 4);
  step->gemm = kept;
  assay_cl_memory(lowering, step, a->storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, b->storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y, ASSAY_CL_WRITE);
  if (temporary) assay_cl_memory(lowering, step, assay_cl_storage_add(lowering, ASSAY_CL_WORKSPACE, 0, temporary), ASSAY_CL_WRITE);
  return true;
}

static void matrix_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct matrix *matrix) {
  assay_cl_integer(lowering, step, matrix->offset);
  assay_cl_integer(lowering, step, matrix->batch_stride);
  assay_cl_integer(lowering, step, matrix->row_stride);
  assay_cl_integer(lowering, step, matrix->column_stride);
}

static int64_t pieces(int64_t extent, int64_t piece) { return (extent + piece - 1) / piece; }

/* The inner extent is followed four numbers at a time: they lie side by side, and rows and matrices begin at multiples of four. */
static bool along_depth(const struct matrix *matrix, int64_t depth_stride, int64_t stride) {
  return depth_stride == 1 && matrix->offset % 4 == 0 && matrix->batch_stride % 4 == 0 && stride % 4 == 0;
}

static void product_arguments(struct assay_cl_lowering *lowering, struct assay_cl_step *step, const struct matrix *a, const struct matrix *b) {
  assay_cl_memory(lowering, step, a->storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, b->storage, ASSAY_CL_READ);
  assay_cl_integer(lowering, step, a->rows);
  assay_cl_integer(lowering, step, b->columns);
  assay_cl_integer(lowering, step, a->columns);
  matrix_arguments(lowering, step, a);
  matrix_arguments(lowering, step, b);
}

static void lower_dots(struct assay_cl_lowering *lowering, const struct matrix *a, const struct matrix *b, const struct assay_cl_tail *tail) {
  struct assay_cl_step *step = assay_cl_step_with_tail(lowering, "matmul", "matmul_dots", "", 13, tail);
  product_arguments(lowering, step, a, b);
  assay_cl_tail_arguments(lowering, step, tail);
  assay_cl_groups(step, DOT_ITEMS, b->columns, a->rows, a->batch);
}

/* Into stretches of the inner extent, where tiles alone would leave compute units without work. */
static int64_t splits_of(const struct assay_device *device, const struct matrix *a, int64_t groups) {
  int64_t splits = pieces(device->compute_units, groups);
  const int64_t most = pieces(a->columns, LEAST_CHUNK);
  return a->batch > 1 ? 1 : splits < most ? splits : most;
}

static bool few_elements(const struct matrix *a, const struct matrix *b) { return a->rows * b->columns <= FEW_ELEMENTS && a->columns >= LONG_DEPTH; }

static void lower_own(struct assay_cl_lowering *lowering, const struct matrix *a, const struct matrix *b, const struct assay_cl_tail *tail) {
  if (few_elements(a, b)) {
    lower_dots(lowering, a, b, tail);
    return;
  }
  const struct assay_cl_tile tile = assay_cl_tile_choose(lowering->device, ASSAY_CL_MATMUL, a->rows, b->columns, a->batch);
  const int64_t across = pieces(b->columns, tile.columns), down = pieces(a->rows, tile.rows), depth = a->columns;
  int64_t splits = tail->definition ? 1 : splits_of(lowering->device, a, across * down);
  const int64_t chunk = pieces(pieces(depth, splits), tile.depth) * tile.depth;
  splits = pieces(depth, chunk);
  const struct assay_tensor_type partial_type = {ASSAY_F32, 2, {splits, a->rows * b->columns}};
  struct assay_cl_tail store = *tail;
  if (splits > 1) store.result = assay_cl_temporary(lowering, &partial_type);
  const bool whole = depth % 4 == 0;
  const char *options = assay_cl_tile_options(lowering, &tile, whole && along_depth(a, a->column_stride, a->row_stride)
                                                                   ? whole && along_depth(b, b->row_stride, b->column_stride) ? " -D A_ALONG_DEPTH=1 -D B_ALONG_DEPTH=1" : " -D A_ALONG_DEPTH=1"
                                                               : whole && along_depth(b, b->row_stride, b->column_stride) ? " -D B_ALONG_DEPTH=1" : "");
  struct assay_cl_step *step = assay_cl_step_with_tail(lowering, "matmul", "matmul_tiles", options, 15, &store);
  product_arguments(lowering, step, a, b);
  assay_cl_integer(lowering, step, splits);
  assay_cl_integer(lowering, step, chunk);
  assay_cl_tail_arguments(lowering, step, &store);
  assay_cl_groups(step, assay_cl_tile_items(&tile), across, down, a->batch * splits);
  if (splits > 1) assay_cl_reduce(lowering, &store.result, 1, false, &tail->result);
}

static bool is_for_clblast(const struct assay_cl_lowering *lowering, const struct matrix *a, const struct matrix *b) {
  return a->batch == 1 && assay_cl_gemm_by_clblast(lowering->device, a->rows, b->columns, a->columns);
}

/* CLBlast's products end in memory, and one that is cut into stretches is not finished in its kernel. */
bool assay_cl_takes_tail(const struct assay_cl_lowering *lowering, const struct assay_node *node) {
  if (node->op != ASSAY_OP_MATMUL) return true;
  const struct assay_matmul_attributes *attributes = node->attributes;
  const struct assay_cl_view view_a = assay_cl_view_dense(assay_cl_type(lowering, node->inputs[0]), 0), view_b = assay_cl_view_dense(assay_cl_type(lowering, node->inputs[1]), 0);
  const struct matrix a = matrix_of(&view_a, attributes->transpose_a), b = matrix_of(&view_b, attributes->transpose_b);
  if (is_for_clblast(lowering, &a, &b)) return false;
  if (few_elements(&a, &b)) return true;
  const struct assay_cl_tile tile = assay_cl_tile_choose(lowering->device, ASSAY_CL_MATMUL, a.rows, b.columns, a.batch);
  return splits_of(lowering->device, &a, pieces(b.columns, tile.columns) * pieces(a.rows, tile.rows)) == 1;
}

void assay_cl_lower_matmul(struct assay_cl_lowering *lowering, const struct assay_node *node, const struct assay_cl_tail *tail) {
  const struct assay_matmul_attributes *attributes = node->attributes;
  struct assay_cl_view view_a = assay_cl_readable(lowering, node->inputs[0]), view_b = assay_cl_readable(lowering, node->inputs[1]);
  const struct matrix a = matrix_of(&view_a, attributes->transpose_a), b = matrix_of(&view_b, attributes->transpose_b);
  if (is_for_clblast(lowering, &a, &b) && lower_clblast(lowering, &a, &b, tail->result.storage)) return;
  lower_own(lowering, &a, &b, tail);
}
