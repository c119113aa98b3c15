#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# slowest.sh [BUILD] [NUMBER]: prints the slowest tests of the last ctest run in the directory BUILD, and why tests were
# inconclusive.
set -euo pipefail

if (($# > 2)) || [[ ${1:-} == -* || ! ${2:-5} =~ ^[0-9]+$ ]]; then
    echo "usage: tests/slowest.sh [BUILD] [NUMBER]     (build/quickstart, 5)" >&2
    exit 2
fi
build=${1:-$(dirname "${BASH_SOURCE[0]}")/../build/quickstart}
log=$build/Testing/Temporary/LastTest.log
[[ -s $log ]] || {
    echo "slowest.sh: there is no $log: run ctest first" >&2
    exit 1
}
# In the log, "1/9 Testing: NAME" begins the part of a test, and "Test time = 1.23 sec" ends it.
durations=$(awk '
    match($0, /^[0-9]+\/[0-9]+ Testing: /) { name = substr($0, RLENGTH + 1) }
    /^Test time = / { printf "%8.1f s  %s\n", $4, name }' "$log")
sort -rn <<<"$durations" | head -n "${2:-5}"
awk '{ sum += $1 } END { printf "%8.1f s  all %d tests together\n", sum, NR }' <<<"$durations"
grep -h '^inconclusive: ' "$log" || true
