#!/bin/sh
# SPDX-License-Identifier: ISC
# The logger is killed: no service dies, no line is lost.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkfifo "$T/gate" "$T/gate2"
config <<END
{ "children": [ { "id": "a", "start": ["$SVC", "say", "before", "ready",
  "gate", "$T/gate", "lines", "500", "gate", "$T/gate2", "say", "after"],
  "ready": "notify" } ] }
END
start
await text before "$LOG/a.log"
pid=$(pid_of a)
logger=$(ctl --json info | pick logger_pid)

# It is stopped, so that lines pile up in the pipe, and killed.
kill -STOP "$logger"
exec 4<> "$T/gate"
kill -KILL "$logger"
await gone "$logger"
await text "line 500" "$LOG/a.log"
exec 5<> "$T/gate2"
await text after "$LOG/a.log"
is "every line is there, once and in order" "$(sed 's/line //' "$LOG/a.log" |
    tr '\n' ' ')" "before $(seq -s ' ' 500) after "
is "the service has not noticed" "$(pid_of a) $(status a generation)" "$pid 1"
ok "another logger runs" not same "$(ctl --json info | pick logger_pid)" \
    "$logger"
is "and answers" "$(ctl logs -n 1 a)" after
is "an event tells it" "$(events event | grep -c '^logger_started')" 2

# However often: one that has served is not made to wait.
for i in 1 2 3 4 5 6 7 8; do
	ctl logs -n 1 a > /dev/null	# waits until one serves
	ctl sync
	logger=$(ctl --json info | pick logger_pid)
	kill -KILL "$logger"
	await gone "$logger"
done
ctl logs -n 1 a > /dev/null
is "each is followed at once" \
    "$(grep -c 'logger was.*starting it again at once' "$T/stderr")" 9

# --- the last lines of a child that is gone already ---
logger=$(ctl --json info | pick logger_pid)
kill -STOP "$logger"
ctl -q start-child / "{ \"id\": \"brief\", \"restart\": \"temporary\",
    \"start\": [\"$SVC\", \"lines\", \"300\", \"note\", \"$T/brief\"] }"
await lines 1 "$T/brief"
ctl -q terminate-child / brief
ok "the child is gone" not ctl -q status brief 2>/dev/null
kill -KILL "$logger"
await gone "$logger"
ctl -q sync --timeout 20
await exists "$LOG/brief.log"
await text "line 300" "$LOG/brief.log"
is "what it had said is in its log, once" "$(wc -l < "$LOG/brief.log")" 300

# --- and when the engine that knew its name has died, too ---
mkfifo "$T/gate3"
ctl -q start-child / "{ \"id\": \"last\", \"restart\": \"temporary\",
    \"start\": [\"$SVC\", \"say\", \"line 0\", \"gate\", \"$T/gate3\",
    \"lines\", \"300\", \"note\", \"$T/last\"] }"
await exists "$LOG/last.log"
await text "line 0" "$LOG/last.log"	# its name has been told
info=$(ctl --json info | pick logger_pid engine_pid)
logger=${info% *} engine=${info#* }
kill -STOP "$logger"
exec 4<> "$T/gate3"
await lines 1 "$T/last"
ctl -q terminate-child / last
kill -KILL "$engine"
await gone "$engine"
ctl -q sync --timeout 20
kill -KILL "$logger"
await gone "$logger"
ctl -q sync --timeout 20
await text "line 300" "$LOG/last.log"
is "the next one knows it: all is in its log, once" \
    "$(wc -l < "$LOG/last.log")" 301
exec 4>&-

# --- and when the engine is slow to tell the next logger its name ---
mkfifo "$T/gate4"
ctl -q start-child / "{ \"id\": \"late\", \"restart\": \"temporary\",
    \"start\": [\"$SVC\", \"say\", \"line 0\", \"gate\", \"$T/gate4\",
    \"lines\", \"300\", \"note\", \"$T/late\"] }"
await exists "$LOG/late.log"
await text "line 0" "$LOG/late.log"
info=$(ctl --json info | pick logger_pid engine_pid)
logger=${info% *} engine=${info#* }
kill -STOP "$logger"
exec 4<> "$T/gate4"
await lines 1 "$T/late"
ctl -q terminate-child / late
ctl -q sync --timeout 20
kill -STOP "$engine"
kill -KILL "$logger"
await gone "$logger"
for i in 1 2; do	# it has heard of the pipe, and acted upon that
	ctl -q call otp-logger '{"op":"stats"}' > /dev/null
done
kill -CONT "$engine"
await text "line 300" "$LOG/late.log"
is "it waits for it: all is in its log, once" \
    "$(wc -l < "$LOG/late.log")" 301
exec 4>&-
stop
finish
