#!/usr/bin/perl

# Everything that can go wrong while tokens are refreshed: the table of the
# README, line by line.  For each fault a session within leeway and one whose
# access token is over.  Whatever happens no refresh token is sent twice.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ jws random_hex /;

###############################################################################

my $t = Test::OIDC->new(clock => 1);
my $idp = $t->idp();

$t->conf(conf())->run();

# What the user gets, and the reason in the log.
#   good       a new token
#   transient  the page and the old token; the next try is ten seconds away
#   refused    the session is over
#   lost       the page and the old token until it is over, then no session
my @faults = (
	[ good => 'slow', { delay => 300 } ],
	[ refused => 'invalid_grant', error(400, 'invalid_grant') ],
	[ refused => 'invalid_client', error(401, 'invalid_client') ],
	[ refused => 'an error under 200', error(200, 'invalid_grant') ],
	[ transient => '400 by a proxy', { status => 400,
		content_type => 'text/html', body => '<html>' } ],
	[ transient => '500', { status => 500 } ],
	[ transient => '503', error(503, 'temporarily_unavailable') ],
	[ transient => '429', { status => 429 } ],
	[ transient => 'a redirect', { redirect => $idp->issuer() . '/x' } ],
	[ lost => '504', { status => 504 } ],
	[ lost => 'no answer', { hang => 1 }, 'hasty' ],
	[ lost => 'too slow', { delay => 900 }, 'hasty' ],
	[ lost => 'reset', { reset => 1 } ],
	[ lost => 'cut in the header', { cut => 10 } ],
	[ lost => 'cut in the body', { truncate => 10 } ],
	[ lost => 'garbage', { body => 'garbage' } ],
	[ lost => 'an array', { body => '[]' } ],
	[ lost => 'no access token', { set => { token => {
		access_token => undef } } } ],
	[ lost => 'not Bearer', { set => { token => {
		token_type => 'mac' } } } ],
	[ lost => 'far too long', { pad => 200_000 } ],
	[ transient => 'provider down', undef ],
);

my %says = (refused => qr/\[info\].*oidc: refresh refused: token_error/,
	transient => qr/\[warn\].*oidc: refresh failed: \w+ \(/,
	lost => qr/\[warn\].*oidc: answer to refresh lost: \w+ \(/);

###############################################################################
# Everybody logs in, and time passes for all alike.

my $start = $t->now();

$idp->set(token => { expires_in => 1000 });

my @within = map { user($_->[3] // 'idp') } @faults;
my @over = map { user($_->[3] // 'idp') } @faults;
my %user = map { $_ => user('idp') } qw/ post redirect abort http2 logout
	bcl admin /;
$user{killed} = user('hasty');
$user{keep} = user('keep');
$user{'keep over'} = user('keep');
$user{required} = user('required');

at(600);

for my $i (0 .. $#faults) {
	my ($kind, $what, $bend) = @{ $faults[$i] };

	fault($kind, "within leeway: $what", $bend, $within[$i], 1);
}

###############################################################################
# The client goes away in the middle: the new tokens are not lost.

my $n = $idp->count('refresh');
my $b = $user{abort};
$idp->once(refresh => { delay => 400 });
my $socket = $b->begin($b->{path});
$idp->wait_count(refresh => $n + 1, 5);
my $issued = @{ $idp->issued()->{access_tokens} };
close $socket;
ok($t->wait_for(sub { token($b) ne $b->{token} }, 5),
	'S10: the client left: its tokens are there');
is($idp->count('refresh'), $n + 1, 'S10: asked once');

SKIP: {
	skip 'no HTTP/2', 2 if !$t->has('http_v2')
		or `curl --version` !~ /HTTP2/;

	$b = $user{http2};
	$idp->once(refresh => { delay => 700 });
	$t->curl('--http2-prior-knowledge', '-s', '--max-time', '0.4', '-b',
		'idp=' . $b->cookie('idp')->{value},
		'http://127.0.0.1:' . $t->port(1) . '/idp/');
	ok($t->wait_for(sub { token($b) ne $b->{token} }, 5),
		'S10: a client of HTTP/2 left: its tokens are there');
	is($idp->count('refresh'), $n + 2, 'S10: asked once');
}

###############################################################################
# A logout meanwhile wins.

$n = $idp->count('refresh');
$b = $user{logout};
$idp->once(refresh => { delay => 400 });
$socket = $b->begin($b->{path});
$idp->wait_count(refresh => $n + 1, 5);
my $other = $b->clone();
is($other->get('/idp/logout', site => 'same-origin')->status(), 302,
	'S10: logout during a refresh');
like($b->answer($socket), qr{^HTTP/1.1 302 },
	'S10: wins: nobody is let through');
is($b->get('/idp/')->status(), 302, 'S10: the session stays gone');

# So does one by the provider, and by an administrator.
for (
	[ bcl => 'a back-channel logout', sub { back_channel_logout($_[0]) } ],
	[ admin => 'an administrator', sub { $t->browser()->request('DELETE',
		"/admin?id=$_[0]{id}", mode => 'plain')->body() } ],
) {
	my ($who, $what, $end) = @$_;

	$n = $idp->count('refresh');
	$b = $user{$who};
	$idp->once(refresh => { delay => 400 });
	$socket = $b->begin($b->{path});
	ok($idp->wait_count(refresh => $n + 1, 5),
		"S10: $what, during a refresh");
	is($end->($b), $who eq 'bcl' ? 200 : qq({"ended":1}\n),
		"S10: $what: ends the session");
	like($b->answer($socket), qr{^HTTP/1.1 302 },
		"S10: $what: wins: nobody is let through");
	is($b->get('/idp/')->status(), 302,
		"S10: $what: the session stays gone");
	is($idp->count('refresh'), $n + 1, "S10: $what: asked once");
}

###############################################################################
# refresh_error keep.

$n = $idp->count('refresh');
$idp->once(refresh => error(400, 'invalid_grant'));
is(token($user{keep}), $user{keep}{token}, 'S10: keep: the session goes on');
is(token($user{keep}), $user{keep}{token}, 'S10: keep: with its token');
is($idp->count('refresh'), $n + 1, 'S10: keep: without another refresh');

###############################################################################
# The worker dies while it waits.

$n = $idp->count('refresh');
$b = $user{killed};
$idp->once(refresh => { delay => 500 });
$socket = $b->begin($b->{path});
$idp->wait_count(refresh => $n + 1, 5);
$t->kill_worker();
is(token($b), $b->{token}, 'S10: a killed worker: the old token');

###############################################################################
# Now all of them are over.

at(1100);

for my $i (0 .. $#faults) {
	my ($kind, $what, $bend) = @{ $faults[$i] };

	next if $kind eq 'good';

	my $count = $idp->count('refresh');
	my $again = $kind eq 'transient' ? 1 : 0;

	is($within[$i]->get($within[$i]{path})->status(), $again ? 200 : 302,
		"S10: $kind, the access token is over: $what");
	is($idp->count('refresh'), $count + $again, $again
		? "S10: asked again: $what" : "TK-15: not asked again: $what");

	fault($kind, "over: $what", $bend, $over[$i], 0);
}

is(token($user{keep}), $user{keep}{token}, 'S10: keep: over, and it goes on');
$idp->once(refresh => error(401, 'invalid_grant'));
is(token($user{'keep over'}), $user{'keep over'}{token},
	'S10: keep: refused when over');

$n = $idp->count('refresh');
$idp->once(refresh => { status => 500 });
is($user{required}->get('/required/')->status(), 302,
	'S10: required: a transient failure is no live access token');
is($user{required}->get('/required/')->status(), 302, 'S10: nor later');
is($idp->count('refresh'), $n + 1, 'S10: asked once for it');

# What is no navigation is never redirected.
for my $path (qw/ post redirect /) {
	$idp->once(refresh => error(400, 'invalid_grant'));
	my $r = $user{$path}->post("/idp/$path/", 'a=b');
	is($r->status(), 401, "B08: a POST whose refresh is refused ($path)");
	is($r->location(), undef, 'B08: is not redirected');
	is($user{$path}->get('/idp/')->status(), 302, 'B08: a page is');
}

###############################################################################
# The back-off ends, and the same refresh token does.

my ($down) = grep { $faults[$_][1] eq 'provider down' } 0 .. $#faults;
$b = $over[$down];
is(token($b), $b->{token}, 'S10: transient: the back-off');
at(1150);
isnt(token($b), $b->{token}, 'S10: transient: its end');

$n = $idp->count('refresh');
ok($t->wait_for(sub { $user{killed}->get('/hasty/')->status() == 302 }, 10),
	'S10: a killed worker: the session ends with its access token');
is($idp->count('refresh'), $n, 'S10: and was not refreshed again');

is($idp->reused(), 0, 'TK-13: no refresh token was ever sent twice');
is($idp->count('other'), 0, 'TK-7: no redirect was followed');

$t->done();

###############################################################################

sub fault {
	my ($kind, $what, $bend, $b, $within) = @_;

	my $mark = $t->log_mark();
	my $n = $idp->count('refresh');

	# where it was no answer to the token, that was not used
	$idp->set(rotate => $kind eq 'transient' ? 0 : undef);
	$bend ? $idp->once(refresh => $bend) : $idp->down();
	my $r = $b->get($b->{path});
	$idp->up() if !$bend;
	$idp->set(rotate => undef);

	my $gone = $kind eq 'refused' || $kind eq 'lost' && !$within;

	is($r->status(), $gone ? 302 : 200, "S10: $what: the user");
	is($idp->count('refresh'), $n + ($bend ? 1 : 0), "S10: $what: asked once");

	if (!$gone) {
		my $new = $kind eq 'good' ? 'isnt' : 'is';

		Test::More->can($new)->(sent($r), $b->{token},
			"S10: $what: the backend");
		Test::More->can($new)->(token($b), $b->{token},
			"S10: $what: the next request");
		is($idp->count('refresh'), $n + ($bend ? 1 : 0),
			"S10: $what: does not ask again");

	} else {
		is($b->api($b->{path})->status(), 401, "S10: $what: scripts get 401");
	}

	ok($t->wait_log($says{$kind}, 2, $mark), "O04: $what: the log")
		if $says{$kind};
}


# A logout token with the session's sid; the status of the answer.
sub back_channel_logout {
	my ($b) = @_;

	my $now = $t->now();
	my $token = jws(alg => 'RS256', key => $idp->private_key('RS256'),
		kid => $idp->kid('RS256'), header => { typ => 'logout+jwt' },
		payload => { iss => $idp->issuer(), aud => $idp->client_id(),
			iat => $now, exp => $now + 120, jti => random_hex(16),
			sid => $b->{sid}, events => {
			'http://schemas.openid.net/event/backchannel-logout'
				=> {} } });

	return $t->browser()->post('/idp/bcl', { logout_token => $token })
		->status();
}


sub error {
	my ($status, $error) = @_;

	return { status => $status, content_type => 'application/json',
		body => qq({"error":"$error"}) };
}


sub conf {
	my ($major, $minor) = $t->version() =~ m{nginx/1\.(\d+)\.(\d+)};
	my $new = $major > 25 || $major == 25 && $minor >= 1;
	my ($on, $http2) = !$t->has('http_v2') ? ('', '')
		: $new ? ('http2 on;', '') : ('', 'http2');

	chmod 0600, $t->write_file('cookie.key', random_hex(32));

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    $on
    oidc_cookie_key %%TESTDIR%%/cookie.key;
    proxy_set_header X-Token \$oidc_access_token;
    proxy_set_header X-Sid \$oidc_sid;
    proxy_set_header X-Id \$oidc_session_id;
    oidc_provider idp {
        %%PROVIDER%%
        refresh_leeway 10m;
        cookie_name idp;
        redirect_uri /idp/callback;
        logout_uri /idp/logout;
        backchannel_logout_uri /idp/bcl;
    }
    oidc_provider hasty {
        %%PROVIDER%%
        refresh_leeway 10m;
        cookie_name hasty;
        redirect_uri /hasty/callback;
        timeout 600ms;
    }
    oidc_provider keep {
        %%PROVIDER%%
        refresh_leeway 10m;
        cookie_name keep;
        redirect_uri /keep/callback;
        refresh_error keep;
    }
    oidc_provider required {
        %%PROVIDER%%
        refresh_leeway 10m;
        cookie_name required;
        redirect_uri /required/callback;
        refresh required;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% $http2;
        location /idp/ {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location /idp/redirect/ {
            auth_oidc idp;
            unauth_action redirect;
            proxy_pass http://%%BACKEND%%;
        }
        location = /admin {
            oidc_sessions;
            allow 127.0.0.1;
            deny all;
        }
        location /hasty/ {
            auth_oidc hasty;
            proxy_pass http://%%BACKEND%%;
        }
        location /keep/ {
            auth_oidc keep;
            proxy_pass http://%%BACKEND%%;
        }
        location /required/ {
            auth_oidc required;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}


sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/");

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;
	$b->{path} = "/$name/";
	$b->{token} = sent($r);
	$b->{sid} = $r->passed('X-Sid');
	$b->{id} = $r->passed('X-Id');

	return $b;
}


sub token { return sent($_[0]->get($_[0]{path})) // ''; }


sub sent { return scalar $_[0]->passed('X-Token'); }


# So many seconds after the logins.
sub at { $t->pass_to($start + $_[0]); }

###############################################################################
