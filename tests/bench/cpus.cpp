// SPDX-License-Identifier: BSD-2-Clause
// bench-cpus: the time of a service step on machines with more CPUs. Their counters are simulated.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench.hpp"
#include "kernel/jsguard.h"
#include "kernel/layouts.h"
#include "load/options.hpp"
#include "spread.hpp"

// In its own block, so that it is included after the headers with its types.
#include "simulated_cpus_bpf.skel.h"

namespace {

using namespace bench;
using nlohmann::ordered_json;

struct Options {
    std::vector<std::uint32_t> cpus = {1, 2, 8, 32, 64, 128, 256};
    int steps = 60;
    int cold_steps = 4;
    std::string json_file;
};

constexpr std::uint32_t learning_steps = 40;
constexpr std::size_t cache_bytes = std::size_t{96} << 20;  // larger than the caches

// The detector's service step, with the counters of the given number of CPUs.
class Machine {
  public:
    explicit Machine(std::uint32_t cpus) : skeleton_(simulated_cpus_bpf__open()) {
        if (!skeleton_) fail("cannot open the BPF object");
        jsguard::Options options;
        options.learn_s = learning_steps;
        jsg_config config = jsguard::make_config(options);
        config.cpus = cpus;
        skeleton_->rodata->jsg_config = config;
        bpf_map__set_max_entries(skeleton_->maps.readings,
                                 JSG_SERVICE_ENTRIES * config.readings_per_service);
        row_count_ = std::size_t{cpus} * JSG_SERVICE_ENTRIES;
        bpf_map__set_max_entries(skeleton_->maps.rows, static_cast<std::uint32_t>(row_count_));
        if (simulated_cpus_bpf__load(skeleton_.get()) != 0) fail("cannot load the BPF programs");
        void* mapped = mmap(nullptr, row_count_ * sizeof(jsg_counters), PROT_READ | PROT_WRITE,
                            MAP_SHARED, bpf_map__fd(skeleton_->maps.rows), 0);
        if (mapped == MAP_FAILED) fail("cannot map the counters");
        rows_ = static_cast<jsg_counters*>(mapped);
        for (std::uint32_t service_id = 1; service_id <= JSG_SERVICES; ++service_id) {
            jsg_service service{};
            service.port = 8400 + service_id;
            service.pinned = 1;
            if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.services), &service_id, &service,
                                    BPF_ANY) != 0)
                fail("cannot give a service its port");
        }
    }
    ~Machine() { munmap(rows_, row_count_ * sizeof(jsg_counters)); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Counts some connections for each service on each CPU, and some open sockets.
    void count_some() {
        constexpr std::pair<int, int> life[] = {{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV},
                                                {JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED},
                                                {JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1},
                                                {JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2},
                                                {JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE}};
        for (std::size_t row = 0; row < row_count_; ++row) {
            for (const auto& [from, to] : life)
                rows_[row].transitions[from * JSG_STATES + to] += 20 + random_() % 10;
        }
        for (std::uint32_t service_id = 1; service_id <= JSG_SERVICES; ++service_id) {
            jsg_step_samples& found = skeleton_->bss->jsg_step_samples[service_id];
            found.sockets = 20;
            found.occupancy[JSG_RESPONSE_MOVING * JSG_AGES] += 10 + random_() % 10;
            found.occupancy[JSG_REQUEST_SLOW * JSG_AGES] += 2 + random_() % 3;
        }
    }
    // Runs one service step of each service, and returns their microseconds. cold: no counter is in
    // a cache, as after other CPUs have counted.
    std::vector<double> step(bool cold = false) {
        std::vector<double> us;
        for (std::uint32_t service_id = 1; service_id <= JSG_SERVICES; ++service_id) {
            bpf_test_run_opts run{};
            run.sz = sizeof(run);
            if (cold) std::fill(cache_.begin(), cache_.end(), static_cast<char>(service_id));
            skeleton_->bss->service_to_run = service_id;
            if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.run_service_step), &run) !=
                    0 ||
                run.retval != 0)
                fail("cannot run a service step");
            us.push_back(static_cast<double>(skeleton_->bss->service_step_ns) / 1000);
        }
        return us;
    }
    bool all_monitor() const {
        for (std::uint32_t service_id = 1; service_id <= JSG_SERVICES; ++service_id) {
            jsg_service service{};
            if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.services), &service_id, &service) !=
                    0 ||
                service.mode != JSG_MONITORING)
                return false;
        }
        return true;
    }

  private:
    struct Deleter {
        void operator()(simulated_cpus_bpf* skeleton) const {
            simulated_cpus_bpf__destroy(skeleton);
        }
    };
    std::unique_ptr<simulated_cpus_bpf, Deleter> skeleton_;
    jsg_counters* rows_ = nullptr;
    std::size_t row_count_ = 0;
    std::vector<char> cache_ = std::vector<char>(cache_bytes);
    std::minstd_rand random_{1};
};

void run(const Options& options) {
    stay_on_one_cpu();
    Table table(
        {"CPUs", "us a service step", "with cold caches", "longest", "64 services, of one CPU"});
    ordered_json rows = ordered_json::array();
    for (const std::uint32_t cpus : options.cpus) {
        Machine machine(cpus);
        for (std::uint32_t i = 0; i < learning_steps + 5; ++i) {
            machine.count_some();
            machine.step();
        }
        if (!machine.all_monitor()) throw std::runtime_error("the services have not learned");
        const auto measure = [&](int steps, bool cold) {
            std::vector<double> us;
            for (int i = 0; i < steps; ++i) {
                machine.count_some();
                const auto times_us = machine.step(cold);
                us.insert(us.end(), times_us.begin(), times_us.end());
            }
            return us;
        };
        const auto warm_us = measure(options.steps, false);
        const auto cold_us = measure(options.cold_steps, true);
        const Spread warm = spread_of(warm_us), cold = spread_of(cold_us);
        const double longest = *std::max_element(cold_us.begin(), cold_us.end());
        table.row({std::to_string(cpus), text_of(warm, 1), text_of(cold, 1),
                   fmt::format("{:.1f}", longest),
                   fmt::format("{:.3f} %", cold.median * JSG_SERVICES / 1e6 * 100)});
        rows.push_back({{"cpus", cpus},
                        {"us_a_turn", json_of(warm)},
                        {"us_a_cold_turn", json_of(cold)},
                        {"longest_cold_us", longest}});
    }
    fmt::print("{}", table.text());
    if (!options.json_file.empty()) write_json(options.json_file, {{"by_cpus", rows}});
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app(
        "Measures the time of a service step, by the number of CPUs. Their counters are "
        "simulated.");
    app.add_option("--cpus", options.cpus, "numbers of CPUs")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--steps", options.steps, "measured steps for each number")
        ->capture_default_str();
    app.add_option("--cold-steps", options.cold_steps, "measured steps with cold caches")
        ->capture_default_str();
    app.add_option("--json", options.json_file, "file for the figures");
    CLI11_PARSE(app, argc, argv);
    return report_errors([&] { run(options); });
}
