// SPDX-License-Identifier: BSD-2-Clause
// A file of figures for node_exporter's textfile collector, which is there while they are true.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace jsguard {

// A name in the file system that one process at a time can hold.
// An empty file with that name is there, and locked, while it is held. The lock ends with its
// process, however that ends; after SIGKILL the file stays, and whoever comes next takes it.
class NameLock {
  public:
    // Throws Error(runtime): with the text taken if another holds it; one that begins with tried if
    // it cannot be had.
    NameLock(std::filesystem::path name, std::string tried, std::string taken);
    // Removes the file.
    ~NameLock();
    NameLock(const NameLock&) = delete;
    NameLock& operator=(const NameLock&) = delete;

    // Takes the name again if the file is no longer ours. Throws as the constructor does.
    void renew();

  private:
    // Whether the file under this name is the one that is locked.
    bool is_ours() const;

    std::filesystem::path name_;
    std::string tried_;
    std::string taken_;
    int fd_ = -1;
};

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
