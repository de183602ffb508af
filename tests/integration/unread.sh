#!/bin/sh
# SPDX-License-Identifier: ISC
# What otpd was started with as standard error is a pipe that nobody reads: not
# one of its programs may wait for that.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkfifo "$T/err"
exec 5<> "$T/err"
mkdir -p "$LOG/loud.log" # which cannot be written: the logger complains
config <<END
{ "children": [
  { "id": "a", "start": ["$SVC", "alone", "$T/a"] },
  { "id": "loud", "restart": "temporary", "start": ["$SVC", "gate",
    "$T/gate", "flood", "500000", "note", "$T/done"] } ] }
END
mkfifo "$T/gate"
rm -rf "$RUN"
: > "$T/stderr"
mkdir -m 700 "$RUN" "$RUN/names"
"$OTPD_BUILDDIR/otpd" -v -c "$CONF" -r "$RUN" -l "$LOG" < /dev/null \
    > "$T/stdout" 2> "$T/err" 5>&- &
otpd_pid=$!
await exists "$RUN/names/otpd"
ctl -q sync --timeout 20

# In pieces of a page, so that not one byte more has room.
dd if=/dev/zero of="$T/err" bs=4096 count=10000 oflag=nonblock 2> /dev/null
: > "$T/gate"
ok "the logger reads on what it cannot write" await exists "$T/done"
engine=$(ctl --json info | pick engine_pid)
kill -9 "$engine"
await gone "$engine"
is "the next engine is there" "$(status a state)" running
echo 'nonsense' >> "$CONF"
kill -HUP "$otpd_pid"
await_event "reloaded"
is "a reload says what is wrong to nobody" "$(status a state)" running
kill -KILL "$(pid_of a)"
ctl -q sync --timeout 20
is "services are started again" "$(status a state restarts)" "running 1"
is "once" "$(cat "$T/a")" ""
stop
finish
