// SPDX-License-Identifier: BSD-2-Clause
// Whether two BTF types lay out the same bytes under the same names.
#pragma once

#include <cstdint>

struct btf;

namespace jsguard {

// Compares sizes, offsets, kinds, and the names of fields and enumerated values, at every level.
bool same_layout(const btf* a, std::uint32_t a_type, const btf* b, std::uint32_t b_type);

}  // namespace jsguard
