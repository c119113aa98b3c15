// SPDX-License-Identifier: BSD-2-Clause
// Writes and reads raw HTTP/2 frames (RFC 9113) with uncompressed header fields (RFC 7541).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace http2 {

enum Type : std::uint8_t { data, headers, settings = 4, ping = 6, window_update = 8, continuation };
enum Flag : std::uint8_t { none = 0, ack = 1, end_stream = 1, end_headers = 4 };

constexpr std::size_t frame_head = 9;
constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::uint16_t initial_window_size = 4;  // number of this setting
constexpr std::uint32_t default_window = 65535;
constexpr std::uint8_t status_200 = 0x88;  // a header block begins so: entry 8 of the static table

inline std::string big_endian(std::uint64_t number, int bytes) {
    std::string text;
    while (bytes-- > 0) text += static_cast<char>(number >> (8 * bytes));
    return text;
}

inline std::string frame(Type type, int flags, std::uint32_t stream, std::string_view payload) {
    return big_endian(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
           big_endian(stream, 4) + std::string(payload);
}

inline std::string settings_frame(
    std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> all) {
    std::string payload;
    for (const auto& [name, value] : all) payload += big_endian(name, 2) + big_endian(value, 4);
    return frame(settings, none, 0, payload);
}

// A header field without indexing and compression. Name and value must be shorter than 127 bytes.
inline std::string field(std::string_view name, std::string_view value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
           static_cast<char>(value.size()) + std::string(value);
}

struct Head {
    std::uint8_t type;
    std::uint8_t flags;
    std::uint32_t stream;
    std::uint8_t first;  // byte of the payload, or 0
};

// Takes received bytes in pieces of any size, and returns the heads of the frames in them.
class Reader {
  public:
    void take(std::string_view received) { left_ += received; }

    std::optional<Head> next() {
        if (left_.size() < frame_head) return {};
        const auto byte = [this](std::size_t at) { return static_cast<std::uint8_t>(left_[at]); };
        const std::size_t size =
            frame_head + (std::size_t{byte(0)} << 16 | std::size_t{byte(1)} << 8 | byte(2));
        if (left_.size() < size) return {};
        const Head head = {byte(3), byte(4),
                           std::uint32_t{byte(5)} << 24 | std::uint32_t{byte(6)} << 16 |
                               std::uint32_t{byte(7)} << 8 | byte(8),
                           size > frame_head ? byte(frame_head) : std::uint8_t{0}};
        left_.erase(0, size);
        return head;
    }

  private:
    std::string left_;
};

}  // namespace http2
