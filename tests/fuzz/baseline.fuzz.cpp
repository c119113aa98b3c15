// SPDX-License-Identifier: BSD-2-Clause
// Baseline files, of earlier versions too. An accepted file is the same after writing and reading,
// and can be shown, compared and merged.
#include <algorithm>
#include <cstring>

#include "common/baseline_file.hpp"
#include "fuzz.hpp"
#include "kernel/significance.h"
#include "offline/baseline/difference.hpp"
#include "offline/baseline/merge.hpp"
#include "offline/baseline/show.hpp"

using namespace jsguard;

namespace {

bool same(const BaselineOrigin& a, const BaselineOrigin& b) {
    return a.host == b.host && a.kernel == b.kernel && a.unix_ms == b.unix_ms &&
           a.step_s == b.step_s;
}

bool same(const Baselines& a, const Baselines& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.first == y.first && std::memcmp(&x.second, &y.second, sizeof(x.second)) == 0;
    });
}

void check_round_trip(const BaselineFile& file) {
    const std::string text = baselines_to_json(file.baselines, file.origin);
    const BaselineFile again = baseline_file_from_json(text);  // an Error stops the fuzzer
    fuzz::require(same(again.origin, file.origin), "the origin is read as it was written");
    fuzz::require(same(again.baselines, file.baselines), "baselines are read as they were written");
}

void check_use(const BaselineFile& file) {
    for (const auto& [port, baseline] : file.baselines)
        fuzz::require(port != 0 && jsg_baseline_suffices(&baseline, file.origin.step_s),
                      "windows can be judged by a baseline that is read");
    fuzz::require(!baselines_text(file).empty() && !baselines_measures_json(file).empty(),
                  "a file that is read can be shown");
    const FileDifference none = difference_of(file.baselines, file.baselines);
    fuzz::require(none.only_a.empty() && none.only_b.empty() && largest_nanobits(none) == 0,
                  "a file does not differ from itself");
    // The file is merged with itself. Sums that are too large are refused.
    const BaselineFile both[] = {file, file};
    const auto sum = fuzz::accepted([&] { return merged(both); });
    if (sum) check_round_trip(*sum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file =
        fuzz::accepted([&] { return baseline_file_from_json(fuzz::text_of(data, size)); });
    if (!file) return 0;
    check_round_trip(*file);
    check_use(*file);
    return 0;
}
