#!/bin/sh
# SPDX-License-Identifier: ISC
# Stands in for the unit tests where the Check library is not installed.
echo "the unit tests need Check (Debian: apt-get install check), then" \
    "./configure again"
exit 77
