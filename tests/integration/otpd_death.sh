#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd is killed with SIGKILL: services and their logs go on, and the next
# otpd goes on with them as if nothing had been.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"
. "${OTPD_SRCDIR:-.}/tests/integration/death.sh"

mkfifo "$T/gate" "$T/gate2"
config <<END
{ "max_restarts": 100, "children": [
  { "id": "g", "type": "supervisor", "max_restarts": 2, "max_seconds": 600,
    "children": [
    { "id": "a", "start": ["$SVC", "alone", "$T/a", "helper"] },
    { "id": "b", "start": ["$SVC", "alone", "$T/b"] } ] },
  { "id": "held", "start": ["$SVC", "note", "$T/held"] },
  { "id": "pool", "type": "supervisor", "strategy": "simple_one_for_one",
    "template": { "start": ["$SVC"] } },
  { "id": "talks", "start": ["$SVC", "say", "before", "gate", "$T/gate",
    "lines", "500", "gate", "$T/gate2", "say", "after"] },
  { "id": "stubborn", "shutdown": 100, "start": ["$SVC", "stubborn"] },
  { "id": "quick", "start": ["$SVC"], "restart": "transient" },
  { "id": "coded", "start": ["$SVC", "code", "7"] } ] }
END
start
ctl -q start-child pool '{ "id": "one", "args": ["helper"] }'
ctl -q stop held
kill -9 "$(pid_of b)"
await_event "exited g/b killed"
ctl -q sync --timeout 20
await text before "$LOG/talks.log"
before=$(picture)

# --- nobody is there ---
old=$otpd_pid engine=$(ctl --json info | pick engine_pid)
logger=$(ctl --json info | pick logger_pid)
pids="$(pid_of a) $(pid_of b) $(pid_of talks)"
kill_otpd
await gone "$engine"
# shellcheck disable=SC2086 # a list
ok "services live on" kill -0 $pids
is "otpctl says that nobody is there" "$(ctl --timeout 0.1 status 2>/dev/null; echo $?)" 5
exec 4<> "$T/gate"
await text "line 500" "$LOG/talks.log"
pass "their logs are written without it"
kill -STOP "$logger"
exec 5<> "$T/gate2"

# --- the next one ---
again
is "every service has its process, its place and its counts" "$(picture)" \
    "$before"
ok "another otpd runs" not same "$(ctl --json info | pick pid)" "$old"
is "an event tells it" "$(events event reason | grep ^spawner_killed)" \
    "spawner_killed its services were taken over"
ok "and whoever started it by which configuration" file_has "$T/stderr" \
    "otpctl reload reads $CONF"
is "restarts count on in their window" "$(status g recent_restarts)" 1
is "what an operator stopped stays stopped" \
    "$(status held state held) $(wc -l < "$T/held")" "stopped true 1"
is "events are numbered on" "$(events seq | tr '\n' ' ')" \
    "$(seq -s ' ' "$(events seq | wc -l)") "
await text after "$LOG/talks.log"
is "every line is there, once and in order" \
    "$(sed 's/line //' "$LOG/talks.log" | tr '\n' ' ')" \
    "before $(seq -s ' ' 500) after "
is "nothing has run twice" "$(cat "$T/a" "$T/b")" ""
ok "the log can be followed" same "$(ctl logs -n 1 talks)" after

# --- services that end: it is not their parent ---
mates=$(helpers_of "$(pid_of a)")
kill -9 "$(pid_of a)"
await_event "exited g/a killed"
await gone "$mates"
ctl -q sync --timeout 20
is "one is killed: with its reason it is restarted, and counted" \
    "$(status a generation last_exit.reason) $(status g recent_restarts)" \
    "2 killed 2"
kill -SEGV "$(pid_of quick)"
await_event "exited quick {signal,SIGSEGV}"
ctl -q stop coded
is "one is stopped, and says what it says" \
    "$(status coded state last_exit.reason)" "stopped {exit,7}"
ctl -q stop stubborn
is "one does not listen, and is killed in time" \
    "$(status stubborn state last_exit.reason)" "stopped killed"
ctl -q terminate-child pool one 2>/dev/null || ctl -q stop pool/one
kill -9 "$(pid_of b)"
await_event "gave_up g - g/b"
ctl -q sync --timeout 20
is "the limit of restarts holds over the death" \
    "$(status g state restarts)" "running 1"

# --- services that end while nobody is there ---
a=$(pid_of a) quick=$(pid_of quick) talks=$(pid_of talks)
ctl -q start coded
coded=$(pid_of coded)
kill_otpd
kill -9 "$a"
kill -TERM "$quick" "$coded"
await gone "$a" "$quick" "$coded"
again
is "they are back, and it is known how they ended" \
    "$(for i in a quick coded; do status $i state last_exit.reason; done)" \
    "running killed
running {signal,SIGTERM}
running {exit,7}"
is "nothing has run twice" "$(cat "$T/a" "$T/b")" ""
is "the others have not noticed" "$(pid_of talks)" "$talks"

# --- once more, and again ---
before=$(picture)
for i in 1 2 3; do
	kill_otpd
	again
done
is "it can be killed as often as one likes" "$(picture)" "$before"
for i in 1 2 3 4 5 6; do
	kill_otpd
	launch_again
done
ctl -q sync --timeout 20
is "and at any time, while it takes over" "$(picture)" "$before"
is "nothing has run twice" "$(cat "$T/a" "$T/b")" ""

# --- the keeper alone is killed ---
keeper=$(keeper_of "$otpd_pid")
kill -9 "$keeper"
await gone "$keeper"
new_keeper "$keeper"
is "no service notices the death of the keeper" "$(picture)" "$before"
kill_otpd
again
is "and the next keeper keeps as well" "$(picture)" "$before"
pid=$(pid_of a)
ctl -q restart a
ok "what was taken over twice can be restarted" not same "$(pid_of a)" "$pid"
is "and runs once" "$(status a state) $(cat "$T/a")" "running "
said=$("$OTPD_BUILDDIR/otpd" -c "$CONF" -r "$RUN" -l "$LOG" 2>&1)
ok "a second otpd is refused beside one that took over" not same $? 0
ok "and names it" has "$said" "$otpd_pid"
stop
finish
