#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Traffic without attacks: nights, crowds, restarts, slow lines, WebSockets, long polls, HTTP/2, back ends.
#
# All scenarios run at the same time, each on its own port. They share one detector, one learning time and one monitoring
# time. Each scenario must really happen and raise nothing, with two exceptions:
# - A back end that stalls must raise an alert, and the alert must describe the stall.
# - WebSockets that are never answered may raise any alert.

# shellcheck source=quiet_scenarios.sh
source "$(dirname "${BASH_SOURCE[0]}")/quiet_scenarios.sh"

usage() {
    cat <<END
usage: quiet.sh [--only NAME,...] [--fast | --long] [--results FILE] [--windows FILE] [--shell] [--keep]
  --only NAME,...   these scenarios, and those whose names begin with NAME-:
$(printf '                      %s\n' "${scenarios[@]}")
  --fast            flash-crowd-short and slow-uploads, with short times: it takes about 80 s
  --long            600 s monitoring, not 60
  --results FILE    figures of each scenario, one JSON object a line
  --windows FILE    window records of the whole run, one JSON object a line
  --shell           start a shell in the server's namespace at the end
  --keep            keep the directory with all logs
JSGUARD_LOAD, HONEST_LOAD and SLOW_BACKEND are the paths of the programs.
END
}

only=
learn_s=60
own_option() {
    case $1 in
    --only) only=$2 words=2 ;;
    --fast) only=flash-crowd-short,slow-uploads learn_s=25 scenario_s=40 crowd_s=25 ;;
    --long) scenario_s=600 crowd_s=60 talk_rate=4 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"

readonly min_settled_s=10
readonly text_pin_dir=$pin_dir-text # of the detector that prints text

chosen=()
events=() # "SECOND COMMAND"; the seconds count from the end of learning
learned_ms=0
over_ms=0

# allowed SCENARIO: which alerts it may raise: none, any, or one that describes the stall.
allowed() {
    case $1 in
    stalled-back-end) echo described ;;
    websockets-silent) echo any ;;
    *) echo none ;;
    esac
}

wanted() {
    local word
    [[ -n $only ]] || return 0
    for word in ${only//,/ }; do
        if [[ $1 == "$word" || $1 == "$word"-* ]]; then return; fi
    done
    return 1
}

choose_scenarios() {
    local name port=$first_port
    for name in "${scenarios[@]}"; do
        if wanted "$name"; then
            chosen+=("$name")
            port_of[$name]=$port
        fi
        port=$((port + 1))
    done
    ((${#chosen[@]} > 0)) || die "nothing matches --only $only"
    front_port=$port backend_port=$((port + 1)) stalling_port=$((port + 2))
}

# of_each WHAT: calls the function WHAT_SCENARIO of each scenario.
of_each() {
    local name
    for name in "${chosen[@]}"; do "$1_${name//-/_}" "${port_of[$name]}"; done
}

# at SECOND COMMAND...: plans a command for this second of monitoring.
at() { events+=("$*"); }

start_servers() {
    make_site
    mkdir "$work/shared"
    : >"$work/sites"
    start_slow_backend backend "$backend_port"
    of_each serve
    {
        nginx_head "$work/shared"
        cat "$work/sites"
        echo "}"
    } >"$work/shared/nginx.conf"
    run_nginx shared
}

settle() {
    local name longest=$min_settled_s
    for name in "${chosen[@]}"; do
        if ((${settles[$name]:-0} > longest)); then longest=${settles[$name]}; fi
    done
    for name in "${chosen[@]}"; do
        wait_for "$patience_s" listens "${port_of[$name]}" || die "nothing listens for $name"
    done
    sleep "$longest"
    still_running
}

# start_detectors: starts one detector for all scenarios. A second one prints text, for the scenarios whose alerts must
# describe what happens.
start_detectors() {
    local name ports=() described=()
    for name in "${chosen[@]}"; do
        ports+=("${port_of[$name]}")
        if [[ $(allowed "$name") == described ]]; then described+=("${port_of[$name]}"); fi
    done
    start_detector --json --netns "/run/netns/$server_ns" --learn "$learn_s" --localport "$(IFS=, && echo "${ports[*]}")"
    : >"$work/text.out"
    if ((${#described[@]} > 0)); then
        at_end+=(remove_text_pins)
        spawn text env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$text_pin_dir" \
            --netns "/run/netns/$server_ns" --learn "$learn_s" --localport "$(IFS=, && echo "${described[*]}")"
        text_pid=$spawned
    fi
}
text_pid=
remove_text_pins() { if [[ -d $text_pin_dir ]]; then rm -r "$text_pin_dir"; fi; }

all_learned() { (($(services_judged) == ${#chosen[@]})); }

still_running() {
    local name
    for name in "${!visitor[@]}"; do
        alive "${visitor[$name]}" || die "the visitors $name ended by themselves"
    done
    [[ -z $detector_pid ]] || alive "$detector_pid" || die "the detector ended by itself"
}

# monitored_s: seconds since the end of learning.
monitored_s() { echo $((($(now_ms) - learned_ms) / 1000)); }

# follow_plan: runs the planned commands in order. Each second it adds lines "SECOND PORT CONNECTIONS" to open.txt.
follow_plan() {
    local now due=() event left
    mapfile -t due < <(printf '%s\n' "${events[@]}" | sort -sn)
    while now=$(monitored_s) && ((now < scenario_s)); do
        left=()
        for event in "${due[@]}"; do
            if ((${event%% *} > now)); then
                left+=("$event")
            else
                say "at $event"
                # shellcheck disable=SC2086 # each word is an argument
                ${event#* }
            fi
        done
        due=("${left[@]}")
        sockets | sed "s/^/$now /" >>"$work/open.txt"
        still_running
        sleep 1
    done
    ((${#due[@]} == 0)) || die "the time was over before: ${due[*]}"
}

# open_at PORT SECOND: connections of the port in the first sample from this second on.
open_at() {
    awk -v port="$1" -v second="$2" '$1 >= second && $2 == port { print $3; found = 1; exit }
        END { if (!found) print 0 }' "$work/open.txt"
}

# did_not_happen REASON: records why the checked scenario did not happen.
did_not_happen() { printf '%s\n' "$*" >>"$work/reasons"; }

write_runs() {
    local name
    for name in "${chosen[@]}"; do
        : >"$work/reasons"
        "check_${name//-/_}" "${port_of[$name]}"
        jq -nc --arg scenario "$name" --argjson port "${port_of[$name]}" \
            --arg allowed "$(allowed "$name")" --rawfile reasons "$work/reasons" \
            '{$scenario, $port, $allowed, did_not_happen: ($reasons | split("\n") | map(select(. != "")))}'
    done >"$work/runs.json"
    jq -nc --argjson learned "$learned_ms" --argjson over "$over_ms" '{$learned, $over}' \
        >"$work/limits.json"
}

print_table() {
    {
        echo "scenario windows occupancy_js transition_js excess transitions alerts occupancy_verdicts transition_verdicts"
        jq -r 'def short: . * 1000 | round / 1000;
            def counted: to_entries | map("\(.key):\(.value)") | join(",");
            [.scenario, .windows, (.max_occupancy_js_bits | short), (.max_transition_js_bits | short),
             (.max_excess | short), .max_transitions, .alerts, (.occupancy_verdicts | counted),
             (.transition_verdicts | counted)] | join(" ")' "$work/results.json"
    } | aligned
    jq -r '.scenario as $name | .raised[]
        | "\($name): raised \(.signal) after \(.after_s) s, \(.js_bits) bits, \(.sockets) sockets, \(.open_requests) requests open: \(.cells | join(", "))"' \
        "$work/results.json"
    jq -r 'select(.text) | .text[]' "$work/results.json"
}

judge() {
    local name sentence
    [[ -z $text_pid ]] || stop "$text_pid" INT
    for name in "${!visitor[@]}"; do stop "${visitor[$name]}"; done
    for name in "${!leaver[@]}"; do stop "${leaver[$name]}"; done
    dump_map windows | jq -c .value >"$work/windows.json" || fail "the window records cannot be read"
    stop_detector INT
    ((detector_status == 0)) || fail "the detector's exit code is $detector_status"
    write_runs
    jq -nc -L "$here" --slurpfile alerts "$work/detector.out" --slurpfile runs "$work/runs.json" \
        --slurpfile windows "$work/windows.json" --slurpfile limits "$work/limits.json" \
        --argjson lines "$(jq -Rnc '[inputs]' "$work/text.out")" -f "$here/quiet.jq" >"$work/results.json"
    print_table
    while read -r name sentence; do
        fail "$name: $sentence"
    done < <(jq -r '"\(.scenario) \(.failures[])"' "$work/results.json")
    check_alert_lines
    keep_results
}

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light apache2 apache2-bin h2load nghttp2-client openssl openssl \
    pgrep procps
system_begin
take_ports
choose_scenarios
new_namespaces

say "${#chosen[@]} scenarios: servers and visitors start"
start_servers
of_each visit
settle

phase_begins
say "learning, $learn_s s"
start_detectors
wait_for $((learn_s + 15)) all_learned || {
    services
    die "not every port is judged after $((learn_s + 15)) s"
}
learned_ms=$(now_ms)
phase_ends learning
say "monitoring, $scenario_s s"
phase_begins
of_each act
follow_plan
over_ms=$(now_ms)
phase_ends monitoring
shell_if_asked
judge
cat "$work"/honest-*.out | grep -v '^open' || true
tail -n 1 "$work/detector.err"
finish
