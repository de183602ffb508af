#!/bin/sh
# SPDX-License-Identifier: ISC
# Disks that are full or read-only: services are not held up, it is said
# once in the events, and the logs go on when there is room again.  File systems
# of our own are mounted where nobody else sees them.
if [ "${OTPD_ALONE:-}" = "" ] && unshare -m true 2>/dev/null; then
	OTPD_ALONE=1 exec unshare -m "$0"
fi
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

if [ "${OTPD_ALONE:-}" = "" ] || ! mkdir "$LOG" "$RUN" ||
    ! mount -t tmpfs -o size=100k none "$LOG" 2>/dev/null; then
	skip "file systems cannot be mounted here"
	finish
fi
trap 'umount "$LOG" "$RUN" 2>/dev/null; cleanup' EXIT

mkfifo "$T/gate" "$T/gate2"
config <<END
{ "children": [
  { "id": "a", "start": ["$SVC", "say", "begin", "ready", "gate", "$T/gate",
    "flood", "1000000", "note", "$T/flooded", "gate", "$T/gate2",
    "say", "again"], "ready": "notify" },
  { "id": "b", "start": ["$SVC"] } ] }
END
start
pid=$(pid_of a)
count() { events event path reason | grep -c "$1"; }

# --- a full disk under the logs ---
exec 4<> "$T/gate"
await exists "$T/flooded"
ok "a full disk does not block a service" true
await_event "its log cannot be written: no space left"
ok "it is among what went wrong" has "$(ctl failed)" "no space left"
mount -o remount,size=10m "$LOG"
await_event "logs can be written again"
exec 5<> "$T/gate2"
await text again "$LOG/a.log"
is "a full disk is said once" "$(count "^fault a its log cannot")" 1
is "how much was lost is told" \
    "$(count "^recovered - logs can be written again; [1-9][0-9]* lines")" 1
ok "and stands in the log" file_has "$LOG/a.log" "otp-logger: dropped"

is "the service has not noticed" "$(pid_of a) $(status a generation)" "$pid 1"
exec 4>&- 5>&-
stop

# --- a read-only file system for the logs, a full runtime directory ---
umount "$LOG"
mount -t tmpfs -o ro,size=1m none "$LOG"
config <<END
{ "children": [
  { "id": "a", "start": ["$SVC", "say", "hello"] },
  { "id": "b", "start": ["$SVC"] } ] }
END
launch() {
	mount -t tmpfs -o size=200k none "$RUN"
	mkdir -m 700 "$RUN/names"
	chmod 700 "$RUN"
	"$OTPD_BUILDDIR/otpd" -q -c "$CONF" -r "$RUN" -l "$LOG" \
	    < /dev/null > "$T/stdout" 2>> "$T/stderr" &
	otpd_pid=$!
}
start
await_event "its log cannot be written: read-only"
dd if=/dev/zero of="$RUN/full" bs=1k 2>/dev/null
kill -9 "$(pid_of b)" "$(ctl --json info | pick engine_pid)"
ctl -q sync --timeout 20
n=0			# the new engine may not know of its end yet
until [ "$(status b generation)" = 2 ] || [ $n -eq 500 ]; do
	n=$((n + 1))
done
ctl -q wait b running --timeout 20
is "a full runtime directory is nothing to a restart" \
    "$(status b state generation)" "running 2"
rm "$RUN/full"
mount -o remount,rw "$LOG"
await_event "logs can be written again; nothing was lost"
await text hello "$LOG/a.log"
ok "what was said to a read-only disk is in the log" \
    file_has "$LOG/a.log" hello
stop
finish
