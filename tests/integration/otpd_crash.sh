#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd itself crashes: it goes on as the same process, no service notices, and
# what happened meanwhile is judged as ever.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkfifo "$T/gate" "$T/gate2"
config <<END
{ "children": [
  { "id": "g", "type": "supervisor", "max_restarts": 2, "max_seconds": 600,
    "children": [
    { "id": "a", "start": ["$SVC"] },
    { "id": "b", "start": ["$SVC", "code", "3"] },
    { "id": "c", "start": ["$SVC", "note", "$T/c"] } ] },
  { "id": "held", "start": ["$SVC", "note", "$T/held"] },
  { "id": "temporary", "start": ["$SVC"], "restart": "temporary" },
  { "id": "writer", "start": ["$SVC", "say", "before", "ready", "gate",
    "$T/gate", "lines", "500", "gate", "$T/gate2", "say", "after"],
    "ready": "notify" } ] }
END
start
ctl -q start-child / "{ \"id\": \"added\", \"start\": [\"$SVC\"] }"
ctl -q stop held
await text before "$LOG/writer.log"

engine() { ctl --json info | pick engine_pid; }
# Crash it by a signal and wait for the next engine.
crash() {
	old=$(engine)
	kill "-$1" "$otpd_pid"
	kill -CONT "$otpd_pid"
	await gone "$old"
	ctl -q sync --timeout 20
}
picture() { ctl --json status | pick '*.path' '*.pid' '*.state' \
    '*.generation' '*.restarts'; }
about() { ctl --json info | pick pid otpd_crashes otpd_last_crash crashed; }

before=$(picture)
for sig in SEGV ABRT BUS; do
	crash "$sig"
	is "no service notices a crash by $sig" "$(picture)" "$before"
done
is "otpd is the same process, and says how often it crashed" "$(about)" \
    "$otpd_pid 3 {signal,SIGBUS} 0"
is "events tell it" "$(events event reason | grep -c ^spawner_crashed)" 3
ok "so does otpctl failed" has "$(ctl failed)" spawner_crashed
is "the engine has not crashed" "$(events event | grep -c ^engine_crashed)" 0
ok "the terminal was told" file_has "$T/stderr" \
    "otpd: crashed by signal 11; it goes on where it was"
is "what an operator stopped stays stopped" "$(status held state held)" \
    "stopped true"
is "events are numbered on" "$(events seq | tr '\n' ' ')" \
    "$(seq -s ' ' "$(events seq | wc -l)") "
lock=$(cat "$RUN/lock")
is "its lock is still its own" "$lock" "$otpd_pid"
ok "a second otpd is refused" has "$("$OTPD_BUILDDIR/otpd" -c "$CONF" \
    -r "$RUN" -l "$LOG" 2>&1)" "already running as pid $otpd_pid"

# --- ends while it is down ---
kill -STOP "$otpd_pid"
b=$(pid_of b) temporary=$(pid_of temporary)
kill -SEGV "$otpd_pid"
kill -TERM "$b"
kill -KILL "$temporary"
await gone "$b" "$temporary"
# Lines that pile up meanwhile.
exec 4<> "$T/gate"
old=$(engine)
kill -CONT "$otpd_pid"
await gone "$old"
ctl -q sync --timeout 20
is "a child that ended meanwhile is restarted for its own reason" \
    "$(status b state generation restarts last_exit.reason)" \
    "running 2 1 {exit,3}"
is "it is counted" "$(status g recent_restarts)" 1
is "one that is not to be restarted is not" "$(events event path reason |
    grep -c 'exited temporary killed') $(events event path |
    grep -c 'started temporary')" "1 1"
is "one that ran on is not touched" "$(status c state generation)" "running 1"
is "it was started once" "$(wc -l < "$T/c")" 1

# --- the limit holds over crashes ---
kill -9 "$(pid_of c)"
await_event "exited g/c killed"
ctl -q sync --timeout 20
is "another restart" "$(status g recent_restarts)" 2
kill -9 "$(pid_of a)"
await_event "gave_up g - g/a"
ctl -q sync --timeout 20
is "one more is one too many" "$(status g state restarts)" "running 1"

# --- the logs ---
await text "line 500" "$LOG/writer.log"
exec 5<> "$T/gate2"
await text after "$LOG/writer.log"
is "every line is there, once and in order" "$(sed 's/line //' \
    "$LOG/writer.log" | tr '\n' ' ')" "before $(seq -s ' ' 500) after "
exec 4>&- 5>&-

# --- amid a start, and amid the end ---
mkfifo "$T/gate3"
ctl --json start-child / "{ \"id\": \"slow\", \"ready\": \"notify\",
    \"start\": [\"$SVC\", \"note\", \"$T/slow\", \"gate\", \"$T/gate3\",
    \"ready\"] }" > "$T/answer" 2>&1 &
caller=$!
await exists "$T/slow"
old=$(engine)
kill -SEGV "$otpd_pid"
await gone "$old"
wait $caller
exec 4<> "$T/gate3"
ctl -q sync --timeout 20
is "a start that was under way goes on" "$(status slow state generation)" \
    "running 1"
is "and is not begun twice" "$(wc -l < "$T/slow")" 1
exec 4>&-
stop

# --- what it remembers is gone: nothing may run twice, so all begins anew ---
start
old=$(services)
for fd in "/proc/$otpd_pid/fd"/*; do
	case $(readlink "$fd") in
	/memfd:otpd-table*) : > "$fd" ;;
	esac
done
n=$(wc -l < "$T/held")
kill -9 "$(pid_of a)"
# shellcheck disable=SC2086 # a list
await gone $old
await lines $((n + 1)) "$T/held"	# or there may be no socket yet
ok "a table that is lost is a crash" file_has "$T/stderr" \
    "otpd: crashed by signal 7"
ok "that cannot be survived" file_has "$T/stderr" \
    "otpd: cannot take over what runs: it makes no sense; it is killed"
ctl -q sync --timeout 20
is "all runs again" "$(ctl --json status | pick '*.state' | tr ' ' '\n' |
    sort | uniq -c | tr -s ' \n' ' ')" " 8 running "
is "and once" "$(services | wc -l)" 6
is "it is the same process" "$(ctl --json info | pick pid)" "$otpd_pid"
stop

# --- an environment that lies ---
OTPD_MANIFEST=0
export OTPD_MANIFEST
start
unset OTPD_MANIFEST
ok "what cannot be taken over is said, and all begins anew" file_has \
    "$T/stderr" "otpd: cannot take over what runs: "
is "and runs" "$(status a state generation)" "running 1"
stop
finish
