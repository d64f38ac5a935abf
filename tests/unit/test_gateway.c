#include "test_gateway.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(backoff_suite());
	int failed;

	srunner_add_suite(runner, body_suite());
	srunner_add_suite(runner, change_plan_suite());
	srunner_add_suite(runner, gateway_add_suite());
	srunner_add_suite(runner, gateway_change_suite());
	srunner_add_suite(runner, gateway_stop_suite());
	srunner_add_suite(runner, connection_plan_suite());
	srunner_add_suite(runner, connection_steps_suite());
	srunner_add_suite(runner, cookies_suite());
	srunner_add_suite(runner, dialer_suite());
	srunner_add_suite(runner, redirect_suite());
	srunner_add_suite(runner, hold_suite());
	srunner_add_suite(runner, on_open_suite());
	srunner_add_suite(runner, admission_suite());
	srunner_add_suite(runner, reload_suite());
	srunner_add_suite(runner, routes_suite());
	srunner_add_suite(runner, settings_suite());
	srunner_add_suite(runner, settings_changes_suite());
	srunner_add_suite(runner, settings_documents_suite());
	srunner_add_suite(runner, settings_effective_suite());
	srunner_add_suite(runner, settings_problems_suite());
	srunner_add_suite(runner, settings_system_suite());
	srunner_add_suite(runner, settings_tables_suite());
	srunner_add_suite(runner, warnings_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
