#!/bin/sh
# SPDX-License-Identifier: ISC
# redis, nginx and a counter answer a load without a pause, while otpd's parts
# are killed beneath them: no request fails, no pid changes, no count is lost.
#
#   load.sh [KILLS [EVERY]]	EVERY second (a fraction): 100, 0.3
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

kills=${1-100} every=${2-0.3}
redis=$(command -v redis-server) && nginx=$(command -v nginx) || {
	echo "there is no redis or nginx here"
	exit 77
}
client=$OTPD_BUILDDIR/tests/crash/load_client
mkdir -m 755 "$T/www" "$T/redis"
echo '<h1>kept</h1>' > "$T/www/index.html"
cat > "$T/nginx.conf" <<END
pid $T/nginx.pid; worker_processes 1; error_log stderr;
events { worker_connections 64; }
http { access_log /dev/stdout; server { listen 127.0.0.1:28080; root $T/www; } }
END
config <<END
{ "children": [
  { "id": "redis", "start": ["$redis", "--bind", "127.0.0.1", "--port",
    "26379", "--dir", "$T/redis", "--save", "", "--daemonize", "no",
    "--supervised", "systemd"], "ready": "notify" },
  { "id": "web", "type": "supervisor", "strategy": "rest_for_one",
    "children": [
    { "id": "nginx", "start": ["$nginx", "-p", "$T", "-c", "$T/nginx.conf",
      "-e", "stderr", "-g", "daemon off;"] },
    { "id": "counter", "kind": "gen_server", "name": "counter",
      "start": ["$OTPD_BUILDDIR/contrib/examples/counter"] } ] } ] }
END
start
await text started "$LOG/redis.log" 2>/dev/null || :
pids() { ctl --json status | pick -l path pid restarts generation; }
before=$(pids)

part_pid() { ctl --json info | pick "$1"; }
kill_engine() { kill -KILL "$(part_pid engine_pid)"; }
kill_logger() { kill -KILL "$(part_pid logger_pid)"; }
upgrade() { ctl -q upgrade; }
crash_otpd() { kill -SEGV "$otpd_pid"; }

# under WORDS N EVERY COMMAND: the command, N times, under load.
under() {
	"$client" redis 26379 > "$T/load.redis" & load1=$!
	"$client" http 28080 > "$T/load.http" & load2=$!
	"$client" counter "$RUN" counter > "$T/load.counter" & load3=$!
	n=0
	while [ $n -lt "$2" ]; do
		$4 || fail "$1: the ${n}th time"
		sleep "$3"		# how often is what is tested
		n=$((n + 1))
	done
	ctl -q sync --timeout 20 || fail "$1: otpd is at rest"
	kill -TERM $load1 $load2 $load3
	for pid in $load1 $load2 $load3; do
		wait "$pid" || fail "$1: a request failed"
	done
	cat "$T"/load.*
	is "$1, $2 times: the same processes, nothing counted" "$(pids)" \
	    "$before"
	redis-cli -p 26379 del load > /dev/null
	ctl call counter "{\"op\":\"increment_by\",\"amount\":-$(ctl call \
	    counter '{"op":"get"}' | tr -dc 0-9)}" > /dev/null
}

under "kill -9 of the engine" "$kills" "$every" kill_engine
under "kill -9 of the logger" "$kills" "$every" kill_logger
under "upgrade" $((kills / 5)) "$every" upgrade
under "a crash of otpd" $((kills / 20)) 3 crash_otpd
stop
finish
