# SPDX-License-Identifier: BSD-2-Clause
# Shared by the tests of man pages, completion and package: failing, and the commands and options that --help lists.
# shellcheck shell=bash

set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export source_dir
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: $*"
}

# skip REASON: ends the test as skipped. With JSGUARD_REQUIRE_BPF=1 it is a failure.
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

# check_unit ROOT UNIT WORK: ROOT is a directory with an unpacked package. systemd must report nothing about its unit, and
# the unit's exposure must not exceed the figure in docs/operations.md. Temporary files go to the directory WORK.
check_unit() {
    local root=$1 unit=$1$2 work=$3 program
    program=$(sed -nE 's/^ExecStart=([^ ]+).*/\1/p' "$unit")
    [[ -x $root$program ]] || fail "the unit starts $program, which is not in the package"
    # The program is below ROOT, so the path in the unit is changed.
    sed "s,^ExecStart=[^ ]*,ExecStart=$root$program," "$unit" >"$work/jsguard.service"
    systemd-analyze verify --man=no "$work/jsguard.service" >"$work/verify.txt" 2>&1 || fail "systemd-analyze verify fails"
    [[ ! -s $work/verify.txt ]] || fail "systemd-analyze verify: $(<"$work/verify.txt")"
    systemd-analyze security --offline=true --no-pager "$work/jsguard.service" >"$work/security.txt"
    awk -v found="$(exposure "$work/security.txt")" -v documented="$(exposure "$source_dir/docs/operations.md")" \
        'BEGIN { exit !(found != "" && documented != "" && found + 0 <= documented + 0) }' ||
        fail "systemd-analyze security: exposure $(exposure "$work/security.txt"), but docs/operations.md has $(exposure "$source_dir/docs/operations.md")"
}

# check_lintian CHANGES WORK: lintian must report nothing about the package. Its output goes to the directory WORK.
check_lintian() {
    lintian --allow-root --display-info --fail-on none "$1" >"$2/lintian.txt"
    [[ ! -s $2/lintian.txt ]] || fail "lintian: $(<"$2/lintian.txt")"
}

# help_options PROGRAM [COMMAND...]: all names of all options in --help, one a line, sorted.
help_options() {
    "$@" --help | sed -nE 's/^  (-[^ ]+).*/\1/p' | tr , '\n' | sort
}

# help_commands PROGRAM [COMMAND...]: the subcommands in --help, one a line, sorted.
help_commands() {
    "$@" --help | sed -n '/^Subcommands:/,$ s/^  \([a-z]*\) .*/\1/p' | sort
}

# leaf_commands PROGRAM: the commands that have no subcommands, one a line, with a space between words.
leaf_commands() {
    local command below
    while read -r command; do
        below=$(help_commands "$1" "$command")
        if [[ $below ]]; then
            # shellcheck disable=SC2001 # sed changes each line
            sed "s/^/$command /" <<<"$below"
        else
            echo "$command"
        fi
    done < <(help_commands "$1")
}

# same NAME HELP OTHER: the sorted lines from --help must equal those from NAME, and must not be empty.
same() {
    [[ $2 ]] || fail "$1: nothing in --help"
    [[ $2 == "$3" ]] && return
    fail "$1 differs from --help (< only in --help, > only in $1)"
    diff <(echo "$2") <(echo "$3") | grep '^[<>]' || true
}
