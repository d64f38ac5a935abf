#ifndef GATEWAY_SETTINGS_KIND_H
#define GATEWAY_SETTINGS_KIND_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_put.h"
#include "gateway/settings.h"

/*
 * The types that a setting can have. A kind knows its C type and everything that can be done with a
 * value of it; a table (settings_tables.c) says which setting is of which kind.
 */

struct setting;

/* A setting of a file on its way into its member. */
struct setting_reading {
	const struct setting *setting;
	const config_setting_t *value;
	struct settings_problems *problems;
};

/* The operations on a value. Each function gets the member, and a member owns what it holds. */
struct setting_kind {
	/* Replaces the member. If the value is wrong, adds a problem and leaves the member alone. */
	void (*read)(const struct setting_reading *reading, void *member);

	/* Gives a zeroed member its default. */
	void (*init)(const struct setting *setting, void *member);

	/* Replaces the member with a copy. */
	void (*copy)(const struct setting *setting, void *member, const void *source);

	/* Leaves the member zeroed. */
	void (*release)(const struct setting *setting, void *member);

	bool (*equal)(const struct setting *setting, const void *one, const void *other);

	/* False for an empty text or list, as if the setting were not there. */
	bool (*is_set)(const struct setting *setting, const void *member);

	/*
	 * Puts the value as JSON, texts as the file would have them; null: not set. `masked`: without
	 * what may be a secret; kinds that can hold none ignore it.
	 */
	void (*put)(const struct setting *setting, const void *member, struct json_writer *json,
		const char *name, bool masked);

	/* The file that the value names, of several the one of that index; NULL: there are no more.
	 * Of kinds whose values name files. */
	const char *(*file)(const void *member, size_t index);

	/* Of numbers that the file has as text: false if the text is not one; the other way round,
	 * at most SETTING_AMOUNT_SIZE bytes; and what is expected. */
	bool (*parse)(const char *text, uint64_t *amount);
	void (*format)(char *text, uint64_t amount);
	const char *expected;
};

enum { SETTING_AMOUNT_SIZE = 32 };

/* In place of what may be a secret. */
#define SETTING_MASK "***"

extern const struct setting_kind setting_kind_bool;    /* bool */
extern const struct setting_kind setting_kind_integer; /* int, unsigned or uint64_t, not negative */
extern const struct setting_kind setting_kind_number;  /* double */
extern const struct setting_kind setting_kind_duration; /* uint64_t, ns */
extern const struct setting_kind setting_kind_size;     /* uint64_t, bytes */
extern const struct setting_kind setting_kind_mode;     /* mode_t */
extern const struct setting_kind setting_kind_choice;   /* an enum or int: one of `choices` */

extern const struct setting_kind setting_kind_string; /* char *, one line */
extern const struct setting_kind setting_kind_url;    /* char *, shown without logins and queries */
extern const struct setting_kind setting_kind_text;   /* char *, any text */
extern const struct setting_kind setting_kind_name;   /* char *, of a connection or outlet */
extern const struct setting_kind setting_kind_file;   /* char *, absolute path of a file */
extern const struct setting_kind setting_kind_json;   /* char *, any value, as JSON text */

extern const struct setting_kind setting_kind_strings;      /* struct string_list */
extern const struct setting_kind setting_kind_integers;     /* struct integer_list */
extern const struct setting_kind setting_kind_headers;      /* struct header_list */
extern const struct setting_kind setting_kind_header_files; /* the same, the values files */

extern const struct setting_kind setting_kind_group; /* a struct with a table of its own */

/* --- for the kinds themselves --------------------------------------------------------------- */

/* Adds the problem "must be …, not …"; of a secret, without the value. `value` is the setting's or
 * an element of it. */
void setting_must_be(const struct setting_reading *reading, const config_setting_t *value,
	const char *expected);

/* Text of any characters, or of one line: it goes into a request or names a file. NULL: it is not
 * such a string, and a problem says so. */
const char *setting_read_text(const struct setting_reading *reading, const config_setting_t *value);
const char *setting_read_line(const struct setting_reading *reading, const config_setting_t *value);

/* The same if the setting's `check` accepts the text. */
bool setting_check_text(const struct setting_reading *reading, const config_setting_t *value,
	const char *text);

/* The absolute path that the text names, for the caller to free; NULL: a problem says why not. */
char *setting_read_path(const struct setting_reading *reading, const config_setting_t *value,
	const char *text);

/* The operations that kinds of `char *` share. */
#define SETTING_KIND_TEXT                                                                          \
	.init = setting_text_init, .copy = setting_text_copy, .release = setting_text_release,     \
	.equal = setting_text_equal, .is_set = setting_text_is_set, .put = setting_text_put
void setting_text_init(const struct setting *setting, void *member);
void setting_text_copy(const struct setting *setting, void *member, const void *source);
void setting_text_release(const struct setting *setting, void *member);
bool setting_text_equal(const struct setting *setting, const void *one, const void *other);
bool setting_text_is_set(const struct setting *setting, const void *member);
void setting_text_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked);

/* The string of such a member, and another one, which the member takes over. Some members are
 * `const char *`, because only the settings write them. */
char *setting_text(const void *member);
void setting_replace_text(void *member, char *text);

/* The operations that kinds without memory of their own share. */
#define SETTING_KIND_PLAIN                                                                         \
	.copy = setting_plain_copy, .release = setting_plain_release,                              \
	.equal = setting_plain_equal, .is_set = setting_plain_is_set
void setting_plain_copy(const struct setting *setting, void *member, const void *source);
void setting_plain_release(const struct setting *setting, void *member);
bool setting_plain_equal(const struct setting *setting, const void *one, const void *other);
bool setting_plain_is_set(const struct setting *setting, const void *member);

/* For kinds that have no defaults. */
void setting_init_nothing(const struct setting *setting, void *member);

#endif
