// SPDX-License-Identifier: BSD-2-Clause
// Identifies a detector and its configuration: hashes and instance numbers.
#include "load/request.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <ctime>
#include <string>

namespace jsguard {
namespace {

std::string_view bytes_of(const auto& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// The number of ports comes first, so that a different division into lists gives a different text.
void append(std::string& text, const std::vector<std::uint16_t>& ports) {
    text += bytes_of(ports.size());
    for (const std::uint16_t port : ports) text += bytes_of(port);
}

}  // namespace

std::uint64_t hash_of(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return hash;
}

std::uint64_t options_hash(const jsg_config& config, const Options& options,
                           const Baselines& given) {
    jsg_config hashed = config;
    hashed.instance = hashed.program_hash = hashed.options_hash = 0;
    std::string text(bytes_of(hashed));
    append(text, options.ports);
    append(text, options.excluded_ports);
    if (!options.kept_baseline_file) {
        for (const auto& [port, baseline] : given) {
            text += bytes_of(port);
            text += bytes_of(baseline);
        }
    }
    return hash_of(text);
}

std::uint64_t new_instance() {
    std::uint16_t random_bits = 0;
    if (getrandom(&random_bits, sizeof(random_bits), 0) != sizeof(random_bits))
        random_bits = static_cast<std::uint16_t>(getpid());
    return static_cast<std::uint64_t>(std::time(nullptr)) << 16 | random_bits;
}

}  // namespace jsguard
