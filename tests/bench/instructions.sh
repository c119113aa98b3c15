#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Instructions of the detector's arithmetic, natively, by callgrind: a number that no other load on the machine changes.
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

# Function, how often what it is named for happens in it, and the most instructions each: with GCC 12 on x86-64, as
# Debian 12 has it, and 2 % more. Others may need more.
readonly table='
logarithms 1000 100
divergence 1 107600
chance 1 41
looks 10000 166
'

work=$(mktemp -d --tmpdir jsguard-instructions.XXXXXX)
trap 'rm -r "$work"' EXIT
failed=0 figures=
printf '%-12s %12s %8s\n' function instructions most
while read -r name times most; do
    [[ -n $name ]] || continue
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect="$name" "$BENCH_BUILD/bench-maths" \
        >"$work/said" 2>&1 || { cat "$work/said" && exit 1; }
    collected=$(sed -n 's/^==.*Collected : //p' "$work/said")
    each=$((collected / times))
    printf '%-12s %12s %8s\n' "$name" "$each" "$most"
    figures+="\"$name\":$each,"
    ((collected > 0 && each <= most)) || failed=1
done <<<"$table"
echo "{${figures%,}}" >"$results"
((!failed)) || {
    echo "FAIL: more instructions than the table says, or none"
    exit 1
}
