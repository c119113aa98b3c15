// SPDX-License-Identifier: BSD-2-Clause
// The pin directory in the BPF file system: its lock, its pins and their permissions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/file_replacement.hpp"

namespace jsguard {

// Locks the directory while this object exists, so that one detector at a time uses it. The lock
// ends with the process, however the process ends. The directory has the mode 0700 and the pins
// 0600. With a group, the directory has 0710 and the pins that readers need have 0640. Such readers
// can open pins by name, but cannot list or lock the directory. A step that fails throws Error.
class Pins {
  public:
    // Descriptors with their names in the directory.
    using Named = std::vector<std::pair<std::string, int>>;

    // Mounts the BPF file system on /sys/fs/bpf if it is missing there. group: a name or a number.
    // Throws Error(runtime), Error(not_permitted), or Error(usage) for an unknown group. Refuses a
    // directory that another user owns or can exchange, or that has files that are not jsguard's.
    // From then on the directory is used by its descriptor, never by its path.
    explicit Pins(std::string dir, const std::optional<std::string>& group = {});
    // Removes the pins and the directory, unless the detector is persisted.
    ~Pins();
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;

    const std::string& dir() const { return dir_; }
    int open_directory() const { return lock_.get(); }
    // The directory that has the pin directory.
    int open_parent_directory() const { return parent_.get(); }

    // Pins a map for readers. The first one must be the configuration, because its pin shows that
    // the directory is jsguard's.
    void pin(const std::string& name, int fd);
    // Sets the permissions of the directory and of these pins for this loader's group.
    void admit_readers(const std::vector<std::string>& names) const;
    // Pins everything else that the detector needs to run without its loader: all of it or nothing.
    // From then on the destructor keeps the pins.
    void persist(const Named& all);
    // Whether a persisted detector is pinned there.
    bool has_persisted() const;
    // Whether a detector is pinned there, persisted or not.
    bool has_any() const;
    // Opens the pin with that name. Returns -1 and sets errno if there is none.
    int open(const std::string& name) const;
    // Undoes persist(): the destructor removes the pins again.
    void unpersist();
    // Removes one pin that persist() made.
    void remove_persisted(const std::string& name) const;
    // Removes all of our pins. Leaves other directories in this one alone.
    void remove_all();

  private:
    void open_parent();
    void open_step(const std::string& name);
    void take_lock();
    void need_own_directory() const;
    void remove_directory(const char* directory) const;
    std::string path_of(const std::string& name) const;
    void set_permissions(const char* name, bool directory) const;

    std::string dir_;
    std::optional<unsigned> group_;
    FileDescriptor parent_{-1};  // the directory that has the pin directory
    std::string name_;           // of the pin directory, in its parent
    FileDescriptor lock_{-1};    // the pin directory
    bool made_ = false;          // this object created the directory
    bool persisted_ = false;
};

}  // namespace jsguard
