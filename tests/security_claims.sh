#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Whether docs/SECURITY.md is honest about its tests: each one that it names is there, and each claim names one or says that it has none.
#
# A claim is a paragraph that begins with "- **". A test is named as `tests/FILE`, or `tests/FILE`, "name", "name"; a name is
# that of a test case in the file, or of a test in CTest that runs it, or a quoted text of the script; or the beginning of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly page=${1:-docs/SECURITY.md}

failed=0
complain() {
    echo "security claims: $*"
    failed=1
}

# names FILE: all names of tests in it, one a line.
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
    if ((${#named[@]} == 0)) && [[ ${claim,,} != *"not held"* && $claim != *"No test"* ]]; then
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
