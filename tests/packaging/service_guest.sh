#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# service_guest.sh PACKAGE: what service.sh runs in its virtual machine; never to be run elsewhere, it installs the package.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
grep -q '^host-out /run/out virtiofs ' /proc/mounts || skip "this is not the virtual machine of tests/vm"
readonly patience_s=90 # emulated, all is some twenty times slower
readonly pins=/sys/fs/bpf/jsguard

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
wait_for() { # FUNCTION ARGUMENTS...
    local end=$((SECONDS + patience_s))
    while ! "$@"; do
        if ((SECONDS > end)); then return 1; fi
        sleep 0.5
    done
}
shown() { systemctl show -P "$1" jsguard; }
is_shown() { [[ $(shown "$1") == "$2" ]]; }
journal_has() { journalctl -q -b "$@" >/tmp/journal 2>&1 && [[ -s /tmp/journal ]]; }
logged() { journalctl -q -b -u jsguard -g "$1" >/dev/null; }
status_line() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(shown MainPID)/status"; }
settings() { # FILE LINE...: a drop-in
    mkdir -p /etc/systemd/system/jsguard.service.d
    printf '%s\n' "${@:2}" >"/etc/systemd/system/jsguard.service.d/$1"
    systemctl daemon-reload
}

show_journal() {
    local status=$?
    ((status == 0)) || journalctl -q -b -u jsguard --no-pager | tail -n 40
    exit "$status"
}
trap show_journal EXIT

say "install: the package starts its service, which is active only once it is attached"
chmod 700 /sys/fs/bpf # as systemd mounts it
rm -f /usr/sbin/policy-rc.d /var/lib/man-db/auto-update
DEBIAN_FRONTEND=noninteractive dpkg -i "$1" >/tmp/dpkg.log 2>&1 || fail "dpkg -i: $(<"/tmp/dpkg.log")"
systemctl is-active -q jsguard || {
    fail "after the installation it is $(shown ActiveState)"
    finish
}
[[ -e $pins/windows ]] || fail "it is active without a detector"
[[ $(shown StatusText) == monitoring* ]] || fail "its status is \"$(shown StatusText)\""
journalctl --sync
journal_has JSGUARD_EVENT=start || fail "the journal has no start of it"
[[ $(systemctl is-enabled jsguard) == enabled ]] || fail "it is not enabled"

say "what it is left with"
for set in CapInh CapPrm CapEff CapAmb; do
    [[ $(status_line $set) == 0000000000000000 ]] || fail "$set is $(status_line $set)"
done
# What the unit allows at most; without CAP_SETPCAP no process can narrow that, and with NoNewPrivs it gives nothing.
[[ $(status_line CapBnd) == 000000c000200000 ]] || fail "CapBnd is $(status_line CapBnd)"
[[ $(status_line NoNewPrivs) == 1 ]] || fail "it can gain privileges"
[[ $(status_line Seccomp) == 2 ]] || fail "no filter of system calls"
[[ $(stat -c '%a %U' /var/lib/jsguard) == "700 root" ]] || fail "/var/lib/jsguard: $(stat -c '%a %U' /var/lib/jsguard)"
[[ $(stat -c '%a %U' $pins) == "700 root" ]] || fail "$pins: $(stat -c '%a %U' $pins)"

say "reload: it relearns, and goes on"
pid=$(shown MainPID)
asked() { bpftool -j map dump pinned $pins/control | jq '.[0].formatted.value.relearn'; }
before=$(asked)
asked_anew() { (($(asked) != before)); }
systemctl reload jsguard || fail "systemctl reload: exit code $?"
wait_for asked_anew || fail "a reload does not ask the services to relearn"
[[ $(shown MainPID) == "$pid" ]] || fail "a reload is another process"

say "watchdog: a loader that is stopped is killed, and started again"
settings watchdog.conf '[Service]' 'WatchdogSec=10s'
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
systemctl restart jsguard || fail "systemctl restart: exit code $?"
[[ $(shown StatusText) == *18099* ]] || fail "/etc/default/jsguard is not taken: $(shown StatusText)"
pid=$(shown MainPID)
# That it is killed for silence alone: while it beats, it stays for longer than the watchdog waits.
sleep 12
[[ $(shown MainPID) == "$pid" && $(shown NRestarts) == 0 ]] || fail "the watchdog ends a loader that is well"
kill -STOP "$pid"
wait_for is_shown NRestarts 1 || fail "a stopped loader is not started again"
wait_for is_shown ActiveState active || fail "after the watchdog it is $(shown ActiveState)"
[[ $(shown MainPID) != "$pid" && -e $pins/windows ]] || fail "after the watchdog there is no new detector"
logged 'Watchdog timeout' || fail "the journal does not tell of the watchdog"

say "wrong options: not started again and again"
echo 'JSGUARD_OPTIONS="--localport none"' >/etc/default/jsguard
systemctl restart jsguard 2>/dev/null && fail "it starts with wrong options"
is_shown ActiveState failed || fail "with wrong options it is $(shown ActiveState)"
logged 'localport' || fail "the journal does not have the message about the wrong option"
systemctl reset-failed jsguard

say "the drop-ins of docs/operations.md: a group that may read, and sockets in other network namespaces"
unshare --net sleep 600 &
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
settings none.conf
systemctl start jsguard || fail "systemctl start: exit code $?"
left_out() { journalctl -q -b _PID="$(shown MainPID)" -g 'could not be entered' >/dev/null; }
journalctl --sync
left_out || fail "without the drop-in every network namespace is entered"
settings namespaces.conf '[Service]' 'CapabilityBoundingSet=CAP_SYS_PTRACE' 'RestrictNamespaces=net'
settings group.conf '[Service]' 'SupplementaryGroups=adm' 'SystemCallFilter=@chown'
echo 'z /sys/fs/bpf 0711 root root -' >/etc/tmpfiles.d/jsguard.conf
systemd-tmpfiles --create /etc/tmpfiles.d/jsguard.conf
echo 'JSGUARD_OPTIONS="--localport 18099 --pin-group adm"' >/etc/default/jsguard
systemctl restart jsguard || fail "with the drop-ins it does not start"
journalctl --sync
! left_out || fail "with its drop-in a network namespace is not entered"
[[ $(stat -c '%a %U:%G' $pins $pins/windows | tr '\n' ' ') == "710 root:adm 640 root:adm " ]] ||
    fail "--pin-group: $(stat -c '%a %U:%G' $pins $pins/windows | tr '\n' ' ')"
as_member() { setpriv --reuid 65534 --regid "$1" --clear-groups test -r $pins/windows; }
as_member adm || fail "a member of the group does not reach the pins"
! as_member nogroup || fail "who is not in the group reaches the pins"
systemctl stop jsguard
rm /etc/systemd/system/jsguard.service.d/{namespaces,group}.conf
systemctl daemon-reload

say "stop: nothing is left in the kernel; with --persist the detector stays, and the removal takes it out"
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
systemctl start jsguard
systemctl stop jsguard
is_shown Result success || fail "stopped: $(shown Result), exit code $(shown ExecMainStatus)"
[[ ! -e $pins ]] || fail "stopped: pins are still there"
journalctl --sync
journal_has JSGUARD_EVENT=end || fail "the journal has no end of it"
echo 'JSGUARD_OPTIONS="--localport 18099 --persist"' >/etc/default/jsguard
systemctl start jsguard
systemctl stop jsguard
[[ -e $pins/windows ]] || fail "with --persist: no detector stays"
dpkg -P jsguard >/tmp/dpkg.log 2>&1 || fail "dpkg -P: $(<"/tmp/dpkg.log")"
[[ ! -e $pins ]] || fail "purged: pins are still there"
[[ $(systemctl is-active jsguard) == inactive ]] || fail "purged: it is $(systemctl is-active jsguard)"

say "done"
finish
