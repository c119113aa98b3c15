// SPDX-License-Identifier: BSD-2-Clause
// The pin directory and the pins: who owns them, who may read them, and which directories are
// refused.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lasting.hpp"

using namespace testbed;
using jsguard::Detector;
namespace fs = std::filesystem;

namespace {

mode_t rights_of(const std::string& path) {
    struct stat info {};
    CAPTURE(path);
    REQUIRE(stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("pins are their owner's, and a group may read what readers need", "[pins]") {
    const PinCleanup cleanup;
    jsguard::Options options = persisted_options();
    mode_t directory = 0700, map = 0600;
    SECTION("nobody else") {}
    SECTION("a group") {
        options.pin_group = "daemon";
        directory = 0710;
        map = 0640;
    }
    Detector detector;
    start(detector, options);
    CHECK(rights_of(pin_dir()) == directory);
    for (const auto& entry : fs::directory_iterator(pin_dir())) {
        if (!entry.is_directory()) CHECK(rights_of(entry.path()) == map);
    }
    CHECK(rights_of(pin_dir() + "/persist") == 0700);
    for (const auto& entry : fs::directory_iterator(pin_dir() + "/persist"))
        CHECK(rights_of(entry.path()) == 0600);
}

TEST_CASE("a user who may read the pins can neither list nor lock their directory", "[pins]") {
    const PinCleanup cleanup;
    const jsguard::Pins pins(pin_dir(), "daemon");
    constexpr uid_t somebody = 65534;
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const gid_t group = getgrnam("daemon")->gr_gid;
        if (setgroups(0, nullptr) != 0 || setresgid(group, group, group) != 0 ||
            setresuid(somebody, somebody, somebody) != 0)
            _exit(2);
        const bool enters = access((pin_dir() + "/nothing").c_str(), F_OK) != 0 && errno == ENOENT;
        const bool opens = open(pin_dir().c_str(), O_RDONLY | O_DIRECTORY) >= 0;
        _exit(enters && !opens ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a pin directory that belongs to another user is refused", "[pins]") {
    const PinCleanup cleanup;
    REQUIRE(mkdir(pin_dir().c_str(), 0700) == 0);
    REQUIRE(chown(pin_dir().c_str(), 65534, 65534) == 0);
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir()); }, jsguard::ExitCode::runtime),
                   "belongs to another user"));
    CHECK(rmdir(pin_dir().c_str()) == 0);
}

TEST_CASE("a pin group that does not exist is refused as a wrong option", "[pins]") {
    const PinCleanup cleanup;
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir(), "no-such-group"); },
                              jsguard::ExitCode::usage),
                   "there is no such group"));
    CHECK_FALSE(fs::exists(pin_dir()));
}
