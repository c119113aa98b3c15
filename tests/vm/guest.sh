#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# guest.sh [--short] BUILD: the tests that run on another kernel, with the programs of that build; figures on standard
# output, one "figure NAME VALUE" a line, all else on standard error.
set -euo pipefail
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly vm

short=0
[[ ${1:-} != --short ]] || { short=1 && shift; }
readonly build=${1:?a build directory}

export JSGUARD_LOAD=$build/loader/jsguard-load HONEST_LOAD=$build/tests/system/honest-load
export JSGUARD_REQUIRE_BPF=1    # what is skipped is not shown
export JSGUARD_PATIENCE=60      # seconds for what takes a moment where it is not emulated
readonly logs=/run/out

# Left out here, not where a kernel is not emulated; docs/kernels.md says why.
readonly keep_time=( # so many connections at a rate, or within a step
    '"60 held connections*"' '"300 connections that only open*"' '"a divergence that chance explains*"'
    '"what a service showed*"' '"scripted connections are found*"' '"more sources than there are places for*"' '"a flash crowd*"' '[threats]'
    '"learning measures how windows spread*"' '"a detector that no longer ticks*"'
)
readonly take_long=('"sockets that find no slot*"' '[cycles]' '[losses]')
readonly of_user_space=('[kernel_needs]' '[observer]' '[recorder]' '[replay]' '[relearning]')

failed=0
figure() { printf 'figure %s\n' "$*"; }

# run NAME PROGRAM...: its output to a file that the host sees; figure NAME is yes, or FAILED. What fails is run again, up to
# twice, and figure NAME_again says so: docs/kernels.md says why.
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

# catch NAME PROGRAM...: run, and figure NAME_tests is how many of how many test cases passed.
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

# Its limits are of one kernel: here the numbers are what is asked for.
"$build/tests/kernel/kernel-tests" '[verifier]' --use-colour no >"$logs/verifier.txt" 2>&1 || true
for program in jsg_transition jsg_preempted jsg_destroy jsg_existing jsg_start; do
    figure "verifier_$program" "$(sed -nE "s/^ *$program: ([0-9]+)\$/\1/p" "$logs/verifier.txt" | paste -sd/)"
done

catch arithmetic "$build/tests/kernel/kernel-arithmetic-tests" '~[long]'
figure js_error "$(sed -nE 's/^ *JS ([0-9.e+-]+) \(.*/\1/p' "$logs/arithmetic.txt")"
figure log2_error "$(sed -nE 's/.*worst error in bits: ([0-9.e+-]+) under.*/\1/p' "$logs/arithmetic.txt")"

others='~[counting]~[verifier]'
for name in "${keep_time[@]}" "${take_long[@]}" "${of_user_space[@]}"; do others+="~$name"; done
catch ring2 "$build/tests/kernel/kernel-tests" "$others"
run attack "$vm/attack.sh"
grep '^figure ' "$logs/attack.txt" || true
run disturbances "$vm/disturbances.sh"
figure complete yes
exit "$failed"
