// SPDX-License-Identifier: BSD-2-Clause
// Checks the privilege that loading needs, drops it, and filters system calls.
#include "load/privilege.hpp"

#include <asm/termbits.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <thread>
#include <type_traits>

#include "common/capabilities.hpp"
#include "common/error.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

constexpr const char* next_step =
    "do not run a detector with privilege in a kernel or container that forbids this";

[[noreturn]] void fail(std::string_view tried, int error = errno) {
    throw errno_error(ExitCode::runtime, error, tried, next_step);
}

using Capabilities = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

// Raw system calls, because libcap would be one more dependency for two calls.
Capabilities own_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Capabilities sets{};
    if (syscall(SYS_capget, &header, sets.data()) != 0) fail("cannot read the capabilities");
    return sets;
}

void set_own_capabilities(const Capabilities& sets) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    if (syscall(SYS_capset, &header, sets.data()) != 0) fail("cannot set the capabilities");
}

// Disables the capabilities for files while this object exists, to check what drop_privilege() will
// leave.
class WithoutPrivilegeOverFiles {
  public:
    WithoutPrivilegeOverFiles() : before_(own_capabilities()) {
        Capabilities sets = before_;
        for (const unsigned capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER})
            sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
        set_own_capabilities(sets);
    }
    ~WithoutPrivilegeOverFiles() {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        // This cannot fail: a permitted capability can always be enabled.
        syscall(SYS_capset, &header, before_.data());
    }
    WithoutPrivilegeOverFiles(const WithoutPrivilegeOverFiles&) = delete;
    WithoutPrivilegeOverFiles& operator=(const WithoutPrivilegeOverFiles&) = delete;

  private:
    Capabilities before_;
};

// In a directory with the sticky bit, such as /tmp, only the owner of the directory or of the file
// may replace the file.
bool is_protected_by_sticky_bit(const fs::path& target, const struct stat& directory) {
    struct stat file {};
    return (directory.st_mode & S_ISVTX) && directory.st_uid != geteuid() &&
           lstat(target.c_str(), &file) == 0 && file.st_uid != geteuid();
}

bool may_replace(const fs::path& target, const fs::path& directory) {
    const WithoutPrivilegeOverFiles as_later;
    // AT_EACCESS checks the effective capabilities. access() would check the real user and all
    // permitted capabilities.
    if (faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
        return errno != EACCES;
    struct stat info {};
    return stat(directory.c_str(), &info) != 0 || !is_protected_by_sticky_bit(target, info);
}

std::ptrdiff_t count_threads() {
    std::error_code error;
    const auto threads = std::distance(fs::directory_iterator("/proc/self/task", error), {});
    if (error) fail("cannot count the threads in /proc/self/task", error.value());
    return threads;
}

// Capabilities, no_new_privs and the filter belong to one thread. The kernel may list a thread for
// a moment after it was joined.
void need_one_thread() {
    constexpr int max_attempts = 200;
    constexpr auto pause = std::chrono::milliseconds(5);
    auto threads = count_threads();
    for (int i = 0; threads != 1 && i < max_attempts; ++i) {
        std::this_thread::sleep_for(pause);
        threads = count_threads();
    }
    if (threads != 1)
        throw Error(ExitCode::runtime,
                    fmt::format("cannot give up privilege in a process with {} threads", threads));
}

// Empties the bounding set, so that no program that this process starts gains capabilities, not
// even file capabilities.
void empty_bounding_set() {
    int in_it;
    for (unsigned long capability = 0; (in_it = prctl(PR_CAPBSET_READ, capability)) >= 0;
         ++capability) {
        if (in_it && prctl(PR_CAPBSET_DROP, capability) != 0)
            fail(fmt::format("cannot take capability {} out of the bounding set", capability));
    }
}

// Sets and locks the securebits, so that user 0 gains no capability for being user 0. The bits are
// named one by one, because a kernel refuses bits that it does not know.
void lock_securebits() {
    constexpr unsigned long ours = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_KEEP_CAPS_LOCKED;
    const int before = prctl(PR_GET_SECUREBITS);
    if (before < 0) fail("cannot read the securebits");
    // EPERM: a container may have locked other bits. no_new_privs prevents the same as these bits.
    if (prctl(PR_SET_SECUREBITS, static_cast<unsigned long>(before) | ours) != 0 && errno != EPERM)
        fail("cannot lock the securebits");
}

// These system calls are allowed with any arguments. They affect only open descriptors, the memory
// of this process, and files that its user may use, as far as Landlock permits it. A kernel without
// one of them is no problem.
constexpr int allowed[] = {
    // descriptors
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(pwrite64),
    SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate), SCMP_SYS(flock), SCMP_SYS(getdents64),
    // files: a textfile, a baseline file and their directories, pins, /proc/self/fdinfo
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
    SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(rmdir),
    // waiting for alerts, and sending datagrams to the system's log and the service manager
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    // a timer that interrupts this process's own writes to stdout and stderr
    SCMP_SYS(setitimer),
    // what the C and C++ libraries do by themselves
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname),
    SCMP_SYS(sysinfo), SCMP_SYS(exit), SCMP_SYS(exit_group)};

// Commands of bpf(): only those for open or pinned maps. None of them loads, creates or attaches.
constexpr unsigned bpf_commands[] = {BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM,
                                     BPF_MAP_GET_NEXT_KEY, BPF_MAP_LOOKUP_BATCH,
                                     BPF_OBJ_GET,          BPF_OBJ_GET_INFO_BY_FD};

// Commands of fcntl(). F_SETOWN, F_SETSIG and O_ASYNC are not allowed. They choose which process
// gets which signal when a descriptor is ready, and so could send SIGKILL to another process of the
// user.
constexpr unsigned descriptor_commands[] = {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC};

// Requests of ioctl(): whether a descriptor is a terminal, and its width. TIOCSTI is not allowed,
// because it types into the terminal. FIOSETOWN and FIOASYNC do what fcntl() may not do.
constexpr unsigned long terminal_requests[] = {TCGETS, TCGETS2, TIOCGWINSZ};

// SOCK_TYPE_MASK of the kernel. <sys/socket.h> does not export it.
constexpr unsigned socket_type_mask = 0xf;

// A set-user-ID file would keep the rights of its owner after this process has ended.
constexpr mode_t set_id_bits = S_ISUID | S_ISGID;

struct FilterDeleter {
    void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, FilterDeleter>;

void need(int result) {
    if (result < 0)
        throw errno_error(ExitCode::runtime, -result, "cannot filter system calls",
                          "see which filter the container or service already has");
}

void allow(const Filter& filter, int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    need(seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call,
                                static_cast<unsigned>(conditions.size()), conditions.begin()));
}

void allow_by_arguments(const Filter& filter) {
    for (const unsigned command : bpf_commands)
        allow(filter, SCMP_SYS(bpf), {SCMP_A0_32(SCMP_CMP_EQ, command)});
    for (const unsigned command : descriptor_commands)
        allow(filter, SCMP_SYS(fcntl), {SCMP_A1_32(SCMP_CMP_EQ, command)});
    for (const unsigned long request : terminal_requests)
        allow(filter, SCMP_SYS(ioctl), {SCMP_A1_32(SCMP_CMP_EQ, request)});
    // Datagrams only: over a stream a process of user 0 could make the service manager do anything.
    allow(filter, SCMP_SYS(socket),
          {SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
           SCMP_A1_32(SCMP_CMP_MASKED_EQ, socket_type_mask, SOCK_DGRAM)});
    allow(filter, SCMP_SYS(openat), {SCMP_A3_32(SCMP_CMP_MASKED_EQ, set_id_bits, 0)});
    allow(filter, SCMP_SYS(open), {SCMP_A2_32(SCMP_CMP_MASKED_EQ, set_id_bits, 0)});
    allow(filter, SCMP_SYS(fchmod), {SCMP_A1_32(SCMP_CMP_MASKED_EQ, set_id_bits, 0)});
    // No new executable memory.
    allow(filter, SCMP_SYS(mmap), {SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    allow(filter, SCMP_SYS(mprotect), {SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    // abort() sends a signal to its own process.
    allow(filter, SCMP_SYS(tgkill), {SCMP_A0_32(SCMP_CMP_EQ, static_cast<unsigned>(getpid()))});
}

// Every other system call fails with EPERM, until this process ends. Throws Error(runtime), or
// Error(unsupported) if the kernel has no such filters.
void filter_system_calls() {
    if (prctl(PR_GET_SECCOMP) < 0)
        throw Error(ExitCode::unsupported,
                    "this kernel lacks filters for system calls (CONFIG_SECCOMP_FILTER)");
    // EPERM instead of a kill: a library that makes another call must not end the loader. Calls
    // with the numbers of another architecture (i386, x32) are killed, because no library here
    // makes them.
    const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
    if (!filter) need(-ENOMEM);
    for (const int call : allowed) allow(filter, call);
    allow_by_arguments(filter);
    // 2: a binary tree. In a list, the last call would be compared with all others.
    need(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    need(seccomp_load(filter.get()));
}

}  // namespace

std::vector<NeededCapability> needed_to_load(bool has_rdonly_cast) {
    std::vector<NeededCapability> needed = {{CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"}};
    const bool old_libbpf = libbpf_major_version() == 1 && libbpf_minor_version() < 3;
    if (!has_rdonly_cast && old_libbpf) needed.push_back({CAP_SYS_ADMIN, "CAP_SYS_ADMIN"});
    return needed;
}

std::string missing_to_load(bool has_rdonly_cast) {
    if (has_capability(CAP_SYS_ADMIN)) return {};
    std::string missing;
    for (const NeededCapability& one : needed_to_load(has_rdonly_cast)) {
        if (!has_capability(one.number))
            missing += (missing.empty() ? "" : " and ") + std::string(one.name);
    }
    return missing;
}

void need_writable_without_privilege(const fs::path& target, std::string_view option) {
    const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");
    if (may_replace(target, directory)) return;
    throw Error(ExitCode::usage,
                fmt::format("{} {}: user {} may not write it without privilege, and jsguard-load "
                            "keeps none once it has attached; give a name in a directory of that "
                            "user's own, such as /var/lib/jsguard",
                            option, printable(target.native()), geteuid()));
}

FileLimits drop_privilege(const FileAccess& access) {
    need_one_thread();
    if (has_capability(CAP_SETPCAP)) {
        empty_bounding_set();
        lock_securebits();
    }
    set_own_capabilities({});  // the ambient set is never more than these
    for (const auto& set : own_capabilities()) {
        if (set.permitted | set.effective | set.inheritable)
            throw Error(ExitCode::runtime, "capabilities are left that were given up");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("cannot set no_new_privs");
    const FileLimits limits = limit_files(access);
    filter_system_calls();
    return limits;
}

}  // namespace jsguard
