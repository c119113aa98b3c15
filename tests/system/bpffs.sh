#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How the loader starts if the BPF file system is not mounted, read-only, replaced by another one, or closed to this user.

# shellcheck disable=SC2016 # quoted variables are for another shell
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=surroundings.sh
source "$here/surroundings.sh"

need_root_and_bpf
need setpriv util-linux unshare util-linux
system_begin
take_ports

readonly loader=$work/jsguard-load # in a directory that users without privilege can read
cp "$JSGUARD_LOAD" "$loader"

# starts STATUS COMMAND...: starts the loader for a second. COMMAND ends with its path. The output goes to start.out and
# start.err. --probe must return the same exit code beforehand. In every case, nothing may be left behind.
starts() {
    local expected=$1 status before probed=0
    shift
    "$@" --probe --pin-dir "$pin_dir" >"$work/probe.out" 2>&1 || probed=$?
    ((probed == expected)) || fail "$* --probe: exit code $probed, not $expected"
    before=("$(newest prog)" "$(newest map)")
    spawn start timeout "$patience_s" "$@" --pin-dir "$pin_dir" --localport "$first_port" --duration 1
    status=0
    wait "$spawned" || status=$?
    ((status == expected)) || fail "$*: exit code $status, not $expected"
    [[ ! -s $work/start.out ]] || fail "$*: something on stdout"
    wait_for "$patience_s" nothing_left_behind "${before[@]}" || fail "$*: left in the kernel: $(left_behind "${before[@]}")"
    [[ ! -e $pin_dir ]] || fail "$*: something was pinned"
}
monitors() { grep -q "^monitoring port $first_port: " "$work/start.err" || fail "$1: did not monitor"; }
refuses() {
    (($(wc -l <"$work/start.err") == 1)) || fail "$1: not one line on stderr"
    grep -qF "$2" "$work/start.err" || fail "$1: does not print \"$2\": $(cat "$work/start.err")"
}

say "not mounted: the loader mounts it"
inside "$unmount"
starts 0 "${as[@]}" "$loader"
monitors "not mounted"

say "not mounted, and no right to mount"
starts 1 "${as[@]}" setpriv "${two_capabilities[@]}" "$loader"
refuses "no right to mount" "mount -t bpf -o mode=0711 bpf /sys/fs/bpf"

say "mounted read-only"
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o ro"
starts 1 "${as[@]}" "$loader"
refuses "read-only" "Read-only file system"

say "another file system at the pin directory"
inside "$unmount; mount -t bpf bpf /sys/fs/bpf; mkdir $pin_dir; mount -t tmpfs none $pin_dir"
starts 1 "${as[@]}" "$loader"
refuses "another file system" "$pin_dir is not in a BPF file system"

say "a BPF file system that only root may use, and one that everybody may use"
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o mode=0700"
starts 4 "${as[@]}" setpriv "${other_user[@]}" "${two_capabilities_kept[@]}" "$loader"
refuses "root's" "Permission denied"
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o mode=1777"
starts 0 "${as[@]}" setpriv "${other_user[@]}" "${two_capabilities_kept[@]}" "$loader"
monitors "for everybody"

finish
