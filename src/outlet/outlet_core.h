#ifndef OUTLET_OUTLET_CORE_H
#define OUTLET_OUTLET_CORE_H

#include "base/clock.h"
#include "base/log.h"
#include "outlet/flush.h"
#include "outlet/format.h"
#include "outlet/input_turns.h"
#include "outlet/outlet.h"
#include "outlet/ring.h"
#include "outlet/sources.h"

/* How long subscribers are looked after at a time, for each reason to: thousands of them would hold
 * up all else. */
#define OUTLET_TURN_TIME CLOCK_NS_PER_MS

/* What the outlet and its subscribers share. */
struct outlet_core {
	struct log *log;
	struct log_subject subject;
	struct outlet_settings settings; /* its strings are the outlet's own */
	const struct outlet_format *format;
	struct ring ring;
	struct sources sources;
	struct flush flush;
	struct input_turns *input_turns;
	struct outlet_counts counts; /* without what the readers count */
	uint64_t greeting_timeout; /* ns */
	bool ring_failed; /* no memory for the ring, and it has been logged */
};

/* Maps the ring unless it is mapped. False, and logged once: there is no memory. */
bool outlet_core_open_ring(struct outlet_core *core);

/* Tells a successor the names of the sources `from` to `end` - 1, or that they have been removed. */
void outlet_core_record_names(struct outlet_core *core, unsigned from, unsigned end);

#endif
