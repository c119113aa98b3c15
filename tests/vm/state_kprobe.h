/* SPDX-License-Identifier: BSD-2-Clause */
/* state_kprobe.h: the constants that the kprobe and its test share. */
#ifndef STATE_KPROBE_H
#define STATE_KPROBE_H

#include "kernel/jsguard.h"

#define KPROBE_PORTS 2

#endif
