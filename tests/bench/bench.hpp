// SPDX-License-Identifier: BSD-2-Clause
// Shared by the measuring programs: pinning to a CPU, limits, tables, files of figures, errors.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spread.hpp"

namespace bench {

// Throws an error with what was tried and errno.
[[noreturn]] void fail(const std::string& tried);

// Pins this thread, and the threads that it starts later, to the last CPU. The first CPU has most
// interrupts.
void stay_on_one_cpu();

// Allows a listener of this network namespace to have a million connections in its queue.
void allow_long_queues();
// Raises the number of open files to the hard limit of this process.
void allow_many_files();

// A table that is aligned for people. Each row has a cell for each column.
class Table {
  public:
    explicit Table(std::vector<std::string> columns) : rows_{std::move(columns)} {}
    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

void write_json(const std::string& file, const nlohmann::ordered_json& figures);

// Runs a program and returns its exit code. An exception is printed as one line on stderr.
int report_errors(const std::function<void()>& run);

}  // namespace bench
