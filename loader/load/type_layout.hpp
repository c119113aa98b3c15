// SPDX-License-Identifier: BSD-2-Clause
// Whether two BTF types lay out the same bytes under the same names.
#pragma once

#include <cstdint>

struct btf;

namespace jsguard {

// Sizes, offsets, kinds and the names of fields and of enumerated values are all equal, all the
// way down.
bool same_layout(const btf* a, std::uint32_t a_type, const btf* b, std::uint32_t b_type);

}  // namespace jsguard
