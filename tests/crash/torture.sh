#!/bin/sh
# SPDX-License-Identifier: ISC
# A little of the random torture, and some of it with otpd itself killed.
set -e
"$OTPD_BUILDDIR/tests/crash/crash_torture" -n 30
exec "$OTPD_BUILDDIR/tests/crash/crash_torture" -k -n 15
