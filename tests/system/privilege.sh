#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The privileges of the loader after it has attached, read from /proc. It still does all its work, even if it is started
# with few privileges.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${HONEST_LOAD:=$here/../../build/quickstart/tests/system/honest-load}"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

need_root_and_bpf
need setpriv util-linux curl curl
system_begin
take_ports
port=$first_port # each part uses another port, so that no part learns the attack of another
readonly nobody=65534 readers=64321 # a user and a group, by number
readonly none=0000000000000000 bpf_and_perfmon=000000c000000000
readonly textfile=$work/out/jsguard.prom baseline=$work/out/baseline.json
readonly few=-all,+bpf,+perfmon
mkdir "$work/out"
cp "$JSGUARD_LOAD" "$JSGUARD" "$work/" # users without privilege can read this directory
readonly loader=$work/jsguard-load reader=$work/jsguard

# --- privileges ----------------------------------------------------------------------------------

# rights FILE: the capabilities, NoNewPrivs and Seccomp in a status file of /proc.
rights() { awk '/^(Cap...|NoNewPrivs|Seccomp):/ { printf "%s%s %s", (n++ ? ", " : ""), $1, $2 }' "$1"; }
# rights_with BOUNDING-SET: the rights that a loader may keep.
rights_with() {
    echo "CapInh: $none, CapPrm: $none, CapEff: $none, CapBnd: $1, CapAmb: $none, NoNewPrivs: 1, Seccomp: 2"
}
has_filter() { grep -qE '^Seccomp:[[:space:]]+2' "/proc/$detector_pid/status"; }
# check_rights NAME BOUNDING-SET: checks the rights of every thread.
check_rights() {
    local thread left
    wait_for "$patience_s" has_filter || fail "$1: no filter of system calls"
    for thread in "/proc/$detector_pid/task/"*; do
        left=$(rights "$thread/status")
        [[ $left == "$(rights_with "$2")" ]] || fail "$1: a thread has kept $left"
    done
}

# --- work ----------------------------------------------------------------------------------------

is_monitored() { (($(services_judged) == 1)); }
raised() { grep -q '"event":"raise"' "$work/detector.out"; }
logged() { grep -qF "port $port: $1" "$work/detector.err"; }
series() { grep '^jsguard_' | sed 's/ .*//' | sort; }
textfile_is_whole() {
    [[ -e $textfile && $(series <"$textfile") == "$("$JSGUARD" export --format prometheus --pin-dir "$pin_dir" | series)" ]]
}
# serve: starts a server on the port, and honest clients.
answers() { curl -sf -o /dev/null "http://127.0.0.1:$port/"; }
serve() {
    spawn "backend-$port" "$SLOW_BACKEND" "$port"
    wait_for "$patience_s" answers || die "the server does not answer"
    spawn "honest-$port" "$HONEST_LOAD" --profile short --rate 60 --small-path /wait/1 "127.0.0.1:$port"
}
# run_as WORDS...: starts the loader with this command line, as start_detector does.
run_as() {
    spawn detector "$@"
    detector_pid=$spawned
    wait_for "$patience_s" detector_began || true
    if ! detector_monitors || ! alive "$detector_pid"; then die "the detector did not start: $*"; fi
}

# check_work NAME BOUNDING-SET WORDS...: a loader that is started with this command line alerts, writes its files, relearns,
# and leaves nothing behind.
check_work() {
    local name=$1 bounding=$2 attack
    shift 2
    port=$((port + 1))
    serve
    rm -f "$baseline"
    run_as "$@" --localport "$port" --json --learn 3 --window 3 --confirm 1 --textfile "$textfile" \
        --save-baseline "$baseline"
    check_rights "$name" "$bounding"
    wait_for 30 logged "learned its baseline" || fail "$name: no baseline is learned"
    wait_for "$patience_s" textfile_is_whole || fail "$name: the textfile lacks $(
        diff <(series <"$textfile") <("$JSGUARD" export --format prometheus --pin-dir "$pin_dir" | series) | tr '\n' ' '
    )"
    wait_for "$patience_s" test -s "$baseline" || fail "$name: no baseline is saved while the loader runs"
    rm -f "$baseline"
    spawn attack "$here/hold_connections.sh" 127.0.0.1 "$port" 200
    attack=$spawned
    wait_for 30 raised || fail "$name: no alert: $("$JSGUARD" status --pin-dir "$pin_dir")"
    stop "$attack"
    kill -USR2 "$detector_pid"
    wait_for "$patience_s" logged "relearns; the old baseline stays in force" || fail "$name: SIGUSR2 does nothing"
    stop_detector INT
    ((detector_status == 0)) || fail "$name: exit code $detector_status"
    check_alert_lines
    [[ -s $baseline ]] || fail "$name: no baseline is saved at the end"
    [[ ! -e $textfile ]] || fail "$name: the textfile remains"
    [[ ! -e $pin_dir/windows ]] || fail "$name: the pins remain"
}

say "a loader started by root keeps no privilege, and does its work"
check_work "by root" "$none" "$loader" --pin-dir "$pin_dir"

say "jsguard-load --verbose shows whether file access is limited, as --probe does"
run_as "$loader" --pin-dir "$pin_dir" --localport "$port" --verbose
file_access=$("$loader" --probe --json --pin-dir "$pin_dir" | jq -r .kernel.file_access)
[[ $file_access == *Landlock* ]] || fail "--probe shows: $file_access"
shows_file_access() { grep -qxF "file access is $file_access" "$work/detector.err"; }
wait_for "$patience_s" shows_file_access || fail "--verbose does not show: file access is $file_access"
stop_detector INT

say "a loader started by user 0 with only CAP_BPF and CAP_PERFMON does its work"
check_work "user 0 with two capabilities" "$bpf_and_perfmon" \
    setpriv --bounding-set "$few" --inh-caps=-all "$loader" --pin-dir "$pin_dir"

say "a loader started by another user with both capabilities, in that user's directories, does its work"
as_nobody=(setpriv --reuid "$nobody" --regid "$nobody" --clear-groups)
chown "$nobody" "$work/out"
install -d -o "$nobody" -m 700 "$pin_dir"
check_work "another user" "$bpf_and_perfmon" "${as_nobody[@]}" --inh-caps "$few" --ambient-caps "$few" \
    --bounding-set "$few" "$loader" --pin-dir "$pin_dir"
[[ ! -d $pin_dir ]] || rmdir "$pin_dir"

# --- refusals ------------------------------------------------------------------------------------

# refused STATUS TEXT WORDS...: the command prints one line with the text, and loads nothing.
refused() {
    local expected=$1 text=$2 status=0 output
    shift 2
    output=$(timeout "$patience_s" "$@" --pin-dir "$pin_dir" --localport "$port" -d 1 2>&1) || status=$?
    ((status == expected)) || fail "$*: exit code $status, not $expected"
    [[ $output == *"$text"* && $output != *$'\n'* ]] || fail "$* prints: $output"
    [[ ! -e $pin_dir ]] || fail "$*: something was pinned"
}

say "a file that only a privileged user could write is refused at the start, and a missing capability is named"
refused 2 "--textfile $textfile: user 0 may not write it without privilege" "$loader" --textfile "$textfile"
refused 2 "--save-baseline $baseline: user 0 may not write it without privilege" "$loader" --save-baseline "$baseline"
chown 0 "$work/out"
refused 4 CAP_PERFMON setpriv --bounding-set -all,+bpf --inh-caps=-all "$loader"
refused 4 CAP_BPF setpriv --bounding-set -all,+perfmon --inh-caps=-all "$loader"

say "network namespaces that the loader may not enter are counted"
spawn other unshare --net sleep infinity
in_its_own() { [[ $(readlink "/proc/$spawned/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }
wait_for "$patience_s" in_its_own || die "there is no other network namespace"
setpriv --bounding-set "$few" --inh-caps=-all "$loader" --pin-dir "$pin_dir" --localport "$port" -d 1 2>"$work/few.err" ||
    fail "exit code $?: $(cat "$work/few.err")"
grep -qE '^[1-9][0-9]* network namespaces? could not be entered' "$work/few.err" || fail "not counted: $(cat "$work/few.err")"
refused 4 CAP_SYS_PTRACE setpriv --bounding-set "$few" --inh-caps=-all "$loader" --netns "$spawned"
refused 4 CAP_SYS_ADMIN setpriv --bounding-set "$few,+sys_ptrace" --inh-caps=-all "$loader" --netns "$spawned"

# --- readers -------------------------------------------------------------------------------------

mode() { stat -c '%a %g' "$1"; }
# check_modes DIRECTORY-MODE PIN-MODE GROUP: checks the pin directory and all pins in it.
check_modes() {
    local pin
    [[ $(mode "$pins") == "$1 $3" ]] || fail "the directory is $(mode "$pins"), not $1 $3"
    for pin in "$pins"/*; do
        [[ $(mode "$pin") == "$2 $3" ]] || fail "$pin is $(mode "$pin"), not $2 $3"
    done
}
# The test has its own BPF file system, because that of the machine may be closed to everybody except root.
leave_bpffs() { if mountpoint -q "$work/bpf"; then umount "$work/bpf"; fi; }
at_end+=(leave_bpffs)
mkdir "$work/bpf"
mount -t bpf -o mode=755 bpf "$work/bpf"
readonly pins=$work/bpf/jsguard

# status_as WORDS...: the exit code of jsguard status. Its output goes to status.out and status.err.
status_as() {
    local status=0
    "$@" "$reader" status --pin-dir "$pins" >"$work/status.out" 2>"$work/status.err" || status=$?
    echo "$status"
}

say "only the owner of the pins can read them"
run_as "$loader" --pin-dir "$pins" --localport "$port"
check_modes 700 600 0
(($(status_as "${as_nobody[@]}") == 4)) || fail "another user can read them"
(($(wc -l <"$work/status.err") == 1)) || fail "a user who may not read them gets: $(cat "$work/status.err")"
stop_detector INT

say "with --pin-group a group can read them too"
run_as "$loader" --pin-dir "$pins" --localport "$port" --pin-group "$readers"
check_modes 710 640 "$readers"
(($(status_as setpriv --reuid "$nobody" --regid "$readers" --clear-groups) == 0)) ||
    fail "a member of the group gets: $(cat "$work/status.err")"
grep -q "^ *$port " "$work/status.out" || fail "for a member of the group status has no port $port"
(($(status_as "${as_nobody[@]}") == 4)) || fail "a user who is not in the group can read them"
stop_detector INT
[[ ! -e $pins ]] || fail "the pins remain"

finish
