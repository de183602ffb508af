#!/bin/sh
# SPDX-License-Identifier: ISC
# The engine and the logger die at every so manieth point of a scripted day.
cd "$OTPD_SRCDIR" || exit 99
# A file that is not compiled for otp-engine-crash has no such points there.
for file in $(grep -l 'engine/crashpoint.h"' src/engine/*.c); do
	[ -n "${ENGINE_POINTS-}" ] || break
	case " $ENGINE_POINTS src/engine/crashpoint.c " in
	*" $file "*) ;;
	*) echo "$file is not among ENGINE_POINTS"; exit 1 ;;
	esac
done
cd "$OTPD_BUILDDIR" || exit 99
exec tests/crash/crash_sweep -n 40
