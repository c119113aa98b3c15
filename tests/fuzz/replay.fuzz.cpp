// SPDX-License-Identifier: BSD-2-Clause
// Recordings that are made from numbers of the input. All have the right form, whatever their
// values. Each one is accepted, and replayed as it was recorded and with changes.
#include <map>

#include "recorded.hpp"
#include "tests/native/recorded_samples.hpp"

using namespace jsguard;

namespace {

constexpr std::size_t max_entries = 40;

using Samples = SamplesOf<fuzz::Numbers>;

// The entries of a few ports, in an order that a recorder could write.
class Maker {
  public:
    explicit Maker(FuzzedDataProvider& input)
        : input_(input), numbers_(input), samples_(numbers_) {}

    fuzz::Recording make() {
        fuzz::Recording recording{samples_.header(), {}};
        while (numbers_.more() && recording.entries.size() < max_entries)
            recording.entries.push_back(entry());
        return recording;
    }

    ReplayChanges changes() {
        ReplayChanges changes;
        if (input_.ConsumeBool()) return changes;
        const jsg_config other = samples_.config();
        changes.transition_threshold_nanobits = other.transition_threshold_nanobits;
        changes.occupancy_threshold_nanobits = other.occupancy_threshold_nanobits;
        changes.false_alarm_exponent = other.false_alarm_exponent;
        changes.min_sockets = other.min_sockets;
        changes.confirm_steps = other.confirm_steps;
        changes.clear_steps = other.clear_steps;
        if (input_.ConsumeBool()) changes.learn_steps = other.learn_steps;
        return changes;
    }

  private:
    RecordingEntry entry() {
        const auto port = static_cast<std::uint32_t>(numbers_.from_to(1, 3));
        const auto known = last_.find(port);
        if (known == last_.end()) {
            last_[port] = numbers_();
            return samples_.service(port, last_[port]);
        }
        std::uint64_t& last = known->second;
        // Sequence numbers do not wrap, so none follows the last one.
        const bool is_last = last == UINT64_MAX;
        switch (is_last ? 0 : numbers_.up_to(15)) {
            case 0: {
                const RecordedEnd end{port, last};
                last_.erase(known);
                return end;
            }
            case 1:
                return samples_.service(port, last);
            case 2:
                return RecordedBaseline{port, last, samples_.baseline()};
            case 3:
                return RecordedRelearning{port, last + 1};
            case 4: {
                const RecordedGap gap{port, last + 1, numbers_.from_to(1, UINT64_MAX - last)};
                last += gap.windows;
                return gap;
            }
            default:
                return samples_.window(port, ++last);
        }
    }

    FuzzedDataProvider& input_;
    fuzz::Numbers numbers_;
    Samples samples_;
    std::map<std::uint32_t, std::uint64_t> last_;  // sequence, by port
};

std::string text_of(const fuzz::Recording& recording) {
    std::string text = recording_line(recording.header) + "\n";
    for (const RecordingEntry& entry : recording.entries) text += recording_line(entry) + "\n";
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    Maker maker(input);
    const ReplayChanges changes = maker.changes();
    const auto recording = fuzz::read_recording(text_of(maker.make()));
    fuzz::require(recording.has_value(), "a written recording can be read");
    fuzz::check_lines(*recording);
    fuzz::check_replay(*recording, changes);
    return 0;
}
