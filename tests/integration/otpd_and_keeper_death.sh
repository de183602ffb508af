#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd and its keeper are killed at once: the next otpd stops what is left
# before it starts anything.  And services that are not to outlive otpd.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"
. "${OTPD_SRCDIR:-.}/tests/integration/death.sh"

mkfifo "$T/gate"
config <<END
{ "children": [
  { "id": "a", "start": ["$SVC", "note", "$T/pids", "alone", "$T/a",
    "helper"] },
  { "id": "b", "start": ["$SVC", "alone", "$T/b", "stubborn"],
    "shutdown": 200 },
  { "id": "c", "start": ["$SVC", "alone", "$T/c", "on", "15", "$T/asked"],
    "shutdown": 200 },
  { "id": "says", "start": ["$SVC", "say", "before", "unless", "$T/again",
    "gate", "$T/gate", "lines", "50"] } ] }
END
start
await text before "$LOG/says.log"

kill_both() {
	kill -STOP "$otpd_pid" # it would make another keeper
	keeper=$(keeper_of "$otpd_pid")
	kill -9 "$keeper" "$otpd_pid"
	wait "$otpd_pid" 2>/dev/null
	await gone "$keeper" "$engine"
}

# --- what is left is stopped before anything is started ---
pids="$(pid_of a) $(pid_of b) $(pid_of c) $(pid_of says)"
logger=$(ctl --json info | pick logger_pid)
engine=$(ctl --json info | pick engine_pid)
mates=$(helpers_of "$(pid_of a)")
kill_both
# shellcheck disable=SC2086 # a list
ok "services live on" kill -0 $pids
: > "$T/again"
exec 4<> "$T/gate"
await text "line 50" "$LOG/says.log"
pass "their logs are written without anybody"
exec 4>&-
rm "$RUN/names/otpd"
launch_again
await exists "$RUN/names/otpd"
ctl -q sync --timeout 30
# shellcheck disable=SC2086 # a list
await gone $pids "$mates" "$logger"
ok "it says that they were stopped" file_has "$T/stderr" \
    "were left by an otpd that was killed with its keeper"
is "an event says so, too" "$(events event reason | grep ^spawner_killed)" \
    "spawner_killed 5 of the processes that it left were stopped"
is "they were asked before they were killed" "$(cat "$T/asked")" 15
is "nothing has run twice at any time" "$(cat "$T/a" "$T/b" "$T/c")" ""
is "all of it runs again" "$(status a state generation) $(status b state) \
$(status c state)" "running 1 running running"
is "and is started once" "$(wc -l < "$T/pids")" 2
stop
: > "$T/stderr"

# --- somebody else's runtime directory is not ours ---
config <<END
{ "children": [ { "id": "a", "start": ["$SVC"] } ] }
END
start
mine=$RUN other_pid=$otpd_pid pid=$(pid_of a)
RUN=$T/other
start
engine=$(ctl --json info | pick engine_pid)
kill_both
rm "$RUN/names/otpd"
launch_again
await exists "$RUN/names/otpd"
ctl -q sync --timeout 30
RUN=$mine
is "services of another otpd are left alone" "$(pid_of a)" "$pid"
RUN=$T/other
stop_other() {
	ctl -q shutdown
	await gone "$otpd_pid"
	wait "$otpd_pid"
}
stop_other
RUN=$mine otpd_pid=$other_pid
stop

# --- an otpd below another one: the outer one becomes the parent ---
cat > "$T/inner.json" <<END
{ "children": [ { "id": "a", "start": ["$SVC", "alone", "$T/c"] } ] }
END
config <<END
{ "children": [ { "id": "inner", "env": { "OTP_LIBEXEC": "$OTP_LIBEXEC" },
    "start": ["$OTPD_BUILDDIR/otpd", "-c", "$T/inner.json", "-r",
      "$T/inner", "-l", "$T/inner.logs"], "shutdown": 20000 } ] }
END
start
outer=$RUN outer_pid=$otpd_pid otpd_pid=$(pid_of inner)
RUN=$T/inner
await exists "$RUN/names/otpd"
ctl -q sync --timeout 20
pid=$(pid_of a) engine=$(ctl --json info | pick engine_pid)
rm "$RUN/names/otpd"
kill_both
await exists "$RUN/names/otpd"
ctl -q sync --timeout 30
is "what is left of it is stopped, too" "$(cat "$T/c")" ""
await gone "$pid"
RUN=$outer otpd_pid=$outer_pid
stop

# --- on_otpd_death: kill ---
config <<END
{ "on_otpd_death": "kill", "children": [ { "id": "a", "start": ["$SVC",
    "alone", "$T/a"] }, { "id": "b", "start": ["$SVC"] } ] }
END
start
pids="$(pid_of a) $(pid_of b)" keeper=$(keeper_of "$otpd_pid")
kill_otpd
# shellcheck disable=SC2086 # a list
await gone $pids "$keeper"
pass "services that are to die with otpd do, and nobody keeps them"
rm "$RUN/names/otpd"
launch_again
await exists "$RUN/names/otpd"
ctl -q sync --timeout 30
is "the next one begins anew" "$(status a state generation)" "running 1"
is "nothing has run twice" "$(cat "$T/a")" ""
cat > "$CONF" <<END
{ "on_otpd_death": "leave", "children": [ { "id": "a", "start": ["$SVC",
    "alone", "$T/a"] }, { "id": "b", "start": ["$SVC"] } ] }
END
pid=$(pid_of a)
ctl -q reload
is "to change it restarts nobody" "$(pid_of a)" "$pid"
ctl -q restart b
b=$(pid_of b)
kill_otpd
await gone "$pid"
again
is "it holds from the next start on" "$(pid_of b) $(status a last_exit.reason)" \
    "$b killed"
stop

# --- what a dead otpd has left is of another version ---
start
pids="$(pid_of a) $(pid_of b)" keeper=$(keeper_of "$otpd_pid")
kill_otpd
await exists "$RUN/heir"
for fd in "/proc/$keeper/fd"/*; do
	case $(readlink "$fd") in
	/memfd:otpd-manifest*)
		printf another | dd of="$fd" bs=1 seek=8 conv=notrunc 2>/dev/null ;;
	esac
done
: > "$T/stderr"
again
# shellcheck disable=SC2086 # a list
await gone $pids "$keeper"
is "it is said, and its services are stopped" \
    "$(grep -c "it was of another version; they are stopped" "$T/stderr")" 1
is "all begins anew" "$(status a state generation) $(status b state)" \
    "running 1 running"
is "and nothing has run twice" "$(cat "$T/a")" ""

# --- the keeper is asked to end while otpd lives ---
keeper=$(keeper_of "$otpd_pid") pid=$(pid_of b)
kill -TERM "$keeper"
kill_otpd
again
is "that is none of its business" "$(pid_of b) $(status a generation)" "$pid 1"
stop

# --- the keeper of a dead otpd is asked to end ---
start
pids="$(pid_of a) $(pid_of b)" keeper=$(keeper_of "$otpd_pid")
logger=$(ctl --json info | pick logger_pid)
kill_otpd
await exists "$RUN/heir"
kill -TERM "$keeper"
# shellcheck disable=SC2086 # a list
await gone $pids "$keeper" "$logger"
pass "SIGTERM lets the keeper stop all and end"
is "nothing is left behind" "$(ours)" ""
finish
