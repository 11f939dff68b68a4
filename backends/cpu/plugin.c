/* SPDX-License-Identifier: MIT
 *
 * The door of the cpu backend.
 */
#include "cpu.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

static const struct assay_option threads = {
  .struct_size = sizeof threads,
  .type = ASSAY_OPTION_INT,
  .name = "threads",
  .default_text = "0",
  .minimum = 0,
  .maximum = 1024,
  .help = "Threads that work on one step; 0: one a processor.",
};
static const char *const image_choices[] = {"auto", "last", "blocks", NULL}; /* enum assay_cpu_images */
static const struct assay_option images = {
  .struct_size = sizeof images,
  .type = ASSAY_OPTION_CHOICE,
  .name = "images",
  .default_text = "auto",
  .choices = image_choices,
  .help = "How images lie in memory between convolutions: channels last, in blocks of 16 channels, or whichever is faster for the network by the clock.",
};
static const struct assay_option winograd = {
  .struct_size = sizeof winograd,
  .type = ASSAY_OPTION_BOOL,
  .name = "winograd",
  .default_text = "yes",
  .help = "3 x 3 convolutions and their gradients by Winograd's transforms where that is faster and its results differ by less than 1e-5 of the largest.",
};
static const struct assay_option *const options[] = {&threads, &images, &winograd, NULL};

static const struct assay_backend backend = {
  .struct_size = sizeof backend,
  .list = assay_cpu_list,
  .open = assay_cpu_open,
  .close = assay_cpu_close,
  .supports = assay_cpu_supports,
  .compile = assay_cpu_compile,
  .memory = assay_cpu_memory,
  .release = assay_cpu_release,
  .buffer_create = assay_cpu_buffer_create,
  .buffer_write = assay_cpu_buffer_write,
  .buffer_read = assay_cpu_buffer_read,
  .buffer_release = assay_cpu_buffer_release,
  .store_create = assay_cpu_store_create,
  .store_write = assay_cpu_store_write,
  .store_read = assay_cpu_store_read,
  .store_copy = assay_cpu_store_copy,
  .store_release = assay_cpu_store_release,
  .run = assay_cpu_run,
  .sync = assay_cpu_sync,
};

static const struct assay_plugin plugin = {
  .magic = ASSAY_PLUGIN_MAGIC,
  .struct_size = sizeof plugin,
  .kind = ASSAY_BACKEND,
  .abi_major = ASSAY_BACKEND_ABI_MAJOR,
  .abi_minor = ASSAY_BACKEND_ABI_MINOR,
  .name = "cpu",
  .summary = "The processor, through oneDNN and loops of its own",
  .version = PACKAGE_VERSION,
  .options = options,
  .vtable = &backend,
  .vtable_size = sizeof backend,
};

const struct assay_plugin *assay_plugin_query(unsigned index) { return index == 0 ? &plugin : NULL; }
