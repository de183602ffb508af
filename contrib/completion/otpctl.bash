# SPDX-License-Identifier: ISC
# Completion of otpctl for bash.

# Of all children, by their JSON: the paths of all, of those of one "type" or
# "kind"; servers also by name.
_otpctl_children()
{
	local which=$1

	shift
	otpctl "$@" status --json --timeout 1 2>/dev/null | awk -v which="$which" '
	function value(key)
	{
		if (!match(child, "\"" key "\":\"[^\"]*\""))
			return ""
		return substr(child, RSTART + length(key) + 4,
		    RLENGTH - length(key) - 5)
	}
	{
		n = split($0, children, /[{]"path":/)
		for (i = 2; i <= n; i++) {
			child = "\"path\":" children[i]
			if (which != "" && value("type") != which &&
			    value("kind") != which)
				continue
			print value("path")
			if (which == "gen_server")
				print value("name")
		}
	}'
}

# The first column of a table that otpctl prints.
_otpctl_column()
{
	otpctl "$@" --timeout 1 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_otpctl()
{
	local cur prev word command="" words="" kind="" i
	local -a where=() args=()
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
		*)	if [[ $command == "" ]]; then
				command=$word
			else
				args+=("$word")
			fi ;;
		esac
	done
	case $prev in
	-r)	mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	--sup)	mapfile -t COMPREPLY < <(compgen -W \
		    "$(_otpctl_children supervisor "${where[@]}")" -- "$cur")
		return ;;
	-n|--timeout|--since|--max-concurrency|--prefix)
		return ;;
	esac
	if [[ $command == task && ${#args[@]} -gt 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return		# the options are those of what it runs
	fi
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
	case $command:${#args[@]} in
	:*|help:*)
		words=$commands ;;
	check:*|upgrade:*)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	signal:0)
		words="HUP INT QUIT TERM KILL USR1 USR2 STOP CONT" ;;
	wait:1)	words="starting running stopping backoff stopped failed gone" ;;
	sys:0)	words="get-state get-status suspend resume statistics trace
		    replace-state change-code terminate" ;;
	sys:2)	[[ ${args[0]} == trace ]] && words="on off" ;;
	agent:1)
		words="get put update delete get-and-update" ;;
	task:0)	words=run ;;
	task:1)	mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		return ;;
	call:0|cast:0|send:0|sys:1|agent:0|pool:0)
		kind=gen_server ;;
	start-child:0|terminate-child:0|restart-child:0|delete-child:0|\
	which-children:0|count-children:0|partition:0)
		kind=supervisor ;;
	terminate-child:1|restart-child:1|delete-child:1)
		words=$(_otpctl_column "${where[@]}" which-children \
		    "${args[0]}") ;;
	registry:0|publish:0)
		words=$(_otpctl_column "${where[@]}" registry) ;;
	app:0)	words="start stop restart env" ;;
	app:1)	words=$(_otpctl_column "${where[@]}" apps) ;;
	status:*|is-running:0|is-failed:0|wait:0|start:*|stop:*|restart:*|\
	signal:*|logs:0|why:0)
		words=$(_otpctl_children "" "${where[@]}") ;;
	esac
	[[ $kind != "" ]] &&
		words=$(_otpctl_children "$kind" "${where[@]}")
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _otpctl otpctl
