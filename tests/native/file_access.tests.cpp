// SPDX-License-Identifier: BSD-2-Clause
// Tests of what a process can do with files after limit_files(). A child process tries it.
#include "load/file_access.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>

#include "baseline_samples.hpp"
#include "common/file_replacement.hpp"
#include "load/textfile.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

// Runs the function in a child that can gain no privilege, and returns its text.
std::string in_a_child(const std::function<std::string()>& function) {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    const FileDescriptor reading(ends[0]);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string text = "cannot set no_new_privs";
        try {
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) text = function();
        } catch (const std::exception& error) {
            text = error.what();
        }
        _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0
                                                                                            : 1);
    }
    close(ends[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t got; (got = read(reading.get(), part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(got));
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    return text;
}

// From now on the kernel answers every call that makes a Landlock ruleset with this error, as one
// without Landlock does, or as a container's filter does.
bool refuse_landlock(int error) {
    std::array<sock_filter, 4> code = {
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
    const sock_fprog filter{code.size(), code.data()};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

const char* outcome_of_opening(const fs::path& path, int flags) {
    const FileDescriptor opened(open(path.c_str(), flags | O_CLOEXEC, 0600));
    return opened.get() >= 0 ? "opened" : errno == EACCES ? "refused" : "another error";
}

}  // namespace

TEST_CASE("the kernel's answer shows why file access is not limited", "[file_access]") {
    const struct {
        int error;
        bool unexpected;
        const char* text;
    } table[] = {
        {ENOSYS, false, "not limited: this kernel has no Landlock"},
        {EOPNOTSUPP, false,
         "not limited: Landlock is switched off; boot with landlock in the list lsm="},
        {EPERM, true,
         "not limited: Landlock is refused: Operation not permitted; see which filter of system "
         "calls the container or service has"},
        {EINVAL, true,
         "not limited: Landlock is refused: Invalid argument; see which filter of system calls the "
         "container or service has"},
    };
    for (const auto& row : table) {
        const FileLimits limits = file_limits_of(-1, row.error);
        CHECK_FALSE(limits.available());
        CHECK(limits.is_unexpected() == row.unexpected);
        CHECK(text_of(limits) == row.text);
    }
    const FileLimits limits = file_limits_of(7, EPERM);  // errno of an earlier call
    CHECK(limits.available());
    CHECK_FALSE(limits.is_unexpected());
    CHECK(text_of(limits) == "limited by Landlock, version 7");
    CHECK(file_limits_of(0, 0).is_unexpected());
}

TEST_CASE("a process that is refused Landlock goes on, and knows the reason", "[file_access]") {
    const int error = GENERATE(ENOSYS, EOPNOTSUPP, EPERM);
    const Directory directory;
    const std::string text = in_a_child([&]() -> std::string {
        if (!refuse_landlock(error)) return "no filter";
        const FileLimits limits = limit_files({});
        return text_of(limits) + "\n" + outcome_of_opening(directory / "new", O_WRONLY | O_CREAT);
    });
    CHECK(text == text_of(file_limits_of(-1, error)) + "\nopened");
}

TEST_CASE("with Landlock a process writes its outputs, and nothing beside or above them",
          "[file_access]") {
    if (!file_limits_here().available()) return;
    const Directory directory;
    const fs::path own = directory / "own", other = directory / "other";
    fs::create_directory(own);
    fs::create_directory(other);
    write_text(other / "file", "x");
    const std::string text = in_a_child([&] {
        std::string lines;
        Textfile textfile(own / "j.prom");
        const FileLimits limits = limit_files({{textfile.directory()}, -1, -1});
        lines += text_of(limits) + "\n";
        for (const char* figures : {"a 1\n", "a 2\n"})
            lines += textfile.write([&] { return std::optional<std::string>(figures); });
        lines += content(own / "j.prom");
        for (const fs::path& path : {directory / "new", own / ".." / "new", other / "new"})
            lines += std::string(outcome_of_opening(path, O_WRONLY | O_CREAT)) + " ";
        lines += std::string(outcome_of_opening(other / "file", O_RDONLY)) + " ";
        lines += std::string(outcome_of_opening("/proc/self/status", O_RDONLY)) + " ";
        lines += outcome_of_opening("/proc/self/mem", O_RDWR);
        return lines;
    });
    CHECK(text ==
          text_of(file_limits_here()) + "\na 2\nrefused refused refused refused opened refused");
    CHECK(fs::is_empty(own));
}

// A rule for the directory above would allow it, and would open everything beside it.
TEST_CASE("with Landlock a directory that was made again cannot be used", "[file_access]") {
    if (!file_limits_here().available()) return;
    const Directory directory;
    const fs::path own = directory / "own";
    fs::create_directory(own);
    const std::string text = in_a_child([&] {
        Textfile textfile(own / "j.prom");
        fs::rename(own, directory / "moved");
        fs::create_directory(own);
        limit_files({{textfile.directory()}, -1, -1});
        const std::string line = textfile.write([] { return std::optional<std::string>("a 1\n"); });
        return line + "\n" + outcome_of_opening(own / "new", O_WRONLY | O_CREAT);
    });
    CHECK(text == "cannot write the textfile " + (own / "j.prom").native() +
                      ": its directory was removed or replaced; restart jsguard-load\nrefused");
    CHECK(fs::is_empty(own));
    CHECK(fs::is_empty(directory / "moved"));
}
