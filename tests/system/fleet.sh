#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Two monitored namespaces, a real Prometheus with the files of docs/fleet, and an attack whose alert Alertmanager gets.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

readonly fleet=$here/../../docs/fleet
readonly learn_s=20 learned_within_s=60 quiet_s=5 raised_within_s=40 cleared_within_s=60 answer_within_s=20

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light slowhttptest slowhttptest curl curl prometheus prometheus \
    prometheus-node-exporter prometheus-node-exporter prometheus-alertmanager prometheus-alertmanager
system_begin
take_ports
readonly monitored_port=$first_port # the same in both namespaces
readonly exporter=127.0.0.1:$((first_port + 1)) prometheus=127.0.0.1:$((first_port + 2))
readonly alertmanager=127.0.0.1:$((first_port + 3)) receiver=127.0.0.1:$((first_port + 4))

# --- two monitored namespaces --------------------------------------------------------------------

# serve_calm: starts a second server, in the visitors' namespace, which nobody attacks.
serve_calm() {
    mkdir "$work/calm"
    {
        nginx_head "$work/calm"
        echo "    server { listen $monitored_port; root $work/site;" \
            "location /upload { proxy_pass http://unix:$work/calm/backend.sock:/; } } }"
    } >"$work/calm/nginx.conf"
    spawn calm "${in_client[@]}" nginx -e "$work/calm/error.log" -p "$work/calm" -c "$work/calm/nginx.conf" -g 'daemon off;'
    wait_for "$patience_s" calm_listens || die "the other nginx does not listen"
    spawn honest-calm "${in_client[@]}" "$HONEST_LOAD" --profile short "127.0.0.1:$monitored_port"
}
calm_listens() { [[ -n $("${in_client[@]}" ss -Htln "( sport = :$monitored_port )") ]]; }

# monitor NAME NAMESPACE: starts a detector for the namespace. Its PID goes to $spawned.
monitor() {
    spawn "detector-$1" env --default-signal=INT "$JSGUARD_LOAD" --json --pin-dir "$pin_dir-$1" --netns "/run/netns/$2" \
        --textfile "$work/textfiles/$1.prom" --localport "$monitored_port" --learn "$learn_s" --clear 3
    wait_for "$patience_s" test -s "$work/textfiles/$1.prom" || die "the detector $1 writes no textfile"
}
remove_pins() {
    local dir
    for dir in "$pin_dir"-*; do [[ ! -d $dir ]] || rm -r "$dir"; done
}
inode_of() { stat -L -c %i "/run/netns/$1"; }

# --- Prometheus, node_exporter and Alertmanager ------------------------------------------------

# start_receiver: starts an HTTP server that writes the messages of Alertmanager to a file, one a line.
# shellcheck disable=SC2016
start_receiver() {
    local dir=$work/receiver
    mkdir "$dir"
    {
        nginx_head "$dir"
        echo "    log_format body escape=none '\$request_body'; client_body_buffer_size 4m; client_max_body_size 4m;" \
            "server { listen $receiver; location / { access_log $dir/messages body;" \
            "proxy_pass http://unix:$dir/backend.sock:/; } } }"
    } >"$dir/nginx.conf"
    spawn receiver nginx -e "$dir/error.log" -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;'
    wait_for "$answer_within_s" answers "$receiver/" || die "the receiver does not answer"
}

# start_fleet: starts the programs with the files of docs/fleet. Only addresses and intervals are changed.
start_fleet() {
    cp "$fleet"/*-rules.yml "$work"
    sed -E "s/(scrape_interval|evaluation_interval): .*/\1: 1s/; s/127\.0\.0\.1:9093/$alertmanager/
        s/targets: \['web1.*/targets: ['$exporter']/" "$fleet/prometheus.yml" >"$work/prometheus.yml"
    sed -E "s/(group_wait|group_interval): .*/\1: 1s/; s/127\.0\.0\.1:9095/$receiver/" \
        "$fleet/alertmanager.yml" >"$work/alertmanager.yml"
    spawn exporter prometheus-node-exporter --web.listen-address="$exporter" --collector.disable-defaults \
        --collector.textfile --collector.textfile.directory="$work/textfiles"
    spawn alertmanager prometheus-alertmanager --config.file="$work/alertmanager.yml" --web.listen-address="$alertmanager" \
        --cluster.listen-address= --storage.path="$work/alertmanager"
    spawn prometheus prometheus --config.file="$work/prometheus.yml" --web.listen-address="$prometheus" \
        --storage.tsdb.path="$work/prometheus"
    wait_for "$answer_within_s" answers "$exporter/metrics" || die "node_exporter does not answer"
    wait_for "$answer_within_s" answers "$alertmanager/-/ready" || die "Alertmanager does not answer"
    wait_for "$answer_within_s" answers "$prometheus/-/ready" || die "Prometheus does not answer"
}
answers() { curl -sf -o "$work/answer" "http://$1"; }

# ask EXPRESSION: the values of the expression in Prometheus now, one a line.
ask() {
    curl -s --data-urlencode "query=$1" "http://$prometheus/api/v1/query" |
        jq -r 'if .status == "success" then .data.result[].value[1] else "error: \(.error)" | halt_error end'
}
holds() { [[ -n $(ask "$1") ]]; }
holds_not() { ! holds "$1"; }

# heard FILTER: alerts that Alertmanager has now, one JSON object a line. received FILTER: alerts that it has sent.
heard() { curl -s "http://$alertmanager/api/v2/alerts" | jq -c ".[] | select($1)"; }
received() { [[ ! -f $work/receiver/messages ]] || jq -c ".alerts[]? | select($1)" "$work/receiver/messages"; }
# is_heard FILTER, is_received FILTER: whether there is one.
is_heard() { [[ -n $(heard "$1") ]]; }
is_received() { [[ -n $(received "$1") ]]; }

say "two namespaces, each with its own nginx, visitors and detector"
at_end+=(remove_pins)
new_namespaces
make_site
mkdir "$work/textfiles"
start_nginx "$monitored_port"
start_honest short short "$monitored_port"
serve_calm
monitor attacked "$server_ns"
attacked_pid=$spawned
monitor calm "$client_ns"
calm_pid=$spawned
attacked=$(inode_of "$server_ns")
calm=$(inode_of "$client_ns")

say "Prometheus, node_exporter and Alertmanager"
start_receiver
start_fleet
wait_for "$learned_within_s" holds "count(jsguard_monitoring{port=\"$monitored_port\"} == 1) == 2" ||
    die "the detectors have not learned, or Prometheus does not know"
say "learned; $quiet_s s monitoring"
sleep "$quiet_s"
[[ -z $(heard '.labels.severity == "critical"') ]] || fail "an alert without an attack: $(heard true)"
[[ $(ask 'sum(node_textfile_scrape_error)') == 0 ]] || fail "node_exporter cannot read the files"
odd=$(curl -s "http://$prometheus/api/v1/rules" | jq -c '.data.groups[].rules[] | select(.health != "ok") | [.name, .health, .lastError]')
[[ -z $odd ]] || fail "Prometheus cannot evaluate $odd"

# --- the attack --------------------------------------------------------------------------------

say "an attack on one of them"
start_attack H "$monitored_port" 120
attack_pid=$spawned
began=$(now_ms)
up_there='.labels.alertname == "JsguardAlertUp" and .labels.netns == "'$attacked'" and .labels.port == "'$monitored_port'"'
wait_for "$raised_within_s" is_heard "$up_there" || die "Alertmanager gets no alert"
say "Alertmanager got the alert after $((($(now_ms) - began) / 1000)) s: $(heard "$up_there" | head -n 1 | jq -c '[.labels, .annotations]')"
wait_for "$answer_within_s" is_received "$up_there and .status == \"firing\"" || fail "Alertmanager does not pass it on"
raise=$(jq -rs 'map(.jsguard | select(.event == "raise"))[0] | "\(.netns) \(.port) \(.signal) \(.since)"' "$work/detector-attacked.out")
read -r netns port signal since <<<"$raise"
[[ "$netns $port" == "$attacked $monitored_port" ]] || fail "the detector itself printed the raise $raise"
heard "$up_there and .labels.signal == \"$signal\"" | jq -e --arg since "${since:0:10} ${since:11:8}" '.annotations
    | (.divergence | test("^0[.][0-9]{3} bits$")) and .threshold == "0.120 bits" and (.since | startswith($since))' >/dev/null ||
    fail "annotations: $(heard "$up_there" | jq -c .annotations), and the detector printed since $since"

# --- the dashboard, while the alert is up ------------------------------------------------------

# ask_dashboard: asks Prometheus for each target of the dashboard. It adds lines to $work/panels, JSON arrays of the panel's
# ID and title, the target's refId, the number of series, and the minimum and maximum.
ask_dashboard() {
    local row expression
    jq -c '.panels[] | [.id, .title] + (.targets[] | [.refId, .expr])' "$fleet/dashboard.json" >"$work/targets"
    while read -r row; do
        # Grafana would replace the variables.
        expression=$(jq -r '.[3] | gsub("[$](instance|port)"; ".*") | gsub("[$]__rate_interval"; "1m")' <<<"$row")
        ask "$expression" | jq -c -s --argjson row "$row" 'map(tonumber) | $row[:3] + [length, min, max]' >>"$work/panels" ||
            fail "panel $(jq -c '.[:3]' <<<"$row"): Prometheus does not understand $expression"
    done <"$work/targets"
}

# This target has data only while the kernel keeps run statistics (kernel.bpf_stats_enabled).
may_be_empty='["CPU time of the detectors","B"]'

say "every panel of the dashboard has data"
wait_for "$answer_within_s" holds "sum(jsguard_open_requests{netns=\"$attacked\"}) > 300" || fail "Prometheus has no figures of the attack"
ask_dashboard
jq -r '"  \(.[1]) \(.[2]): \(.[3]) series, \(.[4]) to \(.[5])"' "$work/panels"
empty=$(jq -c --argjson may "[$may_be_empty]" 'select(.[3] == 0 and (.[1:3] | IN($may[]) | not)) | .[:3]' "$work/panels")
[[ -z $empty ]] || fail "no data for $empty"
# expect CONDITION: fails if the condition does not hold in Prometheus.
expect() { holds "$1" || fail "not so: $1"; }
expect 'count(jsguard_start_time_seconds) == 2'
expect 'job:jsguard_hosts:count == 1 and job:jsguard_hosts_alerting:count == 1'
expect "max(jsguard_alert_up{netns=\"$calm\"}) == 0"
expect "max(jsguard_open_requests{netns=\"$calm\"}) < 100"
expect "max(signal:jsguard_divergence:ratio_of_threshold{netns=\"$attacked\",signal=\"$signal\"}) > 1"
expect 'max(netns:jsguard_heartbeat_age_seconds:max) < 30'
expect 'sum(changes(jsguard_start_time_seconds[5m])) == 0'
is_heard '.labels.alertname == "JsguardManyHosts"' && fail "one host raises JsguardManyHosts"

# --- the end -----------------------------------------------------------------------------------

say "the attack ends, and the alert is resolved"
stop "$attack_pid"
ended=$(now_ms)
wait_for "$cleared_within_s" is_received "$up_there and .status == \"resolved\"" || die "the alert is not resolved"
say "resolved $((($(now_ms) - ended) / 1000)) s after the attack's end"
is_heard "$up_there" && fail "Alertmanager still has it"
other=$(received '.labels.alertname == "JsguardAlertUp" and .labels.netns != "'"$attacked"'"')
[[ -z $other ]] || fail "an alert for a server that was not attacked: $other"

say "a detector that is stopped removes its figures"
stop "$calm_pid" INT
wait_for "$answer_within_s" holds_not "{netns=\"$calm\",__name__=~\"jsguard_.*\"}" || fail "its figures are still there"
expect "jsguard_start_time_seconds{netns=\"$attacked\"}"
is_heard '.labels.alertname == "JsguardDetectorSilent"' && fail "a clean stop raises JsguardDetectorSilent"
stop "$attacked_pid" INT
[[ -z $(find "$work/textfiles" -type f) ]] || fail "files are left: $(ls "$work/textfiles")"

finish
