#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a local user without privilege can do to a running detector, and the warning about a baseline that contains an attack.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

need_root_and_bpf
need setpriv util-linux unshare util-linux
system_begin
take_ports
readonly port=$first_port learned_port=$((first_port + 1))
readonly user=65534 readers=64322 # by number
readonly as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups)
readonly as_reader=(setpriv --reuid "$user" --regid "$readers" --clear-groups)
cp "$JSGUARD_LOAD" "$JSGUARD" "$work/" # users without privilege can read this directory
mkdir "$work/out"

# succeeds WORDS...: whether a command succeeds that should fail. Its output goes to tried.out.
succeeds() { "$@" >"$work/tried.out" 2>&1; }
requests() { dump_map control | jq .value.relearn; }

# The test has its own BPF file system, which everybody may enter. That of the machine may be closed to everybody except
# root.
leave_bpffs() { if mountpoint -q "$work/bpf"; then umount "$work/bpf"; fi; }
at_end+=(leave_bpffs)
mkdir "$work/bpf"
mount -t bpf -o mode=755 bpf "$work/bpf"

# --- an attack while it learns -------------------------------------------------------------------

logged() { grep -qF "port $learned_port: $1" "$work/learner.err"; }
# visit: opens and closes connections. A baseline needs their transitions as well.
visit() {
    local i
    for ((i = 0; i < 40; i++)); do
        exec {visitor}<>"/dev/tcp/127.0.0.1/$learned_port"
        exec {visitor}>&-
    done
}
is_served() { (: <"/dev/tcp/127.0.0.1/$learned_port") 2>/dev/null; }

say "an attack in the first seconds of learning is learned, with a warning"
spawn backend "$SLOW_BACKEND" "$learned_port"
wait_for "$patience_s" is_served || die "the server does not answer"
# This detector learns while the next parts run.
spawn learner env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$work/bpf/learner" --localport "$learned_port" --learn 20
readonly learner=$spawned
learner_began() { grep -q '^monitoring ' "$work/learner.err"; }
wait_for "$patience_s" learner_began || die "the detector did not start"
spawn attack "$here/hold_connections.sh" 127.0.0.1 "$learned_port" 60
readonly attack=$spawned
visit

# --- the maps, the pins, signals -----------------------------------------------------------------

say "a user without privilege cannot read, write or remove a map, by its pin or by its ID"
readonly pins=$work/bpf/jsguard
spawn detector env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$pins" --localport "$port" --learn 2 --textfile "$work/out/jsguard.prom"
detector_pid=$spawned
wait_for "$patience_s" detector_monitors || die "the detector did not start"
dump_map() { bpftool -j map dump pinned "$pins/$1" | jq -c '.[].formatted // empty'; }
map_id=$(bpftool -j map show pinned "$pins/control" | jq .id)
readonly map_id
readonly write=(key 0 0 0 0 value 7 0 0 0 0 0 0 0)
succeeds bpftool map dump id "$map_id" || die "root cannot read the map by its ID, so the checks with a user would prove nothing"
asked=$(requests)
for where in "pinned $pins/control" "id $map_id"; do
    read -ra named <<<"$where"
    succeeds "${as_user[@]}" bpftool map dump "${named[@]}" && fail "a user reads the map by ${named[0]}"
    succeeds "${as_user[@]}" bpftool map update "${named[@]}" "${write[@]}" && fail "a user writes the map by ${named[0]}"
done
succeeds "${as_user[@]}" rm -f "$pins/control" && fail "a user removes a pin"
succeeds "${as_user[@]}" "$work/jsguard" baseline relearn --pin-dir "$pins" && fail "a user can ask the detector to relearn"
(($(requests) == asked)) || fail "the detector was asked to relearn"

say "root of the user's own user namespace cannot read maps or pins either"
if succeeds "${as_user[@]}" unshare -Urn true; then
    succeeds "${as_user[@]}" unshare -Urn bpftool map dump id "$map_id" && fail "root of a user namespace reads the map"
    succeeds "${as_user[@]}" unshare -Urn "$work/jsguard" status --pin-dir "$pins" && fail "root of a user namespace reads the pins"
else
    say "(this machine does not allow user namespaces for users)"
fi

say "a user without privilege cannot signal the loader, or write its files"
for signal in HUP TERM KILL STOP; do
    succeeds "${as_user[@]}" bash -c "kill -$signal $detector_pid" && fail "a user may send SIG$signal"
done
textfile_is_there() { [[ -s $work/out/jsguard.prom ]]; }
wait_for "$patience_s" textfile_is_there || fail "no textfile is written"
succeeds "${as_user[@]}" bash -c "echo 'jsguard_up 0' >>'$work/out/jsguard.prom'" && fail "a user writes the textfile"
check_windows_advance "after all attempts of the user"

# --- a group that may read -----------------------------------------------------------------------

stop_detector INT
((detector_status == 0)) || fail "exit code $detector_status"
say "a group that may read the pins cannot write them"
spawn detector env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$pins" --localport "$port" --pin-group "$readers"
detector_pid=$spawned
wait_for "$patience_s" detector_monitors || die "the detector did not start"
asked=$(requests)
succeeds "${as_reader[@]}" "$work/jsguard" status --pin-dir "$pins" || fail "a member of the group cannot read: $(cat "$work/tried.out")"
succeeds "${as_reader[@]}" "$work/jsguard" baseline relearn --pin-dir "$pins" && fail "a member of the group can ask the detector to relearn"
succeeds "${as_reader[@]}" bpftool map update pinned "$pins/control" "${write[@]}" && fail "a member of the group writes a map"
succeeds "${as_reader[@]}" rm -f "$pins/control" && fail "a member of the group removes a pin"
(($(requests) == asked)) || fail "a member of the group asked the detector to relearn"
stop_detector INT

# --- files that root reads -----------------------------------------------------------------------

say "from a file that a user prepared only printable text gets into a message, in one line"
# refused FILE: the loader prints one line without control characters, and exits with 2 in time.
refused() {
    local status=0
    timeout "$patience_s" "$JSGUARD_LOAD" --pin-dir "$pins" --localport "$port" --baseline "$1" -d 1 >/dev/null 2>"$work/refused.err" || status=$?
    ((status == 2)) || fail "$1: exit code $status"
    (($(wc -l <"$work/refused.err") == 1)) || fail "$1: not one line"
    if LC_ALL=C grep -q '[[:cntrl:]]' "$work/refused.err"; then fail "$1: control characters in the message"; fi
}
readonly escape=$'\e[2J\e]0;owned\a'
printf '{"schema":1,"services":{"%s":{}}}' '\u001b[2J\r\n80' >"$work/out/port.json"
printf '%s' "$escape" >"$work/out/$escape.json"
mkfifo "$work/out/pipe"
ln -s /dev/zero "$work/out/endless"
truncate -s 17M "$work/out/huge"
for file in port.json "$escape.json" pipe endless huge; do refused "$work/out/$file"; done

# --- the baseline that was learned under attack --------------------------------------------------

wait_for 40 logged "WARNING: its baseline looks like an attack" || fail "there is no warning about the baseline that was learned under attack: $(cat "$work/learner.err")"
stop "$attack"
stop "$learner" INT

finish
