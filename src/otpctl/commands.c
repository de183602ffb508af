/* SPDX-License-Identifier: ISC */
/*
 * Every command of otpctl, a row each: the parser, --help, `help NAME` and
 * the tests read this table and nothing else.
 */
#include <string.h>

#include "otpctl/otpctl.h"

#define FOR_EVER	0
#define QUESTION_S	10	/* how long an answer may take */
#define UPGRADE_S	30
#define CALL_S		5	/* OTP's */

#define CALL_OPTS	(CTL_OPT_TIMEOUT | CTL_OPT_TIMEOUT_MS)

const struct command commands[] = {
	{ "status", "[PATH...]", "show the tree, or parts of it",
	    "A PATH is a child's place in the tree (web/nginx); its last part "
	    "(nginx) is\nenough where only one child has it.  Exit code 0 "
	    "when the question was answered,\nwhatever the state; see "
	    "is-running and is-failed.",
	    cmd_status, 0, -1, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "is-running", "PATH", "exit 0 if it is running, 1 if not",
	    "Prints the state; -q prints nothing.",
	    cmd_is_running, 1, 1, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "is-failed", "PATH", "exit 0 if it has failed, 1 if not",
	    "Prints the state; -q prints nothing.  A child that waits for "
	    "another attempt\n(backoff) has not failed yet.",
	    cmd_is_failed, 1, 1, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "wait", "PATH STATE", "wait until it is in that state",
	    "STATE is one of starting, running, stopping, backoff, stopped, "
	    "failed, gone.\nWaits for ever without --timeout.",
	    cmd_wait, 2, 2, CTL_OPT_TIMEOUT, FOR_EVER, true },
	{ "sync", "", "wait until nothing starts, stops or is retried",
	    "Waits for ever without --timeout.",
	    cmd_sync, 0, 0, CTL_OPT_TIMEOUT, FOR_EVER, true },
	{ "start", "PATH...", "start children, wait for the outcome",
	    "Starts also what has failed or was stopped.  A child that runs "
	    "already is left alone.",
	    cmd_start, 1, -1, CTL_OPT_TIMEOUT, FOR_EVER, true },
	{ "stop", "PATH...", "stop children, wait until they are gone",
	    "No rule starts it again until somebody says start or restart.",
	    cmd_stop, 1, -1, CTL_OPT_TIMEOUT, FOR_EVER, true },
	{ "restart", "PATH...", "stop children if they run, start them",
	    "Never counts as a crash.",
	    cmd_restart, 1, -1, CTL_OPT_TIMEOUT, FOR_EVER, false },
	{ "signal", "SIG PATH", "send a signal to a child's process",
	    "SIG is a name (HUP, SIGHUP) or a number.  What the process makes "
	    "of it is judged\nby the child's own rules: an end is a crash "
	    "like any other.",
	    cmd_signal, 2, 2, CTL_OPT_TIMEOUT, QUESTION_S, false },
	{ "reload", "[--dry-run]", "read the configuration again, converge",
	    "All or nothing: a file with an error changes nothing.  Children "
	    "that did not\nchange are not touched.  --dry-run only says what "
	    "would happen.",
	    cmd_reload, 0, 0, CTL_OPT_TIMEOUT | CTL_OPT_DRY_RUN, FOR_EVER,
	    true },
	{ "check", "[FILE]", "check a configuration, change nothing",
	    "Without FILE the one that otpd was started with.  Where otpd "
	    "does not run:\notpd -n -c FILE.",
	    cmd_check, 0, 1, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "shutdown", "", "stop everything in order; return when otpd is gone",
	    NULL, cmd_shutdown, 0, 0, CTL_OPT_TIMEOUT, FOR_EVER, true },
	{ "events", "[-f] [--since SEQ]", "what happened, one line each",
	    "All that is kept, or what is numbered SEQ and above.  -f shows "
	    "what happens from\nnow on; with --since what has happened since "
	    "comes first.",
	    cmd_events, 0, 0, CTL_OPT_TIMEOUT | CTL_OPT_FOLLOW |
	    CTL_OPT_SINCE, QUESTION_S, true },
	{ "logs", "[-f] [-n N] PATH", "a child's output",
	    "The last 20 lines, or N; -f goes on with new ones.",
	    cmd_logs, 1, 1, CTL_OPT_TIMEOUT | CTL_OPT_FOLLOW | CTL_OPT_LINES,
	    QUESTION_S, true },
	{ "why", "PATH", "what happened to a child, and what to do next",
	    "With -n the number of log lines that are shown (5).",
	    cmd_why, 1, 1, CTL_OPT_TIMEOUT | CTL_OPT_LINES, QUESTION_S,
	    true },
	{ "failed", "", "all that has failed, and recent obituaries", NULL,
	    cmd_failed, 0, 0, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "info", "", "otpd itself: version, processes, files", NULL,
	    cmd_info, 0, 0, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "resume", "", "start the engine again that otpd has given up",
	    "When its engine keeps crashing otpd holds: services run on, and "
	    "every command says\nso.  This lets it begin where it was.",
	    cmd_resume, 0, 0, CTL_OPT_TIMEOUT, QUESTION_S, false },
	{ "upgrade", "[FILE]", "let otpd become a newer one, under all that runs",
	    "FILE is the new otpd; without it the one that is now where otpd "
	    "was started from.\nServices run on; otpd, its engine and its "
	    "logger are exchanged.  A program that\ncannot take over is "
	    "refused, and nothing changes.",
	    cmd_upgrade, 0, 1, CTL_OPT_TIMEOUT, UPGRADE_S, true },
	{ "start-child", "SUP SPEC", "add a child to a supervisor, start it",
	    "SPEC is JSON as in the configuration; - reads it from standard "
	    "input.",
	    cmd_start_child, 2, 2, CTL_OPT_TIMEOUT, FOR_EVER, false },
	{ "terminate-child", "SUP ID", "stop a child, keep its specification",
	    "An ID of pid:N means the child with that process, of those that "
	    "were\nstarted at run time in a dynamic_supervisor or "
	    "simple_one_for_one.",
	    cmd_terminate_child, 2, 2, CTL_OPT_TIMEOUT, FOR_EVER, true },
	{ "restart-child", "SUP ID", "start a child that is stopped", NULL,
	    cmd_restart_child, 2, 2, CTL_OPT_TIMEOUT, FOR_EVER, false },
	{ "delete-child", "SUP ID", "forget a stopped child's specification",
	    NULL, cmd_delete_child, 2, 2, CTL_OPT_TIMEOUT, FOR_EVER, false },
	{ "which-children", "SUP", "a supervisor's children, newest first",
	    NULL, cmd_which_children, 1, 1, CTL_OPT_TIMEOUT, QUESTION_S,
	    true },
	{ "count-children", "SUP", "how many of which kind", NULL,
	    cmd_count_children, 1, 1, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "partition", "SUP KEY", "the path of a key's partition",
	    "KEY is an integer, or anything else as text; '\"7\"' is the text "
	    "7.",
	    cmd_partition, 2, 2, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "task", "run CMD [ARG...]", "run commands as supervised tasks",
	    "Options, before CMD: --sup PATH (the only task_supervisor in the "
	    "tree),\n--timeout S (for each command; none), --max-concurrency "
	    "N (processors),\n--unordered, -0 (lines end with NUL), "
	    "--no-stdin.  Where standard input is a pipe\nor a file, a "
	    "command is run for each of its lines: in place of {}, or as the "
	    "last\nargument.  The exit code is the number that failed, at "
	    "most 100; 125 is otpctl's.",
	    cmd_task, 2, -1, CTL_OPT_TIMEOUT | CTL_OPT_TASK, FOR_EVER, true },
	{ "registry", "[NAME [KEY]]", "registries, or what one holds",
	    "Without NAME all registries.  With it who is registered, under "
	    "any key, under KEY,\nor with --prefix P under those that begin so.",
	    cmd_registry, 0, 2, CTL_OPT_TIMEOUT | CTL_OPT_PREFIX, QUESTION_S,
	    true },
	{ "publish", "NAME KEY PAYLOAD", "send to all under a key",
	    "A plain message (handle_info) to each process that is registered "
	    "under KEY in the\nregistry NAME.  PAYLOAD as for call.",
	    cmd_publish, 3, 3, CTL_OPT_TIMEOUT, QUESTION_S, false },
	{ "apps", "", "the applications, in the order of need", NULL,
	    cmd_apps, 0, 0, CTL_OPT_TIMEOUT, QUESTION_S, true },
	{ "app", "OP NAME [KEY [VALUE]]", "start or stop an application",
	    "OP is start, stop, restart or env.  start also starts what it "
	    "needs, with --alone\nit is refused then.  stop leaves alone what "
	    "needs it.  env shows its env, or\none value of it, or sets that: "
	    "VALUE is JSON, or else a string.",
	    cmd_app, 2, 4, CTL_OPT_TIMEOUT | CTL_OPT_ALONE, FOR_EVER, true },
	{ "call", "NAME [PAYLOAD]", "ask a gen_server, show its reply",
	    "NAME is a registered name (counter), a path (web/counter), a "
	    "socket (./x.sock)\nor a key (via:REGISTRY:KEY).\nA PAYLOAD of - is read from standard input.  "
	    "A reply that is JSON is laid out,\nwith --json on one line.  A "
	    "bare number of --timeout is milliseconds.",
	    cmd_call, 1, 2, CALL_OPTS, CALL_S, false },
	{ "cast", "NAME [PAYLOAD]", "tell a gen_server, without an answer",
	    "NAME and PAYLOAD as for call.",
	    cmd_cast, 1, 2, CALL_OPTS, CALL_S, false },
	{ "send", "NAME [PAYLOAD]", "send a plain message (handle_info)",
	    "NAME and PAYLOAD as for call.",
	    cmd_send, 1, 2, CALL_OPTS, CALL_S, false },
	{ "sys", "OP NAME [PAYLOAD]", "look into a gen_server, or suspend it",
	    "OP is one of get-state, get-status, suspend, resume, "
	    "statistics,\ntrace [on|off], replace-state STATE, change-code "
	    "[EXTRA], terminate [REASON].\ntrace shows each message until it "
	    "is interrupted, or for --timeout.",
	    cmd_sys, 2, 3, CALL_OPTS, CALL_S, false },
	{ "agent", "NAME OP [PATH...]", "look into an agent's state, change it",
	    "OP is one of get [PATH], put PATH VALUE, update PATH PATCH, "
	    "delete PATH,\nget-and-update PATH VALUE [COMPARE|absent].  A PATH "
	    "is a JSON pointer (/a/b/0),\n. the whole.  A VALUE is JSON; - "
	    "reads it from standard input.",
	    cmd_agent, 2, 5, CALL_OPTS, CALL_S, false },
	{ "pool", "NAME", "how a pool stands, and who holds its workers",
	    "ready: one is free.  overflow: one more would be started.  full: "
	    "whoever asks\nwaits.",
	    cmd_pool, 1, 1, CALL_OPTS, CALL_S, true },
	{ "help", "[COMMAND]", "this list, or more about one command", NULL,
	    cmd_help, 0, 1, 0, QUESTION_S, true },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, false }
};

const struct command *
command_find(const char *name)
{
	const struct command *cmd;

	for (cmd = commands; cmd->name != NULL; cmd++)
		if (strcmp(cmd->name, name) == 0)
			return cmd;
	return NULL;
}
