# SPDX-License-Identifier: BSD-2-Clause
# What the system tests share: skipping and failing, processes and waiting, the detector and its alerts.
# shellcheck shell=bash
# Sourced by the tests beside it. Everything that it starts it stops, by process id, at exit.

set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
readonly here
readonly exit_skip=77
: "${JSGUARD_PATIENCE:=10}" # seconds; where all takes long, more
readonly patience_s=$JSGUARD_PATIENCE # for what takes a moment

: "${JSGUARD_LOAD:=$here/../../build/quickstart/loader/jsguard-load}"
: "${JSGUARD:=$(dirname "$JSGUARD_LOAD")/jsguard}"
: "${JSGUARD_REQUIRE_BPF:=0}"
: "${JSGUARD_KEEP:=0}" # 1: the directory with all logs stays

work=             # our directory, while we run
spawned=          # pid of what spawn() started last
started_pids=()   # all of them
at_end=()         # functions to call at exit, after our processes have gone
first_port=      # of those that take_ports() took
detector_pid=
detector_status= # exit code, once stopped
failures=0
readonly pin_dir=/sys/fs/bpf/jsguard-test-$$

# --- options, and what is kept -----------------------------------------------------------------

results=/dev/null # files for the figures of the run, and for its window records
windows=/dev/null
# shellcheck disable=SC2034
shell=0 # 1: a shell inside

# parse_options ARGUMENTS...: those that the measuring tests share. All others go to the own_option of the script,
# which sets words to 2 if it takes the value too, and returns 1 for what it does not know; usage is its help.
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

# keep_results: where --results and --windows say.
keep_results() {
    cp "$work/results.json" "$results"
    cp "$work/windows.json" "$windows"
}

# --- saying, skipping, failing ---------------------------------------------------------------

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }

# skip REASON: not a failure, unless the caller demands that everything runs.
skip() {
    if [[ $JSGUARD_REQUIRE_BPF == 1 ]]; then
        echo "FAIL (JSGUARD_REQUIRE_BPF=1): $*"
        exit 1
    fi
    echo "SKIP: $*"
    exit "$exit_skip"
}

# fail MESSAGE: counted; finish() turns it into the exit code.
fail() {
    failures=$((failures + 1))
    echo "FAIL: $*"
}

die() {
    fail "$@"
    exit 1
}

# show_log FILE [LINES]: the end of a file in our directory.
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

# aligned: words into columns.
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

# --- what is needed --------------------------------------------------------------------------

# need COMMAND PACKAGE ...: skips where one is missing.
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
    # Stays mounted at exit: others may have pinned something in it by then.
    mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || skip "no bpffs to be had"
    [[ -x $JSGUARD_LOAD ]] || die "no $JSGUARD_LOAD: build first, or set JSGUARD_LOAD"
}

# --- processes and waiting -------------------------------------------------------------------

now_ms() { date +%s%3N; }
alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }

# wait_for SECONDS COMMAND...: until it succeeds; returns 1 when the time is over. Looks often at
# first, then once a second, so that long waits cost the machine under test nothing.
wait_for() {
    local deadline=$(($(now_ms) + $1 * 1000)) pause_ms=100
    shift
    until "$@"; do
        (($(now_ms) < deadline)) || return 1
        sleep "$((pause_ms / 1000)).$(printf %03d $((pause_ms % 1000)))"
        ((pause_ms >= 1000)) || pause_ms=$((pause_ms + 50))
    done
}

# spawn NAME PROGRAM...: in the background, output in NAME.out and NAME.err, pid in $spawned.
# Not a shell function: $spawned would be the pid of a shell around the program.
spawn() {
    local name=$1
    shift
    : >"$work/$name.out" 2>"$work/$name.err" # who looks before it runs must not see what an earlier one said
    "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
    spawned=$!
    started_pids+=("$spawned")
}

# stop PID [SIGNAL]: ends a process of ours; what does not go in time is killed.
stop() {
    alive "$1" || return 0
    kill "-${2:-TERM}" "$1" 2>/dev/null || true
    wait_for "$patience_s" gone "$1" || kill -KILL "$1" 2>/dev/null || true
}

# system_begin: before anything is started.
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

# Of a process, by its PID: CPU time that it has used, in user space and in the kernel; and what it holds now.
ticks_per_second=$(getconf CLK_TCK)
readonly ticks_per_second
cpu_ms() { awk -v hz="$ticks_per_second" '{ printf "%d", ($14 + $15) * 1000 / hz }' "/proc/$1/stat"; }
memory_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }

# A test that fills the CPUs measures the CPUs. So a third of them stays free of what it runs.
readonly most_own_percent=67
phase_began= # "busy all own" in ticks, when the phase began

# own_ticks: CPU time of this test: of this script and what it has waited for, of all that it started, and of all processes
# in its namespaces.
own_ticks() {
    {
        printf '%s\n' $$ "${started_pids[@]}"
        if declare -F processes_in_namespaces >/dev/null; then processes_in_namespaces; fi
    } | sort -un | sed 's,.*,/proc/&/stat,' | { xargs cat 2>/dev/null || true; } | # some have ended
        sed 's/.*) //' | awk '{ sum += $12 + $13 + $14 + $15 } END { print sum + 0 }'
}
# cpu_ticks: "busy all own": of the machine, of all CPUs together, and of this test.
cpu_ticks() {
    awk '/^cpu / { busy = $2 + $3 + $4 + $7 + $8 + $9; printf "%d %d ", busy, busy + $5 + $6 }' /proc/stat
    own_ticks
}
phase_begins() { phase_began=$(cpu_ticks); }

# phase_ends NAME [attacked]: prints how busy the CPUs were, and fails if this test took more of them than it may. Not with
# "attacked": slowhttptest spins on all the CPU time that it gets. It runs with nice 10, so it takes what others leave, and
# its share says nothing. That visitors are still served is checked by the ports that nobody attacks.
phase_ends() {
    local busy own
    read -r busy own < <(awk -v from="$phase_began" -v to="$(cpu_ticks)" 'BEGIN {
        split(from, a); split(to, b); all = b[2] - a[2] + 0.001
        printf "%.0f %.0f\n", 100 * (b[1] - a[1]) / all, 100 * (b[3] - a[3]) / all }')
    say "CPUs in the phase \"$1\": $busy % busy, $own % by this test"
    [[ ${2:-} == attacked ]] || ((own <= most_own_percent)) ||
        fail "this test takes $own % of the CPUs in the phase \"$1\"; at most $most_own_percent % are allowed: fewer ports, or cheaper visitors"
}

# take_ports: 64 ports from $first_port on that no other run of these tests has at the same time; the
# detector sees every network namespace, so that two runs on the same ports would see each other.
# shellcheck disable=SC2034
take_ports() {
    local place lock
    for ((place = 0; place < 64; place++)); do
        exec {lock}>"/run/lock/jsguard-test-ports-$place"
        first_port=$((18001 + 64 * place))
        if flock --nonblock "$lock"; then return; fi # held until we and what we started have ended
        exec {lock}>&-
    done
    die "all ports are taken by other runs of these tests"
}

# --- the detector ----------------------------------------------------------------------------

# start_detector OPTIONS...: alerts in detector.out, all else in detector.err.
start_detector() {
    # A shell without job control starts what is in the background with SIGINT ignored.
    spawn detector env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$pin_dir" "$@"
    detector_pid=$spawned
    wait_for "$patience_s" detector_began || true
    if ! detector_monitors || ! alive "$detector_pid"; then
        die "the detector did not start"
    fi
}

detector_monitors() { grep -q '^monitoring ' "$work/detector.err"; }
detector_began() { detector_monitors || ! alive "$detector_pid"; }

# stop_detector [SIGNAL]: its exit code in $detector_status.
# shellcheck disable=SC2034
stop_detector() {
    stop "$detector_pid" "${1:-INT}"
    detector_status=0
    wait "$detector_pid" 2>/dev/null || detector_status=$?
}

# dump_map NAME: the entries of a pinned map, one JSON object {"key":…,"value":…} a line.
# On failure bpftool prints an object that has the error.
dump_map() {
    bpftool -j map dump pinned "$pin_dir/$1" |
        jq -c 'if type == "object" then error(.error) else .[].formatted // empty end'
}

# services: "port mode" of each monitored service.
services() { dump_map services | jq -r '.value | select(.port > 0) | "\(.port) \(.mode)"'; }
services_judged() { services | grep -cwE 'JSG_MONITORING|JSG_STILL_LEARNING' || true; }

last_window() { dump_map windows | jq -s 'map(.value.sequence) | max // 0'; }
windows_beyond() { (($(last_window) > $1)); }

# check_windows_advance WHEN: two more are closed.
check_windows_advance() {
    local now
    now=$(last_window)
    wait_for "$patience_s" windows_beyond $((now + 1)) || fail "$1: windows do not advance"
}

# --- its alerts ------------------------------------------------------------------------------

# alerts FILTER [JQ-OPTIONS...]: what a jq filter makes of each alert, one value a line.
alerts() {
    local filter=$1
    shift
    jq -r -L "$here" "$@" "include \"alerts\"; $filter" "$work/detector.out"
}

# shellcheck disable=SC2016
count_events() { alerts 'select(.jsguard.event == $event) | 1' --arg event "$1" | wc -l; }
all_alerts_cleared() { (($(count_events raise) == $(count_events clear))); }

# check_alert_lines: every line is an alert as documented, and every clear has a raise of its own.
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
