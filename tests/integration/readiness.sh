#!/bin/sh
# SPDX-License-Identifier: ISC
# A start has succeeded when the program says so, and not before.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkfifo "$T/gate"
config <<END
{ "max_restarts": 100, "children": [
  { "id": "first", "start": ["$SVC"], "ready": "exec" },
  { "id": "slow", "start": ["$SVC", "note", "$T/began", "gate", "$T/gate",
    "ready"], "ready": "notify" },
  { "id": "next", "start": ["$SVC", "note", "$T/next"] },
  { "id": "nothing", "start": ["$SVC", "ignore", "exit", "0"],
    "ready": "notify" },
  { "id": "reason", "start": ["$SVC", "ready", "gate", "$T/gate2", "reason",
    "shutdown", "exit", "3"], "ready": "notify", "restart": "transient" },
  { "id": "term", "start": ["$SVC", "ready", "gate", "$T/gate3", "reason",
    "{shutdown,\"done\"}", "exit", "0"], "ready": "notify",
    "restart": "transient" },
  { "id": "killed", "start": ["$SVC", "reason", "shutdown", "ready", "gate",
    "$T/gate4", "die", "11"], "ready": "notify", "restart": "temporary" } ] }
END
mkfifo "$T/gate2" "$T/gate3" "$T/gate4"
begin
await exists "$T/began"
is "a start that is not ready is starting" "$(status slow state)" starting
is "those before it run" "$(status first state)" running
is "those after it are not started" "$(status next state pid)" "stopped -"
ok "nor their programs" not test -e "$T/next"
ctl -q sync --timeout 0.2 2>/dev/null
is "sync waits for it" $? 6
exec 4<> "$T/gate"
ctl -q sync --timeout 20
is "READY=1 is the success of a start" \
    "$(status slow state) $(status next state)" "running running"
is "X_OTP_IGNORE and exit 0: no process, no failure" \
    "$(status nothing state pid last_exit.reason)" "stopped - -"
ok "an event tells it" has "$(events event path)" "ignored nothing"

exec 5<> "$T/gate2"
await_event "exited reason"
ctl -q sync --timeout 20
is "X_OTP_REASON is the reason of an exit, whatever the code" \
    "$(status reason state last_exit.reason)" "stopped shutdown"
exec 6<> "$T/gate3"
await_event "exited term"
is "a reason with a term is kept" "$(status term last_exit.reason)" \
    '{shutdown,"done"}'
exec 7<> "$T/gate4"
await_event "exited killed"
ok "a signal says more than words said before" \
    has "$(events path event reason | grep '^killed exited')" "SIGSEGV"

# --- only the service itself may speak for it ---
NOTIFY_SOCKET=$RUN/notify "$SVC" reason '{forged}' ready exit 0
ctl -q sync --timeout 20
victim=$(pid_of first)
kill -9 "$victim"
await_event "exited first"
is "a stranger's words are not a service's" \
    "$(status first last_exit.reason)" killed
stop
finish
