/* SPDX-License-Identifier: MIT
 *
 * Netpbm's portable anymaps: P1 to P3 (plain), P4 to P6 (raw), P7 (PAM), samples of 1 to 16 bits. The first picture of a file counts.
 */
#include "base/status.h"
#include "data/decode.h"

#include <stdlib.h>
#include <string.h>

struct anymap {
  uint32_t width, height, samples, most; /* samples a pixel, alpha among them; the largest value */
  size_t data;
  bool plain, bits; /* P1 … P3; P4's packed bits */
  bool inverted;    /* P1, P4: 1 is black */
};

static bool is_blank(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

static int fail_short(struct assay_decode *decode) { return assay_decode_fail(decode, "PNM data ends too early: the file is truncated; copy it again"); }
static int fail_header(struct assay_decode *decode) { return assay_decode_fail(decode, "PNM header is damaged; copy or save it again"); }

/* Blanks and comments to the end of their line. */
static void skip_blanks(const struct assay_decode *decode, size_t *at) {
  while (*at < decode->size) {
    if (decode->bytes[*at] == '#') {
      while (*at < decode->size && decode->bytes[*at] != '\n') ++*at;
    } else if (is_blank(decode->bytes[*at])) {
      ++*at;
    } else {
      return;
    }
  }
}

/* A decimal number of at most nine digits. */
static bool read_number(const struct assay_decode *decode, size_t *at, uint32_t *number) {
  skip_blanks(decode, at);
  const size_t start = *at;
  *number = 0;
  for (; *at < decode->size && decode->bytes[*at] >= '0' && decode->bytes[*at] <= '9' && *at - start < 9; ++*at)
    *number = *number * 10 + (decode->bytes[*at] - '0');
  return *at > start;
}

static int read_header(struct assay_decode *decode, struct anymap *map, char kind) {
  size_t at = 2;
  map->plain = kind <= '3';
  map->inverted = kind == '1' || kind == '4';
  map->bits = kind == '4';
  map->samples = kind == '3' || kind == '6' ? 3 : 1;
  map->most = 1;
  if (!read_number(decode, &at, &map->width) || !read_number(decode, &at, &map->height)) return fail_header(decode);
  if (!map->inverted && !read_number(decode, &at, &map->most)) return fail_header(decode);
  if (!map->plain) {
    if (at >= decode->size || !is_blank(decode->bytes[at])) return fail_header(decode);
    at++;
  }
  map->data = at;
  return 0;
}

/* PAM: lines "WIDTH 3", "HEIGHT 2", "DEPTH 4", "MAXVAL 255", "TUPLTYPE RGB_ALPHA", "ENDHDR". */
static int read_pam_header(struct assay_decode *decode, struct anymap *map) {
  static const char *const words[] = {"WIDTH", "HEIGHT", "DEPTH", "MAXVAL"};
  uint32_t *const numbers[] = {&map->width, &map->height, &map->samples, &map->most};
  size_t at = 2;
  for (;;) {
    skip_blanks(decode, &at);
    const size_t start = at;
    while (at < decode->size && !is_blank(decode->bytes[at])) at++;
    if (at == start) return fail_header(decode);
    const char *word = (const char *)decode->bytes + start;
    if (at - start == 6 && memcmp(word, "ENDHDR", 6) == 0) break;
    int which = -1;
    for (int i = 0; i < 4; i++)
      if (at - start == strlen(words[i]) && memcmp(word, words[i], at - start) == 0) which = i;
    if (which >= 0 && !read_number(decode, &at, numbers[which])) return fail_header(decode);
    while (at < decode->size && decode->bytes[at] != '\n') at++;
  }
  while (at < decode->size && decode->bytes[at] != '\n') at++;
  map->data = at + 1;
  return map->samples >= 1 && map->samples <= 4 ? 0 : fail_header(decode);
}

/* ---- Rows ---- */

static int fail_value(struct assay_decode *decode, const struct anymap *map) {
  return assay_decode_fail(decode, "PNM data has a value beyond its largest, %u; copy or save it again", map->most);
}

/* The next values from `at` on, which moves. */
static int read_plain(struct assay_decode *decode, const struct anymap *map, size_t *at, uint16_t *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t value;
    if (map->inverted) { /* digits of P1 need no blanks between them */
      skip_blanks(decode, at);
      if (*at >= decode->size) return fail_short(decode);
      value = decode->bytes[(*at)++] - (uint32_t)'0';
    } else if (!read_number(decode, at, &value)) {
      return *at >= decode->size ? fail_short(decode) : assay_decode_fail(decode, "PNM data has something that is not a number; copy or save it again");
    }
    if (value > map->most) return fail_value(decode, map);
    values[i] = (uint16_t)value;
  }
  return 0;
}

static int read_raw(struct assay_decode *decode, const struct anymap *map, const uint8_t *row, uint16_t *values, size_t count) {
  uint32_t most = 0;
  for (size_t i = 0; i < count; i++) {
    values[i] = map->bits ? row[i / 8] >> (7 - i % 8) & 1 : map->most > 255 ? (uint16_t)(row[2 * i] << 8 | row[2 * i + 1]) : row[i];
    if (values[i] > most) most = values[i];
  }
  return most <= map->most ? 0 : fail_value(decode, map);
}

/* Stretches 0 … most to the whole range of the depth; in place for 16 bits. */
static void stretch(const struct anymap *map, const uint16_t *values, void *samples, size_t count, uint32_t depth) {
  const uint32_t range = depth == 8 ? 255 : 65535;
  for (size_t i = 0; i < count; i++) {
    const uint32_t value = map->inverted ? map->most - values[i] : values[i];
    const uint32_t wide = map->most == range ? value : (uint32_t)(((uint64_t)value * range + map->most / 2) / map->most);
    if (depth == 8) ((uint8_t *)samples)[i] = (uint8_t)wide; /* in place, too: what is written never overtakes what is read */
    else ((uint16_t *)samples)[i] = (uint16_t)wide;
  }
}

/* `values`: a line of samples. */
static int read_rows(struct assay_decode *decode, const struct anymap *map, uint32_t colours, uint32_t depth, uint16_t *values) {
  const size_t count = (size_t)map->width * map->samples, stride = map->bits ? (count + 7) / 8 : count * (map->most > 255 ? 2 : 1);
  size_t at = map->data;
  for (uint32_t y = map->plain ? 0 : decode->needs.first_row; y < decode->needs.row_end; y++) {
    const int result = map->plain ? read_plain(decode, map, &at, values, count) : read_raw(decode, map, decode->bytes + map->data + y * stride, values, count);
    if (result != 0) return result;
    stretch(map, values, values, count, depth);
    if (map->samples != colours) assay_decode_composite(values, values, map->width, colours, depth);
    assay_decode_row(decode, y, values);
  }
  return 0;
}

static uint32_t bits_of(uint32_t most) { return 32 - (uint32_t)__builtin_clz(most); }

int assay_decode_pnm(struct assay_decode *decode) {
  struct anymap map = {0};
  const char kind = (char)decode->bytes[1];
  int result = kind == '7' ? read_pam_header(decode, &map) : read_header(decode, &map, kind);
  if (result != 0) return result;
  if (map.most == 0 || map.most > 65535) return assay_decode_fail(decode, "PNM header says that the largest value is %u; it must be 1 to 65535", map.most);
  result = assay_decode_extents(decode, map.width, map.height, map.samples, bits_of(map.most));
  if (result != 0) return result;
  const size_t count = (size_t)map.width * map.height * map.samples;
  const size_t needed = map.plain  ? (map.inverted ? count : 2 * count - 1)
                        : map.bits ? ((size_t)map.width + 7) / 8 * map.height
                                   : count * (map.most > 255 ? 2 : 1);
  if (map.data > decode->size || decode->size - map.data < needed) return fail_short(decode);
  const uint32_t colours = map.samples >= 3 ? 3 : 1, depth = map.most > 255 ? 16 : 8;
  result = assay_decode_begin(decode, map.width, map.height, colours, depth);
  if (result != 0) return result;
  uint16_t *values = malloc((size_t)map.width * map.samples * sizeof *values);
  if (values == NULL) return assay_status_memory(decode->status);
  result = read_rows(decode, &map, colours, depth, values);
  free(values);
  return result;
}
