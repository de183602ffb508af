/* SPDX-License-Identifier: ISC */
/*
 * Registries under a real otpd, by what OTP says of them: registering, and
 * what ends an entry.
 */
#include "workers/test_registry.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY	3000		/* events, more than are kept for one */

#define REGISTRIES							\
    "\"registries\":{\"u\":{\"keys\":\"unique\"},"			\
    "\"d\":{\"keys\":\"duplicate\"},"					\
    "\"t\":{\"keys\":\"duplicate\",\"max_entries\":3},"			\
    "\"l\":{\"keys\":\"unique\",\"listeners\":[\"ear\",\"nobody\"]}}"

void
home(struct house *h, const char *test, const char *ids)
{
	char copy[256], *rest = copy, *id;

	house_init(h, test);
	house_root(h, REGISTRIES);
	(void)snprintf(copy, sizeof(copy), "%s", ids);
	while ((id = strsep(&rest, " ")) != NULL)
		house_probe(h, id, "");
	house_start(h);
}

static cJSON *
asked(struct house *h, const char *to, const char *format, va_list ap)
{
	char request[8192];

	(void)vsnprintf(request, sizeof(request), format, ap);
	return house_ask(h, to, "%s", request);
}

cJSON *
good(struct house *h, const char *to, const char *format, ...)
{
	va_list ap;
	cJSON *reply;

	va_start(ap, format);
	reply = asked(h, to, format, ap);
	va_end(ap);
	if (house_number(reply, "rc") != 0)
		rig_fail(&h->rig, "%s: %s", format,
		    cJSON_PrintUnformatted(reply));
	return reply;
}

int
entries(struct house *h, const char *to, const char *format, ...)
{
	va_list ap;
	cJSON *reply;
	int n;

	va_start(ap, format);
	reply = asked(h, to, format, ap);
	va_end(ap);
	n = house_number(reply, "rc") != 0 ? -1 : cJSON_GetArraySize(
	    cJSON_GetObjectItemCaseSensitive(reply, "entries"));
	cJSON_Delete(reply);
	return n;
}

int
counted(struct house *h, const char *to, const char *format, ...)
{
	va_list ap;
	cJSON *reply;
	int n;

	va_start(ap, format);
	reply = asked(h, to, format, ap);
	va_end(ap);
	n = house_number(reply, "rc") != 0 ? -1 :
	    (int)house_number(reply, "ref");
	cJSON_Delete(reply);
	return n;
}

void
end_it(struct house *h, const char *path)
{
	int generation = house_generation(h, path);

	want(h, kill(house_pid(h, path), SIGKILL) == 0);
	house_ends(h, path, generation, "killed");
}

#define REGISTER(r, k)							\
    "{\"do\":\"r_register\",\"registry\":\"" r "\",\"key\":\"" k "\"}"
#define LOOKUP(r, k)							\
    "{\"do\":\"r_lookup\",\"registry\":\"" r "\",\"key\":\"" k "\"}"

/* --- register --- */

START_TEST(register_is_of_the_calling_process_with_a_value)
{
	const cJSON *x;
	cJSON *reply;
	struct house h;

	home(&h, __func__, "a b");
	want(&h, house_do(&h, "a", "{\"do\":\"r_register\",\"registry\":"
	    "\"u\",\"key\":\"k\",\"value\":\"v\"}") == 0);
	reply = good(&h, "b", LOOKUP("u", "k"));
	x = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply,
	    "entries"), 0);
	want(&h, strcmp(house_text(x, "path"), "a") == 0);
	want(&h, strcmp(house_text(x, "value"), "v") == 0);
	want(&h, (int)house_number(x, "pid") == house_pid(&h, "a"));
	cJSON_Delete(reply);
	/* Whoever has no link is nobody. */
	house_order(&h, "error", "invalid", "{\"op\":\"registry_register\","
	    "\"registry\":\"u\",\"key\":\"x\",\"path\":\"a\",\"pid\":1}");
	want(&h, otp_registry_register(h.o, "u", "x", 1, "", 0) < 0);
	house_done(&h);
}
END_TEST

START_TEST(unique_key_held_by_a_live_process_the_caller_included)
{
	static const char *const askers[] = { "a", "b" };
	char reason[64];
	cJSON *reply;
	struct house h;

	home(&h, __func__, "a b");
	want(&h, house_do(&h, "a", REGISTER("u", "k")) == 0);
	(void)snprintf(reason, sizeof(reason), "{already_registered,a,%d}",
	    house_pid(&h, "a"));
	for (int i = 0; i < 2; i++) {
		reply = house_ask(&h, askers[i], REGISTER("u", "k"));
		want(&h, (int)house_number(reply, "rc") == -OTP_EALREADY);
		want(&h, strcmp(house_text(reply, "reason"), reason) == 0);
		cJSON_Delete(reply);
	}
	want(&h, entries(&h, "a", LOOKUP("u", "k")) == 1);
	house_done(&h);
}
END_TEST

/* otpd stands still: it cannot tell the engine who has died. */
START_TEST(unique_key_of_a_dead_holder_not_yet_cleaned_up)
{
	struct house h;
	siginfo_t info;
	int pid;

	home(&h, __func__, "a b");
	want(&h, house_do(&h, "a", REGISTER("u", "k")) == 0);
	pid = house_pid(&h, "a");
	want(&h, kill(h.rig.otpd, SIGSTOP) == 0);
	want(&h, waitid(P_PID, (id_t)h.rig.otpd, &info, WSTOPPED) == 0);
	want(&h, kill(pid, SIGKILL) == 0);
	while (house_do(&h, "b", REGISTER("u", "k")) == -OTP_EALREADY)
		;			/* it is being killed */
	want(&h, entries(&h, "b", LOOKUP("u", "k")) == 1);
	house_order(&h, "path", "b", "{\"op\":\"whereis\","
	    "\"name\":\"via:u:k\"}");
	want(&h, kill(h.rig.otpd, SIGCONT) == 0);
	house_settle(&h);
	want(&h, entries(&h, "b", LOOKUP("u", "k")) == 1);
	house_done(&h);
}
END_TEST

START_TEST(duplicate_any_number_the_same_process_several_times)
{
	struct house h;

	home(&h, __func__, "a b");
	for (int i = 0; i < 3; i++)
		want(&h, house_do(&h, "a", REGISTER("d", "k")) == 0);
	want(&h, house_do(&h, "b", REGISTER("d", "k")) == 0);
	want(&h, entries(&h, "b", LOOKUP("d", "k")) == 4);
	house_done(&h);
}
END_TEST

/* --- the end of entries --- */

START_TEST(death_takes_all_entries_of_a_process)
{
	struct house h;

	home(&h, __func__, "a b");
	for (int i = 0; i < 10; i++) {
		want(&h, house_do(&h, "a", REGISTER("d", "k")) == 0);
		want(&h, house_do(&h, "b", REGISTER("d", "k")) == 0);
	}
	want(&h, house_do(&h, "a", REGISTER("u", "k")) == 0);
	end_it(&h, "a");
	house_await(&h, "a", "running");	/* another one */
	want(&h, entries(&h, "a", LOOKUP("d", "k")) == 10);
	want(&h, entries(&h, "a", LOOKUP("u", "k")) == 0);
	want(&h, counted(&h, "a", "{\"do\":\"r_count\",\"registry\":"
	    "\"d\"}") == 10);
	want(&h, house_do(&h, "b", REGISTER("u", "k")) == 0);
	house_done(&h);
}
END_TEST

/* There is no process of the registry's own whose end could take anybody. */
START_TEST(link_there_is_nothing_to_be_linked_to)
{
	struct house h;
	int pid;

	home(&h, __func__, "a");
	want(&h, house_do(&h, "a", REGISTER("u", "k")) == 0);
	pid = house_pid(&h, "a");
	house_kill_engine(&h);
	house_settle(&h);
	want(&h, house_pid(&h, "a") == pid);
	want(&h, entries(&h, "a", LOOKUP("u", "k")) == 1);
	house_order(&h, "result", "ok", "{\"op\":\"registry_new\","
	    "\"registry\":\"n\",\"keys\":\"unique\"}");
	want(&h, house_do(&h, "a", REGISTER("n", "k")) == 0);
	house_order(&h, "result", "ok", "{\"op\":\"registry_delete\","
	    "\"registry\":\"n\"}");
	want(&h, house_pid(&h, "a") == pid);
	want(&h, house_do(&h, "a", REGISTER("n", "k")) == -OTP_ENOPROC);
	house_done(&h);
}
END_TEST

START_TEST(entries_are_removed_before_down_is_delivered)
{
	const cJSON *info;
	cJSON *heard;
	struct house h;

	home(&h, __func__, "w a");
	for (int i = 0; i < 5; i++) {
		cJSON_Delete(good(&h, "a", "{\"do\":\"r_register_many\","
		    "\"registry\":\"u\",\"key\":\"a/\",\"n\":100}"));
		cJSON_Delete(good(&h, "w",
		    "{\"do\":\"r_watch\",\"registry\":\"u\"}"));
		cJSON_Delete(good(&h, "w",
		    "{\"do\":\"monitor\",\"target\":\"a\"}"));
		end_it(&h, "a");
		heard = house_heard(&h, "w", i + 1);
		info = cJSON_GetArrayItem(heard, i);
		want(&h, cJSON_HasObjectItem(info, "left"));
		want(&h, house_number(info, "left") == 0);
		cJSON_Delete(heard);
		house_await(&h, "a", "running");
	}
	house_done(&h);
}
END_TEST

#define UNREGISTER(r, k)						\
    "{\"do\":\"r_unregister\",\"registry\":\"" r "\",\"key\":\"" k "\"}"

START_TEST(unregister_all_of_the_callers_always_ok)
{
	struct house h;

	home(&h, __func__, "a b");
	want(&h, house_do(&h, "a", UNREGISTER("d", "k")) == 0);
	for (int i = 0; i < 3; i++)
		want(&h, house_do(&h, "a", REGISTER("d", "k")) == 0);
	want(&h, house_do(&h, "b", REGISTER("d", "k")) == 0);
	want(&h, house_do(&h, "a", REGISTER("d", "other")) == 0);
	want(&h, house_do(&h, "a", UNREGISTER("d", "k")) == 0);
	want(&h, house_do(&h, "a", UNREGISTER("d", "k")) == 0);
	want(&h, entries(&h, "a", LOOKUP("d", "k")) == 1);
	want(&h, entries(&h, "a", LOOKUP("d", "other")) == 1);
	house_done(&h);
}
END_TEST

START_TEST(unregister_match_those_whose_value_matches)
{
	static const char *const values[] = { "red:1", "red:2", "blue:1" };
	struct house h;

	home(&h, __func__, "a b");
	for (int i = 0; i < 3; i++) {
		want(&h, house_do(&h, "a", "{\"do\":\"r_register\","
		    "\"registry\":\"d\",\"key\":\"k\",\"value\":\"%s\"}",
		    values[i]) == 0);
		want(&h, house_do(&h, "b", "{\"do\":\"r_register\","
		    "\"registry\":\"d\",\"key\":\"k\",\"value\":\"%s\"}",
		    values[i]) == 0);
	}
	want(&h, house_do(&h, "a", "{\"do\":\"r_unregister\",\"registry\":"
	    "\"d\",\"key\":\"k\",\"value\":\"red:\"}") == 0);
	want(&h, entries(&h, "a", LOOKUP("d", "k")) == 4);
	want(&h, entries(&h, "a", "{\"do\":\"r_values\",\"registry\":\"d\","
	    "\"key\":\"k\"}") == 1);
	house_done(&h);
}
END_TEST

#define UPDATE(r, v)							\
    "{\"do\":\"r_update\",\"registry\":\"" r "\",\"key\":\"k\","	\
    "\"value\":\"" v "\"}"

START_TEST(update_value_unique_only_by_the_holder_only)
{
	cJSON *reply;
	struct house h;

	home(&h, __func__, "a b");
	want(&h, house_do(&h, "a", UPDATE("u", "one")) == -ENOENT);
	want(&h, house_do(&h, "a", REGISTER("u", "k")) == 0);
	reply = good(&h, "a", UPDATE("u", "one"));
	want(&h, strcmp(house_text(reply, "old"), "") == 0);
	cJSON_Delete(reply);
	reply = good(&h, "a", UPDATE("u", "a longer one than it was"));
	want(&h, strcmp(house_text(reply, "old"), "one") == 0);
	cJSON_Delete(reply);
	want(&h, house_do(&h, "b", UPDATE("u", "two")) == -ENOENT);
	want(&h, house_do(&h, "a", REGISTER("d", "k")) == 0);
	want(&h, house_do(&h, "a", UPDATE("d", "two")) == -EINVAL);
	reply = good(&h, "b", LOOKUP("u", "k"));
	want(&h, strcmp(house_text(cJSON_GetArrayItem(
	    cJSON_GetObjectItemCaseSensitive(reply, "entries"), 0), "value"),
	    "a longer one than it was") == 0);
	cJSON_Delete(reply);
	house_done(&h);
}
END_TEST

/* --- locks --- */

#define LOCK "{\"do\":\"r_lock\",\"registry\":\"u\",\"key\":\"k\""

static int
fifo(struct house *h, const char *what, const char *id)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s.%s", what, id);
	return rig_fifo(&h->rig, name);
}

START_TEST(lock_one_at_a_time_in_order_freed_on_the_holders_death)
{
	uint64_t b, c;
	struct house h;
	int held;

	home(&h, __func__, "a b c");
	want(&h, house_do(&h, "a", LOCK "}") == 7);
	want(&h, house_do(&h, "b", LOCK "}") == 7);
	want(&h, house_do(&h, "a", LOCK ",\"again\":1}") == -EDEADLK);
	held = fifo(&h, "held", "a");
	(void)fifo(&h, "release", "a");
	(void)house_send(&h, "a", LOCK ",\"hold\":1}");
	rig_await_readable(&h.rig, held, "a has the lock");
	want(&h, house_do(&h, "b", LOCK ",\"ms\":100}") == -ETIMEDOUT);
	b = house_send(&h, "b", LOCK "}");
	c = house_send(&h, "c", "{\"do\":\"r_lock\",\"registry\":\"u\","
	    "\"key\":\"another\"}");
	want(&h, house_outcome(&h, c) == 0);
	end_it(&h, "a");
	want(&h, house_outcome(&h, b) == 0);
	want(&h, house_do(&h, "c", LOCK "}") == 7);
	house_done(&h);
}
END_TEST

/* --- listeners, metadata --- */

static void
hears_of(struct house *h, const cJSON *heard, int i, const char *event,
    const char *key, const char *value)
{
	cJSON *o = cJSON_Parse(house_text(cJSON_GetArrayItem(heard, i),
	    "data"));

	if (strcmp(house_text(o, "event"), event) != 0 ||
	    strcmp(house_text(o, "registry"), "l") != 0 ||
	    strcmp(house_text(o, "key"), key) != 0 ||
	    strcmp(house_text(o, "value"), value) != 0 ||
	    strcmp(house_text(o, "path"), "a") != 0 ||
	    house_number(o, "pid") <= 0)
		rig_fail(&h->rig, "heard %s", cJSON_PrintUnformatted(o));
	cJSON_Delete(o);
}

START_TEST(listeners_hear_the_explicit_calls_nothing_on_a_crash)
{
	cJSON *heard;
	struct house h;

	home(&h, __func__, "ear a");
	want(&h, house_do(&h, "a", "{\"do\":\"r_register\",\"registry\":"
	    "\"l\",\"key\":\"k\",\"value\":\"v\"}") == 0);
	want(&h, house_do(&h, "a", REGISTER("l", "k")) == -OTP_EALREADY);
	want(&h, house_do(&h, "a", UNREGISTER("l", "k")) == 0);
	want(&h, house_do(&h, "a", REGISTER("l", "gone")) == 0);
	end_it(&h, "a");
	house_await(&h, "a", "running");
	want(&h, house_do(&h, "a", REGISTER("l", "last")) == 0);
	heard = house_heard(&h, "ear", 4);
	want(&h, cJSON_GetArraySize(heard) == 4);
	hears_of(&h, heard, 0, "register", "k", "v");
	hears_of(&h, heard, 1, "unregister", "k", "");
	hears_of(&h, heard, 2, "register", "gone", "");
	hears_of(&h, heard, 3, "register", "last", "");
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

/* How many messages it has missed, as it was told. */
static int
missed(struct house *h, const char *to)
{
	static const char lost[] = "{\"event\":\"lost\",\"count\":";
	cJSON *heard = house_heard(h, to, 1);
	const cJSON *info;
	const char *text;
	int n = 0;

	cJSON_ArrayForEach(info, heard) {
		text = house_text(info, "data");
		if (strncmp(text, lost, strlen(lost)) == 0)
			n += (int)strtol(text + strlen(lost), NULL, 10);
	}
	cJSON_Delete(heard);
	return n;
}

/* It is busy while more happens than is kept for it. */
START_TEST(listeners_that_do_not_read_hear_how_much_they_missed)
{
	int held, release, n, later = 0;
	char value[801] = "";
	cJSON *heard;
	struct house h;

	home(&h, __func__, "ear a");
	held = fifo(&h, "held", "ear");
	want(&h, mkfifo("release.ear", 0600) == 0);
	(void)house_send(&h, "ear", LOCK ",\"hold\":1}");
	rig_await_readable(&h.rig, held, "ear is busy");
	memset(value, 'v', sizeof(value) - 1);
	cJSON_Delete(good(&h, "a", "{\"do\":\"r_register_many\","
	    "\"registry\":\"l\",\"key\":\"k\",\"n\":%d,\"value\":"
	    "\"%s\"}", MANY, value));
	release = open("release.ear", O_WRONLY | O_CLOEXEC);
	want(&h, release >= 0 && close(release) == 0);
	while ((n = missed(&h, "ear")) == 0)	/* told with the next one */
		want(&h, house_do(&h, "a", "{\"do\":\"r_register\","
		    "\"registry\":\"l\",\"key\":\"later%d\"}", later++) ==
		    0);
	want(&h, n < MANY);
	heard = house_heard(&h, "ear", MANY + later - n + 1);
	want(&h, cJSON_GetArraySize(heard) == MANY + later - n + 1);
	cJSON_Delete(heard);
	house_done(&h);
}
END_TEST

START_TEST(meta_lives_with_the_registry)
{
	static const char meta[] = "{\"do\":\"r_meta\",\"registry\":\"u\","
	    "\"key\":\"m\"}";
	cJSON *reply;
	struct house h;

	home(&h, __func__, "a");
	want(&h, house_do(&h, "a", "%s", meta) == -ENOENT);
	for (int i = 0; i < 2; i++)
		want(&h, house_do(&h, "a", "{\"do\":\"r_put_meta\","
		    "\"registry\":\"u\",\"key\":\"m\",\"value\":\"v%d\"}",
		    i) == 0);
	end_it(&h, "a");
	house_await(&h, "a", "running");
	reply = good(&h, "a", "%s", meta);
	want(&h, strcmp(house_text(reply, "value"), "v1") == 0);
	cJSON_Delete(reply);
	want(&h, house_do(&h, "a", "{\"do\":\"r_delete_meta\",\"registry\":"
	    "\"u\",\"key\":\"m\"}") == 0);
	want(&h, house_do(&h, "a", "%s", meta) == -ENOENT);
	house_done(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("registry");
	TCase *t = tcase_create("entries"), *q = tcase_create("questions");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, register_is_of_the_calling_process_with_a_value);
	tcase_add_test(t,
	    unique_key_held_by_a_live_process_the_caller_included);
	tcase_add_test(t, unique_key_of_a_dead_holder_not_yet_cleaned_up);
	tcase_add_test(t,
	    duplicate_any_number_the_same_process_several_times);
	tcase_add_test(t, death_takes_all_entries_of_a_process);
	tcase_add_test(t, link_there_is_nothing_to_be_linked_to);
	tcase_add_test(t, entries_are_removed_before_down_is_delivered);
	tcase_add_test(t, unregister_all_of_the_callers_always_ok);
	tcase_add_test(t, unregister_match_those_whose_value_matches);
	tcase_add_test(t, update_value_unique_only_by_the_holder_only);
	tcase_add_test(t,
	    lock_one_at_a_time_in_order_freed_on_the_holders_death);
	tcase_add_test(t,
	    listeners_hear_the_explicit_calls_nothing_on_a_crash);
	tcase_add_test(t,
	    listeners_that_do_not_read_hear_how_much_they_missed);
	tcase_add_test(t, meta_lives_with_the_registry);
	tcase_set_timeout(q, 60);
	add_questions(q);
	suite_add_tcase(s, t);
	suite_add_tcase(s, q);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
