#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# boot.sh KERNEL COMMAND...: runs a command as root on another kernel, in QEMU. The guest uses this machine's root file
# system, and cannot change it.
set -euo pipefail
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly vm
# shellcheck source=kernel_package.sh
source "$vm/kernel_package.sh"

usage() {
    cat <<END
usage: boot.sh [--systemd] [--out DIRECTORY] [--timeout SECONDS] [--append WORDS] KERNEL COMMAND [ARGUMENT...]
  KERNEL             a version (5.10, 6.1, 6.12, 6.18), whose last release apt fetches; or "newest"
  --systemd          systemd is the guest's first process, and runs the command as a unit
  --out DIRECTORY    receives the files that the guest writes to /run/out
  --timeout SECONDS  time limit for the guest (300)
  --append WORDS     more words for the kernel's command line
The guest sees this machine's files at their usual paths. It may change them, but the changes are lost when the guest
ends. Needs root. Exit codes: the command's; 125 if the guest did not finish; 77 if QEMU or the kernel is missing (1 with
JSGUARD_REQUIRE_BPF=1). Kernels are kept in \$JSGUARD_VM_CACHE
($JSGUARD_VM_CACHE).
END
}

readonly exit_skip=77
readonly exit_no_end=125
: "${JSGUARD_REQUIRE_BPF:=0}"

say() { echo "vm: $*" >&2; }

skip() {
    say "$*"
    if [[ $JSGUARD_REQUIRE_BPF == 1 ]]; then exit 1; fi
    exit "$exit_skip"
}

systemd=0 out='' timeout_s=300 append=
while (($# > 0)); do
    case $1 in
    --systemd) systemd=1 ;;
    --out) out=${2:-} && shift ;;
    --timeout) timeout_s=${2:-} && shift ;;
    --append) append=${2:-} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) break ;;
    esac
    shift
done
if (($# < 2)) || [[ $1 == -* || ! $timeout_s =~ ^[0-9]+$ ]]; then
    usage >&2
    exit 2
fi
readonly kernel=$1
shift

# need PROGRAM PACKAGE...: skips the test if a program is missing.
need() {
    while (($# > 0)); do
        command -v "$1" >/dev/null || skip "no $1: apt-get install $2"
        shift 2
    done
}
PATH=$PATH:/usr/lib/qemu:/usr/libexec # for virtiofsd
((EUID == 0)) || skip "needs root, because the guest's root user is this machine's"
need qemu-system-x86_64 qemu-system-x86 virtiofsd qemu-system-common busybox busybox-static lz4 lz4 zstd zstd xz xz-utils
busybox=$(command -v busybox)
readonly busybox
if ldd "$busybox" >/dev/null 2>&1; then skip "$busybox is linked dynamically: apt-get install busybox-static"; fi

directory=$(kernel_directory "$kernel") || skip "apt cannot fetch a kernel $kernel"
readonly directory

# --- what the guest runs -----------------------------------------------------------------------

work=$(mktemp -d --tmpdir jsguard-vm.XXXXXX)
[[ -n $out ]] || out=$work/out
mkdir -p "$out/.guest" "$work/root"
out=$(cd "$out" && pwd)
rm -f "$out/.guest/status"

# Standard error goes to the console, and standard output to the second serial port. Both are raw, so that nothing is
# converted.
cat >"$out/.guest/run" <<END
stty raw -echo -F /dev/ttyS0
stty raw -echo -F /dev/ttyS1
exec </dev/null >/dev/ttyS1 2>/dev/ttyS0
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
ulimit -n 65536
cd $(printf %q "$PWD")
$(printf '%q ' "$@")
echo \$? >/run/out/.guest/status
sync
$busybox poweroff -f
END
if ((systemd)); then
    cat >"$out/.guest/start" <<'END'
rm -f /.dockerenv # the guest is a machine, not a container
units=/run/systemd/system
mkdir -p $units/systemd-tmpfiles-setup.service.d
# Devices exist already, and the host's timers and first-boot work must not run in the guest.
for unit in systemd-udevd.service systemd-udev-trigger.service timers.target apparmor.service \
    systemd-firstboot.service proc-sys-fs-binfmt_misc.automount modprobe@.service; do
    ln -s /dev/null $units/$unit
done
# The usual setup, except that nothing is removed: the command may be in the host's /tmp.
cat >$units/systemd-tmpfiles-setup.service.d/keep.conf <<UNITS
[Service]
ExecStart=
ExecStart=systemd-tmpfiles --create --boot --exclude-prefix=/dev
UNITS
cat >$units/jsguard-vm.target <<UNITS
[Unit]
Description=The guest of boot.sh
Requires=basic.target jsguard-vm.service
After=basic.target
AllowIsolate=yes
UNITS
cat >$units/jsguard-vm.service <<UNITS
[Unit]
Description=The command
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /run/out/.guest/run
UNITS
exec /lib/systemd/systemd --unit=jsguard-vm.target
END
    # The guest does not mount the other file systems of the host.
    append+=" fstab=no systemd.show_status=no"
else
    echo 'exec /bin/bash /run/out/.guest/run' >"$out/.guest/start"
fi

# --- the guest ---------------------------------------------------------------------------------

daemons=()
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
    kill "${daemons[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Shares the root from a separate mount namespace, where it is read-only. So not even virtiofsd can write to it.
# shellcheck disable=SC2016 # the inner shell expands the variables
unshare --mount --propagation private sh -c '
    mount --rbind / "$1/root" && mount -o remount,bind,ro "$1/root" && exec "$2" --socket-path="$1/root.socket" \
        -o source="$1/root" -o sandbox=chroot -o cache=always -f' sh "$work" "$(command -v virtiofsd)" \
    >"$work/root.log" 2>&1 &
daemons+=("$!")
virtiofsd --socket-path="$work/out.socket" -o source="$out" -o sandbox=chroot -o cache=none -f \
    >"$work/out.log" 2>&1 &
daemons+=("$!")
served() { [[ -S $work/root.socket && -S $work/out.socket ]]; }
for ((tries = 0; tries < 250; tries++)); do
    if served; then break; fi
    sleep 0.02
done
if ! served; then
    cat "$work/root.log" "$work/out.log" >&2
    say "virtiofsd does not start"
    exit "$exit_no_end"
fi

# The guest is always emulated, so that it runs in the same way on every host.
# - cx16=off and slub_debug=F: in QEMU 7.2 the flags are random after CMPXCHG16B, which ends in a double fault. Without
#   cx16, and with the slab allocator's checks, kernels do not use this instruction. Then 7.x can still create timers.
# - no_timer_check: the kernel's check of the machine's timer fails on a busy host.
began=$SECONDS
mkfifo "$work/stdout"
cat "$work/stdout" &
passing=$!
timeout --foreground "$timeout_s" qemu-system-x86_64 -nodefaults -no-user-config -machine q35 \
    -accel tcg,thread=multi -smp 2 -m 1G -cpu max,cx16=off \
    -kernel "$directory/kernel" -initrd "$directory/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check slub_debug=F $append" \
    -object memory-backend-memfd,id=memory,size=1G,share=on -numa node,memdev=memory \
    -chardev socket,id=root,path="$work/root.socket" -device vhost-user-fs-pci,chardev=root,tag=host-root \
    -chardev socket,id=out,path="$work/out.socket" -device vhost-user-fs-pci,chardev=out,tag=host-out \
    -chardev file,id=stdout,path="$work/stdout" -display none -no-reboot \
    -serial stdio -serial chardev:stdout </dev/null >&2 || say "QEMU ended with $?"
: <>"$work/stdout" # so that cat ends even if QEMU did not start
wait "$passing" || true
say "$(<"$directory/package"), $((SECONDS - began)) s"

if [[ ! -s $out/.guest/status ]]; then
    say "the guest ended before the command did (a panic, or more than $timeout_s s)"
    exit "$exit_no_end"
fi
exit "$(<"$out/.guest/status")"
