#!/bin/sh
# SPDX-License-Identifier: ISC
# Two on one runtime directory: the second is refused.  What a killed one left
# in it is no obstacle.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"
. "${OTPD_SRCDIR:-.}/tests/integration/death.sh"

config <<END
{ "children": [ { "id": "a", "start": ["$SVC"] } ] }
END
start
first=$otpd_pid
pid=$(pid_of a)
said=$("$OTPD_BUILDDIR/otpd" -c "$CONF" -r "$RUN" -l "$LOG" 2>&1)
ok "a second otpd is refused" not same $? 0
ok "and names the first" has "$said" "$first"
is "the first does not notice" "$(pid_of a) $(status a generation)" "$pid 1"
is "its socket is still its own" "$(ctl --json info | pick pid)" "$first"

# --- killed: its engine ends, its files, its service and the logger stay ---
engine=$(ctl --json info | pick engine_pid)
logger=$(ctl --json info | pick logger_pid)
kill_otpd
await gone "$engine"
ok "a killed otpd leaves its socket" test -S "$RUN/names/otpd"
is "nobody answers on it" "$(ctl --timeout 0.1 status 2> "$T/said"; echo $?)" 5
ok "and it is said why" file_has "$T/said" "(pid $first) on $RUN was killed"
"$OTPD_BUILDDIR/otpd" -b -q -c "$CONF" -r "$RUN" -l "$LOG" \
    2> "$T/stderr" < /dev/null
is "the next one starts all the same, here in the background" $? 0
await gone "$logger"
ctl -q sync --timeout 20
is "and goes on with what runs" "$(status a state generation pid)" \
    "running 1 $pid"
next=$(ctl --json info | pick pid)

# --- all of it killed at once: nothing is known any more ---
logger=$(ctl --json info | pick logger_pid)
keeper=$(keeper_of "$next")
kill -STOP "$next" # it would make another keeper
kill -9 "$keeper" "$pid" "$next"
await gone "$next" "$keeper" "$pid" "$logger"
ok "it leaves its socket" test -S "$RUN/names/otpd"
is "nobody answers on it" "$(ctl status 2> "$T/said"; echo $?)" 5
ok "which is said at once, and why" file_has "$T/said" "(it was killed, and what kept its services,"
"$OTPD_BUILDDIR/otpd" -b -q -c "$CONF" -r "$RUN" -l "$LOG" \
    2> "$T/stderr" < /dev/null
is "the next one starts all the same" $? 0
ctl -q sync --timeout 20
is "and runs" "$(status a state generation)" "running 1"
ok "another process" not same "$(pid_of a)" "$pid"
next=$(ctl --json info | pick pid)

# --- its socket is not there, or not yet ---
mv "$RUN/names" "$RUN/away"
is "while there is an otpd its socket is waited for" \
    "$(ctl --timeout 0.05 status 2> "$T/said"; echo $?)" 5
ok "and it is said why there is none" file_has "$T/said" \
    "otpd on $RUN has no socket: it is just starting, or ending"
(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" -q status > "$T/said") &
asker=$!
mv "$RUN/away" "$RUN/names"
wait $asker
is "whoever asks meanwhile is answered" $? 0
ok "otpctl shutdown ends it" ctl -q shutdown
await gone "$next"
is "nothing is left behind" "$(ours)" ""

# --- a directory that somebody else can write to ---
if [ "$(id -u)" = 0 ]; then
	mkdir "$T/open" && chmod 777 "$T/open"
	said=$("$OTPD_BUILDDIR/otpd" -c "$CONF" -r "$T/open" -l "$LOG" 2>&1)
	ok "a runtime directory open to others is refused" not same $? 0
	ok "with the reason" has "$said" "$T/open"
fi
finish
