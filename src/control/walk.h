#ifndef CONTROL_WALK_H
#define CONTROL_WALK_H

#include "control/report.h"
#include "control/rpc.h"
#include "gateway/gateway.h"

/*
 * Answers that go through everything of a kind, a few items at a time while the gateway goes on. A
 * walk begins with the names of that moment; what no longer exists when its turn comes is left out.
 */

typedef void (*walk_report)(struct json_writer *json, const char *name,
	const struct connection *connection, enum report_view view);

/* An array of what `report` puts for each connection; `named`: an object, by name. */
void walk_connections(struct rpc_call *call, struct gateway *gateway, enum report_view view,
	bool named, walk_report report);

void walk_outlets(struct rpc_call *call, struct gateway *gateway);

/* Of one outlet, or of all: NULL. */
void walk_subscribers(struct rpc_call *call, struct gateway *gateway, const struct outlet *only);

/* The queued warnings with a number above `after`, of one connection or of all: NULL. `take` drops
 * each from its queue as it goes into the answer. */
void walk_warnings(struct rpc_call *call, struct gateway *gateway, struct connection *only,
	uint64_t after, bool take);

#endif
