// SPDX-License-Identifier: BSD-2-Clause
// Tests of the arrival curves, and of the file that one can be read from.
#include "tests/simulation/curve.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>

#include "common/error.hpp"
#include "tests/catch_compat.hpp"

using namespace simulation;

namespace {

constexpr double hour = 3600;

Moment at(std::uint32_t day, double hours) { return {day * double{day_s} + hours * hour}; }

double mean(const Curve& curve) {
    return std::accumulate(curve.factors().begin(), curve.factors().end(), 0.0) /
           static_cast<double>(curve.factors().size());
}

// A file that is removed at the end.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& text) {
        std::ofstream(path_, std::ios::binary) << text;
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("arrivals." + std::to_string(getpid()));
};

std::string refusal(const std::string& text) {
    const TemporaryFile file(text);
    try {
        read_curve(file.path());
    } catch (const jsguard::Error& error) {
        CHECK(error.code() == jsguard::ExitCode::usage);
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("The simulator's own curve has a mean of 1, nights, evenings and bursts",
          "[simulation]") {
    const Curve curve = made_curve(1, 14);
    CHECK(mean(curve) == Approx(1));
    double night = 0, evening = 0;
    for (std::uint32_t day = 0; day < 14; ++day) {
        for (double minutes = 0; minutes < 60; minutes += 5) {
            night += curve.at(at(day, 4 + minutes / 60));
            evening += curve.at(at(day, 20 + minutes / 60));
        }
    }
    CHECK(evening > 3 * night);
    CHECK(*std::max_element(curve.factors().begin(), curve.factors().end()) > 5);
    CHECK(*std::min_element(curve.factors().begin(), curve.factors().end()) > 0);
    CHECK(made_curve(1, 14).factors() == curve.factors());
    CHECK(made_curve(2, 14).factors() != curve.factors());
}

TEST_CASE("A smoothed curve keeps its mean and loses its bursts", "[simulation]") {
    std::vector<double> factors(288, 1);
    factors[100] = 14;
    const Curve smooth = Curve(300, factors).smoothed();
    CHECK(mean(smooth) == Approx(1));
    // The burst is spread over 13 intervals, half an hour to each side.
    CHECK(smooth.factors()[100] == Approx(2 * smooth.factors()[0]));
    CHECK(smooth.factors()[94] == Approx(smooth.factors()[106]));
    CHECK(smooth.factors()[93] == Approx(smooth.factors()[0]));
}

TEST_CASE("The office works on five days, and at night and on weekends at a tenth",
          "[simulation]") {
    for (std::uint32_t day = 0; day < 14; ++day) {
        CAPTURE(day);
        const bool is_weekend = day % 7 >= 5;
        CHECK(office_share(at(day, 10)) == Approx(is_weekend ? 0.1 : 1));
        CHECK(office_share(at(day, 3)) == Approx(0.1));
        CHECK(office_share(at(day, 7.5)) == Approx(is_weekend ? 0.1 : 0.55));
    }
}

TEST_CASE("A file of arrivals gives the factors of its whole days", "[simulation]") {
    std::string text = "timestamp,value\n2024-02-28 00:04:00,30\n2024-02-28 12:00:00,10.0\n";
    text += "2024-02-29 00:00:00,20\r\n2024-03-01 00:01:00,999\n";  // a leap year
    const TemporaryFile file(text);
    const Curve curve = read_curve(file.path());
    CHECK(curve.factors().size() == 2 * day_s / curve.interval_s());
    CHECK(mean(curve) == Approx(1));
    CHECK(curve.at(at(0, 0)) == Approx(1.5));  // the first line counts from midnight on
    CHECK(curve.at(at(0, 11.99)) == Approx(1.5));
    CHECK(curve.at(at(0, 12)) == Approx(0.5));
    CHECK(curve.at(at(1, 23)) == Approx(1));
    CHECK(curve.at(at(2, 1)) == Approx(1.5));  // it begins again
}

TEST_CASE("A file of arrivals that cannot be used is refused with its line", "[simulation]") {
    using Catch::Matchers::Contains;
    const std::string head = "timestamp,value\n", first = head + "2024-02-28 00:00:00,1\n";
    CHECK_THAT(refusal(""), Contains("no arrivals"));
    CHECK_THAT(refusal(head), Contains("no arrivals"));
    CHECK_THAT(refusal("time,value\n"), Contains(":1: \"time,value\""));
    CHECK_THAT(refusal(first + "2024-02-30 00:00:00,1\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-29 24:00:00,1\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-29 00:00,1\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-29 00:00:00,-1\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-29 00:00:00,nan\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-29 00:00:00,1 \n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-29 00:00:00\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "\n"), Contains(":3: "));
    CHECK_THAT(refusal(first + "2024-02-28 00:00:00,1\n"), Contains("not later"));
    CHECK_THAT(refusal(first + "2024-02-28 23:59:59,1\n"), Contains("less than a day"));
    CHECK_THAT(refusal(first + "2026-02-28 23:59:59,1\n"), Contains("more than a year"));
    CHECK_THAT(refusal(head + "2024-02-28 00:00:00,0\n2024-02-29 00:00:00,0\n"), Contains("are 0"));
    CHECK_THROWS_AS(read_curve("/nonexistent"), jsguard::Error);
}
