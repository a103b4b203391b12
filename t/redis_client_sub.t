#!/usr/bin/perl

# Invalidation messages to the client of Redis (t/redis_client/module.c): what
# a subscriber is told, and that it is told when nothing is told any more.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC::RedisClient;

###############################################################################

my $c = Test::OIDC::RedisClient->new(24);
my $t = $c->bed();
my $redis = $t->redis('main');
my $proxy = $t->redis_proxy($redis);

$c->run('server=redis://127.0.0.1:' . $proxy->port()
	. ' connect=500 command=500 name=sub');

$c->cmd(qw/ GET oidc:connected /);
is($c->get('/sub?oidc:'), '127.0.0.1:' . $proxy->port() . "\n",
	'S13: a node is subscribed to');
like($c->events(qr/pong/), qr/^up\npong 1\n/, 'S13: up, and a PING answered');

$redis->do('SET', 'oidc:a', 1);
like($c->events(qr/key/), qr/key oidc:a\n/, 'S13: a key was written');
$redis->do('MSET', 'oidc:b', 1, 'other', 1, "oidc:\0\r\n", 1);
my $told = $c->events(qr/oidc:b[^z]*oidc:\0|oidc:\0[^z]*oidc:b/);
like($told, qr/key oidc:b\n/, 'S13: one of several');
like($told, qr/key oidc:\0\r\n\n/, 'S13: a name of any bytes');
unlike($told, qr/other/, 'S13: keys of others are not told of');

$redis->do('SET', 'oidc:e', 1, 'PX', 50);
like($c->events(qr/(?s:key oidc:e.*){2}/), qr/oidc:e/, 'S13: a key expired');

$c->cmd(qw/ SET oidc:own 1 /);
like($c->events(qr/key/), qr/key oidc:own\n/, 'S13: our own writes, too');

$redis->do('FLUSHDB');
like($c->events(qr/all/), qr/^all\n/m, 'S13: all keys are gone');

###############################################################################
# Away.

ok($redis->kill_clients(qr/name=sub.*flags=\w*t|name=sub.*sub=1/),
	'S13: the subscriber is thrown out');
like($c->events(qr/down\n(?s:.*)up/), qr/down\n(?s:.*)up\n/,
	'S13: down, and up again');

$proxy->blackhole('SUBSCRIBE');
like($c->events(qr/down/), qr/down\n/, 'S13: silence is noticed');
$proxy->blackhole(0);
like($c->events(qr/up/, 8), qr/up\n/, 'S13: ... until it ends');

$redis->kill();
like($c->events(qr/down/), qr/down\n/, 'S13: Redis is killed');
$redis->start();
like($c->events(qr/up/, 8), qr/up\n/, 'S13: ... and started again');

$proxy->split(1);
$redis->do('SET', 'oidc:split', 1);
like($c->events(qr/key/), qr/key oidc:split\n/, 'S09: ... in pieces of a byte');
$proxy->reset();

is($c->get('/unsub'), "closed\n", 'S13: closed');
$redis->do('SET', 'oidc:late', 1);
$c->cmd(qw/ GET oidc:late /);
unlike($c->get('/events'), qr/late|down/, 'S13: ... and told no more');

###############################################################################
# A server that does not track; said once.

my $mark = $t->log_mark();
$proxy->reply('CLIENT TRACKING', "-ERR unknown subcommand\r\n");
$c->get('/sub?oidc:');
like($c->events(qr/refused/), qr/refused\n/, 'S13: refused');
like($t->log_since($mark), qr/tells of no changes of keys/, 'S13: is logged');
$c->get('/unsub');
$c->get('/sub?oidc:');
$c->events(qr/refused/);
is(scalar(() = $t->log_since($mark) =~ /no changes of keys/g), 1,
	'S13: ... once');
$c->get('/unsub');
$proxy->reset();

###############################################################################
# The narrowest user.

$redis->do(qw/ ACL SETUSER narrow on >a-narrow-password ~oidc:* resetchannels
	&__redis__:invalidate -@all +get +client|id +client|tracking
	+client|setname +subscribe +ping /);
$c->reload('server=' . $redis->url() . ' user=narrow password=a-narrow-password'
	. ' name=narrow');
is($c->cmd(qw/ GET oidc:x /), "ok\n(nil)", 'RE-4: a user by ACL');
like($c->cmd(qw/ SET oidc:x 1 /), qr/^not permitted\n/, 'RE-4: ... is bound');
$c->get('/sub?oidc:');
like($c->events(qr/up/), qr/up\n/, 'RE-4: ... and is told of changes');
