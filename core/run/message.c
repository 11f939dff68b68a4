/* SPDX-License-Identifier: MIT */
#include "run/message.h"

#include "base/arena.h"
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void assay_message_send(int descriptor, const struct assay_message *message) {
  json_t *object = json_pack("{s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:s}", "kind", (int)message->kind, "code", (int)message->code, "number", (json_int_t)message->number, "fold",
                             (json_int_t)message->fold, "folds", (json_int_t)message->folds, "epoch", (json_int_t)message->epoch, "epochs", (json_int_t)message->epochs,
                             "training", assay_json_number(message->training), "value", assay_json_number(message->value), "text", message->text != NULL ? message->text : "");
  char *line = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
  json_decref(object);
  if (line == NULL) return;
  const size_t length = strlen(line);
  line[length] = '\n'; /* in place of the NUL byte: one write a line */
  for (size_t done = 0; done < length + 1;) {
    const ssize_t n = write(descriptor, line + done, length + 1 - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += (size_t)n;
  }
  free(line);
}

bool assay_message_parse(const char *line, struct assay_arena *arena, struct assay_message *message) {
  json_t *object = json_loads(line, 0, NULL);
  int kind, code;
  json_int_t number, fold, folds, epoch, epochs;
  json_t *training, *value;
  const char *text;
  const bool good = json_unpack(object, "{s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:s}", "kind", &kind, "code", &code, "number", &number, "fold", &fold, "folds", &folds, "epoch",
                                &epoch, "epochs", &epochs, "training", &training, "value", &value, "text", &text) == 0;
  if (good) {
    *message = (struct assay_message){.kind = (uint32_t)kind,
                                      .code = code,
                                      .number = (uint32_t)number,
                                      .fold = (uint32_t)fold,
                                      .folds = (uint32_t)folds,
                                      .epoch = (uint32_t)epoch,
                                      .epochs = (uint32_t)epochs,
                                      .training = json_is_number(training) ? json_number_value(training) : NAN,
                                      .value = json_is_number(value) ? json_number_value(value) : NAN,
                                      .text = assay_arena_copy(arena, text)};
  }
  json_decref(object);
  return good && message->text != NULL;
}
