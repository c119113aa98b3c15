// SPDX-License-Identifier: BSD-2-Clause
// Tests of times in the past, as users write them.
#include "cli/past_time.hpp"

#include <string>

#include "common/error.hpp"
#include "common/quantity_text.hpp"
#include "observation_samples.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;
using samples::now_ms;

TEST_CASE("a duration is a time that long ago", "[since]") {
    CHECK(past_time("0s", now_ms) == now_ms);
    CHECK(past_time("90s", now_ms) == now_ms - 90'000);
    CHECK(past_time("10m", now_ms) == now_ms - 600'000);
    CHECK(past_time("2h", now_ms) == now_ms - 7'200'000);
    CHECK(past_time("1d", now_ms) == now_ms - 86'400'000);
    CHECK(past_time("1000000000d", now_ms) == 0);
}

TEST_CASE("a time in UTC is read", "[since]") {
    CHECK(past_time("2026-01-02T03:04:05Z", now_ms) == now_ms - 678);
    CHECK(past_time("2026-01-02T03:04:05", now_ms) == now_ms - 678);
    CHECK(past_time("2026-01-02T03:04:05.678Z", now_ms) == now_ms);
    CHECK(past_time("1970-01-01T00:00:00Z", now_ms) == 0);
    CHECK(past_time("2024-02-29T00:00:00Z", now_ms) == 1'709'164'800'000);
}

TEST_CASE("the times that jsguard prints are read", "[since]") {
    CHECK(past_time(utc_timestamp(now_ms), now_ms) == now_ms);
    CHECK(past_time(utc_text(now_ms), now_ms) == now_ms - 678);
    CHECK(past_time(utc_text(now_ms) + " UTC", now_ms) == now_ms - 678);
}

TEST_CASE("a text that is not a time is refused in one line", "[since]") {
    const std::string text =
        GENERATE(as<std::string>(), "", "s", "10", "m10", "-5m", "+5m", "1.5h", "10 m", "10m ",
                 "10M", "5w", "4000000000s", "99999999999999999999s", "yesterday", "2026-01-02",
                 "2026-01-02T03:04Z", "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z",
                 "2026-01-00T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z",
                 "2026-01-02T03:04:60Z", "2026-01-02T03:04:05+01:00", "1969-12-31T23:59:59Z",
                 "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05\nZ", "2026-01-02 03:04:05 CET",
                 "2026-01-02 03:04:05 UTCZ", "2026-01-02T03:04:05.678901Z");
    CAPTURE(text);
    try {
        past_time(text, now_ms);
        FAIL("accepted");
    } catch (const Error& error) {
        const std::string message = error.what();
        CHECK(error.code() == ExitCode::usage);
        CHECK(message.find("--since") == 0);
        CHECK(message.find("in UTC") != message.npos);
        CHECK(message.find('\n') == message.npos);
    }
}

TEST_CASE("the future is refused", "[since]") {
    CHECK_THROWS_AS(past_time("2026-01-02T03:04:06Z", now_ms), Error);
    CHECK_THROWS_AS(past_time("2026-01-02T03:04:05.679Z", now_ms), Error);
}
