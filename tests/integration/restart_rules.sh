#!/bin/sh
# SPDX-License-Identifier: ISC
# Who is restarted when somebody dies: exactly those that OTP restarts.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

config <<END
{ "max_restarts": 100, "children": [
  { "id": "rest", "type": "supervisor", "strategy": "rest_for_one",
    "max_restarts": 100, "children": [
    { "id": "a", "start": ["$SVC"] },
    { "id": "b", "start": ["$SVC"] },
    { "id": "c", "start": ["$SVC"] },
    { "id": "gone", "start": ["$SVC"], "restart": "temporary" } ] },
  { "id": "all", "type": "supervisor", "strategy": "one_for_all",
    "max_restarts": 100, "children": [
    { "id": "d", "start": ["$SVC"] },
    { "id": "e", "start": ["$SVC"] } ] },
  { "id": "one", "type": "supervisor", "strategy": "one_for_one",
    "max_restarts": 100, "children": [
    { "id": "tr", "start": ["$SVC", "on", "10", "$T/usr1", "code", "0"],
      "restart": "transient" },
    { "id": "te", "start": ["$SVC"], "restart": "temporary" },
    { "id": "pe", "start": ["$SVC", "code", "0"] } ] } ] }
END
start

generations() { for id; do status "$id" generation; done | tr '\n' ' '; }

# kill the child, wait until all has settled
kill_child() {
	victim=$(pid_of "$1")
	kill "-${2:-KILL}" "$victim"
	await gone "$victim"
	ctl -q sync --timeout 20
}

is "each child is started once" "$(generations a b c gone d e tr te pe)" \
    "1 1 1 1 1 1 1 1 1 "
kill_child rest/b
is "rest_for_one restarts the dead one and those after it" \
    "$(generations a b c)" "1 2 2 "
ctl -q status rest/gone 2>/dev/null
is "a temporary child of the group does not come back" $? 4
is "nobody else is touched" "$(generations d e tr te pe)" "1 1 1 1 1 "
is "the group is stopped from the end, and started from the beginning" \
    "$(events event path | grep -E '^(exited|ready) rest/[abcg]' |
    tail -n 5 | tr '\n' ';')" \
    "exited rest/b;exited rest/gone;exited rest/c;ready rest/b;ready rest/c;"
is "what was killed is told apart from what was stopped" \
    "$(events event path reason | grep '^exited rest/' | tr '\n' ';')" \
    "exited rest/b killed;exited rest/gone shutdown;exited rest/c shutdown;"

kill_child all/e
is "one_for_all restarts all" "$(generations d e)" "2 2 "
is "and nobody else" "$(generations a b c tr te pe)" "1 2 2 1 1 1 "

kill_child one/tr
is "a transient child that was killed comes back" "$(generations tr)" "2 "
kill_child one/tr TERM
is "a transient child that ended well does not" \
    "$(status tr state last_exit.reason)" "stopped normal"
kill_child one/te
ctl -q status one/te 2>/dev/null
is "a temporary child that was killed is forgotten" $? 4
kill_child one/pe TERM
is "a permanent child that ended well comes back" \
    "$(status pe state generation last_exit.reason)" "running 2 normal"
is "restarts are counted where they happened" \
    "$(status one recent_restarts) $(status all recent_restarts) $(
    status rest recent_restarts) $(status / recent_restarts)" "2 1 1 0"
is "and for the child" "$(status pe restarts) $(status c restarts)" "1 1"
stop
finish
