// SPDX-License-Identifier: BSD-2-Clause
// A file of figures for node_exporter's textfile collector. It exists only while the figures are
// true.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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
    // Open directories: that of the file, and the one above it, in which it may be made again.
    std::vector<int> directories() const;

    // Writes text() to the file, unless it returns none. A reader sees either the whole new text or
    // the old one. Throws nothing. Returns a line for the user: that writing fails, once, or that
    // it works again.
    std::string write(const std::function<std::optional<std::string>()>& text);

  private:
    OutputFile file_;
    FileDescriptor above_;  // -1 if it is the root of the file system
    NameLock lock_;
    bool failing_ = false;
};

}  // namespace jsguard
