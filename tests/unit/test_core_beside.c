/* SPDX-License-Identifier: ISC */
/*
 * What stands beside OTP's rules: pauses between restarts, the operator's
 * verbs, reload, starts that are cut short, what people are told.
 */
#include <check.h>

#include "core_rig.h"

static const struct rig_row rows[] = {
	/* pauses between restarts */
	{ "a restart waits for its delay, and counts when it is made",
	  "root( a:backoff=100-1000-60000 )",
	  "exit a abnormal; state a; state root; wait 99; wait 1; state root",
	  "start a, start root | stop a abnormal | "
	  "restarting waiting starts 1 restarts 0 | "
	  "running starts 1 restarts 0, recent 0 |  | start a | "
	  "running starts 1 restarts 0, recent 1" },
	{ "the delay doubles up to its maximum",
	  "root:one_for_one:9/5000( a:backoff=100-350-60000 )",
	  "exit a abnormal; wait 100; exit a abnormal; wait 199; wait 1; "
	  "exit a abnormal; wait 349; wait 1; exit a abnormal; wait 349; "
	  "wait 1",
	  "start a, start root | stop a abnormal | start a | "
	  "stop a abnormal |  | start a | stop a abnormal |  | start a | "
	  "stop a abnormal |  | start a" },
	{ "after a quiet time it begins anew",
	  "root:one_for_one:9/5000( a:backoff=100-1000-500 )",
	  "exit a abnormal; wait 100; exit a abnormal; wait 200; wait 500; "
	  "exit a abnormal; wait 99; wait 1",
	  "start a, start root | stop a abnormal | start a | "
	  "stop a abnormal | start a |  | stop a abnormal |  | start a" },
	{ "a failed attempt is put off as well",
	  "root:one_for_one:9/5000( a:backoff=100-1000-0 )",
	  "exit a normal; arm a error; wait 100; wait 199; wait 1",
	  "start a, start root | stop a normal |  | fail a |  | start a" },
	{ "meanwhile the supervisor serves calls and other children",
	  "root( a:backoff=100-100-0 b )",
	  "exit a abnormal; exit b abnormal; which root; "
	  "restart_child root a; delete_child root a; wait 100",
	  "start a, start b, start root | stop a abnormal | "
	  "stop b abnormal, start b | = [b running a restarting] | "
	  "= restarting | = restarting | start a" },
	{ "terminate_child ends the wait",
	  "root( a:backoff=100-100-0 )",
	  "exit a abnormal; terminate_child root a; wait 500; state a",
	  "start a, start root | stop a abnormal | = ok |  | "
	  "stopped failed starts 1 restarts 0" },
	{ "the group waits with the one that crashed",
	  "root:one_for_all( a:backoff=100-100-0 b )",
	  "exit a abnormal; state b; wait 100",
	  "start a, start b, start root | stop a abnormal | "
	  "running starts 1 restarts 0 | "
	  "stop b shutdown, start a, start b" },
	{ "a group restart takes a waiting sibling along",
	  "root:one_for_all( a:backoff=100-100-0 b )",
	  "exit a abnormal; exit b abnormal; wait 500; state a",
	  "start a, start b, start root | stop a abnormal | "
	  "stop b abnormal, start a, start b |  | "
	  "running starts 2 restarts 1" },
	{ "giving up ends the wait",
	  "root:one_for_one:0/5000( a:backoff=100-100-0 b )",
	  "exit a abnormal; exit b abnormal; wait 500",
	  "start a, start b, start root | stop a abnormal | "
	  "stop b abnormal, stop root shutdown | " },
	{ "shutdown ends the wait",
	  "root( s( a:backoff=100-100-0 ) b )",
	  "exit a abnormal; shutdown; wait 500",
	  "start a, start s, start b, start root | stop a abnormal | "
	  "stop b shutdown, stop s shutdown, stop root shutdown | " },

	/* all children of a supervisor are stopped at once */
	{ "each has its own time, and nobody waits for another",
	  "root:parallel( a:50ms:ignore b:slow=40 c:30ms:ignore )",
	  "shutdown; wait 29; wait 1; wait 9; wait 1; wait 9; wait 1",
	  "start a, start b, start c, start root |  |  | stop c killed |  | "
	  "stop b shutdown |  | stop a killed, stop root shutdown" },
	{ "so are supervisors, each in its own order",
	  "root:parallel( s( a b:slow=10 ) t( c:slow=5 d:slow=10 ) )",
	  "shutdown; wait 9; wait 1; wait 5",
	  "start a, start b, start s, start c, start d, start t, start root "
	  "|  |  | stop b shutdown, stop a shutdown, stop s shutdown, "
	  "stop d shutdown | stop c shutdown, stop t shutdown, "
	  "stop root shutdown" },
	{ "not for a group that is restarted",
	  "root:one_for_all:parallel( a b:slow=10 c:slow=10 )",
	  "exit a abnormal; wait 10; wait 10",
	  "start a, start b, start c, start root | stop a abnormal | "
	  "stop c shutdown | stop b shutdown, start a, start b, start c" },
	{ "but when it gives up",
	  "root:one_for_one:0/1000:parallel( a b:slow=10 c:slow=15 )",
	  "exit a abnormal; wait 10; wait 5",
	  "start a, start b, start c, start root | stop a abnormal | "
	  "stop b shutdown | stop c shutdown, stop root shutdown" },
	{ "and with what is on its way or stopped",
	  "root:parallel( s:parallel( a:backoff=100-100-0 b c ) d )",
	  "stop s b; exit a abnormal; arm c ok hold; exit c abnormal; "
	  "shutdown; wait 100",
	  "start a, start b, start c, start s, start d, start root | "
	  "stop b shutdown, = ok | stop a abnormal |  | "
	  "stop c abnormal, start c | stop c shutdown, stop s shutdown, "
	  "stop d shutdown, stop root shutdown | " },

	/* the operator's verbs */
	{ "stop beats every rule",
	  "root:one_for_all( a b )",
	  "stop root a; exit b abnormal; state a; start root a; state a",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "stop b abnormal, start b | stopped held starts 1 restarts 0 | "
	  "start a, = started | running starts 2 restarts 0" },
	{ "its supervisor's own restart does not start it either",
	  "root( s:one_for_one:0/5000( a b ) )",
	  "stop s a; exit b abnormal; state a",
	  "start a, start b, start s, start root | stop a shutdown, = ok | "
	  "stop b abnormal, stop s shutdown, start b, start s | "
	  "stopped held starts 1 restarts 0" },
	{ "a stopped temporary keeps its place",
	  "root:one_for_all( a b:temporary )",
	  "stop root b; exit a abnormal; which root; start root b",
	  "start a, start b, start root | stop b shutdown, = ok | "
	  "stop a abnormal, start a | = [b stopped a running] | "
	  "start b, = started" },
	{ "restart never counts",
	  "root:one_for_one:0/5000( a )",
	  "restart root a; restart root a; state a; state root",
	  "start a, start root | stop a shutdown, start a, = started | "
	  "stop a shutdown, start a, = started | "
	  "running starts 3 restarts 0 | "
	  "running starts 1 restarts 0, recent 0" },
	{ "start and restart of one that waits go on at once",
	  "root:one_for_one:1/5000( a:backoff=100-100-0 "
	  "b:backoff=100-100-0 )",
	  "exit a abnormal; exit b abnormal; start root a; restart root b; "
	  "wait 500; state root",
	  "start a, start b, start root | stop a abnormal | "
	  "stop b abnormal | start a, = started | start b, = started |  | "
	  "running starts 1 restarts 0, recent 0" },
	{ "one that was to be retried still is when a start by hand fails",
	  "root( a:backoff=100-100-0 )",
	  "exit a abnormal; arm a error; start root a; wait 100",
	  "start a, start root | stop a abnormal |  | "
	  "fail a, = start_failed | start a" },
	{ "a failed restart by hand leaves it stopped",
	  "root( a )", "arm b ok; restart root a; arm a error; "
	  "restart root a; state a; restart root a",
	  "start a, start root | stop a shutdown, start a, = started |  | "
	  "stop a shutdown, fail a, = start_failed | "
	  "stopped failed starts 3 restarts 0 | start a, = started" },
	{ "start of what runs is ok; of nobody not_found",
	  "root( a )",
	  "start root a; start root z; stop root z; restart root z",
	  "start a, start root | = ok | = not_found | = not_found | "
	  "= not_found" },
	{ "start of one whose end is unread starts it and does not count",
	  "root( a b )",
	  "arm b ok hold; exit b abnormal; start root a; exit a abnormal; "
	  "release b ok; state root",
	  "start a, start b, start root | stop b abnormal |  | "
	  "stop a abnormal | start b, start a, = started | "
	  "running starts 1 restarts 0, recent 1" },
	{ "start that is ignored",
	  "root( a )", "stop root a; arm a ignore; start root a; state a",
	  "start a, start root | stop a shutdown, = ok |  | "
	  "ignore a, = ignored | stopped starts 2 restarts 0" },
	{ "a nested supervisor is stopped, started and restarted",
	  "root( s( x y ) )",
	  "stop root s; which s; start root s; restart root s",
	  "start x, start y, start s, start root | stop y shutdown, "
	  "stop x shutdown, stop s shutdown, = ok | = noproc | start x, "
	  "start y, start s, = started | stop y shutdown, stop x shutdown, "
	  "stop s shutdown, start x, start y, start s, = started" },
	{ "of the root they make no sense",
	  "root( a )", "stop - root; start - root; restart - root",
	  "start a, start root | = invalid | = invalid | = invalid" },
	{ "an instance of a simple supervisor is stopped and kept",
	  "root( s:simple_one_for_one( t ) )",
	  "start_child s i; stop s i; which s; start s i; restart s i",
	  "start s, start root | start i, = started | "
	  "stop i shutdown, = ok | = [i stopped] | start i, = started | "
	  "stop i shutdown, start i, = started" },
	{ "a held child that crashed before it was stopped stays down",
	  "root( a b )",
	  "arm b hold; exit a abnormal; stop root a; release b ok; state a",
	  "start a | stop a abnormal |  | start b, start root, = ok | "
	  "stopped held starts 1 restarts 0" },

	{ "the end of a held child shuts nothing down",
	  "root:any( a:transient:significant b )",
	  "arm b ok hold; exit b abnormal; exit a normal; stop root a; "
	  "release b ok",
	  "start a, start b, start root | stop b abnormal | "
	  "stop a normal |  | start b, = ok" },

	/* children that are down by their specification */
	{ "one that is down is not started by init or by a group",
	  "root:one_for_all( a:down b )",
	  "state a; exit b abnormal; start root a; exit b abnormal",
	  "start b, start root | stopped starts 0 restarts 0 | "
	  "stop b abnormal, start b | start a, = started | "
	  "stop b abnormal, stop a shutdown, start a, start b" },

	/* starts that are cut short */
	{ "stop ends a start that hangs; the group goes on, nobody counts",
	  "root:one_for_all( a b )",
	  "arm a ok hold; exit a abnormal; stop root a; state root",
	  "start a, start b, start root | stop a abnormal, "
	  "stop b shutdown | stop a shutdown, start b, = ok | "
	  "running starts 1 restarts 0, recent 1" },
	{ "stop ends a first start that hangs, and init goes on",
	  "root( a b )", "arm a hold; stop root a; state a",
	  " | stop a shutdown, start b, start root, = ok | "
	  "stopped held starts 1 restarts 0" },
	{ "restart of a start that hangs starts it again",
	  "root( a b )", "arm a hold; restart root a",
	  " | stop a shutdown, start b, start root, start a, = started" },
	{ "stop of a supervisor that is starting",
	  "root( s( x y ) b )", "arm y hold; stop root s; which root",
	  "start x | stop y shutdown, stop x shutdown, stop s shutdown, "
	  "start b, start root, = ok | = [b running s stopped]" },
	{ "a start that hangs and does not obey is killed",
	  "root( a:50ms:ignore b )", "arm a hold; stop root a; wait 50",
	  " |  | stop a killed, start b, start root, = ok" },
	{ "shutdown does not wait for a start that hangs",
	  "root( a s( x y ) b )", "arm y hold; shutdown",
	  "start a, start x | stop y shutdown, stop x shutdown, "
	  "stop s shutdown, stop a shutdown, stop root shutdown" },
	{ "shutdown amid a group restart does not finish it",
	  "root:one_for_all( a b:slow=10 c )",
	  "exit c abnormal; shutdown; wait 10",
	  "start a, start b, start c, start root | stop c abnormal |  | "
	  "stop b shutdown, stop a shutdown, stop root shutdown" },
	{ "shutdown amid a call: the caller hears of it",
	  "root( a )",
	  "stop root a; arm a hold; start root a; shutdown",
	  "start a, start root | stop a shutdown, = ok |  |  | "
	  "= shutdown, stop a shutdown, stop root shutdown" },
	{ "a call that waits when its supervisor ends: noproc",
	  "root( a )", "stop root a; arm a hold; start root a; which root; "
	  "shutdown",
	  "start a, start root | stop a shutdown, = ok |  |  |  | "
	  "= shutdown, stop a shutdown, = noproc, stop root shutdown" },
	{ "a second shutdown changes nothing",
	  "root( a:slow=10 )", "shutdown; shutdown; wait 10; shutdown",
	  "start a, start root |  |  | stop a shutdown, "
	  "stop root shutdown | " },
};

/* What people are told, in full. */
static const struct rig_row told[] = {
	{ "a restart", "root( a )", "exit a abnormal",
	  "start a, start root | stop a abnormal, restarting root a, "
	  "start a" },
	{ "a pause", "root( a:backoff=100-100-0 )",
	  "exit a abnormal; wait 100",
	  "start a, start root | stop a abnormal, backoff a 100 | "
	  "restarting root a, start a" },
	{ "giving up", "root( s:transient:one_for_one:0/5000( a b ) )",
	  "exit a abnormal",
	  "start a, start b, start s, start root | stop a abnormal, "
	  "gave_up s a, stopping b, stop b shutdown, stopped b, "
	  "stop s shutdown, stopped s" },
	{ "the root gives up", "root:one_for_one:0/5000( a )",
	  "exit a abnormal",
	  "start a, start root | stop a abnormal, gave_up root a, "
	  "stop root shutdown, root exit shutdown gave_up" },
	{ "automatic shutdown", "root:any( a:temporary:significant )",
	  "exit a normal",
	  "start a, start root | stop a normal, auto_shutdown root a, "
	  "removed a, stop root shutdown, root exit shutdown" },
	{ "a boot that fails", "root( a )", "arm a error",
	  "fail a, fail root, root exit abnormal" },
	{ "stops", "root( a )", "terminate_child root a; delete_child root a",
	  "start a, start root | stopping a, stop a shutdown, stopped a, "
	  "= ok | removed a, = ok" },
	{ "a restart by hand", "root( a )", "restart root a",
	  "start a, start root | stopping a, stop a shutdown, start a, "
	  "= started" },
	{ "a clean end", "root( a:transient )", "exit a normal",
	  "start a, start root | stop a normal, stopped a" },
	{ "children added and removed", "root( a )",
	  "start_child root s( x ); terminate_child root s; "
	  "delete_child root s",
	  "start a, start root | added x, added s, start x, start s, "
	  "= started | stopping s, stopping x, stop x shutdown, stopped x, "
	  "stop s shutdown, stopped s, = ok | removed x, removed s, = ok" },
	{ "an init that lists the dropped again",
	  "root( s( t:temporary ) )",
	  "exit t normal; restart root s",
	  "start t, start s, start root | stop t normal, removed t | "
	  "stopping s, stop s shutdown, added t, start t, start s, "
	  "= started" },
};

static const struct rig_row reloads[] = {
	{ "unchanged children are not touched",
	  "root( a b )", "reload root( a b )",
	  "start a, start b, start root | = ok" },
	{ "a changed one restarts, it alone, and nobody counts",
	  "root:one_for_all( a b )", "reload root:one_for_all( a:v=1 b ); "
	  "state a; state root",
	  "start a, start b, start root | stop a shutdown, start a, = ok | "
	  "running starts 2 restarts 0 | "
	  "running starts 1 restarts 0, recent 0" },
	{ "removed ones stop in reverse, added ones start in order",
	  "root( a b c )", "reload root( x b y ); which root",
	  "start a, start b, start c, start root | stop c shutdown, "
	  "stop a shutdown, start x, start y, = ok | "
	  "= [y running b running x running]" },
	{ "the new order is taken, and holds for stops",
	  "root( a b )", "reload root( b a ); which root; shutdown",
	  "start a, start b, start root | = ok | "
	  "= [a running b running] | stop a shutdown, stop b shutdown, "
	  "stop root shutdown" },
	{ "dynamic children stay, after the others",
	  "root( a )", "start_child root d; reload root( a b ); which root",
	  "start a, start root | start d, = started | start b, = ok | "
	  "= [d running b running a running]" },
	{ "one that the file now names is adopted",
	  "root( a )", "start_child root d; reload root( d a ); which root; "
	  "state d",
	  "start a, start root | start d, = started | = ok | "
	  "= [a running d running] | running starts 1 restarts 0" },
	{ "what was stopped stays stopped",
	  "root( a b )", "stop root a; terminate_child root b; "
	  "reload root( a:v=1 b:v=1 ); which root",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "stop b shutdown, = ok | = ok | = [b stopped a stopped]" },
	{ "one that waits for its restart is started at once when changed",
	  "root( a:backoff=5000-5000-0 )",
	  "exit a abnormal; reload root( a:v=1:backoff=5000-5000-0 ); "
	  "wait 6000",
	  "start a, start root | stop a abnormal | start a, = ok | " },
	{ "nothing fails: a start that does leaves that child stopped",
	  "root( a )", "arm b error; arm c ignore; reload root( a b c:temporary"
	  " d ); which root",
	  "start a, start root | fail b, ignore c, start d, = ok | "
	  "= [d running b stopped a running]" },
	{ "the tree converges at every depth",
	  "root( s( x y ) t( z ) )", "reload root( s( y w ) u( v ) )",
	  "start x, start y, start s, start z, start t, start root | "
	  "stop x shutdown, start w, stop z shutdown, stop t shutdown, "
	  "start v, start u, = ok" },
	{ "a worker that becomes a supervisor is another child",
	  "root( a )", "reload root( a( x ) ); which root",
	  "start a, start root | stop a shutdown, start x, start a, = ok | "
	  "= [a running]" },
	{ "rules change without a restart",
	  "root:one_for_one:0/5000( a )",
	  "reload root:one_for_all:5/5000( a:temporary ); exit a abnormal; "
	  "which root",
	  "start a, start root | = ok | stop a abnormal | = []" },
	{ "a supervisor that is down takes the new list and stays down",
	  "root( s:transient:one_for_one:0/5000( x y ) )",
	  "exit x abnormal; reload root( s:transient( y z ) ); "
	  "restart_child root s",
	  "start x, start y, start s, start root | stop x abnormal, "
	  "stop y shutdown, stop s shutdown | = ok | "
	  "start y, start z, start s, = started" },
	{ "a supervisor that is starting converges when it has started",
	  "root( a b )", "arm b hold; reload root( b c ); release b ok",
	  "start a |  | start b, start root, stop a shutdown, start c, "
	  "= ok" },
	{ "a second reload before the first is done",
	  "root( a:slow=10 b )", "reload root( b ); reload root( a b c ); "
	  "wait 10",
	  "start a, start b, start root |  |  | stop a shutdown, start a, "
	  "start c, = ok, = ok" },
	{ "a second reload while the first one starts a child",
	  "root( a )", "arm b hold; reload root( a b ); reload root( a c ); "
	  "release b ok",
	  "start a, start root |  |  | start b, stop b shutdown, start c, "
	  "= ok, = ok" },
	{ "one that is removed while it is restarted is not started again",
	  "root( a:slow=10 b )", "restart root a; reload root( b ); wait 10; "
	  "which root",
	  "start a, start b, start root |  |  | stop a shutdown, "
	  "= not_found, = ok | = [b running]" },
	{ "nor is one that is removed while an order to start it waits",
	  "root( a b )", "arm b ok hold; stop root a; exit b abnormal; "
	  "start root a; restart_child root a; reload root( b ); release b ok",
	  "start a, start b, start root | stop a shutdown, = ok | "
	  "stop b abnormal |  |  |  | start b, = not_found, = not_found, "
	  "= ok" },
	{ "one that is removed before its retry is not tried, nor counted",
	  "root:one_for_one:1/5000( a b:slow=10 )",
	  "arm a ok hold; exit a abnormal; restart root b; release a error; "
	  "reload root( b ); wait 10; state root",
	  "start a, start b, start root | stop a abnormal |  | fail a |  | "
	  "stop b shutdown, start b, = started, = ok | "
	  "running starts 1 restarts 0, recent 1" },
	{ "one that a reload puts back while it is restarted is started",
	  "root( a:slow=10 b )", "restart root a; reload root( b ); "
	  "reload root( a b ); wait 10",
	  "start a, start b, start root |  |  |  | stop a shutdown, "
	  "start a, = started, = ok, = ok" },
	{ "a supervisor whose start failed takes the new list, and is tried",
	  "root( s( x y ) )",
	  "terminate_child root s; arm y error; restart_child root s; "
	  "reload root( s( x y ) ); reload root( s( z ) ); which root",
	  "start x, start y, start s, start root | stop y shutdown, "
	  "stop x shutdown, stop s shutdown, = ok |  | start x, fail y, "
	  "stop x shutdown, fail s, = start_failed | = ok | start z, "
	  "start s, = ok | = [s running]" },
	{ "one whose start failed is tried again when it is changed",
	  "root( a )", "arm b error error; reload root( a b ); "
	  "reload root( a b ); reload root( a b:v=1 ); diff root( a b:v=2 ); "
	  "reload root( a b:v=2 ); state b",
	  "start a, start root | fail b, = ok | = ok | fail b, = ok | "
	  "keep a, try b | start b, = ok | running starts 3 restarts 0" },
	{ "so is one that an operator could not start",
	  "root( a:down b )", "arm a error; start root a; "
	  "reload root( a:down:v=1 b )",
	  "start b, start root | fail a, = start_failed | start a, = ok" },
	{ "but not when an operator took it down since",
	  "root( a b )", "wait 1; arm a error; restart root a; stop root a; "
	  "arm b error; restart root b; terminate_child root b; "
	  "diff root( a:v=1 b:v=1 ); reload root( a:v=1 b:v=1 ); which root",
	  "start a, start b, start root |  |  | stop a shutdown, fail a, "
	  "= start_failed | = ok |  | stop b shutdown, fail b, "
	  "= start_failed | = ok | update a, update b | = ok | "
	  "= [b stopped a stopped]" },
	{ "what is wrong may lie deep below a supervisor",
	  "root( s( t( x y ) ) )", "terminate_child root s; arm y error; "
	  "restart_child root s; diff root( s( t( x y:v=1 ) ) ); "
	  "reload root( s( t( x y:v=1 ) ) )",
	  "start x, start y, start t, start s, start root | "
	  "stop y shutdown, stop x shutdown, stop t shutdown, "
	  "stop s shutdown, = ok |  | start x, fail y, stop x shutdown, "
	  "fail t, fail s, = start_failed | try s, keep t, keep x, update y | "
	  "start x, start y, start t, start s, = ok" },
	{ "one that is no longer down is started",
	  "root( a:down b )", "reload root( a b )",
	  "start b, start root | start a, = ok" },
	{ "an added one that is down is not",
	  "root( b )", "reload root( a:down b ); which root",
	  "start b, start root | = ok | = [b running a stopped]" },
	{ "shutdown amid a reload answers it",
	  "root( a:slow=10 b )", "reload root( b ); shutdown; wait 10",
	  "start a, start b, start root |  |  | stop a shutdown, = ok, "
	  "stop b shutdown, stop root shutdown" },
	{ "the template of a simple supervisor is replaced",
	  "root( s:simple_one_for_one( t ) )",
	  "start_child s i; reload root( s:simple_one_for_one( t:temporary "
	  ") ); start_child s j; exit j abnormal; which s",
	  "start s, start root | start i, = started | = ok | "
	  "start j, = started | stop j abnormal | = [i running]" },
	{ "what a reload would do, without doing it",
	  "root( a b s( x ) )", "diff root( c b:v=1 s( x y ) )",
	  "start a, start b, start x, start s, start root | add c, "
	  "change b, keep s, remove a, keep x, add y" },
	{ "what counts without a restart is a change, too",
	  "root( a b s:one_for_all( x y ) )",
	  "diff root:9/9( a:temporary b s( x y ) ); "
	  "diff root( a b s:one_for_all( y x ) ); "
	  "diff root( a s:one_for_all( x y ) )",
	  "start a, start b, start x, start y, start s, start root | "
	  "update root, update a, keep b, update s, keep x, keep y | "
	  "keep a, keep b, update s, keep y, keep x | "
	  "keep a, keep s, remove b, keep x, keep y" },
	{ "so is a template, but not what was made from it",
	  "root( s:simple_one_for_one( t ) )",
	  "start_child s i; diff root( s:simple_one_for_one( t:temporary ) ); "
	  "diff root( s:simple_one_for_one( t:v=1 ) ); "
	  "diff root( s:simple_one_for_one( t ) )",
	  "start s, start root | start i, = started | update s | update s | "
	  "keep s" },
};

/* What has no order any more, for its engine died amid its removal. */
static const struct rig_row crashes[] = {
	{ "while it is stopped to be started again",
	  "root( a:slow=10 b )",
	  "restart root a; reload root( b ); crash; wait 10; which root",
	  "start a, start b, start root |  |  | stop a killed |  | "
	  "= [b running]" },
	{ "when it has ended meanwhile",
	  "root( a:slow=10 b )",
	  "restart root a; reload root( b ); lose a; crash; which root",
	  "start a, start b, start root |  |  |  |  | = [b running]" },
	{ "when its start was ordered, and nobody has begun it",
	  "root( a b )", "arm a ok hold; restart root a; reload root( b ); "
	  "lose a; crash; which root",
	  "start a, start b, start root | stop a shutdown |  |  |  | "
	  "= [b running]" },
	{ "nor amid the restart of a group",
	  "root:one_for_all( a b )", "arm a ok hold; exit b abnormal; "
	  "reload root:one_for_all( b ); lose a; crash; which root",
	  "start a, start b, start root | stop b abnormal, stop a shutdown | "
	  " |  | start b | = [b running]" },
	{ "nor amid the first start of its supervisor",
	  "root( a b )", "arm a hold; reload root( b ); lose a; crash; "
	  "which root",
	  " |  |  | start b, start root | = [b running]" },
};

START_TEST(stands_beside_the_rules)
{
	rig_check(&rows[_i], 0);
}
END_TEST

START_TEST(survives_a_crash_after_each_command)
{
	rig_check(&rows[_i], RIG_CRASH);
}
END_TEST

/* Whoever asked is gone with the engine, but the first half was done. */
START_TEST(a_restart_that_cut_a_start_short_is_finished)
{
	const char *log = rig_run(0, "root( a:slow=10 )",
	    "arm a ok hold; restart root a; wait 10; restart root a; crash; "
	    "wait 10; state a");

	ck_assert_str_eq(log, "start a, start root |  | stop a shutdown |  | "
	    " | stop a shutdown, start a | running starts 3 restarts 0");
}
END_TEST

/* Removed amid its restart, it has lost its order with the engine that knew. */
START_TEST(what_was_removed_is_not_started_after_a_crash)
{
	rig_check(&crashes[_i], 0);
}
END_TEST

START_TEST(tells_people)
{
	rig_check(&told[_i], RIG_TELLS);
}
END_TEST

START_TEST(converges)
{
	rig_check(&reloads[_i], 0);
}
END_TEST

START_TEST(converges_through_crashes)
{
	rig_check(&reloads[_i], RIG_CRASH);
}
END_TEST

/* A timer that fires too early is armed again with what is left. */
START_TEST(a_timer_that_fires_early_waits_on)
{
	struct core_spec a = { .id = "a", .backoff_min_ms = 100,
		.backoff_max_ms = 100 };
	struct core_spec root = { .id = "root", .type = CORE_SUPERVISOR,
		.children = &a, .max_restarts = 3, .period_ms = 5000 };
	struct core *c = core_new(false);
	const struct core_action *acts;
	struct core_child v;
	uint32_t slot;
	size_t n;

	core_boot(c, &root, 1000);
	slot = core_find(c, core_root(c), "a");
	ck_assert(core_view(c, slot, 1000, &v));
	core_started(c, v.inc, 1000);
	core_exited(c, v.inc, CORE_EXIT_ABNORMAL, 1000);
	core_actions_clear(c);
	core_timer_fired(c, slot, CORE_TIMER_CHILD, 1099);
	acts = core_actions(c, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(acts[0].act, CORE_ACT_ARM);
	ck_assert_uint_eq(acts[0].ms, 1);
	core_actions_clear(c);
	core_timer_fired(c, slot, CORE_TIMER_CHILD, 1100);
	acts = core_actions(c, &n);
	ck_assert_uint_ge(n, 1);
	ck_assert_int_eq(acts[n - 1].act, CORE_ACT_START);
	core_free(c);
}
END_TEST

#define nitems(a)	((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("core beside");
	TCase *tc = tcase_create("beside");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, stands_beside_the_rules, 0, nitems(rows));
	tcase_add_test(tc, a_restart_that_cut_a_start_short_is_finished);
	tcase_add_loop_test(tc, survives_a_crash_after_each_command, 0,
	    nitems(rows));
	tcase_add_loop_test(tc, tells_people, 0, nitems(told));
	tcase_add_loop_test(tc, converges, 0, nitems(reloads));
	tcase_add_loop_test(tc, what_was_removed_is_not_started_after_a_crash,
	    0, nitems(crashes));
	tcase_add_loop_test(tc, converges_through_crashes, 0,
	    nitems(reloads));
	tcase_add_test(tc, a_timer_that_fires_early_waits_on);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
