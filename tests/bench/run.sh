#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh: measures what jsguard costs, all parts or some. Prints tables, and writes the figures to a JSON file.
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly bench all_parts=(hot-path server ticks cpus memory start delay instructions)

usage() {
    cat <<END
usage: run.sh [--short] [--json FILE] [PART...]
  PART...      some of: ${all_parts[*]} (default: all, about an hour)
  --short      measure in a few minutes, to see that everything works; the figures are not reliable
  --json FILE  file for the figures (default: bench.json)
JSGUARD_BUILD is the directory of the measured build (default: build/quickstart). Needs root, and for some parts the
packages bpftrace, wrk, nginx-light, slowhttptest and valgrind. README.md in the same directory describes how each
figure is made.
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

# bpftrace needs the directory of the tracepoints. It is mounted in a separate mount namespace, so nothing remains.
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

# measure PART: prints its tables, and writes its figures to a file of that name.
measure() {
    local out=$work/$1.json how=()
    case $1 in
    hot-path)
        ((short)) && how=(--rounds 2 --visits 200 --clock-rounds 2)
        "$BENCH_BUILD/bench-hot-path" "${how[@]}" --json "$work/dense.json" || return
        ((short)) && how=(--rounds 2 --visits 60)
        ((short)) || how=(--rounds 20 --visits 100)
        echo "--- and with cold caches, one visit every 10 ms:"
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

# Missing programs are reported before the measurement begins.
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
            echo "run.sh: $part needs $program; install it (see README.md in the same directory)" >&2
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
