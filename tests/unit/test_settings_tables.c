#include "test_gateway.h"

#include <stdlib.h>
#include <string.h>

#include "settings_harness.h"

/* Tables and structs fit together: a setting cannot be in one of them only. */

#ifdef __has_builtin
#if __has_builtin(__builtin_clear_padding)
#define CAN_TELL_PADDING
#endif
#endif

#ifdef CAN_TELL_PADDING

/* A member of a struct that is no setting. */
struct other_member {
	size_t offset, size;
};

#define OTHER(type, member)                                                                        \
	{                                                                                          \
		offsetof(type, member), sizeof(((type *)NULL)->member)                             \
	}

static void cover(uint8_t *covered, const struct setting *table, size_t offset)
{
	for (; table->name; table++) {
		if (table->group) {
			cover(covered, table->group, offset + table->offset);
			continue;
		}
		for (size_t i = 0; i < table->size; i++) {
			uint8_t *byte = &covered[offset + table->offset + i];

			ck_assert_msg(!*byte, "%s is where another setting is", table->name);
			*byte = 1;
		}
	}
}

/* `bytes`: of a struct, 0 where it has padding. */
static void assert_covers(const struct setting *table, const uint8_t *bytes, size_t size,
	const struct other_member *others, size_t count)
{
	uint8_t *covered = calloc(1, size);

	cover(covered, table, 0);
	for (size_t i = 0; i < count; i++)
		memset(covered + others[i].offset, 1, others[i].size);
	for (size_t i = 0; i < size; i++)
		ck_assert_msg(covered[i] || !bytes[i], "no row for the member at %zu", i);
	free(covered);
}

#define ASSERT_COVERS(table, type, ...)                                                            \
	do {                                                                                       \
		static const struct other_member others[] = {__VA_ARGS__};                         \
		type object;                                                                       \
		memset(&object, 0xff, sizeof(object));                                             \
		__builtin_clear_padding(&object);                                                  \
		assert_covers(table, (const uint8_t *)&object, sizeof(object), others,             \
			sizeof(others) / sizeof(*others));                                         \
	} while (0)

START_TEST(each_member_has_a_row)
{
	ASSERT_COVERS(gateway_settings_table, struct gateway_settings,
		OTHER(struct gateway_settings, control.uid),
		OTHER(struct gateway_settings, control.gid),
		OTHER(struct gateway_settings, control.place),
		OTHER(struct gateway_settings, observe.uid),
		OTHER(struct gateway_settings, observe.gid),
		OTHER(struct gateway_settings, observe.place));
	ASSERT_COVERS(connection_config_table, struct connection_config,
		OTHER(struct connection_config, settings), OTHER(struct connection_config, origins),
		OTHER(struct connection_config, line), OTHER(struct connection_config, untrusted));
	ASSERT_COVERS(connection_settings_table, struct connection_settings,
		OTHER(struct connection_settings, users),
		OTHER(struct connection_settings, tls.group),
		OTHER(struct connection_settings, tls.key_passphrase));
	ASSERT_COVERS(outlet_config_table, struct outlet_config,
		OTHER(struct outlet_config, outlet.uid), OTHER(struct outlet_config, outlet.gid),
		OTHER(struct outlet_config, outlet.untrusted),
		OTHER(struct outlet_config, implicit), OTHER(struct outlet_config, place),
		OTHER(struct outlet_config, origins), OTHER(struct outlet_config, line));
}
END_TEST

#endif

/* A kind that a row names can do everything that tables ask of it. */
static void assert_able(const struct setting *table)
{
	for (; table->name; table++) {
		const struct setting_kind *kind = table->kind;

		ck_assert_msg(kind->read && kind->init && kind->copy && kind->release &&
				kind->equal && kind->is_set,
			"%s", table->name);
		ck_assert_msg((kind->put != NULL) != (table->group != NULL), "%s", table->name);
		ck_assert_msg((kind == &setting_kind_group) == (table->group != NULL), "%s",
			table->name);
		ck_assert_msg((kind == &setting_kind_choice) == (table->choices != NULL), "%s",
			table->name);
		if (table->group)
			assert_able(table->group);
	}
}

START_TEST(each_kind_is_complete)
{
	assert_able(gateway_settings_table);
	assert_able(connection_config_table);
	assert_able(connection_settings_table);
	assert_able(outlet_config_table);
}
END_TEST

Suite *settings_tables_suite(void)
{
	Suite *suite = suite_create("settings: tables");
	TCase *tables = tcase_create("tables");

#ifdef CAN_TELL_PADDING
	tcase_add_test(tables, each_member_has_a_row);
#endif
	tcase_add_test(tables, each_kind_is_complete);
	suite_add_tcase(suite, tables);
	return suite;
}
