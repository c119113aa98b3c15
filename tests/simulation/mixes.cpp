// SPDX-License-Identifier: BSD-2-Clause
// The simulated services: what kinds of connections they have, and how many of each at what time.
// docs/simulation.md describes them.
#include "tests/simulation/mixes.hpp"

#include <algorithm>

namespace simulation {
namespace {

constexpr double kilo = 1000, mega = 1000 * kilo;

// How a connection ends after its last answer.
void end(Random& random, double round_trip_s, Plan& plan) {
    const double chosen = random.uniform();
    if (chosen < 0.65)
        plan.client_closes(round_trip_s);
    else if (chosen < 0.95)
        plan.server_closes(round_trip_s);
    else
        plan.reset();
}

// One request with a short answer. Most of these connections end between two samples.
void plan_short(Random& random, Moment, Plan& plan) {
    const double round_trip_s = random.lognormal(0.03, 0.6), work_s = random.lognormal(0.05, 1);
    plan.wait(round_trip_s).request(random.uniform(300, 900));
    if (random.happens(0.03)) {  // the client closes its side after the request
        plan.client_half_closes().work(work_s).answer(random.lognormal(12 * kilo, 1), round_trip_s);
        plan.server_closes_last(round_trip_s);
        return;
    }
    plan.work(work_s).answer(random.lognormal(12 * kilo, 1), 2 * round_trip_s);
    end(random, round_trip_s, plan);
}

// A browser: some requests, and then the connection is idle until the server's keep-alive ends.
void plan_browser(Random& random, Moment, Plan& plan) {
    constexpr double keep_alive_s = 75;
    const double round_trip_s = random.lognormal(0.04, 0.6);
    if (random.happens(0.1)) {  // opened in advance, and never used
        plan.wait(random.exponential(2)).client_closes(round_trip_s);
        return;
    }
    plan.wait(round_trip_s);
    for (std::uint32_t requests = 1 + random.below(6);;) {
        plan.request(random.uniform(400, 1500)).work(random.lognormal(0.05, 1));
        plan.answer(random.lognormal(20 * kilo, 1.2), 2 * round_trip_s);
        if (--requests == 0) break;
        plan.wait(random.exponential(3));
    }
    if (random.happens(0.3))
        plan.wait(random.uniform(0, keep_alive_s)).client_closes(round_trip_s);
    else
        plan.wait(keep_alive_s).server_closes(round_trip_s);
}

// A large answer at the client's rate in bytes a second, which may stop once.
void plan_download(Random& random, double bytes, double rate, double stalls, double stall_s,
                   Plan& plan) {
    const double round_trip_s = random.lognormal(0.05, 0.6), s = bytes / rate;
    plan.wait(round_trip_s).request(random.uniform(300, 900)).work(random.lognormal(0.05, 1));
    if (random.happens(stalls))
        plan.stalled_answer(bytes, s, random.uniform(), random.exponential(stall_s));
    else
        plan.answer(bytes, s);
    end(random, round_trip_s, plan);
}

void plan_upload(Random& random, double bytes, double rate, Plan& plan) {
    const double round_trip_s = random.lognormal(0.05, 0.6);
    plan.wait(round_trip_s).request(bytes, bytes / rate).work(random.lognormal(0.1, 1));
    plan.answer(random.uniform(200, 2000), round_trip_s);
    end(random, round_trip_s, plan);
}

// Pages of a shop, one after the other.
void plan_crawler(Random& random, Moment, Plan& plan) {
    const double round_trip_s = random.lognormal(0.1, 0.3);
    plan.wait(round_trip_s);
    for (int page = 0; page < 10; ++page) {
        plan.request(random.uniform(200, 400)).work(random.lognormal(0.08, 0.8));
        plan.answer(random.lognormal(30 * kilo, 1), 2 * round_trip_s).wait(0.1);
    }
    plan.client_closes(round_trip_s);
}

constexpr double poll_s = 22.5;  // on average
constexpr std::uint32_t polls_on_connection = 8;

// Requests that the server answers when something happens, or after 20 to 25 s. The client asks
// again some seconds later. (Without such a pause no sample finds the connection between an answer
// and the next request, so today's model takes it for one that waits after its answer.)
void plan_long_polls(Random& random, Moment, Plan& plan) {
    const double round_trip_s = random.lognormal(0.01, 0.5);
    plan.wait(round_trip_s);
    for (std::uint32_t i = 0; i < polls_on_connection; ++i) {
        plan.request(random.uniform(300, 900)).work(random.uniform(poll_s - 2.5, poll_s + 2.5));
        plan.answer(random.uniform(200, 500), round_trip_s).wait(random.uniform(1, 3));
    }
    plan.client_closes(round_trip_s);
}

double long_polls_open(Moment moment) {  // 4 at night, 94 by day
    return 4 + 100 * (office_share(moment) - 0.1);
}

// A report takes the server about 6 s.
void plan_report(Random& random, Moment, Plan& plan) {
    const double round_trip_s = random.lognormal(0.01, 0.5);
    plan.wait(round_trip_s).request(random.uniform(500, 2000)).work(random.lognormal(6, 0.3));
    plan.answer(random.lognormal(100 * kilo, 1), 4 * round_trip_s);
    end(random, round_trip_s, plan);
}

constexpr double batch_from_h = 1.5, batch_to_h = 3;

// One of the workers of the batch: job after job until the batch ends.
void plan_batch(Random& random, Moment moment, Plan& plan) {
    constexpr double round_trip_s = 0.001;
    plan.wait(round_trip_s);
    for (double left_s = (batch_to_h - moment.hour()) * 3600; left_s > 0;) {
        const double work_s = random.lognormal(15, 0.5);
        plan.request(random.uniform(5, 20) * kilo).work(work_s).answer(1000, round_trip_s);
        plan.wait(0.05);
        left_s -= work_s;
    }
    plan.client_closes(round_trip_s);
}

bool is_evening(Moment moment) { return moment.is_between(19, 23); }

std::function<double(Moment)> following(const Curve& curve, double mean) {
    return [curve, mean](Moment moment) { return mean * curve.at(moment); };
}

}  // namespace

Mix shop(const Curve& curve) {
    return {"shop",
            {{"short", following(curve, 20), plan_short},
             {"browser", following(curve, 6), plan_browser},
             {"download", following(curve, 0.3),
              [](Random& random, Moment, Plan& plan) {
                  plan_download(random, random.lognormal(2 * mega, 1),
                                random.lognormal(500 * kilo, 1), 0.01, 10, plan);
              }},
             {"upload", following(curve, 0.1),
              [](Random& random, Moment, Plan& plan) {
                  plan_upload(random, random.lognormal(300 * kilo, 1),
                              random.lognormal(60 * kilo, 1), plan);
              }},
             {"crawler", [](Moment moment) { return moment.is_between(3, 4) ? 4.0 : 0.0; },
              plan_crawler},
             {"backup", [](Moment moment) { return moment.is_between(2, 4) ? 0.02 : 0.0; },
              [](Random& random, Moment, Plan& plan) {
                  plan_upload(random, random.uniform(200, 600) * mega, 5 * mega, plan);
              }}}};
}

Mix office(const Curve&) {
    constexpr double short_per_second = 30;
    return {
        "office",
        {{"short", [](Moment moment) { return short_per_second * office_share(moment); },
          plan_short},
         {"long poll",
          [](Moment moment) { return long_polls_open(moment) / (polls_on_connection * poll_s); },
          plan_long_polls},
         {"report",
          [](Moment moment) {
              const double share = !moment.is_between(6, 20) ? 0.002
                                   : moment.weekday() == 4   ? 0.06  // month's end
                                                             : 0.02;
              return short_per_second * office_share(moment) * share;
          },
          plan_report},
         {"batch",
          [](Moment moment) {  // its workers start within half a minute
              constexpr double workers = 30, start_s = 30;
              return moment.is_between(batch_from_h, batch_from_h + start_s / 3600)
                         ? workers / start_s
                         : 0;
          },
          plan_batch}}};
}

Mix media(const Curve& curve) {
    const Curve smooth = curve.smoothed();
    const auto evenings = [smooth](double mean) {
        return [smooth, mean](Moment moment) {
            return mean * smooth.at(moment) * (is_evening(moment) ? 2 : 1);
        };
    };
    const auto to_phone = [](double median_bytes, double sigma, double median_rate) {
        return [=](Random& random, Moment moment, Plan& plan) {
            plan_download(random, random.lognormal(median_bytes, sigma),
                          random.lognormal(median_rate, 0.8), is_evening(moment) ? 0.05 : 0.01, 10,
                          plan);
        };
    };
    return {"media",
            {{"short", evenings(10), plan_short},
             {"film", evenings(2), to_phone(15 * mega, 0.5, 700 * kilo)},
             {"photograph", evenings(8), to_phone(400 * kilo, 0.8, 80 * kilo)}}};
}

const std::vector<NamedMix>& all_mixes() {
    static const std::vector<NamedMix> all{{"shop", shop}, {"office", office}, {"media", media}};
    return all;
}

void plan_slow_header(Random& random, double held_s, Plan& plan) {
    constexpr double between_s = 10;
    const double round_trip_s = random.lognormal(0.03, 0.5);
    plan.wait(round_trip_s).request(random.uniform(150, 300));
    for (double left_s = held_s - round_trip_s; left_s > 0; left_s -= between_s) {
        plan.wait(std::min(left_s, between_s));
        if (left_s > between_s) plan.request(random.uniform(10, 30));
    }
    plan.client_closes(round_trip_s);
}

}  // namespace simulation
