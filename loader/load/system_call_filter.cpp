// SPDX-License-Identifier: BSD-2-Clause
// The system calls that are left to a detector's loader once it has attached.
#include "load/system_call_filter.hpp"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/prctl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>
#include <type_traits>

#include "common/error.hpp"

namespace jsguard {
namespace {

// Whatever their arguments: they reach no further than the open descriptors, the process's own
// memory, and files that its user may use anyway. A kernel that lacks one is no obstacle.
constexpr int allowed[] = {
    // descriptors
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(pwrite64),
    SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate), SCMP_SYS(flock), SCMP_SYS(getdents64),
    // files: a textfile, a baseline file and their folders, pins, /proc/self/fdinfo
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
    SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(rmdir),
    // waiting for alerts, and sending datagrams to the system's log and the service manager
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    // what the C and C++ libraries do by themselves
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname),
    SCMP_SYS(sysinfo), SCMP_SYS(exit), SCMP_SYS(exit_group)};

// bpf(): what is done with maps that are open or pinned. Nothing is loaded, made or attached.
constexpr unsigned bpf_commands[] = {BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM,
                                     BPF_MAP_GET_NEXT_KEY, BPF_MAP_LOOKUP_BATCH,
                                     BPF_OBJ_GET,          BPF_OBJ_GET_INFO_BY_FD};

// fcntl(): not who gets which signal when a descriptor is ready (F_SETOWN, F_SETSIG, O_ASYNC), for
// that could be another process of the user, and SIGKILL.
constexpr unsigned descriptor_commands[] = {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC};

// ioctl(): is it a terminal, how wide is it. Not TIOCSTI, which types into it, nor what
// fcntl() may not either (FIOSETOWN, FIOASYNC).
constexpr unsigned long terminal_requests[] = {TCGETS, TCGETS2, TIOCGWINSZ};

// The kernel's own, which <sys/socket.h> keeps to itself.
constexpr unsigned socket_type_mask = 0xf;

// A file that is run with the rights of its owner would outlive this process.
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
    // Datagrams only: by a stream a process of user 0 could have the service manager do anything.
    allow(filter, SCMP_SYS(socket),
          {SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
           SCMP_A1_32(SCMP_CMP_MASKED_EQ, socket_type_mask, SOCK_DGRAM)});
    allow(filter, SCMP_SYS(openat), {SCMP_A3_32(SCMP_CMP_MASKED_EQ, set_id_bits, 0)});
    allow(filter, SCMP_SYS(open), {SCMP_A2_32(SCMP_CMP_MASKED_EQ, set_id_bits, 0)});
    allow(filter, SCMP_SYS(fchmod), {SCMP_A1_32(SCMP_CMP_MASKED_EQ, set_id_bits, 0)});
    // No new code.
    allow(filter, SCMP_SYS(mmap), {SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    allow(filter, SCMP_SYS(mprotect), {SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    // abort() signals itself.
    allow(filter, SCMP_SYS(tgkill), {SCMP_A0_32(SCMP_CMP_EQ, static_cast<unsigned>(getpid()))});
}

}  // namespace

void filter_system_calls() {
    if (prctl(PR_GET_SECCOMP) < 0)
        throw Error(ExitCode::unsupported,
                    "this kernel lacks filters for system calls (CONFIG_SECCOMP_FILTER)");
    // Not killed: a library that makes another call must not take the detector down. Calls by
    // another architecture's numbers (i386, x32) are: no library of ours makes them.
    const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
    if (!filter) need(-ENOMEM);
    for (const int call : allowed) allow(filter, call);
    allow_by_arguments(filter);
    // A tree, not a list that the last call has to pass through whole.
    need(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    need(seccomp_load(filter.get()));
}

}  // namespace jsguard
