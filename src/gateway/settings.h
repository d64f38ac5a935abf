#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "net/tls.h"
#include "outlet/outlet.h"
#include "ws/handshake.h"

/*
 * The configuration as structs. Durations are nanoseconds, sizes bytes; a string that is not set is
 * NULL. Every string and list belongs to the struct it stands in.
 */

struct string_list {
	char **items;
	size_t count;
};

struct header_list {
	struct ws_header *items;
	size_t count;
};

/* When an operation is slow enough for a warning. Both thresholds 0: no warnings. */
struct warn_settings {
	uint64_t warning_ms; /* an operation that takes longer */
	uint64_t warning_bs; /* a transfer slower than so many bytes a second, */
	uint64_t min_ms;     /* if it took at least this */
	char *arg;           /* JSON text that each warning carries; NULL: none */
	uint64_t queue;      /* warnings kept until they are asked for */
};

/* When the gateway opens a connection by itself. */
enum connection_when {
	WHEN_ALWAYS, /* at start, and again whenever it is lost */
	WHEN_MANUAL, /* never: `connect` does */
};

struct connection_settings {
	char *name;
	char *url;
	enum connection_when when;
	struct header_list headers;
	struct string_list protocols;
	struct string_list on_open; /* sent first, as text messages */
	char *origin;
	char *user_agent;
	char *bearer_file; /* read at each connect */
	uint64_t connect_timeout;
	uint64_t tls_timeout;
	uint64_t upgrade_timeout;
	uint64_t close_timeout;
	uint64_t ping_interval; /* 0: no pings */
	uint64_t ping_timeout;  /* from a ping to its pong */
	uint64_t idle_timeout;  /* no message for so long: reconnect; 0: never */
	uint64_t max_message;
	uint64_t send_queue; /* bytes that may wait for the server */
	struct {
		bool enabled;
		uint64_t min;
		uint64_t max;
		double factor;
		uint64_t stable; /* open for so long: the next failure starts from min again */
	} reconnect;
	struct tls_settings tls;
	struct warn_settings warn;
};

struct outlet_config {
	struct outlet_settings outlet;
	struct string_list from; /* names or globs of connections */
	bool implicit;           /* made for a connection that no outlet names */
};

struct gateway_settings {
	char *runtime_dir;
	struct {
		char *path; /* absolute */
		mode_t mode;
		char *owner;
		char *group;
	} control;
	struct {
		int level;
		enum log_format format;
	} log;
	struct string_list dns; /* name servers; none: those of /etc/resolv.conf */
	uint64_t drain_timeout; /* for subscribers and closing handshakes at the end */
};

struct settings {
	struct gateway_settings gateway;
	struct connection_settings *defaults; /* what a new connection starts from */
	struct connection_settings **connections;
	size_t connection_count; /* a taker of the items sets this to 0 */
	struct outlet_config **outlets; /* the implicit ones included */
	size_t outlet_count; /* likewise */
};

/* What is wrong with a configuration: one message a line, "FILE:LINE: connections[0].url: …". */
struct settings_problems {
	char **texts;
	size_t count;
};

/*
 * Reads the file and conf.d/ *.conf beside it. NULL if anything is wrong: then `problems`, which
 * must be zeroed before, has all of it. The caller owns both and gives them to settings_free() and
 * settings_problems_release().
 */
struct settings *settings_load(const char *file, struct settings_problems *problems);
void settings_free(struct settings *settings);
void settings_problems_release(struct settings_problems *problems);

/*
 * One connection from a libconfig group (the `add` command makes one from JSON), over the same
 * defaults as the file's. NULL and `problems` if anything is wrong.
 */
struct connection_settings *settings_connection(const config_setting_t *group,
	const struct settings *settings, struct settings_problems *problems);
void connection_settings_free(struct connection_settings *settings);

/* The outlet that a connection gets which no outlet names: <runtime_dir>/<name>.sock, `lines`. */
struct outlet_config *settings_implicit_outlet(const struct settings *settings,
	const char *connection);
void outlet_config_free(struct outlet_config *outlet);

bool outlet_config_takes(const struct outlet_config *outlet, const char *connection);

/* Whether the ring of a `wait` outlet can hold the largest message of a connection that it takes;
 * always true for others. */
bool outlet_config_holds(const struct outlet_config *outlet,
	const struct connection_settings *connection, struct error *error);

/* What a change from one to the other asks for. */
enum settings_change {
	SETTINGS_SAME,
	SETTINGS_LIVE,      /* can be taken over while the connection stays open */
	SETTINGS_RECONNECT, /* needs a new connection to take effect */
};
enum settings_change connection_settings_compare(const struct connection_settings *before,
	const struct connection_settings *after);

bool outlet_config_same(const struct outlet_config *before, const struct outlet_config *after);

#endif
