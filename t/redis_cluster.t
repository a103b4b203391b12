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
use Test::OIDC::Redis::Cluster;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my ($LOGINS, $BACK) = (1000, 10);

my $t = Test::OIDC->new(workers => 2);
my $cluster = Test::OIDC::Redis::Cluster->new($t);

# one that is a replica, and one that is not there
my $seeds = join ' ', ($cluster->urls())[3, 0],
	'redis://127.0.0.1:' . $t->free_port();

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
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
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=4096;
        location / {
            auth_oidc asked;
            proxy_pass http://%%BACKEND%%;
        }
        location /copied/ {
            auth_oidc copied;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

$t->idp()->record(0);
$t->backend()->record(0);
$t->idp()->set(id_token => { alg => 'ES256', claims => { sid => 'x' x 20 } });

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
is(gets(sub { $carol->get('/copied/') for 1 .. 5 }, $to), 5,
	'S13: a key on the move is asked for each time');
$cluster->end_move($slot, $to);

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
