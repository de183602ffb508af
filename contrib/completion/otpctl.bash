# SPDX-License-Identifier: ISC
# Completion of otpctl for bash.

# The full paths of all children, from the indented tree.
_otpctl_paths()
{
	otpctl "$@" status --timeout 1 2>/dev/null | awk '
	{
		match($0, /^ */)
		depth = RLENGTH / 2
		part[depth] = $1
		path = ""
		for (i = 1; i <= depth; i++)
			path = path (i > 1 ? "/" : "") part[i]
		print depth == 0 ? $1 : path
	}'
}

_otpctl_apps()
{
	otpctl "$@" apps --timeout 1 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_otpctl()
{
	local cur prev word command="" i
	local -a where=()
	local commands="status is-running is-failed wait sync start stop
	    restart signal reload check shutdown events logs why failed info
	    resume upgrade
	    start-child terminate-child restart-child delete-child
	    which-children count-children partition task registry publish
	    apps app call cast send sys agent pool help"

	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-r)	where=(-r "${COMP_WORDS[i + 1]}")
			((i++)) ;;
		-n|--timeout|--since|--sup|--max-concurrency|--prefix)
			((i++)) ;;
		-*)	;;
		*)	command=$word
			break ;;
		esac
	done
	case $prev in
	-r)	mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	-n|--timeout|--since|--max-concurrency|--prefix)
		return ;;
	esac
	if [[ $cur == -* ]]; then
		local options="-q -r --json --timeout --help --version"
		case $command in
		events)	options+=" -f --since" ;;
		logs)	options+=" -f -n" ;;
		why)	options+=" -n" ;;
		reload)	options+=" --dry-run" ;;
		app)	options+=" --alone" ;;
		task)	options+=" --sup --max-concurrency --unordered -0
			    --no-stdin" ;;
		registry) options+=" --prefix" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case $command in
	"")	mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	help)	mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	check|upgrade)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	signal)
		if [[ $prev == signal ]]; then
			mapfile -t COMPREPLY < <(compgen -W "HUP INT QUIT TERM
			    KILL USR1 USR2 STOP CONT" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W \
			    "$(_otpctl_paths "${where[@]}")" -- "$cur")
		fi ;;
	wait)
		if [[ $prev == wait ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
			    "$(_otpctl_paths "${where[@]}")" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "starting running
			    stopping backoff stopped failed gone" -- "$cur")
		fi ;;
	sys)
		if [[ $prev == sys ]]; then
			mapfile -t COMPREPLY < <(compgen -W "get-state
			    get-status suspend resume statistics trace
			    replace-state change-code terminate" -- "$cur")
		elif [[ $prev == "${COMP_WORDS[i + 1]}" ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
			    "$(_otpctl_paths "${where[@]}")" -- "$cur")
		elif [[ ${COMP_WORDS[i + 1]} == trace ]]; then
			mapfile -t COMPREPLY < <(compgen -W "on off" -- "$cur")
		fi ;;
	agent)
		if [[ $prev == agent ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
			    "$(_otpctl_paths "${where[@]}")" -- "$cur")
		elif [[ $prev == "${COMP_WORDS[i + 1]}" ]]; then
			mapfile -t COMPREPLY < <(compgen -W "get put update
			    delete get-and-update" -- "$cur")
		fi ;;
	registry|publish)
		if [[ $prev == "$command" ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(otpctl \
			    "${where[@]}" registry --timeout 1 2>/dev/null |
			    awk 'NR > 1 { print $1 }')" -- "$cur")
		fi ;;
	app)
		if [[ $prev == app ]]; then
			mapfile -t COMPREPLY < <(compgen -W "start stop
			    restart env" -- "$cur")
		elif [[ $prev == "${COMP_WORDS[i + 1]}" ||
		    $prev == --alone ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
			    "$(_otpctl_apps "${where[@]}")" -- "$cur")
		fi ;;
	sync|reload|shutdown|events|failed|info|resume|apps)
		;;
	*)	mapfile -t COMPREPLY < <(compgen -W \
		    "$(_otpctl_paths "${where[@]}")" -- "$cur") ;;
	esac
}
complete -F _otpctl otpctl
