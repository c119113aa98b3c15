// SPDX-License-Identifier: BSD-2-Clause
// What this process gives up once the detector is attached, and what it must ask before.
#include "load/privilege.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iterator>

#include "common/capabilities.hpp"
#include "common/error.hpp"
#include "load/system_call_filter.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

constexpr const char* next_step =
    "a kernel or container that forbids it is not one to run a detector with privilege in";

[[noreturn]] void fail(std::string_view tried, int error = errno) {
    throw errno_error(ExitCode::runtime, error, tried, next_step);
}

using Capabilities = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

// Raw, for libcap would be a dependency more for two calls.
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

// For a moment as after drop_privilege(), as far as files are concerned.
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
        syscall(SYS_capset, &header, before_.data());  // what is permitted can always be raised
    }
    WithoutPrivilegeOverFiles(const WithoutPrivilegeOverFiles&) = delete;
    WithoutPrivilegeOverFiles& operator=(const WithoutPrivilegeOverFiles&) = delete;

  private:
    Capabilities before_;
};

// In a folder such as /tmp only the owner of a file, or of the folder, may replace it.
bool is_kept_for_others(const fs::path& target, const struct stat& folder) {
    struct stat file {};
    return (folder.st_mode & S_ISVTX) && folder.st_uid != geteuid() &&
           lstat(target.c_str(), &file) == 0 && file.st_uid != geteuid();
}

bool may_replace(const fs::path& target, const fs::path& folder) {
    const WithoutPrivilegeOverFiles as_later;
    // In effect, for access() would ask for the real user with all that is permitted.
    if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return errno != EACCES;
    struct stat info {};
    return stat(folder.c_str(), &info) != 0 || !is_kept_for_others(target, info);
}

// Capabilities, no_new_privs and the filter are each thread's own.
void need_one_thread() {
    std::error_code error;
    const auto threads = std::distance(fs::directory_iterator("/proc/self/task", error), {});
    if (error) fail("cannot count the threads in /proc/self/task", error.value());
    if (threads != 1)
        throw Error(ExitCode::runtime,
                    fmt::format("cannot give up privilege in a process with {} threads", threads));
}

// So that no program that it starts has more than it, even one with file capabilities.
void empty_bounding_set() {
    int in_it;
    for (unsigned long capability = 0; (in_it = prctl(PR_CAPBSET_READ, capability)) >= 0;
         ++capability) {
        if (in_it && prctl(PR_CAPBSET_DROP, capability) != 0)
            fail(fmt::format("cannot take capability {} out of the bounding set", capability));
    }
}

// So that user 0 gains nothing by being user 0. By name, for a kernel refuses bits that it does not
// know.
void lock_securebits() {
    constexpr unsigned long ours = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_KEEP_CAPS_LOCKED;
    const int before = prctl(PR_GET_SECUREBITS);
    if (before < 0) fail("cannot read the securebits");
    // A container may have locked them otherwise; what they prevent, no_new_privs does too.
    if (prctl(PR_SET_SECUREBITS, static_cast<unsigned long>(before) | ours) != 0 && errno != EPERM)
        fail("cannot lock the securebits");
}

}  // namespace

void need_writable_without_privilege(const fs::path& target, std::string_view option) {
    const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
    if (may_replace(target, folder)) return;
    throw Error(ExitCode::usage,
                fmt::format("{} {}: user {} may not write it without privilege, and jsguard-load "
                            "keeps none once it has attached; give a name in a folder of that "
                            "user's own, such as /var/lib/jsguard",
                            option, printable(target.native()), geteuid()));
}

void drop_privilege() {
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
    filter_system_calls();
}

}  // namespace jsguard
