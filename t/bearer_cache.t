#!/usr/bin/perl

# What was said of a token is remembered, for all workers, and for how long; one
# call for all who ask at once; and what is never remembered (R20, IN-6, IN-17).

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2, clock => 1);

$t->conf(conf())->run();

my $idp = $t->idp();

$idp->set(tokens => tokens());

###############################################################################
# How long.

is(calls(sub { api('/long/', 'long1') for 1 .. 20 }), 1,
	'R20 IN-6: one call for all workers');
is(calls(sub { api('/long/', 'long2') for 1 .. 3 }), 1, 'R20: of each token');

is(calls(sub {
	for (1 .. 3) { api('/short/', 'short1') for 1 .. 5; $t->pass(61); }
}), 3, 'R20: as long as introspection_cache says');

is(calls(sub { api('/off/', 'off1') for 1 .. 5 }), 5, 'R20: off: each time');

lives(exp1 => 40);
is(api('/long/', 'exp1')->status(), 200, 'R20: a token with a short life');
is(calls(sub { api('/long/', 'exp1') for 1 .. 4 }), 0, 'R20: is kept');
$t->pass(45);
is(calls(sub { api('/long/', 'exp1') }), 1,
	'R20: not beyond its exp');
lives(exp2 => -5);
is(api('/long/', 'exp2')->status(), 200, 'IN-4: clock_skew is granted');
is(calls(sub { api('/long/', 'exp2') for 1 .. 3 }), 3,
	'R20: a token that lives by clock_skew alone is not kept');

is(calls(sub { api('/long/', 'two1'); api('/two/', 'two1') }), 2,
	'R20: another client of the provider is another question');
is(calls(sub { api('/long/', 'loc1'); api('/scope/', 'loc1');
	api('/aud/', 'loc1') }), 1, 'R20: the rules of a location are not');
is(join(' ', map { api($_, 'loc1')->status() } qw{ /long/ /scope/ /aud/ }),
	'200 403 401', 'R20: and are kept for each');

###############################################################################
# Bad ones.

is(calls(sub { api('/long/', 'bad') for 1 .. 10 }), 1,
	'IN-6: a bad token is asked for once');
ok($t->wait_for(sub { calls(sub { api('/long/', 'bad') }) }, 5),
	'IN-6: but not for long');
is(calls(sub { api('/never/', 'bad2') for 1 .. 3 }), 3,
	'IN-6: negative=0: each time');

$idp->record(0);
my $flood = $t->browser(keepalive => 1);
$flood->api('/long/', headers => { Authorization => "Bearer made-up-$_" })
	for 1 .. 1500;
$idp->record(1);
is(calls(sub { api('/long/', 'long1') for 1 .. 8 }), 0,
	'R20: bad tokens push no good one out');
is($t->wait_log(qr/is full/, 0.1), undef, 'R20: and nobody is told of it');

###############################################################################
# At once.

for my $n (50, 500) {
	$idp->once(introspect => { delay => 400 });

	my @r;
	is(calls(sub { @r = parallel("par$n", $n) }), 1,
		"R20 IN-17: $n at once make one call");
	is(join(' ', sort { $a <=> $b } map { $_->status() } @r),
		join(' ', (200) x $n), '... and all pass');
}

$idp->once(introspect => { delay => 300 });
my @r;
is(calls(sub { @r = parallel('unknown', 40) }), 1,
	'IN-17: also for a bad one');
is((grep { $_->status() == 401 } @r), 40, '... and none passes');

# the one that asks goes away: another takes over

$idp->once(introspect => { delay => 1500 });
my $n = $idp->count('introspect');
my $s = $t->browser()->connect('/long/');
syswrite $s, "GET /long/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abort1"
	. "\r\n\r\n";
$idp->wait_count(introspect => $n + 1, 5);
close $s;
is(api('/long/', 'abort1')->status(), 200,
	'IN-17 B07: who asks goes away, another asks');
is($idp->count('introspect'), $n + 2, '... once');

# a fault is nobody's verdict

$idp->once(introspect => { status => 500 }, 1);
is(api('/long/', 'fail1')->status(), 502, 'R20: a fault of the provider');
is(api('/long/', 'fail1')->status(), 200, 'R20: is not kept');

$idp->answer(introspect => { delay => 5000 });
my $start = time();
@r = parallel('fail2', 20);
ok(!(grep { $_->status() != 504 } @r), 'R19: nobody waits longer than timeout');
cmp_ok(time() - $start, '<', 5, '... not one after the other');
$idp->answer(introspect => undef);
is(api('/long/', 'fail2')->status(), 200, 'R19: and then it works again');

###############################################################################
# Reload, killed workers.

is(api('/long/', 'reload1')->status(), 200, 'R20: a token');
ok($t->reload(conf()), 'R20: reload');
is(calls(sub { api('/long/', 'reload1') for 1 .. 4 }), 0,
	'R20: it is still known');
ok($t->reload(conf('clock_skew 20s;')), 'R20: reload with other settings');
is(calls(sub { api('/long/', 'reload1') for 1 .. 4 }), 1,
	'R20: and asked for again');

is(api('/long/', 'kill1')->status(), 200, 'R20: a token');
$t->kill_worker($_) for $t->workers();
is(calls(sub { api('/long/', 'kill1') for 1 .. 4 }), 0,
	'R20: killed workers lose nothing');

###############################################################################

$t->done();

###############################################################################

sub tokens {
	return { map { $_ => {} } 'par50', 'par500', map { my $n = $_;
		map { "$n$_" } 0 .. 9 } qw/ long short off two loc abort fail
		reload kill / };
}


sub api {
	my ($path, $token) = @_;

	return $t->browser(keepalive => 0)->api($path,
		headers => { Authorization => "Bearer $token" });
}


# how many calls that makes
sub calls {
	my ($code) = @_;

	my $count = $idp->count('introspect');
	$code->();

	return $idp->count('introspect') - $count;
}


sub parallel {
	my ($token, $n) = @_;

	return $t->browser()->parallel_get('/long/', n => $n,
		concurrency => $n, headers => {
		Authorization => "Bearer $token" });
}


# one token more, that is good for so many seconds
sub lives {
	my ($token, $seconds) = @_;

	$idp->set(tokens => { %{ tokens() }, $token => {
		iat => $t->now() - 100, exp => $t->now() + $seconds } });
}


sub conf {
	my ($more) = @_;

	$more //= '';

	return <<"EOF";
%%GLOBALS%%
http {
	%%HTTP%%
	oidc_provider long {
		%%PROVIDER%%
		introspection_cache 1h;
		cookie_name a;
		timeout 2s;
		$more
	}
	oidc_provider short {
		%%PROVIDER%%
		introspection_cache 1m;
		cookie_name b;
	}
	oidc_provider none {
		%%PROVIDER%%
		introspection_cache off;
		cookie_name c;
	}
	oidc_provider two {
		%%PROVIDER%%
		introspection_cache 1h;
		cookie_name d;
	}
	oidc_provider never {
		%%PROVIDER%%
		introspection_cache 60s negative=0;
		cookie_name e;
	}
	server {
		listen 127.0.0.1:%%PORT_0%%;
		auth_oidc long;
		auth_oidc_bearer introspection only;
		location /long/ { proxy_pass http://%%BACKEND%%; }
		location /short/ {
			auth_oidc short;
			proxy_pass http://%%BACKEND%%;
		}
		location /off/ {
			auth_oidc none;
			proxy_pass http://%%BACKEND%%;
		}
		location /two/ {
			auth_oidc two;
			proxy_pass http://%%BACKEND%%;
		}
		location /never/ {
			auth_oidc never;
			proxy_pass http://%%BACKEND%%;
		}
		location /scope/ {
			auth_oidc_scope all x;
			proxy_pass http://%%BACKEND%%;
		}
		location /aud/ {
			auth_oidc_bearer_audience x;
			proxy_pass http://%%BACKEND%%;
		}
	}
}
EOF
}

###############################################################################
