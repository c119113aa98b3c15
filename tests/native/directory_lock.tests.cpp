// SPDX-License-Identifier: BSD-2-Clause
// Tests of whether a lock on a directory is found: in text of /proc/locks, and with a real lock.
#include "common/directory_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "common/file_replacement.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

// The directory is in memory, because there stat() and /proc/locks name the same device.
class Directory {
  public:
    Directory() { REQUIRE(mkdtemp(name_)); }
    ~Directory() { rmdir(name_); }
    const char* name() const { return name_; }

  private:
    char name_[32] = "/dev/shm/jsguard-lock.XXXXXX";
};

bool has_lock(const std::string& locks) {
    std::istringstream text(locks);
    return lists_lock(text, makedev(0, 0x1f), 12345);
}

}  // namespace

TEST_CASE("a lock is identified by its kind, its device and its inode", "[directory_lock]") {
    CHECK(
        has_lock("1: POSIX  ADVISORY  WRITE 7 fe:00:12 0 EOF\n"
                 "2: FLOCK  ADVISORY  WRITE 4711 00:1f:12345 0 EOF\n"));
    CHECK(has_lock("2: FLOCK  ADVISORY  READ  4711 00:1f:12345 0 EOF\n"));
    CHECK_FALSE(has_lock(""));
    CHECK_FALSE(has_lock("1: POSIX  ADVISORY  WRITE 4711 00:1f:12345 0 EOF\n"));
    CHECK_FALSE(has_lock("1: FLOCK  ADVISORY  WRITE 4711 00:20:12345 0 EOF\n"));
    CHECK_FALSE(has_lock("1: FLOCK  ADVISORY  WRITE 4711 1f:00:12345 0 EOF\n"));
    CHECK_FALSE(has_lock("1: FLOCK  ADVISORY  WRITE 4711 00:1f:1234 0 EOF\n"));
    CHECK_FALSE(has_lock("1: FLOCK  ADVISORY  WRITE 4711 00:1f:123456 0 EOF\n"));
    // This process only waits for the lock.
    CHECK_FALSE(has_lock("1: -> FLOCK  ADVISORY  WRITE 4711 00:1f:12345 0 EOF\n"));
    // for the lock
}

TEST_CASE("a directory is locked from flock() to close(), and the check does not lock it",
          "[directory_lock]") {
    const Directory directory;
    // If other PID namespaces may have the lock, the result is unknown instead of false.
    CHECK_FALSE(is_locked(directory.name()).value_or(false));
    {
        const FileDescriptor lock(open(directory.name(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        CHECK_FALSE(is_locked(directory.name()).value_or(false));
        REQUIRE(flock(lock.get(), LOCK_EX | LOCK_NB) == 0);
        CHECK(is_locked(directory.name()) == true);
        CHECK_FALSE(is_locked("/dev/shm").value_or(false));
    }
    CHECK_FALSE(is_locked(directory.name()).value_or(false));
}

TEST_CASE("whether a missing directory is locked is unknown", "[directory_lock]") {
    CHECK_FALSE(is_locked("/dev/shm/jsguard-lock.none").has_value());
}
