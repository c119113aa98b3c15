#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tests of busy_aware.sh with invented CPU pressures: how often the test runs, and which exit code comes out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d --tmpdir jsguard-busy.XXXXXX)
trap 'rm -rf "$work"' EXIT

readonly pressure=$work/pressure
export JSGUARD_NOTES_FD='' # the notes of this test run must not contain the invented results
failures=0

# measured STATUS...: a test of 50 ms. Its first run ends with the first STATUS, its second run with the second. If the
# file "busy" is there, each run adds 900 s of waiting to the pressure. With the file "calms" only the first run is busy.
cat >"$work/measured" <<'END'
#!/usr/bin/env bash
work=$(dirname "$0")
runs=$(($(cat "$work/runs") + 1))
echo "$runs" >"$work/runs"
sleep 0.05
[[ ! -e $work/busy ]] || sed -i "s/total=.*/total=${runs}900000000/" "$work/pressure"
[[ ! -e $work/calms ]] || rm -f "$work/busy"
exit "${!runs}"
END
chmod +x "$work/measured"

# expect NAME BUSY STATUS RUNS TEXT RUN-STATUS...: BUSY is idle, busy, calms or uncounted. The output must contain TEXT.
expect() {
    local name=$1 busy=$2 status=$3 runs=$4 text=$5 got=0
    shift 5
    rm -f "$work/busy" "$work/calms"
    echo "some avg10=0.00 avg60=0.00 avg300=0.00 total=100" >"$pressure"
    echo 0 >"$work/runs"
    [[ $busy == idle ]] || touch "$work/busy"
    [[ $busy != calms ]] || touch "$work/calms"
    [[ $busy != uncounted ]] || rm "$pressure"
    JSGUARD_PRESSURE=$pressure "$here/busy_aware.sh" --most 50 "$work/measured" "$@" >"$work/out" 2>&1 || got=$?
    [[ $got == "$status" && $(<"$work/runs") == "$runs" ]] && grep -qF "$text" "$work/out" && return
    failures=$((failures + 1))
    echo "FAIL: $name: expected exit code $status, $runs runs and the text \"$text\";" \
        "got exit code $got, $(<"$work/runs") runs and this output:"
    cat "$work/out"
}

expect "passes on an idle machine" idle 0 1 "CPU pressure 0 %" 0
expect "fails on an idle machine" idle 1 1 "CPU pressure 0 %" 1
expect "passes on a busy machine" busy 0 1 "CPU pressure" 0
expect "is skipped on a busy machine" busy 77 1 "CPU pressure" 77
expect "passes the second time" busy 0 2 "It runs once more" 1 0
expect "fails twice on a busy machine" busy 77 2 "inconclusive: measured failed twice" 1 1
expect "fails again once the machine is calm" calms 1 2 "It runs once more" 1 1
expect "fails where nothing is counted" uncounted 1 1 "does not count CPU pressure" 1

status=0
JSGUARD_PRESSURE=$pressure "$here/busy_aware.sh" --most >"$work/out" 2>&1 || status=$?
((status == 2)) || { failures=$((failures + 1)) && echo "FAIL: without a number: exit code $status"; }
((failures == 0)) || exit 1
echo "all checks passed"
