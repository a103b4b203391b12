#!/usr/bin/perl

# Rate limits (B16): per user by a claim, per address on the start of logins
# and on the callback.  The session is known before limit_req looks.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2)->plan(37);

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%

    limit_req_zone $oidc_claim_sub zone=user:1m rate=20r/m;
    limit_req_zone $oidc_claim_iss$oidc_claim_sub zone=users:1m rate=1r/m;
    limit_req_status 429;

    # whoever has a session is not counted by address
    map $oidc_authenticated $login_from {
        volatile;
        0       $binary_remote_addr;
        default '';
    }
    limit_req_zone $login_from zone=login:1m rate=1r/m;
    limit_req_zone $binary_remote_addr zone=callback:1m rate=1r/m;

    log_format who '$uri $status "$limit_req_status" $oidc_claim_sub'
                   ' "$request"';
    access_log %%TESTDIR%%/who.log who;

    oidc_provider idp {
        %%PROVIDER%%
    }
    oidc_provider two {
        %%PROVIDER_two%%
        cookie_name two;
        redirect_uri /two/callback;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /per-user/ {
            limit_req zone=user burst=19 nodelay;
            proxy_pass http://%%BACKEND%%;
        }
        location /per-issuer/ {
            limit_req zone=users;
            proxy_pass http://%%BACKEND%%;
        }
        location /two/ {
            auth_oidc two;
            limit_req zone=users;
            proxy_pass http://%%BACKEND%%;
        }
        location /start/ {
            limit_req zone=login burst=4 nodelay;
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;

        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location = /oidc_callback {
            limit_req zone=callback burst=2 nodelay;
        }
        location = /two/callback {
            auth_oidc two;
            limit_req zone=callback burst=2 nodelay;
        }
    }
}
EOF

my $idp = $t->idp();
my $backend = $t->backend();

###############################################################################
# Per user: 20 at once, the 21st is too many, another user is not touched.

my ($alice, $alice_too) = exhaust('alice');

is($alice->api('/per-user/x')->status(), 429, 'B16: a script too');
is($alice_too->get('/per-user/x')->status(), 429,
	'B16: as does another session of the same user');

my ($bob) = exhaust('bob');
is($alice->get('/x')->status(), 200, 'B16: elsewhere there is no limit');

# Whoever is nobody has an empty key, which limit_req does not count.
is(join(' ', map { $t->browser()->get('/per-user/x')->status() } 1 .. 30),
	join(' ', (302) x 30), 'B16: no session, no user to limit');
is($t->browser()->get('/per-user/x', cookie => 'NGX_OIDC_SESSION='
	. 'A' x 43)->status(), 302, 'B16: nor with a forged cookie');

# In parallel, over two workers: no more than 20 and one that has come due.
my $carol = user('carol');
my $start = time();
my @many = $carol->parallel_get('/per-user/x', n => 60, concurrency => 30);
my $due = 1 + int((time() - $start) / 3);
my $passed = grep { $_->status() == 200 } @many;

cmp_ok($passed, '>=', 20, 'B16: of 60 at once 20 pass');
cmp_ok($passed, '<=', 20 + $due, 'B16: and no more');
is(scalar(grep { $_->status() == 429 } @many), 60 - $passed,
	'B16: the others get 429');

###############################################################################
# A key over several providers.

my $dan = user('dan');
$t->idp('two')->set(user => 'dan');
$dan->login('/two/x');
is($dan->get('/per-issuer/x')->status(), 200, 'B16: $iss$sub: the first');
is($dan->get('/per-issuer/x')->status(), 429, 'B16: $iss$sub: the second');

my $two = $t->browser();
$t->idp('two')->set(user => 'erin');
$idp->set(user => 'erin');
is($two->login('/two/x')->status(), 200,
	'B16: $iss$sub: a user of the other provider');
is($two->get('/two/x')->status(), 429, 'B16: has a limit');
is($two->login('/per-issuer/x')->status(), 200,
	'B16: and the same name here has another');

###############################################################################
# Per address: logins begun.

my @got = map { $t->browser()->get('/start/x')->status() } 1 .. 6;
is("@got", '302 302 302 302 302 429', 'B16: five logins at once per address');
is($t->browser()->api('/start/x')->status(), 429, 'B16: scripts count too');
is($alice->get('/start/x')->status(), 200,
	'B16: whoever has a session does not');
is(join(' ', map { $alice->get('/start/x')->status() } 1 .. 10),
	join(' ', (200) x 10), 'B16: ever');
is($t->browser()->get('/start/x', cookie => 'NGX_OIDC_SESSION=' . 'A' x 43)
	->status(), 429, 'B16: a forged cookie is no session');

###############################################################################
# Per address: callbacks.

$idp->forget();
my $login = $t->browser(port => 1);
is($login->login('/x')->status(), 200, 'B16: a login within the limit');
is(callback(), 400, 'B16: a forged callback');
is(callback(), 400, 'B16: another');
is(callback(), 429, 'B16: and then there are too many');
my $late = $t->browser(port => 1);
my $token = $idp->count('token');
is($late->login('/x')->status(), 429, 'B16: a genuine one has to wait as well');
is($idp->count('token'), $token, 'B16: without a token call');
is($login->get('/x')->status(), 200, 'B16: pages are not limited by that');
is($t->browser(port => 1)->get('/two/callback?code=x&state=y')->status(), 429,
	'B16: a callback in a guarded location');

my $log = $t->wait_for(sub { my $log = $t->read_file('who.log') // '';
	$log =~ m{^/two/callback 429}m ? $log : undef });
like($log, qr{^/per-user/x 429 "REJECTED" sub-alice\d "}m,
	'S14: a refused request knows its user');
like($log, qr{^/oidc_callback 429 "REJECTED" - "}m, 'S14: or that there is none');
unlike($log, qr/code=/, 'O03: no code in the log of a refused callback');
unlike($t->log(), qr/code=[^"]*", host/, 'O03: nor in the error log');
like($t->log(), qr/limiting requests, excess: \S+ by zone "user"/,
	'B16: limit_req has said why');

###############################################################################

sub user {
	my ($name) = @_;

	$idp->set(user => $name);

	my $b = $t->browser();
	my $r = $b->login('/x');

	die "no login: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


# 20 requests of a user pass at once, and the 21st does not.  On a machine that
# takes 3 seconds for them one more has come due: another user, then.
sub exhaust {
	my ($name) = @_;

	for my $try (1 .. 5) {
		my @b = map { user("$name$try") } 1, 2;
		my $start = time();

		$backend->forget();
		my @got = map { $b[0]->get('/per-user/x')->status() } 1 .. 22;

		next if time() - $start > 2.5 and $try < 5;

		is("@got[0 .. 19]", join(' ', (200) x 20),
			"B16: $name: 20 requests pass at once");
		is("@got[20, 21]", '429 429', "B16: $name: the 21st gets 429");
		is($backend->count(), 20, "B16: $name: the backend sees 20");
		return @b;
	}
}


sub callback {
	return $t->browser(port => 1)->get('/oidc_callback?code=x&state=y')
		->status();
}

###############################################################################
