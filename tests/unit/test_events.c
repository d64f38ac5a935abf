#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event_type.h"
#include "base/json_put.h"

static struct buffer out;
static struct json_writer json;

static void setup(void)
{
	json = (struct json_writer){&out, false};
}

static void teardown(void)
{
	buffer_release(&out);
}

static void expect(const char *text)
{
	ck_assert_msg(out.length == strlen(text) &&
			memcmp(buffer_data(&out), text, out.length) == 0,
		"%.*s instead of %s", (int)out.length, (const char *)buffer_data(&out), text);
}

START_TEST(test_values_are_separated)
{
	json_put_object(&json, NULL);
	json_put_number(&json, "most", UINT64_MAX);
	json_put_member(&json, "least");
	json_put_integer(&json, NULL, INT64_MIN);
	json_put_array(&json, "list");
	json_put_object(&json, NULL);
	json_put_object_end(&json);
	json_put_boolean(&json, NULL, true);
	json_put_array(&json, NULL);
	json_put_array_end(&json);
	json_put_raw(&json, NULL, "null");
	json_put_array_end(&json);
	json_put_boolean(&json, "no", false);
	json_put_object_end(&json);
	expect("{\"most\":18446744073709551615,\"least\":-9223372036854775808,\"list\":[{},true,[],null],\"no\":false}");
}
END_TEST

/* What the text ends with is no reason to leave out a comma. */
START_TEST(test_texts_are_separated)
{
	json_put_array(&json, NULL);
	json_put_text(&json, NULL, "[");
	json_put_text(&json, NULL, "{");
	json_put_text(&json, NULL, "");
	json_put_array_end(&json);
	expect("[\"[\",\"{\",\"\"]");
}
END_TEST

START_TEST(test_string_is_escaped)
{
	json_put_object(&json, NULL);
	json_put_null(&json, "\"\n");
	json_put_object_end(&json);
	expect("{\"\\\"\\u000a\":null}");
	buffer_clear(&out);
	json.after_value = false;
	json_put_string(&json, NULL, "a\"b\\c\n\x01\xc3\xa9", 9);
	expect("\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\"");
}
END_TEST

START_TEST(test_real_is_exact_and_no_integer)
{
	json_put_array(&json, NULL);
	json_put_real(&json, NULL, 2000);
	json_put_real(&json, NULL, 0.1);
	json_put_real(&json, NULL, 1.0 / 3);
	json_put_real(&json, NULL, 1e300);
	json_put_array_end(&json);
	expect("[2000.0,0.1,0.3333333333333333,1e+300]");
}
END_TEST

START_TEST(test_text_is_cleaned)
{
	json_put_text(&json, NULL, "a\xff\n");
	json_put_text(&json, NULL, NULL);
	expect("\"a\xef\xbf\xbd \",null");
}
END_TEST

START_TEST(test_each_type_has_its_own_name)
{
	for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
		ck_assert_ptr_nonnull(event_type_name(type));
		for (int other = 0; other < type; other++)
			ck_assert_str_ne(event_type_name(type), event_type_name(other));
	}
}
END_TEST

START_TEST(test_the_man_page_has_every_type)
{
	FILE *file = fopen(TEST_SRCDIR "/doc/wsgated-protocol.7.scd", "r");
	char line[4096], name[64];
	bool described[EVENT_TYPE_COUNT] = {0};

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
			snprintf(name, sizeof(name), "*%s*", event_type_name(type));
			described[type] |= line[0] == '|' && strstr(line, name);
		}
	}
	fclose(file);
	for (int type = 0; type < EVENT_TYPE_COUNT; type++)
		ck_assert_msg(described[type], "no entry for %s", event_type_name(type));
}
END_TEST

START_TEST(test_members)
{
	struct event_members members = {0};

	event_add_number(&members, "code", 1006);
	event_add_boolean(&members, "remote", true);
	event_add_text(&members, "reason", "say \"no\"");
	event_add_own_text(&members, "err", "SOCKET-CLOSED");
	event_add_url(&members, "url", "wss://a.example/");
	event_members_append(&out, &members);
	expect("{\"code\":1006,\"remote\":true,\"reason\":\"say \\\"no\\\"\","
	       "\"err\":\"SOCKET-CLOSED\",\"url\":\"wss://a.example/\"}");
}
END_TEST

START_TEST(test_no_members)
{
	const struct event_members members = {0};

	event_members_append(&out, &members);
	expect("{}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *writer = tcase_create("writer");
	TCase *events = tcase_create("events");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(writer, setup, teardown);
	tcase_add_test(writer, test_values_are_separated);
	tcase_add_test(writer, test_texts_are_separated);
	tcase_add_test(writer, test_string_is_escaped);
	tcase_add_test(writer, test_real_is_exact_and_no_integer);
	tcase_add_test(writer, test_text_is_cleaned);
	suite_add_tcase(suite, writer);
	tcase_add_checked_fixture(events, setup, teardown);
	tcase_add_test(events, test_each_type_has_its_own_name);
	tcase_add_test(events, test_the_man_page_has_every_type);
	tcase_add_test(events, test_members);
	tcase_add_test(events, test_no_members);
	suite_add_tcase(suite, events);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
