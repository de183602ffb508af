#!/bin/sh
# SPDX-License-Identifier: ISC
# A little of the random torture of what servers have.
exec "$OTPD_BUILDDIR/tests/crash/crash_workers" -n 20
