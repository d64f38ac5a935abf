#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/settings_kind.h"
#include "gateway/settings_private.h"
#include "net/url.h"
#include "ws/utf8.h"

/* Kinds of text. */

char *setting_text(const void *member)
{
	char *text;

	memcpy(&text, member, sizeof(text));
	return text;
}

void setting_replace_text(void *member, char *text)
{
	alloc_wipe(setting_text(member));
	memcpy(member, &text, sizeof(text));
}

void setting_text_init(const struct setting *setting, void *member)
{
	if (setting->standard)
		setting_replace_text(member, alloc_string(setting->standard));
}

void setting_text_copy(const struct setting *setting, void *member, const void *source)
{
	(void)setting;
	setting_replace_text(member, alloc_string(setting_text(source)));
}

void setting_text_release(const struct setting *setting, void *member)
{
	(void)setting;
	setting_replace_text(member, NULL);
}

bool setting_text_equal(const struct setting *setting, const void *one, const void *other)
{
	(void)setting;
	return string_equal(setting_text(one), setting_text(other));
}

bool setting_text_is_set(const struct setting *setting, const void *member)
{
	(void)setting;
	return setting_text(member) != NULL;
}

void setting_text_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	const char *text = setting_text(member);

	(void)setting;
	if (text && !masked)
		json_put_string(json, name, text, strlen(text));
	else
		json_put_text(json, name, text ? SETTING_MASK : NULL);
}

const char *setting_read_text(const struct setting_reading *reading, const config_setting_t *value)
{
	const char *text = config_setting_get_string(value);

	if (!text)
		setting_must_be(reading, value, "a string");
	else if (!ws_utf8_valid(text, strlen(text)))
		settings_problem(reading->problems, value, "must be UTF-8");
	else
		return text;
	return NULL;
}

const char *setting_read_line(const struct setting_reading *reading, const config_setting_t *value)
{
	const char *text = setting_read_text(reading, value);

	for (const char *c = text; c && *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			settings_problem(reading->problems, value,
				"must not have control characters");
			return NULL;
		}
	}
	return text;
}

bool setting_check_text(const struct setting_reading *reading, const config_setting_t *value,
	const char *text)
{
	struct error error;

	if (!reading->setting->check || reading->setting->check(text, &error))
		return true;
	settings_problem(reading->problems, value, "%s", error.text);
	return false;
}

/* An empty string means not set: so a connection can take back what `defaults` say. */
static void text_take(const struct setting_reading *reading, void *member, const char *text)
{
	if (!*text)
		setting_replace_text(member, NULL);
	else if (setting_check_text(reading, reading->value, text))
		setting_replace_text(member, alloc_string(text));
}

static void string_read(const struct setting_reading *reading, void *member)
{
	const char *text = setting_read_line(reading, reading->value);

	if (text)
		text_take(reading, member, text);
}

const struct setting_kind setting_kind_string = {
	.read = string_read,
	SETTING_KIND_TEXT,
};

/* url_show() leaves no secrets. */
static void url_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	const char *text = setting_text(member);
	char shown[URL_SHOWN_SIZE];

	(void)setting, (void)masked;
	if (text)
		url_show(text, shown);
	json_put_text(json, name, text ? shown : NULL);
}

const struct setting_kind setting_kind_url = {
	.read = string_read,
	.init = setting_text_init,
	.copy = setting_text_copy,
	.release = setting_text_release,
	.equal = setting_text_equal,
	.is_set = setting_text_is_set,
	.put = url_put,
};

static void text_read(const struct setting_reading *reading, void *member)
{
	const char *text = setting_read_text(reading, reading->value);

	if (text)
		text_take(reading, member, text);
}

const struct setting_kind setting_kind_text = {
	.read = text_read,
	SETTING_KIND_TEXT,
};

/* A bad name is kept, so that references to it do not become problems too. */
static void name_read(const struct setting_reading *reading, void *member)
{
	const char *text = setting_read_line(reading, reading->value);

	if (!text)
		return;
	if (!text_is_name(text))
		setting_must_be(reading, reading->value,
			"1 to 64 of the characters A-Z a-z 0-9 . _ - and not begin with . or -");
	setting_replace_text(member, alloc_string(text));
}

const struct setting_kind setting_kind_name = {
	.read = name_read,
	SETTING_KIND_TEXT,
};

/* --- files ------------------------------------------------------------------------------------ */

static const char credentials[] = "${CREDENTIALS_DIRECTORY}";

static bool is_credential(const char *text)
{
	return strncmp(text, credentials, sizeof(credentials) - 1) == 0;
}

/* Expands a leading ${CREDENTIALS_DIRECTORY}, which only the service has: a test leaves it as it is.
 * NULL: there is no such directory. */
static char *file_expand(const struct setting_reading *reading, const config_setting_t *value,
	const char *text)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	if (!is_credential(text))
		return alloc_string(text);
	if (directory)
		return alloc_format("%s%s", directory, text + sizeof(credentials) - 1);
	if (reading->problems->testing) {
		settings_warning(reading->problems, value,
			"unchecked: only the service has CREDENTIALS_DIRECTORY");
		return alloc_string(text);
	}
	settings_problem(reading->problems, value,
		"needs the environment variable CREDENTIALS_DIRECTORY, which is not set; systemd "
		"sets it for a unit with LoadCredential=");
	return NULL;
}

char *setting_read_path(const struct setting_reading *reading, const config_setting_t *value,
	const char *text)
{
	char *file = file_expand(reading, value, text);

	if (!file || file[0] == '/' || is_credential(file))
		return file;
	setting_must_be(reading, value, "an absolute path");
	free(file);
	return NULL;
}

static void file_read(const struct setting_reading *reading, void *member)
{
	const char *text = setting_read_line(reading, reading->value);
	char *file;

	if (!text)
		return;
	file = *text ? setting_read_path(reading, reading->value, text) : NULL;
	if (file || !*text)
		setting_replace_text(member, file);
}

static const char *file_named(const void *member, size_t index)
{
	return index == 0 ? setting_text(member) : NULL;
}

const struct setting_kind setting_kind_file = {
	.read = file_read,
	.file = file_named,
	SETTING_KIND_TEXT,
};
