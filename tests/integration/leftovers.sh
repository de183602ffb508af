#!/bin/sh
# SPDX-License-Identifier: ISC
# What services leave behind: helpers of a dead service are killed before it
# comes back, orphans are reaped, and nothing outlives otpd.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

many=$(seq -s , 40 | sed 's/[0-9]\{1,\}/"helper"/g')
config <<END
{ "max_restarts": 100, "children": [
  { "id": "holds", "start": ["$SVC", "alone", "$T/alone", $many,
    "note", "$T/holds"] },
  { "id": "group", "start": ["$SVC", "helper", "helper", "note", "$T/group"] },
  { "id": "daemon", "start": ["$SVC", "orphan", "$T/orphans", "note",
    "$T/daemon"] } ] }
END
start
await exists "$T/group" "$T/daemon"
await lines 1 "$T/orphans"
is "a service with many helpers, one with two, one with an orphan" \
    "$(services | wc -l)" 46

pid=$(pid_of group)
group_of() { # processes of the group that this pid leads
	for stat in /proc/[0-9]*/stat; do
		sed 's/.*) . [0-9]* \([0-9]*\) .*/\1/' "$stat" 2>/dev/null |
		    grep -qx "$1" && echo "$stat" | cut -d/ -f3
	done
}
mates=$(group_of "$pid")
is "the helpers are in its group" "$(echo "$mates" | wc -l)" 3
kill -9 "$pid"
await lines 2 "$T/group"
# shellcheck disable=SC2086 # a list
await gone $mates
is "its helpers die with it" "$(group_of "$pid")" ""
is "and it is back" "$(services | wc -l)" 46

# --- they share a lock with it, and are not gone at once ---
for n in 2 3 4 5 6; do
	kill -9 "$(pid_of holds)"
	await lines "$n" "$T/holds"
done
is "it comes back when all of its helpers have let go" "$(cat "$T/alone")" ""

# --- an orphan is reaped when it ends: no zombie stays ---
orphan=$(cat "$T/orphans")
is "otpd is the parent of orphans" "$(sed 's/.*) . \([0-9]*\) .*/\1/' \
    "/proc/$orphan/stat")" "$otpd_pid"
kill -9 "$orphan"
await gone "$orphan"
ctl -q sync --timeout 20
ctl -q restart daemon # something else happens meanwhile
await lines 2 "$T/orphans"
zombies() {
	for stat in /proc/[0-9]*/stat; do
		sed -n "s/^\\([0-9]*\\) .*) Z $otpd_pid .*/\\1/p" "$stat" \
		    2>/dev/null
	done
}
is "no zombie is left" "$(zombies)" ""
stop
is "nothing of theirs is left" "$(services)" ""
finish
