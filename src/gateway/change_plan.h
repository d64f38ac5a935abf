#ifndef GATEWAY_CHANGE_PLAN_H
#define GATEWAY_CHANGE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/names.h"
#include "gateway/gateway.h"
#include "gateway/settings.h"

struct gateway_outlet;

/*
 * The effect of new settings on everything that runs, decided from the configurations alone:
 * connections are matched by name, outlets by path. It allocates, but asks the system for nothing
 * and touches nothing that runs.
 */

/* The fate of a connection in the settings. */
struct planned_connection {
	struct connection *running;      /* NULL: it is new */
	enum settings_change difference; /* between what runs and the settings */
};

enum planned_outlet_action {
	PLAN_CREATE,  /* nothing runs at its path */
	PLAN_REPLACE, /* what runs there cannot become it: a new one takes its place */
	PLAN_ADAPT,   /* what runs there becomes it, and keeps its subscribers */
};

enum planned_outlet_sources {
	PLAN_ATTACH,       /* attach the connections that it takes */
	PLAN_ATTACH_ADDED, /* the same, of which only new ones can be missing */
	PLAN_REROUTE,      /* detach those that it does not take any more, then attach */
};

/* The fate of an outlet in the settings. */
struct planned_outlet {
	struct gateway_outlet *running; /* at its path; NULL: none */
	enum planned_outlet_action action;
	enum planned_outlet_sources sources;
};

/* Something that runs. */
struct plan_running_connection {
	struct connection *connection;
	const struct connection_config *config;
	bool stays; /* else it is retired */
};
struct plan_running_outlet {
	struct gateway_outlet *outlet;
	struct outlet_config config; /* its strings are borrowed until the plan is complete */
	bool stays;                  /* as itself or as its replacement; else it is dropped */
};

struct change_plan {
	const struct settings *settings;
	struct planned_connection *connections; /* one for each of the settings, in their order */
	struct planned_outlet *outlets;         /* the same */
	struct plan_running_connection *running_connections; /* in the order they were added */
	size_t running_connection_count;
	struct plan_running_outlet *running_outlets;
	size_t running_outlet_count;
	struct gateway_changes changes; /* what all of it amounts to */

	/* Private: indexes into what runs, plus 1. */
	struct names connections_by_name;
	struct names outlets_by_path;
};

/*
 * First everything that runs is added, then each connection and each outlet of the settings is
 * planned. Each call is little work, as there may be thousands.
 */
void change_plan_init(struct change_plan *plan, const struct settings *settings);
void change_plan_release(struct change_plan *plan);
void change_plan_add_connection(struct change_plan *plan, struct connection *connection,
	const struct connection_config *config);
void change_plan_add_outlet(struct change_plan *plan, struct gateway_outlet *outlet,
	const struct outlet_config *config);
void change_plan_connection(struct change_plan *plan, size_t index);
void change_plan_outlet(struct change_plan *plan, size_t index);

#endif
