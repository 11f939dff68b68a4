#!/bin/sh
# SPDX-License-Identifier: MIT
# The bundle that measures a GPU can be made, is small enough, and finds devices with its own libraries from an empty environment. Usage: bundle.sh; srcdir and builddir are set.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$srcdir/bench/gpu" "$builddir" "$work/bundle.tar.gz"
tar -C "$work" -xf "$work/bundle.tar.gz"
env -i PATH="$PATH" "$work/assay-gpu/run" '' list | tee "$work/devices"
grep -q '^cpu ' "$work/devices" || { echo "cpu is not listed" >&2; exit 1; }
[ -z "$(ls /etc/OpenCL/vendors/*.icd 2> /dev/null)" ] || grep -q '^opencl' "$work/devices" || { echo "there are OpenCL drivers, but no word of opencl" >&2; exit 1; }
# Nothing is taken from where it was built: a program, or a module, that finds none of its libraries in the bundle would say so.
for file in "$work"/assay-gpu/bin/* "$work"/assay-gpu/modules/*.so; do
  LD_LIBRARY_PATH="$work/assay-gpu/lib:$work/assay-gpu/libc:$work/assay-gpu/libcxx" "$work"/assay-gpu/libc/ld-linux-* --list "$file" | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | grep -v "^$work/" && {
    echo "$file needs a library that is not in the bundle" >&2
    exit 1
  }
done
exit 0
