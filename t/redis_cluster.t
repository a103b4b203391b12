#!/usr/bin/perl

# A Redis Cluster: sessions spread over three masters, slots that move while
# people log in, and a master that dies and is replaced by its replica.

###############################################################################

use warnings;
use strict;

use EV;
use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ jws random_hex /;
use Test::OIDC::Redis::Cluster;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my ($LOGINS, $BACK) = (1000, 10);

my $t = Test::OIDC->new(workers => 2);
my $cluster = Test::OIDC::Redis::Cluster->new($t);

# one that is a replica, and one that is not there
my $seeds = join ' ', ($cluster->urls())[3, 0],
	'redis://127.0.0.1:' . $t->free_port();

chmod 0600, $t->write_file('cookie.key', random_hex(32));

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/cookie.key;
    oidc_session_store asked {
        type redis;
        redis $seeds;
        cluster on;
        local_copy off;
    }
    oidc_session_store copied {
        type redis;
        redis $seeds;
        cluster on;
        prefix copied:;
    }
    oidc_provider asked {
        %%PROVIDER%%
        session_store asked;
        logout_uri /logout;

        # the provider is one process that signs, not what is tested here
        proxy_connect_timeout 60s;
        proxy_read_timeout 60s;
        timeout 60s;
    }
    oidc_provider copied {
        %%PROVIDER%%
        session_store copied;
        cookie_name copied;
        redirect_uri /copied/callback;
        logout_uri /copied/logout;
        backchannel_logout_uri /copied/backchannel;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=4096;
        location / {
            auth_oidc asked;
            proxy_pass http://%%BACKEND%%;
        }
        location /copied/ {
            auth_oidc copied;
            proxy_set_header X-Sid \$oidc_sid;
            proxy_set_header X-Id \$oidc_session_id;
            proxy_pass http://%%BACKEND%%;
        }
        location = /admin {
            oidc_sessions;
        }
    }
}
EOF

my %usual = (id_token => { alg => 'ES256', claims => { sid => 'x' x 20 } });

$t->idp()->record(0);
$t->backend()->record(0);
$t->idp()->set(%usual);

my ($first, $second, $third) = $cluster->masters();

###############################################################################
# A slot moves: the keys in it are here, there, or asked for.

my %before = $cluster->dump();
my $alice = user('/');
my %now = $cluster->dump();
my ($key) = grep { /:s:/ and !$before{$_} } keys %now;
my $slot = $cluster->slot($key);
my ($from) = $cluster->owner($slot);
my ($to) = grep { $_ != $from } $cluster->masters();

$cluster->begin_move($slot, $to);
is($alice->get('/')->status(), 200, 'RE-9: a slot that moves, the key still here');
cmp_ok($cluster->move_keys($slot, $to), '>=', 1, 'RE-9: the key moves');
is($alice->get('/')->status(), 200, 'RE-9: the key already there (ASK)');
is($alice->clone()->get('/')->status(), 200, 'RE-9: every time');
$cluster->end_move($slot, $to);
is($alice->get('/')->status(), 200, 'RE-9: the slot has moved (MOVED)');
is($alice->get('/')->status(), 200, 'RE-9: and that is known then');
is($alice->get('/logout', site => 'same-origin')->status(), 302,
	'RE-9: a logout finds it there');
is($alice->api('/')->status(), 401, 'RE-9: and ends it');

# What another node than the map's has answered is not kept for true: nobody
# would tell of its changes.
%before = $cluster->dump();
my $carol = user('/copied/');
%now = $cluster->dump();
($key) = grep { /:s:/ and !$before{$_} } keys %now;
$slot = $cluster->slot($key);
($from) = $cluster->owner($slot);
($to) = grep { $_ != $from } $cluster->masters();

ok($t->wait_for(sub { gets(sub { $carol->get('/copied/') }) == 0 }, 10),
	'S13: a key that stays is not asked for again');
$cluster->begin_move($slot, $to);
$cluster->move_keys($slot, $to);
$t->wait_for(sub { gets(sub { $carol->get('/copied/') }, $to) == 1 }, 5);
is(gets(sub { $carol->get('/copied/') for 1 .. 5 }, $to), 5,
	'S13: a key on the move is asked for each time');
$cluster->end_move($slot, $to);

###############################################################################
# Sessions of one person on all nodes: counted, and ended by whoever may.

my ($N, $SUB) = (30, '90342ad5-bob');

$t->idp()->set(user => 'bob', id_token => { alg => 'ES256' });

ok($t->wait_for(sub { count() == 1 }, 5), "S13: one session is there");

my $others = count();
my @have = map { on_node($_) } $cluster->masters();
my @his = map { user('/copied/') } 1 .. $N;

is(count(), $others + $N, 'S13: sessions of all nodes are counted');
is(scalar(grep { on_node(($cluster->masters())[$_]) > $have[$_] } 0 .. 2), 3,
	'RE-9: which they are spread over');

my %named = map { $_ => [ facts(shift @his) ] } qw/ id sid bcl /;

is(ended("id=$named{id}[2]"), 1, 'S13: one is ended by its id');
is(ended("sid=$named{sid}[1]&provider=copied"), 1, 'S13: one by its sid');
is(logout(sid => $named{bcl}[1]), 200, 'L10: one by the provider, by its sid');

for (sort keys %named) {
	my $b = $named{$_}[0];

	ok($t->wait_for(sub { $b->api('/copied/')->status() == 401 }, 5),
		"S13 L10: and is over ($_)");
}

is(served(@his), $N - 3, 'S13 L10: all the others of that person go on');
is(count(), $others + $N - 3, 'S13: and are counted');
is(ended("sub=$SUB"), $N - 3, 'S13: these are ended by the sub');
ok($t->wait_for(sub { served(@his) == 0 }, 5), 'S13: and are over');
is(count(), $others, 'S13: nobody else is');

@his = map { user('/copied/') } 1 .. $N;
is(logout(sub => $SUB), 200, 'L10: all of them by the provider');
ok($t->wait_for(sub { served(@his) == 0 }, 5), 'L10: and are over');
is(count(), $others, 'L10: nobody else is');
is($carol->get('/copied/')->status(), 200, 'L10: nor is another person');

$t->idp()->set(user => undef, %usual);

###############################################################################
# Many, while slots move.

my @moving = map { $_ * 16 } 1 .. 200;
my ($moved, $logging_in) = (0, 1);
my $mover = EV::timer(0.2, 0.02, sub {
	my $slot = shift @moving // return;
	my $from = $cluster->owner($slot);
	my ($to) = grep { $_ != $from } $first, $second;

	$cluster->begin_move($slot, $to);
	$cluster->move_keys($slot, $to);
	$cluster->end_move($slot, $to);
	$moved++;
});

my @logins = $t->browser()->parallel_logins(n => $LOGINS, concurrency => 100);
my @failed = grep { !$_->{ok} } @logins;

undef $mover;
cmp_ok($moved, '>', 20, 'RE-9: slots move');
is(scalar @failed, 0, "RE-9: while $LOGINS log in") or diag(join "\n",
	map { "$_->{status} " . ($_->{error} // '') }
	@failed[0 .. (@failed > 5 ? 4 : $#failed)]);

my @users = map { $_->{browser} } grep { $_->{ok} } @logins;

is(alive(), scalar @users, 'RE-9: and all of them are known');

my @share = map { scalar grep { $_->[1]{type} ne 'zset' } pairs($_->dump()) }
	$cluster->masters();

is(scalar(grep { $_ > $LOGINS / 10 } @share), 3,
	'RE-9: records are spread over the masters') or diag("@share");

###############################################################################
# Local copies: the word of each node counts for its keys.

my @copied = map { user('/copied/') } 1 .. 12;

$_->get('/copied/') for map { ($_) x 3 } @copied;

is(copied(), 12, 'S13: sessions of three nodes');

###############################################################################
# A master dies.

$_->do(WAIT => 1, 5000) for $cluster->masters();

my $dead = $third;
my $start = time();
my $new = $cluster->fail($dead, sub { $_[0]->kill(); });
my $named = time() - $start;
my $good = $t->wait_for(sub {
	return alive() == @users && copied() == 12;
}, 30);

ok($good, 'RE-9: a master dies: no session is lost')
	or diag(alive(), ' and ', copied());
cmp_ok(time() - $start, '<=', $BACK + 2 * $named,
	"RE-9: and all are served within $BACK s");
note(sprintf 'a replica took over after %.1f s, all served after %.1f s',
	$named, time() - $start);

is(scalar(grep { $t->browser()->login('/')->status() == 200 } 1 .. 20), 20,
	'RE-9: and logins go on');

# It comes back as a replica.
$dead->start();
$cluster->wait_ok();
is(alive(), scalar @users, 'RE-9: it comes back');

###############################################################################
# Nothing is known but the seeds, again.

ok($t->reload(), 'RE-9: a reload');
is(alive(), scalar @users, 'RE-9: finds them all');

$t->done();

###############################################################################

# sessions in the store with a local copy, and on one node
sub count {
	return (map { $_->{sessions} } grep { $_->{store} eq 'copied' }
		@{ $t->browser()->api('/admin')->json() })[0];
}


sub on_node { return scalar grep { /^copied:s:/ } $_[0]->keys(); }


# how many were ended, or the status
sub ended {
	my ($args) = @_;

	my $r = $t->browser()->request('DELETE', "/admin?$args",
		mode => 'plain');

	return $r->status() == 200 ? $r->json()->{ended} : $r->status();
}


# a browser, its sid and its session's id
sub facts {
	my ($b) = @_;

	my $r = $b->get('/copied/');

	return ($b, map { $r->passed($_) } qw/ X-Sid X-Id /);
}


sub served {
	return scalar grep { $_->api('/copied/')->status() == 200 } @_;
}


# of a logout token with these claims, the status
sub logout {
	my (%claims) = @_;

	my $idp = $t->idp();
	my $now = int time();

	return $t->browser()->post('/copied/backchannel', { logout_token =>
		jws(alg => 'ES256', key => $idp->private_key('ES256'),
		kid => $idp->kid('ES256'), header => { typ => 'logout+jwt' },
		payload => { iss => $idp->issuer(), aud => $idp->client_id(),
		iat => $now, exp => $now + 120, jti => random_hex(16),
		%claims, events => {
		'http://schemas.openid.net/event/backchannel-logout' => {} } })
		})->status();
}


# how many are logged in
sub alive {
	return scalar grep { $_->status() == 200 } $t->browser()->parallel_get(
		$t->url('/'), n => scalar @users, browsers => \@users,
		concurrency => 50);
}


# GET that nodes, or one, have executed meanwhile
sub gets {
	my ($code, @nodes) = @_;

	@nodes = $cluster->masters() if !@nodes;

	my $count = sub {
		my $n = 0;

		for (@nodes) {
			my %info = $_->info('commandstats');

			$n += $1 if ($info{cmdstat_get} // '') =~ /calls=(\d+)/;
		}

		return $n;
	};

	my $before = $count->();

	$code->();

	return $count->() - $before;
}


# and of those in the store with a local copy
sub copied {
	return scalar grep { $_->get('/copied/')->status() == 200 } @copied;
}


sub pairs {
	my (%hash) = @_;

	return map { [ $_, $hash{$_} ] } keys %hash;
}


sub user {
	my ($path) = @_;

	my $user = $t->browser();
	my $r = $user->login($path);

	die "no login at $path: ", $r->status(), "\n" if $r->status() != 200;

	return $user;
}

###############################################################################
