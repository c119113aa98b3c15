/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* js_divergence.h: Jensen-Shannon and Kullback-Leibler divergence, cell by cell; plain C. */
#ifndef JSG_JS_DIVERGENCE_H
#define JSG_JS_DIVERGENCE_H

#include "log2.h"

/* The caller adds the terms of all cells, so that BPF can walk them with bpf_loop. */
#define JSG_CELLS_MAX 256

/* p (Q48) times a difference of logarithms (Q30, of either sign), in Q54. */
JSG_INLINE __s64 jsg_weighted_q54(__u64 p_q48, __u64 log_minuend_q30, __u64 log_subtrahend_q30)
{
	if (log_minuend_q30 >= log_subtrahend_q30)
		return (__s64)jsg_product_q54(p_q48, log_minuend_q30 - log_subtrahend_q30);
	return -(__s64)jsg_product_q54(p_q48, log_subtrahend_q30 - log_minuend_q30);
}

/*
 * One cell's part of the Jensen-Shannon divergence (Lin 1991, IEEE Trans. Inf. Theory 37(1)): with
 * s = p + q it is 1/2 [p log2(2p/s) + q log2(2q/s)], and a probability of 0 adds its limit, 0.
 * Domain: p, q in Q48, 0..2^48. Result: twice the part in Q54, which is the part in Q55. It is
 * exactly 0 where p = q, and exactly the other probability where one is 0. Bit budget: no sum of
 * parts of different cells exceeds 2^55 in magnitude.
 */
JSG_FUNCTION __s64 jsg_js_part_q55(__u64 p_q48, __u64 q_q48)
{
	__s64 part = 0;
	__u64 log_mean;

	if (p_q48 == q_q48)
		return 0;
	log_mean = jsg_log2_q30(p_q48 + q_q48);
	if (p_q48)
		part += jsg_weighted_q54(p_q48, jsg_log2_q30(p_q48) + JSG_ONE_Q30, log_mean);
	if (q_q48)
		part += jsg_weighted_q54(q_q48, jsg_log2_q30(q_q48) + JSG_ONE_Q30, log_mean);
	return part;
}

/*
 * The divergence from the sum of its parts, in billionths of a bit, 0..1,000,000,000. For any
 * 32-bit counts in up to 256 cells, |error| <= JSG_JS_ERROR. The result is exactly 1,000,000,000 if
 * no cell is in both distributions, and 0 if they are equal. See docs/accuracy.md.
 */
JSG_INLINE __u32 jsg_js_nanobits(__s64 sum_q55)
{
	__u64 nanobits = jsg_nano(sum_q55, JSG_SUM_BITS + 1);

	return nanobits > JSG_NANO ? JSG_NANO : (__u32)nanobits;
}
#define JSG_JS_ERROR 4.6e-8

/*
 * A finite log2(p/q) of totals up to 2^32 never exceeds this. An infinite one (q = 0) is replaced
 * by this.
 */
#define JSG_KL_CAP_BITS 32

/*
 * One cell's part of the Kullback-Leibler divergence of p from q (Kullback and Leibler 1951),
 * p log2(p/q), in Q54. p_q48 is p, and the totals are given by their logarithms. Domain:
 * 1 <= p_count <= p_total, 0 <= q_count <= q_total, totals 1..2^32. A cell with p_count = 0 has no
 * part: do not call.
 */
JSG_FUNCTION __s64 jsg_kl_part_q54(__u64 p_q48, __u64 p_count, __u64 log_p_total_q30, __u64 q_count,
				   __u64 log_q_total_q30)
{
	if (!q_count)
		return (__s64)jsg_product_q54(p_q48, (__u64)JSG_KL_CAP_BITS << JSG_LOG2_BITS);
	return jsg_weighted_q54(p_q48, jsg_log2_q30(p_count) + log_q_total_q30,
				jsg_log2_q30(q_count) + log_p_total_q30);
}

/*
 * The capped divergence in billionths of a bit, 0..32,000,000,000. |error| <= JSG_KL_ERROR for up
 * to 256 cells, exactly 0 for equal counts.
 */
JSG_INLINE __u64 jsg_kl_nanobits(__s64 sum_q54)
{
	__u64 nanobits = jsg_nano(sum_q54, JSG_SUM_BITS);
	__u64 cap = (__u64)JSG_KL_CAP_BITS * JSG_NANO;

	return nanobits > cap ? cap : nanobits;
}
#define JSG_KL_ERROR 9e-8

#endif
