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
