#include "test_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_config.h"

/* What libconfig would write for the group that came of the JSON, without its spaces. */
static char *converted(const char *json, struct error *error)
{
	json_t *object = json_loads(json, 0, NULL);
	config_t config;
	char *text = NULL;
	size_t length = 0;
	FILE *file;

	ck_assert_msg(json_is_object(object), "the test's own JSON is wrong: %s", json);
	config_init(&config);
	if (json_config_fill(config_root_setting(&config), object, error)) {
		file = open_memstream(&text, &length);
		config_write(&config, file);
		fclose(file);
		length = 0;
		for (char *c = text; *c; c++) {
			if (*c != ' ' && *c != '\n')
				text[length++] = *c;
		}
		text[length] = '\0';
	}
	config_destroy(&config);
	json_decref(object);
	return text;
}

static const struct {
	const char *json;
	const char *config;
} conversions[] = {
	{"{}", ""},
	{"{\"name\":\"a\",\"url\":\"ws://h/\"}", "name=\"a\";url=\"ws://h/\";"},
	{"{\"n\":2147483647,\"min\":-2147483648}", "n=2147483647;min=-2147483648;"},
	{"{\"big\":2147483648}", "big=2147483648L;"},
	{"{\"factor\":1.5,\"yes\":true,\"no\":false}", "factor=1.5;yes=true;no=false;"},
	{"{\"none\":null,\"a\":1}", "a=1;"},
	{"{\"tls\":{\"verify\":false}}", "tls:{verify=false;};"},
	{"{\"headers\":{\"X-Api-Key\":\"k\"}}", "headers:{X-Api-Key=\"k\";};"},
	{"{\"protocols\":[\"a\",\"b\"]}", "protocols=[\"a\",\"b\"];"},
	{"{\"protocols\":[]}", "protocols=[];"},
	{"{\"mixed\":[1,\"b\"]}", "mixed=(1,\"b\");"},
	{"{\"wide\":[1,3000000000]}", "wide=(1,3000000000L);"},
	{"{\"deep\":[[1],{\"a\":2}]}", "deep=([1],{a=2;});"},
	{"{\"holes\":[null,1]}", "holes=(1);"},
};

START_TEST(json_becomes_libconfig)
{
	struct error error;
	char *text = converted(conversions[_i].json, &error);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, conversions[_i].config);
	free(text);
}
END_TEST

START_TEST(a_name_that_libconfig_does_not_allow_is_an_error)
{
	struct error error;

	ck_assert_ptr_null(converted("{\"tls\":{\"not a name\":1}}", &error));
	ck_assert_str_eq(error.name, ERROR_SETTINGS);
	ck_assert_str_eq(error.text, "'not a name' cannot be the name of a setting");
}
END_TEST

Suite *json_config_suite(void)
{
	Suite *suite = suite_create("json_config");
	TCase *tests = tcase_create("fill");

	tcase_add_loop_test(tests, json_becomes_libconfig, 0,
		sizeof(conversions) / sizeof(*conversions));
	tcase_add_test(tests, a_name_that_libconfig_does_not_allow_is_an_error);
	suite_add_tcase(suite, tests);
	return suite;
}
