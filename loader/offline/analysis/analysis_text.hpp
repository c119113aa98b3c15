// SPDX-License-Identifier: BSD-2-Clause
// Writes analyses as tables of text, or as JSON.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "offline/analysis/analysis.hpp"

namespace jsguard {

// Receives the text piece by piece, because the text of many samples is long.
using TextSink = std::function<void(std::string_view)>;

// "0.013348": six decimals. "inf" if the value is infinite.
std::string six_decimals(double value);

// Writes a line for each sample (if with_samples), a table of the classes, and tables of the
// measures: one for all attacks together, and one for each attack.
void write_text(const Analysis& analysis, bool with_samples, const TextSink& sink);

// Writes one JSON document (docs/analysis.md) and a newline. Infinite values are null.
void write_json(std::span<const Analysis> analyses, bool with_samples, const TextSink& sink);

}  // namespace jsguard
