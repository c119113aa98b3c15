#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What --probe reports about this machine: as root, with fewer privileges, without BTF, and with no BPF file system or an
# unusual one.

# shellcheck disable=SC2016,SC2119 # quoted variables are for jq or another shell
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=surroundings.sh
source "$here/surroundings.sh"

need_root_and_bpf
need setpriv util-linux unshare util-linux
system_begin

readonly loader=$work/jsguard-load # in a directory that users without privilege can read
cp "$JSGUARD_LOAD" "$loader"

# probes STATUS COMMAND...: runs the loader with --probe. COMMAND ends with its path. The text goes to probe.out, the JSON
# to probe--json.out. Both must agree, and nothing may be left behind.
probes() {
    local expected=$1 status form before
    shift
    before=("$(newest prog)" "$(newest map)")
    for form in "" --json; do
        spawn "probe$form" "$@" --probe --pin-dir "$pin_dir" ${form:+"$form"}
        status=0
        wait "$spawned" || status=$?
        ((status == expected)) || fail "$* $form: exit code $status, not $expected"
        [[ ! -s $work/probe$form.err ]] || fail "$* $form: something on stderr"
        wait_for "$patience_s" nothing_left_behind "${before[@]}" ||
            fail "$* $form: left in the kernel: $(left_behind "${before[@]}")"
        [[ ! -e $pin_dir ]] || fail "$* $form: something was pinned"
    done
    (($(wc -l <"$work/probe--json.out") == 1)) || fail "$*: not one line of JSON"
    facts --argjson code "$expected" '.exit_code == $code and .runs == ($code == 0) and .schema == 1' ||
        fail "$*: the JSON has another exit code"
    ends_with "$(jq -r 'if .runs then "jsguard runs here" else "jsguard cannot run here: \(.reason); \(.next_step)" end' \
        "$work/probe--json.out")"
}

# facts [OPTIONS...] FILTER: whether the jq filter is true of the JSON.
facts() { jq -e "$@" "$work/probe--json.out" >/dev/null; }
check_facts() { facts "${@:2}" || fail "$1: $(cat "$work/probe--json.out")"; }
ends_with() {
    [[ $(tail -n 1 "$work/probe.out") == "$1" ]] || fail "the last line is \"$(tail -n 1 "$work/probe.out")\", not \"$1\""
}

say "as root --probe reports everything, and jsguard runs"
probes 0 "$loader"
check_facts "root" '.kernel.btf and (.kernel.needs | length > 0 and all(.there)) and .process.may_load
    and all(.process.capabilities[]; .held) and .pin_dir.state == "ready" and .pin_dir.pinned == false'
check_facts "the programs" '.trial.loaded and (.trial.programs | map(.name) |
    index("jsg_transition") and index("jsg_preempted") and index("jsg_destroy") and index("jsg_existing") and index("jsg_start"))
    and all(.trial.programs[]; .verified_instructions > 0)'
# The kernel's own list of security modules. It may not be mounted yet.
modules=$(unshare --mount --propagation private sh -c \
    'mount -t securityfs none /sys/kernel/security 2>/dev/null; cat /sys/kernel/security/lsm 2>/dev/null || true')
if [[ ,$modules, == *,landlock,* ]]; then
    check_facts "Landlock" '.kernel.landlock_version > 0 and (.kernel.file_access | startswith("limited by Landlock, version "))'
else
    check_facts "no Landlock" '.kernel.landlock_version == null and (.kernel.file_access | startswith("not limited: "))'
fi
check_facts "the machine" --arg release "$(uname -r)" --argjson online "$(nproc --all)" \
    --argjson stats "$(sysctl -n kernel.bpf_stats_enabled)" \
    '.kernel.release == $release and .kernel.possible_cpus >= .kernel.online_cpus and .kernel.online_cpus <= $online
    and .kernel.settings["kernel.bpf_stats_enabled"] == $stats'

say "a running detector is reported, and not disturbed"
take_ports
start_detector --localport "$first_port" --learn 5
status=0
"$loader" --probe --json --pin-dir "$pin_dir" >"$work/probe--json.out" || status=$?
((status == 0)) || fail "beside a running detector: exit code $status"
check_facts "beside a running detector" '.pin_dir.pinned == true and .runs'
alive "$detector_pid" || fail "the running detector ended"
stop_detector
((detector_status == 0)) || fail "the running detector: exit code $detector_status"

say "without capabilities --probe reports what it can read"
for who in "" "${other_user[*]}"; do
    # shellcheck disable=SC2086 # each word is an option
    probes 4 setpriv $who --bounding-set=-all --inh-caps=-all "$loader"
    check_facts "no capabilities" '(.process.may_load | not) and .trial == null and all(.kernel.needs[]; .there)
        and .kernel.fixed_map_bytes > 0 and all(.process.capabilities[]; .held | not)'
done
grep -qF 'this process lacks CAP_BPF and CAP_PERFMON; run it as root' "$work/probe.out" || fail "the missing capabilities are not reported"

say "CAP_BPF and CAP_PERFMON are enough"
probes 0 setpriv "${two_capabilities[@]}" "$loader"
check_facts "two capabilities" '.trial.loaded and ([.process.capabilities[] | select(.held) | .name] == ["CAP_BPF", "CAP_PERFMON"])'
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o mode=1777"
probes 0 "${as[@]}" setpriv "${other_user[@]}" "${two_capabilities_kept[@]}" "$loader"
check_facts "two capabilities, another user" '.trial.loaded and .pin_dir.state == "ready"'
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o mode=0700"
probes 4 "${as[@]}" setpriv "${other_user[@]}" "${two_capabilities_kept[@]}" "$loader"
check_facts "a directory of root's" '.trial.loaded and .process.may_load and .pin_dir.state == "not writable"'

say "in a user namespace the kernel refuses, and its message is reported"
probes 4 unshare --user --map-root-user "$loader"
check_facts "a user namespace" '.process.in_user_namespace and .process.may_load and (.trial.loaded | not)
    and .trial.refusal == "Operation not permitted" and (.trial.libbpf_warnings | length > 0)'

say "missing BTF is reported"
inside 'for directory in /sys/kernel/btf /boot /lib/modules /usr/lib/debug; do
    if test -d $directory; then mount -t tmpfs none $directory; fi; done'
probes 3 "${as[@]}" "$loader"
check_facts "no BTF" '(.kernel.btf | not) and all(.kernel.needs[]; .there == null) and .kernel.socket_reader == null'
grep -qF CONFIG_DEBUG_INFO_BTF=y "$work/probe.out" || fail "no BTF: the next step is not reported"

say "the place for the pin directory is checked"
inside "$unmount"
probes 0 "${as[@]}" "$loader"
check_facts "no BPF file system" '.pin_dir.state == "to be mounted"'
probes 1 "${as[@]}" setpriv "${two_capabilities[@]}" "$loader"
check_facts "no BPF file system, and no right to mount" '.pin_dir.state == "not bpffs" and .trial.loaded'
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o ro"
probes 1 "${as[@]}" "$loader"
check_facts "a read-only BPF file system" '.pin_dir.state == "read-only"'
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o mode=0711; install -d -o 65534 $pin_dir"
probes 1 "${as[@]}" "$loader"
check_facts "another user's directory" '.pin_dir.state == "another user\u0027s" and .trial.loaded'
status=0
"${as[@]}" timeout "$patience_s" "$loader" --pin-dir "$pin_dir" -d 1 2>"$work/start.err" || status=$?
((status == 1)) || fail "in another user's directory the loader does not refuse: exit code $status"
for output in probe.out start.err; do
    grep -qF "belongs to another user, who could remove the pins" "$work/$output" || fail "$output does not report the other user"
done
inside "$unmount; mount -t bpf bpf /sys/fs/bpf -o mode=0711; mkdir -p $pin_dir/another"
probes 1 "${as[@]}" "$loader"
check_facts "a directory that is not jsguard's" '.pin_dir.state == "not jsguard\u0027s" and .trial.loaded'
inside "$unmount; mount -t tmpfs none /sys/fs/bpf"
probes 1 "${as[@]}" setpriv "${two_capabilities[@]}" "$loader"
check_facts "a plain directory" '.pin_dir.state == "not bpffs"'

finish
