#include "gateway/settings_effective.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/settings_private.h"
#include "net/url.h"

/* A walk through the tables of one group. */
struct effective {
	const struct settings_origins *origins;
	unsigned line;   /* of the group */
	unsigned number; /* of the next setting */
	unsigned reset;  /* flags of settings that were not inherited */
	const struct string_list
		*restart; /* names of those that run otherwise than the file says */
	settings_visit *visit;
	void *context;
};

static struct settings_origin effective_origin(const struct effective *effective,
	const struct setting *setting, const char *name, const void *member)
{
	struct settings_origin origin =
		settings_origins_find(effective->origins, effective->line, effective->number);

	if (origin.from == SETTINGS_FROM_DEFAULTS && (setting->flags & effective->reset))
		return (struct settings_origin){.from = SETTINGS_FROM_DEFAULT};
	if (effective->restart &&
		string_list_find(effective->restart, name) < effective->restart->count)
		origin.from = SETTINGS_FROM_RUNNING;
	else if (origin.from == SETTINGS_FROM_DEFAULT && (setting->flags & SETTING_ENVIRONMENT) &&
		strcmp(setting_text(member), setting->standard) != 0)
		origin.from = SETTINGS_FROM_ENVIRONMENT;
	return origin;
}

static void effective_visit(const struct effective *effective, const struct setting *setting,
	const char *name, const void *member)
{
	const bool url = setting->kind == &setting_kind_url && setting_text(member);
	char shown[URL_SHOWN_SIZE];

	if (url)
		url_show(setting_text(member), shown);
	effective->visit(
		&(struct settings_item){
			.name = name,
			.url = url ? shown : NULL,
			.origin = effective_origin(effective, setting, name, member),
			.setting = setting,
			.member = member,
		},
		effective->context);
}

void settings_item_put(const struct settings_item *item, struct json_writer *json, const char *name)
{
	const bool masked = (item->setting->flags & (SETTING_SECRET | SETTING_LOGIN)) != 0;

	item->setting->kind->put(item->setting, item->member, json, name, masked);
}

static void effective_walk(struct effective *effective, const struct setting *table,
	const char *prefix, const void *target)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		const void *member = setting_member_const(setting, target);
		char *name = alloc_join(prefix, *prefix ? "." : "", setting->name);

		if (setting->group) {
			effective_walk(effective, setting->group, name, member);
		} else {
			effective_visit(effective, setting, name, member);
			effective->number++;
		}
		free(name);
	}
}

void gateway_settings_visit(const struct settings *settings, settings_visit *visit, void *context)
{
	struct effective effective = {
		.origins = settings->gateway_origins,
		.line = settings->gateway_line,
		.restart = &settings->restart,
		.visit = visit,
		.context = context,
	};

	effective_walk(&effective, gateway_settings_table, "gateway", &settings->gateway);
}

void connection_config_visit(const struct connection_config *connection, settings_visit *visit,
	void *context)
{
	struct effective effective = {
		.origins = connection->origins,
		.line = connection->line,
		.reset = connection->untrusted ? SETTING_SECRET | SETTING_LOGIN : 0,
		.visit = visit,
		.context = context,
	};

	effective_walk(&effective, connection_config_table, "", connection);
	effective_walk(&effective, connection_settings_table, "", connection->settings);
}

void outlet_config_visit(const struct outlet_config *outlet, settings_visit *visit, void *context)
{
	struct effective effective = {
		.origins = outlet->origins,
		.line = outlet->line,
		.visit = visit,
		.context = context,
	};

	effective_walk(&effective, outlet_config_table, "", outlet);
}
