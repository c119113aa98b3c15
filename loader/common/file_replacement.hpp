// SPDX-License-Identifier: BSD-2-Clause
// Replaces files as a whole or not at all, opens regular files, and closes descriptors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.hpp"

namespace jsguard {

// Owns a file descriptor and closes it.
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

// A regular file, open for reading.
class RegularFile {
  public:
    // Throws Error(usage). Its message has tried, the reason and next_step.
    RegularFile(const std::filesystem::path& path, const std::string& tried,
                std::string_view next_step);
    int fd() const { return file_.get(); }
    std::uint64_t bytes() const { return bytes_; }  // size when the file was opened

  private:
    FileDescriptor file_;
    std::uint64_t bytes_ = 0;
};

// The name of a temporary file. The destructor removes the file unless keep() was called.
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

// Follows links, so that the file behind a link is replaced and not the link.
std::filesystem::path resolve(const std::filesystem::path& path);

// Throws Error(code) if the file target cannot be replaced. target: a path from resolve(). kind:
// what the file is, for the message, such as "baseline file".
void check_target(const std::filesystem::path& target, std::string_view kind, ExitCode code);

// Throws Error(usage) if output is one of the inputs, also under another name. kind: what the
// output is, for the message, such as "baseline file".
void refuse_if_same(const std::filesystem::path& output,
                    const std::vector<std::filesystem::path>& inputs, std::string_view kind);

// Writes all of text. Throws Error(runtime) with a message that begins with tried.
void write_all(int fd, std::string_view text, const std::string& tried);

// on_disk: the new file survives a crash of the machine. left_to_kernel: a crash may lose it, but
// no reader ever sees a half-written file.
enum class Durability { on_disk, left_to_kernel };

// Replaces the file as a whole, or leaves the old file unchanged: writes a temporary file in the
// same directory and renames it. With on_disk it syncs the file before the rename and the directory
// after it. Throws Error(runtime).
void replace_file(const std::filesystem::path& target, std::string_view kind, std::string_view text,
                  Durability durability = Durability::on_disk);

}  // namespace jsguard
