// SPDX-License-Identifier: BSD-2-Clause
// The detector in the kernel, seen from user space: load, attach, adopt, arm, poll.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "baseline_file.hpp"
#include "network_namespace.hpp"
#include "options.hpp"
#include "pins.hpp"

struct jsguard_bpf;
struct ring_buffer;

namespace jsguard {

// All steps throw Error. What a step has done is undone when the object goes.
class Detector {
  public:
    using AlertHandler = std::function<void(const jsg_alert&)>;

    Detector();
    ~Detector();
    Detector(const Detector&) = delete;
    Detector& operator=(const Detector&) = delete;

    // Loads the programs with the options in them, and gives the ports named there and those with a
    // baseline their places. Nothing is attached yet.
    void load(const Options& options, const Baselines& baselines);
    // Makes the maps readable for other programs, in options.pin_dir.
    void pin();
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

    // Every service learns its baseline anew; the old one stays in force meanwhile.
    void relearn();

    // Waits for alerts, and hands on those that came; also keeps the kernel's idea of real time.
    void poll(int timeout_ms, const AlertHandler& handler);

    // How it runs on this kernel, for those who ask for more.
    std::string describe() const;
    jsg_stats stats() const;
    // Transitions that the kernel did not show the program, because it interrupted the program
    // itself.
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
    struct RingDeleter {
        void operator()(ring_buffer* ring) const;
    };

    void give_place(std::uint16_t port, const jsg_baseline* baseline);
    void run_iterator();
    void adopt_listeners_and_sockets();
    void set_real_time();

    std::unique_ptr<jsguard_bpf, SkeletonDeleter> skeleton_;
    std::unique_ptr<ring_buffer, RingDeleter> ring_;
    std::unique_ptr<Pins> pins_;
    std::unique_ptr<NetworkNamespace> netns_;
    std::string pin_dir_;
    std::uint32_t places_given_ = 0;
    std::size_t namespaces_left_out_ = 0;
    AlertHandler handler_;
};

}  // namespace jsguard
