// SPDX-License-Identifier: BSD-2-Clause
// Test of how fast a recording is read. Each program compiles the JSON library itself, so this test
// is in a program that is optimised.
#include <ctime>

#include "offline/recording/recording_file.hpp"
#include "recording_text.hpp"
#include "tests/catch_compat.hpp"

using namespace recording_text;

TEST_CASE("an hour of windows is read in less than a second", "[recording_file]") {
    constexpr std::uint64_t windows = 3600;
    std::string text = lines_of({header_line(), recording_line(Samples(1).service(port, 0))});
    for (std::uint64_t sequence = 1; sequence <= windows; ++sequence)
        text += recording_line(typical_window(port, sequence)) + "\n";
    const Recording file(text);
    RecordingReader reader(file.path());
    CHECK(reader.bytes() == text.size());
    std::uint64_t entries = 0, last_bytes = 0;
    bool grows = true;
    const std::clock_t before = std::clock();  // CPU time, so other processes do not count
    while (reader.next()) {
        entries++;
        grows = grows && reader.bytes_read() > last_bytes;
        last_bytes = reader.bytes_read();
    }
    [[maybe_unused]] const double taken =
        static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    CHECK(entries == windows + 1);
    CHECK(grows);
    CHECK(last_bytes == text.size());
#ifdef NDEBUG
    CAPTURE(text.size());
    CHECK(taken < 1.0);
#endif
}
