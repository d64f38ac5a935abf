#ifndef OUTLET_MAPPED_H
#define OUTLET_MAPPED_H

#include "outlet/subscriber.h"

/* Subscribers that map the ring and read it themselves. */

/* Opens the ring and shares it; fails if the outlet cannot have such subscribers. */
bool mapped_allow(struct subscribers *subscribers, struct error *error);

/* Publishes, notifies awaiting subscribers, and wakes sleepers. */
void mapped_flush(struct subscribers *subscribers);

/* Wakes sleepers that would soon be lapped, in the middle of a batch. */
void mapped_catch_up(struct subscribers *subscribers);

/* Before a source's first record, number `seq`: announces its name to subscribers whose greeting
 * did not have it. */
void mapped_tell_name(struct subscribers *subscribers, uint64_t seq, unsigned source);

/* After a change of settings: ends them if on_lag has become wait. */
void mapped_refuse(struct subscribers *subscribers);

/* After sockets have been closed: wakes their readers to notice. */
void mapped_left(struct subscribers *subscribers);

#endif
