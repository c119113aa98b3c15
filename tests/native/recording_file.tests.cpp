// SPDX-License-Identifier: BSD-2-Clause
// Tests of recordings: reading gives what was written, and a long recording needs little memory.
#include "offline/recording/recording_file.hpp"

#include <sys/resource.h>

#include "recording_text.hpp"
#include "tests/catch_compat.hpp"

using namespace recording_text;

namespace {

template <class Record>
bool same_bytes(const Record& a, const Record& b) {
    return std::memcmp(&a, &b, sizeof(Record)) == 0;
}

bool same(const std::optional<jsg_baseline>& a, const std::optional<jsg_baseline>& b) {
    return a.has_value() == b.has_value() && (!a || same_bytes(*a, *b));
}

}  // namespace

TEST_CASE("a recording's header is read as it was written", "[recording_file]") {
    Samples samples(1);
    for (int i = 0; i < 300; ++i) {
        const RecordingHeader written = samples.header();
        const Recording file(recording_line(written) + "\n");
        const RecordingReader reader(file.path());
        CAPTURE(i, recording_line(written));
        CHECK(reader.header().host == written.host);
        CHECK(reader.header().kernel == written.kernel);
        CHECK(reader.header().unix_ms == written.unix_ms);
        REQUIRE(same_bytes(reader.header().config, written.config));
    }
}

TEST_CASE("a recorded service is read byte for byte", "[recording_file]") {
    Samples samples(2);
    for (int i = 0; i < 200; ++i) {
        const RecordedService written = samples.service(port, samples.below(1'000'000));
        const auto entries = entries_of(lines_of({header_line(), recording_line(written)}));
        CAPTURE(i);
        REQUIRE(entries.size() == 1);
        const auto& read = std::get<RecordedService>(entries[0]);
        REQUIRE(same_bytes(read.service, written.service));
        REQUIRE(same(read.baseline, written.baseline));
        REQUIRE(same(read.pending_baseline, written.pending_baseline));
        REQUIRE(read.history.size() == written.history.size());
        for (std::size_t step = 0; step < read.history.size(); ++step)
            REQUIRE(same_bytes(read.history[step], written.history[step]));
    }
}

TEST_CASE("recorded windows are read byte for byte", "[recording_file]") {
    Samples samples(3);
    std::vector<RecordedWindow> written;
    std::string text = lines_of({header_line(), recording_line(samples.service(port, 0))});
    for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) {
        written.push_back(samples.window(port, sequence));
        text += recording_line(written.back()) + "\n";
    }
    const auto entries = entries_of(text);
    REQUIRE(entries.size() == written.size() + 1);
    for (std::size_t i = 0; i < written.size(); ++i) {
        const auto& read = std::get<RecordedWindow>(entries[i + 1]);
        CAPTURE(i);
        REQUIRE(same_bytes(read.record, written[i].record));
        REQUIRE(read.threshold_nanobits == written[i].threshold_nanobits);
        REQUIRE(read.transitions == written[i].transitions);
        REQUIRE(read.occupancy == written[i].occupancy);
        REQUIRE(same_bytes(read.step, written[i].step));
        REQUIRE(read.listeners == written[i].listeners);
    }
}

TEST_CASE("entries between windows are read as they were written", "[recording_file]") {
    Samples samples(4);
    const jsg_baseline baseline = samples.baseline();
    const auto entries = entries_of(lines_of(
        {header_line(), recording_line(samples.service(port, 10)),
         recording_line(RecordedBaseline{port, 10, baseline}),
         recording_line(RecordedRelearning{port, 11}), recording_line(RecordedGap{port, 11, 5}),
         recording_line(RecordedEnd{port, 15}), recording_line(samples.service(port, 3))}));
    REQUIRE(entries.size() == 6);
    const auto& learned = std::get<RecordedBaseline>(entries[1]);
    CHECK(learned.port == port);
    CHECK(learned.sequence == 10);
    CHECK(same_bytes(learned.baseline, baseline));
    CHECK(std::get<RecordedRelearning>(entries[2]).port == port);
    CHECK(std::get<RecordedRelearning>(entries[2]).sequence == 11);
    CHECK(std::get<RecordedGap>(entries[3]).port == port);
    CHECK(std::get<RecordedGap>(entries[3]).sequence == 11);
    CHECK(std::get<RecordedGap>(entries[3]).windows == 5);
    CHECK(std::get<RecordedEnd>(entries[4]).port == port);
    CHECK(std::get<RecordedEnd>(entries[4]).sequence == 15);
    CHECK(std::get<RecordedService>(entries[5]).service.sequence == 3);
}

TEST_CASE("the longest possible line is read", "[recording_file]") {
    RecordedService service = Samples(3).service(port, 60);
    // All cells are used, and the sum of a step's counts just fits 32 bits.
    jsg_reading full{};
    std::fill(std::begin(full.transitions), std::end(full.transitions),
              UINT32_MAX / JSG_TRANSITION_CELLS);
    std::fill(std::begin(full.occupancy), std::end(full.occupancy), UINT32_MAX / JSG_PHASE_CELLS);
    full.answers = full.full_queue_steps = UINT32_MAX;
    service.history.assign(jsg_readings_needed(300), full);
    const std::string line = recording_line(service);
    CHECK(line.size() > 1 << 20);
    CHECK(
        std::get<RecordedService>(entries_of(lines_of({header_line(), line}))[0]).history.size() ==
        service.history.size());
}

TEST_CASE("people can read the line of a window", "[recording_file]") {
    RecordedWindow window = typical_window(port, 61);
    window.record.end_unix_ms = 1'767'323'045'678;
    window.record.mode = JSG_MONITORING;
    window.record.signal[JSG_TRANSITIONS].js_nanobits = 10'000'001;
    window.record.open_millisockets = 12'300;
    window.record.stalled_millisockets = 7'000;
    window.record.signal[JSG_OCCUPANCY].verdict = JSG_EXCESS_ONLY;
    window.threshold_nanobits = {120'000'000, 0};
    window.occupancy.fill(0);
    window.occupancy[JSG_REQUEST_SLOW * JSG_AGES + 4] = 5;
    const ordered_json line = parsed(window);
    CHECK(contains(line.dump(), R"({"type":"window","port":8080,"sequence":61,)"
                                R"("time":"2026-01-02T03:04:05.678+00:00",)"
                                R"("unix_ms":1767323045678,"end_ns":)"));
    CHECK(line.at("mode") == "monitoring");
    CHECK(line.at("transitions").at("js_bits").dump() == "0.010000001");
    CHECK(line.at("transitions").at("threshold_bits").dump() == "0.12");
    CHECK(line.at("occupancy").at("threshold_bits") == "auto");
    CHECK(line.at("occupancy").at("samples") == 5);
    CHECK(line.at("occupancy").at("verdict") == "excess only");
    CHECK(line.at("occupancy").at("open_sockets").dump() == "12.3");
    CHECK(line.at("occupancy").at("stalled_sockets").dump() == "7");
    CHECK(line.at("occupancy").at("counts").dump() == R"({"request slow 8-16s":5})");
}

TEST_CASE("a last line that was cut short is left out, and counted", "[recording_file]") {
    const std::string whole = lines_of({header_line(), service_line().dump()});
    const std::string window = window_line().dump();
    for (std::size_t length = 1; length < window.size(); length += 97) {
        const Recording file(whole + window.substr(0, length));
        RecordingReader reader(file.path());
        CAPTURE(length);
        CHECK(reader.next());
        CHECK_FALSE(reader.next());
        CHECK(reader.cut_lines() == 1);
        CHECK_FALSE(reader.next());
        CHECK(reader.cut_lines() == 1);
    }
    const Recording complete(whole + window);
    RecordingReader reader(complete.path());
    CHECK(reader.next());
    CHECK(reader.next());
    CHECK_FALSE(reader.next());
    CHECK(reader.cut_lines() == 0);
}

#ifndef JSGUARD_SANITIZE  // ASan keeps freed memory for a while
TEST_CASE("a recording far larger than the allowed memory is read", "[recording_file]") {
    constexpr std::uint64_t windows = 20'000;
    const Recording file(lines_of({header_line(), recording_line(Samples(1).service(port, 0))}));
    {
        std::ofstream out(file.path(), std::ios::app);
        ordered_json line = parsed(typical_window(port, 1));
        for (std::uint64_t sequence = 1; sequence <= windows; ++sequence) {
            line["sequence"] = sequence;
            out << line.dump() << "\n";
        }
    }
    constexpr std::uint64_t allowed_kib = 8 << 10;
    REQUIRE(fs::file_size(file.path()) > 3 * 1024 * allowed_kib);
    const auto peak_kib = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return static_cast<std::uint64_t>(usage.ru_maxrss);
    };
    const std::uint64_t before = peak_kib();
    RecordingReader reader(file.path());
    std::uint64_t entries = 0;
    while (reader.next()) entries++;
    CHECK(entries == windows + 1);
    CHECK(peak_kib() - before < allowed_kib);
}
#endif
