# SPDX-License-Identifier: BSD-2-Clause
# Namespaces with the real servers of the system tests, their honest visitors, and slowhttptest.
# shellcheck shell=bash

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${HONEST_LOAD:=$here/../../build/quickstart/tests/system/honest-load}"
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"
: "${TLS_CLIENT:=$here/../../build/quickstart/tests/system/tls-client}"

readonly server_ns=jsg$$-server client_ns=jsg$$-client attack_ns=jsg$$-attack
readonly in_server=(ip netns exec "$server_ns")
readonly in_client=(ip netns exec "$client_ns")
readonly in_attack=(ip netns exec "$attack_ns")
# The server has one address for visitors and one for attackers, so that its sockets show who connected.
readonly honest_address=198.18.1.1 attack_address=198.18.2.1 attacker=198.18.2.2
visitor_host=$honest_address # where visitors connect to

# --- namespaces ------------------------------------------------------------------------------

# join NAMESPACE NUMBER: a veth pair between the namespace and that of the server, with the network 198.18.NUMBER.0/24.
join() {
    local ns=$1 number=$2
    ip -n "$server_ns" link add "to$number" type veth peer name eth0 netns "$ns"
    ip -n "$server_ns" addr add "198.18.$number.1/24" dev "to$number"
    ip -n "$server_ns" link set "to$number" up
    ip -n "$ns" addr add "198.18.$number.2/24" dev eth0
    ip -n "$ns" link set eth0 up
    ip -n "$ns" link set lo up
}

new_namespaces() {
    local ns
    at_end+=(remove_namespaces)
    for ns in "$server_ns" "$client_ns" "$attack_ns"; do
        ip netns add "$ns" 2>/dev/null || skip "network namespaces are not permitted here"
    done
    ip -n "$server_ns" link set lo up
    join "$client_ns" 1
    join "$attack_ns" 2
}

remove_namespaces() {
    local ns pid
    for ns in "$attack_ns" "$client_ns" "$server_ns"; do
        [[ -e /run/netns/$ns ]] || continue
        # All processes in the namespace are children of processes that this test started.
        for pid in $(ip netns pids "$ns"); do kill -KILL "$pid" 2>/dev/null; done
        ip netns del "$ns"
    done
}

# processes_in_namespaces: PIDs, one a line.
processes_in_namespaces() {
    local ns
    for ns in "$attack_ns" "$client_ns" "$server_ns"; do
        [[ ! -e /run/netns/$ns ]] || ip netns pids "$ns"
    done
}

listens() { [[ -n $("${in_server[@]}" ss -Htln "( sport = :$1 )") ]]; }

# sockets [FILTER...]: "PORT COUNT" for each port that has connections, including half-closed ones.
sockets() {
    "${in_server[@]}" ss -Htan state connected exclude syn-sent exclude time-wait "$@" |
        awk '{ sub(/.*:/, "", $4); count[$4]++ } END { for (port in count) print port, count[port] }'
}
attack_sockets() { sockets dst "$attacker"; }

# shell_if_asked: with --shell it starts an interactive shell, while servers, visitors and detector run.
shell_if_asked() {
    ((shell)) || return 0
    echo "This shell runs in the server's namespace. The other namespaces are $client_ns and $attack_ns."
    echo "The files are in $work, the maps in $pin_dir. Exit the shell to continue."
    "${in_server[@]}" bash -i </dev/tty >/dev/tty 2>&1 || true
}

# --- servers ---------------------------------------------------------------------------------

# make_site: creates the files that nginx and apache2 serve.
make_site() {
    mkdir "$work/site"
    head -c 8192 /dev/zero | tr '\0' 'x' >"$work/site/index.html"
    head -c $((1 << 20)) /dev/zero >"$work/site/large.bin"
    echo thanks >"$work/site/upload" # apache2 reads the body of a POST to a file, then answers
    # For slowhttptest -X: larger than the largest send buffer (net.ipv4.tcp_wmem).
    head -c $((16 << 20)) /dev/zero >"$work/site/huge.bin"
}

# "https" for each port where nginx listens with TLS.
declare -A scheme=()

# make_certificate: creates a self-signed certificate for all servers with TLS.
make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=jsguard-test \
        -keyout "$work/key.pem" -out "$work/certificate.pem" >"$work/openssl.log" 2>&1 && return
    show_log openssl.log
    die "no certificate"
}

# nginx_head DIR [WORKERS CONNECTIONS]: prints the beginning of a configuration of nginx, with this number of worker
# processes, and of connections for each. The caller adds servers and closes the http block.
nginx_head() {
    local dir=$1
    cat <<END
user www-data;
worker_processes ${2:-2};
worker_rlimit_nofile 20000;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections ${3:-20000}; }
http {
    access_log off;
    types { text/html html; }
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 75;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    server { listen unix:$dir/backend.sock; location / { return 204; } }
END
}

# run_nginx NAME PORT...: starts nginx with $work/NAME/nginx.conf, and waits until it listens on the ports. The PID of its
# master process goes to $spawned.
run_nginx() {
    local name=$1 dir=$work/$1 port
    shift
    spawn "$name" "${in_server[@]}" nginx -e "$dir/error.log" -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;'
    for port in "$@"; do
        wait_for "$patience_s" listens "$port" && continue
        show_log "$name/error.log"
        die "nginx does not listen on $port"
    done
}

# start_nginx PORT[:ssl|:http2]...: starts one nginx for all ports: plain, with TLS, or with TLS and HTTP/2. nginx passes
# a request for /upload to a back end after it has read the body.
start_nginx() {
    local dir=$work/nginx port listen
    mkdir -p "$dir"
    {
        nginx_head "$dir"
        for port in "$@"; do
            listen="listen ${port%:*}"
            if [[ $port == *:* ]]; then
                scheme[${port%:*}]=https
                listen+=" ssl"
                [[ $port == *:http2 ]] && listen+=" http2"
                listen+="; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate $work/certificate.pem; ssl_certificate_key $work/key.pem"
            fi
            echo "    server { $listen; root $work/site;" \
                "location /upload { proxy_pass http://unix:$dir/backend.sock:/; } }"
        done
        echo "}"
    } >"$dir/nginx.conf"
    run_nginx nginx "${@%:*}"
}

# start_apache PORT: starts an apache2 for this port alone, because all ports of one apache2 share its workers. This
# apache2 keeps all its processes. Otherwise it ends an idle process with hundreds of keep-alive connections at once,
# which is an anomaly (docs/limits.md).
start_apache() {
    local port=$1 dir=$work/apache$1 modules=/usr/lib/apache2/modules
    mkdir -p "$dir"
    cat >"$dir/apache.conf" <<END
ServerRoot $dir
ServerName localhost
DefaultRuntimeDir $dir
PidFile $dir/pid
ErrorLog $dir/error.log
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule dir_module $modules/mod_dir.so
StartServers 16
MinSpareThreads 25
MaxSpareThreads 400
ThreadsPerChild 25
MaxRequestWorkers 400
AsyncRequestWorkerFactor 8
KeepAlive On
KeepAliveTimeout 75
Timeout 60
Listen $port
DocumentRoot $work/site
<Directory $work/site>
    Require all granted
</Directory>
END
    spawn "apache$port" "${in_server[@]}" apache2 -f "$dir/apache.conf" -DFOREGROUND
    wait_for "$patience_s" listens "$port" && return
    show_log "apache$port/error.log"
    die "apache2 does not listen on $port"
}

# --- visitors --------------------------------------------------------------------------------

honest_options=() # options that start_honest gives to honest-load

# start_honest NAME PROFILE PORT...: starts honest visitors.
start_honest() {
    local name=$1 profile=$2 tls_option=()
    shift 2
    [[ ${scheme[$1]:-http} == https ]] && tls_option=(--tls)
    spawn "honest-$name" "${in_client[@]}" "$HONEST_LOAD" --profile "$profile" "${tls_option[@]}" "${honest_options[@]}" \
        "${@/#/$honest_address:}"
}

# start_h2load PORT: starts honest visitors over HTTP/2, with h2load as the client. 20 new connections a second send three
# requests each, a second apart. 450 connections remain open and send a request every 20 s. Their PIDs go to $honest_pids.
start_h2load() {
    local url=https://$honest_address:$1/index.html group
    spawn "h2load-$1" "${in_client[@]}" h2load -r 20 -c 20000 -n 60000 --rps 1 "$url"
    honest_pids+=("$spawned")
    for group in 1 2 3; do
        spawn "h2load-$1-$group" "${in_client[@]}" h2load -c 150 -D 1000 --rps 0.05 "$url"
        honest_pids+=("$spawned")
    done
}

# connections_needed ATTACK PORT: the number of connections that the attack must have open at once, or it did not happen
# as planned. nginx gives a client 60 s for the head of its request. In this time the creeping attack opens 180. Over TLS
# slowhttptest is slower, and sometimes loses one or two connections.
connections_needed() {
    local of_500=500 of_180=170
    [[ ${scheme[$2]:-http} == https ]] && of_500=490 of_180=160
    case $1 in
    none) echo 0 ;;
    creep) echo "$of_180" ;;
    h2-*) echo 200 ;;
    *) echo "$of_500" ;;
    esac
}

# start_attack H|B|X|creep|h2-... PORT SECONDS [OPTIONS...]: starts slowhttptest, or tls-client for an h2-... attack. Its
# PID goes to $spawned.
start_attack() {
    local kind=$1 port=$2 seconds=$3 url=${scheme[$2]:-http}://$attack_address:$2 mode=()
    case $kind in
    H) mode=(-H -c 500 -r 100 -u "$url/index.html") ;;
    B) mode=(-B -c 500 -r 100 -s 8192 -u "$url/upload") ;;
    X) mode=(-X -c 500 -r 100 -w 512 -y 1024 -n 5 -z 32 -k 3 -u "$url/huge.bin") ;;
    creep) mode=(-H -c 200 -r 3 -u "$url/index.html") ;;
    h2-*)
        case $kind in
        h2-head) mode=(--every 3 --path /index.html) ;;
        h2-body) mode=(--every 3 --path /upload) ;;
        h2-window) mode=(--no-ack --path /huge.bin) ;;
        *) die "no attack called $kind" ;;
        esac
        start_tls_client "attack-$port" "$kind" "$attack_ns" "$attack_address:$port" "${mode[@]}" \
            --count 200 --rate 50 --duration "$seconds"
        return
        ;;
    *) die "no attack called $kind" ;;
    esac
    shift 3
    spawn "attack-$port" "${in_attack[@]}" nice -n 10 slowhttptest "${mode[@]}" \
        -i 10 -x 24 -p 3 -l "$seconds" "$@"
}

# start_tls_client NAME MODE NAMESPACE HOST:PORT [OPTIONS...]: starts tls-client. Its PID goes to $spawned.
start_tls_client() {
    local name=$1 what=$2 ns=$3 address=$4
    shift 4
    spawn "$name" ip netns exec "$ns" "$TLS_CLIENT" --mode "$what" "$address" "$@"
}

# --- visitors and back ends of the quiet scenarios -------------------------------------------

# start_visits NAME PROFILE PORT [OPTIONS...]: starts honest visitors of one port. The PID goes to $spawned.
start_visits() {
    local name=$1 profile=$2 port=$3
    shift 3
    spawn "honest-$name" "${in_client[@]}" "$HONEST_LOAD" --profile "$profile" "$@" "$visitor_host:$port"
}

# visits NAME WORD: a figure of the summary that honest-load prints at its end, for example "visits uploads 'MB uploaded'".
visits() {
    grep -oE "[0-9.]+ $2" "$work/honest-$1.out" | tail -n 1 | grep -oE '^[0-9.]+' || echo 0
}

# max_open NAME, open_at_end NAME: numbers of connections in the same summary.
max_open() { sed -n 's/.*max open //p' "$work/honest-$1.out"; }
open_at_end() { sed -n 's/^open at the end \([0-9]*\).*/\1/p' "$work/honest-$1.out"; }

# start_slow_backend NAME PORT [OPTIONS...]: starts slow-backend on 127.0.0.1 in the server's namespace. Its PID goes to
# $spawned.
start_slow_backend() {
    local name=$1 port=$2
    shift 2
    spawn "$name" "${in_server[@]}" "$SLOW_BACKEND" "$port" "$@"
    wait_for "$patience_s" listens "$port" || die "$name does not listen on $port"
}

# to_backend PORT: directives of an nginx location that pass every request to the back end, including an Upgrade.
to_backend() {
    # shellcheck disable=SC2016
    echo "proxy_pass http://127.0.0.1:$1; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade;" \
        "proxy_set_header Connection \$http_connection; proxy_read_timeout 900s; proxy_send_timeout 900s;"
}

# many_sources: gives the client's namespace the addresses 198.18.16.0/22 as well.
# shellcheck disable=SC2034
readonly first_source=198.18.16.1
many_sources() {
    ip -n "$client_ns" route add local 198.18.16.0/22 dev lo
    ip -n "$server_ns" route add 198.18.16.0/22 via 198.18.1.2
}

# children PID: the PIDs of its child processes, in one line.
children() { pgrep -P "$1" | sort -n | tr '\n' ' '; }
