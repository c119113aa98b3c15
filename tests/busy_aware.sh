#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs a test that measures. If the test fails while the CPUs are busy, it runs once more. If it fails again, and the CPUs
# are still busy, its result is "inconclusive".
set -euo pipefail

usage() {
    cat <<'END'
usage: busy_aware.sh [--most PERCENT] COMMAND [ARGUMENT...]
  --most PERCENT  limit of the CPU pressure: up to it a failure counts (60)
CPU pressure is the share of the run in which at least one task waited for a CPU (/proc/pressure/cpu).
A test that passes has passed, however busy the machine was. A test that fails above the limit runs once more. If it
fails above the limit again, the exit code is 77, which ctest shows as skipped, and the reason is printed.
END
}

max_pressure=60
while (($# > 0)); do
    case $1 in
    --most)
        max_pressure=${2:-}
        if (($# > 1)); then shift; fi
        ;;
    -h | --help) usage && exit 0 ;;
    *) break ;;
    esac
    shift
done
if (($# == 0)) || [[ $1 == -* || ! $max_pressure =~ ^[0-9]+$ ]]; then
    usage >&2
    exit 2
fi

readonly exit_skip=77
: "${JSGUARD_PRESSURE:=/proc/pressure/cpu}" # the test of this script sets another file
: "${JSGUARD_NOTES_FD:=}"                   # file descriptor for the reasons of skipped tests, because ctest hides them

# waited_us: microseconds since the boot in which at least one task waited for a CPU. Empty if the kernel does not count.
waited_us() { sed -n 's/^some .*total=//p' "$JSGUARD_PRESSURE" 2>/dev/null || true; }
now_us() { date +%s%6N; }

note() {
    echo "$*"
    # The descriptor may be closed. Then the reason is only on standard output.
    if [[ $JSGUARD_NOTES_FD ]]; then { echo "$*" >&"$JSGUARD_NOTES_FD"; } 2>/dev/null || true; fi
}

name=$(basename "$1")
for attempt in 1 2; do
    began=$(now_us) waited=$(waited_us) status=0
    # If ctest kills this script, the test gets SIGTERM and cleans up.
    setpriv --pdeathsig TERM -- "$@" || status=$?
    took=$(($(now_us) - began))
    if [[ -z $waited ]]; then
        echo "$name: this kernel does not count CPU pressure"
        exit "$status"
    fi
    pressure=$((100 * ($(waited_us) - waited) / took))
    echo "$name: CPU pressure $pressure % of $((took / 1000000)) s"
    if ((status == 0 || status == exit_skip || pressure <= max_pressure)); then exit "$status"; fi
    if ((attempt == 1)); then
        note "$name failed while tasks waited for a CPU $pressure % of the time (limit: $max_pressure %). It runs once more."
    fi
done
note "inconclusive: $name failed twice while tasks waited for a CPU, the second time $pressure % of the time" \
    "(limit: $max_pressure %). Run it again on a machine that is less busy."
exit "$exit_skip"
