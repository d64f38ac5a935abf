#ifndef GATEWAY_SETTINGS_CONFIG_H
#define GATEWAY_SETTINGS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"
#include "gateway/backoff.h"
#include "gateway/cookies.h"
#include "gateway/settings_origin.h"
#include "gateway/warnings.h"
#include "net/proxy.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "outlet/outlet.h"
#include "ws/deflate.h"
#include "ws/endpoint.h"

/*
 * Connections and outlets as they are configured. Durations are nanoseconds, sizes bytes; a string
 * that is not set is NULL. Every string and list belongs to the struct it stands in.
 */

struct integer_list {
	unsigned *items;
	size_t count;
};

/* The condition for opening a connection by itself. */
enum connection_when {
	WHEN_ALWAYS,     /* at start, and again whenever it is lost */
	WHEN_SUBSCRIBED, /* while an outlet of it has subscribers */
	WHEN_MANUAL,     /* never: `connect` does */
};

/*
 * Connection settings. Connections with equal settings share one. Structs of other rooms go there
 * as they are.
 */
struct connection_settings {
	unsigned users; /* who share it: connections, and what their sessions are still to send */
	enum connection_when when;
	uint64_t linger; /* WHEN_SUBSCRIBED: ns open after the last subscriber has left */
	struct header_list headers;
	struct header_list
		header_files; /* the values: first lines of files, read at each connect */
	struct string_list protocols;
	struct string_list on_open; /* sent first, as text messages; with placeholders */
	char *on_open_file;         /* more of them, one a line; read at each open */
	char *host;                 /* for the Host header instead of the URL's */
	char *origin;
	char *user_agent;
	char *username;      /* Basic authentication; then the URL has none */
	char *password_file; /* read at each connect; only with a username */
	char *bearer_file;   /* read at each connect; not with a username */
	unsigned max_redirects;
	struct string_list redirect_hosts; /* others that may be redirected to; with patterns */
	enum cookies_lifetime cookies;     /* of servers */
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
		uint64_t stable; /* ns open after which the next failure starts from the minimum */
		unsigned attempts;           /* failures in a row before giving up; 0: never */
		struct integer_list give_up; /* close codes 1000-4999, HTTP statuses 400-599 */
	} reconnect;
	struct {
		uint64_t after; /* 0: any age */
		double jitter;  /* 0 to 1: the share of `after` that it may be earlier */
		bool overlap;   /* the new connection opens before the old one is closed */
	} max_age;
	struct {
		uint64_t bytes; /* of messages for a server that is not connected, each kept for
		                   endpoint.keep_age; 0: none */
	} hold;
	struct tcp_settings tcp;
	struct tls_settings tls;
	struct warn_settings warn;
};

struct connection_config {
	char *name;
	char *url;
	struct connection_settings *settings; /* never changed once it may be shared */
	struct settings_origins *origins;     /* of the values; NULL: all are built in */
	unsigned line;                        /* of its group, for the origins */
	bool untrusted; /* somebody has added it who is not trusted: settings_connection() */
};

struct outlet_config {
	struct outlet_settings outlet;
	struct string_list from; /* names or globs of connections */
	bool implicit;           /* made for the connection of its name, which no other takes */
	char *place;             /* where it stands, "FILE:LINE: outlets[0]"; NULL: in no file */
	struct settings_origins *origins; /* as in struct connection_config */
	unsigned line;
};

/* Without a name; the settings have their defaults. */
struct connection_config *connection_config_new(void);

/* With settings of its own, and without origins. */
struct connection_config *connection_config_copy(const struct connection_config *connection);

/* Thousands of connections tend to be alike: shares settings and origins with another one, where
 * they are equal. */
void connection_config_share(struct connection_config *connection,
	const struct connection_config *with);
/* Takes over who has made it and where it stands, of one that has the same settings. */
void connection_config_take_origin(struct connection_config *connection,
	struct connection_config *from);
void connection_config_free(struct connection_config *connection);

/* One user less of them, who has counted himself. */
void connection_settings_release(struct connection_settings *settings);

/* Without a name; its settings have their defaults. */
struct outlet_config *outlet_config_new(void);

/* The path becomes absolute: NAME.sock if there is none, below the runtime directory. */
void outlet_config_resolve(struct outlet_config *outlet, const char *runtime_dir);
void outlet_config_free(struct outlet_config *outlet);

bool outlet_config_takes(const struct outlet_config *outlet, const char *connection);

/* True if it takes connections by a pattern: then ask outlet_config_takes() for each. */
bool outlet_config_has_glob(const struct outlet_config *outlet);

/* True if the ring of a `wait` outlet can hold the largest message of a connection that it takes;
 * always true for others. */
bool outlet_config_holds(const struct outlet_config *outlet,
	const struct connection_config *connection, struct error *error);

/* The effect of a change from one to the other. */
enum settings_change {
	SETTINGS_SAME,
	SETTINGS_LIVE,      /* can be taken over while the connection stays open */
	SETTINGS_RECONNECT, /* needs a new connection to take effect */
};
enum settings_change connection_config_compare(const struct connection_config *before,
	const struct connection_config *after);

bool outlet_config_same(const struct outlet_config *before, const struct outlet_config *after);

/* True if both list the same names and patterns. */
bool outlet_config_takes_same(const struct outlet_config *before,
	const struct outlet_config *after);

#endif
