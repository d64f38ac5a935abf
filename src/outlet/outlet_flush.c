#include "base/container.h"
#include "outlet/mapped.h"
#include "outlet/outlet_private.h"

/* Runs once a turn of the event loop has published everything that was ready. */

static void outlet_tell_attended(struct outlet *outlet)
{
	bool attended = outlet->subscribers.count > 0;

	if (attended == outlet->attended)
		return;
	outlet->attended = attended;
	if (outlet->callbacks->attended)
		outlet->callbacks->attended(outlet, outlet->callbacks->context);
}

void outlet_on_flush(struct flush *flush)
{
	struct outlet *outlet = container_of(flush, struct outlet, core.flush);
	struct subscribers *subscribers = &outlet->subscribers;

	mapped_flush(subscribers);
	if (!subscribers_send_ready(subscribers, OUTLET_TURN_TIME))
		flush_schedule(flush);
	if (outlet->draining && !sources_remain(&outlet->core.sources))
		subscribers_end_complete(subscribers);
	subscribers_report_losses(subscribers);
	outlet_report_unpublished(outlet);
	subscribers_reap(subscribers);
	mapped_left(subscribers);
	outlet_give_room(outlet);
	outlet_tell_attended(outlet);
}
