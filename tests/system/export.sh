#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard export beside a running detector: it prints the figures of the map and every window once, and its refusals are
# clear.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

need_root_and_bpf
[[ -x $SLOW_BACKEND ]] || die "no $SLOW_BACKEND: build first, or set SLOW_BACKEND"
system_begin
take_ports
readonly port=$first_port second_port=$((first_port + 1))
readonly statistics=/proc/sys/kernel/bpf_stats_enabled
statistics_before=$(<"$statistics")
put_statistics_back() { echo "$statistics_before" >"$statistics"; }
at_end+=(put_statistics_back)
echo 0 >"$statistics" # a killed run of this test may have left 1

# --- helpers -----------------------------------------------------------------------------------

# export_to NAME EXPECTED-STATUS ARGUMENTS...: runs jsguard export to its end. Its output goes to NAME.out and NAME.err.
export_to() {
    local name=$1 expected=$2 status=0
    shift 2
    timeout 40 "$JSGUARD" export --pin-dir "$pin_dir" "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null || status=$?
    ((status == expected)) && return
    fail "jsguard export $*: exit code $status, not $expected"
    show_log "$name.err"
}

# refused EXPECTED-STATUS WORDS ARGUMENTS...: one line on stderr, nothing on stdout.
refused() {
    local status=$1 words=$2
    shift 2
    export_to refused "$status" "$@"
    (($(wc -l <"$work/refused.err") == 1)) || fail "export $*: not one line: $(cat "$work/refused.err")"
    grep -qF -- "$words" "$work/refused.err" || fail "export $*: does not print \"$words\": $(cat "$work/refused.err")"
    [[ ! -s $work/refused.out ]] || fail "export $*: something is on stdout"
}

rows() { jq -c 'select(type == "object")' "$1" 2>/dev/null | wc -l; }
has_rows() { (($(rows "$work/$1.out") >= $2)); }
# column FILE NAME: the values of this column in the CSV FILE.out, whose fields need no quotes.
column() {
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; if (!at) exit 1; next } { print $at }' \
        "$work/$1.out"
}
# all_closed NUMBER: whether both ports have closed that many windows.
all_closed() { dump_map services | jq -se --argjson number "$1" 'map(.value | select(.port > 0) | .sequence) | length == 2 and all(.[]; . >= $number)' >/dev/null; }

# complete NAME: the JSON lines NAME.out have every window of each port once, in order, without a gap.
complete() {
    jq -se 'group_by(.port) | length > 0 and all(.[]; map(.sequence) | length > 0 and . == [range(.[0]; .[0] + length)])' \
        "$work/$1.out" >/dev/null || fail "$1: windows are missing or repeated"
    jq -se 'map([.end_ns, .port]) | . == sort' "$work/$1.out" >/dev/null || fail "$1: not in order of time and port"
}

# --- without a detector, and with wrong options -------------------------------------------------

say "impossible requests are refused"
refused 1 "start jsguard-load" --format csv
refused 1 "start jsguard-load" --format prometheus
refused 2 "--format is required"
refused 2 "--format" --format xml
refused 2 "jsguard-load --textfile" --format prometheus --follow
refused 2 "leave out --since" --format prometheus --since 10m
refused 2 "--since \"tomorrow\" is not a time" --format csv --since tomorrow
refused 2 "is in the future" --format csv --since 2999-01-01T00:00:00Z
refused 2 "is in the future" --format csv --since "2999-01-01 00:00:00 UTC"
export_to columns 0 --columns
grep -qE '^occupancy_js_bits +bits ' "$work/columns.out" || fail "--columns does not list occupancy_js_bits"
for answer in "$JSGUARD --help" "$JSGUARD export --help" "$JSGUARD -V" "$JSGUARD_LOAD --help" "$JSGUARD_LOAD -V"; do
    status=0
    $answer >/dev/full 2>"$work/refused.err" || status=$?
    ((status == 1)) || fail "$answer to a full disk: exit code $status"
    grep -q "cannot write to stdout: No space left" "$work/refused.err" || fail "$answer to a full disk: $(cat "$work/refused.err")"
done

# --- kept windows -------------------------------------------------------------------------------

say "all kept windows are exported with the figures of the map"
# The server on one of the ports gets a request now and then.
spawn backend "$SLOW_BACKEND" "$port"
start_detector --localport "$port,$second_port" --learn 2 --occupancy-threshold 0.25 --transition-threshold auto
spawn visitor bash -c "while sleep 0.05; do exec 3<>/dev/tcp/127.0.0.1/$port && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && cat <&3 >'$work/page'; exec 3>&-; done"
wait_for "$patience_s" all_closed 4 || fail "no windows are closed"
export_to csv 0 --format csv
export_to json 0 --format json
dump_map windows | jq -c '.value | select(.port > 0)' >"$work/map.json"

# in_both NAME JQ-OF-MAP: compares a column of the CSV with the same windows in the dump of the map.
in_both() {
    paste -d ' ' <(column csv port) <(column csv sequence) <(column csv "$1" | tr ' ' -) | sort >"$work/exported"
    (($(wc -l <"$work/exported") >= 8)) || fail "too few windows were exported"
    jq -r "[.port, .sequence, ($2)] | map(tostring) | join(\" \")" "$work/map.json" | sort >"$work/dumped"
    # Windows that closed between the export and the dump are only in one of them.
    join -j 1 <(sed 's/ /-/' "$work/exported") <(sed 's/ /-/' "$work/dumped") >"$work/joined"
    (($(wc -l <"$work/joined") >= $(wc -l <"$work/exported"))) || fail "$1: the export has windows that the map does not have"
    awk '$2 != $3' "$work/joined" >"$work/odd"
    [[ ! -s $work/odd ]] || fail "$1, exported and in the map: $(head -n 1 "$work/odd")"
}
in_both end_ns .end_ns
in_both unix_ms .end_unix_ms
in_both transitions .transitions
in_both sockets .sockets
in_both exchanges .exchanges
in_both state_entropy_bits '.state_entropy_nanobits / 1e9 | if . == floor then floor else . end'
in_both open_sockets '.open_millisockets / 1000 | if . == floor then floor else . end'
in_both occupancy_verdict '.signal[1].verdict | ltrimstr("JSG_") | ascii_downcase | gsub("_"; "-")'
complete json
[[ $(column csv sequence | head -n 4) == "$(jq -r .sequence "$work/json.out" | head -n 4)" ]] || fail "CSV and JSON differ"
awk -F, 'NR == 1 { cells = NF } NF != cells { exit 1 }' "$work/csv.out" || fail "a row has another number of fields"
[[ $(head -n 1 "$work/csv.out") == "$(jq -r 'keys_unsorted | join(",")' "$work/json.out" | head -n 1)" ]] || fail "CSV and JSON have different names"
jq -se 'map(.transitions) | max > 0' "$work/json.out" >/dev/null || fail "no transition was counted"
jq -se 'all(.[]; .occupancy_threshold_bits == 0.25 and .transition_threshold_bits == null)' "$work/json.out" >/dev/null ||
    fail "the thresholds are not those of the options"
jq -se 'group_by(.port) | all(.[]; .[-1].map_memory_bytes > 1000000 and .[-1].ticks > 64 and .[0].ticks == null)' "$work/json.out" \
    >/dev/null || fail "the newest windows have no cost, or older ones have one"

say "--port and --since select windows"
export_to one 0 --format json --port "$second_port"
jq -se --argjson port "$second_port" 'length > 3 and all(.[]; .port == $port)' "$work/one.out" >/dev/null || fail "--port exports other ports"
third=$(jq -sr 'map(select(.sequence == 3)) | .[0].time' "$work/one.out")
export_to since 0 --format json --port "$second_port" --since "$third"
[[ $(jq -r .sequence "$work/since.out" | head -n 2) == $'3\n4' ]] || fail "--since $third does not begin there"
as_status_prints_it="${third:0:10} ${third:11:8} UTC"
export_to since 0 --format json --port "$second_port" --since "$as_status_prints_it"
[[ $(jq -r .sequence "$work/since.out" | head -n 2) == $'3\n4' ]] || fail "--since $as_status_prints_it does not begin there"
export_to none 0 --format json --since 0s
[[ ! -s $work/none.out ]] || fail "--since 0s has windows of the past"
export_to nobody 0 --format csv --port $((port + 5))
(($(wc -l <"$work/nobody.out") == 1)) || fail "a port that is not monitored has windows"
grep -q "port $((port + 5)) is not monitored" "$work/nobody.err" || fail "export does not report that the port is not monitored"
export_to prometheus 0 --format prometheus --port "$port"
grep -q "port=\"$port\"" "$work/prometheus.out" || fail "no figures of the port for Prometheus"
if grep -q "port=\"$second_port\"" "$work/prometheus.out"; then fail "figures of another port for Prometheus"; fi
refused 1 "port $((port + 5)) is not monitored; ports $port, $second_port are" --format prometheus --port $((port + 5))

# --- windows as they close ----------------------------------------------------------------------

say "--follow exports every window once, even after a stop of some steps"
echo 1 >"$statistics"
spawn follow env --default-signal=INT "$JSGUARD" export --pin-dir "$pin_dir" --format json --follow
follow_pid=$spawned
spawn follow_csv "$JSGUARD" export --pin-dir "$pin_dir" --format csv --follow --since 0s
csv_pid=$spawned
wait_for "$patience_s" has_rows follow 12 || fail "--follow does not go on"
kill -STOP "$follow_pid"
stopped_at=$(jq -s 'map(.sequence) | max' "$work/follow.out")
wait_for "$patience_s" all_closed $((stopped_at + 5)) || fail "no windows are closed"
kill -CONT "$follow_pid"
beyond() { (($(jq -s 'map(.sequence) | max' "$work/follow.out") >= stopped_at + 7)); }
wait_for "$patience_s" beyond || fail "--follow does not go on after a stop"
kill -INT "$follow_pid"
wait "$follow_pid" || fail "Ctrl-C: exit code $?"
grep -q ' 0 missed' "$work/follow.err" || fail "windows were missed: $(cat "$work/follow.err")"
complete follow
jq -se 'map(.sequence) | min == 1' "$work/follow.out" >/dev/null || fail "--follow does not begin with the kept windows"

say "with run statistics the export has the cost of the detector"
jq -se --argjson port "$port" 'map(select(.port == $port and .ticks)) | length >= 3 and
    .[-1].transition_runs > .[0].transition_runs and .[-1].transition_run_s > .[0].transition_run_s and
    .[-1].ticks_total_s > .[0].ticks_total_s and .[-1].map_memory_bytes > 1000000 and .[-1].ticks_longest_s > 0 and
    .[-1].uptime_s > .[0].uptime_s' "$work/follow.out" >/dev/null || fail "the cost does not grow"
existing_ran() {
    bpftool -j prog show | jq -e --argjson map "$(bpftool -j map show pinned "$pin_dir/stats" | jq .id)" \
        'any(.[]; .name == "jsg_existing" and .run_cnt > 0 and (.map_ids | index($map)))' >/dev/null
}
if existing_ran; then
    say "not tested: runs without run statistics, because another program keeps them on"
else
    jq -se 'all(.[]; .existing_runs == null)' "$work/follow.out" >/dev/null || fail "the export has runs that were not measured"
fi

say "a window that is no longer kept is counted"
kill -STOP "$csv_pid"
missed=$(($(column follow_csv sequence | sort -n | tail -n 1) + 3))
wait_for "$patience_s" all_closed $((missed + 1)) || fail "no windows are closed"
service=$(dump_map services | jq --argjson port "$port" 'select(.value.port == $port).key')
bpftool map delete pinned "$pin_dir/windows" key "$service" 0 0 0 "$missed" 0 0 0
kill -CONT "$csv_pid"
miss_is_reported() { grep -q "^port $port: 1 window from number $missed on was missed$" "$work/follow_csv.err"; }
wait_for "$patience_s" miss_is_reported || fail "the missed window is not reported: $(cat "$work/follow_csv.err")"

say "a full disk ends the export with an error, and a closed pipe ends it quietly"
status=0
timeout 20 "$JSGUARD" export --pin-dir "$pin_dir" --format csv --follow 2>"$work/pipe.err" >/dev/full || status=$?
((status == 1)) || fail "a full disk: exit code $status"
grep -q "cannot write to stdout: No space left" "$work/pipe.err" || fail "a full disk: $(cat "$work/pipe.err")"
# to_head COMMAND...: head reads only the first line of this jsguard command.
to_head() {
    { status=0 && timeout 20 "$JSGUARD" "$@" --pin-dir "$pin_dir" 2>"$work/pipe.err" || status=$? && echo "$status" >"$work/pipe.status"; } |
        head -n 1 >"$work/first"
    [[ $(cat "$work/pipe.status") == 0 ]] || fail "$*, and head: exit code $(cat "$work/pipe.status")"
    [[ -s $work/first && ! -s $work/pipe.err ]] || fail "$*, and head: $(cat "$work/pipe.err")"
}
to_head export --format csv --follow
to_head export --format json
to_head watch --plain

say "the end of the detector ends the export, and a killed detector is noticed"
stop_detector
wait "$csv_pid" || fail "the detector's end: exit code $?"
grep -q " windows exported, 1 missed" "$work/follow_csv.err" || fail "the missed window is not counted"
grep -q "the detector has ended" "$work/follow_csv.err" || fail "export does not report that the detector has ended"
start_detector --localport "$port" --learn 3600
spawn killed "$JSGUARD" export --pin-dir "$pin_dir" --format json --follow
killed_pid=$spawned
wait_for "$patience_s" has_rows killed 1 || fail "--follow shows nothing"
stop_detector KILL
# ended_by_silence NAME PID: the export ends with exit code 1, and reports that the detector was killed.
ended_by_silence() {
    local status=0
    wait_for 30 gone "$2" || fail "$1: the export goes on after the detector was killed"
    stop "$2"
    wait "$2" || status=$?
    ((status == 1)) || fail "$1: the detector was killed: exit code $status"
    grep -q "its jsguard-load was killed.* start jsguard-load again" "$work/$1.err" || fail "$1 does not report that the detector was killed"
}
ended_by_silence killed "$killed_pid"

say "a killed detector is refused, but its kept windows are printed"
refused 1 "its jsguard-load was killed" --format prometheus
export_to left 1 --format json
(($(rows "$work/left.out") >= 1)) || fail "the kept windows of a killed detector are not printed"
(($(wc -l <"$work/left.err") == 1)) || fail "not one line about a killed detector: $(cat "$work/left.err")"
grep -q "its jsguard-load was killed" "$work/left.err" || fail "a killed detector looks like a live one"
export_to left 1 --format csv --follow
grep -q "its jsguard-load was killed" "$work/left.err" || fail "--follow: a killed detector looks like a live one"

say "a killed detector that monitored no port is noticed too"
start_detector
spawn no_service "$JSGUARD" export --pin-dir "$pin_dir" --format json --follow --port 1
killed_pid=$spawned
reports_waiting() { grep -q "^port 1 is not monitored yet; waiting for it$" "$work/no_service.err"; }
wait_for "$patience_s" reports_waiting || fail "export does not report that it waits"
stop_detector KILL
ended_by_silence no_service "$killed_pid"

finish
