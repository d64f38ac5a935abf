noinst_LIBRARIES += libgateway.a
libgateway_a_SOURCES = \
	src/gateway/admission.c src/gateway/admission.h \
	src/gateway/backoff.c src/gateway/backoff.h \
	src/gateway/body.c src/gateway/body.h \
	src/gateway/call.c src/gateway/call.h src/gateway/call_private.h \
	src/gateway/call_request.c \
	src/gateway/change_commit.c \
	src/gateway/change_plan.c src/gateway/change_plan.h \
	src/gateway/change_prepare.c \
	src/gateway/change_private.h \
	src/gateway/connection.c src/gateway/connection.h \
	src/gateway/connection_check.c \
	src/gateway/connection_demand.c \
	src/gateway/connection_events.c \
	src/gateway/connection_plan.c src/gateway/connection_plan.h \
	src/gateway/connection_private.h \
	src/gateway/connection_report.c \
	src/gateway/connection_sending.c \
	src/gateway/connection_steps.c \
	src/gateway/connection_warnings.c \
	src/gateway/cookies.c src/gateway/cookies.h \
	src/gateway/cookies_date.c \
	src/gateway/dialer.c src/gateway/dialer.h \
	src/gateway/gateway.c src/gateway/gateway.h src/gateway/gateway_private.h \
	src/gateway/gateway_add.c \
	src/gateway/gateway_change.c \
	src/gateway/gateway_drain.c \
	src/gateway/gateway_events.c \
	src/gateway/gateway_limits.c \
	src/gateway/gateway_network.c \
	src/gateway/gateway_outlet.c \
	src/gateway/gateway_stop.c \
	src/gateway/placeholders.c src/gateway/placeholders.h \
	src/gateway/roster.c src/gateway/roster.h \
	src/gateway/redirect.c src/gateway/redirect.h \
	src/gateway/routes.c src/gateway/routes.h \
	src/gateway/secrets.c src/gateway/secrets.h \
	src/gateway/hold.c src/gateway/hold.h \
	src/gateway/on_open.c src/gateway/on_open.h \
	src/gateway/reload.c src/gateway/reload.h \
	src/gateway/session.c src/gateway/session.h src/gateway/session_private.h \
	src/gateway/session_receiving.c \
	src/gateway/session_sending.c \
	src/gateway/settings.h \
	src/gateway/settings_check.c \
	src/gateway/settings_check_connection.c \
	src/gateway/settings_config.c src/gateway/settings_config.h \
	src/gateway/settings_effective.c src/gateway/settings_effective.h \
	src/gateway/settings_gateway.c \
	src/gateway/settings_kind.c src/gateway/settings_kind.h \
	src/gateway/settings_kind_group.c \
	src/gateway/settings_kind_json.c \
	src/gateway/settings_kind_lists.c \
	src/gateway/settings_kind_numbers.c \
	src/gateway/settings_kind_texts.c \
	src/gateway/settings_lines.c src/gateway/settings_lines.h \
	src/gateway/settings_load.c \
	src/gateway/settings_origin.c src/gateway/settings_origin.h \
	src/gateway/settings_private.h \
	src/gateway/settings_problem.c \
	src/gateway/settings_read.c \
	src/gateway/settings_source.c src/gateway/settings_source.h \
	src/gateway/settings_system.c \
	src/gateway/settings_table.c \
	src/gateway/settings_tables.c \
	src/gateway/settings_trust.c \
	src/gateway/stats.c src/gateway/stats.def src/gateway/stats.h \
	src/gateway/warnings.c src/gateway/warnings.h
GATEWAY_LIBS = libgateway.a $(OUTLET_LIBS) $(NET_LIBS) $(WS_LIBS) $(CONFIG_LIBS)
