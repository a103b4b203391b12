#!/usr/bin/perl

# Back-channel logout with two gateways and one Redis: a logout token that one
# of them gets ends sessions at both at once, though the other serves them from
# its copy, and whichever provider block they belong to.

###############################################################################

use warnings;
use strict;

use POSIX ();
use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ jws random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

# How long a copy may be trusted when nothing is heard of Redis, and how soon a
# change is known otherwise.  The second is of a machine that does nothing else:
# of several tries most must keep it, and each the first.
my ($LEASE, $SOON, $TRIES) = (2, 0.1, 6);
my $EVENT = 'http://schemas.openid.net/event/backchannel-logout';

my ($one, $two) = map { Test::OIDC->new(workers => 2) } 1 .. 2;
my ($idp, $redis) = ($one->idp(), $one->redis());
my ($first, $proxy) = map { $one->redis_proxy($redis) } 1 .. 2;
my $key = random_hex(32);

for my $t ($one, $two) {
	$t->secret($key);
	chmod 0600, $t->write_file('key', "$key\n");
	$t->conf(conf($t))->run();
}

###############################################################################

for my $by (qw/ sid sub /) {
	my @took = map { logout_seen($by) } 1 .. $TRIES;

	is(scalar(grep { $_ > $LEASE } @took), 0,
		"S13 L10: a logout token with $by at one ends it at the other");
	cmp_ok(scalar(grep { $_ <= $SOON } @took), '>=', $TRIES - 1,
		"S13: within $SOON s") or diag("@took");
}

###############################################################################
# Sessions of one person, at two providers' blocks, begun at both gateways, and
# somebody else's.

my @hers = map { user(@$_) } [ $one, 'a' ], [ $two, 'a' ], [ $one, 'b' ],
	[ $two, 'b' ];
my $there = user($two, 'c');

$idp->set(user => 'bob');
my $his = user($two, 'a');
$idp->set(user => undef);

is(alive($two, @hers, $there, $his), '1 1 1 1 1 1', 'L10: all are served');
is(alive($one, @hers, $there, $his), '1 1 1 1 1 1', 'L10: at both');
for my $user (@hers) {
	$two->wait_for(sub { from_copy($user) }, 20);
}

is(logout($one, 'a', sid => $hers[0]{sid}), 200, 'L10: a sid');
ok($two->wait_for(sub { alive($two, @hers) eq '0 1 1 1' }, $LEASE),
	'L10: ends that session, and no other');

my $token = token(sub => $hers[0]{sub});
is(post($one, 'a', $token), 200, 'L10: her sub, at one, at the first block');
ok($two->wait_for(sub { alive($two, @hers) eq '0 0 0 0' }, $LEASE),
	'L10: ends all of hers at the other, in both blocks');
is(alive($one, @hers), '0 0 0 0', 'L10: and here');
is(alive($_, $there, $his), '1 1', 'L10: not another client\'s, not his')
	for $one, $two;

# Logged out while she logs in: after the indexes and before the session is in
# Redis, or while it gets there.

$idp->set(user => 'carol');
my $carol = user($one, 'a');
my @held = (EVAL => { pass => 1, delay => 700 });
my $before = records();

$proxy->reply_once(@held);
is(meanwhile($one, sub { login($two) }), '503 200',
	'L10 S07: logged out before her session was there: she is not in');
is(records(), $before - 1, 'L10: nor is a session of hers');

$first->reply_once(@held);
$proxy->reply_once(DEL => { pass => 1, delay => 800 });
is(meanwhile($two, sub { $carol = user($one, 'a'); 200 }), '200 200',
	'L10 S07: logged out while it got there: she was in');
is(alive($one, $carol), '0', 'L10: and is no more');
is(records(), $before - 1, 'L10: nor is her session');
$idp->set(user => undef);

# A token that was refused as Redis did not answer in time is good once more,
# whatever Redis has done with what it was sent.
$idp->set(user => 'dave');
my $dave = user($one, 'a');
my $again = token(sid => $dave->{sid});
$first->reply_once(SET => { pass => 1, delay => 1500 });
is(post($one, 'a', $again), 503, 'L09: an answer that comes too late');
is(alive($two, $dave), '1', 'L09: ... ends nothing');
ok($one->wait_for(sub { post($one, 'a', $again) == 200 }, 10),
	'L09: ... and the token is good later');
ok($two->wait_for(sub { alive($two, $dave) eq '0' }, $LEASE),
	'L09: ... and ends it');
is(post($one, 'a', $again), 400, 'L09: ... once');
$idp->set(user => undef);

# Whose sender hangs up while we work on it is done with all the same.
my $erin = user($one, 'a');
my $left = token(sid => $erin->{sid});

$first->forget();
$first->reply_once(SET => { pass => 1, delay => 500 });
my $socket = $one->browser()->connect('/a/bcl');
syswrite $socket, "POST /a/bcl HTTP/1.1\r\nHost: x\r\nContent-Type: "
	. "application/x-www-form-urlencoded\r\nContent-Length: "
	. length("logout_token=$left") . "\r\n\r\nlogout_token=$left";
ok($first->wait_count(SET => 1, 5), 'L09: a logout token is looked at');
close $socket;
ok($two->wait_for(sub { alive($two, $erin) eq '0' }, 5),
	'L10: whose sender has hung up: the session ends');
ok($one->wait_for(sub { post($one, 'a', $left) == 400 }, 5),
	'L09: ... and the token is spent');

# The store is away while sessions are looked for: the provider is told so, no
# session ends, and the same token is as good as it was.

for my $by (qw/ sid sub /) {
	my $user = user($one, 'a');
	my $held = token($by => $user->{$by});

	$first->forget();
	$first->reply('ZRANGE', { hang => 1 });
	is(post($one, 'a', $held), 503, "L10: $by: no word from Redis: 503");
	cmp_ok($first->count('ZRANGE'), '>=', 1, "L10: $by: which was asked");
	$first->reply('ZRANGE', undef);
	is(alive($_, $user), '1', "L10: $by: the session goes on")
		for $one, $two;
	is(post($one, 'a', $held), 200,
		"L09: $by: the same token, tried again: 200");
	ok($two->wait_for(sub { alive($two, $user) eq '0' }, $LEASE),
		"L09: $by: and the session is gone at the other");
	is(alive($one, $user), '0', "L09: $by: and here");
	is(post($one, 'a', $held), 400, "L09: $by: after which it is spent");
}

# S13: where a token was seen is known to both.
is(post($two, 'a', $token), 400, 'L09: a token is good once at both');
is(alive($two, user($one, 'a')), '1', 'L10: who logs in anew is in');

$one->done();

###############################################################################

sub conf {
	my ($t) = @_;

	my $url = $redis->url(port => ($t == $two ? $proxy : $first)->port());
	my $backend = $one->backend()->address();
	my ($providers, $locations) = ('', '');

	for my $name (qw/ a b c /) {
		my $who = $name ne 'c' ? $idp->nginx_conf() : 'issuer '
			. $idp->issuer() . '; client_id another; '
			. 'client_secret other-secret;';

		$providers .= <<"EOF";
    oidc_provider $name {
        $who
        session_store shared;
        cookie_name $name;
        redirect_uri /$name/callback;
        backchannel_logout_uri /$name/bcl;
    }
EOF
		$locations .= <<"EOF";
        location /$name/ {
            auth_oidc $name;
            proxy_pass http://$backend;
        }
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/key;
    oidc_session_store shared {
        type redis;
        redis $url;
    }
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-Sid \$oidc_sid;
        proxy_set_header X-Sub \$oidc_claim_sub;
$locations
    }
}
EOF
}


# a cookie knows no ports: one browser is at home at both
sub url {
	my ($t, $path) = @_;

	return 'http://127.0.0.1:' . $t->port(0) . $path;
}


# a session begun at that gateway; { name, sid, sub, browser }
sub user {
	my ($t, $name) = @_;

	$idp->set(client => $name eq 'c' ? { id => 'another',
		secret => 'other-secret' } : undef);

	my $b = $t->browser();
	my $r = $b->login("/$name/");

	$idp->set(client => undef);

	die 'no login: ', $r->status(), "\n" if $r->status() != 200;

	my %header = map { @$_ } @{ $r->json()->{headers} };

	return { name => $name, browser => $b, sid => $header{'X-Sid'},
		sub => $header{'X-Sub'} };
}


sub login {
	my ($t) = @_;

	return $t->browser()->login('/a/')->status();
}


sub records { return scalar grep { /^oidc:s:/ } $redis->keys(); }


# The status of a login, and of her logout at $t, which begins when Redis has the
# login's indexes.
sub meanwhile {
	my ($t, $login) = @_;

	my $token = token(sub => $carol->{sub});
	my $written = written($redis->client());
	my $pid = fork() // die "fork: $!";

	if ($pid == 0) {
		my $own = $redis->client();

		$t->wait_for(sub { written($own) >= $written + 2 });
		POSIX::_exit(post($t, 'a', $token) == 200 ? 0 : 1);
	}

	my $status = $login->();

	waitpid $pid, 0;
	return "$status " . ($? ? 'refused' : 200);
}


# how often an index was written to
sub written {
	my ($client) = @_;

	return $client->do(INFO => 'commandstats') =~ /^cmdstat_zadd:calls=(\d+)/m
		? $1 : 0;
}


sub served {
	my ($t, $user) = @_;

	return $user->{browser}->api(url($t, "/$user->{name}/"))->status()
		== 200 ? 1 : 0;
}


sub alive {
	my ($t, @users) = @_;

	return join ' ', map { served($t, $_) } @users;
}


# whether the second answers without Redis: of 20 requests, with the command
# that may be due to keep the session alive
sub from_copy {
	my ($user) = @_;

	my $served;
	my $asked = $proxy->asked(sub {
		$served = grep { served($two, $user) } 1 .. 20 });

	return $served == 20 && $asked <= 3;
}


# Of a session that the second gateway serves from its copy: the seconds from
# the answer to a logout token at the first until the second knows.
sub logout_seen {
	my ($by) = @_;

	my $user = user($one, 'a');

	$two->wait_for(sub { from_copy($user) }, 20) or die "no local copy\n";

	my $status = logout($one, 'a', $by => $user->{$by});

	die "no logout: $status\n" if $status != 200;

	my $start = time();

	$two->wait_for(sub { !served($two, $user) }, 30);

	return time() - $start;
}


sub token {
	my (%claims) = @_;

	return jws(alg => 'RS256', key => $idp->private_key('RS256'),
		kid => $idp->kid('RS256'), header => { typ => 'logout+jwt' },
		payload => { iss => $idp->issuer(), aud => $idp->client_id(),
			iat => int time(), exp => int(time()) + 120,
			jti => random_hex(16), events => { $EVENT => {} },
			%claims });
}


sub post {
	my ($t, $name, $token) = @_;

	return $t->browser()->request('POST', "/$name/bcl", mode => 'plain',
		body => "logout_token=$token", headers => { 'Content-Type' =>
		'application/x-www-form-urlencoded' })->status();
}


sub logout {
	my ($t, $name, %claims) = @_;

	return post($t, $name, token(%claims));
}

###############################################################################
