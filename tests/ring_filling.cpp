// SPDX-License-Identifier: BSD-2-Clause
// Fills the ring buffer of a detector with records that are no alerts, as if nobody read its
// alerts.
#include "ring_filling.hpp"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include "kernel/jsguard.h"

namespace testbed {
namespace {

// The size of a record. Readers ignore records that are too short for an alert.
constexpr int junk_bytes = 8;

// The size of a record in the ring, with its header.
constexpr std::size_t in_ring(std::size_t bytes) {
    return (bytes + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
}

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// The positions up to which the kernel has written and readers have read. Each is the first word of
// a page.
class Positions {
  public:
    explicit Positions(int ring) {
        for (int i = 0; i < 2; ++i) {
            pages_[i] = mmap(nullptr, page_bytes_, PROT_READ, MAP_SHARED, ring,
                             static_cast<off_t>(page_bytes_) * i);
            if (pages_[i] == MAP_FAILED) fail("map the ring buffer");
        }
    }
    ~Positions() {
        for (void* page : pages_) munmap(page, page_bytes_);
    }
    Positions(const Positions&) = delete;
    Positions& operator=(const Positions&) = delete;
    std::size_t unread() const { return at(1) - at(0); }

  private:
    std::size_t at(int page) const {
        return *static_cast<const volatile unsigned long*>(pages_[page]);
    }

    std::size_t page_bytes_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* pages_[2];
};

// Loads a program that puts a short record into the ring and returns the result.
int load_writer(int ring) {
    const auto insn = [](int code, int dst, int src, int off, int imm) {
        return bpf_insn{.code = static_cast<__u8>(code),
                        .dst_reg = static_cast<__u8>(dst & 15),
                        .src_reg = static_cast<__u8>(src & 15),
                        .off = static_cast<__s16>(off),
                        .imm = imm};
    };
    const bpf_insn code[] = {
        insn(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -junk_bytes, 0),
        insn(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, ring),
        insn(0, 0, 0, 0, 0),
        insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
        insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -junk_bytes),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, junk_bytes),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0),
        insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_SLEEPABLE);
    const int program =
        bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "fill", "GPL", code, std::size(code), &options);
    if (program < 0) fail("load the program that fills the ring buffer");
    return program;
}

}  // namespace

void leave_room(int ring, std::size_t alerts) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(ring, &info, &size) != 0) fail("read the size of the ring buffer");
    // The kernel never fills the ring completely.
    const std::size_t max_used = info.max_entries - 1,
                      kept_free = alerts * in_ring(sizeof(jsg_alert));
    const Positions positions(ring);
    const int program = load_writer(ring);
    int error = 0;
    while (!error && positions.unread() + kept_free + in_ring(junk_bytes) <= max_used) {
        bpf_test_run_opts run{};
        run.sz = sizeof(run);
        error = bpf_prog_test_run_opts(program, &run) != 0 || run.retval;
    }
    close(program);
    if (error) throw std::runtime_error("the ring buffer accepted no more records too early");
}

}  // namespace testbed
