#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard-load --syslog with a real systemd-journald and a real rsyslogd, with a stopped logger, and without a logger.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root_and_bpf
need unshare util-linux journalctl systemd rsyslogd rsyslog
# The test has its own /run and /dev, so that it and the loggers of the machine do not disturb each other.
if [[ ${JSGUARD_OWN_MOUNTS:-0} != 1 ]]; then
    exec unshare --mount --propagation private env JSGUARD_OWN_MOUNTS=1 "$0" "$@"
fi

system_begin
take_ports # before own_directories, because all tests must lock in the same /run
readonly port=$first_port
: "${SLOW_BACKEND:=$(dirname "$JSGUARD_LOAD")/../tests/system/slow-backend}"
[[ -x /lib/systemd/systemd-journald ]] || skip "no systemd-journald: apt-get install systemd"
readonly journal_socket=/run/systemd/journal/socket

# --- the test's own loggers ----------------------------------------------------------------------

own_directories() {
    mount -t tmpfs tmpfs /run
    mkdir "$work/dev"
    mount -t tmpfs -o mode=755 tmpfs "$work/dev"
    cp -a /dev/{null,zero,full,random,urandom} "$work/dev/"
    ln -s /proc/self/fd "$work/dev/fd"
    mount --move "$work/dev" /dev
    mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal /run/lock
    # A journal needs a machine ID, and a machine that was never booted has none.
    [[ -s /etc/machine-id ]] && return
    echo 0123456789abcdef0123456789abcdef >/run/machine-id
    [[ -e /etc/machine-id ]] || touch /etc/machine-id
    mount --bind /run/machine-id /etc/machine-id
}

start_journald() {
    printf '[Journal]\n%s\n' Storage=volatile ReadKMsg=no Audit=no ForwardToSyslog=no ForwardToWall=no \
        >/run/systemd/journald.conf.d/test.conf
    spawn journald /lib/systemd/systemd-journald
    journald_pid=$spawned
    wait_for "$patience_s" test -S "$journal_socket" || die "journald does not start"
}

# entries MATCH...: journal entries, one JSON object a line. Numbers in the detector's fields are strings.
entries() { journalctl --no-pager -q -o json SYSLOG_IDENTIFIER=jsguard "$@"; }
# has_entries NUMBER MATCH...: whether the journal has that many entries.
has_entries() { (($(entries "${@:2}" | wc -l) == $1)); }
# fill_journal: sends messages to a stopped journald until its socket takes no more.
fill_journal() {
    local number
    for ((number = 0; number < 2000; number++)); do
        # On a busy machine logger itself may take two seconds, so there is a second try.
        timeout 2 logger --journald <<<"MESSAGE=filling" || timeout 5 logger --journald <<<"MESSAGE=filling" || return 0
    done
    die "the journal's queue does not fill up"
}

start_rsyslogd() {
    cat >"$work/rsyslog.conf" <<END
module(load="imuxsock")
module(load="mmjsonparse")
template(name="parsed" type="string" string="%\$!msg%|%\$!jsguard!port%|%\$!jsguard!event%|%syslogseverity-text%\n")
action(type="omfile" file="$work/messages")
action(type="mmjsonparse")
if \$parsesuccess == "OK" then action(type="omfile" file="$work/parsed" template="parsed")
END
    spawn rsyslogd rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslogd.pid"
    wait_for "$patience_s" test -S /dev/log || die "rsyslogd does not start"
}

# --- an attack and its alerts --------------------------------------------------------------------

# attack: opens connections with half a request, enough for an alert.
attack() {
    spawn attack "$here/hold_connections.sh" 127.0.0.1 "$port" 60
    attack_pid=$spawned
}
has_alert() { (($(wc -l <"$work/detector.out") >= $1)); }
# raise_and_clear: raises one alert, and waits until it has cleared.
raise_and_clear() {
    attack
    wait_for 30 has_alert 1 || die "no alert"
    stop "$attack_pid"
    wait_for 30 has_alert 2 || die "the alert does not clear"
}
quick_detector() {
    start_detector --localport "$port" --learn 2 --window 2 --confirm 1 --clear 1 "$@"
    wait_for 20 is_monitored || die "the detector does not monitor"
}
is_monitored() { (($(services_judged) == 1)); }
has_complained() { (($(complaints) > 0)); }
complaints() { grep -cF "the system's log does not take a message" "$work/detector.err" || true; }
resident_kib() { memory_kib "$detector_pid"; }
# same NAME VALUE EXPECTED: fails if the value is not the expected one.
same() { [[ $2 == "$3" ]] || fail "$1 is \"$2\", not \"$3\""; }

# These fields do not have the name of one figure in the JSON.
readonly of_lists='["JSGUARD_JSON", "JSGUARD_TIMESTAMP", "JSGUARD_TOP_CELL", "JSGUARD_TOP_SOURCE", "JSGUARD_TOP_SOURCES",
    "JSGUARD_TOP_SOURCE_SOCKETS"]'

# check_entry EVENT PRIORITY MESSAGE-ID: the journal's entry has every figure of the JSON on stdout.
check_entry() {
    local entry json
    entry=$(entries JSGUARD_EVENT="$1")
    json=$(grep -F "\"event\":\"$1\"" "$work/detector.out")
    same "the number of entries for a $1" "$(wc -l <<<"$entry")" 1
    same "PRIORITY" "$(jq -r .PRIORITY <<<"$entry")" "$2"
    same "SYSLOG_FACILITY" "$(jq -r .SYSLOG_FACILITY <<<"$entry")" 3
    same "MESSAGE_ID" "$(jq -r .MESSAGE_ID <<<"$entry")" "$3"
    same "_PID" "$(jq -r ._PID <<<"$entry")" "$detector_pid"
    same "JSGUARD_JSON" "$(jq -r .JSGUARD_JSON <<<"$entry")" "$json"
    # Compares every figure that is not a list.
    same "the fields of a $1" \
        "$(jq -c 'with_entries(select(.key | test("^JSGUARD_") and (. as $name | $lists | index($name) | not)))
            | to_entries | map([.key, (.value | tonumber? // .)]) | sort' --argjson lists "$of_lists" <<<"$entry")" \
        "$(jq -c '.jsguard | to_entries | map(select(.value | type != "array"))
            | map(["JSGUARD_" + (.key | ascii_upcase), (.value | if type == "boolean" then tostring else . end)])
            | sort' <<<"$json")"
    same "JSGUARD_TOP_SOURCE" "$(jq -r .JSGUARD_TOP_SOURCE <<<"$entry")" "$(jq -r '.jsguard.top_sources[0].addr // null' <<<"$json")"
    same "JSGUARD_TOP_SOURCE_SOCKETS" "$(jq -r .JSGUARD_TOP_SOURCE_SOCKETS <<<"$entry")" \
        "$(jq -r '.jsguard.top_sources[0].sockets // null' <<<"$json")"
    same "JSGUARD_TOP_CELL" "$(jq -r .JSGUARD_TOP_CELL <<<"$entry")" "$(jq -r '.jsguard.top_cells[0].cell // null' <<<"$json")"
}

own_directories
spawn server "$SLOW_BACKEND" "$port"

say "the journal has each alert with all figures"
start_journald
quick_detector --json --syslog
raise_and_clear
wait_for "$patience_s" has_entries 1 JSGUARD_EVENT=clear || fail "no clear in the journal"
check_entry raise 4 287b5d3cbbf2fa980c7452ba9378aad3
check_entry clear 5 959d846ee3af73d23ba0a2f15ece5537
[[ $(entries JSGUARD_EVENT=raise | jq -r .MESSAGE) == "ALERT port $port: occupancy "* ]] || fail "the entry does not have the text line of the alert"
has_entries 1 MESSAGE_ID=287b5d3cbbf2fa980c7452ba9378aad3 JSGUARD_PORT="$port" JSGUARD_TOP_SOURCES=127.0.0.1 ||
    fail "a raise is not found by its id, port and source"

say "a journal that has stopped reading does not stop the monitoring, and gets the messages later"
kill -STOP "$journald_pid"
fill_journal
before=$(now_ms)
attack
wait_for 30 has_alert 3 || fail "no alert while the journal is stopped"
say "  (the alert came $(($(now_ms) - before)) ms after the attack's start; $(resident_kib) KiB resident)"
wait_for "$patience_s" has_complained || fail "the loader does not report that the journal takes nothing"
grep -qF "$journal_socket: it does not read" "$work/detector.err" || fail "the loader does not report the reason"
stop "$attack_pid"
wait_for 30 has_alert 4 || fail "no clear while the journal is stopped"
kill -CONT "$journald_pid"
wait_for "$patience_s" has_entries 2 JSGUARD_EVENT=clear || fail "the journal did not get the clear later"
has_entries 2 JSGUARD_EVENT=raise || fail "the journal did not get the raise later"
recovered() { grep -qF "the system's log accepts messages again; lost until now: nothing" "$work/detector.err"; }
wait_for "$patience_s" recovered || fail "the loader does not report that the journal accepts messages again"
stop_detector INT
same "the exit code" "$detector_status" 0
same "complaints" "$(complaints)" 1
has_entries 1 JSGUARD_EVENT=start PRIORITY=6 || fail "the journal has no start"
has_entries 1 JSGUARD_EVENT=end PRIORITY=6 || fail "the journal has no end"
! grep -q "not taken" "$work/detector.err" || fail "messages were lost: $(cat "$work/detector.err")"

say "an end by an error is in the journal too"
ln -sf /dev/full "$work/detector.out"
quick_detector --json --syslog
attack
wait_for 30 gone "$detector_pid" || fail "a full stdout does not end the loader"
stop "$attack_pid"
stop_detector
rm "$work/detector.out"
same "the exit code" "$detector_status" 1
wait_for "$patience_s" has_entries 1 JSGUARD_EVENT=end PRIORITY=3 || fail "the journal has no end by an error"
same "its text" "$(entries JSGUARD_EVENT=end PRIORITY=3 | jq -r .MESSAGE)" \
    "ended by an error: cannot write to stdout: No space left on device"
has_entries 3 JSGUARD_EVENT=raise || fail "the journal does not have the raise that could not be printed"

say "messages that the journal does not take until the end are counted"
quick_detector --syslog
kill -STOP "$journald_pid"
fill_journal
raise_and_clear
before=$(now_ms)
stop_detector INT
(($(now_ms) - before < 5000)) || fail "the end took $(($(now_ms) - before)) ms"
same "the exit code" "$detector_status" 0
grep -qxF "3 messages not taken by the system's log" "$work/detector.err" || fail "not counted: $(tail -n 2 "$work/detector.err")"
kill -CONT "$journald_pid"
stop "$journald_pid"
rm -f "$journal_socket"

say "a missing logger is reported once, and a logger that starts later gets the kept messages"
quick_detector --syslog
raise_and_clear
same "complaints" "$(complaints)" 1
grep -qF "nothing listens at $journal_socket or /dev/log" "$work/detector.err" || fail "the loader does not report the reason"
start_rsyslogd
wait_for "$patience_s" grep -q '@cee: {"msg":"CLEAR' "$work/messages" || fail "syslog has no clear"
stop_detector INT
wait_for "$patience_s" grep -q '"event":"end"' "$work/messages" || fail "syslog has no end"
same "complaints" "$(complaints)" 1

say "syslog has a line that people and mmjsonparse can read"
raised=$(head -n 1 "$work/detector.out")
grep -F " jsguard[$detector_pid]: @cee: {\"msg\":\"$raised\"," "$work/messages" >"$work/line" || fail "no such line: $raised"
sed 's/.*@cee: //' "$work/line" | jq -e '.jsguard | .event == "raise" and .top_sources[0].addr == "127.0.0.1"' \
    >/dev/null || fail "not JSON: $(cat "$work/line")"
grep -qxF "$raised|$port|raise|warning" "$work/parsed" || fail "not parsed: $(cat "$work/parsed")"
grep -q "^CLEAR port $port: .*|$port|clear|notice$" "$work/parsed" || fail "the clear is not parsed: $(cat "$work/parsed")"
grep -q '^monitoring .*||start|info$' "$work/parsed" || fail "the start is not parsed: $(cat "$work/parsed")"

finish
