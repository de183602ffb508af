#!/bin/sh
# SPDX-License-Identifier: ISC
# What a child is given: 0, 1, 2, the environment that was configured, a
# session of its own, no blocked signals; nothing of otpd's.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

root='' users=''
if [ "$(id -u)" = 0 ]; then
	root=yes
	users=",
  { \"id\": \"user\", \"start\": [\"$SVC\", \"report\", \"$T/user\"],
    \"user\": \"nobody\" },
  { \"id\": \"numbers\",
    \"start\": [\"$SVC\", \"report\", \"$T/numbers\"],
    \"user\": \"12345\", \"group\": \"23456\",
    \"groups\": [\"34567\", \"45678\"] }"
fi
chmod 777 "$T"
mkdir "$T/cwd"
config <<END
{ "env": { "LANG": "C", "TAKEN": "away" },
  "children": [
  { "id": "plain", "start": ["$SVC", "report", "$T/plain"] },
  { "id": "set", "start": ["$SVC", "report", "$T/set", "ready"],
    "ready": "notify", "env": { "MINE": "a b=c", "TAKEN": null },
    "cwd": "$T/cwd", "umask": "027",
    "limits": { "nofile": 99, "core": 0 } },
  { "id": "files", "start": ["$SVC", "say", "out", "complain", "err",
    "report", "$T/files"], "stdout": { "file": "$T/out" },
    "stderr": "stdout" }$users ] }
END
# All of this must stay with otpd.
export LEAKED=value
exec 7< /dev/null 9> "$T/nine"
(
	trap '' PIPE USR1
	# shellcheck disable=SC3045 # every sh has it
	ulimit -Sn 512
	umask 077
	begin -q
	echo "$otpd_pid" > "$T/pid"
)
otpd_pid=$(cat "$T/pid")
exec 7<&- 9>&-
ctl -q sync --timeout 20
reports="plain set files"
[ -n "$root" ] && reports="$reports user numbers"
for r in $reports; do await exists "$T/$r"; done
line() { sed -n "s/^$2 *//p" "$T/$1"; }

for r in $reports; do
	is "$r: 0, 1 and 2 are open, and nothing else" "$(line $r fds)" "0 1 2"
	is "$r: leads a session and a group of its own" "$(line $r leader)" yes
	# 32 and 33 are the C library's own; no program may set them.
	is "$r: no signal is blocked, ignored or pending" \
	    "$((0x$(line $r SigBlk))) $((0x$(line $r SigIgn) & \
	    ~0x180000000)) $((0x$(line $r ShdPnd)))" "0 0 0"
done
ok "whose they are is in their environment" has "$(line plain env)" \
    OTPD_INSTANCE=
is "the environment is what was configured" \
    "$(line plain env | grep -vE '^(PATH|OTPD_INSTANCE)=' | sort | tr '\n' ';')" \
    "LANG=C;OTP_PATH=plain;TAKEN=away;"
ok "with a PATH" has "$(line plain env)" "PATH=/"
is "a child's own variables come on top, null takes one away" \
    "$(line set env | grep -vE '^(PATH|OTPD_INSTANCE)=' | sort | tr '\n' ';')" \
    "LANG=C;MINE=a b=c;NOTIFY_SOCKET=$RUN/notify;OTP_PATH=set;"
is "it runs in /" "$(line plain cwd)" /
is "or where it was told to" "$(line set cwd)" "$T/cwd"
is "its umask is as configured" "$(line set umask)" 027
is "its limits, too" "$(line set nofile) $(line set core)" "99 99 0 0"
is "otherwise those that otpd was started with" \
    "$(line plain nofile | cut -d' ' -f1)" 512
is "its output goes where it was told to" "$(cat "$T/out")" "out
err"
if [ -n "$root" ]; then
	nobody=$(id -u nobody) group=$(id -g nobody)
	is "user: that user's ids" "$(line user uid) $(line user gid)" \
	    "$nobody $nobody $group $group"
	is "user: none of root's groups" \
	    "$(line user groups | tr ' ' '\n' | grep -x 0)" ""
	is "numbers: ids as given" "$(line numbers uid) $(line numbers gid)" \
	    "12345 12345 23456 23456"
	is "numbers: groups as given" "$(line numbers groups |
	    tr ' ' '\n' | grep -v 23456 | sort | tr '\n' ' ')" "34567 45678 "
else
	skip "users and groups: not run by root"
fi
kill -TERM "$otpd_pid"
await gone "$otpd_pid"
is "nothing is left behind" "$(ours)" ""
ok "the sanitizers have nothing to say" \
    not grep -qE 'Sanitizer|runtime error' "$T/stderr"
finish
