// SPDX-License-Identifier: BSD-2-Clause
// Tests of the file for node_exporter: what is told when it cannot be written, and that it goes.
#include "textfile.hpp"

#include <sys/stat.h>

#include "../catch_compat.hpp"
#include "baseline_samples.hpp"

using namespace jsguard;

namespace {

using Text = std::optional<std::string>;

std::string told(Textfile& textfile, const Text& text) {
    return textfile.write([&] { return text; });
}

}  // namespace

TEST_CASE("a textfile is replaced as a whole, and goes with its writer", "[textfile]") {
    const Folder folder;
    write_text(folder / "j.prom", std::string(100'000, 'x'));
    {
        Textfile textfile(folder / "j.prom");
        CHECK(told(textfile, "a 1\n").empty());
        CHECK(content(folder / "j.prom") == "a 1\n");
        CHECK((fs::status(folder / "j.prom").permissions() & fs::perms::all) ==
              static_cast<fs::perms>(0644));
        CHECK(told(textfile, {}).empty());
        CHECK(content(folder / "j.prom") == "a 1\n");
        CHECK(told(textfile, "a 2\n").empty());
        CHECK(content(folder / "j.prom") == "a 2\n");
        CHECK(folder.files() == 1);
    }
    CHECK(folder.files() == 0);
}

TEST_CASE("a textfile that fails is told once, and once that it works again", "[textfile]") {
    const Folder folder;
    Textfile textfile(folder / "sub" / "j.prom");
    const std::string first = told(textfile, "a 1\n");
    CHECK(contains(first, "cannot write the textfile"));
    CHECK(contains(first, "No such file or directory"));
    CHECK(contains(first, "tried again"));
    CHECK(told(textfile, "a 1\n").empty());
    fs::create_directory(folder / "sub");
    CHECK(told(textfile, {}).empty());
    CHECK(contains(told(textfile, "a 2\n"), "is written again"));
    CHECK(told(textfile, "a 3\n").empty());
    fs::remove_all(folder / "sub");
    CHECK(contains(told(textfile, "a 4\n"), "cannot write"));
}

TEST_CASE("figures that cannot be had are told like a file that cannot be written", "[textfile]") {
    const Folder folder;
    Textfile textfile(folder / "j.prom");
    const auto fail = []() -> Text { throw Error(ExitCode::runtime, "cannot read the map x"); };
    CHECK(contains(textfile.write(fail), "cannot read the map x"));
    CHECK(textfile.write(fail).empty());
    CHECK(contains(told(textfile, "a 1\n"), "is written again"));
}

TEST_CASE("a link is replaced, not the file that it leads to", "[textfile]") {
    const Folder folder;
    write_text(folder / "other", "other");
    fs::create_symlink(folder / "other", folder / "j.prom");
    {
        Textfile textfile(folder / "j.prom");
        CHECK(told(textfile, "a 1\n").empty());
        CHECK(content(folder / "other") == "other");
        CHECK(content(folder / "j.prom") == "a 1\n");
    }
    CHECK(content(folder / "other") == "other");
    CHECK(folder.files() == 1);
}

TEST_CASE("a textfile that could never be written is refused before", "[textfile]") {
    const Folder folder;
    REQUIRE(mkfifo((folder / "pipe.prom").c_str(), 0600) == 0);
    fs::create_directory(folder / "sub.prom");
    for (const fs::path& path : {folder / "absent" / "j.prom", folder / "pipe.prom",
                                 folder / "sub.prom", fs::path("/dev/null/j.prom")}) {
        CAPTURE(path);
        CHECK(contains(refusal([&] { check_textfile(path); }), "cannot write a textfile"));
    }
    CHECK_NOTHROW(check_textfile(folder / "j.prom"));
}
