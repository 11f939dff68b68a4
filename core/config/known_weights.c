/* SPDX-License-Identifier: MIT */
#include "config/known_weights.h"

#include "base/arena.h"
#include "base/file.h"

#include <string.h>

#define IMAGENET "RGB, 0..1, minus mean 0.485,0.456,0.406, over std 0.229,0.224,0.225, size 224"
#define HUB(repository) "https://huggingface.co/timm/" repository "/resolve/main/model.safetensors"

static const struct assay_known_weights table[] = {
    {"mobilenet_v2", "mobilenetv2_100.ra_in1k.safetensors", HUB("mobilenetv2_100.ra_in1k"), "55ea4fb3a96010b933710ebf44fc965b070d5cd054d3f35e44f2d1320b4a714e", 0,
     "Apache-2.0", IMAGENET, "ImageNet-1k, timm"},
    {"resnet18", "resnet18.a1_in1k.safetensors", HUB("resnet18.a1_in1k"), "80c49dee3da4822c009c5a7fe591e9223c5a2cfcf95a4067ca4dfb5a7b89c612", 46807446, "Apache-2.0",
     IMAGENET, "ImageNet-1k, timm"},
    {"resnet34", "resnet34.a1_in1k.safetensors", HUB("resnet34.a1_in1k"), "829a220f9529d2b1ffdc8719d3273463001e0daf411eaf1916865d9db62c0ed2", 0, "Apache-2.0", IMAGENET,
     "ImageNet-1k, timm"},
    {"resnet50", "resnet50.a1_in1k.safetensors", HUB("resnet50.a1_in1k"), "773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb", 102469840, "Apache-2.0",
     IMAGENET, "ImageNet-1k, timm"},
    {"vgg11", "vgg11.tv_in1k.safetensors", HUB("vgg11.tv_in1k"), "682c023808812148d4e60c76d80ad83dbeaf5d50eb1a952a0b836895003151e5", 0, "BSD-3-Clause", IMAGENET,
     "ImageNet-1k, torchvision"},
    {"vgg16", "vgg16.tv_in1k.safetensors", HUB("vgg16.tv_in1k"), "57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8", 0, "BSD-3-Clause", IMAGENET,
     "ImageNet-1k, torchvision"},
};

const struct assay_known_weights *assay_known_weights(uint32_t index) { return index < sizeof table / sizeof *table ? &table[index] : NULL; }

const struct assay_known_weights *assay_known_weights_file(const char *path) {
  const char *name = assay_path_name(path);
  for (uint32_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(table[i].file, name) == 0) return &table[i];
  return NULL;
}

const char *assay_known_weights_path(const struct assay_known_weights *weights, struct assay_arena *arena) {
  const char *cache = assay_cache_folder(arena);
  const char *folder = cache == NULL ? NULL : assay_path_join(arena, cache, "weights");
  if (folder == NULL || assay_folder_create(folder, NULL) != 0) return NULL;
  return assay_path_join(arena, folder, weights->file);
}
