#!/bin/sh
# SPDX-License-Identifier: ISC
# Every function that the programs take from outside is in the table of calls,
# so that none is forgotten when faults are injected; and none too many.
. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

: "${NM:=nm}"
table=$("$OTPD_BUILDDIR/tests/crash/crash_faults" -t)

# What a compiler puts in by itself, and fortified or versioned names.
used() {
	# shellcheck disable=SC2086 # it may have options
	$NM -u "$1" | sed -e 's/.* //' -e 's/@.*//' -e 's/^__isoc[0-9]*_//' |
	    grep -vE '^(_ITM_|__(asan|ubsan|lsan|tsan|msan|sanitizer|gcov)_)' |
	    grep -vE '^__(cxa_finalize|errno_location|gmon_start__)$' |
	    grep -vE '^__(libc_start_main|stack_chk_fail|assert_fail)$' |
	    grep -vE '^__(ctype_b_loc|ctype_tolower_loc|chk_fail)$' |
	    grep -vE '^__(libc_current_sigrtmax|memcpy_chk|memmove_chk)$' |
	    grep -vE '^(cJSON_|llvm_|__llvm_)' |
	    grep -vE '^((__)?environ|opt(arg|err|ind|opt)|std(err|out))$' |
	    sed -e 's/^__\(.*\)_chk$/\1/' -e 's/^__\(.*\)_alias$/\1/' | sort -u
}

# A row is of the programs whose letters it has, in either case, or of any.
for program in otpd:o otp-engine:e otp-logger:l; do
	letter=${program#*:} program=${program%:*}
	missing=
	calls=$(used "$OTPD_BUILDDIR/$program")
	for f in ${calls:-nothing_at_all}; do
		echo "$table" | grep -qiE "^$f ([oel]*$letter|-)" ||
		    missing="$missing $f"
	done
	if [ -z "$missing" ]; then
		pass "every call of $program is in the table"
	else
		fail "calls of $program that tests/crash/fault_calls.h does" \
		    "not have:$missing"
	fi
done

# Nothing is decided by a clock that people set: these stamp events and lines.
clocks=$(cd "$OTPD_SRCDIR/src" && grep -lE \
    'CLOCK_REALTIME\)?[,;)]|gettimeofday\(|[^_a-z]time\((NULL|&)' \
    spawner/*.c engine/*.c logger/*.c loop/*.c core/*.c libotp/peer.c \
    libotp/server.c | tr '\n' ' ')
stamps="engine/act.c engine/ended.c engine/events.c engine/ops_ask.c "
stamps="${stamps}engine/status.c logger/stamp.c "
if [ "$clocks" = "$stamps" ]; then
	pass "the clock of the day is only shown to people"
else
	fail "the clock of the day is read in $clocks"
fi
finish
