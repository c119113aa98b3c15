#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# The first process of the guest. It mounts the host's root under a temporary overlay, and then starts the script that
# boot.sh put into the shared directory.
# shellcheck shell=sh
b=/bin/busybox new=/new

die() {
    echo "vm: $*" >/dev/console
    $b poweroff -f
}

$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
    [ -e "$module" ] || continue # no files: all modules are built in
    $b insmod "$module" || die "insmod $module failed"
done
$b mount -t virtiofs -o ro host-root /ro || die "the host's root cannot be mounted"
$b mount -t tmpfs tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay $new || die "no overlay"
for directory in proc sys dev; do $b mount --move /$directory $new/$directory; done
$b mkdir -p $new/dev/shm $new/dev/pts
$b mount -t tmpfs tmpfs $new/run
$b mount -t tmpfs tmpfs $new/dev/shm
$b mount -t devpts devpts $new/dev/pts
$b mount -t bpf bpf $new/sys/fs/bpf
$b mount -t tracefs tracefs $new/sys/kernel/tracing
$b mount -t cgroup2 cgroup2 $new/sys/fs/cgroup
$b mkdir -p $new/run/out $new/run/lock
$b mount -t virtiofs host-out $new/run/out || die "the shared directory cannot be mounted"
$b ip link set lo up
$b hostname guest
exec $b switch_root $new /bin/bash /run/out/.guest/start
