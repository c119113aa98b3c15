// SPDX-License-Identifier: BSD-2-Clause
// The detector that an earlier jsguard-load left in the kernel, found by its pins.
#include "load/persisted.hpp"

#include <bpf/btf.h>

#include <memory>
#include <utility>

#include "common/bpf_file_system.hpp"
#include "common/error.hpp"
#include "load/run_lines.hpp"
#include "load/type_layout.hpp"
#include "observe/bpf_info.hpp"

namespace jsguard {
namespace {

// Whether the map's values have the layout of our type. Only root may read the types of other
// users' maps. Without these types the schema and the size of a value decide.
bool has_our_layout(const MapReader& reader, const ShownMap& map, const char* type,
                    const btf* ours) {
    const bpf_map_info info = info_of_map(reader.descriptor(map));
    const std::unique_ptr<btf, decltype(&btf__free)> theirs(
        btf__load_from_kernel_by_id(info.btf_id), btf__free);
    if (!theirs) return reader.schema() == JSG_SCHEMA && info.value_size == map.value_size;
    const int our_type = btf__find_by_name_kind(ours, type, BTF_KIND_STRUCT);
    return our_type > 0 && same_layout(theirs.get(), info.btf_value_type_id, ours,
                                       static_cast<std::uint32_t>(our_type));
}

}  // namespace

std::optional<Persisted> Persisted::find(Pins& pins) {
    if (!pins.has_persisted()) return {};
    return Persisted(pins);
}

// A damaged detector lacks some maps. It can only be taken out.
MapReader Persisted::open_maps() {
    MapReader::Descriptors descriptors;
    for (const ShownMap& map : shown::all) {
        FileDescriptor opened(pins_->open(map.name));
        if (opened.get() < 0) continue;
        descriptors.emplace(map.name, opened.get());
        maps_.push_back(std::move(opened));
    }
    return MapReader(std::move(descriptors));
}

std::string Persisted::obstacle(const jsg_config& wanted,
                                const std::vector<std::string>& pins) const {
    if (!reader_.is_of_this_version() || reader_.config().program_hash != wanted.program_hash)
        return "is of another version of jsguard";
    if (reader_.config().options_hash != wanted.options_hash)
        return "was started with other options";
    for (const std::string& name : pins) {
        if (FileDescriptor(pins_->open(name)).get() < 0) return "lacks the pin " + name;
    }
    if (!reader_.is_ticking()) return "has stopped ticking";
    return {};
}

Baselines Persisted::baselines(const btf* ours) const {
    if (!has(shown::services) || !has(shown::baselines)) return {};
    if (!has_our_layout(reader_, shown::services, "jsg_service", ours) ||
        !has_our_layout(reader_, shown::baselines, "jsg_baseline", ours))
        throw Error(
            ExitCode::runtime,
            fmt::format("the detector in {} is of version {}, and its baselines have another "
                        "layout than those of version {}: it is left as it is; take "
                        "it out with jsguard-load --unload, and relearn",
                        printable(pins_->dir()), reader_.schema(), JSG_SCHEMA));
    return reader_.learned_baselines();
}

std::string Persisted::summary() const {
    if (!reader_.is_of_this_version() || !has(shown::stats)) return {};
    return summary_line(reader_.stats());
}

std::size_t Persisted::end(const AlertHandler& handler) const {
    const FileDescriptor alerts(pins_->open("alerts"));
    std::size_t unknown = 0;
    if (alerts.get() >= 0) {
        AlertRing ring(alerts.get());
        const auto take = [&] {
            if (reader_.is_of_this_version())
                ring.poll(0, handler);
            else
                unknown += ring.discard();
        };
        take();  // if the handler throws, the detector remains as it is
        for (const char* name :
             {transition_pins.link, preempted_pins.link, destroy_pins.link, clocks_pin})
            pins_->remove_persisted(name);
        take();  // alerts that came while the pins were removed
    }
    pins_->remove_all();
    return unknown;
}

}  // namespace jsguard
