#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/change_plan.h"
#include "settings_harness.h"

/* Of two configurations; what runs stands for the first, and is never looked into. */
static struct settings *before, *after;
static struct change_plan plan;

static struct connection *running_connection(size_t index)
{
	return (struct connection *)before->connections[index];
}

static struct gateway_outlet *running_outlet(size_t index)
{
	return (struct gateway_outlet *)before->outlets[index];
}

static void make_plan(const char *old, const char *new)
{
	before = load(old);
	after = load(new);
	change_plan_init(&plan, after);
	for (size_t i = 0; i < before->connection_count; i++)
		change_plan_add_connection(&plan, running_connection(i), before->connections[i]);
	for (size_t i = 0; i < before->outlet_count; i++)
		change_plan_add_outlet(&plan, running_outlet(i), before->outlets[i]);
	for (size_t i = 0; i < after->connection_count; i++)
		change_plan_connection(&plan, i);
	for (size_t i = 0; i < after->outlet_count; i++)
		change_plan_outlet(&plan, i);
}

static void free_plan(void)
{
	change_plan_release(&plan);
	settings_free(before);
	settings_free(after);
}

static void assert_connections(unsigned added, unsigned removed, unsigned changed,
	unsigned unchanged)
{
	ck_assert_uint_eq(plan.changes.added, added);
	ck_assert_uint_eq(plan.changes.removed, removed);
	ck_assert_uint_eq(plan.changes.changed, changed);
	ck_assert_uint_eq(plan.changes.unchanged, unchanged);
}

static void assert_outlets(unsigned added, unsigned removed, unsigned changed)
{
	ck_assert_uint_eq(plan.changes.outlets_added, added);
	ck_assert_uint_eq(plan.changes.outlets_removed, removed);
	ck_assert_uint_eq(plan.changes.outlets_changed, changed);
}

/* `running`: the index of the one whose place it takes, or -1. */
static void assert_outlet(size_t index, enum planned_outlet_action action, int running)
{
	const struct planned_outlet *planned = &plan.outlets[index];

	ck_assert_int_eq(planned->action, action);
	if (running < 0)
		ck_assert_ptr_null(planned->running);
	else
		ck_assert_ptr_eq(planned->running, running_outlet((size_t)running));
}

#define A                 "{ name = \"a\"; url = \"ws://h/\"; }"
#define B                 "{ name = \"b\"; url = \"ws://h/\"; }"
#define C                 "{ name = \"c\"; url = \"ws://h/\"; }"
#define CONNECTIONS(list) "connections = ( " list " );\n"
#define OUTLETS(list)     "outlets = ( " list " );\n"
#define NOTHING           "connections = ();\n"

/* An outlet of those connections, with further settings. */
#define OUTLET(name, path, from, more)                                                             \
	"{ name = \"" name "\"; path = \"/p/" path "\"; from = [ " from " ]; " more " }"

START_TEST(a_start_creates_everything)
{
	make_plan(NOTHING, CONNECTIONS(A ", " B) OUTLETS(OUTLET("o", "o", "\"a\"", "")));
	assert_connections(2, 0, 0, 0);
	assert_outlets(2, 0, 0); /* one of them is b's own */
	for (size_t i = 0; i < 2; i++) {
		ck_assert_ptr_null(plan.connections[i].running);
		assert_outlet(i, PLAN_CREATE, -1);
		ck_assert_int_eq(plan.outlets[i].sources, PLAN_ATTACH);
	}
}
END_TEST

START_TEST(the_end_of_everything_leaves_nothing)
{
	make_plan(CONNECTIONS(A ", " B), NOTHING);
	assert_connections(0, 2, 0, 0);
	assert_outlets(0, 2, 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(!plan.running_connections[i].stays);
		ck_assert_ptr_eq(plan.running_connections[i].connection, running_connection(i));
		ck_assert(!plan.running_outlets[i].stays);
		ck_assert_ptr_eq(plan.running_outlets[i].outlet, running_outlet(i));
	}
}
END_TEST

START_TEST(the_same_again_changes_nothing)
{
	const char *text = CONNECTIONS(A ", " B) OUTLETS(OUTLET("o", "o", "\"a\"", ""));

	make_plan(text, text);
	assert_connections(0, 0, 0, 2);
	assert_outlets(0, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(plan.connections[i].difference, SETTINGS_SAME);
		assert_outlet(i, PLAN_ADAPT, (int)i);
	}
}
END_TEST

START_TEST(a_change_is_taken_live_or_reconnects)
{
	make_plan(CONNECTIONS(A ", " B ", " C),
		CONNECTIONS("{ name = \"a\"; url = \"ws://h/\"; max_message = \"2M\"; }, "
			    "{ name = \"b\"; url = \"ws://other/\"; }, " C));
	assert_connections(0, 0, 2, 1);
	ck_assert_int_eq(plan.connections[0].difference, SETTINGS_LIVE);
	ck_assert_int_eq(plan.connections[1].difference, SETTINGS_RECONNECT);
	ck_assert_int_eq(plan.connections[2].difference, SETTINGS_SAME);
}
END_TEST

/* The settings' order is that of the plan, whatever it was before. */
START_TEST(connections_are_found_by_name)
{
	make_plan(CONNECTIONS(A ", " B), CONNECTIONS(C ", " B ", " A));
	assert_connections(1, 0, 0, 2);
	ck_assert_ptr_null(plan.connections[0].running);
	ck_assert_ptr_eq(plan.connections[1].running, running_connection(1));
	ck_assert_ptr_eq(plan.connections[2].running, running_connection(0));
}
END_TEST

/* Nothing says that it is the same one: it closes, and another opens; so with its outlet. */
START_TEST(a_renamed_connection_is_another)
{
	make_plan(CONNECTIONS(A), CONNECTIONS(B));
	assert_connections(1, 1, 0, 0);
	assert_outlets(1, 1, 0);
	ck_assert(!plan.running_connections[0].stays);
	ck_assert(!plan.running_outlets[0].stays);
	assert_outlet(0, PLAN_CREATE, -1);
}
END_TEST

START_TEST(subscribers_stay_when_an_outlet_can_adapt)
{
	make_plan(CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"a\"", "ring = \"64K\";")),
		CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"a\"",
			"ring = \"60K\"; on_lag = \"close\"; mode = \"0600\"; writable = true;")));
	assert_outlets(0, 0, 1);
	assert_outlet(0, PLAN_ADAPT, 0);
	ck_assert(plan.running_outlets[0].stays);
}
END_TEST

START_TEST(another_format_or_ring_takes_another_outlet)
{
	static const char *const changes[] = {
		"format = \"json\";", "ring = \"128K\";", "format = \"packets\"; ring = \"64K\";"};
	char text[256];

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		snprintf(text, sizeof(text),
			CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"a\"", "%s")), changes[i]);
		make_plan(CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"a\"", "ring = \"64K\";")),
			text);
		assert_outlets(0, 0, 1);
		assert_outlet(0, PLAN_REPLACE, 0);
		ck_assert_int_eq(plan.outlets[0].sources, PLAN_ATTACH);
		if (i < 2)
			free_plan();
	}
}
END_TEST

/* Whoever comes to a path finds what the settings say: that is where each new one is made. */
START_TEST(outlets_that_exchange_their_names_are_replaced)
{
	make_plan(CONNECTIONS(A)
			  OUTLETS(OUTLET("x", "1", "\"a\"", "") ", " OUTLET("y", "2", "\"a\"", "")),
		CONNECTIONS(A)
			OUTLETS(OUTLET("y", "1", "\"a\"", "") ", " OUTLET("x", "2", "\"a\"", "")));
	assert_outlets(0, 0, 2);
	assert_outlet(0, PLAN_REPLACE, 0);
	assert_outlet(1, PLAN_REPLACE, 1);
}
END_TEST

START_TEST(outlets_that_exchange_their_paths_are_replaced)
{
	make_plan(CONNECTIONS(A)
			  OUTLETS(OUTLET("x", "1", "\"a\"", "") ", " OUTLET("y", "2", "\"a\"", "")),
		CONNECTIONS(A)
			OUTLETS(OUTLET("x", "2", "\"a\"", "") ", " OUTLET("y", "1", "\"a\"", "")));
	assert_outlets(0, 0, 2);
	assert_outlet(0, PLAN_REPLACE, 1);
	assert_outlet(1, PLAN_REPLACE, 0);
}
END_TEST

START_TEST(an_outlet_at_another_path_is_another)
{
	make_plan(CONNECTIONS(A) OUTLETS(OUTLET("x", "1", "\"a\"", "")),
		CONNECTIONS(A) OUTLETS(OUTLET("x", "2", "\"a\"", "")));
	assert_outlets(1, 1, 0);
	assert_outlet(0, PLAN_CREATE, -1);
	ck_assert(!plan.running_outlets[0].stays);
}
END_TEST

START_TEST(a_taken_connection_needs_no_outlet_of_its_own)
{
	make_plan(CONNECTIONS(A), CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"a\"", "")));
	assert_connections(0, 0, 0, 1);
	assert_outlets(1, 1, 0);
	assert_outlet(0, PLAN_CREATE, -1);
	ck_assert(!plan.running_outlets[0].stays);
}
END_TEST

/* Thousands of connections are not asked about when only one is new. */
START_TEST(a_pattern_that_stays_looks_at_new_connections_only)
{
	make_plan(CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"*\"", "")),
		CONNECTIONS(A ", " B) OUTLETS(OUTLET("o", "o", "\"*\"", "on_lag = \"close\";")));
	assert_outlet(0, PLAN_ADAPT, 0);
	ck_assert_int_eq(plan.outlets[0].sources, PLAN_ATTACH_ADDED);
}
END_TEST

START_TEST(names_that_stay_are_looked_up)
{
	make_plan(CONNECTIONS(A) OUTLETS(OUTLET("o", "o", "\"a\"", "")),
		CONNECTIONS(A ", " B) OUTLETS(OUTLET("o", "o", "\"a\"", "")));
	assert_outlet(0, PLAN_ADAPT, 0);
	ck_assert_int_eq(plan.outlets[0].sources, PLAN_ATTACH);
}
END_TEST

START_TEST(other_names_and_patterns_reroute)
{
	make_plan(CONNECTIONS(A ", " B) OUTLETS(OUTLET("x", "x", "\"a\", \"b\"",
			  "") ", " OUTLET("y", "y", "\"*\"", "")),
		CONNECTIONS(A ", " B) OUTLETS(OUTLET("x", "x", "\"b\"", "") ", " OUTLET("y", "y",
			"\"a*\", \"b\"", "")));
	assert_outlets(0, 0, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_outlet(i, PLAN_ADAPT, (int)i);
		ck_assert_int_eq(plan.outlets[i].sources, PLAN_REROUTE);
	}
}
END_TEST

Suite *change_plan_suite(void)
{
	Suite *suite = suite_create("change_plan");
	TCase *tests = tcase_create("change_plan");

	settings_add_folders(tests);
	tcase_add_checked_fixture(tests, NULL, free_plan);
	tcase_add_test(tests, a_start_creates_everything);
	tcase_add_test(tests, the_end_of_everything_leaves_nothing);
	tcase_add_test(tests, the_same_again_changes_nothing);
	tcase_add_test(tests, a_change_is_taken_live_or_reconnects);
	tcase_add_test(tests, connections_are_found_by_name);
	tcase_add_test(tests, a_renamed_connection_is_another);
	tcase_add_test(tests, subscribers_stay_when_an_outlet_can_adapt);
	tcase_add_test(tests, another_format_or_ring_takes_another_outlet);
	tcase_add_test(tests, outlets_that_exchange_their_names_are_replaced);
	tcase_add_test(tests, outlets_that_exchange_their_paths_are_replaced);
	tcase_add_test(tests, an_outlet_at_another_path_is_another);
	tcase_add_test(tests, a_taken_connection_needs_no_outlet_of_its_own);
	tcase_add_test(tests, a_pattern_that_stays_looks_at_new_connections_only);
	tcase_add_test(tests, names_that_stay_are_looked_up);
	tcase_add_test(tests, other_names_and_patterns_reroute);
	suite_add_tcase(suite, tests);
	return suite;
}
