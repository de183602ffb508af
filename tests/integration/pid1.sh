#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd as process 1 of a PID namespace of its own.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

alone="unshare -Urpf --mount-proc"
# shellcheck disable=SC2086 # words
if ! command -v unshare > /dev/null; then
	skip "there is no unshare"
	finish
elif ! $alone true 2>/dev/null; then
	skip "namespaces are not allowed here"
	finish
fi

config <<END
{ "children": [
  { "id": "a", "start": ["$SVC", "note", "$T/a"] },
  { "id": "daemon", "start": ["$SVC", "orphan", "$T/orphans", "helper"] },
  { "id": "stubborn", "start": ["$SVC", "stubborn", "ready"],
    "ready": "notify", "shutdown": 100 } ] }
END

# Run otpd as 1; otpd_pid is its number out here.
start_alone() {
	rm -rf "$RUN" "$T/orphans" "$T/a"
	mkdir -m 700 "$RUN" "$RUN/names"
	# shellcheck disable=SC2086 # words
	$alone --kill-child "$OTPD_BUILDDIR/otpd" -q -c "$CONF" -r "$RUN" \
	    -l "$LOG" < /dev/null > "$T/stdout" 2> "$T/stderr" &
	shell_pid=$!
	await exists "$RUN/names/otpd"
	ctl -q sync --timeout 20
	await lines 1 "$T/orphans"
	otpd_pid=$(first_child $shell_pid)
}
first_child() {
	for stat in /proc/[0-9]*/stat; do
		sed -n "s/^\\([0-9]*\\) .*) . $1 .*/\\1/p" "$stat" 2>/dev/null
	done | head -n 1
}
ended_alone() {
	await gone "$shell_pid" || fail "otpd ends"
	wait "$shell_pid"
	code=$?
	is "nothing is left behind" "$(ours)" ""
	ok "the sanitizers have nothing to say" \
	    not grep -qE 'Sanitizer|runtime error' "$T/stderr"
}

start_alone
is "it is process 1" "$(ctl --json info | pick pid)" 1
is "its children run" "$(status a state) $(status stubborn state)" \
    "running running"
is "it numbers them by its own namespace" "$(cat "$T/a")" "$(pid_of a)"

# --- orphans become its children, and are reaped ---
children() {
	for stat in /proc/[0-9]*/stat; do
		sed -n "s/^\\([0-9]*\\) .*) \\(.\\) $otpd_pid .*/\\2/p" "$stat" \
		    2>/dev/null
	done
}
is "engine, logger, three services and an orphan are its children" \
    "$(children | wc -l)" 6
# The number out here of one in there.
outside() {
	for each in $(ours); do
		awk -v in_there="$1" -v out_here="$each" \
		    '/^NSpid:/ && NF == 3 && $3 == in_there { print out_here }' \
		    "/proc/$each/status" 2>/dev/null
	done
}
orphan=$(outside "$(cat "$T/orphans")")
kill -9 "$orphan"
await gone "$orphan"
kill -9 "$(outside "$(pid_of a)")"
await_event "exited a killed"
ctl -q sync --timeout 20
is "a dead orphan is reaped" "$(children | grep -c Z)" 0
is "a dead service is back" "$(status a state generation)" "running 2"

# --- its engine dies, as anywhere else ---
engine=$(outside "$(ctl --json info | pick engine_pid)")
kill -9 "$engine"
await gone "$engine"
ctl -q sync --timeout 20
is "a dead engine is back" "$(ctl --json info | pick engines) $(
    status a state generation)" "1 running 2"

# --- it crashes itself, and more often than any other would be allowed ---
before="$(status a pid generation) $(status daemon pid generation)"
for _ in 1 2 3 4 5 6; do
	engine=$(outside "$(ctl --json info | pick engine_pid)")
	kill -SEGV "$otpd_pid"
	await gone "$engine"
	ctl -q sync --timeout 20
done
is "it never ends of crashes" "$(ctl --json info | pick pid otpd_crashes)" \
    "1 6"
is "no service notices" "$(status a pid generation) $(status daemon pid \
    generation)" "$before"
is "and the sixth came after a pause" "$(grep -c 'goes on after a pause' \
    "$T/stderr")" 1
engine=$(outside "$(ctl --json info | pick engine_pid)")
ok "it is upgraded as any other" ctl -q upgrade
await gone "$engine"
is "in its place" "$(ctl --json info | pick pid upgrades)" "1 1"
is "no service notices that either" "$(status a pid generation) $(status \
    daemon pid generation)" "$before"
kill -9 "$(outside "$(pid_of a)")"
ctl -q sync --timeout 20
await_event "restarting / - a"
is "it judges them as ever" "$(status a state generation)" "running 3"

kill -TERM "$otpd_pid"
ended_alone
is "SIGTERM ends it with 0" $code 0

# --- asked from inside ---
start_alone
ok "otpctl shutdown ends it" ctl -q shutdown
ended_alone
is "with 0" $code 0

# --- signals that would kill others ---
start_alone
kill -USR1 "$otpd_pid"
kill -PIPE "$otpd_pid"
ctl -q sync --timeout 20
is "no stray signal ends it" "$(status a state generation)" "running 1"
kill -INT "$otpd_pid"
ended_alone
is "SIGINT does" $code 0
finish
