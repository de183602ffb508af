#!/bin/sh
# SPDX-License-Identifier: ISC
# What services write is kept, in files of their own.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkfifo "$T/gate" "$T/gate2"
config <<END
{ "children": [
  { "id": "g", "type": "supervisor", "children": [
    { "id": "a", "start": ["$SVC", "lines", "30", "complain", "trouble",
      "ready"], "ready": "notify" } ] },
  { "id": "stamped", "start": ["$SVC", "say", "now", "ready"],
    "ready": "notify", "log": { "timestamp": true } },
  { "id": "big", "start": ["$SVC", "lines", "2000", "ready"],
    "ready": "notify", "log": { "max_size": 4096, "keep": 2 } },
  { "id": "once", "start": ["$SVC", "say", "bye", "exit", "0"],
    "restart": "temporary" },
  { "id": "silent", "start": ["$SVC", "say", "x", "ready"],
    "ready": "notify", "stdout": "null", "stderr": "null" },
  { "id": "later", "start": ["$SVC", "say", "one", "ready", "gate", "$T/gate",
    "say", "two", "gate", "$T/gate2", "say", "three"], "ready": "notify" } ] }
END
start
await text trouble "$LOG/g/a.log"
is "stdout and stderr are in a file named after the child" \
    "$(wc -l < "$LOG/g/a.log")" 31
is "in the order they were written" "$(sed -n '1p;30p;31p' "$LOG/g/a.log" |
    tr '\n' ';')" "line 1;line 30;trouble;"
is "status says where" "$(status g/a log)" "$LOG/g/a.log"
is "logs -n gives the last lines" "$(ctl logs -n 2 g/a | tr '\n' ';')" \
    "line 30;trouble;"
is "logs gives twenty" "$(ctl logs a | wc -l)" 20
await text now "$LOG/stamped.log"
ok "a timestamp is put before each line when wanted" \
    grep -qE '^2[0-9]{3}-[0-9-]{5}T[0-9:.]+Z? now$' "$LOG/stamped.log"
await text "line 2000" "$LOG/big.log"
ok "a log is rotated before it is too large" \
    test "$(stat -c %s "$LOG/big.log")" -le 4096
is "as many old ones are kept as wanted" \
    "$(find "$LOG" -name 'big.log?*' | wc -l)" 2
is "no line is lost or cut by rotation" \
    "$(cat "$LOG/big.log.2" "$LOG/big.log.1" "$LOG/big.log" | sed 's/line //' |
    awk 'NR > 1 && $1 != last + 1 { bad = 1 } { last = $1 }
    END { print last, bad + 0 }')" "2000 0"
is "logs -n reads over the rotation" \
    "$(ctl logs -n 1000 big | sed -n '1p;$p' | tr '\n' ';')" \
    "line 1001;line 2000;"
ctl logs silent > /dev/null 2>&1
is "who writes nowhere has no log" $? 1
ok "nor a file" not test -e "$LOG/silent.log"
ctl logs nobody > /dev/null 2>&1
is "nobody has none" $? 4

await text bye "$LOG/once.log"
ctl -q wait once gone --timeout 20
is "one that is gone has left what it said" "$(ctl logs once)" bye

# --- following ---
(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" logs -f -n 1 later > "$T/followed") &
follower=$!
await text one "$T/followed"
exec 4<> "$T/gate"
await text two "$T/followed"
exec 5<> "$T/gate2"
await text three "$T/followed"
is "logs -f gives what is there and what comes" \
    "$(tr '\n' ';' < "$T/followed")" "one;two;three;"
kill $follower
wait $follower 2>/dev/null

# --- a service that comes back goes on in its log ---
kill -9 "$(pid_of g/a)"
await lines 62 "$LOG/g/a.log"
is "a restarted service writes on" "$(wc -l < "$LOG/g/a.log")" 62
ok "why shows the last lines" has "$(ctl why g/a)" trouble
stop
is "all is written when otpd has ended" "$(wc -l < "$LOG/g/a.log")" 62
finish
