# SPDX-License-Identifier: BSD-2-Clause
# embed_text(): makes a text file a C++ string, with its digest. Run with -P, this file writes the header.
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ "${INPUT}" text)
    file(SHA256 "${INPUT}" digest)
    file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT [[
// GENERATED from @SOURCE@ by cmake/EmbedText.cmake, do not edit.
#pragma once

#include <string_view>

namespace jsguard {

inline constexpr std::string_view @NAME@ = R"embedded(@text@)embedded";
inline constexpr std::string_view @NAME@_sha256 = "@digest@";

}  // namespace jsguard
]] @ONLY NEWLINE_STYLE UNIX)
    return()
endif()

include_guard(GLOBAL)

# embed_text(TARGET NAME file): the sources of TARGET can include "NAME.hpp". It defines the strings
# jsguard::NAME and jsguard::NAME_sha256.
function(embed_text target name file)
    set(directory "${CMAKE_CURRENT_BINARY_DIR}/embedded")
    set(header "${directory}/${name}.hpp")
    add_custom_command(
        OUTPUT "${header}"
        COMMAND "${CMAKE_COMMAND}" "-DINPUT=${CMAKE_CURRENT_SOURCE_DIR}/${file}" "-DOUTPUT=${header}"
                "-DSOURCE=${file}" "-DNAME=${name}" -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
        DEPENDS "${file}" "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
        COMMENT "Embedding ${file}"
        VERBATIM)
    target_sources(${target} PRIVATE "${header}")
    target_include_directories(${target} PRIVATE "${directory}")
endfunction()
