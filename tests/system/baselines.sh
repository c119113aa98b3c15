#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Baselines of a running detector are shown, relearned, saved and merged. Files that are not baselines are refused.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${JSGUARD:=$(dirname "$JSGUARD_LOAD")/jsguard}"
: "${HONEST_LOAD:=$here/../../build/quickstart/tests/system/honest-load}"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

need_root_and_bpf
system_begin
take_ports
readonly port=$first_port
readonly learn_s=5
readonly relearn_s=40 # time limit for relearning, which learns each step ten steps late

# --- helpers -----------------------------------------------------------------------------------

# baseline EXPECTED-STATUS ARGUMENTS...: runs jsguard baseline. Its output goes to command.out and command.err.
baseline() {
    local expected=$1 status=0
    shift
    timeout "$relearn_s" "$JSGUARD" baseline "$@" >"$work/command.out" 2>"$work/command.err" </dev/null || status=$?
    ((status == expected)) && return
    fail "jsguard baseline $*: exit code $status, not $expected"
    show_log command.err
}
logged() { grep -qF "$1" "$work/detector.err"; }
in_file() { jq -e --argjson port "$port" ".services[\$port | tostring] | $1" "$2" >/dev/null; }
# in_service FILTER: whether it is true of the only service.
in_service() { dump_map services | jq -se ".[] | select(.key == 1).value | $1" >/dev/null; }
in_force() { dump_map baselines | jq -s '.[] | select(.key == 1).value'; }
directory_is_clean() { [[ -z $(find "$1" -name '*.json.*') ]]; }

# --- a running detector ------------------------------------------------------------------------

say "a detector learns, and show prints the baseline in force"
spawn backend "$SLOW_BACKEND" "$port"
# The answers take a while, so that samples find requests, and learning gets the 20 episodes that it needs.
spawn visitors "$HONEST_LOAD" --profile short --rate 40 --small-path /wait/0.4 --large-path /wait/0.6 \
    "127.0.0.1:$port"
visitors=$spawned
start_detector --localport "$port" --learn "$learn_s" --save-baseline "$work/saved.json"
wait_for 20 logged "port $port: learned its baseline in" || die "the detector has learned no baseline"
wait_for "$patience_s" test -s "$work/saved.json" || die "the learned baseline is not saved"
cp "$work/saved.json" "$work/good.json" # a relearned baseline will replace saved.json
baseline 0 show --running --pin-dir "$pin_dir"
grep -q "^port $port: learned for [0-9]* s" "$work/command.out" || fail "show --running does not print the port"
baseline 0 show --running --pin-dir "$pin_dir" --json --port "$port"
jq -e --argjson learned "$(in_force)" --argjson port "$port" \
    '.services[$port | tostring] | .transitions == $learned.transitions and .exchanges == $learned.exchanges and
        .learned_s == $learned.learned_s' "$work/command.out" >/dev/null || fail "show --running does not print the baseline in force"
baseline 0 show "$work/good.json" --json
in_file ".learned_s >= $learn_s" "$work/command.out" || fail "show does not print the baseline of the file"
baseline 2 show --running --pin-dir "$pin_dir" --port 1
baseline 2 show "$work/good.json" --running

say "Ctrl-C while it relearns leaves the file as it was"
cp "$work/good.json" "$work/learned.json"
spawn learn env --default-signal=INT "$JSGUARD" baseline learn "$work/learned.json" --pin-dir "$pin_dir"
learning=$spawned
learns() { grep -q "port $port: relearns; the old baseline stays in force" "$work/learn.err"; }
wait_for "$patience_s" learns || fail "learn does not report what it waits for"
stop "$learning" INT
status=0
wait "$learning" || status=$?
((status == 1)) || fail "Ctrl-C: exit code $status"
cmp -s "$work/good.json" "$work/learned.json" || fail "Ctrl-C: the file was written"
directory_is_clean "$work" || fail "Ctrl-C: a temporary file is left"

say "the detector relearns on request, and keeps monitoring while it learns"
before=$(dump_map control | jq .value.relearn)
baseline 0 relearn --pin-dir "$pin_dir"
grep -q "port $port$" "$work/command.err" || fail "relearn does not print the port"
(($(dump_map control | jq .value.relearn) == before + 1)) || fail "relearn does not ask the detector to relearn"
wait_for "$patience_s" in_service ".relearning == 1 and .mode == \"JSG_MONITORING\"" ||
    fail "the detector does not relearn on request"
spawn record "$JSGUARD" record "$work/windows.jsonl" --pin-dir "$pin_dir" --duration 12
recording=$spawned
baseline 0 learn "$work/learned.json" --pin-dir "$pin_dir"
in_file ".learned_s >= $learn_s" "$work/learned.json" || fail "the relearned baseline is not in the file"
jq -e --argjson learned "$(in_force)" --argjson port "$port" \
    '.services[$port | tostring] | .transitions == $learned.transitions and .exchanges == $learned.exchanges' \
    "$work/learned.json" >/dev/null || fail "the file is not the baseline in force"
cmp -s "$work/good.json" "$work/learned.json" && fail "the relearned baseline is the old one"
baseline 2 learn "$work/learned.json" --pin-dir "$pin_dir" --port 1
baseline 2 learn "$work/no-such-directory/b.json" --pin-dir "$pin_dir"

say "a baseline is learned from a recording"
wait "$recording" || fail "record: exit code $?"
baseline 0 learn "$work/recorded.json" --from "$work/windows.jsonl"
in_file ".learned_s >= 8 and .divergence_while_learning.transitions.windows == 0" "$work/recorded.json" ||
    fail "the file is not the baseline of the recording"

say "learn and merge refuse to replace a recording"
sum_before=$(sha256sum <"$work/windows.jsonl")
ln "$work/windows.jsonl" "$work/another-name.jsonl"
baseline 2 learn "$work/windows.jsonl" --pin-dir "$pin_dir"
baseline 2 learn "$work/windows.jsonl" --from "$work/windows.jsonl"
baseline 2 learn "$work/another-name.jsonl" --from "$work/windows.jsonl"
grep -q 'it is the input' "$work/command.err" || fail "learn does not report that OUT is one of the recordings"
baseline 2 merge "$work/windows.jsonl" "$work/good.json"
[[ $(sha256sum <"$work/windows.jsonl") == "$sum_before" ]] || fail "a recording was replaced"

say "files are compared and merged"
baseline 0 diff "$work/good.json" "$work/learned.json"
grep -q "^port $port: transitions 0.0" "$work/command.out" || fail "two baselines of the same traffic are far apart"
baseline 0 diff "$work/good.json" "$work/good.json" --exit-over 0
baseline 1 diff "$work/good.json" "$work/learned.json" --exit-over 0
baseline 2 diff "$work/good.json" "$work/learned.json" --exit-over nan
cp "$work/learned.json" "$work/merged.json"
baseline 0 merge "$work/merged.json" "$work/merged.json" "$work/good.json"
# sum_of FIELD: the sum over the two merged files.
sum_of() { jq -n "[inputs.services[].$1] | add" "$work/good.json" "$work/learned.json"; }
in_file ".transitions == $(sum_of transitions) and .learned_s == $(sum_of learned_s)" "$work/merged.json" || fail "the merged file does not have the sums"

say "learning ends when the detector does"
spawn learn "$JSGUARD" baseline learn "$work/late.json" --pin-dir "$pin_dir"
learning=$spawned
wait_for "$patience_s" learns || fail "learn does not begin"
stop_detector INT
status=0
wait "$learning" || status=$?
((status == 1)) || fail "the detector ended: exit code $status"
grep -q 'the detector has ended' "$work/learn.err" || fail "learn does not report that the detector has ended"
[[ ! -e $work/late.json ]] || fail "the detector ended, but learn wrote a file"
baseline 1 show --running --pin-dir "$pin_dir"
stop "$visitors"

# --- files -------------------------------------------------------------------------------------

say "a detector starts with a merged file"
start_detector --localport "$port" --baseline "$work/merged.json"
wait_for "$patience_s" in_service '.mode == "JSG_MONITORING"' || fail "the detector does not monitor with the merged file"
stop_detector INT

# refused NAME: all programs refuse the file NAME.json: one line on stderr, exit code 2, nothing is loaded. They must not
# overwrite it either, because it is not a baseline file.
refused() {
    local status=0 file=$work/$1.json sum
    sum=$(sha256sum <"$file")
    timeout "$patience_s" "$JSGUARD_LOAD" --pin-dir "$pin_dir" --baseline "$file" --save-baseline "$file" \
        >"$work/refused.out" 2>"$work/refused.err" </dev/null || status=$?
    ((status == 2)) || fail "$1: exit code $status, not 2"
    (($(wc -l <"$work/refused.err") == 1)) || fail "$1: not one line on stderr"
    [[ ! -s $work/refused.out ]] || fail "$1: something on stdout"
    [[ ! -e $pin_dir ]] || fail "$1: something was pinned"
    [[ $(sha256sum <"$file") == "$sum" ]] || fail "$1: the file was changed"
    baseline 2 show "$file"
    baseline 2 merge "$work/merged.json" "$work/good.json" "$file"
    [[ ! -s $work/command.out ]] || fail "$1: merge prints something"
}
# spoilt NAME FILTER: a copy of the good file with one fault is refused. The jq filter makes the fault.
spoilt() {
    jq --arg port "$port" ".services[\$port] |= ($2)" "$work/good.json" >"$work/$1.json"
    refused "$1"
}

say "a file that is not a baseline is refused before anything is loaded"
sum_before=$(sha256sum <"$work/merged.json")
head -c -3 "$work/good.json" >"$work/truncated.json"
refused truncated
head -c 4096 /dev/urandom >"$work/corrupt.json"
refused corrupt
: >"$work/empty.json"
refused empty
{ cat "$work/good.json" && head -c $((17 << 20)) /dev/zero | tr '\0' ' '; } >"$work/oversized.json"
refused oversized
jq '.schema = 3' "$work/good.json" >"$work/schema.json"
refused schema
sed 's/"learned_s": [0-9]*/"learned_s": NaN/' "$work/good.json" >"$work/nan.json"
refused nan
spoilt negative '.exchanges = -1'
spoilt fraction '.transition_counts["SYN_RECV->ESTABLISHED"] = 0.5'
spoilt too-large '.exchanges = 4294967296'
spoilt unknown-state '.transition_counts["ESTABLISHED->NOWHERE"] = 1'
spoilt unknown-phase '.occupancy_socket_seconds["asleep <1s"] = 1'
spoilt no-time '.learned_s = 0'
spoilt wrong-total '.transitions += 1'
spoilt blind '.divergence_while_learning.occupancy = {windows: 4294967295, mean_bits: 1, deviation_bits: 1, maximum_bits: 0}'
spoilt no-windows '.divergence_while_learning.transitions = {windows: 0, mean_bits: 1, deviation_bits: 0, maximum_bits: 1}'
spoilt all-zero '.transition_counts = {} | .occupancy_socket_seconds = {} | del(.transitions, .socket_seconds)'
spoilt few-episodes '.learned_s = 1000 | .occupancy_socket_seconds = {"request slow 1-2s": 900} | del(.socket_seconds)'
grep -q '0 of 20 episodes (a connection in a phase)' "$work/refused.err" || fail "few episodes: the message does not report the missing episodes"
[[ $(sha256sum <"$work/merged.json") == "$sum_before" ]] || fail "a refused merge changed its file"

say "on a full disk the old file remains complete"
unmount() { umount "$work/full"; }
mkdir "$work/full"
mount -t tmpfs -o size=256k tmpfs "$work/full" || skip "cannot mount a tmpfs"
at_end+=(unmount)
cp "$work/good.json" "$work/full/b.json"
cat /dev/zero >"$work/full/filler" 2>/dev/null || true
status=0
timeout "$patience_s" "$JSGUARD_LOAD" --pin-dir "$pin_dir" --localport "$port" --baseline "$work/good.json" \
    --save-baseline "$work/full/b.json" --duration 2 >"$work/full.out" 2>"$work/full.err" </dev/null || status=$?
((status == 1)) || fail "a full disk: exit code $status, not 1"
grep -q 'No space left on device' "$work/full.err" || fail "a full disk: the message does not report it"
cmp -s "$work/good.json" "$work/full/b.json" || fail "a full disk: the old file was changed"
baseline 1 merge "$work/full/b.json" "$work/good.json" "$work/learned.json"
cmp -s "$work/good.json" "$work/full/b.json" || fail "a full disk: merge changed the old file"
directory_is_clean "$work/full" || fail "a full disk: a temporary file is left"

finish
