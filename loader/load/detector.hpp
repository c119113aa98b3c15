// SPDX-License-Identifier: BSD-2-Clause
// The detector in the kernel, seen from user space: load, attach, adopt, arm, poll.
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
#include "load/network_namespace.hpp"
#include "load/options.hpp"
#include "load/persisted.hpp"
#include "load/pins.hpp"
#include "observe/running_cost.hpp"

struct jsguard_bpf;
struct bpf_link;
struct bpf_map;
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

    // Opens the BPF object, of which sizes and types can be asked then; needs no privilege.
    void open(const jsg_config& config);
    // Memory of the maps at the start.
    std::size_t fixed_map_bytes() const;
    std::size_t growing_map_bytes() const;  // more, with all the records that may be kept
    // Loads the programs with the options in them, and gives the ports named there and those with a
    // baseline their places. Nothing is attached yet.
    void load(const Options& options, const Baselines& baselines);
    // Makes the maps readable for other programs, in options.pin_dir. Hands on the alerts that the
    // detector that was there before had kept, and which one that was.
    using LeftOver = std::function<void(const jsg_alert&, std::uint64_t instance)>;
    void pin(const LeftOver& left_over = {});
    // From here on transitions are counted, and listeners get their places.
    void attach();
    // Passes over the sockets that are there, in the network namespace that is guarded, or in every
    // one that a process is in. Those that listen there, or in this process's own, get their
    // places.
    void adopt_sockets();
    // Network namespaces whose open sockets could not be looked for.
    std::size_t namespaces_left_out() const { return namespaces_left_out_; }
    // From here on windows are closed.
    void arm_clock();
    // From here on it stays when this process ends, until it is taken out; or goes with it again.
    void persist();
    void unpersist();

    // Every service learns its baseline anew; the old one stays in force meanwhile.
    void relearn();

    // Waits for alerts, and hands on those that came, or so many of them; also keeps the kernel's
    // idea of real time.
    void poll(int timeout_ms, const AlertHandler& handler, std::size_t most = SIZE_MAX);

    // Unique over restarts and boots.
    std::uint64_t instance() const;
    bool is_ticking() const;
    // What else reads its maps here, in this process.
    OwnDescriptors descriptors() const;
    // How it runs on this kernel, for those who ask for more.
    std::string describe() const;
    jsg_stats stats() const;
    // Transitions that the kernel did not show to jsg_transition, because they interrupted it; of
    // all ports.
    std::uint64_t missed_transitions() const;
    // The places 1..JSG_SERVICES; those without a port are free.
    std::vector<jsg_service> services() const;
    // What the service in a place compares with, and what it has learned so far.
    jsg_baseline baseline(std::uint32_t place) const;
    jsg_baseline lesson(std::uint32_t place) const;
    std::vector<std::uint16_t> guarded_ports() const;
    // Those of the services that have learned theirs.
    Baselines baselines() const;

    const jsguard_bpf& skeleton() const { return *skeleton_; }

  private:
    struct SkeletonDeleter {
        void operator()(jsguard_bpf* skeleton) const;
    };
    using Maps = std::vector<bpf_map*>;
    struct AtTracepoint {
        bpf_program* program;
        bpf_link** link;
        TracepointPins pins;
    };

    void open_pins(const Options& options);
    jsg_config wanted_config(const Options& options, const Baselines& given);
    Maps maps() const;
    static std::string pin_name(const bpf_map* map);
    Maps readers_maps() const;
    std::vector<std::string> readers_pins() const;
    std::vector<AtTracepoint> at_tracepoint() const;
    bool is_joined() const { return !joined_programs_.empty(); }
    int transition_program() const;
    void give_place(std::uint16_t port, const jsg_baseline* baseline);
    void run_iterator();
    void adopt_listeners_and_sockets();
    void set_real_time();

    std::unique_ptr<jsguard_bpf, SkeletonDeleter> skeleton_;
    std::unique_ptr<AlertRing> ring_;
    std::unique_ptr<Pins> pins_;
    std::optional<Persisted> earlier_;  // that was there, and is not gone on with
    // The tracepoint's, of one that is.
    std::vector<FileDescriptor> joined_links_;
    std::vector<FileDescriptor> joined_programs_;
    std::vector<std::string> notes_;
    std::unique_ptr<NetworkNamespace> netns_;
    bool has_rdonly_cast_ = false;
    std::uint32_t places_given_ = 0;
    std::size_t namespaces_left_out_ = 0;
};

}  // namespace jsguard
