// SPDX-License-Identifier: BSD-2-Clause
// What a process can do before and after it has dropped its privilege. A child process tries it.
#include "load/privilege.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/bpf_file_system.hpp"
#include "common/capabilities.hpp"
#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/print.hpp"
#include "inconclusive.hpp"
#include "load/file_access.hpp"
#include "load/pins.hpp"
#include "tests/catch_compat.hpp"

namespace fs = std::filesystem;
using jsguard::FileDescriptor;

namespace {

constexpr uid_t another_user = 4321;
constexpr std::uint64_t written = 0x6a736775617264;

int outcome(long result) { return result < 0 ? errno : 0; }

int outcome_of_descriptor(int fd) {
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

// A temporary directory that is removed with all its files.
class Directory {
  public:
    Directory() : path_((fs::temp_directory_path() / "jsguard-privilege.XXXXXX").string()) {
        REQUIRE(mkdtemp(path_.data()));
    }
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    fs::path operator/(const char* name) const { return fs::path(path_) / name; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// The objects that the parent makes and the child uses.
struct Fixture {
    Directory directory;
    std::string pin_dir = "/sys/fs/bpf/jsguard-privilege-" + std::to_string(getpid());
    jsguard::Pins pins{pin_dir};
    FileDescriptor map{
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "privilege", 4, sizeof(written), 1, nullptr)};
    FileDescriptor open_directory{
        open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    FileDescriptor logger{socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    FileDescriptor pipe_reader{-1}, full_pipe{-1};
    jsguard::OutputFile output{directory / "replaced", "file", jsguard::ExitCode::runtime};

    // What a child may use after it has dropped its privilege.
    jsguard::FileAccess access() const {
        return {{open_directory.get()}, pins.open_directory(), pins.open_parent_directory()};
    }

    Fixture() {
        REQUIRE(map.get() >= 0);
        pins.pin("config", map.get());
        pins.persist({{"config", map.get()}});
        int ends[2];
        REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        pipe_reader = FileDescriptor(ends[0]);
        full_pipe = FileDescriptor(ends[1]);
        while (write(ends[1], ends, 1) == 1) continue;
        REQUIRE(fcntl(ends[1], F_SETFL, 0) == 0);
        address.sun_family = AF_UNIX;
        (directory / "log").native().copy(address.sun_path, sizeof(address.sun_path) - 1);
        REQUIRE(bind(logger.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
        std::ofstream(directory / "secret") << "of another user\n";
        std::ofstream(directory / "own") << "of this user\n";
        REQUIRE(chmod((directory / "secret").c_str(), 0600) == 0);
        REQUIRE(chown((directory / "secret").c_str(), another_user, another_user) == 0);
    }
    ~Fixture() { pins.unpersist(); }
};

struct Attempt {
    const char* what;
    std::function<int()> run;  // 0 or errno
};

int load_program() {
    const bpf_insn return_0[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    return outcome_of_descriptor(
        bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", return_0, 2, nullptr));
}

int bpf_command(int command) {
    bpf_attr attributes{};
    return outcome(syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
}

int map_memory_as_code() {
    void* memory = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return errno;
    munmap(memory, 4096);
    return 0;
}

// Most attempts have arguments that the kernel refuses with another error, so nothing happens.
std::vector<Attempt> things_to_be_refused(const Fixture& fixture) {
    return {
        {"BPF_PROG_LOAD", load_program},
        {"BPF_MAP_CREATE",
         [] {
             return outcome_of_descriptor(
                 bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 8, 1, nullptr));
         }},
        {"BPF_LINK_CREATE", [] { return bpf_command(BPF_LINK_CREATE); }},
        {"BPF_RAW_TRACEPOINT_OPEN", [] { return bpf_command(BPF_RAW_TRACEPOINT_OPEN); }},
        {"BPF_BTF_LOAD", [] { return bpf_command(BPF_BTF_LOAD); }},
        {"BPF_PROG_TEST_RUN", [] { return bpf_command(BPF_PROG_TEST_RUN); }},
        {"BPF_PROG_GET_FD_BY_ID", [] { return bpf_command(BPF_PROG_GET_FD_BY_ID); }},
        {"an internet socket",
         [] { return outcome_of_descriptor(socket(AF_INET, SOCK_STREAM, 0)); }},
        {"an internet datagram socket",
         [] { return outcome_of_descriptor(socket(AF_INET6, SOCK_DGRAM, 0)); }},
        {"a packet socket", [] { return outcome_of_descriptor(socket(AF_PACKET, SOCK_DGRAM, 0)); }},
        {"a stream to a local service",
         [] { return outcome_of_descriptor(socket(AF_UNIX, SOCK_STREAM, 0)); }},
        {"execve", [] { return outcome(syscall(SYS_execve, "/nowhere", nullptr, nullptr)); }},
        {"execveat", [] { return outcome(syscall(SYS_execveat, -1, "", nullptr, nullptr, 0)); }},
        {"clone", [] { return outcome(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0)); }},
        {"clone3", [] { return outcome(syscall(SYS_clone3, nullptr, 0)); }},
        {"ptrace", [] { return outcome(ptrace(PTRACE_CONT, getpid(), 0, 0)); }},
        {"process_vm_readv",
         [] { return outcome(syscall(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 1)); }},
        {"setns", [] { return outcome(setns(-1, 0)); }},
        {"unshare", [] { return outcome(unshare(0)); }},
        {"mount", [] { return outcome(mount(nullptr, nullptr, nullptr, 0, nullptr)); }},
        {"chroot", [] { return outcome(chroot("/nowhere")); }},
        {"loading a kernel module", [] { return outcome(syscall(SYS_finit_module, -1, "", 0)); }},
        {"kexec", [] { return outcome(syscall(SYS_kexec_load, 0, ~0UL, nullptr, ~0UL)); }},
        {"open_by_handle_at",
         [] { return outcome(syscall(SYS_open_by_handle_at, -1, nullptr, 0)); }},
        {"perf_event_open",
         [] { return outcome(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }},
        {"io_uring", [] { return outcome(syscall(SYS_io_uring_setup, 0, nullptr)); }},
        {"a signal to another process", [] { return outcome(kill(getppid(), 0)); }},
        {"F_SETOWN", [] { return outcome(fcntl(-1, F_SETOWN, getppid())); }},
        {"F_SETOWN_EX", [] { return outcome(fcntl(-1, F_SETOWN_EX, nullptr)); }},
        {"F_SETSIG", [] { return outcome(fcntl(-1, F_SETSIG, SIGKILL)); }},
        {"F_SETFL with O_ASYNC", [] { return outcome(fcntl(-1, F_SETFL, O_ASYNC)); }},
        {"F_NOTIFY", [] { return outcome(fcntl(-1, F_NOTIFY, DN_CREATE)); }},
        {"FIOSETOWN", [] { return outcome(ioctl(-1, FIOSETOWN, nullptr)); }},
        {"SIOCSPGRP", [] { return outcome(ioctl(-1, SIOCSPGRP, nullptr)); }},
        {"FIOASYNC", [] { return outcome(ioctl(-1, FIOASYNC, nullptr)); }},
        {"typing into a terminal", [] { return outcome(ioctl(-1, TIOCSTI, "x")); }},
        {"setuid", [] { return outcome(setuid(getuid())); }},
        {"giving a file away",
         [&] { return outcome(chown((fixture.directory / "own").c_str(), getuid(), getgid())); }},
        {"a file that runs as its owner",
         [&] {
             const FileDescriptor file(
                 open((fixture.directory / "own").c_str(), O_RDONLY | O_CLOEXEC));
             return outcome(fchmod(file.get(), 04755));
         }},
        {"a new file that runs as its owner",
         [&] {
             const auto name = fixture.directory / "new";
             unlink(name.c_str());
             return outcome_of_descriptor(
                 open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 04755));
         }},
        {"memory as code", map_memory_as_code},
    };
}

std::vector<Attempt> things_that_must_work(Fixture& fixture) {
    return {
        {"writing to an open map",
         [&] {
             const std::uint32_t key = 0;
             return outcome(bpf_map_update_elem(fixture.map.get(), &key, &written, BPF_ANY));
         }},
        {"reading a pinned map",
         [&] {
             const FileDescriptor map(bpf_obj_get((fixture.pin_dir + "/config").c_str()));
             const std::uint32_t key = 0;
             std::uint64_t value = 0;
             if (bpf_map_lookup_elem(map.get(), &key, &value) != 0) return errno;
             return value == written ? 0 : EBADMSG;
         }},
        {"asking what a map is",
         [&] {
             bpf_map_info info{};
             std::uint32_t size = sizeof(info);
             return outcome(bpf_obj_get_info_by_fd(fixture.map.get(), &info, &size));
         }},
        {"copying a descriptor",
         [&] {
             const FileDescriptor copy(fcntl(fixture.map.get(), F_DUPFD_CLOEXEC, 3));
             if (fcntl(copy.get(), F_GETFD) != FD_CLOEXEC) return errno ? errno : EBADMSG;
             if (fcntl(copy.get(), F_SETFD, 0) != 0) return errno;
             return outcome(fcntl(copy.get(), F_GETFL));
         }},
        {"a datagram to the logger",
         [&] {
             const FileDescriptor sender(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
             return outcome(sendto(sender.get(), "x", 1, 0,
                                   reinterpret_cast<const sockaddr*>(&fixture.address),
                                   sizeof(fixture.address)));
         }},
        {"replacing a file",
         [&] {
             fixture.output.replace("new\n", jsguard::Durability::on_disk);
             return fixture.output.remove();
         }},
        {"taking out a persisted detector",
         [&] {
             fixture.pins.unpersist();
             const int pins = fixture.pins.open_directory();
             for (const char* name :
                  {jsguard::persisted_directory, jsguard::unfinished_directory}) {
                 if (faccessat(pins, name, F_OK, 0) == 0) return EEXIST;
             }
             return 0;
         }},
        {"waiting for the reader of a full pipe",
         [&] {
             close(STDERR_FILENO);
             if (fcntl(fixture.full_pipe.get(), F_DUPFD_CLOEXEC, STDERR_FILENO) != STDERR_FILENO)
                 return errno;
             int calls = 0;
             const jsguard::OutputWait wait([&] { return ++calls < 2; });
             jsguard::log_line("text");
             return calls == 2 ? 0 : EBADMSG;
         }},
        {"an exception",
         [] {
             try {
                 throw std::runtime_error("x");
             } catch (const std::exception&) {
                 return 0;
             }
         }},
    };
}

using Outcomes = std::map<std::string, int>;

// Runs the function in a child. Returns the lines that it writes, and sets the child's wait status.
std::string in_a_child(const std::function<void(std::ostream&)>& function, int& status) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    const FileDescriptor reading(ends[0]);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::ostringstream lines;
        try {
            function(lines);
        } catch (const std::exception& error) {
            lines << "thrown: " << error.what() << '\n';
        }
        const std::string text = lines.str();
        _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0
                                                                                            : 1);
    }
    close(ends[1]);
    std::string text;
    char part[4096];
    for (ssize_t got; (got = read(reading.get(), part, sizeof(part))) > 0;)
        text.append(part, static_cast<std::size_t>(got));
    REQUIRE(waitpid(child, &status, 0) == child);
    return text;
}

// The result of each attempt, in a child that has dropped its privilege, or has not.
Outcomes outcomes(const jsguard::FileAccess& access, const std::vector<Attempt>& things,
                  bool dropped) {
    int status = 0;
    const std::string text = in_a_child(
        [&](std::ostream& lines) {
            if (dropped) jsguard::drop_privilege(access);
            for (const Attempt& attempt : things)
                lines << attempt.run() << ' ' << attempt.what << '\n';
        },
        status);
    CAPTURE(text);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
    Outcomes all;
    std::istringstream lines(text);
    std::string what;
    for (int result; lines >> result && std::getline(lines >> std::ws, what);) all[what] = result;
    REQUIRE(all.size() == things.size());
    return all;
}

bool is_refused(int result) { return result == EPERM || result == EACCES; }

}  // namespace

TEST_CASE("once privilege is dropped nothing can be loaded, run, entered or reached",
          "[privilege]") {
    const Fixture fixture;
    const auto things = things_to_be_refused(fixture);
    const Outcomes before = outcomes(fixture.access(), things, false),
                   after = outcomes(fixture.access(), things, true);
    for (const Attempt& attempt : things) {
        CAPTURE(attempt.what);
        // An attempt that is always refused would show nothing.
        CHECK(before.at(attempt.what) != EPERM);
        CHECK(after.at(attempt.what) == EPERM);
    }
    const std::vector<Attempt> secret{
        {"secret", [&] {
             return outcome_of_descriptor(open((fixture.directory / "secret").c_str(), O_RDONLY));
         }}};
    CHECK(outcomes(fixture.access(), secret, false).at("secret") == 0);
    CHECK(outcomes(fixture.access(), secret, true).at("secret") == EACCES);
}

// By its own /proc/self/mem, a process can write code that it may not map.
TEST_CASE("once privilege is dropped no file is written or read elsewhere", "[privilege]") {
    if (const jsguard::FileLimits limits = jsguard::file_limits_here(); !limits.available())
        return testbed::be_inconclusive("file access is " + text_of(limits));
    const Fixture fixture;
    const Directory elsewhere;
    const pid_t parent = getpid();
    std::ofstream(elsewhere / "own") << "of this user\n";
    const auto opened = [](const fs::path& path, int flags) {
        return outcome_of_descriptor(open(path.c_str(), flags | O_CLOEXEC, 0600));
    };
    const std::vector<Attempt> things = {
        {"its own memory", [&] { return opened("/proc/self/mem", O_RDWR); }},
        {"its own memory by its thread",
         [&] { return opened(fs::path("/proc/thread-self/mem"), O_WRONLY); }},
        {"another process's memory",
         [&] { return opened("/proc/" + std::to_string(parent) + "/mem", O_RDWR); }},
        {"a setting of the kernel", [&] { return opened("/proc/self/oom_score_adj", O_WRONLY); }},
        {"a new file elsewhere", [&] { return opened(elsewhere / "new", O_WRONLY | O_CREAT); }},
        {"a file elsewhere", [&] { return opened(elsewhere / "own", O_WRONLY); }},
        {"reading a file elsewhere", [&] { return opened(elsewhere / "own", O_RDONLY); }},
        {"listing a directory elsewhere", [&] { return opened(elsewhere.path(), O_RDONLY); }},
        {"removing a file elsewhere", [&] { return outcome(unlink((elsewhere / "own").c_str())); }},
    };
    const Outcomes after = outcomes(fixture.access(), things, true),
                   before = outcomes(fixture.access(), things, false);
    for (const Attempt& attempt : things) {
        CAPTURE(attempt.what, after.at(attempt.what));
        CHECK(before.at(attempt.what) == 0);
        CHECK(is_refused(after.at(attempt.what)));
    }
    const std::vector<Attempt> proc{{"proc", [&] { return opened("/proc/locks", O_RDONLY); }}};
    CHECK(outcomes(fixture.access(), proc, true).at("proc") == 0);
}

TEST_CASE("a loader that has dropped its privilege still does its work", "[privilege]") {
    Fixture fixture;
    const auto things = things_that_must_work(fixture);
    for (const auto& [what, result] : outcomes(fixture.access(), things, true)) {
        CAPTURE(what, std::strerror(result));
        CHECK(result == 0);
    }
    char datagram;
    CHECK(recv(fixture.logger.get(), &datagram, 1, 0) == 1);
}

TEST_CASE("a call by the numbers of another architecture ends the process", "[privilege]") {
#ifdef __x86_64__
    int status = 0;
    const std::string text = in_a_child(
        [](std::ostream& lines) {
            jsguard::drop_privilege({});
            constexpr long x32 = 0x40000000;
            syscall(x32 | SYS_getpid);
            lines << "it was answered\n";
        },
        status);
    CAPTURE(text);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSYS);
#endif
}

TEST_CASE("in a process with two threads no privilege is dropped", "[privilege]") {
    int status = 0;
    const std::string text = in_a_child(
        [](std::ostream& lines) {
            std::thread other([] { pause(); });
            other.detach();
            try {
                jsguard::drop_privilege({});
            } catch (const jsguard::Error& error) {
                lines << error.what() << "; " << jsguard::has_capability(CAP_BPF);
            }
        },
        status);
    CHECK(text == "cannot give up privilege in a process with 2 threads; 1");
}

TEST_CASE("a file that only privilege could replace is refused at the start", "[privilege]") {
    const Directory directory;
    const auto others = directory / "others", own = directory / "own",
               shared = directory / "shared";
    for (const auto& path : {others, own, shared}) fs::create_directory(path);
    std::ofstream(shared / "theirs") << "x";
    std::ofstream(shared / "ours") << "x";
    REQUIRE(chown(others.c_str(), another_user, another_user) == 0);
    REQUIRE(chmod(shared.c_str(), 01777) == 0);
    REQUIRE(chown(shared.c_str(), another_user, another_user) == 0);
    REQUIRE(chown((shared / "theirs").c_str(), another_user, another_user) == 0);

    const auto refused = [](const fs::path& target) {
        try {
            jsguard::need_writable_without_privilege(target, "--textfile");
            return false;
        } catch (const jsguard::Error& error) {
            CHECK(error.code() == jsguard::ExitCode::usage);
            CHECK(std::string(error.what()).find("--textfile " + target.string() + ": user 0 ") ==
                  0);
            return true;
        }
    };
    CHECK(refused(others / "x.prom"));
    CHECK(refused(shared / "theirs"));
    CHECK_FALSE(refused(own / "x.prom"));
    CHECK_FALSE(refused(shared / "ours"));
    CHECK_FALSE(refused(shared / "new"));
    CHECK_FALSE(refused("x.prom"));
    // A child without privilege confirms it.
    const std::vector<Attempt> writing{
        {"others",
         [&] {
             return outcome_of_descriptor(
                 open((others / "x.prom").c_str(), O_CREAT | O_WRONLY, 0600));
         }},
        {"theirs",
         [&] { return outcome(rename((shared / "ours").c_str(), (shared / "theirs").c_str())); }}};
    const FileDescriptor all(open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const auto& [what, result] : outcomes({{all.get()}, -1, -1}, writing, true)) {
        CAPTURE(what);
        CHECK(is_refused(result));
    }
    CHECK(jsguard::has_capability(CAP_DAC_OVERRIDE));
    CHECK(jsguard::has_capability(CAP_FOWNER));
}
