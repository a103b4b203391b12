#!/usr/bin/perl

# A master, its replica and three sentinels: the gateway follows them when the
# master dies, hangs or steps down, and loses no session that Redis has kept.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ random_hex /;
use Test::OIDC::Redis::Sentinel;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $BACK = 10;

my $t = Test::OIDC->new(workers => 2);
my $group = Test::OIDC::Redis::Sentinel->new($t,
	password => 'opening-of-the-cave');
my $urls = join ' ', $group->urls();

$t->write_file('key', random_hex(32) . "\n");
chmod 0600, $t->testdir() . '/key';
$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/key;
    oidc_session_store copied {
        type redis;
        redis $urls;
        sentinel oidc;
        password opening-of-the-cave;
    }
    oidc_session_store asked {
        type redis;
        redis $urls;
        sentinel oidc;
        password opening-of-the-cave;
        local_copy off;
    }
    oidc_provider copied {
        %%PROVIDER%%
        session_store copied;
        cookie_name copied;
        redirect_uri /copied/callback;
    }
    oidc_provider asked {
        %%PROVIDER%%
        session_store asked;
        cookie_name asked;
        redirect_uri /asked/callback;
        logout_uri /asked/logout;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location /asked/ {
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

my %user = map { my $path = $_; $path => [ map { user($path) } 1 .. 10 ] }
	'/asked/', '/copied/';

is(alive('/asked/'), 10, 'S07: sessions in the master that is named');
is(alive('/copied/'), 10, 'S07: and in the local copy');

###############################################################################

failover('it dies', sub { $_[0]->kill(); }, sub {
	# as the sentinels would in ten seconds
	$_[0]->start()->do(REPLICAOF => '127.0.0.1', $group->master()->port());
});
failover('it hangs', sub { $_[0]->pause(); }, sub { $_[0]->resume(); });
failover('it steps down', sub {
	($group->sentinels())[0]->do(SENTINEL => 'FAILOVER', 'oidc');
}, sub { });

# A sentinel less is not noticed.
($group->sentinels())[0]->kill();
is($t->browser()->login('/asked/')->status(), 200,
	'S07: two sentinels are enough');
ok($t->reload(), 'S07: also for those who begin');
ok($t->wait_for(sub { alive('/asked/') == 10 }, 20),
	'S07: who find the master and all sessions');

$t->done();

###############################################################################

sub failover {
	my ($how, $fail, $later) = @_;

	my $master = $group->master();
	my $start = time();

	# what has reached the replica is not Redis's to lose
	push @{ $user{'/asked/'} }, user('/asked/');
	shift @{ $user{'/asked/'} };
	$master->do(WAIT => 1, 5000);

	my $ended = shift @{ $user{'/asked/'} };

	is($ended->get('/asked/logout', site => 'same-origin')->status(), 302,
		"S07: $how: a logout before");
	$master->do(WAIT => 1, 5000);

	$group->fail($fail);
	my $named = time();

	ok(wait_login('/asked/'), "S07: $how: logins go on");
	ok($t->wait_for(sub { alive('/copied/') == 10 }, 30),
		"RE-9: $how: sessions of the local copy are served");
	cmp_ok(time() - $start, '<=', $BACK,
		"RE-9: $how: service is back within $BACK s");
	note(sprintf '%s: another master after %.1f s, service after %.1f s',
		$how, $named - $start, time() - $start);

	ok($t->wait_for(sub { alive('/asked/') == 9 }, $BACK),
		"RE-9: $how: no session is lost") or diag(alive('/asked/'));
	is($ended->api('/asked/')->status(), 401,
		"RE-9: $how: and none comes back");

	# who wrote to it until it knew has written in vain: that is Redis's
	$later->($master);
	follows($master);
	push @{ $user{'/asked/'} }, user('/asked/');
	is(alive('/asked/'), 10, "RE-9: $how: nor when it comes back");
}


# until it is the replica that it should be, and the sentinels know
sub follows {
	my ($replica) = @_;

	my $info = sub { my %info = $replica->info('replication'); return \%info };

	# sentinels that have missed two seconds do nothing for thirty
	$t->wait_for(sub { $info->()->{role} eq 'slave' }, 15) or $replica->do(
		REPLICAOF => '127.0.0.1', $group->master()->port());
	$t->wait_for(sub { ($info->()->{master_link_status} // '') eq 'up' }, 60)
		or die "it does not follow\n";

	$group->look();
}


sub alive {
	my ($path) = @_;

	return scalar grep { $_->get($path)->status() == 200 }
		@{ $user{$path} };
}


sub wait_login {
	my ($path) = @_;

	return $t->wait_for(sub {
		return $t->browser()->login($path)->status() == 200;
	}, 30);
}


sub user {
	my ($path) = @_;

	my $b = $t->browser();
	my $r = $b->login($path);

	die "no login at $path: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}

###############################################################################
