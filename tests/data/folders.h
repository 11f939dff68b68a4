/* SPDX-License-Identifier: MIT
 *
 * Folders for the tests of data sets: each test runs inside a fresh temporary folder, with a cache folder of its own in it.
 */
#ifndef ASSAY_TESTS_DATA_FOLDERS_H
#define ASSAY_TESTS_DATA_FOLDERS_H

#include <stddef.h>

void folder_enter(void);
void folder_leave(void);
void folder_make(const char *path); /* as `mkdir -p` */
/* Files; the folders on the way are made. */
void folder_write(const char *path, const void *data, size_t size);
void folder_text(const char *path, const char *text);
/* A grey 5 × 3 PGM that belongs to `number`: the pixels of two numbers differ. */
void folder_image(const char *path, int number);

#endif
