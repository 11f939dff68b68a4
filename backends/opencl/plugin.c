/* SPDX-License-Identifier: MIT
 *
 * The backend `opencl`: any device with OpenCL 1.2. Kernels come from kernels/ and are generated from the graph; CLBlast does large products.
 *
 * A graph goes through lower.c (steps on storages), executable.c (kernels, memory, bindings), and out through the queue of device.c.
 */
#include "backends/opencl/executable.h"
#include "backends/opencl/lower.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/tuned.h"

static const struct assay_option clblast_from = {
    .struct_size = sizeof(struct assay_option),
    .type = ASSAY_OPTION_INT,
    .name = "clblast_from",
    .default_text = "0",
    .minimum = 0,
    .maximum = 9007199254740992.0,
    .help = "Multiply-adds of a matrix product from which on CLBlast does it, which compiles for seconds at first use; smaller ones take kernels of our own. 0: what "
            "'assay tune' has found for each class of shapes, and 134217728 where it has not measured."};

static const struct assay_option profile = {.struct_size = sizeof(struct assay_option),
                                            .type = ASSAY_OPTION_INT,
                                            .name = "profile",
                                            .default_text = "0",
                                            .minimum = 0,
                                            .maximum = 1,
                                            .help = "1: time every launch, and say at the end what each takes, moves and computes. Slower: no two steps overlap."};

static const struct assay_option *const options[] = {&clblast_from, &profile, NULL};

static int supports(struct assay_device *device, const struct assay_graph *graph, uint32_t node) {
  (void)device;
  return assay_cl_supports(graph, node);
}

static const struct assay_backend backend = {.struct_size = sizeof backend,
                                             .list = assay_cl_list,
                                             .open = assay_cl_open,
                                             .close = assay_cl_close,
                                             .supports = supports,
                                             .compile = assay_cl_compile,
                                             .memory = assay_cl_memory_need,
                                             .release = assay_cl_release,
                                             .buffer_create = assay_cl_buffer_create,
                                             .buffer_write = assay_cl_buffer_write,
                                             .buffer_read = assay_cl_buffer_read,
                                             .buffer_release = assay_cl_buffer_release,
                                             .store_create = assay_cl_store_create,
                                             .store_write = assay_cl_store_write,
                                             .store_read = assay_cl_store_read,
                                             .store_copy = assay_cl_store_copy,
                                             .store_release = assay_cl_store_release,
                                             .run = assay_cl_run,
                                             .sync = assay_cl_sync,
                                             .drivers = assay_cl_drivers,
                                             .tune = assay_cl_tune};

static const struct assay_plugin plugin = {.magic = ASSAY_PLUGIN_MAGIC,
                                           .struct_size = sizeof plugin,
                                           .kind = ASSAY_BACKEND,
                                           .abi_major = ASSAY_BACKEND_ABI_MAJOR,
                                           .abi_minor = ASSAY_BACKEND_ABI_MINOR,
                                           .name = "opencl",
                                           .summary = "GPUs and other devices through OpenCL 1.2, with CLBlast",
                                           .version = "0.1.0",
                                           .options = options,
                                           .vtable = &backend,
                                           .vtable_size = sizeof backend};

const struct assay_plugin *assay_plugin_query(unsigned index) { return index == 0 ? &plugin : NULL; }
