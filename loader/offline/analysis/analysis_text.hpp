// SPDX-License-Identifier: BSD-2-Clause
// Analyses as tables for people and as JSON for programs.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "offline/analysis/analysis.hpp"

namespace jsguard {

// Where the text goes, piece by piece: that of many samples is long.
using TextSink = std::function<void(std::string_view)>;

// "0.013348", six decimals; "inf" where it is infinite.
std::string six_decimals(double value);

// A line for each sample, unless not with_samples; a table of the classes; a table of the measures,
// for all attacks and for each by itself.
void write_text(const Analysis& analysis, bool with_samples, const TextSink& sink);

// One JSON document (docs/analysis.md) and a newline; what is infinite is null.
void write_json(std::span<const Analysis> analyses, bool with_samples, const TextSink& sink);

}  // namespace jsguard
