#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Faults around the loader: nobody reads its alerts, the disk is full, or files and directories change while it runs.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${HONEST_LOAD:=$here/../../build/quickstart/tests/system/honest-load}"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"
readonly fill_ring=${1:-$here/../../build/quickstart/tests/system/fill-ring}

need_root_and_bpf
# The test runs in its own mount namespace, so nobody else sees its file systems.
[[ -n ${JSGUARD_OWN_MOUNTS:-} ]] || JSGUARD_OWN_MOUNTS=1 exec unshare --mount --propagation slave "$0" "$@"
system_begin
take_ports
readonly port=$first_port
readonly learn_s=5

logged() { grep -qF "$1" "$work/detector.err"; }
last_window() {
    dump_map windows | jq -s --argjson port "$port" 'map(select(.value.port == $port).value.sequence) | max // 0'
}
windows_beyond() { (($(last_window) > $1)); }
check_windows_advance() {
    local now
    now=$(last_window)
    wait_for "$patience_s" windows_beyond $((now + 1)) || fail "$1: windows do not advance"
}
stat_of() { dump_map stats | jq ".value.$1"; }
stat_is() { (($(stat_of "$1") == $2)); }
# ended STATUS: ends the detector with Ctrl-C. It must have this exit code.
ended() {
    stop_detector INT
    ((detector_status == $1)) || fail "exit code $detector_status, not $1"
}
errors() { grep -c "^jsguard-load: " "$work/detector.err" || true; }
no_half_file() { [[ -z $(find "$1" -name 'b.json?*') ]] || fail "a temporary file of the baseline is left"; }

say "a baseline of recorded traffic, for eight ports"
"$JSGUARD" baseline learn "$work/recorded.json" --from "$here/../data/normal.jsonl" 2>/dev/null
readonly ports=8
port_list=$(seq -s , "$port" $((port + ports - 1)))
readonly port_list
jq --argjson first "$port" --argjson number "$ports" \
    '(.services | first(.[])) as $one |
        .services = ([range($number) | {key: ($first + . | tostring), value: $one}] | from_entries)' \
    "$work/recorded.json" >"$work/known.json"
for ((i = 0; i < ports; i++)); do spawn "backend$i" "$SLOW_BACKEND" $((port + i)); done

# --- nobody reads the alerts -------------------------------------------------------------------

# ring_id: the ID of the ring buffer of this test's detector. The program that uses its pinned stats map uses it too.
ring_id() {
    local stats
    stats=$(bpftool -j map show pinned "$pin_dir/stats" | jq .id)
    bpftool -j prog show | jq --argjson stats "$stats" '.[] | select(any(.map_ids[]?; . == $stats)) | .map_ids[]' |
        sort -un | while read -r id; do
        bpftool -j map show id "$id" | jq 'select(.type == "ringbuf").id'
    done
}
# The loader waits in write() to stdout, on amd64 and on arm64. A timer interrupts it for a moment, again and again.
writes_and_waits() { [[ $(cut -d ' ' -f 1-2 /proc/"$detector_pid"/syscall) =~ ^(1|64)" 0x1"$ ]]; }
readonly pipe_bytes=65536
# full_pipe: makes detector.out a full pipe. This script keeps it open as $reader.
full_pipe() {
    mkfifo "$work/detector.out"
    exec {reader}<>"$work/detector.out"
    dd if=/dev/zero of="$work/detector.out" bs=4096 count=$((pipe_bytes / 4096)) oflag=nonblock conv=notrunc \
        status=none
}
readonly quick=(--localport "$port_list" --baseline "$work/known.json" --window 2 --confirm 2 --clear 3
    --min-transitions 1000000) # alerts of occupancy alone
attackers=()
# attack NUMBER: 60 connections with half a request each, to the port with this number (0 is the first).
attack() {
    spawn "attack$1" "$here/hold_connections.sh" 127.0.0.1 $((port + $1)) 60
    attackers+=("$spawned")
}

say "stdout is a pipe that nobody reads: the ring buffer fills up, and lost alerts are counted"
readonly room=3
full_pipe
start_detector --json "${quick[@]}"
attack 0
wait_for 20 writes_and_waits || die "the loader does not block on its stdout"
"$fill_ring" "$(ring_id)" "$room"
for ((i = 1; i < ports; i++)); do attack "$i"; done
wait_for 20 stat_is alerts "$ports" || fail "$(stat_of alerts) alerts were raised, not $ports"
readonly lost=$((ports - 1 - room))
(($(stat_of alerts_lost) == lost)) || fail "$(stat_of alerts_lost) alerts lost, not $lost"
"$JSGUARD" status --pin-dir "$pin_dir" >"$work/status.txt" || true
grep -qF "$lost alerts (the ring buffer was full)" "$work/status.txt" ||
    fail "jsguard status does not show the lost alerts"
check_windows_advance "nobody reads"
# The timer wakes the loader, so that it can notify systemd's watchdog: about five times a second.
waits() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$detector_pid/status"; }
waits_beyond() { (($(waits) > $1)); }
wait_for "$patience_s" waits_beyond $(($(waits) + 5)) || fail "the blocked loader is never awake"
for signal in USR2 HUP; do
    kill -"$signal" "$detector_pid" # must not end the blocked write
    check_windows_advance "SIG$signal while nobody reads"
    wait_for "$patience_s" writes_and_waits || fail "SIG$signal ended the wait for the reader"
done

say "reading continues: the kept alerts come in order, and gaps in the numbers show the lost ones"
spawn reader cat "$work/detector.out"
lines() { tail -c +$((pipe_bytes + 1)) "$work/reader.out"; }
raised() { lines | jq -r 'select(.jsguard.event == "raise").jsguard.id | split("-")[1]'; }
has_raised() { (($(raised | wc -l) == $1)); }
wait_for "$patience_s" has_raised $((1 + room)) || fail "reading continues: $(raised | wc -l) raises came, not $((1 + room))"
[[ $(raised | paste -s -d ' ') == "$(seq -s ' ' $((1 + room)))" ]] || fail "raises came as $(raised | paste -s -d ' ')"
for pid in "${attackers[@]}"; do stop "$pid"; done
cleared() { lines | jq -r 'select(.jsguard.event == "clear").jsguard.id | split("-")[1]'; }
all_cleared() { (($(cleared | wc -l) == ports)); }
wait_for 30 all_cleared || fail "$(cleared | wc -l) of $ports alerts were cleared"
# A clear without a raise shows that the raise was lost.
(($(comm -13 <(raised | sort) <(cleared | sort) | wc -l) == lost)) || fail "gaps in the numbers: not $lost"
(($(stat_of alerts_lost) == lost)) || fail "alerts were lost after the reader came back"
ended 0
logged "$lost alerts (the ring buffer was full)" || fail "the summary does not report the lost alerts"
exec {reader}>&-
rm "$work/detector.out"

say "ended while nobody reads: the summary, then why the loader ended"
full_pipe
start_detector "${quick[@]}"
attack 0
wait_for 20 writes_and_waits || die "the loader does not block on its stdout"
ended 1
tail -n 2 "$work/detector.err" | head -n 1 | grep -q ' 1 alert' || fail "no summary before the error"
(($(errors) == 1)) || fail "not one line of error"
stop "$spawned"
exec {reader}>&-
rm "$work/detector.out"

# --- the disk is full --------------------------------------------------------------------------

say "no space for the learned baseline: the old file remains complete, and monitoring goes on"
mkdir "$work/disk"
mount -t tmpfs -o size=64k none "$work/disk"
leave_disk() { umount "$work/disk"; }
at_end+=(leave_disk)
cp "$work/recorded.json" "$work/disk/b.json"
dd if=/dev/zero of="$work/disk/filler" bs=4096 status=none 2>/dev/null || true # until the disk is full
spawn visitors "$HONEST_LOAD" --profile short --rate 40 --small-path /wait/0.4 --large-path /wait/0.6 "127.0.0.1:$port"
readonly visitors=$spawned
start_detector --localport "$port" --learn "$learn_s" --save-baseline "$work/disk/b.json"
wait_for 20 logged "No space left on device; keeps monitoring" || fail "the full disk is not reported"
check_windows_advance "no space"
cmp -s "$work/recorded.json" "$work/disk/b.json" || fail "no space: the old file was harmed"
no_half_file "$work/disk"
(($(errors) == 0)) || fail "no space: an error line as at the end of the loader"
ended 1
(($(errors) == 1)) || fail "no space at the end: not one line"
tail -n 1 "$work/detector.err" | grep -qF 'No space left on device' || fail "the last line does not report the reason"
cmp -s "$work/recorded.json" "$work/disk/b.json" || fail "no space at the end: the old file was harmed"
no_half_file "$work/disk"

say "space again at the end: the file is written"
start_detector --localport "$port" --learn "$learn_s" --save-baseline "$work/disk/b.json"
wait_for 20 logged "No space left on device; keeps monitoring" || fail "the full disk is not reported"
rm "$work/disk/filler"
ended 0
jq -e --arg port "$port" '.services[$port].transitions > 0' "$work/disk/b.json" >/dev/null ||
    fail "the file was not written"
stop "$visitors"

# --- files and directories that change ---------------------------------------------------------------

# A detector that starts with a baseline file monitors at once, and saves its baselines at the end.
readonly directory=$work/directory
prepare() {
    rm -rf "$directory"
    mkdir "$directory"
    cp "$work/known.json" "$directory/start.json"
    cp "$work/known.json" "$directory/b.json"
    start_detector --localport "$port_list" --baseline "$directory/start.json" --save-baseline "$directory/b.json"
}
is_known() { cmp -s <(jq -S .services "$work/known.json") <(jq -S .services "$1"); }

say "the baseline files are replaced or removed while the loader runs: the file written at the end is complete"
prepare
echo garbage >"$directory/start.json" # the loader read it at its start
echo garbage >"$directory/other" && mv "$directory/other" "$directory/b.json"
check_windows_advance "files replaced"
ended 0
is_known "$directory/b.json" || fail "replaced: the written file is not complete"
[[ $(<"$directory/start.json") == garbage ]] || fail "the loader wrote the file that it started from"
prepare
rm "$directory/start.json" "$directory/b.json"
check_windows_advance "files removed"
ended 0
is_known "$directory/b.json" || fail "removed: the written file is not complete"

say "a directory with the name of the file, or no directory for the file: one line, exit code 1"
prepare
rm "$directory/b.json"
mkdir "$directory/b.json"
ended 1
(($(errors) == 1)) || fail "a directory with the name of the file: not one line"
grep -qF "it is not a regular file" "$work/detector.err" || fail "a directory with the name of the file: not reported"
[[ -d $directory/b.json ]] || fail "the directory was harmed"
prepare
rm -r "$directory"
check_windows_advance "no directory"
ended 1
(($(errors) == 1)) || fail "no directory: not one line"
[[ ! -e $directory ]] || fail "the loader created the directory again"

finish
