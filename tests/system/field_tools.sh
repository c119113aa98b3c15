#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The clients, visitors and servers of the field lab do what they say. No detector is needed.
#
# The server's kernel must show the connections that field-client says it holds: their number, their state, their protocol.

# shellcheck source=field_trials.sh
source "$(dirname "${BASH_SOURCE[0]}")/field_trials.sh"

readonly run_s=10 # duration of each client
readonly look_s=6 # time from the start to the look at the server's sockets

((EUID == 0)) || skip "needs root"
need ip iproute2 ss iproute2 nginx nginx-light openssl openssl nft nftables pgrep procps
system_begin
take_ports
readonly nginx_port=$first_port tls_port=$((first_port + 2)) pool_port=$((first_port + 4)) lines_port=$((first_port + 5))
readonly fast_port=$((first_port + 6)) h2_port=$((first_port + 8))
new_field_namespaces

counted=0 # connections that nginx must have
declare -A held_by=()

# client NAME COUNT NAMESPACE HOST:PORT KIND OPTIONS...
client() {
    local name=$1 count=$2 ns=$3
    shift 3
    held_by[$name]=$count
    spawn "$name" ip netns exec "$ns" "$FIELD_CLIENT" "${@:2:1}" "$1" --count "$count" --duration "$run_s" "${@:3}"
}

# to_nginx NAME COUNT KIND OPTIONS...: a client of nginx that keeps all its connections.
to_nginx() {
    local name=$1 count=$2
    shift 2
    client "$name" "$count" "$attack_ns" "$attack_address:$nginx_port" "$@"
    counted=$((counted + count))
}

# figure NAME WORDS: a number of the client's summary, for example "figure half opened".
figure() { grep -oE "[0-9]+ $2" "$work/$1.out" | head -n 1 | grep -oE '^[0-9]+' || echo 0; }
# expect_figure NAME WORDS MIN MAX
expect_figure() {
    local value
    value=$(figure "$1" "$2")
    (($3 <= value && value <= $4)) || fail "$1: $value $2, expected are $3 to $4: $(head -n 1 "$work/$1.out")"
}
expect_equal() { [[ $2 == "$3" ]] || fail "$1: $2, expected is $3"; }

# server_count FILTER...: sockets of the server that match a filter of ss.
server_count() { "${in_server[@]}" ss -H "$@" | wc -l; }

serve_nginx "$nginx_port"
serve_nginx_tls "$tls_port"
run_field_nginx nginx-h2 "$h2_port" " ssl http2"
serve_pool "$pool_port"
serve_lines "$lines_port"

say "clients of all kinds, $run_s s"
to_nginx headers 11 headers --every 1
to_nginx half 12 half --hold 0
to_nginx silent 13 silent
to_nginx body 14 body --every 0.5 --path /upload
to_nginx body-chunked 15 body-chunked --every 0.5 --path /upload
to_nginx read 16 read --path /huge.bin
to_nginx read-nothing 17 read-nothing --path /huge.bin
to_nginx read-pipelined 18 read-pipelined --path /huge.bin
to_nginx expect 19 expect --path /upload
to_nginx keep-alive 20 keep-alive --every 0.5-1
to_nginx phone-upload 21 phone-upload --every 1-2 --path /upload
to_nginx events 22 events --path /events
to_nginx websocket 23 websocket --every 1-2 --path /rare
to_nginx poll 24 poll --path /wait/3
to_nginx download 25 download --path /huge.bin
to_nginx upload 26 upload --path /upload
to_nginx post 28 post --every 0.5-1 --path /none
client headers6 27 "$attack_ns" "[$attack_address6]:$nginx_port" headers --every 1
counted=$((counted + 27))
client headers-tls 20 "$attack_ns" "$attack_address:$tls_port" headers --every 1 --tls
client greeting 20 "$attack_ns" "$attack_address:$lines_port" greeting
client even 30 "$attack_ns" "$attack_address:$lines_port" greeting --rate 5
client replaced 10 "$attack_ns" "$attack_address:$pool_port" half --hold 1
client reset 10 "$attack_ns" "$attack_address:$pool_port" body-reset --hold 1 --every 0.2
client half-closing 10 "$attack_ns" "$attack_address:$pool_port" half-closing --path /wait/1
client lines 200 "$attack_ns" "$attack_address:$lines_port" line-visit --rate 20 --every 0.1 --unused-close 1
client expect-visit 200 "$attack_ns" "$attack_address:$pool_port" expect-visit --rate 5 --every 0.1 --unused 0 --path /page
if has_mptcp; then
    client expect-mptcp 10 "$attack_ns" "$attack_address:$pool_port" expect --path /page --mptcp
    client read-mptcp 11 "$attack_ns" "$attack_address:$pool_port" read --path /bytes/16777216 --mptcp
fi
client few 10 "$attack_ns" "$attack_address:$pool_port" health-get --total 25
# Realistic visitors of all three protocols, for longer than their unused connections.
for protocol in "plain $nginx_port" "tls $tls_port --tls" "h2 $h2_port --http2"; do
    read -r name port option <<<"$protocol"
    start_visits "$name" realistic "$port" --rate 20 --unused-close 1 --duration "$run_s" ${option:+"$option"}
done
began=$(now_ms)
sleep "$look_s"
on_nginx=$("${in_server[@]}" ss -Htan state established "( sport = :$nginx_port )" |
    grep -cE "($attacker|fd00:198:18:2::2)\]?:" || true)
expect_equal "connections that nginx has" "$on_nginx" "$counted"
even=$(server_count -tan state established "( sport = :$lines_port and dst $attacker )")
# The 20 of greeting, some of lines, and of even as many as its rate allows in this time.
((even >= 20 + 5 * (look_s - 1) && even <= 20 + 5 * (look_s + 2) + 40)) ||
    fail "the server of lines has $even connections, so they are not opened evenly"
sleep $((run_s - look_s + 2))

kept=(headers half silent body body-chunked read read-nothing read-pipelined expect keep-alive phone-upload events websocket
    poll download upload post headers6 headers-tls greeting)
if has_mptcp; then kept+=(expect-mptcp read-mptcp); fi
for name in "${kept[@]}"; do
    expect_figure "$name" established "${held_by[$name]}" "${held_by[$name]}"
    expect_figure "$name" "open at the end" "${held_by[$name]}" "${held_by[$name]}"
    expect_figure "$name" failed 0 0
    expect_figure "$name" "timed out" 0 0
    grep -q "^all ${held_by[$name]} are open" "$work/$name.out" || fail "$name never had all its connections"
done
expect_figure headers rounds $((11 * (run_s - 3))) $((11 * (run_s + 1)))
expect_figure read received $((16 * 88 * (run_s - 4))) $((16 * 88 * (run_s + 1)))
expect_figure read-nothing received 0 0
expect_figure expect received $((19 * 25)) $((19 * 25)) # 100 Continue
if has_mptcp; then
    expect_figure expect-mptcp received $((10 * 25)) $((10 * 25))
    expect_figure read-mptcp received $((11 * 88 * (run_s - 4))) $((11 * 88 * (run_s + 1)))
fi
expect_figure upload "bytes sent" $((26 * 600 * (run_s - 3))) $((26 * 600 * (run_s + 3)))
expect_figure download received $((25 * 600 * (run_s - 4))) $((25 * 600 * (run_s + 1)))
expect_figure phone-upload "bytes sent" $((21 * 16384 * 3)) $((21 * 65536 * (run_s + 1)))
expect_figure poll rounds $((24 * 2)) $((24 * 3))
expect_figure replaced "ended by plan" $((10 * (run_s - 4))) $((10 * run_s))
expect_figure reset "ended by plan" $((10 * (run_s - 4))) $((10 * run_s))
expect_figure half-closing "ended by plan" $((10 * (run_s - 5))) $((10 * run_s))
expect_figure half-closing "timed out" 0 0
# Half of the visitors have one request. The tail of the others is still open at the end.
expect_figure lines opened $((20 * (run_s - 2))) $((20 * (run_s + 1)))
expect_figure lines "never used" $((20 * run_s * 8 / 100)) $((20 * run_s * 32 / 100))
expect_figure lines "ended by plan" $((20 * run_s * 6 / 10)) $((20 * run_s))
expect_figure lines "open at the end" 3 60
expect_figure lines "timed out" 0 0
expect_figure expect-visit "timed out" 0 0
expect_figure expect-visit "ended by plan" $((5 * run_s / 2)) $((5 * run_s))
expect_figure expect-visit "bytes sent" $((5 * run_s * 16384 / 2)) $((100 * run_s * 16384))
expect_figure few opened 25 25
for name in plain tls h2; do
    connections=$(visits "$name" connections)
    unused=$(visits "$name" 'never used')
    ((connections >= 14 * run_s && connections <= 27 * run_s)) || fail "$name: $connections connections at 20 a second"
    ((unused * 100 >= connections * 8 && unused * 100 <= connections * 32)) ||
        fail "$name: $unused of $connections were never used, expected is a fifth"
    (($(visits "$name" errors) == 0)) || fail "$name: errors: $(head -n 1 "$work/honest-$name.out")"
    (($(visits "$name" aborted) > 0)) || fail "$name: nobody aborted"
done

say "segments of 88 bytes, Multipath TCP, Fast Open, and a generator at its end"
prepare_segments
spawn segments "${in_attack[@]}" "$SEGMENT_READER" "$attack_address:$nginx_port" --count 10 --duration 8
segments_pid=$spawned
spawn segments6 "${in_attack[@]}" "$SEGMENT_READER" "[$attack_address6]:$nginx_port" --count 10 --duration 8
for pid in "$segments_pid" "$spawned"; do wait_for 15 gone "$pid" || fail "segment-reader does not end"; done
for name in segments segments6; do
    expect_figure "$name" established 10 10
    # One with the request, then one each second, and a retransmission that came too early.
    expect_figure "$name" segments $((10 * 6)) $((10 * 9))
    expect_figure "$name" bytes $((10 * 6 * 88)) $((10 * 9 * 88))
done
"${in_attack[@]}" nft delete table inet lab
if has_mptcp; then
    prepare_mptcp_subflow
    client mptcp 10 "$client_ns" "$honest_address:$pool_port" keep-alive --every 1-2 --mptcp --path /page
else
    say "skipped: the kernel has no Multipath TCP"
fi
prepare_fast_open dropped
run_field_nginx fast "$fast_port"
client fast-open 10 "$attack_ns" "$attack_address:$fast_port" fast-open
start_visits late short "$nginx_port" --rate 100 --burst 0 --duration 8
late_pid=$spawned
sleep 3
if has_mptcp; then
    expect_equal "MPTCP connections of the server" \
        "$(server_count -Man state established "( sport = :$pool_port )")" 10
    expect_equal "subflows of the server" \
        "$(server_count -tan state established "( sport = :$pool_port )")" 20
fi
expect_equal "Fast Open connections that nginx has accepted in SYN_RECV" \
    "$("${in_server[@]}" ss -Htanp state syn-recv "( sport = :$fast_port )" | grep -c nginx || true)" 10
# ip netns exec has become honest-load, so this stops it.
kill -STOP "$late_pid"
sleep 1.5
kill -CONT "$late_pid"
wait_for 15 gone "$late_pid" || fail "the visitors do not end"
grep -q 'at its end: yes' "$work/honest-late.out" || fail "a generator that stood still for 1.5 s did not say so"
grep -q 'at its end' "$work/honest-late.err" || fail "it did not say so at once"
for name in plain headers read; do
    file=$work/$name.out
    [[ -e $file ]] || file=$work/honest-$name.out
    grep -q '^own load: CPU [0-9]* %' "$file" || fail "$name does not print its own load"
done
say "$(($(now_ms) - began)) ms"
finish
