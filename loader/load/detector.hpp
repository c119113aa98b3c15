// SPDX-License-Identifier: BSD-2-Clause
// Brings the detector into the kernel, or goes on with one that is there. MapReader reads it.
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
#include "load/network_namespace.hpp"
#include "load/options.hpp"
#include "load/persisted.hpp"
#include "load/pins.hpp"
#include "observe/map_reader.hpp"
#include "observe/running_cost.hpp"

struct bpf_link;
struct bpf_program;

namespace jsguard {

// All steps throw Error. What a step has done is undone when the object goes.
class Detector {
  public:
    Detector();
    ~Detector();
    Detector(const Detector&) = delete;
    Detector& operator=(const Detector&) = delete;

    // Goes on with the detector that an earlier loader left in options.pin_dir, if it is just what
    // is asked for; whether it does. Then load() to arm_clock() are done. If not, load() takes over
    // what that one has learned, of ports without a baseline here, and pin() takes it out.
    bool join(const Options& options, const Baselines& given = {});
    // Why the detector that is there is not the one to go on with, and what came of it: lines for
    // the user.
    const std::vector<std::string>& notes() const { return notes_; }

    // Loads the programs with the options in them, and gives the ports named there and those with a
    // baseline their service entries. Nothing is attached yet.
    void load(const Options& options, const Baselines& baselines);
    // From here on transitions are counted, and listeners get their service entries.
    void attach();
    // Passes over the sockets that are there, in the network namespace that is monitored, or in
    // every one that a process is in. Those that listen there, or in this process's own, get their
    // service entries.
    void adopt_sockets();
    // Network namespaces whose open sockets could not be looked for.
    std::size_t namespaces_left_out() const { return namespaces_left_out_; }
    // From here on windows are closed.
    void arm_clock();
    // Makes the maps readable for other programs, in options.pin_dir. Hands on the alerts that the
    // detector that was there before had kept, and which one that was.
    using LeftOver = std::function<void(const jsg_alert&, std::uint64_t instance)>;
    void pin(const LeftOver& left_over = {});
    // From here on it stays when this process ends, until it is taken out; or goes with it again.
    void persist();
    void unpersist();

    // Waits for alerts, and hands on those that came, or so many of them; also keeps the kernel's
    // idea of real time.
    void poll(int timeout_ms, const AlertHandler& handler, std::size_t most = SIZE_MAX);

    // From load() on, or a join() that goes on with a detector.
    const MapReader& reader() const { return reader_.value(); }
    // Of its programs and maps, in this process.
    OwnDescriptors descriptors() const;
    // How it runs on this kernel, for those who ask for more.
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
    void take_out_earlier(const LeftOver& left_over);
    std::vector<AtTracepoint> at_tracepoint() const;
    bool is_joined() const { return !joined_programs_.empty(); }
    void open_reader();
    void set_real_time();

    Skeleton skeleton_;
    std::optional<MapReader> reader_;
    std::unique_ptr<AlertRing> ring_;
    std::unique_ptr<Pins> pins_;
    std::optional<Persisted> earlier_;  // that was there, and is not gone on with
    // The tracepoint's, of one that is.
    std::vector<FileDescriptor> joined_links_;
    std::vector<FileDescriptor> joined_programs_;
    std::vector<std::string> notes_;
    std::unique_ptr<NetworkNamespace> netns_;
    bool has_rdonly_cast_ = false;
    std::size_t namespaces_left_out_ = 0;
};

}  // namespace jsguard
