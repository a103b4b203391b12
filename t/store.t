#!/usr/bin/perl

# Sessions in shared memory, seen from outside: a zone that is full or too
# small, time, reload, the death of workers.

###############################################################################

use warnings;
use strict;

use AnyEvent;
use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2, clock => 1)->plan(43);

my $conf = <<'EOF';
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_session_store tiny { type memory; size 64k; }
    oidc_session_store wide { size 4m; }
    oidc_provider tiny {
        %%PROVIDER%%
        session_store tiny;
    }
    oidc_provider wide {
        %%PROVIDER%%
        session_store wide;
    }
    oidc_provider brief {
        %%PROVIDER%%
        session_timeout 10m;
        session_lifetime 30m;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc tiny;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_set_header X-Token $oidc_access_token;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        location / {
            auth_oidc wide;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_set_header X-Token $oidc_access_token;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / {
            auth_oidc brief;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

$t->conf($conf)->run();

my $idp = $t->idp();
my $alice = '248289761001';
my $full = qr/oidc_session_store "tiny" is full.*raise its "size"/;

###############################################################################
# A full zone.

my $used = $t->browser();
is($used->login('/')->status(), 200, 'S06: first login in a tiny zone');

my $first = $t->browser();
is($first->login('/')->status(), 200, 'S06: second login in a tiny zone');

my @later;

for (1 .. 60) {
	push @later, my $b = $t->browser();
	last if $b->login('/')->status() != 200;
	last if $used->get('/')->status() != 200;
	last if $t->log() =~ $full;
}

ok(scalar($t->log() =~ $full), 'S06 RE-7: a full zone is logged');
is($later[-1]->get('/')->status(), 200, 'S06: ... while logins go on');
is($first->get('/')->status(), 302, 'S06 RE-7: the session idle longest is out');
is($used->get('/')->status(), 200, 'S06 RE-7: the one in use stays');
is(user($used), $alice, 'S06: ... with its claims');

$t->browser()->login('/') for 1 .. 10;

is(scalar(() = $t->log() =~ /$full/g), 1, 'S06 RE-7: one line for many');

###############################################################################
# Whoever is not logged in pushes nobody out.

my $last = $t->browser();
$last->login('/');

my @anonymous = $t->browser()->parallel_get($t->url('/x'), n => 1000,
	browsers => [ map { $t->browser() } 1 .. 1000 ]);

is(scalar(grep { $_->status() == 302 } @anonymous), 1000,
	'S06: anonymous requests, more than the zone has blocks');
is($last->get('/')->status(), 200, 'S06: ... push out no session');

###############################################################################
# A session that is too big for its zone.

$idp->set(id_token => { claims => { big => 'x' x 20000 } });

my $mark = $t->log_mark();
is($t->browser()->login('/')->status(), 503, 'S06: session too big for the zone');

my $line = $t->wait_log(qr/session_size/, 5, $mark) // '';
like($line, qr/oidc_session_store "tiny"/, 'S06: ... the log names the store');
like($line, qr/"size"/, 'S06: ... and the directive');
is($last->get('/')->status(), 200, 'S06: ... and nobody was pushed out for it');

$idp->set(id_token => undef);
is($t->browser()->login('/')->status(), 200, 'S06: ... others still log in');

###############################################################################
# Spent states have a place of their own, which can be full as well.

my @browsers = map { $t->browser() } 1 .. 1100;
my @states = map { $_->location() =~ /[?&]state=([^&]+)/ }
	$t->browser()->parallel_get($t->url('/'), n => 1100,
		browsers => \@browsers);

my @many = $t->browser()->parallel_get(
	sub { $t->url("/oidc_callback?code=x&state=$states[ $_[0] ]") },
	n => 1100, browsers => \@browsers);
my @asked = grep { $_->status() == 502 } @many;
my @busy = grep { $_->status() == 503 } @many;

cmp_ok(scalar @asked, '>', 800, 'RE-7: the table of spent states is of fixed size');
cmp_ok(scalar @busy, '>', 50, 'RE-7: a full one refuses callbacks with 503');
is(@asked + @busy, 1100, 'RE-7: ... and does nothing else');
is($last->get('/')->status(), 200, 'S06: ... and pushes out no session');
$line = $t->wait_log(qr/spent_states_full/, 5) // '';
like($line, qr/oidc_session_store "tiny" has no room for another spent state/,
	'RE-7: ... with its reason in the log');
like($line, qr/raise its "size"/, 'RE-7: ... and the directive');

###############################################################################
# Reload.

my @users = map { $_->{browser} } grep { $_->{ok} }
	$t->browser(port => 1)->parallel_logins(n => 30, concurrency => 10);
is(scalar @users, 30, 'S12: users');

my $pending = $t->browser(port => 1);
my $callback = $pending->start_login('/pending?x=1');

ok($t->reload(), 'S12 RE-8: reload');
is(alive(@users), 30, 'S12 RE-8: all sessions live on');

is($pending->callback($callback)->status(), 302,
	'S12: a login begun before the reload ends after it');
is($pending->follow()->json()->{uri}, '/pending?x=1', 'S12: ... at its page');
is($pending->callback($callback)->status(), 400,
	'F09 CB-3: a spent state stays spent');

my @during;

{
	my $timer = AE::timer(0.1, 0, sub { kill 'HUP', $t->pid() });
	@during = $t->browser(port => 1)->parallel_get($t->url('/', 1),
		n => 2000, browsers => \@users, concurrency => 20);
}

is(scalar(grep { $_->status() != 200 } @during), 0,
	'S12 RE-8: a reload under load fails no request');

###############################################################################
# Death of workers.

$t->wait_for(sub { $t->workers() == 2 && !$t->leaving_workers() });
$t->allow_log(qr/worker process \d+ exited on signal 9/,
	qr/shared memory zone "\w+" was locked by/);

my $killed = 0;

@during = ();

{
	my $timer = AE::timer(0.1, 0.3, sub {
		my ($pid) = $t->workers() or return;
		$killed += kill 'KILL', $pid if $killed < 4;
	});

	for (1 .. 20) {
		push @during, $t->browser(port => 1)->parallel_get(
			$t->url('/', 1), n => 500, browsers => \@users,
			concurrency => 20);
		last if $killed == 4;
	}
}

is($killed, 4, 'S12: workers killed under load');
is(scalar(grep { $_->status() != 200 && $_->status() != 0 } @during), 0,
	'S12: ... every answer is the one that was asked for');
cmp_ok(scalar(grep { $_->status() == 0 } @during), '<=', 4 * 20,
	'S12: ... only connections of the killed ones break');
ok($t->wait_for(sub { $t->workers() == 2 }), 'S12: ... others took their place');
is(alive(@users), 30, 'S12: ... no session was lost');

$t->kill_worker();
my $began = time();
is($t->browser(port => 1)->login('/')->status(), 200,
	'S12: ... the next request is served');
cmp_ok(time() - $began, '<', 3, 'S12: ... at once');
$t->wait_for(sub { $t->workers() == 2 });

is($t->browser(port => 1)->login('/')->status(), 200, 'S12: ... logins go on');

###############################################################################
# Time.

my $b = $t->browser(port => 2);
my $start = $t->now();
is($b->login('/')->status(), 200, 'S05: login');

for my $minute (8, 16, 24) {
	$t->pass_to($start + 60 * $minute);
	is($b->get('/')->status(), 200,
		'S05: a session in use outlives session_timeout');
}

$t->pass_to($start + 60 * 31);
is($b->get('/')->status(), 302, 'S05: ... but not session_lifetime');

$b = $t->browser(port => 2);
$b->login('/');
$t->pass(11 * 60);
is($b->get('/')->status(), 302, 'S05: an idle one ends after session_timeout');

###############################################################################
# Configuration.

(my $bad = $conf) =~ s/size 64k/size 63k/;
my ($status, $output) = $t->conf_test($bad);
like($output, qr/\[emerg\].*"tiny" is too small.*"size".*\.conf:\d+/,
	'RE-7: a size that is too small');

###############################################################################

# how many of these browsers are logged in
sub alive { return scalar grep { user($_) eq $alice } @_; }


# whom the backend was told
sub user {
	my ($browser) = @_;

	my $r = $browser->get('/');
	return '' if $r->status() != 200;

	my ($user) = map { $_->[1] } grep { lc $_->[0] eq 'x-user' }
		@{ $r->json()->{headers} };

	return $user // '';
}

###############################################################################
