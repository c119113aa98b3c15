#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Measures the time from an attack's first connection to the alert, by attack rate, honest rate and window length.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"

bench=$(dirname "${BASH_SOURCE[0]}")
attack_rates=(3 10 30 100) # connections a second
honest_rates=(5 50 200)
window_lengths=(5 10 30) # seconds
rounds=3
readonly learn_s=60 attack_s=60

usage() {
    cat <<'END'
usage: delay.sh [--short] [--results FILE]
Runs nginx on a port for each pair of rates, slowhttptest -H on each port, and a detector for each window length on all
ports. --short: one round of the middle rates. JSGUARD_LOAD and HONEST_LOAD are the paths of the programs.
END
}
# shellcheck disable=SC2034
own_option() {
    case $1 in
    --short) attack_rates=(30) honest_rates=(50) window_lengths=(10) rounds=1 words=1 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"
need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light slowhttptest slowhttptest
system_begin
take_ports
new_namespaces
make_site

declare -A attack_rate=() honest_rate=() began=() detector=()
port=$first_port
for a in "${attack_rates[@]}"; do
    for h in "${honest_rates[@]}"; do
        attack_rate[$port]=$a honest_rate[$port]=$h
        port=$((port + 1))
    done
done
mapfile -t ports < <(printf '%s\n' "${!attack_rate[@]}" | sort -n)

say "nginx and honest visitors on ${#ports[@]} ports"
start_nginx "${ports[@]}"
for port in "${ports[@]}"; do start_visits "$port" short "$port" --rate "${honest_rate[$port]}" --burst 0; done
sleep 10 # as long as the longest of their connections

say "a detector for each window length; learning, $learn_s s"
remove_pins() {
    local window
    for window in "${window_lengths[@]}"; do if [[ -d $pin_dir-$window ]]; then rm -r "$pin_dir-$window"; fi; done
}
at_end+=(remove_pins)
for window in "${window_lengths[@]}"; do
    spawn "window-$window" env --default-signal=INT "$JSGUARD_LOAD" --pin-dir "$pin_dir-$window" --json \
        --window "$window" --learn "$learn_s" --localport "$(IFS=, && echo "${ports[*]}")"
    detector[$window]=$spawned
done
learned() {
    local window
    for window in "${window_lengths[@]}"; do
        (($(grep -c 'now monitoring' "$work/window-$window.err") == ${#ports[@]})) || return 1
    done
}
wait_for $((2 * learn_s)) learned || die "not every port has learned its baseline"

all_raises() { jq -r 'select(.jsguard.event == $event) | 1' --arg event "$1" "$work"/window-*.out | wc -l; }
all_cleared() { (($(all_raises raise) == $(all_raises clear))); }

for ((round = 1; round <= rounds; round++)); do
    sleep $((window_lengths[-1] + 5)) # windows without the last round's attacks
    say "round $round of $rounds: attacks, $attack_s s"
    attacks=()
    for port in "${ports[@]}"; do
        began[$port]=$(now_ms)
        spawn "attack-$port" "${in_attack[@]}" slowhttptest -H -c $((attack_rate[$port] * attack_s)) \
            -r "${attack_rate[$port]}" -i 10 -x 24 -p 3 -l "$attack_s" -u "http://$attack_address:$port/index.html"
        attacks+=("$spawned")
    done
    for pid in "${attacks[@]}"; do wait_for $((attack_s + 30)) gone "$pid" || die "an attack does not end"; done
    wait_for 120 all_cleared || die "not all alerts are cleared"
    for port in "${ports[@]}"; do
        for window in "${window_lengths[@]}"; do
            jq -s -c --argjson port "$port" --argjson began "${began[$port]}" --argjson window "$window" \
                --argjson attack "${attack_rate[$port]}" --argjson honest "${honest_rate[$port]}" --argjson within "$((attack_s * 1000))" -L "$here" \
                'include "alerts"; map(select(.jsguard.event == "raise" and .jsguard.port == $port) | ms - $began)
                 | map(select(. > 0 and . < $within)) | {window_s: $window, attack_rate: $attack, honest_rate: $honest,
                   delay_s: (if length > 0 then min / 1000 else null end)}' "$work/window-$window.out"
        done
    done >>"$work/delays.json"
done
for window in "${window_lengths[@]}"; do alive "${detector[$window]}" || fail "a detector ended by itself"; done

jq -s -c -L "$bench" 'include "spread"; group_by([.window_s, .attack_rate, .honest_rate])[] | (.[0] | del(.delay_s)) + {
        measured: length, raised: map(select(.delay_s)) | length,
        delay_s: (map(.delay_s // infinite) | median | if . > 1e9 then null else . end),
        least_s: (map(.delay_s // empty) | min), most_s: (map(.delay_s // empty) | max)}' \
    "$work/delays.json" >"$work/results.json"
cp "$work/results.json" "$results"
{
    echo "window_s attack_a_s honest_a_s median_s least_s most_s raised"
    jq -r '[.window_s, .attack_rate, .honest_rate, .delay_s // "-", .least_s // "-", .most_s // "-",
        "\(.raised)/\(.measured)"] | join(" ")' "$work/results.json"
} | aligned
finish
