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

/* A bare CR counts as a space: RFC 9112, section 2.2. */
static bool http_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
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
		strspn(status, http_digits) != 3 || *status == '0' || (*reason && *reason != ' '))
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

/* Moves both ends to what is not blank. */
static void http_trim(const char **start, const char **end)
{
	while (*start < *end && http_is_blank(**start))
		++*start;
	while (*end > *start && http_is_blank((*end)[-1]))
		--*end;
}

/* Section 5. NULL: the line is not a field. Otherwise the end of the value. */
static char *http_parse_field(const char *line, char **out)
{
	const char *colon = strchr(line, ':');
	const char *name_end = colon, *value, *end;
	char *kept;

	if (!colon)
		return NULL;
	while (name_end > line && http_is_blank(name_end[-1]))
		name_end--;
	if (!token_is_valid(line, (size_t)(name_end - line)))
		return NULL;
	value = colon + 1;
	end = value + strlen(value);
	http_trim(&value, &end);
	kept = http_keep(*out, line, (size_t)(name_end - line));
	if (name_end < colon)
		*kept++ = '\n';
	*out = http_keep(kept, value, (size_t)(end - value));
	return *out - 1;
}

/* Section 5.2. Returns the new end of the value. */
static char *http_unfold(char *value_end, const char *line, char **out)
{
	const char *end = line + strlen(line);

	http_trim(&line, &end);
	*value_end = '\n';
	*out = http_keep(value_end + 1, line, (size_t)(end - line));
	return *out - 1;
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

static bool http_is_exact(const char *line)
{
	const char *colon = strchr(line, ':');

	return colon && token_is_valid(line, (size_t)(colon - line)) && !http_has_control(line);
}

/* Every line of a request must be a field. In a response, the others are ignored, with the lines that
 * they are folded over. */
static bool http_parse_fields(const struct http_rules *rules, char *rest, char **out,
	struct error *error)
{
	char *value_end = NULL; /* of the field that a folded line would continue */
	const char *line;

	while (*(line = http_next_line(&rest))) {
		if (rules->kind == HTTP_REQUEST && !http_is_exact(line))
			return http_fail(rules, "has an invalid header line", line, strlen(line),
				error);
		if (!http_is_blank(*line))
			value_end = http_parse_field(line, out);
		else if (value_end)
			value_end = http_unfold(value_end, line, out);
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
		else if (rules->kind == HTTP_REQUEST)
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

/* Takes bytes of one head, which may be an interim one. */
static enum http_head_state http_take(struct http_head *head, const struct http_rules *rules,
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
		return http_parse(head, rules, error) ? HTTP_HEAD_DONE : http_invalid(head);
	}
	if (head->length < rules->bytes_max)
		return HTTP_HEAD_MORE;
	error_set(error, rules->error, "%s has a head longer than %u bytes", rules->subject,
		(unsigned)rules->bytes_max);
	return http_invalid(head);
}

static bool http_is_interim(const struct http_head *head)
{
	return head->status >= 100 && head->status < 200 && head->status != 101;
}

/* Makes room for the next head. False: there have been too many. */
static bool http_skip_interim(struct http_head *head, const struct http_rules *rules,
	struct error *error)
{
	uint8_t interim = head->interim;

	http_head_release(head);
	if (interim == HTTP_INTERIM_MAX)
		return error_set(error, rules->error, "%s follows more than %d interim responses",
			rules->subject, HTTP_INTERIM_MAX);
	head->interim = interim + 1;
	return true;
}

enum http_head_state http_head_parse(struct http_head *head, const struct http_rules *rules,
	const void *data, size_t length, size_t *used, struct error *error)
{
	const uint8_t *bytes = data;
	enum http_head_state state;
	size_t taken;

	*used = 0;
	do {
		state = http_take(head, rules, bytes + *used, length - *used, &taken, error);
		*used += taken;
		if (state != HTTP_HEAD_DONE || !http_is_interim(head))
			return state;
	} while (http_skip_interim(head, rules, error));
	return HTTP_HEAD_INVALID;
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

size_t http_head_count(const struct http_head *head)
{
	struct http_field field = {0};
	size_t count = 0;

	while (http_head_next(head, &field))
		count++;
	return count;
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

const char *http_head_find_single(const struct http_head *head, const char *name)
{
	const char *value = http_head_find(head, name);
	struct http_field field = {0};

	while (http_head_next(head, &field)) {
		if (strcasecmp(field.name, name) == 0 && strcmp(field.value, value) != 0)
			return NULL;
	}
	return value;
}
