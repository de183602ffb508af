#!/bin/sh
# SPDX-License-Identifier: ISC
# One system call in so many fails, on a scripted day.  The same ones each time:
# what fails here is then of the last change.  check-long tries all.
exec "$OTPD_BUILDDIR/tests/crash/crash_faults" -n 10 -s 1
