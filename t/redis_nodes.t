#!/usr/bin/perl

# Two gateways with one Redis: whoever logs in at one is known at the other,
# and whoever logs out is known nowhere, however fast the local copies are.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

# How long a copy may be trusted when nothing is heard of Redis, and how soon a
# change is known otherwise.  The second is of a machine that does nothing else:
# of several tries most must keep it, and each the first.
my ($LEASE, $NOISE, $SOON, $TRIES) = (2, 0.5, 0.1, 8);

my $one = Test::OIDC->new(workers => 2);
my $two = Test::OIDC->new(workers => 2);

my ($idp, $redis) = ($one->idp(), $one->redis());
my %proxy = map { $_ => $one->redis_proxy($redis) } $one, $two;
my $base = 'http://gateway.example.test:' . $one->port(0);
my @key = map { random_hex(32) } 1 .. 2;

for my $t ($one, $two) {
	$t->secret(@key);

	for (1, 2) {
		chmod 0600, $t->write_file("key$_", "$key[$_ - 1]\n");
	}

	$t->conf(conf($t, 1))->run();
}

###############################################################################
# A session.

my $b = user();

is(who($b, $one), '248289761001', 'S03: a login at one gateway');
is(who($b, $two), '248289761001', 'S03: is good at the other');

# A login in flight.

is(begun_and_ended($one, $two), '302 /p?q=1',
	'S03 S04: a login begun at one ends well at the other');
is(begun_and_ended($two, $one), '302 /p?q=1', 'S03 S04: and the other way');

my ($late, $url) = begin($one);

is(end_at($two, $late->clone(), $url), '302 /p?q=1', 'F09: a callback');
is(end_at($one, $late, $url), '400 ', 'F09 S03: is spent at both');

ok($_->reload(conf($_, 1, 2)), 'S04: roll-over: the next key can open')
	for $one, $two;

my @before = begin($one);

ok($one->reload(conf($one, 2, 1)), 'S04: then it seals, at one of both');
is(begun_and_ended($one, $two), '302 /p?q=1', 'S04: what one of them seals');
is(begun_and_ended($two, $one), '302 /p?q=1', 'S04: the other opens');
ok($two->reload(conf($two, 2, 1)), 'S04: at both');
is(end_at($two, @before), '302 /p?q=1', 'S04: and what was sealed before');
is(who($b, $_), '248289761001', 'S04: sessions have not noticed')
	for $one, $two;

###############################################################################
# The local copy.

$b = user();
ok($two->wait_for(sub { from_copy($two, $b) }, 20),
	'S03: after a while Redis is not asked any more');

my @took = map { logout_seen() } 1 .. $TRIES;

is(scalar(grep { $_ > $LEASE } @took), 0,
	'S13 L02: a logout at one is seen by the other');
cmp_ok(scalar(grep { $_ <= $SOON } @took), '>=', $TRIES - 1,
	"S13: within $SOON s") or diag("@took");

@took = map {
	logout_seen(sub {
		my $n = $redis->kill_clients(qr/ sub=[1-9]/);
		cmp_ok($n, '>', 0, 'S13: subscriptions are closed')
			if $_ == 1;
	});
} 1 .. $TRIES;

is(scalar(grep { $_ > $LEASE + $NOISE } @took), 0,
	'S13: the same after the invalidation connection was closed');
cmp_ok(scalar(grep { $_ <= $SOON } @took), '>=', $TRIES - 1,
	"S13: within $SOON s") or diag("@took");

# Nothing is heard of the invalidations, and nobody says so.
my ($late_by) = logout_seen(sub { $proxy{$two}->blackhole('SUBSCRIBE'); });

cmp_ok($late_by, '<=', $LEASE + $NOISE,
	'S13: within the lease when they are lost on the way');
note("blackhole: $late_by s");

my $asked = user();

$asked->get(at($two)) for 1 .. 5;
ok(!from_copy($two, $asked), 'S13: then each request asks Redis');
is($asked->get(at($two))->status(), 200, 'S13: and is served');
$proxy{$two}->blackhole(0);
$proxy{$two}->drop_connections();

ok($two->wait_for(sub { from_copy($two, $asked) }, 20),
	'S13: until invalidations come again');

# A session ends while its record is on the way to us: what comes late is not
# kept for true, though its subscriber has told of the end before.
{
	my $user = user();
	my $twin = $user->clone();

	$proxy{$two}->forget();
	$proxy{$two}->reply_once('GET', { pass => 1, delay => 700 });
	my $socket = $twin->begin(at($two));
	$proxy{$two}->wait_count(GET => 1, 5);
	is($user->get(at($one, '/logout'), site => 'same-origin')->status(),
		302, 'S13: a logout while the other asks');
	$twin->answer($socket);
	is($twin->get(at($two))->status() == 200 ? 'in' : 'out', 'out',
		'S13: is not hidden by the answer that was late');
}

# The worker that listens to them dies, whichever of the first two that is.
my $listeners = listeners();

for (1, 2) {
	my ($killed) = $two->workers();

	$two->allow_log(qr/worker process $killed exited on signal 9/);
	my $seen = logout_seen(sub { kill 'KILL', $killed; });

	cmp_ok($seen, '<=', $LEASE + $NOISE,
		'S13: within the lease when a worker was killed');
	note("killed: $seen s");
	$two->wait_for(sub { 2 == grep { $_ != $killed } $two->workers() });
	ok($two->wait_for(sub { from_copy($two, $asked) }, 20),
		'S13: and another takes its place');
}

isnt(listeners(), $listeners, 'S13: one of them has listened');

###############################################################################
# F22: several providers, one store.

my $a = user('/a/');
my $other = user('/b/');

for my $t ($one, $two) {
	is($a->get(at($t, '/a/'))->status(), 200, 'F22: mine');
	is($other->get(at($t, '/b/'))->status(), 200, 'F22: the other\'s');

	my $stolen = $a->cookie('a')->{value};

	is($t->browser()->api(at($t, '/b/'), cookie => "b=$stolen")->status(),
		401, 'F22: mine is nothing at the other\'s');
	is($t->browser()->get(at($t, '/b/logout'), site => 'same-origin',
		cookie => "b=$stolen")->status() >= 500, '',
		'F22: and ends nothing there');
	is($a->get(at($t, '/a/'))->status(), 200, 'F22: it is still mine');
}

$one->done();

###############################################################################

sub conf {
	my ($t, @keys) = @_;

	my $keys = join '', map { "oidc_cookie_key %%TESTDIR%%/key$_;\n" }
		@keys;
	my $url = $redis->url(port => $proxy{$t}->port());
	my $provider = $idp->nginx_conf();
	my $backend = $one->backend()->address();

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    $keys
    oidc_session_store shared {
        type redis;
        redis $url;
    }
    oidc_provider idp {
        $provider
        session_store shared;
        logout_uri /logout;
    }
    oidc_provider a {
        $provider
        session_store shared;
        cookie_name a;
        redirect_uri /a/callback;
        logout_uri /a/logout;
    }
    oidc_provider b {
        $provider
        session_store shared;
        cookie_name b;
        redirect_uri /b/callback;
        logout_uri /b/logout;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        oidc_base_url $base;
        proxy_set_header X-User \$oidc_claim_sub;
        location / {
            auth_oidc idp;
            proxy_pass http://$backend;
        }
        location /a/ {
            auth_oidc a;
            proxy_pass http://$backend;
        }
        location /b/ {
            auth_oidc b;
            proxy_pass http://$backend;
        }
    }
}
EOF
}


# a URL of the one name that both have, which leads to that gateway
sub at {
	my ($t, $path) = @_;

	return 'http://gateway.example.test:' . $t->port(0) . ($path // '/');
}


# its Host names the first: the balancer before them has one address
sub browser {
	return $one->browser(host => 'gateway.example.test');
}


sub user {
	my ($path) = @_;

	my $user = browser();
	my $r = $user->login($path // '/');

	die 'no login: ', $r->status(), "\n" if $r->status() != 200;

	return $user;
}


sub who {
	my ($user, $t) = @_;

	my $r = $user->get(at($t));

	return $r->status() if $r->status() != 200;
	return (map { $_->[1] } grep { $_->[0] eq 'X-User' }
		@{ $r->json()->{headers} })[0];
}


sub begin {
	my ($t) = @_;

	my $user = browser();

	return ($user, $user->start_login(at($t, '/p?q=1')));
}


sub end_at {
	my ($t, $user, $callback) = @_;

	my $r = $user->callback(at($t, $callback =~ s{^http://[^/]+}{}r));

	return $r->status() . ' ' . ($r->location() // '')
		=~ s{^http://[^/]*}{}r;
}


sub begun_and_ended {
	my ($first, $second) = @_;

	return end_at($second, begin($first));
}


# whether this gateway answers without Redis: of 20 requests, with the command
# that may be due to keep the session alive
sub from_copy {
	my ($t, $user) = @_;

	my @status;
	my $asked = $proxy{$t}->asked(sub {
		@status = map { $user->get(at($t))->status() } 1 .. 20 });

	return $asked <= 3 && !grep { $_ != 200 } @status;
}


# the connections that invalidations come by
sub listeners {
	return join ' ', sort map { $_->{id} } $redis->clients(qr/ sub=1 /);
}


# A session that the second gateway serves from its copy ends at the first: the
# seconds until the second knows; $before is called right before the logout.
sub logout_seen {
	my ($before) = @_;

	my $user = user();
	my $twin = $user->clone();

	$two->wait_for(sub { from_copy($two, $twin) }, 20)
		or die "no local copy\n";

	$before->() if $before;

	my $r = $user->get(at($one, '/logout'), site => 'same-origin');

	die 'no logout: ', $r->status(), "\n" if $r->status() != 302;

	my $start = time();

	$two->wait_for(sub { $twin->get(at($two))->status() != 200 }, 30);

	return time() - $start;
}

###############################################################################
