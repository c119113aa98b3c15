/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fixed_point.h: unsigned fixed-point fractions and products for BPF, C and C++; plain C. */
#ifndef JSG_FIXED_POINT_H
#define JSG_FIXED_POINT_H

#include <linux/types.h>

#define JSG_INLINE static inline __attribute__((always_inline, unused))

/*
 * A large function. In BPF it is global, so the verifier checks it once, on its own. An inlined
 * function would be checked again at each call.
 */
#ifdef __bpf__
#define JSG_FUNCTION __attribute__((noinline))
#else
#define JSG_FUNCTION static inline __attribute__((unused))
#endif

#ifdef __cplusplus
#define JSG_ASSERT(condition, why) static_assert(condition, why)
#else
#define JSG_ASSERT(condition, why) _Static_assert(condition, why)
#endif

/* A probability is Q48: 0..2^48 for 0..1. Information is Q54 in a signed sum: 2^54 is one bit. */
#define JSG_PROBABILITY_BITS 48
#define JSG_LOG2_BITS 30
#define JSG_SUM_BITS 54
#define JSG_ONE_Q48 (1ULL << JSG_PROBABILITY_BITS)
#define JSG_ONE_Q30 (1ULL << JSG_LOG2_BITS)
#define JSG_ONE_Q54 (1LL << JSG_SUM_BITS)

/* No count exceeds 2^32 and no total of a histogram 2^40: it has at most 256 counts of 32 bits. */
#define JSG_COUNT_BITS 32
#define JSG_TOTAL_BITS 40
#define JSG_NANO 1000000000U

/*
 * Long division in two steps, because count << 48 does not fit. The first step gives 31 bits, and
 * the rest of its division gives 17 more. Bit budget: count <= 2^32, so count << 31 <= 2^63. And
 * rest < total <= 2^40, so rest << 17 < 2^57.
 */
#define JSG_DIVISION_FIRST_BITS 31
#define JSG_DIVISION_REST_BITS (JSG_PROBABILITY_BITS - JSG_DIVISION_FIRST_BITS)
JSG_ASSERT(JSG_COUNT_BITS + JSG_DIVISION_FIRST_BITS <= 63, "first step of the division fits");
JSG_ASSERT(JSG_TOTAL_BITS + JSG_DIVISION_REST_BITS <= 63, "second step of the division fits");

/*
 * count / total as a probability. Domain: 0 <= count <= total, count <= 2^32, 1 <= total <= 2^40.
 * Result in Q48, rounded down: 0 <= count/total - result/2^48 < 2^-48. Equal ratios give equal
 * results.
 */
JSG_INLINE __u64 jsg_probability_q48(__u64 count, __u64 total)
{
	__u64 dividend = count << JSG_DIVISION_FIRST_BITS;
	__u64 first = dividend / total;
	__u64 rest = dividend - first * total;

	return (first << JSG_DIVISION_REST_BITS) | ((rest << JSG_DIVISION_REST_BITS) / total);
}

/*
 * The product of a probability (Q48, at most 1) and a number of bits (Q30, under 2^6), in Q54.
 * Rounded down once: 0 <= exact - result < 1 unit of 2^-54. p times exactly one bit is exactly p.
 * The BPF back end refuses a 128-bit product. So the probability is split in halves of 24 bits, and
 * 2^24 * 2^36 = 2^60 fits.
 */
#define JSG_SPLIT_BITS (JSG_PROBABILITY_BITS + JSG_LOG2_BITS - JSG_SUM_BITS)
JSG_ASSERT(2 * JSG_SPLIT_BITS == JSG_PROBABILITY_BITS, "the probability is split in halves");
JSG_ASSERT(JSG_SPLIT_BITS + 1 + JSG_LOG2_BITS + 6 <= 63, "half a probability times 64 bits fits");

JSG_INLINE __u64 jsg_product_q54(__u64 probability_q48, __u64 bits_q30)
{
	__u64 high = probability_q48 >> JSG_SPLIT_BITS;
	__u64 low = probability_q48 & ((1ULL << JSG_SPLIT_BITS) - 1);

	return high * bits_q30 + ((low * bits_q30) >> JSG_SPLIT_BITS);
}

/*
 * A probability (Q48, at most 1) scaled by a share (Q32, at most 1), in Q48. Rounded down: 0 <=
 * exact - result < 1 unit of 2^-48. The share has few enough bits for jsg_product_q54().
 */
#define JSG_SHARE_BITS 32
#define JSG_ONE_Q32 (1ULL << JSG_SHARE_BITS)
JSG_ASSERT(JSG_SHARE_BITS <= JSG_LOG2_BITS + 6, "a share is in the product's domain");

JSG_INLINE __u64 jsg_scale_q48(__u64 probability_q48, __u64 share_q32)
{
	return jsg_product_q54(probability_q48, share_q32) >> (JSG_SHARE_BITS - JSG_SPLIT_BITS);
}

/*
 * Converts a sum in units of 2^-fraction_bits (34 <= fraction_bits <= 62) to billionths. The
 * fraction is cut to 34 bits, and the result is rounded to the nearest: |error| < 0.56 billionths.
 * A sum that is less than 2^-34 below a whole number gives that number. A sum below 0 gives 0. Bit
 * budget: 2^34 * 10^9 < 2^63.9.
 */
#define JSG_NANO_CUT_BITS 34
JSG_ASSERT(((1ULL << JSG_NANO_CUT_BITS) * JSG_NANO) >> JSG_NANO_CUT_BITS == JSG_NANO,
	   "the product of fraction and billion fits");

JSG_INLINE __u64 jsg_nano(__s64 sum, unsigned int fraction_bits)
{
	__u64 magnitude, fraction;

	if (sum <= 0)
		return 0;
	magnitude = (__u64)sum;
	fraction =
		(magnitude & ((1ULL << fraction_bits) - 1)) >> (fraction_bits - JSG_NANO_CUT_BITS);
	return (magnitude >> fraction_bits) * JSG_NANO +
	       ((fraction * JSG_NANO + (1ULL << (JSG_NANO_CUT_BITS - 1))) >> JSG_NANO_CUT_BITS);
}

/* A probability (Q48) in billionths, rounded to the nearest. */
JSG_INLINE __u32 jsg_probability_nano(__u64 probability_q48)
{
	return (__u32)jsg_nano((__s64)probability_q48, JSG_PROBABILITY_BITS);
}

#endif
