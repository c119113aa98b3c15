#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Counts the instructions of the detector's arithmetic, run natively, with callgrind. Other load on the machine does not
# change the numbers.
set -euo pipefail
: "${BENCH_BUILD:=$(dirname "${BASH_SOURCE[0]}")/../../build/quickstart/tests/bench}"
: "${JSGUARD_REQUIRE_BPF:=0}"

results=/dev/null
[[ ${1:-} != --results ]] || results=${2:?}
command -v valgrind >/dev/null || {
    echo "no valgrind: apt-get install valgrind"
    ((JSGUARD_REQUIRE_BPF)) && exit 1
    exit 77
}

# Columns: a function of maths.cpp, the number of operations in it, and the maximum number of instructions for each
# operation. The maxima are those of GCC 12 on x86-64 (Debian 12) plus 2 %. Other compilers may need more.
readonly table='
logarithms 1000 100
divergence 1 107600
chance 1 41
looks 10000 166
'

work=$(mktemp -d --tmpdir jsguard-instructions.XXXXXX)
trap 'rm -r "$work"' EXIT
failed=0 figures=
printf '%-12s %12s %8s\n' function instructions max
while read -r name times max; do
    [[ -n $name ]] || continue
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect="$name" "$BENCH_BUILD/bench-maths" \
        >"$work/output" 2>&1 || { cat "$work/output" && exit 1; }
    collected=$(sed -n 's/^==.*Collected : //p' "$work/output")
    each=$((collected / times))
    printf '%-12s %12s %8s\n' "$name" "$each" "$max"
    figures+="\"$name\":$each,"
    ((collected > 0 && each <= max)) || failed=1
done <<<"$table"
echo "{${figures%,}}" >"$results"
((!failed)) || {
    echo "FAIL: more instructions than the table allows, or none"
    exit 1
}
