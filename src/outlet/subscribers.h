#ifndef OUTLET_SUBSCRIBERS_H
#define OUTLET_SUBSCRIBERS_H

#include "outlet/subscriber.h"

/* All subscribers of an outlet. */

/* Borrows the core and the callbacks. */
void subscribers_init(struct subscribers *subscribers, struct outlet_core *core,
	const struct subscriber_callbacks *callbacks);

/* Closes them, without events. */
void subscribers_release(struct subscribers *subscribers);

/* Takes over an accepted socket, which it closes if there are too many. */
void subscribers_accept(struct subscribers *subscribers, int fd);

/* Applies changed settings. */
void subscribers_reconfigure(struct subscribers *subscribers);

/* The owner takes input again. */
void subscribers_resume_input(struct subscribers *subscribers);

/* Closes those still in their greeting. */
void subscribers_stop_greeting(struct subscribers *subscribers);

/* Closes those that have been sent everything, while there is time. */
void subscribers_end_complete(struct subscribers *subscribers);

/* Sends new records to ready subscribers: to a few, and to more within `time` (ns). Calls nothing
 * back. False: not all were served. */
bool subscribers_send_ready(struct subscribers *subscribers, uint64_t time);

/* Reports their losses to the owner, while there is time. */
void subscribers_report_losses(struct subscribers *subscribers);

/* Frees those that are gone, while there is time. */
void subscribers_reap(struct subscribers *subscribers);

/* Frees all; adds the number of messages that they have not been sent to `unsent`. False: `end`
 * (monotonic ns) has come, and more are left. */
bool subscribers_give_up(struct subscribers *subscribers, uint64_t end, uint64_t *unsent);

/* Logs who holds up the outlet's connections. */
void subscribers_log_slowest(struct subscribers *subscribers);

void subscribers_each(const struct subscribers *subscribers,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context);

#endif
