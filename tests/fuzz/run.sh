#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs each fuzz target for a time. Their findings are kept in the build directory.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

usage() {
    cat <<'END'
usage: tests/fuzz/run.sh [--build DIR] [--seconds N] [--jobs N] [--seeds] [TARGET...]
  --build DIR   directory of a build with JSGUARD_BUILD_FUZZERS=ON (default: build/fuzz, which is built)
  --seconds N   how long each target runs (default: 600)
  --jobs N      how many run at a time (default: one for each processor)
  --seeds       begin only with the seeds of tests/fuzz/corpus, not with the inputs of earlier runs
  TARGET        a NAME.fuzz.cpp without its ending (default: all)
New inputs are kept in DIR/fuzz/TARGET/corpus, and those that broke a promise in DIR/fuzz/TARGET/found. With --seeds
they are kept in DIR/seeds/TARGET, which is emptied first.
END
}

build="" seconds=600 jobs=$(nproc) seeds=0 targets=()
while (($#)); do
    case $1 in
    --build | --seconds | --jobs)
        (($# > 1)) || { usage >&2; exit 2; }
        case $1 in
        --build) build=$2 ;;
        --seconds) seconds=$2 ;;
        --jobs) jobs=$2 ;;
        esac
        shift 2
        ;;
    --seeds)
        seeds=1
        shift
        ;;
    -h | --help)
        usage
        exit
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *)
        targets+=("$1")
        shift
        ;;
    esac
done
[[ $seconds =~ ^[1-9][0-9]*$ && $jobs =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }

if ((${#targets[@]} == 0)); then
    for source in "$here"/*.fuzz.cpp; do
        targets+=("$(basename "$source" .fuzz.cpp)")
    done
fi
for target in "${targets[@]}"; do
    [[ -f $here/$target.fuzz.cpp ]] && continue
    echo "run.sh: there is no fuzz target $target: see ls $here/*.fuzz.cpp" >&2
    exit 2
done

if [[ -z $build ]]; then
    cd "$here/../.."
    build=$PWD/build/fuzz
    { cmake --preset fuzz && cmake --build "$build" --target fuzzers; } >&2
fi
build=$(cd "$build" && pwd)

# Limits that only a hanging input exceeds, and not a busy machine.
readonly slow_unit_s=10 hang_s=60

# Runs one target. It begins with all inputs from earlier runs. It fails on a crash, a leak, a hang and a slow unit, and if
# it ran no more inputs than it knew before.
run_target() {
    local target=$1 directory=$build/fuzz/$1 log known executed failed=0 dictionary=()
    if ((seeds)); then
        directory=$build/seeds/$target
        rm -rf "$directory"
    fi
    log=$directory/log
    mkdir -p "$directory/corpus" "$directory/found"
    [[ -f $here/$target.dict ]] && dictionary=(-dict="$here/$target.dict")
    known=$(find "$directory/corpus" "$directory/found" "$here/corpus/$target" -type f | wc -l)
    "$build/tests/fuzz/fuzz-$target" -max_total_time="$seconds" -timeout="$hang_s" \
        -report_slow_units="$slow_unit_s" -print_final_stats=1 -use_value_profile=1 -len_control=0 -max_len=16384 \
        -artifact_prefix="$directory/found/" "${dictionary[@]}" \
        "$directory/corpus" "$directory/found" "$here/corpus/$target" >"$log" 2>&1 || failed=1
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    ! grep -q slow-unit- "$log" || failed=1
    if ((failed)); then
        grep -v '^#[0-9]' "$log" | tail -n 60
        echo "run.sh: $target failed; the inputs that broke it are in $directory/found, the whole output in $log"
    elif ((${executed:-0} <= known)); then
        tail -n 20 "$log"
        echo "run.sh: $target ran ${executed:-no} inputs, but knew $known before: it did not fuzz"
        failed=1
    fi
    ((failed)) || echo "$target: $executed inputs in $seconds s, $(find "$directory/corpus" -type f | wc -l) kept"
    return "$failed"
}

export build here seconds seeds hang_s slow_unit_s
export -f run_target
# shellcheck disable=SC2016  # $1 is that of the inner shell
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$jobs" bash -euo pipefail -c 'run_target "$1"' run.sh || exit 1
