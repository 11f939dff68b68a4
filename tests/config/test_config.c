/* SPDX-License-Identifier: MIT
 *
 * INI text to plan: the student's file word by word, conditional spaces, printing and differences. What is refused: test_refusals.c.
 * The plugins are those of tests/config/modules.
 */
#include "harness.h"

#include "fixture.h"

#include <assay/graph.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "config/plan.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A plan that must be right; overrides are a NULL-terminated list. */
static struct assay_plan *plan_with(const char *text, const char *const *overrides) {
  struct assay_plan *plan;
  uint32_t count = 0;
  while (overrides != NULL && overrides[count] != NULL) count++;
  ck_assert_msg(assay_plan_parse("study/x.ini", text, strlen(text), overrides, count, registry, &plan, &status) == 0, "%s", status.message);
  return plan;
}

static struct assay_plan *plan_of(const char *text) { return plan_with(text, NULL); }

static const struct assay_settings *settings_at(const struct assay_plan *plan, const double *point) {
  const struct assay_settings *settings;
  ck_assert_msg(assay_plan_settings(plan, point, arena, &settings, &status) == 0, "%s", status.message);
  return settings;
}

static const struct assay_option_value *option_of(const struct assay_component *component, const char *name) {
  const int index = assay_plugin_option_index(component->plugin, name);
  ck_assert_int_ge(index, 0);
  return component->values[index];
}

static int dimension_of(const struct assay_plan *plan, const char *name) {
  const struct assay_space *space = assay_plan_space(plan);
  for (uint32_t i = 0; i < space->dimension_count; i++)
    if (strcmp(space->dimensions[i]->name, name) == 0) return (int)i;
  return -1;
}

static const char *printed(const struct assay_plan *plan, const double *point) {
  struct assay_text text = {0};
  assay_plan_print(plan, point, true, &text);
  ck_assert(!text.failed);
  const char *copy = assay_arena_copy(arena, text.data);
  assay_text_release(&text);
  return copy;
}

/* ---- The student's file ---- */

static const char student[] = "[data]\n"
                              "path   = casting/train\n"
                              "size   = 60x30            ; width x height\n"
                              "folds  = 5\n"
                              "test   = 0.2              ; held out, seen once at the end; \"none\" must be written\n"
                              "\n"
                              "[network]\n"
                              "layers = features, classifier\n"
                              "\n"
                              "[layer.features]\n"
                              "type       = conv_blocks\n"
                              "blocks     = 2  ~ choice(2, 3)\n"
                              "channels   = 16 ~ choice(4, 8, 16, 32)\n"
                              "kernel     = 3  ~ choice(3, 5, 7)\n"
                              "pool       = 2  ~ choice(2, 3)\n"
                              "activation = relu ~ choice(tanh, relu, leaky_relu)\n"
                              "\n"
                              "[optimizer]\n"
                              "type          = adam  ~ choice(sgd, rmsprop, adam)\n"
                              "learning_rate = 0.001 ~ log(0.0001, 0.01)\n"
                              "\n"
                              "[train]\n"
                              "epochs   = 30\n"
                              "patience = 3\n"
                              "final    = refit          ; or best_fold, ensemble\n"
                              "\n"
                              "[search]\n"
                              "type      = tpe\n"
                              "trials    = 50\n"
                              "objective = loss\n";

START_TEST(student_file_gives_the_seven_axes) {
  struct assay_plan *plan = plan_of(student);
  const struct assay_space *space = assay_plan_space(plan);
  static const struct {
    const char *name;
    uint32_t kind, choices;
    double first;
  } expected[] = {{"layer.features.blocks", ASSAY_DOMAIN_CHOICE, 2, 0},     {"layer.features.channels", ASSAY_DOMAIN_CHOICE, 4, 2},
                  {"layer.features.kernel", ASSAY_DOMAIN_CHOICE, 3, 0},     {"layer.features.pool", ASSAY_DOMAIN_CHOICE, 2, 0},
                  {"layer.features.activation", ASSAY_DOMAIN_CHOICE, 3, 1}, {"optimizer.type", ASSAY_DOMAIN_CHOICE, 3, 2},
                  {"optimizer.learning_rate", ASSAY_DOMAIN_REAL, 0, 0.001}};
  ck_assert_uint_eq(space->dimension_count, 7);
  for (int i = 0; i < 7; i++) {
    const struct assay_dimension *axis = space->dimensions[i];
    ck_assert_str_eq(axis->name, expected[i].name);
    ck_assert_uint_eq(axis->kind, expected[i].kind);
    ck_assert_uint_eq(axis->choice_count, expected[i].choices);
    ck_assert_double_eq(axis->default_value, expected[i].first);
    ck_assert_int_eq(axis->parent, -1);
  }
  ck_assert_uint_eq(space->dimensions[6]->logarithmic, 1);
  ck_assert_double_eq(space->dimensions[6]->low, 0.0001);
  ck_assert_double_eq(space->dimensions[6]->high, 0.01);
  ck_assert_str_eq(assay_plan_value_text(plan, 1, 3, arena), "32");
  ck_assert_str_eq(assay_plan_value_text(plan, 6, 0.005, arena), "0.005");
  assay_plan_release(plan);
}
END_TEST

START_TEST(student_file_gives_the_settings_of_the_checklist) {
  struct assay_plan *plan = plan_of(student);
  const struct assay_settings *s = settings_at(plan, NULL);
  char *folder = getcwd(NULL, 0), path[PATH_MAX];
  snprintf(path, sizeof path, "%s/study/casting/train", folder);
  free(folder);
  ck_assert_str_eq(s->data.path, path);
  ck_assert_uint_eq(s->data.width, 60);
  ck_assert_uint_eq(s->data.height, 30);
  ck_assert_uint_eq(s->data.folds, 5);
  ck_assert_double_eq(s->data.test, 0.2);
  ck_assert_ptr_null(s->data.test_path);
  ck_assert_ptr_null(s->data.positive);
  ck_assert_uint_eq(s->layer_count, 2);
  ck_assert_str_eq(s->layers[0].component.name, "features");
  ck_assert_str_eq(s->layers[0].component.plugin->name, "conv_blocks");
  ck_assert_str_eq(s->layers[0].component.where, "study/x.ini:10, [layer.features]");
  ck_assert_int_eq(s->layers[0].inputs[0], -1);
  ck_assert_int_eq(s->layers[1].inputs[0], 0);
  ck_assert_int_eq(option_of(&s->layers[0].component, "channels")->integer, 16);
  ck_assert_str_eq(option_of(&s->layers[0].component, "activation")->text, "relu");
  ck_assert_str_eq(s->optimizer.plugin->name, "adam");
  ck_assert_double_eq(option_of(&s->optimizer, "learning_rate")->real, 0.001);
  ck_assert_uint_eq(s->train.epochs, 30);
  ck_assert_uint_eq(s->train.patience, 3);
  ck_assert_uint_eq(s->train.final, ASSAY_FINAL_REFIT);
  ck_assert_ptr_null(s->train.loss.plugin);
  ck_assert_str_eq(s->search.search.plugin->name, "tpe");
  ck_assert_uint_eq(s->search.trials, 50);
  ck_assert_str_eq(s->search.objective.plugin->name, "loss");
  ck_assert_str_eq(s->search.pruner.plugin->name, "none");
  ck_assert_uint_eq(s->search.workers, 0);
  ck_assert_str_eq(s->devices[0], "auto");
  ck_assert_uint_ge(s->backend_count, 3);
  for (uint32_t i = 0; i < s->metric_count; i++) ck_assert_str_ne(s->metrics[i].name, "false_negative_rate"); /* no positive class is named */

  const double point[7] = {1, 0, 2, 1, 2, 0, 0.0123 / 2};
  const struct assay_settings *at = settings_at(plan, point);
  ck_assert_int_eq(option_of(&at->layers[0].component, "blocks")->integer, 3);
  ck_assert_int_eq(option_of(&at->layers[0].component, "channels")->integer, 4);
  ck_assert_int_eq(option_of(&at->layers[0].component, "kernel")->integer, 7);
  ck_assert_str_eq(option_of(&at->layers[0].component, "activation")->text, "leaky_relu");
  ck_assert_str_eq(at->optimizer.plugin->name, "sgd");
  ck_assert_double_eq(option_of(&at->optimizer, "learning_rate")->real, 0.00615);
  assay_plan_release(plan);
}
END_TEST

START_TEST(one_word_changes_the_search) {
  static const char *const types[] = {"random", "grid", "tpe"};
  for (int i = 0; i < 3; i++) {
    const char *override = assay_arena_print(arena, "search.type=%s", types[i]);
    struct assay_plan *plan = plan_with(student, (const char *const[]){override, NULL});
    ck_assert_str_eq(settings_at(plan, NULL)->search.search.plugin->name, types[i]);
    assay_plan_release(plan);
  }
}
END_TEST

/* One line of rates is the same as a rate in each layer that drops, in their order, domains and all. */
START_TEST(dropouts_reach_the_layers_that_drop) {
#define DROPPING "[data]\npath = images\ntest = none\n[network]\nlayers = one, relu, two, classifier\n[layer.one]\ntype = dropout\n[layer.two]\ntype = dropout\n"
  struct assay_plan *plan = plan_of(DROPPING "[train]\ndropouts = 0.25, 0.5 ~ real(0.2, 0.8)\n");
  const struct assay_settings *s = settings_at(plan, NULL);
  ck_assert_double_eq(option_of(&s->layers[0].component, "rate")->real, 0.25);
  ck_assert_double_eq(option_of(&s->layers[2].component, "rate")->real, 0.5);
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 1);
  const double point[1] = {0.7};
  ck_assert_int_eq(dimension_of(plan, "layer.two.rate"), 0);
  ck_assert_double_eq(option_of(&settings_at(plan, point)->layers[2].component, "rate")->real, 0.7);
  assay_plan_release(plan);
  plan = plan_of(DROPPING "[train]\ndropouts = 0.6\n");
  s = settings_at(plan, NULL);
  ck_assert_double_eq(option_of(&s->layers[0].component, "rate")->real, 0.6);
  ck_assert_double_eq(option_of(&s->layers[2].component, "rate")->real, 0.6);
  assay_plan_release(plan);
}
END_TEST

/* ---- Conditional spaces ---- */

START_TEST(sections_of_types_hang_from_the_type) {
  struct assay_plan *plan = plan_of(BASE "[optimizer]\ntype = adam ~ choice(sgd, rmsprop, adam)\nlearning_rate = 0.001 ~ log(0.0001, 0.01)\n"
                                         "[optimizer.sgd]\nmomentum = 0.9 ~ real(0, 0.99)\nnesterov = no ~ choice(yes, no)\n"
                                         "[optimizer.adam]\nbeta1 = 0.8\n");
  const struct assay_space *space = assay_plan_space(plan);
  ck_assert_uint_eq(space->dimension_count, 4);
  const int type = dimension_of(plan, "optimizer.type"), momentum = dimension_of(plan, "optimizer.sgd.momentum");
  const int nesterov = dimension_of(plan, "optimizer.sgd.nesterov"), rate = dimension_of(plan, "optimizer.learning_rate");
  ck_assert_int_eq(space->dimensions[rate]->parent, -1);
  ck_assert_int_eq(space->dimensions[momentum]->parent, type);
  ck_assert_uint_eq(space->dimensions[momentum]->parent_choice, 0);
  ck_assert_int_eq(space->dimensions[nesterov]->parent, type);
  ck_assert_int_lt(type, momentum);
  ck_assert_double_eq(option_of(&settings_at(plan, NULL)->optimizer, "beta1")->real, 0.8);
  double point[4] = {NAN, NAN, NAN, NAN};
  point[type] = 0;
  point[momentum] = 0.5;
  point[nesterov] = 0;
  const struct assay_settings *s = settings_at(plan, point);
  ck_assert_str_eq(s->optimizer.plugin->name, "sgd");
  ck_assert_double_eq(option_of(&s->optimizer, "momentum")->real, 0.5);
  ck_assert_int_eq(option_of(&s->optimizer, "nesterov")->integer, 1);
  ck_assert_double_eq(option_of(&s->optimizer, "learning_rate")->real, 0.001); /* NaN: the default */
  assay_plan_release(plan);
}
END_TEST

START_TEST(own_section_wins_over_the_shared_one) {
  struct assay_plan *plan = plan_of(BASE "[optimizer]\ntype = adam ~ choice(sgd, adam)\nlearning_rate = 0.001\n[optimizer.sgd]\nlearning_rate = 0.1 ~ log(0.01, 1)\n");
  double point[2] = {0, NAN};
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 2);
  ck_assert_double_eq(option_of(&settings_at(plan, point)->optimizer, "learning_rate")->real, 0.1);
  point[0] = 1;
  ck_assert_double_eq(option_of(&settings_at(plan, point)->optimizer, "learning_rate")->real, 0.001);
  assay_plan_release(plan);
}
END_TEST

START_TEST(shared_axis_hangs_from_its_only_reader) {
  struct assay_plan *plan = plan_of(BASE "[optimizer]\ntype = adam ~ choice(sgd, adam)\nlearning_rate = 0.001 ~ log(0.0001, 0.01)\n"
                                         "[optimizer.sgd]\nlearning_rate = 0.1\n");
  const int rate = dimension_of(plan, "optimizer.learning_rate");
  ck_assert_int_eq(assay_plan_space(plan)->dimensions[rate]->parent, dimension_of(plan, "optimizer.type"));
  ck_assert_uint_eq(assay_plan_space(plan)->dimensions[rate]->parent_choice, 1);
  assay_plan_release(plan);
  plan = plan_of(BASE "[optimizer]\ntype = adam\nlearning_rate = 0.001 ~ log(0.0001, 0.01)\n[optimizer.adam]\nlearning_rate = 0.1\n");
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 0); /* nobody reads it: an axis would change nothing */
  ck_assert_double_eq(option_of(&settings_at(plan, NULL)->optimizer, "learning_rate")->real, 0.1);
  struct assay_plan *again = plan_of(printed(plan, NULL));
  ck_assert_ptr_null(assay_plan_difference(plan, again, arena));
  assay_plan_release(again);
  assay_plan_release(plan);
}
END_TEST

START_TEST(types_of_layers_can_be_searched) {
  struct assay_plan *plan = plan_of("[data]\npath = i\ntest = none\n[network]\nlayers = body, classifier\n[layer.body]\ntype = conv_blocks ~ choice(conv_blocks, dense)\n"
                                    "[layer.body.dense]\nunits = 64 ~ logint(8, 512)\n[layer.body.conv_blocks]\nblocks = 1 ~ int(1, 5, 2)\n");
  const struct assay_space *space = assay_plan_space(plan);
  const int type = dimension_of(plan, "layer.body.type"), units = dimension_of(plan, "layer.body.dense.units");
  const int blocks = dimension_of(plan, "layer.body.conv_blocks.blocks");
  ck_assert_int_eq(space->dimensions[units]->parent, type);
  ck_assert_uint_eq(space->dimensions[units]->parent_choice, 1);
  ck_assert_uint_eq(space->dimensions[units]->logarithmic, 1);
  ck_assert_uint_eq(space->dimensions[units]->kind, ASSAY_DOMAIN_INT);
  ck_assert_double_eq(space->dimensions[blocks]->step, 2);
  double point[3] = {NAN, NAN, NAN};
  point[type] = 1;
  point[units] = 100;
  const struct assay_settings *s = settings_at(plan, point);
  ck_assert_str_eq(s->layers[0].component.plugin->name, "dense");
  ck_assert_int_eq(option_of(&s->layers[0].component, "units")->integer, 100);
  assay_plan_release(plan);
}
END_TEST

START_TEST(idle_sections_stay_and_are_checked) {
  static const char text[] = BASE "[optimizer]\ntype = adam\n[optimizer.sgd]\nmomentum = 0.9 ~ real(0, 0.99)\n";
  struct assay_plan *plan = plan_of(text);
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 0);
  assay_plan_release(plan);
  plan = plan_with(text, (const char *const[]){"optimizer.type=sgd", NULL});
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 1);
  ck_assert_int_eq(assay_plan_space(plan)->dimensions[0]->parent, -1); /* the type is fixed */
  ck_assert_double_eq(option_of(&settings_at(plan, NULL)->optimizer, "momentum")->real, 0.9);
  assay_plan_release(plan);
}
END_TEST

START_TEST(keys_of_the_core_can_depend_on_another) {
  struct assay_plan *plan = plan_of(BASE "[train]\nschedule = constant ~ choice(constant, step, cosine)\nstep_epochs = 5 ~ int(2, 20)\nbatch = 16 ~ choice(8, 16, 32)\n");
  const int schedule = dimension_of(plan, "train.schedule"), epochs = dimension_of(plan, "train.step_epochs");
  ck_assert_int_eq(assay_plan_space(plan)->dimensions[epochs]->parent, schedule);
  ck_assert_uint_eq(assay_plan_space(plan)->dimensions[epochs]->parent_choice, 1);
  double point[3] = {NAN, NAN, NAN};
  point[schedule] = 1;
  point[epochs] = 7;
  point[dimension_of(plan, "train.batch")] = 2;
  const struct assay_settings *s = settings_at(plan, point);
  ck_assert_uint_eq(s->train.schedule, ASSAY_SCHEDULE_STEP);
  ck_assert_uint_eq(s->train.step_epochs, 7);
  ck_assert_uint_eq(s->train.batch, 32);
  ck_assert_ptr_nonnull(strstr(printed(plan, NULL), "step_factor"));
  ck_assert_ptr_nonnull(strstr(printed(plan, point), "step_factor"));
  point[schedule] = 0;
  ck_assert_ptr_null(strstr(printed(plan, point), "step_factor"));
  assay_plan_release(plan);
}
END_TEST

/* ---- Layers ---- */

START_TEST(branches_and_repeated_names) {
  struct assay_plan *plan = plan_of("[data]\npath = i\ntest = none\n[network]\nlayers = conv_blocks, block, block, sum, classifier\n[layer.block]\ntype = dense\n"
                                    "units = 8 ~ int(4, 16)\n[layer.sum]\ntype = add\ninput = block, conv_blocks, images\n");
  const struct assay_settings *s = settings_at(plan, NULL);
  ck_assert_uint_eq(s->layer_count, 5);
  ck_assert_str_eq(s->layers[1].component.name, "block");
  ck_assert_str_eq(s->layers[2].component.name, "block.2");
  ck_assert_uint_eq(s->layers[3].input_count, 3);
  ck_assert_int_eq(s->layers[3].inputs[0], 2); /* the nearer of the two */
  ck_assert_int_eq(s->layers[3].inputs[1], 0);
  ck_assert_int_eq(s->layers[3].inputs[2], -1);
  ck_assert_int_eq(s->layers[2].inputs[0], 1);
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 1); /* one section, one axis */
  const double point[1] = {12};
  s = settings_at(plan, point);
  ck_assert_int_eq(option_of(&s->layers[1].component, "units")->integer, 12);
  ck_assert_int_eq(option_of(&s->layers[2].component, "units")->integer, 12);
  assay_plan_release(plan);
}
END_TEST

START_TEST(augmentation_knows_its_largest_strengths) {
  struct assay_plan *plan = plan_of(BASE "[augment]\nrotation = 10 ~ real(0, 30)\nblur = 0 ~ choice(0, 0.5, 2)\nflip_vertical = 0.5\nhue = 0\nborder = edge\n");
  const struct assay_space *space = assay_plan_space(plan);
  ck_assert_uint_eq(space->dimension_count, 2);
  const double point[2] = {25, 1};
  const struct assay_settings *settings;
  ck_assert_msg(assay_plan_settings(plan, point, arena, &settings, &status) == 0, "%s", status.message);
  const struct assay_augment_settings *augment = &settings->augment;
  ck_assert_double_eq(augment->strength[ASSAY_AUGMENT_ROTATION], 25);
  ck_assert_double_eq(augment->most[ASSAY_AUGMENT_ROTATION], 30);
  ck_assert_double_eq(augment->strength[ASSAY_AUGMENT_BLUR], 0.5);
  ck_assert_double_eq(augment->most[ASSAY_AUGMENT_BLUR], 2);
  ck_assert_double_eq(augment->most[ASSAY_AUGMENT_FLIP_VERTICAL], 0.5);
  ck_assert_double_eq(augment->most[ASSAY_AUGMENT_HUE], 0);
  ck_assert_double_eq(augment->most[ASSAY_AUGMENT_MIXUP], 0);
  ck_assert_uint_eq(augment->border, ASSAY_BORDER_EDGE);
  assay_plan_release(plan);
}
END_TEST

static const char *rate_of(const char *layers, const char *rest) {
  struct assay_plan *plan = plan_of(assay_arena_print(arena, "[data]\npath = i\ntest = none\n[network]\nlayers = %s, classifier\n%s", layers, rest));
  const char *text = assay_arena_copy(arena, option_of(&settings_at(plan, NULL)->optimizer, "learning_rate")->text);
  assay_plan_release(plan);
  return text;
}

/* What the layer `broad` asks for counts where nothing is written, and for optimizers whose steps do not follow the gradient's length. */
START_TEST(the_default_rate_goes_by_the_layers) {
  ck_assert_str_eq(rate_of("relu", ""), "0.001");
  ck_assert_str_eq(rate_of("relu, broad", ""), "0.0001");
  ck_assert_str_eq(rate_of("broad", "[optimizer]\ntype = rmsprop\n"), "0.0001");
  ck_assert_str_eq(rate_of("broad", "[optimizer]\ntype = sgd\n"), "0.01");
  ck_assert_str_eq(rate_of("broad", "[optimizer]\nlearning_rate = 0.001\n"), "0.001");
  ck_assert_str_eq(rate_of("broad", "[optimizer]\nlearning_rate = 0.002 ~ log(0.001, 0.01)\n"), "0.002");
  ck_assert_str_eq(rate_of("one", "[layer.one]\ntype = relu ~ choice(relu, broad)\n"), "0.0001");
}
END_TEST

START_TEST(lists_and_texts_can_be_searched) {
  struct assay_plan *plan = plan_of("[data]\npath = i\ntest = none\n[network]\nlayers = every, classifier\n[layer.every]\n"
                                    "sizes = 8, 16 ~ choice(\"8,16\", \"4, 8, 16\", 32)\nnote = \"a ~ choice(b); # c\"\nshare = 0.50 ~ real(0, 1, 0.25)\n");
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 2);
  ck_assert_double_eq(assay_plan_space(plan)->dimensions[0]->default_value, 0);
  double point[2] = {1, 0.75};
  const struct assay_settings *s = settings_at(plan, point);
  const struct assay_option_value *sizes = option_of(&s->layers[0].component, "sizes");
  ck_assert_uint_eq(sizes->count, 3);
  ck_assert_int_eq(sizes->integers[2], 16);
  ck_assert_double_eq(option_of(&s->layers[0].component, "share")->real, 0.75);
  ck_assert_str_eq(option_of(&s->layers[0].component, "note")->text, "a ~ choice(b); # c");
  const char *text = printed(plan, NULL);
  struct assay_plan *again = plan_of(text);
  ck_assert_ptr_null(assay_plan_difference(plan, again, arena));
  ck_assert_str_eq(option_of(&settings_at(again, NULL)->layers[0].component, "note")->text, "a ~ choice(b); # c");
  assay_plan_release(again);
  assay_plan_release(plan);
}
END_TEST

/* ---- Losses, metrics, devices ---- */

START_TEST(losses_and_metrics_take_options) {
  struct assay_plan *plan = plan_of("[data]\npath = i\ntest = none\npositive = crack\n[network]\nlayers = classifier\n[train]\nloss = cross_entropy\n"
                                    "class_weights = 1, 2.5\nmetrics = accuracy, f1_macro, false_negative_rate\n[loss]\nlabel_smoothing = 0.1 ~ real(0, 0.2)\n"
                                    "[metric.f1_macro]\ntype = f1\naverage = macro\n[search]\nobjective = f1\npruner = median\ntime = 90m\n[pruner]\nstartup = 3\n");
  const struct assay_settings *s = settings_at(plan, NULL);
  ck_assert_str_eq(s->train.loss.plugin->name, "cross_entropy");
  ck_assert_double_eq(option_of(&s->train.loss, "label_smoothing")->real, 0.1);
  ck_assert_int_eq(dimension_of(plan, "loss.label_smoothing"), 0);
  ck_assert_uint_eq(s->train.class_weights, ASSAY_CLASS_WEIGHTS_LIST);
  ck_assert_uint_eq(s->train.class_weight_count, 2);
  ck_assert_double_eq(s->train.class_weight_list[1], 2.5);
  ck_assert_uint_eq(s->metric_count, 4);
  ck_assert_str_eq(s->metrics[1].name, "f1_macro");
  ck_assert_str_eq(s->metrics[1].plugin->name, "f1");
  ck_assert_str_eq(option_of(&s->metrics[1], "average")->text, "macro");
  ck_assert_str_eq(s->metrics[3].name, "f1"); /* the objective */
  ck_assert_str_eq(option_of(&s->search.objective, "average")->text, "binary");
  ck_assert_str_eq(s->search.pruner.plugin->name, "median");
  ck_assert_int_eq(option_of(&s->search.pruner, "startup")->integer, 3);
  ck_assert_double_eq(s->search.time, 5400);
  ck_assert_str_eq(s->data.positive, "crack");
  assay_plan_release(plan);
}
END_TEST

START_TEST(devices_name_backends) {
  struct assay_plan *plan = plan_of(BASE "[backend]\ndevices = opencl:0, cpu, opencl:1\nthreads = 2\n[backend.opencl]\nfast = yes\n[backend.metal]\nwhatever = 1\n");
  const struct assay_settings *s = settings_at(plan, NULL);
  ck_assert_uint_eq(s->device_count, 3);
  ck_assert_str_eq(s->devices[2], "opencl:1");
  ck_assert_uint_eq(s->search.workers, 0);
  ck_assert_uint_eq(s->backend_count, 2);
  ck_assert_str_eq(s->backends[0].plugin->name, "opencl");
  ck_assert_int_eq(option_of(&s->backends[0], "fast")->integer, 1);
  ck_assert_int_eq(option_of(&s->backends[1], "threads")->integer, 2);
  assay_plan_release(plan);
  plan = plan_of(BASE "[backend]\ndevices = Radeon RX\nthreads = 2\n[backend.cpu]\nthreads = 5\n");
  s = settings_at(plan, NULL);
  ck_assert_uint_ge(s->backend_count, 3); /* any may have a device of that name */
  for (uint32_t i = 0; i < s->backend_count; i++)
    if (strcmp(s->backends[i].plugin->name, "cpu") == 0) ck_assert_int_eq(option_of(&s->backends[i], "threads")->integer, 5);
  assay_plan_release(plan);
}
END_TEST

/* ---- Paths and overrides ---- */

START_TEST(paths_start_at_the_file_and_in_overrides_at_the_shell) {
  char *folder = getcwd(NULL, 0), path[PATH_MAX];
  struct assay_plan *plan = plan_with(BASE, (const char *const[]){"data.test = held/out", NULL});
  const struct assay_settings *s = settings_at(plan, NULL);
  snprintf(path, sizeof path, "%s/study/images", folder);
  ck_assert_str_eq(s->data.path, path);
  snprintf(path, sizeof path, "%s/held/out", folder);
  ck_assert_str_eq(s->data.test_path, path);
  assay_plan_release(plan);
  plan = plan_with(BASE, (const char *const[]){"data.path=/somewhere/else", "data.test=own", NULL});
  s = settings_at(plan, NULL);
  ck_assert_str_eq(s->data.path, "/somewhere/else");
  ck_assert(s->data.test_own);
  assay_plan_release(plan);
  free(folder);
}
END_TEST

START_TEST(overrides_drop_the_domain_and_may_bring_another) {
  struct assay_plan *plan = plan_with(student, (const char *const[]){"layer.features.kernel=5", "optimizer.learning_rate = 0.01 ~ real(0, 0.1)",
                                                                     "data.positive=\"a ; b\"", NULL});
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 6);
  ck_assert_int_eq(dimension_of(plan, "layer.features.kernel"), -1);
  const struct assay_settings *s = settings_at(plan, NULL);
  ck_assert_int_eq(option_of(&s->layers[0].component, "kernel")->integer, 5);
  ck_assert_str_eq(s->data.positive, "a ; b");
  const char *text = printed(plan, NULL);
  ck_assert_ptr_nonnull(strstr(text, "positive = \"a ; b\""));
  ck_assert_ptr_nonnull(strstr(text, "; -s\n"));
  assay_plan_release(plan);
}
END_TEST

START_TEST(overrides_of_lists_leave_sections_behind) {
  static const char text[] = HEAD "[network]\nlayers = body, classifier\n[layer.body]\ntype = dense\nunits = 8 ~ int(4, 16)\n[metric.other]\ntype = f1\n"
                                  "[search]\nobjective = other\n";
  assay_plan_release(plan_of(text));
  struct assay_plan *plan = plan_with(text, (const char *const[]){"network.layers=relu, classifier", "search.objective=loss", NULL});
  ck_assert_uint_eq(assay_plan_space(plan)->dimension_count, 0);
  ck_assert_uint_eq(settings_at(plan, NULL)->layer_count, 2);
  assay_plan_release(plan);
}
END_TEST

START_TEST(file_is_read_from_disk) {
  char folder[] = "/tmp/assay-config-XXXXXX", path[64];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/a.ini", folder);
  ck_assert_int_eq(assay_file_write(path, BASE, strlen(BASE), NULL), 0);
  struct assay_plan *plan;
  ck_assert_msg(assay_plan_load(path, NULL, 0, registry, &plan, &status) == 0, "%s", status.message);
  assay_plan_release(plan);
  ck_assert_int_eq(assay_plan_load(folder, NULL, 0, registry, &plan, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_nonnull(strstr(status.message, "a folder"));
  unlink(path);
  ck_assert_int_eq(assay_plan_load(path, NULL, 0, registry, &plan, &status), ASSAY_E_CONFIG);
  ck_assert_ptr_null(plan);
  rmdir(folder);
}
END_TEST

/* ---- Printing and differences ---- */

START_TEST(printed_plan_is_the_same_plan) {
  static const char *const texts[] = {
      student, BASE,
      BASE "[optimizer]\ntype = adam ~ choice(sgd, adam)\nlearning_rate = 0.001 ~ log(1e-4, 1e-2)\n[optimizer.sgd]\nmomentum = 0.9 ~ real(0, 0.99, 0.01)\n"
           "[train]\nschedule = step ~ choice(step, cosine)\nstep_epochs = 5 ~ int(1, 1000000, 4)\n[backend]\ndevices = cpu, reference\nthreads = 3\n",
      "[data]\npath = 'it \"is\" here; #1'\ntest = ./own\nsize = 8x8 ~ choice(8x8, 16x16)\n[network]\nlayers = every, classifier\n[layer.every]\nnote = \"ends in \\\"\n"
      "sizes = 1 ~ choice(1, \"2, 3\")\nscales = 0.25, 0.5\n[search]\ntype = grid\nlevels = 7\ntime = 2h\n"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct assay_plan *plan = plan_of(texts[i]), *again = plan_of(printed(plan, NULL));
    ck_assert_ptr_null(assay_plan_difference(plan, again, arena));
    const struct assay_space *a = assay_plan_space(plan), *b = assay_plan_space(again);
    ck_assert_uint_eq(a->dimension_count, b->dimension_count);
    for (uint32_t d = 0; d < a->dimension_count; d++) {
      const struct assay_dimension *x = a->dimensions[d], *y = b->dimensions[d];
      ck_assert_str_eq(x->name, y->name);
      ck_assert(x->kind == y->kind && x->low == y->low && x->high == y->high && x->step == y->step && x->logarithmic == y->logarithmic);
      ck_assert(x->choice_count == y->choice_count && x->default_value == y->default_value && x->parent == y->parent && x->parent_choice == y->parent_choice);
    }
    ck_assert_str_eq(settings_at(plan, NULL)->data.path, settings_at(again, NULL)->data.path);
    ck_assert_uint_eq(settings_at(plan, NULL)->metric_count, settings_at(again, NULL)->metric_count);
    /* Printing what was printed changes nothing but the origins. */
    struct assay_text first = {0}, second = {0};
    assay_plan_print(plan, NULL, false, &first);
    assay_plan_print(again, NULL, false, &second);
    ck_assert_str_eq(first.data, second.data);
    assay_text_release(&first);
    assay_text_release(&second);
    assay_plan_release(plan);
    assay_plan_release(again);
  }
}
END_TEST

START_TEST(plan_printed_at_a_point_has_no_axes_and_the_same_settings) {
  struct assay_plan *plan = plan_of(student);
  const double point[7] = {1, 3, 1, 0, 0, 1, 0.002};
  struct assay_plan *fixed = plan_of(printed(plan, point));
  ck_assert_uint_eq(assay_plan_space(fixed)->dimension_count, 0);
  const struct assay_settings *a = settings_at(plan, point), *b = settings_at(fixed, NULL);
  ck_assert_ptr_eq(a->optimizer.plugin, b->optimizer.plugin);
  ck_assert_str_eq(b->optimizer.plugin->name, "rmsprop");
  for (uint32_t i = 0; a->optimizer.plugin->options[i] != NULL; i++) ck_assert_str_eq(a->optimizer.values[i]->text, b->optimizer.values[i]->text);
  for (uint32_t i = 0; a->layers[0].component.plugin->options[i] != NULL; i++)
    ck_assert_str_eq(a->layers[0].component.values[i]->text, b->layers[0].component.values[i]->text);
  assay_plan_release(plan);
  assay_plan_release(fixed);
}
END_TEST

START_TEST(difference_names_what_a_run_may_not_change) {
  struct assay_plan *before = plan_of(student);
  struct assay_plan *now = plan_with(student, (const char *const[]){"search.trials=99", "search.time=1h", "search.workers=4", "data.threads=2", "backend.threads=2",
                                                                    "backend.devices=cpu", "optimizer.learning_rate=0.0010 ~ log(1e-4, 0.010)", NULL});
  ck_assert_ptr_null(assay_plan_difference(before, now, arena));
  assay_plan_release(now);
  now = plan_with(student, (const char *const[]){"train.epochs=31", "layer.features.kernel=3", "optimizer.sgd.momentum=0.5", "search.type=grid", NULL});
  const char *keys = assay_plan_difference(before, now, arena);
  ck_assert_ptr_nonnull(keys);
  ck_assert_ptr_nonnull(strstr(keys, "train.epochs"));
  ck_assert_ptr_nonnull(strstr(keys, "layer.features.kernel"));
  ck_assert_ptr_nonnull(strstr(keys, "optimizer.sgd.momentum"));
  ck_assert_ptr_nonnull(strstr(keys, "search.type"));
  ck_assert_ptr_nonnull(strstr(keys, "search.levels"));
  ck_assert_ptr_null(strstr(keys, "search.trials"));
  assay_plan_release(now);
  assay_plan_release(before);
}
END_TEST

START_TEST(line_ends_of_other_systems_and_none_at_all_are_read) {
  struct assay_plan *plan = plan_of("[data]\r\npath = i ; here\r\ntest = none\r\n\r\n[network]\r\nlayers = classifier");
  ck_assert_ptr_nonnull(strstr(settings_at(plan, NULL)->data.path, "study/i"));
  assay_plan_release(plan);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("config");
  TCase *tests = tcase_create("config");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, student_file_gives_the_seven_axes);
  tcase_add_test(tests, student_file_gives_the_settings_of_the_checklist);
  tcase_add_test(tests, one_word_changes_the_search);
  tcase_add_test(tests, dropouts_reach_the_layers_that_drop);
  tcase_add_test(tests, sections_of_types_hang_from_the_type);
  tcase_add_test(tests, own_section_wins_over_the_shared_one);
  tcase_add_test(tests, shared_axis_hangs_from_its_only_reader);
  tcase_add_test(tests, types_of_layers_can_be_searched);
  tcase_add_test(tests, idle_sections_stay_and_are_checked);
  tcase_add_test(tests, keys_of_the_core_can_depend_on_another);
  tcase_add_test(tests, branches_and_repeated_names);
  tcase_add_test(tests, augmentation_knows_its_largest_strengths);
  tcase_add_test(tests, the_default_rate_goes_by_the_layers);
  tcase_add_test(tests, lists_and_texts_can_be_searched);
  tcase_add_test(tests, losses_and_metrics_take_options);
  tcase_add_test(tests, devices_name_backends);
  tcase_add_test(tests, paths_start_at_the_file_and_in_overrides_at_the_shell);
  tcase_add_test(tests, overrides_drop_the_domain_and_may_bring_another);
  tcase_add_test(tests, overrides_of_lists_leave_sections_behind);
  tcase_add_test(tests, file_is_read_from_disk);
  tcase_add_test(tests, printed_plan_is_the_same_plan);
  tcase_add_test(tests, plan_printed_at_a_point_has_no_axes_and_the_same_settings);
  tcase_add_test(tests, difference_names_what_a_run_may_not_change);
  tcase_add_test(tests, line_ends_of_other_systems_and_none_at_all_are_read);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
