#!/bin/sh
# SPDX-License-Identifier: ISC
# A little of the random torture.
exec "$OTPD_BUILDDIR/tests/crash/crash_torture" -n 40
