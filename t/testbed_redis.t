#!/usr/bin/perl

# The bed's Redis and the proxy before it do what the tests of the store take
# for granted.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(module => 0);

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $redis = $t->redis();

$redis->do(SET => 'a', 'x' x 10, PX => 10000);
$redis->do(ZADD => 'z', 1, 'm');

my %all = $redis->dump();

is_deeply([ map { @$_{qw/ type value /} } @all{qw/ a z /} ],
	[ string => 'x' x 10, zset => [ 'm', 1 ] ], 'a dump');
cmp_ok($all{a}{ttl}, '>', 5000, 'with times to live');
is($all{z}{ttl}, -1, 'or without');
is(eval { $redis->do('NOPE') }, undef, 'an error dies');
like($@, qr/NOPE: ERR unknown command/, 'with its words');

# Through the proxy.

my $proxy = $t->redis_proxy($redis);
my $c = through();

is($c->do(GET => 'a'), 'x' x 10, 'a reply comes through');
$proxy->reply_once('GET', "-LOADING it\r\n");
is(${ $c->try(GET => 'a') }, 'LOADING it', 'another in its place');
is_deeply([ $c->pipeline([ GET => 'a' ], [ PING => ], [ GET => 'b' ]) ],
	[ 'x' x 10, 'PONG', undef ], 'once, and the next are Redis\'s');
is($proxy->count('GET'), 4, 'commands are counted');
is_deeply([ $proxy->commands('GET b') ], [ [ 'GET', 'b' ] ],
	'and kept, named by words');
is_deeply([ $proxy->commands('PING') ], [ [ 'PING' ] ], 'as they came');

$proxy->reply('CLIENT TRACKING', { reply => "-ERR no\r\n", delay => 50 });
is_deeply([ map { ref $_ ? $$_ : $_ } $c->pipeline(
	[ CLIENT => TRACKING => 'on' ], [ 'PING' ]) ], [ 'ERR no', 'PONG' ],
	'a late reply holds back what comes after');

$proxy->split(1);
is($c->do(GET => 'a'), 'x' x 10, 'byte by byte');

my $start = time();

$proxy->delay(200);
is($c->do(GET => 'a'), 'x' x 10, 'late');
cmp_ok(time() - $start, '>', 0.2, 'by that much');
$proxy->reset();

$proxy->blackhole(1);
is(eval { $c->do(GET => 'a') }, undef, 'silent');
$proxy->blackhole(0);
is($c->read(5), 'x' x 10, 'and not for ever');

my $sub = through();

$sub->do(SUBSCRIBE => 'ch');
$proxy->blackhole('SUBSCRIBE');
$redis->do(PUBLISH => ch => 'hi');
is($c->do(PING => ), 'PONG', 'silent to subscribers alone');
is(eval { $sub->read(0.2) }, undef, 'who hear nothing');
$proxy->blackhole(0);
is_deeply($sub->read(5), [ message => ch => 'hi' ], 'until they do');

for my $n (0 .. 16) {
	$proxy->cut(down => $n);
	$c = through();
	eval { $c->do(GET => 'a') };
	is($c->{in}, substr("\$10\r\nxxxxxxxxxx\r\n", 0, $n), "cut after $n");
}

$proxy->reset();
$proxy->cut(up => 9);
is(eval { through()->do('PING') }, undef, 'cut in a command');
$proxy->reset();

# The process.

$redis->pause();
$c = through();
is(eval { $c->do('PING') }, undef, 'paused');
$redis->resume();
is($c->read(5), 'PONG', 'and not any more');
is($redis->kill_clients(qr/sub=1/), 1, 'clients are found and killed');
is(eval { $sub->read(5) }, undef, 'and notice');
$redis->kill();
is(eval { through()->do('PING') }, undef, 'killed');
$redis->start();
is($redis->do(GET => 'a'), undef, 'it has forgotten');

my $kept = $t->redis('kept', tls => 1, password => 'sesame', persist => 1);

$kept->do(SET => 'a', 'b');
$kept->kill();
$kept->start();
is($kept->do(GET => 'a'), 'b', 'unless it is to persist');
like($kept->url(user => 'x', db => 2),
	qr{^rediss://x:sesame\@127\.0\.0\.1:\d+/2$}, 'its URL');

my $unix = $t->redis('unix', unix => 1, users => [ 'app on >word ~a +get' ]);

is(${ $unix->client(user => 'app', password => 'word')->try(GET => 'b') }
	=~ /^NOPERM/, 1, 'users, and a unix socket');

$t->done();

###############################################################################

sub through {
	return Test::OIDC::Resp->connect(port => $proxy->port(), timeout => 1);
}

###############################################################################
