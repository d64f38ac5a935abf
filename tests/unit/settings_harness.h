#ifndef SETTINGS_HARNESS_H
#define SETTINGS_HARNESS_H

#include <check.h>

#include "gateway/settings.h"
#include "gateway/settings_private.h"

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

#define ONE_CONNECTION "connections = ( { name = \"a\"; url = \"ws://h/\"; } );\n"

/* Of a public key. */
#define PIN "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

/*
 * Each test runs in a folder of its own: the file is "wsgated.conf", as problems name it. These
 * folders are in one that the parent process removes, whatever becomes of the tests.
 */
void settings_add_folders(TCase *cases);

/* That of this test. */
const char *settings_folder(void);

void write_file(const char *path, const char *text);

/* Of a configuration without problems. */
struct settings *load(const char *text);

/* What is in the file now must have exactly these problems: an array that NULL ends. */
void assert_problems(const char *const *expected);

#endif
