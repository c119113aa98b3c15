// SPDX-License-Identifier: BSD-2-Clause
// Recordings as text, of earlier versions too.
#include "recorded.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto recording = fuzz::read_recording(fuzz::text_of(data, size));
    if (!recording) return 0;
    fuzz::check_lines(*recording);
    fuzz::check_replay(*recording, {});
    return 0;
}
