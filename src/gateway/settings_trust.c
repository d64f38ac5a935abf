#include "gateway/placeholders.h"
#include "gateway/settings_private.h"
#include "net/url.h"

/*
 * Limits of a connection that is added by somebody whom the gateway does not trust: nothing that makes
 * the daemon read, write or connect where only the daemon may, as the server would get it.
 */

#define ONLY_TRUSTED SETTINGS_ONLY_TRUSTED " may "

/* Every setting that names files, whatever their number. */
static void trust_check_files(const struct setting *table, const config_setting_t *group,
	struct settings_problems *problems)
{
	unsigned count = (unsigned)config_setting_length(group);

	for (unsigned i = 0; config_setting_is_group(group) && i < count; i++) {
		const config_setting_t *value =
			config_setting_get_elem((config_setting_t *)group, i);
		const struct setting *setting =
			settings_table_find(table, config_setting_name(value));

		if (setting && setting->group)
			trust_check_files(setting->group, value, problems);
		else if (setting && setting->kind->file)
			settings_problem(problems, value, ONLY_TRUSTED "name files");
	}
}

static void trust_check_messages(const config_setting_t *group, struct settings_problems *problems)
{
	config_setting_t *messages = config_setting_get_member(group, "on_open");
	unsigned count = messages && config_setting_is_aggregate(messages)
		? (unsigned)config_setting_length(messages)
		: 0;

	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *message = config_setting_get_elem(messages, i);
		const char *text = config_setting_get_string(message);

		if (text && placeholders_use_environment(text))
			settings_problem(problems, message,
				ONLY_TRUSTED "use the environment, as %%{VARIABLE} does");
	}
}

static void trust_check_url(const config_setting_t *group, struct settings_problems *problems)
{
	const char *text = NULL;
	struct error error;
	struct url url;

	if (!config_setting_lookup_string(group, "url", &text) || !url_parse(&url, text, &error))
		return;
	if (url.socket_path)
		settings_problem(problems, settings_problem_place(group, "url"),
			ONLY_TRUSTED "name local sockets");
	url_release(&url);
}

static void trust_check_proxy(const config_setting_t *group, struct settings_problems *problems)
{
	const config_setting_t *proxy = config_setting_get_member(group, "proxy");
	const char *text = NULL;

	if (proxy && config_setting_lookup_string(proxy, "url", &text) &&
		proxy_is_environment(text))
		settings_problem(problems, settings_problem_place(group, "proxy.url"),
			ONLY_TRUSTED "use the environment");
}

void settings_check_untrusted(const config_setting_t *group, struct settings_problems *problems)
{
	trust_check_files(connection_settings_table, group, problems);
	trust_check_messages(group, problems);
	trust_check_url(group, problems);
	trust_check_proxy(group, problems);
}
