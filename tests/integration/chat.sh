#!/bin/sh
# SPDX-License-Identifier: ISC
# The chat of contrib/examples, and what otpctl shows and sends of registries.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

cp "$OTPD_BUILDDIR/contrib/examples/chat" "$T/chat"
config <<END
{ "registries": { "users": { "keys": "unique", "listeners": ["nobody"] },
                  "rooms": { "keys": "duplicate" } },
  "children": [ { "id": "chat", "type": "dynamic_supervisor",
    "template": { "start": ["$T/chat"], "kind": "gen_server",
                  "restart": "transient" } } ] }
END
start

call() { ctl --json call "via:users:$1" "$2"; }
heard() { call "$1" '{"op":"heard"}' | pick heard; }
table() { ctl registry "$@" | awk '{ print $1, $2, $4 }'; }

is "there are registries, and nobody in them" "$(ctl registry)" \
"REGISTRY  KEYS       ENTRIES  LISTENERS
users     unique     0        nobody
rooms     duplicate  0        -"
for name in ann bob cid; do
	is "$name comes" "$(ctl start-child chat \
	    "{\"id\":\"$name\",\"args\":[\"$name\"]}")" "chat/$name: started"
done
ok "a name is taken once" has "$(ctl --json start-child chat \
    '{"id":"ann2","args":["ann"]}')" "{already_registered,chat/ann,"
is "a process is found by its name" "$(ctl --json registry users bob |
    pick 0.path 0.key 0.pid)" "chat/bob bob $(pid_of chat/bob)"

for name in ann bob; do
	is "$name joins a room" "$(call $name \
	    '{"op":"join","room":"lobby"}')" '{"sent":0}'
done
is "who speaks reaches the room" "$(call cid \
    '{"op":"say","room":"lobby","text":"hello"}')" '{"sent":2}'
is "the others have heard it" "$(heard ann), $(heard bob)" \
    "cid: hello, cid: hello"
is "the one outside has not" "$(heard cid)" ""
is "one of them is told alone" "$(call ann \
    '{"op":"tell","to":"cid","text":"come in"}')" '{"sent":0}'
is "and hears it" "$(heard cid)" "ann, to you: come in"
is "nobody is told nothing" "$(call ann \
    '{"op":"tell","to":"dan","text":"x"}')" '{"error":"nobody"}'
is "otpctl can speak to a room" "$(ctl publish rooms lobby 'news')" \
    "2 processes"
is "which is heard" "$(heard ann)" "cid: hello|news"
is "to an empty room, too" "$(ctl --json publish rooms void x)" '{"sent":0}'

is "keys are listed" "$(table users | sort)" \
"KEY PATH VALUE
ann chat/ann -
bob chat/bob -
cid chat/cid -"
is "or some of them" "$(table users --prefix a)" \
"KEY PATH VALUE
ann chat/ann -"

kill -9 "$(ctl --json info | pick engine_pid)"
is "another engine knows them all" "$(table users | wc -l) \
$(table rooms | wc -l)" "4 3"
bob=$(pid_of chat/bob)
kill -9 "$bob"
await gone "$bob"
while [ "$(status chat/bob generation state)" != "2 running" ]; do
	ctl -q sync --timeout 20
done
is "who dies has left the room" "$(table rooms)" \
"KEY PATH VALUE
lobby chat/ann -"
is "and has its name when it is back" "$(table users | sort | sed -n 3p)" \
    "bob chat/bob -"

ctl publish none lobby x > "$T/out" 2>&1
is "there is no such registry" "$? $(cat "$T/out")" \
    "1 otpctl: no registry is named none"
ctl call via:users:dan '"x"' > "$T/out" 2>&1
is "nor anybody of that name" "$? $(cat "$T/out")" \
    "1 otpctl: nobody is registered as via:users:dan"
ctl registry --prefix x > "$T/out" 2>&1
is "a prefix of nothing makes no sense" $? 2
stop
finish
