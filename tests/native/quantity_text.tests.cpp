// SPDX-License-Identifier: BSD-2-Clause
// Tests of the texts of times, numbers, sizes and lists of ports.
#include "common/quantity_text.hpp"

#include <array>

#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

constexpr std::uint64_t at_ms = 1'767'323'045'678;  // 2026-01-02T03:04:05.678

}  // namespace

TEST_CASE("a time is shown in UTC to the millisecond", "[quantity_text]") {
    CHECK(utc_timestamp(at_ms) == "2026-01-02T03:04:05.678+00:00");
    CHECK(utc_timestamp(0) == "1970-01-01T00:00:00.000+00:00");
    CHECK(utc_timestamp(1'709'164'800'007) == "2024-02-29T00:00:00.007+00:00");
    CHECK(utc_timestamp(UINT64_MAX) == "9999-12-31T23:59:59.999+00:00");
    CHECK(utc_text(at_ms) == "2026-01-02 03:04:05");
}

TEST_CASE("a duration has at most two units", "[quantity_text]") {
    CHECK(duration_text(0) == "0 s");
    CHECK(duration_text(412) == "0.412 s");
    CHECK(duration_text(9'999) == "10 s");
    CHECK(duration_text(119'999) == "119 s");
    CHECK(duration_text(120'000) == "2 min 0 s");
    CHECK(duration_text(3'600'000) == "1 h 0 min");
    CHECK(duration_text(47 * 3'600'000ULL) == "47 h 0 min");
    CHECK(duration_text(76 * 3'600'000ULL) == "3 d 4 h");
}

TEST_CASE("a number has the matching form of its noun, and commas if the caller wants them",
          "[quantity_text]") {
    CHECK(counted(0, "window", "windows") == "0 windows");
    CHECK(counted(1, "window", "windows") == "1 window");
    CHECK(counted(2345, "window", "windows") == "2345 windows");
    CHECK(counted_apart(1, "window", "windows") == "1 window");
    CHECK(counted_apart(2345, "window", "windows") == "2,345 windows");
    CHECK(number_text(999) == "999");
    CHECK(number_text(1'234'567) == "1,234,567");
    CHECK(bytes_text(12 * 1024) == "12 KiB");
    CHECK(bytes_text(32'715'571) == "31.2 MiB");
}

TEST_CASE("a small number of bits is not shown as zero", "[quantity_text]") {
    CHECK(small_bits_text(0) == "0.000");
    CHECK(small_bits_text(413'200'000) == "0.413");
    CHECK(small_bits_text(9'876) == "9.88e-06");
}

TEST_CASE("ports are listed", "[quantity_text]") {
    CHECK(ports_text(std::array<std::uint16_t, 1>{80}) == "port 80");
    CHECK(ports_text(std::array<std::uint16_t, 2>{80, 443}) == "ports 80, 443");
}
