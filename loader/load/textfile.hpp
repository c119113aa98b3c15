// SPDX-License-Identifier: BSD-2-Clause
// A file of figures for node_exporter's textfile collector, which is there while they are true.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/name_lock.hpp"

namespace jsguard {

class Textfile {
  public:
    // Throws Error(usage) if file cannot be made there, Error(runtime) if another detector writes
    // it.
    explicit Textfile(std::filesystem::path file);
    // Removes the file: figures that are no longer true would look like true ones.
    ~Textfile();
    Textfile(const Textfile&) = delete;
    Textfile& operator=(const Textfile&) = delete;

    // Puts text() into the file, if there is one; a reader sees the whole or what was there.
    // Nothing that fails is thrown. What the user is to be told: that it fails, once, and that it
    // works again.
    std::string write(const std::function<std::optional<std::string>()>& text);

  private:
    std::filesystem::path file_;
    NameLock held_;
    bool failing_ = false;
};

}  // namespace jsguard
