// SPDX-License-Identifier: BSD-2-Clause
// Finds network namespaces by path or by process, and runs functions inside them.
#include "load/network_namespace.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "common/error.hpp"
#include "common/whole_number.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

constexpr const char* next_step =
    "give a name that `ip netns` lists, the path of a network namespace, or the id of a process in "
    "it";
constexpr const char* needs_admin = "it takes CAP_SYS_ADMIN";
constexpr const char* needs_ptrace =
    "the namespace of a process with other rights takes CAP_SYS_PTRACE";

// Distinguishes namespaces without CAP_SYS_PTRACE: the file net/tcp has another inode in each.
std::optional<ino_t> inode_of_tcp_table(const fs::path& process) {
    struct stat info {};
    if (stat((process / "net/tcp").c_str(), &info) != 0) return std::nullopt;
    return info.st_ino;
}

// given: the id of a process, a path, or a name. `ip netns` keeps its names in /run/netns.
std::string path_of(const std::string& given) {
    if (const auto pid = whole_number(given, 1, std::numeric_limits<std::int32_t>::max()))
        return fmt::format("/proc/{}/ns/net", *pid);
    return given.find('/') == std::string::npos ? "/run/netns/" + given : given;
}

}  // namespace

NetworkNamespace NetworkNamespace::open(const std::string& given) {
    const std::string path = path_of(given);
    const std::string tried =
        fmt::format("cannot use --netns {} ({})", printable(given), printable(path));
    struct stat info {};
    // O_NONBLOCK: the path may be that of a pipe.
    NetworkNamespace opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), 0);
    if (opened.fd_.get() < 0 || fstat(opened.fd_.get(), &info) != 0) {
        const bool forbidden = lacks_permission(errno);
        throw errno_error(forbidden ? ExitCode::not_permitted : ExitCode::usage, errno, tried,
                          forbidden ? needs_ptrace : next_step);
    }
    if (ioctl(opened.fd_.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        throw Error(ExitCode::usage,
                    fmt::format("{}: it is no network namespace; {}", tried, next_step));
    opened.inode_ = static_cast<std::uint32_t>(info.st_ino);
    return opened;
}

std::size_t NetworkNamespace::run_inside_others(const std::function<void()>& function) {
    std::set<std::pair<dev_t, ino_t>> known;
    std::set<ino_t> visited, hidden;  // by the inodes of net/tcp
    std::size_t left_out = 0;
    struct stat info {};
    std::error_code ignored;  // processes end while they are listed
    if (stat("/proc/self/ns/net", &info) == 0) known.emplace(info.st_dev, info.st_ino);
    if (const auto own = inode_of_tcp_table("/proc/self")) visited.insert(*own);
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
        const fs::path path = entry.path() / "ns/net";
        const int error = stat(path.c_str(), &info) == 0 ? 0 : errno;
        // Not a process, or one that has ended.
        if (error && error != EACCES) continue;
        if (const auto table = inode_of_tcp_table(entry.path()))
            (error ? hidden : visited).insert(*table);
        if (error || !known.emplace(info.st_dev, info.st_ino).second) continue;
        const NetworkNamespace other(::open(path.c_str(), O_RDONLY | O_CLOEXEC),
                                     static_cast<std::uint32_t>(info.st_ino));
        try {
            other.run_inside(function);
        } catch (const Error&) {
            ++left_out;
        }
    }
    return left_out +
           static_cast<std::size_t>(std::count_if(hidden.begin(), hidden.end(), [&](ino_t table) {
               return !visited.contains(table);
           }));
}

void NetworkNamespace::run_inside(const std::function<void()>& function) const {
    std::exception_ptr failure;
    std::thread([&] {
        try {
            if (setns(fd_.get(), CLONE_NEWNET) != 0)
                throw errno_error(errno == EPERM ? ExitCode::not_permitted : ExitCode::runtime,
                                  errno, "cannot enter a network namespace",
                                  errno == EPERM ? needs_admin : "");
            function();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace jsguard
