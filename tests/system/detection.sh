#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Detection matrix: one detector, nginx and apache2 (or nginx over TLS) under honest load, and slow attacks. Each attack
# must raise an alert that remains up, and clears after the attack.
#
# All combinations run at the same time, each on its own port. They share one learning time and one quiet time.
# Each combination of server and load also has a control port that nobody attacks.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

usage() {
    cat <<END
usage: detection.sh [--fast | --tls] [--only WORD,...] [--quiet SECONDS] [--results FILE] [--windows FILE]
                    [--shell] [--keep]
  --fast            five attacks, one of them over TLS, with short times: it takes about 100 s
  --tls             the matrix over TLS, HTTP/1.1 and HTTP/2, instead of the plain one
  --only WORD,...   combinations with all these words: nginx apache2; short browsers; H B X creep; with --tls
                    nginx-tls nginx-h2; short browsers h2load; H B X creep h2-head h2-body h2-window
  --quiet SECONDS   quiet time before the attacks (120)
  --results FILE    figures of each combination, one JSON object a line
  --windows FILE    window records of the whole run, one JSON object a line
  --shell           start a shell in the server's namespace before the attacks
  --keep            keep the directory with all logs
JSGUARD_LOAD and HONEST_LOAD are the paths of the programs.
END
}

only=
tls=0 fast=0
learn_s=60 quiet_s=120 attack_s=45
settled_s=80 # after 75 s the server's keep-alive time-out closes the first connections of the browsers
own_option() {
    case $1 in
    --fast) fast=1 learn_s=25 quiet_s=15 attack_s=25 settled_s=5 ;;
    --tls) tls=1 ;;
    --only) only=$2 words=2 ;;
    --quiet) quiet_s=$2 words=2 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"
# Half as many visitors as usual, so that a third of the time of two CPUs remains free.
if ((fast)); then honest_options=(--rate 20 --burst 20); fi

readonly threshold=0.12
readonly creep_s=75         # the creeping attack takes 67 s to open its connections
readonly raise_within_s=10  # from the attack's start
readonly creep_raise_within_s=45
readonly clear_within_s=60 # from the attack's end
# Minimum numbers of open connections on each port before the detector starts.
readonly browsers_open=1000
readonly h2load_open=400
readonly min_open=5
# Seconds between the starts of two attacks. Over TLS each connection takes a handshake, so the next attack waits until the
# connections of the one before are open. An overloaded machine makes the visitors of all servers wait, and the detector
# rightly raises an alert on each of them.
readonly apart_s=1 tls_apart_s=6

next_sample_ms=0 # time of the next sample of the attackers' connections
pairs=() # "SERVER LOAD"
# What runs on each port.
declare -A server=() load=() attack=()
# For each attacked port: times in ms since 1970, and the PID of the attack.
declare -A attack_began=() attack_ended=() attack_pid=()

wanted() {
    local word
    for word in ${only//,/ }; do
        [[ " $* " == *" $word "* ]] || return 1
    done
}

# matrix: lines of a server, its honest load, and the attacks on it.
matrix() {
    if ((fast)); then
        echo nginx short H B X
        echo apache2 short H
        echo nginx-tls short H
    elif ((tls)); then
        echo nginx-tls short creep H B X
        echo nginx-tls browsers creep H B X
        echo nginx-h2 h2load creep H B X h2-head h2-body h2-window
    else
        echo nginx short creep H B X
        echo nginx browsers creep H B X
        echo apache2 short creep H B X
        echo apache2 browsers creep H B X
    fi
}

choose_combinations() {
    local s l a all port=$first_port
    while read -r s l all; do
        pairs+=("$s $l")
        local any=0
        for a in $all; do
            if wanted "$s" "$l" "$a"; then
                server[$port]=$s load[$port]=$l attack[$port]=$a any=1
            fi
            port=$((port + 1))
        done
        ((any)) && server[$port]=$s load[$port]=$l attack[$port]=none
        port=$((port + 1))
    done < <(matrix)
    ((${#server[@]} > 0)) || die "nothing matches --only $only"
    mapfile -t ports < <(printf '%s\n' "${!server[@]}" | sort -n)
}

with_tls() { [[ " ${server[*]} " == *" nginx-tls "* || " ${server[*]} " == *" nginx-h2 "* ]]; }

# ports_where SERVER LOAD: sets $chosen to the ports with this server and load.
ports_where() {
    local port
    chosen=()
    for port in "${ports[@]}"; do
        if [[ ${server[$port]} == "$1" && ${load[$port]} == "$2" ]]; then chosen+=("$port"); fi
    done
}

start_servers() {
    local port nginx_ports=()
    make_site
    if with_tls; then make_certificate; fi
    for port in "${ports[@]}"; do
        case ${server[$port]} in
        nginx) nginx_ports+=("$port") ;;
        nginx-tls) nginx_ports+=("$port:ssl") ;;
        nginx-h2) nginx_ports+=("$port:http2") ;;
        apache2) start_apache "$port" ;;
        esac
    done
    if ((${#nginx_ports[@]} > 0)); then start_nginx "${nginx_ports[@]}"; fi
}

start_visitors() {
    local pair s l port
    honest_pids=()
    for pair in "${pairs[@]}"; do
        read -r s l <<<"$pair"
        ports_where "$s" "$l"
        ((${#chosen[@]} > 0)) || continue
        if [[ $l == h2load ]]; then
            for port in "${chosen[@]}"; do start_h2load "$port"; done
        else
            start_honest "$s-$l" "$l" "${chosen[@]}"
            honest_pids+=("$spawned")
        fi
    done
}

visitors_are_in() {
    local port count
    (($(now_ms) - visitors_began >= settled_s * 1000)) || return 1
    local -A open=()
    while read -r port count; do open[$port]=$count; done < <(sockets)
    for port in "${ports[@]}"; do
        count=$min_open
        [[ ${load[$port]} == browsers ]] && count=$browsers_open
        [[ ${load[$port]} == h2load ]] && count=$h2load_open
        ((${open[$port]:-0} >= count)) || return 1
    done
}

all_learned() { (($(services_judged) == ${#ports[@]})); }

# still_running: ends the test if the detector or the honest load has ended.
still_running() {
    local pid
    alive "$detector_pid" || die "the detector ended by itself"
    for pid in "${honest_pids[@]}"; do alive "$pid" || die "an honest load ended by itself"; done
}

hold_quiet() {
    local end=$(($(now_ms) + quiet_s * 1000))
    while (($(now_ms) < end)); do
        still_running
        sleep 1
    done
}

# Starts the creeping attacks first, because they take longest.
start_attacks() {
    local a port seconds
    for a in creep H B X h2-head h2-body h2-window; do
        for port in "${ports[@]}"; do
            [[ ${attack[$port]} == "$a" ]] || continue
            seconds=$attack_s
            [[ $a == creep ]] && seconds=$creep_s
            attack_began[$port]=$(now_ms)
            start_attack "$a" "$port" "$seconds"
            attack_pid[$port]=$spawned
            if [[ $a != creep && ${scheme[$port]:-http} == https ]]; then
                watch_attacks "$tls_apart_s"
            else
                watch_attacks "$apart_s"
            fi
        done
    done
}

# watch_attacks SECONDS: records when each attack ends. Once a second it adds lines "MS PORT CONNECTIONS" to held.txt.
watch_attacks() {
    local end=$(($(now_ms) + $1 * 1000)) port
    while :; do
        still_running
        for port in "${!attack_pid[@]}"; do
            if [[ -z ${attack_ended[$port]:-} ]] && gone "${attack_pid[$port]}"; then
                attack_ended[$port]=$(now_ms)
            fi
        done
        # Only once a second, because ss reads thousands of sockets.
        if (($(now_ms) >= next_sample_ms)); then
            next_sample_ms=$(($(now_ms) + 1000))
            attack_sockets | sed "s/^/$(now_ms) /" >>"$work/held.txt"
        fi
        (($(now_ms) < end)) || break
        sleep 0.3
    done
}

attacks_are_over() {
    watch_attacks 0
    ((${#attack_ended[@]} == ${#attack_pid[@]}))
}

# held_connections PORT: "[MAXIMUM,MINIMUM]" of the connections of its attack, as JSON. The minimum is that of the time
# after the maximum. The last two seconds are left out, because slowhttptest may already close its connections.
held_connections() {
    awk -v port="$1" -v ended="${attack_ended[$1]:-0}" '
        $2 == port && $1 < ended - 2000 { if ($3 >= max) max = min = $3; if ($3 < min) min = $3 }
        END { printf "[%d,%d]", max, min }' "$work/held.txt"
}

# write_runs: writes what happened on each port, as input of judge.jq.
write_runs() {
    local port expects
    for port in "${ports[@]}"; do
        expects=alert
        [[ ${attack[$port]} == none || ${attack[$port]} == h2-window ]] && expects=nothing
        jq -nc --argjson port "$port" --arg server "${server[$port]}" --arg load "${load[$port]}" \
            --arg attack "${attack[$port]}" --arg expects "$expects" --argjson needed "$(connections_needed "${attack[$port]}" "$port")" \
            --argjson began "${attack_began[$port]:-null}" \
            --argjson ended "${attack_ended[$port]:-null}" \
            --argjson held "$(held_connections "$port")" \
            --arg mode "$(awk -v port="$port" '$1 == port { print $2 }' <<<"$modes")" \
            '{$server, $load, $attack, $expects, $port, $mode, $needed, $began, $ended, held: $held[0], least: $held[1]}'
    done >"$work/runs.json"
    jq -nc --argjson learned "$learned_ms" --argjson over "$(now_ms)" \
        --argjson raise_s "$raise_within_s" --argjson creep_raise_s "$creep_raise_within_s" \
        --argjson clear_s "$clear_within_s" '{$learned, $over, $raise_s, $creep_raise_s, $clear_s}' \
        >"$work/limits.json"
}

print_table() {
    {
        echo "server load attack port baseline held least raised_s js_at_raise least_js peak_js cleared_s raised_later" \
            "quiet_js quiet_excess"
        jq -r 'def short: if type == "number" then . * 1000 | round / 1000 else . // "-" end;
            [.server, .load, .attack, .port, .baseline, .connections_held, .connections_least, .raised_after_s,
             .js_bits_at_raise, .least_js_bits_while_up, .peak_js_bits, .cleared_after_s,
             .raises_after_attack, .quiet_max_occupancy_js_bits, .quiet_max_excess] | map(short) | join(" ")' \
            "$work/results.json"
    } | aligned
}

# show_windows PORT: prints every third window record, from 10 s before the attack.
show_windows() {
    echo "--- windows of port $1, s since the attack began:"
    {
        echo "s sockets idle waiting requests exchanges open expected excess js verdict alert" \
            "transitions js verdict alert"
        # shellcheck disable=SC2016
        jq -r --argjson port "$1" --argjson began "${attack_began[$1]:-$learned_ms}" '
            select(.port == $port and .end_unix_ms > $began - 10000 and .sequence % 3 == 0)
            | [(.end_unix_ms - $began) / 1000, .sockets, .idle_sockets, .waiting_sockets,
               .open_requests, .exchanges, .open_millisockets / 1000,
               .expected_millisockets / 1000, .excess_millisockets / 1000,
               .signal[1].js_nanobits / 1e9, .signal[1].verdict, .signal[1].alert, .transitions,
               .signal[0].js_nanobits / 1e9, .signal[0].verdict, .signal[0].alert]
            | map(if type == "string" then ltrimstr("JSG_") else . end) | @tsv' \
            "$work/windows.json" | sort -n
    } | aligned
}

judge() {
    local sentence port
    dump_map windows | jq -c .value >"$work/windows.json" || fail "the window records cannot be read"
    write_runs
    jq -nc -L "$here" --slurpfile alerts "$work/detector.out" --slurpfile runs "$work/runs.json" \
        --slurpfile windows "$work/windows.json" --slurpfile limits "$work/limits.json" \
        -f "$here/judge.jq" >"$work/results.json"
    print_table
    while read -r port sentence; do
        fail "${server[$port]} ${load[$port]} ${attack[$port]} on $port: $sentence"
    done < <(jq -r '"\(.port) \(.failures[])"' "$work/results.json")
    for port in $(jq 'select(.failures != []) | .port' "$work/results.json"); do
        show_windows "$port"
    done
    check_alert_lines
    keep_results
}

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light slowhttptest slowhttptest
if ((tls || fast)); then need openssl openssl; fi
if ((tls)); then need h2load nghttp2-client; else need apache2 apache2-bin; fi
system_begin
take_ports
choose_combinations
new_namespaces

say "${#ports[@]} ports: servers and honest visitors start"
start_servers
start_visitors
visitors_began=$(now_ms)
wait_for 120 visitors_are_in || die "the honest visitors are not connected after 120 s"

phase_begins
say "learning, $learn_s s"
start_detector --json --threshold "$threshold" --learn "$learn_s" \
    --localport "$(IFS=, && echo "${ports[*]}")"
if ! wait_for $((learn_s + 15)) all_learned; then
    services
    die "not every port is judged after $((learn_s + 15)) s"
fi
modes=$(services)
learned_ms=$(now_ms)
phase_ends learning
say "quiet, $quiet_s s"
phase_begins
hold_quiet
phase_ends quiet
shell_if_asked

say "attacks"
phase_begins
start_attacks
wait_for $((creep_s + 30)) attacks_are_over || die "an attack does not end"
phase_ends attacks attacked
wait_for "$clear_within_s" all_alerts_cleared || true

judge
stop_detector INT
((detector_status == 0)) || fail "the detector's exit code is $detector_status"
for pid in "${honest_pids[@]}"; do stop "$pid"; done
cat "$work"/honest-*.out 2>/dev/null || true # with h2load alone there is no such file
tail -n 1 "$work/detector.err"
finish
