#!/bin/sh
# SPDX-License-Identifier: ISC
# etc/agent.json as it stands but for its folders: states that are read and
# changed with otpctl, saved when they are stopped, and outlive an engine.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

cp "$OTPD_BUILDDIR/otp-agent" "$T/"
sed -e "s|/usr/libexec/otpd|$T|" -e "s|/var/lib/otpd|$T|" \
    "$OTPD_SRCDIR/etc/agent.json" > "$CONF"
start

# said WORDS WANT CODE COMMAND...: what otpctl prints, and its exit code
said() {
	said_words=$1 said_want=$2 said_code=$3
	shift 3
	said_got=$(ctl "$@" 2>&1)
	code=$?
	is "$said_words" "$said_got ($code)" "$said_want ($said_code)"
}
agent() { ctl agent "$@"; }
get() { ctl --json agent "$@"; }

said "the whole state" '{"limits":{"users":100,"mail":10}}' 0 \
    --json agent settings get
said "laid out for people" '{"users": 100, "mail": 10}' 0 agent settings get /limits
said "a value" 100 0 agent settings get /limits/users
said "it is put" "settings: put" 0 agent settings put /limits/users 200
said "patched" "settings: updated" 0 agent settings update . \
    '{"limits":{"mail":null,"disk":"2 GB"}}'
said "and deleted" "settings: deleted" 0 agent settings delete /limits/disk
said "as it is now" '{"limits":{"users":200}}' 0 --json agent settings get .
said "nothing there" "otpctl: /no: there is nothing at this path" 1 \
    agent settings get /no
said "for programs" \
    '{"error":"badkey","message":"there is nothing at this path","path":"/no"}' \
    1 --json agent settings get /no
said "no JSON" \
    "otpctl: not JSON: two words; a text stands in quotes, as '\"text\"'" 2 \
    agent settings put /a "two words"
said "no operation" "otpctl: usage: otpctl agent NAME get [PATH] | put PATH \
VALUE | update PATH PATCH | delete PATH | get-and-update PATH VALUE \
[COMPARE|absent]" 2 agent settings burn /a
is "a value from standard input" \
    "$(echo '[1, 2]' | ctl agent settings put /list -; get settings get /list)" \
    "settings: put
[1,2]"
said "compared and changed" 0 0 agent counters get-and-update /visits 1 0
said "compared and not changed" \
    "otpctl: /visits: it is not what it was compared with" 1 \
    agent counters get-and-update /visits 2 0
said "only if it is absent" null 0 agent counters get-and-update /new 1 absent
said "the whole for sys" '{"state":{"visits":1,"new":1}}' 0 --json sys get-state counters
ctl -q sys suspend counters
ctl -q sys replace-state counters '{"visits":7}'
said "a state that is none" "otpctl: counters: failed" 1 \
    sys replace-state counters '{"visits":'
ctl -q sys resume counters
said "its state was replaced" 7 0 agent counters get /visits

# --- what it survives ---
before=$(pid_of settings)
old=$(ctl --json info | pick engine_pid)
kill -9 "$old"
await gone "$old"
said "an engine dies, the state does not" 200 0 agent settings get \
    /limits/users
is "nor its process" "$(pid_of settings)" "$before"
agent settings put /engines 2 > /dev/null
said "stopped in order" "settings: restarted" 0 restart settings
said "it saves, and reads it again" \
    '{"limits":{"users":200},"list":[1,2],"engines":2}' 0 \
    --json agent settings get
agent settings put /engines 3 > /dev/null
kill -9 "$(pid_of settings)"
ctl -q sync
said "killed, it goes back to what was saved" 2 0 agent settings get /engines
said "one that saves nothing begins anew" "counters: restarted" 0 \
    restart counters
said "as its specification says" '{"visits":0}' 0 --json agent counters get

# --- a bad file ---
ctl -q stop settings
echo '{"limits":' > "$T/settings.json"
ok "a bad file is a failed start" not ctl start settings
ok "and why says so" has "$(ctl why settings)" "settings.json: it is not JSON"
is "the file is left as it was" "$(cat "$T/settings.json")" '{"limits":'
rm "$T/settings.json"
ok "without a file it starts" ctl -q start settings
stop
is "at otpd's end it is saved, too" "$(cat "$T/settings.json")" \
    '{"limits":{"users":100,"mail":10}}'
finish
