// SPDX-License-Identifier: BSD-2-Clause
// What the measuring programs share: a steady CPU, a table, a file of figures, an end.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spread.hpp"

namespace bench {

// Throws what was tried, and errno.
[[noreturn]] void fail(const std::string& tried);

// This thread, and what it starts, on the last CPU: the first one has most interrupts.
void stay_on_one_cpu();

// So that a listener of this network namespace may have a million connections in its queue.
void allow_long_queues();
// As many as the hard limit of this process lets it open.
void allow_many_files();

// Rows of as many cells as it has columns, aligned for people.
class Table {
  public:
    explicit Table(std::vector<std::string> columns) : rows_{std::move(columns)} {}
    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

void write_json(const std::string& file, const nlohmann::ordered_json& figures);

// Runs a main; the exit code. What it throws is one line on stderr.
int report_errors(const std::function<void()>& run);

}  // namespace bench
