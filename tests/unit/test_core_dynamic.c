/* SPDX-License-Identifier: ISC */
/*
 * A row for every rule of Elixir's DynamicSupervisor.
 */
#include "core_rig.h"

#define BOOTED	"start s, start root | "

static const struct rig_row rows[] = {
	/* children arrive with specifications of their own */
	{ "there is no child at start",
	  "root( s:dynamic( ) )", "which s; count s",
	  BOOTED "= [] | = ok" },
	{ "one that has a template has none at start either",
	  "root( s:dynamic( t ) )", "which s", BOOTED "= []" },
	{ "each child goes by its own specification",
	  "root( s:dynamic( ) )",
	  "start_child s a; start_child s b:transient; "
	  "start_child s c:temporary; exit a normal; exit b normal; "
	  "exit c abnormal; which s",
	  BOOTED "start a, = started | start b, = started | "
	  "start c, = started | stop a normal, start a | stop b normal | "
	  "stop c abnormal | = [a running]" },
	{ "a transient restarts after an abnormal end only",
	  "root( s:dynamic( ) )",
	  "start_child s a:transient; exit a abnormal; exit a shutdown; "
	  "count s",
	  BOOTED "start a, = started | stop a abnormal, start a | "
	  "stop a shutdown | = ok" },
	{ "ids may repeat: later ones get a number",
	  "root( s:dynamic( ) )",
	  "start_child s w; start_child s w; start_child s v; "
	  "start_child s w; which s",
	  BOOTED "start w, = started | start w~1, = started | "
	  "start v, = started | start w~3, = started | "
	  "= [w~3 running v running w~1 running w running]" },
	{ "a number is not given again, an id is",
	  "root( s:dynamic( ) )",
	  "start_child s w; start_child s w; terminate_child s w~1; "
	  "terminate_child s w; start_child s w; start_child s w; which s",
	  BOOTED "start w, = started | start w~1, = started | "
	  "stop w~1 shutdown, = ok | stop w shutdown, = ok | "
	  "start w, = started | start w~3, = started | "
	  "= [w~3 running w running]" },
	{ "ids of calls that wait are taken, too",
	  "root( s:dynamic( ) )",
	  "arm w hold; +start_child s w; +start_child s w; start_child s w; "
	  "release w ok; which s",
	  BOOTED " |  |  | start w, = started, start w~1, = started, "
	  "start w~2, = started | = [w~2 running w~1 running w running]" },
	{ "also when none of them has begun",
	  "root( s:dynamic( ) )",
	  "arm a hold; start_child s a; +start_child s w; start_child s w; "
	  "release a ok; which s",
	  BOOTED " |  |  | start a, = started, start w, = started, "
	  "start w~1, = started | = [w~1 running w running a running]" },
	{ "a failed start leaves nothing and is not retried",
	  "root( s:dynamic( ) )",
	  "arm a error; start_child s a; wait 9999; which s; state s",
	  BOOTED "fail a, = start_failed |  | = [] | "
	  "running starts 1 restarts 0, recent 0" },
	{ "an ignored start leaves nothing",
	  "root( s:dynamic( ) )",
	  "arm a ignore; start_child s a; which s",
	  BOOTED "ignore a, = ignored | = []" },
	{ "a supervisor may be a child",
	  "root( s:dynamic( ) )",
	  "start_child s t:one_for_all( x y ); exit x abnormal; count s; "
	  "terminate_child s t; count s",
	  BOOTED "start x, start y, start t, = started | "
	  "stop x abnormal, stop y shutdown, start x, start y | "
	  "= 1 1 1 0 | stop y shutdown, stop x shutdown, stop t shutdown, "
	  "= ok | = ok" },

	/* max_children */
	{ "at the limit nothing is started",
	  "root( s:dynamic:max=2( ) )",
	  "start_child s a; start_child s b; start_child s c; which s; "
	  "terminate_child s a; start_child s c",
	  BOOTED "start a, = started | start b, = started | "
	  "= max_children | = [b running a running] | "
	  "stop a shutdown, = ok | start c, = started" },
	{ "a limit of none",
	  "root( s:dynamic:max=0( ) )", "start_child s a",
	  BOOTED "= max_children" },
	{ "those that are being restarted count",
	  "root( s:dynamic:max=1:5/5000( ) )",
	  "start_child s a; arm a error; +exit a abnormal; start_child s b",
	  BOOTED "start a, = started |  | stop a abnormal | fail a, "
	  "= max_children, start a" },
	{ "one that went makes room",
	  "root( s:dynamic:max=1( ) )",
	  "start_child s a:temporary; exit a abnormal; start_child s b",
	  BOOTED "start a, = started | stop a abnormal | "
	  "start b, = started" },

	/* restarts */
	{ "each is restarted alone, one intensity for all; then shutdown",
	  "root( s:dynamic:1/5000( ) a )",
	  "start_child s i; start_child s j; exit i abnormal; "
	  "exit j abnormal; which s",
	  "start s, start a, start root | start i, = started | "
	  "start j, = started | stop i abnormal, start i | "
	  "stop j abnormal, stop i shutdown, stop s shutdown, start s | "
	  "= []" },
	{ "over the limit it ends with shutdown: a transient one stays down",
	  "root( s:transient:dynamic:0/5000( ) )",
	  "start_child s i; exit i abnormal; which root",
	  BOOTED "start i, = started | stop i abnormal, stop s shutdown | "
	  "= [s stopped]" },
	{ "a failing restart is retried and counted",
	  "root( s:dynamic:2/5000( ) )",
	  "start_child s i; arm i error; exit i abnormal; state s",
	  BOOTED "start i, = started |  | stop i abnormal, fail i, start i | "
	  "running starts 1 restarts 0, recent 2" },
	{ "one that always fails ends the supervisor",
	  "root( s:transient:dynamic:2/5000( ) )",
	  "start_child s i; start_child s j; arm i error error error; "
	  "exit i abnormal",
	  BOOTED "start i, = started | start j, = started |  | "
	  "stop i abnormal, fail i, fail i, stop j shutdown, "
	  "stop s shutdown" },
	{ "a restart that says ignore drops the child",
	  "root( s:dynamic( ) )",
	  "start_child s i; arm i ignore; exit i abnormal; which s; count s",
	  BOOTED "start i, = started |  | stop i abnormal, ignore i | "
	  "= [] | = ok" },

	/* terminate_child */
	{ "terminate_child by id: ok once, then not_found",
	  "root( s:dynamic( ) )",
	  "start_child s a; terminate_child s a; terminate_child s a; "
	  "terminate_child s z; which s",
	  BOOTED "start a, = started | stop a shutdown, = ok | "
	  "= not_found | = not_found | = []" },
	{ "terminate_child by pid: ok for the living, the dead not_found",
	  "root( s:dynamic( ) )",
	  "start_child s a; pid a; terminate_pid s a; terminate_pid s a",
	  BOOTED "start a, = started |  | stop a shutdown, = ok | "
	  "= not_found" },
	{ "the pid of the life before is dead",
	  "root( s:dynamic( ) )",
	  "start_child s a; pid a; exit a abnormal; terminate_pid s a; "
	  "which s",
	  BOOTED "start a, = started |  | stop a abnormal, start a | "
	  "= not_found | = [a running]" },
	{ "simple_one_for_one by pid: ok for the dead, too",
	  "root( s:simple_one_for_one( t ) )",
	  "start_child s a; pid a; terminate_pid s a; terminate_pid s a",
	  BOOTED "start a, = started |  | stop a shutdown, = ok | = ok" },
	{ "a termination is no crash",
	  "root( s:dynamic:0/5000( ) )",
	  "start_child s a:exit1; terminate_child s a; state s",
	  BOOTED "start a, = started | stop a abnormal, = ok | "
	  "running starts 1 restarts 0, recent 0" },

	/* what it does not have */
	{ "restart_child and delete_child do not exist",
	  "root( s:dynamic( ) )",
	  "start_child s a; restart_child s a; delete_child s a; "
	  "restart_child s z; delete_child s z; which s",
	  BOOTED "start a, = started | = invalid | = invalid | "
	  "= invalid | = invalid | = [a running]" },

	/* stopping */
	{ "all are stopped at once, each with its own deadline",
	  "root( s:dynamic( ) )",
	  "start_child s i:30ms:ignore; start_child s j:50ms:ignore; "
	  "start_child s k:slow=40; start_child s l:kill; "
	  "terminate_child root s; wait 29; wait 1; wait 10; wait 9; wait 1",
	  BOOTED "start i, = started | start j, = started | "
	  "start k, = started | start l, = started | stop l killed |  | "
	  "stop i killed | stop k shutdown |  | "
	  "stop j killed, stop s shutdown, = ok" },
	{ "one with time without end is waited for",
	  "root( s:dynamic( ) )",
	  "start_child s i:infinity:slow=100000; start_child s j; shutdown; "
	  "wait 99999; wait 1",
	  BOOTED "start i, = started | start j, = started | "
	  "stop j shutdown |  | stop i shutdown, stop s shutdown, "
	  "stop root shutdown" },
	{ "a supervisor among them has its own deadline",
	  "root( s:dynamic( ) )",
	  "start_child s t:50ms( x:ignore ); start_child s u( y ); "
	  "start_child s e( ); start_child s k:kill( z ); shutdown; "
	  "wait 49; wait 1",
	  BOOTED "start x, start t, = started | "
	  "start y, start u, = started | start e, = started | "
	  "start z, start k, = started | stop e shutdown, "
	  "stop y shutdown, stop u shutdown, stop z killed, "
	  "stop k killed |  | stop x killed, stop t killed, "
	  "stop s shutdown, stop root shutdown" },
	{ "it is killed with all of them when its own time is up",
	  "root( s:dynamic:50ms( ) )",
	  "start_child s i:ignore; start_child s j:infinity:ignore; "
	  "terminate_child root s; wait 50",
	  BOOTED "start i, = started | start j, = started |  | "
	  "stop i killed, stop j killed, stop s killed, = ok" },
	{ "restarted, it has forgotten them",
	  "root:one_for_all( s:dynamic( ) a )",
	  "start_child s i; exit a abnormal; which s",
	  "start s, start a, start root | start i, = started | "
	  "stop a abnormal, stop i shutdown, stop s shutdown, start s, "
	  "start a | = []" },

	/* questions */
	{ "count: as many specs as children, by type",
	  "root( s:dynamic( ) )",
	  "start_child s a; start_child s t( x ); start_child s b; count s",
	  BOOTED "start a, = started | start x, start t, = started | "
	  "start b, = started | = 3 3 1 2" },
	{ "one is active until its end was read, another's start goes first",
	  "root( s:dynamic( ) )",
	  "start_child s a; arm b hold; start_child s b; +count s; "
	  "exit a abnormal; release b ok",
	  BOOTED "start a, = started |  |  |  | stop a abnormal | "
	  "start b, = started, = 2 2 0 2, start a" },
	{ "one that is being restarted is not active",
	  "root( s:dynamic( ) )",
	  "start_child s a; arm a error; +exit a abnormal; +which s; count s",
	  BOOTED "start a, = started |  | stop a abnormal |  | fail a, "
	  "= [a restarting], = 1 0 0 1, start a" },
	{ "one that is being restarted is terminated, and stays so",
	  "root( s:dynamic( ) )",
	  "start_child s a; arm a error; +exit a abnormal; "
	  "terminate_child s a; count s",
	  BOOTED "start a, = started |  | stop a abnormal | fail a, = ok | "
	  "= ok" },
	{ "calls on one that is not alive: noproc",
	  "root( s:dynamic( ) )",
	  "terminate_child root s; start_child s a; terminate_child s a; "
	  "which s; count s",
	  BOOTED "stop s shutdown, = ok | = noproc | = noproc | = noproc | "
	  "= noproc" },

	/* a reload */
	{ "a reload leaves its children alone",
	  "root( s:dynamic( ) a )",
	  "start_child s i; reload root( a s:dynamic:max=1( ) ); which s; "
	  "start_child s j",
	  "start s, start a, start root | start i, = started | = ok | "
	  "= [i running] | = max_children" },
	{ "another kind of supervisor is another supervisor",
	  "root( s:dynamic( ) )",
	  "start_child s i; reload root( s( x ) ); which s",
	  BOOTED "start i, = started | stop i shutdown, stop s shutdown, "
	  "start x, start s, = ok | = [x running]" },
	{ "a template that came, changed and went",
	  "root( s:dynamic( ) )",
	  "start_child s i; reload root( s:dynamic( t ) ); "
	  "reload root( s:dynamic( t:v=2 ) ); reload root( s:dynamic( ) ); "
	  "which s",
	  BOOTED "start i, = started | = ok | = ok | = ok | "
	  "= [i running]" },
};

int
main(void)
{
	return rig_rules("core dynamic", rows, sizeof(rows) / sizeof(rows[0]));
}
