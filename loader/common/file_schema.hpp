// SPDX-License-Identifier: BSD-2-Clause
// The schema of recordings and baseline files, and the translation of files of schema 1.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace jsguard {

// Schema 2 renamed fields, cells and words. Their meaning did not change.
constexpr std::uint32_t file_schema = 2;

// Returns the member "schema" of a file's first object. Throws Error(usage) if this version cannot
// read that schema.
std::uint32_t file_schema_of(const nlohmann::ordered_json& first);

// Renames the fields, cells and words in object from that schema to the present one.
void to_present_schema(nlohmann::ordered_json& object, std::uint32_t schema);

}  // namespace jsguard
