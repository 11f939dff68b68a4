/* SPDX-License-Identifier: MIT
 *
 * The ground floor: arenas, numbers from text, spelling, files, hashes, random numbers.
 */
#include "harness.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"
#include "base/status.h"
#include "base/text.h"

#include <assay/random.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(philox_matches_published_vectors) {
  /* kat_vectors of the Random123 distribution, philox4x32, 10 rounds. */
  static const uint32_t cases[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    assay_philox(cases[i], cases[i] + 4, out);
    ck_assert_mem_eq(out, cases[i] + 6, sizeof out);
  }
}
END_TEST

START_TEST(random_stream_is_uniform) {
  struct assay_random random = assay_random_seed(7, 3);
  double sum = 0, squares = 0;
  uint32_t counts[6] = {0};
  for (int i = 0; i < 60000; i++) {
    const double u = assay_random_uniform(&random);
    ck_assert(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
    counts[assay_random_below(&random, 6)]++;
  }
  ck_assert_double_eq_tol(sum / 60000, 0.5, 0.006);
  ck_assert_double_eq_tol(squares / 60000, 1.0 / 3, 0.006);
  for (int i = 0; i < 6; i++) ck_assert_int_lt(abs((int)counts[i] - 10000), 500);
}
END_TEST

START_TEST(arena_aligns_and_refuses_overflow) {
  struct assay_arena *arena = assay_arena_create();
  char *a = assay_arena_take(arena, 1, 3);
  char *large = assay_arena_take(arena, 1, 100000);
  char *b = assay_arena_take(arena, 1, 1);
  ck_assert_ptr_nonnull(large);
  ck_assert_uint_eq((uintptr_t)b % _Alignof(max_align_t), 0);
  ck_assert_ptr_eq(b, a + _Alignof(max_align_t)); /* a large block does not end the chunk in use */
  ck_assert_int_eq(large[99999], 0);
  ck_assert_ptr_null(assay_arena_take(arena, SIZE_MAX / 2, 4));
  ck_assert_ptr_null(assay_arena_take(arena, SIZE_MAX - 8, 1));
  ck_assert_str_eq(assay_arena_print(arena, "%s-%d", "fold", 3), "fold-3");
  assay_arena_release(arena);
}
END_TEST

START_TEST(integers_are_strict) {
  int64_t value = 0;
  ck_assert(assay_parse_integer("-42", &value) && value == -42);
  ck_assert(assay_parse_integer("9223372036854775807", &value) && value == INT64_MAX);
  static const char *const wrong[] = {"", " 1", "1 ", "12abc", "010", "0x10", "9223372036854775808", "1e3", "--1", "1.0"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) ck_assert_msg(!assay_parse_integer(wrong[i], &value), "'%s' was taken", wrong[i]);
}
END_TEST

START_TEST(reals_are_strict_and_round_trip) {
  double value = 0;
  ck_assert(assay_parse_real("1e-3", &value) && value == 0.001);
  ck_assert(assay_parse_real(".5", &value) && value == 0.5);
  ck_assert(assay_parse_real("0.25", &value) && value == 0.25);
  static const char *const wrong[] = {"", "nan", "inf", "1e999", "0x1p3", "1,5", "1.5 ", "00.5", "-", "."};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) ck_assert_msg(!assay_parse_real(wrong[i], &value), "'%s' was taken", wrong[i]);
  char text[32];
  assay_print_real(0.1, text);
  ck_assert_str_eq(text, "0.1");
  assay_print_real(1.0 / 3, text);
  ck_assert(assay_parse_real(text, &value) && value == 1.0 / 3);
  assay_print_real(INFINITY, text);
  ck_assert_str_eq(text, "inf");
}
END_TEST

START_TEST(nearest_word) {
  static const char *const words[] = {"learning_rate", "momentum", "epochs", NULL};
  ck_assert_str_eq(assay_nearest("learnign_rate", words), "learning_rate");
  ck_assert_str_eq(assay_nearest("epoch", words), "epochs");
  ck_assert_ptr_null(assay_nearest("zebra", words));
}
END_TEST

START_TEST(printable_is_valid_utf8) {
  ck_assert(assay_is_printable("Riß №5"));
  ck_assert(!assay_is_printable("a\x01"));
  ck_assert(!assay_is_printable("\xC0\x80"));
  ck_assert(!assay_is_printable("\xED\xA0\x80"));
  ck_assert(!assay_is_printable("\xE2\x82"));
}
END_TEST

START_TEST(files_are_replaced_whole) {
  char folder[] = "/tmp/assay-base-XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(folder));
  struct assay_arena *arena = assay_arena_create();
  struct assay_status status = {0};
  char *path = assay_path_join(arena, folder, "a/b/file.txt");
  ck_assert_int_eq(assay_folder_create(assay_path_folder(arena, path), &status), 0);
  ck_assert_int_eq(assay_file_write(path, "one", 3, &status), 0);
  ck_assert_int_eq(assay_file_write(path, "two!", 4, &status), 0);
  char *data;
  size_t size;
  ck_assert_int_eq(assay_file_read(path, 100, ASSAY_E_DATA, &data, &size, &status), 0);
  ck_assert_uint_eq(size, 4);
  ck_assert_str_eq(data, "two!");
  free(data);
  ck_assert_int_eq(assay_file_read(path, 3, ASSAY_E_DATA, &data, &size, &status), ASSAY_E_DATA);
  ck_assert_ptr_nonnull(strstr(status.message, "more than the 3"));
  ck_assert_int_eq(assay_file_read(folder, 3, ASSAY_E_CONFIG, &data, &size, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "is a folder"));
  ck_assert_int_eq(assay_file_write("/nowhere/at/all", "x", 1, &status), ASSAY_E_STORAGE);
  assay_arena_release(arena);
}
END_TEST

START_TEST(hash_matches_xxhsum) {
  /* xxhsum -H2 of the empty input and of "assay" are fixed by the XXH3 specification. */
  struct assay_hash empty = assay_hash_bytes("", 0);
  char text[33];
  assay_hash_print(&empty, text);
  ck_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
  struct assay_hasher *hasher = assay_hasher_create();
  assay_hasher_add(hasher, "as", 2);
  assay_hasher_add(hasher, "say", 3);
  struct assay_hash pieces = assay_hasher_finish(hasher), whole = assay_hash_bytes("assay", 5);
  ck_assert_mem_eq(&pieces, &whole, sizeof whole);
}
END_TEST

START_TEST(exit_codes_follow_the_table) {
  ck_assert_int_eq(assay_exit_code(ASSAY_OK), 0);
  ck_assert_int_eq(assay_exit_code(ASSAY_E_CONFIG), 2);
  ck_assert_int_eq(assay_exit_code(ASSAY_E_FINDINGS), 7);
  ck_assert_int_eq(assay_exit_code(ASSAY_E_MEMORY), 4);
}
END_TEST

START_TEST(children_end_in_time) {
  struct assay_text output = {0};
  struct assay_process_end end;
  char words[96];
  ck_assert_int_eq(assay_process_run((const char *const[]){"/bin/sh", "-c", "echo hello; exit 3", NULL}, 10, &output, &end, NULL), 0);
  ck_assert_str_eq(output.data, "hello\n");
  ck_assert_int_eq(end.code, 3);
  ck_assert_int_eq(assay_process_run((const char *const[]){"/bin/sh", "-c", "kill -SEGV $$", NULL}, 10, NULL, &end, NULL), 0);
  ck_assert_int_eq(end.signal, 11);
  ck_assert_ptr_nonnull(strstr(assay_process_describe(&end, words), "signal 11"));
  /* A child that hangs, one that closes its output and hangs, one that starts another that holds the output open. */
  ck_assert_int_eq(assay_process_run((const char *const[]){"/bin/sh", "-c", "sleep 100", NULL}, 0.2, NULL, &end, NULL), 0);
  ck_assert(end.timed_out);
  ck_assert_int_eq(assay_process_run((const char *const[]){"/bin/sh", "-c", "exec >&-; sleep 100", NULL}, 0.2, NULL, &end, NULL), 0);
  ck_assert(end.timed_out);
  ck_assert_int_eq(assay_process_run((const char *const[]){"/bin/sh", "-c", "sleep 100 & exit 0", NULL}, 0.2, NULL, &end, NULL), 0);
  ck_assert(end.timed_out);
  ck_assert_int_eq(assay_process_run((const char *const[]){"/nowhere/at/all", NULL}, 1, NULL, &end, NULL), ASSAY_E_FAILED);
  assay_text_release(&output);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("base");
  TCase *tests = tcase_create("base");
  tcase_add_test(tests, philox_matches_published_vectors);
  tcase_add_test(tests, random_stream_is_uniform);
  tcase_add_test(tests, arena_aligns_and_refuses_overflow);
  tcase_add_test(tests, integers_are_strict);
  tcase_add_test(tests, reals_are_strict_and_round_trip);
  tcase_add_test(tests, nearest_word);
  tcase_add_test(tests, printable_is_valid_utf8);
  tcase_add_test(tests, files_are_replaced_whole);
  tcase_add_test(tests, hash_matches_xxhsum);
  tcase_add_test(tests, exit_codes_follow_the_table);
  tcase_add_test(tests, children_end_in_time);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
