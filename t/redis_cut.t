#!/usr/bin/perl

# Connections to Redis that end after every byte of the conversation, in either
# direction: that of commands as well as that of invalidations.  Whoever asks
# meanwhile gets the page or 503, nothing else, and afterwards all is as it was.
# Under a sanitizer this file is worth most.

###############################################################################

use warnings;
use strict;

use List::Util qw/ max /;
use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

# Who lost a connection waits before the next, so there are many at once: each
# store has a connection of each kind.
my ($STORES, $EACH) = (48, 3);

my $t = Test::OIDC->new();
my $redis = $t->redis();
my $proxy = $t->redis_proxy($redis);
my $url = $redis->url(port => $proxy->port());
my (@providers, @locations);

for my $n (1 .. $STORES) {
	my $copy = $n % 2 ? 'local_copy off;' : '';

	push @providers, <<"EOF";
    oidc_session_store s$n {
        type redis;
        redis $url;
        prefix s$n:;
        $copy
        command_timeout 500ms;
    }
    oidc_provider p$n {
        %%PROVIDER%%
        session_store s$n;
        cookie_name p$n;
        redirect_uri /p$n/callback;
    }
EOF
	push @locations, <<"EOF";
        location /p$n/ {
            auth_oidc p$n;
            proxy_pass http://%%BACKEND%%;
        }
EOF
}

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
@providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
@locations
    }
}
EOF

my $b = $t->browser();

is(scalar(grep { $b->login("/p$_/")->status() == 200 } 1 .. $STORES), $STORES,
	'S09: sessions in many stores');

# The beginnings, where something is said in each byte, and the ends: of the
# handshake and the requests, the record in the middle is but long.
my $record = max(map { length $_->{value} } values %{ { $redis->dump() } });

for ([ down => 0, 120 ], [ down => $record, $record + 120 ], [ up => 0, 300 ]) {
	my ($way, $from, $to) = @$_;
	my ($n, %status) = ($from);
	my $end = time() + 120;

	$proxy->walk($way, $EACH, $from);
	$proxy->drop_connections();

	while ($n < $to and time() < $end) {
		my @answers = $b->parallel_get(sub {
			$t->url('/p' . (1 + $_[0] % $STORES) . '/')
		}, n => $STORES, concurrency => $STORES);

		$status{ $_->status() }++ for @answers;
		$t->wait_for(sub { $proxy->walked() > $n }, 0.5);
		$n = $proxy->walked();
	}

	note("$way: $from to $n bytes, ", join ', ', map { "$_: $status{$_}" }
		sort keys %status);
	cmp_ok($n, '>=', $to, "S09: every byte $way from $from");
	is_deeply([ grep { !/^(?:200|503)$/ } sort keys %status ], [],
		'S09: the page or 503, and nothing else');
	cmp_ok($status{503} // 0, '>', 0, 'S09: both of them: 503');
	cmp_ok($status{200} // 0, '>', 0, 'S09: and the page')
		if $way eq 'up' or $from;

	$proxy->reset();
	$proxy->drop_connections();
	is(scalar(grep { my $path = "/p$_/"; $t->wait_for(sub {
		$b->get($path)->status() == 200 }, 20) } 1 .. $STORES),
		$STORES, 'S09: all sessions are there afterwards');
}

ok($t->wait_for(sub {
	my @clients = $redis->clients();
	return @clients <= $STORES + $STORES / 2;
}, 10), 'S09: no connection is left over')
	or diag(scalar(my @clients = $redis->clients()));

$t->done();
