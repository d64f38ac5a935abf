#ifndef OUTLET_OUTLET_CORE_H
#define OUTLET_OUTLET_CORE_H

#include "base/clock.h"
#include "base/log.h"
#include "outlet/flush.h"
#include "outlet/format.h"
#include "outlet/inputs.h"
#include "outlet/outlet.h"
#include "outlet/ring.h"
#include "outlet/sources.h"

/* Time limit of each kind of work on subscribers in one turn: thousands of them would hold up
 * everything else. */
#define OUTLET_TURN_TIME CLOCK_NS_PER_MS

/* State shared by the outlet and its subscribers. */
struct outlet_core {
	struct log *log;
	struct log_subject subject;
	struct outlet_settings settings; /* its strings are the outlet's own */
	const struct outlet_format *format;
	struct ring ring;
	struct sources sources;
	struct flush flush;
	struct inputs *inputs;
	size_t input_max;            /* bytes of a message from a subscriber; 0: to be asked for */
	struct outlet_counts counts; /* except those that the readers keep */
	uint64_t greeting_timeout;   /* ns */
	bool ring_failed;            /* no memory for the ring, and it has been logged */
};

/* Maps the ring unless it is mapped. Returns false, and logs once, if memory is short. */
bool outlet_core_open_ring(struct outlet_core *core);

/* Tells a successor the names of the sources `from` to `end` - 1, or that they have been
 * removed. */
void outlet_core_record_names(struct outlet_core *core, unsigned from, unsigned end);

#endif
