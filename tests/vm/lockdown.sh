#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A test for a guest that is locked down for confidentiality (lockdown=confidentiality). BPF programs may not read the
# kernel's memory there. jsguard-load says so in one line, exits with 3 and leaves nothing behind, and --probe shows it.
set -euo pipefail
: "${JSGUARD_LOAD:?}"

complain() {
    echo "FAIL: $*"
    exit 1
}

mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
grep -qF '[confidentiality]' /sys/kernel/security/lockdown || complain "the guest is not locked down"
out=$(mktemp -d)
pins=/sys/fs/bpf/locked-down
status=0
"$JSGUARD_LOAD" --pin-dir "$pins" --localport 18000 --duration 1 >"$out/out" 2>"$out/err" </dev/null || status=$?
echo "$(uname -r): $(<"$out/err")"
((status == 3)) || complain "exit code $status, not 3"
[[ $(wc -l <"$out/err") == 1 && $(<"$out/err") == *lockdown=confidentiality* ]] ||
    complain "the message does not name the lockdown"
[[ ! -s $out/out && ! -e $pins ]] || complain "jsguard-load printed to stdout, or left pins"
status=0
"$JSGUARD_LOAD" --pin-dir "$pins" --probe >"$out/probe" || status=$?
((status == 3)) || complain "--probe: exit code $status, not 3"
grep -qF 'lockdown=confidentiality' "$out/probe" || complain "--probe does not name the lockdown: $(<"$out/probe")"
