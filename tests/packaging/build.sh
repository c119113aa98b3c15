#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# build.sh FOLDER: builds the Debian package into the folder; lintian has nothing to say of it, nor systemd of its unit.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
readonly out=$1

for program in dpkg-buildpackage lintian systemd-analyze dh; do
    command -v "$program" >/dev/null || skip "no $program: apt-get install debhelper dpkg-dev lintian systemd"
done

status=0
"$source_dir/cmake/packaging/build-deb.sh" "$out" "$out/other" 2>/dev/null || status=$?
((status == 2)) || fail "build-deb.sh with two folders: exit code $status"
mkdir -p "$out/work"
touch "$out/work/kept"
"$source_dir/cmake/packaging/build-deb.sh" "$out"
[[ -e $out/work/kept ]] || fail "build-deb.sh removed what was in the folder"

lintian --allow-root --display-info --fail-on none "$out"/jsguard_*.changes >"$out/lintian.txt"
[[ ! -s $out/lintian.txt ]] || fail "lintian: $(<"$out/lintian.txt")"

rm -rf "$out/root"
dpkg-deb -x "$out"/jsguard_*_*.deb "$out/root"
unit=$out/root/lib/systemd/system/jsguard.service
program=$(sed -nE 's/^ExecStart=([^ ]+).*/\1/p' "$unit")
[[ -x $out/root$program ]] || fail "the unit starts $program, which is not in the package"
# Here the program is not where the unit says.
sed "s,^ExecStart=[^ ]*,ExecStart=$out/root$program," "$unit" >"$out/jsguard.service"
systemd-analyze verify --man=no "$out/jsguard.service" >"$out/verify.txt" 2>&1 || fail "systemd-analyze verify fails"
[[ ! -s $out/verify.txt ]] || fail "systemd-analyze verify: $(<"$out/verify.txt")"
systemd-analyze security --offline=true --no-pager "$out/jsguard.service" >"$out/security.txt"
exposure() { sed -nE 's/.*Overall exposure level for jsguard.service: ([0-9.]+) .*/\1/p' "$1"; }
awk -v found="$(exposure "$out/security.txt")" -v told="$(exposure "$source_dir/docs/operations.md")" \
    'BEGIN { exit !(found != "" && told != "" && found + 0 <= told + 0) }' ||
    fail "systemd-analyze security: exposure $(exposure "$out/security.txt"), but docs/operations.md says $(exposure "$source_dir/docs/operations.md")"

finish
