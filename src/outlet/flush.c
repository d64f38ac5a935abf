#include "outlet/flush.h"

static void flush_on_event(evutil_socket_t fd, short what, void *context)
{
	struct flush *flush = context;

	(void)fd, (void)what;
	flush->scheduled = false;
	flush->run(flush);
}

/* The event goes behind those that are already waiting in this turn of the loop. */
void flush_activate(struct flush *flush)
{
	flush->scheduled = true;
	if (!flush->event)
		flush->event = evtimer_new(flush->base, flush_on_event, flush);
	event_active(flush->event, EV_TIMEOUT, 0);
}

void flush_release(struct flush *flush)
{
	if (flush->event)
		event_free(flush->event);
	flush->event = NULL;
}
