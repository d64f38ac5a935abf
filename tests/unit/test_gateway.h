#ifndef TEST_GATEWAY_H
#define TEST_GATEWAY_H

#include <check.h>

/* Each file of the program is one suite. */
Suite *admission_suite(void);
Suite *backoff_suite(void);
Suite *body_suite(void);
Suite *change_plan_suite(void);
Suite *gateway_add_suite(void);
Suite *gateway_change_suite(void);
Suite *gateway_stop_suite(void);
Suite *connection_plan_suite(void);
Suite *connection_steps_suite(void);
Suite *cookies_suite(void);
Suite *dialer_suite(void);
Suite *redirect_suite(void);
Suite *hold_suite(void);
Suite *on_open_suite(void);
Suite *reload_suite(void);
Suite *routes_suite(void);
Suite *settings_suite(void);
Suite *settings_changes_suite(void);
Suite *settings_documents_suite(void);
Suite *settings_effective_suite(void);
Suite *settings_problems_suite(void);
Suite *settings_system_suite(void);
Suite *settings_tables_suite(void);
Suite *warnings_suite(void);

#endif
