#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles every file of kernels/, with every set of options that the backend gives it, for targets that need no device: AMD, NVIDIA and
# SPIR-V. Shows that the kernels are OpenCL C 1.2 without extensions, and that compilers other than PoCL's take them. Skips without clang.
set -u
top=${srcdir:-.}
clang=
for candidate in clang-14 clang-15 clang; do
  if command -v "$candidate" > /dev/null 2>&1; then
    clang=$candidate
    break
  fi
done
if [ -z "$clang" ]; then
  echo "skipped: no clang here (Debian: clang-14)"
  exit 77
fi
folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
failed=0
count=0
targets="amdgcn--amdhsa:gfx906 amdgcn--amdhsa:gfx90a amdgcn--amdhsa:gfx1030 nvptx64-nvidia-nvcl: spir64-unknown-unknown:"
# Newer than clang 14.
if "$clang" -target amdgcn--amdhsa --print-supported-cpus 2>&1 | grep -q gfx1100; then targets="$targets amdgcn--amdhsa:gfx1100"; fi

# FILE OPTIONS...
compile() {
  file=$1
  shift
  for target in $targets; do
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
  case $file in */tile.cl) ;; *) compile "$file" ;; esac # tile.cl comes with those that include it
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
echo "$count compilations, $generated of them with what a network generates, for each target"
exit $failed
