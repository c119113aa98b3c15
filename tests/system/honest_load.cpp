// SPDX-License-Identifier: BSD-2-Clause
// honest-load: simulates honest visitors with one thread: HTTP/1.1, plain or over TLS, or HTTP/2.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "connection_loop.hpp"
#include "honest_client.hpp"
#include "honest_plan.hpp"
#include "program.hpp"

namespace {

using namespace honest;

struct Options {
    Profile profile = Profile::short_lived;
    std::vector<std::string> targets;
    std::string small_path = "/index.html";
    std::string large_path = "/large.bin";
    std::string upload_path = "/upload";
    std::string sources;  // FIRST/COUNT; empty: the kernel chooses
    double rate = 0;      // 0: the default of the profile
    double duration = 0;  // 0: until a signal
    double patience = 20;
    double burst_every = 10;
    double pace = 10'000;
    int burst = -1;  // < 0: the default of the profile
    int max_open = 4000;
    int receive_buffer = 0;
    unsigned seed = 1;
    double unused = -1;        // < 0: the default of Realism
    double unused_close = -1;  // < 0: depends on the rate
    bool tls = false;
    bool http2 = false;
};

volatile sig_atomic_t drain_asked = 0;

Target resolve(const std::string& name, const Options& options, SSL_CTX* context) {
    Target target;
    target.name = name;
    target.address = resolve_address(name);
    target.tls = context;
    target.http2 = options.http2;
    target.small_path = options.small_path;
    target.large_path = options.large_path;
    const auto request = [&](const std::string& method, const std::string& path) {
        return fmt::format(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: honest-load\r\nAccept: */*\r\n", method,
            path, name);
    };
    target.small_request = request("GET", options.small_path);
    target.large_request = request("GET", options.large_path);
    target.upload_request = request("POST", options.upload_path);
    target.upgrade_request = target.small_request +
                             "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: aG9uZXN0LWxvYWQtdGVzdA==\r\n";
    return target;
}

// The addresses FIRST/COUNT, in network order.
std::vector<std::uint32_t> addresses(const std::string& sources) {
    std::vector<std::uint32_t> found;
    if (sources.empty()) return found;
    const std::size_t slash = sources.find('/');
    in_addr first = {};
    const int count = slash == sources.npos ? 0 : std::atoi(sources.c_str() + slash + 1);
    if (count < 1 || inet_pton(AF_INET, sources.substr(0, slash).c_str(), &first) != 1)
        throw std::runtime_error(fmt::format("{}: expected FIRST-ADDRESS/COUNT", sources));
    for (int i = 0; i < count; i++)
        found.push_back(htonl(ntohl(first.s_addr) + static_cast<std::uint32_t>(i)));
    return found;
}

// All open connections, and the times to wake them.
class Load {
  public:
    explicit Load(const Options& options)
        : options_(options), start_(now_s()), sources_(addresses(options.sources)) {
        constexpr rlim_t spare = 32;
        const rlim_t limit = raise_descriptor_limit();
        const rlim_t usable = limit > 2 * spare ? limit - spare : spare;
        max_allowed_ = std::min<std::size_t>(
            usable, static_cast<std::size_t>(options.max_open) * options.targets.size());
        if (options.tls) context_ = tls::make_context(options.http2 ? "h2" : "http/1.1");
        unsigned seed = options.seed;
        for (const std::string& name : options.targets) {
            sites_.push_back(
                {resolve(name, options, context_.get()),
                 Visitors(options.profile, options.rate, options.burst, options.burst_every,
                          options.pace, seed++, {options.unused, options.unused_close}),
                 Tally{}});
        }
    }

    void run() {
        while (!stop_asked && !(drain_asked != 0 && loop_.size() == 0) &&
               (options_.duration <= 0 || now_s() < start_ + options_.duration)) {
            if (drain_asked == 0) open_due();
            loop_.run_once(next_arrival());
        }
    }

    // Returns whether there was any answer.
    bool print_summary() const {
        Tally all;
        for (const Site& site : sites_) {
            print_tally(site.target.name, site.tally);
            all.answers += site.tally.answers;
        }
        fmt::print("{}\n", own_load_.text(now_s()));
        fmt::print("open at the end {}, max open {}\n", loop_.size(), loop_.max_size());
        return all.answers > 0;
    }

  private:
    struct Site {
        Target target;
        Visitors visitors;
        Tally tally;
    };

    double next_arrival() const {
        double next = now_s() + 0.5;
        if (drain_asked == 0)
            for (const Site& site : sites_)
                next = std::min(next, start_ + site.visitors.next_arrival_s());
        return next;
    }

    void open_due() {
        for (Site& site : sites_) {
            while (start_ + site.visitors.next_arrival_s() <= now_s()) {
                own_load_.acted(now_s() - start_ - site.visitors.next_arrival_s());
                Plan plan = site.visitors.arrive();
                plan.receive_buffer = options_.receive_buffer;
                if (!sources_.empty()) plan.source = sources_[++opened_ % sources_.size()];
                if (loop_.size() >= max_allowed_)
                    site.tally.stayed_away++;
                else
                    loop_.add(std::make_unique<Connection>(site.target, std::move(plan),
                                                           options_.patience, now_s(), site.tally));
            }
        }
    }

    static void print_tally(const std::string& name, const Tally& tally) {
        fmt::print(
            "{}: {} connections, {} requests, {} answers, {:.1f} MB, {} aborted, {} errors "
            "({} refused, {} cut, {} timed out, {} bad answers), {} closed while thinking, "
            "{} stayed away, {:.1f} MB uploaded, {} messages, {} never used\n",
            name, tally.opened, tally.requests, tally.answers,
            static_cast<double>(tally.bytes) / 1e6, tally.aborted, tally.errors(), tally.refused,
            tally.cut, tally.timed_out, tally.bad_answers, tally.ended_early, tally.stayed_away,
            static_cast<double>(tally.bytes_sent) / 1e6, tally.messages, tally.unused);
    }

    const Options& options_;
    double start_;
    OwnLoad own_load_{"honest-load", start_};
    std::vector<std::uint32_t> sources_;
    std::uint64_t opened_ = 0;
    tls::Context context_;
    std::vector<Site> sites_;
    std::size_t max_allowed_ = 0;
    ConnectionLoop<Connection> loop_{own_load_};  // its connections refer to the sites
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Honest HTTP visitors for the system tests.", "honest-load");
    const std::map<std::string, Profile> profiles = {
        {"short", Profile::short_lived},
        {"browsers", Profile::browsers},
        {"uploads", Profile::uploads},
        {"downloads", Profile::downloads},
        {"polls", Profile::polls},
        {"websockets", Profile::websockets},
        {"websocket-senders", Profile::websocket_senders},
        {"realistic", Profile::realistic}};
    app.add_option("--profile", options.profile,
                   "Kind of visitors: short, browsers, uploads, downloads, polls, websockets, "
                   "websocket-senders, realistic")
        ->required()
        ->transform(CLI::CheckedTransformer(profiles).description(""))
        ->type_name("PROFILE");
    app.add_option("target", options.targets, "HOST:PORT, one or more")->required();
    app.add_option("--rate", options.rate, "New connections a second (short 40, others 20)")
        ->check(CLI::PositiveNumber);
    app.add_option("--burst", options.burst, "Connections at once in a burst (short 40, others 0)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--burst-every", options.burst_every, "Seconds between bursts")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--duration", options.duration, "Seconds; without, until SIGINT or SIGTERM")
        ->check(CLI::PositiveNumber);
    app.add_option("--seed", options.seed, "Equal seeds give equal visitors")
        ->capture_default_str();
    app.add_option("--patience", options.patience, "Seconds without progress before giving up")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--max-open", options.max_open,
                   "Maximum number of open connections for each target, on average")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_flag("--tls", options.tls, "Use TLS");
    app.add_flag("--http2", options.http2, "Use TLS and HTTP/2");
    app.add_option("--unused", options.unused,
                   "Share of the realistic visitors' connections that are never used (0.2)")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--unused-close", options.unused_close,
                   "Longest time in seconds that these stay open (120 below 20 a second, else 2)")
        ->check(CLI::PositiveNumber);
    app.add_option("--small-path", options.small_path, "Page to request")->capture_default_str();
    app.add_option("--large-path", options.large_path, "File to download")->capture_default_str();
    app.add_option("--upload-path", options.upload_path, "Where uploads go")->capture_default_str();
    app.add_option("--pace", options.pace, "Bytes a second of an upload or download")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option(
           "--receive-buffer", options.receive_buffer,
           "Bytes, for visitors that read at a pace (0: 128 KiB, < 0: the kernel's default)")
        ->capture_default_str();
    app.add_option("--sources", options.sources,
                   "Source addresses FIRST-ADDRESS/COUNT, used in turn (default: the kernel's)");
    app.footer("SIGUSR1: no new visitors come; honest-load ends when the last one has left.");
    if (const auto code = parse(app, argc, argv)) return *code;
    const bool short_lived = options.profile == Profile::short_lived;
    if (options.rate <= 0) options.rate = short_lived ? 40 : 20;
    if (options.burst < 0) options.burst = short_lived ? 40 : 0;
    if (options.unused < 0) options.unused = Realism().unused_share;
    if (options.unused_close <= 0) options.unused_close = visits::max_unused_s(options.rate);
    if (options.http2) options.tls = true;
    const bool only_gets = short_lived || options.profile == Profile::realistic ||
                           options.profile == Profile::browsers;
    if (options.http2 && !only_gets) {
        fmt::print(stderr, "honest-load: --http2 is for short, browsers and realistic\n");
        return 2;
    }

    stop_at_signals();
    at_signal(SIGUSR1, [](int) { drain_asked = 1; });
    try {
        Load load(options);
        load.run();
        return load.print_summary() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "honest-load: {}\n", error.what());
        return 1;
    }
}
