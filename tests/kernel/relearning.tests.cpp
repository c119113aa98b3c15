// SPDX-License-Identifier: BSD-2-Clause
// Relearning while monitoring: the old baseline is in force until the new one is complete.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "inconclusive.hpp"
#include "recomputed.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

bool is_same(const jsg_baseline& a, const jsg_baseline& b) {
    return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// Whether they are the same except for the spread.
bool has_same_counts(jsg_baseline a, jsg_baseline b) {
    for (jsg_baseline* one : {&a, &b}) std::fill_n(one->spread, JSG_SIGNALS, jsg_spread{});
    return is_same(a, b);
}

// A run of jsguard-load. The test reads its stderr.
class Load {
  public:
    explicit Load(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), JSGUARD_LOAD);
        int ends[2];
        REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
        process_ = fork();
        REQUIRE(process_ >= 0);
        if (process_ == 0) {
            std::vector<char*> argv;
            for (std::string& argument : arguments) argv.push_back(argument.data());
            argv.push_back(nullptr);
            dup2(ends[1], STDERR_FILENO);
            std::signal(SIGHUP, SIG_DFL);  // the test may run under nohup
            execv(argv[0], argv.data());
            _exit(127);
        }
        close(ends[1]);
        stderr_ = ends[0];
    }
    ~Load() {
        if (process_ > 0) stop();
        close(stderr_);
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    void signal(int number) const { REQUIRE(kill(process_, number) == 0); }
    // Waits until it has printed the text. Returns whether it did.
    bool prints(const std::string& text, double seconds) {
        return wait_until(seconds, [&] {
            char part[4096];
            pollfd wanted{stderr_, POLLIN, 0};
            if (poll(&wanted, 1, 0) == 1) {
                const auto got = read(stderr_, part, sizeof(part));
                if (got > 0) text_.append(part, static_cast<std::size_t>(got));
            }
            return text_.find(text) != std::string::npos;
        });
    }
    const std::string& text() const { return text_; }
    // Ends it, and returns the exit code.
    int stop() {
        int status = 0;
        kill(process_, SIGTERM);
        waitpid(process_, &status, 0);
        process_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    pid_t process_ = 0;
    int stderr_ = -1;
    std::string text_;
};

}  // namespace

TEST_CASE("relearning: the old baseline judges until the new one is complete",
          "[relearning][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t busy = first_port, quiet = first_port + 1, attacked = first_port + 2;
    constexpr std::uint32_t learn_s = 3, stalled = 22, reset = 40;
    jsguard::Options options = quick_options({busy, quiet, attacked});
    options.false_alarm_exponent = 2;  // a baseline of three seconds has few samples
    Watched w(options);
    ReadingLog readings(w, 1);
    const Socket listeners[] = {listen_on(busy), listen_on(quiet), listen_on(attacked)};
    w.detector.arm_clock();

    // The request comes while the services learn. They forget what they have learned so far.
    REQUIRE(w.wait_for_steps(3, 1));
    std::vector<Ends> sockets[3];
    for (std::size_t i = 0; i < 3; ++i) {
        reset_clients(listeners[i], static_cast<std::uint16_t>(busy + i), 11);
    }
    REQUIRE(w.wait_for_steps(3, 1));
    w.detector.reader().request_relearning();
    for (std::size_t i = 0; i < 3; ++i) {
        const auto port = static_cast<std::uint16_t>(busy + i);
        reset_clients(listeners[i], port, static_cast<int>(reset));
        sockets[i] = connect_clients(listeners[i], port, static_cast<int>(stalled));
    }
    for (const std::uint32_t service_id : {1U, 2U, 3U})
        REQUIRE(w.wait_for_mode(service_id, JSG_MONITORING));
    jsg_baseline first[3];
    for (const std::uint32_t service_id : {1U, 2U, 3U}) {
        CAPTURE(service_id);
        const jsg_baseline& learned = first[service_id - 1] = w.baseline(service_id);
        CHECK(w.service(service_id).sequence >= 2 + learn_s);
        CHECK(w.service(service_id).learned_steps == learn_s);
        CHECK(learned.learned_s == learn_s);
        CHECK(learned.transitions == 3 * reset + 2 * stalled);
        CHECK(learned.exchanges == reset + stalled);
        CHECK(learned.judged_socket_seconds > stalled);
        // A sample may find a connection before its client resets it.
        CHECK(learned.judged_socket_seconds <= stalled * learn_s + reset);
        CHECK(w.service(service_id).baselines_learned == 1);
        CHECK(w.service(service_id).relearning == 0);
    }

    // The request comes while the services are monitored. Now each learns a pending baseline, with
    // a delay, so that the first steps of an attack are not learned.
    w.detector.reader().request_relearning();
    for (const std::uint32_t service_id : {1U, 2U, 3U})
        REQUIRE(w.wait(3, [&] { return w.service(service_id).relearning == 1; }));
    const auto attackers = connect_clients(listeners[2], attacked, 90);
    for (Ends& ends : connect_clients(listeners[0], busy, 2)) sockets[0].push_back(std::move(ends));
    std::uint64_t done = 0;
    REQUIRE(w.wait(JSG_LEARN_DELAY_STEPS + learn_s + 6, [&] {
        readings.take();
        if (w.service(1).sequence != done) {
            done = w.service(1).sequence;
            reset_clients(listeners[0], busy, 20);
        }
        // The old baseline is in force, and judges the attack as before.
        for (const std::uint32_t service_id : {1U, 2U, 3U}) {
            if (w.service(service_id).mode != JSG_MONITORING) return true;
            if (w.service(service_id).baselines_learned == 1 &&
                !is_same(w.baseline(service_id), first[service_id - 1]) &&
                w.service(service_id).relearning)
                return true;
        }
        return w.service(1).baselines_learned == 2 && w.service(2).learned_steps >= learn_s;
    }));
    readings.take();
    for (const std::uint32_t service_id : {1U, 2U, 3U})
        CHECK(w.service(service_id).mode == JSG_MONITORING);

    REQUIRE(w.service(1).baselines_learned == 2);
    CHECK(w.service(1).relearning == 0);
    CHECK(w.service(1).learned_steps == learn_s);
    const jsg_baseline again = w.baseline(1);
    // The step in which the new baseline came in force.
    std::uint64_t swapped = 0;
    for (const jsg_window& record : w.windows(1)) {
        if (record.sequence < JSG_LEARN_DELAY_STEPS + learn_s + 1) continue;
        const auto last = record.sequence - JSG_LEARN_DELAY_STEPS;
        const jsg_baseline wanted =
            learned_between(readings.at(last), readings.at(last - learn_s), learn_s);
        if (has_same_counts(wanted, again)) swapped = record.sequence;
    }
    CHECK(swapped > 0);
    CHECK(again.learned_s == learn_s);
    CHECK(again.transitions >= 3 * 20 * (learn_s - 1));
    CHECK(again.judged_socket_seconds >= stalled * learn_s);
    CHECK_FALSE(is_same(again, first[0]));

    // There was too little traffic: the learning time is over, and the old baseline is still in
    // force.
    CHECK(w.service(2).relearning == 1);
    CHECK(w.service(2).baselines_learned == 1);
    CHECK(is_same(w.baseline(2), first[1]));
    CHECK(w.detector.reader().pending_baseline(2).transitions == 0);
    CHECK(w.detector.reader().pending_baseline(2).learned_s == w.service(2).learned_steps);

    // The old baseline raised an alert for the attack, and none of the attack was learned.
    REQUIRE(w.alerts.size() == 1);
    CHECK(w.alerts[0].port == attacked);
    CHECK(w.alerts[0].signal == JSG_OCCUPANCY);
    CHECK(w.alerts[0].expected_millisockets > 0);
    CHECK(w.service(3).relearning == 1);
    CHECK(w.service(3).learned_steps == 0);
    CHECK(w.detector.reader().pending_baseline(3).learned_s == 0);
    CHECK(is_same(w.baseline(3), first[2]));
}

TEST_CASE("SIGUSR2 makes jsguard-load relearn, and SIGHUP changes nothing", "[relearning]") {
    const TimeCritical time_critical;
    const std::uint16_t port = first_port + 3;
    enter_namespace();
    const Socket listener = listen_on(port);
    Load load({"--localport", std::to_string(port), "--learn", "2", "--pin-dir",
               own_pin_dir("relearning")});
    REQUIRE(load.prints("monitoring", 10));
    const auto stalled = connect_clients(listener, port, 40);
    reset_clients(listener, port, 40);
    const bool learned = load.prints("learned its baseline", 10);
    CAPTURE(load.text());
    REQUIRE(learned);
    CHECK(load.text().find("relearns") == std::string::npos);
    load.signal(SIGHUP);
    CHECK(load.prints("SIGHUP changes nothing", 5));
    CHECK_FALSE(load.prints("relearns", 2.5));
    load.signal(SIGUSR2);
    const bool printed = load.prints(
        "port " + std::to_string(port) + ": relearns; the old baseline stays in force until then",
        5);
    CAPTURE(load.text());
    CHECK(printed);
    CHECK(load.stop() == 0);
}
