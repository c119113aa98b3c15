// SPDX-License-Identifier: BSD-2-Clause
// Opens the pinned maps of a detector.
#include "observe/pinned_detector.hpp"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "common/bpf_file_system.hpp"
#include "common/error.hpp"
#include "observe/bpf_info.hpp"

namespace jsguard {
namespace {

Error another_version(const std::string& path) {
    return Error(ExitCode::runtime,
                 fmt::format("{} is not the map that this jsguard knows; use the jsguard that came "
                             "with the jsguard-load that runs there",
                             printable(path)));
}

}  // namespace

PinnedDetector::PinnedDetector(std::string pin_dir)
    : pin_dir_(std::move(pin_dir)), reader_(open_maps()) {}

FileDescriptor PinnedDetector::open_map(const ShownMap& map, bool to_write) const {
    const std::string path = pin_dir_ + "/" + map.name;
    struct bpf_obj_get_opts options {};
    options.sz = sizeof(options);
    options.file_flags = to_write ? 0 : BPF_F_RDONLY;
    FileDescriptor opened(bpf_obj_get_opts(path.c_str(), &options));
    if (opened.get() < 0) {
        if (errno == ENOENT && shown::config.name != std::string_view(map.name))
            throw another_version(path);
        if (errno == ENOENT)
            throw Error(ExitCode::runtime,
                        fmt::format("no detector has its maps in {}; start jsguard-load, or name "
                                    "its directory with --pin-dir",
                                    printable(pin_dir_)));
        const bool refused = lacks_permission(errno);
        throw errno_error(refused ? ExitCode::not_permitted : ExitCode::runtime, errno,
                          fmt::format("cannot open the map {}", printable(path)),
                          refused ? "run it as root" : "");
    }
    if (info_of_map(opened.get()).value_size != map.value_size) throw another_version(path);
    return opened;
}

MapReader PinnedDetector::open_maps() {
    MapReader::Descriptors descriptors;
    for (const ShownMap& map : shown::all) {
        maps_.push_back(open_map(map));
        descriptors.emplace(map.name, maps_.back().get());
        if (descriptors.size() > 1) continue;
        // Check the version first: another version may not have the other maps.
        if (const MapReader config(descriptors); !config.is_of_this_version())
            throw Error(
                ExitCode::runtime,
                fmt::format("the detector in {} has maps of version {}, and this jsguard reads {}; "
                            "use the jsguard that came with its jsguard-load",
                            printable(pin_dir_), config.schema(), JSG_SCHEMA));
    }
    return MapReader(std::move(descriptors));
}

bool PinnedDetector::is_pinned() const {
    return access((pin_dir_ + "/" + config_pin).c_str(), F_OK) == 0;
}

std::size_t PinnedDetector::request_relearning() const {
    const FileDescriptor requests = open_map(shown::control, true);
    const FileDescriptor saved = open_map(shown::saved_baselines, true);
    return MapReader(
               {{shown::control.name, requests.get()}, {shown::saved_baselines.name, saved.get()}})
        .request_relearning();
}

}  // namespace jsguard
