// SPDX-License-Identifier: BSD-2-Clause
// A running detector, seen through the maps that it has pinned.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

// Reads the maps in a pin folder; they stay readable when the detector has ended. Whatever cannot
// be read throws Error(runtime), or Error(not_permitted).
class PinnedDetector {
  public:
    // Throws if no detector is pinned there, or one with other layouts than this build knows.
    explicit PinnedDetector(std::string pin_dir);
    ~PinnedDetector();
    PinnedDetector(const PinnedDetector&) = delete;
    PinnedDetector& operator=(const PinnedDetector&) = delete;

    // False once its pins are gone. One that was killed leaves them behind.
    bool is_pinned() const;
    // Whether a jsguard-load holds its pin folder, and so reads its alerts. None if that cannot be
    // told, as in a PID namespace of its own.
    std::optional<bool> is_attended() const;

    const std::string& pin_dir() const { return pin_dir_; }
    const jsg_config& config() const { return config_; }
    // By place: the first is that of place 1.
    std::vector<jsg_service> services() const;
    jsg_service service(std::uint32_t place) const;
    jsg_baseline baseline(std::uint32_t place) const;
    jsg_baseline lesson(std::uint32_t place) const;
    // A window of the service that is in the place. None if it has not been published yet, or is no
    // longer kept; one of the service that was there before may still be kept instead.
    std::optional<jsg_window> window(std::uint32_t place, const jsg_service& service,
                                     std::uint64_t sequence) const;
    // Of one of the last config().readings_per_service sequence numbers.
    jsg_reading reading(std::uint32_t place, std::uint64_t sequence) const;

    jsg_stats stats() const;
    jsg_ticks ticks() const;
    // Of the maps that are open here; they close with this object.
    std::vector<int> map_fds() const;

    // Asks every service to learn its baseline anew; the number of the request.
    std::uint32_t request_relearning();

  private:
    int open_map(const char* name, std::uint32_t value_size, bool to_write = false);
    template <typename Value, typename Key = std::uint32_t>
    std::optional<Value> find(const char* name, const Key& key) const;
    template <typename Value>
    Value value(const char* name, std::uint32_t key) const;

    std::string pin_dir_;
    std::map<std::string, int> maps_;  // file descriptors, by name
    jsg_config config_{};
};

}  // namespace jsguard
