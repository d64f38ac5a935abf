#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "gateway/call_private.h"
#include "gateway/redirect.h"

/* False for a server that was redirected to: it gets no secrets. */
static bool call_is_at_home(const struct call *call)
{
	return redirect_stays(&call->first, &call->url);
}

/* --- headers ------------------------------------------------------------------------------- */

/* RFC 7617. */
static char *call_basic(const char *user, const char *password)
{
	char *credentials = alloc_join(user, ":", password ? password : "");
	size_t length = strlen(credentials);
	char *value = alloc_zero(1, strlen("Basic ") + text_base64_length(length) + 1);

	strcpy(value, "Basic ");
	text_base64_encode(value + strlen(value), credentials, length);
	alloc_wipe(credentials);
	return value;
}

static char *call_authorization(const struct call *call)
{
	const struct connection_settings *settings = call->settings;

	if (!call_is_at_home(call)) /* a redirect may bring its own */
		return call->url.user ? call_basic(call->url.user, call->url.password) : NULL;
	if (call->secrets.bearer)
		return alloc_join("Bearer ", call->secrets.bearer, "");
	if (settings->username)
		return call_basic(settings->username, call->secrets.password);
	return call->first.user ? call_basic(call->first.user, call->first.password) : NULL;
}

/* Extra headers replace those of the same name. */
static size_t call_add_headers(struct call *call, const struct header_list *list, size_t count)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list == call->extra || !header_list_find(call->extra, list->items[i].name))
			call->headers[count++] = list->items[i];
	}
	return count;
}

/* Any header may contain a key, so another server gets none. */
static size_t call_gather_headers(struct call *call)
{
	const struct header_list *own = &call->settings->headers;
	const struct header_list *files = &call->secrets.headers;
	size_t count = 0;

	if (!call_is_at_home(call)) {
		call->headers = alloc_zero(1, sizeof(*call->headers));
		return 0;
	}
	call->headers = alloc_zero(own->count + files->count + call->extra->count + 1,
		sizeof(*call->headers));
	count = call_add_headers(call, own, count);
	count = call_add_headers(call, files, count);
	return call_add_headers(call, call->extra, count);
}

/* Adds the cookies of servers to the header of the user's, for which there is room. Returns the new
 * count of headers. */
static size_t call_add_cookies(struct call *call, size_t count)
{
	size_t place = 0;

	if (!call->cookies)
		return count;
	while (place < count && strcasecmp(call->headers[place].name, "Cookie") != 0)
		place++;
	call->cookie = cookies_header(call->cookies, &call->url,
		place < count ? call->headers[place].value : NULL, clock_realtime());
	if (!call->cookie)
		return count;
	call->headers[place] = (struct header){.name = "Cookie", .value = call->cookie};
	return place < count ? count : count + 1;
}

bool call_write_head(struct call *call)
{
	const struct connection_settings *settings = call->settings;
	bool own_host = settings->host && call_is_at_home(call);
	size_t header_count = call_add_cookies(call, call_gather_headers(call));

	call->authorization = call_authorization(call);
	ws_handshake_key(call->key);
	call->unsent.secret = true;
	call->request = (struct ws_request){
		.host = own_host ? settings->host : call->url.authority,
		.resource = call->url.resource,
		.header_count = header_count,
		.headers = call->headers,
		.protocols = (const char *const *)settings->protocols.items,
		.protocol_count = settings->protocols.count,
		.user_agent = settings->user_agent,
		.origin = settings->origin,
		.authorization = call->authorization,
		.deflate = settings->compression.enabled ? &settings->compression.offer : NULL,
	};
	return ws_handshake_request(&call->unsent, &call->request, call->key, &call->error);
}

static bool call_check_headers(const struct header_list *headers, struct error *error)
{
	for (size_t i = 0; i < headers->count; i++) {
		if (!ws_handshake_check_header(&headers->items[i], error))
			return false;
	}
	return true;
}

/* TLS settings whose files are to be checked: those for the server, and those for a proxy. */
static size_t call_list_tls(const struct connection_settings *settings,
	const struct secrets *secrets, struct tls_settings list[NET_CHECK_MAX])
{
	size_t count = 0;

	list[count] = settings->tls;
	list[count].key_passphrase = secrets->key_passphrase;
	count += tls_needs_check(&list[count]);
	list[count] = proxy_tls(&settings->proxy);
	return count + tls_needs_check(&list[count]);
}

bool call_check(const struct call_host *host, const struct connection_config *config,
	const struct header_list *extra, struct net_check **check,
	void (*done)(const struct error *error, void *context), void *context, struct error *error)
{
	struct tls_settings tls[NET_CHECK_MAX];
	struct secrets secrets;
	size_t count;
	bool good;

	*check = NULL;
	if (!call_check_headers(extra, error))
		return false;
	good = secrets_load(&secrets, config, NULL, error) &&
		call_check_headers(&secrets.headers, error);
	count = good ? call_list_tls(config->settings, &secrets, tls) : 0;
	if (count)
		*check = net_check_tls(host->net, tls, count, done, context);
	secrets_release(&secrets);
	return good;
}

/* --- where to, and how --------------------------------------------------------------------- */

static void call_choose_tls(struct call *call)
{
	call->tls = call->settings->tls; /* its strings stay theirs */
	call->tls.key_passphrase = call->secrets.key_passphrase;
	if (!call_is_at_home(call)) {
		call->tls.cert_file = NULL;
		call->tls.key_file = NULL;
		call->tls.server_name = NULL;
	}
}

bool call_prepare(struct call *call, struct dial_settings *dial)
{
	const struct connection_settings *settings = call->settings;
	bool proxied;

	if (!proxy_choose(&call->proxy, &settings->proxy, call->secrets.proxy_password, &call->url,
		    &proxied, &call->error))
		return false;
	call_choose_tls(call);
	*dial = (struct dial_settings){
		.url = &call->url,
		.proxy = proxied ? &call->proxy : NULL,
		.tcp = &settings->tcp,
		.tls = &call->tls,
		.failures = call->failures,
		.public_only = call->public_only,
		.connect_timeout = settings->connect_timeout,
		.tls_timeout = settings->tls_timeout,
	};
	return true;
}

void call_unprepare(struct call *call)
{
	alloc_wipe(call->authorization);
	call->authorization = NULL;
	alloc_wipe(call->cookie);
	call->cookie = NULL;
	free(call->headers);
	call->headers = NULL;
	proxy_release(&call->proxy);
	call->proxy = (struct proxy){0};
	buffer_release(&call->unsent);
}
