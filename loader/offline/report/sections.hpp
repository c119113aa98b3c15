// SPDX-License-Identifier: BSD-2-Clause
// The parts that a report's page is made of.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "offline/analysis/analysis.hpp"
#include "offline/report/html.hpp"
#include "offline/report/port_history.hpp"

namespace jsguard {

// A table in a box of its own that scrolls; the first cell of a row is its heading.
void write_table(Html& html, std::string_view caption, std::initializer_list<std::string> columns,
                 const std::vector<std::vector<std::string>>& rows);

// All of one port. id: unique in the page, of the section.
void write_port_section(Html& html, const std::string& id, std::uint32_t port,
                        const PortHistory& history, std::span<const Analysis> analyses);

// One distribution's classes and measures. id: unique in the page; heading: "h3", say.
void write_analysis(Html& html, const std::string& id, const Analysis& analysis,
                    std::string_view heading);

// A whole page: head, style sheet, heading; body writes what is between header and footer.
std::string page_around(const std::string& title, const std::string& subtitle,
                        const std::function<void(Html&)>& body);

}  // namespace jsguard
