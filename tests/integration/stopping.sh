#!/bin/sh
# SPDX-License-Identifier: ISC
# Signals to otpd: everything stops in OTP's order, and nothing is left.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

config <<END
{ "children": [
  { "id": "a", "start": ["$SVC"] },
  { "id": "s", "type": "supervisor", "children": [
    { "id": "b", "start": ["$SVC", "code", "4"] },
    { "id": "c", "start": ["$SVC", "helper"] } ] },
  { "id": "deaf", "start": ["$SVC", "stubborn", "ready"], "ready": "notify",
    "shutdown": 100 },
  { "id": "brutal", "start": ["$SVC"], "shutdown": "brutal_kill" },
  { "id": "int", "start": ["$SVC", "on", "15", "$T/term", "on", "2",
    "$T/int", "code", "0"], "stop_signal": "INT", "shutdown": 100 },
  { "id": "d", "start": ["$SVC"], "shutdown": "infinity" } ] }
END
cat > "$T/want" <<'END'
exited d shutdown
exited int killed
exited brutal killed
exited deaf killed
exited s/c shutdown
exited s/b {exit,4}
exited s shutdown
exited a shutdown
exited / shutdown
END
for sig in TERM INT; do
	start
	hear "$T/events"
	await text '"ready","path":"/"' "$T/events"
	kill "-$sig" "$otpd_pid"
	ended
	wait $follower
	is "SIG$sig ends otpd with 0" $code 0
	is "SIG$sig leaves nothing behind" "$(ours)" ""
	pick -l event path reason < "$T/events" | grep ^exited > "$T/got"
	ok "SIG$sig stops in reverse order, each as its shutdown says" \
	    diff "$T/want" "$T/got"
	is "who does not heed SIG$sig is killed when its time is up" \
	    "$(pick -l event path mono_ns < "$T/events" |
	    awk '$2 == "deaf" { at[$1] = $3 }
	    END { ms = (at["exited"] - at["stopping"]) / 1e6
	    print (ms >= 99 && ms < 3000) }')" 1
	is "and nobody is waited for who has ended" \
	    "$(pick -l event path mono_ns < "$T/events" |
	    awk '$2 == "a" { at[$1] = $3 }
	    END { print (at["exited"] - at["stopping"] < 2e9) }')" 1
done
is "the stop signal is the service's own" "$(cat "$T/int")" "2
2"
ok "and no other" not test -e "$T/term"

# --- otpctl shutdown; a second signal changes nothing ---
config <<END
{ "children": [ { "id": "a", "start": ["$SVC"] },
  { "id": "slow", "start": ["$SVC", "on", "15", "$T/asked"],
    "shutdown": 60000 } ] }
END
start
slow=$(pid_of slow)
kill -TERM "$otpd_pid"
await exists "$T/asked"
kill -TERM "$otpd_pid"
is "while it stops, it still answers" "$(status slow state)" stopping
left=$(status slow killed_in_ms)
ok "and tells how long that may take" \
    test "$left" -gt 1000 -a "$left" -le 60000
ok "a second signal hurries nobody" kill -0 "$slow"
is "an operator is told that nothing is started" \
    "$(ctl start a --timeout 20 2>&1; echo $?)" \
    "otpctl: a: otpd is shutting down: nothing is started any more
1"
kill -KILL "$slow"
ended
is "a child that is killed by hand meanwhile does not matter" $code 0
is "nothing is left of it" "$(ours)" ""

start
ok "otpctl shutdown returns when all is over" timeout 20 \
    "$OTPD_BUILDDIR/otpctl" -r "$RUN" -q shutdown & # slow waits to be killed
shut=$!
await lines 2 "$T/asked"
kill -KILL "$(pid_of slow)"
wait $shut
is "nothing is left then" "$(services)" ""
ended
is "otpd ends with 0" $code 0
ok "its sockets are gone" not test -e "$RUN/names/otpd"
is "and nobody answers" "$(ctl status 2>/dev/null; echo $?)" 5
finish
