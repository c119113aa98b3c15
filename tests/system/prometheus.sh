#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard-load --textfile and jsguard export --format prometheus, with the real promtool and node_exporter.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${HONEST_LOAD:=$here/../../build/quickstart/tests/system/honest-load}"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

need_root_and_bpf
need promtool prometheus prometheus-node-exporter prometheus-node-exporter curl curl setpriv util-linux
system_begin
take_ports
readonly port=$first_port exporter_port=$((first_port + 1))
readonly directory=$work/textfiles
readonly file=$directory/jsguard.prom
mkdir "$directory"

# --- reading the file --------------------------------------------------------------------------

# value SERIES [FILE]: the value of the series in the file, or nothing.
value() {
    awk -v series="$1" 'index($0, series " ") == 1 { print substr($0, length(series) + 2) }' "${2:-$file}" 2>/dev/null
}
value_is() { [[ $(value "$1") == "$2" ]]; }
inode() { stat -c %i "$file" 2>/dev/null || echo 0; }
replaced_since() { [[ -e $file && $(inode) != "$1" ]]; }
# series_by_name: the number of series of each name, in the text on stdin.
series_by_name() { grep '^jsguard_' | sed 's/[{ ].*//' | sort | uniq -c; }

# check_metrics NAME: promtool reports nothing about the text on stdin.
check_metrics() {
    local report
    report=$(promtool check metrics 2>&1) || fail "$1: promtool: $report"
    [[ -z $report ]] || fail "$1: promtool: $report"
}

# check_whole NAME: the array lines has the text from its first line to its last.
lines=()
check_whole() {
    [[ ${lines[0]:-} == "# HELP jsguard_start_time_seconds "* && ${lines[-1]:-} == *$'\n' &&
        ${lines[-1]} == "jsguard_state_entries_total{"* ]] || fail "$1: not a whole file: ${#lines[@]} lines"
}

# --- refusals ------------------------------------------------------------------------------------

# refused FILE TEXT: exit code 2, one line with TEXT, and nothing is loaded.
refused() {
    local status=0 output
    output=$(timeout 20 "$JSGUARD_LOAD" --pin-dir "$pin_dir" --localport "$port" -d 1 --textfile "$1" 2>&1) || status=$?
    ((status == 2)) || fail "--textfile $1: exit code $status"
    [[ $output == *"$2"* && $output != *$'\n'* ]] || fail "--textfile $1 prints: $output"
    [[ ! -e $pin_dir ]] || fail "--textfile $1: the detector was loaded"
}

say "a file that node_exporter would not read, or that cannot be created, is refused"
mkdir "$work/directory.prom" "$work/read-only"
mount -t tmpfs -o ro tmpfs "$work/read-only"
leave_mounts() {
    local mounted
    for mounted in "$work/read-only" "$work/small"; do
        if mountpoint -q "$mounted"; then umount "$mounted"; fi
    done
}
at_end+=(leave_mounts)
refused "$directory/jsguard.txt" "ends in .prom"
refused "$work/none/jsguard.prom" "No such file or directory"
refused "$work/directory.prom" "not a regular file"
refused "$work/read-only/jsguard.prom" "Read-only file system"
[[ -z $(ls -A "$directory") ]] || fail "a refusal leaves $(ls -A "$directory")"

# --- under load ----------------------------------------------------------------------------------

say "the file under load, and the export"
spawn backend "$SLOW_BACKEND" "$port"
answers() { curl -sf -o /dev/null "http://127.0.0.1:$port/"; }
wait_for "$patience_s" answers || die "the server does not answer"
spawn honest "$HONEST_LOAD" --profile short --rate 40 --small-path /wait/1 "127.0.0.1:$port"
honest_pid=$spawned
start_detector --localport "$port" --learn 5 --window 5 --textfile "$file"
wait_for 30 value_is "jsguard_monitoring{port=\"$port\"}" 1 || die "the file does not show that the port is monitored"
judged() { [[ -n $(value "jsguard_divergence{port=\"$port\",signal=\"occupancy\"}") ]]; }
wait_for "$patience_s" judged || fail "no divergence is in the file"
[[ $(stat -c '%a %U' "$file") == "644 root" ]] || fail "the file is $(stat -c '%a %U' "$file")"
check_metrics "the textfile" <"$file"
"$JSGUARD" export --pin-dir "$pin_dir" --format prometheus >"$work/export.prom" || fail "jsguard export: exit code $?"
check_metrics "the export" <"$work/export.prom"
diff <(grep '^# TYPE' "$file") <(grep '^# TYPE' "$work/export.prom") >&2 || fail "the export has other metrics than the file"

say "the file has the figures of the maps"
# The figures of one window, in the order of the query below.
cp "$file" "$work/copy.prom"
figures=$(for name in window_transitions window_exchanges open_requests state_entropy transition_entropy stalled_sockets; do
    value "jsguard_$name{port=\"$port\"}" "$work/copy.prom"
done)
figures+=" $(for signal in transitions occupancy; do
    value "jsguard_divergence{port=\"$port\",signal=\"$signal\"}" "$work/copy.prom"
    value "jsguard_kl_divergence{port=\"$port\",signal=\"$signal\"}" "$work/copy.prom"
done)"
dump_map windows | jq -se --argjson seen "[$(xargs <<<"$figures" | tr ' ' ,)]" 'any(.[].value;
    [.transitions, .exchanges, .open_requests, .state_entropy_nanobits / 1e9, .transition_entropy_nanobits / 1e9,
     .stalled_millisockets / 1e3, .signal[0].js_nanobits / 1e9, .signal[0].kl_nanobits / 1e9,
     .signal[1].js_nanobits / 1e9, .signal[1].kl_nanobits / 1e9] == $seen)' >/dev/null ||
    fail "no window has these figures: $(xargs <<<"$figures")"
windows_closed() { dump_map stats | jq '.value.windows'; }
before=$(windows_closed)
inode=$(inode)
wait_for "$patience_s" replaced_since "$inode" || fail "the file is not written again"
seen=$(value jsguard_windows_total)
((before <= seen && seen <= $(windows_closed))) || fail "windows: $seen, before $before, after $(windows_closed)"

say "readers never see a part of the file"
exec {held}<"$file"
before=$(<"$file")
inode=$(inode)
reads=0 versions=0
deadline=$(($(now_ms) + 20000))
while (((reads < 3000 || versions < 3) && $(now_ms) < deadline)); do
    for ((i = 0; i < 100; i++)); do
        mapfile lines <"$file"
        check_whole "read $reads"
        names=("$directory"/*.prom)
        ((${#names[@]} == 1)) || fail "node_exporter would read ${names[*]}"
        ((failures < 5)) || die "and so on"
        reads=$((reads + 1))
    done
    if replaced_since "$inode"; then inode=$(inode) versions=$((versions + 1)); fi
done
((versions >= 3)) || fail "only $versions versions of the file were seen"
[[ $(cat <&"$held") == "$before" ]] || fail "a file that a reader had open has changed"
exec {held}<&-
echo "$reads reads, $versions versions"

say "node_exporter serves it, without privilege"
spawn exporter setpriv --reuid=nobody --regid=nogroup --clear-groups prometheus-node-exporter \
    --web.listen-address="127.0.0.1:$exporter_port" --collector.disable-defaults --collector.textfile \
    --collector.textfile.directory="$directory"
exporter_pid=$spawned
scrape() { curl -sf "http://127.0.0.1:$exporter_port/metrics" >"$work/scraped"; }
serves_all() { scrape && [[ $(series_by_name <"$work/scraped") == $(series_by_name <"$file") ]]; }
wait_for "$patience_s" serves_all || {
    fail "node_exporter does not serve the series of the file"
    diff <(series_by_name <"$work/scraped") <(series_by_name <"$file") || true
}
grep -qx 'node_textfile_scrape_error 0' "$work/scraped" || fail "node_exporter: $(grep scrape_error "$work/scraped")"
grep -q "^jsguard_monitoring{port=\"$port\"} 1$" "$work/scraped" || fail "node_exporter does not show that the port is monitored"
stop "$exporter_pid"

say "a second detector with the same file is refused, and does not disturb the first"
status=0
timeout 20 "$JSGUARD_LOAD" --pin-dir "$pin_dir-second" --localport "$port" -d 1 --textfile "$file" >"$work/second.out" 2>&1 || status=$?
((status == 1)) || fail "a second detector: exit code $status"
[[ $(<"$work/second.out") == "jsguard-load: another jsguard-load writes $file; "* && $(wc -l <"$work/second.out") == 1 ]] ||
    fail "a second detector prints: $(<"$work/second.out")"
[[ ! -e $pin_dir-second ]] || fail "the second detector was loaded"
inode=$(inode)
wait_for "$patience_s" replaced_since "$inode" || fail "after the refusal the file is not written again"

say "counters agree with the map, to the last transition"
stop "$honest_pid"
counted() { bpftool -j map dump pinned "$pin_dir/counters" | jq '[.[].formatted.values[].value.transitions[]] | add'; }
in_file() {
    awk '/^jsguard_transitions_total/ { sum += $NF } /^jsguard_state_entries_total/ { entries += $NF }
        END { print sum, entries }' "$file"
}
agrees() { local now; now=$(counted) && ((now > 0)) && [[ $(in_file) == "$now $now" ]]; }
wait_for "$patience_s" agrees || fail "transitions: $(in_file) in the file, $(counted) in the map"

# --- the end ---------------------------------------------------------------------------------------

say "the file is removed at the end of the detector, and remains after SIGKILL"
stop_detector
((detector_status == 0)) || fail "Ctrl-C: exit code $detector_status"
[[ -z $(ls -A "$directory") ]] || fail "Ctrl-C leaves $(ls -A "$directory")"
start_detector --localport "$port" --learn 60 --textfile "$file"
wait_for "$patience_s" test -e "$file" || fail "there is no file"
stop_detector KILL
[[ -e $file ]] || fail "after SIGKILL the file is gone"
[[ -n $(value jsguard_last_tick_timestamp_seconds) ]] || fail "the remaining file has no time"
inode=$(inode)
start_detector --localport "$port" --learn 60 --textfile "$file"
wait_for "$patience_s" replaced_since "$inode" || fail "after SIGKILL the next detector does not write the file"
stop_detector
[[ -z $(ls -A "$directory") ]] || fail "after SIGKILL and a second run there is $(ls -A "$directory")"

# --- trouble ----------------------------------------------------------------------------------------

# logged TEXT [NUMBER]: whether the detector has logged the text at least that often (1).
logged() { (($(grep -cF -- "$1" "$work/detector.err") >= ${2:-1})); }
windows_beyond() { (($(windows_closed) > $1)); }

say "a full disk and a removed directory are reported once, and monitoring goes on; a restart uses the new directory"
mkdir "$work/small"
mount -t tmpfs -o size=1m tmpfs "$work/small"
readonly sub=$work/small/sub
mkdir "$sub"
start_detector --localport "$port" --learn 60 --textfile "$sub/jsguard.prom"
wait_for "$patience_s" test -e "$sub/jsguard.prom" || fail "there is no file"
head -c 2M /dev/zero >"$work/small/filler" 2>/dev/null || true
wait_for "$patience_s" logged "No space left on device" || fail "a full disk is not reported"
[[ -e $sub/jsguard.prom ]] || fail "with a full disk the last figures are lost"
wait_for "$patience_s" windows_beyond $(($(windows_closed) + 2)) || fail "with a full disk no windows are closed"
rm "$work/small/filler"
wait_for "$patience_s" logged "is written again" || fail "it is not reported that the disk is no longer full"
rm -r "$sub"
wait_for "$patience_s" logged "its directory was removed or replaced; restart jsguard-load" ||
    fail "a removed directory is not reported"
wait_for "$patience_s" windows_beyond $(($(windows_closed) + 2)) || fail "without the directory no windows are closed"
mkdir "$sub" # another directory, in which Landlock permits nothing
wait_for "$patience_s" windows_beyond $(($(windows_closed) + 2)) || fail "with another directory no windows are closed"
[[ -z $(ls -A "$sub") ]] || fail "the loader writes in a directory that it did not open: $(ls -A "$sub")"
(($(grep -c 'cannot write the textfile' "$work/detector.err") == 2)) || fail "each failure is not reported exactly once"
stop_detector
((detector_status == 0)) || fail "Ctrl-C after trouble: exit code $detector_status"
start_detector --localport "$port" --learn 60 --textfile "$sub/jsguard.prom"
only_the_file() { [[ $(ls -A "$sub") == jsguard.prom$'\n'jsguard.prom.lock ]]; } # there is no temporary file now
wait_for "$patience_s" only_the_file || fail "after a restart there is in the directory: $(ls -A "$sub")"
stop_detector
[[ -z $(ls -A "$sub") ]] || fail "Ctrl-C leaves $(ls -A "$sub")"

finish
