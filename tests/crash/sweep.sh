#!/bin/sh
# SPDX-License-Identifier: ISC
# The engine and the logger die at every so manieth point of a scripted day.
exec "$OTPD_BUILDDIR/tests/crash/crash_sweep" -n 40
