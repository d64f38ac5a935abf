#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway_harness.h"

#define A "connections = ( { name = \"a\"; url = \"ws://127.0.0.1:1/\"; } );\n"
#define B "connections = ( { name = \"b\"; url = \"ws://127.0.0.1:1/\"; } );\n"

/* An outlet of all connections. */
#define OUTLET(name, more) "{ name = \"" name "\"; from = [ \"*\" ]; " more " }"
#define OUTLETS(list)      "outlets = ( " list " );\n"

static void assert_one_problem(const char *end)
{
	const struct string_list *errors = &fixture.problems.errors;
	const char *text;

	ck_assert_uint_eq(errors->count, 1);
	text = errors->items[0];
	ck_assert_msg(strlen(text) > strlen(end) &&
			strcmp(text + strlen(text) - strlen(end), end) == 0,
		"%s", text);
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	ck_assert_int_eq(stat(path, &status), 0);
	return status.st_mode & 0777;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

/* --- what changes ---------------------------------------------------------------------------- */

START_TEST(the_answer_the_event_and_the_watchers_agree)
{
	start_gateway(A OUTLETS(OUTLET("o", "")));
	fixture.settled = 0;
	change_gateway(B OUTLETS(OUTLET("o", "on_lag = \"close\";") ", " OUTLET("p", "")));
	ck_assert_uint_eq(fixture.changes.added, 1);
	ck_assert_uint_eq(fixture.changes.removed, 1);
	ck_assert_uint_eq(fixture.changes.outlets_added, 1);
	ck_assert_uint_eq(fixture.changes.outlets_changed, 1);
	ck_assert_uint_eq(fixture.changes.outlets_removed, 0);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_ADDED], 1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_REMOVED], 1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_CHANGED], 0);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_RELOAD], 1);
	ck_assert_uint_eq(fixture.settled, 1);
	ck_assert_uint_eq(fixture.prepared, 1);
	ck_assert_uint_eq(fixture.withdrawn, 0);
}
END_TEST

START_TEST(a_connection_changes_in_place)
{
	struct connection *connection;

	start_gateway(A);
	connection = gateway_connection(fixture.gateway, "a");
	change_gateway("connections = ( { name = \"a\"; url = \"ws://127.0.0.1:2/\"; } );\n");
	ck_assert_ptr_eq(gateway_connection(fixture.gateway, "a"), connection);
	ck_assert_str_eq(connection_config(connection)->url, "ws://127.0.0.1:2/");
	ck_assert_uint_eq(fixture.changes.changed, 1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_CHANGED], 1);
	change_gateway("connections = ( { name = \"a\"; url = \"ws://127.0.0.1:2/\"; } );\n");
	ck_assert_uint_eq(fixture.changes.unchanged, 1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_CHANGED], 1);
}
END_TEST

START_TEST(a_renamed_connection_takes_its_own_outlet_along)
{
	int old;

	start_gateway(A);
	old = subscribe("a.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("a")));
	change_gateway(B);
	ck_assert_ptr_null(gateway_connection(fixture.gateway, "a"));
	ck_assert_ptr_nonnull(gateway_connection(fixture.gateway, "b"));
	ck_assert(!has_outlet("a"));
	ck_assert_int_eq(subscribe("a.sock"), -1);
	ck_assert_int_ge(subscribe("b.sock"), 0);
	assert_gets_until_end(old, "");
}
END_TEST

/* Its subscribers get what they have not got yet; who comes later comes to the new one. */
START_TEST(a_replaced_outlet_still_delivers)
{
	int old, new;

	start_gateway(A OUTLETS(OUTLET("o", "")));
	old = subscribe("o.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("o")));
	publish("o", "before");
	change_gateway(A OUTLETS(OUTLET("o", "ring = \"256K\";")));
	new = subscribe("o.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("o")));
	publish("o", "after");
	assert_gets_until_end(old, "before\n");
	change_gateway(A);
	assert_gets_until_end(new, "after\n");
}
END_TEST

START_TEST(an_adapted_outlet_keeps_its_subscribers)
{
	int fd;

	start_gateway(A OUTLETS(OUTLET("o", "mode = \"0600\";")));
	fd = subscribe("o.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("o")));
	publish("o", "before");
	change_gateway(A OUTLETS(OUTLET("o", "mode = \"0660\"; on_lag = \"close\";")));
	ck_assert_uint_eq(mode_of("o.sock"), 0660);
	ck_assert_uint_eq(outlet_subscribers(the_outlet("o")), 1);
	publish("o", "after");
	change_gateway(A);
	assert_gets_until_end(fd, "before\nafter\n");
}
END_TEST

static void assert_exchanged(const char *before, const char *after, const char *name,
	const char *path)
{
	int old, new;

	start_gateway(before);
	old = subscribe("1.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("x")));
	publish("x", "old");
	change_gateway(after);
	ck_assert_uint_eq(fixture.changes.outlets_changed, 2);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 2);
	new = subscribe(path);
	TURN_UNTIL(outlet_subscribers(the_outlet(name)));
	publish(name, "new");
	assert_gets_until_end(old, "old\n");
	change_gateway(A);
	assert_gets_until_end(new, "new\n");
	ck_assert_int_eq(subscribe("1.sock"), -1);
	ck_assert_int_eq(subscribe("2.sock"), -1);
}

START_TEST(outlets_exchange_their_names)
{
	assert_exchanged(A OUTLETS(OUTLET("x", "path = \"1.sock\";") ", " OUTLET("y",
				 "path = \"2.sock\";")),
		A OUTLETS(OUTLET("y", "path = \"1.sock\";") ", " OUTLET("x", "path = \"2.sock\";")),
		"y", "1.sock");
}
END_TEST

START_TEST(outlets_exchange_their_paths)
{
	assert_exchanged(A OUTLETS(OUTLET("x", "path = \"1.sock\";") ", " OUTLET("y",
				 "path = \"2.sock\";")),
		A OUTLETS(OUTLET("x", "path = \"2.sock\";") ", " OUTLET("y", "path = \"1.sock\";")),
		"x", "2.sock");
}
END_TEST

/* `count` connections, from that number on, and an outlet that takes all by a pattern. */
static char *many_connections(unsigned first, unsigned count, const char *from)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	fprintf(stream, "connections = ( ");
	for (unsigned i = 0; i < count; i++)
		fprintf(stream, "%s{ name = \"c%u\"; url = \"ws://127.0.0.1:1/\"; }", i ? ", " : "",
			first + i);
	fprintf(stream, " );\noutlets = ( { name = \"o\"; from = [ %s ]; } );\n", from);
	fclose(stream);
	return text;
}

static void assert_sources(size_t expected)
{
	size_t count;

	free(gateway_outlet_sources(the_outlet("o"), &count));
	ck_assert_uint_eq(count, expected);
}

START_TEST(a_pattern_follows_many_connections)
{
	char *before = many_connections(0, 500, "\"c*\""),
	     *after = many_connections(100, 500, "\"c*\"");
	char *fewer = many_connections(100, 500, "\"c10*\", \"c200\", \"c2*\"");

	start_gateway(before);
	assert_sources(500);
	change_gateway(after);
	ck_assert_uint_eq(fixture.changes.added, 100);
	ck_assert_uint_eq(fixture.changes.removed, 100);
	ck_assert_uint_eq(fixture.changes.unchanged, 400);
	TURN_UNTIL(outlet_source(the_outlet("o"), 0) == NULL);
	assert_sources(500);
	change_gateway(fewer);
	ck_assert_uint_eq(fixture.changes.outlets_changed, 1);
	assert_sources(10 + 100); /* the others have outlets of their own */
	free(before);
	free(after);
	free(fewer);
}
END_TEST

/* --- what fails ------------------------------------------------------------------------------ */

static void assert_nothing_changed(int subscriber)
{
	ck_assert_uint_eq(fixture.changes.added, 0);
	ck_assert_uint_eq(fixture.changes.removed, 0);
	ck_assert_uint_eq(fixture.changes.outlets_added, 0);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 2);
	ck_assert_uint_eq(mode_of("adapts.sock"), 0640);
	ck_assert_int_eq(subscribe("new.sock"), -1);
	ck_assert_int_eq(subscribe("late.sock"), -1);
	ck_assert_ptr_null(gateway_connection(fixture.gateway, "b"));
	ck_assert_ptr_nonnull(gateway_connection(fixture.gateway, "a"));
	ck_assert_uint_eq(outlet_subscribers(the_outlet("replaced")), 1);
	publish("replaced", "still there");
	change_gateway(A);
	assert_gets_until_end(subscriber, "still there\n");
}

#define BEFORE A OUTLETS(OUTLET("adapts", "mode = \"0640\";") ", " OUTLET("replaced", ""))
#define AFTER                                                                                      \
	B OUTLETS(OUTLET("new", "") ", " OUTLET("adapts",                                          \
		"mode = \"0600\";") ", " OUTLET("replaced",                                        \
		"format = \"json\";") ", " OUTLET("taken", "") ", " OUTLET("late", ""))

static int start_with_subscriber(void)
{
	int fd;

	start_gateway(BEFORE);
	fd = subscribe("replaced.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("replaced")));
	fixture.settled = 0;
	return fd;
}

/* Half of the outlets have been prepared before, some will be after. */
START_TEST(one_socket_that_cannot_be_undoes_all)
{
	int fd = start_with_subscriber();

	begin_change(AFTER);
	write_file("taken.sock", "not a socket"); /* behind the settings' own check */
	end_change(false);
	ck_assert_uint_eq(fixture.problems.errors.count, 1);
	ck_assert_ptr_nonnull(strstr(fixture.problems.errors.items[0], "outlets[3]"));
	ck_assert_uint_eq(fixture.prepared, 1);
	ck_assert_uint_eq(fixture.withdrawn, 1);
	ck_assert_uint_eq(fixture.settled, 1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_RELOAD], 0);
	assert_nothing_changed(fd);
	unlink("taken.sock");
}
END_TEST

START_TEST(a_path_that_another_process_uses_undoes_all)
{
	int fd = start_with_subscriber();
	int other = listen_at("taken.sock");

	begin_change(AFTER);
	end_change(false);
	ck_assert_uint_eq(fixture.problems.errors.count, 1);
	ck_assert_ptr_nonnull(strstr(fixture.problems.errors.items[0], "outlets[3]"));
	assert_nothing_changed(fd);
	ck_assert_int_ge(subscribe("taken.sock"), 0); /* the other's */
	close(other);
	unlink("taken.sock");
}
END_TEST

/* Its own part: with the outlets, all problems are there at once. */
START_TEST(a_caller_that_cannot_undoes_all)
{
	int fd = start_with_subscriber();

	fixture.refuses = true;
	begin_change(AFTER);
	end_change(false);
	assert_one_problem("caller cannot");
	ck_assert_uint_eq(fixture.withdrawn, 0);
	begin_change(AFTER);
	write_file("taken.sock", "not a socket"); /* behind the settings' own check */
	end_change(false);
	ck_assert_uint_eq(fixture.problems.errors.count, 2);
	fixture.refuses = false;
	assert_nothing_changed(fd);
	unlink("taken.sock");
}
END_TEST

/* Somebody has removed both. */
START_TEST(removed_sockets_come_back)
{
	start_gateway(BEFORE);
	ck_assert_int_eq(unlink("adapts.sock"), 0);
	ck_assert_int_eq(unlink("replaced.sock"), 0);
	begin_change(AFTER);
	end_change(true);
	ck_assert_int_ge(subscribe("adapts.sock"), 0);
	ck_assert_int_ge(subscribe("replaced.sock"), 0);
	TURN_UNTIL(outlet_subscribers(the_outlet("adapts")) &&
		outlet_subscribers(the_outlet("replaced")));
}
END_TEST

START_TEST(sockets_that_have_come_back_go_with_a_change_that_is_undone)
{
	start_gateway(BEFORE);
	ck_assert_int_eq(unlink("adapts.sock"), 0);
	ck_assert_int_eq(unlink("replaced.sock"), 0);
	begin_change(AFTER);
	write_file("taken.sock", "not a socket"); /* behind the settings' own check */
	end_change(false);
	ck_assert_ptr_nonnull(strstr(fixture.problems.errors.items[0], "outlets[3]"));
	ck_assert_int_eq(subscribe("adapts.sock"), -1);
	ck_assert_int_eq(subscribe("replaced.sock"), -1);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 2);
	unlink("taken.sock");
}
END_TEST

START_TEST(a_start_fails_whole)
{
	int other = listen_at("taken.sock");

	fixture.settings = prepare_settings(A OUTLETS(OUTLET("o", "") ", " OUTLET("taken", "")));
	ck_assert_ptr_null(gateway_new(fixture.base, fixture.timers, fixture.log, fixture.settings,
		&fixture.problems));
	ck_assert_uint_eq(fixture.problems.errors.count, 1);
	ck_assert_int_eq(subscribe("o.sock"), -1);
	close(other);
}
END_TEST

/* --- what comes in between ------------------------------------------------------------------- */

static void on_stopped(void *context)
{
	*(bool *)context = true;
}

static bool stopped;

static void stop(void)
{
	stopped = false;
	gateway_stop(fixture.gateway, on_stopped, &stopped);
}

START_TEST(nothing_is_added_or_removed_meanwhile)
{
	struct connection_config *other;
	struct error error;

	start_gateway(A);
	other = make_connection("name = \"other\"; url = \"ws://127.0.0.1:1/\";", true);
	begin_change(B);
	ck_assert(!gateway_add(fixture.gateway, other, &error));
	ck_assert_str_eq(error.text, "a reload is under way");
	ck_assert(!gateway_remove(fixture.gateway, "a", &error));
	end_change(true);
	ck_assert(gateway_add(fixture.gateway, other, &error));
	ck_assert(gateway_remove(fixture.gateway, "b", &error));
}
END_TEST

/* The folder is locked, so that nothing has been decided yet. */
START_TEST(a_stop_undoes_a_change_that_is_not_decided)
{
	int lock;

	start_gateway(BEFORE);
	lock = open(".wsgated.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	begin_change(AFTER);
	for (int i = 0; i < 5; i++)
		turn();
	ck_assert_uint_eq(fixture.ended, 0);
	stop();
	TURN_UNTIL(stopped);
	ck_assert_uint_eq(fixture.ended, 1);
	ck_assert(!fixture.done);
	ck_assert_uint_eq(fixture.prepared, 0);
	ck_assert_uint_eq(fixture.withdrawn, 0);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 0);
	unlink(".wsgated.lock");
	close(lock);
}
END_TEST

static void assert_not_started(void)
{
	struct connection_status status;

	connection_status(gateway_connection(fixture.gateway, "b"), &status);
	ck_assert_int_eq(status.state, CONNECTION_IDLE);
	ck_assert_ptr_null(status.last_error);
}

/* The last moment: from here on it cannot be undone, but nothing is started any more. */
START_TEST(a_stop_completes_a_change_that_is_decided)
{
	start_gateway(BEFORE);
	fixture.on_prepare = stop;
	fixture.on_ended = assert_not_started;
	begin_change("connections = ( { name = \"b\"; url = \"ws://127.0.0.1:1/\"; "
		     "when = \"always\"; } );\n");
	end_change(true);
	TURN_UNTIL(stopped);
	ck_assert_int_eq(subscribe("b.sock"), -1);
}
END_TEST

START_TEST(everything_is_freed_in_the_middle_of_a_change)
{
	start_gateway(BEFORE);
	begin_change(AFTER);
	gateway_free(fixture.gateway);
	fixture.gateway = NULL;
	ck_assert_uint_eq(fixture.ended, 1);
	ck_assert(!fixture.done);
}
END_TEST

static struct gateway_watcher leaving;

static void leave(void *context)
{
	++*(unsigned *)context;
	gateway_unwatch(fixture.gateway, &leaving);
}

START_TEST(a_watcher_may_leave_when_it_is_told)
{
	unsigned told = 0;

	start_gateway(A);
	leaving = (struct gateway_watcher){.settled = leave, .context = &told};
	gateway_watch(fixture.gateway, &leaving);
	change_gateway(B);
	change_gateway(A);
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(fixture.settled, 2);
}
END_TEST

Suite *gateway_change_suite(void)
{
	Suite *suite = suite_create("gateway_change");
	TCase *tests = tcase_create("gateway_change");

	settings_add_folders(tests);
	tcase_add_checked_fixture(tests, gateway_setup, gateway_teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, the_answer_the_event_and_the_watchers_agree);
	tcase_add_test(tests, a_connection_changes_in_place);
	tcase_add_test(tests, a_renamed_connection_takes_its_own_outlet_along);
	tcase_add_test(tests, a_replaced_outlet_still_delivers);
	tcase_add_test(tests, an_adapted_outlet_keeps_its_subscribers);
	tcase_add_test(tests, outlets_exchange_their_names);
	tcase_add_test(tests, outlets_exchange_their_paths);
	tcase_add_test(tests, a_pattern_follows_many_connections);
	tcase_add_test(tests, one_socket_that_cannot_be_undoes_all);
	tcase_add_test(tests, a_path_that_another_process_uses_undoes_all);
	tcase_add_test(tests, a_caller_that_cannot_undoes_all);
	tcase_add_test(tests, removed_sockets_come_back);
	tcase_add_test(tests, sockets_that_have_come_back_go_with_a_change_that_is_undone);
	tcase_add_test(tests, a_start_fails_whole);
	tcase_add_test(tests, nothing_is_added_or_removed_meanwhile);
	tcase_add_test(tests, a_stop_undoes_a_change_that_is_not_decided);
	tcase_add_test(tests, a_stop_completes_a_change_that_is_decided);
	tcase_add_test(tests, everything_is_freed_in_the_middle_of_a_change);
	tcase_add_test(tests, a_watcher_may_leave_when_it_is_told);
	suite_add_tcase(suite, tests);
	return suite;
}
