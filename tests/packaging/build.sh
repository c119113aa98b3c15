#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# build.sh DIRECTORY: builds the Debian package in the directory. lintian reports nothing about the package, and systemd
# reports nothing about its unit.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
readonly out=$1

for program in dpkg-buildpackage lintian systemd-analyze dh; do
    command -v "$program" >/dev/null || skip "no $program: apt-get install debhelper dpkg-dev lintian systemd"
done

status=0
"$source_dir/cmake/packaging/build-deb.sh" "$out" "$out/other" 2>/dev/null || status=$?
((status == 2)) || fail "build-deb.sh with two directories: exit code $status"
mkdir -p "$out/work"
touch "$out/work/kept"
"$source_dir/cmake/packaging/build-deb.sh" "$out"
[[ -e $out/work/kept ]] || fail "build-deb.sh removed a file that was in the directory before"

check_lintian "$out"/jsguard_*_*.changes "$out"

rm -rf "$out/root"
dpkg-deb -x "$out"/jsguard_*_*.deb "$out/root"
check_unit "$out/root" /lib/systemd/system/jsguard.service "$out"

finish
