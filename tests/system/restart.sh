#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How the loader ends, starts again and refuses: SIGKILL, Ctrl-C, bad input, no privilege.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root_and_bpf
need setpriv util-linux
system_begin
take_ports
readonly port=$first_port # nobody listens there, but the detector closes windows

# --- the detector's objects in the kernel ----------------------------------------------------

# These functions print IDs, one a line. A program belongs to the detector if it uses a map that is pinned in $pin_dir.
pinned_maps() {
    local pin
    for pin in "$pin_dir"/*; do bpftool -j map show pinned "$pin" | jq .id; done
}
programs_of_maps() {
    bpftool -j prog show | jq --argjson maps "[${1//$'\n'/,}]" \
        '.[] | select(any(.map_ids[]?; IN($maps[]))) | .id'
}
maps_of_programs() {
    bpftool -j prog show | jq --argjson programs "[${1//$'\n'/,}]" \
        '.[] | select(.id | IN($programs[])) | .map_ids[]' | sort -un
}
links_of_programs() {
    bpftool -j link show | jq --argjson programs "[${1//$'\n'/,}]" \
        '.[] | select(.prog_id | IN($programs[])) | .id'
}
none_exists() {
    local kind=$1 id
    shift
    for id in "$@"; do
        if bpftool "$kind" show id "$id" >/dev/null 2>&1; then return 1; fi
    done
}

say "SIGKILL leaves nothing attached, and no pin that stops the next start"
start_detector --localport "$port" --learn 5
check_windows_advance "running"
pinned=$(pinned_maps)
programs=$(programs_of_maps "$pinned")
links=$(links_of_programs "$programs")
maps=$(maps_of_programs "$programs")
unpinned=$(comm -23 <(sort <<<"$maps") <(sort <<<"$pinned"))
[[ -n $programs ]] || fail "no program of the running detector is found"
[[ -n $links ]] || fail "no link of the running detector is found"
[[ -n $unpinned ]] || fail "every map of the detector is pinned, including that of the timer"
stop_detector KILL
((detector_status == 137)) || fail "SIGKILL: exit code $detector_status"
for kind in link:"$links" prog:"$programs" map:"$unpinned"; do
    # shellcheck disable=SC2086 # each word is an ID
    wait_for "$patience_s" none_exists "${kind%%:*}" ${kind#*:} ||
        fail "after SIGKILL a ${kind%%:*} of the detector is still in the kernel: ${kind#*:}"
done
if [[ -e $pin_dir/windows ]]; then
    before=$(last_window)
    sleep 3 # three steps
    (($(last_window) == before)) || fail "after SIGKILL windows still advance"
fi
start_detector --localport "$port" --learn 5
check_windows_advance "started again"

say "a second detector with the same --pin-dir is refused, and does not disturb the first"
status=0
"$JSGUARD_LOAD" --pin-dir "$pin_dir" --localport "$port" -d 1 >"$work/second.out" 2>"$work/second.err" ||
    status=$?
((status == 1)) || fail "a second detector: exit code $status"
(($(wc -l <"$work/second.err") == 1)) || fail "a second detector: not one line on stderr"
check_windows_advance "after the refusal"

say "bpftool can read the pinned maps"
bpftool map dump pinned "$pin_dir/windows" >"$work/windows.txt"
for field in sequence end_unix_ms port mode transitions sockets idle_sockets open_requests \
    signal js_nanobits significance_nanobits verdict alert; do
    grep -q "\"$field\": " "$work/windows.txt" || fail "a dump of windows has no field $field"
done
grep -q "\"port\": $port" "$work/windows.txt" || fail "a dump of windows does not name port $port"

say "the loader reports too little traffic for learning, and the detector relearns on request"
logged() { grep -qF "port $port: $1" "$work/detector.err"; }
wait_for "$patience_s" logged "not enough traffic in 5 s (0 of 100 transitions, 0 of 30 socket-seconds, 0 of 20" ||
    fail "too little traffic is not reported"
kill -USR2 "$detector_pid"
check_windows_advance "asked to relearn"

say "after Ctrl-C the loader prints a summary and ends"
stop_detector INT
((detector_status == 0)) || fail "Ctrl-C: exit code $detector_status"
tail -n 1 "$work/detector.err" | grep -qE '[0-9]+ windows \([0-9]+ verdicts? without enough traffic\), [0-9]+ transitions, [0-9]+ alerts' ||
    fail "Ctrl-C: no summary"
[[ ! -s $work/detector.out ]] || fail "without traffic something is on stdout"
[[ ! -e $pin_dir ]] || fail "after Ctrl-C $pin_dir is still there"

say "a loader whose stderr cannot be written keeps monitoring"
for program in "$JSGUARD_LOAD" "$JSGUARD"; do
    status=0
    "$program" --no-such-option >/dev/full 2>/dev/full || status=$?
    ((status == 2)) || fail "${program##*/} --no-such-option, stderr on a full disk: exit code $status"
done
env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$pin_dir" --localport "$port" --learn 5 \
    >"$work/detector.out" 2> >(exec head -n 1 >"$work/head.out") </dev/null &
detector_pid=$!
started_pids+=("$detector_pid")
gave_up_learning() { [[ $(services 2>/dev/null) == "$port JSG_STILL_LEARNING" ]]; }
wait_for "$((patience_s + 10))" gave_up_learning || die "stderr closed: it does not keep monitoring"
check_windows_advance "stderr closed, a message to print" # the loader tries to print in these seconds
alive "$detector_pid" || die "stderr closed: the loader ended when it had a message to print"
check_windows_advance "stderr closed, after the message"
[[ -s $work/head.out ]] || fail "stderr closed: head read no line before"
stop_detector INT
((detector_status == 0)) || fail "stderr closed: exit code $detector_status"
[[ ! -e $pin_dir ]] || fail "stderr closed: after Ctrl-C $pin_dir is still there"

# --- refusals --------------------------------------------------------------------------------

# refused STATUS ARGUMENTS...: one line on stderr, none on stdout, and nothing is loaded.
refused() {
    local expected=$1 status=0
    shift
    timeout "$patience_s" "${as[@]}" "$loader" --pin-dir "$pin_dir" "$@" \
        >"$work/refused.out" 2>"$work/refused.err" </dev/null || status=$?
    ((status == expected)) || fail "${as[*]} jsguard-load $*: exit code $status, not $expected"
    (($(wc -l <"$work/refused.err") == 1)) || fail "${as[*]} jsguard-load $*: not one line on stderr"
    [[ ! -s $work/refused.out ]] || fail "${as[*]} jsguard-load $*: something on stdout"
    [[ ! -e $pin_dir ]] || fail "${as[*]} jsguard-load $*: something was pinned"
}

say "bad input"
loader=$JSGUARD_LOAD
as=()
head -c 100 /dev/urandom >"$work/not-a-baseline"
refused 2 --no-such-option
refused 2 unexpected-argument
for threshold in 0 1 -0.1 1.5 0,12 x nan inf '' 0.12x; do
    refused 2 --threshold "$threshold"
    refused 2 --occupancy-threshold "$threshold"
    refused 2 --transition-threshold "$threshold"
done
for ports in 0 65536 80,,443 ,80 '80,' '' http 80-90 -1 99999999999; do
    refused 2 --localport "$ports"
    refused 2 --exclude-port "$ports"
done
for probability in 0 1 0.5 -1e-6 1e-13 x ''; do refused 2 --false-alarm "$probability"; done
mkfifo "$work/pipe"
for namespace in "$work/no-such-file" "$work/not-a-baseline" "$work/pipe" "$work" 4194304 0 -1 ''; do
    refused 2 --netns "$namespace"
done
refused 2 --window 10 --step 3
refused 2 --window 5 --step 10
for seconds in 0 -1 301 1.5 x; do
    refused 2 --window "$seconds"
    refused 2 --step "$seconds"
done
refused 2 --baseline "$work/no-such-file"
refused 2 --baseline "$work"
refused 2 --baseline "$work/not-a-baseline"

say "no privilege"
loader=$work/jsguard-load # in a directory that users without privilege can read
cp "$JSGUARD_LOAD" "$loader"
for as_whom in "setpriv --reuid 65534 --regid 65534 --clear-groups" "setpriv --bounding-set=-all"; do
    read -ra as <<<"$as_whom"
    refused 4 --localport "$port"
    grep -q sudo "$work/refused.err" || fail "${as[*]}: the next step is not printed"
done

finish
