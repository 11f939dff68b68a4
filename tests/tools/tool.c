/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <assay/random.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int tool_seconds = 900;

void tool_enter_folder(void) {
  char folder[] = "/tmp/assay-tool-XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(chdir(folder), 0);
}

char *tool_read(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return strdup("");
  size_t capacity = 1 << 22, length;
  char *text = malloc(capacity);
  ck_assert_ptr_nonnull(text);
  length = fread(text, 1, capacity - 1, file);
  text[length] = '\0';
  fclose(file);
  return text;
}

static struct outcome run(const char *format, va_list arguments) {
  char command[4096], whole[8192];
  vsnprintf(command, sizeof command, format, arguments);
  const char *tool = getenv("ASSAY_TOOL");
  ck_assert_msg(tool != NULL, "ASSAY_TOOL is not set; run through make check");
  snprintf(whole, sizeof whole, "timeout -k 10 %d '%s' %s >.results 2>.talk </dev/null", tool_seconds, tool, command);
  const int state = system(whole);
  struct outcome outcome = {WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state), tool_read(".results"), tool_read(".talk")};
  return outcome;
}

struct outcome tool_run(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const struct outcome outcome = run(format, arguments);
  va_end(arguments);
  return outcome;
}

void outcome_release(struct outcome *outcome) {
  free(outcome->results);
  free(outcome->talk);
}

void tool_expect(int code, const char *words, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  struct outcome outcome = run(format, arguments);
  va_end(arguments);
  ck_assert_msg(outcome.code == code, "'assay %s' ended with %d instead of %d: %s", format, outcome.code, code, outcome.talk);
  ck_assert_msg(words == NULL || strstr(outcome.talk, words) != NULL, "'assay %s' did not say '%s' but: %s", format, words, outcome.talk);
  outcome_release(&outcome);
}

json_t *tool_json(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  struct outcome outcome = run(format, arguments);
  va_end(arguments);
  ck_assert_msg(outcome.code == 0, "'assay %s' ended with %d: %s", format, outcome.code, outcome.talk);
  json_error_t error;
  json_t *object = json_loads(outcome.results, 0, &error);
  ck_assert_msg(json_is_object(object), "'assay %s' printed no JSON object: %s: %s", format, error.text, outcome.results);
  ck_assert_int_eq(json_integer_value(json_object_get(object, "schema")), 1);
  outcome_release(&outcome);
  return object;
}

static void make_folders(const char *path) {
  char copy[1024];
  snprintf(copy, sizeof copy, "%s", path);
  for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    mkdir(copy, 0777);
    *slash = '/';
  }
}

void tool_write(const char *path, const char *format, ...) {
  make_folders(path);
  FILE *file = fopen(path, "w");
  ck_assert_msg(file != NULL, "%s cannot be written", path);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(file, format, arguments);
  va_end(arguments);
  ck_assert_int_eq(fclose(file), 0);
}

void tool_write_image(const char *path, int class_number, uint32_t seed) {
  struct assay_random random = assay_random_seed(seed, (uint64_t)class_number);
  make_folders(path);
  FILE *file = fopen(path, "wb");
  ck_assert_msg(file != NULL, "%s cannot be written", path);
  fprintf(file, "P5\n8 8\n255\n");
  for (int i = 0; i < 64; i++) fputc(((i % 8 >= 4) == class_number ? 140 : 60) + (int)assay_random_below(&random, 60), file);
  ck_assert_int_eq(fclose(file), 0);
}

void tool_write_images(const char *folder, int count) {
  char path[1024];
  for (int class_number = 0; class_number < 2; class_number++) {
    for (int i = 0; i < count; i++) {
      snprintf(path, sizeof path, "%s/%s/%03d.pgm", folder, class_number == 0 ? "left" : "right", i);
      tool_write_image(path, class_number, (uint32_t)i);
    }
  }
}

void tool_write_ini(const char *path, const char *folder, const char *more) {
  tool_write(path,
             "[data]\npath = %s\nsize = 8x8\ncolour = grey\nfolds = 2\ntest = 0.25\npositive = right\n"
             "[network]\nlayers = features, classifier\n"
             "[layer.features]\ntype = conv_blocks\nblocks = 1\nchannels = 2 ~ choice(2, 3)\n"
             "[optimizer]\ntype = adam\nlearning_rate = 0.02 ~ log(0.005, 0.05)\n"
             "[train]\nepochs = 4\nbatch = 8\n"
             "[search]\ntype = random\ntrials = 4\n"
             "[backend]\ndevices = reference\n%s",
             folder, more);
}

bool tool_file_holds(const char *path, const char *words) {
  char *text = tool_read(path);
  const bool found = strstr(text, words) != NULL;
  free(text);
  return found;
}
