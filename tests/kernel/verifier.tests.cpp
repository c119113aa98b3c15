// SPDX-License-Identifier: BSD-2-Clause
// The number of instructions that the verifier processes for each program has a limit in a table.
// It holds for the object of the build, and for the objects of other compilers.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/quantity_text.hpp"
#include "inconclusive.hpp"
#include "load/libbpf_log.hpp"
#include "load/skeleton.hpp"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

namespace {

struct Limit {
    const bpf_program* program;
    std::uint32_t limit;
};

std::vector<Limit> limits_of(const jsguard::Detector& detector, bool named) {
    const auto& programs = detector.skeleton().progs;
    // Linux 6.18 and clang 14. The limit of the kernel is 1,000,000.
    return {
        {programs.jsg_transition, named ? 7'600U : 17'500U},
        {programs.jsg_preempted, named ? 6'300U : 16'300U},
        {programs.jsg_destroy, 1'800},
        {programs.jsg_existing, named ? 1'350U : 10'900U},
        {programs.jsg_start, 74'000},  // includes the tick and all that it calls
    };
}

// The limit for the programs of another compiler, which branch in other places. The verifiers of
// other kernels differ too (docs/kernels.md).
std::uint32_t limit_of_other_compiler(std::uint32_t limit) {
    utsname kernel{};
    REQUIRE(uname(&kernel) == 0);
    const bool is_kernel_of_table = std::string_view(kernel.release).starts_with("6.18.");
    return is_kernel_of_table ? limit + limit / 4 : 2 * limit;
}

// With named ports, the verifier sees that no port is claimed, and skips that code.
void load(jsguard::Detector& detector, bool named) {
    detector.load(testbed::options_for(named ? std::vector<std::uint16_t>{17501}
                                             : std::vector<std::uint16_t>{}),
                  {});
}

std::uint32_t verified_instructions(const bpf_program* program) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0);
    CHECK(info.verified_insns > 0);
    return info.verified_insns;
}

// Where the object's read-only data has a variable. The compiler chooses the order.
std::size_t offset_in_rodata(const bpf_object* object, std::string_view variable) {
    const btf* types = bpf_object__btf(object);
    const int section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
    REQUIRE(section > 0);
    const btf_type* rodata = btf__type_by_id(types, static_cast<std::uint32_t>(section));
    for (int i = 0; i < btf_vlen(rodata); ++i) {
        const btf_var_secinfo& found = btf_var_secinfos(rodata)[i];
        if (btf__name_by_offset(types, btf__type_by_id(types, found.type)->name_off) == variable)
            return found.offset;
    }
    FAIL("no variable " << variable << " in .rodata");
    return 0;
}

using Object = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

// Loads the object of that file with the configuration and the map sizes of the detector.
Object load_like(const jsguard::Detector& detector, const char* file) {
    jsguard::keep_libbpf_log();
    Object object(bpf_object__open_file(file, nullptr), bpf_object__close);
    INFO(fmt::format("{}", fmt::join(jsguard::libbpf_warnings(), "\n")));
    REQUIRE(object);
    for (const bpf_map* map : jsguard::maps_of(detector.skeleton())) {
        if (bpf_map* own = bpf_object__find_map_by_name(object.get(), bpf_map__name(map)))
            REQUIRE(bpf_map__set_max_entries(own, bpf_map__max_entries(map)) == 0);
    }
    bpf_map* rodata = bpf_object__find_map_by_name(object.get(), ".rodata");
    std::size_t size = 0;
    const auto* initial = static_cast<const char*>(bpf_map__initial_value(rodata, &size));
    std::string value(initial, size);
    const jsg_config& config = detector.skeleton().rodata->jsg_config;
    value.replace(offset_in_rodata(object.get(), "jsg_config"), sizeof(config),
                  reinterpret_cast<const char*>(&config), sizeof(config));
    REQUIRE(bpf_map__set_initial_value(rodata, value.data(), size) == 0);
    const int error = bpf_object__load(object.get());
    INFO(fmt::format("{}\nverifier: {}", fmt::join(jsguard::libbpf_warnings(), "\n"),
                     fmt::join(jsguard::verifier_log_end(), "\nverifier: ")));
    REQUIRE(error == 0);
    return object;
}

}  // namespace

TEST_CASE("the verifier processes no more instructions for a program than the table says",
          "[verifier]") {
    const bool named = GENERATE(true, false);
    CAPTURE(named);
    jsguard::Detector detector;
    load(detector, named);
    for (const auto& [program, limit] : limits_of(detector, named)) {
        const std::uint32_t instructions = verified_instructions(program);
        WARN(bpf_program__name(program) << ": " << instructions);
        CHECK(instructions <= limit);
    }
}

TEST_CASE(
    "the verifier accepts the programs of each compiler, with a quarter more instructions at most",
    "[compilers][long]") {
    const struct {
        const char* compiler;
        const char* file;
    } objects[] = {JSGUARD_OBJECTS_BY_COMPILER};
    jsguard::Detector detectors[2];
    for (const bool named : {false, true}) load(detectors[named], named);
    // A Markdown table: instructions with named ports / with every listening port.
    std::vector<std::string> lines{"| program |", "|---|"};
    for (const Limit& row : limits_of(detectors[0], false))
        lines.push_back(fmt::format("| `{}` |", bpf_program__name(row.program)));
    for (const auto& [compiler, file] : objects) {
        if (!*file) {
            const std::string why = fmt::format(
                "no object of {0}: apt-get install {0}, then build with -DJSGUARD_LONG_TESTS=ON",
                compiler);
            if (testbed::must_lack_nothing())
                FAIL_CHECK(why);
            else
                testbed::be_inconclusive(why);
            continue;
        }
        lines[0] += fmt::format(" {} |", compiler);
        lines[1] += "---|";
        for (const bool named : {true, false}) {
            CAPTURE(compiler, named);
            const Object object = load_like(detectors[named], file);
            auto line = lines.begin() + 2;
            for (const auto& [program, limit] : limits_of(detectors[named], named)) {
                const char* name = bpf_program__name(program);
                CAPTURE(name);
                const bpf_program* same = bpf_object__find_program_by_name(object.get(), name);
                REQUIRE(same);
                const std::uint32_t instructions = verified_instructions(same);
                CHECK(instructions <= limit_of_other_compiler(limit));
                *line++ +=
                    fmt::format(" {} {}", jsguard::number_text(instructions), named ? "/" : "|");
            }
        }
    }
    std::cout << fmt::format("{}\n", fmt::join(lines, "\n"));  // WARN() would break the lines
}
