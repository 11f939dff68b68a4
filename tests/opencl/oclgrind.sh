#!/bin/sh
# SPDX-License-Identifier: MIT
# The conformance suite at small shapes in Oclgrind, a simulator of an OpenCL device that sees every access. Its log has to be empty: its exit code says nothing.
#
#   1. Invalid accesses (always looked for) and data races, in optimised code: the whole suite.
#   2. Uninitialised values: in code that is not optimised, since the check of Oclgrind 21.10 does not know LLVM's `freeze`, which the optimiser puts
#      around divisions, and stops there (mended upstream: github.com/jrprice/Oclgrind pull request 220); and without `restrict`, of which code that is not
#      optimised keeps marks that it does not know either. It is slow: convolutions (minutes each) are left to
#      pass 1, and some ops of every other family of kernels do.
#   3. That the log would say something: one planted fault of each of the three kinds has to be found.
#
# Skips (77) without Oclgrind (Debian: oclgrind). ASSAY_TOOL: the tool. ASSAY_OCLGRIND_OPS: only these ops, with commas between.
set -u
top=${srcdir:-.}
runtime=
for candidate in /usr/lib/oclgrind/liboclgrind-rt-icd.so /usr/lib/*/oclgrind/liboclgrind-rt-icd.so /usr/local/lib/liboclgrind-rt-icd.so; do
  [ -f "$candidate" ] && runtime=$candidate && break
done
if [ -z "$runtime" ]; then
  echo "skipped: no Oclgrind here (Debian: oclgrind)"
  exit 77
fi
folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/vendors" "$folder/kernels"
echo "$runtime" > "$folder/vendors/oclgrind.icd"
OCL_ICD_VENDORS=$folder/vendors
OCLGRIND_LOG=$folder/log
export OCL_ICD_VENDORS OCLGRIND_LOG
failed=0

# NAME OPTIONS...: the suite, with a cache of its own for compiled kernels, since the simulator's options are no part of its key.
suite() {
  name=$1
  shift
  rm -f "$OCLGRIND_LOG"
  XDG_CACHE_HOME=$folder/cache-$name "$ASSAY_TOOL" selftest opencl --seed 1 --limit 1800 "$@" > "$folder/results" 2>&1
  code=$?
}

# Everything must conform, and the log be empty.
expect_clean() {
  if [ "$code" != 0 ] || [ -s "$OCLGRIND_LOG" ]; then
    echo "$1: exit code $code, $(wc -l < "$OCLGRIND_LOG") lines in Oclgrind's log"
    tail -n 5 "$folder/results"
    head -n 40 "$OCLGRIND_LOG"
    failed=1
  else
    echo "$1: $(tail -n 1 "$folder/results")"
  fi
}

# A kernel file with a fault in it: its log must hold the words.
expect_found() {
  if grep -q "$2" "$OCLGRIND_LOG"; then echo "$1: found"; else
    echo "$1: NOT FOUND"
    head -n 20 "$OCLGRIND_LOG"
    tail -n 3 "$folder/results"
    failed=1
  fi
}

ops=${ASSAY_OCLGRIND_OPS:+--op $ASSAY_OCLGRIND_OPS}

OCLGRIND_DATA_RACES=1
export OCLGRIND_DATA_RACES
# shellcheck disable=SC2086 # options, to be split
suite races $ops
expect_clean "invalid accesses and data races"
unset OCLGRIND_DATA_RACES

OCLGRIND_UNINITIALIZED=1
OCLGRIND_BUILD_OPTIONS='-cl-opt-disable -Drestrict='
export OCLGRIND_UNINITIALIZED OCLGRIND_BUILD_OPTIONS
suite uninitialised --mode test --op "${ASSAY_OCLGRIND_OPS:-relu,add,slice,gather,concat,pad,reduce_sum,argmax,max_pool2d,avg_pool2d,random_uniform,one_hot,scatter_add,matmul}"
expect_clean "uninitialised values"

# Faults to be found, in copies of kernels/reduce.cl.
ASSAY_KERNEL_PATH=$folder/kernels
export ASSAY_KERNEL_PATH
plant() {
  sed "$1" "$top/kernels/reduce.cl" > "$folder/kernels/reduce.cl"
  cmp -s "$top/kernels/reduce.cl" "$folder/kernels/reduce.cl" && echo "the fault could not be planted: kernels/reduce.cl has changed" && failed=1
}
plant 's/^  TYPE best = x\[base\];/  TYPE best;/'
suite planted-uninitialised --mode test --op argmax
expect_found "a planted uninitialised value" "ninitialized value"
unset OCLGRIND_UNINITIALIZED OCLGRIND_BUILD_OPTIONS
plant 's/const TYPE value = x\[base + /&16777216u + /'
suite planted-access --mode test --op argmax
expect_found "a planted access out of bounds" "Invalid read"
OCLGRIND_DATA_RACES=1
export OCLGRIND_DATA_RACES
plant '/barrier(CLK_LOCAL_MEM_FENCE);/d'
suite planted-race --mode test --op reduce_sum
expect_found "a planted data race" "data race"
exit $failed
