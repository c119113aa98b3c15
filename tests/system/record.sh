#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard record beside a running detector: its lines are whole, no window is missed, and its refusals are clear.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root_and_bpf
system_begin
take_ports
readonly port=$first_port # nobody listens there, but the detector closes windows

# --- helpers -----------------------------------------------------------------------------------

# record EXPECTED-STATUS ARGUMENTS...: runs jsguard record to its end. Its output goes to command.out and command.err.
record() {
    local expected=$1 status=0
    shift
    timeout 40 "$JSGUARD" record --pin-dir "$pin_dir" "$@" >"$work/command.out" 2>"$work/command.err" </dev/null || status=$?
    ((status == expected)) && return
    fail "jsguard record $*: exit code $status, not $expected"
    show_log command.err
}
expect() { grep -qF -- "$1" "$work/command.err" || fail "record does not print \"$1\": $(cat "$work/command.err")"; }
one_line() { (($(wc -l <"$work/command.err") == 1)) || fail "more than a line: $(cat "$work/command.err")"; }
windows_in() { jq -s 'map(select(.type == "window")) | length' "$1"; }
has_windows() { (($(windows_in "$1" 2>/dev/null || echo 0) >= $2)); }

# check_recording FILE: every line is whole, and no window is missing.
check_recording() {
    [[ $(tail -c 1 "$1" | od -An -tx1) == " 0a" ]] || fail "$1 does not end with a whole line"
    jq -se '.[0].type == "recording" and .[0].schema == 2' "$1" >/dev/null || fail "$1 has no header"
    jq -se 'map(select(.type == "window").sequence) | length > 0 and . == [range(.[0]; .[0] + length)]' "$1" \
        >/dev/null || fail "windows are missing in $1"
    jq -se 'all(.[]; .type != "gap")' "$1" >/dev/null || fail "$1 has a gap"
}

say "without a detector record refuses"
record 1 "$work/none.jsonl"
one_line
expect "start jsguard-load"
[[ ! -e $work/none.jsonl ]] || fail "record created a file without a detector"

say "--duration ends a recording"
start_detector --localport "$port" --learn 3600
record 0 "$work/first.jsonl" -d 4
check_recording "$work/first.jsonl"
has_windows "$work/first.jsonl" 3 || fail "4 s have fewer than 3 windows"
expect " windows of 1 service recorded, 0 missed"
record 0 - -d 2 --port "$port"
check_recording "$work/command.out"

record 0 "$work/nobody.jsonl" -d 2 --port $((port + 1))
expect "port $((port + 1)) is not monitored yet"
expect "0 windows of 0 services recorded, 0 missed"

say "a file is overwritten only with --overwrite"
before=$(md5sum "$work/first.jsonl")
record 2 "$work/first.jsonl" -d 1
one_line
expect "--overwrite"
[[ $(md5sum "$work/first.jsonl") == "$before" ]] || fail "the recording has changed"
record 0 "$work/first.jsonl" --overwrite -d 2
check_recording "$work/first.jsonl"
record 2 "$work" -d 1
one_line
record 2 "$work/no/such/directory.jsonl" -d 1
one_line

say "a full file system ends the recording with a message"
mkdir "$work/full"
mount -t tmpfs -o size=8k tmpfs "$work/full"
record 1 "$work/full/recording.jsonl" -d 30
expect "No space left"
umount "$work/full"

say "Ctrl-C, and the detector's end, leave a whole recording"
spawn recorder env --default-signal=INT "$JSGUARD" record --pin-dir "$pin_dir" "$work/second.jsonl"
recorder_pid=$spawned
wait_for "$patience_s" has_windows "$work/second.jsonl" 2 || fail "nothing is recorded"
stop "$recorder_pid" INT
wait "$recorder_pid" || fail "Ctrl-C: exit code $?"
check_recording "$work/second.jsonl"
spawn recorder "$JSGUARD" record --pin-dir "$pin_dir" "$work/third.jsonl"
recorder_pid=$spawned
wait_for "$patience_s" has_windows "$work/third.jsonl" 2 || fail "nothing is recorded"
stop_detector
wait "$recorder_pid" || fail "the detector's end: exit code $?"
grep -q "the detector has ended" "$work/recorder.err" || fail "record does not report that the detector has ended"
check_recording "$work/third.jsonl"

say "a killed detector is noticed"
start_detector --localport "$port" --learn 3600
spawn recorder "$JSGUARD" record --pin-dir "$pin_dir" "$work/fourth.jsonl"
recorder_pid=$spawned
wait_for "$patience_s" has_windows "$work/fourth.jsonl" 2 || fail "nothing is recorded"
stop_detector KILL
status=0
wait "$recorder_pid" || status=$?
((status == 1)) || fail "the detector was killed: exit code $status"
grep -q "its jsguard-load was killed" "$work/recorder.err" || fail "record does not report that the detector was killed"
check_recording "$work/fourth.jsonl"
status=0
"$JSGUARD" record --pin-dir "$pin_dir" "$work/fifth.jsonl" 2>"$work/command.err" || status=$?
((status == 1)) || fail "the detector has been killed: exit code $status"
grep -q "its jsguard-load was killed" "$work/command.err" || fail "record: a killed detector looks like a live one"
[[ ! -e $work/fifth.jsonl ]] || fail "a recording of a killed detector was begun"

finish
