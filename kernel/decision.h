/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* decision.h: the expected number of sockets, a window's verdict, raise and clear; plain C. */
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
 * How many sockets are open, and how many are to be expected by Little's law (Little 1961,
 * Operations Research 9(3)): as many as in the baseline, and in proportion more when there are more
 * exchanges a second, for then each is as long as before. Numbers in thousandths of a socket.
 */
struct jsg_expectation {
	__u32 open;
	__u32 expected;
	__u32 excess; /* open beyond twice the expected */
	__u32 held; /* of those open: that do not move */
	__u32 held_excess; /* held beyond twice the expected of these */
	__u64 share_q32; /* of the baseline's cells, the rest is in "unexpected" */
};

/* A number over a time as thousandths a second, saturated. Domain: seconds >= 1. */
JSG_INLINE __u32 jsg_rate_milli(__u64 number, __u32 seconds)
{
	return jsg_saturate_u32(number * JSG_MILLI / seconds);
}

/*
 * The expected number (thousandths) at so many exchanges a second (thousandths) for a baseline that
 * had base sockets open at base_rate exchanges a second. A baseline without any exchange says
 * nothing of how long one takes: then each is given one second on top, as before anything is
 * learned.
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
 * Up to twice the expected nothing is odd about the number; beyond, the baseline's cells share
 * 2e/n. Of what is held likewise: a request or a response that moves is being served, however
 * slowly, so an excess of these alone is no evidence of anything held.
 */
JSG_INLINE struct jsg_expectation jsg_expect(__u32 open, __u32 expected, __u32 held,
					     __u32 held_expected)
{
	struct jsg_expectation e = {
		.open = open,
		.expected = expected,
		.excess = 0,
		.held = held,
		.held_excess = 0,
		.share_q32 = JSG_ONE_Q32,
	};
	__u64 usual = 2 * (__u64)expected, held_usual = 2 * (__u64)held_expected;

	if (open > usual) {
		e.excess = open - (__u32)usual;
		e.share_q32 = (usual << JSG_SHARE_BITS) / open;
	}
	if (held > held_usual)
		e.held_excess = held - (__u32)held_usual;
	return e;
}

/* Whether an occupancy alert has its evidence in numbers: more open, and more held, than usual. */
JSG_INLINE int jsg_exceeds(const volatile struct jsg_config *config,
			   const struct jsg_expectation *sockets)
{
	__u64 needed = (__u64)config->min_sockets * JSG_MILLI;

	return sockets->excess >= needed && sockets->held_excess >= needed;
}

/* What one signal's divergence is held against. All in billionths of a bit. */
struct jsg_bounds {
	__u32 js;
	__u32 threshold;
	__u32 chance; /* that chance alone gives to a normal window */
};

/*
 * Whether about as many connections were opened as were closed. A service that fills or drains (it
 * was restarted, a crowd came, a server reaps its idle connections) has another mix of transitions
 * than one that does neither, and no fault of anyone's in it: what fills it is judged by its
 * occupancy if it is not answered, and looks like a crowd if it is.
 */
JSG_INLINE int jsg_balanced(const volatile struct jsg_config *config, __u32 opened, __u32 closed)
{
	__u64 more = opened > closed ? opened : closed;
	__u64 less = opened > closed ? closed : opened;

	return 2 * more <= 3 * less + 2 * (__u64)config->min_sockets; /* half as many again */
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
	if (bounds.js <= bounds.chance)
		return JSG_NOT_ENOUGH_TRAFFIC;
	return balanced ? JSG_OVER : JSG_UNBALANCED;
}

/*
 * A divergence that chance explains gives no verdict, or a handful of looks would keep an alert up
 * for ever; but an excess, however few looks, is there.
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
		return bounds.js > bounds.threshold && bounds.js > bounds.chance ? JSG_OVER
										 : JSG_EXCESS_ONLY;
	if (more_open)
		return JSG_MOVING;
	if (bounds.js <= bounds.threshold)
		return JSG_NORMAL;
	return bounds.js > bounds.chance ? JSG_NO_EXCESS : JSG_NOT_ENOUGH_TRAFFIC;
}

/*
 * Whether a step counts towards clear: divergence and excess are both under, or nothing is held, or
 * there is no verdict.
 */
JSG_INLINE int jsg_counts_towards_clear(enum jsg_verdict verdict)
{
	return verdict <= JSG_MOVING;
}
JSG_ASSERT(JSG_NOTHING_SEEN < JSG_MOVING && JSG_NOT_JUDGED < JSG_MOVING &&
		   JSG_NOT_ENOUGH_TRAFFIC < JSG_MOVING && JSG_NORMAL < JSG_MOVING &&
		   JSG_EXCESS_ONLY > JSG_MOVING && JSG_UNBALANCED > JSG_MOVING,
	   "what counts towards clear comes first");

/* What a step changed about an alert. */
enum jsg_change {
	JSG_NO_CHANGE,
	JSG_RAISED,
	JSG_CLEARED,
};

/* Takes one step's verdict into account. The caller numbers and sends what it changed. */
JSG_INLINE enum jsg_change jsg_track(struct jsg_alert_track *track,
				     const volatile struct jsg_config *config,
				     enum jsg_verdict verdict, __u32 js_nanobits, __u64 now_ns,
				     __u64 now_unix_ms)
{
	track->over_steps = verdict == JSG_OVER ? track->over_steps + 1 : 0;
	if (track->state != JSG_ALERT) {
		if (track->over_steps == 1)
			track->since_unix_ms = now_unix_ms;
		track->state = track->over_steps ? JSG_CONFIRMING : JSG_QUIET;
		if (!track->over_steps || track->over_steps < config->confirm_steps)
			return JSG_NO_CHANGE;
		track->state = JSG_ALERT;
		track->raised_ns = now_ns;
		track->clear_steps = 0;
		track->peak_nanobits = js_nanobits;
		return JSG_RAISED;
	}
	if (verdict == JSG_OVER && js_nanobits > track->peak_nanobits)
		track->peak_nanobits = js_nanobits;
	track->clear_steps = jsg_counts_towards_clear(verdict) ? track->clear_steps + 1 : 0;
	if (track->clear_steps < config->clear_steps)
		return JSG_NO_CHANGE;
	track->state = JSG_QUIET;
	track->over_steps = 0;
	return JSG_CLEARED;
}

#endif
