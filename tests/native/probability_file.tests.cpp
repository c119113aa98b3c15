// SPDX-License-Identifier: BSD-2-Clause
// Tests of the probability files of earlier tools: what is read, what is refused, and the result.
#include "offline/analysis/probability_file.hpp"

#include <string>

#include "common/error.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;
using Catch::Matchers::Contains;

namespace {

std::string with(const std::string& shares) {
    return "{\"duration_sec\": 60, \"probabilities\": {" + shares + "}}";
}

}  // namespace

TEST_CASE("shares are read by their pair of states", "[probability-file]") {
    const Probabilities read =
        probabilities_from_json(with("\"1-8\": 0.25, \"10-7\": 1, \"9-9\": 0"));
    CHECK(read == Probabilities{{{1, 8}, 0.25}, {{9, 9}, 0}, {{10, 7}, 1}});
}

TEST_CASE("a probability file that is not sound is refused with the reason", "[probability-file]") {
    const auto [text, why] = GENERATE(table<std::string, std::string>({
        {"", "not JSON, or cut short"},
        {R"({"probabilities": {"1-8": 0.2)", "not JSON, or cut short"},
        {"[1, 2]", "\"probabilities\" is missing: this is not an object"},
        {"{}", "\"probabilities\" is missing"},
        {R"({"probabilities": [1]})", "\"probabilities\" is not an object"},
        {with(""), "no share in it is above 0"},
        {with("\"1-8\": 0"), "no share in it is above 0"},
        {with("\"1-8\": -0.1"), "\"1-8\" is not a share from 0 to 1"},
        {with("\"1-8\": 1.01"), "\"1-8\" is not a share from 0 to 1"},
        {with("\"1-8\": \"0.1\""), "\"1-8\" is not a share from 0 to 1"},
        {with("\"1-8\": NaN"), "not JSON"},
        {with("\"1-8\": 1e999"), "out of range"},
        {with("\"18\": 1"), "\"18\" is not a pair of TCP states"},
        {with("\"0-8\": 1"), "\"0-8\" is not a pair of TCP states \"old-new\", each 1 to 13"},
        {with("\"1-14\": 1"), "\"1-14\" is not a pair of TCP states"},
        {with("\"1-8-9\": 1"), "\"1-8-9\" is not a pair of TCP states"},
        {with("\"-8\": 1"), "\"-8\" is not a pair of TCP states"},
        {with("\"1-8\": 1, \"1-8\": 0.5"), "\"1-8\" is there twice"},
        {with("\"1-8\": 1, \"01-8\": 0.5"), "is there twice"},
    }));
    CAPTURE(text);
    CHECK_THROWS_WITH(probabilities_from_json(text), Contains(why));
}

TEST_CASE("a file with too many keys is refused before its keys are compared with each other",
          "[probability-file]") {
    std::string shares = "\"1-8\": 1";
    for (int i = 0; i < 4096; ++i) shares += ", \"x" + std::to_string(i) + "\": 0";
    CHECK_THROWS_WITH(probabilities_from_json(with(shares)),
                      Contains("it has more than 4096 keys in one object"));
}

TEST_CASE("an unreadable file is wrong input, and the message names it and states what to do",
          "[probability-file]") {
    try {
        read_probabilities("no/such/file.json");
        FAIL("read a missing file");
    } catch (const Error& error) {
        CHECK(error.code() == ExitCode::usage);
        CHECK_THAT(error.what(), Contains("no/such/file.json: No such file or directory; leave"));
    }
}

TEST_CASE("shares are clipped, and then divided by their sum", "[probability-file]") {
    const Probabilities shares{{{1, 8}, 0.5}, {{2, 7}, 0.5}, {{3, 1}, 1}, {{9, 9}, 0}};
    // 3-1 is not among the keys. 9-9 and 4-5 get the smallest share.
    const auto made = clipped_probabilities(shares, {{1, 8}, {2, 7}, {4, 5}, {9, 9}});
    REQUIRE(made.size() == 4);
    CHECK(made[0] == Approx(0.5 / 1.000002).epsilon(1e-15));
    CHECK(made[1] == made[0]);
    CHECK(made[2] == Approx(1e-6 / 1.000002).epsilon(1e-12));
    CHECK(made[3] == made[2]);
}
