#ifndef GATEWAY_SETTINGS_ORIGIN_H
#define GATEWAY_SETTINGS_ORIGIN_H

#include <libconfig.h>

/*
 * Where the settings of a group stand: which of them, in which file, how many lines below the
 * group. Groups that are written alike share one, whatever their line is; so the origins of
 * thousands of generated connections take no memory of their own. Immutable, with a count of users
 * that is for one thread at a time.
 */
struct settings_origins;

/* The tables of a group's settings, as in settings_tables. */
enum settings_group { SETTINGS_GATEWAY, SETTINGS_CONNECTION, SETTINGS_OUTLET };

/*
 * Has one user. Settings that do not stand in the group come from the `inherited` origins of
 * `defaults`, if those have them, whose group is at `inherited_line`; NULL: there are none. `line`
 * becomes the group's own, 0 for a group in no file.
 */
struct settings_origins *settings_origins_new(enum settings_group kind,
	const config_setting_t *group, struct settings_origins *inherited, unsigned inherited_line,
	unsigned *line);

/* Takes over the origins; returns them, or `with`, which has one more user then, if they are
 * equal. */
struct settings_origins *settings_origins_share(struct settings_origins *origins,
	struct settings_origins *with);

/* One user more, who is returned them; and one less. NULL is ignored. */
struct settings_origins *settings_origins_hold(struct settings_origins *origins);
void settings_origins_release(struct settings_origins *origins);

/* The origin of a value. */
enum settings_from {
	SETTINGS_FROM_DEFAULT,     /* built in */
	SETTINGS_FROM_ENVIRONMENT, /* of the daemon */
	SETTINGS_FROM_DEFAULTS,    /* the group `defaults` */
	SETTINGS_FROM_FILE,        /* its own group */
	SETTINGS_FROM_CONTROL,     /* its own group, which came over the control socket */
	SETTINGS_FROM_RUNNING,     /* it runs; what the file says needs a restart */
};

struct settings_origin {
	enum settings_from from;
	const char *file; /* NULL: in none */
	unsigned line;
};

/* Of the setting with this number, counted through the tables of the kind. `origins` may be NULL,
 * `line` is that of the group. */
struct settings_origin settings_origins_find(const struct settings_origins *origins, unsigned line,
	unsigned number);

#endif
