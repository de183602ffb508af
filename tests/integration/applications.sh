#!/bin/sh
# SPDX-License-Identifier: ISC
# Applications: started in the order of need, stopped in reverse, and what the
# end of one does.  A1 to A7 are the behaviours of OTP that this is to have.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkdir "$T/apps"
app() { cat > "$T/apps/$1.json"; }
svc() { printf '{ "id": "%s", "start": ["%s"%s] }' "$1" "$SVC" "${2:-}"; }
app_word() { ctl --json app "$@" 2> /dev/null | pick "${word:-error}"; }
state() { ctl --json apps | pick '*.name' '*.state'; }
started() {
	ctl --json app start "$@" | sed -n 's/.*"started":\[\(.*\)\].*/\1/p' |
	    tr -d '"'
}
# The order in which these became ready, or were stopped.
order() {
	events event path | awk -v w="$1" '$1 == w && $2 !~ /\// { print $2 }' |
	    tail -n "$2" | tr '\n' ' '
}
kill_engine() {
	old=$(ctl --json info | pick engine_pid)
	kill -9 "$old"
	await gone "$old"
}
give_up() { ctl -q signal KILL "$1"; }

config <<END
{ "children": [ $(svc own) ],
  "applications": { "folder": "apps", "env": { "a": { "port": 2 } } } }
END
app a <<END
{ "applications": ["c", "b"], "vsn": "1.5", "description": "the first",
  "env": { "port": 1, "list": [1, 2] },
  "tree": { "max_restarts": 0,
    "children": [ $(svc one ", \"report\", \"$T/report\""), $(svc two) ] } }
END
app b <<END
{ "applications": ["c"], "tree": { "children": [ $(svc w) ] } }
END
app c <<END
{ "tree": { "max_restarts": 0, "children": [ $(svc w) ] } }
END
app late <<END
{ "autostart": false, "applications": ["a"],
  "tree": { "children": [ $(svc w) ] } }
END
app bad <<END
{ "autostart": false, "applications": ["late"],
  "tree": { "children": [ $(svc w), { "id": "x", "start": ["$T/none"] } ] } }
END
start

is "what is needed is started first" "$(order ready 3)" "c b a "
is "all that is to start runs" "$(state)" \
    "c b a late bad running running running stopped stopped"
ok "a service knows its application" file_has "$T/report" "env OTP_APP=a"
ok "a table of them is for people" has "$(ctl apps)" "the first"

# --- A1 ---
is "A1: start of what runs" "$(app_word start --alone a)" already_started
is "A1: ensure of what runs starts nothing" "$(started a)" ""
ctl -q app stop a
ctl -q app stop c
is "A1: those that need it are not stopped" "$(ctl is-running b)" running
is "A1: start needs what it needs" "$(app_word start --alone a)" not_started
is "A1: ...and says what" "$(word=needs app_word start --alone a)" c
is "A1: ensure starts depth first, and says what" "$(started late)" c,a,late
is "A1: they run" "$(state)" \
    "c b a late bad running running running running stopped"
ctl -q app stop late
is "A1: stop of what does not run" "$(app_word stop late)" not_started
is "there is no such application" "$(app_word start x)" not_found
is "restart is stop and start" "$(ctl app restart b)" "b: restarted"

# --- A2 ---
seq=$(events seq | tail -n 1)
ctl -q app stop a
is "A2: its tree is stopped in reverse, then it ends with shutdown" \
    "$(events seq event path reason | awk -v s="$seq" '$1 > s &&
    $2 == "exited" { printf "%s %s ", $3, $4 }')" \
    "a/two shutdown a/one shutdown a shutdown "
is "A2: nothing of it is left" "$(services | wc -l)" 3
ctl -q app start a

# --- A3, A7 ---
is "A3: a start that fails says why" \
    "$(ctl --json app start bad | pick error application reason)" \
    "start_failed bad {start,\"bad/x could not be started\"}"
is "A7: what this call had started is stopped again" "$(state)" \
    "c b a late bad running running running stopped failed"

# --- A4 ---
env_of() { ctl --json app env "$@"; }
is "A4: the configuration counts more than the application's file" \
    "$(env_of a port)" 2
is "A4: a default stays" "$(env_of a list)" "[1,2]"
is "A4: what is not there" "$(app_word env a none)" undefined
ctl -q app env a port '{"tcp": 3}'
ctl -q app env a word text
kill_engine
is "A4: what was set at run time counts most, for other engines too" \
    "$(env_of a | pick list.0 list.1 word port.tcp)" "1 2 text 3"

# --- A5, A6: temporary ---
give_up c/w
await_event "application_exited c shutdown -"
is "A5: the end of its tree by itself is told, and stops it" \
    "$(status c state)" failed
is "A6: a temporary application ends alone" "$(state)" \
    "c b a late bad failed running running stopped failed"
is "it starts again when asked" "$(started c)" c

# --- a reload ---
app c <<END
{ "tree": { "max_restarts": 0, "children": [ $(svc w) ] }, "env": { "n": 7 } }
END
app new <<END
{ "applications": ["more"], "tree": { "children": [ $(svc w) ] } }
END
app more <<END
{ "autostart": false, "tree": { "children": [ $(svc w) ] } }
END
rm "$T/apps/bad.json" "$T/apps/late.json"
before=$(pid_of c/w)
is "a dry run says what is new and what goes" \
    "$(ctl --json reload --dry-run | pick 'changes.*.path')" \
    "c more new late bad"
ctl -q reload
is "what is new is started, with what it needs" "$(state)" \
    "c b a more new running running running running running"
is "what has not changed goes on" "$(pid_of c/w)" "$before"
is "its env is new" "$(env_of c n)" 7
echo '{ "applications": ["new"], "tree": {} }' > "$T/apps/more.json"
ok "a circle is refused" has "$(ctl reload 2>&1)" \
    "new.json:1:20: new: applications that need each other in a circle: more "
rm "$T/apps/more.json"
ok "so is one that is missing" has "$(ctl reload 2>&1)" \
    "new.json:1:20: new: it needs \`more\`, and there is no such application"
rm "$T/apps/new.json" "$T/apps/a.json"
config <<END
{ "children": [ $(svc own) ], "applications": "apps" }
END
ctl -q reload
app a <<END
{ "env": { "port": 1 }, "tree": { "children": [ $(svc one) ] } }
END
ctl -q reload
is "A4: what was set is forgotten with the application" "$(env_of a)" \
    '{"port":1}'

# --- the end ---
hear "$T/heard"
await text '"event":"ready","path":"b"' "$T/heard"
kill -TERM "$otpd_pid"
ended
wait $follower
is "otpd ends with 0" $code 0
is "applications are stopped in the reverse of the order of need" \
    "$(grep '"event":"exited"' "$T/heard" | pick -l path | grep -v / |
    tail -n 4 | tr '\n' ' ')" "b c a own "

# --- A6: what takes everything with it ---
for type in transient permanent; do
	app a <<-END
	{ "start_type": "$type", "tree": { "max_restarts": 0, "children": [
	  { "id": "one", "start": ["$SVC", "on", "TERM", "$T/term"] } ] } }
	END
	start
	kill_engine
	give_up a/one
	ended
	is "A6: everything ends with a $type application, code 1" $code 1
	is "A6: nothing is left" "$(services)" ""
	ok "A6: it says so" file_has "$T/stderr" \
	    "the $type application a ended: shutdown"
	app a <<-END
	{ "start_type": "$type", "tree": { "auto_shutdown": "any_significant",
	  "children": [ { "id": "one", "restart": "transient",
	  "significant": true, "start": ["$SVC", "code", "0"] } ] } }
	END
	start
	ctl -q signal TERM a/one
	ended
	is "A6: auto_shutdown of a $type one is its own end, too" $code 1
	app a <<-END
	{ "start_type": "$type", "tree": { "children": [
	  { "id": "one", "start": ["$T/none"] } ] } }
	END
	launch
	ended
	is "nor without it: a $type one that cannot be started" $code 1
done
app a <<END
{ "tree": { "children": [ { "id": "one", "start": ["$T/none"] } ] } }
END
app needs_a <<END
{ "applications": ["a"], "tree": {} }
END
start
is "a temporary one that cannot be started is told, and what needs it waits" \
    "$(state)" "a c b needs_a failed running running stopped"
ok "it says what is missing" has "$(events event path reason)" \
    "start_failed needs_a {not_started,a}"
stop

# --- the end comes before there was anything to start ---
rm "$T"/apps/*.json
config <<END
{ "children": [ { "id": "never", "start": ["$SVC"], "ready": "notify" } ],
  "applications": { "folder": "apps" } }
END
app late <<END
{ "autostart": false, "tree": { "children": [ $(svc w) ] } }
END
begin
await_event "starting never - -"
is "none starts with otpd" "$(state)" "late stopped"
stop
config <<END
{ "children": [ $(svc own) ], "applications": { "folder": "apps" } }
END
rm "$T/apps/late.json"

# --- an engine that dies while they start ---
app c <<END
{ "tree": { "children": [ $(svc w) ] } }
END
mkfifo "$T/gate"
app b <<END
{ "applications": ["c"], "tree": { "children": [
  { "id": "w", "start": ["$SVC", "gate", "$T/gate", "ready"],
    "ready": "notify" } ] } }
END
app d <<END
{ "applications": ["b"], "tree": { "children": [ $(svc w) ] } }
END
begin
await_event "starting b/w - -"
kill_engine
is "they wait for it" "$(status b state) $(status d state)" "starting stopped"
: > "$T/gate"
ctl -q sync --timeout 20
is "the next engine goes on where it was" "$(state)" \
    "c b d running running running"
is "nothing is started twice" "$(services | wc -l)" 4
stop
finish
