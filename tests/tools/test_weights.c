/* SPDX-License-Identifier: MIT
 *
 * assay weights, and weights at work: without a network, with a download that gives something else, and the pretrained networks of ../shared on their images.
 */
#include "tool.h"

#include "base/sha256.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FIPS 180-4's examples, and the empty text. */
START_TEST(sha256_is_as_in_the_standard) {
  static const char *const cases[][2] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
  };
  char text[65];
  struct assay_sha256 hash;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assay_sha256_begin(&hash);
    assay_sha256_add(&hash, cases[i][0], strlen(cases[i][0]));
    assay_sha256_end(&hash, text);
    ck_assert_str_eq(text, cases[i][1]);
  }
  assay_sha256_begin(&hash);
  for (int i = 0; i < 1000000; i++) assay_sha256_add(&hash, "a", 1);
  assay_sha256_end(&hash, text);
  ck_assert_str_eq(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(the_list_says_where_from_and_how_to_check) {
  tool_enter_folder();
  json_t *object = tool_json("weights list --json"), *list = json_object_get(object, "weights");
  ck_assert_uint_ge(json_array_size(list), 3);
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *row = json_array_get(list, i);
    const char *digits = json_string_value(json_object_get(row, "sha256"));
    ck_assert(strlen(digits) == 64 && strspn(digits, "0123456789abcdef") == 64);
    ck_assert(strncmp(json_string_value(json_object_get(row, "address")), "https://", 8) == 0);
    ck_assert_ptr_nonnull(json_string_value(json_object_get(row, "licence")));
  }
  json_decref(object);
  struct outcome outcome = tool_run("weights list");
  ck_assert_int_eq(outcome.code, 0);
  ck_assert_ptr_nonnull(strstr(outcome.results, "SHA-256 80c49dee3da4822c009c5a7fe591e9223c5a2cfcf95a4067ca4dfb5a7b89c612\n  input   RGB, 0..1, minus mean 0.485,"));
  outcome_release(&outcome);
  tool_expect(2, "did you mean 'resnet18'", "weights get resnet19x");
  tool_expect(2, "usage", "weights fetch");
}
END_TEST

START_TEST(offline_it_says_where_to_put_the_file) {
  tool_enter_folder();
  const char *path = getenv("PATH");
  char *kept = strdup(path != NULL ? path : "");
  ck_assert_int_eq(system("mkdir none && ln -s \"$(command -v timeout)\" none/"), 0);
  char folder[4096], whole[8192];
  ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
  snprintf(whole, sizeof whole, "%s/none", folder);
  setenv("PATH", whole, 1);
  tool_expect(1, "put it to", "weights get resnet18");
  tool_expect(1, "https://huggingface.co/timm/resnet18", "weights get resnet18 -o here.safetensors");
  setenv("PATH", kept, 1);
  free(kept);
  /* A file that is not the one that was meant is refused, whether it was put there or fetched. */
  tool_write("here.safetensors", "something else");
  tool_expect(3, "SHA-256", "weights get resnet18 -o here.safetensors");
  tool_write("bin/curl", "#!/bin/sh\nfor last; do :; done\nwhile [ \"$1\" != --output ]; do shift; done\necho wrong > \"$2\"\n");
  chmod("bin/curl", 0755);
  snprintf(whole, sizeof whole, "%s/bin:%s", folder, path != NULL ? path : "");
  setenv("PATH", whole, 1);
  tool_expect(3, "SHA-256", "weights get resnet18 -o new.safetensors");
  ck_assert(access("new.safetensors", F_OK) != 0);
}
END_TEST

static const char *shared(const char *name) {
  static char path[4096];
  const char *folder = getenv("ASSAY_SHARED");
  snprintf(path, sizeof path, "%s/data/%s", folder != NULL ? folder : "../shared", name);
  return access(path, R_OK) == 0 ? path : NULL;
}

/* Twenty blocks on the 10,000 test images: 91.73 % with an independent forward pass. ASSAY_ACCURACY=all takes all of them, otherwise a few are looked at. */
START_TEST(resnet20_knows_cifar) {
  tool_enter_folder();
  if (shared("weights/resnet20-cifar10.safetensors") == NULL || shared("cifar10-test.tar") == NULL) ASSAY_SKIP("../shared has no CIFAR-10 and no weights for it");
  char weights[4096];
  snprintf(weights, sizeof weights, "%s", shared("weights/resnet20-cifar10.safetensors"));
  const bool all = getenv("ASSAY_ACCURACY") != NULL;
  char command[9000];
  snprintf(command, sizeof command, "mkdir few && tar -xf '%s' -C few && find few -name '*.png' | sort | awk 'NR %% 50 != 0' | xargs rm -f", shared("cifar10-test.tar"));
  if (!all && system(command) != 0) ASSAY_SKIP("the archive cannot be unpacked");
  tool_write("cifar.ini", "[data]\npath = %s\nsize = 32x32\ntest = none\n[network]\nlayers = resnet20, classifier\nweights = %s\n", all ? shared("cifar10-test.tar") : "few/cifar10-test", weights);
  tool_seconds = 900;
  json_t *result = tool_json("eval cifar.ini --json --quiet");
  const double accuracy = json_number_value(json_object_get(result, "accuracy"));
  const double images = json_number_value(json_object_get(result, "n"));
  if (all) ck_assert_double_eq_tol(accuracy, 0.9173, 0.0002);
  else ck_assert_msg(images == 200 && accuracy > 0.85, "%g of %g images", accuracy, images);
  json_decref(result);
}
END_TEST

START_TEST(what_would_be_loaded_is_shown) {
  tool_enter_folder();
  if (shared("weights/resnet20-cifar10.safetensors") == NULL) ASSAY_SKIP("../shared has no weights");
  tool_write_images("photos", 4);
  tool_write("a.ini", "[data]\npath = photos\nsize = 16x16\ncolour = grey\ntest = none\n[network]\nlayers = resnet20, classifier\nweights = %s\n",
             shared("weights/resnet20-cifar10.safetensors"));
  json_t *shown = tool_json("weights show a.ini --json"), *rows = json_object_get(shown, "rows");
  bool summed = false, fresh = false, left_out = false;
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const char *variable = json_string_value(json_object_get(json_array_get(rows, i), "variable")), *note = json_string_value(json_object_get(json_array_get(rows, i), "note"));
    if (variable != NULL && strcmp(variable, "resnet20.conv1.weight") == 0) summed = strstr(note, "grey") != NULL;
    if (variable != NULL && strcmp(variable, "classifier.weight") == 0) fresh = strstr(note, "new classifier") != NULL;
    const char *tensor = json_string_value(json_object_get(json_array_get(rows, i), "tensor"));
    if (variable == NULL && strcmp(tensor, "linear.weight") == 0) left_out = strstr(note, "old classifier") != NULL;
  }
  ck_assert(summed && fresh && left_out);
  json_decref(shown);
  /* 19 convolutions and as many normalisations of four vectors, a linear layer: 97 tensors. */
  shown = tool_json("weights show %s --json", shared("weights/resnet20-cifar10.safetensors"));
  ck_assert_uint_eq(json_array_size(json_object_get(shown, "tensors")), 19 * 5 + 2);
  ck_assert_ptr_nonnull(json_object_get(json_object_get(shown, "metadata"), "input"));
  json_decref(shown);
  tool_write("old.pth", "PK\3\4archive/data.pkl");
  tool_expect(3, "safetensors.torch", "weights show old.pth");
  tool_expect(0, "loaded", "train a.ini -s train.epochs=1 -s backend.devices=reference -s data.validation=0.5");
  tool_expect(0, "another input", "config a.ini -s data.normalise=unit");
  struct outcome small = tool_run("config a.ini -s data.size=15x40"), enough = tool_run("config a.ini");
  ck_assert(strstr(small.talk, "were trained at 32x32 pixels") != NULL && strstr(enough.talk, "were trained at") == NULL);
  outcome_release(&small);
  outcome_release(&enough);
  tool_expect(2, "choose the layer", "eval a.ini -s network.layers=mobilenet_v2,classifier");
}
END_TEST

/* A model of ours is a file of weights, too. */
START_TEST(a_run_keeps_its_weights) {
  tool_enter_folder();
  tool_write_images("images", 8);
  tool_write_ini("first.ini", "images", "");
  tool_expect(0, NULL, "train first.ini --quiet -s train.epochs=2");
  tool_expect(0, "loaded", "train first.ini -o second -s train.epochs=2 -s network.weights=runs/first/model.safetensors");
  ck_assert(tool_file_holds("second/weights.csv", "variable,tensor,note\n") && tool_file_holds("second/weights.csv", "classifier.weight,classifier.weight,"));
  ck_assert_int_eq(rename("second/model.safetensors", "before.safetensors"), 0);
  ck_assert_int_eq(remove("runs/first/model.safetensors"), 0);
  tool_expect(0, NULL, "report second");
  tool_expect(0, NULL, "finish second --quiet");
  ck_assert_int_eq(system("cmp before.safetensors second/model.safetensors"), 0);
  tool_expect(2, "there is no file", "train second/config.ini -o third");
}
END_TEST

/* Puts a file where `weights get` puts that of resnet50; NULL: something that is no file of weights. */
static void put_resnet50(const char *from) {
  char folder[3000], command[8000];
  ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
  strcat(folder, "/cache");
  setenv("XDG_CACHE_HOME", folder, 1);
  tool_write("cache/assay/weights/resnet50.a1_in1k.safetensors", "none");
  snprintf(command, sizeof command, "ln -sf '%s' cache/assay/weights/resnet50.a1_in1k.safetensors", from != NULL ? from : "");
  if (from != NULL) ck_assert_int_eq(system(command), 0);
}

START_TEST(few_images_get_frozen_features) {
  tool_enter_folder();
  tool_write_images("images", 8);
  setenv("XDG_CACHE_HOME", "none", 1);
  tool_expect(0, NULL, "init images -o without.ini");
  ck_assert(tool_file_holds("without.ini", "`assay weights get resnet18`") && tool_file_holds("without.ini", "\nrotation   = 0 ~"));
  put_resnet50(NULL);
  tool_expect(0, NULL, "init images -o with.ini");
  ck_assert(tool_file_holds("with.ini", "layers  = resnet50, classifier") && tool_file_holds("with.ini", "\nfreeze        = resnet50"));
  ck_assert(!tool_file_holds("with.ini", "\nrotation")); /* which would make the features anew in every epoch */
}
END_TEST

START_TEST(what_init_proposes_trains) {
  tool_enter_folder();
  if (shared("weights/resnet50-v1-imagenet.safetensors") == NULL) ASSAY_SKIP("../shared has no weights");
  tool_write_images("images", 8);
  put_resnet50(shared("weights/resnet50-v1-imagenet.safetensors"));
  tool_expect(0, NULL, "init images -o proposed.ini");
  json_t *summary = tool_json("train proposed.ini -o run --json --quiet -s train.epochs=2 -s data.folds=2 -s backend.devices=reference");
  ck_assert_ptr_nonnull(json_object_get(summary, "test"));
  json_decref(summary);
  ck_assert(tool_file_holds("run/weights.csv", "resnet50.conv1.weight,conv1.weight,") && tool_file_holds("run/weights.csv", "classifier.weight,,"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights");
  TCase *tests = tcase_create("weights");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, sha256_is_as_in_the_standard);
  tcase_add_test(tests, the_list_says_where_from_and_how_to_check);
  tcase_add_test(tests, offline_it_says_where_to_put_the_file);
  tcase_add_test(tests, resnet20_knows_cifar);
  tcase_add_test(tests, what_would_be_loaded_is_shown);
  tcase_add_test(tests, a_run_keeps_its_weights);
  tcase_add_test(tests, few_images_get_frozen_features);
  tcase_add_test(tests, what_init_proposes_trains);
  suite_add_tcase(suite, tests);
  return assay_run_suite(suite);
}
