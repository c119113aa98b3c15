#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Records the data sets of tests/data: one detector, nginx under honest load, slow attacks and floods.
#
# All sets are recorded at the same time, each from its own port. On every port the detector learns honest traffic. On
# most ports the visitors then remain. On the others they leave before the attack. The slow attacks come first, all at
# once, then the connect floods, and then the SYN floods. The SYN floods come from forged addresses that nobody uses.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

: "${JSGUARD:=$here/../../build/quickstart/loader/jsguard}"
: "${CONNECT_FLOOD:=$here/../../build/quickstart/tests/system/connect-flood}"

usage() {
    cat <<END
usage: record_data.sh [--out DIR] [--long SECONDS] [--dry-run] [--no-cookies] [--keep]
  --out DIR         directory for the recordings, and for index.json with the times of the attacks (tests/data)
  --long SECONDS    time of monitoring in normal-long (600)
  --dry-run         only the traffic: nothing is recorded
  --no-cookies      switch SYN cookies off in the server's namespace (by default Linux has them on)
  --keep            keep the directory with all logs
It takes about 13 minutes. JSGUARD_LOAD, JSGUARD, HONEST_LOAD and CONNECT_FLOOD are the paths of the programs.
END
}

out=$here/../data
long_s=600
dry_run=0
syncookies=1
while (($# > 0)); do
    case $1 in
    --out) out=$2 && shift ;;
    --long) long_s=$2 && shift ;;
    --dry-run) dry_run=1 ;;
    --no-cookies) syncookies=0 ;;
    --keep) JSGUARD_KEEP=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

readonly learn_s=60
readonly settled_s=80 # after 75 s the server's keep-alive time-out closes the first connections of the browsers
readonly browsers_open=250 # minimum number on each port before the detector starts
# The honest load of each port is small, so that twelve ports and the attacks fit on two CPUs.
readonly short=(--profile short --rate 20 --burst 10) browsers=(--profile browsers --rate 4)
readonly flood_rate=200 # connections a second
readonly syn_every_us=2000

# Seconds since the detector's start.
readonly slow_alone_s=$((learn_s + 30)) # the visitors leave
readonly slow_s=$((slow_alone_s + 15))  # the attack begins, more than a window later
readonly slow_ends_s=$((slow_s + 50))
readonly slow_over_s=$((slow_ends_s + 25)) # the recording ends
readonly connect_s=$slow_over_s connect_ends_s=$((slow_over_s + 20)) connect_over_s=$((slow_over_s + 45))
readonly syn_s=$connect_over_s syn_ends_s=$((connect_over_s + 20)) syn_over_s=$((connect_over_s + 45))
readonly attack_s=45 # duration of slowhttptest, from its first connection on

readonly attacks=(slow-header slow-body slow-read flood-connect flood-syn)
sets=(normal normal-long "${attacks[@]}" "${attacks[@]/#/mix-}")
declare -A port_of=() recorder=() attack_began=() attack_ended=() attack_pid=() visitors=()

ports_of() {
    local name
    for name in "$@"; do echo "${port_of[$name]}"; done
}

# visit GROUP SEED SET...: starts both kinds of honest visitors. "leave GROUP" ends them.
visit() {
    local group=$1 seed=$2 ports targets
    shift 2
    mapfile -t ports < <(ports_of "$@")
    targets=("${ports[@]/#/$honest_address:}")
    spawn "honest-$group-short" "${in_client[@]}" "$HONEST_LOAD" "${short[@]}" --seed "$seed" "${targets[@]}"
    visitors[$group]=$spawned
    spawn "honest-$group-browsers" "${in_client[@]}" "$HONEST_LOAD" "${browsers[@]}" --seed "$((seed + 50))" "${targets[@]}"
    visitors[$group]+=" $spawned"
}

leave() {
    local pid
    for pid in ${visitors[$1]}; do stop "$pid"; done
    unset "visitors[$1]"
}

browsers_are_in() {
    local port count name
    (($(now_ms) - visitors_began >= settled_s * 1000)) || return 1
    local -A open=()
    while read -r port count; do open[$port]=$count; done < <(sockets)
    for name in "${sets[@]}"; do ((${open[${port_of[$name]}]:-0} >= browsers_open)) || return 1; done
}

start_recorders() {
    local name
    mkdir "$work/data"
    for name in "${sets[@]}"; do
        spawn "record-$name" env --default-signal=INT "$JSGUARD" record "$work/data/$name.jsonl" \
            --pin-dir "$pin_dir" --port "${port_of[$name]}"
        recorder[$name]=$spawned
    done
}

# stop_recording SET...: ends the recorders of these sets.
stop_recording() {
    local name status
    ((dry_run == 0)) || return 0
    for name in "$@"; do
        stop "${recorder[$name]}" INT
        status=0
        wait "${recorder[$name]}" || status=$?
        ((status == 0)) || die "the recorder of $name: exit code $status"
        unset "recorder[$name]"
    done
}

still_running() {
    local pid group name
    alive "$detector_pid" || die "the detector ended by itself"
    for name in "${!recorder[@]}"; do alive "${recorder[$name]}" || die "the recorder of $name ended by itself"; done
    for group in "${!visitors[@]}"; do
        for pid in ${visitors[$group]}; do alive "$pid" || die "the visitors $group ended by themselves"; done
    done
}

# go_on_until SECOND: waits until this second. It adds lines "PORT CONNECTIONS" of the attackers to held.txt, and of
# half-open connections to half_open.txt. It also notes when each attack ends.
go_on_until() {
    local name
    while (($(now_ms) < detector_began_ms + $1 * 1000)); do
        still_running
        for name in "${!attack_pid[@]}"; do
            alive "${attack_pid[$name]}" || note_end "$name"
        done
        attack_sockets >>"$work/held.txt"
        "${in_server[@]}" ss -Htan state syn-recv | awk '{ sub(/.*:/, "", $3); n[$3]++ }
            END { for (port in n) print port, n[port] }' >>"$work/half_open.txt"
        sleep 0.5
    done
}

note_end() {
    attack_ended[$1]=$(now_ms)
    unset "attack_pid[$1]"
}

# largest FILE SET: the largest number in the file for the port of the set.
largest() { awk -v port="${port_of[$2]}" '$1 == port && $2 > n { n = $2 } END { print n + 0 }' "$work/$1"; }

begin_attack() {
    local name=$1 port=${port_of[$1]}
    attack_began[$name]=$(now_ms)
    case ${name#mix-} in
    slow-header) start_attack H "$port" "$attack_s" ;;
    slow-body) start_attack B "$port" "$attack_s" ;;
    slow-read) start_attack X "$port" "$attack_s" ;;
    flood-connect)
        spawn "attack-$port" "${in_attack[@]}" nice -n 10 "$CONNECT_FLOOD" --rate "$flood_rate" \
            "$attack_address:$port"
        ;;
    flood-syn)
        spawn "attack-$port" "${in_attack[@]}" env --default-signal=INT nice -n 10 hping3 -q -n -S --rand-source \
            -i "u$syn_every_us" -p "$port" "$attack_address"
        ;;
    esac
    attack_pid[$name]=$spawned
}

# end_attack SET...: ends attacks that do not end by themselves.
end_attack() {
    local name
    for name in "$@"; do
        alive "${attack_pid[$name]:?}" || die "the attack $name ended by itself"
        stop "${attack_pid[$name]}" INT
        note_end "$name"
    done
}

# Answers to forged addresses go to the attacker's namespace, which drops them.
swallow_answers() {
    ip -n "$server_ns" route add default via "$attacker"
    "${in_attack[@]}" sysctl -qw net.ipv4.ip_forward=0
    "${in_server[@]}" sysctl -qw net.ipv4.tcp_syncookies="$syncookies"
}

tcp_counter() { "${in_server[@]}" nstat -asz "TcpExt$1" | awk -v name="TcpExt$1" '$1 == name { print $2 }'; }

# check_attacks: each attack happened as planned.
check_attacks() {
    local name
    for name in "${!attack_began[@]}"; do
        case $name in
        *slow-*) (($(largest held.txt "$name") >= 495)) || fail "$name held $(largest held.txt "$name") connections, not 500" ;;
        *flood-connect) grep -q ' established$' "$work/attack-${port_of[$name]}.out" || fail "$name prints no summary" ;;
        *flood-syn) (($(largest half_open.txt "$name") >= 100)) ||
            fail "$name had $(largest half_open.txt "$name") half-open connections" ;;
        esac
    done
}

check_recordings() {
    local name late
    late=$(dump_map stats | jq .value.steps_late)
    ((late == 0)) || fail "$late steps were late: record again on a machine with less to do"
    for name in "${sets[@]}"; do
        jq -en 'any(inputs; .type == "gap") | not' "$work/data/$name.jsonl" >/dev/null || fail "$name.jsonl has gaps"
    done
}

# first_window_ms SET: the time of the first recorded window, which is its end.
first_window_ms() {
    if ((dry_run)); then
        echo "$detector_began_ms"
    else
        jq -n 'first(inputs | select(.type == "window")).unix_ms' "$work/data/$1.jsonl"
    fi
}

# write_index: prints what each recording contains. The times of an attack are in seconds since the end of the first
# window.
write_index() {
    local name attack honest
    for name in "${sets[@]}"; do
        attack=null honest="learned, and on to the end"
        if [[ -n ${attack_began[$name]:-} ]]; then
            attack=$(jq -n --arg name "${name#mix-}" --argjson first "$(first_window_ms "$name")" \
                --argjson began "${attack_began[$name]}" --argjson ended "${attack_ended[$name]}" \
                --argjson open "$(largest held.txt "$name")" --argjson half_open "$(largest half_open.txt "$name")" \
                'def since_first: (. - $first) / 100 | round / 10;
                {$name, begin_s: ($began | since_first), end_s: ($ended | since_first), most_open: $open,
                 most_half_open: $half_open}')
            [[ $name == mix-* ]] || honest="learned, gone before the attack"
        fi
        jq -n --arg set "$name" --arg file "$name.jsonl" --arg honest "$honest" --argjson attack "$attack" \
            '{$set, $file, $honest, $attack}'
    done | jq -s .
}

need_root_and_bpf
need ip iproute2 ss iproute2 nstat iproute2 nginx nginx-light slowhttptest slowhttptest hping3 hping3
[[ -d $out ]] || die "no directory $out"
((dry_run)) || [[ -x $JSGUARD ]] || die "no $JSGUARD: build first, or set JSGUARD"
[[ -x $CONNECT_FLOOD ]] || die "no $CONNECT_FLOOD: build first, or set CONNECT_FLOOD"
system_begin
take_ports
for name in "${sets[@]}"; do port_of[$name]=$((first_port + ${#port_of[@]})); done
mapfile -t ports < <(ports_of "${sets[@]}")
new_namespaces
swallow_answers

say "${#sets[@]} ports: nginx and its honest visitors start"
make_site
start_nginx "${ports[@]}"
visit slow 1 slow-header slow-body slow-read
visit connect 11 flood-connect
visit syn 21 flood-syn
visit staying 31 normal normal-long "${attacks[@]/#/mix-}"
visitors_began=$(now_ms)
wait_for 120 browsers_are_in || die "the honest visitors are not connected after 120 s"

phase_begins
say "learning, $learn_s s"
start_detector --json --netns "/run/netns/$server_ns" --learn "$learn_s" --localport "$(IFS=, && echo "${ports[*]}")"
detector_began_ms=$(now_ms)
((dry_run)) || start_recorders
: >"$work/held.txt"
: >"$work/half_open.txt"
go_on_until "$slow_alone_s"
phase_ends "before the attacks"
say "slow attacks"
phase_begins
leave slow
go_on_until "$slow_s"
for name in {,mix-}slow-{header,body,read}; do begin_attack "$name"; done
go_on_until $((connect_s - 15))
leave connect
go_on_until "$connect_s"
stop_recording normal {,mix-}slow-{header,body,read}
((${#attack_pid[@]} == 0)) || die "slow attacks do not end: ${!attack_pid[*]}"

phase_ends "slow attacks" attacked
say "connect floods"
phase_begins
for name in {,mix-}flood-connect; do begin_attack "$name"; done
go_on_until "$connect_ends_s"
end_attack {,mix-}flood-connect
go_on_until $((syn_s - 15))
leave syn
go_on_until "$syn_s"
stop_recording {,mix-}flood-connect

phase_ends "connect floods" attacked
say "SYN floods"
phase_begins
cookies=$(tcp_counter SyncookiesSent)
for name in {,mix-}flood-syn; do begin_attack "$name"; done
go_on_until "$syn_ends_s"
end_attack {,mix-}flood-syn
say "$(($(tcp_counter SyncookiesSent) - cookies)) SYN cookies sent, $(tcp_counter ListenOverflows) accept queues found full"
go_on_until "$syn_over_s"
stop_recording {,mix-}flood-syn

phase_ends "SYN floods" attacked
say "normal-long goes on"
go_on_until $((learn_s + long_s))
stop_recording normal-long

check_attacks
((dry_run)) || check_recordings
write_index >"$work/index.json"
jq -c '.[]' "$work/index.json"
cat "$work"/attack-*.out | grep ' established$' || true
tail -qn 3 "$work"/attack-"${port_of[flood-syn]}".err
alerts '"\(.timestamp) \(.jsguard.event) \(.jsguard.port) \(.jsguard.signal) \(.jsguard.js_bits)"'
stop_detector INT
((detector_status == 0)) || fail "the detector's exit code is $detector_status"
tail -n 1 "$work/detector.err"
if ((failures == 0 && dry_run == 0)); then
    cp "$work"/data/*.jsonl "$work/index.json" "$out"
    du -ch "$out"/*.jsonl | tail -n 1
fi
finish
