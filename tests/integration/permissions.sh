#!/bin/sh
# SPDX-License-Identifier: ISC
# A worker that runs as another user than otpd cannot have anything done that
# its user could not do.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

[ "$(id -u)" -eq 0 ] || {
	echo "only root can run services as other users"
	exit 77
}
cp "$OTPD_BUILDDIR/tests/workers/probe" "$T/probe"
mkdir -m 777 "$T/notes"
probe() { echo "\"kind\": \"gen_server\", \"start\": [\"$T/probe\", \"$T/notes\", \"$1\"]"; }
config <<END
{ "children": [
  { "id": "master", $(probe master) },
  { "id": "guest", $(probe guest), "user": "65534", "group": "65534" },
  { "id": "other", "start": ["$SVC"], "user": "65534", "group": "65534" },
  { "id": "mixed", "type": "supervisor", "children": [
    { "id": "theirs", "start": ["$SVC"], "user": "65534" },
    { "id": "ours", "start": ["$SVC"] } ] },
  { "id": "free", "type": "dynamic_supervisor" },
  { "id": "theirs_only", "type": "dynamic_supervisor",
    "template": { "start": ["$SVC"], "user": "65534", "group": "65534" } },
  { "id": "ours_only", "type": "dynamic_supervisor",
    "template": { "start": ["$SVC"] } },
  { "id": "names", "user": "65534", "group": "65534",
    "start": ["/bin/sh", "$T/names"] },
  { "id": "quarry", "start": ["$SVC"] } ] }
END
cat > "$T/names" <<'END'
cat < /dev/stdout
echo out > /dev/stdout
echo end > /dev/stderr
exec sleep 1000
END
start

# Web servers write their logs so.
await text end "$LOG/names.log"
ok "a service of another user may open /dev/stdout" file_has "$LOG/names.log" out
is "but not read it" "$(grep -c denied "$LOG/names.log")" 1

# ask WHO REQUEST: ok, or the word of the refusal.
ask() {
	ctl call "$1" "{\"do\":\"control\",\"request\":\"$(printf '%s' "$2" |
	    sed 's/"/\\"/g')\"}" | tr -d ' \n' |
	    sed 's/.*\\*"error\\*":\\*"\([a-z_]*\).*/\1/
	    s/.*\\*"result\\*":\\*"\([a-z_]*\).*/\1/; s/^{.*/ok/'
}
refused() { is "refused: $1" "$(ask guest "$1")" permission; }
granted() { is "granted: $1" "$(ask guest "$1")" "$2"; }

granted '{"op":"status","paths":["quarry"]}' ok
granted '{"op":"restart","path":"other"}' started
granted '{"op":"signal","path":"other","signal":"WINCH"}' ok
granted '{"op":"start_child","sup":"theirs_only","spec":{"id":"a"}}' started
granted '{"op":"terminate_child","sup":"theirs_only","id":"a"}' ok
granted '{"op":"terminate_child","sup":"/","id":"nobody"}' not_found

refused '{"op":"registry_new","registry":"mine"}'
refused '{"op":"shutdown"}'
refused '{"op":"reload"}'
refused '{"op":"check","file":"/etc/shadow"}'
refused '{"op":"upgrade"}'
refused '{"op":"stop","path":"quarry"}'
refused '{"op":"stop","path":"mixed"}'
refused '{"op":"signal","path":"quarry","signal":"KILL"}'
refused '{"op":"terminate_child","sup":"/","id":"quarry"}'
refused '{"op":"start_child","sup":"ours_only","spec":{"id":"a"}}'
refused '{"op":"start_child","sup":"free","spec":{"id":"a","start":["/bin/true"]}}'
refused '{"op":"start_child","sup":"free","spec":{"id":"a","start":["/bin/true"],"user":"65534"}}'
refused '{"op":"start_child","sup":"theirs_only","spec":{"id":"a","args":[],"stdout":"/etc/crontab"}}'
refused '{"op":"start_child","sup":"/","spec":{"id":"a","start":["/bin/true"]}}'

is "otpd's own user may" "$(ask master \
    '{"op":"start_child","sup":"free","spec":{"id":"a","start":["'"$SVC"'"]}}')" \
    started

# Its death is not to end one that it could not signal.
pid=$(pid_of quarry)
before=$(pid_of guest)
ctl call guest '{"do":"link","target":"quarry"}' > /dev/null || :
await gone "$before"
await_event "exited guest {refused,link}"
is "a link to another user's process ends who wanted it" \
    "$(status guest last_exit.reason)" "{refused,link}"
is "and not the other" "$(pid_of quarry)" "$pid"
stop
finish
