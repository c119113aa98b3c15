// SPDX-License-Identifier: BSD-2-Clause
// The parts of the HTML page of a report.
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

// A table in its own scrolling box. The first cell of each row is the heading of the row.
void write_table(Html& html, std::string_view caption, std::initializer_list<std::string> columns,
                 const std::vector<std::vector<std::string>>& rows);

// The section of one port. id: of the section, unique in the page.
void write_port_section(Html& html, const std::string& id, std::uint32_t port,
                        const PortHistory& history, std::span<const Analysis> analyses);

// The analysis of one distribution. id: unique in the page. heading: element name, for example
// "h3".
void write_analysis(Html& html, const std::string& id, const Analysis& analysis,
                    std::string_view heading);

// A whole page with head, style sheet and heading. body writes the part between header and footer.
std::string page_around(const std::string& title, const std::string& subtitle,
                        const std::function<void(Html&)>& body);

}  // namespace jsguard
