// SPDX-License-Identifier: BSD-2-Clause
// Files that are replaced as a whole or not at all, those that are read, and descriptors that close
// themselves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.hpp"

namespace jsguard {

// Closes what it was given.
class FileDescriptor {
  public:
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~FileDescriptor();
    int get() const { return fd_; }

  private:
    int fd_;
};

// A regular file, open to be read.
class RegularFile {
  public:
    // Throws Error(usage), whose message is tried, why, and next_step.
    RegularFile(const std::filesystem::path& path, const std::string& tried,
                std::string_view next_step);
    int fd() const { return file_.get(); }
    std::uint64_t bytes() const { return bytes_; }  // when it was opened

  private:
    FileDescriptor file_;
    std::uint64_t bytes_ = 0;
};

// Removes a file that was not finished.
class TemporaryName {
  public:
    explicit TemporaryName(std::string name) : name_(std::move(name)) {}
    TemporaryName(const TemporaryName&) = delete;
    TemporaryName& operator=(const TemporaryName&) = delete;
    ~TemporaryName();
    const char* get() const { return name_.c_str(); }
    void keep() { name_.clear(); }

  private:
    std::string name_;
};

// The file itself where the name is a link to it, so that the link stays one.
std::filesystem::path resolve(const std::filesystem::path& path);

// Throws Error(code) if target, resolved, is nothing that could be replaced. kind: what the file is
// to be, "baseline file".
void check_target(const std::filesystem::path& target, std::string_view kind, ExitCode code);

// Throws Error(usage) if output is one of inputs, by whatever name. kind: what the output is to be,
// "baseline file".
void refuse_if_same(const std::filesystem::path& output,
                    const std::vector<std::filesystem::path>& inputs, std::string_view kind);

// Writes all of text, or throws Error(runtime) that begins with tried.
void write_all(int fd, std::string_view text, const std::string& tried);

// Whether a replaced file must outlast a crash of the machine, or only never be seen half written.
enum class Durability { on_disk, left_to_kernel };

// There as a whole, or the old file stays: written beside it and renamed; on disk: synced before,
// and the directory after. Throws Error(runtime).
void replace_file(const std::filesystem::path& target, std::string_view kind, std::string_view text,
                  Durability durability = Durability::on_disk);

}  // namespace jsguard
