# SPDX-License-Identifier: BSD-2-Clause
# bpf_skeleton(): builds a BPF object and its libbpf skeleton from one C source.
# bpf_object(): builds the object of a skeleton with another compiler.
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

# compile_bpf(COMPILER OBJECT SOURCE [INCLUDES dir...] [DEPENDS target...]): adds the command that makes the object.
function(compile_bpf compiler object source)
    cmake_parse_arguments(ARG "" "" "INCLUDES;DEPENDS" ${ARGN})
    list(TRANSFORM ARG_INCLUDES PREPEND -I OUTPUT_VARIABLE includes)
    get_filename_component(compiler_name "${compiler}" NAME)
    get_filename_component(source_name "${source}" NAME)
    add_custom_command(
        OUTPUT "${object}"
        COMMAND "${compiler}" -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_${bpf_arch}
                -Wall -Wextra -Wtype-limits -Wno-unused-parameter -Werror
                ${includes} -idirafter "/usr/include/${multiarch}"
                -MD -MF "${object}.d" -MT "${object}"
                -c "${source}" -o "${object}"
        DEPENDS "${source}" ${ARG_DEPENDS}
        DEPFILE "${object}.d"
        COMMENT "Compiling ${source_name} for BPF with ${compiler_name}"
        VERBATIM)
endfunction()

# bpf_skeleton(NAME source.bpf.c [INCLUDES dir...] [DEPENDS target...])
# Creates the INTERFACE library NAME. Targets that link it can include "NAME.skel.h".
function(bpf_skeleton name source)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o")
    set(skeleton "${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h")
    set(arguments "${CMAKE_CURRENT_SOURCE_DIR}/${source}" ${ARGN})
    compile_bpf("${JSGUARD_CLANG}" "${object}" ${arguments})
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
    set_target_properties(${name} PROPERTIES JSGUARD_BPF_ARGUMENTS "${arguments}")
endfunction()

# bpf_object(OBJECT SKELETON COMPILER): adds the command that makes the object of a skeleton with this compiler.
function(bpf_object object skeleton compiler)
    get_target_property(arguments ${skeleton} JSGUARD_BPF_ARGUMENTS)
    compile_bpf("${compiler}" "${object}" ${arguments})
endfunction()
