// SPDX-License-Identifier: BSD-2-Clause
// Tests of the messages to the system's log, and of what happens to them if the logger does not
// read.
#include "load/system_log.hpp"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/alert_text.hpp"
#include "common/quantity_text.hpp"
#include "load/log_message.hpp"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

const Origin web1 = {"web1", "5f0c9a1e"};
constexpr std::uint64_t at_ms = 1'767'323'045'678;  // 2026-01-02T03:04:05.678

jsg_alert raise_of(std::uint32_t netns = 0) {
    jsg_alert alert{};
    alert.number = 7;
    alert.at_unix_ms = at_ms;
    alert.since_unix_ms = at_ms - 2000;
    alert.event = JSG_RAISE;
    alert.signal = JSG_OCCUPANCY;
    alert.port = 8080;
    alert.js_nanobits = 413'200'000;
    alert.threshold_nanobits = 120'000'000;
    alert.window_s = 10;
    alert.netns = netns;
    alert.top_count = 1;
    alert.top[0] = {occupancy(JSG_REQUEST_SLOW, 4), 710'000'000, 20'000'000, 310'000'000};
    alert.sources.sockets = 512;
    alert.sources.distinct = 2;
    alert.sources.top_count = 2;
    alert.sources.top[0].prefix_bits = 64;
    alert.sources.top[0].sockets = 480;
    const std::array<std::uint8_t, 8> v6 = {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2};
    std::copy(v6.begin(), v6.end(), alert.sources.top[0].address);
    alert.sources.top[1].prefix_bits = 32;
    alert.sources.top[1].sockets = 32;
    const std::array<std::uint8_t, 4> v4 = {192, 0, 2, 7};
    std::copy(v4.begin(), v4.end(), alert.sources.top[1].address);
    return alert;
}

jsg_alert clear_of() {
    jsg_alert alert = raise_of();
    alert.event = JSG_CLEAR;
    alert.duration_ns = 43'210'400'000;
    alert.peak_nanobits = 980'000'000;
    alert.top_count = 0;
    alert.sources = {};
    return alert;
}

LogMessage message_of(const jsg_alert& alert, const Origin& origin = web1) {
    return alert_message(alert, alert_object(alert, origin));
}

// All values of a field in order, separated by spaces, or "(none)".
std::string value(const LogMessage& message, const std::string& name) {
    std::optional<std::string> values;
    for (const auto& [key, text] : message.fields)
        if (key == name) values = values ? *values + " " + text : text;
    return values.value_or("(none)");
}

// A directory for the sockets of a journal and of a syslog. listen_at() makes a socket.
class Loggers {
  public:
    Loggers() {
        std::string name = std::filesystem::temp_directory_path() / "jsguard-log.XXXXXX";
        REQUIRE(mkdtemp(name.data()) != nullptr);
        directory_ = name;
    }
    ~Loggers() {
        for (const int fd : fds_) close(fd);
        std::filesystem::remove_all(directory_);
    }
    Loggers(const Loggers&) = delete;
    Loggers& operator=(const Loggers&) = delete;

    std::string path(const std::string& name) const { return directory_ / name; }
    int listen_at(const std::string& name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string whole = path(name);
        std::copy(whole.begin(), whole.end(), address.sun_path);
        const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
        fds_.push_back(fd);
        return fd;
    }
    void leave(const std::string& name) { std::filesystem::remove(path(name)); }
    SystemLog log() const { return SystemLog(path("journal"), path("syslog")); }

  private:
    std::filesystem::path directory_;
    std::vector<int> fds_;
};

// The next datagram; "" if there is none.
std::string next(int fd) {
    std::array<char, 65536> buffer{};
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    return got < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(got));
}

LogMessage notice(const std::string& text) { return notice_message(LOG_INFO, "start", text); }

}  // namespace

TEST_CASE("a raise has each figure of its JSON in its own field", "[system_log]") {
    const LogMessage message = message_of(raise_of(4026531992));
    CHECK(message.priority == LOG_WARNING);
    CHECK(message.text == alert_line(raise_of(4026531992)));
    CHECK(value(message, "MESSAGE_ID") == "287b5d3cbbf2fa980c7452ba9378aad3");
    CHECK(value(message, "JSGUARD_TIMESTAMP") == "2026-01-02T03:04:05.678+00:00");
    CHECK(value(message, "JSGUARD_EVENT") == "raise");
    CHECK(value(message, "JSGUARD_ID") == "5f0c9a1e-7");
    CHECK(value(message, "JSGUARD_PORT") == "8080");
    CHECK(value(message, "JSGUARD_SIGNAL") == "occupancy");
    CHECK(value(message, "JSGUARD_JS_BITS") == "0.4132");
    CHECK(value(message, "JSGUARD_THRESHOLD_BITS") == "0.12");
    CHECK(value(message, "JSGUARD_SINCE") == "2026-01-02T03:04:03.678+00:00");
    CHECK(value(message, "JSGUARD_NETNS") == "4026531992");
    CHECK(value(message, "JSGUARD_TOP_CELL") == "request slow 8-16s");
    CHECK(value(message, "JSGUARD_SOURCES") == "2");
    CHECK(value(message, "JSGUARD_SOURCES_INEXACT") == "false");
    CHECK(value(message, "JSGUARD_TOP_SOURCE") == "2001:db8:1:2::/64");
    CHECK(value(message, "JSGUARD_TOP_SOURCE_SOCKETS") == "480");
    CHECK(value(message, "JSGUARD_TOP_SOURCE_SHARE") == "0.9375");
    CHECK(value(message, "JSGUARD_TOP_SOURCES") == "2001:db8:1:2::/64 192.0.2.7");
    CHECK(value(message, "JSGUARD_JSON") == alert_json(raise_of(4026531992), web1));
    CHECK(value(message, "JSGUARD_DURATION_S") == "(none)");
}

TEST_CASE("every figure of an alert's JSON has a field", "[system_log]") {
    const LogMessage message = message_of(clear_of());
    const auto details = nlohmann::json::parse(alert_json(clear_of(), web1)).at("jsguard");
    for (const auto& [key, figure] : details.items()) {
        if (figure.is_array()) continue;
        std::string name = "JSGUARD_" + key;
        std::transform(name.begin(), name.end(), name.begin(), [](char c) { return toupper(c); });
        CAPTURE(name);
        CHECK(value(message, name) ==
              (figure.is_string() ? figure.get<std::string>() : figure.dump()));
    }
}

TEST_CASE("a clear has its own message id, and no source if none is known", "[system_log]") {
    const LogMessage message = message_of(clear_of());
    CHECK(message.priority == LOG_NOTICE);
    CHECK(value(message, "MESSAGE_ID") == "959d846ee3af73d23ba0a2f15ece5537");
    CHECK(value(message, "JSGUARD_EVENT") == "clear");
    CHECK(value(message, "JSGUARD_ID") == "5f0c9a1e-7");
    CHECK(value(message, "JSGUARD_DURATION_S") == "43.21");
    CHECK(value(message, "JSGUARD_PEAK_JS_BITS") == "0.98");
    CHECK(value(message, "JSGUARD_NETNS") == "(none)");
    CHECK(value(message, "JSGUARD_TOP_CELL") == "(none)");
    CHECK(value(message, "JSGUARD_TOP_SOURCE") == "(none)");
    CHECK(value(message, "JSGUARD_TOP_SOURCES") == "(none)");
}

TEST_CASE("a datagram for the journal has the length of each value", "[system_log]") {
    const LogMessage message{LOG_NOTICE, "one\ntwo", "{}", {{"JSGUARD_EVENT", "start"}}};
    using namespace std::string_literals;
    CHECK(journal_datagram(message) ==
          "MESSAGE\n\7\0\0\0\0\0\0\0one\ntwo\n"
          "PRIORITY\n\1\0\0\0\0\0\0\0"
          "5\n"
          "SYSLOG_FACILITY\n\1\0\0\0\0\0\0\0"
          "3\n"
          "SYSLOG_IDENTIFIER\n\7\0\0\0\0\0\0\0jsguard\n"
          "JSGUARD_EVENT\n\5\0\0\0\0\0\0\0start\n"s);
    const LogMessage longer{LOG_NOTICE, std::string(0x1234, 'x'), "{}", {}};
    CHECK(journal_datagram(longer).starts_with("MESSAGE\n\x34\x12\0\0\0\0\0\0x"s));
}

TEST_CASE("the JSON of a syslog line begins with the line for people", "[system_log]") {
    setenv("TZ", "UTC", 1);
    tzset();
    const std::string line = syslog_datagram(message_of(raise_of()), at_ms / 1000, 42);
    const std::string begin = "<28>Jan  2 03:04:05 jsguard[42]: @cee: ";
    REQUIRE(line.starts_with(begin + R"({"msg":"ALERT port 8080: )"));
    const auto object = nlohmann::json::parse(line.substr(begin.size()));
    CHECK(object.at("msg") == alert_line(raise_of()));
    auto alert = object;
    alert.erase("msg");
    CHECK(alert == nlohmann::json::parse(alert_json(raise_of(), web1)));
}

TEST_CASE("a host name that is not UTF-8 and a line break do not break the line", "[system_log]") {
    const LogMessage message = message_of(raise_of(), {"we\xff\nb", "1"});
    CHECK(contains(value(message, "JSGUARD_JSON"), "we\xef\xbf\xbd\\nb"));
    CHECK_FALSE(contains(syslog_datagram(message, 0, 1), "\n"));
    CHECK_FALSE(contains(syslog_datagram(notice("a\nb\xff"), 0, 1), "\n"));
}

TEST_CASE("the journal is preferred to syslog, which is used if there is no journal",
          "[system_log]") {
    Loggers loggers;
    const int syslog = loggers.listen_at("syslog");
    SystemLog log = loggers.log();
    log.send(notice("first"));
    CHECK(contains(next(syslog), R"(jsguard[)"));
    const int journal = loggers.listen_at("journal");
    log.send(notice("second"));
    CHECK(next(journal).starts_with("MESSAGE\n"));
    CHECK(next(syslog).empty());
    CHECK(log.retry().empty());
    CHECK(log.lost() == 0);
}

TEST_CASE("without a logger messages are kept, which is reported once, and sent to the next one",
          "[system_log]") {
    Loggers loggers;
    SystemLog log = loggers.log();
    log.send(notice("first"));
    log.send(notice("second"));
    CHECK(contains(log.retry(), "nothing listens at " + loggers.path("journal") + " or " +
                                    loggers.path("syslog") + "; start "));
    CHECK(log.retry().empty());
    CHECK(log.kept() == 2);
    const int journal = loggers.listen_at("journal");
    CHECK(log.retry() == "the system's log accepts messages again; lost until now: nothing");
    CHECK(log.retry().empty());
    CHECK(contains(next(journal), "first"));
    CHECK(contains(next(journal), "second"));
    CHECK(log.kept() == 0);
    CHECK(log.lost() == 0);
}

TEST_CASE("a logger that does not read never makes the sender wait", "[system_log]") {
    Loggers loggers;
    const std::string name = GENERATE("journal", "syslog");
    CAPTURE(name);
    const int logger = loggers.listen_at(name);
    SystemLog log = loggers.log();
    std::size_t sent = 0;
    for (; log.kept() == 0 && sent < 100'000; sent++) log.send(notice(std::to_string(sent)));
    REQUIRE(log.kept() == 1);  // its queue is full
    CHECK(contains(log.retry(), loggers.path(name) + ": it does not read"));
    for (std::size_t i = 0; i < SystemLog::messages_kept + 2; i++) log.send(notice("more"));
    CHECK(log.kept() == SystemLog::messages_kept);
    CHECK(log.lost() == 3);
    CHECK(log.retry().empty());
    std::size_t taken = 0;
    for (std::string text = next(logger); !text.empty(); text = next(logger), log.retry()) taken++;
    CHECK(taken == sent - 1 + SystemLog::messages_kept);
    CHECK(log.kept() == 0);
}

TEST_CASE("each time when the logger accepts nothing is reported, and its end", "[system_log]") {
    Loggers loggers;
    SystemLog log = loggers.log();
    for (const std::size_t too_many : {std::size_t{1}, std::size_t{2}}) {
        CAPTURE(too_many);
        for (std::size_t i = 0; i < SystemLog::messages_kept + too_many; i++)
            log.send(notice("more"));
        CHECK(contains(log.retry(), "does not take a message"));
        CHECK(log.retry().empty());
        const int journal = loggers.listen_at("journal");
        std::string report;
        while (!next(journal).empty() || log.kept())
            if (const std::string now = log.retry(); !now.empty()) report += now;
        CHECK(report == "the system's log accepts messages again; lost until now: " +
                            counted(too_many, "message", "messages"));
        loggers.leave("journal");
    }
    CHECK(log.lost() == 3);
}

TEST_CASE("a moment when the logger accepts nothing is not reported if nothing is lost",
          "[system_log]") {
    Loggers loggers;
    SystemLog log = loggers.log();
    log.send(notice("first"));
    const int journal = loggers.listen_at("journal");
    CHECK(log.retry().empty());
    CHECK(contains(next(journal), "first"));
}

TEST_CASE("messages that are kept at the end are lost, and counted", "[system_log]") {
    Loggers loggers;
    SystemLog log = loggers.log();
    log.send(notice("first"));
    log.send(notice("second"));
    const auto start = std::chrono::steady_clock::now();
    log.finish(std::chrono::milliseconds(50));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    CHECK(log.lost() == 2);
    CHECK(log.kept() == 0);
}
