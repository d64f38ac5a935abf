#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway_harness.h"

#define A   "connections = ( { name = \"a\"; url = \"ws://127.0.0.1:1/\"; } );\n"
#define URL "url = \"ws://127.0.0.1:1/\"; "

static struct error error;

static bool add(const char *text, bool trusted)
{
	struct connection_config *config = make_connection(text, trusted);

	if (gateway_add(fixture.gateway, config, &error))
		return true;
	connection_config_free(config);
	return false;
}

static void assert_refused(const char *text, bool trusted, const char *name, const char *part)
{
	ck_assert(!add(text, trusted));
	ck_assert_str_eq(error.name, name);
	ck_assert_msg(strstr(error.text, part) != NULL, "%s", error.text);
}

static size_t connection_count(void)
{
	size_t count;

	gateway_connections(fixture.gateway, &count);
	return count;
}

START_TEST(a_connection_comes_and_goes_with_its_outlet)
{
	start_gateway(A);
	ck_assert(add("name = \"b\"; " URL, true));
	ck_assert_uint_eq(connection_count(), 2);
	ck_assert(has_outlet("b"));
	ck_assert_int_ge(subscribe("b.sock"), 0);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_ADDED], 1);
	ck_assert(gateway_remove(fixture.gateway, "b", &error));
	ck_assert_uint_eq(connection_count(), 1);
	ck_assert(!has_outlet("b"));
	ck_assert_int_eq(subscribe("b.sock"), -1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_REMOVED], 1);
}
END_TEST

START_TEST(a_connection_that_outlets_take_gets_none_of_its_own)
{
	size_t count;

	start_gateway(A "outlets = ( { name = \"o\"; from = [ \"*\" ]; }, "
			"{ name = \"p\"; from = [ \"b*\", \"a\" ]; } );\n");
	ck_assert(add("name = \"b\"; " URL, true));
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 2);
	free(gateway_outlet_sources(the_outlet("o"), &count));
	ck_assert_uint_eq(count, 2);
	free(gateway_outlet_sources(the_outlet("p"), &count));
	ck_assert_uint_eq(count, 2);
	ck_assert(gateway_remove(fixture.gateway, "b", &error));
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 2);
	TURN_UNTIL(outlet_source(the_outlet("p"), 1) == NULL);
}
END_TEST

START_TEST(names_are_there_once)
{
	start_gateway(A "outlets = ( { name = \"o\"; from = [ \"a\" ]; } );\n");
	assert_refused("name = \"a\"; " URL, true, ERROR_EXISTS,
		"a connection named 'a' already exists");
	assert_refused("name = \"o\"; " URL, true, ERROR_EXISTS,
		"an outlet named 'o' exists, and does not take it");
	ck_assert(!gateway_remove(fixture.gateway, "o", &error));
	ck_assert_str_eq(error.name, ERROR_NOT_FOUND);
	ck_assert_uint_eq(connection_count(), 1);
}
END_TEST

START_TEST(a_socket_that_cannot_be_made_adds_nothing)
{
	start_gateway(A);
	write_file("b.sock", "not a socket");
	ck_assert(!add("name = \"b\"; " URL, true));
	ck_assert_uint_eq(connection_count(), 1);
	ck_assert_uint_eq(fixture.events[EVENT_TYPE_ADDED], 0);
	remove("b.sock");
}
END_TEST

START_TEST(a_ring_that_waits_must_hold_each_message)
{
	start_gateway(A "outlets = ( { name = \"o\"; from = [ \"*\" ]; on_lag = \"wait\"; "
			"ring = \"2M\"; } );\n");
	ck_assert(!add("name = \"b\"; max_message = \"8M\"; " URL, true));
	ck_assert_str_eq(error.name, ERROR_SETTINGS);
	ck_assert(add("name = \"b\"; max_message = \"1M\"; " URL, true));
}
END_TEST

START_TEST(no_untrusted_connection_in_a_writable_outlet)
{
	start_gateway(A
		"outlets = ( { name = \"o\"; from = [ \"w*\", \"a\" ]; writable = true; } );\n");
	assert_refused("name = \"w\"; " URL, false, ERROR_SETTINGS, "is writable");
	ck_assert(add("name = \"v\"; " URL, false));
	ck_assert(add("name = \"w\"; " URL, true));
}
END_TEST

static void limit_descriptors(rlim_t count)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = count;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* One for each 32 descriptors; those on their way out count until they are gone. */
START_TEST(untrusted_connections_are_few)
{
	char text[64];

	start_gateway(A);
	limit_descriptors(128);
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "name = \"u%d\"; " URL, i);
		ck_assert(add(text, false));
	}
	assert_refused("name = \"more\"; " URL, false, ERROR_SETTINGS, "at most 4 connections");
	ck_assert(add("name = \"trusted\"; " URL, true));
	ck_assert(gateway_remove(fixture.gateway, "u0", &error));
	assert_refused("name = \"more\"; " URL, false, ERROR_SETTINGS, "at most 4 connections");
	TURN_UNTIL(add("name = \"more\"; " URL, false));
}
END_TEST

START_TEST(untrusted_connections_share_their_memory)
{
	start_gateway(A);
	ck_assert(add("name = \"b\"; max_message = \"300M\"; " URL, false));
	assert_refused("name = \"c\"; max_message = \"300M\"; " URL, false, ERROR_SETTINGS,
		"at most 512 MiB in total");
	ck_assert(add("name = \"c\"; max_message = \"300M\"; " URL, true));
	ck_assert(add("name = \"d\"; " URL, false));
}
END_TEST

/* Control clients that are not trusted stay below most of the reserve, but above subscribers. */
START_TEST(descriptors_are_reserved)
{
	unsigned ceiling;

	start_gateway(A);
	limit_descriptors(1000);
	ceiling = gateway_client_ceiling(fixture.gateway);
	ck_assert_uint_gt(ceiling, 1000 - 64 - 2 * 2);
	ck_assert_uint_lt(ceiling, 1000 - 32);
	limit_descriptors(100);
	ck_assert_uint_lt(gateway_client_ceiling(fixture.gateway), 100);
	change_gateway(A
		"outlets = ( { name = \"o\"; from = [ \"a\" ]; } );\n"); /* with a warning */
}
END_TEST

static void on_checked(const struct error *failure, void *context)
{
	(void)failure, (void)context;
	ck_abort_msg("there is nothing to read");
}

START_TEST(a_connection_without_files_is_checked_at_once)
{
	struct connection_config *config;
	struct net_check *check;

	start_gateway(A);
	config = make_connection("name = \"b\"; " URL, true);
	ck_assert(gateway_check_connection(fixture.gateway, config, &check, on_checked, NULL,
		&error));
	ck_assert_ptr_null(check);
	connection_config_free(config);
}
END_TEST

Suite *gateway_add_suite(void)
{
	Suite *suite = suite_create("gateway_add");
	TCase *tests = tcase_create("gateway_add");

	settings_add_folders(tests);
	tcase_add_checked_fixture(tests, gateway_setup, gateway_teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_connection_comes_and_goes_with_its_outlet);
	tcase_add_test(tests, a_connection_that_outlets_take_gets_none_of_its_own);
	tcase_add_test(tests, names_are_there_once);
	tcase_add_test(tests, a_socket_that_cannot_be_made_adds_nothing);
	tcase_add_test(tests, a_ring_that_waits_must_hold_each_message);
	tcase_add_test(tests, no_untrusted_connection_in_a_writable_outlet);
	tcase_add_test(tests, untrusted_connections_are_few);
	tcase_add_test(tests, untrusted_connections_share_their_memory);
	tcase_add_test(tests, descriptors_are_reserved);
	tcase_add_test(tests, a_connection_without_files_is_checked_at_once);
	suite_add_tcase(suite, tests);
	return suite;
}
