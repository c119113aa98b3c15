#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# install.sh DIRECTORY: installs, upgrades, removes and purges the package in the directory. The test has its own root
# file system, an overlay over the root of this machine. Nothing of it remains afterwards.

if [[ ! ${JSGUARD_OWN_MOUNTS:-} ]] && ((EUID == 0)); then
    JSGUARD_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

need_root_and_bpf
need dpkg-deb dpkg man man-db bpftool bpftool systemctl systemd
system_begin
take_ports
package=$(echo "$1"/jsguard_*.deb)
[[ -s $package ]] || die "no package in $1"
readonly package
version=$(dpkg-deb -f "$package" Version)
readonly version

# --- the root ---------------------------------------------------------------------------------

# The mounts are in the mount namespace of this test, so they end with it. They must not be below $work, because $work is
# removed with everything in it.
readonly layer=/mnt root=/mnt/root
mount -t tmpfs tmpfs $layer
mkdir $layer/upper $layer/work $root
mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" overlay $root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t bpf bpf "$root/sys/fs/bpf" # a separate one, without the pins of this machine
mount -t tmpfs tmpfs "$root/run"    # no systemd runs here
mount -t tmpfs tmpfs "$root/tmp"
rm -f "$root/var/lib/man-db/auto-update"   # dpkg must not index all man pages of this machine
rm -rf "$root/var/lib/dpkg/info/jsguard."* # if jsguard is installed on this machine

inside() { chroot "$root" "$@"; }
dpkg_does() {
    cp "$package" "$work/older.deb" "$root/run/"
    DEBIAN_FRONTEND=noninteractive inside dpkg "$@" >>"$work/dpkg.err" 2>&1 || fail "dpkg $*: exit code $?"
}
status_is() {
    local status
    # shellcheck disable=SC2016 # dpkg-query expands ${...}
    status=$(inside dpkg-query -W -f '${db:Status-Status} ${Version}' jsguard 2>/dev/null) || status=none
    [[ $status == "$1" ]] || fail "$2: dpkg reports \"$status\", not \"$1\""
}
unit_is() {
    local state
    state=$(inside systemctl is-enabled jsguard 2>/dev/null) || true
    [[ $state == "$1" ]] || fail "$2: the unit is \"$state\", not \"$1\""
}
has() { # MODE PATH
    local got
    got=$(stat -c '%a %U:%G' "$root$2" 2>/dev/null) || got="not there"
    [[ $got == "$1 root:root" ]] || fail "$2 is $got, not $1 root:root"
}
readonly options_file=/etc/default/jsguard kept=/var/lib/jsguard/baselines.json pins=/sys/fs/bpf/jsguard

# The same package with an older version. dpkg and its scripts depend only on the version.
dpkg-deb -R "$package" "$work/older"
sed -i "s/^Version: .*/Version: $version~older/" "$work/older/DEBIAN/control"
dpkg-deb -b "$work/older" "$work/older.deb" >/dev/null
dpkg --compare-versions "$version~older" lt "$version" || die "$version~older is not older"

say "installed: files and modes, enabled, and both programs run"
dpkg_does -i /run/older.deb
status_is "installed $version~older" "installed"
unit_is enabled "installed"
for program in jsguard-load jsguard; do
    has 755 "/usr/sbin/$program"
    has 644 "/usr/share/man/man8/$program.8.gz"
    has 644 "/usr/share/bash-completion/completions/$program"
    inside man -w "$program" >/dev/null || fail "man does not find $program"
    inside "$program" --version | grep -q "^$program [0-9]" || fail "$program --version"
done
has 644 /lib/systemd/system/jsguard.service
has 644 "$options_file"
for page in README.md docs/operations.md docs/SECURITY.md docs/examples/on_alert.sh copyright changelog.gz; do
    [[ -e $root/usr/share/doc/jsguard/$page ]] || fail "$page is not in the package's documents"
done
inside dpkg --verify jsguard >"$work/verify"
[[ ! -s $work/verify ]] || fail "dpkg --verify: $(<"$work/verify")"
# shellcheck disable=SC2016 # the inner shell expands these
inside bash -ic 'complete -p jsguard-load || { . /usr/share/bash-completion/completions/jsguard-load && complete -p jsguard-load; }' \
    2>/dev/null | grep -q jsguard-load || fail "bash does not load the completion"

say "upgraded: options, learned baselines and a persisted detector are kept"
echo "JSGUARD_OPTIONS=\"--persist --localport $first_port\"" >>"$root$options_file"
inside mkdir -p -m 700 /var/lib/jsguard
echo '{}' >"$root$kept"
inside jsguard-load --persist --localport "$first_port" -d 1 >"$work/persist.out" 2>"$work/persist.err" ||
    fail "jsguard-load --persist: exit code $?"
[[ -e $root$pins/windows ]] || fail "jsguard-load --persist leaves no detector in the kernel"
dpkg_does -i "/run/$(basename "$package")"
status_is "installed $version" "upgraded"
unit_is enabled "upgraded"
grep -q -- "--persist --localport $first_port" "$root$options_file" || fail "the upgrade lost the options"
[[ -e $root$kept ]] || fail "the upgrade lost the learned baselines"
[[ -e $root$pins/windows ]] || fail "the upgrade took the detector out of the kernel"

say "a unit that the user disabled remains disabled"
inside systemctl disable jsguard >/dev/null 2>&1
dpkg_does -i "/run/$(basename "$package")"
unit_is disabled "installed again"

say "removed: the detector leaves the kernel, options and learned baselines remain"
links=()
for name in link destroy_link; do
    links+=("$(bpftool -j link show pinned "$root$pins/persist/$name" | jq .id)")
    [[ ${links[-1]} ]] || fail "the detector's $name is not found"
done
dpkg_does -r jsguard
status_is "config-files $version" "removed"
[[ ! -e $root$pins ]] || fail "after the removal a detector is still pinned"
grep -q "took out the detector" "$work/dpkg.err" || fail "the removal does not print that it took out the detector"
for link in "${links[@]}"; do
    ! bpftool link show id "$link" >/dev/null 2>&1 || fail "after the removal a link of the detector is still in the kernel"
done
[[ ! -e $root/usr/sbin/jsguard-load && ! -e $root/lib/systemd/system/jsguard.service ]] || fail "the removal left files"
[[ -e $root$options_file && -e $root$kept ]] || fail "the removal deleted options or learned baselines"

say "purged: no file of the package is left"
dpkg_does -P jsguard
status_is none "purged"
# In the upper layer a character device stands for a file of the machine that was removed.
left=$(find $layer/upper -name '*jsguard*' ! -type c -print)
[[ -z $left ]] || fail "after the purge these files are left: $left"

finish
