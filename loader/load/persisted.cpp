// SPDX-License-Identifier: BSD-2-Clause
// The detector that an earlier jsguard-load left in the kernel, found by its pins.
#include "load/persisted.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "common/alert_text.hpp"
#include "common/bpf_file_system.hpp"
#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "load/type_layout.hpp"
#include "observe/learned.hpp"
#include "observe/observation.hpp"

namespace jsguard {
namespace {

FileDescriptor open_pin(const Pins& pins, const char* name) {
    FileDescriptor map(pins.open(name));
    if (map.get() < 0)
        throw errno_error(ExitCode::runtime, errno,
                          fmt::format("cannot open {}/{}", printable(pins.dir()), name),
                          "take that detector out with jsguard-load --unload");
    return map;
}

bpf_map_info info_of(const FileDescriptor& map) {
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0)
        throw errno_error(ExitCode::runtime, errno, "cannot look at a map");
    return info;
}

void read_value(const FileDescriptor& map, std::uint32_t key, void* value) {
    if (bpf_map_lookup_elem(map.get(), &key, value) != 0)
        throw errno_error(ExitCode::runtime, errno, "cannot read a map");
}

// Only root may read the types of others' maps; else the version's word counts.
bool has_our_layout(const FileDescriptor& map, const char* type, std::uint32_t size,
                    std::uint32_t schema, const btf* ours) {
    const bpf_map_info info = info_of(map);
    const std::unique_ptr<btf, decltype(&btf__free)> theirs(
        btf__load_from_kernel_by_id(info.btf_id), btf__free);
    if (!theirs) return schema == JSG_SCHEMA && info.value_size == size;
    const int our_type = btf__find_by_name_kind(ours, type, BTF_KIND_STRUCT);
    return our_type > 0 && same_layout(theirs.get(), info.btf_value_type_id, ours,
                                       static_cast<std::uint32_t>(our_type));
}

}  // namespace

std::optional<Persisted> Persisted::find(Pins& pins) {
    if (!has_persisted(pins.dir())) return {};
    std::uint32_t schema = 0;
    const FileDescriptor map(pins.open("config"));
    if (map.get() < 0) return Persisted(pins, schema);  // damaged: it can only be taken out
    std::vector<char> value(info_of(map).value_size);
    if (value.size() >= JSG_SCHEMA_OFFSET + sizeof(schema)) {
        read_value(map, 0, value.data());
        std::memcpy(&schema, value.data() + JSG_SCHEMA_OFFSET, sizeof(schema));
    }
    Persisted found(pins, schema);
    if (schema == JSG_SCHEMA && value.size() == sizeof(jsg_config))
        std::memcpy(&found.config_.emplace(), value.data(), sizeof(jsg_config));
    return found;
}

bool Persisted::ticks() const {
    jsg_ticks ticks{};
    read_value(open_pin(*pins_, "ticks"), 0, &ticks);
    return !is_silent(silence_ns(ticks.last_ns, clock_ns(CLOCK_MONOTONIC)), *config_);
}

std::string Persisted::obstacle(const jsg_config& wanted,
                                const std::vector<std::string>& pins) const {
    if (!config_ || config_->program_hash != wanted.program_hash)
        return "is of another version of jsguard";
    if (config_->request_hash != wanted.request_hash) return "was started with other options";
    for (const std::string& name : pins) {
        if (FileDescriptor(pins_->open(name)).get() < 0) return "lacks the pin " + name;
    }
    if (!ticks()) return "has stopped ticking";
    return {};
}

Baselines Persisted::baselines(const btf* ours) const {
    const FileDescriptor services(pins_->open("services"));
    const FileDescriptor baselines(pins_->open("baselines"));
    if (services.get() < 0 || baselines.get() < 0) return {};
    if (!has_our_layout(services, "jsg_service", sizeof(jsg_service), schema_, ours) ||
        !has_our_layout(baselines, "jsg_baseline", sizeof(jsg_baseline), schema_, ours))
        throw Error(ExitCode::runtime,
                    fmt::format("the detector in {} is of version {} and lays out what it has "
                                "learned in another way than version {}: it is left as it is; take "
                                "it out with jsguard-load --unload, and learn anew",
                                printable(pins_->dir()), schema_, JSG_SCHEMA));
    std::vector<jsg_service> all(JSG_SERVICES);
    for (std::uint32_t place = 1; place <= JSG_SERVICES; ++place)
        read_value(services, place, &all[place - 1]);
    return learned_baselines(all, [&](std::uint32_t place) {
        jsg_baseline baseline{};
        read_value(baselines, place, &baseline);
        return baseline;
    });
}

std::string Persisted::summary() const {
    const FileDescriptor map(pins_->open("stats"));
    if (!config_ || map.get() < 0) return {};
    jsg_stats stats{};
    read_value(map, 0, &stats);
    return summary_line(stats);
}

std::size_t Persisted::end(const AlertHandler& handler) const {
    const FileDescriptor alerts(pins_->open("alerts"));
    std::size_t unknown = 0;
    if (alerts.get() >= 0) {
        AlertRing ring(alerts.get());
        const auto take = [&] {
            if (config_)
                ring.poll(0, handler);
            else
                unknown += ring.discard();
        };
        take();  // if they cannot be handed on it goes on as it is
        for (const char* name :
             {transition_pins.link, preempted_pins.link, destroy_pins.link, clocks_pin})
            pins_->remove_persisted(name);
        take();  // what came in between
    }
    pins_->remove_all();
    return unknown;
}

}  // namespace jsguard
