#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard watch in a real terminal, tmux: what it shows, an alert, keys and sizes. At its end it restores the screen.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

need_root_and_bpf
need tmux tmux
need ss iproute2
need pgrep procps
[[ -x $SLOW_BACKEND ]] || die "no $SLOW_BACKEND: build first, or set SLOW_BACKEND"
system_begin
take_ports
readonly port=$first_port other=$((first_port + 1)) held=60 alert_within_s=20 silent_within_s=25

# --- terminals ---------------------------------------------------------------------------------

# A separate tmux server without configuration.
tm() { LC_ALL=C.UTF-8 tmux -u -S "$work/tmux" -f /dev/null "$@"; }
end_tmux() { tm kill-server 2>/dev/null; }
at_end+=(end_tmux)

# terminal NAME COLUMNS LINES COMMAND: opens a new terminal that runs the command, and then prints its exit code.
terminal() {
    tm new-session -d -s "$1" -x "$2" -y "$3" "echo before; $4; echo status=\$?; exec sleep 1000"
}
# watch NAME COLUMNS LINES ENVIRONMENT [OPTIONS]: runs jsguard watch in a new terminal.
watch() { terminal "$1" "$2" "$3" "env LC_ALL=C.UTF-8 $4 $JSGUARD watch --pin-dir $pin_dir ${5:-}"; }

screen() { tm capture-pane -p -t "$1"; }
shows() { screen "$1" | grep -qF -- "$2"; }
# expect NAME TEXT [SECONDS]: fails if the text does not appear on this screen in time.
expect() {
    wait_for "${3:-$patience_s}" shows "$1" "$2" && return
    fail "the screen $1 does not show \"$2\""
    screen "$1"
    # Each failure takes its whole time limit. The script ends before ctest kills it, so that the screens are printed.
    ((failures < 5)) || die "and so on"
}
# colours NAME: how often a colour is set on this screen.
colours() { tm capture-pane -e -p -t "$1" | grep -cP '\e\[([0-9;]*;)?[34][0-7]' || true; }

# is_restored NAME: the main screen is back, with what was on it before, and the cursor.
is_restored() { [[ $(tm display-message -p -t "$1" '#{alternate_on} #{cursor_flag}') == "0 1" ]] && shows "$1" before; }
# ended NAME STATUS [SECONDS]: fails if the command has not ended with this exit code, or the terminal is not restored.
ended() {
    expect "$1" "status=$2" "${3:-$patience_s}"
    is_restored "$1" && return
    fail "the terminal $1 is not as it was before"
    screen "$1"
}

listens() { [[ -n $(ss -Htln "( sport = :$1 )") ]]; }
monitors_both() { (($(services_judged) == 2)); }

# --- without a screen --------------------------------------------------------------------------

say "without a detector watch refuses"
terminal none 160 24 "$JSGUARD watch --pin-dir $pin_dir"
expect none "start jsguard-load"
ended none 1

spawn backend "$SLOW_BACKEND" "$port"
wait_for "$patience_s" listens "$port" || die "nothing listens on $port"
start_detector --localport "$port,$other" --learn 2 --confirm 2

say "without a terminal watch prints a line for each window"
timeout 15 "$JSGUARD" watch --pin-dir "$pin_dir" -d 3 >"$work/plain.txt" 2>"$work/plain.err" || fail "plain lines: exit code $?"
grep -qE "^20[0-9-]+T[0-9:.]+\+00:00 port $port [a-z ]+: occupancy [0-9.-]+/0.12 [a-z ]+, transitions [^ ]+ [a-z ]+, [0-9]+ sockets?, [0-9]+ requests?" \
    "$work/plain.txt" || fail "no plain lines: $(head -n 3 "$work/plain.txt")"
grep -q " port $other " "$work/plain.txt" || fail "no plain lines of port $other"
grep -q $'\033' "$work/plain.txt" && fail "escape sequences in plain lines"
[[ -z $(sort "$work/plain.txt" | uniq -d) ]] || fail "a window was printed twice"
timeout 15 "$JSGUARD" watch --pin-dir "$pin_dir" -d 2 --port "$other" >"$work/one.txt" || fail "one port: exit code $?"
grep -q " port $other " "$work/one.txt" || fail "no plain lines of port $other alone"
grep -q " port $port " "$work/one.txt" && fail "--port $other shows $port too"
timeout 15 "$JSGUARD" watch --pin-dir "$pin_dir" -d 1 --plain --port $((port + 2)) >"$work/none.txt" 2>"$work/none.err" ||
    fail "a port that is not monitored: exit code $?"
grep -qF "port $((port + 2)) is not monitored yet; waiting for it" "$work/none.err" ||
    fail "watch does not report that it waits: $(cat "$work/none.err")"
grep -q "not monitored" "$work/plain.err" && fail "watch reports that it waits for a port that is monitored"
watch dumb 80 24 TERM=dumb
expect dumb "port $port "
tm send-keys -t dumb C-c
expect dumb "status=0"

# --- on a screen -------------------------------------------------------------------------------

say "the screen shows ports, bars, divergences, states, phases and ages"
wait_for "$patience_s" monitors_both || fail "the services are not judged"
watch main 80 24 TERM=screen
watch wide 120 40 TERM=screen
for name in main wide; do
    for text in jsguard "0 alerts up" "2 ports" "$port" "$other" "still learning" occupancy transitions /0.12 entropy phase \
        "request slow" "response moving" idle "state entered" "age of phase" 32s+ "past alerts" "·" "┃" "q quit"; do
        expect "$name" "$text"
    done
done
(($(colours main) > 0)) || fail "there is no colour, so the check with NO_COLOR would prove nothing"

say "keys choose the service and pause"
expect main "> $port"
tm send-keys -t main j
expect main "> $other"
tm send-keys -t main Up
expect main "> $port"
tm send-keys -t main End
expect main "> $other"
tm send-keys -t main Home
expect main "> $port"
tm send-keys -t main NPage
expect main "> $other"
tm send-keys -t main PPage
expect main "> $port"
tm send-keys -t main p
expect main PAUSED
tm send-keys -t main p
expect main "p pause"

say "held connections raise an alert, and every screen shows it"
watch other 100 30 TERM=screen
expect other "> $port"
tm send-keys -t other j
expect other "> $other"
spawn holder "$here/hold_connections.sh" 127.0.0.1 "$port" "$held"
expect wide "! ALERT occupancy" "$alert_within_s"
expect wide "1 alert up"
expect wide "█"
expect other "! occupancy"
shows other "> $other" || fail "an alert changed the service that the user had chosen"

say "a narrow window, and one that becomes narrow"
watch narrow 40 10 TERM=screen
expect narrow "! ALERT"
expect narrow "q quit"
tm resize-window -t wide -x 40 -y 10
expect wide "! ALERT"
is_narrow() { [[ $(screen wide | tail -n 1) == *"q quit"* && $(screen wide | wc -l) == 10 ]]; }
wait_for "$patience_s" is_narrow || fail "the footer is not at the new window's end: $(screen wide)"

say "no colours with NO_COLOR, and only ASCII in the locale C"
watch colourless 80 24 "TERM=screen NO_COLOR=1"
expect colourless "! ALERT"
(($(colours colourless) == 0)) || fail "colours, though NO_COLOR is set"
watch ascii 80 24 "TERM=screen LC_ALL=C"
expect ascii "! ALERT"
expect ascii "###"
screen ascii | LC_ALL=C grep -q '[^ -~]' && fail "more than ASCII in the locale C"

# --- the end -----------------------------------------------------------------------------------

pid_in() { pgrep -P "$(tm list-panes -t "$1" -F '#{pane_pid}')" -x jsguard; }

say "q, Ctrl-C, Ctrl-\\ and SIGTERM restore the screen"
tm send-keys -t main q
ended main 0
tm send-keys -t narrow C-c
ended narrow 0
tm send-keys -t colourless "C-\\"
ended colourless 0
kill -TERM "$(pid_in ascii)"
ended ascii 0

say "Ctrl-Z and fg"
tm new-session -d -s shell -x 80 -y 24 "env PS1='ready> ' bash --norc --noprofile -i"
expect shell "ready>"
tm send-keys -t shell "LC_ALL=C.UTF-8 $JSGUARD watch --pin-dir $pin_dir" Enter
expect shell "! ALERT"
tm send-keys -t shell C-z
expect shell Stopped
tm send-keys -t shell fg Enter
expect shell "! ALERT"
tm send-keys -t shell q
expect shell "ready>"

say "the end of the detector is reported"
stop_detector
expect wide "the detector has ended"
ended wide 0
start_detector --localport "$other" --learn 3600
watch killed 80 24 TERM=screen
expect killed "port $other learning"
stop_detector KILL
expect killed "has ended: its jsguard" "$silent_within_s"
ended killed 1

finish
