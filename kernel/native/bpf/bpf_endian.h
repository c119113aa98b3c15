/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf_endian.h: replaces libbpf's header of this name where the programs are compiled for user
 * space. slots.bpf.h asserts the byte order.
 */
#ifndef JSG_NATIVE_BPF_ENDIAN_H
#define JSG_NATIVE_BPF_ENDIAN_H

#define bpf_ntohs(number) __builtin_bswap16(number)
#define bpf_htons(number) __builtin_bswap16(number)
#define bpf_htonl(number) __builtin_bswap32(number)

#endif
