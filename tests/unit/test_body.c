#include "gateway/body.h"

#include <stdlib.h>
#include <string.h>

#include "test_gateway.h"

static const struct body_case {
	const char *data;
	const char *text;
	bool complete;
} body_cases[] = {
	{"", "", false},
	{"5", "", false},
	{"5\r", "", false},
	{"5\r\n", "", false},
	{"5\r\nfir", "fir", false},
	{"5\r\nfirst", "first", false},
	{"5\r\nfirst\r\n", "first", false},
	{"5\r\nfirst\r\n0\r\n\r\n", "first", true},
	{"5\r\nfirst\r\n0\r\n", "first", true},
	{"5\r\nfirst\r\n00a ; name=\"value\"\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n",
		"first\r\n\r\n\r\n\r\n\r\n", true},
	{"5\nfirst\n6\nsecond\n0\n", "firstsecond", true}, /* some leave the \r out */
	{"A\r\n0123456789\r\na\r\n0123456789", "01234567890123456789", false},
	{"ffffffffffffffff\r\nrest", "rest", false},
	{"10000000000000000\r\nrest", "", true},
	{"<html>\r\n</html>", "", true},
	{"-1\r\nrest", "", true},
	{"\r\n5\r\nfirst", "", true},
};

/* In memory of just its size, for the sanitizers; and every part of it. */
START_TEST(unchunk)
{
	const struct body_case *wanted = &body_cases[_i];
	size_t length = strlen(wanted->data);

	for (size_t part = 0; part <= length; part++) {
		uint8_t *data = malloc(part ? part : 1);
		char *out = malloc(part ? part : 1);
		bool complete;
		size_t written;

		memcpy(data, wanted->data, part);
		written = body_unchunk(out, data, part, &complete);
		ck_assert_uint_le(written, strlen(wanted->text));
		ck_assert_mem_eq(out, wanted->text, written);
		if (part == length) {
			ck_assert_uint_eq(written, strlen(wanted->text));
			ck_assert_int_eq(complete, wanted->complete);
		}
		free(out);
		free(data);
	}
}
END_TEST

Suite *body_suite(void)
{
	Suite *suite = suite_create("body");
	TCase *chunks = tcase_create("chunks");

	tcase_add_loop_test(chunks, unchunk, 0, sizeof(body_cases) / sizeof(body_cases[0]));
	suite_add_tcase(suite, chunks);
	return suite;
}
