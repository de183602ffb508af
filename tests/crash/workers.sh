#!/bin/sh
# SPDX-License-Identifier: ISC
# A little of the random torture of what servers have, and some of it with otpd
# itself killed.
set -e
"$OTPD_BUILDDIR/tests/crash/crash_workers" -n 8
exec "$OTPD_BUILDDIR/tests/crash/crash_workers" -k -n 5
