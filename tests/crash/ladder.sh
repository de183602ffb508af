#!/bin/sh
# SPDX-License-Identifier: ISC
# An event that engines die of.
exec "$OTPD_BUILDDIR/tests/crash/crash_ladder"
