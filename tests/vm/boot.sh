#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# boot.sh KERNEL COMMAND...: runs a command as root on another kernel, in QEMU, with this machine's root as its own.
set -euo pipefail
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly vm
# shellcheck source=kernel_package.sh
source "$vm/kernel_package.sh"

usage() {
    cat <<END
usage: boot.sh [--systemd] [--out FOLDER] [--timeout SECONDS] [--append WORDS] KERNEL COMMAND [ARGUMENT...]
  KERNEL             a version (5.10, 6.1, 6.12, 6.18), whose last release is fetched by apt; or "newest"
  --systemd          systemd is the guest's first process, and the command one of its units
  --out FOLDER       what the guest writes to /run/out is there
  --timeout SECONDS  for all of it (300)
  --append WORDS     more for the kernel's command line
The guest finds this machine's files at their places and may write all of them, but none is written: what it writes
goes with it. Needs root. Exit codes: the command's; 125 if the guest did not come to its end; 77 if there is no QEMU
or no such kernel to be had (1 with JSGUARD_REQUIRE_BPF=1). Kernels are kept in \$JSGUARD_VM_CACHE
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

# need PROGRAM PACKAGE...
need() {
    while (($# > 0)); do
        command -v "$1" >/dev/null || skip "no $1: apt-get install $2"
        shift 2
    done
}
PATH=$PATH:/usr/lib/qemu:/usr/libexec # for virtiofsd
((EUID == 0)) || skip "needs root, for the guest's root is this machine's"
need qemu-system-x86_64 qemu-system-x86 virtiofsd qemu-system-common busybox busybox-static lz4 lz4 zstd zstd xz xz-utils
busybox=$(command -v busybox)
readonly busybox
if ldd "$busybox" >/dev/null 2>&1; then skip "$busybox is linked dynamically: apt-get install busybox-static"; fi

directory=$(kernel_directory "$kernel") || skip "no kernel $kernel to be had by apt"
readonly directory

# --- what the guest runs -----------------------------------------------------------------------

work=$(mktemp -d --tmpdir jsguard-vm.XXXXXX)
[[ -n $out ]] || out=$work/out
mkdir -p "$out/.guest" "$work/root"
out=$(cd "$out" && pwd)
rm -f "$out/.guest/status"

# The console has what goes to standard error, the second serial port the output; raw, so that it is passed as it is.
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
rm -f /.dockerenv # this is a machine of its own
units=/run/systemd/system
mkdir -p $units/systemd-tmpfiles-setup.service.d
# Devices are there, and what is due on this machine is not due in the guest.
for unit in systemd-udevd.service systemd-udev-trigger.service timers.target apparmor.service \
    systemd-firstboot.service proc-sys-fs-binfmt_misc.automount modprobe@.service; do
    ln -s /dev/null $units/$unit
done
# As usual, but that nothing is removed: this machine's /tmp may hold what is to be run.
cat >$units/systemd-tmpfiles-setup.service.d/keep.conf <<UNITS
[Service]
ExecStart=
ExecStart=systemd-tmpfiles --create --boot --exclude-prefix=/dev
UNITS
cat >$units/jsguard-vm.target <<UNITS
[Unit]
Description=What boot.sh was told to run
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
    # Nothing that this machine mounts besides its root is the guest's.
    append+=" fstab=no systemd.show_status=no"
else
    echo 'exec /bin/bash /run/out/.guest/run' >"$out/.guest/start"
fi

# --- the guest ---------------------------------------------------------------------------------

daemons=()
# shellcheck disable=SC2317 # the trap's
clean_up() {
    kill "${daemons[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The root in a mount namespace of its own, where it can only be read: not even the server of the share may write it.
# shellcheck disable=SC2016 # they are that shell's
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

# Emulation alone, so that it is the same wherever it runs. After CMPXCHG16B the flags are random in QEMU 7.2, which ends in
# a double fault: without it, and with the slab allocator's checks, kernels do not use it, and 7.x can still make timers. No
# check of the machine's timer, which fails where the host is busy.
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
: <>"$work/stdout" # so that cat ends even where QEMU did not begin
wait "$passing" || true
say "$(<"$directory/package"), $((SECONDS - began)) s"

if [[ ! -s $out/.guest/status ]]; then
    say "the guest did not come to the command's end (a panic, or over $timeout_s s)"
    exit "$exit_no_end"
fi
exit "$(<"$out/.guest/status")"
