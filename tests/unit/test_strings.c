#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/strings.h"

static struct string_list list_of(const char *first, const char *second, const char *third)
{
	struct string_list list = {0};

	string_list_add(&list, first);
	string_list_add(&list, second);
	string_list_add(&list, third);
	return list;
}

START_TEST(test_strings_are_owned)
{
	char text[] = "a";
	struct string_list list = {0};

	string_list_add(&list, text);
	text[0] = 'b';
	string_list_take(&list, alloc_string("c"));
	ck_assert_uint_eq(list.count, 2);
	ck_assert_str_eq(list.items[0], "a");
	ck_assert_str_eq(list.items[1], "c");
	string_list_release(&list);
	ck_assert_uint_eq(list.count, 0);
	ck_assert_ptr_null(list.items);
	string_list_release(&list);
}
END_TEST

START_TEST(test_strings_are_found)
{
	struct string_list list = list_of("a", "b", "b");

	ck_assert_uint_eq(string_list_find(&list, "b"), 1);
	ck_assert_uint_eq(string_list_find(&list, "B"), list.count);
	string_list_release(&list);
	ck_assert_uint_eq(string_list_find(&list, "b"), 0);
}
END_TEST

START_TEST(test_strings_are_removed)
{
	struct string_list list = list_of("a", "b", "c");

	string_list_remove(&list, 1);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_str_eq(list.items[0], "a");
	ck_assert_str_eq(list.items[1], "c");
	string_list_remove(&list, 1);
	string_list_remove(&list, 0);
	ck_assert_uint_eq(list.count, 0);

	string_list_add(&list, "d");
	ck_assert_str_eq(list.items[0], "d");
	string_list_release(&list);
}
END_TEST

START_TEST(test_strings_are_compared)
{
	struct string_list list = list_of("a", "b", "c");
	struct string_list copy = string_list_copy(&list);

	ck_assert(string_list_equal(&list, &copy));
	string_list_add(&copy, "d");
	ck_assert(!string_list_equal(&list, &copy));
	string_list_add(&list, "D");
	ck_assert(!string_list_equal(&list, &copy));
	string_list_release(&list);
	ck_assert_str_eq(copy.items[3], "d");
	string_list_release(&copy);
	ck_assert(string_list_equal(&list, &copy));
}
END_TEST

/* A list may shrink and grow around the sizes at which its memory is resized. */
START_TEST(test_strings_come_and_go)
{
	struct string_list list = {0};
	size_t count = 0;

	for (unsigned step = 0; step < 1000; step++) {
		if (step % 7 < 4 || count == 0) {
			string_list_take(&list, alloc_format("%u", step));
			count++;
		} else {
			string_list_remove(&list, step % count);
			count--;
		}
		ck_assert_uint_eq(list.count, count);
	}
	for (size_t i = 1; i < count; i++)
		ck_assert_int_lt(atoi(list.items[i - 1]), atoi(list.items[i]));
	string_list_release(&list);
}
END_TEST

START_TEST(test_headers_are_found)
{
	struct header_list list = {0};

	ck_assert_ptr_null(header_list_find(&list, "Host"));
	header_list_add(&list, "Host", "one");
	header_list_take(&list, alloc_string("hOST"), alloc_string("two"));
	ck_assert_str_eq(header_list_find(&list, "host"), "one");
	ck_assert_ptr_null(header_list_find(&list, "Hos"));
	header_list_release(&list);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(test_headers_are_compared)
{
	struct header_list list = {0}, copy;

	header_list_add(&list, "A", "1");
	header_list_add(&list, "B", "2");
	copy = header_list_copy(&list);
	ck_assert(header_list_equal(&list, &copy));

	copy.items[1].value[0] = '3';
	ck_assert(!header_list_equal(&list, &copy));
	copy.items[1].value[0] = '2';
	copy.items[0].name[0] = 'a'; /* as they were written */
	ck_assert(!header_list_equal(&list, &copy));
	header_list_release(&copy);
	ck_assert(!header_list_equal(&list, &copy));
	header_list_release(&list);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("strings");
	TCase *strings = tcase_create("strings");
	TCase *headers = tcase_create("headers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(strings, test_strings_are_owned);
	tcase_add_test(strings, test_strings_are_found);
	tcase_add_test(strings, test_strings_are_removed);
	tcase_add_test(strings, test_strings_are_compared);
	tcase_add_test(strings, test_strings_come_and_go);
	suite_add_tcase(suite, strings);
	tcase_add_test(headers, test_headers_are_found);
	tcase_add_test(headers, test_headers_are_compared);
	suite_add_tcase(suite, headers);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
