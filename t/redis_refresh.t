#!/usr/bin/perl

# Two gateways with one Redis: of all requests of a session, whichever gateway
# has them, one refreshes it, all are answered with the new token, and a refresh
# token is sent once even where the worker that sent it dies.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $N = 500;

my ($one, $two) = map { Test::OIDC->new(workers => 2, clock => 1) } 1 .. 2;
my ($idp, $redis) = ($one->idp(), $one->redis());
my $key = random_hex(32);

for my $t ($one, $two) {
	$t->secret($key);
	chmod 0600, $t->write_file('key', "$key\n");
	$t->conf(conf())->run();
}

###############################################################################

my $start = $one->now();

$idp->set(token => { expires_in => 300 });
my ($over, $refused, $logout, $killed) = map { user() } 1 .. 4;
$idp->set(token => { expires_in => 400 });
my $within = user();

# Within leeway: those who do not refresh go on with the old token.
at(210);
$idp->set(token => { expires_in => 7200 });
$idp->forget();
$idp->once(refresh => { delay => 500 });

my @answers = flood($within, 100);
is(statuses(@answers), '100 x 200', 'S11: 100 within leeway, at both');
is($idp->count('refresh'), 1, 'S11 TK-13: one of them refreshes');
cmp_ok(scalar(grep { sent($_) eq $within->{token} } @answers), '>', 50,
	'S11: the others do not wait for it');

# A worker dies while it refreshes, with the session's lock.
$idp->once(refresh => { delay => 800 });
my $n = $idp->count('refresh');
my $socket = $killed->begin('/');
$idp->wait_count(refresh => $n + 1, 5);

for my $pid ($one->workers()) {
	$one->allow_log(qr/worker process $pid exited on signal 9/);
	kill 'KILL', $pid;
}

is(sent($killed->get(url($two))), $killed->{token},
	'S10: workers killed at one: the other goes on with the old token');
ok($one->wait_for(sub { 2 == $one->workers()
	&& $one->browser()->get('/free')->status() }, 10), 'S10: new workers');

at(310);

for ([ $over, '200', 'over' ], [ $refused, '302', 'over, and refused' ]) {
	my ($b, $status, $what) = @$_;

	$idp->forget();
	$idp->once(refresh => { delay => 300, $status == 302 ? (status => 400,
		content_type => 'application/json',
		body => '{"error":"invalid_grant"}') : () });
	@answers = flood($b, $N);
	is(statuses(@answers), "$N x $status",
		"S11: $N at once at two gateways: $what");
	is($idp->count('refresh'), 1, "S11 TK-13: one refresh: $what");
	is($idp->count('token'), 0, "S11: nothing else is asked: $what");

	next if $status != 200;

	my $token = $idp->issued()->{access_tokens}[-1];

	is(scalar(grep { sent($_) eq $token } @answers), $N,
		'S11: all have the new token');
	is(scalar(grep { sent($_) eq $token } flood($b, 40)), 40,
		'S11: which both know from then on');
	is($idp->count('refresh'), 1, 'S11: without another refresh');
}

# A logout at the other gateway meanwhile wins.
$idp->forget();
$idp->once(refresh => { delay => 400 });
$socket = $logout->begin('/');
$idp->wait_count(refresh => 1, 5);
is($logout->clone()->get(url($two, '/logout'), site => 'same-origin')
	->status(), 302, 'S10: a logout at the other during a refresh');
like($logout->answer($socket), qr{^HTTP/1.1 302 },
	'S10: wins: nobody is let through');
is($logout->get(url($_))->status(), 302, 'S10: the session stays gone')
	for $one, $two;

# The lock of the dead is over at last: nobody knows of their refresh token.
$idp->forget();
ok($two->wait_for(sub { $killed->get(url($two))->status() == 302 }, 15),
	'S10: workers killed: the session ends with its access token');
is($killed->get(url($one))->status(), 302, 'S10: at both');
is($idp->count('refresh'), 0, 'TK-13: and nobody asked again');

is($idp->reused(), 0, 'S11 TK-13: no refresh token was sent twice');
is(() = ($one->log() . $two->log()) =~ /refresh failed|refresh put off/g, 0,
	'O04: nothing else went wrong');

$one->done();

###############################################################################

sub conf {
	my $provider = $idp->nginx_conf();
	my $backend = $one->backend()->address();
	my $url = $redis->url();

	return <<"EOF";
%%GLOBALS%%
events {
    worker_connections 2048;
}
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/key;
    oidc_session_store shared {
        type redis;
        redis $url;
    }
    oidc_provider idp {
        $provider
        session_store shared;
        logout_uri /logout;
        timeout 10s;
        refresh_leeway 10m;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=1024;
        proxy_set_header X-Token \$oidc_access_token;
        location / {
            auth_oidc idp;
            proxy_pass http://$backend;
        }
        location /free {
            return 204;
        }
    }
}
EOF
}


sub user {
	my $b = $one->browser();
	my $r = $b->login('/');

	die 'no login: ', $r->status(), "\n" if $r->status() != 200;
	$b->{token} = sent($r);

	return $b;
}


# a cookie knows no ports: one browser is at home at both
sub url {
	my ($t, $path) = @_;

	return 'http://127.0.0.1:' . $t->port(0) . ($path // '/');
}


# so many at once, in turn at both
sub flood {
	my ($b, $n) = @_;

	return $b->parallel_get(sub { url($_[0] % 2 ? $one : $two) }, n => $n,
		concurrency => $n);
}


sub statuses { return Test::OIDC::Response::statuses(@_); }
sub sent { return $_[0]->passed('X-Token') // ''; }


# So many seconds after the logins.
sub at { $one->pass_to($start + $_[0]); }

###############################################################################
