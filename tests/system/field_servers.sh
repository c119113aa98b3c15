# SPDX-License-Identifier: BSD-2-Clause
# The servers of the field lab and their visitors. Each server NAME has the function serve_NAME PORT, which starts it in the
# server's namespace with a configuration in $work. visit_server starts its visitors.
# shellcheck shell=bash

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

: "${FIELD_CLIENT:=$here/../../build/quickstart/tests/system/field-client}"
: "${SEGMENT_READER:=$here/../../build/quickstart/tests/system/segment-reader}"
: "${PLAIN_SERVER:=$here/../../build/quickstart/tests/system/plain-server}"

# shellcheck disable=SC2034
readonly honest_address6=fd00:198:18:1::1 attack_address6=fd00:198:18:2::1

server_pid=        # the process that a restart ends and a stop stops
backend_pid=       # the back end of nginx
visitor_options=() # further options of the visitors

# new_field_namespaces: the namespaces of servers.sh, with IPv6 addresses too.
new_field_namespaces() {
    local number ns
    new_namespaces
    for number in 1 2; do
        ns=$client_ns
        ((number == 1)) || ns=$attack_ns
        ip -n "$server_ns" addr add "fd00:198:18:$number::1/64" dev "to$number" nodad
        ip -n "$ns" addr add "fd00:198:18:$number::2/64" dev eth0 nodad
    done
}

# needs_of SERVER: the commands of a server and their packages, as words for need().
needs_of() {
    case $1 in
    nginx | nginx-proxy | nginx-small) echo nginx nginx-light ;;
    nginx-tls | nginx-h2) echo nginx nginx-light openssl openssl ;;
    apache2) echo apache2 apache2-bin ;;
    lighttpd) echo lighttpd lighttpd ;;
    haproxy) echo haproxy haproxy ;;
    redis) echo redis-server redis-server ;;
    mosquitto) echo mosquitto mosquitto ;;
    postgresql) echo pg_lsclusters postgresql setpriv util-linux ;;
    dovecot) echo dovecot dovecot-imapd ;;
    openssh) echo sshd openssh-server ssh-keygen openssh-client ;;
    exim) echo exim4 exim4-daemon-light ;;
    vsftpd) echo vsftpd vsftpd ;;
    esac
}

# server_listens NAME PORT: waits until the started server listens. It ends the test if it does not.
server_listens() {
    server_pid=$spawned
    wait_for "$patience_s" listens "$2" && return
    show_log "$1.out"
    show_log "$1.err"
    die "$1 does not listen on $2"
}

# --- HTTP ------------------------------------------------------------------------------------

# http_locations BACKEND DIR: directives of nginx. Uploads, long polls, WebSockets and events go to slow-backend. nginx
# passes an upload on after it has read its body. /none answers with no content.
http_locations() {
    local path
    echo "client_max_body_size 0; location /upload { $(to_backend "$1") }"
    echo "location /events { $(to_backend "$1") proxy_buffering off; }"
    echo "location /none { proxy_pass http://unix:$2/backend.sock:/; }"
    for path in wait talk rare silent; do echo "location /$path { $(to_backend "$1") }"; done
}

# run_field_nginx NAME PORT [WORDS [WORKERS CONNECTIONS]]: nginx with these words after its port, and its back end on the
# next port. The one called nginx-proxy passes all requests to the back end.
run_field_nginx() {
    local name=$1 port=$2 dir=$work/$1
    [[ -d $work/site ]] || make_site
    start_slow_backend "$name-backend" $((port + 1)) --push-every 60
    # shellcheck disable=SC2034
    backend_pid=$spawned
    mkdir -p "$dir"
    {
        nginx_head "$dir" "${@:4}"
        echo "    server { listen $port${3:-} backlog=4096; listen [::]:$port${3:-} backlog=4096; root $work/site;"
        if [[ -n ${3:-} ]]; then
            echo "    ssl_protocols TLSv1.2 TLSv1.3;"
            echo "    ssl_certificate $work/certificate.pem; ssl_certificate_key $work/key.pem;"
        fi
        http_locations $((port + 1)) "$dir"
        [[ $name != nginx-proxy ]] || echo "location / { $(to_backend $((port + 1))) }"
        echo "    }"
        echo "}"
    } >"$dir/nginx.conf"
    run_nginx "$name" "$port"
    server_pid=$spawned
}
serve_nginx() { run_field_nginx nginx "$1"; }
serve_nginx_proxy() { run_field_nginx nginx-proxy "$1"; }
serve_nginx_small() { run_field_nginx nginx-small "$1" "" 1 256; }
serve_nginx_tls() {
    make_certificate
    run_field_nginx nginx-tls "$1" " ssl"
}
serve_nginx_h2() {
    make_certificate
    run_field_nginx nginx-h2 "$1" " ssl http2"
}

serve_apache2() {
    make_site
    start_apache "$1"
    server_pid=$spawned
}

serve_lighttpd() {
    make_site
    cat >"$work/lighttpd.conf" <<END
server.document-root = "$work/site"
server.port = $1
server.bind = "[::]"
server.v4mapped = "enable"
server.username = "www-data"
server.errorlog = "$work/lighttpd.log"
server.max-fds = 16384
server.max-connections = 8192
index-file.names = ( "index.html" )
END
    touch "$work/lighttpd.log"
    chown www-data "$work/lighttpd.log"
    spawn lighttpd "${in_server[@]}" lighttpd -D -f "$work/lighttpd.conf"
    server_listens lighttpd "$1"
}

serve_haproxy() {
    start_slow_backend backend $(($1 + 1)) --push-every 60
    cat >"$work/haproxy.conf" <<END
global
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind :::$1 v4v6
    default_backend back
backend back
    server one 127.0.0.1:$(($1 + 1))
END
    run_haproxy "$1"
}
run_haproxy() {
    spawn haproxy "${in_server[@]}" haproxy -db -f "$work/haproxy.conf"
    server_listens haproxy "$1"
}

# run_plain_server NAME PORT THREADS [OPTIONS...]: the project's own server.
run_plain_server() {
    local name=$1 port=$2 threads=$3
    shift 3
    spawn "$name" "${in_server[@]}" "$PLAIN_SERVER" "$port" --threads "$threads" "$@"
    server_listens "$name" "$port"
}
serve_one_thread() { run_plain_server one-thread "$1" 1; }
serve_small_pool() { run_plain_server small-pool "$1" 16; }
# The next two accept MPTCP too, if the kernel has it. Unused connections take up to 120 of their threads.
mptcp_option() { if has_mptcp; then echo --mptcp; fi; }
has_mptcp() { [[ $(cat /proc/sys/net/mptcp/enabled 2>/dev/null) == 1 ]]; }
# shellcheck disable=SC2046 # no word, or one
serve_pool() { run_plain_server pool "$1" 400 $(mptcp_option); }
# A server of lines: it greets, and then waits for the client.
# shellcheck disable=SC2046
serve_lines() { run_plain_server lines "$1" 400 --patience 120 --greeting "220 lines ready" $(mptcp_option); }

# --- other protocols -------------------------------------------------------------------------

serve_redis() {
    mkdir -p "$work/redis"
    spawn redis "${in_server[@]}" redis-server --port "$1" --bind '*' --protected-mode no --save '' --appendonly no \
        --dir "$work/redis" --daemonize no
    server_listens redis "$1"
}

serve_mosquitto() {
    cat >"$work/mosquitto.conf" <<END
listener $1
allow_anonymous true
persistence false
log_dest stderr
log_type error
user root
END
    spawn mosquitto "${in_server[@]}" mosquitto -c "$work/mosquitto.conf"
    server_listens mosquitto "$1"
}

serve_postgresql() {
    local bin dir=$work/postgresql as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)
    bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' | sort -V | tail -n 1)
    mkdir "$dir"
    chown postgres "$dir"
    if ! "${as_postgres[@]}" "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync >"$work/initdb.log" 2>&1; then
        show_log initdb.log
        die "initdb failed"
    fi
    echo 'host all all all trust' >>"$dir/data/pg_hba.conf"
    spawn postgresql "${in_server[@]}" "${as_postgres[@]}" "$bin/postgres" -D "$dir/data" -p "$1" \
        -c 'listen_addresses=*' -c "unix_socket_directories=" -c max_connections=400
    server_listens postgresql "$1"
}

serve_dovecot() {
    local dir=$work/dovecot
    mkdir -p "$dir/mail"
    chown nobody:nogroup "$dir/mail"
    cat >"$dir/dovecot.conf" <<END
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
protocols = imap
listen = *, ::
ssl = no
disable_plaintext_auth = no
mail_location = maildir:$dir/mail/%n
first_valid_uid = 1
mail_max_userip_connections = 1000
default_process_limit = 1000
default_client_limit = 2000
passdb {
    driver = static
    args = nopassword=y
}
userdb {
    driver = static
    args = uid=nobody gid=nogroup home=$dir/mail/%n
}
service imap-login {
    inet_listener imap {
        port = $1
    }
    inet_listener imaps {
        port = 0
    }
    service_count = 0
    client_limit = 1000
}
END
    spawn dovecot "${in_server[@]}" dovecot -F -c "$dir/dovecot.conf"
    server_listens dovecot "$1"
}

serve_openssh() {
    ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
    mkdir -p /run/sshd
    spawn openssh "${in_server[@]}" "$(command -v sshd)" -D -e -p "$1" -h "$work/host_key" -f /dev/null \
        -o "PidFile=$work/sshd.pid" -o MaxStartups=1000 -o LoginGraceTime=120 -o UsePAM=no
    server_listens openssh "$1"
}

serve_exim() {
    local dir=$work/exim
    mkdir -p "$dir/spool"
    chown -R Debian-exim:Debian-exim "$dir"
    cat >"$dir/exim.conf" <<END
spool_directory = $dir/spool
log_file_path = $dir/%slog
primary_hostname = field.example
smtp_accept_max = 1000
smtp_accept_max_nonmail_hosts =
smtp_receive_timeout = 5m
acl_smtp_rcpt = deny
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
smtp_enforce_sync = false
END
    spawn exim "${in_server[@]}" exim4 -C "$dir/exim.conf" -bdf -oX "$1" -oP "$dir/pid"
    server_listens exim "$1"
}

serve_vsftpd() {
    mkdir -p "$work/ftp"
    chmod 755 "$work/ftp"
    cat >"$work/vsftpd.conf" <<END
listen=NO
listen_ipv6=YES
listen_port=$1
background=NO
anonymous_enable=YES
anon_root=$work/ftp
secure_chroot_dir=$work/ftp
connect_from_port_20=NO
idle_session_timeout=300
max_clients=1000
max_per_ip=1000
seccomp_sandbox=NO
END
    spawn vsftpd "${in_server[@]}" vsftpd "$work/vsftpd.conf"
    server_listens vsftpd "$1"
}

# --- visitors --------------------------------------------------------------------------------

# realistic_visitors PORT RATE [OPTIONS...]: realistic visitors over HTTP.
realistic_visitors() {
    local port=$1 rate=$2
    shift 2
    start_visits visitors realistic "$port" --rate "$rate" "${visitor_options[@]}" "$@"
}

# field_visitors PORT RATE KIND: visitors of another protocol, as realistic as those over HTTP.
field_visitors() {
    spawn visitors "${in_client[@]}" "$FIELD_CLIENT" "$3" "$visitor_host:$1" --rate "$2" --count 1000 --total 100000 \
        --duration 3600 "${visitor_options[@]}"
}

# visit_server SERVER PORT RATE: starts the visitors of a server.
visit_server() {
    local server=$1
    shift
    case $server in
    nginx-tls) realistic_visitors "$@" --tls ;;
    nginx-h2) realistic_visitors "$@" --http2 ;;
    # Connections that are never used would deny a server with few threads.
    one-thread | small-pool) start_visits visitors short "$1" --rate "$2" --burst 0 --small-path /page --large-path /page ;;
    pool | haproxy | nginx-proxy) realistic_visitors "$@" --small-path /page --large-path /page ;;
    redis) field_visitors "$@" redis-visit ;;
    mosquitto) field_visitors "$@" mqtt-visit ;;
    postgresql) field_visitors "$@" postgres-visit ;;
    dovecot) field_visitors "$@" imap-visit ;;
    openssh) field_visitors "$@" ssh-visit ;;
    exim | vsftpd | lines) field_visitors "$@" line-visit ;;
    *) realistic_visitors "$@" ;;
    esac
}

# restart_server SERVER PORT: ends nginx or haproxy as a service manager does, and starts it again.
restart_server() {
    kill -TERM "$server_pid"
    wait_for 5 gone "$server_pid" || stop "$server_pid" KILL
    case $1 in
    nginx)
        rm -f "$work/nginx/backend.sock"
        run_nginx nginx "$2"
        server_pid=$spawned
        ;;
    haproxy) run_haproxy "$2" ;;
    *) die "no restart of $1" ;;
    esac
}
