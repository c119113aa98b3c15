// SPDX-License-Identifier: BSD-2-Clause
// Gathers values in buckets, and returns the extremes of each bucket as points.
#include "offline/report/timeline.hpp"

namespace jsguard {

void Timeline::take(Bucket& bucket, const TimedValue& low, const TimedValue& high,
                    std::size_t values) {
    if (bucket.values == 0 || low.value < bucket.low.value) bucket.low = low;
    if (bucket.values == 0 || high.value > bucket.high.value) bucket.high = high;
    bucket.values += values;
}

void Timeline::halve() {
    const std::size_t merged = (buckets_.size() + 1) / 2;
    for (std::size_t i = 0; i < merged; i++) {
        Bucket both = buckets_[2 * i];
        if (2 * i + 1 < buckets_.size()) {
            const Bucket& second = buckets_[2 * i + 1];
            if (second.values > 0) take(both, second.low, second.high, second.values);
        }
        buckets_[i] = both;
    }
    buckets_.resize(merged);
    bucket_ms_ *= 2;
}

void Timeline::add(std::uint64_t unix_ms, double value) {
    const TimedValue point{unix_ms, value};
    if (values_ == 0) {
        origin_ms_ = unix_ms;
        lowest_ = highest_ = point;
    }
    // After the clock was set back, windows may be before the origin. They go into the first
    // bucket.
    const std::uint64_t since = unix_ms > origin_ms_ ? unix_ms - origin_ms_ : 0;
    while (since / bucket_ms_ >= max_buckets) halve();
    const std::size_t index = since / bucket_ms_;
    if (index >= buckets_.size()) buckets_.resize(index + 1);
    take(buckets_[index], point, point, 1);
    if (value < lowest_.value) lowest_ = point;
    if (value > highest_.value) highest_ = point;
    values_++;
    sum_ += value;
}

std::vector<Timeline::Run> Timeline::runs() const {
    // The end times of windows jitter, so a single empty bucket is no gap.
    constexpr std::size_t gap = 2;
    std::vector<Run> runs;
    std::size_t empty = gap;
    for (const Bucket& bucket : buckets_) {
        if (bucket.values == 0) {
            empty++;
            continue;
        }
        if (empty >= gap) runs.emplace_back();
        empty = 0;
        const bool low_first = bucket.low.unix_ms <= bucket.high.unix_ms;
        runs.back().push_back(low_first ? bucket.low : bucket.high);
        if (bucket.low.unix_ms != bucket.high.unix_ms)
            runs.back().push_back(low_first ? bucket.high : bucket.low);
    }
    return runs;
}

}  // namespace jsguard
