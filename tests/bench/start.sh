#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Measures the time from exec to attached, the time of a build, and the memory and CPU time of the loader while idle and
# while busy.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"

starts=20
minutes=10
build=1

usage() {
    cat <<'END'
usage: start.sh [--short] [--results FILE]
Measures 20 starts; a clean build of the programs, on one core and on all; 10 idle minutes and 10 busy ones (wrk on
nginx, one connection for each request). --short: 3 starts, no build, 6 s. JSGUARD_LOAD is the path of the program.
END
}
# shellcheck disable=SC2034
own_option() {
    case $1 in
    --short) starts=3 minutes=0.1 build=0 words=1 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"
need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light wrk wrk
system_begin
port=8400
bench=$(dirname "${BASH_SOURCE[0]}")
source_directory=$(cd "$here/../.." && pwd)

# --- from exec to attached, which is the line "monitoring" -----------------------------------------

# The time of EPOCHREALTIME in us.
now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
attached_us() {
    local began line loader
    mkfifo "$work/messages"
    began=$(now_us)
    "$JSGUARD_LOAD" --pin-dir "$pin_dir" --localport "$port" >/dev/null 2>"$work/messages" &
    loader=$!
    started_pids+=("$loader")
    while read -r line; do
        if [[ $line == monitoring* ]]; then break; fi
    done <"$work/messages"
    [[ $line == monitoring* ]] || die "the loader did not start"
    echo $(($(now_us) - began)) >>"$work/starts"
    stop "$loader" TERM
    rm "$work/messages"
}
for ((i = 0; i < starts; i++)); do attached_us; done
jq -s -c -L "$bench" 'include "spread"; map(. / 1000) | spread' "$work/starts" >"$work/start.json"
jq -r '"from exec to attached: \(.median | round) ms (\(.lower_quartile | round) to \(.upper_quartile | round)), \(.measured) starts"' \
    "$work/start.json"

# --- a build from clean ----------------------------------------------------------------------------

# build_s JOBS: builds, and puts the seconds into $seconds.
build_s() {
    local began
    began=$(now_ms)
    if ! { CCACHE_DISABLE=1 cmake -S "$source_directory" -B "$work/build-$1" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DJSGUARD_BUILD_TESTS=OFF && CCACHE_DISABLE=1 cmake --build "$work/build-$1" -j "$1"; } >"$work/build.out" 2>&1; then
        show_log build.out
        die "the build failed"
    fi
    seconds=$(awk -v ms=$(($(now_ms) - began)) 'BEGIN { printf "%.1f", ms / 1000 }')
}
echo null >"$work/build.json"
if ((build)); then
    build_s 1
    one=$seconds
    build_s "$(nproc)"
    jq -nc --argjson one "$one" --argjson all "$seconds" '{one_job_s: $one, all_cores_s: $all}' >"$work/build.json"
    jq -r '"a build from clean, both programs: \(.all_cores_s) s, with one job \(.one_job_s) s"' "$work/build.json"
fi

# --- idle, and busy ----------------------------------------------------------------------------------

# CPU time to the microsecond. /proc/PID/stat counts only in ticks of 10 ms.
used_us() { awk '{ printf "%d", $1 / 1000 }' "/proc/$1/schedstat"; }
# watch_loader NAME: prints the figures of the loader after the set number of minutes.
watch_loader() {
    local cpu began
    began=$(now_ms) cpu=$(used_us "$detector_pid")
    sleep "$(awk -v m="$minutes" 'BEGIN { print m * 60 }')"
    alive "$detector_pid" || die "the loader ended by itself"
    jq -nc --arg name "$1" --argjson cpu "$(($(used_us "$detector_pid") - cpu))" --argjson ms "$(($(now_ms) - began))" \
        --argjson kib "$(memory_kib "$detector_pid")" \
        '{$name, minutes: ($ms / 60000), cpu_ms: ($cpu / 1000), cpu_percent: ($cpu / $ms / 10), resident_kib: $kib}'
}
new_namespaces
make_site
start_nginx "$port"
start_detector --localport "$port" --learn 5
{
    watch_loader idle
    spawn wrk "${in_client[@]}" wrk --threads 1 --connections 32 --duration 1000s --header 'Connection: close' \
        "http://$honest_address:$port/"
    watch_loader busy
} >"$work/loader.json"
jq -r '"jsguard-load, \(.minutes * 10 | round / 10) \(.name) minutes: \(.resident_kib / 102.4 | round / 10) MiB resident, \(.cpu_percent * 10000 | round / 10000) % of one CPU"' \
    "$work/loader.json"
echo "(an earlier tool in Python, on BCC, by its own publication: 189.6 MiB, 0.06 %)"
jq -nc --slurpfile start "$work/start.json" --slurpfile build "$work/build.json" --slurpfile loader "$work/loader.json" \
    '{start: $start[0], build: $build[0], loader: $loader}' >"$work/results.json"
cp "$work/results.json" "$results"
finish
