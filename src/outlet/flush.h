#ifndef OUTLET_FLUSH_H
#define OUTLET_FLUSH_H

#include <event2/event.h>
#include <stdbool.h>

/*
 * A call that runs once after everything that is ready in this turn of the event loop has been
 * handled, however often it was scheduled.
 */
struct flush {
	struct event_base *base;
	void (*run)(struct flush *flush);
	struct event *event; /* NULL until first scheduled, which most outlets never are */
	bool scheduled;
};

void flush_release(struct flush *flush);

/* For flush_schedule(). */
void flush_activate(struct flush *flush);

static inline void flush_schedule(struct flush *flush)
{
	if (!flush->scheduled)
		flush_activate(flush);
}

#endif
