#include "gateway_harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "outlet/message.h"

struct gateway_fixture fixture;

static struct gateway_watcher watcher;

static void on_event(const struct gateway_event *event, void *context)
{
	(void)context;
	fixture.events[event->type]++;
}

static void on_settled(void *context)
{
	(void)context;
	fixture.settled++;
}

static uint64_t read_clock(void *context)
{
	return clock_monotonic() + *(const uint64_t *)context;
}

/* One that polls after each callback. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	ck_assert_int_eq(event_config_set_max_dispatch_interval(config, NULL, 1, 0), 0);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

void gateway_setup(void)
{
	memset(&fixture, 0, sizeof(fixture));
	fixture.suspended = 3600 * CLOCK_NS_PER_SECOND;
	fixture.base = new_base();
	fixture.timers = timers_new(fixture.base, read_clock, &fixture.suspended);
	fixture.log = log_new(LOG_FORMAT_TEXT, LOG_CRIT);
	watcher = (struct gateway_watcher){.event = on_event, .settled = on_settled};
}

void gateway_teardown(void)
{
	if (fixture.gateway)
		gateway_free(fixture.gateway);
	settings_free(fixture.settings);
	settings_problems_release(&fixture.problems);
	timers_free(fixture.timers);
	event_base_free(fixture.base);
	log_free(fixture.log);
}

/* --- settings -------------------------------------------------------------------------------- */

struct settings *prepare_settings(const char *more)
{
	const struct gateway_settings *running =
		fixture.gateway ? &gateway_settings(fixture.gateway)->gateway : NULL;
	struct settings *settings;
	FILE *file = fopen("wsgated.conf", "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "gateway = { runtime_dir = \"%s\"; drain_timeout = \"%s\"; };\n",
		settings_folder(), fixture.drain_timeout ? fixture.drain_timeout : "30s");
	fprintf(file, "defaults = { when = \"manual\"; };\n%s", more);
	ck_assert_int_eq(fclose(file), 0);
	settings_problems_release(&fixture.problems);
	settings = settings_prepare("wsgated.conf", running, &fixture.problems);
	ck_assert_msg(settings != NULL, "%s",
		fixture.problems.errors.count ? fixture.problems.errors.items[0] : "no problem");
	return settings;
}

struct connection_config *make_connection(const char *text, bool trusted)
{
	struct settings_problems problems = {0};
	struct connection_config *connection;
	config_t config;

	config_init(&config);
	ck_assert_int_eq(config_read_string(&config, text), CONFIG_TRUE);
	connection = settings_connection(config_root_setting(&config),
		gateway_settings(fixture.gateway), trusted, &problems);
	ck_assert_msg(connection != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "no problem");
	settings_problems_release(&problems);
	config_destroy(&config);
	return connection;
}

/* --- the gateway ----------------------------------------------------------------------------- */

void start_gateway(const char *more)
{
	struct settings *settings = prepare_settings(more);

	fixture.gateway =
		gateway_new(fixture.base, fixture.timers, fixture.log, settings, &fixture.problems);
	ck_assert_ptr_nonnull(fixture.gateway);
	gateway_watch(fixture.gateway, &watcher);
}

static bool on_prepare(const struct settings *settings, struct settings_problems *problems,
	void *context)
{
	(void)settings;
	ck_assert_ptr_eq(context, &fixture);
	if (fixture.on_prepare)
		fixture.on_prepare();
	if (fixture.refuses)
		settings_problem_plain(problems, "the caller cannot");
	else
		fixture.prepared++;
	return !fixture.refuses;
}

static void on_withdraw(void *context)
{
	ck_assert_ptr_eq(context, &fixture);
	fixture.withdrawn++;
}

static void on_ended(bool done, const struct gateway_changes *changes, void *context)
{
	ck_assert_ptr_eq(context, &fixture);
	fixture.ended++;
	fixture.done = done;
	fixture.changes = *changes;
	if (done)
		fixture.settings = NULL; /* the gateway's */
	if (fixture.on_ended)
		fixture.on_ended();
}

void begin_change(const char *more)
{
	static const struct gateway_change_callbacks callbacks = {
		.prepare = on_prepare,
		.withdraw = on_withdraw,
		.ended = on_ended,
	};

	settings_free(fixture.settings);
	fixture.settings = prepare_settings(more);
	fixture.ended = fixture.prepared = fixture.withdrawn = 0;
	gateway_change(fixture.gateway, fixture.settings, &fixture.problems, &callbacks, &fixture);
	ck_assert(gateway_is_changing(fixture.gateway));
}

void end_change(bool done)
{
	TURN_UNTIL(fixture.ended);
	ck_assert(!gateway_is_changing(fixture.gateway));
	ck_assert_uint_eq(fixture.ended, 1);
	ck_assert_msg(fixture.done == done, "%s",
		fixture.problems.errors.count ? fixture.problems.errors.items[0] : "no problem");
}

void change_gateway(const char *more)
{
	begin_change(more);
	end_change(true);
}

void turn(void)
{
	const struct timeval moment = {.tv_usec = 1000};

	event_base_loopexit(fixture.base, &moment);
	event_base_dispatch(fixture.base);
}

bool has_outlet(const char *name)
{
	return gateway_outlet(fixture.gateway, name) != NULL;
}

struct outlet *the_outlet(const char *name)
{
	struct outlet *outlet = gateway_outlet(fixture.gateway, name);

	ck_assert_ptr_nonnull(outlet);
	return outlet;
}

/* --- subscribers ----------------------------------------------------------------------------- */

int subscribe(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

void publish(const char *outlet, const char *text)
{
	const struct outlet_message message = {
		.type = OUTLET_TEXT,
		.data = text,
		.length = strlen(text),
	};

	outlet_publish(the_outlet(outlet), &message);
}

void assert_gets_until_end(int fd, const char *expected)
{
	char got[256];
	size_t length = 0;
	ssize_t count = -1;

	while (count != 0) {
		turn();
		count = read(fd, got + length, sizeof(got) - 1 - length);
		if (count > 0)
			length += (size_t)count;
		else
			ck_assert(count == 0 || errno == EAGAIN);
	}
	got[length] = '\0';
	ck_assert_str_eq(got, expected);
	close(fd);
}
