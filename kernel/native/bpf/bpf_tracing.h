/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf_tracing.h: replaces libbpf's header of this name where the programs are compiled for user
 * space. A program is a function with the arguments of its tracepoint.
 */
#ifndef JSG_NATIVE_BPF_TRACING_H
#define JSG_NATIVE_BPF_TRACING_H

#define BPF_PROG(name, ...) name(__VA_ARGS__)

#endif
