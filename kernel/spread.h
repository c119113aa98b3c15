/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* spread.h: the spread of divergences while learning, and the threshold from it; plain C. */
#ifndef JSG_SPREAD_H
#define JSG_SPREAD_H

#include "jsguard.h"

/* The integer square root, rounded down, for any x. Each digit needs two bits of x. */
JSG_INLINE __u32 jsg_square_root(__u64 x)
{
	__u64 root = 0;

	for (int bit = 31; bit >= 0; bit--) {
		__u64 larger = root | 1ULL << bit;

		if (larger * larger <= x)
			root = larger;
	}
	return (__u32)root;
}

#define JSG_NANO_IN_MICRO 1000U

/*
 * Adds one divergence (billionths of a bit, 0..1,000,000,000) to the spread. Divergences are cut to
 * millionths. The mean and the deviation of the cut values are exact, except that the variance is
 * rounded to an integer. Bit budget: a square is below 2^40, so 2^24 windows fit. A variance is
 * below 2^38, and times 10^6 below 2^58.
 */
JSG_INLINE void jsg_spread_add(struct jsg_spread *spread, __u32 js_nanobits)
{
	__u64 micro = js_nanobits / JSG_NANO_IN_MICRO;
	__u64 mean, rest, variance;

	if (spread->windows >= 1U << 24)
		return;
	spread->windows++;
	spread->sum_microbits += micro;
	spread->sum_of_squares += micro * micro;
	if (js_nanobits > spread->maximum_nanobits)
		spread->maximum_nanobits = js_nanobits;
	mean = spread->sum_microbits / spread->windows;
	rest = spread->sum_microbits % spread->windows;
	/* The squared sum over the number of windows, in parts that fit. */
	variance = (spread->sum_of_squares - spread->sum_microbits * mean - mean * rest -
		    rest * rest / spread->windows) /
		   spread->windows;
	spread->mean_nanobits =
		(__u32)(spread->sum_microbits * JSG_NANO_IN_MICRO / spread->windows);
	spread->deviation_nanobits =
		jsg_square_root(variance * JSG_NANO_IN_MICRO * JSG_NANO_IN_MICRO);
}

/*
 * The threshold from the spread: the larger of mean + 3 standard deviations and maximum + margin.
 * In billionths of a bit.
 */
#define JSG_DEFAULT_THRESHOLD_NANOBITS 120000000U
#define JSG_THRESHOLD_MARGIN_NANOBITS 50000000U
#define JSG_THRESHOLD_MAX_NANOBITS 950000000U /* above this, hardly any window could exceed it */
#define JSG_SPREAD_WINDOWS 10 /* with fewer windows the default threshold applies */

JSG_INLINE __u32 jsg_threshold_of_spread(const struct jsg_spread *spread)
{
	__u64 by_deviation = (__u64)spread->mean_nanobits + 3 * (__u64)spread->deviation_nanobits;
	__u64 by_maximum = (__u64)spread->maximum_nanobits + JSG_THRESHOLD_MARGIN_NANOBITS;
	__u64 threshold = by_deviation > by_maximum ? by_deviation : by_maximum;

	if (spread->windows < JSG_SPREAD_WINDOWS)
		return JSG_DEFAULT_THRESHOLD_NANOBITS;
	return threshold < JSG_THRESHOLD_MAX_NANOBITS ? (__u32)threshold
						      : JSG_THRESHOLD_MAX_NANOBITS;
}

#endif
