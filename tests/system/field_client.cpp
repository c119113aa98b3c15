// SPDX-License-Identifier: BSD-2-Clause
// field-client: many connections of one kind, attackers or honest clients, with one thread.
//
// It is bounded: at most --count connections are open, at most --total are opened, and it ends
// after --duration seconds. A connection that ends is replaced.
#include <fmt/core.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

#include "connection_loop.hpp"
#include "field_connection.hpp"
#include "field_kinds.hpp"
#include "program.hpp"
#include "visits.hpp"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace {

constexpr int exit_skip = 77;

struct Options {
    std::string kind;
    std::string target;
    field::Settings settings;
    std::string every;
    std::size_t count = 50;
    std::size_t total = 20'000;
    double rate = 0;  // 0: all at once
    double duration_s = 60;
    unsigned seed = 1;
    double unused = -1;        // share; < 0: the default of the kind
    double unused_close = -1;  // < 0: depends on the rate
    bool tls = false;
    bool mptcp = false;
};

// "MIN" or "MIN-MAX" seconds.
void set_every(const std::string& text, field::Settings& settings) {
    const std::size_t dash = text.find('-');
    const std::string min = text.substr(0, dash);
    const std::string max = dash == text.npos ? min : text.substr(dash + 1);
    std::size_t min_end = 0, max_end = 0;
    try {
        settings.every_min_s = std::stod(min, &min_end);
        settings.every_max_s = std::stod(max, &max_end);
    } catch (const std::exception&) {
        min_end = 0;
    }
    if (min_end == 0 || min_end != min.size() || max_end != max.size() ||
        settings.every_min_s < 0 || settings.every_max_s < settings.every_min_s)
        throw std::runtime_error(fmt::format("--every {}: expected SECONDS or MIN-MAX", text));
}

bool has_mptcp(int family) {
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd < 0) return false;
    close(fd);
    return true;
}

class Client {
  public:
    Client(const Options& options, const field::Kind& kind)
        : options_(options),
          kind_(kind),
          settings_(with_defaults(options.settings, kind)),
          random_(options.seed) {
        const bool visits = kind.role == field::Role::visitor;
        unused_share_ = options.unused >= 0 ? options.unused : visits ? visits::unused_share : 0;
        max_unused_s_ =
            options.unused_close > 0 ? options.unused_close : visits::max_unused_s(options.rate);
        target_.address = resolve_address(options.target);
        if (options.tls) {
            context_ = tls::make_context("http/1.1");
            target_.tls = context_.get();
        }
        if (options.mptcp) target_.protocol = IPPROTO_MPTCP;
        raise_descriptor_limit();
    }

    int family() const { return target_.address.storage.ss_family; }

    void run() {
        while (!stop_asked && now_s() < start_ + options_.duration_s) {
            open_due();
            loop_.run_once(std::min(next_s(), start_ + options_.duration_s));
            print_once_open();
        }
    }

    // Returns whether any connection was established.
    bool print_summary() const {
        fmt::print(
            "{} {}: {} opened, {} established, {} open at the end, {} at most, {} cut by the "
            "server, {} ended by plan, {} never used, {} failed, {} timed out, {} rounds, {} bytes "
            "sent, {} received{}{}\n",
            kind_.name, options_.target, tally_.opened, tally_.established, loop_.size(),
            loop_.max_size(), tally_.cut, tally_.ended, tally_.unused, tally_.failed,
            tally_.timed_out, tally_.rounds, tally_.sent, tally_.received,
            tally_.failure.empty() ? "" : "; the last failure: ", tally_.failure);
        fmt::print("{}\n", own_load_.text(now_s()));
        return tally_.established > 0;
    }

  private:
    bool wants_more() const {
        return loop_.size() < options_.count && tally_.opened < options_.total;
    }

    // The time at which the next connection is due.
    double next_s() const { return wants_more() ? next_open_s_ : now_s() + 0.5; }

    void open_due() {
        if (options_.rate <= 0) {
            open_together();
            return;
        }
        // Time in which no connection was wanted is neither late nor made up for.
        if (!wanted_more_) next_open_s_ = std::max(next_open_s_, now_s());
        while (wants_more() && next_open_s_ <= now_s()) {
            own_load_.acted(now_s() - next_open_s_);
            next_open_s_ += 1 / options_.rate;
            open_one();
        }
        wanted_more_ = wants_more();
    }

    // All connections at once. Later it replaces those that ended, at most as many a second as are
    // wanted and some more, so that a server that refuses is not flooded.
    void open_together() {
        constexpr double pause_s = 0.1;
        if (next_open_s_ > now_s()) return;
        next_open_s_ = now_s() + pause_s;
        const std::size_t most = tally_.opened == 0 ? options_.count : options_.count / 10 + 1;
        for (std::size_t i = 0; i < most && wants_more(); i++) open_one();
    }

    void open_one() {
        const auto number = static_cast<unsigned>(tally_.opened);
        loop_.add(std::make_unique<field::Connection>(target_, next_script(number),
                                                      options_.seed + number, now_s(), tally_));
    }

    double between(double min, double max) {
        return std::uniform_real_distribution<>(min, max)(random_);
    }

    // Some connections are never used. Some visitors leave before they have their answer.
    field::Script next_script(unsigned number) {
        using field::Action;
        if (unused_share_ > 0 && between(0, 1) < unused_share_) {
            tally_.unused++;
            return {.steps = {{Action::pause, {}, 0, max_unused_s_}, {Action::close}}};
        }
        field::Script script = kind_.script(settings_, number);
        if (kind_.role == field::Role::visitor && between(0, 1) < visits::aborted_share) {
            script.hold_s = between(0.001, 0.5);
            script.resets = between(0, 1) < 0.5;
        }
        return script;
    }

    void print_once_open() {
        if (printed_open_ || loop_.size() < options_.count || tally_.established < options_.count)
            return;
        printed_open_ = true;
        fmt::print("all {} are open\n", options_.count);
        std::fflush(stdout);
    }

    const Options& options_;
    const field::Kind& kind_;
    field::Settings settings_;
    std::mt19937 random_;
    double unused_share_;
    double max_unused_s_;
    field::Target target_;
    tls::Context context_;
    field::Tally tally_;
    double start_ = now_s();
    double next_open_s_ = start_;
    bool wanted_more_ = true;  // the last time that it looked
    bool printed_open_ = false;
    OwnLoad own_load_{"field-client", start_};
    ConnectionLoop<field::Connection> loop_{own_load_};  // its connections refer to the others
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app(
        "Many connections of one kind: attackers, or honest clients that look like them. A "
        "connection that ends is replaced.",
        "field-client");
    std::string all = "Kinds:\n";
    for (const field::Kind& kind : field::kinds())
        all += fmt::format("  {:<16}{}{}\n", kind.name,
                           kind.role == field::Role::attacker ? "attack: " : "", kind.help);
    app.footer(all);
    app.add_option("kind", options.kind, "See below")->required();
    app.add_option("target", options.target, "HOST:PORT or [IPV6]:PORT")->required();
    app.add_option("--count", options.count, "Maximum number of open connections")
        ->check(CLI::Range(1, 20'000))
        ->capture_default_str();
    app.add_option("--total", options.total, "Maximum number of connections over the whole time")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--rate", options.rate, "New connections a second (default: all at once)")
        ->check(CLI::PositiveNumber);
    app.add_option("--duration", options.duration_s, "Seconds")
        ->check(CLI::Range(0.1, 86'400.0))
        ->capture_default_str();
    app.add_option("--every", options.every,
                   "Seconds between what is sent or read each time: SECONDS or MIN-MAX");
    app.add_option("--hold", options.settings.hold_s,
                   "Seconds until a connection is replaced (0: it stays)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--bytes", options.settings.bytes, "Bytes that are sent or read each time")
        ->check(CLI::PositiveNumber);
    app.add_option("--unused", options.unused,
                   "Share of the connections that are never used (visitors 0.2, others 0)")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--unused-close", options.unused_close,
                   "Longest time in seconds that these stay open (120 below 20 a second, else 2)")
        ->check(CLI::PositiveNumber);
    app.add_option("--path", options.settings.path, "Path to request")->capture_default_str();
    app.add_option("--seed", options.seed, "Equal seeds give equal clients")->capture_default_str();
    app.add_flag("--tls", options.tls, "Use TLS");
    app.add_flag("--mptcp", options.mptcp,
                 "Use Multipath TCP; exit code 77 if the kernel has none");
    if (const auto code = parse(app, argc, argv)) return *code;

    stop_at_signals();
    try {
        if (!options.every.empty()) set_every(options.every, options.settings);
        Client client(options, field::find_kind(options.kind));
        if (options.mptcp && !has_mptcp(client.family())) {
            fmt::print("SKIP: the kernel has no Multipath TCP\n");
            return exit_skip;
        }
        client.run();
        return client.print_summary() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "field-client: {}\n", error.what());
        return 1;
    }
}
