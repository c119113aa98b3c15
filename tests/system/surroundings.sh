# SPDX-License-Identifier: BSD-2-Clause
# What the tests of the program's surroundings share: fewer rights, other mounts, and whether anything is left behind.
# shellcheck shell=bash disable=SC2016,SC2034,SC2054

# Options of setpriv.
readonly other_user=(--reuid 65534 --regid 65534 --clear-groups)
readonly two_capabilities=(--inh-caps=-all,+bpf,+perfmon --bounding-set=-all,+bpf,+perfmon)
readonly two_capabilities_kept=("${two_capabilities[@]}" --ambient-caps=-all,+bpf,+perfmon) # by a user who is not root

# inside COMMANDS: the program in a mount namespace of its own, after these commands.
inside() { as=(unshare --mount bash -ec "$1; exec \"\$@\"" bash); }
readonly unmount='while mountpoint -q /sys/fs/bpf; do umount -l /sys/fs/bpf; done'

# Programs and maps of the detector that came after the first ones of these ids, and that no descriptor, pin or program
# holds: other tests have theirs at the same time. The program jsg_start is left out: a persisted detector's timer holds it.
newest() { bpftool -j "$1" show | jq 'map(.id) | max // 0'; }
ids_in_descriptors() { { grep -hs "^$1_id:" /proc/[0-9]*/fdinfo/* || true; } | awk '{ print $2 }' | jq -s .; }
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
