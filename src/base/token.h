#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

/* The elements of HTTP header values: RFC 9110, section 5.6. */

/* A borrowed piece of a text, not NUL-terminated. */
struct token {
	const char *text;
	size_t length;
};

/* True for one token: a header name, a subprotocol, an extension. */
bool token_is_valid(const char *text, size_t length);

/* True if the token has that text, ignoring case. */
bool token_is(struct token token, const char *text);

/* Takes a token off the front of *text, after blanks. False if there is none. */
bool token_take(const char **text, struct token *token);

/* Takes this character off the front of *text, after blanks. False if another is there. */
bool token_take_mark(const char **text, char mark);

/*
 * Takes a token or a quoted string, without its quotes. A string with a backslash is refused: the
 * values that we take need no escapes.
 */
bool token_take_value(const char **text, struct token *token);

/* True if only blanks are left. */
bool token_at_end(const char *text);

#endif
