#include "config.h"

#include "daemon/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/timers.h"
#include "control/control.h"
#include "daemon/process.h"
#include "daemon/service.h"
#include "gateway/gateway.h"
#include "gateway/reload.h"

/* For the reader of the log, even when drain_timeout is over. */
#define DAEMON_LOG_PATIENCE (100 * CLOCK_NS_PER_MS)

/* The program around the gateway: what the system starts, signals, watches and stops. */
struct daemon {
	const char *file;
	struct event_base *base;
	struct timers *timers;
	struct log *log;
	struct service *service;
	struct gateway *gateway; /* NULL: could not be opened */
	struct control *control; /* the same */
	struct reload *reload;   /* the same */
	struct event *terminate;
	struct event *interrupt;
	struct event *hangup;
	uint64_t
		end; /* when it must have stopped, of clock_boottime(); 0: it has not been told to */
};

/* --- reloading ------------------------------------------------------------------------------- */

/* Under systemd it exists already. */
static bool daemon_make_directory(const char *path, struct error *error)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return true;
	return error_set(error, ERROR_SYSTEM, "cannot create gateway.runtime_dir %s: %s", path,
		strerror(errno));
}

/* Somebody may have removed the directory of the sockets since. */
static void daemon_on_reload_begun(void *context)
{
	const struct daemon *daemon = context;
	struct error error;

	if (!daemon_make_directory(gateway_settings(daemon->gateway)->gateway.runtime_dir, &error))
		log_write(daemon->log, LOG_ERR, NULL, "%s", error.text);
	service_reloading(daemon->service);
}

static bool daemon_on_reload_prepare(const struct settings *settings,
	struct settings_problems *problems, void *context)
{
	const struct daemon *daemon = context;

	return control_set_access(daemon->control, &settings->gateway, problems);
}

static void daemon_on_reload_withdraw(void *context)
{
	const struct daemon *daemon = context;
	struct settings_problems problems = {0};

	control_set_access(daemon->control, &gateway_settings(daemon->gateway)->gateway, &problems);
	settings_problems_release(&problems);
}

static void daemon_log_problems(struct daemon *daemon, const struct settings_problems *problems)
{
	for (size_t i = 0; i < problems->warnings.count; i++)
		log_write(daemon->log, LOG_WARNING, NULL, "%s", problems->warnings.items[i]);
	for (size_t i = 0; i < problems->errors.count; i++)
		log_write(daemon->log, LOG_ERR, NULL, "%s", problems->errors.items[i]);
}

static void daemon_log_reload(struct daemon *daemon, const struct reload_outcome *outcome)
{
	const struct gateway_changes *changes = &outcome->changes;

	daemon_log_problems(daemon, &outcome->problems);
	for (size_t i = 0; i < outcome->restart.count; i++)
		log_write(daemon->log, LOG_WARNING, NULL,
			"%s: the change takes effect with the next restart",
			outcome->restart.items[i]);
	if (outcome->done)
		log_write(daemon->log, LOG_NOTICE, NULL,
			"configuration reloaded: connections: %u added, %u removed, %u changed, "
			"%u untouched; outlets: %u added, %u removed, %u changed",
			changes->added, changes->removed, changes->changed, changes->unchanged,
			changes->outlets_added, changes->outlets_removed, changes->outlets_changed);
	else
		log_write(daemon->log, LOG_ERR, NULL,
			"configuration not reloaded, the previous one stays: %s",
			outcome->error.text);
}

static void daemon_on_reload_ended(const struct reload_outcome *outcome, void *context)
{
	struct daemon *daemon = context;

	if (outcome->done) {
		log_set_level(daemon->log, gateway_settings(daemon->gateway)->gateway.log.level);
		log_set_format(daemon->log, gateway_settings(daemon->gateway)->gateway.log.format);
	}
	malloc_trim(0); /* of thousands of connections the parsed file takes more than they do */
	daemon_log_reload(daemon, outcome);
	service_reloaded(daemon->service);
}

static void daemon_request_reload(struct reload_waiter *waiter, void *context)
{
	struct daemon *daemon = context;

	reload_request(daemon->reload, waiter);
}

static void daemon_forget_reload(struct reload_waiter *waiter, void *context)
{
	struct daemon *daemon = context;

	reload_forget(daemon->reload, waiter);
}

/* --- signals ------------------------------------------------------------------------------- */

static void daemon_on_stopped(void *context)
{
	struct daemon *daemon = context;

	event_base_loopbreak(daemon->base);
}

static void daemon_on_terminate(evutil_socket_t number, short what, void *context)
{
	struct daemon *daemon = context;
	uint64_t drain_timeout;

	(void)what;
	if (daemon->end) { /* a second signal: whoever sends it does not want to wait */
		daemon->end = clock_boottime();
		gateway_stop_now(daemon->gateway);
		return;
	}
	drain_timeout = gateway_settings(daemon->gateway)->gateway.drain_timeout;
	daemon->end = clock_boottime() + drain_timeout;
	log_write(daemon->log, LOG_NOTICE, NULL, "stopping on SIG%s", sigabbrev_np(number));
	service_stopping(daemon->service, drain_timeout);
	reload_stop(daemon->reload);
	gateway_stop(daemon->gateway, daemon_on_stopped, daemon);
}

static void daemon_on_hangup(evutil_socket_t number, short what, void *context)
{
	struct daemon *daemon = context;

	(void)number, (void)what;
	reload_request(daemon->reload, NULL);
}

static struct event *daemon_catch(struct daemon *daemon, int number, event_callback_fn callback)
{
	struct event *event = evsignal_new(daemon->base, number, callback, daemon);

	event_add(event, NULL);
	return event;
}

/* --- the log ------------------------------------------------------------------------------- */

/* The one global: messages of libevent come without a context. */
static struct log *libevent_log;

static void on_libevent_message(int severity, const char *message)
{
	static const int priorities[] = {
		[EVENT_LOG_DEBUG] = LOG_DEBUG,
		[EVENT_LOG_MSG] = LOG_INFO,
		[EVENT_LOG_WARN] = LOG_WARNING,
		[EVENT_LOG_ERR] = LOG_ERR,
	};
	static const struct log_subject about = {.kind = "library", .name = "libevent"};

	log_write(libevent_log, priorities[severity], &about, "%s", message);
}

/* libevent cannot go on, and has said why. */
static void on_libevent_failure(int code)
{
	(void)code;
	log_flush(libevent_log);
	abort();
}

static void daemon_open_log(struct daemon *daemon, const struct gateway_settings *settings)
{
	daemon->log = log_new(settings->log.format, settings->log.level);
	libevent_log = daemon->log;
	event_set_log_callback(on_libevent_message);
	event_set_fatal_callback(on_libevent_failure);
}

/* Time for the reader of the log: within drain_timeout, like everything at the end. */
static uint64_t daemon_log_patience(const struct daemon *daemon)
{
	uint64_t now = clock_boottime();
	uint64_t left = daemon->end > now ? daemon->end - now : 0;

	if (!daemon->end || left > LOG_PATIENCE)
		return LOG_PATIENCE;
	return left > DAEMON_LOG_PATIENCE ? left : DAEMON_LOG_PATIENCE;
}

static void daemon_close_log(struct daemon *daemon)
{
	event_set_log_callback(NULL);
	event_set_fatal_callback(NULL);
	libevent_log = NULL;
	log_free_within(daemon->log, daemon_log_patience(daemon));
}

/* --- life ---------------------------------------------------------------------------------- */

/* With no descriptor or memory for these there is no daemon, nor a way to end in order. */
static void daemon_make_loop(struct daemon *daemon)
{
	daemon->base = loop_new();
	daemon->timers = daemon->base ? timers_new(daemon->base, NULL, NULL) : NULL;
	if (daemon->timers)
		return;
	log_write(daemon->log, LOG_ERR, NULL, "cannot create the event loop: %s", strerror(errno));
	log_flush(daemon->log);
	exit(EXIT_FAILURE);
}

static bool daemon_open(struct daemon *daemon, struct settings *settings,
	struct settings_problems *problems)
{
	static const struct control_callbacks callbacks = {
		.reload = daemon_request_reload,
		.forget_reload = daemon_forget_reload,
	};
	static const struct reload_callbacks reload_callbacks = {
		.begun = daemon_on_reload_begun,
		.prepare = daemon_on_reload_prepare,
		.withdraw = daemon_on_reload_withdraw,
		.ended = daemon_on_reload_ended,
	};
	struct error error;

	if (!daemon_make_directory(settings->gateway.runtime_dir, &error)) {
		settings_problem_plain(problems, "%s", error.text);
		settings_free(settings);
		return false;
	}
	daemon->gateway =
		gateway_new(daemon->base, daemon->timers, daemon->log, settings, problems);
	if (!daemon->gateway) {
		settings_free(settings);
		return false;
	}
	daemon->reload =
		reload_new(daemon->base, daemon->file, daemon->gateway, &reload_callbacks, daemon);
	daemon->control = control_new(daemon->gateway, &callbacks, daemon, &error);
	if (!daemon->control)
		settings_problem_at(problems, settings->gateway.control.place, error.text);
	return daemon->control != NULL;
}

static void daemon_dispatch(struct daemon *daemon)
{
	daemon->terminate = daemon_catch(daemon, SIGTERM, daemon_on_terminate);
	daemon->interrupt = daemon_catch(daemon, SIGINT, daemon_on_terminate);
	daemon->hangup = daemon_catch(daemon, SIGHUP, daemon_on_hangup);
	gateway_watch_network(daemon->gateway);
	process_hold_signals(false);
	log_write(daemon->log, LOG_NOTICE, NULL, "wsgated " PACKAGE_VERSION " started");
	service_start(daemon->service, daemon->gateway);
	event_base_dispatch(daemon->base);
	process_hold_signals(true); /* nothing cuts short what is tidied up now */
	log_write(daemon->log, LOG_NOTICE, NULL, "stopped");
	event_free(daemon->terminate);
	event_free(daemon->interrupt);
	event_free(daemon->hangup);
}

static void daemon_close(struct daemon *daemon)
{
	control_free(daemon->control);
	reload_free(daemon->reload);
	service_free(daemon->service);
	if (daemon->gateway)
		gateway_free(daemon->gateway);
	timers_free(daemon->timers);
	event_base_free(daemon->base);
	daemon_close_log(daemon);
}

bool daemon_run(const char *file, struct settings *settings, struct settings_problems *problems)
{
	struct daemon daemon = {.file = file};
	bool opened;

	process_raise_descriptor_limit();
	daemon_open_log(&daemon, &settings->gateway);
	daemon_make_loop(&daemon);
	daemon.service = service_new(daemon.base);
	opened = daemon_open(&daemon, settings, problems);
	daemon_log_problems(&daemon, problems);
	if (opened)
		daemon_dispatch(&daemon);
	daemon_close(&daemon);
	return opened;
}
