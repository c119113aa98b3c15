#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# service.sh DIRECTORY: installs the package in the directory on a virtual machine with the kernel of Debian 12 and a real
# systemd.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
package=$(echo "$1"/jsguard_*.deb)
[[ -s $package ]] || {
    fail "no package in $1"
    finish
}
exec "$source_dir/tests/vm/boot.sh" --systemd --timeout 500 --append no_timer_check 6.1 "$source_dir/tests/packaging/service_guest.sh" "$package"
