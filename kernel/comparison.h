/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* comparison.h: compares a window with a baseline in one pass over the cells; plain C. */
#ifndef JSG_COMPARISON_H
#define JSG_COMPARISON_H

#include "entropy.h"
#include "js_divergence.h"

/* The sums of one pass. Begin, add each cell once, then read the results. */
struct jsg_comparison {
	__u64 p_total; /* of the window, 1..2^32 */
	__u64 q_total; /* of the baseline, 1..2^32 */
	__u64 log_p_total_q30;
	__u64 log_q_total_q30;
	__u64 share_q32; /* of the baseline's cells; the excess cell has the rest */
	__s64 js_q55;
	__s64 kl_q54;
	__s64 entropy_q54;
	__u32 cells; /* that either distribution has counts in */
};

/* The baseline's probability of the excess cell: 1 less the share of the other cells. */
JSG_INLINE __u64 jsg_excess_cell_q48(__u64 share_q32)
{
	return (JSG_ONE_Q32 - share_q32) << (JSG_PROBABILITY_BITS - JSG_SHARE_BITS);
}

JSG_INLINE void jsg_comparison_begin(struct jsg_comparison *c, __u64 p_total, __u64 q_total,
				     __u64 share_q32)
{
	c->p_total = p_total;
	c->q_total = q_total;
	c->log_p_total_q30 = jsg_log2_q30(p_total);
	c->log_q_total_q30 = jsg_log2_q30(q_total);
	c->share_q32 = share_q32;
	/* The window has nothing in the excess cell. */
	c->js_q55 = jsg_js_part_q55(0, jsg_excess_cell_q48(share_q32));
	c->kl_q54 = 0;
	c->entropy_q54 = 0;
	c->cells = 0;
}

/* The baseline's probability of a cell, times the share. */
JSG_INLINE __u64 jsg_comparison_q_q48(const struct jsg_comparison *c, __u64 q_count)
{
	return jsg_scale_q48(jsg_probability_q48(q_count, c->q_total), c->share_q32);
}

/* Adds a cell. Returns whether its probability is larger in the window than in the baseline. */
JSG_INLINE int jsg_comparison_add(struct jsg_comparison *c, __u64 p_count, __u64 q_count)
{
	__u64 p_q48, q_q48;

	if (!p_count && !q_count)
		return 0;
	c->cells++;
	p_q48 = jsg_probability_q48(p_count, c->p_total);
	q_q48 = jsg_comparison_q_q48(c, q_count);
	c->js_q55 += jsg_js_part_q55(p_q48, q_q48);
	if (!p_count)
		return 0;
	c->kl_q54 +=
		jsg_kl_part_q54(p_q48, p_count, c->log_p_total_q30, q_count, c->log_q_total_q30);
	c->entropy_q54 += jsg_entropy_part_q54(p_q48, p_count, c->log_p_total_q30);
	return p_q48 > q_q48;
}

/*
 * The Kullback-Leibler divergence of the window. Multiplying every q by the share adds
 * -log2(share) to it.
 */
JSG_INLINE __u64 jsg_comparison_kl_nanobits(const struct jsg_comparison *c)
{
	__u64 share_bits_q30 = (__u64)JSG_KL_CAP_BITS << JSG_LOG2_BITS;

	if (c->share_q32)
		share_bits_q30 =
			((__u64)JSG_SHARE_BITS << JSG_LOG2_BITS) - jsg_log2_q30(c->share_q32);
	return jsg_kl_nanobits(c->kl_q54 +
			       (__s64)(share_bits_q30 << (JSG_SUM_BITS - JSG_LOG2_BITS)));
}

#endif
