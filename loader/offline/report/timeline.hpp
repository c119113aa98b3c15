// SPDX-License-Identifier: BSD-2-Clause
// A value over time. It is thinned while it is gathered: each bucket keeps its minimum and maximum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace jsguard {

struct TimedValue {
    std::uint64_t unix_ms = 0;
    double value = 0;
};

// Memory is bounded for recordings of any length: when the buckets no longer suffice, each two
// neighbours are merged. The extremes of the whole recording always remain, with their exact times.
class Timeline {
  public:
    static constexpr std::size_t max_buckets = 500;

    explicit Timeline(std::uint64_t step_ms) : bucket_ms_(step_ms > 0 ? step_ms : 1) {}

    void add(std::uint64_t unix_ms, double value);

    bool empty() const { return values_ == 0; }
    std::size_t values() const { return values_; }  // number of values
    double mean() const { return empty() ? 0 : sum_ / static_cast<double>(values_); }
    const TimedValue& lowest() const { return lowest_; }
    const TimedValue& highest() const { return highest_; }

    // The points to draw, oldest first. Each run ends where a gap begins.
    using Run = std::vector<TimedValue>;
    std::vector<Run> runs() const;

  private:
    struct Bucket {
        std::size_t values = 0;
        TimedValue low;
        TimedValue high;
    };
    static void take(Bucket& bucket, const TimedValue& low, const TimedValue& high,
                     std::size_t values);
    void halve();

    std::uint64_t bucket_ms_;
    std::uint64_t origin_ms_ = 0;
    std::vector<Bucket> buckets_;
    std::size_t values_ = 0;
    double sum_ = 0;
    TimedValue lowest_;
    TimedValue highest_;
};

}  // namespace jsguard
