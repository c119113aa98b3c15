// SPDX-License-Identifier: BSD-2-Clause
// Shared by the fuzz targets: promises that stop the fuzzer when they are broken, numbers from its
// input, and the check of a parser's refusal.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/error.hpp"
#include "kernel/fixed_point.h"

namespace fuzz {

/// Stops the fuzzer. The fuzzer keeps the input that leads here.
[[noreturn]] inline void broken(std::string_view promise) {
    std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()),
                 promise.data());
    std::abort();
}

inline void require(bool kept, std::string_view promise) {
    if (!kept) broken(promise);
}

inline void require_one_line(std::string_view text) {
    const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
    require(!text.empty() && std::none_of(text.begin(), text.end(), is_control),
            "a message is one line without control characters");
}

/// The result of parse(), or nothing if it refuses its input with a usage error in one line. Any
/// other exception stops the fuzzer.
template <class Parse>
auto accepted(Parse parse) -> std::optional<decltype(parse())> {
    try {
        return parse();
    } catch (const jsguard::Error& refusal) {
        require(refusal.code() == jsguard::ExitCode::usage, "wrong input is a usage error");
        require_one_line(refusal.what());
        return {};
    }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// A file in memory, for code that reads only files.
class MemoryFile {
  public:
    explicit MemoryFile(std::string_view text) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
        if (file_ < 0 || write(file_, text.data(), text.size()) != ssize_t(text.size()))
            throw std::runtime_error("cannot make a file in memory");
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { close(file_); }
    std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

  private:
    int file_;
};

/// Numbers of 64 bits from the input. Small numbers, powers of two and their neighbours take one or
/// two bytes. After the end of the input all numbers are 0.
class Numbers {
  public:
    explicit Numbers(FuzzedDataProvider& input) : input_(&input) {}

    std::uint64_t operator()() {
        const unsigned kind = input_->ConsumeIntegral<std::uint8_t>();
        if (kind < 0xc0) return kind;
        if (kind >= 0xe0) return input_->ConsumeIntegral<std::uint64_t>();
        const std::uint64_t power = 1ULL << (input_->ConsumeIntegral<std::uint8_t>() & 63);
        return kind < 0xc8 ? power : kind < 0xd0 ? power - 1 : kind < 0xd8 ? power + 1 : -power;
    }
    /// 0..max
    std::uint64_t up_to(std::uint64_t max) {
        const std::uint64_t number = (*this)();
        return max == UINT64_MAX ? number : number % (max + 1);
    }
    std::uint64_t from_to(std::uint64_t min, std::uint64_t max) { return min + up_to(max - min); }
    std::uint32_t word() { return static_cast<std::uint32_t>((*this)()); }
    /// A divergence in billionths of a bit.
    std::uint32_t nanobits() { return static_cast<std::uint32_t>(up_to(JSG_NANO)); }
    bool more() const { return input_->remaining_bytes() > 0; }

  private:
    FuzzedDataProvider* input_;
};

}  // namespace fuzz
