#include "ws/response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"
#include "ws/token.h"

static const char response_version[] = "HTTP/1.";

enum { RESPONSE_QUOTE_SIZE = 64 }; /* of what the server sent, in the text of an error */

static bool response_fail(struct error *error, const char *what, const void *data, size_t length)
{
	char quote[RESPONSE_QUOTE_SIZE];

	text_printable(quote, sizeof(quote), data, length);
	return error_set(error, ERROR_WEBSOCKET, "the server's HTTP answer %s: \"%s\"", what,
		quote);
}

static bool response_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool response_has_control(const char *text)
{
	for (; *text; text++) {
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7F)
			return true;
	}
	return false;
}

/* RFC 9112, section 4. Some servers leave out the reason, and the space in front of it too. */
static bool response_status_line(struct ws_response *response, char *line, struct error *error)
{
	const char *status = line + strlen("HTTP/1.1 ");
	char minor = line[strlen(response_version)];

	if ((minor != '0' && minor != '1') || line[strlen("HTTP/1.1")] != ' ' ||
		strspn(status, "0123456789") != 3 || status[0] == '0' ||
		(status[3] != ' ' && status[3] != '\0') || response_has_control(line))
		return response_fail(error, "has an invalid status line", line, strlen(line));
	response->status = (unsigned)strtoul(status, NULL, 10);
	response->reason = line + strlen("HTTP/1.1 101") + (status[3] == ' ');
	if (response->status == 101 && minor == '0')
		return response_fail(error, "switches protocols in HTTP/1.0", line, strlen(line));
	return true;
}

/* RFC 9112, section 5. A folded line begins with a space, so it has no name here. */
static bool response_field(struct header *header, char *line, struct error *error)
{
	char *colon = strchr(line, ':');
	char *value, *end;

	if (!colon || !token_is_valid(line, (size_t)(colon - line)) || response_has_control(line))
		return response_fail(error, "has an invalid header line", line, strlen(line));
	value = colon + 1;
	while (response_is_blank(*value))
		value++;
	end = value + strlen(value);
	while (end > value && response_is_blank(end[-1]))
		end--;
	*colon = '\0';
	*end = '\0';
	*header = (struct header){.name = line, .value = value};
	return true;
}

/* Cuts a line off the complete head, which has no LF without CR, and ends with an empty line. */
static char *response_next_line(char **rest)
{
	char *line = *rest;
	char *end = strchr(line, '\n');

	end[-1] = '\0';
	*rest = end + 1;
	return line;
}

static size_t response_count_lines(const char *head)
{
	size_t count = 0;

	while ((head = strchr(head, '\n'))) {
		head++;
		count++;
	}
	return count;
}

static void response_release_head(struct ws_response *response)
{
	if (response->head)
		buffer_release(response->head);
	free(response->head);
	response->head = NULL;
}

static bool response_read_head(struct ws_response *response, size_t length, struct error *error)
{
	char *rest, *line;
	size_t lines;

	response->text = alloc_zero(1, length + 1);
	memcpy(response->text, buffer_data(response->head), length);
	response_release_head(response);
	if (strlen(response->text) != length)
		return response_fail(error, "has a NUL byte", response->text, length);

	lines = response_count_lines(response->text);
	rest = response->text;
	if (!response_status_line(response, response_next_line(&rest), error))
		return false;
	/* All but the status line and the empty one at the end: the memory is kept. */
	response->headers = alloc_zero(lines - 2, sizeof(*response->headers));
	while (*(line = response_next_line(&rest))) {
		if (response->header_count == WS_RESPONSE_HEADERS_MAX)
			return error_set(error, ERROR_WEBSOCKET,
				"the server's HTTP answer has more than %d headers",
				WS_RESPONSE_HEADERS_MAX);
		if (!response_field(&response->headers[response->header_count], line, error))
			return false;
		response->header_count++;
	}
	return true;
}

/* Whether what has come so far can be HTTP: what greets first is found out before a deadline. */
static bool response_check_start(const struct buffer *head, struct error *error)
{
	size_t length = strlen(response_version);

	if (head->length < length)
		length = head->length;
	if (memcmp(buffer_data(head), response_version, length) == 0)
		return true;
	return response_fail(error, "is not HTTP/1.1", buffer_data(head), head->length);
}

/* Finds the end of the head, whose bytes from `from` on are new; 0 while it has not come. */
static bool response_find_end(const struct buffer *head, size_t from, size_t *end,
	struct error *error)
{
	const uint8_t *data = buffer_data(head);

	*end = 0;
	for (size_t i = from; i < head->length && !*end; i++) {
		if (data[i] != '\n')
			continue;
		if (data[i - 1] != '\r')
			return response_fail(error, "has a line that does not end with CR LF",
				data, i);
		if (data[i - 2] == '\n')
			*end = i + 1;
	}
	return true;
}

enum ws_response_state ws_response_parse(struct ws_response *response, const void *data,
	size_t length, size_t *used, struct error *error)
{
	struct buffer *head = response->head;
	size_t before, end;

	*used = length;
	if (length == 0)
		return WS_RESPONSE_MORE;
	if (!head)
		head = response->head = alloc_zero(1, sizeof(*head));
	before = head->length;
	if (length > WS_RESPONSE_BYTES_MAX - before)
		length = WS_RESPONSE_BYTES_MAX - before;
	buffer_append(head, data, length);
	if (!response_check_start(head, error) || !response_find_end(head, before, &end, error))
		return WS_RESPONSE_INVALID;
	if (end) {
		*used = end - before;
		if (!response_read_head(response, end, error))
			return WS_RESPONSE_INVALID;
		return WS_RESPONSE_DONE;
	}
	if (head->length < WS_RESPONSE_BYTES_MAX)
		return WS_RESPONSE_MORE;
	error_set(error, ERROR_WEBSOCKET,
		"the server's HTTP answer has a head longer than %d bytes", WS_RESPONSE_BYTES_MAX);
	return WS_RESPONSE_INVALID;
}

void ws_response_release(struct ws_response *response)
{
	free(response->headers);
	free(response->text);
	response_release_head(response);
	*response = (struct ws_response){0};
}

const char *ws_response_header(const struct ws_response *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++) {
		if (strcasecmp(response->headers[i].name, name) == 0)
			return response->headers[i].value;
	}
	return NULL;
}
