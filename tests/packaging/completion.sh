#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that bash completes the command lines of both programs, and knows exactly the options of --help.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

: "${JSGUARD_LOAD:?the program}" "${JSGUARD:?the program}"
completion=$source_dir/cmake/packaging/bash-completion/jsguard
# shellcheck source=cmake/packaging/bash-completion/jsguard
source "$completion"
work=$(mktemp -d --tmpdir jsguard-completion.XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir directory
touch b.json today.jsonl page.html node.prom 'two words.jsonl' other.txt

# completed WORD...: the completions of the last word, one a line, sorted. It calls the function that bash would call.
completed() {
    local COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=() called
    called=$(complete -p "$1" | sed -E 's/.*-F ([^ ]+) .*/\1/')
    "$called"
    ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}" | sort
}

# completes EXPECTED WORD...: EXPECTED are the expected completions, with "|" between them.
completes() {
    local got expected=$1
    shift
    got=$(completed "$@" | paste -sd '|')
    [[ $got == "$expected" ]] || fail "\"$*\" is completed with \"$got\", not with \"$expected\""
}

same jsguard-load "$(help_options "$JSGUARD_LOAD")" "$(completed jsguard-load -)"
same jsguard "$(help_options "$JSGUARD")" "$(completed jsguard -)"
same "jsguard's commands" "$(help_commands "$JSGUARD")" "$(completed jsguard '')"
same "jsguard baseline's commands" "$(help_commands "$JSGUARD" baseline)" "$(completed jsguard baseline '')"
while read -ra command; do
    same "jsguard ${command[*]}" "$(help_options "$JSGUARD" "${command[@]}")" "$(completed jsguard "${command[@]}" -)"
done < <(leaf_commands "$JSGUARD")

# The completion must offer a value for each option that takes one, and for no flag.
takes_value() { # PROGRAM COMMAND... OPTION: in --help a word in capitals follows its names
    "${@:1:$#-1}" --help | grep -qE -- "^  (-[^ ]*,)?${!#}(,-[^ ]*)? [A-Z]"
}
check_values() { # PROGRAM COMMAND...
    local option
    while read -r option; do
        if takes_value "$@" "$option"; then
            _jsguard_value "$option" '' || fail "$option of ${*:1} takes a value, but the completion does not know that"
        else
            ! _jsguard_value "$option" '' || fail "$option of ${*:1} takes no value, but the completion offers one"
        fi
    done < <(help_options "$@")
}
check_values "$JSGUARD_LOAD"
while read -ra command; do check_values "$JSGUARD" "${command[@]}"; done < <(leaf_commands "$JSGUARD")

completes '--persist' jsguard-load --per
completes '--threshold' jsguard-load --json --thr
completes 'auto' jsguard-load --threshold ''
completes 'auto' jsguard-load --threshold = a
completes 'auto' jsguard-load --threshold =
completes '' jsguard-load --localport ''
completes 'b.json|directory' jsguard-load --keep-baseline ''
completes 'node.prom' jsguard-load --textfile n
completes 'directory' jsguard-load --pin-dir d
completes 'root' jsguard-load --pin-group roo
completes 'status' jsguard st
completes 'record|replay|report' jsguard re
completes 'learn' jsguard baseline l
completes '--exit-over' jsguard baseline diff a.json b.json --e
completes 'csv|json|prometheus' jsguard export --format ''
completes 'csv' jsguard export --format = c
completes 'two words.jsonl' jsguard replay tw
completes 'today.jsonl' jsguard replay --json to
completes 'b.json|directory|today.jsonl|two words.jsonl' jsguard analyze --normal ''
completes 'page.html' jsguard report today.jsonl --html p
completes 'today.jsonl' jsguard record tod
completes '' jsguard status ''

finish
