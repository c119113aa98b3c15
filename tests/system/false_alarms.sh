#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Measures how often windows of normal traffic exceed the significance bound. Both statistical noise and real changes of
# the traffic cause this.
#
# One detector monitors nginx with honest visitors, at three levels of traffic on several ports each. Its false-alarm
# probability is so large that the rate can be measured. A window counts if its divergence exceeds the significance
# bound in its record, whatever the threshold. Only windows that do not overlap are used, so that they are independent
# trials.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

usage() {
    cat <<END
usage: false_alarms.sh [--seconds SECONDS] [--learn SECONDS] [--probability P] [--keep]
  --seconds SECONDS   time of monitoring, up to 1000 (900)
  --learn SECONDS     time of learning (120)
  --probability P     allowed rate of false alarms per window (0.01)
END
}

seconds=900 learn_s=120 probability=0.01
while (($# > 0)); do
    case $1 in
    --seconds) seconds=$2 && shift ;;
    --learn) learn_s=$2 && shift ;;
    --probability) probability=$2 && shift ;;
    --keep) JSGUARD_KEEP=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
((seconds <= 1000)) || {
    echo "false_alarms.sh: --seconds $seconds: a service keeps 1,024 records; give at most 1000" >&2
    exit 2
}

readonly levels=(1 10 50) ports_a_level=4 # new connections a second on each port
readonly window_s=10
declare -A level_of=()

all_learned() { (($(services_judged) == ${#level_of[@]})); }

# rates SIGNAL: "SIGNAL LEVEL WINDOWS ABOVE RATE" for each level, from the window records after learning.
rates() {
    local level
    for level in "${levels[@]}"; do
        # shellcheck disable=SC2016
        jq -n -r --arg signal "$1" --argjson level "$level" --argjson learned "$learned_ms" \
            --argjson levels "$(level_table)" --argjson window "$window_s" '
            [inputs
                | select($levels[.port | tostring] == $level and .end_unix_ms > $learned
                    and .sequence % $window == 0 and .mode == "JSG_MONITORING")
                | .signal[if $signal == "occupancy" then 1 else 0 end]
                | {js: .js_nanobits, bound: .significance_nanobits}
                | select(.js > 0)]
            | (map(select(.js > .bound)) | length) as $above
            | "\($signal) \($level)/s \(length) \($above) \(if length == 0 then "-" else $above / length end)"' \
            "$work/windows.json"
    done
}

level_table() {
    local port
    for port in "${!level_of[@]}"; do echo "\"$port\":${level_of[$port]}"; done | paste -sd, | sed 's/.*/{&}/'
}

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light
system_begin
take_ports
new_namespaces
make_site
port=$first_port
for level in "${levels[@]}"; do
    for ((i = 0; i < ports_a_level; i++)); do
        level_of[$port]=$level
        port=$((port + 1))
    done
done
start_nginx "${!level_of[@]}"
for port in "${!level_of[@]}"; do
    spawn "honest-$port" "${in_client[@]}" "$HONEST_LOAD" --profile short --rate "${level_of[$port]}" \
        --burst 0 --seed "$port" "$honest_address:$port"
done
say "learning, $learn_s s; then $seconds s monitoring"
start_detector --json --netns "/run/netns/$server_ns" --false-alarm "$probability" --learn "$learn_s" \
    --localport "$(IFS=, && echo "${!level_of[*]}")"
wait_for $((learn_s + 20)) all_learned || die "not every port is judged"
learned_ms=$(now_ms)
sleep "$seconds"
dump_map windows | jq -c .value >"$work/windows.json"
{
    echo "signal traffic windows above_bound rate"
    rates occupancy
    rates transition
} | tee "$work/rates" | aligned
while read -r signal level trials above rate; do
    [[ $trials =~ ^[0-9]+$ ]] || continue
    if ((trials == 0)) || awk -v rate="$rate" -v bound="$probability" 'BEGIN { exit !(rate > bound) }'; then
        fail "$signal at $level: $above of $trials windows are above the significance bound"
    fi
done <"$work/rates"
say "bound: $probability a window; alerts: $(count_events raise)"
stop_detector INT
finish
