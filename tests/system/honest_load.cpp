// SPDX-License-Identifier: BSD-2-Clause
// honest-load: simulates honest HTTP/1.1 visitors, plain or over TLS, with one thread.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "honest_client.hpp"
#include "honest_plan.hpp"

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
    bool tls = false;
};

volatile sig_atomic_t stop_asked = 0;
volatile sig_atomic_t drain_asked = 0;

double now_s() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

Target resolve(const std::string& name, const Options& options, SSL_CTX* context) {
    Target target;
    target.name = name;
    target.address = resolve_address(name);
    target.tls = context;
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
        epoll_ = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
        raise_descriptor_limit();
        if (options.tls) context_ = tls::make_context("http/1.1");
        unsigned seed = options.seed;
        for (const std::string& name : options.targets) {
            sites_.push_back({resolve(name, options, context_.get()),
                              Visitors(options.profile, options.rate, options.burst,
                                       options.burst_every, options.pace, seed++),
                              Tally{}});
        }
    }
    ~Load() { close(epoll_); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    void run() {
        while (stop_asked == 0 && !(drain_asked != 0 && open_.empty()) &&
               (options_.duration <= 0 || now_s() < start_ + options_.duration)) {
            if (drain_asked == 0) open_due();
            wake_due();
            wait();
        }
    }

    // Returns whether there was any answer.
    bool print_summary() const {
        Tally all;
        for (const Site& site : sites_) {
            print_tally(site.target.name, site.tally);
            all.answers += site.tally.answers;
        }
        fmt::print("open at the end {}, max open {}\n", open_.size(), max_open_);
        return all.answers > 0;
    }

  private:
    struct Site {
        Target target;
        Visitors visitors;
        Tally tally;
    };
    struct Open {
        Open(const Site& site, Plan plan, double patience_s, double now, Tally& tally)
            : connection(site.target, std::move(plan), patience_s, now, tally) {}
        Connection connection;
        std::uint32_t events = 0;   // that epoll reports
        double woken_s = INFINITY;  // time of the earliest entry in wake_
    };
    struct Wake {
        double at_s;
        std::uint64_t id;
        bool operator>(const Wake& other) const { return at_s > other.at_s; }
    };

    void raise_descriptor_limit() {
        rlimit limit = {};
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        constexpr rlim_t spare = 32;
        const rlim_t usable = limit.rlim_cur > 2 * spare ? limit.rlim_cur - spare : spare;
        max_allowed_ = std::min<std::size_t>(
            usable, static_cast<std::size_t>(options_.max_open) * options_.targets.size());
    }

    void open_due() {
        for (Site& site : sites_) {
            while (start_ + site.visitors.next_arrival_s() <= now_s()) {
                Plan plan = site.visitors.arrive();
                plan.receive_buffer = options_.receive_buffer;
                if (!sources_.empty()) plan.source = sources_[last_id_ % sources_.size()];
                if (open_.size() >= max_allowed_)
                    site.tally.stayed_away++;
                else
                    open_one(site, std::move(plan));
            }
        }
    }

    void open_one(Site& site, Plan plan) {
        const std::uint64_t id = ++last_id_;
        auto open =
            std::make_unique<Open>(site, std::move(plan), options_.patience, now_s(), site.tally);
        max_open_ = std::max(max_open_, open_.size() + 1);
        watch(EPOLL_CTL_ADD, id, *open);
        plan_wake(id, *open);
        open_.emplace(id, std::move(open));
    }

    void watch(int operation, std::uint64_t id, Open& open) {
        epoll_event event = {};
        event.events = open.events = open.connection.wanted_events();
        event.data.u64 = id;
        if (epoll_ctl(epoll_, operation, open.connection.fd(), &event) != 0)
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }

    // One entry for each connection is enough: wake_due() puts an early one back.
    void plan_wake(std::uint64_t id, Open& open) {
        if (open.connection.due() >= open.woken_s) return;
        open.woken_s = open.connection.due();
        wake_.push({open.woken_s, id});
    }

    void wake_due() {
        while (!wake_.empty() && wake_.top().at_s <= now_s()) {
            const Wake wake = wake_.top();
            wake_.pop();
            const auto found = open_.find(wake.id);
            if (found == open_.end() || found->second->woken_s != wake.at_s) continue;
            Open& open = *found->second;
            open.woken_s = INFINITY;
            if (open.connection.due() > now_s())
                plan_wake(wake.id, open);
            else
                settle(wake.id, open, open.connection.on_due(now_s()));
        }
    }

    void settle(std::uint64_t id, Open& open, bool goes_on) {
        if (!goes_on) {
            open_.erase(id);
            return;
        }
        if (open.connection.wanted_events() != open.events) watch(EPOLL_CTL_MOD, id, open);
        plan_wake(id, open);
    }

    void wait() {
        double next = now_s() + 0.5;
        if (!wake_.empty()) next = std::min(next, wake_.top().at_s);
        if (drain_asked == 0)
            for (const Site& site : sites_)
                next = std::min(next, start_ + site.visitors.next_arrival_s());
        const double left_s = std::max(next - now_s(), 0.0);
        std::array<epoll_event, 256> events;
        const int count = epoll_wait(epoll_, events.data(), events.size(),
                                     static_cast<int>(std::ceil(left_s * 1000)));
        if (count < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "epoll_wait");
        for (int i = 0; i < count; i++) {
            const auto found = open_.find(events[i].data.u64);
            if (found == open_.end()) continue;
            Open& open = *found->second;
            settle(found->first, open, open.connection.on_ready(now_s()));
        }
    }

    static void print_tally(const std::string& name, const Tally& tally) {
        fmt::print(
            "{}: {} connections, {} requests, {} answers, {:.1f} MB, {} aborted, {} errors "
            "({} refused, {} cut, {} timed out, {} bad answers), {} closed while thinking, "
            "{} stayed away, {:.1f} MB uploaded, {} messages\n",
            name, tally.opened, tally.requests, tally.answers,
            static_cast<double>(tally.bytes) / 1e6, tally.aborted, tally.errors(), tally.refused,
            tally.cut, tally.timed_out, tally.bad_answers, tally.ended_early, tally.stayed_away,
            static_cast<double>(tally.bytes_sent) / 1e6, tally.messages);
    }

    const Options& options_;
    double start_;
    std::vector<std::uint32_t> sources_;
    int epoll_ = -1;
    tls::Context context_;
    std::vector<Site> sites_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Open>> open_;
    std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wake_;
    std::uint64_t last_id_ = 0;
    std::size_t max_allowed_ = 0;
    std::size_t max_open_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Honest HTTP/1.1 visitors for the system tests.", "honest-load");
    const std::map<std::string, Profile> profiles = {
        {"short", Profile::short_lived},
        {"browsers", Profile::browsers},
        {"uploads", Profile::uploads},
        {"downloads", Profile::downloads},
        {"polls", Profile::polls},
        {"websockets", Profile::websockets},
        {"websocket-senders", Profile::websocket_senders}};
    app.add_option("--profile", options.profile,
                   "Kind of visitors: short, browsers, uploads, downloads, polls, websockets, "
                   "websocket-senders")
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
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const bool short_lived = options.profile == Profile::short_lived;
    if (options.rate <= 0) options.rate = short_lived ? 40 : 20;
    if (options.burst < 0) options.burst = short_lived ? 40 : 0;

    struct sigaction on_signal = {};
    on_signal.sa_handler = [](int) { stop_asked = 1; };
    sigaction(SIGINT, &on_signal, nullptr);
    sigaction(SIGTERM, &on_signal, nullptr);
    on_signal.sa_handler = [](int) { drain_asked = 1; };
    sigaction(SIGUSR1, &on_signal, nullptr);
    try {
        Load load(options);
        load.run();
        return load.print_summary() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "honest-load: {}\n", error.what());
        return 1;
    }
}
