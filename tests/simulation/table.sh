#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The simulator's tables for 20 seeds, as Markdown, and the results of the first seed alone, which a test repeats.
set -euo pipefail
shopt -s inherit_errexit

root=$(dirname "${BASH_SOURCE[0]}")/../..
readonly root doc=$root/docs/simulation.md seeds=20
: "${JSGUARD_SIMULATE:=$root/build/quickstart/tests/simulation/jsguard-simulate}"

usage() {
    cat <<END
usage: table.sh [--check | --write]
  --check   compares the results of the first seed with those in docs/simulation.md (2 minutes on two cores)
  --write   puts the tables and these results there (half an hour)
JSGUARD_SIMULATE says where the program is.
END
}

action=print
while (($# > 0)); do
    case $1 in
    --check | --write) action=${1#--} ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

# in_doc MARKS: what stands between the lines `begin: MARKS` and `end: MARKS`.
in_doc() { sed -n "\\|^<!-- begin: $1 -->\$|,\\|^<!-- end: $1 -->\$|p" "$doc" | sed '1d;$d'; }

# write_in_doc MARKS: puts the standard input there.
write_in_doc() {
    local begin="<!-- begin: $1 -->" end="<!-- end: $1 -->"
    if ! grep -qx -- "$begin" "$doc" || ! grep -qx -- "$end" "$doc"; then
        echo "docs/simulation.md lacks the lines $begin and $end: put them where the results are to stand" >&2
        exit 1
    fi
    sed -i -e "\\|^$begin\$|,\\|^$end\$|{\\|^$begin\$|!{\\|^$end\$|!d}}" "$doc"
    sed -i -e "\\|^$begin\$|r /dev/stdin" "$doc"
}

# first_seed: the sums over all starts of each service.
first_seed() {
    local results
    results=$("$JSGUARD_SIMULATE" --seeds 1)
    awk '/, started at / { name = $2; sub(",", "", name) }
        /^\| all / { sub("all", name); rows = rows $0 "\n" }
        / started at / && !head { head = $0; sub("[a-z]+, started at", "service", head); getline rule }
        / a trial, / { counted = counted "\n" $0 "\n" }
        END { printf "%s\n%s\n%s%s", head, rule, rows, counted }' <<<"$results"
}

case $action in
print) "$JSGUARD_SIMULATE" --seeds "$seeds" ;;
check)
    diff <(in_doc "first seed") <(first_seed) || {
        echo "docs/simulation.md does not have the simulator's results: tests/simulation/table.sh --write"
        exit 1
    }
    ;;
write)
    first_seed | write_in_doc "first seed"
    "$JSGUARD_SIMULATE" --seeds "$seeds" | write_in_doc "20 seeds"
    ;;
esac
