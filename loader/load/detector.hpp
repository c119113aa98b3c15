// SPDX-License-Identifier: BSD-2-Clause
// Loads the detector into the kernel, or joins a persisted one. MapReader reads its maps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/baseline_file.hpp"
#include "common/file_replacement.hpp"
#include "load/alert_ring.hpp"
#include "load/bpf_object.hpp"
#include "load/file_access.hpp"
#include "load/network_namespace.hpp"
#include "load/options.hpp"
#include "load/persisted.hpp"
#include "load/pins.hpp"
#include "observe/map_reader.hpp"
#include "observe/running_cost.hpp"

struct bpf_link;
struct bpf_program;

namespace jsguard {

// All steps throw Error. The destructor undoes what the steps did, except for a persisted detector.
class Detector {
  public:
    Detector();
    ~Detector();
    Detector(const Detector&) = delete;
    Detector& operator=(const Detector&) = delete;

    // Joins the detector that an earlier loader left in options.pin_dir, if version and options are
    // the same. Returns whether it joined. After joining, the steps from load() to pin() must not
    // be called. Otherwise load() takes over the baselines that the earlier detector has learned,
    // and pin() takes the earlier detector out of the kernel.
    bool join(const Options& options, const Baselines& given = {});
    // Lines for the user about an earlier detector: whether it is joined or why it is replaced, and
    // what it had found.
    const std::vector<std::string>& notes() const { return notes_; }

    // Loads the programs with these options. The ports that the options name and the ports with a
    // baseline get service entries. Attaches nothing.
    void load(const Options& options, const Baselines& baselines);
    // Attaches the programs. From then on transitions are counted, and a port gets a service entry
    // with its first accepted connection.
    void attach();
    // Adopts the sockets that are already open in the monitored network namespace, or in every
    // namespace that has a process. Ports with accepted connections in the monitored namespace, or
    // in this process's own, get service entries.
    void adopt_sockets();
    // The number of network namespaces whose open sockets could not be read.
    std::size_t namespaces_left_out() const { return namespaces_left_out_; }
    // Starts the timer. From then on windows are closed.
    void arm_clock();
    // Pins the maps in options.pin_dir, so that other programs can read them. Takes out an earlier
    // detector, and passes its unread alerts and its instance to handle_kept.
    using KeptAlertHandler = std::function<void(const jsg_alert&, std::uint64_t instance)>;
    void pin(const KeptAlertHandler& handle_kept = {});
    // After persist() the detector remains in the kernel when this process ends. unpersist() undoes
    // that.
    void persist();
    void unpersist();

    // Waits for alerts and passes them to handler, at most max of them. Also updates the real time
    // that the kernel uses.
    void poll(int timeout_ms, const AlertHandler& handler, std::size_t max = SIZE_MAX);

    // The files that are used from now on: the pins. At the end the pin directory is removed.
    FileAccess file_access() const {
        return {{}, pins_->open_directory(), pins_->open_parent_directory()};
    }

    // Available after load(), or after join() has returned true.
    const MapReader& reader() const { return reader_.value(); }
    // Whether the detector runs. False before the first step too.
    bool is_ticking() const { return reader_ && reader_->is_ticking(); }
    // This process's descriptors of the detector's programs and maps.
    OwnDescriptors descriptors() const;
    // How the detector runs on this kernel, for --verbose.
    std::string describe() const;
    const jsguard_bpf& skeleton() const { return *skeleton_; }

  private:
    struct AtTracepoint {
        bpf_program* program;
        bpf_link** link;
        TracepointPins pins;
    };

    void open_pins(const Options& options);
    jsg_config wanted_config(const Options& options, const Baselines& given);
    void use_maps_in_kernel();
    void hold_joined_programs();
    Baselines initial_baselines(const Options& options, const Baselines& given) const;
    void take_out_earlier(const KeptAlertHandler& handle_kept);
    std::vector<AtTracepoint> at_tracepoint() const;
    bool is_joined() const { return !joined_programs_.empty(); }
    void open_reader();
    void set_real_time();

    Skeleton skeleton_;
    std::optional<MapReader> reader_;
    std::unique_ptr<AlertRing> ring_;
    std::unique_ptr<Pins> pins_;
    std::optional<Persisted> earlier_;  // the detector that is to be replaced
    // The links and programs of a joined detector.
    std::vector<FileDescriptor> joined_links_;
    std::vector<FileDescriptor> joined_programs_;
    std::vector<std::string> notes_;
    std::unique_ptr<NetworkNamespace> netns_;
    bool has_rdonly_cast_ = false;
    std::size_t namespaces_left_out_ = 0;
};

}  // namespace jsguard
