// SPDX-License-Identifier: BSD-2-Clause
// The pin directory in the BPF file system: its lock, its pins and their permissions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

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
    // directory that belongs to another user, or that has files that are not jsguard's.
    explicit Pins(std::string dir, const std::optional<std::string>& group = {});
    // Removes the pins and the directory, unless the detector is persisted.
    ~Pins();
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;

    const std::string& dir() const { return dir_; }

    // Pins a map for readers. The first one must be the configuration, because its pin shows that
    // the directory is jsguard's.
    void pin(const std::string& name, int fd);
    // Sets the permissions of the directory and of these pins for this loader's group.
    void admit_readers(const std::vector<std::string>& names) const;
    // Pins everything else that the detector needs to run without its loader: all of it or nothing.
    // From then on the destructor keeps the pins.
    void persist(const Named& all);
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
    void take_lock();
    void need_own_directory() const;
    void remove_directory(const char* directory) const;
    void set_permissions(const std::string& path, bool directory) const;

    std::string dir_;
    std::optional<unsigned> group_;
    int lock_ = -1;
    bool made_ = false;  // this object created the directory
    bool persisted_ = false;
};

}  // namespace jsguard
