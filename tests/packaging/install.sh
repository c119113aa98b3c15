#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# install.sh FOLDER: the package in the directory is installed, upgraded, removed and purged, in a root of its own: an
# overlay over this machine's, of which nothing stays.

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

# In our own mount namespace, so it goes with us; never below $work, which is removed with all that is in it.
readonly layer=/mnt root=/mnt/root
mount -t tmpfs tmpfs $layer
mkdir $layer/upper $layer/work $root
mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" overlay $root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t bpf bpf "$root/sys/fs/bpf" # of its own: not what this machine has pinned
mount -t tmpfs tmpfs "$root/run"    # no systemd runs here
mount -t tmpfs tmpfs "$root/tmp"
rm -f "$root/var/lib/man-db/auto-update"   # all man pages of this machine are not the matter
rm -rf "$root/var/lib/dpkg/info/jsguard."* # should this machine have it

inside() { chroot "$root" "$@"; }
dpkg_does() {
    cp "$package" "$work/older.deb" "$root/run/"
    DEBIAN_FRONTEND=noninteractive inside dpkg "$@" >>"$work/dpkg.err" 2>&1 || fail "dpkg $*: exit code $?"
}
status_is() {
    local status
    # shellcheck disable=SC2016 # dpkg-query's own
    status=$(inside dpkg-query -W -f '${db:Status-Status} ${Version}' jsguard 2>/dev/null) || status=none
    [[ $status == "$1" ]] || fail "$2: dpkg says \"$status\", not \"$1\""
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

# The package under another version: what dpkg and its scripts do depends on that alone.
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
# shellcheck disable=SC2016 # of that shell
inside bash -ic 'complete -p jsguard-load || { . /usr/share/bash-completion/completions/jsguard-load && complete -p jsguard-load; }' \
    2>/dev/null | grep -q jsguard-load || fail "bash does not take the completion"

say "upgraded: options, what was learned, and a detector that stays in the kernel are kept"
echo "JSGUARD_OPTIONS=\"--persist --localport $first_port\"" >>"$root$options_file"
inside mkdir -p -m 700 /var/lib/jsguard
echo '{}' >"$root$kept"
inside jsguard-load --persist --localport "$first_port" -d 1 >"$work/persist.out" 2>"$work/persist.err" ||
    fail "jsguard-load --persist: exit code $?"
[[ -e $root$pins/windows ]] || fail "no detector stays in the kernel"
dpkg_does -i "/run/$(basename "$package")"
status_is "installed $version" "upgraded"
unit_is enabled "upgraded"
grep -q -- "--persist --localport $first_port" "$root$options_file" || fail "the upgrade lost the options"
[[ -e $root$kept ]] || fail "the upgrade lost what was learned"
[[ -e $root$pins/windows ]] || fail "the upgrade took the detector out of the kernel"

say "what the user disables stays so"
inside systemctl disable jsguard >/dev/null 2>&1
dpkg_does -i "/run/$(basename "$package")"
unit_is disabled "installed again"

say "removed: the detector goes from the kernel, options and what was learned stay"
links=()
for name in link destroy_link; do
    links+=("$(bpftool -j link show pinned "$root$pins/persist/$name" | jq .id)")
    [[ ${links[-1]} ]] || fail "the detector's $name is not found"
done
dpkg_does -r jsguard
status_is "config-files $version" "removed"
[[ ! -e $root$pins ]] || fail "after the removal a detector is still pinned"
grep -q "took out the detector" "$work/dpkg.err" || fail "the removal does not say that it took out the detector"
for link in "${links[@]}"; do
    ! bpftool link show id "$link" >/dev/null 2>&1 || fail "after the removal a link of it is still in the kernel"
done
[[ ! -e $root/usr/sbin/jsguard-load && ! -e $root/lib/systemd/system/jsguard.service ]] || fail "the removal left files"
[[ -e $root$options_file && -e $root$kept ]] || fail "the removal took options or what was learned"

say "purged: nothing of it is left"
dpkg_does -P jsguard
status_is none "purged"
# What is gone from the machine's own files is a device there.
left=$(find $layer/upper -name '*jsguard*' ! -type c -print)
[[ -z $left ]] || fail "after the purge there is still: $left"

finish
