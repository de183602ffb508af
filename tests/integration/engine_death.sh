#!/bin/sh
# SPDX-License-Identifier: ISC
# The engine is killed: no service dies, nothing is forgotten, the next one
# answers.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkfifo "$T/gate"
config <<END
{ "children": [
  { "id": "g", "type": "supervisor", "max_restarts": 2, "max_seconds": 600,
    "children": [
    { "id": "a", "start": ["$SVC"] },
    { "id": "b", "start": ["$SVC", "note", "$T/b"] } ] },
  { "id": "held", "start": ["$SVC", "note", "$T/held"] },
  { "id": "pool", "type": "supervisor", "strategy": "simple_one_for_one",
    "template": { "start": ["$SVC"] } },
  { "id": "quick", "start": ["$SVC"], "restart": "transient" } ] }
END
start
ctl -q start-child / "{ \"id\": \"added\", \"start\": [\"$SVC\"] }"
ctl -q start-child pool '{ "id": "one", "args": ["helper"] }'
ctl -q stop held

# Kill the engine and wait for the next one.
kill_engine() {
	old=$(ctl --json info | pick engine_pid)
	kill -9 "$old"
	await gone "$old"
	ctl -q sync --timeout 20
}
picture() { ctl --json status | pick '*.path' '*.pid' '*.state' \
    '*.generation' '*.restarts'; }

before=$(picture)
kill_engine
is "no service has died, changed its place or been counted" \
    "$(picture)" "$before"
is "another engine answers" "$(ctl --json info |
    pick engines)$([ "$(ctl --json info | pick engine_pid)" = "$old" ] &&
    echo same)" 1
ok "an event tells it" has "$(events event)" engine_crashed
is "what an operator stopped stays stopped" \
    "$(status held state held)" "stopped true"
is "it is not started behind his back" "$(wc -l < "$T/held")" 1
is "events are numbered on" "$(events seq | tr '\n' ' ')" \
    "$(seq -s ' ' "$(events seq | wc -l)") "

# --- the window of restarts goes on over the death ---
victim=$(pid_of b)
kill -9 "$victim"
await_event "exited g/b killed"
ctl -q sync --timeout 20
is "a restart counts" "$(status g recent_restarts)" 1
kill_engine
is "and still counts for the next engine" "$(status g recent_restarts)" 1
is "so does the child's own count" "$(status b restarts generation)" "1 2"
is "its last end is still known" "$(status b last_exit.reason)" killed

# --- deaths while there is no engine ---
kill -STOP "$otpd_pid"
a=$(pid_of g/a) quick=$(pid_of quick)
old=$(ctl --json info | pick engine_pid)
kill -9 "$old" "$a"
kill -TERM "$quick"
await gone "$old" "$a" "$quick"
kill -CONT "$otpd_pid"
await_event "ready g/a"
ctl -q sync --timeout 20
is "a child that died without an engine is restarted" \
    "$(status g/a state generation last_exit.reason)" "running 2 killed"
is "counted" "$(status g recent_restarts)" 2
is "what died by a signal that nobody sent for us is abnormal" \
    "$(status quick state generation)" "running 2"

# --- one more is one too many, across two engines ---
kill -9 "$(pid_of b)"
await_event "gave_up g - g/b"
ctl -q sync --timeout 20
is "the limit holds across engines" "$(status g state restarts)" "running 1"

# --- children that were added live on, by name ---
kill_engine
is "added children are known to the next engine" \
    "$(status added state generation) $(status pool/one state generation)" \
    "running 1 running 1"
kill -9 "$(pid_of pool/one)"
await_event "exited pool/one killed"
ctl -q sync --timeout 20
is "and restarted by it" "$(status pool/one state generation)" "running 2"

# --- amid a start ---
ctl --json start-child / "{ \"id\": \"slow\", \"ready\": \"notify\",
    \"start\": [\"$SVC\", \"note\", \"$T/slow\", \"gate\", \"$T/gate\",
    \"ready\"] }" > "$T/answer" 2>&1 &
caller=$!
await exists "$T/slow"
old=$(ctl --json info | pick engine_pid)
kill -9 "$old"
await gone "$old"
wait $caller
exec 4<> "$T/gate"
ctl -q sync --timeout 20
is "a start that was under way goes on" "$(status slow state generation)" \
    "running 1"
is "and is not begun twice" "$(wc -l < "$T/slow")" 1
exec 4>&-

# --- amid a stop ---
ctl -q start-child / "{ \"id\": \"stubborn\", \"shutdown\": \"infinity\",
    \"start\": [\"$SVC\", \"on\", \"15\", \"$T/asked\"] }"
pid=$(pid_of stubborn)
ctl -q stop stubborn 2>/dev/null &
caller=$!
await exists "$T/asked"
old=$(ctl --json info | pick engine_pid)
kill -9 "$old"
await gone "$old"
ctl --json status stubborn > /dev/null
is "a stop that was under way goes on" "$(status stubborn state)" stopping
kill -9 "$pid"
ctl -q wait stubborn stopped --timeout 20
is "until it has ended" "$(status stubborn state)" stopped
wait $caller
stop
finish
