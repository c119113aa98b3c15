#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh: what jsguard costs, all of it or some parts; tables on standard output, figures in a JSON file.
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly bench all_parts=(hot-path server ticks cpus memory start delay instructions)

usage() {
    cat <<END
usage: run.sh [--short] [--json FILE] [PART...]
  PART...      of: ${all_parts[*]} (all, about an hour)
  --short      all of it in some minutes, to see that it works: its figures say little
  --json FILE  the figures (bench.json)
JSGUARD_BUILD says which build is measured (build/quickstart). Needs root, and for some parts the packages bpftrace, wrk,
nginx-light, slowhttptest and valgrind. README.md beside this says how each figure is made.
END
}

: "${JSGUARD_BUILD:=$bench/../../build/quickstart}"
short=0 json=bench.json
while (($# > 0)); do
    case $1 in
    --short) short=1 ;;
    --json) json=${2:?} && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) break ;;
    esac
    shift
done
parts=("$@")
((${#parts[@]} > 0)) || parts=("${all_parts[@]}")
for part in "${parts[@]}"; do
    [[ " ${all_parts[*]} " == *" $part "* ]] || { usage >&2 && exit 2; }
done
((EUID == 0)) || { echo "run.sh: needs root" >&2 && exit 4; }
build=$(cd "$JSGUARD_BUILD" && pwd)
[[ -x $build/tests/bench/bench-hot-path ]] || {
    echo "no $build/tests/bench/bench-hot-path: build first, or set JSGUARD_BUILD" >&2
    exit 1
}

# bpftrace needs the tracepoints' directory; in a mount namespace of ours nothing stays.
if [[ ! -e /sys/kernel/tracing/events && -z ${JSGUARD_BENCH_INSIDE:-} ]]; then
    export JSGUARD_BENCH_INSIDE=1 JSGUARD_BUILD
    inside=(--json "$json")
    ((short)) && inside+=(--short)
    exec unshare --mount bash -c 'mount -t tracefs tracefs /sys/kernel/tracing || exit 4; exec "$@"' bash \
        "$bench/run.sh" "${inside[@]}" "${parts[@]}"
fi

export JSGUARD_LOAD=$build/loader/jsguard-load HONEST_LOAD=$build/tests/system/honest-load BENCH_BUILD=$build/tests/bench
work=$(mktemp -d --tmpdir jsguard-bench.XXXXXX)
trap 'rm -r "$work"' EXIT

# measure PART: its tables, and its figures in a file of that name.
measure() {
    local out=$work/$1.json how=()
    case $1 in
    hot-path)
        ((short)) && how=(--rounds 2 --visits 200 --clock-rounds 2)
        "$BENCH_BUILD/bench-hot-path" "${how[@]}" --json "$work/dense.json" || return
        ((short)) && how=(--rounds 2 --visits 60)
        ((short)) || how=(--rounds 20 --visits 100)
        echo "--- and where connections are far between, a visit every 10 ms:"
        "$BENCH_BUILD/bench-hot-path" "${how[@]}" --pause 10 --clock-rounds 0 --json "$work/sparse.json" || return
        jq -nc --slurpfile dense "$work/dense.json" --slurpfile sparse "$work/sparse.json" \
            '{dense: $dense[0], sparse: $sparse[0]}' >"$out"
        ;;
    ticks)
        ((short)) && how=(--seconds 3 --sockets '0,1000' --services '0,8')
        "$BENCH_BUILD/bench-ticks" "${how[@]}" --json "$out"
        ;;
    cpus)
        ((short)) && how=(--steps 5 --cold-steps 1)
        "$BENCH_BUILD/bench-cpus" "${how[@]}" --json "$out"
        ;;
    memory)
        ((short)) && how=(--seconds 3 --sockets '0,10000')
        "$BENCH_BUILD/bench-memory" "${how[@]}" --json "$out"
        ;;
    server | start | delay)
        ((short)) && how=(--short)
        "$bench/$1.sh" "${how[@]}" --results "$out"
        ;;
    instructions) "$bench/instructions.sh" --results "$out" ;;
    esac
}

# What is missing is said before the hour begins.
needed() {
    case $1 in
    hot-path) echo bpftrace ;;
    server) echo bpftrace nginx wrk ip ;;
    start) echo nginx wrk ip ;;
    delay) echo nginx slowhttptest ip ;;
    instructions) echo valgrind ;;
    esac
}
for part in "${parts[@]}"; do
    for program in jq $(needed "$part"); do
        command -v "$program" >/dev/null || {
            echo "run.sh: $part needs $program (README.md beside it)" >&2
            exit 1
        }
    done
done

failed=0 measured=()
for part in "${parts[@]}"; do
    echo "=== $part"
    if measure "$part"; then
        measured+=("$part")
    else
        echo "run.sh: $part failed" >&2
        failed=1
    fi
done
{
    jq -nc --arg commit "$(git -C "$bench" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)" --arg kernel "$(uname -r)" \
        --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" --argjson cpus "$(nproc)" \
        --arg date "$(date -u +%FT%TZ)" '{machine: {$commit, $kernel, $cpu, $cpus, $date}}'
    for part in "${measured[@]}"; do jq -s --arg part "$part" '{($part): (if length == 1 then .[0] else . end)}' "$work/$part.json"; done
} | jq -s 'add' >"$json"
echo "figures: $json"
exit "$failed"
