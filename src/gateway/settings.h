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
#include "gateway/settings_config.h"

/* The configuration: of the gateway, and of its connections and outlets. */

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
		unsigned per_second; /* attempts that may be started; 0: any number */
	} connecting;
	uint64_t drain_timeout; /* for subscribers and closing handshakes at the end */
	uint64_t input_memory; /* bytes for input of subscribers and clients that is not complete */
};

struct settings {
	struct gateway_settings gateway;
	struct settings_origins *gateway_origins; /* as in struct connection_config */
	unsigned gateway_line;
	struct connection_config *defaults; /* what a new connection starts from; no name */
	struct connection_config **connections;
	size_t connection_count;        /* a taker of the items sets this to 0 */
	struct outlet_config **outlets; /* the implicit ones included */
	size_t outlet_count;            /* set to 0 by a taker, too */
	struct string_list
		restart; /* settings that run otherwise than the file says, until a restart */
};

/* Problems of a configuration, one message each: "FILE:LINE: connections[0].url: …". */
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
 * The same for settings that will be used: also checks that the system has what they
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

/* The outlet that a connection gets which no outlet names: <runtime_dir>/<name>.sock, `lines`. */
struct outlet_config *settings_implicit_outlet(const struct settings *settings,
	const char *connection);

#endif
