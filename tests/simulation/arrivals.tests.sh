#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A simulation with the arrivals of a real service. Skipped without JSGUARD_ARRIVALS, the path of such a file.
# docs/simulation.md describes the file.
set -euo pipefail

simulate=${1:?usage: arrivals.tests.sh PROGRAM}
readonly simulate
if [[ -z ${JSGUARD_ARRIVALS:-} ]]; then
    echo "skipped: JSGUARD_ARRIVALS is not set to a file of arrivals"
    exit 77
fi

found=$("$simulate" --mixes shop --days 3 --arrivals "$JSGUARD_ARRIVALS")
made=$("$simulate" --mixes shop --days 3)
echo "$found"
[[ $(grep -c '^| [0-9][0-9]:15 |' <<<"$found") -eq 8 ]] || {
    echo "arrivals.tests.sh: the table does not have a row for each start"
    exit 1
}
[[ $found != "$made" ]] || {
    echo "arrivals.tests.sh: the file's arrivals make no difference"
    exit 1
}
