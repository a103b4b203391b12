#!/usr/bin/perl

# Redis stops for ten seconds under load, twice: it hangs, then it is killed.
# What needs no session must not notice, whoever has one is served from the
# local copy while that may be trusted and then told to come back, nobody gets
# in without one, and nothing has to be done once Redis is back.

###############################################################################

use warnings;
use strict;

use List::Util qw/ max min /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Bulk;
use Test::OIDC::Keys qw/ b64u random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my ($RATE, $BEFORE, $AWAY, $AFTER) = (200, 4, 10, 4);

# A copy is trusted for the lease; a request that found it too old waits for a
# command to time out.  NOISE is what two busy cores add to either.
my ($LEASE, $TIMEOUT, $NOISE) = (2, 1, 0.5);

# p99 of some hundred requests that take a millisecond is decided by whatever
# else this machine does.  So a stock nginx gets as many in the same seconds, and
# only what is slower than that and above a floor counts as an effect; a worker
# that blocks until a command times out is fifty times over it.
my $FLOOR = 0.020;

my $t = Test::OIDC->new(workers => 2);
my $stock = Test::OIDC->new(module => 0, workers => 2);
my $redis = $t->redis('', persist => 1);

$t->write_file('key', random_hex(32) . "\n");
chmod 0600, $t->testdir() . '/key';
$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/key;
    oidc_session_store shared {
        type redis;
        redis %%REDIS%%;
        connect_timeout 1s;
        command_timeout 1s;
    }
    oidc_provider idp {
        %%PROVIDER%%
        session_store shared;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=4096;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location /public/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $backend = $t->backend()->record(0)->address();

$stock->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=4096;
        location /public/ {
            proxy_pass http://$backend;
        }
    }
}
EOF

my @users = map { user() } 1 .. 10;
my $public = $t->browser();
my %forged = map { $_ => 'NGX_OIDC_SESSION=' . b64u(pack 'H*',
	random_hex(32)) } 0 .. 9;

away('SIGSTOP', sub { $redis->pause(); }, sub { $redis->resume(); });
away('kill', sub { $redis->kill(); }, sub { $redis->{no_wait} = 1;
	$redis->start(); });

is(scalar(grep { $t->browser()->login('/')->status() != 200 } 1 .. 5), 0,
	'S08: afterwards logins go on');

$t->done();

###############################################################################

sub away {
	my ($how, $stop, $go_on) = @_;

	my ($stopped, $back);
	my @kinds = qw/ public known stock stranger public known stock forged /;
	my @all = Test::OIDC::Bulk::steady(rate => $RATE,
		seconds => $BEFORE + $AWAY + $AFTER,
		next => sub {
			my ($i) = @_;
			my $kind = $kinds[$i % @kinds];

			return [ $kind, $public, '/public/' ]
				if $kind eq 'public';
			return [ $kind, $public, $stock->url('/public/') ]
				if $kind eq 'stock';
			return [ $kind, $users[$i / 2 % @users], '/' ]
				if $kind eq 'known';
			return [ $kind, $t->browser(), '/' ]
				if $kind eq 'stranger';
			return [ $kind, $t->browser(), '/',
				cookie => $forged{$i % 10} ];
		},
		at => {
			$BEFORE => sub { $stopped = $_[0]; $stop->(); },
			$BEFORE + $AWAY => sub { $back = $_[0]; $go_on->(); },
		});

	my %kind;
	push @{ $kind{ $_->{kind} } }, $_ for @all;
	$_->{status} = $_->{response}->status() for @all;

	my $before = sub { $_[0]{at} + $_[0]{time} < $stopped };
	my $during = sub { $_[0]{at} > $stopped and $_[0]{at} < $back };
	my $after = sub { $_[0]{at} > $back + $AFTER / 2 };

	# everything public goes on

	my @public = @{ $kind{public} };
	my ($was, $is, $other) = map {
		my ($results, $when) = @$_;
		p99(map { $_->{time} } grep { $when->($_) } @$results)
	} [ \@public, $before ], [ \@public, $during ],
		[ $kind{stock}, $during ];

	is(wrong(200, @public), 0, "S08: $how: what is public is served");
	cmp_ok($is, '<=', max(1.5 * $was, 1.5 * $other, $FLOOR),
		"S08 RE-1: $how: as fast as before, and no worker blocks")
		or diag(summary(@public));
	cmp_ok(max(map { $_->{time} } @public), '<=', $NOISE
		+ 2 * max(map { $_->{time} } @{ $kind{stock} }),
		"S08 RE-1: $how: not for one of them");
	note(sprintf '%s: p99 %.1f ms before, %.1f ms during, %.1f ms of a '
		. 'stock nginx', $how, map { 1000 * $_ } $was, $is, $other);

	# nobody gets in

	is(wrong(302, @{ $kind{stranger} }), 0,
		"S08: $how: strangers stay out");
	is(scalar(grep { $_->{status} !~ /^(?:302|401|503)$/ }
		@{ $kind{forged} }), 0,
		"S08: $how: nobody is let in by a session that is none")
		or diag(summary(@{ $kind{forged} }));
	cmp_ok(scalar(grep { $_->{status} == 503 } @{ $kind{forged} }), '>',
		100, "S08: $how: whether it is one is not known")
		or diag(summary(@{ $kind{forged} }));

	# known ones

	my @known = @{ $kind{known} };
	my @away = grep { $during->($_) } @known;
	my @served = grep { $_->{status} == 200 } @away;
	my @late = grep { $_->{at} > $stopped + $LEASE + $NOISE } @away;

	is(wrong(200, grep { $before->($_) } @known), 0,
		"S08: $how: sessions before");

	if ($how eq 'kill') {

		# a connection that is closed says that nothing is told any more
		is(scalar(grep { $_->{at} > $stopped + $NOISE } @served), 0,
			"S08: $how: nobody is served whom Redis may have ended")
			or diag(summary(@known));

	} else {
		cmp_ok(scalar @served, '>', 10,
			"S08: $how: known sessions are served from the local copy")
			or diag(summary(@known));
	}

	is(wrong(503, grep { $_->{at} < $back - $TIMEOUT - $NOISE } @late), 0,
		"S08: $how: for at most the lease, then 503")
		or diag(summary(@known));
	is(scalar(grep { $_->{status} == 302 or $_->{status} == 401 } @known),
		0, "S08: $how: nobody's session is thrown away")
		or diag(summary(@known));

	my @refused = grep { $_->{status} == 503 } @away;

	is(scalar(grep { ($_->{response}->header('Retry-After') // '')
		!~ /^[1-9]\d*$/ } @refused), 0,
		"S08: $how: with Retry-After");
	cmp_ok(max(map { $_->{time} } @refused), '<=', $TIMEOUT + $NOISE,
		"S08: $how: and nobody waits longer than a command may");
	is(wrong(200, grep { $after->($_) } @known), 0,
		"S08: $how: afterwards they are served again")
		or diag(summary(@known));
}


# how many have another status
sub wrong {
	my ($status, @results) = @_;

	return scalar grep { $_->{status} != $status } @results;
}


# what came when, in seconds
sub summary {
	my (@results) = @_;

	my %at;
	$at{ int $_->{at} }{ $_->{status} }++ for @results;

	return join "\n", map { my $at = $_; "$at s: " . join ' ',
		map { "$_ x $at{$at}{$_}" } sort keys %{ $at{$at} } }
		sort { $a <=> $b } keys %at;
}


sub p99 {
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[0.99 * $#sorted];
}


sub user {
	my $b = $t->browser();
	my $r = $b->login('/');

	die 'no login: ', $r->status(), "\n" if $r->status() != 200;

	return $b;
}

###############################################################################
