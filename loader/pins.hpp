// SPDX-License-Identifier: BSD-2-Clause
// The folder in the BPF file system through which people read the maps, and who may use it.
#pragma once

#include <string>

struct bpf_map;

namespace jsguard {

// Holds the folder for as long as it lives: one detector at a time, found out by a lock that ends
// with the process however it ends, so that what a killed one left behind is taken over.
class Pins {
  public:
    // Mounts the BPF file system on /sys/fs/bpf if that is what is missing. Throws Error(runtime).
    explicit Pins(std::string dir);
    ~Pins();
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;

    void pin(bpf_map* map);

  private:
    void remove_all() const;

    std::string dir_;
    int lock_ = -1;
};

}  // namespace jsguard
