// SPDX-License-Identifier: BSD-2-Clause
// The pin directory and the pins: who owns them, who may read them, and which directories are
// refused.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bpf_file_system.hpp"
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

TEST_CASE("a pin directory that others could exchange is refused, and nothing is made", "[pins]") {
    const PinCleanup cleanup;
    const std::string parent = own_pin_dir("parent"), inside = parent + "/jsguard";
    REQUIRE(mkdir(parent.c_str(), 0700) == 0);
    SECTION("its parent belongs to another user") {
        REQUIRE(chown(parent.c_str(), 65534, 65534) == 0);
    }
    SECTION("its parent is another user's, and sticky") {
        REQUIRE(chown(parent.c_str(), 65534, 65534) == 0);
        REQUIRE(chmod(parent.c_str(), 01777) == 0);
    }
    SECTION("everybody may write in its parent") { REQUIRE(chmod(parent.c_str(), 0777) == 0); }
    SECTION("a group may write in its parent") { REQUIRE(chmod(parent.c_str(), 0770) == 0); }
    CHECK(jsguard::pin_directory_state(inside) == jsguard::PinDirectory::changeable);
    CHECK(contains(refusal_of([&] { jsguard::Pins pins(inside); }, jsguard::ExitCode::runtime),
                   "is in a directory that other users can change"));
    CHECK(contains(
        refusal_of([&] { jsguard::Pins pins(inside + "/deeper"); }, jsguard::ExitCode::runtime),
        "is in a directory that other users can change"));
    CHECK(fs::is_empty(parent));
    CHECK(rmdir(parent.c_str()) == 0);
}

TEST_CASE("a sticky directory of root's may have the pin directory", "[pins]") {
    const PinCleanup cleanup;
    const std::string parent = own_pin_dir("parent"), inside = parent + "/jsguard";
    REQUIRE(mkdir(parent.c_str(), 0700) == 0);
    REQUIRE(chmod(parent.c_str(), 01777) == 0);
    { const jsguard::Pins pins(inside); }
    CHECK(fs::is_empty(parent));
    CHECK(rmdir(parent.c_str()) == 0);
}

TEST_CASE("a symbolic link on the way to the pins is refused", "[pins]") {
    const PinCleanup cleanup;
    const std::string target = own_pin_dir("target"), link = own_pin_dir("link");
    REQUIRE(mkdir(target.c_str(), 0700) == 0);
    REQUIRE(symlink(target.c_str(), link.c_str()) == 0);
    for (const std::string& path : {link, link + "/jsguard", link + "/"}) {
        CAPTURE(path);
        CHECK(jsguard::pin_directory_state(path) == jsguard::PinDirectory::changeable);
        CHECK(contains(refusal_of([&] { jsguard::Pins pins(path); }, jsguard::ExitCode::runtime),
                       "is a symbolic link"));
    }
    CHECK(fs::is_empty(target));
    CHECK(unlink(link.c_str()) == 0);
    CHECK(rmdir(target.c_str()) == 0);
}

// Only its user could do this. With other file systems, others could.
TEST_CASE("what takes the place of the pin directory later is left alone", "[pins]") {
    const PinCleanup cleanup;
    const std::string moved = own_pin_dir("moved");
    const auto put_pin = [](const std::string& directory, const std::string& name) {
        REQUIRE(symlink("/nowhere", (directory + "/" + name).c_str()) == 0);
    };
    const auto is_there = [](const std::string& path) {
        struct stat info {};
        return lstat(path.c_str(), &info) == 0;
    };
    {
        jsguard::Options options = persisted_options();
        options.persist = false;
        Detector detector;
        detector.load(options, {});
        detector.attach();
        detector.arm_clock();
        detector.pin();
        REQUIRE(rename(pin_dir().c_str(), moved.c_str()) == 0);
        REQUIRE(mkdir(pin_dir().c_str(), 0700) == 0);
        put_pin(pin_dir(), "config");
        REQUIRE(mkdir((pin_dir() + "/persist").c_str(), 0700) == 0);
        put_pin(pin_dir() + "/persist", "clocks");
        put_pin(moved, "of_another_program");
    }
    CHECK(is_there(pin_dir() + "/config"));
    CHECK(is_there(pin_dir() + "/persist/clocks"));
    // Its own pins are gone, and what jsguard did not make is not.
    CHECK(is_there(moved + "/of_another_program"));
    CHECK_FALSE(is_there(moved + "/config"));
    CHECK_FALSE(is_there(moved + "/windows"));
    unlink((moved + "/of_another_program").c_str());
    CHECK(rmdir(moved.c_str()) == 0);
    unlink((pin_dir() + "/persist/clocks").c_str());
    rmdir((pin_dir() + "/persist").c_str());
    unlink((pin_dir() + "/config").c_str());
    CHECK(rmdir(pin_dir().c_str()) == 0);
}
