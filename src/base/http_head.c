#include "base/http_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/token.h"

static const char http_version[] = "HTTP/1.";
static const char http_digits[] = "0123456789";

enum { HTTP_QUOTE_SIZE = 64 }; /* of what the peer sent, in an error */

static bool http_fail(const struct http_rules *rules, const char *fault, const char *data,
	size_t length, struct error *error)
{
	char quote[HTTP_QUOTE_SIZE];

	text_printable(quote, sizeof(quote), data, length);
	return error_set(error, rules->error, "%s %s: \"%s\"", rules->subject, fault, quote);
}

static bool http_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool http_has_control(const char *text)
{
	for (; *text; text++) {
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7F)
			return true;
	}
	return false;
}

/* --- a complete head ----------------------------------------------------------------------- */

/*
 * The strings of a head replace its bytes, in place: each is at most as long as what it stems from,
 * with its NUL in the place of a separator.
 */
static char *http_keep(char *out, const char *text, size_t length)
{
	memmove(out, text, length);
	out[length] = '\0';
	return out + length + 1;
}

/* Section 4. Some servers omit the reason, and even the space in front of it. */
static bool http_parse_status_line(struct http_head *head, const struct http_rules *rules,
	const char *line, char **out, struct error *error)
{
	const char *minor = line + strlen(http_version);
	const char *status = line + strlen("HTTP/1.1 ");
	const char *reason = line + strlen("HTTP/1.1 200");

	if (strspn(minor, http_digits) != 1 || minor[1] != ' ' ||
		strspn(status, http_digits) != 3 || *status == '0' || (*reason && *reason != ' ') ||
		(!rules->lenient && (*minor > '1' || http_has_control(line))))
		return http_fail(rules, "has an invalid status line", line, strlen(line), error);
	head->minor = (uint8_t)(*minor - '0');
	head->status = (uint16_t)strtoul(status, NULL, 10);
	reason += *reason == ' ';
	*out = http_keep(*out, reason, strlen(reason));
	return true;
}

static bool http_is_target(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] <= 0x20 || text[i] >= 0x7F)
			return false;
	}
	return length > 0;
}

/* Section 3. */
static bool http_parse_request_line(struct http_head *head, const struct http_rules *rules,
	const char *line, char **out, struct error *error)
{
	size_t method = strcspn(line, " ");
	const char *target = line + method + (line[method] == ' ');
	size_t length = strcspn(target, " ");
	const char *version = target + length + (target[length] == ' ');
	const char *minor = version + strlen(http_version);

	if (!token_is_valid(line, method) || !http_is_target(target, length) ||
		strncmp(version, http_version, strlen(http_version)) != 0 ||
		strspn(minor, http_digits) != 1 || minor[1])
		return http_fail(rules, "has an invalid request line", line, strlen(line), error);
	head->minor = (uint8_t)(*minor - '0');
	*out = http_keep(*out, line, method);
	*out = http_keep(*out, target, length);
	return true;
}

/* Section 5. A folded line begins with a space, and so has no name. */
static bool http_parse_field(const struct http_rules *rules, const char *line, char **out,
	struct error *error)
{
	const char *colon = strchr(line, ':');
	const char *value, *end;

	if (!colon || !token_is_valid(line, (size_t)(colon - line)) ||
		(!rules->lenient && http_has_control(line)))
		return rules->lenient ||
			http_fail(rules, "has an invalid header line", line, strlen(line), error);
	value = colon + 1;
	end = value + strlen(value);
	while (http_is_blank(*value))
		value++;
	while (end > value && http_is_blank(end[-1]))
		end--;
	*out = http_keep(*out, line, (size_t)(colon - line));
	*out = http_keep(*out, value, (size_t)(end - value));
	return true;
}

/* Cuts a line off; there is one. */
static char *http_next_line(char **rest)
{
	char *line = *rest;
	char *end = strchr(line, '\n');

	*rest = end + 1;
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

static bool http_parse_fields(const struct http_rules *rules, char *rest, char **out,
	struct error *error)
{
	unsigned count = 0;
	const char *line;

	while (*(line = http_next_line(&rest))) {
		if (count++ == rules->fields_max)
			return error_set(error, rules->error, "%s has more than %u headers",
				rules->subject, (unsigned)rules->fields_max);
		if (!http_parse_field(rules, line, out, error))
			return false;
	}
	return true;
}

static bool http_parse(struct http_head *head, const struct http_rules *rules, struct error *error)
{
	char *rest = head->text, *out = head->text;
	const char *line;
	bool parsed;

	head->text[head->length] = '\0';
	if (strlen(head->text) != head->length)
		return http_fail(rules, "has a NUL byte", head->text, head->length, error);
	line = http_next_line(&rest);
	parsed = rules->kind == HTTP_REQUEST
		? http_parse_request_line(head, rules, line, &out, error)
		: http_parse_status_line(head, rules, line, &out, error);
	if (!parsed)
		return false;
	head->fields = (uint16_t)(out - head->text);
	parsed = http_parse_fields(rules, rest, &out, error);
	head->length = (uint16_t)(out - head->text);
	head->text = alloc_resize(head->text, head->length);
	return parsed;
}

/* --- as it arrives ------------------------------------------------------------------------- */

/* True if the bytes so far can be HTTP: a peer that is something else is recognised before a
 * deadline. */
static bool http_check_start(const struct http_head *head, const struct http_rules *rules,
	struct error *error)
{
	size_t length = strlen(http_version);

	if (head->length < length)
		length = head->length;
	if (rules->kind == HTTP_REQUEST ? token_is_valid(head->text, 1)
					: memcmp(head->text, http_version, length) == 0)
		return true;
	return http_fail(rules, "is not HTTP/1.1", head->text, head->length, error);
}

/* Finds the end of the head, of which the bytes from `from` on are new; 0 if it has not come. */
static bool http_find_end(const struct http_head *head, const struct http_rules *rules, size_t from,
	size_t *end, struct error *error)
{
	const char *text = head->text;

	*end = 0;
	for (size_t i = from; i < head->length && !*end; i++) {
		size_t line = i;

		if (text[i] != '\n')
			continue;
		if (line && text[line - 1] == '\r')
			line--;
		else if (!rules->lenient)
			return http_fail(rules, "has a line that does not end with CR LF", text, i,
				error);
		if (line && text[line - 1] == '\n')
			*end = i + 1;
	}
	return true;
}

static enum http_head_state http_invalid(struct http_head *head)
{
	http_head_release(head);
	return HTTP_HEAD_INVALID;
}

enum http_head_state http_head_parse(struct http_head *head, const struct http_rules *rules,
	const void *data, size_t length, size_t *used, struct error *error)
{
	size_t before = head->length, end;

	*used = length;
	if (length == 0)
		return HTTP_HEAD_MORE;
	if (length > rules->bytes_max - before)
		length = rules->bytes_max - before;
	head->length = (uint16_t)(before + length);
	head->text = alloc_resize(head->text, before + length + 1);
	memcpy(head->text + before, data, length);
	head->text[head->length] = '\0';
	if (!http_check_start(head, rules, error) ||
		!http_find_end(head, rules, before, &end, error))
		return http_invalid(head);
	if (end) {
		*used = end - before;
		head->length = (uint16_t)end;
		if (http_parse(head, rules, error))
			return HTTP_HEAD_DONE;
		return head->fields ? HTTP_HEAD_INVALID : http_invalid(head);
	}
	if (head->length < rules->bytes_max)
		return HTTP_HEAD_MORE;
	error_set(error, rules->error, "%s has a head longer than %u bytes", rules->subject,
		(unsigned)rules->bytes_max);
	return http_invalid(head);
}

void http_head_release(struct http_head *head)
{
	free(head->text);
	*head = (struct http_head){0};
}

/* --- its parts ----------------------------------------------------------------------------- */

const char *http_head_method(const struct http_head *head)
{
	return head->text;
}

const char *http_head_target(const struct http_head *head)
{
	return head->text + strlen(head->text) + 1;
}

const char *http_head_reason(const struct http_head *head)
{
	return head->text;
}

bool http_head_next(const struct http_head *head, struct http_field *field)
{
	const char *next;

	if (!head->fields)
		return false;
	next = field->value ? field->value + strlen(field->value) + 1 : head->text + head->fields;
	if (next == head->text + head->length)
		return false;
	*field = (struct http_field){next, next + strlen(next) + 1};
	return true;
}

const char *http_head_find(const struct http_head *head, const char *name)
{
	struct http_field field = {0};

	while (http_head_next(head, &field)) {
		if (strcasecmp(field.name, name) == 0)
			return field.value;
	}
	return NULL;
}
