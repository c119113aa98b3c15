#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# service_guest.sh PACKAGE: service.sh runs this script in its virtual machine. Do not run it elsewhere: it installs the
# package.

# shellcheck source=tests/packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
grep -q '^host-out /run/out virtiofs ' /proc/mounts || skip "this is not the virtual machine of tests/vm"
readonly patience_s=90 # an emulated machine is some twenty times slower
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
settings() { # FILE LINE...: writes a drop-in of the unit
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

say "install: the package starts its service, which is active only after the detector is attached"
chmod 700 /sys/fs/bpf # as systemd mounts it
rm -f /usr/sbin/policy-rc.d /var/lib/man-db/auto-update
DEBIAN_FRONTEND=noninteractive dpkg -i "$1" >/tmp/dpkg.log 2>&1 || fail "dpkg -i: $(<"/tmp/dpkg.log")"
systemctl is-active -q jsguard || {
    fail "after the installation the service is $(shown ActiveState)"
    finish
}
[[ -e $pins/windows ]] || fail "the service is active without a detector"
[[ $(shown StatusText) == monitoring* ]] || fail "the status of the service is \"$(shown StatusText)\""
journalctl --sync
journal_has JSGUARD_EVENT=start || fail "the journal has no entry of the start"
[[ $(systemctl is-enabled jsguard) == enabled ]] || fail "the service is not enabled"

say "privileges that the service keeps"
for set in CapInh CapPrm CapEff CapAmb; do
    [[ $(status_line $set) == 0000000000000000 ]] || fail "$set is $(status_line $set)"
done
# The bounding set is what the unit sets: without CAP_SETPCAP a process cannot reduce it. With NoNewPrivs it has no effect.
[[ $(status_line CapBnd) == 000000c000200000 ]] || fail "CapBnd is $(status_line CapBnd)"
[[ $(status_line NoNewPrivs) == 1 ]] || fail "the service can gain privileges"
[[ $(status_line Seccomp) == 2 ]] || fail "the service has no filter of system calls"
[[ $(stat -c '%a %U' /var/lib/jsguard) == "700 root" ]] || fail "/var/lib/jsguard: $(stat -c '%a %U' /var/lib/jsguard)"
[[ $(stat -c '%a %U' $pins) == "700 root" ]] || fail "$pins: $(stat -c '%a %U' $pins)"

say "Landlock limits the files of the service, and the journal says so; a filter that forbids Landlock is reported"
echo 'JSGUARD_OPTIONS="--localport 18099 --verbose"' >/etc/default/jsguard
systemctl restart jsguard || fail "systemctl restart: exit code $?"
journalctl --sync
logged 'file access is limited by Landlock, version [1-9]' || fail "the journal does not report Landlock"
settings landlock.conf '[Service]' 'SystemCallFilter=~landlock_create_ruleset'
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
systemctl restart jsguard || fail "without Landlock the service does not start: exit code $?"
journalctl --sync
logged 'file access is not limited: Landlock is refused: Operation not permitted' ||
    fail "the journal does not report that Landlock is forbidden"
rm /etc/systemd/system/jsguard.service.d/landlock.conf
systemctl daemon-reload
systemctl restart jsguard || fail "systemctl restart: exit code $?"

say "SIGHUP changes nothing, and SIGUSR2 makes the services relearn; the same process continues"
pid=$(shown MainPID)
relearn_requests() { bpftool -j map dump pinned $pins/control | jq '.[0].formatted.value.relearn'; }
before=$(relearn_requests)
asked_again() { (($(relearn_requests) != before)); }
systemctl kill -s HUP jsguard
sleep 2
asked_again && fail "SIGHUP asks the services to relearn"
systemctl kill -s USR2 jsguard
wait_for asked_again || fail "SIGUSR2 does not ask the services to relearn"
[[ $(shown MainPID) == "$pid" ]] || fail "after the signals the service is another process"

say "a wrong option: the service is down, and systemctl status says why"
echo 'JSGUARD_OPTIONS="--treshold 0.2"' >/etc/default/jsguard
systemctl restart jsguard && fail "the service starts with a wrong option"
# systemctl status exits with 3, because the service has failed.
status=$(systemctl status jsguard || true)
grep -q '^ *Status: .*did you mean --threshold?' <<<"$status" || fail "systemctl status does not say what is wrong: $status"

say "watchdog: systemd kills a stopped loader and starts it again"
settings watchdog.conf '[Service]' 'WatchdogSec=10s'
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
systemctl restart jsguard || fail "systemctl restart: exit code $?"
[[ $(shown StatusText) == *18099* ]] || fail "the service does not use /etc/default/jsguard: $(shown StatusText)"
pid=$(shown MainPID)
# A loader that notifies the watchdog must not be killed. So this waits longer than WatchdogSec.
sleep 12
[[ $(shown MainPID) == "$pid" && $(shown NRestarts) == 0 ]] || fail "the watchdog ends a loader that works"
kill -STOP "$pid"
wait_for is_shown NRestarts 1 || fail "systemd does not start a stopped loader again"
wait_for is_shown ActiveState active || fail "after the watchdog the service is $(shown ActiveState)"
[[ $(shown MainPID) != "$pid" && -e $pins/windows ]] || fail "after the watchdog there is no new detector"
logged 'Watchdog timeout' || fail "the journal does not report the watchdog"

say "wrong options: systemd does not restart the service"
echo 'JSGUARD_OPTIONS="--localport none"' >/etc/default/jsguard
systemctl restart jsguard 2>/dev/null && fail "the service starts with wrong options"
is_shown ActiveState failed || fail "with wrong options the service is $(shown ActiveState)"
logged 'localport' || fail "the journal does not have the message about the wrong option"
systemctl reset-failed jsguard

say "the drop-ins of docs/operations.md: a group that may read, and sockets in other network namespaces"
unshare --net sleep 600 &
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
settings none.conf
systemctl start jsguard || fail "systemctl start: exit code $?"
left_out() { journalctl -q -b _PID="$(shown MainPID)" -g 'could not be entered' >/dev/null; }
journalctl --sync
left_out || fail "without the drop-in the loader enters every network namespace"
settings namespaces.conf '[Service]' 'CapabilityBoundingSet=CAP_SYS_PTRACE' 'RestrictNamespaces=net'
settings group.conf '[Service]' 'SupplementaryGroups=adm' 'SystemCallFilter=@chown'
echo 'z /sys/fs/bpf 0711 root root -' >/etc/tmpfiles.d/jsguard.conf
systemd-tmpfiles --create /etc/tmpfiles.d/jsguard.conf
echo 'JSGUARD_OPTIONS="--localport 18099 --pin-group adm"' >/etc/default/jsguard
systemctl restart jsguard || fail "with the drop-ins the service does not start"
journalctl --sync
! left_out || fail "with the drop-in the loader does not enter every network namespace"
[[ $(stat -c '%a %U:%G' $pins $pins/windows | tr '\n' ' ') == "710 root:adm 640 root:adm " ]] ||
    fail "--pin-group: $(stat -c '%a %U:%G' $pins $pins/windows | tr '\n' ' ')"
as_member() { setpriv --reuid 65534 --regid "$1" --clear-groups test -r $pins/windows; }
as_member adm || fail "a member of the group cannot read the pins"
! as_member nogroup || fail "a user who is not in the group can read the pins"
systemctl stop jsguard
rm /etc/systemd/system/jsguard.service.d/{namespaces,group}.conf
systemctl daemon-reload

say "stop: nothing is left in the kernel; with --persist the detector remains, and the removal takes it out"
echo 'JSGUARD_OPTIONS="--localport 18099"' >/etc/default/jsguard
systemctl start jsguard
systemctl stop jsguard
is_shown Result success || fail "stopped: $(shown Result), exit code $(shown ExecMainStatus)"
[[ ! -e $pins ]] || fail "stopped: pins are still there"
journalctl --sync
journal_has JSGUARD_EVENT=end || fail "the journal has no entry of the end"
echo 'JSGUARD_OPTIONS="--localport 18099 --persist"' >/etc/default/jsguard
systemctl start jsguard
systemctl stop jsguard
[[ -e $pins/windows ]] || fail "with --persist: no detector remains"
dpkg -P jsguard >/tmp/dpkg.log 2>&1 || fail "dpkg -P: $(<"/tmp/dpkg.log")"
[[ ! -e $pins ]] || fail "purged: pins are still there"
[[ $(systemctl is-active jsguard) == inactive ]] || fail "purged: the service is $(systemctl is-active jsguard)"

say "done"
finish
