#!/bin/sh
# SPDX-License-Identifier: ISC
# There is no logger just as otpd ends: the last lines are written all the same.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

mkdir "$T/libexec"
ln -s "$OTP_LIBEXEC/otp-engine" "$OTP_LIBEXEC/otp-logger" "$T/libexec"
OTP_LIBEXEC=$T/libexec
mkfifo "$T/gate"
config <<END
{ "children": [ { "id": "a", "start": ["$SVC", "say", "line 0", "gate",
  "$T/gate", "lines", "300", "note", "$T/said"] } ] }
END
start
await exists "$LOG/a.log"
await text "line 0" "$LOG/a.log"
pid=$(pid_of a)
logger=$(ctl --json info | pick logger_pid)
kill -STOP "$logger"
exec 4<> "$T/gate"
await lines 1 "$T/said"

# Another can be started only when all services have ended.
mv "$T/libexec/otp-logger" "$T/away"
kill -KILL "$logger"
kill -TERM "$otpd_pid"
await gone "$pid"
mv "$T/away" "$T/libexec/otp-logger"
ended
is "otpd ends with 0" $code 0
is "every line is there, once" "$(wc -l < "$LOG/a.log")" 301
is "nothing is left behind" "$(ours)" ""
finish
