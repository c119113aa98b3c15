# SPDX-License-Identifier: BSD-2-Clause
# Shared by the system tests: skipping and failing, processes and waiting, the detector and its alerts.
# shellcheck shell=bash
# The tests source this file. At exit it stops every process that it started, by process ID.

set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
readonly here
readonly exit_skip=77
: "${JSGUARD_PATIENCE:=10}" # seconds; set a larger value on a slow machine
readonly patience_s=$JSGUARD_PATIENCE # time limit for an operation that normally takes a moment

: "${JSGUARD_LOAD:=$here/../../build/quickstart/loader/jsguard-load}"
: "${JSGUARD:=$(dirname "$JSGUARD_LOAD")/jsguard}"
: "${JSGUARD_REQUIRE_BPF:=0}"
: "${JSGUARD_KEEP:=0}" # 1: keep the directory with all logs

work=             # the directory of this test, removed at exit
spawned=          # PID of the process that spawn() started last
started_pids=()   # PIDs of all processes that spawn() started
at_end=()         # functions to call at exit, after the started processes have ended
first_port=      # the first of the ports that take_ports() took
detector_pid=
detector_status= # exit code of the stopped detector
failures=0
readonly pin_dir=/sys/fs/bpf/jsguard-test-$$

# --- options and results -----------------------------------------------------------------------

results=/dev/null # file for the figures of the run
windows=/dev/null # file for the window records of the run
# shellcheck disable=SC2034
shell=0 # 1: start a shell in the server's namespace

# parse_options ARGUMENTS...: parses the options that the measuring tests share. All other options go to the function
# own_option of the script. It sets words to 2 if the option takes a value, and returns 1 for an unknown option. The
# function usage of the script prints its help.
# shellcheck disable=SC2034
parse_options() {
    local words
    while (($# > 0)); do
        words=1
        case $1 in
        --results) results=${2:-} words=2 ;;
        --windows) windows=${2:-} words=2 ;;
        --shell) shell=1 ;;
        --keep) JSGUARD_KEEP=1 ;;
        -h | --help) usage && exit 0 ;;
        *) own_option "$1" "${2:-}" || words=0 ;;
        esac
        ((words > 0 && $# >= words)) || {
            usage >&2
            exit 2
        }
        shift "$words"
    done
}

# keep_results: copies the results to the files of --results and --windows.
keep_results() {
    cp "$work/results.json" "$results"
    cp "$work/windows.json" "$windows"
}

# --- printing, skipping, failing -------------------------------------------------------------

# say TEXT: prints the progress of the test, with the time.
say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }

# skip REASON: ends the test as skipped. With JSGUARD_REQUIRE_BPF=1 it is a failure.
skip() {
    if [[ $JSGUARD_REQUIRE_BPF == 1 ]]; then
        echo "FAIL (JSGUARD_REQUIRE_BPF=1): $*"
        exit 1
    fi
    echo "SKIP: $*"
    exit "$exit_skip"
}

# fail MESSAGE: prints and counts a failure, and the test goes on. finish() sets the exit code.
fail() {
    failures=$((failures + 1))
    echo "FAIL: $*"
}

die() {
    fail "$@"
    exit 1
}

# show_log FILE [LINES]: prints the end of a file in $work.
show_log() {
    [[ -s $work/$1 ]] || return 0
    echo "--- the end of $1:"
    tail -n "${2:-20}" "$work/$1" | cut -c 1-400
}

finish() {
    if ((failures > 0)); then
        echo "$failures check(s) failed"
        exit 1
    fi
    echo "all checks passed"
}

# aligned: prints the words of standard input in columns.
aligned() {
    awk '{ for (i = 1; i <= NF; i++) { word[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
        { words[NR] = NF }
        END {
            for (row = 1; row <= NR; row++) {
                line = ""
                for (i = 1; i <= words[row]; i++)
                    line = line sprintf("%-" width[i] "s  ", word[row, i])
                sub(/ +$/, "", line)
                print line
            }
        }'
}

# --- requirements ----------------------------------------------------------------------------

# need COMMAND PACKAGE ...: skips the test if a command is missing.
need() {
    while (($# > 0)); do
        command -v "$1" >/dev/null || skip "no $1: apt-get install $2"
        shift 2
    done
}

need_root_and_bpf() {
    ((EUID == 0)) || skip "needs root"
    [[ -r /sys/kernel/btf/vmlinux ]] || skip "the kernel has no BTF (/sys/kernel/btf/vmlinux)"
    need bpftool bpftool jq jq
    bpftool prog list >/dev/null 2>&1 || skip "BPF is not permitted here"
    # It remains mounted at exit, because other processes may have pinned objects in it.
    mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || skip "the BPF file system cannot be mounted"
    [[ -x $JSGUARD_LOAD ]] || die "no $JSGUARD_LOAD: build first, or set JSGUARD_LOAD"
}

# --- processes and waiting -------------------------------------------------------------------

now_ms() { date +%s%3N; }
alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }

# wait_for SECONDS COMMAND...: repeats the command until it succeeds. Returns 1 when the time is over. The first pauses
# are short. Later it tries once a second, so that long waits take no CPU time from the measurement.
wait_for() {
    local deadline=$(($(now_ms) + $1 * 1000)) pause_ms=100
    shift
    until "$@"; do
        (($(now_ms) < deadline)) || return 1
        sleep "$((pause_ms / 1000)).$(printf %03d $((pause_ms % 1000)))"
        ((pause_ms >= 1000)) || pause_ms=$((pause_ms + 50))
    done
}

# spawn NAME PROGRAM...: starts the program in the background. Its output goes to NAME.out and NAME.err, its PID to
# $spawned. PROGRAM must not be a shell function: $spawned would be the PID of a subshell.
spawn() {
    local name=$1
    shift
    : >"$work/$name.out" 2>"$work/$name.err" # a check before the program starts must not read the output of an earlier run
    "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
    spawned=$!
    started_pids+=("$spawned")
}

# stop PID [SIGNAL]: ends a process. If it does not end in time, it is killed.
stop() {
    alive "$1" || return 0
    kill "-${2:-TERM}" "$1" 2>/dev/null || true
    wait_for "$patience_s" gone "$1" || kill -KILL "$1" 2>/dev/null || true
}

# system_begin: creates $work and the cleanup at exit. Call it before the test starts anything.
system_begin() {
    work=$(mktemp -d --tmpdir jsguard-system.XXXXXX)
    chmod 755 "$work" # the servers' workers are not root
    trap system_end EXIT
    trap 'exit 130' INT TERM
}

system_end() {
    local status=$? pid action log
    trap - EXIT INT TERM
    set +e
    if ((status != 0 && status != exit_skip)); then
        for log in "$work"/*.err; do show_log "${log##*/}"; done
    fi
    for pid in "${started_pids[@]}"; do
        alive "$pid" && kill -TERM "$pid" 2>/dev/null
    done
    for pid in "${started_pids[@]}"; do stop "$pid"; done
    for action in "${at_end[@]}"; do "$action"; done
    [[ -d $pin_dir ]] && rm -r "$pin_dir"
    if [[ $JSGUARD_KEEP == 1 ]]; then
        echo "kept: $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}

ticks_per_second=$(getconf CLK_TCK)
readonly ticks_per_second
# cpu_ms PID: the CPU time that the process has used, in user space and in the kernel.
cpu_ms() { awk -v hz="$ticks_per_second" '{ printf "%d", ($14 + $15) * 1000 / hz }' "/proc/$1/stat"; }
# memory_kib PID: its resident memory now.
memory_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }

# A test that uses all CPU time measures the CPUs. So each test leaves a third of the CPU time to others.
readonly max_own_percent=67
phase_began= # the output of cpu_ticks when the phase began

# own_ticks: CPU time of this test: this script, its ended children, all processes that it started, and all processes in
# its namespaces.
own_ticks() {
    {
        printf '%s\n' $$ "${started_pids[@]}"
        if declare -F processes_in_namespaces >/dev/null; then processes_in_namespaces; fi
    } | sort -un | sed 's,.*,/proc/&/stat,' | { xargs cat 2>/dev/null || true; } | # some have ended
        sed 's/.*) //' | awk '{ sum += $12 + $13 + $14 + $15 } END { print sum + 0 }'
}
# cpu_ticks: prints "BUSY ALL OWN" in ticks: the time in which the CPUs were busy, the time of all CPUs together, and the
# CPU time of this test.
cpu_ticks() {
    awk '/^cpu / { busy = $2 + $3 + $4 + $7 + $8 + $9; printf "%d %d ", busy, busy + $5 + $6 }' /proc/stat
    own_ticks
}
phase_begins() { phase_began=$(cpu_ticks); }

# phase_ends NAME [attacked]: prints how busy the CPUs were, and fails if this test took more than its share. With
# "attacked" it does not fail: slowhttptest spins on all the CPU time that it gets. It runs with nice 10, so it takes the
# time that others leave, and its share has no meaning. The ports without attack check that visitors are still served.
phase_ends() {
    local busy own
    read -r busy own < <(awk -v from="$phase_began" -v to="$(cpu_ticks)" 'BEGIN {
        split(from, a); split(to, b); all = b[2] - a[2] + 0.001
        printf "%.0f %.0f\n", 100 * (b[1] - a[1]) / all, 100 * (b[3] - a[3]) / all }')
    say "CPUs in the phase \"$1\": $busy % busy, $own % by this test"
    [[ ${2:-} == attacked ]] || ((own <= max_own_percent)) ||
        fail "this test takes $own % of the CPUs in the phase \"$1\", allowed are $max_own_percent %: use fewer ports or cheaper visitors"
}

# take_ports: takes the 64 ports from $first_port on for this test. A detector counts the sockets of every network
# namespace, so two tests with the same ports would disturb each other.
# shellcheck disable=SC2034
take_ports() {
    local block lock
    for ((block = 0; block < 64; block++)); do
        exec {lock}>"/run/lock/jsguard-test-ports-$block"
        first_port=$((18001 + 64 * block))
        if flock --nonblock "$lock"; then return; fi # locked until this script and its processes have ended
        exec {lock}>&-
    done
    die "other runs of these tests have taken all ports"
}

# --- the detector ----------------------------------------------------------------------------

# start_detector OPTIONS...: starts jsguard-load. Its alerts go to detector.out, everything else to detector.err.
start_detector() {
    # A shell without job control starts background processes with SIGINT ignored.
    spawn detector env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$pin_dir" "$@"
    detector_pid=$spawned
    wait_for "$patience_s" detector_began || true
    if ! detector_monitors || ! alive "$detector_pid"; then
        die "the detector did not start"
    fi
}

detector_monitors() { grep -q '^monitoring ' "$work/detector.err"; }
detector_began() { detector_monitors || ! alive "$detector_pid"; }

# stop_detector [SIGNAL]: ends the detector. Its exit code goes to $detector_status.
# shellcheck disable=SC2034
stop_detector() {
    stop "$detector_pid" "${1:-INT}"
    detector_status=0
    wait "$detector_pid" 2>/dev/null || detector_status=$?
}

# dump_map NAME: the entries of a pinned map, one JSON object {"key":…,"value":…} a line.
# On failure bpftool prints an object with the error.
dump_map() {
    bpftool -j map dump pinned "$pin_dir/$1" |
        jq -c 'if type == "object" then error(.error) else .[].formatted // empty end'
}

# services: "PORT MODE" of each monitored service, one a line.
services() { dump_map services | jq -r '.value | select(.port > 0) | "\(.port) \(.mode)"'; }
services_judged() { services | grep -cwE 'JSG_MONITORING|JSG_STILL_LEARNING' || true; }

last_window() { dump_map windows | jq -s 'map(.value.sequence) | max // 0'; }
windows_beyond() { (($(last_window) > $1)); }

# check_windows_advance WHEN: fails if the detector does not close two more windows.
check_windows_advance() {
    local now
    now=$(last_window)
    wait_for "$patience_s" windows_beyond $((now + 1)) || fail "$1: windows do not advance"
}

# --- its alerts ------------------------------------------------------------------------------

# alerts FILTER [JQ-OPTIONS...]: the results of a jq filter for each alert, one value a line.
alerts() {
    local filter=$1
    shift
    jq -r -L "$here" "$@" "include \"alerts\"; $filter" "$work/detector.out"
}

# shellcheck disable=SC2016
count_events() { alerts 'select(.jsguard.event == $event) | 1' --arg event "$1" | wc -l; }
all_alerts_cleared() { (($(count_events raise) == $(count_events clear))); }

# check_alert_lines: every line is an alert as documented, and every clear has its own raise.
check_alert_lines() {
    local odd
    odd=$(alerts 'select(well_formed | not)' -c) || {
        fail "the detector's output is not JSON lines"
        return
    }
    [[ -z $odd ]] || fail "not an alert as documented: $odd"
    odd=$(alerts 'unpaired_ids' -s)
    [[ -z $odd ]] || fail "raised twice, or cleared without a raise: $odd"
}
