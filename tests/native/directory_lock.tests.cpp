// SPDX-License-Identifier: BSD-2-Clause
// Tests of whether a directory is seen to be locked, in the kernel's own words and by a real lock.
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

// In memory: there the device that stat tells is the one that /proc/locks names.
class Directory {
  public:
    Directory() { REQUIRE(mkdtemp(name_)); }
    ~Directory() { rmdir(name_); }
    const char* name() const { return name_; }

  private:
    char name_[32] = "/dev/shm/jsguard-lock.XXXXXX";
};

bool tells(const std::string& locks) {
    std::istringstream text(locks);
    return tells_of_lock(text, makedev(0, 0x1f), 12345);
}

}  // namespace

TEST_CASE("a lock is known by its kind, its device and its inode", "[directory_lock]") {
    CHECK(
        tells("1: POSIX  ADVISORY  WRITE 7 fe:00:12 0 EOF\n"
              "2: FLOCK  ADVISORY  WRITE 4711 00:1f:12345 0 EOF\n"));
    CHECK(tells("2: FLOCK  ADVISORY  READ  4711 00:1f:12345 0 EOF\n"));
    CHECK_FALSE(tells(""));
    CHECK_FALSE(tells("1: POSIX  ADVISORY  WRITE 4711 00:1f:12345 0 EOF\n"));
    CHECK_FALSE(tells("1: FLOCK  ADVISORY  WRITE 4711 00:20:12345 0 EOF\n"));
    CHECK_FALSE(tells("1: FLOCK  ADVISORY  WRITE 4711 1f:00:12345 0 EOF\n"));
    CHECK_FALSE(tells("1: FLOCK  ADVISORY  WRITE 4711 00:1f:1234 0 EOF\n"));
    CHECK_FALSE(tells("1: FLOCK  ADVISORY  WRITE 4711 00:1f:123456 0 EOF\n"));
    CHECK_FALSE(tells("1: -> FLOCK  ADVISORY  WRITE 4711 00:1f:12345 0 EOF\n"));  // it waits
}

TEST_CASE("a directory is locked from flock() to the end of it, and looking does not lock it",
          "[directory_lock]") {
    const Directory directory;
    // Where other PID namespaces may hold it, that nobody does is not known.
    CHECK_FALSE(is_locked(directory.name()).value_or(false));
    {
        const FileDescriptor held(open(directory.name(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        CHECK_FALSE(is_locked(directory.name()).value_or(false));
        REQUIRE(flock(held.get(), LOCK_EX | LOCK_NB) == 0);
        CHECK(is_locked(directory.name()) == true);
        CHECK_FALSE(is_locked("/dev/shm").value_or(false));
    }
    CHECK_FALSE(is_locked(directory.name()).value_or(false));
}

TEST_CASE("of a directory that is not there it is not told whether it is locked",
          "[directory_lock]") {
    CHECK_FALSE(is_locked("/dev/shm/jsguard-lock.none").has_value());
}
