// SPDX-License-Identifier: BSD-2-Clause
// Tests of the file for node_exporter: the messages when it cannot be written, and its removal.
#include "load/textfile.hpp"

#include <sys/stat.h>

#include "baseline_samples.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

using Text = std::optional<std::string>;

std::string message_of_write(Textfile& textfile, const Text& text) {
    return textfile.write([&] { return text; });
}

std::string failure(const std::function<void()>& function) {
    try {
        function();
    } catch (const Error& error) {
        return error.code() == ExitCode::runtime ? error.what() : "";
    }
    return "";
}

}  // namespace

TEST_CASE("a textfile is replaced as a whole, and its writer removes it at the end", "[textfile]") {
    const Directory directory;
    write_text(directory / "j.prom", std::string(100'000, 'x'));
    {
        Textfile textfile(directory / "j.prom");
        CHECK(message_of_write(textfile, "a 1\n").empty());
        CHECK(content(directory / "j.prom") == "a 1\n");
        CHECK((fs::status(directory / "j.prom").permissions() & fs::perms::all) ==
              static_cast<fs::perms>(0644));
        CHECK(message_of_write(textfile, {}).empty());
        CHECK(content(directory / "j.prom") == "a 1\n");
        CHECK(message_of_write(textfile, "a 2\n").empty());
        CHECK(content(directory / "j.prom") == "a 2\n");
        CHECK(directory.files() == 2);  // and its lock
    }
    CHECK(directory.files() == 0);
}

TEST_CASE("a textfile that fails is reported once, and once when it works again", "[textfile]") {
    const Directory directory;
    Textfile textfile(directory / "j.prom");
    fs::create_directory(directory / "j.prom");
    const std::string first = message_of_write(textfile, "a 1\n");
    CHECK(contains(first, "cannot write the textfile"));
    CHECK(contains(first, "it is not a regular file"));
    CHECK(contains(first, "tried again"));
    CHECK(message_of_write(textfile, "a 1\n").empty());
    fs::remove(directory / "j.prom");
    CHECK(message_of_write(textfile, {}).empty());
    CHECK(contains(message_of_write(textfile, "a 2\n"), "is written again"));
    CHECK(message_of_write(textfile, "a 3\n").empty());
    fs::remove(directory / "j.prom");
    fs::create_directory(directory / "j.prom");
    CHECK(contains(message_of_write(textfile, "a 4\n"), "cannot write"));
    fs::remove(directory / "j.prom");
}

// By Landlock jsguard-load may write only in the directory that was there at its start.
TEST_CASE("a directory of a textfile that is removed is reported once, and the next start uses it",
          "[textfile]") {
    const Directory directory;
    const fs::path sub = directory / "sub";
    const std::string reason = "cannot write the textfile " + (sub / "j.prom").native() +
                               ": its directory was removed or replaced; restart jsguard-load";
    fs::create_directory(sub);
    {
        Textfile textfile(sub / "j.prom");
        fs::remove_all(sub);
        CHECK(message_of_write(textfile, "a 1\n") == reason);
        CHECK(message_of_write(textfile, "a 1\n").empty());
        fs::create_directory(sub);
        CHECK(message_of_write(textfile, "a 2\n").empty());
        CHECK(fs::is_empty(sub));
    }
    CHECK(fs::is_empty(sub));
    Textfile next(sub / "j.prom");
    CHECK(message_of_write(next, "b 1\n").empty());
    CHECK(content(sub / "j.prom") == "b 1\n");
}

TEST_CASE("a textfile is written again when its directory is back under its name", "[textfile]") {
    const Directory directory;
    fs::create_directory(directory / "sub");
    Textfile textfile(directory / "sub" / "j.prom");
    fs::create_directory(directory / "sub" / "j.prom");
    CHECK(contains(message_of_write(textfile, "a 1\n"), "it is not a regular file"));
    fs::remove(directory / "sub" / "j.prom");
    fs::rename(directory / "sub", directory / "moved");
    CHECK(contains(message_of_write(textfile, "a 2\n"), "restart jsguard-load"));
    CHECK_FALSE(fs::exists(directory / "moved" / "j.prom"));
    fs::rename(directory / "moved", directory / "sub");
    CHECK(contains(message_of_write(textfile, "a 3\n"), "is written again"));
    CHECK(content(directory / "sub" / "j.prom") == "a 3\n");
}

TEST_CASE("figures that cannot be read are reported like a file that cannot be written",
          "[textfile]") {
    const Directory directory;
    Textfile textfile(directory / "j.prom");
    const auto fail = []() -> Text { throw Error(ExitCode::runtime, "cannot read the map x"); };
    CHECK(contains(textfile.write(fail), "cannot read the map x"));
    CHECK(textfile.write(fail).empty());
    CHECK(contains(message_of_write(textfile, "a 1\n"), "is written again"));
}

TEST_CASE("a link is replaced, not the file that it points to", "[textfile]") {
    const Directory directory;
    write_text(directory / "other", "other");
    fs::create_symlink(directory / "other", directory / "j.prom");
    {
        Textfile textfile(directory / "j.prom");
        CHECK(message_of_write(textfile, "a 1\n").empty());
        CHECK(content(directory / "other") == "other");
        CHECK(content(directory / "j.prom") == "a 1\n");
    }
    CHECK(content(directory / "other") == "other");
    CHECK(directory.files() == 1);
}

TEST_CASE("a textfile has one writer, and another one after the first has ended", "[textfile]") {
    const Directory directory;
    const auto second = [&] { const Textfile textfile(directory / "j.prom"); };
    {
        Textfile first(directory / "j.prom");
        CHECK(contains(failure(second), "another jsguard-load writes "));
        CHECK(message_of_write(first, "a 1\n").empty());
        CHECK(contains(failure(second), "another jsguard-load writes "));
        CHECK(content(directory / "j.prom") == "a 1\n");
        const Textfile beside(directory / "k.prom");
    }
    CHECK_NOTHROW(second());
    write_text(directory / "j.prom.lock", "");  // as after SIGKILL
    CHECK_NOTHROW(second());
    CHECK(directory.files() == 0);
}

TEST_CASE("a removed lock of a textfile is made again, if nobody else has taken it", "[textfile]") {
    const Directory directory;
    Textfile first(directory / "j.prom");
    fs::remove(directory / "j.prom.lock");
    CHECK(message_of_write(first, "a 1\n").empty());
    CHECK(fs::exists(directory / "j.prom.lock"));
    fs::remove(directory / "j.prom.lock");
    {
        Textfile second(directory / "j.prom");
        CHECK(message_of_write(second, "b 1\n").empty());
        CHECK(contains(message_of_write(first, "a 2\n"), "another jsguard-load writes "));
        CHECK(content(directory / "j.prom") == "b 1\n");
    }
    CHECK(contains(message_of_write(first, "a 3\n"), "is written again"));
}

TEST_CASE("a textfile that can never be written is refused at the start", "[textfile]") {
    const Directory directory;
    REQUIRE(mkfifo((directory / "pipe.prom").c_str(), 0600) == 0);
    fs::create_directory(directory / "sub.prom");
    for (const fs::path& path : {directory / "absent" / "j.prom", directory / "pipe.prom",
                                 directory / "sub.prom", fs::path("/dev/null/j.prom")}) {
        CAPTURE(path);
        CHECK(contains(refusal([&] { const Textfile textfile(path); }), "cannot write a textfile"));
    }
    CHECK(directory.files() == 2);
}

TEST_CASE("a directory that is exchanged is not followed", "[textfile]") {
    const Directory directory;
    const fs::path home = directory / "home", mine = home / "figures", other = directory / "other";
    fs::create_directories(mine);
    fs::create_directories(other);
    write_text(other / "j.prom", "not mine\n");
    {
        Textfile textfile(mine / "j.prom");
        CHECK(message_of_write(textfile, "a 1\n").empty());
        fs::rename(mine, home / "moved");
        fs::create_directory_symlink(other, mine);
        CHECK(contains(message_of_write(textfile, "a 2\n"), "restart jsguard-load"));
        CHECK(content(home / "moved" / "j.prom") == "a 1\n");
        CHECK(content(other / "j.prom") == "not mine\n");
    }
    CHECK(content(other / "j.prom") == "not mine\n");
    CHECK(fs::is_empty(home / "moved"));
    CHECK_FALSE(fs::exists(other / "j.prom.lock"));
}
