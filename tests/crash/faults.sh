#!/bin/sh
# SPDX-License-Identifier: ISC
# One system call in so many fails, on a scripted day.
exec "$OTPD_BUILDDIR/tests/crash/crash_faults" -n 10
