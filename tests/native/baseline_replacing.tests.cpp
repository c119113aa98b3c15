// SPDX-License-Identifier: BSD-2-Clause
// Tests of baseline files on disk: which are opened, and that none is half written.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "baseline_samples.hpp"
#include "common/baseline_file.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

TEST_CASE("an unreadable file is a usage error that names it", "[baseline_file]") {
    const Directory directory;
    write_text(directory / "corrupt.json", "{");
    REQUIRE(mkfifo((directory / "pipe").c_str(), 0600) == 0);
    for (const fs::path& path : {directory / "absent.json", directory / "", directory / "pipe",
                                 directory / "corrupt.json", fs::path("/dev/zero")}) {
        CAPTURE(path);
        const std::string message = refusal([&] { read_baselines(path); });
        CHECK(contains(message, path.string()));
        CHECK(contains(message, "; give a file that jsguard-load --save-baseline"));
    }
    CHECK(contains(refusal([&] { read_baselines(directory / "absent.json"); }),
                   "No such file or directory"));
}

TEST_CASE("a file larger than the cap is refused, one of that size is read", "[baseline_file]") {
    constexpr std::size_t cap = 16 << 20;
    const Directory directory;
    std::string text = sound_file().dump();
    text.append(cap - text.size(), ' ');
    write_text(directory / "b.json", text);
    CHECK(read_baselines(directory / "b.json").size() == 1);
    write_text(directory / "b.json", text + " ");
    CHECK(contains(refusal([&] { read_baselines(directory / "b.json"); }), "larger than"));
}

TEST_CASE("a write replaces the whole file and leaves nothing beside it", "[baseline_file]") {
    const Directory directory;
    write_text(directory / "b.json", std::string(100'000, 'x'));
    write_baselines(directory / "b.json", {{80, full_baseline(1)}}, origin);
    CHECK(read_baselines(directory / "b.json").size() == 1);
    CHECK(directory.files() == 1);
    CHECK((fs::status(directory / "b.json").permissions() & fs::perms::all) ==
          static_cast<fs::perms>(0644));
}

TEST_CASE("a write that fails leaves the old file as it was", "[baseline_file]") {
    const Directory directory;
    write_text(directory / "b.json", "old");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit small = {100, before.rlim_max};
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string message;
    ExitCode code = ExitCode::clean;
    try {
        write_baselines(directory / "b.json", {{80, full_baseline(1)}}, origin);
    } catch (const Error& error) {
        message = error.what();
        code = error.code();
    }
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old_handler);
    CHECK(code == ExitCode::runtime);
    CHECK(contains(message, "File too large"));
    CHECK(content(directory / "b.json") == "old");
    CHECK(directory.files() == 1);
}

TEST_CASE("a link remains a link and its file is replaced", "[baseline_file]") {
    const Directory directory;
    write_text(directory / "b.json", "old");
    fs::create_symlink(directory / "b.json", directory / "link.json");
    write_baselines(directory / "link.json", {{80, full_baseline(1)}}, origin);
    CHECK(fs::is_symlink(directory / "link.json"));
    CHECK(read_baselines(directory / "b.json").size() == 1);
}

TEST_CASE("a path that cannot become a baseline file is refused before learning",
          "[baseline_file]") {
    const Directory directory;
    REQUIRE(mkfifo((directory / "pipe").c_str(), 0600) == 0);
    for (const fs::path& path : {directory / "", directory / "absent/b.json", directory / "pipe",
                                 directory / "absent/", fs::path("/dev/null")}) {
        CAPTURE(path);
        CHECK(contains(refusal([&] { check_baseline_target(path); }), "cannot write"));
        CHECK_THROWS_AS(write_baselines(path, {{80, full_baseline(1)}}, origin), Error);
    }
    CHECK(fs::is_character_file("/dev/null"));
    CHECK(fs::is_fifo(directory / "pipe"));
    CHECK_NOTHROW(check_baseline_target(directory / "new.json"));
    CHECK_NOTHROW(check_baseline_target("new-in-the-working-directory.json"));
    CHECK(directory.files() == 1);
}

TEST_CASE("learning replaces only a baseline file or an empty file", "[baseline_file]") {
    const Directory directory;
    write_text(directory / "r.jsonl", "{\"type\":\"header\"}\n{}\n");
    write_text(directory / "cut.json", sound_file().dump().substr(1));
    fs::create_symlink(directory / "r.jsonl", directory / "link.json");
    for (const char* name : {"r.jsonl", "cut.json", "link.json"}) {
        CAPTURE(name);
        CHECK(contains(refusal([&] { check_baseline_target(directory / name); }),
                       "is not a valid baseline file; give another name"));
    }
    write_text(directory / "b.json", sound_file().dump());
    write_text(directory / "empty.json", "");
    CHECK_NOTHROW(check_baseline_target(directory / "b.json"));
    CHECK_NOTHROW(check_baseline_target(directory / "empty.json"));
}

TEST_CASE("no file is written if there is no baseline", "[baseline_file]") {
    const Directory directory;
    CHECK_THROWS_AS(write_baselines(directory / "b.json", {}, origin), Error);
    CHECK(directory.files() == 0);
}

TEST_CASE("a directory that is exchanged while a process learns gets no baseline file",
          "[baseline_file]") {
    const Directory directory;
    const fs::path mine = directory / "mine", other = directory / "other";
    fs::create_directories(mine);
    fs::create_directories(other);
    const OutputFile file = baseline_output(mine / "b.json");
    fs::rename(mine, directory / "moved");
    fs::create_directory_symlink(other, mine);
    write_baselines(file, {{80, full_baseline(1)}}, origin);
    CHECK(fs::is_empty(other));
    CHECK(read_baselines(directory / "moved" / "b.json").size() == 1);
}
