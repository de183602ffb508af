#!/bin/sh
# SPDX-License-Identifier: ISC
# The configurations that are given as examples run, and do what the lines at
# their top say: those of etc, and the five exercises of contrib/examples.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

# A file of etc as it stands.
use() {
	cp -r "$OTPD_SRCDIR/etc/." "$T/etc"
	CONF=$T/etc/$1.json
	start
}
# One of contrib/examples, with the programs of this build.
exercise() {
	CONF=$T/$1.json
	sed -e "s|/usr/local/libexec/otpd/examples|$OTPD_BUILDDIR/contrib/examples|" \
	    ${2:+-e "$2"} "$OTPD_SRCDIR/contrib/examples/$1.json" > "$CONF"
	start
}
call() { ctl --json call "$@"; }
# It ends, and what comes of that has come.
lose() {
	lost=$(pid_of "$1")
	ctl -q signal KILL "$1"
	await gone "$lost"
	ctl -q sync --timeout 20
}
# Which of these have another process than before.
pids() {
	for path; do
		echo "$path $(pid_of "$path")"
	done
}
changed() {
	pids "$@" | diff "$T/pids" - | sed -n 's/^> \(.*\) .*/\1/p' |
	    tr '\n' ' '
}
mkdir "$T/etc"

# --- etc ---
use dynamic
ctl -q start-child jobs '{"id": "nap", "start": ["sleep", "60"]}'
is "dynamic.json: the second of an id" \
    "$(ctl start-child jobs '{"id": "nap", "start": ["sleep", "60"]}')" \
    "jobs/nap~1: started"
is "dynamic.json: terminated by its name" \
    "$(ctl terminate-child jobs nap~1)" "jobs/nap~1: terminated"
ctl -q start-child sessions '{"id": "alice", "args": ["120"]}'
is "dynamic.json: counted" "$(ctl --json count-children sessions |
    pick specs active)" "1 1"
stop

use partitions
is "partitions.json: a key's partition" \
    "$(ctl partition shards 42) $(ctl partition shards alice@example.org)" \
    "shards/2 shards/1"
ctl -q start-child "$(ctl partition workers alice)" \
    '{"id": "alice", "start": ["sleep", "60"]}'
is "partitions.json: a child where its key leads" \
    "$(status "$(ctl partition workers alice)/alice" state)" running
ok "partitions.json: each knows which it is" \
    await text "partition 3 of 4" "$LOG/shards/3.log"
stop

use applications
is "applications.json: in the order of need" \
    "$(ctl --json apps | pick '*.name' '*.state')" \
    "store reports web running stopped running"
ctl -q app stop store
is "applications.json: what needs it goes on" "$(status web state)" running
is "applications.json: started with what it needs" \
    "$(ctl app start reports | tr '\n' ' ')" \
    "store: started reports: started "
ctl -q app env web port 8082
is "applications.json: env" "$(ctl --json app env web)" \
    '{"title":"an example","port":8082}'
ok "applications.json: a service knows its application" \
    await text "part of web" "$LOG/web/server.log"
lose web/server
lose web/server
ctl -q signal KILL web/server
ended
is "applications.json: a permanent one ends all, with 1" $code 1

# --- the exercises ---
exercise three_workers
call counter '{"op":"increment"}' > /dev/null
pids workers/counter workers/store workers/cache > "$T/pids"
crashed=$(pid_of workers/counter)
ctl -q cast counter '{"op":"crash"}'
await gone "$crashed"
is "three workers: one crashes and counts from 0" \
    "$(call counter '{"op":"get"}')" '{"count":0}'
is "three workers: the others go on" \
    "$(changed workers/counter workers/store workers/cache)" \
    "workers/counter "
stop

exercise dynamic_workers
for user in alice bob; do
	ctl -q start-child users "{\"id\": \"$user\"}"
	call users/$user "{\"op\":\"put\",\"key\":\"me\",\"value\":\"$user\"}" \
	    > /dev/null
done
ok "dynamic workers: each is reached by its id" has \
    "$(call users/alice '{"op":"get","key":"me"}')" alice
ok "dynamic workers: and has a state of its own" has \
    "$(call users/bob '{"op":"get","key":"me"}')" bob
lose users/alice
ok "dynamic workers: a crash costs its own" has \
    "$(call users/alice '{"op":"get","key":"me"}')" not_found
ctl -q terminate-child users alice
is "dynamic workers: whoever is gone is unknown" \
    "$(ctl call users/alice x > /dev/null 2>&1 || echo gone)" gone
is "dynamic workers: the others are there" \
    "$(ctl --json count-children users | pick specs active)" "1 1"
where=$(ctl partition many alice)
ctl -q start-child "$where" '{"id": "alice"}'
is "dynamic workers: also where a key leads" \
    "$(status "$where/alice" state)" running
stop

take() { call limiter '{"op":"take"}' | pick result error; }
exercise rate_limit
i=0
while [ $i -lt 5 ]; do
	is "rate limit: call $((i = i + 1)) of a minute" "$(take)" "ok -"
done
is "rate limit: the sixth" "$(take)" "- rate_limited"
stop
exercise rate_limit 's/60000/500/'
i=0
while [ "$(take)" = "ok -" ] && [ $i -lt 1000 ]; do i=$((i + 1)); done
ok "rate limit: too many for a window" [ $i -lt 1000 ]
i=0
until [ "$(take)" = "ok -" ] || [ $i -gt 1000 ]; do i=$((i + 1)); done
ok "rate limit: a new window forgives" [ $i -le 1000 ]
stop

free() { call pool '{"op":"free"}' | pick free; }
exercise connection_pool
is "pool: all are free" "$(free)" 3
call pool '{"op":"checkout","holder":"customer"}' > /dev/null
is "pool: one is lent" "$(free)" 2
lose customer
is "pool: its holder has died: it is free again" "$(free)" 3
pids database/pool database/customer > "$T/pids"
lose pool
is "pool: its customers begin anew with it" \
    "$(changed database/pool database/customer)" \
    "database/pool database/customer "
stop

exercise tree
all="data/store data/cache web/hits web/pages/limiter web/pages/basket"
# shellcheck disable=SC2086 # a list
{
	ctl -q start-child web/users '{"id": "eve"}'
	pids $all > "$T/pids"
	lose data/store
	is "tree: the lowest supervisor restarts what belongs together" \
	    "$(changed $all)" "data/store data/cache "
	pids $all > "$T/pids"
	lose web/pages/basket
	is "tree: or one alone" "$(changed $all)" "web/pages/basket "
	pids $all > "$T/pids"
	lose web/pages/limiter
	lose web/pages/limiter
	is "tree: too often, and it is put right one level up" \
	    "$(changed $all)" "web/pages/limiter web/pages/basket "
	is "tree: what is behind it in the list begins anew" \
	    "$(ctl --json count-children web/users | pick specs)" 0
}
stop
finish
