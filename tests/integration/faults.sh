#!/bin/sh
# SPDX-License-Identifier: ISC
# What the machine refuses for a while: each is said once, nothing is given up
# or counted, and all is well again by itself.  And children that misbehave.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

# A user of our own, whose processes nobody else counts.
uid=$((61000 + $$ % 4000))
me=$(id -u)
config <<END
{ "max_restarts": 0, "children": [
  { "id": "a", "start": ["$SVC"] },
  { "id": "deaf", "start": ["$SVC", "stubborn", "ready"], "ready": "notify",
    "shutdown": 100 },
  { "id": "g", "type": "supervisor", "max_restarts": 1, "children": [
    { "id": "b", "start": ["$SVC"] },
    { "id": "c", "start": ["$SVC"] } ] } ] }
END
# An otpd whose clock can be put forward; see tests/crash/fault.h.
ln -s "$OTPD_BUILDDIR/otpd-fault" "$T/otpd"
head -c 65536 /dev/zero > "$T/plan" && chmod 666 "$T/plan"
OTP_FAULTS=$T/plan
export OTP_FAULTS
later=0
pass_time() {
	later=$((later + 6))
	# shellcheck disable=SC2059 # octal numbers
	printf "$(printf '\\%03o\\%03o' $((later % 256)) $((later / 256)))" |
	    dd of="$T/plan" bs=1 seek=80 conv=notrunc 2>/dev/null
	kill -CHLD "$otpd_pid"
}
can=false
if [ "$me" = 0 ] && command -v setpriv prlimit > /dev/null; then
	can=true
	as_user() {
		setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
	}
	rm -rf "$RUN" && mkdir -m 700 "$RUN" "$RUN/names" "$LOG"
	chown -R "$uid" "$RUN" "$LOG"
	: > "$T/stderr" && chown "$uid" "$T/stderr"
	setpriv --reuid="$uid" --regid="$uid" --clear-groups \
	    "$T/otpd" -c "$CONF" -r "$RUN" -l "$LOG" \
	    < /dev/null > "$T/stdout" 2>> "$T/stderr" &
	otpd_pid=$!
	await exists "$RUN/names/otpd" || fail "otpd has a socket"
	ctl -q sync --timeout 20
else
	as_user() { "$@"; }
	start
fi
count() { events event path reason child | grep -c "$1"; }
pid=$(pid_of a)

# fault WHAT OPTION VALUE WORDS: a limit of otpd's that lets nothing start.
fault() {
	as_user prlimit --pid "$otpd_pid" "--$2=$3:"
	n=$(count "^fault g/b .*$4") starts=$(count "^restarting g ")
	kill -9 "$(pid_of b)"
	await_event "fault g/b"
	await_event "$4"
	as_user prlimit --pid "$otpd_pid" "--$2=1000:"
	ctl -q wait b running --timeout 20
	ctl -q sync --timeout 20
	is "$1 is said once" $(($(count "^fault g/b .*$4") - n)) 1
	is "$1: it is counted as the one restart it is" \
	    $(($(count "^restarting g ") - starts)) 1
	is "$1: it runs again" "$(status b state)" running
	is "$1: nobody else has noticed" "$(pid_of a)" "$pid"
	ctl -q restart g		# which forgets what was counted
}
if $can; then
	fault "a process too many" nproc 1 "fork: resource temporarily"
	fault "a descriptor too many" nofile 5 "too many open files"
else
	skip "limits are set for a user of our own: for root"
fi

# --- an order to otpd is lost ---
lost() { ctl start-child / "{ \"id\": \"lost\", \"ready\": \"notify\",
    \"start\": [\"$SVC\", \"ready\"], \"restart\": \"temporary\",
    \"start_timeout\": $1 }"; }
if $can; then
	# Its next message, at 48: error, at, times, calls.
	{
		printf 'otpd\0\0\0\0\0\0\0\0\0\0\0\0recvmsg'
		head -c 25 /dev/zero
		printf '\376\377\377\377\001\0\0\0\001\0\0\0\0\0\0\0'
	} | dd of="$T/plan" conv=notrunc 2>/dev/null
	ok "a start whose order was lost fails in its time" has \
	    "$(lost 100 2>&1)" "the order to start it was lost"
	ok "and can be tried again" has "$(lost 20000 2>&1)" started
fi

# --- the snapshot cannot be written ---
if command -v prlimit > /dev/null; then
	engine=$(ctl --json info | pick engine_pid)
	as_user prlimit --pid "$engine" --fsize=1:
	ctl -q stop c
	await_event "the snapshot cannot be written"
	ctl -q start c
	as_user prlimit --pid "$engine" --fsize=unlimited:
	await_event "the snapshot can be written again"
	is "a snapshot that cannot be written is said once" \
	    "$(count "^fault - the snapshot")" 1
	is "and the engine lives" "$(ctl --json info | pick engine_pid)" \
	    "$engine"
	kill -9 "$engine"
	await gone "$engine"
	is "what was done meanwhile is known to the next" \
	    "$(status c state) $(pid_of a)" "running $pid"
fi

# --- the engine has no memory ---
if command -v prlimit > /dev/null; then
	engine=$(ctl --json info | pick engine_pid)
	as_user prlimit --pid "$engine" --as=1000000:
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		ctl -q start-child / "{ \"id\": \"m$i\", \"start\": [\"$SVC\",
		    \"say\", \"$(head -c 20000 /dev/zero | tr '\0' x)\"] }" \
		    2>/dev/null
		[ "$(ctl --json info | pick engine_pid)" = "$engine" ] || break
	done
	ok "an engine without memory is replaced" not same "$engine" \
	    "$(ctl --json info | pick engine_pid)"
	is "and no service notices" "$(pid_of a)" "$pid"
fi

# --- a stopped engine and a stopped logger go on by themselves ---
engine=$(ctl --json info | pick engine_pid)
logger=$(ctl --json info | pick logger_pid)
stopped() { grep -q "^State:.T" "/proc/$1/status"; }
kill -STOP "$engine" "$logger"
until stopped "$engine" && stopped "$logger"; do :; done
while stopped "$engine" || stopped "$logger"; do pass_time; done
ctl -q sync --timeout 20
ok "a stopped engine is continued, and it is told" \
    has "$(events event reason)" "the engine was stopped"

# --- a service that does not end in its time, a refused reload ---
ctl -q restart deaf
is "who has to be killed is told apart" "$(count "^overdue deaf")" 1
ok "and in words" file_has "$T/stderr" \
    "deaf: overdue: it did not end in the time it had: killing it"
echo '{ "children": 7 }' > "$T/wrong" && cp "$CONF" "$T/right"
cat "$T/wrong" > "$CONF"
ctl -q reload 2>/dev/null
cat "$T/right" > "$CONF"
ok "a reload that was refused is told" has "$(events event reason)" \
    "reloaded refused"
stop

# --- children that misbehave ---
# shellcheck disable=SC2016 # not for the shell
forks='"start": ["'$SVC'", "note", "'$T'/forks.pid", "forks", "'$T'/forks"]'
[ "$me" != 0 ] || forks="$forks, \"user\": \"$uid\", \"group\": \"$uid\",
    \"limits\": { \"nproc\": 12 }"
: > "$T/forks" && : > "$T/forks.pid" && chmod 666 "$T/forks" "$T/forks.pid"
config <<END
{ "children": [
  { "id": "a", "start": ["$SVC"] },
  { "id": "closed", "start": ["$SVC", "closed", "ready"], "ready": "notify" },
  { "id": "flood", "start": ["$SVC", "flood", "30000000", "say", "dry",
    "note", "$T/dry"], "log": { "max_size": 100000, "keep": 1 } },
  { "id": "late", "start": ["$SVC", "say", "before", "ready", "gate",
    "$T/gate", "say", "after"], "ready": "notify" },
  { "id": "forks", $forks } ] }
END
mkfifo "$T/gate"
rm -rf "$LOG"
start
await lines 1 "$T/dry"
await text dry "$LOG/flood.log"
ok "a flood fills no disk" test \
    "$(cat "$LOG"/flood.log* | wc -c)" -lt 400000
is "who closes its pipes is not taken for dead" \
    "$(status closed state generation)" "running 1"
if [ "$me" = 0 ]; then
	await lines 1 "$T/forks"
	is "who forks until the limit harms nobody" "$(status a state)" running
	n=$(cat "$T/forks")
	ok "it had helpers" test "$n" -gt 1
	ctl -q stop forks
	is "and leaves none of them behind" "$(services | wc -l)" 4
fi
await text before "$LOG/late.log"
rm -rf "$LOG"
exec 4<> "$T/gate"
await exists "$LOG"
await exists "$LOG/late.log"
await text after "$LOG/late.log"
is "a log directory that has vanished is made anew" "$(cat "$LOG/late.log")" \
    after
exec 4>&-
stop

# --- otpd -b ---
config <<END
{ "children": [ { "id": "a", "start": ["$SVC"] },
  { "id": "bad", "start": ["/no/such/program"] } ] }
END
launch -b
wait "$otpd_pid"
is "otpd -b says it when the first start fails" $? 1
otpd_pid=
finish
