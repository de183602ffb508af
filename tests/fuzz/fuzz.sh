#!/bin/sh
# SPDX-License-Identifier: ISC
# Runs fuzz targets that were built with a fuzzing engine, FUZZ_SECONDS each
# (60).  New inputs are kept in fuzz-corpus/, crashes in fuzz-crashes/.
#
#   fuzz.sh TARGET...
set -eu
seconds=${FUZZ_SECONDS-60}
mkdir -p fuzz-corpus fuzz-crashes
for target; do
	name=${target##*/fuzz_}
	seeds=$OTPD_SRCDIR/tests/fuzz/corpus/$name
	mkdir -p "fuzz-corpus/$name"
	echo "$name: $seconds s"
	case ${CC-} in
	*afl*)
		AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 \
		AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
		    afl-fuzz -V "$seconds" -i "$seeds" -o "fuzz-crashes/$name" \
		    -- "$target" > "fuzz-crashes/$name.log" 2>&1 || {
			tail -n 20 "fuzz-crashes/$name.log"
			exit 1
		}
		if find "fuzz-crashes/$name" -path '*crashes/id*' | grep .; then
			exit 1
		fi
		;;
	*)
		"$target" -max_total_time="$seconds" -timeout=30 \
		    -print_final_stats=1 \
		    -artifact_prefix="fuzz-crashes/$name-" \
		    "fuzz-corpus/$name" "$seeds" \
		    > "fuzz-crashes/$name.log" 2>&1 || {
			tail -n 40 "fuzz-crashes/$name.log"
			exit 1
		}
		grep 'number_of_executed' "fuzz-crashes/$name.log"
		;;
	esac
done
