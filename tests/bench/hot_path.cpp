// SPDX-License-Identifier: BSD-2-Clause
// bench-hot-path: the cost of a transition in jsguard's programs, compared with an empty program
// and with common alternatives.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench.hpp"
#include "bpftrace.hpp"
#include "common/file_replacement.hpp"
#include "load/detector.hpp"
#include "load/skeleton.hpp"
#include "rivals_bpf.skel.h"
#include "spread.hpp"
#include "tests/kernel/link.hpp"
#include "visits.hpp"

namespace {

using namespace bench;
using nlohmann::ordered_json;

constexpr std::uint16_t first_port = 8400;
constexpr std::uint16_t another_port = 8399;  // no connection uses it
constexpr int many = JSG_SERVICES;
constexpr double min_runs = 100;
constexpr double patience_s = 10;
constexpr const char* one_liner =
    "tracepoint:sock:inet_sock_set_state { @[args->oldstate, args->newstate] = count(); }";

struct Options {
    int rounds = 30;
    int visits = 1000;   // for each candidate in a round
    int pause_ms = 0;    // before each visit
    double slice_s = 0;  // if above 0: measure for this time, while others make the visits
    int clock_visits = 300;
    int clock_rounds = 112;
    std::string json_file;
};

// Programs that are attached and measured in turn with other candidates. The first program is at
// the tracepoint of transitions.
class Candidate {
  public:
    Candidate(std::string name, int ports) : name_(std::move(name)), ports_(ports) {}
    virtual ~Candidate() = default;
    Candidate(const Candidate&) = delete;
    Candidate& operator=(const Candidate&) = delete;

    const std::string& name() const { return name_; }
    int ports() const { return ports_; }  // number of visited ports
    virtual void attach() = 0;
    virtual void detach() = 0;
    // File descriptors of the attached programs.
    virtual std::vector<int> programs() const = 0;
    virtual std::uint64_t monitored_transitions() const { return 0; }  // counted so far

  private:
    std::string name_;
    int ports_;
};
using Candidates = std::vector<std::unique_ptr<Candidate>>;

class Programs : public Candidate {
  public:
    Programs(std::string name, int ports, std::vector<bpf_program*> programs)
        : Candidate(std::move(name), ports), programs_(std::move(programs)) {}
    void attach() override {
        for (bpf_program* program : programs_) {
            links_.emplace_back(bpf_program__attach(program));
            if (!links_.back()) fail("cannot attach");
        }
    }
    void detach() override { links_.clear(); }
    std::vector<int> programs() const override {
        std::vector<int> fds;
        for (const bpf_program* program : programs_) fds.push_back(bpf_program__fd(program));
        return fds;
    }

  private:
    std::vector<bpf_program*> programs_;
    std::vector<testbed::Link> links_;
};

class Bpftrace : public Candidate {
  public:
    explicit Bpftrace(std::string name) : Candidate(std::move(name), 1) {}
    void attach() override { running_ = std::make_unique<RunningBpftrace>(one_liner); }
    void detach() override { running_.reset(); }
    std::vector<int> programs() const override { return running_->programs(); }

  private:
    std::unique_ptr<RunningBpftrace> running_;
};

// jsguard's two programs with their maps. The detector's timer is not started.
class JsguardPrograms : public Programs {
  public:
    JsguardPrograms(std::string name, int ports, std::unique_ptr<jsguard::Detector> detector)
        : Programs(
              std::move(name), ports,
              {detector->skeleton().progs.jsg_transition, detector->skeleton().progs.jsg_destroy}),
          detector_(std::move(detector)) {}
    std::uint64_t monitored_transitions() const override {
        std::uint64_t sum = 0;
        for (std::uint32_t service_id = 1; service_id <= JSG_SERVICES; ++service_id) {
            for (const auto& [cell, count] : testbed::counted(*detector_, service_id)) sum += count;
        }
        return sum;
    }

  private:
    std::unique_ptr<jsguard::Detector> detector_;
};

std::unique_ptr<Candidate> monitor(std::string name, int visited, std::uint16_t port,
                                   int monitored) {
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < monitored; ++i) ports.push_back(static_cast<std::uint16_t>(port + i));
    auto detector = std::make_unique<jsguard::Detector>();
    detector->load(testbed::options_for(std::move(ports)), {});
    return std::make_unique<JsguardPrograms>(std::move(name), visited, std::move(detector));
}

constexpr const char* empty_program = "an empty program";
constexpr const char* unmonitored = "jsguard, a port that is not monitored";
constexpr const char* monitored_one = "jsguard, a monitored port";
constexpr const char* monitored_many = "jsguard, 64 monitored ports";
constexpr const char* bpftrace = "bpftrace one-liner";

class Rivals {
  public:
    Rivals() : skeleton_(rivals_bpf__open_and_load()) {
        if (!skeleton_) fail("cannot load the programs to compare with");
    }
    ~Rivals() { rivals_bpf__destroy(skeleton_); }
    Rivals(const Rivals&) = delete;
    Rivals& operator=(const Rivals&) = delete;
    std::unique_ptr<Candidate> empty() const { return one(empty_program, skeleton_->progs.empty); }
    std::unique_ptr<Candidate> array() const {
        return one("a per-CPU array counter", skeleton_->progs.per_cpu_array);
    }
    std::unique_ptr<Candidate> hash() const {
        return one("a hash-map counter", skeleton_->progs.hash_map);
    }

  private:
    static std::unique_ptr<Candidate> one(const char* name, bpf_program* program) {
        return std::make_unique<Programs>(name, 1, std::vector<bpf_program*>{program});
    }
    rivals_bpf* skeleton_;
};

Candidates all_candidates(const Rivals& rivals) {
    Candidates all;
    all.push_back(rivals.empty());
    all.push_back(monitor(unmonitored, 1, another_port, 1));
    all.push_back(monitor(monitored_one, 1, first_port, 1));
    all.push_back(monitor(monitored_many, many, first_port, many));
    all.push_back(rivals.array());
    all.push_back(rivals.hash());
    all.push_back(std::make_unique<Bpftrace>(bpftrace));
    return all;
}

struct Runs {
    double count = 0, ns = 0;
};

Runs runs_of(int program) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program, &info, &size) != 0) fail("no run statistics");
    return {static_cast<double>(info.run_cnt), static_cast<double>(info.run_time_ns)};
}

// Makes visits to the first port, or to all ports in turn. With --others it only waits, while
// others make visits.
class Traffic {
  public:
    explicit Traffic(const Options& options) : options_(options) {
        if (options.slice_s > 0) return;
        one_.emplace(first_port, 1);
        all_.emplace(first_port + 1, many - 1);  // the first one listens already
    }
    void warm_up(int ports) { pass(ports, 30, 0.03); }
    void for_statistics(int ports) { pass(ports, options_.visits, options_.slice_s); }
    // Nanoseconds of one visit: the 20 % quantile, because disturbances only add time.
    double visit_ns(int ports) {
        std::vector<double> ns;
        for (int i = 0; i < options_.clock_visits; ++i) {
            const double start = testbed::now_s();
            to(ports).make(1);
            ns.push_back((testbed::now_s() - start) * 1e9);
        }
        std::sort(ns.begin(), ns.end());
        return quantile(ns, 0.2);
    }

  private:
    Visits& to(int ports) { return ports == 1 ? *one_ : *all_; }
    void pass(int ports, int visits, double slice_s) {
        if (one_)
            to(ports).make(visits, options_.pause_ms);
        else
            testbed::pause_ms(static_cast<int>(slice_s * 1000));
    }
    const Options& options_;
    std::optional<Visits> one_, all_;
};

// Makes visits until the candidate's programs have run.
void warm_up(const Candidate& candidate, Traffic& traffic) {
    const auto has_run = [](int program) { return runs_of(program).count > 0; };
    const auto programs = candidate.programs();
    const double end = testbed::now_s() + patience_s;
    do {
        traffic.warm_up(candidate.ports());
        if (std::all_of(programs.begin(), programs.end(), has_run)) return;
    } while (testbed::now_s() < end);
    throw std::runtime_error(candidate.name() + " is not run");
}

// The measurement of one candidate in one round.
struct Measurement {
    double ns = 0;    // of all runs of its programs, with the cost of measuring, per transition
    double runs = 0;  // per transition
    double monitored_share = 0;  // of the transitions
    // The cost of the programs themselves. empty_ns: the time of one run of an empty program.
    double above_empty(double empty_ns) const { return ns - runs * empty_ns; }
};

Measurement measure(Candidate& candidate, Traffic& traffic) {
    candidate.attach();
    warm_up(candidate, traffic);
    std::vector<Runs> before;
    for (const int program : candidate.programs()) before.push_back(runs_of(program));
    const auto monitored = candidate.monitored_transitions();
    traffic.for_statistics(candidate.ports());
    Measurement measurement;
    double transitions = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        const Runs after = runs_of(candidate.programs()[i]);
        const double count = after.count - before[i].count;
        if (count < min_runs) throw std::runtime_error(candidate.name() + " was hardly run");
        if (i == 0) transitions = count;
        measurement.ns += (after.ns - before[i].ns) / transitions;
        measurement.runs += count / transitions;
    }
    measurement.monitored_share =
        static_cast<double>(candidate.monitored_transitions() - monitored) / transitions;
    candidate.detach();
    return measurement;
}

// The measurements of one round, by candidate.
using Round = std::map<std::string, Measurement>;

Round measure_round(const Candidates& candidates, int number, Traffic& traffic) {
    Round round;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        // The order rotates, so each candidate is first, and last, equally often.
        Candidate& candidate =
            *candidates[(i + static_cast<std::size_t>(number)) % candidates.size()];
        round[candidate.name()] = measure(candidate, traffic);
    }
    return round;
}

// A candidate's nanoseconds a transition above an empty program, and their ratio to those of
// bpftrace.
struct Figures {
    std::vector<double> above_empty, of_bpftrace;
};

std::map<std::string, Figures> figures_of(const std::vector<Round>& rounds) {
    std::map<std::string, Figures> all;
    for (const Round& round : rounds) {
        const double empty = round.at(empty_program).ns;
        const double rival = round.at(bpftrace).above_empty(empty);
        const double not_monitored = round.at(unmonitored).above_empty(empty);
        for (const auto& [name, measurement] : round) {
            double ns = measurement.above_empty(empty);
            // The cost of the monitored transitions only. The others cost as much as with no
            // monitored port.
            if (const double share = measurement.monitored_share; share > 0)
                ns = (ns - (1 - share) * not_monitored) / share;
            Figures& figures = all[name];
            figures.above_empty.push_back(ns);
            figures.of_bpftrace.push_back(ns / rival);
        }
    }
    return all;
}

// The wall-clock nanoseconds that a visit takes longer than with nothing attached, by candidate.
// Run statistics are off. The figure contains all that the kernel does around a program, at both
// ends.
std::map<std::string, std::vector<double>> measure_by_clock(const Candidates& candidates,
                                                            Traffic& traffic,
                                                            const Options& options) {
    std::map<std::string, std::vector<double>> all;
    for (int round = 0; round < options.clock_rounds; ++round) {
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            Candidate& candidate =
                *candidates[(i + static_cast<std::size_t>(round)) % candidates.size()];
            // Each measurement has its own blank, as often before it as after it.
            const bool blank_first = (static_cast<std::size_t>(round) / candidates.size()) % 2 == 0;
            double blank = 0;
            const auto measure_visit = [&] {
                traffic.warm_up(candidate.ports());
                return traffic.visit_ns(candidate.ports());
            };
            if (blank_first) blank = measure_visit();
            candidate.attach();
            const double with = measure_visit();
            candidate.detach();
            if (!blank_first) blank = measure_visit();
            all[candidate.name()].push_back(with - blank);
            all["nothing"].push_back(blank);
        }
    }
    return all;
}

ordered_json report(const Candidates& candidates, const std::vector<Round>& rounds) {
    Table table({"program", "ns above empty", "of bpftrace's"});
    ordered_json rows = ordered_json::array();
    const auto figures = figures_of(rounds);
    for (const auto& candidate : candidates) {
        const std::string& name = candidate->name();
        if (name == empty_program) continue;
        const Figures& own = figures.at(name);
        const Spread ns = spread_of(own.above_empty), share = spread_of(own.of_bpftrace);
        table.row({name, text_of(ns, 1), text_of(share, 3)});
        rows.push_back({{"program", name},
                        {"ns_over_empty", json_of(ns)},
                        {"share_of_bpftrace", json_of(share)}});
    }
    std::vector<double> empty;
    for (const Round& round : rounds) empty.push_back(round.at(empty_program).ns);
    fmt::print("{}a run of an empty program reads {} ns, the cost of measuring\n", table.text(),
               text_of(spread_of(empty), 1));
    return {{"empty_ns", json_of(spread_of(empty))}, {"programs", rows}};
}

ordered_json report_clock(const Candidates& candidates,
                          const std::map<std::string, std::vector<double>>& measured) {
    const Spread visit = spread_of(measured.at("nothing"));
    Table table({"program", "extra ns a visit, both ends", "of a visit"});
    ordered_json rows = ordered_json::array();
    for (const auto& candidate : candidates) {
        const Spread more = spread_of(measured.at(candidate->name()));
        table.row({candidate->name(), text_of(more, 0),
                   fmt::format("{:.2f} %", 100 * more.median / visit.median)});
        rows.push_back({{"program", candidate->name()}, {"ns_a_visit", json_of(more)}});
    }
    fmt::print("{}a visit takes {} ns with nothing attached\n", table.text(), text_of(visit, 0));
    return {{"visit_ns", json_of(visit)}, {"programs", rows}};
}

void run(const Options& options) {
    if (options.slice_s == 0) {
        testbed::enter_namespace();
        stay_on_one_cpu();
    }
    const Rivals rivals;
    const Candidates candidates = all_candidates(rivals);
    Traffic traffic(options);
    ordered_json results = {{"rounds", options.rounds},
                            {"visits_a_round", options.visits},
                            {"pause_ms", options.pause_ms},
                            {"slice_s", options.slice_s}};
    {
        const jsguard::FileDescriptor statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
        if (statistics.get() < 0) fail("cannot switch run statistics on");
        std::vector<Round> rounds;
        for (int i = 0; i < options.rounds; ++i)
            rounds.push_back(measure_round(candidates, i, traffic));
        results["by_run_statistics"] = report(candidates, rounds);
    }
    if (options.clock_rounds && options.slice_s == 0)
        results["by_clock"] =
            report_clock(candidates, measure_by_clock(candidates, traffic, options));
    if (!options.json_file.empty()) write_json(options.json_file, results);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Measures the cost of a transition in jsguard's programs and in others.");
    app.add_option("--rounds", options.rounds, "rounds; each one measures every program")
        ->capture_default_str();
    app.add_option("--visits", options.visits, "connections for each program in a round")
        ->capture_default_str();
    app.add_option("--pause", options.pause_ms, "milliseconds before each connection")
        ->capture_default_str();
    app.add_option("--others", options.slice_s,
                   "seconds for each program, while others visit port 8400 instead");
    app.add_option("--clock-rounds", options.clock_rounds, "rounds that are measured by the clock")
        ->capture_default_str();
    app.add_option("--json", options.json_file, "file for the figures");
    CLI11_PARSE(app, argc, argv);
    return report_errors([&] { run(options); });
}
