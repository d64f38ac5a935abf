/*
 * Heads of HTTP messages. The outcome does not depend on the pieces that they arrive in, and what
 * is parsed has nothing in it that would end a line or a string, except where a response was odd.
 *
 * Input: a byte of options, a byte with the size of the pieces, and then the head.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http_head.h"

enum {
	OPTION_REQUEST = 1,
	OPTION_SMALL = 4, /* a limit that is easy to reach */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* An error's text is for a log: printable, and one line. */
static void check_error(const struct error *error)
{
	require(error->name && *error->text);
	for (const char *c = error->text; *c; c++)
		require(*c >= 0x20 && *c < 0x7F);
}

struct outcome {
	struct http_head head;
	enum http_head_state state;
	size_t used;
};

static struct outcome parse(const struct http_rules *rules, const uint8_t *data, size_t size,
	size_t step)
{
	struct outcome outcome = {.state = HTTP_HEAD_MORE};
	struct error error;

	while (outcome.used < size && outcome.state == HTTP_HEAD_MORE) {
		size_t piece = step < size - outcome.used ? step : size - outcome.used;
		size_t used;

		outcome.state = http_head_parse(&outcome.head, rules, data + outcome.used, piece,
			&used, &error);
		require(used <= piece);
		outcome.used += used;
	}
	if (outcome.state == HTTP_HEAD_INVALID) {
		check_error(&error);
		require(!outcome.head.text);
	}
	return outcome;
}

static void check_value(const struct http_rules *rules, const char *value)
{
	if (rules->kind == HTTP_REQUEST)
		require(!strpbrk(value, "\r\n"));
	require(!*value || (*value != ' ' && value[strlen(value) - 1] != ' '));
}

static void check_start(const struct http_rules *rules, const struct http_head *head)
{
	if (rules->kind == HTTP_RESPONSE) {
		require(head->status == 101 || (head->status >= 200 && head->status <= 999));
		require(!strchr(http_head_reason(head), '\n'));
	} else {
		require(head->status == 0 && *http_head_method(head) && *http_head_target(head));
		require(!strpbrk(http_head_method(head), " \t\r\n"));
		require(!strpbrk(http_head_target(head), " \t\r\n"));
	}
}

static void check_fields(const struct http_rules *rules, const struct http_head *head,
	const struct http_head *other)
{
	struct http_field field = {0}, same = {0};
	size_t count = 0;

	while (http_head_next(head, &field)) {
		require(http_head_next(other, &same));
		require(strcmp(field.name, same.name) == 0 && strcmp(field.value, same.value) == 0);
		require(*field.name && !strpbrk(field.name, " \t\r\n:"));
		check_value(rules, field.value);
		require(http_head_find(head, field.name) != NULL);
		count++;
	}
	require(!http_head_next(other, &same));
	require(count == http_head_count(head));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;
	struct http_rules rules;

	if (size < 3)
		return 0;
	rules = (struct http_rules){
		.kind = data[0] & OPTION_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE,
		.subject = "the head",
		.error = ERROR_WEBSOCKET,
		.bytes_max = data[0] & OPTION_SMALL ? 64 : UINT16_MAX,
	};
	whole = parse(&rules, data + 2, size - 2, size);
	pieces = parse(&rules, data + 2, size - 2, data[1] % 32 + 1U);
	require(whole.state == pieces.state);
	if (whole.state == HTTP_HEAD_DONE) {
		require(whole.used == pieces.used);
		require(whole.used <= (HTTP_INTERIM_MAX + 1U) * rules.bytes_max);
		check_start(&rules, &whole.head);
		check_fields(&rules, &whole.head, &pieces.head);
	}
	http_head_release(&whole.head);
	http_head_release(&pieces.head);
	return 0;
}
