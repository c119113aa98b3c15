#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The simulator's tables for 20 seeds, as Markdown.
set -euo pipefail
shopt -s inherit_errexit

root=$(dirname "${BASH_SOURCE[0]}")/../..
readonly root doc=$root/docs/simulation.md seeds=20
readonly begin='<!-- begin: tests/simulation/table.sh -->' end='<!-- end: tests/simulation/table.sh -->'
: "${JSGUARD_SIMULATE:=$root/build/quickstart/tests/simulation/jsguard-simulate}"

usage() {
    cat <<END
usage: table.sh [--check | --write]
  --check   compares the tables with those in docs/simulation.md
  --write   puts them there
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

# in_doc: what stands between the marks.
in_doc() { sed -n "\|^$begin\$|,\|^$end\$|p" "$doc" | sed '1d;$d'; }

tables=$("$JSGUARD_SIMULATE" --seeds "$seeds")
case $action in
print) echo "$tables" ;;
check)
    diff <(in_doc) - <<<"$tables" || {
        echo "docs/simulation.md does not have the simulator's results: tests/simulation/table.sh --write"
        exit 1
    }
    ;;
write)
    if ! grep -qx -- "$begin" "$doc" || ! grep -qx -- "$end" "$doc"; then
        echo "docs/simulation.md lacks the lines $begin and $end: put them where the tables are to stand" >&2
        exit 1
    fi
    sed -i -e "\|^$begin\$|,\|^$end\$|{\|^$begin\$|!{\|^$end\$|!d}}" "$doc"
    sed -i -e "\|^$begin\$|r /dev/stdin" "$doc" <<<"$tables"
    ;;
esac
