// SPDX-License-Identifier: BSD-2-Clause
// The schema of recordings and baseline files, and the translation of files of the earlier schema.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace jsguard {

// Schema 2 renamed fields, cells and words; what they mean is the same.
constexpr std::uint32_t file_schema = 2;

// The member "schema" of a file's first object. Throws Error(usage) if this version cannot read it.
std::uint32_t file_schema_of(const nlohmann::ordered_json& first);

// Gives an object of a file with that schema the names of the present schema.
void to_present_schema(nlohmann::ordered_json& object, std::uint32_t schema);

}  // namespace jsguard
