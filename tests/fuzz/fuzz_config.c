/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as a configuration, and as a child for start_child.  What is
 * accepted must give a text that gives the same text again; what is refused
 * must say why, in a line of plain text each.
 */
#include <ctype.h>
#include <string.h>

#include "engine/config.h"
#include "fuzz.h"

static const struct config_context cx = { .runtime_dir = "/run/x" };

static void
plain(const char *text)
{
	for (; *text != '\0'; text++)
		MUST(!iscntrl((unsigned char)*text));
}

static void
check_errors(const struct config *c)
{
	char line[512];
	size_t i;

	MUST(c->root == NULL && c->text == NULL);
	for (i = 0; i < c->nerrors; i++) {
		plain(c->errors[i].file);
		plain(c->errors[i].path);
		plain(c->errors[i].message);
		MUST(c->errors[i].message[0] != '\0');
		config_error_format(&c->errors[i], line, sizeof(line));
	}
}

static void
check_again(const struct config *c)
{
	struct config *again;

	again = config_parse(c->text, c->text_len, "again", &cx);
	MUST(again->nerrors == 0);
	MUST(strcmp(again->text, c->text) == 0);
	config_free(again);
}

static void
check_child(const char *text, size_t len, enum core_strategy strategy,
    const struct service *template)
{
	struct config *c, *again;
	const char *source;

	c = config_parse_child(text, len, strategy, template, &cx);
	if (c->nerrors > 0) {
		check_errors(c);
	} else {
		source = ((struct service *)c->root->user)->source;
		MUST(source != NULL);
		again = config_parse_child(source, strlen(source), strategy,
		    NULL, &cx);
		MUST(again->nerrors == 0);
		MUST(service_same(c->root->user, again->root->user,
		    CORE_SAME_ALL));
		config_free(again);
	}
	config_free(c);
}

const unsigned fuzz_variations = 2000;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char tree[] = "{\"strategy\":\"simple_one_for_one\","
	    "\"env\":{\"A\":\"1\"},\"template\":{\"start\":[\"/bin/true\"]}}";
	static const char dynamic[] = "{\"children\":[{\"id\":\"d\","
	    "\"type\":\"dynamic_supervisor\",\"extra_arguments\":[\"a\"]}]}";
	const char *text = (const char *)data;
	struct config *c, *simple;

	c = config_parse(text, size, "fuzz", &cx);
	if (c->nerrors > 0)
		check_errors(c);
	else
		check_again(c);
	config_free(c);
	check_child(text, size, CORE_ONE_FOR_ONE, NULL);
	simple = config_parse(tree, strlen(tree), "tree", &cx);
	MUST(simple->nerrors == 0);
	check_child(text, size, CORE_ONE_FOR_ALL, simple->root->user);
	check_child(text, size, CORE_SIMPLE_ONE_FOR_ONE,
	    simple->root->children->user);
	config_free(simple);
	simple = config_parse(dynamic, strlen(dynamic), "dynamic", &cx);
	MUST(simple->nerrors == 0);
	check_child(text, size, CORE_DYNAMIC, simple->root->children->user);
	config_free(simple);
	return 0;
}
