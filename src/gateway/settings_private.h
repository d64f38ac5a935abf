#ifndef GATEWAY_SETTINGS_PRIVATE_H
#define GATEWAY_SETTINGS_PRIVATE_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/settings.h"
#include "gateway/settings_kind.h"

/*
 * Each kind of settings is described by one table, and the table does everything: defaults,
 * reading, unknown names, copying, comparing, freeing. A new setting is a new line in
 * settings_tables.c, its member in settings.h, and its entry in wsgated.conf(5).
 */

enum setting_flags {
	SETTING_REQUIRED = 1 << 0,
	SETTING_LIVE = 1 << 1,    /* a change takes effect without a new connection */
	SETTING_OWN = 1 << 2,     /* cannot have a common value in `defaults` */
	SETTING_SECRET = 1 << 3,  /* its value is never shown, not even in a problem */
	SETTING_LOGIN = 1 << 8,   /* part of how the gateway logs in, though not secret by itself */
	SETTING_RESTART = 1 << 4, /* of the gateway: a change needs a restart */

	/* A file that a value names is read whole, unless it is … */
	SETTING_FOLDER = 1 << 5,  /* … a folder */
	SETTING_LINE = 1 << 6,    /* … a secret in its first line: secrets_first_line() */
	SETTING_WRITTEN = 1 << 7, /* … written */
	SETTING_HEADER = 1 << 9,  /* with SETTING_LINE: it becomes the value of a header */

	SETTING_ENVIRONMENT = 1 << 10, /* a text whose default the environment may replace */
};

struct setting {
	const char *name; /* NULL ends a table */
	const struct setting_kind *kind;
	size_t offset; /* of the member in the struct that the table is for */
	size_t size;   /* of the member */

	/* As a user would write them; NULL: none. */
	const char *standard;
	const char *minimum;
	const char *maximum;

	const struct choice *choices;
	const struct setting
		*group; /* the table of a member that is a struct; NULL: it is a value */

	/* Of a text, or of each one of a list: what the room that uses it accepts. The text of the
	 * error follows the setting's name ("must be …"), and never has a secret. NULL: any. */
	bool (*check)(const char *text, struct error *error);

	unsigned flags;
};

static inline void *setting_member(const struct setting *setting, void *target)
{
	return (char *)target + setting->offset;
}

static inline const void *setting_member_const(const struct setting *setting, const void *target)
{
	return (const char *)target + setting->offset;
}

extern const struct setting gateway_settings_table[];    /* for struct gateway_settings */
extern const struct setting connection_config_table[];   /* for struct connection_config: its own */
extern const struct setting connection_settings_table[]; /* for struct connection_settings */
extern const struct setting outlet_config_table[];       /* for struct outlet_config */

/* The tables of each kind of group, by enum settings_group; NULL ends them. */
extern const struct setting *const settings_tables[][3];

/* settings_table.c: what can be done to a struct by its table. */

/* Gives a zeroed struct the standard values. */
void settings_table_init(const struct setting *table, void *target);

/* Gives the settings that have any of the flags their standard values back. */
void settings_table_reset(const struct setting *table, void *target, unsigned flags);

/* Both own what they hold; `target` may be zeroed. */
void settings_table_copy(const struct setting *table, void *target, const void *source);
void settings_table_release(const struct setting *table, void *target);
enum settings_change settings_table_compare(const struct setting *table, const void *before,
	const void *after);

/*
 * Of the settings that need a restart, gives those that differ the value that runs, and adds their
 * names, behind `prefix` and a dot, to `restart`. `only`: the one of that name; NULL: all.
 */
void settings_table_keep(const struct setting *table, const char *prefix, void *target,
	const void *running, const char *only, struct string_list *restart);

/* NULL: there is none of that name. */
const struct setting *settings_table_find(const struct setting *table, const char *name);

/* settings_read.c: from libconfig to structs. */

/* A struct, and what it takes of a group. */
struct settings_part {
	const struct setting *table; /* NULL ends an array */
	void *target;
};

/*
 * Reads what the group has over what the targets have. Whatever is wrong goes to `problems`, and
 * the member keeps its value. Settings with any of the `forbidden` flags are problems.
 */
void settings_read_parts(const struct settings_part *parts, const config_setting_t *group,
	unsigned forbidden, struct settings_problems *problems);

/* The same for a group that is one struct. */
void settings_read_group(const struct setting *table, void *target, const config_setting_t *group,
	unsigned forbidden, struct settings_problems *problems);

/* A problem for each required setting that has no value; `where` stands for the struct. */
void settings_read_required(const struct setting *table, const void *target,
	const config_setting_t *where, struct settings_problems *problems);

/* settings_gateway.c: the gateway's own. */

/* Gives zeroed ones their defaults. */
void gateway_settings_init(struct gateway_settings *gateway);

/* Makes the paths of the sockets absolute, and gives them modes. */
void gateway_settings_resolve(struct gateway_settings *gateway);
void gateway_settings_release(struct gateway_settings *gateway);

/* settings_check_connection.c: what a table cannot say of a connection. */

void connection_config_check(const struct connection_config *connection,
	const config_setting_t *where, struct settings_problems *problems);

/* settings_trust.c: what somebody who is not trusted may not set. */
void settings_check_untrusted(const config_setting_t *group, struct settings_problems *problems);

/* settings_check.c: what no single part shows. */

/* Where the parts stand in the files, for the problems between them. */
struct settings_places {
	const config_setting_t *gateway;      /* its group; the root, where there is none */
	const config_setting_t **connections; /* of each one in the settings */
	const config_setting_t **outlets;     /* of each one; of an implicit one: its connection */
	bool complete;                        /* every file could be parsed */
};

/*
 * settings_system.c: what depends on the system. Sets the ids of owners and groups, and looks
 * whether there is, and can be used, what the settings name: users, groups, folders of sockets,
 * files, TLS material. Nothing is changed.
 */
void settings_check_system(struct settings *settings, const struct settings_places *places,
	struct settings_problems *problems);

/* The part of it that one connection has, but for its TLS material, which takes its time. */
void connection_config_check_system(const struct connection_config *connection,
	const config_setting_t *where, struct settings_problems *problems);

/* Checks across connections and outlets: names and paths already taken, missing connections. */
void settings_check(const struct settings *settings, const struct settings_places *places,
	struct settings_problems *problems);

/* settings_problem.c: saying what is wrong, and where. */

/* Adds "FILE:LINE: connections[0].url: " and the text. */
void settings_problem(struct settings_problems *problems, const config_setting_t *where,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for what is no reason to refuse the configuration. */
void settings_warning(struct settings_problems *problems, const config_setting_t *where,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "FILE:LINE: connections[0].url", for the caller to free; empty where neither is known. */
char *settings_place(const config_setting_t *where);

/* The file and the line alone; NULL and 0 where they are not known. */
const char *settings_place_line(const config_setting_t *where, unsigned *line);

/* The member of that name, or the group itself for what it does not have: a place to point at. */
const config_setting_t *settings_problem_place(const config_setting_t *group, const char *member);

/* Finds what somebody may have meant: offer all the names, then use the text. */
struct settings_hint {
	const char *wanted;
	const char *nearest;
	size_t distance; /* letters to change */
};
void settings_hint_offer(struct settings_hint *hint, const char *name);

enum { SETTINGS_HINT_SIZE = 96 };
/* "; did you mean 'ping'?", or "" if nothing was near. */
void settings_hint_text(const struct settings_hint *hint, char text[SETTINGS_HINT_SIZE]);

#endif
