/* SPDX-License-Identifier: ISC */
/*
 * A row for every rule of OTP's supervisor.
 */
#include "core_rig.h"

static const struct rig_row rows[] = {
	/* starting */
	{ "children start in list order, one at a time, the parent last",
	  "root( a s( x y ) b )", "",
	  "start a, start x, start y, start s, start b, start root" },
	{ "the next child starts only when the one before is ready",
	  "root( a b )", "arm a hold; state b; release a ok",
	  " | stopped starts 0 restarts 0 | start a, start b, start root" },
	{ "a failed first start takes down what was started, in reverse",
	  "root( a b c d )", "arm c error; state root",
	  "start a, start b, fail c, stop b shutdown, stop a shutdown, "
	  "fail root | stopped failed starts 1 restarts 0, recent 0" },
	{ "a nested supervisor that fails to start is one failed child",
	  "root( a s( x y ) b )", "arm y error",
	  "start a, start x, fail y, stop x shutdown, fail s, "
	  "stop a shutdown, fail root" },
	{ "an ignored permanent or transient stays, stopped",
	  "root( a b:transient c )", "arm a ignore; arm b ignore; which root",
	  "ignore a, ignore b, start c, start root | "
	  "= [c running b stopped a stopped]" },
	{ "an ignored temporary is dropped",
	  "root( a:temporary b )", "arm a ignore; which root",
	  "ignore a, start b, start root | = [b running]" },
	{ "an ignored child can be started by restart_child",
	  "root( a )", "arm a ignore; restart_child root a",
	  "ignore a, start root | start a, = started" },
	{ "a failing first start is final: nothing retries it",
	  "root( a )", "arm a error; wait 10000",
	  "fail a, fail root | " },
	{ "an empty supervisor is ready at once",
	  "root( )", "count root", "start root | = ok" },

	/* stopping */
	{ "shutdown stops in reverse order",
	  "root( a s( x y ) b )", "shutdown",
	  "start a, start x, start y, start s, start b, start root | "
	  "stop b shutdown, stop y shutdown, stop x shutdown, "
	  "stop s shutdown, stop a shutdown, stop root shutdown" },
	{ "brutal_kill kills and does not ask",
	  "root( a:kill )", "terminate_child root a",
	  "start a, start root | stop a killed, = ok" },
	{ "one that does not obey is killed when its time is up",
	  "root( a:50ms:ignore )", "terminate_child root a; wait 49; wait 1",
	  "start a, start root |  |  | stop a killed, = ok" },
	{ "infinity waits for ever",
	  "root( a:infinity:slow=100000 )",
	  "terminate_child root a; wait 99999; wait 1",
	  "start a, start root |  |  | stop a shutdown, = ok" },
	{ "a timeout of 0 kills at once",
	  "root( a:0ms:ignore )", "terminate_child root a",
	  "start a, start root | stop a killed, = ok" },
	{ "the next is asked only when the one before is gone",
	  "root( a b:slow=30 )", "shutdown; wait 29; wait 1",
	  "start a, start b, start root |  |  | stop b shutdown, "
	  "stop a shutdown, stop root shutdown" },
	{ "however it ends while being stopped is no crash",
	  "root:one_for_one:0/5000( a:exit1 b:exit0 )",
	  "terminate_child root a; terminate_child root b; which root",
	  "start a, start b, start root | stop a abnormal, = ok | "
	  "stop b normal, = ok | = [b stopped a stopped]" },
	{ "an unread exit is consumed by the stop of its child",
	  "root:one_for_all:1/5000( a b c )",
	  "+exit a abnormal; exit b abnormal; state root",
	  "start a, start b, start c, start root | stop a abnormal | "
	  "stop b abnormal, stop c shutdown, start a, start b, start c | "
	  "running starts 1 restarts 0, recent 1" },
	{ "a nested supervisor whose time is up is killed with all below",
	  "root( s:50ms( x:ignore y:ignore t( z ) ) )",
	  "terminate_child root s; wait 50",
	  "start x, start y, start z, start t, start s, start root | "
	  "stop z shutdown, stop t shutdown | "
	  "stop x killed, stop y killed, stop s killed, = ok" },
	{ "a stopped child needs no stopping",
	  "root( a b )", "terminate_child root a; shutdown",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "stop b shutdown, stop root shutdown" },
	/* which end is followed by a restart */
	{ "permanent restarts whatever the reason",
	  "root( a )", "exit a normal; exit a shutdown; exit a abnormal",
	  "start a, start root | stop a normal, start a | "
	  "stop a shutdown, start a | stop a abnormal, start a" },
	{ "transient restarts after an abnormal end only",
	  "root( a:transient b:transient c:transient )",
	  "exit a normal; exit b shutdown; exit c kill; which root",
	  "start a, start b, start c, start root | stop a normal | "
	  "stop b shutdown | stop c killed, start c | "
	  "= [c running b stopped a stopped]" },
	{ "temporary never restarts and is dropped",
	  "root( a:temporary b:temporary )",
	  "exit a normal; exit b abnormal; count root",
	  "start a, start b, start root | stop a normal | "
	  "stop b abnormal | = ok" },
	{ "a temporary's crash disturbs nobody, whatever the strategy",
	  "root:one_for_all( a b:temporary )", "exit b abnormal",
	  "start a, start b, start root | stop b abnormal" },

	/* intensity */
	{ "as many restarts as allowed are fine, one more is too many",
	  "root:one_for_one:2/5000( a b )",
	  "exit a abnormal; exit b abnormal; exit a abnormal",
	  "start a, start b, start root | stop a abnormal, start a | "
	  "stop b abnormal, start b | "
	  "stop a abnormal, stop b shutdown, stop root shutdown" },
	{ "intensity 0: the first restart that is needed ends it",
	  "root:one_for_one:0/5000( a b:temporary )",
	  "exit b abnormal; exit a normal",
	  "start a, start b, start root | stop b abnormal | "
	  "stop a normal, stop root shutdown" },
	{ "exactly one period old still counts",
	  "root:one_for_one:1/1000( a )",
	  "exit a abnormal; wait 1000; exit a abnormal",
	  "start a, start root | stop a abnormal, start a |  | "
	  "stop a abnormal, stop root shutdown" },
	{ "older than the period is forgotten",
	  "root:one_for_one:1/1000( a )",
	  "exit a abnormal; wait 1001; exit a abnormal; state root",
	  "start a, start root | stop a abnormal, start a |  | "
	  "stop a abnormal, start a | running starts 1 restarts 0, "
	  "recent 1" },
	{ "a group restart counts once",
	  "root:one_for_all:1/5000( a b c )", "exit b abnormal; state root",
	  "start a, start b, start c, start root | stop b abnormal, "
	  "stop c shutdown, stop a shutdown, start a, start b, start c | "
	  "running starts 1 restarts 0, recent 1" },
	{ "a failed attempt has counted, and its retry counts again",
	  "root:one_for_one:3/5000( a )",
	  "arm b error; arm a ok error error; exit a abnormal; state root",
	  "start a, start root | stop a abnormal, fail a, fail a, start a | "
	  "running starts 1 restarts 0, recent 3" },
	{ "a start that always fails ends the supervisor without a pause",
	  "root:one_for_one:2/5000( a b )",
	  "arm a ok error error error; exit a abnormal",
	  "start a, start b, start root | stop a abnormal, fail a, fail a, "
	  "stop b shutdown, stop root shutdown" },
	{ "calls count nothing",
	  "root:one_for_one:0/5000( a b:transient )",
	  "terminate_child root a; restart_child root a; exit b normal; "
	  "state root",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "start a, = started | stop b normal | "
	  "running starts 1 restarts 0, recent 0" },
	{ "no limit at all",
	  "root:one_for_one:inf/5000( a )",
	  "exit a abnormal; exit a abnormal; exit a abnormal; state a",
	  "start a, start root | stop a abnormal, start a | "
	  "stop a abnormal, start a | stop a abnormal, start a | "
	  "running starts 4 restarts 3" },

	/* the strategies */
	{ "one_for_one starts that child alone",
	  "root( a b c )", "exit b abnormal",
	  "start a, start b, start c, start root | "
	  "stop b abnormal, start b" },
	{ "rest_for_one takes those after it along",
	  "root:rest_for_one( a b c d )", "exit b abnormal",
	  "start a, start b, start c, start d, start root | "
	  "stop b abnormal, stop d shutdown, stop c shutdown, "
	  "start b, start c, start d" },
	{ "a group restart starts stopped siblings too",
	  "root:one_for_all( a b:transient c )",
	  "exit b normal; terminate_child root c; exit a abnormal",
	  "start a, start b, start c, start root | stop b normal | "
	  "stop c shutdown, = ok | stop a abnormal, start a, start b, "
	  "start c" },
	{ "rest_for_one leaves a stopped one before it stopped",
	  "root:rest_for_one( a:transient b c:transient )",
	  "exit a normal; exit c normal; exit b abnormal",
	  "start a, start b, start c, start root | stop a normal | "
	  "stop c normal | stop b abnormal, start b, start c" },
	{ "one_for_one leaves stopped siblings stopped",
	  "root( a b )", "terminate_child root a; exit b abnormal",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "stop b abnormal, start b" },
	{ "a group restart drops temporary siblings for good",
	  "root:one_for_all( a b:temporary c )",
	  "exit a abnormal; which root; start_child root b",
	  "start a, start b, start c, start root | stop a abnormal, "
	  "stop c shutdown, stop b shutdown, start a, start c | "
	  "= [c running a running] | start b, = started" },
	{ "one_for_all without its first child, which was temporary",
	  "root:one_for_all( t:temporary a b )", "exit b abnormal",
	  "start t, start a, start b, start root | stop b abnormal, "
	  "stop a shutdown, stop t shutdown, start a, start b" },
	{ "rest_for_one keeps a temporary before the crash",
	  "root:rest_for_one( a:temporary b c:temporary )",
	  "exit b abnormal; which root",
	  "start a, start b, start c, start root | stop b abnormal, "
	  "stop c shutdown, start b | = [b running a running]" },
	{ "an ignore in a group restart leaves that one stopped",
	  "root:one_for_all( a b c )", "arm b ok ignore; exit a abnormal; "
	  "which root",
	  "start a, start b, start c, start root | stop a abnormal, "
	  "stop c shutdown, stop b shutdown, start a, ignore b, start c | "
	  "= [c running b stopped a running]" },
	{ "an ignore in a one_for_one restart leaves it stopped",
	  "root( a )", "arm a ok ignore; exit a abnormal; which root",
	  "start a, start root | stop a abnormal, ignore a | "
	  "= [a stopped]" },
	{ "start_child appends, delete and start moves to the end",
	  "root( a b )",
	  "terminate_child root a; delete_child root a; start_child root a; "
	  "which root",
	  "start a, start b, start root | stop a shutdown, = ok | = ok | "
	  "start a, = started | = [a running b running]" },
	{ "terminate and restart keeps its place",
	  "root( a b )",
	  "terminate_child root a; restart_child root a; which root",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "start a, = started | = [b running a running]" },

	/* the retry loop */
	{ "rest_for_one retries at the child that failed",
	  "root:rest_for_one( a b c )", "arm b ok error; exit a abnormal",
	  "start a, start b, start c, start root | stop a abnormal, "
	  "stop c shutdown, stop b shutdown, start a, fail b, start b, "
	  "start c" },
	{ "one_for_all stops again what had come up",
	  "root:one_for_all( a b c )", "arm b ok error; exit a abnormal",
	  "start a, start b, start c, start root | stop a abnormal, "
	  "stop c shutdown, stop b shutdown, start a, fail b, "
	  "stop a shutdown, start a, start b, start c" },
	{ "a nested supervisor's failed restart is one failed attempt",
	  "root:one_for_one:5/5000( s:one_for_one:0/5000( x ) )",
	  "arm x ok error; exit x abnormal; state root",
	  "start x, start s, start root | stop x abnormal, "
	  "stop s shutdown, fail x, fail s, start x, start s | "
	  "running starts 1 restarts 0, recent 2" },

	/* significant children */
	{ "any_significant: a transient's clean end shuts down",
	  "root:any( a b:transient:significant )", "exit b normal",
	  "start a, start b, start root | stop b normal, stop a shutdown, "
	  "stop root shutdown" },
	{ "any_significant: a temporary's end, whatever the reason",
	  "root:any( a b:temporary:significant )", "exit b abnormal",
	  "start a, start b, start root | stop b abnormal, "
	  "stop a shutdown, stop root shutdown" },
	{ "any_significant: not when it will be restarted",
	  "root:any( a b:transient:significant )", "exit b abnormal",
	  "start a, start b, start root | stop b abnormal, start b" },
	{ "any_significant: not by terminate_child",
	  "root:any( a b:transient:significant )", "terminate_child root b",
	  "start a, start b, start root | stop b shutdown, = ok" },
	{ "all_significant: only the last one triggers it",
	  "root:all( a b:transient:significant c:temporary:significant )",
	  "exit b normal; exit c abnormal",
	  "start a, start b, start c, start root | stop b normal | "
	  "stop c abnormal, stop a shutdown, stop root shutdown" },
	{ "all_significant: one terminated by hand counts as gone",
	  "root:all( b:transient:significant c:transient:significant )",
	  "terminate_child root b; exit c normal",
	  "start b, start c, start root | stop b shutdown, = ok | "
	  "stop c normal, stop root shutdown" },
	{ "all_significant: one restarted by hand counts again",
	  "root:all( b:transient:significant c:transient:significant )",
	  "exit b normal; restart_child root b; exit c normal",
	  "start b, start c, start root | stop b normal | "
	  "start b, = started | stop c normal" },
	{ "a bystander of a group restart triggers nothing",
	  "root:one_for_all:any( a b:temporary:significant )",
	  "exit a abnormal",
	  "start a, start b, start root | stop a abnormal, "
	  "stop b shutdown, start a" },
	{ "the shutdown of a significant supervisor passes on",
	  "root:any( s:transient:significant:any( "
	  "x:transient:significant ) )", "exit x normal",
	  "start x, start s, start root | stop x normal, stop s shutdown, "
	  "stop root shutdown" },
	{ "a permanent supervisor that shut down starts anew, and counts",
	  "root( s:any( x:transient:significant ) )",
	  "exit x normal; state root",
	  "start x, start s, start root | stop x normal, stop s shutdown, "
	  "start x, start s | running starts 1 restarts 0, recent 1" },

	/* nested supervisors */
	{ "one that gave up is restarted by its parent's strategy",
	  "root:rest_for_one( a s:one_for_one:0/5000( x ) b )",
	  "exit x abnormal",
	  "start a, start x, start s, start b, start root | "
	  "stop x abnormal, stop s shutdown, stop b shutdown, start x, "
	  "start s, start b" },
	{ "giving up is clean: a transient one stays stopped",
	  "root( s:transient:one_for_one:0/5000( x ) )",
	  "exit x abnormal; which root; state s",
	  "start x, start s, start root | stop x abnormal, "
	  "stop s shutdown | = [s stopped] | "
	  "stopped failed starts 1 restarts 0, recent 1" },
	{ "a temporary one that gave up is dropped",
	  "root( s:temporary:one_for_one:0/5000( x ) )",
	  "exit x abnormal; which root",
	  "start x, start s, start root | stop x abnormal, "
	  "stop s shutdown | = []" },
	{ "it escalates up to the root",
	  "root:one_for_one:0/5000( s:one_for_one:0/5000( x ) a )",
	  "exit x abnormal",
	  "start x, start s, start a, start root | stop x abnormal, "
	  "stop s shutdown, stop a shutdown, stop root shutdown" },
	{ "a restarted supervisor begins with an empty history",
	  "root( s:one_for_one:1/5000( x ) )",
	  "exit x abnormal; exit x abnormal; exit x abnormal",
	  "start x, start s, start root | stop x abnormal, start x | "
	  "stop x abnormal, stop s shutdown, start x, start s | "
	  "stop x abnormal, start x" },
	{ "its init brings back the dropped, and loses the dynamic",
	  "root( s:one_for_one:0/5000( x t:temporary ) )",
	  "exit t normal; start_child s d; which s; exit x abnormal; which s",
	  "start x, start t, start s, start root | stop t normal | "
	  "start d, = started | = [d running x running] | "
	  "stop x abnormal, stop d shutdown, stop s shutdown, start x, "
	  "start t, start s | = [t running x running]" },
	{ "its init brings back the deleted",
	  "root( s( x y ) )",
	  "terminate_child s y; delete_child s y; terminate_child root s; "
	  "restart_child root s; which s",
	  "start x, start y, start s, start root | stop y shutdown, = ok | "
	  "= ok | stop x shutdown, stop s shutdown, = ok | start x, "
	  "start y, start s, = started | = [y running x running]" },

	/* simple_one_for_one */
	{ "simple: no child at start; which, count",
	  "root( s:simple_one_for_one( t ) )",
	  "count s; start_child s i; start_child s j; count s",
	  "start s, start root | = 1 0 0 0 | start i, = started | "
	  "start j, = started | = 1 2 0 2" },
	{ "simple: failed and ignored starts leave no trace",
	  "root( s:simple_one_for_one( t ) )",
	  "arm i error; arm j ignore; start_child s i; start_child s j; "
	  "count s",
	  "start s, start root | fail i, = start_failed | "
	  "ignore j, = ignored | = 1 0 0 0" },
	{ "simple: each is restarted alone, one intensity for all",
	  "root( s:simple_one_for_one:1/5000( t ) )",
	  "start_child s i; start_child s j; exit i abnormal; "
	  "exit j abnormal",
	  "start s, start root | start i, = started | start j, = started | "
	  "stop i abnormal, start i | stop j abnormal, stop i shutdown, "
	  "stop s shutdown, start s" },
	{ "simple: clean ends of transients and any of temporaries go",
	  "root( s:simple_one_for_one( t:transient ) "
	  "u:simple_one_for_one( t:temporary ) )",
	  "start_child s i; start_child u j; exit i normal; exit j kill; "
	  "which s; which u",
	  "start s, start u, start root | start i, = started | "
	  "start j, = started | stop i normal | stop j killed | = [] | "
	  "= []" },
	{ "simple: calls by an id that no instance has are refused",
	  "root( s:simple_one_for_one( t ) )",
	  "start_child s i; terminate_child s t; restart_child s i; "
	  "delete_child s i; terminate_child s i; which s",
	  "start s, start root | start i, = started | "
	  "= simple_one_for_one | = simple_one_for_one | "
	  "= simple_one_for_one | stop i shutdown, = ok | = []" },
	{ "simple: a failing restart is retried and counted",
	  "root( s:simple_one_for_one:2/5000( t ) )",
	  "start_child s i; arm i error; exit i abnormal; state s",
	  "start s, start root | start i, = started |  | "
	  "stop i abnormal, fail i, start i | "
	  "running starts 1 restarts 0, recent 2" },
	{ "simple: all are stopped at once, with one deadline",
	  "root( s:simple_one_for_one( t:50ms ) )",
	  "start_child s i:ignore; start_child s j:ignore; "
	  "start_child s k:slow=20; terminate_child root s; wait 49; wait 1",
	  "start s, start root | start i, = started | start j, = started | "
	  "start k, = started |  | stop k shutdown | "
	  "stop i killed, stop j killed, stop s shutdown, = ok" },
	{ "simple: brutal_kill kills all at once",
	  "root( s:simple_one_for_one( t:kill ) )",
	  "start_child s i; start_child s j; shutdown",
	  "start s, start root | start i, = started | start j, = started | "
	  "stop i killed, stop j killed, stop s shutdown, "
	  "stop root shutdown" },

	/* calls and answers */
	{ "start_child: running, stopped, failed, ignored",
	  "root( a b )",
	  "start_child root a; terminate_child root b; start_child root b; "
	  "arm c error; start_child root c; arm d ignore; "
	  "start_child root d; arm e ignore; start_child root e:temporary; "
	  "which root",
	  "start a, start b, start root | = already_started | "
	  "stop b shutdown, = ok | = already_present |  | "
	  "fail c, = start_failed |  | ignore d, = ignored |  | "
	  "ignore e, = ignored | = [d stopped b stopped a running]" },
	{ "terminate_child: stopped is ok, unknown is not, temporary goes",
	  "root( a b:temporary )",
	  "terminate_child root a; terminate_child root a; "
	  "terminate_child root b; terminate_child root b; which root",
	  "start a, start b, start root | stop a shutdown, = ok | = ok | "
	  "stop b shutdown, = ok | = not_found | = [a stopped]" },
	{ "restart_child: running, unknown; a failed start is not retried",
	  "root( a )",
	  "restart_child root a; restart_child root z; "
	  "terminate_child root a; arm a error; restart_child root a; "
	  "wait 9999; which root",
	  "start a, start root | = running | = not_found | "
	  "stop a shutdown, = ok |  | fail a, = start_failed |  | "
	  "= [a stopped]" },
	{ "delete_child: running, unknown, stopped",
	  "root( a )",
	  "delete_child root a; delete_child root z; "
	  "terminate_child root a; delete_child root a; which root",
	  "start a, start root | = running | = not_found | "
	  "stop a shutdown, = ok | = ok | = []" },
	{ "which is newest first; count knows specs, active and types",
	  "root( a s( x ) b:transient )",
	  "exit b normal; which root; count root",
	  "start a, start x, start s, start b, start root | stop b normal | "
	  "= [b stopped s running a running] | = 3 2 1 2" },
	{ "a call on a supervisor that is not alive: noproc",
	  "root( s:transient:one_for_one:0/5000( x ) )",
	  "exit x abnormal; which s; count s; start_child s y; "
	  "restart_child s x; terminate_child s x; delete_child s x",
	  "start x, start s, start root | stop x abnormal, "
	  "stop s shutdown | = noproc | = noproc | = noproc | = noproc | "
	  "= noproc | = noproc" },
	{ "a supervisor added at run time",
	  "root( a )", "start_child root s:one_for_all( x y ); "
	  "exit x abnormal; which s; terminate_child root s; "
	  "delete_child root s; which root",
	  "start a, start root | start x, start y, start s, = started | "
	  "stop x abnormal, stop y shutdown, start x, start y | "
	  "= [y running x running] | stop y shutdown, stop x shutdown, "
	  "stop s shutdown, = ok | = ok | = [a running]" },
	{ "a supervisor added at run time that fails leaves nothing",
	  "root( a )", "arm y error; start_child root s( x y ); which root",
	  "start a, start root | start x, fail y, stop x shutdown, "
	  "fail s, = start_failed | = [a running]" },
	{ "late news of an incarnation that is over are ignored",
	  "root( a )", "exit a abnormal; exit a abnormal",
	  "start a, start root | stop a abnormal, start a | "
	  "stop a abnormal, start a" },
};

int
main(void)
{
	return rig_rules("core rules", rows, sizeof(rows) / sizeof(rows[0]));
}
