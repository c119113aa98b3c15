/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf_core_read.h: replaces libbpf's header of this name where the programs are compiled for user
 * space. The sockets are simulated, so their layout is that of tcp.bpf.h.
 */
#ifndef JSG_NATIVE_BPF_CORE_READ_H
#define JSG_NATIVE_BPF_CORE_READ_H

#include <string.h>

#define BPF_CORE_READ(source, field) ((source)->field)
#define BPF_CORE_READ_BITFIELD_PROBED(source, field) ((source)->field)
#define bpf_core_read(to, size, from) memcpy(to, from, size)
#define bpf_core_type_id_kernel(type) 0
#define bpf_core_enum_value(type, value) (value)
#define bpf_core_field_exists(field) 1

#endif
