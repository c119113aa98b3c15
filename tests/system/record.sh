#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard record beside a running detector: whole lines, nothing missed, and clear refusals.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root_and_bpf
system_begin
take_ports
readonly port=$first_port # nobody listens there: windows are closed all the same

# --- what is run, and what is found ------------------------------------------------------------

# record EXPECTED-STATUS ARGUMENTS...: jsguard record, to its end; output in said.out and said.err.
record() {
    local expected=$1 status=0
    shift
    timeout 40 "$JSGUARD" record --pin-dir "$pin_dir" "$@" >"$work/said.out" 2>"$work/said.err" </dev/null || status=$?
    ((status == expected)) && return
    fail "jsguard record $*: exit code $status, not $expected"
    show_log said.err
}
said() { grep -qF -- "$1" "$work/said.err" || fail "did not say \"$1\": $(cat "$work/said.err")"; }
one_line() { (($(wc -l <"$work/said.err") == 1)) || fail "more than a line: $(cat "$work/said.err")"; }
windows_in() { jq -s 'map(select(.type == "window")) | length' "$1"; }
has_windows() { (($(windows_in "$1" 2>/dev/null || echo 0) >= $2)); }

# check_recording FILE: every line is whole, and the windows follow on each other.
check_recording() {
    [[ $(tail -c 1 "$1" | od -An -tx1) == " 0a" ]] || fail "$1 does not end with a whole line"
    jq -se '.[0].type == "recording" and .[0].schema == 2' "$1" >/dev/null || fail "$1 has no header"
    jq -se 'map(select(.type == "window").sequence) | length > 0 and . == [range(.[0]; .[0] + length)]' "$1" \
        >/dev/null || fail "windows are missing in $1"
    jq -se 'all(.[]; .type != "gap")' "$1" >/dev/null || fail "$1 has a gap"
}

say "without a detector there is nothing to record"
record 1 "$work/none.jsonl"
one_line
said "start jsguard-load"
[[ ! -e $work/none.jsonl ]] || fail "a file was made for nothing"

say "a recording of so many seconds"
start_detector --localport "$port" --learn 3600
record 0 "$work/first.jsonl" -d 4
check_recording "$work/first.jsonl"
has_windows "$work/first.jsonl" 3 || fail "4 s have fewer than 3 windows"
said " windows of 1 service recorded, 0 missed"
record 0 - -d 2 --port "$port"
check_recording "$work/said.out"

record 0 "$work/nobody.jsonl" -d 2 --port $((port + 1))
said "port $((port + 1)) is not monitored yet"
said "0 windows of 0 services recorded, 0 missed"

say "what is there is not overwritten unasked"
before=$(md5sum "$work/first.jsonl")
record 2 "$work/first.jsonl" -d 1
one_line
said "--overwrite"
[[ $(md5sum "$work/first.jsonl") == "$before" ]] || fail "the recording has changed"
record 0 "$work/first.jsonl" --overwrite -d 2
check_recording "$work/first.jsonl"
record 2 "$work" -d 1
one_line
record 2 "$work/no/such/directory.jsonl" -d 1
one_line

say "a file system that is full ends it, and says so"
mkdir "$work/full"
mount -t tmpfs -o size=8k tmpfs "$work/full"
record 1 "$work/full/recording.jsonl" -d 30
said "No space left"
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
grep -q "the detector has ended" "$work/recorder.err" || fail "it does not say that the detector has ended"
check_recording "$work/third.jsonl"

say "a detector that was killed is missed"
start_detector --localport "$port" --learn 3600
spawn recorder "$JSGUARD" record --pin-dir "$pin_dir" "$work/fourth.jsonl"
recorder_pid=$spawned
wait_for "$patience_s" has_windows "$work/fourth.jsonl" 2 || fail "nothing is recorded"
stop_detector KILL
status=0
wait "$recorder_pid" || status=$?
((status == 1)) || fail "the detector was killed: exit code $status"
grep -q "has shown no life for" "$work/recorder.err" || fail "it does not say that no window comes"
check_recording "$work/fourth.jsonl"
status=0
"$JSGUARD" record --pin-dir "$pin_dir" "$work/fifth.jsonl" 2>"$work/said.err" || status=$?
((status == 1)) || fail "the detector has been killed: exit code $status"
grep -q "has shown no life for" "$work/said.err" || fail "record: a killed detector looks like a live one"
[[ ! -e $work/fifth.jsonl ]] || fail "a recording of a killed detector was begun"

finish
