# SPDX-License-Identifier: BSD-2-Clause
# Shared by the tests with unusual surroundings: fewer privileges, other mounts, and a check for objects left in the kernel.
# shellcheck shell=bash disable=SC2016,SC2034,SC2054

# Options of setpriv.
readonly other_user=(--reuid 65534 --regid 65534 --clear-groups)
readonly two_capabilities=(--inh-caps=-all,+bpf,+perfmon --bounding-set=-all,+bpf,+perfmon)
# A user who is not root keeps capabilities only as ambient ones.
readonly two_capabilities_kept=("${two_capabilities[@]}" --ambient-caps=-all,+bpf,+perfmon)

# inside COMMANDS: sets $as to a command that runs a program in its own mount namespace, after these commands.
inside() { as=(unshare --mount bash -ec "$1; exec \"\$@\"" bash); }
readonly unmount='while mountpoint -q /sys/fs/bpf; do umount -l /sys/fs/bpf; done'

# newest TYPE: the highest ID of all BPF objects of the type (prog or map).
newest() { bpftool -j "$1" show | jq 'map(.id) | max // 0'; }
ids_in_descriptors() { { grep -hs "^$1_id:" /proc/[0-9]*/fdinfo/* || true; } | awk '{ print $2 }' | jq -s .; }
# left_behind PROGRAM-ID MAP-ID: programs and maps of a detector with higher IDs that no descriptor, pin or program uses.
# Detectors of other tests run at the same time, so objects that are in use do not count. The program jsg_start is not
# checked, because the timer of a persisted detector holds it.
left_behind() {
    bpftool -f -j prog show | jq -c --argjson before "$1" --argjson held "$(ids_in_descriptors prog)" '.[] |
        select(.id > $before and (.name // "" | IN("jsg_transition", "jsg_preempted", "jsg_destroy", "jsg_existing")))
        | select((.id | IN($held[]) | not) and ((.pinned // []) == []))'
    bpftool -f -j map show | jq -c --argjson before "$2" --argjson held "$(ids_in_descriptors map)" \
        --argjson used "$(bpftool -j prog show | jq 'map(.map_ids[]?)')" '.[] |
        select(.id > $before and (.name // "" | IN("windows", "alerts", "last_samples", "jsguard_.bss")))
        | select((.id | IN($held[], $used[]) | not) and ((.pinned // []) == []))'
}
nothing_left_behind() { [[ -z $(left_behind "$@") ]]; }
