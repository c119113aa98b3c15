// SPDX-License-Identifier: BSD-2-Clause
// Reads recordings line by line. Their content is untrusted and checked.
#include "offline/recording/recording_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>

#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/file_schema.hpp"
#include "common/json_fields.hpp"
#include "offline/recording/recording_lines.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view next_step = "give a file that jsguard record wrote";

// The lines of a file, one at a time.
class Lines {
  public:
    explicit Lines(const fs::path& path);

    // The next line without its newline; none at the end of the file. Valid until the next call.
    std::optional<std::string_view> next();
    bool ended_with_newline() const { return with_newline_; }
    std::uint64_t number() const { return number_; }
    std::uint64_t bytes_read() const { return bytes_read_; }
    std::uint64_t bytes() const { return file_.bytes(); }
    [[noreturn]] void refuse_line(std::string_view why) const;

  private:
    bool fill();

    std::string name_;
    RegularFile file_;
    std::array<char, 1 << 16> part_{};
    std::string_view rest_;  // the unread end of part_
    std::string line_;
    bool with_newline_ = true;
    std::uint64_t number_ = 0;
    std::uint64_t bytes_read_ = 0;
};

Lines::Lines(const fs::path& path)
    : name_(printable(path.native())),
      file_(path, fmt::format("cannot read the recording {}", name_), next_step) {}

void Lines::refuse_line(std::string_view why) const {
    refuse(fmt::format("cannot use the recording {}, line {}: {}; {}", name_, number_, why,
                       next_step));
}

// Reads the next part of the file. Returns false at the end of the file.
bool Lines::fill() {
    const ssize_t got = read(file_.fd(), part_.data(), part_.size());
    if (got < 0) {
        throw errno_error(ExitCode::usage, errno,
                          fmt::format("cannot read the recording {}", name_), next_step);
    }
    rest_ = {part_.data(), static_cast<std::size_t>(got)};
    return got > 0;
}

std::optional<std::string_view> Lines::next() {
    line_.clear();
    with_newline_ = false;
    while (!with_newline_ && (!rest_.empty() || fill())) {
        const std::size_t newline = rest_.find('\n');
        with_newline_ = newline != std::string_view::npos;
        if (line_.empty()) number_++;
        line_.append(rest_.substr(0, newline));
        const std::size_t taken = with_newline_ ? newline + 1 : rest_.size();
        rest_.remove_prefix(taken);
        bytes_read_ += taken;
        if (line_.size() > max_recording_line_bytes)
            refuse_line(fmt::format("it is longer than {} bytes", max_recording_line_bytes));
    }
    if (line_.empty() && !with_newline_) return {};
    return line_;
}

// Checks the order of entries. Remembers the ports with a service, and the last sequence number of
// each.
class OrderCheck {
  public:
    // Throws Error(usage) for an entry that must not follow the earlier ones.
    void check(const RecordingEntry& entry) {
        std::visit([this](const auto& recorded) { take(recorded); }, entry);
    }

  private:
    void take(const RecordedService& recorded) {
        check_port(recorded.service.port);
        const auto known = last_.find(recorded.service.port);
        if (known != last_.end() && recorded.service.sequence != known->second)
            refuse_order(recorded.service.port, recorded.service.sequence, known->second);
        last_[recorded.service.port] = recorded.service.sequence;
    }
    void take(const RecordedWindow& recorded) {
        std::uint64_t& last = last_of(recorded.record.port);
        check_next(recorded.record.port, recorded.record.sequence, last);
        last = recorded.record.sequence;
    }
    void take(const RecordedGap& recorded) {
        std::uint64_t& last = last_of(recorded.port);
        check_next(recorded.port, recorded.sequence, last);
        if (recorded.windows == 0) refuse("\"windows\" of a gap is 0");
        if (recorded.windows - 1 > UINT64_MAX - recorded.sequence)
            refuse("\"windows\" of a gap is too large");
        last = recorded.sequence + recorded.windows - 1;
    }
    void take(const RecordedBaseline& recorded) { check_last(recorded.port, recorded.sequence); }
    void take(const RecordedRelearning& recorded) {
        check_next(recorded.port, recorded.sequence, last_of(recorded.port));
    }
    void take(const RecordedEnd& recorded) {
        check_last(recorded.port, recorded.sequence);
        last_.erase(recorded.port);
    }

    // Sequence numbers must be consecutive, because missing windows have an entry of type gap.
    static void check_next(std::uint32_t port, std::uint64_t sequence, std::uint64_t last) {
        if (sequence == 0 || sequence - 1 != last) refuse_order(port, sequence, last);
    }
    void check_last(std::uint32_t port, std::uint64_t sequence) {
        const std::uint64_t last = last_of(port);
        if (sequence != last) refuse_order(port, sequence, last);
    }

    std::uint64_t& last_of(std::uint32_t port) {
        check_port(port);
        const auto known = last_.find(port);
        if (known == last_.end())
            refuse(fmt::format("port {} has no line of type \"service\" before this line", port));
        return known->second;
    }

    static void check_port(std::uint32_t port) {
        if (port == 0 || port > max_port) refuse(fmt::format("\"port\" is not 1 to {}", max_port));
    }

    [[noreturn]] static void refuse_order(std::uint32_t port, std::uint64_t sequence,
                                          std::uint64_t last) {
        refuse(fmt::format("\"sequence\" {} of port {} comes after {}", sequence, port, last));
    }

    std::map<std::uint32_t, std::uint64_t> last_;  // sequence number by port
};

}  // namespace

struct RecordingReader::Open {
    explicit Open(const fs::path& path) : lines(path) {}

    Lines lines;
    OrderCheck order;
    RecordingHeader header;
    std::uint32_t schema = file_schema;
    std::uint64_t cut_lines = 0;
};

RecordingReader::RecordingReader(const fs::path& path) : open_(std::make_unique<Open>(path)) {
    Lines& lines = open_->lines;
    const auto line = lines.next();
    if (!line)
        refuse(fmt::format("cannot use the recording {}: it is empty; {}", printable(path.native()),
                           next_step));
    try {
        nlohmann::ordered_json first = parse_json(*line);
        open_->schema = file_schema_of(first);
        to_present_schema(first, open_->schema);
        open_->header = header_of(first);
    } catch (const Error& error) {
        lines.refuse_line(error.what());
    }
}

RecordingReader::~RecordingReader() = default;

std::optional<RecordingEntry> RecordingReader::next() {
    Lines& lines = open_->lines;
    const auto line = lines.next();
    if (!line) return {};
    try {
        nlohmann::ordered_json object = parse_json(*line);
        to_present_schema(object, open_->schema);
        RecordingEntry entry = entry_of(object);
        open_->order.check(entry);
        return entry;
    } catch (const Error& error) {
        if (lines.ended_with_newline() || nlohmann::ordered_json::accept(*line))
            lines.refuse_line(error.what());
    }
    open_->cut_lines++;
    return {};
}

const RecordingHeader& RecordingReader::header() const { return open_->header; }
std::uint64_t RecordingReader::cut_lines() const { return open_->cut_lines; }
std::uint64_t RecordingReader::bytes_read() const { return open_->lines.bytes_read(); }
std::uint64_t RecordingReader::bytes() const { return open_->lines.bytes(); }

std::string cut_short_text(const std::string& file) {
    return fmt::format("{}: its last line was cut short, and is left out", printable(file));
}

}  // namespace jsguard
