#!/usr/bin/perl

# The client of Redis (t/redis_client/module.c) and three Sentinels: it finds
# the master, follows a failover, and is not led to a replica.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC::RedisClient;
use Test::OIDC::Redis::Sentinel;

###############################################################################

my $c = Test::OIDC::RedisClient->new(18);
my $t = $c->bed();
my $s = Test::OIDC::Redis::Sentinel->new($t, password => 'a-password-to-keep');

my $servers = join ' ', map { "server=$_" } $s->urls();
my $client = "$servers sentinel=" . $s->name()
	. ' password=a-password-to-keep connect=500 command=500';

$c->run($client);

is($c->cmd(qw/ SET k v /), "ok\nOK", 'S07: written to the master');
is($s->master()->do(qw/ GET k /), 'v', 'S07: ... indeed');
like($c->get('/nodes'), qr/^@{[ $s->master()->address() ]} version 1$/,
	'S07: the node is the master');

$c->get('/sub?k');
like($c->events(qr/up/), qr/up\n/, 'S13: subscribed to the master');

# a sentinel less is no sentinel missed
($s->sentinels())[2]->kill();

my $began = time();
my $new = $s->fail(sub { $_[0]->kill() });
ok($t->wait_for(sub { $c->cmd(qw/ SET k w /) eq "ok\nOK" }, 10),
	'S07: the master is killed, and another written to');
cmp_ok(time() - $began, '<', 10, 'S07: ... within 10 s');
is($new->do(qw/ GET k /), 'w', 'S07: ... indeed');
like($c->get('/nodes'), qr/^@{[ $new->address() ]} version [2-9]/,
	'S07: the list of nodes says so');
$c->get('/unsub');
$c->get('/sub?k');
like($c->events(qr/up/, 10), qr/up\n/, 'S13: subscribed to the new one');
$c->cmd(qw/ SET k w /);
like($c->events(qr/key/), qr/key k\n/, 'S13: ... which tells of its keys');
$c->get('/unsub');

# no Sentinel's word, but a replica's
my ($old) = grep { $_ != $new } @{ $s->{data} };
$old->start();
$old->do(REPLICAOF => '127.0.0.1', $new->port());
my $proxy = $t->redis_proxy($new);
$proxy->reply('SENTINEL', "*2\r\n\$9\r\n127.0.0.1\r\n\$"
	. length($old->port()) . "\r\n" . $old->port() . "\r\n");
$c->reload('server=redis://:a-password-to-keep@127.0.0.1:' . $proxy->port()
	. ' sentinel=oidc'
	. ' password=a-password-to-keep connect=500 command=500');
$c->cmd(qw/ GET k /);
ok($t->wait_log(qr/it is not the master/, 5), 'S07: a replica is not taken');
like($c->cmd(qw/ GET k /), qr/unavailable/, 'S07: ... nor read');

$proxy->reply('SENTINEL', "*-1\r\n");
ok($t->wait_log(qr/does not know the master/, 5), 'S07: an unknown name');

$proxy->reply('SENTINEL', "*2\r\n\$9\r\n127.0.0.1\r\n\$"
	. length($new->port()) . "\r\n" . $new->port() . "\r\n");
ok($t->wait_for(sub { $c->cmd(qw/ GET k /) eq "ok\nw" }, 10),
	'S07: the right word, and it goes on');

###############################################################################
# One Sentinel that is quick and wrong, one that is right and late.

my $stale = $t->redis_proxy($new);
my $right = $t->redis_proxy(($s->sentinels())[0]);
$stale->reply('SENTINEL', "*2\r\n\$9\r\n127.0.0.1\r\n\$"
	. length($old->port()) . "\r\n" . $old->port() . "\r\n");
$right->delay(50);
my $one = 'server=redis://127.0.0.1:' . $right->port();
$c->reload('server=redis://:a-password-to-keep@127.0.0.1:' . $stale->port()
	. " $one sentinel=oidc password=a-password-to-keep"
	. ' connect=500 command=500');
ok($t->wait_for(sub { $c->cmd(qw/ GET k /) eq "ok\nw" }, 10),
	'S07: a Sentinel that is wrong is not believed for ever');

# One that never answers is asked anew when it is needed again.
$right->delay(0);
$right->reply('SENTINEL', { hang => 1 });
$c->reload("$one sentinel=oidc password=a-password-to-keep"
	. ' connect=500 command=500');
my $asked = $right->count('SENTINEL');
$c->cmd(qw/ GET k /);
ok($right->wait_count(SENTINEL => $asked + 2, 10),
	'S07: a Sentinel that does not answer is asked again');
$right->reply('SENTINEL', undef);
ok($t->wait_for(sub { $c->cmd(qw/ GET k /) eq "ok\nw" }, 10),
	'S07: ... and then answers');

# Where commands go there is listened, whatever a Sentinel says by then.
my $other = $t->redis('other', password => 'a-password-to-keep');
$right->reply('SENTINEL', "*2\r\n\$9\r\n127.0.0.1\r\n\$"
	. length($other->port()) . "\r\n" . $other->port() . "\r\n");
$c->get('/sub?k');
$c->events(qr/up/);
$c->cmd(qw/ SET k x /);
like($c->events(qr/key/), qr/key k\n/, 'S13: told by the one that has the key');
