// SPDX-License-Identifier: BSD-2-Clause
// The BPF object inside this program: opens it, sizes its maps, and names the pins of its maps.
#include "load/bpf_object.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>

#include "load/libbpf_log.hpp"
#include "load/request.hpp"
#include "load/skeleton.hpp"

namespace jsguard {
namespace {

// Sizes of struct bucket and struct htab_elem in kernel/bpf/hashtab.c. The second has 8 bytes for
// the node of its allocator.
constexpr std::size_t hash_bucket_bytes = 16;
constexpr std::size_t hash_element_bytes = 48 + 8;

}  // namespace

void SkeletonDeleter::operator()(jsguard_bpf* skeleton) const { jsguard_bpf__destroy(skeleton); }

Skeleton open_object(const jsg_config& config) {
    Skeleton skeleton(jsguard_bpf__open());
    if (!skeleton) throw libbpf_error(errno, "cannot open the BPF object");
    skeleton->rodata->jsg_config = config;
    bpf_map__set_max_entries(skeleton->maps.readings,
                             JSG_SERVICE_ENTRIES * config.readings_per_service);
    return skeleton;
}

std::uint64_t program_hash() {
    std::size_t size = 0;
    const void* object = jsguard_bpf__elf_bytes(&size);
    return hash_of({static_cast<const char*>(object), size});
}

std::vector<bpf_map*> maps_of(const jsguard_bpf& skeleton) {
    std::vector<bpf_map*> maps;
    bpf_map* map;
    bpf_object__for_each_map(map, skeleton.obj) maps.push_back(map);
    return maps;
}

// libbpf names internal maps ".bss" or "object.bss".
std::string pin_name(const bpf_map* map) {
    std::string name = bpf_map__name(map);
    name.erase(0, name.find('.') + 1);
    std::replace(name.begin(), name.end(), '.', '_');
    return name;
}

void write_map(const bpf_map* map, std::uint32_t key, const void* value) {
    if (bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY) != 0)
        throw libbpf_error(errno, fmt::format("cannot write the map {}", bpf_map__name(map)));
}

std::size_t fixed_map_bytes(const jsguard_bpf& skeleton) {
    std::size_t bytes = 0;
    for (const bpf_map* map : maps_of(skeleton)) {
        const std::size_t entries = bpf_map__max_entries(map);
        switch (bpf_map__type(map)) {
            case BPF_MAP_TYPE_RINGBUF:
                bytes += entries;
                break;
            case BPF_MAP_TYPE_HASH:
                bytes += entries * hash_bucket_bytes;
                break;
            case BPF_MAP_TYPE_PERCPU_ARRAY:
                bytes += entries * bpf_map__value_size(map) *
                         static_cast<std::size_t>(libbpf_num_possible_cpus());
                break;
            default:
                bytes += entries * bpf_map__value_size(map);
        }
    }
    return bytes;
}

std::size_t growing_map_bytes(const jsguard_bpf& skeleton) {
    const bpf_map* windows = skeleton.maps.windows;
    return std::size_t{bpf_map__max_entries(windows)} *
           (hash_element_bytes + bpf_map__key_size(windows) + bpf_map__value_size(windows));
}

}  // namespace jsguard
