/* SPDX-License-Identifier: MIT
 *
 * Contact sheets, read back from their PNG, and the warnings about what a network sees.
 */
#include "harness.h"

#include "base/arena.h"
#include "base/file.h"
#include "data/image.h"
#include "report/advice.h"
#include "report/sheet.h"

#include <string.h>
#include <unistd.h>

static struct assay_arena *arena;
static struct assay_status status;

static void setup(void) { arena = assay_arena_create(); }
static void teardown(void) { assay_arena_release(arena); }

static struct assay_image read_back(struct assay_sheet *sheet) {
  char path[] = "/tmp/assay-sheet-XXXXXX", *bytes;
  size_t size;
  close(mkstemp(path));
  ck_assert_msg(assay_sheet_write(sheet, path, &status) == 0, "%s", status.message);
  assay_sheet_release(sheet);
  ck_assert_int_eq(assay_file_read(path, 1 << 24, ASSAY_E_DATA, &bytes, &size, &status), 0);
  unlink(path);
  struct assay_image image;
  const struct assay_image_request request = {0};
  ck_assert_msg(assay_image_decode((const uint8_t *)bytes, size, &request, &image, NULL, &status) == 0, "%s", status.message);
  free(bytes);
  return image;
}

static const uint8_t *at(const struct assay_image *image, uint32_t x, uint32_t y) {
  return (const uint8_t *)image->pixels + ((size_t)y * image->width + x) * image->channels;
}

/* Counts pixels of a colour, and the box that holds them. */
static uint32_t count_of(const struct assay_image *image, const uint8_t colour[3], uint32_t box[4]) {
  uint32_t count = 0;
  box[0] = box[1] = UINT32_MAX, box[2] = box[3] = 0;
  for (uint32_t y = 0; y < image->height; y++)
    for (uint32_t x = 0; x < image->width; x++) {
      if (memcmp(at(image, x, y), colour, 3) != 0) continue;
      count++;
      if (x < box[0]) box[0] = x;
      if (y < box[1]) box[1] = y;
      if (x > box[2]) box[2] = x;
      if (y > box[3]) box[3] = y;
    }
  return count;
}

START_TEST(small_pictures_are_enlarged_by_whole_factors) {
  static const uint8_t picture[2 * 3 * 3] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  static const uint8_t grey[1] = {77};
  struct assay_sheet *sheet = assay_sheet_create(2, 3, 40, 24, "title");
  ck_assert_int_eq(assay_sheet_put(sheet, 0, picture, 3, 2, 3, "one.png", &status), 0);
  ck_assert_int_eq(assay_sheet_put(sheet, 2, grey, 1, 1, 1, "a name that is much longer than the cell.png", &status), 0);
  struct assay_image image = read_back(sheet);
  uint32_t red[4], other[4];
  ck_assert_uint_eq(count_of(&image, (const uint8_t[]){255, 0, 0}, red), 12 * 12); /* 24 / 2 = 12, and 40 / 3 = 13 */
  ck_assert_uint_eq(count_of(&image, (const uint8_t[]){7, 8, 9}, other), 12 * 12);
  ck_assert_uint_eq(other[0], red[0] + 24);
  ck_assert_uint_eq(other[1], red[1] + 12);
  ck_assert_uint_eq(count_of(&image, (const uint8_t[]){77, 77, 77}, other), 24 * 24); /* cell 2 begins the second row */
  ck_assert_uint_gt(other[1], red[3] + 24);
  assay_image_release(&image);
}
END_TEST

START_TEST(large_pictures_are_averaged) {
  uint8_t *picture = malloc(160 * 80);
  for (int i = 0; i < 160 * 80; i++) picture[i] = i % 2 ? 200 : 100; /* columns by turns */
  struct assay_sheet *sheet = assay_sheet_create(1, 1, 80, 80, "");
  ck_assert_int_eq(assay_sheet_put(sheet, 0, picture, 160, 80, 1, "x", &status), 0);
  struct assay_image image = read_back(sheet);
  uint32_t box[4];
  ck_assert_uint_ge(count_of(&image, (const uint8_t[]){150, 150, 150}, box), 80 * 39);
  ck_assert_uint_eq(box[2] - box[0], 79);
  ck_assert_uint_le(box[3] - box[1], 40);
  assay_image_release(&image);
  free(picture);
}
END_TEST

START_TEST(every_character_has_a_glyph_of_its_own) {
  uint64_t seen[128] = {0};
  for (unsigned character = '!'; character <= '~'; character++) {
    for (uint32_t y = 0; y < 7; y++)
      for (uint32_t x = 0; x < 5; x++) seen[character] = seen[character] << 1 | assay_glyph_pixel((unsigned char)character, x, y);
    ck_assert(seen[character] != 0);
    for (unsigned other = '!'; other < character; other++) ck_assert_msg(seen[other] != seen[character], "%c looks like %c", character, other);
  }
  ck_assert(assay_glyph_pixel(0xC3, 0, 3) && !assay_glyph_pixel(0xC3, 2, 3));
}
END_TEST

/* ---- Warnings ---- */

enum { WIDTH = 24, HEIGHT = 8, COUNT = 4 };

struct scene {
  struct assay_settings settings;
  struct assay_samples samples;
  uint8_t bytes[COUNT][WIDTH * HEIGHT];
  const uint8_t *pixels[COUNT];
  const char *paths[COUNT], *classes[2];
  uint32_t parts[COUNT];
  int32_t labels[COUNT];
};

/* Bright on the left, dark on the right. */
static void make_scene(struct scene *scene) {
  memset(scene, 0, sizeof *scene);
  for (int i = 0; i < COUNT; i++) {
    for (int p = 0; p < WIDTH * HEIGHT; p++) scene->bytes[i][p] = p % WIDTH < WIDTH / 2 ? 200 : 50;
    scene->pixels[i] = scene->bytes[i];
    scene->paths[i] = i == 2 ? "dark.png" : "plain.png";
    scene->labels[i] = i % 2;
  }
  memset(scene->bytes[2], 3, sizeof scene->bytes[2]);
  scene->classes[0] = "good";
  scene->classes[1] = "bad";
  scene->samples = (struct assay_samples){.count = COUNT, .class_count = 2, .height = HEIGHT, .width = WIDTH, .channels = 1, .classes = scene->classes,
                                          .paths = scene->paths, .pixels = scene->pixels, .labels = scene->labels, .parts = scene->parts};
}

static bool warns(struct scene *scene, uint32_t width, uint32_t height, const char *words) {
  struct assay_advice advice;
  ck_assert_int_eq(assay_advise(&scene->settings, &scene->samples, width, height, scene->bytes[0], scene->bytes[1], 1, arena, &advice, &status), 0);
  for (uint32_t i = 0; i < advice.count; i++)
    if (strstr(advice.sentences[i], words) != NULL) return true;
  return false;
}

START_TEST(warnings_come_when_they_should) {
  struct scene scene;
  make_scene(&scene);
  double *most = scene.settings.augment.most;
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "[data] size"));
  ck_assert(warns(&scene, 10 * WIDTH, HEIGHT, "less than 50 pixels"));
  /* What fit = crop cuts off is no shrinking: a window as high as the image. */
  scene.settings.data.fitting.fit = ASSAY_FIT_CROP;
  ck_assert(!warns(&scene, 4 * WIDTH, HEIGHT, "[data] size"));
  ck_assert(warns(&scene, 4 * WIDTH, HEIGHT, "fit = crop: 75 % of the width"));
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "fit = crop"));
  ck_assert(warns(&scene, 10 * WIDTH, 10 * HEIGHT, "less than 50 pixels"));
  scene.settings.data.fitting.fit = ASSAY_FIT_STRETCH;
  /* A region is what is shrunk, not the image around it. */
  scene.settings.data.fitting.region = (struct assay_region){.width = WIDTH, .height = HEIGHT};
  ck_assert(!warns(&scene, 10 * WIDTH, 10 * HEIGHT, "[data] size"));
  scene.settings.data.fitting.region = (struct assay_region){0};
  ck_assert(warns(&scene, WIDTH, HEIGHT, "nearly black (mean below 20 of 255), such as dark.png"));
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "nearly white"));
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "[augment]"));
  most[ASSAY_AUGMENT_QUARTER_TURNS] = 0.5;
  ck_assert(warns(&scene, WIDTH, HEIGHT, "quarter_turns: a turn by 90 degrees cuts off 67 %"));
  most[ASSAY_AUGMENT_FLIP_VERTICAL] = 0.5;
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "flip_vertical"));
  most[ASSAY_AUGMENT_FLIP_HORIZONTAL] = 0.5;
  ck_assert(warns(&scene, WIDTH, HEIGHT, "flip_horizontal: left and right differ throughout these images"));
  scene.classes[1] = "label upside_down";
  ck_assert(warns(&scene, WIDTH, HEIGHT, "flip_vertical: the name of class label upside_down"));
  most[ASSAY_AUGMENT_BLUR] = 2;
  ck_assert(warns(&scene, 3 * WIDTH, HEIGHT, "less than 5 pixels (15 of the original image)"));
  most[ASSAY_AUGMENT_BLUR] = 0.5;
  ck_assert(!warns(&scene, 3 * WIDTH, HEIGHT, "[augment] blur"));
  scene.settings.data.min_defect = 3;
  ck_assert(warns(&scene, 3 * WIDTH, HEIGHT, "are washed out by it, those of [data] min_defect too"));
  most[ASSAY_AUGMENT_CROP] = 0.1;
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "[augment] crop"));
  most[ASSAY_AUGMENT_CROP] = 0.4;
  ck_assert(warns(&scene, WIDTH, HEIGHT, "[augment] crop: up to 40 % of each side"));
  most[ASSAY_AUGMENT_HUE] = 20;
  ck_assert(warns(&scene, WIDTH, HEIGHT, "no effect on grey images"));
  most[ASSAY_AUGMENT_CUTOUT] = 0.6;
  ck_assert(warns(&scene, WIDTH, HEIGHT, "up to 60 %"));
  most[ASSAY_AUGMENT_BRIGHTNESS] = 0.6;
  ck_assert(!warns(&scene, WIDTH, HEIGHT, "are black or white"));
  memset(scene.bytes[1], 255, WIDTH * HEIGHT / 2);
  ck_assert(warns(&scene, WIDTH, HEIGHT, "50 % of the augmented pixels are black or white, 0 % before"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sheet");
  TCase *tests = tcase_create("sheet");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, small_pictures_are_enlarged_by_whole_factors);
  tcase_add_test(tests, large_pictures_are_averaged);
  tcase_add_test(tests, every_character_has_a_glyph_of_its_own);
  tcase_add_test(tests, warnings_come_when_they_should);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
