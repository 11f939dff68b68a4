/* SPDX-License-Identifier: MIT
 *
 * JPEG through libjpeg-turbo. Its warnings about damage are errors here; others (an odd marker, a few superfluous bytes) are let pass.
 */
#include "base/status.h"
#include "data/decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
  MOST_SCANS = 100, /* a picture has about ten; thousands are an attack that makes a small file run for hours; see count_scans for large pictures */
  ROWS = 8,         /* decoded at a time */
  MOST_SPARE = 64   /* bytes before a marker that decoding did not need: some cameras pad, but more means that it lost its way */
};

struct reader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  bool too_many_scans;
};

static void escape(j_common_ptr jpeg) { longjmp(((struct reader *)jpeg->client_data)->escape, 1); }

static bool means_damage(const struct jpeg_error_mgr *errors) {
  switch (errors->msg_code) {
  case JWRN_EXTRANEOUS_DATA: return errors->msg_parm.i[0] > MOST_SPARE;
  case JWRN_HIT_MARKER:
  case JWRN_HUFF_BAD_CODE:
  case JWRN_JPEG_EOF:
  case JWRN_MUST_RESYNC:
  case JWRN_BOGUS_PROGRESSION:
  case JWRN_ARITH_BAD_CODE: return true;
  default: return false;
  }
}

static void note_message(j_common_ptr jpeg, int level) {
  if (level < 0 && means_damage(jpeg->err)) escape(jpeg);
}

static void drop_message(j_common_ptr jpeg) { (void)jpeg; }

static void count_scans(j_common_ptr jpeg) {
  struct reader *reader = jpeg->client_data;
  const uint64_t scans = (uint64_t)reader->jpeg.input_scan_number, pixels = (uint64_t)reader->jpeg.image_width * reader->jpeg.image_height;
  if (scans <= MOST_SCANS && scans * pixels <= (uint64_t)1 << 33) return;
  reader->too_many_scans = true;
  escape(jpeg);
}

static int explain(struct assay_decode *decode, struct reader *reader) {
  if (reader->too_many_scans) return assay_decode_fail(decode, "JPEG data has %d scans or more, which no camera makes; save it again", reader->jpeg.input_scan_number);
  const int code = reader->errors.msg_code;
  if (code == JERR_OUT_OF_MEMORY) return assay_status_memory(decode->status);
  if (code == JWRN_JPEG_EOF || code == JERR_INPUT_EOF || code == JERR_INPUT_EMPTY)
    return assay_decode_fail(decode, "JPEG data ends too early: the file is truncated; copy it again");
  char words[JMSG_LENGTH_MAX], text[JMSG_LENGTH_MAX];
  reader->errors.format_message((j_common_ptr)&reader->jpeg, words);
  assay_decode_quote(words, text, sizeof text);
  return assay_decode_fail(decode, "JPEG data is damaged or of a kind that is not read (%s); copy or save it again", text);
}

static uint32_t find_orientation(const struct jpeg_decompress_struct *jpeg) {
  for (const struct jpeg_marker_struct *marker = jpeg->marker_list; marker != NULL; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length > 6 && memcmp(marker->data, "Exif\0\0", 6) == 0)
      return assay_exif_orientation(marker->data + 6, marker->data_length - 6);
  return 1;
}

static int choose_colours(struct assay_decode *decode, struct jpeg_decompress_struct *jpeg) {
  switch (jpeg->jpeg_color_space) {
  case JCS_GRAYSCALE: jpeg->out_color_space = JCS_GRAYSCALE; return 0;
  case JCS_YCbCr: jpeg->out_color_space = decode->request->grey ? JCS_GRAYSCALE : JCS_RGB; return 0;
  case JCS_RGB: jpeg->out_color_space = JCS_RGB; return 0;
  case JCS_CMYK:
  case JCS_YCCK: jpeg->out_color_space = JCS_CMYK; return 0;
  default: return assay_decode_fail(decode, "JPEG data has %d channels of unknown meaning; save it as RGB or grey", jpeg->num_components);
  }
}

/* Without a profile, ink subtracts: R = (1 - C)(1 - K). Adobe's programs store the values inverted. */
static void cmyk_row(const uint8_t *cmyk, uint8_t *rgb, uint32_t width, bool inverted) {
  for (uint32_t x = 0; x < width; x++, cmyk += 4)
    for (int c = 0; c < 3; c++) {
      const uint32_t colour = inverted ? cmyk[c] : 255u - cmyk[c], black = inverted ? cmyk[3] : 255u - cmyk[3];
      *rgb++ = (uint8_t)((colour * black + 127) / 255);
    }
}

/* Rows that nobody looks at are passed over without their transform; what lies behind the last needed one is not even read. */
static int read_rows(struct assay_decode *decode, struct jpeg_decompress_struct *jpeg) {
  const uint32_t width = jpeg->output_width, channels = jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3;
  const bool inks = jpeg->out_color_space == JCS_CMYK;
  const int result = assay_decode_begin(decode, width, jpeg->output_height, channels, 8);
  if (result != 0) return result;
  JSAMPARRAY rows = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, (inks ? 4 : channels) * width, ROWS);
  JSAMPARRAY mixed = inks ? jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 3 * width, 1) : NULL;
  const struct assay_needs needs = decode->needs;
  if (needs.first_row > 0) jpeg_skip_scanlines(jpeg, needs.first_row);
  while (jpeg->output_scanline < needs.row_end) {
    const uint32_t y = jpeg->output_scanline, count = jpeg_read_scanlines(jpeg, rows, ROWS);
    for (uint32_t i = 0; i < count; i++) {
      if (inks) cmyk_row(rows[i], mixed[0], width, jpeg->saw_Adobe_marker);
      assay_decode_row(decode, y + i, inks ? mixed[0] : rows[i]);
    }
  }
  if (needs.row_end == jpeg->output_height) jpeg_finish_decompress(jpeg);
  return 0;
}

static int read_jpeg(struct assay_decode *decode, struct reader *reader) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg->mem->max_memory_to_use = 1L << 31;
  jpeg->progress = &reader->progress;
  jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_mem_src(jpeg, decode->bytes, decode->size);
  jpeg_read_header(jpeg, TRUE);
  int result = assay_decode_extents(decode, jpeg->image_width, jpeg->image_height, (uint32_t)jpeg->num_components, (uint32_t)jpeg->data_precision);
  if (result == 0) result = choose_colours(decode, jpeg);
  if (result != 0) return result;
  decode->facts->orientation = find_orientation(jpeg);
  jpeg->scale_num = 1;
  jpeg->scale_denom = assay_decode_divisor(decode);
  jpeg_start_decompress(jpeg);
  return read_rows(decode, jpeg);
}

static int read_guarded(struct assay_decode *decode, struct reader *reader) {
  return setjmp(reader->escape) == 0 ? read_jpeg(decode, reader) : explain(decode, reader);
}

int assay_decode_jpeg(struct assay_decode *decode) {
  struct reader reader;
  memset(&reader, 0, sizeof reader);
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.jpeg.client_data = &reader;
  reader.errors.error_exit = escape;
  reader.errors.emit_message = note_message;
  reader.errors.output_message = drop_message;
  reader.progress.progress_monitor = count_scans;
  const int result = read_guarded(decode, &reader);
  jpeg_destroy_decompress(&reader.jpeg);
  return result;
}
