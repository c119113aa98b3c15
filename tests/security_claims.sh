#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks the tests that docs/SECURITY.md names: each of them exists. Each claim names a test, or states that it has none.
#
# A claim is a paragraph that begins with "- **". A test is written as `tests/FILE`, or `tests/FILE`, "name", "name".
# A name is the name of a test case in the file, the name of the CTest test that runs the file, or a text that the script
# prints with say or row. The beginning of the name is enough.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly page=${1:-docs/SECURITY.md}

failed=0
complain() {
    echo "security claims: $*"
    failed=1
}

# names FILE: the names of all tests in the file, one a line.
names() {
    case $1 in
    *.cpp) tr -s '[:space:]' ' ' <"$1" | sed 's/" "//g' | grep -oP 'TEST_CASE\( ?"\K[^"]+' ;;
    *.sh)
        grep -oP '^\s*(say|row) "\K[^"]+' "$1"
        grep -hoP "^(system_test|vm_test)\(\"\K[^\"]+(?=\" .*\b${1##*/})" tests/*/CMakeLists.txt
        ;;
    esac || true
}

# check_test FILE [NAME...]
check_test() {
    local file=$1 name
    [[ -f $file ]] || {
        complain "there is no $file"
        return
    }
    shift
    for name in "$@"; do
        names "$file" | awk -v name="$name" 'index($0, name) == 1 { found = 1 } END { exit !found }' ||
            complain "$file has no test \"$name\""
    done
}

# Paragraphs and list items, one a line.
mapfile -t claims < <(awk '
    /^- / || /^$/ || /^#/ { if (text) print text; text = "" }
    { sub(/^ +/, ""); text = text (text ? " " : "") $0 }
    END { if (text) print text }' "$page" | grep -F -e '- **' -e "\`tests/")

tests=0
for claim in "${claims[@]}"; do
    # shellcheck disable=SC2016
    mapfile -t named < <(grep -oP '`tests/[^`]+`(, "[^"]+")*' <<<"$claim")
    if ((${#named[@]} == 0)) && [[ ${claim,,} != *"not mitigated"* && $claim != *"No test"* ]]; then
        complain "a claim without a test: ${claim:0:100}"
    fi
    for one in "${named[@]}"; do
        file=${one#\`} file=${file%%\`*}
        mapfile -t wanted < <(grep -oP '(?<=, ")[^"]+(?=")' <<<"$one")
        check_test "$file" "${wanted[@]}"
        tests=$((tests + 1 + ${#wanted[@]}))
    done
done
((tests > 0)) || complain "$page names no test"
echo "security claims: ${#claims[@]} claims, $tests references"
exit "$failed"
