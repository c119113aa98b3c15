// SPDX-License-Identifier: BSD-2-Clause
// A file of figures for node_exporter's textfile collector. It exists only while the figures are
// true.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/file_replacement.hpp"

namespace jsguard {

// A file that one process at a time can hold: beside it is an empty, locked file, NAME.lock. The
// lock ends with its process, however the process ends. After SIGKILL the file remains, and the
// next process takes it.
class NameLock {
  public:
    // Throws Error(runtime). Its message is taken if another process holds the name. If the file
    // cannot be opened or locked, the message begins with tried.
    NameLock(const OutputFile& beside, std::string tried, std::string taken);
    // Removes the file.
    ~NameLock();
    NameLock(const NameLock&) = delete;
    NameLock& operator=(const NameLock&) = delete;

    // Takes the name again if the file is no longer ours. Throws as the constructor does.
    void renew();

  private:
    // Whether the file under this name is the one that is locked.
    bool is_ours() const;

    const OutputFile& beside_;
    std::string name_;
    std::string tried_;
    std::string taken_;
    int fd_ = -1;
};

class Textfile {
  public:
    // Throws Error(usage) if the file cannot be created, Error(runtime) if another detector writes
    // it.
    explicit Textfile(std::filesystem::path file);
    // Removes the file, because outdated figures would look like current ones.
    ~Textfile();
    Textfile(const Textfile&) = delete;
    Textfile& operator=(const Textfile&) = delete;
    // The open directory of the file. It is opened once: one that is made again is not used.
    int directory() const;

    // Writes text() to the file, unless it returns none. A reader sees either the whole new text or
    // the old one. Throws nothing. Returns a line for the user: why writing fails, once for each
    // reason, or that it works again.
    std::string write(const std::function<std::optional<std::string>()>& text);

  private:
    // Returns the line, unless it was the last one too.
    std::string report(const std::string& failure);

    OutputFile file_;
    NameLock lock_;
    std::string failure_;  // empty: the last write succeeded
};

}  // namespace jsguard
