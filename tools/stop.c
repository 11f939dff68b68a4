/* SPDX-License-Identifier: MIT */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static const char *first_words;

static void catch_signal(int number) {
  if (caught != 0) _exit(128 + number);
  caught = number;
  if (first_words != NULL && write(STDERR_FILENO, first_words, strlen(first_words)) < 0) return;
}

void stop_catch_signals(const char *text) {
  first_words = text;
  struct sigaction action = {.sa_handler = catch_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool stop_requested(void) { return caught != 0; }
int stop_signal(void) { return caught; }
