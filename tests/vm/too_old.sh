#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A test for a guest whose kernel is too old. jsguard-load prints in one line what is missing, exits with 3, and leaves
# nothing behind.
set -euo pipefail
: "${JSGUARD_LOAD:?}"

complain() {
    echo "FAIL: $*"
    exit 1
}

out=$(mktemp -d)
pins=/sys/fs/bpf/too-old
status=0
"$JSGUARD_LOAD" --pin-dir "$pins" --localport 18000 --duration 1 >"$out/out" 2>"$out/err" </dev/null || status=$?
echo "$(uname -r): $(<"$out/err")"
((status == 3)) || complain "exit code $status, not 3"
[[ $(<"$out/err") == "jsguard-load: this kernel lacks BPF programs of type syscall (since 5.14)" ]] ||
    complain "the message does not name the missing feature"
[[ ! -s $out/out && ! -e $pins ]] || complain "jsguard-load printed to stdout, or left pins"
