// SPDX-License-Identifier: BSD-2-Clause
// The directory in the BPF file system through which people read the maps, and who may use it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace jsguard {

// Holds the directory for as long as it lives: one detector at a time, found out by a lock that
// ends with the process however it ends. The directory is 0700 and the pins 0600; with a group 0710
// and 0640 what readers need, who can open pins by their names but cannot list or lock the
// directory. What it does not do throws Error.
class Pins {
  public:
    // By name in the directory.
    using Named = std::vector<std::pair<std::string, int>>;

    // Mounts the BPF file system on /sys/fs/bpf if that is what is missing. group: a name or a
    // number. Throws Error(runtime), Error(not_permitted), or Error(usage) for a group.
    // Refuses a directory that is another user's, or that holds what is not jsguard's.
    explicit Pins(std::string dir, const std::optional<std::string>& group = {});
    // Removes the pins and the directory, unless they are to stay: those of a detector that goes on
    // without a loader do, until it is taken out.
    ~Pins();
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;

    const std::string& dir() const { return dir_; }

    // For readers. The first one must be the configuration, by which the directory is known as
    // ours.
    void pin(const std::string& name, int fd);
    // Lets those read who may: the directory, and these pins, as the group now says.
    void admit_readers(const std::vector<std::string>& names) const;
    // All that the detector needs besides, to go on without its loader: all at once, or nothing.
    // From then on the pins stay.
    void persist(const Named& all);
    // Whether it holds what a detector has pinned there, persisted or not.
    bool has_any() const;
    // Opens what was pinned under that name; -1 with errno if it is not there.
    int open(const std::string& name) const;
    // The pins go with this process again.
    void unpersist();
    // One of those that were persisted.
    void remove_persisted(const std::string& name) const;
    // All of ours; other directories in this one are left alone.
    void remove_all();

  private:
    void take_lock();
    void need_own_directory() const;
    void remove_directory(const char* directory) const;
    void set_rights(const std::string& path, bool directory) const;

    std::string dir_;
    std::optional<unsigned> group_;
    int lock_ = -1;
    bool made_ = false;  // the directory, by this one
    bool stay_ = false;
};

}  // namespace jsguard
