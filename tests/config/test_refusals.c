/* SPDX-License-Identifier: MIT
 *
 * Every kind of bad INI file and override, with the sentence it earns. The plugins are those of tests/config/modules.
 */
#include "harness.h"

#include "fixture.h"

#include "config/plan.h"

#include <string.h>

static const struct {
  const char *text, *words, *more;
} bad[] = {
    /* Bytes and lines. */
    {"\xEF\xBB\xBF[data]\n", "x.ini:1: ", "byte order mark"},
    {"\xFF\xFE[\0", "UTF-16", NULL},
    {"[data]\npath = \xC3\n", "x.ini:2: ", "UTF-8"},
    {"[data]\npath = a\x01\n", "x.ini:2: ", "control character"},
    {"[data]\rpath = a\r", "control character", NULL},
    {"[data]\n; a comment \\\npath = i\n", "x.ini:2: ", "backslash"},
    {"[data]\npath = a\\\ntest = none\n", "x.ini:2: ", "backslash"},
    {"[data]\npath = a\\ \t\ntest = none\n", "x.ini:2: ", "backslash"},
    {"path = a\n", "x.ini:1: ", "before the first [section]"},
    {"[data]\npath\n", "x.ini:2: ", "neither"},
    {"[data\n", "x.ini:1: ", "end it with ]"},
    {"[data] ; comment\n", "x.ini:1: ", "line of its own"},
    {"[data] path = [x]\n", "x.ini:1: ", "behind a section's name"},
    {"[a:b]\nc = 1\n", "x.ini:1: [a:b] cannot be a section", NULL},
    {"[]\n", "cannot be a section", NULL},
    {"[Data]\n", "[Data] cannot be a section", NULL},
    {"[data.]\n", "cannot be a section", NULL},
    {"[a.b.c.d]\n", "at most three", NULL},
    {"[data]\nPath = i\n", "\"Path\" cannot be a key", NULL},
    {"[data]\na:b = i\n", "\"a:b\" cannot be a key", NULL},
    {"[data]\n= i\n", "\"\" cannot be a key", NULL},
    {"[data]\npath = i\n\npath = j\n", "x.ini:4, [data] path: stands already in line 2", NULL},
    {"[data]\npath = i\n[network]\n[data]\n", "x.ini:4: section [data] stands already in line 1", NULL},
    {"[data]\npath = \"a\n", "not closed", NULL},
    {"[data]\npath = \"a\" b\n", "behind the closing quote", NULL},
    {"[data]\npath = \"a\" ~ choice(b)\n", "behind the closing quote", NULL},
    /* Sections and keys. */
    {"[dta]\n", "x.ini:1, [dta]: there is no such section; did you mean [data]?", NULL},
    {"[optimiser.sgd]\n", "did you mean [optimizer.sgd]?", NULL},
    {"", "[data]: path is missing", NULL},
    {HEAD, "[network]: layers is missing", NULL},
    {HEAD "floods = 3\n", "x.ini:4, [data] floods: is not a key of this section; did you mean \"folds\"?", NULL},
    {HEAD "zzzzzz = 3\n", "it has path, size", NULL},
    {BASE "[data.x]\n", "[data.x]: there is no such section", NULL},
    {BASE "[layer.relu]\n", "[network] layers does not name this layer", NULL},
    {BASE "[layer.clasifier]\n", "did you mean [layer.classifier]?", NULL},
    {BASE "[layer]\n", "[layer]: there is no such section", NULL},
    {BASE "[metric.something]\n", "names this metric", NULL},
    {BASE "[optimizer]\nlerning_rate = 1\n", "[optimizer] lerning_rate: is not a key", "did you mean \"learning_rate\"?"},
    {BASE "[optimizer]\nmomentum = 0.5\n", "x.ini:7, [optimizer] momentum: is an option of sgd, not of adam; put it into [optimizer.sgd]", NULL},
    {BASE "[optimizer]\ntype = adam ~ choice(sgd, adam)\nmomentum = 0.5\n", "is an option of sgd, not of adam", NULL},
    {BASE "[optimizer.sgd]\nbeta1 = 0.5\n", "[optimizer.sgd] beta1: is not a key", NULL},
    {BASE "[optimizer.sdg]\nmomentum = 0.5\n", "[optimizer.sdg]: there is no optimizer \"sdg\"; did you mean \"sgd\"?", NULL},
    {BASE "[optimizer.sgd]\nmomentum = 2\n", "momentum cannot be \"2\": it takes a number from 0 to 1", NULL},
    {BASE "[optimizer.sgd.fast]\nmomentum = 0.2\n", "[optimizer.sgd.fast]: there is no such section", NULL},
    {BASE "[search]\nlevels = 4\n", "is an option of grid, not of tpe", NULL},
    {BASE "[train]\nstep_epochs = 4\n", "only counts beside schedule = step, and schedule is constant", NULL},
    {HEAD "folds = 5\nvalidation = 0.3\n[network]\nlayers = classifier\n", "only counts beside folds = 1, and folds is 5", NULL},
    {BASE "[loss]\nlabel_smoothing = 0.1\n", "write loss = cross_entropy", NULL},
    {BASE "[loss.cross_entropy]\nlabel_smoothing = 0.1\n", "write loss = cross_entropy", NULL},
    /* Values. */
    {HEAD "folds = 12abc\n", "x.ini:4, [data] folds: folds cannot be \"12abc\": it takes a whole number from 1 to 1000", NULL},
    {HEAD "folds = 010\n", "\"010\"", NULL},
    {HEAD "folds = 99999999999999999999\n", "folds cannot be", NULL},
    {HEAD "folds =\n", "folds cannot be \"\"", NULL},
    {HEAD "folds = 3 ~ chioce(3, 5)\n", "there is no domain \"chioce\"; did you mean \"choice\"?", NULL},
    {BASE "[augment]\nrotation = 200\n", "[augment] rotation: rotation cannot be \"200\": it takes a number from 0 to 180", NULL},
    {BASE "[augment]\nrotate = 20\n", "did you mean \"rotation\"?", NULL},
    {BASE "[augment]\nmixup = 0.2 ~ real(0, 2)\n", "mixup", NULL},
    {BASE "[augment]\nborder = mirror\n", "border cannot be", NULL},
    {HEAD "fit = strech\n", "did you mean \"stretch\"?", NULL},
    {HEAD "size = 60*30\n", "[data] size: size cannot be \"60*30\"", NULL},
    {HEAD "size = 0x30\n", "size cannot be", NULL},
    {HEAD "size = 65535x65535\n", "size cannot be", NULL},
    {"[data]\npath = i\ntest = 1.5\n", "test cannot be 1.5", NULL},
    {"[data]\npath = i\ntest = noen\n", "test cannot be \"noen\"", NULL},
    {"[data]\npath = i\ntest =\n", "test is empty", NULL},
    {"[data]\npath =\ntest = none\n", "path is empty", NULL},
    {BASE "[search]\ntime = 10\n", "time cannot be \"10\"", "90s, 10m or 2h"},
    {BASE "[search]\ntime = -1h\n", "time cannot be", NULL},
    {BASE "[train]\nclass_weights = 1, x\n", "class_weights cannot be", NULL},
    {BASE "[train]\nclass_weights = 0, 0\n", "all 0", NULL},
    {BASE "[train]\nmetrics = accuracy, accuracy\n", "accuracy stands twice", NULL},
    {BASE "[train]\nmetrics = accuracy,, mcc\n", "a name in the list is empty", NULL},
    {BASE "[train]\nmetrics = acuracy\n", "[train] metrics: ", "did you mean \"accuracy\"?"},
    {BASE "[train]\nmetrics = false_negative_rate\n", "write positive = NAME in [data]", NULL},
    {BASE "[search]\nobjective = false_negative_rate\n", "[search] objective: false_negative_rate needs to know", NULL},
    {BASE "[train]\nloss = relu\n", "relu is a layer, not a loss", NULL},
    {BASE "[backend]\ndevices = cuda:0\n", "there is no backend \"cuda\"", NULL},
    {BASE "[backend]\ndevices = cpu\nfast = maybe\n", "fast cannot be \"maybe\": it takes yes or no", NULL},
    {BASE "[backend]\ndevices = cpu\nthreads = 100\n", "threads cannot be \"100\"", NULL},
    /* Domains. */
    {HEAD "folds = 5 ~ choice(3, 5)\n", "folds cannot be searched", NULL},
    {BASE "[train]\nbatch = 16~choice(8, 16)\n", "blank before and behind the ~", NULL},
    {BASE "[train]\nbatch = 16 ~ 32\n", "what follows ~ is no domain", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(8, 16\n", "what follows ~ is no domain", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(\"8;\", 16)\n", "what follows ~ is no domain", NULL},
    {BASE "[train]\nbatch = ~ choice(8, 16)\n", "needs a default", NULL},
    {BASE "[train]\nbatch = 16 ~ choice()\n", "empty element", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(8,, 16)\n", "empty element", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(8, 32)\n", "the default 16 is not among the choices", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(8, 16, 8)\n", "\"8\" stands twice", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(8, 16, +16)\n", "the same value", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(8, 16, x)\n", "batch cannot be \"x\"", NULL},
    {BASE "[train]\nbatch = 16 ~ choice(16, 70000)\n", "in the domain: batch cannot be \"70000\"", NULL},
    {BASE "[train]\nbatch = 16 ~ int(8)\n", "takes another number of values", NULL},
    {BASE "[train]\nbatch = 16 ~ int(8, 9.5)\n", "\"9.5\" in the domain is no whole number", NULL},
    {BASE "[train]\nbatch = 16 ~ int(32, 8)\n", "not below its highest", NULL},
    {BASE "[train]\nbatch = 16 ~ int(8, 32, 0)\n", "step", NULL},
    {BASE "[train]\nbatch = 16 ~ int(9, 32, 2)\n", "between the steps", NULL},
    {BASE "[train]\nbatch = 16 ~ int(0, 32)\n", "the domain leaves the range of batch", NULL},
    {BASE "[train]\nbatch = 16 ~ int(17, 32)\n", "the default 16 is outside of its domain", NULL},
    {BASE "[train]\nbatch = 16 ~ real(1, 32)\n", "must be int(…), logint(…) or choice(…)", NULL},
    {BASE "[train]\nbatch = 16 ~ logint(0, 32)\n", "must begin above 0", NULL},
    {BASE "[train]\nschedule = step ~ int(1, 3)\n", "schedule is no number", NULL},
    {BASE "[optimizer]\nlearning_rate = 0.1 ~ log(0.01, 2)\n", "the domain leaves the range of learning_rate, which is a number from 0 to 1", NULL},
    {BASE "[optimizer]\nlearning_rate = 0.1 ~ log(-1, 1)\n", "must begin above 0", NULL},
    {BASE "[optimizer]\nlearning_rate = 0.1 ~ real(0, inf)\n", "\"inf\" in the domain is no number", NULL},
    {BASE "[optimizer]\ntype = adam ~ choice(sgd, rmsprop)\n", "the default adam is not among the choices", NULL},
    {BASE "[optimizer]\ntype = adam ~ choice(adam, adma)\n", "there is no optimizer \"adma\"; did you mean \"adam\"?", NULL},
    {BASE "[optimizer]\ntype = sgd ~ choice(sgd, adam)\nlearning_rate = 2 ~ real(0, 5)\n", "learning_rate cannot be \"2\": it takes a number from 0 to 1", NULL},
    {BASE "[search]\ntype = tpe ~ choice(tpe, random)\n", "type cannot be searched", NULL},
    {BASE "[search]\ncandidates = 24 ~ int(1, 100)\n", "values of a search cannot be searched", NULL},
    /* Layers. */
    {HEAD "[network]\nlayers = dence, classifier\n", "has no section [layer.dence], so it must be a type: there is no layer \"dence\"; did you mean \"dense\"?", NULL},
    {HEAD "[network]\nlayers = body, classifier\n[layer.body]\nunits = 3\n", "[layer.body]: has no type, so its name must be one: there is no layer \"body\"", NULL},
    {HEAD "[network]\nlayers = fetures, classifier\n[layer.features]\ntype = relu\n", "\"fetures\" is neither a section nor a type; did you mean \"features\"?", NULL},
    {HEAD "[network]\nlayers = dense, classifier\n", "units is missing: outputs", NULL},
    {HEAD "[network]\nlayers = conv-1\n", "\"conv-1\" cannot be the name of a layer", NULL},
    {HEAD "[network]\nlayers = images\n", "cannot be the name of a layer", NULL},
    {HEAD "[network]\nlayers =\n", "the list is empty", NULL},
    {HEAD "[network]\nlayers = relu ~ choice(relu, classifier)\n", "layers cannot be searched", NULL},
    {HEAD "[network]\nlayers = a, classifier\n[layer.a]\ntype = cross_entropy\n", "cross_entropy is a loss, not a layer", NULL},
    {HEAD "[network]\nlayers = relu, add, classifier\n", "add takes at least 2 inputs, and has 1", NULL},
    {HEAD "[network]\nlayers = relu, classifier\n[layer.classifier]\ninput = relu, images\n", "classifier takes at most 1 input, and has 2", NULL},
    {HEAD "[network]\nlayers = relu, a, classifier\n[layer.a]\ntype = add\ninput = relu, classifier\n", "\"classifier\" is no layer before this one", NULL},
    {HEAD "[network]\nlayers = relu, a, classifier\n[layer.a]\ntype = add\ninput = rleu, images\n", "did you mean \"relu\"?", NULL},
    {HEAD "[network]\nlayers = relu, conv_blocks, classifier\n[layer.conv_blocks]\ninput = images\n", "no later layer reads relu", NULL},
};

START_TEST(bad_input_is_refused_with_place_and_remedy) {
  struct assay_plan *plan;
  const char *text = bad[_i].text;
  const size_t size = text[0] == '\xFF' ? 4 : strlen(text);
  const int code = assay_plan_parse("x.ini", text, size, NULL, 0, registry, &plan, &status);
  ck_assert_msg(code == ASSAY_E_CONFIG || code == ASSAY_E_PLUGIN, "%d for: %s", code, text);
  ck_assert_ptr_null(plan);
  ck_assert_msg(strstr(status.message, bad[_i].words) != NULL, "\"%s\" is not in: %s", bad[_i].words, status.message);
  ck_assert_msg(bad[_i].more == NULL || strstr(status.message, bad[_i].more) != NULL, "\"%s\" is not in: %s", bad[_i].more, status.message);
  ck_assert_msg(strstr(status.message, "x.ini") != NULL, "no file in: %s", status.message);
}
END_TEST

START_TEST(only_a_missing_plugin_is_called_one) {
  struct assay_plan *plan;
  static const char missing[] = BASE "[optimizer]\ntype = lion\n";
  ck_assert_int_eq(assay_plan_parse("x.ini", missing, strlen(missing), NULL, 0, registry, &plan, &status), ASSAY_E_PLUGIN);
  ck_assert_ptr_nonnull(strstr(status.message, "x.ini:7, [optimizer] type: there is no optimizer \"lion\""));
}
END_TEST

START_TEST(nul_bytes_long_lines_and_large_files_are_refused) {
  struct assay_plan *plan;
  static const char nul[] = "[data]\npath = i\0j\n";
  ck_assert_int_eq(assay_plan_parse("x.ini", nul, sizeof nul - 1, NULL, 0, registry, &plan, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "x.ini:2: a NUL byte"));
  char line[1200];
  memset(line, 'x', sizeof line);
  memcpy(line, "[data]\n;", 8);
  ck_assert_int_eq(assay_plan_parse("x.ini", line, sizeof line, NULL, 0, registry, &plan, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "x.ini:2: the line is longer than 1000 bytes"));
  memcpy(line, "[data]\na=", 9);
  ck_assert_int_eq(assay_plan_parse("x.ini", line, 950, NULL, 0, registry, &plan, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "x.ini:2: the value is longer than 900 bytes"));
  const size_t size = (1 << 20) + 1;
  char *large = malloc(size);
  memset(large, '\n', size);
  ck_assert_int_eq(assay_plan_parse("x.ini", large, size, NULL, 0, registry, &plan, &status), ASSAY_E_CONFIG);
  free(large);
}
END_TEST

static const struct {
  const char *override, *words;
} bad_overrides[] = {
    {"data.folds", "-s data.folds: has no ="},
    {"folds=3", "has no section"},
    {"data.folds=x", "-s data.folds: folds cannot be \"x\""},
    {"data.flods=3", "-s data.flods: is not a key of this section; did you mean \"folds\"?"},
    {"optimiser.type=sgd", "-s optimiser: there is no such section; did you mean [optimizer]?"},
    {"Data.folds=3", "sections and keys are a-z"},
    {"data.positive=\"a'b;", "no INI file can hold this value"},
    {"data.positive=a\nb", "not UTF-8 text"},
    {"train.batch=16 ~ choice(8)", "the default 16 is not among the choices"},
    {"layer.x.blocks=3", "[layer.x]"},
};

START_TEST(bad_overrides_are_refused) {
  struct assay_plan *plan;
  ck_assert_int_eq(assay_plan_parse("x.ini", BASE, strlen(BASE), &bad_overrides[_i].override, 1, registry, &plan, &status), ASSAY_E_CONFIG);
  ck_assert_msg(strstr(status.message, bad_overrides[_i].words) != NULL, "\"%s\" is not in: %s", bad_overrides[_i].words, status.message);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("refusals");
  TCase *tests = tcase_create("refusals");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests, bad_input_is_refused_with_place_and_remedy, 0, sizeof bad / sizeof bad[0]);
  tcase_add_test(tests, only_a_missing_plugin_is_called_one);
  tcase_add_test(tests, nul_bytes_long_lines_and_large_files_are_refused);
  tcase_add_loop_test(tests, bad_overrides_are_refused, 0, sizeof bad_overrides / sizeof bad_overrides[0]);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
