#ifndef OUTLET_SUBSCRIBERS_H
#define OUTLET_SUBSCRIBERS_H

#include "outlet/subscriber.h"

/* All subscribers of an outlet. */

/* Borrows the core and the callbacks. */
void subscribers_init(struct subscribers *subscribers, struct outlet_core *core,
	const struct subscriber_callbacks *callbacks);

/* Closes them without a word. */
void subscribers_release(struct subscribers *subscribers);

/* Takes over an accepted socket, which it closes if there are too many. */
void subscribers_accept(struct subscribers *subscribers, int fd);

/* The settings have changed. */
void subscribers_reconfigure(struct subscribers *subscribers);

/* The owner takes input again. */
void subscribers_resume_input(struct subscribers *subscribers);

/* Those that are still being greeted leave. */
void subscribers_stop_greeting(struct subscribers *subscribers);

/* Those that have all that there is leave, while there is time. */
void subscribers_end_complete(struct subscribers *subscribers);

/* Sends the ready ones what is new: to a few, and to more within `time` (ns). Calls nothing back.
 * False: there are others. */
bool subscribers_send_ready(struct subscribers *subscribers, uint64_t time);

/* Tells the owner what they have lost, while there is time. */
void subscribers_report_losses(struct subscribers *subscribers);

/* Frees those that are gone, while there is time. */
void subscribers_reap(struct subscribers *subscribers);

/* Frees all; adds what they have not been sent to `unsent`, messages. False: it is `end` (monotonic
 * ns), and there are more. */
bool subscribers_give_up(struct subscribers *subscribers, uint64_t end, uint64_t *unsent);

void subscribers_each(const struct subscribers *subscribers,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context);

#endif
