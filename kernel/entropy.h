/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* entropy.h: Shannon entropy of a histogram, cell by cell; plain C. */
#ifndef JSG_ENTROPY_H
#define JSG_ENTROPY_H

#include "log2.h"

/*
 * One cell's part of the entropy (Shannon 1948), p log2(1/p) with p = count / total, in Q54.
 * p_q48 is p, and log_total_q30 is jsg_log2_q30(total). Domain: 1 <= count <= total <= 2^40. A cell
 * with count = 0 has no part: do not call. The result is never negative, because a larger argument
 * never gives a smaller jsg_log2_q30().
 */
JSG_INLINE __s64 jsg_entropy_part_q54(__u64 p_q48, __u64 count, __u64 log_total_q30)
{
	return (__s64)jsg_product_q54(p_q48, log_total_q30 - jsg_log2_q30(count));
}

/*
 * The entropy in billionths of a bit; |error| <= JSG_ENTROPY_ERROR for any 32-bit counts in up to
 * 256 cells.
 */
JSG_INLINE __u64 jsg_entropy_nanobits(__s64 sum_q54)
{
	return jsg_nano(sum_q54, JSG_SUM_BITS);
}
#define JSG_ENTROPY_ERROR 4.6e-8

#endif
