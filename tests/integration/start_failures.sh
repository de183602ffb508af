#!/bin/sh
# SPDX-License-Identifier: ISC
# A program that cannot be started is a failed start, with the reason in
# words, and is handled as OTP handles one.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkdir "$T/dir"
: > "$T/no-x-bit"
printf '#!/no/such/interpreter\n' > "$T/bad-interpreter"
printf 'neither ELF nor script\n' > "$T/junk"
chmod 755 "$T/bad-interpreter" "$T/junk"

# What is wrong | the spec's keys | the words that tell it
faults() {
	cat <<END
a missing binary|"start": ["/no/such/binary"]|exec /no/such/binary: no such file or directory
a directory|"start": ["$T/dir"]|exec $T/dir: it is a directory
a file without the x bit|"start": ["$T/no-x-bit"]|exec $T/no-x-bit: it is not executable
a bad interpreter|"start": ["$T/bad-interpreter"]|interpreter
a file of no known format|"start": ["$T/junk"]|neither a program
an unknown user|"start": ["$SVC"], "user": "no-such-user"|no-such-user
a missing directory|"start": ["$SVC"], "cwd": "/no/such/dir"|cwd /no/such/dir: no such file
an end before it is ready|"start": ["$SVC", "exit", "0"], "ready": "notify"|before it was ready
a start that takes too long|"start": ["$SVC"], "ready": "notify", "start_timeout": 50|it was not ready in time
END
}

# --- at the first start: otpd ends, the ones before it are stopped ---
faults > "$T/faults"
while IFS='|' read -r what keys words; do
	config <<-END
	{ "children": [ { "id": "good", "start": ["$SVC"] },
	    { "id": "bad", $keys }, { "id": "never", "start": ["$SVC"] } ] }
	END
	launch -v
	ended
	ok "$what at the first start ends otpd" not same $code 0
	ok "$what is told in words" file_has "$T/stderr" "$words"
	is "$what: nothing after it is started, all before it are stopped" \
	    "$(sed -nE 's/^otpd: ([a-z/]*): (ready|could not|was shut).*/\2 \1/p' \
	    "$T/stderr" | tr '\n' ';')" \
	    "ready good;could not bad;was shut good;could not /;"
	is "$what: where its own words are is told if it had any" \
	    "$(grep -c "; its log: $LOG/bad.log" "$T/stderr")" \
	    "$(echo "$words" | grep -c ready)"
done < "$T/faults"
launch -q
ended
is "with -q nothing else is told" "$(cut -d: -f2- "$T/stderr")" \
    " bad: could not be started: it was not ready in time; its log: $LOG/bad.log
 /: could not be started: bad could not be started"
is "nothing is left behind" "$(ours)" ""

# --- of a child that is added: the caller is told, nothing is kept ---
config <<END
{ "max_restarts": "infinity", "children": [
  { "id": "good", "start": ["$SVC"] },
  { "id": "sup", "type": "supervisor", "max_restarts": 2, "max_seconds": 60,
    "restart": "temporary", "children": [
    { "id": "first", "start": ["$SVC"] },
    { "id": "flaky", "start": ["$T/flaky"] } ] },
  { "id": "slow", "start": ["$T/slow"], "restart": "permanent",
    "backoff": { "min": 1, "max": 600000, "reset": 600000 } } ] }
END
cp "$SVC" "$T/flaky"
cp "$SVC" "$T/slow"
start
while IFS='|' read -r what keys words; do
	said=$(ctl start-child / "{ \"id\": \"x\", $keys }" 2>&1)
	is "start-child with $what is refused" $? 1
	ok "start-child with $what says so" has "$said" "$words"
done < "$T/faults"
is "with OTP's word for it" "$(ctl --json start-child / \
    '{ "id": "x", "start": ["/no/such"] }' | pick error)" start_failed
is "nothing is kept of them" "$(ctl --json count-children / |
    pick specs active)" "3 3"
is "none of them counts" "$(status / recent_restarts)" 0

# --- of a restart: tried again, counted, told ---
victim=$(pid_of slow)
mv "$T/slow" "$T/slow-away"
kill -9 "$victim"
await_event "start_failed slow"
ctl -q sync --timeout 0.3 2>/dev/null
is "sync waits for a start that is to be tried again" $? 6
is "a failed restart waits for its next attempt" \
    "$(status slow state pid problem)" "backoff - -"
is "status has the reason" "$(status slow last_exit.reason)" \
    "{start,\"exec $T/slow: no such file or directory\"}"
ok "why tells it in words" has "$(ctl why slow)" \
    "exec $T/slow: no such file or directory"
ok "failed lists it" has "$(ctl failed)" slow
mv "$T/slow-away" "$T/slow"
ctl -q start slow --timeout 10
is "an operator need not wait for it" "$(status slow state)" running

victim=$(pid_of sup/flaky)
rm "$T/flaky"
kill -9 "$victim"
await_event "exited sup shutdown"
is "each failed attempt counts, one too many gives up" \
    "$(events event path | grep -E '^(exited|restarting|start_failed|gave_up) sup' |
    tr '\n' ';')" "exited sup/flaky;restarting sup;start_failed sup/flaky;restarting sup;start_failed sup/flaky;gave_up sup;exited sup/first;exited sup;"
ctl -q status sup 2>/dev/null
is "the temporary supervisor is gone then" $? 4
is "others do not notice" "$(status good generation state)" "1 running"
stop
finish
