// SPDX-License-Identifier: BSD-2-Clause
// A bpftrace in a child process, and the BPF programs that it has loaded.
#include "bpftrace.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>

#include "bench.hpp"
#include "tests/kernel/testbed.hpp"

namespace bench {
namespace {

constexpr double patience_s = 10;
constexpr int attaching_ms = 200;  // from loaded to attached, which bpftrace does not print

using jsguard::FileDescriptor;

std::set<std::uint32_t> loaded_programs() {
    std::set<std::uint32_t> ids;
    std::uint32_t id = 0;
    while (bpf_prog_get_next_id(id, &id) == 0) ids.insert(id);
    return ids;
}

// Reads until the text occurs, or the other end is closed, or the time is over.
std::string read_until(int fd, const std::string& text, double seconds) {
    std::string output;
    const double end = testbed::now_s() + seconds;
    while (output.find(text) == std::string::npos) {
        const double left_ms = (end - testbed::now_s()) * 1000;
        pollfd waited{fd, POLLIN, 0};
        char byte = 0;
        if (left_ms <= 0 || poll(&waited, 1, static_cast<int>(left_ms) + 1) <= 0 ||
            read(fd, &byte, 1) != 1)
            break;
        output += byte;
    }
    return output;
}

}  // namespace

RunningBpftrace::RunningBpftrace(const std::string& script) {
    const auto before = loaded_programs();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail("cannot make a pipe");
    const FileDescriptor output(ends[0]);
    {
        const FileDescriptor child_end(ends[1]);
        process_ = fork();
        if (process_ < 0) fail("cannot fork");
        if (process_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(child_end.get(), STDOUT_FILENO);
            dup2(child_end.get(), STDERR_FILENO);
            execlp("bpftrace", "bpftrace", "-B", "line", "-e", script.c_str(), nullptr);
            dprintf(STDERR_FILENO, "no bpftrace: apt-get install bpftrace\n");
            _exit(127);
        }
    }
    // Versions up to 0.23 print "Attaching" before they attach, and load the program a moment
    // later. Later versions print "Attached".
    const std::string all = read_until(output.get(), "Attach", patience_s);
    for (const double end = testbed::now_s() + patience_s;
         programs_.empty() && testbed::now_s() < end; testbed::pause_ms(1))
        find_programs(before);
    if (!programs_.empty()) {
        testbed::pause_ms(attaching_ms);
        return;
    }
    end();
    throw std::runtime_error("bpftrace does not attach: " + all);
}

void RunningBpftrace::find_programs(const std::set<std::uint32_t>& before) {
    for (const std::uint32_t id : loaded_programs()) {
        if (before.contains(id)) continue;
        FileDescriptor program(bpf_prog_get_fd_by_id(id));
        bpf_prog_info info{};
        std::uint32_t size = sizeof(info);
        if (program.get() < 0 || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) continue;
        if (info.type == BPF_PROG_TYPE_TRACEPOINT) programs_.push_back(std::move(program));
    }
}

RunningBpftrace::~RunningBpftrace() { end(); }

// While bpftrace still attaches, it loses the signal. So the signal is repeated.
void RunningBpftrace::end() {
    const auto has_ended = [&] { return waitpid(process_, nullptr, WNOHANG) != 0; };
    do kill(process_, SIGINT);
    while (!testbed::wait_until(1, has_ended));
}

std::vector<int> RunningBpftrace::programs() const {
    std::vector<int> fds;
    for (const FileDescriptor& program : programs_) fds.push_back(program.get());
    return fds;
}

}  // namespace bench
