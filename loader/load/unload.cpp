// SPDX-License-Identifier: BSD-2-Clause
// Takes out of the kernel the detector that an earlier loader left there.
#include "load/unload.hpp"

#include "common/counted.hpp"
#include "common/error.hpp"
#include "common/tell.hpp"
#include "load/outlets.hpp"
#include "load/persisted.hpp"
#include "load/pins.hpp"
#include "load/progress.hpp"

namespace jsguard {

void unload(const Options& options) {
    Progress progress(options, false);
    Outlets outlets(options, progress);
    const auto none = [&] {
        return Error(ExitCode::runtime, fmt::format("no detector stays in {}: nothing to take out",
                                                    printable(options.pin_dir)));
    };
    std::error_code ignored;
    if (!std::filesystem::exists(options.pin_dir, ignored)) throw none();  // and none is made
    Pins pins(options.pin_dir);
    const auto left = Persisted::find(pins);
    if (!left && !pins.has_any()) throw none();
    if (left) {
        const std::string summary = left->summary();
        const std::size_t unknown = left->end(
            [&](const jsg_alert& alert) { outlets.alert(alert, left->config()->instance); });
        if (!summary.empty()) tell(summary);
        if (unknown)
            tell(fmt::format("{} of another version, not shown",
                             counted(unknown, "alert", "alerts")));
    } else {
        pins.remove_all();
    }
    const std::string line = fmt::format(
        "{} {}", left ? "took out the detector in" : "removed what a killed one left in",
        printable(options.pin_dir));
    tell(line);
    outlets.end(line);
}

}  // namespace jsguard
