#ifndef OUTLET_MAPPED_H
#define OUTLET_MAPPED_H

#include "outlet/subscriber.h"

/* Subscribers that map the ring and read it themselves. */

/* Opens the ring and shares it; fails if there can be no such subscriber. */
bool mapped_allow(struct subscribers *subscribers, struct error *error);

/* Publishes, notifies awaiting subscribers, and wakes sleepers. */
void mapped_flush(struct subscribers *subscribers);

/* Wakes sleepers that would soon be lapped, in the middle of a batch. */
void mapped_catch_up(struct subscribers *subscribers);

/* Before the first record of a source, which is number `seq`: tells its name to those who have not had
 * it by greeting. */
void mapped_tell_name(struct subscribers *subscribers, uint64_t seq, unsigned source);

/* The settings have changed: ends them if on_lag has become wait. */
void mapped_refuse(struct subscribers *subscribers);

/* After sockets have been closed: has their readers look. */
void mapped_left(struct subscribers *subscribers);

#endif
