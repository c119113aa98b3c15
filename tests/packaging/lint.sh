#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# lint.sh BUILD: the checks of the package that need no package build: the files that BUILD installs, the unit, and lintian
# on the source package.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
readonly build=$1

for program in dpkg-buildpackage lintian systemd-analyze dh git cmake; do
    command -v "$program" >/dev/null || skip "no $program: apt-get install debhelper dpkg-dev lintian systemd git cmake"
done
work=$(mktemp -d --tmpdir jsguard-lint.XXXXXX)
trap 'rm -rf "$work"' EXIT

# With their debug information the programs are 60 MB, so they are stripped.
prefix=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
DESTDIR=$work/root cmake --install "$build" --strip >"$work/install.txt" || fail "cmake --install: exit code $?"
has() { # MODE PATH
    local got
    got=$(stat -c %a "$work/root$prefix/$2" 2>/dev/null) || got="not there"
    [[ $got == "$1" ]] || fail "$prefix/$2 is $got, not $1"
}
for program in jsguard-load jsguard; do
    has 755 "sbin/$program"
    has 644 "share/man/man8/$program.8"
    has 644 "share/bash-completion/completions/$program"
done
has 644 lib/systemd/system/jsguard.service
has 644 share/doc/jsguard/README.md
has 644 share/doc/jsguard/docs/operations.md
has 755 share/doc/jsguard/docs/examples/on_alert.sh
check_unit "$work/root" "$prefix/lib/systemd/system/jsguard.service" "$work"

"$source_dir/cmake/packaging/build-deb.sh" --source "$work/source"
check_lintian "$work"/source/jsguard_*_source.changes "$work"
# The package needs these files under these names. dpkg-buildpackage finds a missing one only at its end.
for file in control changelog copyright rules jsguard.default jsguard.prerm jsguard.postrm; do
    [[ -s $source_dir/cmake/packaging/debian/$file ]] || fail "there is no debian/$file"
done
for script in prerm postrm; do
    sh -n "$source_dir/cmake/packaging/debian/jsguard.$script" || fail "jsguard.$script is no shell script"
done

finish
