# SPDX-License-Identifier: BSD-2-Clause
# The scenarios of quiet.sh: for each its servers, its visitors, what happens when, and a check that it happened.
# shellcheck shell=bash
# quiet.sh sources this file. Each scenario NAME has these functions, with _ instead of -:
#   serve_NAME PORT   starts its servers
#   visit_NAME PORT   starts the visitors that the detector learns from
#   act_NAME PORT     plans what happens while the detector monitors: at SECOND COMMAND...
#   check_NAME PORT   runs at the end, after all visitors have left: did_not_happen REASON

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

# shellcheck disable=SC2034 # quiet.sh reads it
readonly scenarios=(
    idle-night flash-crowd-short flash-crowd-browsers rolling-restart-short
    rolling-restart-browsers rolling-restart-apache slow-uploads slow-downloads
    slow-downloads-small websockets-new long-polls h2-browsers proxy-back-end keepalive-change
    stalled-back-end websockets-silent
)

# Seconds before the detector starts. By then the first visitors have left, so visitors come and leave at a steady rate.
# shellcheck disable=SC2034
declare -A settles=(
    [flash-crowd-browsers]=80 [rolling-restart-browsers]=80 [rolling-restart-apache]=80
    [keepalive-change]=80 [long-polls]=40
)

readonly pace=10000 # bytes a second of a slow upload or download
readonly held=50    # slow uploads or downloads at a time
readonly talkers=200 # WebSockets at a time
readonly polled=60   # long polls at a time

# Values without --long and --fast.
scenario_s=60 # time that the detector monitors
crowd_s=40    # duration of the crowds
talk_rate=5   # WebSockets opened a second

# The keys are names of scenarios, visitors or servers.
declare -A port_of=() visitor=() leaver=() master=() workers_before=() workers_after=() restarted=()
# Ports that are not monitored.
front_port='' backend_port='' stalling_port=''

# percent_of PERCENT FIGURE: this share of the figure, as a whole number.
percent_of() { awk -v percent="$1" -v figure="$2" 'BEGIN { printf "%d", percent * figure / 100 }'; }
# below A B: whether A < B, for numbers with fractions.
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 < b + 0) }'; }

# site PORT [DIRECTIVES]: adds a server to the nginx that all scenarios share.
site() {
    echo "    server { listen $1; root $work/site; client_max_body_size 10m; ${2:-} }" \
        >>"$work/sites"
}

# visit NAME PROFILE PORT [OPTIONS...]: starts visitors, which come until the end of the test.
visit() {
    start_visits "$@"
    visitor[$1]=$spawned
}

# leave NAME: no new visitors come. Those that are connected finish.
leave() {
    kill -USR1 "${visitor[$1]}"
    # shellcheck disable=SC2034 # quiet.sh stops them
    leaver["$1"]=${visitor[$1]}
    unset "visitor[$1]"
}

# came NAME RATE SECONDS: at least 90 % of the planned connections came, and at least 95 % of the requests were answered.
came() {
    local wanted asked answered
    wanted=$(percent_of 90 "$(($2 * $3))")
    asked=$(visits "$1" connections)
    ((asked >= wanted)) || did_not_happen "only $asked connections came in $3 s, not $wanted"
    asked=$(visits "$1" requests)
    answered=$(($(visits "$1" answers) + $(visits "$1" aborted)))
    ((answered >= $(percent_of 95 "$asked"))) ||
        did_not_happen "only $answered of $asked requests were answered"
}

# were_open NAME COUNT: COUNT connections were open at once, and at least 90 % of them at the end.
were_open() {
    (($(max_open "$1") >= $2)) || did_not_happen "at most $(max_open "$1") were open, not $2"
    (($(open_at_end "$1") >= $(percent_of 90 "$2"))) ||
        did_not_happen "only $(open_at_end "$1") of $2 were open at the end"
}

short_visits() { visit "$1" short "$2" --rate 20 --burst 20; }

# --- the night, and a crowd ------------------------------------------------------------------

serve_idle_night() { site "$1"; }
visit_idle_night() { visit idle-night short "$1"; }
act_idle_night() {
    at 0 leave idle-night
    at 0 visit night short "$1" --rate 0.1 --burst 0
    at $((2 * scenario_s / 3)) visit morning short "$1"
}
check_idle_night() {
    local strays
    strays=$(visits night connections)
    ((strays <= scenario_s / 5 + 5)) || did_not_happen "$strays connections came in the night"
    came morning 40 $((scenario_s / 3))
}

crowd_began_s() { echo $((scenario_s / 12)); }
serve_flash_crowd_short() { site "$1"; }
visit_flash_crowd_short() { short_visits flash-crowd-short "$1"; }
act_flash_crowd_short() {
    at "$(crowd_began_s)" visit crowd-short short "$1" --rate 200 --burst 0 --seed 2
    at $(($(crowd_began_s) + crowd_s)) leave crowd-short
}
check_flash_crowd_short() { came crowd-short 200 "$crowd_s"; }

serve_flash_crowd_browsers() { site "$1"; }
visit_flash_crowd_browsers() { visit flash-crowd-browsers browsers "$1" --rate 5; }
act_flash_crowd_browsers() {
    at "$(crowd_began_s)" visit crowd-browsers browsers "$1" --rate 50 --seed 2
    at $(($(crowd_began_s) + crowd_s)) leave crowd-browsers
}
check_flash_crowd_browsers() { came crowd-browsers 50 "$crowd_s"; }

# --- restarts --------------------------------------------------------------------------------

# own_nginx NAME PORT...: starts a separate nginx that can be restarted. The PID of its master goes to ${master[NAME]}.
own_nginx() {
    local name=$1 port
    shift
    mkdir -p "$work/$name"
    {
        nginx_head "$work/$name"
        for port in "$@"; do
            echo "    server { listen $port; root $work/site; keepalive_timeout 75s; }"
        done
        echo "}"
    } >"$work/$name/nginx.conf"
    run_nginx "$name" "$@"
    master["$name"]=$spawned
}

# reload NAME SIGNAL: the server starts new workers. The old ones finish their connections.
reload() {
    workers_before[$1]=$(children "${master[$1]}")
    kill "-$2" "${master[$1]}"
}
check_reload() {
    local now pid
    now=" ${workers_after[$1]:-$(children "${master[$1]}")}"
    for pid in ${workers_before[$1]:-none}; do
        [[ $pid != none && $now != *" $pid "* ]] && return
    done
    did_not_happen "no worker of $1 changed: ${workers_before[$1]:-no reload}"
}

# restart NAME PORT...: restarts nginx as a service manager does: asks it to end, waits 5 s for open requests, kills it,
# and starts it again.
restart() {
    local name=$1 before=${master[$1]}
    shift
    workers_after["$name"]=" $(children "$before")"
    kill -QUIT "$before"
    wait_for 5 gone "$before" || stop "$before"
    rm -f "$work/$name/backend.sock"
    run_nginx "$name" "$@"
    master["$name"]=$spawned
    restarted["$name"]="$before $spawned"
}
check_restart() {
    local before after
    read -r before after <<<"${restarted[$1]:-0 0}"
    if ((before == after)) || gone "$after"; then did_not_happen "$1 was not restarted"; fi
}

# If both scenarios are chosen, they share one nginx.
rolling_ports() {
    local name
    for name in rolling-restart-short rolling-restart-browsers; do
        if [[ -n ${port_of[$name]:-} ]]; then echo "${port_of[$name]}"; fi
    done
}
roll() {
    local ports
    mapfile -t ports < <(rolling_ports)
    "$@" rolling "${ports[@]}"
}
first_of_rolling() { [[ $1 == "$(rolling_ports | head -n 1)" ]]; }

serve_rolling_restart_short() {
    if first_of_rolling "$1"; then roll own_nginx; fi
}
serve_rolling_restart_browsers() { serve_rolling_restart_short "$1"; }
visit_rolling_restart_short() { short_visits rolling-restart-short "$1"; }
visit_rolling_restart_browsers() { visit rolling-restart-browsers browsers "$1"; }
act_rolling_restart_short() {
    first_of_rolling "$1" || return 0
    at $((scenario_s / 6)) reload rolling HUP
    at $((scenario_s / 2)) roll restart
}
act_rolling_restart_browsers() { act_rolling_restart_short "$1"; }
check_rolling_restart_short() {
    check_reload rolling
    check_restart rolling
}
check_rolling_restart_browsers() { check_rolling_restart_short; }

serve_rolling_restart_apache() {
    start_apache "$1"
    master["apache"]=$spawned
}
visit_rolling_restart_apache() { visit rolling-restart-apache browsers "$1" --rate 10; }
act_rolling_restart_apache() { at $((scenario_s / 6)) reload apache USR1; }
check_rolling_restart_apache() { check_reload apache; }

serve_keepalive_change() { own_nginx keepalive "$1"; }
visit_keepalive_change() { visit keepalive-change browsers "$1"; }
act_keepalive_change() { at $((scenario_s / 6)) shorten_keepalive; }
shorten_keepalive() {
    sed -i 's/keepalive_timeout 75s/keepalive_timeout 5s/' "$work/keepalive/nginx.conf"
    reload keepalive HUP
}
check_keepalive_change() {
    check_reload keepalive
    local before after
    before=$(open_at "$1" 1)
    after=$(open_at "$1" $((scenario_s - 2)))
    ((after < before / 2)) || did_not_happen "$after connections are open, before $before"
}

# --- slow lines ------------------------------------------------------------------------------

# moved NAME UNIT: the slow lines moved at least 80 % of the bytes that they can carry.
moved() {
    local megabytes wanted
    megabytes=$(visits "$1" "$2")
    wanted=$(awk -v bytes="$((held * pace))" -v s="$((scenario_s - 10))" \
        'BEGIN { print 0.8 * bytes * s / 1e6 }')
    below "$megabytes" "$wanted" && did_not_happen "only $megabytes MB were moved, not $wanted"
    were_open "$1" "$held"
}

serve_slow_uploads() { site "$1" "location /upload { $(to_backend "$backend_port") }"; }
visit_slow_uploads() { short_visits slow-uploads "$1"; }
act_slow_uploads() {
    at 1 visit uploads uploads "$1" --rate 10 --max-open "$held" --pace "$pace"
}
check_slow_uploads() { moved uploads "MB uploaded"; }

serve_slow_downloads() { site "$1"; }
visit_slow_downloads() { short_visits slow-downloads "$1"; }
act_slow_downloads() {
    at 1 visit downloads downloads "$1" --rate 10 --max-open "$held" --pace "$pace" --receive-buffer -1
}
check_slow_downloads() { moved downloads MB,; }

serve_slow_downloads_small() { site "$1"; }
visit_slow_downloads_small() { short_visits slow-downloads-small "$1"; }
act_slow_downloads_small() {
    at 1 visit downloads-small downloads "$1" --rate 10 --max-open "$held" --pace "$pace" \
        --receive-buffer 8192
}
check_slow_downloads_small() { moved downloads-small MB,; }

# --- connections that remain open ------------------------------------------------------------

serve_websockets_new() { site "$1" "location /talk { $(to_backend "$backend_port") }"; }
visit_websockets_new() { short_visits websockets-new "$1"; }
act_websockets_new() {
    at 1 visit talk websockets "$1" --rate "$talk_rate" --max-open "$talkers" --small-path /talk
}
check_websockets_new() { were_talking talk 10; }
# were_talking NAME SECONDS: the WebSockets were open, and each sent a message every SECONDS.
were_talking() {
    local messages
    were_open "$1" "$talkers"
    messages=$(visits "$1" messages)
    # Half of the messages are enough, because the WebSockets open one after the other.
    ((messages >= talkers * (scenario_s - 20) / $2 / 2)) ||
        did_not_happen "only $messages messages were sent"
}

serve_websockets_silent() { site "$1" "location /silent { $(to_backend "$backend_port") }"; }
visit_websockets_silent() { short_visits websockets-silent "$1"; }
act_websockets_silent() {
    at 1 visit silent websocket-senders "$1" --rate "$talk_rate" --max-open "$talkers" --small-path /silent
}
check_websockets_silent() { were_talking silent 5; }

serve_long_polls() { site "$1" "location /wait { $(to_backend "$backend_port") }"; }
visit_long_polls() {
    short_visits long-polls "$1"
    visit polls polls "$1" --rate 10 --max-open "$polled" --small-path /wait/30 --patience 45
}
act_long_polls() { :; }
check_long_polls() {
    were_open polls "$polled"
    came_back polls $((polled * scenario_s / 30))
    grep -q "port $1: WARNING: its baseline looks like an attack: most connections" "$work/detector.err" ||
        did_not_happen "the detector has no warnings about a baseline of long polls"
}
# came_back NAME COUNT: the visitors got at least COUNT answers.
came_back() {
    (($(visits "$1" answers) >= $2)) || did_not_happen "only $(visits "$1" answers) answers, not $2"
}

readonly h2_clients=200
h2_asked=0
serve_h2_browsers() {
    make_certificate
    echo "    server { listen $1 ssl http2; root $work/site; access_log $work/h2.log;" \
        "ssl_certificate $work/certificate.pem; ssl_certificate_key $work/key.pem;" \
        "location /wait { $(to_backend "$backend_port") } }" >>"$work/sites"
}
visit_h2_browsers() {
    local group groups=4 url=https://$honest_address:$1
    for ((group = 1; group <= groups; group++)); do
        spawn "h2load-$group" "${in_client[@]}" h2load -c $((h2_clients / groups)) -D 3600 --rps 0.2 "$url/index.html"
        visitor["h2-browsers-$group"]=$spawned
        sleep 1.2 # so that the groups do not send their requests at the same time
    done
    # Five new connections a second, with three requests each that are answered in a third of a second.
    spawn h2load-new "${in_client[@]}" h2load -c 7200 -n 21600 -r 5 "$url/wait/0.33"
    visitor["h2-browsers-new"]=$spawned
}
act_h2_browsers() { at 0 count_h2; }
count_h2() { h2_asked=$(grep -c 'HTTP/2.0" 200' "$work/h2.log"); }
check_h2_browsers() {
    local asked open before=$h2_asked
    open=$(open_at "$1" $((scenario_s - 2)))
    count_h2
    asked=$((h2_asked - before))
    ((open >= h2_clients)) || did_not_happen "only $open connections were open at the end"
    # One request in 5 s on each connection that remains open, and fifteen a second on the new ones.
    ((asked >= $(percent_of 80 $(((h2_clients / 5 + 15) * scenario_s))))) ||
        did_not_happen "only $asked requests over HTTP/2 were answered"
}

# --- back ends -------------------------------------------------------------------------------

serve_proxy_back_end() {
    site "$1"
    {
        echo "    upstream monitored { server 127.0.0.1:$1; keepalive 16; }"
        # shellcheck disable=SC2016
        echo "    server { listen $front_port; location / { proxy_pass http://monitored;" \
            'proxy_http_version 1.1; proxy_set_header Connection ""; } }'
    } >>"$work/sites"
}
visit_proxy_back_end() { short_visits proxy-back-end "$front_port"; }
act_proxy_back_end() {
    at "$(crowd_began_s)" visit crowd-proxy short "$front_port" --rate 200 --burst 0 --seed 2
    at $(($(crowd_began_s) + crowd_s)) leave crowd-proxy
}
check_proxy_back_end() { came crowd-proxy 200 "$crowd_s"; }

serve_stalled_back_end() {
    many_sources
    start_slow_backend stalling "$stalling_port" --stall-file "$work/stall" --stall 20
    site "$1" "location = /index.html { $(to_backend "$stalling_port") }"
}
visit_stalled_back_end() {
    visit stalled-back-end short "$1" --rate 20 --burst 20 --patience 60 \
        --sources "$first_source/1000"
}
act_stalled_back_end() {
    at $((scenario_s / 6)) touch "$work/stall"
    at $((scenario_s - 2)) count_sources "$1"
}
stalled_sources=0
count_sources() {
    stalled_sources=$("${in_server[@]}" ss -Htn state established sport = ":$1" |
        awk '{ sub(/:[0-9]+$/, "", $4); print $4 }' | sort -u | wc -l)
}
check_stalled_back_end() {
    ((stalled_sources >= 100)) || did_not_happen "only $stalled_sources addresses were waiting"
}
