#!/usr/bin/perl

# The client of Redis (t/redis_client/module.c) and a Cluster of three masters
# with a replica each: slots, redirections, a slot on the move, a dead master.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC::RedisClient;
use Test::OIDC::Redis::Cluster;

###############################################################################

my $c = Test::OIDC::RedisClient->new(18);
my $t = $c->bed();
my $cluster = Test::OIDC::Redis::Cluster->new($t, masters => 3, replicas => 1);
my @nodes = $cluster->nodes();

# one seed, which is a replica at that
$c->run('cluster=1 command=1000 server=' . $nodes[4]->url());

# a map whose nodes are all new is right before anybody is redirected
my $masters = join ' ', sort map { $_->address() } $cluster->masters();
my $names;
ok($t->wait_for(sub {
	($names) = $c->get('/nodes') =~ /^(.*) version/;
	return join(' ', sort split / /, $names // '') eq $masters;
}, 5), 'S07: the nodes are the masters') or diag($names);

my @keys = map { "key-$_" } 1 .. 60;
is_deeply([ grep { $c->cmd('SET', $_, "v-$_") ne "ok\nOK" } @keys ], [],
	'S07: keys of all slots are written');
is_deeply([ grep { $c->cmd('GET', $_) ne "ok\nv-$_" } @keys ], [],
	'S07: ... and read');

my ($owner) = $cluster->owner($cluster->slot('key-1'));
like($c->get('/nodes?key-1'), qr/\n@{[ $owner->address() ]}$/,
	'S07: the node of a key');

my @sizes = map { $c->node($_, 'DBSIZE') =~ /^ok\n(\d+)$/ } 0 .. 2;
is($sizes[0] + $sizes[1] + $sizes[2], 60, 'S07: each node is asked');

is(scalar(() = $c->get('/sub?key-') =~ /\n/g), 3, 'S13: each node is');
my $up = '';
$t->wait_for(sub { $up .= $c->get('/events'); 3 == (() = $up =~ /up/g) }, 5);
$c->cmd('SET', $_, "v-$_") for @keys;
my $told = '';
$t->wait_for(sub { $told .= $c->get('/events'); 60 == (() = $told =~ /key /g) },
	5);
is(scalar(() = $told =~ /key /g), 60, 'S13: ... and tells of its keys');

###############################################################################
# A slot on the move: half of its keys here, half there.

my @tagged = map { "{key-1}-$_" } 1 .. 20;
$c->cmd('SET', $_, 'v') for @tagged;

my $slot = $cluster->slot('key-1');
my ($to) = grep { $_ != $owner } $cluster->masters();

$cluster->begin_move($slot, $to);
$cluster->move_keys($slot, $to, 10);
is_deeply([ grep { $c->cmd('GET', $_) ne "ok\nv" } @tagged ], [],
	'RE-9: ASK is followed');
is($c->cmd('SET', '{key-1}-new', 'v'), "ok\nOK", 'RE-9: ... by a write');

$cluster->move_keys($slot, $to);
$cluster->end_move($slot, $to);
is_deeply([ grep { $c->cmd('GET', $_) ne "ok\nv" } @tagged ], [],
	'RE-9: MOVED is followed');
ok($t->wait_for(sub { $c->get('/nodes?key-1') =~ /\n\Q@{[ $to->address() ]}\E$/ },
	5), 'RE-9: ... and kept');

###############################################################################
# A master is killed.

my $began = time();
my $new = $cluster->fail($to, sub { $_[0]->kill() });
ok($t->wait_for(sub { $c->cmd('SET', 'key-1', 'w') eq "ok\nOK" }, 10),
	'RE-9: its replica is written to');
is($new->do(qw/ GET key-1 /), 'w', 'RE-9: ... indeed');
cmp_ok(time() - $began, '<', 10, 'RE-9: ... within 10 s');
is_deeply([ grep { $c->cmd('GET', $_) !~ /^ok\n[vw]/ } @keys, @tagged ], [],
	'RE-9: no key is lost');
like($c->get('/nodes'), qr/\b@{[ $new->port() ]}\b/, 'RE-9: a node now');

###############################################################################
# From node to node without end.

my $proxy = $t->redis_proxy($new);
my $there = '127.0.0.1:' . $proxy->port();
$proxy->reply('CLUSTER', "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n\$9\r\n127.0.0.1\r\n"
	. ':' . $proxy->port() . "\r\n");
$proxy->reply('GET', "-MOVED $slot $there\r\n");
$c->reload("cluster=1 server=redis://$there");
$t->wait_for(sub { $c->get('/nodes') =~ /^127/ }, 5);
like($c->cmd(qw/ GET key-1 /), qr/^failing over\n/, 'RE-9: no more than 5');
is($proxy->count('GET'), 6, 'RE-9: ... times');
