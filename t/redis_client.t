#!/usr/bin/perl

# The client of Redis alone (t/redis_client/module.c): commands and answers,
# pipelining, timeouts, errors, back-off and recovery, over a real redis-server
# and a proxy that spoils its answers.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC::RedisClient;

###############################################################################

my $c = Test::OIDC::RedisClient->new(55);
my $t = $c->bed();
my $redis = $t->redis('main', password => 'a-password-to-keep');
my $proxy = $t->redis_proxy($redis);
my $direct = 'server=' . $redis->url() . ' db=3 name=gw-1';

$c->run($direct);

###############################################################################
# Commands.

is($c->cmd(qw/ SET k v /), "ok\nOK", 'S07: a command is answered');
is($c->cmd(qw/ GET k /), "ok\nv", 'S07: ... and another');
is($c->cmd(qw/ GET none /), "ok\n(nil)", 'S07: nil');
is($c->cmd(qw/ INCR n /), "ok\n1", 'S07: an integer');
is($c->cmd(qw/ MGET k none n /), "ok\n[v,(nil),1]", 'S07: an array');
is($c->cmd('EVAL', 'return {1,{2,{3,"x"}},{}}', 0), "ok\n[1,[2,[3,x]],[]]",
	'S09: arrays in arrays');

my $bytes = join '', map { chr } 0 .. 255;
is($c->cmd('SET', "a\r\nb\0 c", "$bytes\r\n"), "ok\nOK", 'S09 RE-2: any byte');
is($c->cmd('GET', "a\r\nb\0 c"), "ok\n$bytes\r\n", 'S09 RE-2: ... and back');

my ($client) = $redis->clients(qr/name=gw-1/);
is($client->{db}, 3, 'S07 RE-4: AUTH, SELECT and a name');
is(scalar(() = $redis->clients(qr/name=gw-1/)), 1,
	'S07: one connection of one worker');

like($c->cmd(qw/ NOSUCH key /), qr/^error\nERR unknown/,
	'S07: an error of the command itself');
like($c->cmd(qw/ EVALSHA 0000000000000000000000000000000000000000 0 /),
	qr/^error\nNOSCRIPT/, 'S07: a script to be loaded first');

is($c->many(1000, qw/ INCR many /), "ok 1000\n", 'S07: pipelined');
is($c->cmd(qw/ GET many /), "ok\n1000", 'S07: ... each once');
is($c->many(6000, qw/ INCR many /), "ok 4096\nbusy 1904\n",
	'S08: a queue has its bounds');
$t->wait_log(qr/too many commands wait/, 5);

is($c->forget(qw/ SET f 1 /), "forgotten\n", 'S07: nobody waits');
is($c->cmd(qw/ GET f /), "ok\n1", 'S07: ... it was executed');
is($c->cancel(qw/ SET x 1 /), "cancelled\n", 'S07: cancelled');
is($c->cmd(qw/ GET f /), "ok\n1", 'S07: ... its answer is nobody else\'s');

is(length $c->read('EVAL', 'return string.rep("x", 1000000)', 0), 1_000_003,
	'RE-5: a large answer');
is($c->cmd('EVAL', 'return string.rep("x", 5000000)', 0), "unavailable\n-",
	'RE-5: too large an answer');
ok($t->wait_log(qr/answer too large/, 5), 'RE-5: ... is logged');
ok($t->wait_for(sub { $c->cmd(qw/ GET f /) eq "ok\n1" }, 5),
	'RE-5: ... and the next is answered');

my ($worker) = $t->workers();
ok($c->reload($direct), 'S07: reload with an idle connection');
ok($t->wait_for(sub { !kill 0, $worker }, 3), 'S07: ... keeps no worker');
is(scalar(() = $redis->clients(qr/name=gw-/)), 1, 'S07: ... nor a connection');

###############################################################################
# Answers in pieces, and such as hiredis would abort the process for, or
# allocate.

$c->reload('server=redis://:a-password-to-keep@127.0.0.1:' . $proxy->port()
	. ' db=3 connect=500 command=500 name=gw-1');

$proxy->split(1);
is($c->cmd('EVAL', 'return {1,{"two",{3,"x"}},{}}', 0),
	"ok\n[1,[two,[3,x]],[]]", 'S09: an answer in pieces of a byte');
$proxy->reset();

for my $bad ("+unasked\r\n+OK\r\n", "*1000000000\r\n", "*2147483647\r\n\$1\r\n",
	"\$9999999999\r\n", "#t\r\n", ",1.5\r\n", ">2\r\n+a\r\n+b\r\n", "%1\r\n",
	"*1\r\n" x 20, "HTTP/1.1 400\r\n\r\n")
{
	my $shown = substr $bad =~ s/[\r\n]+/ /gr, 0, 20;

	$proxy->reply_once('GET', $bad);
	$c->cmd(qw/ GET f /);
	$t->wait_for(sub { $c->cmd(qw/ GET f /) eq "ok\n1" }, 5);
	is($c->cmd(qw/ GET f /), "ok\n1", "RE-5: survives $shown");
}

###############################################################################
# Errors that are not the command's.

my %kinds = (
	'loading' => "-LOADING Redis is loading\r\n",
	'read-only' => "-MISCONF Redis is configured to save RDB snapshots\r\n",
	'not permitted' => "-NOPERM this user has no permissions\r\n",
	'full' => "-OOM command not allowed\r\n",
	'failing over' => "-CLUSTERDOWN The cluster is down\r\n",
);

for my $kind (sort keys %kinds) {
	$proxy->reply('SET', $kinds{$kind});
	like($c->cmd(qw/ SET k v /), qr/^$kind\n/, "RE-9: $kind");
}

$proxy->reply_once('SET', $kinds{loading});
is($c->cmd(qw/ SET k v /), "ok\nOK", 'RE-9: sent once more, and executed');

$proxy->reset();

###############################################################################
# Away.

$redis->pause();
my $began = time();
is($c->cmd(qw/ GET k /), "unavailable\n-", 'RE-1: no answer in time');
cmp_ok(time() - $began, '<', 1, 'RE-1: ... of command_timeout');
$t->wait_log(qr/no answer in time/, 5);
$t->wait_for(sub { $c->cmd(qw/ GET k /) =~ /^refused/ }, 5);
$began = time();
is($c->cmd(qw/ GET k /), "refused: unavailable\n", 'S08: then at once');
cmp_ok(time() - $began, '<', 0.2, 'S08: ... at once');
$redis->resume();
ok($t->wait_for(sub { $c->cmd(qw/ GET k /) =~ /^ok/ }, 5),
	'S08: back without a reload');

lasted();
$proxy->drop_connections();
is($c->read(qw/ GET k /) =~ s/\n.*//sr, 'ok', 'RE-9: a read after a loss');

lasted();
$proxy->reply_once('GET', { close => 1 });
is($c->read(qw/ GET k /) =~ s/\n.*//sr, 'ok',
	'RE-9: a read whose answer was lost is sent once more');

lasted();
$proxy->reply_once('INCR', { close => 1 });
is($c->cmd(qw/ INCR once /), "unavailable\n-", 'RE-9: a write is not');

my $mark = $t->log_mark();
$redis->kill();
$t->wait_for(sub { $c->cmd(qw/ GET k /) =~ /^refused/ }, 5);
$redis->start();
ok($t->wait_for(sub { $c->cmd(qw/ GET k /) eq "ok\n(nil)" }, 10),
	'S08: killed and started again');

# One that cannot be connected to in time, and one that is always sorry: both
# are tried again, less and less often.
$proxy->blackhole(1);
$proxy->drop_connections();
ok($t->wait_log(qr/connecting timed out/, 5), 'S07: connect_timeout');
$proxy->blackhole(0);
$t->wait_for(sub { $c->cmd(qw/ GET k /) =~ /^ok/ }, 10);

$proxy->reply('CLIENT', { reply => "-DENIED protected mode\r\n", close => 1 });
my $tries = $proxy->connections()->{total};
$proxy->drop_connections();
$began = time();
$t->wait_for(sub { time() - $began > 5 }, 6);
cmp_ok($proxy->connections()->{total} - $tries, '<', 15,
	'S08: who closes at once is not tried ten times a second');
$proxy->reset();
$t->wait_for(sub { $c->cmd(qw/ GET k /) =~ /^ok/ }, 10);

###############################################################################
# What the log is told.

my $lines = () = $t->log() =~ /oidc: redis "test"/g;
cmp_ok($lines, '<', 60, 'S08: a line for each kind of failure, not for each');

###############################################################################

# a connection that has lasted a second is worth waiting for the next one
sub lasted {
	my %seen;

	$t->wait_for(sub {
		my @id = map { $_->{id} } $redis->clients(qr/name=gw-1/);
		$seen{$_} //= time() for @id;
		return @id && !grep { time() - $seen{$_} < 1.1 } @id;
	}) or die "no connection lasts\n";
}

###############################################################################
