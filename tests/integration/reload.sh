#!/bin/sh
# SPDX-License-Identifier: ISC
# A reload touches what changed and nothing else, or nothing at all.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

# site A-START B-START ORDER...: children a, b of g, and more of root
site() {
	config <<-END
	{ "children": [
	  { "id": "g", "type": "supervisor", "strategy": "rest_for_one",
	    "children": [
	    { "id": "a", "start": ["$SVC"$1] },
	    { "id": "b", "start": ["$SVC"$2] },
	    { "id": "c", "start": ["$SVC"] } ] }$3 ] }
	END
}
generations() { for id; do status "$id" generation; done | tr '\n' ' '; }
d=', { "id": "d", "start": ["'$SVC'"] }'
e=', { "id": "e", "start": ["'$SVC'"], "description": "new" }'

site '' '' "$d"
start
pid_a=$(pid_of g/a) pid_c=$(pid_of g/c)

ok "a reload of the same changes nothing" has "$(ctl reload)" "0 changed"
is "and says how much it compared" "$(ctl --json reload |
    pick result changes unchanged)" "ok [0] 5"

site '' ', "on", "10", "'$T'/x"' "$d"
is "--dry-run says what would happen" "$(ctl --json reload --dry-run |
    pick '*.*.change' '*.*.path')" "restart g/b"
sed 's/"id": "d"/&, "shutdown": 5/' "$CONF" > "$T/slip" && mv "$T/slip" "$CONF"
is "what is hardly meant is told first" "$(ctl reload --dry-run |
    sed "s|$CONF:||")" \
    "6:91: d: warning: \`shutdown\` is in milliseconds: 5 s would be 5000
would update   d
would restart  g/b
2 would change, 3 unchanged"
site '' ', "on", "10", "'$T'/x"' "$d"
is "--dry-run does not do it" "$(generations g/b)" "1 "
is "a changed child is named" "$(ctl --json reload |
    pick changes.0.change changes.0.path changes.0.outcome unchanged)" \
    "restart g/b running 4"
is "it alone is restarted" "$(generations g g/a g/b g/c d)" "1 1 2 1 1 "
is "a restart by reload is no crash" "$(status g recent_restarts)" 0

site '' ', "on", "10", "'$T'/x"' "$e$d"
is "an added child is started" "$(ctl --json reload |
    pick changes.0.change changes.0.path)" "start e"
is "where the file says" "$(ctl --json which-children / | pick '*.id')" \
    "d e g"
site '' ', "on", "10", "'$T'/x"' "$d$e"
is "a new order is told as an update of the supervisor" \
    "$(ctl --json reload | pick '*.*.change' '*.*.path')" "update /"
is "a new order is taken" "$(ctl --json which-children / | pick '*.id')" \
    "e d g"
is "without restarting anybody" "$(generations g g/a g/b g/c d e)" \
    "1 1 2 1 1 1 "
site '' ', "on", "10", "'$T'/x"' "$e"
pid_d=$(pid_of d)
is "a removed child is stopped" "$(ctl --json reload |
    pick changes.0.change changes.0.path)" "stop d"
await gone "$pid_d"
ctl -q status d 2>/dev/null
is "and forgotten" $? 4

# --- what needs no restart ---
sed -i 's/"new"/"newer"/' "$CONF"
is "it is told as an update" "$(ctl reload --dry-run)" \
    "would update   e
1 would change, 4 unchanged"
ctl -q reload
is "a description changes while it runs" "$(status e description generation)" \
    "newer 1"
sed -i 's/"strategy": "rest_for_one"/"strategy": "one_for_all"/' "$CONF"
ctl -q reload
is "a strategy, too" "$(status g strategy generation)" "one_for_all 1"
sed -i 's/"newer"/"newer", "shutdown": 4000/
    s/{ "children"/{ "max_restarts": 7, "children"/' "$CONF"
is "so are times, and what the root allows" \
    "$(ctl --json reload | pick '*.*.change' '*.*.path')" \
    "update update / e"
is "and once taken, they are as they were" "$(ctl reload)" \
    "0 changed, 5 unchanged"

# --- broken files ---
before=$(ctl --json status | pick '*.path' '*.pid' '*.generation')
cp "$CONF" "$T/good"
printf '{ "children": [ { "id": "a", "strat": ["x"] },\n { } ] }' > "$CONF"
said=$(ctl reload 2>&1)
is "a broken file is refused" $? 1
ok "with its places" has "$said" "$CONF:1:"
ok "all of them" has "$said" "$CONF:2:"
is "nothing has changed" "$(ctl --json status |
    pick '*.path' '*.pid' '*.generation')" "$before"
rm "$CONF"
ctl -q reload 2>/dev/null
is "no file is no reason to stop anything" "$? $(ctl --json status |
    pick '*.path' '*.pid' '*.generation')" "1 $before"

# --- by signal ---
printf '{' > "$CONF"
kill -HUP "$otpd_pid"
await_event "reloaded - refused"
is "SIGHUP with a broken file changes nothing" "$(ctl --json status |
    pick '*.path' '*.pid' '*.generation')" "$before"
ok "and says why" file_has "$T/stderr" "$CONF:1:"
ok "and what came of it" file_has "$T/stderr" \
    "otpd: reload refused: the file has errors; what runs goes on unchanged"
sed 's/"id": "e"/"id": "f"/' "$T/good" > "$CONF"
kill -HUP "$otpd_pid"
ctl -q wait f running --timeout 20 2>/dev/null || await_event "ready f"
is "SIGHUP reloads" "$(status f state generation)" "running 1"
is "nobody else has noticed any of it" "$(pid_of g/a) $(pid_of g/c)" \
    "$pid_a $pid_c"

# --- a changed child that cannot be started ---
sed 's#"id": "f", "start": \["[^"]*"#"id": "f", "start": ["/no/such"#' \
    "$CONF" > "$CONF.new" && mv "$CONF.new" "$CONF"
is "a changed child that cannot be started is told" "$(ctl --json reload |
    pick changes.0.path changes.0.outcome)" "f failed"
is "and leaves the others alone" "$(pid_of g/a) $(pid_of g/c)" \
    "$pid_a $pid_c"
ctl -q reload
is "a reload of the same does not try it again" "$(status f state)" failed

# --- and is mended; g/b is as it was, but stopped ---
ctl -q stop g/b
sed -e 's#"/no/such"#"'"$SVC"'"#' -e 's#"on", "10"#"on", "12"#' \
    "$CONF" > "$CONF.new" && mv "$CONF.new" "$CONF"
is "--dry-run says that it is started, and what stays stopped" \
    "$(ctl --json reload --dry-run | pick '*.*.change' '*.*.path')" \
    "start update f g/b"
is "once mended in the file it is started" "$(ctl --json reload |
    pick '*.*.outcome')" "running stopped"
stop
finish
