#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# guest.sh [--short] BUILD: runs the tests on another kernel, with the programs of that build. Prints figures to standard
# output, each as a line "figure NAME VALUE", and everything else to standard error.
set -euo pipefail
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly vm

short=0
[[ ${1:-} != --short ]] || { short=1 && shift; }
readonly build=${1:?a build directory}

export JSGUARD_LOAD=$build/loader/jsguard-load HONEST_LOAD=$build/tests/system/honest-load
export JSGUARD_REQUIRE_BPF=1    # without BPF, tests fail and are not skipped
export JSGUARD_PATIENCE=60      # timeout in seconds, because emulation is slow
readonly logs=/run/out

# Tests that are left out because the kernel is emulated. docs/kernels.md gives the reasons.
readonly keep_time=( # they need many connections at a rate, or within a step
    '"60 stalled connections*"' '"300 connections that only open*"' '"a divergence within the significance bound*"'
    '"a baseline has exactly*"' '"scripted connections are found*"' '"with more sources than entries*"' '"a flash crowd*"' '[threats]'
    '"learning measures the spread*"' '"a detector that no longer ticks*"'
)
readonly take_long=('"sockets that find no slot*"' '[cycles]' '[losses]')
readonly of_user_space=('[kernel_needs]' '[observer]' '[recorder]' '[replay]' '[relearning]')

failed=0
figure() { printf 'figure %s\n' "$*"; }

# run NAME PROGRAM...: runs a program, with its output in a file that the host sees. Figure NAME is yes or FAILED. A program
# that fails is run again, up to twice, and figure NAME_again is the number of repetitions. docs/kernels.md gives the reason.
run() {
    local name=$1 began=$SECONDS status tries=0
    shift
    while ((++tries)); do
        status=0
        "$@" >"$logs/$name.txt" 2>&1 || status=$?
        if ((status == 0)); then break; fi
        tail -n 60 "$logs/$name.txt" >&2
        if ((tries == 3)); then break; fi
        mv "$logs/$name.txt" "$logs/$name.$tries.txt"
        figure "${name}_again" "$tries"
    done
    if ((status == 0)); then
        figure "$name" yes
    else
        figure "$name" FAILED
        failed=1
    fi
    echo "$name: status $status, $((SECONDS - began)) s" >&2
}

# catch NAME PROGRAM...: the same as run; figure NAME_tests is "PASSED of ALL" test cases.
catch() {
    local name=$1
    run "$@" --use-colour no --durations yes
    sed -nE -e 's/^All tests passed \(.* in ([0-9]+) test cases?\)$/\1 of \1/p' \
        -e 's/^test cases: *([0-9]+) \| *([0-9]+) passed.*/\2 of \1/p' \
        -e 's/^test cases: *([0-9]+) \| *[0-9]+ failed.*/0 of \1/p' "$logs/$name.txt" |
        while read -r tests; do figure "${name}_tests" "$tests"; done
}

figure kernel "$(uname -r)"
status=0
"$JSGUARD_LOAD" --verbose --localport 18000 --learn 1 --duration 3 --pin-dir /sys/fs/bpf/guest \
    >"$logs/load.txt" 2>&1 </dev/null || status=$?
cat "$logs/load.txt" >&2
if ((status != 0)); then
    figure refused "exit $status: $(tail -n 1 "$logs/load.txt")"
    exit "$status"
fi
figure loads yes
figure reading "$(sed -nE 's/.*sockets are read by ([a-z_]+).*/\1/p' "$logs/load.txt")"

catch counting "$build/tests/kernel/kernel-tests" '[counting]'
catch kprobe "$build/tests/vm/vm-kprobe-tests"
((short)) && exit "$failed"

# The test's limits are for one kernel only. Here only the numbers are needed.
"$build/tests/kernel/kernel-tests" '[verifier]' --use-colour no >"$logs/verifier.txt" 2>&1 || true
for program in jsg_transition jsg_preempted jsg_destroy jsg_existing jsg_start; do
    figure "verifier_$program" "$(sed -nE "s/^ *$program: ([0-9]+)\$/\1/p" "$logs/verifier.txt" | paste -sd/)"
done

catch arithmetic "$build/tests/kernel/kernel-arithmetic-tests" '~[long]'
figure js_error "$(sed -nE 's/^ *JS ([0-9.e+-]+) \(.*/\1/p' "$logs/arithmetic.txt")"
figure log2_error "$(sed -nE 's/.*worst error in bits: ([0-9.e+-]+) below.*/\1/p' "$logs/arithmetic.txt")"

others='~[counting]~[verifier]~[compilers]'
for name in "${keep_time[@]}" "${take_long[@]}" "${of_user_space[@]}"; do others+="~$name"; done
catch ring2 "$build/tests/kernel/kernel-tests" "$others"
run attack "$vm/attack.sh"
grep '^figure ' "$logs/attack.txt" || true
run disturbances "$vm/disturbances.sh"
figure complete yes
exit "$failed"
