/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* decision.h: the expected number of sockets, a window's verdict, and alerts; plain C. */
#ifndef JSG_DECISION_H
#define JSG_DECISION_H

#include "jsguard.h"

#define JSG_MILLI 1000U
#define JSG_U32_MAX 0xffffffffULL

JSG_INLINE __u32 jsg_saturate_u32(__u64 value)
{
	return value > JSG_U32_MAX ? (__u32)JSG_U32_MAX : (__u32)value;
}

/*
 * How many sockets are open, and how many are expected by Little's law (Little 1961, Operations
 * Research 9(3)): as many as in the baseline, and proportionally more if there are more exchanges a
 * second. All numbers are in thousandths of a socket.
 */
struct jsg_expectation {
	__u32 open;
	__u32 expected;
	__u32 excess; /* open sockets above twice the expected number */
	__u32 stalled; /* the stalled ones among the open sockets */
	__u32 stalled_excess; /* above twice the expected number of stalled sockets */
	__u64 share_q32; /* of the baseline's cells; the excess cell has the rest */
};

/* A number divided by a time, in thousandths a second, saturated. Domain: seconds >= 1. */
JSG_INLINE __u32 jsg_rate_milli(__u64 number, __u32 seconds)
{
	return jsg_saturate_u32(number * JSG_MILLI / seconds);
}

/*
 * The expected number of sockets: base max(1, rate / base_rate), for a baseline that had base
 * sockets open at base_rate exchanges a second. All in thousandths. A baseline without exchanges
 * does not show how long an exchange takes: then each one takes a second, as in the generic
 * baseline, and the result is base + rate.
 */
JSG_INLINE __u32 jsg_expected_milli(__u32 base, __u32 base_rate, __u32 rate)
{
	__u64 ratio_q16;

	if (!base_rate)
		return jsg_saturate_u32((__u64)base + rate);
	ratio_q16 = ((__u64)rate << 16) / base_rate;
	if (ratio_q16 < 1U << 16)
		ratio_q16 = 1U << 16;
	return jsg_saturate_u32(((__u64)base * jsg_saturate_u32(ratio_q16)) >> 16);
}

/*
 * A number n of open sockets is normal up to twice the expected number e. Above that, the
 * baseline's cells share 2e/n, and the excess cell has the rest. Stalled sockets have their own
 * expected number, because a moving request or response is being served, however slowly.
 */
JSG_INLINE struct jsg_expectation jsg_expect(__u32 open, __u32 expected, __u32 stalled,
					     __u32 stalled_expected)
{
	struct jsg_expectation e = {
		.open = open,
		.expected = expected,
		.excess = 0,
		.stalled = stalled,
		.stalled_excess = 0,
		.share_q32 = JSG_ONE_Q32,
	};
	__u64 usual = 2 * (__u64)expected, stalled_usual = 2 * (__u64)stalled_expected;

	if (open > usual) {
		e.excess = open - (__u32)usual;
		e.share_q32 = (usual << JSG_SHARE_BITS) / open;
	}
	if (stalled > stalled_usual)
		e.stalled_excess = stalled - (__u32)stalled_usual;
	return e;
}

/* Whether the excess of open sockets, and that of stalled ones, is enough for an alert. */
JSG_INLINE int jsg_exceeds(const volatile struct jsg_config *config,
			   const struct jsg_expectation *sockets)
{
	__u64 needed = (__u64)config->min_sockets * JSG_MILLI;

	return sockets->excess >= needed && sockets->stalled_excess >= needed;
}

/* The divergence of one signal and the bounds that judge it. All in billionths of a bit. */
struct jsg_bounds {
	__u32 js;
	__u32 threshold;
	__u32 significance; /* the significance bound */
};

/*
 * Whether about as many connections were opened as were closed. While a service fills or drains,
 * its mix of transitions is different without any attack: after a restart, in a crowd, or when a
 * server closes its idle connections. If the connections that fill a service are not answered, its
 * occupancy shows that. If they are answered, they are a crowd.
 */
JSG_INLINE int jsg_balanced(const volatile struct jsg_config *config, __u32 opened, __u32 closed)
{
	__u64 more = opened > closed ? opened : closed;
	__u64 less = opened > closed ? closed : opened;

	return 2 * more <= 3 * less + 2 * (__u64)config->min_sockets; /* up to half as many again */
}

JSG_INLINE enum jsg_verdict jsg_judge_transitions(const volatile struct jsg_config *config,
						  __u32 transitions, int balanced,
						  struct jsg_bounds bounds)
{
	if (!transitions)
		return JSG_NOTHING_SEEN;
	if (transitions < config->min_transitions)
		return JSG_NOT_ENOUGH_TRAFFIC;
	if (bounds.js <= bounds.threshold)
		return JSG_NORMAL;
	if (bounds.js <= bounds.significance)
		return JSG_NOT_ENOUGH_TRAFFIC;
	return balanced ? JSG_ABOVE : JSG_UNBALANCED;
}

/*
 * A divergence within the significance bound gives no verdict. Otherwise a few samples could keep
 * an alert up for ever. An excess of sockets counts however few samples there are.
 */
JSG_INLINE enum jsg_verdict jsg_judge_occupancy(const volatile struct jsg_config *config,
						const struct jsg_expectation *sockets,
						struct jsg_bounds bounds)
{
	int more_open = sockets->excess >= (__u64)config->min_sockets * JSG_MILLI;
	int exceeds = jsg_exceeds(config, sockets);

	if (!sockets->open)
		return JSG_NOTHING_SEEN;
	if (exceeds)
		return bounds.js > bounds.threshold && bounds.js > bounds.significance
			       ? JSG_ABOVE
			       : JSG_EXCESS_ONLY;
	if (more_open)
		return JSG_MOVING;
	if (bounds.js <= bounds.threshold)
		return JSG_NORMAL;
	return bounds.js > bounds.significance ? JSG_NO_EXCESS : JSG_NOT_ENOUGH_TRAFFIC;
}

/*
 * Whether a step counts towards clearing an alert. It does if divergence and excess are both small,
 * if the excess is moving, or if there is no verdict.
 */
JSG_INLINE int jsg_counts_towards_clear(enum jsg_verdict verdict)
{
	return verdict <= JSG_MOVING;
}
JSG_ASSERT(JSG_NOTHING_SEEN < JSG_MOVING && JSG_NOT_JUDGED < JSG_MOVING &&
		   JSG_NOT_ENOUGH_TRAFFIC < JSG_MOVING && JSG_NORMAL < JSG_MOVING &&
		   JSG_EXCESS_ONLY > JSG_MOVING && JSG_UNBALANCED > JSG_MOVING,
	   "the verdicts that count towards clearing come first");

/* How a step changed an alert. */
enum jsg_change {
	JSG_NO_CHANGE,
	JSG_RAISED,
	JSG_CLEARED,
};

/* Updates an alert by one step's verdict. The caller numbers the alert and sends the change. */
JSG_INLINE enum jsg_change jsg_track(struct jsg_alert_track *track,
				     const volatile struct jsg_config *config,
				     enum jsg_verdict verdict, __u32 js_nanobits, __u64 now_ns,
				     __u64 now_unix_ms)
{
	track->above_steps = verdict == JSG_ABOVE ? track->above_steps + 1 : 0;
	if (track->state != JSG_ALERT) {
		if (track->above_steps == 1)
			track->since_unix_ms = now_unix_ms;
		track->state = track->above_steps ? JSG_CONFIRMING : JSG_QUIET;
		if (!track->above_steps || track->above_steps < config->confirm_steps)
			return JSG_NO_CHANGE;
		track->state = JSG_ALERT;
		track->raised_ns = now_ns;
		track->clear_steps = 0;
		track->peak_nanobits = js_nanobits;
		return JSG_RAISED;
	}
	if (verdict == JSG_ABOVE && js_nanobits > track->peak_nanobits)
		track->peak_nanobits = js_nanobits;
	track->clear_steps = jsg_counts_towards_clear(verdict) ? track->clear_steps + 1 : 0;
	if (track->clear_steps < config->clear_steps)
		return JSG_NO_CHANGE;
	track->state = JSG_QUIET;
	track->above_steps = 0;
	return JSG_CLEARED;
}

#endif
