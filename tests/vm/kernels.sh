#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels.sh: runs the tests of guest.sh on several kernels, and writes the table in docs/kernels.md.
set -euo pipefail
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly vm
readonly table_begins='<!-- The table: made by tests/vm/kernels.sh, do not edit. -->' table_ends='<!-- The end of the table. -->'

usage() {
    cat <<END
usage: kernels.sh [--keep DIRECTORY] [--document FILE] [KERNEL...]
  KERNEL...        versions, or "newest" (5.10 6.1 6.12 6.18 newest)
  --keep DIRECTORY the output of each kernel; complete kernels are not run again (a temporary directory)
  --document FILE  the file whose table is replaced (docs/kernels.md); none: only print the table
JSGUARD_BUILD is the build directory of the programs (build/quickstart). Needs root.
END
}

: "${JSGUARD_BUILD:=$vm/../../build/quickstart}"
readonly timeout_s=3600
kept='' document=$vm/../../docs/kernels.md
while (($# > 0)); do
    case $1 in
    --keep) kept=${2:?} && shift ;;
    --document) document=${2:?} && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) break ;;
    esac
    shift
done
kernels=("$@")
((${#kernels[@]} > 0)) || kernels=(5.10 6.1 6.12 6.18 newest)
build=$(cd "$JSGUARD_BUILD" && pwd)
[[ -x $build/loader/jsguard-load ]] || {
    echo "no $build/loader/jsguard-load: build first, or set JSGUARD_BUILD" >&2
    exit 1
}
if [[ -z $kept ]]; then
    kept=$(mktemp -d --tmpdir jsguard-kernels.XXXXXX)
    trap 'rm -r "$kept"' EXIT
fi

# figure KERNEL NAME: prints a figure of the kernel's guest, or a dash.
figure() { sed -n "s/^figure $2 //p" "$kept/$1/figures.txt" | tail -n 1 | grep . || echo –; }

# refused_rightly KERNEL: jsguard-load exited with 3, and the kernel is older than 5.19, which jsguard needs.
refused_rightly() {
    [[ $(figure "$1" refused) == "exit 3: "* ]] &&
        [[ $(printf '%s\n' "$(figure "$1" kernel)" 5.19 | sort --version-sort | head -n 1) != 5.19 ]]
}

# tests KERNEL NAME: prints how many of these tests passed, with a star if they were run again.
tests() {
    local star=
    [[ $(figure "$1" "$2_again") == – ]] || star=' \*'
    echo "$(figure "$1" "$2_tests")$star"
}

row() {
    local kernel=$1
    if [[ $(figure "$kernel" refused) != – ]]; then
        echo "| $(figure "$kernel" kernel) | no, $(figure "$kernel" refused) | | | | | | | | | |"
        return
    fi
    printf '| %s ' "$(figure "$kernel" kernel)" "$(figure "$kernel" loads)" "$(figure "$kernel" reading)" \
        "$(tests "$kernel" counting)" "$(tests "$kernel" kprobe)" \
        "$(tests "$kernel" arithmetic), $(figure "$kernel" js_error), $(figure "$kernel" log2_error)" \
        "$(tests "$kernel" ring2)" "$(figure "$kernel" raised_s) s, $(figure "$kernel" cleared_s) s" \
        "$(figure "$kernel" disturbances)" \
        "$(figure "$kernel" verifier_jsg_transition), $(figure "$kernel" verifier_jsg_preempted), $(figure "$kernel" verifier_jsg_destroy), $(figure "$kernel" verifier_jsg_existing), $(figure "$kernel" verifier_jsg_start)"
    echo '|'
}

# passed KERNEL: its guest finished, and nothing failed.
passed() { grep -q '^figure complete' "$kept/$1/figures.txt" && ! grep -q ' FAILED$' "$kept/$1/figures.txt"; }

failed=0
for kernel in "${kernels[@]}"; do
    mkdir -p "$kept/$kernel"
    if ! grep -qs '^figure complete' "$kept/$kernel/figures.txt"; then
        echo "kernel $kernel" >&2
        nice "$vm/boot.sh" --timeout "$timeout_s" --out "$kept/$kernel" "$kernel" "$vm/guest.sh" "$build" \
            >"$kept/$kernel/figures.txt" || true
    fi
    passed "$kernel" || refused_rightly "$kernel" || {
        echo "kernel $kernel: $(grep ' FAILED$' "$kept/$kernel/figures.txt" || echo "the guest did not finish")" >&2
        failed=1
    }
done

# shellcheck disable=SC2016 # names of programs
{
    echo '| kernel | loads | sockets read by | exact counts | as a kprobe counts | arithmetic, worst error of JS and log2 in bits | other tests of ring 2 | alert raised, cleared after | disturbances | verifier: `jsg_transition`, `jsg_preempted`, `jsg_destroy`, `jsg_existing`, `jsg_start` |'
    echo '|---|---|---|---|---|---|---|---|---|---|'
    for kernel in "${kernels[@]}"; do row "$kernel"; done
} >"$kept/table.md"
cat "$kept/table.md"
if [[ $document != none ]]; then
    awk -v begins="$table_begins" -v ends="$table_ends" -v table="$kept/table.md" '
        $0 == ends { inside = 0 }
        !inside
        $0 == begins { inside = 1; while ((getline line < table) > 0) print line }' "$document" >"$kept/document.md"
    cp "$kept/document.md" "$document"
fi
exit "$failed"
