// SPDX-License-Identifier: BSD-2-Clause
// The file is replaced under its own name: through a link in a folder that is not root's, another
// file would be.
#include "textfile.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "error.hpp"
#include "file_replacement.hpp"

namespace jsguard {
namespace {

constexpr const char* kind = "textfile";

}  // namespace

void check_textfile(const std::filesystem::path& file) {
    check_target(file, kind, ExitCode::usage);
}

Textfile::~Textfile() {
    if (unlink(file_.c_str()) == 0 || errno == ENOENT) return;
    const Error error =
        errno_error(ExitCode::runtime, errno,
                    fmt::format("cannot remove the {} {}", kind, printable(file_.native())),
                    "remove it, its figures are no longer true");
    std::fprintf(stderr, "%s\n", error.what());
}

std::string Textfile::write(const std::function<std::optional<std::string>()>& text) {
    const bool failed = failing_;
    try {
        const auto figures = text();
        if (!figures) return "";
        replace_file(file_, kind, *figures, Durability::left_to_kernel);
        failing_ = false;
        return failed ? fmt::format("the {} {} is written again", kind, printable(file_.native()))
                      : "";
    } catch (const std::exception& error) {
        failing_ = true;
        return failed ? "" : fmt::format("{}; it is tried again each step", error.what());
    }
}

}  // namespace jsguard
