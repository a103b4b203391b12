#!/usr/bin/perl

# Connections of the client of Redis (t/redis_client/module.c) that are lost
# after each byte of a conversation, in either direction: commands, a handshake
# and a subscription.  Most telling with BUILD=sanitize.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC::RedisClient;

###############################################################################

my %bytes = (down => 330, up => 420);

my $c = Test::OIDC::RedisClient->new(8, hasty => 1);
my $t = $c->bed();
my $redis = $t->redis('main', password => 'a-password-to-keep');
my $proxy = $t->redis_proxy($redis);

$c->run('server=redis://:a-password-to-keep@127.0.0.1:' . $proxy->port()
	. '/2 connect=500 command=500');

my ($worker) = $t->workers();

for my $way (qw/ down up /) {
	my ($n, $ended) = (0, time() + 30);
	my %seen;

	$c->get('/sub?oidc:&50');
	$proxy->walk($way, 1, 0);
	$proxy->drop_connections();

	while ($proxy->walked() < $bytes{$way} && time() < $ended) {
		$c->many(3, 'EVAL', 'return {1,{2,"x",{}},ARGV[1]}', 0,
			'y' x (++$n % 40));
		$seen{ $c->read('SET', "oidc:$n", 1) =~ s/\n.*//sr }++;
		$c->forget(qw/ GET oidc:1 /);
		$c->cancel('GET', "oidc:$n");
	}

	cmp_ok($proxy->walked(), '>=', $bytes{$way},
		"S09: connections lost after each byte $way");
	is_deeply([ sort grep { !/^(?:ok|unavailable|refused: unavailable)$/ }
		keys %seen ], [], 'S09: ... answered or not, no third');

	$proxy->reset();
	ok($t->wait_for(sub { $c->cmd(qw/ GET none /) eq "ok\n(nil)" }, 5),
		'S08: ... and then all is well');
	$c->get('/unsub');
	$c->get('/events');
}

is(join(' ', $t->workers()), $worker, 'S08: still the same worker');
is(scalar(() = $t->log() =~ /\[(?:alert|emerg|crit)\]/g), 0, 'S08: no alert');
