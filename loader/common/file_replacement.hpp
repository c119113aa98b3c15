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
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor();
    int get() const { return fd_; }

  private:
    int fd_;
};

// A path to an open file or directory. It stays valid when somebody renames or replaces the name.
std::string path_of_descriptor(int fd);

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

// A file that this process replaces again and again. The directory is opened once. If other users
// can exchange a directory of the path later, they cannot make this process write or remove
// another file.
class OutputFile {
  public:
    // target: resolved, see check_target(). kind: for messages, such as "textfile". Throws
    // Error(code) if the file cannot be replaced.
    OutputFile(std::filesystem::path target, std::string kind, ExitCode code);

    const std::filesystem::path& path() const { return target_; }
    // The open directory, and the file's name in it.
    int directory() const { return directory_.get(); }
    const std::string& name() const { return name_; }

    // Readers see either the whole new text or the old file. Throws Error(runtime).
    void replace(std::string_view text, Durability durability = Durability::on_disk) const;
    // Returns 0, or errno.
    int remove() const;
    // Whether the path of the directory still leads to the open one. False if somebody has removed
    // or replaced the directory, or a directory above it.
    bool directory_is_at_its_path() const;

  private:
    std::filesystem::path target_;
    std::string kind_;
    std::string name_;
    FileDescriptor directory_;
};

// Whether other users can rename or remove entries of an open directory: it belongs to neither root
// nor this process's user, or others may write in it and it is not sticky.
bool others_can_change(int open_directory);

// Replaces the file as a whole, or leaves the old file unchanged: writes a temporary file in the
// same directory and renames it. With on_disk it syncs the file before the rename and the directory
// after it. Throws Error(runtime).
void replace_file(const std::filesystem::path& target, std::string_view kind, std::string_view text,
                  Durability durability = Durability::on_disk);

}  // namespace jsguard
