#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The options of jsguard-simulate: help, and one clear line with exit code 2 for each bad value.
set -euo pipefail

simulate=${1:?usage: options.tests.sh PROGRAM}
readonly simulate
failed=0
complain() {
    echo "options.tests.sh: $*"
    failed=1
}

help=$("$simulate" --help)
for option in --mixes --seeds --first-seed --days --jobs --arrivals; do
    [[ $help == *"$option"* ]] || complain "the help does not have $option"
done

# refuses TEXT ARGUMENT...: exit code 2, nothing on stdout, and one line on stderr that has the text.
refuses() {
    local text=$1 code=0 out err
    shift
    err=$(mktemp)
    out=$("$simulate" "$@" 2>"$err") || code=$?
    [[ $code -eq 2 ]] || complain "exit code $code for: $*"
    [[ -z $out ]] || complain "output for: $*"
    [[ $(wc -l <"$err") -eq 1 ]] || complain "not one line for: $*"
    grep -qF -- "$text" "$err" || complain "\"$text\" is missing in: $(cat "$err")"
    rm -f "$err"
}
refuses 'did you mean --seeds?' --seed 3
refuses '--seeds "0"' --seeds 0
refuses '--seeds "x"' --seeds x
refuses '--days "2"' --days 2
refuses '--days "41"' --days 41
refuses '--jobs "-1"' --jobs -1
refuses '--mixes "shop,bank"' --mixes shop,bank
refuses '--mixes ""' --mixes ''
refuses 'unknown argument "more"' more
refuses 'cannot read /nonexistent' --arrivals /nonexistent
refuses ':1: ' --arrivals "${BASH_SOURCE[0]}"
exit "$failed"
