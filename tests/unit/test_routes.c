#include "test_gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/listener.h"
#include "gateway/routes.h"

enum { OUTLETS = 4, SOURCES = 2, MESSAGE = 1000 };

static struct event_base *base;
static struct log *log_sink;
static struct listeners *listeners;
static struct inputs *inputs;
static char directory[64];
static struct outlet *outlets[OUTLETS];
static unsigned refused;

static struct source {
	struct routes routes;
	unsigned rooms; /* times that it was told of room */
} sources[SOURCES];

static bool on_room(void *context)
{
	struct source *source = context;

	source->rooms++;
	return false;
}

static bool on_input(struct outlet *outlet, int source, bool binary, const void *data,
	size_t length, void *context)
{
	(void)outlet, (void)source, (void)binary, (void)data, (void)length, (void)context;
	return refused++ > 0;
}

static void on_event(struct outlet *outlet, enum event_type type,
	const struct event_members *members, void *context)
{
	(void)outlet, (void)type, (void)members, (void)context;
}

static size_t on_input_max(struct outlet *outlet, void *context)
{
	(void)outlet, (void)context;
	return 1 << 20;
}

static const struct outlet_callbacks outlet_callbacks = {
	.input = on_input,
	.input_max = on_input_max,
	.event = on_event,
};
static const struct routes_callbacks routes_callbacks = {.room = on_room};

static void outlet_path(char path[96], size_t index)
{
	snprintf(path, 96, "%s/%zu.sock", directory, index);
}

/* A `wait` outlet with a small ring. */
static void make_outlet(size_t index)
{
	char path[96], name[8];
	struct outlet_settings settings = {
		.name = name,
		.path = path,
		.format = choice_find(outlet_formats, "json")->value, /* has records of openings */
		.on_lag = OUTLET_WAIT,
		.ring = 16 << 10,
		.mode = 0600,
		.max_subscribers = 16,
		.writable = true,
	};
	struct error error;

	outlet_path(path, index);
	snprintf(name, sizeof(name), "%zu", index);
	outlets[index] =
		outlet_new(base, log_sink, listeners, inputs, &settings, &outlet_callbacks, &error);
	ck_assert_msg(outlets[index] != NULL, "%s", error.text);
}

static void setup(void)
{
	strcpy(directory, "/tmp/wsgated-routes-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	base = event_base_new();
	log_sink = log_new(LOG_FORMAT_TEXT, LOG_EMERG);
	listeners = listeners_new(base, log_sink);
	inputs = inputs_new(base, 64 << 20);
	refused = 0;
	for (size_t i = 0; i < OUTLETS; i++)
		make_outlet(i);
	for (size_t i = 0; i < SOURCES; i++) {
		sources[i].rooms = 0;
		routes_init(&sources[i].routes, &routes_callbacks, &sources[i]);
	}
}

static void teardown(void)
{
	for (size_t i = 0; i < SOURCES; i++) {
		routes_stop_waiting(&sources[i].routes);
		while (sources[i].routes.count)
			routes_detach(&sources[i].routes, routes_outlet(&sources[i].routes, 0), 0);
		routes_release(&sources[i].routes);
	}
	for (size_t i = 0; i < OUTLETS; i++)
		outlet_free(outlets[i]);
	inputs_free(inputs);
	listeners_free(listeners);
	log_free(log_sink);
	event_base_free(base);
	ck_assert_int_eq(rmdir(directory), 0);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* With each turn of the loop does what stands behind it. */
#define until(condition)                                                                           \
	for (uint64_t limit = deadline(); !(condition) && !late(limit, #condition); turn())

static uint64_t deadline(void)
{
	return clock_monotonic() + 10 * CLOCK_NS_PER_SECOND;
}

static bool late(uint64_t limit, const char *condition)
{
	ck_assert_msg(clock_monotonic() < limit, "never: %s", condition);
	return false;
}

static void attach(size_t source, size_t outlet)
{
	routes_attach(&sources[source].routes, outlets[outlet], "source", &sources[source]);
}

static void detach(size_t source, size_t outlet)
{
	routes_detach(&sources[source].routes, outlets[outlet], 0);
}

static int subscribe(size_t index)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned before = outlet_subscribers(outlets[index]);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char path[96];

	outlet_path(path, index);
	memcpy(address.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	until(outlet_subscribers(outlets[index]) > before);
	return fd;
}

static bool offer(size_t source)
{
	static char text[MESSAGE];
	struct outlet_encoded encoded = {0};
	struct outlet_message message = {
		.type = OUTLET_TEXT,
		.data = memset(text, 'x', MESSAGE),
		.length = MESSAGE,
		.encoded = &encoded,
	};

	return routes_offer(&sources[source].routes, &message);
}

static struct outlet_stats stats(size_t outlet)
{
	struct outlet_stats now;

	outlet_stats(outlets[outlet], &now);
	return now;
}

static uint64_t published(size_t outlet)
{
	return stats(outlet).messages;
}

/* Until an outlet refuses; nobody reads. */
static void fill(size_t source)
{
	for (unsigned count = 0; offer(source); count++) {
		ck_assert_uint_lt(count, 10000);
		turn();
	}
}

/* All that has come. */
static size_t drain(int fd)
{
	char data[65536];
	size_t length = 0;
	ssize_t got;

	while ((got = read(fd, data, sizeof(data))) > 0)
		length += (size_t)got;
	return length;
}

static void read_until_room(size_t source, int fd)
{
	unsigned before = sources[source].rooms;

	until(sources[source].rooms > before) drain(fd);
}

START_TEST(an_outlet_is_attached_once)
{
	for (size_t i = 0; i < OUTLETS; i++) {
		ck_assert(!routes_has(&sources[0].routes, outlets[i]));
		attach(0, i);
		attach(0, i);
		ck_assert(routes_has(&sources[0].routes, outlets[i]));
		ck_assert_uint_eq(outlet_source_count(outlets[i]), 1);
		ck_assert_ptr_eq(outlet_source(outlets[i], 0), &sources[0]);
	}
	ck_assert_uint_eq(sources[0].routes.count, OUTLETS);
}
END_TEST

START_TEST(a_detached_outlet_gets_nothing_more)
{
	attach(0, 0);
	attach(0, 1);
	detach(0, 0);
	detach(0, 0); /* changes nothing */
	detach(0, 2);
	ck_assert(!routes_has(&sources[0].routes, outlets[0]));
	ck_assert_ptr_null(outlet_source(outlets[0], 0));
	ck_assert(offer(0));
	ck_assert_uint_eq(published(0), 0);
	ck_assert_uint_eq(published(1), 1);
}
END_TEST

START_TEST(without_outlets_every_message_is_taken)
{
	ck_assert(offer(0));
	ck_assert(!routes_held_up(&sources[0].routes));
	ck_assert(!routes_attended(&sources[0].routes));
}
END_TEST

START_TEST(messages_and_records_reach_all_outlets)
{
	struct outlet_message opened = {.type = OUTLET_OPENED, .data = "{}", .length = 2};

	attach(1, 1); /* so that numbers differ */
	for (size_t i = 0; i < 3; i++)
		attach(0, i);
	ck_assert(offer(0));
	routes_publish(&sources[0].routes, &opened);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(published(i), 2);
	ck_assert_uint_eq(published(3), 0);
}
END_TEST

START_TEST(is_attended_while_an_outlet_has_a_subscriber)
{
	int fd;

	attach(0, 0);
	attach(0, 1);
	ck_assert(!routes_attended(&sources[0].routes));
	fd = subscribe(1);
	ck_assert(routes_attended(&sources[0].routes));
	close(fd);
	until(!routes_attended(&sources[0].routes));
}
END_TEST

/* In whatever order the outlets are asked. */
START_TEST(no_outlet_takes_what_another_has_no_room_for)
{
	int fd = subscribe((size_t)_i);
	uint64_t before;

	for (size_t i = 0; i < OUTLETS; i++)
		attach(0, i);
	fill(0);
	before = published(0);
	for (size_t i = 1; i < OUTLETS; i++)
		ck_assert_uint_eq(published(i), before);
	ck_assert(routes_held_up(&sources[0].routes));
	ck_assert_uint_eq(sources[0].rooms, 0);
	read_until_room(0, fd);
	ck_assert(!routes_held_up(&sources[0].routes));
	ck_assert(offer(0));
	for (size_t i = 0; i < OUTLETS; i++)
		ck_assert_uint_eq(published(i), before + 1);
	close(fd);
}
END_TEST

START_TEST(who_has_no_message_yet_waits_behind_who_has_one)
{
	int fd = subscribe(0);

	attach(0, 0);
	attach(1, 0);
	attach(1, 1);
	ck_assert(!routes_held_up(&sources[1].routes));
	fill(0);
	ck_assert(routes_held_up(&sources[1].routes));
	ck_assert(routes_held_up(&sources[1].routes)); /* and queues once */
	read_until_room(1, fd); /* it was told, and had nothing: the turn is passed on */
	ck_assert_uint_eq(sources[0].rooms, 1);
	close(fd);
}
END_TEST

START_TEST(room_in_one_outlet_is_none_while_others_wait_for_another)
{
	int first = subscribe(0), second;

	attach(0, 0);
	attach(0, 1);
	fill(0); /* waits for outlet 0: nobody reads the other */
	second = subscribe(1);
	attach(1, 1);
	fill(1);
	until(!outlet_has_waiters(outlets[0])) drain(first);
	ck_assert_uint_eq(sources[0].rooms, 0);
	ck_assert(routes_held_up(&sources[0].routes));
	read_until_room(0, second);
	ck_assert_uint_eq(sources[1].rooms, 1); /* it was there first */
	close(first);
	close(second);
}
END_TEST

START_TEST(an_outlet_that_is_detached_holds_nobody_up)
{
	int fd = subscribe(0);

	attach(0, 0);
	attach(0, 1);
	fill(0);
	detach(0, 1); /* not the one it waits for */
	ck_assert_uint_eq(sources[0].rooms, 0);
	detach(0, 0);
	ck_assert_uint_eq(sources[0].rooms, 1);
	ck_assert(!routes_held_up(&sources[0].routes));
	ck_assert(!outlet_has_waiters(outlets[0]));
	close(fd);
}
END_TEST

START_TEST(who_stops_waiting_is_not_told_of_room)
{
	int fd = subscribe(0);

	attach(0, 0);
	fill(0);
	routes_stop_waiting(&sources[0].routes);
	ck_assert(!outlet_has_waiters(outlets[0]));
	for (size_t got = 1; got; turn())
		got = drain(fd);
	ck_assert_uint_eq(sources[0].rooms, 0);
	ck_assert(offer(0));
	close(fd);
}
END_TEST

START_TEST(losses_count_in_every_outlet)
{
	int first = subscribe(0), second = subscribe(1);

	attach(0, 0);
	attach(0, 1);
	routes_lose(&sources[0].routes, 3);
	detach(0, 0);
	routes_detach(&sources[0].routes, outlets[1], 5);
	ck_assert_uint_eq(stats(0).counts.lost, 3);
	ck_assert_uint_eq(stats(1).counts.lost, 3 + 5);
	close(first);
	close(second);
}
END_TEST

/* By the source, and by its end. */
START_TEST(refused_input_is_resumed)
{
	int fd = subscribe(0);

	attach(0, 0);
	ck_assert_int_eq(write(fd, "{\"data\":\"buy\"}\n", 15), 15);
	until(refused == 1);
	turn();
	ck_assert_uint_eq(refused, 1);
	if (_i)
		detach(0, 0);
	else
		routes_resume_input(&sources[0].routes);
	until(refused == 2);
	close(fd);
}
END_TEST

Suite *routes_suite(void)
{
	TCase *attaching = tcase_create("attaching");
	TCase *publishing = tcase_create("publishing");
	Suite *suite = suite_create("routes");

	tcase_add_checked_fixture(attaching, setup, teardown);
	tcase_add_test(attaching, an_outlet_is_attached_once);
	tcase_add_test(attaching, a_detached_outlet_gets_nothing_more);
	tcase_add_test(attaching, is_attended_while_an_outlet_has_a_subscriber);
	tcase_add_test(attaching, losses_count_in_every_outlet);
	tcase_add_loop_test(attaching, refused_input_is_resumed, 0, 2);
	suite_add_tcase(suite, attaching);

	tcase_add_checked_fixture(publishing, setup, teardown);
	tcase_add_test(publishing, without_outlets_every_message_is_taken);
	tcase_add_test(publishing, messages_and_records_reach_all_outlets);
	tcase_add_loop_test(publishing, no_outlet_takes_what_another_has_no_room_for, 0, OUTLETS);
	tcase_add_test(publishing, who_has_no_message_yet_waits_behind_who_has_one);
	tcase_add_test(publishing, room_in_one_outlet_is_none_while_others_wait_for_another);
	tcase_add_test(publishing, an_outlet_that_is_detached_holds_nobody_up);
	tcase_add_test(publishing, who_stops_waiting_is_not_told_of_room);
	suite_add_tcase(suite, publishing);
	return suite;
}
