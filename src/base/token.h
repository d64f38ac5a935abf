#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

/* The pieces that HTTP header values are made of: RFC 9110, section 5.6. */

/* A piece of a text that somebody else owns, without a NUL of its own. */
struct token {
	const char *text;
	size_t length;
};

/* Whether it is one token: a header name, a subprotocol, an extension. */
bool token_is_valid(const char *text, size_t length);

/* Whether the token has that text, whatever its case. */
bool token_is(struct token token, const char *text);

/* Takes a token off the front of *text, after blanks. False if none stands there. */
bool token_take(const char **text, struct token *token);

/* Takes one character off the front of *text, after blanks. False if another stands there. */
bool token_take_mark(const char **text, char mark);

/*
 * Takes a token or a quoted string, without its quotes. A string with a backslash is refused: there
 * is nothing to escape in the values that we take.
 */
bool token_take_value(const char **text, struct token *token);

/* Whether nothing but blanks is left. */
bool token_at_end(const char *text);

#endif
