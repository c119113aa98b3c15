# SPDX-License-Identifier: BSD-2-Clause
# What the tests of man pages, completion and package share: failing, and the commands and options that --help names.
# shellcheck shell=bash

set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export source_dir
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: $*"
}

# skip REASON: a failure where the caller demands that everything runs.
skip() {
    if [[ ${JSGUARD_REQUIRE_BPF:-0} == 1 ]]; then
        echo "FAIL (JSGUARD_REQUIRE_BPF=1): $*"
        exit 1
    fi
    echo "SKIP: $*"
    exit 77
}

finish() {
    if ((failures > 0)); then
        echo "$failures check(s) failed"
        exit 1
    fi
    echo "all checks passed"
}

# exposure FILE: the exposure level in the output of systemd-analyze security, or in a document that quotes it.
exposure() { sed -nE 's/.*Overall exposure level for jsguard.service: ([0-9.]+) .*/\1/p' "$1"; }

# check_unit ROOT UNIT WORK: systemd has nothing to say about the unit of a package that is unpacked in ROOT, and its exposure
# is at most what docs/operations.md says. Files for both go to the directory WORK.
check_unit() {
    local root=$1 unit=$1$2 work=$3 program
    program=$(sed -nE 's/^ExecStart=([^ ]+).*/\1/p' "$unit")
    [[ -x $root$program ]] || fail "the unit starts $program, which is not in the package"
    # Here the program is not where the unit says.
    sed "s,^ExecStart=[^ ]*,ExecStart=$root$program," "$unit" >"$work/jsguard.service"
    systemd-analyze verify --man=no "$work/jsguard.service" >"$work/verify.txt" 2>&1 || fail "systemd-analyze verify fails"
    [[ ! -s $work/verify.txt ]] || fail "systemd-analyze verify: $(<"$work/verify.txt")"
    systemd-analyze security --offline=true --no-pager "$work/jsguard.service" >"$work/security.txt"
    awk -v found="$(exposure "$work/security.txt")" -v told="$(exposure "$source_dir/docs/operations.md")" \
        'BEGIN { exit !(found != "" && told != "" && found + 0 <= told + 0) }' ||
        fail "systemd-analyze security: exposure $(exposure "$work/security.txt"), but docs/operations.md says $(exposure "$source_dir/docs/operations.md")"
}

# check_lintian CHANGES WORK: lintian has nothing to say.
check_lintian() {
    lintian --allow-root --display-info --fail-on none "$1" >"$2/lintian.txt"
    [[ ! -s $2/lintian.txt ]] || fail "lintian: $(<"$2/lintian.txt")"
}

# help_options PROGRAM [COMMAND...]: one a line, sorted, each of its names.
help_options() {
    "$@" --help | sed -nE 's/^  (-[^ ]+).*/\1/p' | tr , '\n' | sort
}

# help_commands PROGRAM [COMMAND...]
help_commands() {
    "$@" --help | sed -n '/^Subcommands:/,$ s/^  \([a-z]*\) .*/\1/p' | sort
}

# leaf_commands PROGRAM: each command that has none below it, its words with a space between.
leaf_commands() {
    local command below
    while read -r command; do
        below=$(help_commands "$1" "$command")
        if [[ $below ]]; then
            # shellcheck disable=SC2001 # of each line
            sed "s/^/$command /" <<<"$below"
        else
            echo "$command"
        fi
    done < <(help_commands "$1")
}

# same WHAT ONE OTHER: two sorted lists of lines must be equal, and not empty.
same() {
    [[ $2 ]] || fail "$1: nothing in --help"
    [[ $2 == "$3" ]] && return
    fail "$1: --help and it differ (< --help alone, > it alone)"
    diff <(echo "$2") <(echo "$3") | grep '^[<>]' || true
}
