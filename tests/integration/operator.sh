#!/bin/sh
# SPDX-License-Identifier: ISC
# What a person asks for comes before every rule, and is no crash.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

config <<END
{ "children": [
  { "id": "g", "type": "supervisor", "strategy": "one_for_all",
    "max_restarts": 1, "max_seconds": 600, "children": [
    { "id": "a", "start": ["$SVC"] },
    { "id": "b", "start": ["$SVC"] } ] },
  { "id": "c", "start": ["$SVC", "on", "1", "$T/hup"] },
  { "id": "polite", "start": ["$SVC", "code", "0"] },
  { "id": "off", "start": ["$SVC"], "down": true },
  { "id": "temp", "start": ["$SVC"], "restart": "temporary" },
  { "id": "once", "start": ["$SVC", "exit", "4"], "restart": "temporary" },
  { "id": "mute", "start": ["$SVC"], "ready": "notify", "down": true },
  { "id": "bad", "start": ["$SVC", "if", "$T/broken", "exit", "1", "ready"],
    "ready": "notify" } ] }
END
start
is "what is configured to be down is not started" \
    "$(status off state generation)" "stopped 0"
is "stop says what it did" "$(ctl stop g/a)" "g/a: stopped"
is "it is stopped and held" "$(status g/a state pid held)" "stopped - true"
is "nobody else of the group is" "$(status b state generation)" "running 1"
kill -9 "$(pid_of b)"
await_event "exited g/b killed"
ctl -q sync --timeout 20
is "a restart of the group leaves it alone" \
    "$(status g/a state) $(status b state generation)" "stopped running 2"
is "start says what it did" "$(ctl start g/a)" "g/a: started"
is "it runs and is not held" "$(status g/a state held)" "running false"
is "start of what runs does nothing" "$(ctl start g/a)" \
    "g/a: running already"

ctl -q stop polite
ctl -q restart polite
is "who ends with 0 when told to has ended as it should" \
    "$(status polite last_exit.reason) $(grep -c polite "$T/stderr")" "normal 0"
for i in 1 2 3; do ctl -q restart g/a || fail "restart $i"; done
is "three restarts by hand are no crashes" "$(status g recent_restarts)" 1
is "and touch nobody else" "$(status b generation)" 2
is "stop of what is stopped is no error" \
    "$(ctl -q stop c; ctl -q stop c; echo $?)" 0
is "restart of what is stopped starts it" \
    "$(ctl -q restart c; status c state)" running
is "a whole supervisor can be stopped" "$(ctl -q stop g; status g state;
    status g/a state; status b state)" "stopped
stopped
stopped"
is "and started" "$(ctl -q start g; status b state)" running
is "a temporary child that is stopped can be started again" \
    "$(ctl -q stop temp; ctl -q start temp; status temp state)" running
is "what was down can be started" "$(ctl -q start off; status off state)" \
    running

is "a slip is told" "$(ctl stop g/polit 2>&1; ctl status Polite 2>&1
    ctl status plt 2>&1)" \
    "otpctl: no child named g/polit
otpctl: no child named Polite; did you mean \`polite\`?
otpctl: no child named plt"
said=$(ctl stop polite typo c nope 2>&1)
is "of several names each has to be known" $? 4
is "or nothing is done, which is said" "$said $(status polite state)" \
    "otpctl: no child named typo
otpctl: no child named nope
otpctl: so nothing has been done running"

ok "signal sends a signal" ctl -q signal HUP c
await exists "$T/hup"
is "by name" "$(cat "$T/hup")" 1
ctl -q signal NOPE c 2>/dev/null
is "not any name" $? 2
ctl -q stop c
ctl -q signal HUP c 2>/dev/null
is "not to what does not run" $? 1
is "which is said" "$(ctl signal HUP c 2>&1)" "otpctl: c: it has no process"

# --- what cannot be done is said ---
: > "$T/broken"
ctl -q stop bad
said=$(ctl start bad 2>&1)
is "a start that fails is told" $? 1
ok "with the reason" has "$said" "status 1"
is "and is not tried again" "$(status bad state generation)" "failed 2"
ctl -q stop bad
is "one that has failed and is stopped is no longer told as failed" \
    "$(status bad state held) $(ctl failed | grep -c '^bad')" "stopped true 0"
rm "$T/broken"
ok "until somebody asks" ctl -q start bad
ctl start mute > "$T/said" 2>&1 &
starter=$!
await_event "started mute"
ctl -q stop mute
wait $starter
is "a start that somebody else stops has failed" $? 1
is "and says so" "$(cat "$T/said")" \
    "otpctl: mute: it was stopped before it was up"
is "what has no children says so" "$(ctl count-children c 2>&1;
    ctl start-child c '{}' 2>&1)" "otpctl: c: it is not a supervisor
otpctl: c is not a supervisor"
is "a usage ends where it ends" "$(ctl info x 2>&1)" \
    "otpctl: usage: otpctl info"
ctl -q wait once gone --timeout 20
ctl -q start-child / '{ "id": "brutal", "start": ["'"$SVC"'"],
    "shutdown": "brutal_kill" }'
ctl -q stop brutal
is "who was to be killed has not failed" "$(ctl failed --json |
    pick '*.*.path' | tr ' ' '\n' | grep -c brutal) $(status brutal state)" \
    "0 stopped"
ctl -q start brutal
ctl -q signal KILL brutal
n=0			# its end is not awaited by sync
until [ "$(status brutal generation)" = 3 ] || [ $n -eq 500 ]; do
	n=$((n + 1))
done
ok "but who is killed by others has" has "$(ctl failed)" brutal
said=$(ctl why once 2>&1)
is "what is gone from the tree is no child" $? 4
ok "but how it ended is still known" has "$said" \
    "otpctl: once is not in the tree any more: it exited with status 4, "
ok "and how long ago" has "$said" "s ago; otpctl events tells the rest"
ctl -q stop nobody 2>/dev/null
is "no such child" $? 4
ctl -q stop / 2>/dev/null
is "the root is not stopped but shut down" $? 1
ctl -q frobnicate 2>/dev/null
is "no such command" $? 2

# --- waiting ---
(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" -q wait c running --timeout 20) &
waiter=$!
ctl -q start c
wait $waiter
is "wait returns when it is so" $? 0
ctl -q wait c stopped --timeout 0.1 2>/dev/null
is "or when its time is up" $? 6
ctl -q is-running c
is "is-running answers by its code" $? 0
ctl -q is-running off && ctl -q stop off
ctl -q is-running off
is "yes or no" $? 1
stop
finish
