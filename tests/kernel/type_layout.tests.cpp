// SPDX-License-Identifier: BSD-2-Clause
// Tests of the comparison of two BTF types, with types that the tests create.
#include "load/type_layout.hpp"

#include <bpf/btf.h>

#include <memory>

#include "tests/catch_compat.hpp"

namespace {

using Types = std::unique_ptr<btf, decltype(&btf__free)>;

// Types with struct s { unsigned a; unsigned SECOND[LENGTH]; }. The number of the struct is 3.
Types made_types(const char* second, std::uint32_t length, std::uint32_t offset_bits = 32) {
    Types types(btf__new_empty(), btf__free);
    REQUIRE(btf__add_int(types.get(), "unsigned int", 4, 0) == 1);
    REQUIRE(btf__add_array(types.get(), 1, 1, length) == 2);
    REQUIRE(btf__add_struct(types.get(), "s", 4 + 4 * length) == 3);
    REQUIRE(btf__add_field(types.get(), "a", 1, 0, 0) == 0);
    REQUIRE(btf__add_field(types.get(), second, 2, offset_bits, 0) == 0);
    return types;
}

}  // namespace

TEST_CASE("a layout is the same if sizes, offsets and names are", "[type_layout]") {
    const Types one = made_types("b", 8);
    CHECK(jsguard::same_layout(one.get(), 3, made_types("b", 8).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, made_types("c", 8).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, made_types("b", 9).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, made_types("b", 8, 64).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, one.get(), 2));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, one.get(), 99));
}
