#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Shows otpd at work with real daemons: installs what is missing (as root on
# Debian; else says what), builds, and runs etc/demo.json (redis, PostgreSQL
# and nginx in a nested tree) in a private directory, until Ctrl-C or SIGTERM,
# which stop everything in order.
#
#   run.sh [--check]   with --check: asks each daemon something and ends
# shellcheck disable=SC2317 # functions are called by traps, and by name
set -eu
# shellcheck source=contrib/common.sh
. "$(dirname "$0")/common.sh"

check=${OTPD_RUN_CHECK-}
[ "${1-}" = --check ] && check=1

# shellcheck disable=SC2086 # a list
want $build_needs redis-server redis-tools nginx-light postgresql curl \
    util-linux

work=$(mktemp -d "${TMPDIR:-/tmp}/otpd-demo.XXXXXX")
chmod 711 "$work"
data=$work/data
rt=$work/run
otpd_pid=

# Everything is stopped before its files go.
finish() {
	trap '' INT TERM HUP
	if [ -n "$otpd_pid" ]; then
		say "stopping everything, in order"
		kill -TERM "$otpd_pid" 2>/dev/null || true
		wait "$otpd_pid" || true
		say "all is stopped"
	fi
	cd /
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# as USER COMMAND...: as that user when we are root, else as ourselves.
as() {
	_user=$1
	shift
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid="$_user" --regid="$_user" --init-groups \
		    env HOME="$data" "$@"
	else
		"$@"
	fi
}

# own USER DIR: a directory that only that user may enter.
own() {
	mkdir -p "$2"
	chmod 700 "$2"
	[ "$(id -u)" -ne 0 ] || chown "$1:" "$2"
}

prepare_redis() {
	own redis "$data/redis"
}

prepare_postgres() {
	own postgres "$data/postgres"
	say "making a database"
	(cd "$data" && as postgres "$pgbin/initdb" -D "$data/postgres/data" \
	    --auth=trust --username=postgres --no-sync > "$work/initdb.log" 2>&1) || {
		cat "$work/initdb.log"
		die "initdb failed"
	}
}

prepare_nginx() {
	own www-data "$data/nginx"
	as www-data mkdir "$data/nginx/html" "$data/nginx/tmp"
	echo "<h1>served by nginx, kept by otpd</h1>" |
	    as www-data tee "$data/nginx/html/index.html" > /dev/null
	as www-data tee "$data/nginx/nginx.conf" > /dev/null <<-END
	pid $data/nginx/nginx.pid;
	worker_processes 2;
	error_log stderr;
	events { worker_connections 64; }
	http {
		access_log off;
		client_body_temp_path $data/nginx/tmp/body;
		proxy_temp_path $data/nginx/tmp/proxy;
		fastcgi_temp_path $data/nginx/tmp/fastcgi;
		uwsgi_temp_path $data/nginx/tmp/uwsgi;
		scgi_temp_path $data/nginx/tmp/scgi;
		server {
			listen 127.0.0.1:18080;
			root $data/nginx/html;
		}
	}
	END
}

# etc/demo.json with our directory and our version of PostgreSQL.
configure() {
	sed -e "s|/var/lib/otpd-demo|$data|g" \
	    -e "s|/usr/lib/postgresql/15/bin|$pgbin|g" "$top/etc/demo.json" \
	    > "$work/all.json"
	if [ "$(id -u)" -eq 0 ]; then
		mv "$work/all.json" "$work/demo.json"
	else
		sed '/^ *"user":.*,$/d' "$work/all.json" > "$work/demo.json"
	fi
}

otpctl() { "$work/build/otpctl" -r "$rt" "$@"; }
ask_redis() { redis-cli -h 127.0.0.1 -p 16379 ping; }
ask_nginx() { curl -sS http://127.0.0.1:18080/; }
ask_postgres() {
	psql -h "$data/postgres" -p 15432 -U postgres -Atc 'select 1'
}

# expect WHAT WANTED COMMAND: its answer, or the end of this.
expect() {
	_answer=$($3) || _answer="failed: $_answer"
	case $_answer in
	*"$2"*) echo "$1: $_answer" ;;
	*)
		otpctl status || true
		tail -n 20 "$work"/log/*.log "$work"/log/*/*.log || true
		die "$1 answered '$_answer', not '$2'"
		;;
	esac
}

pgbin=
for dir in /usr/lib/postgresql/*/bin; do
	[ -x "$dir/postgres" ] && pgbin=$dir
done
[ -n "$pgbin" ] || die "no PostgreSQL below /usr/lib/postgresql"

say "building"
source_copy "$work/src"
build "$work/src" "$work/build"

mkdir -m 711 "$data"
prepare_redis
prepare_postgres
prepare_nginx
configure

OTP_LIBEXEC=$work/build
export OTP_LIBEXEC
"$work/build/otpd" -n -c "$work/demo.json"
say "starting otpd"
# In a session of its own: Ctrl-C is for us, and we tell otpd, once.
setsid "$work/build/otpd" -c "$work/demo.json" -r "$rt" -l "$work/log" &
otpd_pid=$!
tries=0
until otpctl sync 2>/dev/null; do
	kill -0 "$otpd_pid" 2>/dev/null || die "otpd has ended"
	tries=$((tries + 1))
	[ $tries -lt 300 ] || die "otpd does not answer"
	sleep 0.1
done
otpctl status

cat <<END

Try, in another terminal:
  redis-cli -p 16379 ping
  curl http://127.0.0.1:18080/
  psql -h $data/postgres -p 15432 -U postgres -c 'select 1'
  alias otpctl='$work/build/otpctl -r $rt'
  otpctl status
  kill -9 \$(pgrep -f 'redis-server.*:16379')
  otpctl why redis
  otpctl logs site/postgres
END

if [ -n "$check" ]; then
	echo
	expect "redis, ping" PONG ask_redis
	expect "nginx, a page" "kept by otpd" ask_nginx
	expect "postgres, select 1" 1 ask_postgres
	say "all three have answered"
	exit 0
fi
echo
echo "Ctrl-C stops everything."
status=0
wait "$otpd_pid" || status=$?
otpd_pid=
exit $status
