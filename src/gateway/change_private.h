#ifndef GATEWAY_CHANGE_PRIVATE_H
#define GATEWAY_CHANGE_PRIVATE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/change_plan.h"
#include "gateway/gateway_private.h"

/* The inside of a change to other settings: plan, prepare, commit. */

/* Steps taken for one outlet of the settings, which may still have to be undone. */
struct prepared_outlet {
	struct outlet *made; /* NULL: the running one becomes it */
	bool access_changed; /* mode, owner or group of the running one */
};

/* A piece of work for one item after the other; false: there is no item of that index. */
typedef bool change_step(struct gateway_change *change, size_t index);

struct gateway_change {
	struct gateway *gateway;
	struct settings *settings;
	struct settings_problems *problems;
	const struct gateway_change_callbacks *callbacks;
	void *context;
	struct event turn;

	change_step *const *steps; /* the present one and those that are left; NULL ends them */
	size_t index;              /* of the next item */
	bool waits;                /* until another process has unlocked a folder */
	unsigned retries;          /* because of that */
	bool failed;
	bool abandoned; /* the gateway stops */

	struct change_plan plan;
	struct prepared_outlet *prepared; /* one for each outlet of the settings */
	struct roster roster;             /* what will run; from change_swap() on, what ran */
	struct connection_list added;     /* the new ones of those that will run */
};

/* --- change_prepare.c: what can fail, and can be undone -------------------------------------- */

change_step change_prepare_outlet;
change_step change_decide; /* to go on, or to undo all of it */

/* --- change_commit.c: what cannot fail ------------------------------------------------------- */

change_step change_make_connection;
change_step change_make_outlet;
change_step change_swap;
change_step change_retire_connection;
change_step change_commit_outlet;
change_step change_drop_outlet;
change_step change_free_retired;
change_step change_commit_connection;
change_step change_start_connection;
change_step change_settle;

#endif
