#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A long attack raises one alert. The alert remains up, even though the server once cuts all connections of the attack, and
# clears after the attack.
#
# nginx waits for 900 s, so that the 500 connections of slowhttptest remain open. The baseline contains 200 honest
# WebSockets, which remain open too. Half way through, the server cuts the attack's connections, and the attacker
# connects again at once.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

usage() {
    cat <<END
usage: hold.sh [--long] [--results FILE] [--windows FILE] [--shell] [--keep]
  --long            the attack lasts 600 s, not 60, and the test watches for 90 s after its end, not 30
  --results FILE    figures of the run, one JSON object a line
  --windows FILE    window records of the whole run, one JSON object a line
  --shell           start a shell in the server's namespace before the attack
  --keep            keep the directory with all logs
JSGUARD_LOAD, HONEST_LOAD and SLOW_BACKEND are the paths of the programs.
END
}

attack_s=60
after_s=30 # minimum time to watch after the attack's end
own_option() {
    case $1 in
    --long) attack_s=600 after_s=90 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"

readonly learn_s=60 quiet_s=20
readonly raise_within_s=10 clear_within_s=60
readonly talkers=200
readonly held=500
readonly lost=50        # with fewer connections the attacker notices the cut
readonly back_within_s=15 # after the cut
attack_pid=
cut_ms=0

start_server() {
    make_site
    start_slow_backend backend "$backend_port"
    mkdir "$work/patient"
    {
        nginx_head "$work/patient"
        echo "    client_header_timeout 900s; client_body_timeout 900s; send_timeout 900s;"
        echo "    server { listen $monitored_port; root $work/site; location /talk { $(to_backend "$backend_port") } }"
        echo "}"
    } >"$work/patient/nginx.conf"
    run_nginx patient "$monitored_port"
    nginx_pid=$spawned
}

open_now() { sockets "$@" | awk -v port="$monitored_port" '$1 == port { n = $2 } END { print n + 0 }'; }
attack_open() { open_now dst "$attacker"; }
attack_is_cut() { (($(attack_open) <= lost)); }
all_talk() { (($(open_now) >= talkers)); }
learned() { (($(services_judged) == 1)); }

still_running() {
    local pid
    alive "$detector_pid" || die "the detector ended by itself"
    for pid in "${honest_pids[@]}"; do alive "$pid" || die "an honest load ended by itself"; done
}

# attack_goes_on SECOND: the second of the attack. If slowhttptest was cut or has ended, it starts again.
attack_goes_on() {
    local open
    open=$(attack_open)
    echo "$(now_ms) $open" >>"$work/held.txt"
    if alive "$attack_pid" && ((open < lost && $1 > started_at + 3)); then stop "$attack_pid"; fi
    if gone "$attack_pid"; then
        started_at=$1
        start_attack H "$monitored_port" $((attack_s - $1))
        attack_pid=$spawned
    fi
}

# cut_attack: the server cuts all connections of the attack. If the kernel cannot do that, the workers of nginx end with
# the connections of all clients.
cut_attack() {
    local before
    before=$(attack_open)
    cut_ms=$(now_ms)
    "${in_server[@]}" ss -K -tn dst "$attacker" sport = ":$monitored_port" >/dev/null 2>&1 || true
    if ! attack_is_cut; then
        # The workers end with all their connections, and nginx starts new ones.
        # shellcheck disable=SC2046 # each word is a PID
        kill -TERM $(children "$nginx_pid")
        wait_for "$patience_s" attack_is_cut || true # judge() checks the numbers of connections
    fi
    say "the server cuts the attack: $before connections, $(attack_open) of them left"
}

hold_attack() {
    local second cut=0
    started_at=0
    attack_began=$(now_ms)
    start_attack H "$monitored_port" "$attack_s"
    attack_pid=$spawned
    while second=$((($(now_ms) - attack_began) / 1000)) && ((second < attack_s - 1)); do
        still_running
        if ((cut == 0 && second >= attack_s / 2)); then
            cut=1
            cut_attack
        fi
        attack_goes_on "$second"
        sleep 0.5
    done
    stop "$attack_pid"
    attack_ended=$(now_ms)
}

watch_after() {
    local end=$(($(now_ms) + after_s * 1000))
    wait_for "$clear_within_s" all_alerts_cleared || true
    while (($(now_ms) < end)); do
        still_running
        sleep 1
    done
}

# held_between FROM_MS TO_MS: "[MINIMUM,MAXIMUM]" of the attack's connections in this time, as JSON.
held_between() {
    awk -v from="$1" -v to="$2" '$1 >= from && $1 < to {
            if (!n++ || $2 < min) min = $2
            if ($2 > max) max = $2 }
        END { printf "[%d,%d]", min, max }' "$work/held.txt"
}

judge() {
    local sentence over_ms back_ms=$((cut_ms + back_within_s * 1000)) raised
    over_ms=$(now_ms)
    dump_map windows | jq -c .value >"$work/windows.json" || fail "the window records cannot be read"
    jq -nc --argjson port "$monitored_port" --argjson needed "$held" --argjson began "$attack_began" \
        --argjson ended "$attack_ended" --argjson cut "$(held_between "$cut_ms" "$back_ms")" \
        --argjson back "$(held_between "$back_ms" $((attack_ended - 2000)))" \
        --argjson all "$(held_between 0 "$cut_ms")" --arg mode "$judged_as" \
        '{server: "nginx", load: "short and websockets", attack: "H", expects: "alert", $port, $mode, $needed,
          $began, $ended, held: $all[1], least: $back[0], cut_to: $cut[0]}' >"$work/run.json"
    jq -nc -L "$here" --slurpfile alerts "$work/detector.out" --slurpfile runs "$work/run.json" \
        --slurpfile windows "$work/windows.json" --slurpfile limits <(
            jq -nc --argjson learned "$learned_ms" --argjson over "$over_ms" --argjson raise_s "$raise_within_s" \
                --argjson clear_s "$clear_within_s" '{$learned, $over, $raise_s, creep_raise_s: $raise_s, $clear_s}'
        ) -f "$here/judge.jq" |
        jq -c --slurpfile run "$work/run.json" --slurpfile alerts "$work/detector.out" '
            . + {cut_to: $run[0].cut_to, raises: ($alerts | map(.jsguard | select(.event == "raise") | .signal)
                | group_by(.) | map({key: .[0], value: length}) | from_entries)}' >"$work/results.json"
    jq . "$work/results.json"
    while read -r sentence; do fail "$sentence"; done < <(jq -r '.failures[]' "$work/results.json")
    raised=$(alerts 'select(.jsguard.event == "raise" and .jsguard.signal == "transitions") | 1' | wc -l)
    ((raised <= 1)) || fail "transitions raised $raised times for one attack"
    ((cut_ms > 0 && $(jq .cut_to "$work/results.json") < lost)) || fail "the attack was not cut"
    (($(jq .connections_least "$work/results.json") >= held * 9 / 10)) ||
        fail "the attacker did not come back within $back_within_s s"
    check_alert_lines
    # shellcheck disable=SC2016
    [[ -z $(alerts 'select(.jsguard.netns != $inode) | .jsguard.netns' \
        --argjson inode "$(stat -Lc %i "/run/netns/$server_ns")") ]] ||
        fail "an alert does not have the inode of its network namespace"
    # shellcheck disable=SC2016
    [[ -z $(alerts 'select(.jsguard.event == "raise" and .jsguard.signal == "occupancy")
            | select(.jsguard.top_sources[0].addr != $from or .jsguard.top_source_share < 0.5) | .jsguard.id' \
        --arg from "$attacker") ]] || fail "the alert does not name $attacker as its top source"
    keep_results
}

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light slowhttptest slowhttptest pgrep procps
system_begin
take_ports
readonly monitored_port=$first_port backend_port=$((first_port + 1))
new_namespaces

say "nginx and its honest visitors start"
start_server
start_visits short short "$monitored_port"
honest_pids=("$spawned")
start_visits talk websockets "$monitored_port" --rate 40 --max-open "$talkers" --small-path /talk
honest_pids+=("$spawned")
talk_pid=$spawned
wait_for 30 all_talk || die "there are not $talkers WebSockets after 30 s"

phase_begins
say "learning, $learn_s s"
start_detector --json --netns "/run/netns/$server_ns" --learn "$learn_s" --localport "$monitored_port"
wait_for $((learn_s + 15)) learned || die "the port is not judged after $((learn_s + 15)) s"
judged_as=$(services | awk '{ print $2 }')
learned_ms=$(now_ms)
sleep "$quiet_s"
shell_if_asked

phase_ends "before the attack"
say "attack, $attack_s s"
phase_begins
hold_attack
phase_ends attack attacked
watch_after

judge
stop_detector INT
((detector_status == 0)) || fail "the detector's exit code is $detector_status"
for pid in "${honest_pids[@]}"; do stop "$pid"; done
(($(open_at_end talk) >= talkers * 9 / 10)) ||
    fail "only $(open_at_end talk) of $talkers WebSockets are open at the end (load $talk_pid)"
cat "$work"/honest-*.out
tail -n 1 "$work/detector.err"
finish
