/* SPDX-License-Identifier: MIT
 *
 * Lowering of matrix products. CLBlast takes the large ones (option `clblast_from`, in multiply-adds): it is fast, but compiles for seconds
 * (on PoCL 20) when a process first uses it. The smaller ones and batches go to kernels/matmul.cl, which follows any strides.
 */
#include "backends/opencl/lower.h"

#include <clblast_c.h>

enum { ITEMS = 64, TILE_ROWS = 16, TILE_COLUMNS = 64, FEW_ELEMENTS = 256, LONG_DEPTH = 256 };

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
  assay_cl_natural(lowering, step, matrix->offset);
  assay_cl_natural(lowering, step, matrix->batch_stride);
  assay_cl_natural(lowering, step, matrix->row_stride);
  assay_cl_natural(lowering, step, matrix->column_stride);
}

static void lower_own(struct assay_cl_lowering *lowering, const struct matrix *a, const struct matrix *b, int32_t y) {
  const bool dots = a->rows * b->columns <= FEW_ELEMENTS && a->columns >= LONG_DEPTH;
  struct assay_cl_step *step = assay_cl_step(lowering, "matmul", dots ? "matmul_dots" : "matmul_tiles", "", 14);
  assay_cl_memory(lowering, step, a->storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, b->storage, ASSAY_CL_READ);
  assay_cl_memory(lowering, step, y, ASSAY_CL_WRITE);
  assay_cl_natural(lowering, step, a->rows);
  assay_cl_natural(lowering, step, b->columns);
  assay_cl_natural(lowering, step, a->columns);
  matrix_arguments(lowering, step, a);
  matrix_arguments(lowering, step, b);
  if (dots) assay_cl_groups(step, ITEMS, b->columns, a->rows, a->batch);
  else assay_cl_groups(step, ITEMS, (b->columns + TILE_COLUMNS - 1) / TILE_COLUMNS, (a->rows + TILE_ROWS - 1) / TILE_ROWS, a->batch);
}

void assay_cl_lower_matmul(struct assay_cl_lowering *lowering, const struct assay_node *node) {
  const struct assay_matmul_attributes *attributes = node->attributes;
  struct assay_cl_view view_a = assay_cl_readable(lowering, node->inputs[0]), view_b = assay_cl_readable(lowering, node->inputs[1]);
  struct matrix a = matrix_of(&view_a, attributes->transpose_a), b = matrix_of(&view_b, attributes->transpose_b);
  const uint64_t work = (uint64_t)a.rows * (uint64_t)b.columns * (uint64_t)a.columns;
  const bool large = a.batch == 1 && work >= lowering->device->clblast_from;
  const struct assay_cl_view y = assay_cl_result(lowering, node->first_output);
  if (large && lower_clblast(lowering, &a, &b, y.storage)) return;
  lower_own(lowering, &a, &b, y.storage);
}
