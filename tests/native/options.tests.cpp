// SPDX-License-Identifier: BSD-2-Clause
// Tests of the command line of jsguard-load: defaults, edges and each refusal.
#include "load/options.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

using Arguments = std::vector<std::string>;

std::variant<Options, Answer> parse(const Arguments& arguments) {
    std::vector<const char*> argv = {"jsguard-load"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return parse_options(static_cast<int>(argv.size()), argv.data());
}

Options accepted(const Arguments& arguments) { return std::get<Options>(parse(arguments)); }

// The message of the usage error, or "" if there is none.
std::string refusal(const Arguments& arguments) {
    try {
        parse(arguments);
    } catch (const Error& error) {
        return error.code() == ExitCode::usage ? error.what() : "";
    }
    return "";
}

bool one_clear_line(const std::string& message, const std::string& names) {
    return message.find(names) != std::string::npos && message.find('\n') == std::string::npos;
}

std::string port_list(int count) {
    std::string list = "1";
    for (int port = 2; port <= count; port++) list += fmt::format(",{}", port);
    return list;
}

using Ports = std::vector<std::uint16_t>;

}  // namespace

TEST_CASE("without options the documented defaults apply", "[options]") {
    const Options o = accepted({});
    CHECK(o.transition_threshold_nanobits == 120'000'000);
    CHECK(o.occupancy_threshold_nanobits == 120'000'000);
    CHECK(o.false_alarm_exponent == 6);
    CHECK_FALSE(o.netns.has_value());
    CHECK(o.ports.empty());
    CHECK(o.excluded_ports.empty());
    CHECK(o.window_s == 10);
    CHECK(o.step_s == 1);
    CHECK(o.learn_s == 60);
    CHECK(o.min_sockets == 20);
    CHECK(o.min_transitions == 100);
    CHECK(o.min_rate == 512);
    CHECK(o.confirm_windows == 3);
    CHECK(o.clear_windows == 10);
    CHECK_FALSE(o.baseline_file.has_value());
    CHECK_FALSE(o.save_baseline_file.has_value());
    CHECK_FALSE(o.textfile.has_value());
    CHECK_FALSE(o.duration_s.has_value());
    CHECK_FALSE(o.exit_on_alert.has_value());
    CHECK(o.pin_dir == "/sys/fs/bpf/jsguard");
    CHECK_FALSE((o.json || o.syslog || o.timestamp || o.verbose));
}

TEST_CASE("every option sets its field", "[options]") {
    const Options o = accepted({"--threshold",
                                "0.25",
                                "--false-alarm",
                                "1e-9",
                                "--netns",
                                "/run/netns/web",
                                "--min-sockets",
                                "21",
                                "--min-transitions",
                                "101",
                                "--min-rate",
                                "513",
                                "--confirm",
                                "4",
                                "--clear",
                                "11",
                                "-L",
                                "80",
                                "--exclude-port",
                                "22",
                                "-i",
                                "20",
                                "--step",
                                "2",
                                "--learn",
                                "30",
                                "--baseline",
                                "in.json",
                                "-d",
                                "99",
                                "--save-baseline",
                                "out",
                                "--json",
                                "--syslog",
                                "-T",
                                "-v",
                                "--exit-on-alert=7",
                                "--textfile",
                                "/run/j.prom",
                                "--pin-dir",
                                "/sys/fs/bpf/x"});
    CHECK(o.transition_threshold_nanobits == 250'000'000);
    CHECK(o.occupancy_threshold_nanobits == 250'000'000);
    CHECK(o.false_alarm_exponent == 9);
    CHECK(o.netns == "/run/netns/web");
    CHECK(o.min_sockets == 21);
    CHECK(o.min_transitions == 101);
    CHECK(o.min_rate == 513);
    CHECK(o.confirm_windows == 4);
    CHECK(o.clear_windows == 11);
    CHECK(o.ports == Ports{80});
    CHECK(o.excluded_ports == Ports{22});
    CHECK(o.window_s == 20);
    CHECK(o.step_s == 2);
    CHECK(o.learn_s == 30);
    CHECK(o.baseline_file == "in.json");
    CHECK(o.save_baseline_file == "out");
    CHECK(o.duration_s == 99U);
    CHECK(o.exit_on_alert == 7);
    CHECK(o.textfile == "/run/j.prom");
    CHECK(o.pin_dir == "/sys/fs/bpf/x");
    CHECK((o.json && o.syslog && o.timestamp && o.verbose));
}

TEST_CASE("long and short names and both ways to give a value mean the same", "[options]") {
    for (const Arguments& arguments :
         {Arguments{"-L", "80", "-i", "20", "-d", "5", "-Tv"},
          Arguments{"--localport=80", "--window=20", "--duration=5", "--timestamp", "--verbose"},
          Arguments{"--port", "80", "-i20", "-d5", "-T", "-v"}}) {
        const Options o = accepted(arguments);
        CHECK(o.ports == Ports{80});
        CHECK(o.window_s == 20);
        CHECK(o.duration_s == 5U);
        CHECK((o.timestamp && o.verbose));
    }
}

TEST_CASE("a signal's own threshold overrides the common one, in any order", "[options]") {
    const Options transitions = accepted({"--transition-threshold", "0.3", "--threshold", "0.2"});
    CHECK(transitions.transition_threshold_nanobits == 300'000'000);
    CHECK(transitions.occupancy_threshold_nanobits == 200'000'000);
    const Options occupancy = accepted({"--threshold", "0.2", "--occupancy-threshold", "0.4"});
    CHECK(occupancy.transition_threshold_nanobits == 200'000'000);
    CHECK(occupancy.occupancy_threshold_nanobits == 400'000'000);
}

TEST_CASE("auto is a threshold from the spread, for both signals or for one", "[options]") {
    const struct {
        Arguments arguments;
        std::uint32_t transitions, occupancy;
    } rows[] = {
        {{"--threshold", "auto"}, 0, 0},
        {{"--transition-threshold", "auto"}, 0, 120'000'000},
        {{"--occupancy-threshold=auto"}, 120'000'000, 0},
        {{"--threshold", "auto", "--occupancy-threshold", "0.3"}, 0, 300'000'000},
        {{"--transition-threshold", "auto", "--threshold", "0.3"}, 0, 300'000'000},
        {{"--threshold", "auto", "--threshold", "0.3"}, 300'000'000, 300'000'000},
        {{"--threshold", "0.3", "--threshold", "auto"}, 0, 0},
    };
    for (const auto& row : rows) {
        CAPTURE(row.arguments);
        const Options o = accepted(row.arguments);
        CHECK(o.transition_threshold_nanobits == row.transitions);
        CHECK(o.occupancy_threshold_nanobits == row.occupancy);
        CHECK(make_config(o).transition_threshold_nanobits == row.transitions);
        CHECK(make_config(o).occupancy_threshold_nanobits == row.occupancy);
    }
}

TEST_CASE("a false-alarm probability is rounded down to a power of ten", "[options]") {
    const struct {
        const char* text;
        std::uint32_t exponent;
    } rows[] = {{"1e-6", 6},    {"0.000001", 6}, {"1e-12", 12}, {"0.1", 1},      {".1", 1},
                {"0.01", 2},    {"0.001", 3},    {"1e-4", 4},   {"1e-5", 5},     {"5e-5", 5},
                {"9.99e-5", 5}, {"1.01e-5", 5},  {"9.9e-6", 6}, {"1.5e-12", 12}, {"1e-11", 11},
                {"2e-7", 7},    {"1e-10", 10}};
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const Options o = accepted({"--false-alarm", row.text});
        CHECK(o.false_alarm_exponent == row.exponent);
        CHECK(make_config(o).false_alarm_exponent == row.exponent);
    }
}

TEST_CASE("a value that is not a false-alarm probability is refused", "[options]") {
    for (const char* text :
         {"0",    "0.0",   "0.5",   "0.101", "0.99",  "1",      "1.0",    "2",   "-1e-6",
          "nan",  "-nan",  "inf",   "1e-13", "9e-13", "1e-400", "1e400",  "x",   "",
          "auto", "1e-6x", " 1e-6", "1e-6 ", "1e",    "10^-6",  "1/1000", "0.1%"}) {
        CAPTURE(text);
        CHECK(one_clear_line(refusal({"--false-alarm", text}), "--false-alarm"));
    }
    CHECK(one_clear_line(refusal({"--false-alarm"}), "--false-alarm"));
    CHECK(one_clear_line(refusal({"--false-alarm", "x"}), "from 1e-12 to 0.1"));
}

TEST_CASE("a network namespace is a path or the id of a process", "[options]") {
    for (const char* text : {"/run/netns/web", "/proc/1/ns/net", "1", "4194304", "./web", "./-x"}) {
        CAPTURE(text);
        CHECK(accepted({"--netns", text}).netns == text);
        // The loader finds the number when it opens the namespace.
        CHECK(make_config(accepted({"--netns", text})).netns == 0);
    }
    CHECK(accepted({"--netns=1"}).netns == "1");
    CHECK(accepted({"--netns", "1", "--netns", "2"}).netns == "2");
}

TEST_CASE("a threshold is rounded to billionths of a bit", "[options]") {
    const struct {
        const char* text;
        std::uint32_t nanobits;
    } rows[] = {{"0.12", 120'000'000}, {".5", 500'000'000},          {"1e-9", 1},
                {"0.0000000005", 1},   {"0.999999999", 999'999'999}, {"0.0413", 41'300'000}};
    for (const auto& row : rows) {
        CAPTURE(row.text);
        CHECK(accepted({"--threshold", row.text}).occupancy_threshold_nanobits == row.nanobits);
    }
}

TEST_CASE("a value that is not a threshold is refused in one line that names the option",
          "[options]") {
    for (const char* name : {"--threshold", "--transition-threshold", "--occupancy-threshold"}) {
        for (const char* text :
             {"0",         "1",      "-0.1",   "1.5",          "nan",   "-nan",   "inf",  "-inf",
              "1e400",     "1e-400", "1e-12",  "0.9999999999", "0.12x", "x",      "",     " 0.12",
              "0.12 ",     "0,12",   "0x1p-3", "12%",          "--",    "0.1\n2", "AUTO", "auto ",
              "automatic", "0"}) {
            CAPTURE(name, text);
            CHECK(one_clear_line(refusal({name, text}), name));
        }
    }
}

TEST_CASE("lists of ports are merged, sorted and freed of duplicates", "[options]") {
    CHECK(accepted({"-L", "443,80,8080,80"}).ports == Ports{80, 443, 8080});
    CHECK(accepted({"-L", "443", "--port", "80,443"}).ports == Ports{80, 443});
    CHECK(accepted({"-L", "1,65535"}).ports == Ports{1, 65535});
    CHECK(accepted({"--exclude-port", "9,7", "--exclude-port", "8"}).excluded_ports ==
          Ports{7, 8, 9});
}

TEST_CASE("excluded ports are not among the monitored", "[options]") {
    CHECK(accepted({"-L", "80,81,82", "--exclude-port", "81,9"}).ports == Ports{80, 82});
    CHECK(one_clear_line(refusal({"-L", "80,81", "--exclude-port", "81,80"}), "--exclude-port"));
}

TEST_CASE("a value that is not a list of ports is refused in one line that names the option",
          "[options]") {
    for (const char* name : {"--localport", "--exclude-port"}) {
        for (const char* text :
             {"0",       "65536",    "80,,443", "",     ",",      "80,",
              ",80",     "-1",       "80,-1",   "http", "80;443", "80 443",
              "80, 443", "[80,443]", "{}",      "1e2",  "0x50",   "99999999999999999999",
              "80-90",   "+80"}) {
            CAPTURE(name, text);
            CHECK(one_clear_line(refusal({name, text}), name));
        }
    }
}

TEST_CASE("as many ports can be monitored as there are service entries", "[options]") {
    CHECK(accepted({"-L", port_list(JSG_SERVICES)}).ports.size() == JSG_SERVICES);
    CHECK(one_clear_line(refusal({"-L", port_list(JSG_SERVICES + 1)}), "--localport"));
    // One port too many, but one of them is excluded.
    CHECK(accepted({"-L", port_list(JSG_SERVICES + 1), "--exclude-port", "1"}).ports.size() ==
          JSG_SERVICES);
}

TEST_CASE("a value that is not a whole number in range is refused", "[options]") {
    for (const char* name : {"--window", "--step", "--learn", "--min-sockets", "--min-transitions",
                             "--min-rate", "--confirm", "--clear", "--duration"}) {
        for (const char* text :
             {"0", "-1", "", "x", "10s", "1.5", "1e3", " 1", "0x10", "4294967296",
              "18446744073709551617", "99999999999999999999999", "4294967295"}) {
            CAPTURE(name, text);
            CHECK(one_clear_line(refusal({name, text}), name));
        }
        CAPTURE(name);
        CHECK(one_clear_line(refusal({name}), name));
    }
}

TEST_CASE("a window is a multiple of its step and at most 300 s", "[options]") {
    CHECK(accepted({"-i", "300", "--step", "300"}).window_s == 300);
    CHECK(accepted({"-i", "1"}).window_s == 1);
    for (const Arguments& arguments :
         {Arguments{"-i", "301"}, Arguments{"-i", "10", "--step", "3"},
          Arguments{"-i", "10", "--step", "20"}, Arguments{"--step", "7"}}) {
        CHECK(one_clear_line(refusal(arguments), "--window"));
    }
    CHECK(refusal({"-i", "10", "--step", "3"}).find("make it 12") != std::string::npos);
    CHECK(refusal({"-i", "300", "--step", "7"}).find("make it 294") != std::string::npos);
}

TEST_CASE("the learning time must be whole steps", "[options]") {
    CHECK(accepted({"--learn", "62", "--step", "2"}).learn_s == 62);
    CHECK(one_clear_line(refusal({"--learn", "61", "--step", "2"}), "--learn"));
    CHECK(one_clear_line(refusal({"--learn", "1", "--step", "2"}), "--learn"));
    CHECK(one_clear_line(refusal({"--learn", "86401"}), "--learn"));
}

TEST_CASE("the default learning time is adapted to the step", "[options]") {
    CHECK(accepted({"-i", "300", "--step", "300"}).learn_s == 300);
    CHECK(accepted({"-i", "14", "--step", "7"}).learn_s == 63);
}

TEST_CASE("exit on alert takes a code as the next argument or after =", "[options]") {
    CHECK(accepted({"--exit-on-alert"}).exit_on_alert == 10);
    CHECK(accepted({"--exit-on-alert", "--json"}).exit_on_alert == 10);
    CHECK(accepted({"--exit-on-alert=0"}).exit_on_alert == 0);
    CHECK(accepted({"--exit-on-alert=255"}).exit_on_alert == 255);
    for (const char* argument :
         {"--exit-on-alert=256", "--exit-on-alert=-1", "--exit-on-alert=x", "--exit-on-alert=1.0",
          "--exit-on-alert=false", "--exit-on-alert=99999999999999999999"}) {
        CAPTURE(argument);
        CHECK(one_clear_line(refusal({argument}), "--exit-on-alert"));
    }
    CHECK(accepted({"--exit-on-alert", "5"}).exit_on_alert == 5);
    CHECK(accepted({"--exit-on-alert", "5", "--json"}).json);
    CHECK(one_clear_line(refusal({"--exit-on-alert", "x"}), "\"x\": give an exit code"));
}

TEST_CASE("an unknown option is refused with the nearest one", "[options]") {
    const struct {
        const char *given, *meant;
    } slips[] = {{"--treshold", "--threshold"},   {"--thresh", "--threshold"},
                 {"--local-port", "--localport"}, {"--exit-on-alarm=3", "--exit-on-alert"},
                 {"--windows", "--window"},       {"--keep_baseline", "--keep-baseline"},
                 {"--presist", "--persist"},      {"--verson", "--version"}};
    for (const auto& [given, meant] : slips) {
        CAPTURE(given);
        CHECK(one_clear_line(refusal({given}), std::string("unknown argument \"") + given +
                                                   "\": did you mean " + meant +
                                                   "? see jsguard-load --help"));
    }
    for (const char* far : {"--qqqqqqqqq", "-Z", "x", "--"}) {
        CAPTURE(far);
        if (std::string(far) != "--")
            CHECK(refusal({far}).find("did you mean") == std::string::npos);
    }
}

TEST_CASE("a forgotten or empty path is refused", "[options]") {
    for (const char* name :
         {"--baseline", "--save-baseline", "--textfile", "--pin-dir", "--netns"}) {
        CAPTURE(name);
        CHECK(one_clear_line(refusal({name}), name));
        CHECK(one_clear_line(refusal({name, ""}), name));
        CHECK(one_clear_line(refusal({name, "--json"}), name));
    }
    CHECK(one_clear_line(refusal({"--pin-dir", "relative"}), "--pin-dir"));
}

TEST_CASE("a textfile must have a name that node_exporter reads", "[options]") {
    for (const char* name : {"j", "j.txt", "prom", ".prom", "j.prom.old", "j.prom/", "j.PROM"}) {
        CAPTURE(name);
        const std::string message = refusal({"--textfile", name});
        CHECK(one_clear_line(message, "--textfile"));
        CHECK(one_clear_line(message, "ends in .prom"));
    }
    CHECK(accepted({"--textfile", "a b.c.prom"}).textfile == "a b.c.prom");
}

TEST_CASE("unknown options and stray arguments are refused by name", "[options]") {
    for (const char* argument : {"--bogus", "--bogus=3", "-z", "stray", "", "-", "-3", "--thresh",
                                 "--persisted", "--load", "--probes"}) {
        CAPTURE(argument);
        CHECK(one_clear_line(refusal({argument}), fmt::format("\"{}\"", argument)));
    }
    CHECK(one_clear_line(refusal({"two\nlines"}), "two?lines"));
    CHECK_FALSE(refusal({"-L", "80", "443"}).empty());
    CHECK_FALSE(refusal({"--", "80"}).empty());
    CHECK_FALSE(refusal({"--json=3"}).empty());
}

TEST_CASE("the last value of a repeated option counts", "[options]") {
    CHECK(accepted({"-d", "1", "-d", "2"}).duration_s == 2U);
    CHECK(accepted({"--threshold", "0.1", "--threshold", "0.2"}).occupancy_threshold_nanobits ==
          200'000'000);
    CHECK(accepted({"--json", "--json"}).json);
}

TEST_CASE("help and version are answers, not errors", "[options]") {
    CHECK_THAT(std::get<Answer>(parse({"-V"})).text,
               Catch::Matchers::Matches("jsguard-load [0-9]+\\.[0-9]+\\.[0-9]+\n"));
    const std::string help = std::get<Answer>(parse({"--help"})).text;
    for (const char* name : {"--threshold",
                             "--transition-threshold",
                             "--occupancy-threshold",
                             "--localport",
                             "--exclude-port",
                             "--window",
                             "--step",
                             "--learn",
                             "--min-sockets",
                             "--min-transitions",
                             "--min-rate",
                             "--baseline",
                             "--save-baseline",
                             "--confirm",
                             "--clear",
                             "--duration",
                             "--json",
                             "--timestamp",
                             "--verbose",
                             "--version",
                             "--help",
                             "--exit-on-alert",
                             "--pin-dir",
                             "--false-alarm",
                             "--netns",
                             "NAME|PATH|PID",
                             "(default: 1e-6)",
                             "SECONDS",
                             "BITS",
                             "(default: 0.12)",
                             "(default: 60)"}) {
        CAPTURE(name);
        CHECK(help.find(name) != std::string::npos);
    }
}

TEST_CASE("the detector's configuration is in steps and nanobits", "[options]") {
    const jsg_config config =
        make_config(accepted({"-i", "20", "--step", "2", "--learn", "30", "--transition-threshold",
                              "0.3", "--min-sockets", "5", "--min-transitions", "6", "--min-rate",
                              "7", "--confirm", "8", "--clear", "9"}));
    CHECK(config.step_ns == 2'000'000'000);
    CHECK(config.window_steps == 10);
    CHECK(config.learn_steps == 15);
    CHECK(config.transition_threshold_nanobits == 300'000'000);
    CHECK(config.occupancy_threshold_nanobits == 120'000'000);
    CHECK(config.min_sockets == 5);
    CHECK(config.min_transitions == 6);
    CHECK(config.min_rate == 7);
    CHECK(config.confirm_steps == 8);
    CHECK(config.clear_steps == 9);
    CHECK(config.readings_per_service == jsg_readings_needed(10));
    CHECK(config.monitor_listeners == 1);
    CHECK(config.cpus == 0);
    CHECK(config.has_rdonly_cast == 0);
}

TEST_CASE("the longest step does not overflow its nanoseconds", "[options]") {
    CHECK(make_config(accepted({"-i", "300", "--step", "300"})).step_ns == 300'000'000'000);
}

TEST_CASE("named ports stop listeners from being monitored", "[options]") {
    CHECK(make_config(accepted({"-L", "80"})).monitor_listeners == 0);
}

TEST_CASE("persist, unload and probe exclude each other", "[options]") {
    CHECK_FALSE(accepted({}).persist);
    CHECK(accepted({"--persist"}).persist);
    CHECK(accepted({"--unload"}).unload);
    CHECK(accepted({"--probe", "--json"}).probe);
    for (const Arguments& two :
         {Arguments{"--persist", "--unload"}, {"--persist", "--probe"}, {"--unload", "--probe"}})
        CHECK(refusal(two).find("exclude each other") != std::string::npos);
    for (const char* file : {"--save-baseline", "--keep-baseline", "--textfile"})
        CHECK(one_clear_line(refusal({"--unload", file, "a.prom"}), "--unload reads and writes"));
    CHECK(accepted({"--pin-group", "adm"}).pin_group == "adm");
}

TEST_CASE("a kept baseline is read if its file exists, and is written", "[options]") {
    const Options alone = accepted({"--keep-baseline", "/nowhere/b.json"});
    CHECK_FALSE(alone.baseline_file);
    CHECK(alone.kept_baseline_file == "/nowhere/b.json");
    CHECK(alone.save_baseline_file == "/nowhere/b.json");
    for (const Arguments& both : {Arguments{"--keep-baseline", "kept", "--baseline", "given"},
                                  {"--baseline", "given", "--keep-baseline", "kept"}}) {
        const Options pair = accepted(both);
        CHECK(pair.baseline_file == "given");
        CHECK(pair.kept_baseline_file == "kept");
        CHECK(pair.save_baseline_file == "kept");
    }
    CHECK(one_clear_line(refusal({"--keep-baseline", "a", "--save-baseline", "b"}),
                         "--keep-baseline writes its file"));
}
