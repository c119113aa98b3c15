// SPDX-License-Identifier: BSD-2-Clause
// A time in the past as users write it. An accepted time is not after now. The text that jsguard
// prints for it is read as the same time.
#include "cli/past_time.hpp"
#include "common/quantity_text.hpp"
#include "fuzz.hpp"

using namespace jsguard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::uint64_t now_ms = 1'767'323'045'678;  // 2026-01-02
    const auto time = fuzz::accepted([&] { return past_time(fuzz::text_of(data, size), now_ms); });
    if (!time) return 0;
    fuzz::require(*time <= now_ms, "the time is not after now");
    fuzz::require(past_time(utc_timestamp(*time), now_ms) == *time,
                  "the time is read as it was printed");
    return 0;
}
