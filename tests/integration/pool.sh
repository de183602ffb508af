#!/bin/sh
# SPDX-License-Identifier: ISC
# etc/pool.json as it stands but for its folders: lent and given back by hand,
# reloaded, and killed.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

cp "$OTPD_BUILDDIR/otp-agent" "$T/"
sed -e "s|/usr/libexec/otpd|$T|" -e "s|\"/bin/sleep\", \"infinity\"|\"$SVC\"|" \
    "$OTPD_SRCDIR/etc/pool.json" > "$CONF"
start

# said WORDS WANT CODE COMMAND...: what otpctl prints, and its exit code
said() {
	said_words=$1 said_want=$2 said_code=$3
	shift 3
	said_got=$(ctl "$@" 2>&1)
	code=$?
	is "$said_words" "$said_got ($code)" "$said_want ($said_code)"
}

said "a pool begins with its workers" \
    "db: ready, 3 of 3 free, 0 held, 0 of 5 overflow, 0 waiting" 0 pool db
is "they are children of otpd" "$(ctl --json status db | pick '*.path')" \
    "db db/workers db/workers/1 db/workers/2 db/workers/3 db/pool"
said "a pool goes by its name" \
    "counter_pool: ready, 1 of 1 free, 0 held, 0 of 0 overflow, 0 waiting" 0 \
    pool counter_pool
said "its worker by the path that is lent" '{"worker": "counters/workers/1"}' \
    0 call counter_pool '{"op":"checkout"}'
said "is called" 0 0 agent counters/workers/1 get /n
# What otpctl has borrowed comes back when it ends, maybe a moment later.
tries=200
until [ "$(ctl --json pool counter_pool | pick free)" = 1 ]; do
	tries=$((tries - 1))
	[ $tries -gt 0 ] || break
done
is "a loan ends with its holder" "$(ctl --json pool counter_pool |
    pick state free held)" "ready 1 0"
said "for programs" '{"state":"ready","size":1,"max_overflow":0,"order":"lifo"'\
',"free":1,"overflow":0,"held":0,"waiting":0,"starting":0,"loans":[]}' 0 \
    --json pool counter_pool
said "one that is no pool" "otpctl: counters/workers/1: a request is {\"op\": \
get, put, update, get_and_update or delete, \"path\": \"/a/b\", \"value\": \
...}" 1 pool counters/workers/1
said "one that is not there" "otpctl: no server is registered as none" 1 \
    pool none

# --- a reload ---
sed -i -e 's|"size": 3|"size": 2|' "$CONF"
before=$(pid_of db/pool)
said "a pool of another size begins anew" \
    "restart  db/pool  now running
1 changed, 5 unchanged" 0 reload
said "with as many" "db: ready, 2 of 2 free, 0 held, 0 of 5 overflow, 0 \
waiting" 0 pool db
ok "by another server" not same "$before" "$(pid_of db/pool)"
is "and no worker is left of before" "$(ctl --json count-children db/workers |
    pick active)" 2

# --- kills ---
pool=$(pid_of db/pool) one=$(pid_of db/workers/1)
old=$(ctl --json info | pick engine_pid)
kill -9 "$old"
await gone "$old"
said "an engine dies, the pool does not" \
    "db: ready, 2 of 2 free, 0 held, 0 of 5 overflow, 0 waiting" 0 pool db
is "nor its processes" "$(pid_of db/pool) $(pid_of db/workers/1)" "$pool $one"
kill -9 "$pool"
await gone "$one"
ctl -q sync
said "its server dies, all begin anew" \
    "db: ready, 2 of 2 free, 0 held, 0 of 5 overflow, 0 waiting" 0 pool db
is "each once" "$(services | wc -l)" 2
stop
finish
