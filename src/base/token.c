#include "base/token.h"

#include <string.h>
#include <strings.h>

static const char token_characters[] = "!#$%&'*+-.^_`|~0123456789"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const char *token_skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

bool token_is_valid(const char *text, size_t length)
{
	return length > 0 && strspn(text, token_characters) >= length;
}

bool token_is(struct token token, const char *text)
{
	return strlen(text) == token.length && strncasecmp(token.text, text, token.length) == 0;
}

bool token_take(const char **text, struct token *token)
{
	*text = token_skip_blanks(*text);
	token->text = *text;
	token->length = strspn(*text, token_characters);
	*text += token->length;
	return token->length > 0;
}

bool token_take_mark(const char **text, char mark)
{
	const char *next = token_skip_blanks(*text);

	if (*next != mark)
		return false;
	*text = next + 1;
	return true;
}

bool token_take_value(const char **text, struct token *token)
{
	if (!token_take_mark(text, '"'))
		return token_take(text, token);
	token->text = *text;
	token->length = strcspn(*text, "\"\\");
	if (token->text[token->length] != '"')
		return false;
	*text += token->length + 1;
	return true;
}

bool token_at_end(const char *text)
{
	return *token_skip_blanks(text) == '\0';
}
