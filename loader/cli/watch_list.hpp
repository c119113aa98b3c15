// SPDX-License-Identifier: BSD-2-Clause
// The list of services on the screen of jsguard watch.
#pragma once

#include "cli/watch_service.hpp"

namespace jsguard {

// A heading, and a line for each service, the most alarming one first. If there are too few rows,
// the list scrolls to the service of port, and the heading names the range that is shown. Columns
// that do not fit are left out.
Lines service_list(const Observation& seen, std::uint32_t port, std::size_t width, std::size_t rows,
                   const Glyphs& glyphs);

}  // namespace jsguard
