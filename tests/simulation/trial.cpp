// SPDX-License-Identifier: BSD-2-Clause
// Some days of one service: quiet days on which every alert is false, and a day of attacks.
#include "tests/simulation/trial.hpp"

#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/simulation/judges.hpp"
#include "tests/simulation/world.hpp"

namespace simulation {
namespace {

constexpr std::uint32_t hour_s = 3600, first_port = 8000;
constexpr std::uint32_t first_peer = 10, attacker_peer = 11;  // the first byte of their addresses

// Streams of random numbers. The streams of the arrivals begin at 100.
constexpr std::uint64_t attack_stream = 1, peer_stream = 2, first_arrival_stream = 100;

struct Attack {
    double begin_s = 0;
    std::size_t size = 0;  // index of attack_sizes
    bool has_begun = false;
};

class Trial {
  public:
    Trial(const Mix& mix, const jsg_config& config, std::uint64_t seed, std::uint32_t days)
        : days_(days),
          arrivals_(mix, seed),
          attack_random_(seed, attack_stream),
          peer_random_(seed, peer_stream),
          judges_(config, [this](const jsg_alert& alert) { take_alert(alert); }),
          world_(config, [this](const jsg_window& record, const jsg_reading& counted) {
              judge(record, counted);
          }) {}

    TrialResult run() {
        for (std::uint32_t second = 0; second < days_ * day_s; ++second) {
            second_ = second;
            if (second < day_s && second % (day_s / starts) == warm_up_s) {
                judges_.begin(1 + judging_, first_port + judging_);
                ++judging_;
            }
            if (second / day_s == days_ - 1 && second % hour_s == 0) plan_attack(second);
            arrivals_.in_second(second, [&](double s, auto fill) {
                const std::uint32_t peer = first_peer | peer_random_.below(1U << 24) << 8;
                fill(world_.open_at(static_cast<std::uint64_t>(s * 1000), peer));
            });
            world_.run_until((second + 1ULL) * 1000);
        }
        result_.connections = world_.opened();
        result_.untracked = world_.losses().sockets_untracked;
        for (std::uint32_t i = 0; i < starts; ++i) result_.by_start[i].quiet_days = days_ - 2;
        return result_;
    }

  private:
    void judge(const jsg_window& record, const jsg_reading& counted) {
        const bool is_quiet = is_quiet_day();
        if (attack_ && !attack_->has_begun && now_s() >= attack_->begin_s) begin_attack();
        for (std::uint32_t i = 0; i < judging_; ++i) {
            judges_.judge(1 + i, {record, counted, {}, {}});
            if (is_quiet && jsg_alert_is_up(&judges_.service(1 + i))) ++result_.by_start[i].alert_s;
        }
    }

    void begin_attack() {
        attack_->has_begun = true;
        for (std::uint32_t i = 0; i < judging_; ++i) {
            if (jsg_alert_is_up(&judges_.service(1 + i)))
                ++result_.by_start[i].found[attack_->size].already_up;
        }
    }

    double now_s() const { return static_cast<double>(world_.now_ms()) / 1000; }

    bool is_quiet_day() const { return second_ >= day_s && second_ / day_s < days_ - 1; }

    void plan_attack(std::uint32_t hour_begins_s) {
        const std::size_t size = hour_begins_s / hour_s % attack_sizes.size();
        const double begin_s = hour_begins_s + attack_random_.uniform(600, hour_s - 600);
        attack_ = {.begin_s = begin_s, .size = size};
        found_.fill(false);
        for (StartResult& result : result_.by_start) ++result.found[size].attacks;
        for (std::uint32_t i = 0; i < attack_sizes[size].connections; ++i) {
            const double after_s = i / attack_sizes[size].per_second;
            const std::uint32_t peer = attacker_peer | attack_random_.below(20) << 24;
            plan_slow_header(
                attack_random_, attack_s - after_s,
                world_.open_at(static_cast<std::uint64_t>((begin_s + after_s) * 1000), peer));
        }
    }

    void take_alert(const jsg_alert& alert) {
        if (alert.event != JSG_RAISE) return;
        const std::uint32_t start = alert.port - first_port;
        StartResult& result = result_.by_start.at(start);
        if (is_quiet_day()) ++result.alerts;
        const double delay_s = attack_ ? now_s() - attack_->begin_s : -1;
        if (delay_s < 0 || delay_s > attack_s || found_.at(start)) return;
        found_.at(start) = true;
        ++result.found[attack_->size].found;
        result.found[attack_->size].delay_s += delay_s;
    }

    std::uint32_t days_;
    Arrivals arrivals_;
    Random attack_random_, peer_random_;
    Judges judges_;
    World world_;
    std::uint32_t second_ = 0;
    std::uint32_t judging_ = 0;     // judges that have begun
    std::optional<Attack> attack_;  // the last one
    std::array<bool, starts> found_{};
    TrialResult result_;
};

}  // namespace

void StartResult::operator+=(const StartResult& other) {
    quiet_days += other.quiet_days;
    alerts += other.alerts;
    alert_s += other.alert_s;
    for (std::size_t i = 0; i < found.size(); ++i) found[i] += other.found[i];
}

Arrivals::Arrivals(const Mix& mix, std::uint64_t seed) : mix_(mix) {
    for (std::size_t i = 0; i < mix.kinds.size(); ++i)
        randoms_.emplace_back(seed, first_arrival_stream + i);
}

TrialResult run_trial(const Mix& mix, const jsg_config& config, std::uint64_t seed,
                      std::uint32_t days) {
    if (days < 3) throw std::logic_error("a trial has at least three days");
    return Trial(mix, config, seed, days).run();
}

}  // namespace simulation
