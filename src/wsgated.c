#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "control/control.h"
#include "gateway/gateway.h"
#include "gateway/reload.h"
#include "gateway/settings.h"

#define DEFAULT_FILE SYSCONFDIR "/wsgated/wsgated.conf"

/* Asked of systemd beyond drain_timeout, for the end itself. */
#define STOP_MARGIN (5 * CLOCK_NS_PER_SECOND)

/* For the reader of the log, even if drain_timeout is over. */
#define STOP_LOG_PATIENCE (100 * CLOCK_NS_PER_MS)

enum { STATUS_DELAY_MS = 200 }; /* changes within it make one status text */

/* The program around the gateway: what the system starts, signals, watches and stops. */
struct daemon {
	const char *file;
	struct event_base *base;
	struct log *log;
	struct notify *notify; /* the service manager */
	struct gateway *gateway;
	struct control *control;
	struct reload *reload;
	struct gateway_watcher watcher;
	struct event *terminate;
	struct event *interrupt;
	struct event *hangup;
	struct event *watchdog; /* NULL: systemd does not ask for it */
	struct event *status;
	uint64_t end; /* by when it is to have stopped, monotonic ns; 0: it was not told to */
};

static void print_usage(FILE *out)
{
	fputs("Usage: wsgated [OPTION]...\n"
	      "Keeps WebSocket connections open and fans what they receive out to local subscribers.\n"
	      "\n"
	      "  -c, --config FILE  read this configuration (default: " DEFAULT_FILE ")\n"
	      "  -t, --test         check the configuration, say what is wrong with it, and exit\n"
	      "      --help         show this help\n"
	      "      --version      show the version\n"
	      "\n"
	      "See wsgated(8), wsgated.conf(5) and wsgatectl(1).\n",
		out);
}

/* --- the configuration --------------------------------------------------------------------- */

static void complain(const struct settings_problems *problems)
{
	for (size_t i = 0; i < problems->warnings.count; i++)
		fprintf(stderr, "warning: %s\n", problems->warnings.items[i]);
	for (size_t i = 0; i < problems->errors.count; i++)
		fprintf(stderr, "%s\n", problems->errors.items[i]);
}

static int check_configuration(const char *file)
{
	struct settings_problems problems = {.testing = true};
	struct settings *settings = settings_prepare(file, NULL, &problems);

	complain(&problems);
	settings_problems_release(&problems);
	if (!settings)
		return EXIT_FAILURE;
	printf("%s: fine: %zu connection%s, %zu outlet%s\n", file, settings->connection_count,
		settings->connection_count == 1 ? "" : "s", settings->outlet_count,
		settings->outlet_count == 1 ? "" : "s");
	settings_free(settings);
	return EXIT_SUCCESS;
}

static void daemon_on_reload_begun(void *context)
{
	const struct daemon *daemon = context;

	notify_send(daemon->notify, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading the configuration",
		(unsigned long long)(clock_monotonic() / CLOCK_NS_PER_US));
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
	notify_send(daemon->notify, "READY=1");
	event_active(daemon->status, EV_TIMEOUT, 0);
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

/* --- what systemd sees --------------------------------------------------------------------- */

static void daemon_on_status(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;
	size_t count, open = 0;
	struct connection *const *connections = gateway_connections(daemon->gateway, &count);

	(void)fd, (void)what;
	if (daemon->end)
		return;
	for (size_t i = 0; i < count; i++)
		open += connection_is_open(connections[i]);
	notify_send(daemon->notify, "STATUS=%zu of %zu connections open, %zu outlets", open, count,
		gateway_outlet_count(daemon->gateway));
}

/* Whether the event may change what the status counts. */
static bool daemon_counts(enum event_type type)
{
	return type == EVENT_TYPE_OPEN || type == EVENT_TYPE_CLOSE || type == EVENT_TYPE_ADDED ||
		type == EVENT_TYPE_REMOVED || type == EVENT_TYPE_RELOAD;
}

static void daemon_on_event(const struct gateway_event *event, void *context)
{
	const struct timeval delay = {.tv_usec = STATUS_DELAY_MS * 1000};
	struct daemon *daemon = context;

	if (daemon_counts(event->type) && !event_pending(daemon->status, EV_TIMEOUT, NULL))
		event_add(daemon->status, &delay);
}

static void daemon_on_watchdog(evutil_socket_t fd, short what, void *context)
{
	const struct daemon *daemon = context;

	(void)fd, (void)what;
	notify_send(daemon->notify, "WATCHDOG=1");
}

/* Half of what systemd allows, as sd_watchdog_enabled(3) recommends. */
static void daemon_start_watchdog(struct daemon *daemon)
{
	struct timeval interval;
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	interval = clock_timeval(usec * CLOCK_NS_PER_US / 2);
	daemon->watchdog = event_new(daemon->base, -1, EV_PERSIST, daemon_on_watchdog, daemon);
	event_add(daemon->watchdog, &interval);
}

/* --- signals ------------------------------------------------------------------------------- */

/* TimeoutStopSec= of the unit need not know of drain_timeout: systemd is asked for what it
 * takes. */
static void daemon_tell_stopping(const struct daemon *daemon)
{
	uint64_t drain_timeout = gateway_settings(daemon->gateway)->gateway.drain_timeout;

	notify_send(daemon->notify, "STOPPING=1\nSTATUS=Closing the connections\nEXTEND_TIMEOUT_USEC=%llu",
		(unsigned long long)((drain_timeout + STOP_MARGIN) / CLOCK_NS_PER_US));
}

static void daemon_on_stopped(void *context)
{
	struct daemon *daemon = context;

	event_base_loopbreak(daemon->base);
}

static void daemon_on_terminate(evutil_socket_t number, short what, void *context)
{
	struct daemon *daemon = context;

	(void)what;
	if (daemon->end) { /* whoever says it twice does not want to wait */
		daemon->end = clock_monotonic();
		gateway_stop_now(daemon->gateway);
		return;
	}
	daemon->end = clock_monotonic() + gateway_settings(daemon->gateway)->gateway.drain_timeout;
	log_write(daemon->log, LOG_NOTICE, NULL, "stopping on SIG%s", sigabbrev_np(number));
	daemon_tell_stopping(daemon);
	reload_stop(daemon->reload);
	gateway_stop(daemon->gateway, daemon_on_stopped, daemon);
}

static void daemon_on_hangup(evutil_socket_t number, short what, void *context)
{
	struct daemon *daemon = context;

	(void)number, (void)what;
	reload_request(daemon->reload, NULL);
}

/* Those that would end a process for no fault of it, though they say nothing to this one. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
		SIGPWR, SIGSTKFLT, SIGXFSZ};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		signal(number, SIG_IGN);
}

/* What is sent while the daemon starts is kept until it can act on it. All others are let through,
 * whatever mask it was started with. */
static void set_signals_kept(bool kept)
{
	sigset_t mask;

	sigemptyset(&mask);
	if (kept) {
		sigaddset(&mask, SIGTERM);
		sigaddset(&mask, SIGINT);
		sigaddset(&mask, SIGHUP);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static struct event *daemon_catch(struct daemon *daemon, int number, event_callback_fn callback)
{
	struct event *event = evsignal_new(daemon->base, number, callback, daemon);

	event_add(event, NULL);
	return event;
}

/* --- life ---------------------------------------------------------------------------------- */

/* The one global: what libevent and its resolver have to say comes without a context. */
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

/* Its event loop cannot go on; why, it has said. */
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

/* How long to wait for who reads the log: within drain_timeout, as all of the end. */
static uint64_t daemon_log_patience(const struct daemon *daemon)
{
	uint64_t now = clock_monotonic();
	uint64_t left = daemon->end > now ? daemon->end - now : 0;

	if (!daemon->end || left > LOG_PATIENCE)
		return LOG_PATIENCE;
	return left > STOP_LOG_PATIENCE ? left : STOP_LOG_PATIENCE;
}

static void daemon_close_log(struct daemon *daemon)
{
	event_set_log_callback(NULL);
	event_set_fatal_callback(NULL);
	libevent_log = NULL;
	log_free_within(daemon->log, daemon_log_patience(daemon));
}

/* Thousands of connections and subscribers are descriptors; the hard limit is the
 * administrator's. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* systemd has made it already; whoever starts the daemon by hand need not. */
static bool make_runtime_directory(const char *path, struct error *error)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return true;
	return error_set(error, ERROR_SYSTEM, "cannot make gateway.runtime_dir %s: %s", path,
		strerror(errno));
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

	if (!make_runtime_directory(settings->gateway.runtime_dir, &error)) {
		settings_problem_plain(problems, "%s", error.text);
		settings_free(settings);
		return false;
	}
	daemon->gateway = gateway_new(daemon->base, daemon->log, settings, problems);
	if (!daemon->gateway) {
		settings_free(settings);
		return false;
	}
	daemon->reload = reload_new(daemon->base, daemon->file, daemon->gateway,
		&reload_callbacks, daemon);
	daemon->control = control_new(daemon->gateway, &callbacks, daemon, &error);
	if (!daemon->control)
		settings_problem_at(problems, settings->gateway.control.place, error.text);
	return daemon->control != NULL;
}

static void daemon_run(struct daemon *daemon)
{
	daemon->watcher = (struct gateway_watcher){.event = daemon_on_event, .context = daemon};
	gateway_watch(daemon->gateway, &daemon->watcher);
	daemon->terminate = daemon_catch(daemon, SIGTERM, daemon_on_terminate);
	daemon->interrupt = daemon_catch(daemon, SIGINT, daemon_on_terminate);
	daemon->hangup = daemon_catch(daemon, SIGHUP, daemon_on_hangup);
	set_signals_kept(false);
	daemon_start_watchdog(daemon);
	log_write(daemon->log, LOG_NOTICE, NULL, "wsgated " PACKAGE_VERSION " started");
	notify_send(daemon->notify, "READY=1");
	event_active(daemon->status, EV_TIMEOUT, 0);
	event_base_dispatch(daemon->base);
	log_write(daemon->log, LOG_NOTICE, NULL, "stopped");
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void daemon_close(struct daemon *daemon)
{
	set_signals_kept(true); /* nothing cuts short what is tidied up here */
	free_event(daemon->terminate);
	free_event(daemon->interrupt);
	free_event(daemon->hangup);
	free_event(daemon->watchdog);
	free_event(daemon->status);
	if (daemon->control)
		control_free(daemon->control);
	reload_free(daemon->reload);
	if (daemon->gateway)
		gateway_free(daemon->gateway);
	notify_free(daemon->notify);
	if (daemon->base)
		event_base_free(daemon->base);
	daemon_close_log(daemon);
}

static int run(const char *file)
{
	struct daemon daemon = {.file = file};
	struct settings_problems problems = {0};
	struct settings *settings = settings_prepare(file, NULL, &problems);
	bool opened;

	if (!settings) {
		complain(&problems);
		settings_problems_release(&problems);
		return EXIT_FAILURE;
	}
	raise_descriptor_limit();
	daemon_open_log(&daemon, &settings->gateway);
	daemon.base = loop_new();
	daemon.notify = notify_new(daemon.base);
	daemon.status = evtimer_new(daemon.base, daemon_on_status, &daemon);
	opened = daemon_open(&daemon, settings, &problems);
	daemon_log_problems(&daemon, &problems);
	settings_problems_release(&problems);
	if (opened)
		daemon_run(&daemon);
	daemon_close(&daemon);
	return opened ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What clients send as JSON may have secrets, as the headers of `connect`. */
static void wipe_json(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/*
 * The memory has keys, passwords and tokens: neither a core dump nor a debugger of the daemon's own
 * user is to have them. Of what is below /proc/self only the process itself can then use.
 */
static void keep_memory_private(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	json_set_alloc_funcs(malloc, wipe_json);
}

int main(int argc, char **argv)
{
	enum { OPTION_HELP = 256, OPTION_VERSION };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", no_argument, NULL, 't'},
		{"help", no_argument, NULL, OPTION_HELP},
		{"version", no_argument, NULL, OPTION_VERSION},
		{NULL, 0, NULL, 0},
	};
	const char *file = DEFAULT_FILE;
	bool test = false;
	int option;

	ignore_signals();
	set_signals_kept(true);
	keep_memory_private();
	while ((option = getopt_long(argc, argv, "c:t", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 't':
			test = true;
			break;
		case OPTION_HELP:
			print_usage(stdout);
			return EXIT_SUCCESS;
		case OPTION_VERSION:
			puts("wsgated " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "wsgated: unexpected argument '%s'\n", argv[optind]);
		print_usage(stderr);
		return 2;
	}
	if (!test)
		return run(file);
	set_signals_kept(false);
	return check_configuration(file);
}
