#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles every file of kernels/, with every set of options that the backend gives it, for targets that need no device: AMD, NVIDIA and
# SPIR-V. Shows that the kernels are OpenCL C 1.2 without extensions, and that compilers other than PoCL's take them. Skips without clang.
set -u
top=${srcdir:-.}
# Each target goes to the oldest clang here that knows it.
compilers=
for candidate in clang-14 clang-15 clang-16 clang-17 clang-18 clang-19 clang; do
  if command -v "$candidate" > /dev/null 2>&1; then compilers="$compilers $candidate"; fi
done
if [ -z "$compilers" ]; then
  echo "skipped: no clang here (Debian: clang-14, clang-15)"
  exit 77
fi
folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
failed=0
count=0
# COMPILER:TARGET:PROCESSOR of each target that some compiler here knows.
echo 'kernel void nothing(void) {}' > "$folder/nothing.cl"
targets=
for target in amdgcn--amdhsa:gfx906 amdgcn--amdhsa:gfx90a amdgcn--amdhsa:gfx1030 amdgcn--amdhsa:gfx1100 nvptx64-nvidia-nvcl: spir64-unknown-unknown:; do
  processor=${target#*:}
  found=
  for compiler in $compilers; do
    if "$compiler" -x cl -cl-std=CL1.2 -target "${target%%:*}" ${processor:+-mcpu=$processor} -nogpulib -S -emit-llvm -o "$folder/out" "$folder/nothing.cl" > /dev/null 2>&1; then
      found=$compiler
      break
    fi
  done
  if [ -n "$found" ]; then targets="$targets $found:$target"; else echo "skipped: none of$compilers knows ${target#*:}"; fi
done
echo "targets:$targets"

# FILE OPTIONS...
compile() {
  file=$1
  shift
  for target in $targets; do
    clang=${target%%:*}
    target=${target#*:}
    processor=${target#*:}
    language= # machine code where this clang can write it; there is none for SPIR-V
    case $target in spir*) language=-emit-llvm ;; esac
    count=$((count + 1))
    # -nogpulib: the vendors' bitcode libraries are for linking only.
    if ! "$clang" -x cl -cl-std=CL1.2 -target "${target%%:*}" ${processor:+-mcpu=$processor} -nogpulib -I "$top/kernels" -Xclang -finclude-default-header -Wall -Wextra -Werror \
      -Wno-unused-command-line-argument -O2 "$@" -S $language -o "$folder/out" "$file" 2> "$folder/messages"; then
      echo "$file ($*) does not compile for $target:"
      cat "$folder/messages"
      failed=1
    fi
  done
}

for file in "$top"/kernels/*.cl; do
  case $file in */tile.cl | */tail.cl | */runs.cl) ;; *) compile "$file" ;; esac # these come with those that include them
done
for type in float int uint uchar; do compile "$top/kernels/rows.cl" -DTYPE=$type; done
for type in float int uint uchar; do compile "$top/kernels/reduce.cl" -DTYPE=$type; done
compile "$top/kernels/reduce.cl" -DTYPE=float -DMAXIMUM=1 -DNEUTRAL=-INFINITY
compile "$top/kernels/reduce.cl" -DTYPE=int -DMAXIMUM=1 -DNEUTRAL=INT_MIN
compile "$top/kernels/reduce.cl" -DTYPE=uint -DMAXIMUM=1
compile "$top/kernels/reduce.cl" -DTYPE=uchar -DMAXIMUM=1
tiles="-DTILE_ROWS=128,-DTILE_COLUMNS=128,-DITEM_ROWS=8,-DITEM_COLUMNS=8 -DTILE_ROWS=16,-DTILE_COLUMNS=128 -DTILE_ROWS=32,-DITEM_ROWS=8,-DITEM_COLUMNS=16,-DVECTOR=16,-DUNROLL=0"
for tile in $tiles; do
  # shellcheck disable=SC2046 # options, to be split
  set -- $(echo "$tile" | tr , ' ')
  for direction in 0 1 2; do compile "$top/kernels/conv2d.cl" "$@" -DDIRECTION=$direction -DQUADS=1; done
  for direction in 0 1; do compile "$top/kernels/conv2d.cl" "$@" -DDIRECTION=$direction -DQUADS=1 -DPOINTWISE=1; done
  compile "$top/kernels/matmul.cl" "$@" -DA_ALONG_DEPTH=1 -DB_ALONG_DEPTH=1
done
for direction in 1 2; do compile "$top/kernels/conv2d.cl" -DDIRECTION=$direction; done
for direction in 0 1 2; do compile "$top/kernels/conv2d.cl" -DTILE_ROWS=32 -DITEM_ROWS=8 -DITEM_COLUMNS=16 -DVECTOR=16 -DUNROLL=0 -DGATHER=16 -DDIRECTION=$direction; done
for run in 8 16; do
  for file in depthwise pool2d softmax; do compile "$top/kernels/$file.cl" -DRUN=$run; done
done
for items in 4 64; do compile "$top/kernels/softmax.cl" -DROW_ITEMS=$items; done
# Generated kernels: a network is compiled by the backend into a cache of its own, whose entries hold options and source. Needs an OpenCL device, PoCL for one.
generated=0
if [ -x "${builddir:-.}/bench/step" ]; then
  export XDG_CACHE_HOME="$folder/cache" HOME="$folder" ASSAY_PLUGIN_PATH="${builddir:-.}/modules/.libs" ASSAY_TOOL="${builddir:-.}/assay"
  ASSAY_PLUGIN_OWNER=$(stat -c %u "${builddir:-.}")
  export ASSAY_PLUGIN_OWNER
  mkdir -p "$XDG_CACHE_HOME"
  for network in "--activation relu" "--activation leaky_relu" "--network resnet18 --batch 2 --height 32 --width 32"; do
    # shellcheck disable=SC2086 # options, to be split
    "${builddir:-.}/bench/step" --backend opencl --steps 1 $network > /dev/null 2> "$folder/messages" || { cat "$folder/messages"; break; }
  done
  for entry in $(find "$XDG_CACHE_HOME/assay/compiled" -type f 2> /dev/null); do
    # The key: name, device, driver, platform, options of all, options, source; each ends with a NUL.
    perl -e 'undef $/; open F, "<", $ARGV[0]; binmode F; $b = <F>; $i = index $b, "assay opencl program"; exit 1 if $i < 0; @p = split /\0/, substr $b, $i;
      open O, ">", "$ARGV[1].cl"; print O $p[6]; open O, ">", "$ARGV[1].options"; print O $p[5]' "$entry" "$folder/generated" || continue
    generated=$((generated + 1))
    # shellcheck disable=SC2046
    compile "$folder/generated.cl" -Wno-unused-parameter -Wno-unused-function -Wno-unused-variable $(sed 's/-D /-D/g' "$folder/generated.options")
  done
fi
echo "$count compilations, $generated of them with what a network generates, for all targets"
exit $failed
