#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "gateway/backoff.h"
#include "gateway/warnings.h"
#include "net/proxy.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "outlet/outlet.h"
#include "ws/deflate.h"
#include "ws/endpoint.h"

/*
 * The configuration as structs. Durations are nanoseconds, sizes bytes; a string that is not set is
 * NULL. Every string and list belongs to the struct it stands in.
 */

struct integer_list {
	unsigned *items;
	size_t count;
};

/* When the gateway opens a connection by itself. */
enum connection_when {
	WHEN_ALWAYS,     /* at start, and again whenever it is lost */
	WHEN_SUBSCRIBED, /* while an outlet of it has subscribers */
	WHEN_MANUAL,     /* never: `connect` does */
};

/*
 * Connection settings. Connections with equal settings share one. What a struct of another room
 * holds goes there as it is.
 */
struct connection_settings {
	unsigned users; /* who share it: connections, and what their sessions are still to send */
	enum connection_when when;
	uint64_t linger; /* WHEN_SUBSCRIBED: open for so long after the last subscriber has left */
	struct header_list headers;
	struct header_list header_files; /* the values: first lines of files, read at each connect */
	struct string_list protocols;
	struct string_list on_open; /* sent first, as text messages; with placeholders */
	char *on_open_file; /* likewise one a line, after them; read at each open */
	char *host; /* for the Host header instead of the URL's */
	char *origin;
	char *user_agent;
	char *username; /* Basic authentication; then the URL has none */
	char *password_file; /* read at each connect; only with a username */
	char *bearer_file; /* likewise; not with a username */
	unsigned max_redirects;
	struct string_list redirect_hosts; /* others that may be redirected to; with patterns */
	uint64_t connect_timeout;
	uint64_t tls_timeout;
	uint64_t upgrade_timeout;
	struct ws_endpoint_settings endpoint;
	struct {
		bool enabled;
		struct ws_deflate_parameters offer;
		int level;          /* zlib's, 1 to 9 */
		uint64_t threshold; /* bytes; shorter messages are sent as they are */
	} compression;
	struct proxy_settings proxy;
	struct {
		bool enabled;
		struct backoff_settings backoff;
		uint64_t stable;   /* ns open after which the next failure starts from the minimum */
		unsigned attempts; /* failures in a row before giving up; 0: never */
		struct integer_list give_up; /* close codes 1000-4999, HTTP statuses 400-599 */
	} reconnect;
	struct {
		uint64_t after; /* 0: any age */
		double jitter; /* 0 to 1: the share of `after` that it may be earlier */
		bool overlap; /* the new connection opens before the old one is closed */
	} max_age;
	struct {
		uint64_t bytes; /* of messages that wait for the connection to open; 0: refused */
		uint64_t age; /* and for how long */
	} hold;
	struct tcp_settings tcp;
	struct tls_settings tls;
	struct warn_settings warn;
};

struct connection_config {
	char *name;
	char *url;
	struct connection_settings *settings; /* never changed once it may be shared */
	bool untrusted; /* somebody has added it who is not trusted: settings_connection() */
};

struct outlet_config {
	struct outlet_settings outlet;
	struct string_list from; /* names or globs of connections */
	bool implicit;           /* made for the connection of its name, which no other takes */
	char *place;             /* where it stands, "FILE:LINE: outlets[0]"; NULL: in no file */
};

/* A listening socket besides the outlets. */
struct socket_settings {
	char *path; /* absolute; NULL: there is none */
	mode_t mode;
	char *owner; /* NULL: as it comes */
	char *group;
	uid_t uid; /* of the owner, where there is one */
	gid_t gid;
	char *place; /* where its group of settings stands; NULL: nowhere */
};

struct gateway_settings {
	char *runtime_dir;
	struct socket_settings control;
	struct socket_settings observe; /* for those who only look; only with a path */
	struct {
		int level;
		enum log_format format;
	} log;
	struct string_list dns; /* name servers; none: those of /etc/resolv.conf */
	struct {
		unsigned at_once;    /* connections that may be connecting; 0: any number */
		unsigned per_second; /* attempts that may be started; 0: likewise */
	} connecting;
	uint64_t drain_timeout; /* for subscribers and closing handshakes at the end */
};

struct settings {
	struct gateway_settings gateway;
	struct connection_config *defaults; /* what a new connection starts from; no name */
	struct connection_config **connections;
	size_t connection_count; /* a taker of the items sets this to 0 */
	struct outlet_config **outlets; /* the implicit ones included */
	size_t outlet_count; /* likewise */
	struct string_list restart; /* settings that have changed, but need a restart */
};

/* What is wrong with a configuration: one message a line, "FILE:LINE: connections[0].url: …". */
struct settings_problems {
	struct string_list errors;
	struct string_list warnings; /* no reason to refuse the configuration */
	/* The caller's, for -t: the file may be a pipe, and what only the service can see is said
	 * to be unchecked. */
	bool testing;
};

/* Adds "PLACE: " and the text; `place` as in struct outlet_config. */
void settings_problem_at(struct settings_problems *problems, const char *place, const char *text);

/* One that has no setting: the text is the whole. */
void settings_problem_plain(struct settings_problems *problems, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Reads the file and conf.d/ *.conf beside it. NULL if anything is wrong: then `problems`, which
 * must be zeroed before, has all of it. The caller owns both and gives them to settings_free() and
 * settings_problems_release().
 */
struct settings *settings_load(const char *file, struct settings_problems *problems);

/*
 * The same for settings that are to be put to use: looks, too, whether the system has what they
 * need, and sets the ids of owners and groups. It may take its time: names and files may come from
 * a network. Shares nothing with other threads.
 *
 * `running`: those that a reload finds; what only a restart can change stays as it is there, and
 * its name is put into `restart` of the settings. NULL at the start.
 */
struct settings *settings_prepare(const char *file, const struct gateway_settings *running,
	struct settings_problems *problems);

/* For a thread of its own. */
struct gateway_settings *gateway_settings_copy(const struct gateway_settings *gateway);
void gateway_settings_free(struct gateway_settings *gateway);
void settings_free(struct settings *settings);
void settings_problems_release(struct settings_problems *problems);

/*
 * One connection from a libconfig group (the `add` command makes one from JSON), over the same
 * defaults as the file's. NULL and `problems` if anything is wrong; whether OpenSSL can use its TLS
 * material is for gateway_check_connection() to say.
 *
 * Not `trusted`: the group may not name files, local sockets or the environment, and of the defaults
 * nothing is taken that tells a server who the gateway is, as whoever asks names the server.
 */
struct connection_config *settings_connection(const config_setting_t *group,
	const struct settings *settings, bool trusted, struct settings_problems *problems);

/* Those who are, in the words of a message. */
#define SETTINGS_ONLY_TRUSTED "only root and the daemon's user"

void connection_config_free(struct connection_config *connection);

/* One user less of them, who has counted himself. */
void connection_settings_release(struct connection_settings *settings);

/* The outlet that a connection gets which no outlet names: <runtime_dir>/<name>.sock, `lines`. */
struct outlet_config *settings_implicit_outlet(const struct settings *settings,
	const char *connection);
void outlet_config_free(struct outlet_config *outlet);

bool outlet_config_takes(const struct outlet_config *outlet, const char *connection);

/* Whether it takes connections by a pattern: then each one has to be asked about. */
bool outlet_config_has_glob(const struct outlet_config *outlet);

/* Whether the ring of a `wait` outlet can hold the largest message of a connection that it takes;
 * always true for others. */
bool outlet_config_holds(const struct outlet_config *outlet,
	const struct connection_config *connection, struct error *error);

/* What a change from one to the other asks for. */
enum settings_change {
	SETTINGS_SAME,
	SETTINGS_LIVE,      /* can be taken over while the connection stays open */
	SETTINGS_RECONNECT, /* needs a new connection to take effect */
};
enum settings_change connection_config_compare(const struct connection_config *before,
	const struct connection_config *after);

bool outlet_config_same(const struct outlet_config *before, const struct outlet_config *after);

/* Whether both take the same connections, because they say so in the same words. */
bool outlet_config_takes_same(const struct outlet_config *before, const struct outlet_config *after);

#endif
