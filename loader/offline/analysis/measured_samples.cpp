// SPDX-License-Identifier: BSD-2-Clause
// Reads files of samples and measures how far each sample is from the mean of the normal samples.
#include "offline/analysis/measured_samples.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/cells.hpp"
#include "common/clocks.hpp"
#include "common/error.hpp"
#include "offline/analysis/probability_file.hpp"
#include "offline/analysis/signal_analysis.hpp"
#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(const std::vector<SampleClass>& classes) {
    std::vector<std::string> names;
    for (const SampleClass& group : classes) names.push_back(group.name);
    return names;
}

// The names of all files, class by class. A file has its file name if that is unique, and otherwise
// its path as the user gave it.
std::vector<std::string> file_names(const std::vector<SampleClass>& classes) {
    std::map<fs::path, std::set<fs::path>> paths;  // by file name
    for (const SampleClass& group : classes) {
        for (const SampleFile& file : group.files) paths[file.path.filename()].insert(file.path);
    }
    std::vector<std::string> names;
    for (const SampleClass& group : classes) {
        for (const SampleFile& file : group.files) {
            const fs::path name = file.path.filename();
            names.push_back((paths[name].size() == 1 ? name : file.path).string());
        }
    }
    return names;
}

Analysis analyze_probability_files(const AnalysisRequest& request) {
    std::set<TransitionPair> keys;
    std::vector<std::vector<Probabilities>> contents;
    for (const SampleClass& group : request.classes) {
        auto& read = contents.emplace_back();
        for (const SampleFile& file : group.files) read.push_back(read_probabilities(file.path));
    }
    for (const Probabilities& normal : contents.front()) {
        for (const auto& [key, share] : normal) keys.insert(key);
    }
    MeanDistribution mean;
    for (const Probabilities& normal : contents.front())
        mean.add(clipped_probabilities(normal, keys));

    const ProbabilityVector reference = mean.mean();
    Analysis analysis;
    analysis.distribution = signal_name(JSG_TRANSITIONS);
    analysis.unit = request.unit;
    analysis.files = file_names(request.classes);
    for (const std::string& name : names_of(request.classes))
        analysis.classes.emplace_back().name = name;
    std::uint32_t file = 0;
    for (std::size_t i = 0; i < contents.size(); ++i) {
        for (const Probabilities& content : contents[i]) {
            const auto sample = clipped_probabilities(content, keys);
            analysis.classes[i].samples.push_back(
                {file++, 0, 0, measure_all(sample, reference, request.unit)});
        }
    }
    summarize(analysis);
    return analysis;
}

// Reads recordings and reports the progress.
class Recordings {
  public:
    Recordings(const AnalysisRequest& request, const ReadProgress& progress)
        : request_(request), progress_(progress) {
        for (const SampleClass& group : request.classes) total_ += bytes_of(group);
        total_ += bytes_of(request.classes.front());  // the normal class is read twice
    }

    // Calls found(file, window) for each selected window of the class. file: index among all files.
    template <typename Found>
    void read(std::size_t class_index, const Found& found) {
        const SampleClass& group = request_.classes[class_index];
        std::size_t file_index = 0;
        for (std::size_t i = 0; i < class_index; ++i)
            file_index += request_.classes[i].files.size();
        std::uint64_t windows = 0;
        for (const SampleFile& file : group.files) {
            windows += read_file(file, entries_[file_index], [&](const RecordedWindow& window) {
                if (class_index == 0) normal_ports_.insert(window.record.port);
                found(file_index, window);
            });
            ++file_index;
        }
        if (windows == 0)
            throw Error(ExitCode::usage,
                        fmt::format("no recorded window is left for the class {}{}; name other "
                                    "files, another part of them, or another port",
                                    printable(group.name), port_text()));
    }

    // Lines for the user about the files that were read.
    std::vector<std::string> notes() const {
        std::vector<std::string> lines;
        for (const fs::path& path : cut_) lines.push_back(cut_short_text(path.string()));
        if (normal_ports_.size() > 1)
            lines.push_back(
                fmt::format("the normal windows are of several ports, {}, and have one mean; "
                            "use --port to select one",
                            fmt::join(normal_ports_, ", ")));
        return lines;
    }

  private:
    static std::uint64_t bytes_of(const SampleClass& group) {
        std::uint64_t sum = 0;
        for (const SampleFile& file : group.files) {
            std::error_code failed;
            const std::uintmax_t bytes = fs::file_size(file.path, failed);
            if (!failed) sum += bytes;
        }
        return sum;
    }

    std::string port_text() const {
        return request_.port ? fmt::format(" of port {}", *request_.port) : "";
    }

    // entries: the number of entries that an earlier pass read. The file may have grown since then.
    template <typename Found>
    std::uint64_t read_file(const SampleFile& file, std::optional<std::uint64_t>& entries,
                            const Found& found) {
        RecordingReader reader(file.path);
        std::optional<std::uint64_t> first_ns;
        std::uint64_t windows = 0, read = 0;
        while (!entries || read < *entries) {
            const auto entry = reader.next();
            if (!entry) break;
            ++read;
            if (progress_) progress_(done_ + reader.bytes_read(), total_);
            const auto* window = std::get_if<RecordedWindow>(&*entry);
            if (!window) continue;
            if (!first_ns) first_ns = window->record.end_ns;
            if (!in_range(file.range, *first_ns, window->record.end_ns)) continue;
            if (request_.port && window->record.port != *request_.port) continue;
            ++windows;
            found(*window);
        }
        entries = read;
        if (reader.cut_lines()) cut_.insert(file.path);
        done_ += reader.bytes_read();
        return windows;
    }

    static bool in_range(const SecondsRange& range, std::uint64_t first_ns, std::uint64_t end_ns) {
        // Windows of different ports that end at nearly the same time may be in any order.
        const std::uint64_t after_ns = end_ns > first_ns ? end_ns - first_ns : 0;
        return after_ns >= range.from * second_ns && after_ns <= range.to * second_ns;
    }

    const AnalysisRequest& request_;
    const ReadProgress& progress_;
    std::uint64_t done_ = 0, total_ = 0;
    std::map<std::size_t, std::optional<std::uint64_t>> entries_;  // by index of the file
    std::set<fs::path> cut_;
    std::set<std::uint32_t> normal_ports_;
};

AnalysisResult analyze_recordings(const AnalysisRequest& request, const ReadProgress& progress) {
    Recordings recordings(request, progress);
    std::vector<SignalAnalysis> parts;
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
        parts.emplace_back(signal, names_of(request.classes), file_names(request.classes),
                           request.unit);
    recordings.read(0, [&](std::size_t, const RecordedWindow& window) {
        for (SignalAnalysis& part : parts) part.learn(window);
    });

    AnalysisResult result;
    for (const SignalAnalysis& part : parts) {
        if (!part.has_normal())
            result.notes.push_back(fmt::format("no normal window has any {}; it is not analyzed",
                                               part.distribution()));
    }
    std::erase_if(parts, [](const SignalAnalysis& part) { return !part.has_normal(); });
    if (parts.empty())
        throw Error(
            ExitCode::usage,
            "cannot compute the mean of the normal windows: all are empty; record a service "
            "with traffic");
    for (SignalAnalysis& part : parts) part.learned();
    for (std::size_t i = 0; i < request.classes.size(); ++i) {
        recordings.read(i, [&](std::size_t file, const RecordedWindow& window) {
            for (SignalAnalysis& part : parts) part.measure(i, file, window);
        });
    }
    for (SignalAnalysis& part : parts) result.analyses.push_back(part.take());
    for (std::string& note : recordings.notes()) result.notes.push_back(std::move(note));
    return result;
}

}  // namespace

AnalysisResult analyze(const AnalysisRequest& request, const ReadProgress& progress) {
    if (!are_probability_files(request.classes)) return analyze_recordings(request, progress);
    if (request.port)
        throw Error(ExitCode::usage,
                    "cannot select a port in a probability file: it has no port; leave --port out");
    AnalysisResult result;
    result.analyses.push_back(analyze_probability_files(request));
    return result;
}

}  // namespace jsguard
