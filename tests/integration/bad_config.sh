#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd -n: a wrong configuration is refused with its place and advice.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

check() {
	said=$("$OTPD_BUILDDIR/otpd" -n -c "$CONF" 2>&1)
	code=$?
}

printf '{ "children": [ { "id": "a", "start": ["%s"] } ] }' "$SVC" > "$CONF"
check
is "a right one is accepted, silently" "$code$said" 0

printf '{ "children": [ { "id": "a", "start": ["/no/such"] } ] }' > "$CONF"
check
is "a program that is not there is no error" "$code" 0
ok "but is told of" has "$said" "$CONF:1:40: a: warning: no program"
is "unless errors only are wanted" \
    "$("$OTPD_BUILDDIR/otpd" -q -n -c "$CONF" 2>&1)" ""

while IFS='|' read -r place words text; do
	printf '%s\n' "$text" > "$CONF"
	check
	is "refused: $text" "$code" 1
	ok "  at $place" has "$said" "$CONF:$place"
	ok "  with advice" has "$said" "$words"
done <<'END'
1:1|children|[]
1:3|did you mean|{ "childern": [] }
1:3|did you mean `children`|{ "childs": [] }
1:15|array|{ "children": { } }
1:31|strategy|{ "children": [], "strategy": "one_for_most" }
1:41|restart|{ "children": [ { "id": "a", "restart": "always", "start": ["/x"] } ] }
END
rm "$CONF"
check
is "a missing file is refused" "$code" 1
ok "by name" has "$said" "$CONF"

# --- otpd with a broken file does not begin; one that runs does not mind ---
printf '{ "children": [ { "id": "a" } ] }' > "$CONF"
launch
ended
is "otpd does not start on a broken file" $code 1
ok "and says where it is broken" file_has "$T/stderr" "$CONF:1:"
is "it leaves nothing" "$(ours)" ""

printf '{ "children": [ { "id": "a", "start": ["%s"] } ] }' "$SVC" > "$CONF"
start
pid=$(pid_of a)
printf '{ "children": [ { "id": "a" }, { "id": "a", "start": 1 } ] }' > "$CONF"
said=$(ctl check 2>&1)
is "otpctl check refuses the file" $? 1
ok "with a place" has "$said" "$CONF:1:"
check
is "so does otpd -n beside it" "$code" 1
is "what runs is not touched" "$(pid_of a) $(status a generation)" "$pid 1"
printf '{ "children": [] }' > "$T/other.json"
is "another file may be right" "$(ctl check "$T/other.json")" \
    "$T/other.json: no errors"
stop
finish
