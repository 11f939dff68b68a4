/* SPDX-License-Identifier: MIT
 *
 * Running the built tool from a test: a private folder, small images made on the spot, and what a command said.
 */
#ifndef ASSAY_TESTS_TOOLS_TOOL_H
#define ASSAY_TESTS_TOOLS_TOOL_H

#include "harness.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct outcome {
  int code;             /* exit code, or 128 + signal */
  char *results, *talk; /* standard output and standard error; never NULL */
};

/* Makes a new folder under /tmp and enters it. To be called first in each test. */
void tool_enter_folder(void);
extern int tool_seconds; /* after which a command that runs is ended, with code 124 */
/* Runs `assay ARGUMENTS` through the shell. */
struct outcome tool_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
void outcome_release(struct outcome *outcome);
/* Runs, checks the exit code, and that standard error holds `words` (NULL: anything). */
void tool_expect(int code, const char *words, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Runs with --json in the arguments, expects code 0, and gives the object; json_decref it. */
json_t *tool_json(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes text to a file, making its folders. */
void tool_write(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An 8 x 8 grey PNM in which class 1 has a bright right half, class 0 a bright left half, with noise from `seed`; far from hard. */
void tool_write_image(const char *path, int class_number, uint32_t seed);
/* A folder with `count` images in each of left/ and right/. */
void tool_write_images(const char *folder, int count);
/* A small INI on that folder that trains on the reference backend in a second. `more` is appended. */
void tool_write_ini(const char *path, const char *folder, const char *more);
/* All of a file, to be freed; "" when it cannot be read. */
char *tool_read(const char *path);
bool tool_file_holds(const char *path, const char *words);

#endif
