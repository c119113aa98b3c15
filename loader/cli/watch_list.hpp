// SPDX-License-Identifier: BSD-2-Clause
// The list of services on the screen of jsguard watch.
#pragma once

#include "cli/watch_service.hpp"

namespace jsguard {

// The most alarming first, a line each below a heading; that of port is in sight. Columns that do
// not fit are left out; the heading says which of them are shown if not all are.
Lines service_list(const Observation& seen, std::uint32_t port, std::size_t width, std::size_t rows,
                   const Glyphs& glyphs);

}  // namespace jsguard
