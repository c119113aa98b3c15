#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# cpus.sh POSSIBLE ONLINE: a test for a guest with other numbers of possible and online CPUs than this machine. The
# detector starts, closes windows and counts a connection.
set -euo pipefail
: "${JSGUARD_LOAD:?}" "${JSGUARD:=$(dirname "$JSGUARD_LOAD")/jsguard}"
readonly possible=$1 online=$2 port=18000 pins=/sys/fs/bpf/cpus

complain() {
    echo "FAIL: $*"
    exit 1
}

cpus=$("$JSGUARD_LOAD" --probe --json | jq -r '"\(.kernel.possible_cpus) \(.kernel.online_cpus)"')
[[ $cpus == "$possible $online" ]] || complain "--probe shows $cpus possible and online CPUs"
out=$(mktemp -d)
"$JSGUARD_LOAD" --pin-dir "$pins" --localport "$port" >"$out/out" 2>"$out/err" </dev/null &
loader=$!
for ((tries = 0; tries < 300; tries++)); do
    if grep -q monitoring "$out/err"; then break; fi
    sleep 0.2
done
busybox nc -l -p "$port" -e /bin/true &
sleep 2
echo x | busybox nc 127.0.0.1 "$port" || true
sleep 5
transitions() { bpftool -j map dump pinned "$pins/stats" | jq '.[0].formatted.value.transitions'; }
(($(transitions) >= 3)) || complain "$(transitions) transitions were counted: $(<"$out/err")"
kill "$loader"
wait "$loader" || complain "exit code $?"
tail -n 1 "$out/err"
