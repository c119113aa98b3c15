// SPDX-License-Identifier: BSD-2-Clause
// Tests of which files are samples of which class: directories, parts of a recording, names,
// refusals.
#include "offline/analysis/sample_files.hpp"

#include <unistd.h>

#include <fstream>

#include "common/error.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// A directory with empty files of these names. The destructor removes it.
class Directory {
  public:
    explicit Directory(const std::vector<std::string>& names)
        : path_(fs::temp_directory_path() / ("jsguard-samples-" + std::to_string(getpid()))) {
        fs::create_directories(path_ / "empty");
        for (const std::string& name : names) std::ofstream(path_ / name);
    }
    ~Directory() { fs::remove_all(path_); }
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  private:
    fs::path path_;
};

std::vector<std::string> names_of(const SampleClass& group) {
    std::vector<std::string> names;
    for (const SampleFile& file : group.files) names.push_back(file.path.filename().string());
    return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("all recordings of a directory are taken, in the order of their names",
          "[sample-files]") {
    const Directory directory({"b.jsonl", "a.jsonl", "index.json", "notes.txt", "d.jsonl.bak"});
    const auto classes = sample_classes({directory / ""}, {});
    REQUIRE(classes.size() == 1);
    CHECK(classes[0].name == "normal");
    CHECK(names_of(classes[0]) == Names{"a.jsonl", "b.jsonl"});
}

TEST_CASE("all probability files of a directory without recordings are taken", "[sample-files]") {
    const Directory directory({"b.json", "a.json", "notes.txt"});
    CHECK(names_of(sample_classes({directory / ""}, {})[0]) == Names{"a.json", "b.json"});
}

TEST_CASE("a path without a name belongs to the attack that was named last", "[sample-files]") {
    const Directory directory({"n.jsonl", "a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"});
    const auto classes =
        sample_classes({directory / "n.jsonl"},
                       {"slow=" + directory / "a.jsonl", directory / "b.jsonl",
                        "flood=" + directory / "c.jsonl", "slow=" + directory / "d.jsonl"});
    REQUIRE(classes.size() == 3);
    CHECK(classes[1].name == "slow");
    CHECK(names_of(classes[1]) == Names{"a.jsonl", "b.jsonl", "d.jsonl"});
    CHECK(classes[2].name == "flood");
    CHECK(names_of(classes[2]) == Names{"c.jsonl"});
}

TEST_CASE("a part of a recording is named in seconds", "[sample-files]") {
    const Directory directory({"a.jsonl", "odd@1-2"});
    const auto range = [&](const std::string& text) {
        return sample_classes({directory / text}, {})[0].files.at(0).range;
    };
    CHECK(range("a.jsonl").whole());
    CHECK(range("a.jsonl@60-120").from == 60);
    CHECK(range("a.jsonl@60-120").to == 120);
    CHECK(range("a.jsonl@60-").from == 60);
    CHECK(range("a.jsonl@60-").to == SecondsRange().to);
    CHECK(range("a.jsonl@-50").from == 0);
    CHECK(range("a.jsonl@-50").to == 50);
    CHECK(range("odd@1-2").whole());  // the name of a file
    CHECK(range("@7-9").from == 7);   // in each file of the directory
}

TEST_CASE("an argument that names no samples is wrong input, with the reason", "[sample-files]") {
    const Directory directory({"a.jsonl", "b.json"});
    const std::string a = directory / "a.jsonl";
    fs::create_symlink("loop", directory / "loop");
    const std::string too_long = directory / std::string(300, 'x');
    struct Row {
        Names normal, attacks;
        std::string why;
    };
    const std::vector<Row> rows = {
        {{directory / "none.jsonl"}, {}, "none.jsonl: No such file or directory"},
        {{directory / "empty"}, {}, "has neither *.jsonl nor *.json"},
        {{a + "@"}, {}, "write it as FILE@60-120"},
        {{a + "@-"}, {}, "write it as FILE@60-120"},
        {{a + "@60"}, {}, "write it as FILE@60-120"},
        {{a + "@120-60"}, {}, "write it as FILE@60-120"},
        {{a + "@1.5-2"}, {}, "write it as FILE@60-120"},
        {{"/dev/null"}, {}, "it is not a regular file"},
        {{too_long}, {}, "x...: File name too long"},
        {{too_long + "@1"}, {}, "x...: File name too long"},
        {{directory / "loop"}, {}, "loop: Too many levels of symbolic links"},
        {{directory / "loop@1-2"}, {}, "loop: Too many levels of symbolic links"},
        {{a}, {a}, "has no name; write --attack NAME="},
        {{a}, {"=" + a}, "an attack cannot be named \"\""},
        {{a}, {"normal=" + a}, "an attack cannot be named \"normal\""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.normal, row.attacks);
        try {
            sample_classes(row.normal, row.attacks);
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.code() == ExitCode::usage);
            CHECK_THAT(error.what(), Contains(row.why));
        }
    }
}

TEST_CASE("probability files and recordings are not analyzed together", "[sample-files]") {
    const Directory directory({"a.jsonl", "b.json"});
    const std::string a = directory / "a.jsonl", b = directory / "b.json";
    CHECK(!are_probability_files(sample_classes({a}, {"slow=" + a})));
    CHECK(are_probability_files(sample_classes({b}, {"slow=" + b})));
    CHECK_THROWS_WITH(are_probability_files(sample_classes({a}, {"slow=" + b})),
                      Contains("together") && Contains("give only one kind"));
    CHECK_THROWS_WITH(are_probability_files(sample_classes({b + "@1-2"}, {"slow=" + b})),
                      Contains("has no time"));
}
