#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The cost of watching: CPU time and memory of jsguard-load, --textfile and jsguard watch, with 64 monitored ports.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${HONEST_LOAD:=$here/../../build/quickstart/tests/system/honest-load}"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"

readonly ports=64
readonly max_memory_kib=$((15 * 1024))
readonly max_cpu_ppm=10000 # of one core, for watch and the textfile together: 1 %
measured_s=30

usage() {
    cat <<'END'
usage: cost.sh [--long]
Measures for 30 s, or with --long for 10 minutes. JSGUARD_LOAD, HONEST_LOAD and SLOW_BACKEND are the paths of the programs.
END
}
# shellcheck disable=SC2034
own_option() {
    case $1 in
    --long) measured_s=600 words=1 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"

need_root_and_bpf
need tmux tmux
system_begin
take_ports
readonly second_pin_dir=$pin_dir-textfile file=$work/jsguard.prom
last_port=$((first_port + ports - 1))
port_list=$(seq -s , "$first_port" "$last_port")

# --- measuring -----------------------------------------------------------------------------------

peak_memory_kib() { awk '/^VmHWM:/ { print $2 }' "/proc/$1/status"; }
windows_written() { awk '$1 == "jsguard_windows_total" { print $2 }' "$file"; }
percent() { awk -v part="$1" -v all="$2" 'BEGIN { printf "%.3f", 100 * part / all }'; }

say "$ports servers, some visitors to each"
targets=()
for ((port = first_port; port <= last_port; port++)); do
    spawn "backend-$port" "$SLOW_BACKEND" "$port"
    targets+=("127.0.0.1:$port")
done
spawn honest "$HONEST_LOAD" --profile short --rate 2 --burst 0 --small-path /wait/1 "${targets[@]}"

say "two detectors, one with --textfile, and jsguard watch on the second"
start_detector --localport "$port_list" --learn 10
plain=$detector_pid
remove_second() { if [[ -d $second_pin_dir ]]; then rm -r "$second_pin_dir"; fi; }
at_end+=(remove_second)
spawn second "$JSGUARD_LOAD" --pin-dir "$second_pin_dir" --localport "$port_list" --learn 10 --textfile "$file"
with_textfile=$spawned
all_monitored() { [[ -e $file ]] && (($(grep -c '^jsguard_occupancy_sockets{' "$file") == ports * 49)); }
wait_for 20 all_monitored || die "the textfile does not have the cells of all ports"
tm() { tmux -S "$work/tmux" -f /dev/null "$@"; }
end_tmux() { tm kill-server 2>/dev/null; }
at_end=(end_tmux "${at_end[@]}")
tm new-session -d -x 120 -y 50 \
    "exec '$JSGUARD' watch --pin-dir '$second_pin_dir' 2>'$work/watch.err'"
watch=$(tm list-panes -F '#{pane_pid}')
screen() { tm capture-pane -p; }
shown() { [[ $(screen) == *"$first_port"* ]]; }
wait_for "$patience_s" shown || die "jsguard watch shows nothing"
# Learning and the first windows cost a different amount, so the measurement starts after them.
all_judged() { (($(grep -c '^jsguard_divergence{.*signal="occupancy"' "$file") == ports)); }
wait_for 40 all_judged || die "not all ports are judged"

say "measuring for $measured_s s"
screen_before=$(screen)
before=("$(now_ms)" "$(cpu_ms "$plain")" "$(cpu_ms "$with_textfile")" "$(cpu_ms "$watch")" "$(windows_written)")
sleep "$measured_s"
after=("$(now_ms)" "$(cpu_ms "$plain")" "$(cpu_ms "$with_textfile")" "$(cpu_ms "$watch")" "$(windows_written)")
elapsed_ms=$((after[0] - before[0]))
spent=()
for i in 1 2 3; do spent+=($((after[i] - before[i]))); done
steps=$(((after[4] - before[4]) / ports))
# A textfile that is written too rarely would look cheap.
((steps * 1000 >= elapsed_ms * 8 / 10)) || fail "the textfile was late: $steps steps in $elapsed_ms ms"
shown || fail "jsguard watch shows nothing any more"
[[ $(screen) != "$screen_before" ]] || fail "jsguard watch does not update its screen"

# --- result ----------------------------------------------------------------------------------------

{
    echo "process CPU_ms %_of_a_core VmRSS_KiB VmHWM_KiB"
    i=0
    for name in plain with_textfile watch; do
        echo "$name ${spent[i]} $(percent "${spent[i]}" "$elapsed_ms") $(memory_kib "${!name}") $(peak_memory_kib "${!name}")"
        i=$((i + 1))
    done
} | sed "s/^plain/jsguard-load/; s/^with_textfile/jsguard-load_--textfile/; s/^watch/jsguard_watch/" | aligned
watched_ms=$((spent[1] - spent[0] + spent[2]))
echo "textfile and watch together: $(percent "$watched_ms" "$elapsed_ms") % of a core; the file has" \
    "$(grep -vc '^#' "$file") series, $(($(stat -c %s "$file") / 1024)) KiB; $elapsed_ms ms, $steps steps"

((watched_ms * 1000000 < max_cpu_ppm * elapsed_ms)) || fail "watch and the textfile together take 1 % of a core or more"
for pid in "$plain" "$with_textfile"; do
    (($(memory_kib "$pid") < max_memory_kib)) || fail "jsguard-load has 15 MiB or more of resident memory after loading"
done
stop "$with_textfile" INT
finish
