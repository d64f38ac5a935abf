#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rate.h"
#include "base/text.h"
#include "gateway/settings_private.h"
#include "net/url.h"
#include "ws/handshake.h"

/*
 * Rules between settings of a connection. Each value by itself is checked where it is
 * read, by the function that its row names.
 */

static void check_url(const struct connection_config *connection, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct error error;
	struct url url;

	if (!connection->url || !url_parse(&url, connection->url, &error))
		return;
	if (url.user && connection->settings->username)
		settings_problem(problems, settings_problem_place(where, "username"),
			"the 'url' has a user name too");
	url_release(&url);
}

static void check_proxy(const struct connection_settings *connection, const config_setting_t *where,
	struct settings_problems *problems)
{
	const struct proxy_settings *settings = &connection->proxy;
	const config_setting_t *place = settings_problem_place(where, "proxy.username");
	struct proxy proxy;
	struct error error;

	if (settings->password_file && !settings->username)
		settings_problem(problems, settings_problem_place(where, "proxy"),
			"'password_file' needs the 'username' that it is the password of");
	if (!settings->url || !settings->username || proxy_is_environment(settings->url) ||
		!proxy_parse(&proxy, settings->url, &error))
		return;
	if (proxy.url.user)
		settings_problem(problems, place, "the 'url' has a user name too");
	else if (proxy.kind == PROXY_HTTP && !url_check_user(settings->username, &error))
		settings_problem(problems, place, "%s", error.text);
	proxy_release(&proxy);
}

static void check_credentials(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	if (connection->password_file && !connection->username)
		settings_problem(problems, settings_problem_place(where, "password_file"),
			"needs the 'username' that it is the password of");
	if (connection->bearer_file && connection->username)
		settings_problem(problems, settings_problem_place(where, "username"),
			"there can be only one of 'username' and 'bearer_file'");
}

static void check_headers(const struct header_list *headers, const config_setting_t *place,
	struct settings_problems *problems)
{
	struct error error;

	for (size_t i = 0; i < headers->count; i++) {
		if (!ws_handshake_check_header(&headers->items[i], &error))
			settings_problem(problems, place, "%s", error.text);
	}
}

static void check_all_headers(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	const struct header_list *files = &connection->header_files;
	const config_setting_t *place = settings_problem_place(where, "header_files");

	check_headers(&connection->headers, settings_problem_place(where, "headers"), problems);
	check_headers(files, place, problems);
	for (size_t i = 0; i < files->count; i++) {
		if (header_list_find(&connection->headers, files->items[i].name))
			settings_problem(problems, place, "the header '%s' is in 'headers' too",
				files->items[i].name);
	}
}

/* They may carry tokens, as "bearer.TOKEN": none is shown. */
static void check_protocols(const struct string_list *protocols, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct error error;

	if (!ws_handshake_check_protocols((const char *const *)protocols->items, protocols->count,
		    &error))
		settings_problem(problems, settings_problem_place(where, "protocols"), "%s",
			error.text);
}

static bool is_base64(const char *text)
{
	void *data = alloc_zero(1, strlen(text) + 1);
	size_t length;
	bool valid = text_base64_decode(data, &length, text);

	free(data);
	return valid;
}

static void check_heartbeat(const struct ws_endpoint_settings *endpoint,
	const config_setting_t *where, struct settings_problems *problems)
{
	const char *message = endpoint->heartbeat.message;

	if (endpoint->heartbeat.every > 0 && !message)
		settings_problem(problems, settings_problem_place(where, "heartbeat"),
			"'every' needs the 'message' to send");
	if (message && endpoint->heartbeat.binary && !is_base64(message))
		settings_problem(problems, settings_problem_place(where, "heartbeat.message"),
			"must be Base64, because of 'binary'");
}

static bool is_give_up(unsigned code)
{
	return (code >= 400 && code <= 599) || (code >= 1000 && code <= 4999);
}

static void check_give_up(const struct integer_list *codes, const config_setting_t *where,
	struct settings_problems *problems)
{
	for (size_t i = 0; i < codes->count; i++) {
		if (!is_give_up(codes->items[i]))
			settings_problem(problems,
				settings_problem_place(where, "reconnect.give_up"),
				"must be close codes from 1000 to 4999 or HTTP statuses from 400 "
				"to 599, not %u",
				codes->items[i]);
	}
}

/* The rules of the rooms that get these settings as they are. */
static void check_rooms(const struct connection_settings *connection, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct error error;

	if (!rate_check(connection->endpoint.send_rate.messages, &error))
		settings_problem(problems, settings_problem_place(where, "send_rate.messages"),
			"%s", error.text);
	if (!backoff_check(&connection->reconnect.backoff, &error))
		settings_problem(problems, settings_problem_place(where, "reconnect"), "%s",
			error.text);
	if (!tcp_check_family(&connection->tcp, &error))
		settings_problem(problems, settings_problem_place(where, "address.source"), "%s",
			error.text);
	if (!tls_check_settings(&connection->tls, &error))
		settings_problem(problems, settings_problem_place(where, "tls"), "%s", error.text);
}

void connection_config_check(const struct connection_config *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	const struct connection_settings *settings = connection->settings;

	check_url(connection, where, problems);
	check_proxy(settings, where, problems);
	check_credentials(settings, where, problems);
	check_all_headers(settings, where, problems);
	check_protocols(&settings->protocols, where, problems);
	check_heartbeat(&settings->endpoint, where, problems);
	check_give_up(&settings->reconnect.give_up, where, problems);
	check_rooms(settings, where, problems);
}
