#include "test_control.h"

#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(rpc_suite());
	int failed;

	srunner_add_suite(runner, rpc_request_suite());
	srunner_add_suite(runner, report_suite());
	srunner_add_suite(runner, control_turns_suite());
	srunner_add_suite(runner, json_config_suite());
	srunner_add_suite(runner, server_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
