# SPDX-License-Identifier: BSD-2-Clause
# bpf_skeleton(): builds a BPF object and its libbpf skeleton from one C source.
include_guard(GLOBAL)

find_program(JSGUARD_CLANG clang)
find_program(JSGUARD_BPFTOOL bpftool PATHS /usr/sbin /sbin)
if(NOT JSGUARD_CLANG)
    message(FATAL_ERROR "clang is needed to compile the BPF program: apt-get install clang "
                        "(or configure with -DJSGUARD_BUILD_BPF=OFF for the native tests alone)")
endif()
if(NOT JSGUARD_BPFTOOL)
    message(FATAL_ERROR "bpftool is needed to make the BPF skeleton: apt-get install bpftool "
                        "(or configure with -DJSGUARD_BUILD_BPF=OFF for the native tests alone)")
endif()
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET GLOBAL libbpf>=1.1)

# asm/types.h is in the multiarch directory, which -target bpf does not search.
string(REGEX REPLACE ".*/" "" multiarch "${CMAKE_LIBRARY_ARCHITECTURE}")
string(REGEX MATCH "^[a-z0-9_]+" bpf_arch "${CMAKE_SYSTEM_PROCESSOR}")
string(REPLACE "x86_64" "x86" bpf_arch "${bpf_arch}")
string(REPLACE "aarch64" "arm64" bpf_arch "${bpf_arch}")

# bpf_skeleton(NAME source.bpf.c [INCLUDES dir...] [DEPENDS target...])
# Creates the INTERFACE library NAME. Targets that link it can include "NAME.skel.h".
function(bpf_skeleton name source)
    cmake_parse_arguments(ARG "" "" "INCLUDES;DEPENDS" ${ARGN})
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o")
    set(skeleton "${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h")
    list(TRANSFORM ARG_INCLUDES PREPEND -I OUTPUT_VARIABLE includes)
    add_custom_command(
        OUTPUT "${object}"
        COMMAND "${JSGUARD_CLANG}" -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_${bpf_arch}
                -Wall -Wextra -Wtype-limits -Wno-unused-parameter -Werror
                ${includes} -idirafter "/usr/include/${multiarch}"
                -MD -MF "${object}.d" -MT "${object}"
                -c "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${object}"
        DEPENDS "${source}" ${ARG_DEPENDS}
        DEPFILE "${object}.d"
        COMMENT "Compiling ${source} for BPF"
        VERBATIM)
    # Write the skeleton to a temporary file first, so that a failed bpftool leaves no skeleton.
    add_custom_command(
        OUTPUT "${skeleton}"
        COMMAND sh -c "\"$1\" gen skeleton \"$2\" name \"$3\" > \"$4.tmp\" && mv \"$4.tmp\" \"$4\"" sh
                "${JSGUARD_BPFTOOL}" "${object}" "${name}" "${skeleton}"
        DEPENDS "${object}"
        COMMENT "Generating ${name}.skel.h"
        VERBATIM)
    add_custom_target(${name}_skeleton_made DEPENDS "${skeleton}")
    add_library(${name} INTERFACE)
    target_include_directories(${name} SYSTEM INTERFACE "${CMAKE_CURRENT_BINARY_DIR}")
    target_link_libraries(${name} INTERFACE PkgConfig::LIBBPF)
    add_dependencies(${name} ${name}_skeleton_made)
endfunction()
