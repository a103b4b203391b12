#!/usr/bin/perl

# The way back from the provider: which callback is believed, once, and by whom;
# what it leaves behind when it is refused: no call to the provider, no session,
# nothing of what it said on the page, and whoever was logged in before still is.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Login qw/ outcome reason session_of /;

###############################################################################

my $t = Test::OIDC->new(workers => 2, clock => 1);
my $idp = $t->idp();
my $iss = $t->idp('iss');

$iss->set(iss => 1);

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%

    oidc_provider idp {
        %%PROVIDER%%
    }
    oidc_provider iss {
        %%PROVIDER_iss%%
        redirect_uri /iss/back;
        cookie_name iss;
    }
    oidc_provider short {
        %%PROVIDER%%
        redirect_uri /short/back;
        cookie_name short;
        pre_auth_timeout 10m;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        large_client_header_buffers 8 32k;
        client_max_body_size 10;
        auth_oidc idp;

        location / {
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /iss {
            auth_oidc iss;
            proxy_pass http://%%BACKEND%%;
        }
        location /short {
            auth_oidc short;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        location / { proxy_pass http://%%BACKEND%%; }
    }
}
EOF

my $at = $t->url('/') =~ s{/$}{}r;

# begun first, looked at last
my $late = $t->browser();
my $late_url = $late->start_login('/short');
my ($late_cookie) = ($late->set_cookie_raw())[0] =~ /^([^;]+)/;

###############################################################################
# A login that goes well.

my $b = $t->browser();
my $url = $b->start_login('/page?x=1');
my $pending = $b->cookie(qr/\./)->{name};
my $cookies = cookies($b);
my $r = $b->callback($url);

is($r->status(), 302, 'CB-9: back to where it began');
is($r->location(), "$at/page?x=1", 'F07 CB-9: that page');
is($r->header('Cache-Control'), 'no-store', 'CB-9: no-store');
is($r->header('Referrer-Policy'), 'no-referrer', 'CB-9: no-referrer');
like((grep { /^\Q$pending\E=/ } $r->headers_all('Set-Cookie'))[0],
	qr/^\Q$pending\E=; Path=\/; Max-Age=0; /,
	'CB-8: the cookie of the login is deleted');
ok(session_of($b), 'CB-8: there is a session');
is($t->backend()->count('echo'), 0, 'CB-9: the backend never sees the code');
is($idp->count('token'), 1, 'F09: one token request');

my $session = session_of($b)->{value};
is($b->get('/who')->json()->{uri}, '/who', 'F09: logged in');

###############################################################################
# Once: the state is spent before the code is used.

my $again = $t->browser();
is(outcome($t, $again, sub { again($url, $cookies) }), '400 state_spent',
	'F09 CB-3: a replayed callback is refused');
is($idp->count('token'), 1, 'F09 CB-3: and makes no second token request');

$b = $t->browser();
$url = $b->start_login('/twenty');
$idp->forget();
my $mark = $t->log_mark();
my @answers = $b->parallel_get($url, n => 20, concurrency => 20,
	headers => { Cookie => cookies($b) });
is(scalar(grep { $_->status() == 302 } @answers), 1,
	'F09 CB-3: of twenty callbacks at once one gets in');
is(scalar(grep { $_->status() == 400 } @answers), 19, 'CB-3: the others 400');
is(scalar(() = reason($t, $mark) =~ /state_spent/g), 19,
	'CB-3: as their state is spent');
is($idp->count('token'), 1, 'F09 CB-3: one token request');

# spent when the code is sent, whatever comes of it
$b = $t->browser();
$url = $b->start_login('/');
$cookies = cookies($b);
$idp->once(token => { status => 500 });
is(outcome($t, $b, sub { $b->callback($url) }), '502 provider_status',
	'CB-3: the token request fails');
$idp->forget();
is(outcome($t, $b, sub { again($url, $cookies) }), '400 state_spent',
	'CB-3: its state is spent all the same');
is($idp->count('token'), 0, 'CB-3 TK-10: the code is not sent again');

###############################################################################
# By the browser that began it.

$b = $t->browser();
$url = $b->start_login('/');
$idp->forget();

my $foreign = $t->browser();
is(outcome($t, $foreign, sub { $foreign->callback($url) }),
	'400 state_unknown', 'F10 CB-2 LS-2: another browser');

$foreign->start_login('/');
is(outcome($t, $foreign, sub { $foreign->callback($url) }),
	'400 state_unknown', 'F10 CB-2: another browser with its own login');

# the cookie of one login under the name of another
my $mine = $t->browser();
my $mine_url = $mine->start_login('/');
my $name = $mine->cookie(qr/\./)->{name};
is(outcome($t, $mine, sub { again($mine_url, "$name="
	. $b->cookie(qr/\./)->{value}) }), '400 state_unknown',
	'F10: a cookie opens for its own state only');

for ([ 'cut' => sub { substr $_[0], 0, -1 } ],
	[ 'another time' => sub { $_[0] =~ s/^(.{7})(.)/$1 . ($2 ^ "\1")/er } ],
	[ 'a bit flipped' => sub { my $v = $_[0];
		substr($v, 40, 1) = substr($v, 40, 1) eq 'A' ? 'B' : 'A'; $v } ],
	[ 'no dot' => sub { $_[0] =~ s/\.//r } ], [ 'empty' => sub { '' } ],
	[ 'garbage' => sub { 'x' x 200 } ],
	[ 'the time alone' => sub { $_[0] =~ s/\..*/./r } ])
{
	my ($what, $bend) = @$_;
	my $value = $bend->($mine->cookie(qr/\./)->{value});

	is(outcome($t, $mine, sub { again($mine_url, "$name=$value") }),
		'400 state_unknown', "F10: the cookie is $what");
}

my $value = $mine->cookie(qr/\./)->{value};
is(outcome($t, $mine, sub { again($mine_url, $_) }),
	'400 state_unknown', 'F10: two cookies of that name')
	for "$name=x; $name=$value", "$name=$value; $name=x";
is($idp->count('token'), 0, 'F10 CB-2: no token request for any of them');
is(outcome($t, $b, sub { $b->callback($url) }), '302 ok session',
	'F10: the right one still gets in');

###############################################################################
# Arguments.

$b = $t->browser();
$b->login('/');
$session = session_of($b)->{value};
$url = $b->start_login('/iss');
$idp->forget();
$iss->forget();

my $hostile = '<script>alert(1)</script>';

for ([ '400 state_missing', 'nothing', '' ],
	[ '400 state_missing', 'only an ampersand', '&' ],
	[ '400 state_missing', 'no state', 'code=qrs' ],
	[ '400 state_missing', 'no state, an error', 'error=access_denied' ],
	[ '400 bad_arguments', 'an empty state', 'code=qrs&state=' ],
	[ '400 code_missing', 'no code', 'state=qrs' ],
	[ '400 bad_arguments', 'an empty code', 'code=&state=qrs' ],
	[ '400 state_unknown', 'unknown', 'code=qrs&state=qrs' ],
	[ '400 state_unknown', 'markup', "code=$hostile&state=$hostile" ],
	[ '400 bad_arguments', 'two states', 'code=a&state=b&state=b' ],
	[ '400 bad_arguments', 'two codes', 'code=a&code=a&state=b' ],
	[ '400 bad_arguments', 'two iss', 'code=a&state=b&iss=c&iss=c' ],
	[ '400 bad_arguments', 'two errors', 'error=a&error=a&state=b' ],
	[ '400 bad_arguments', 'a second code, escaped',
		'code=a&%63ode=a&state=b' ],
	[ '400 bad_arguments', 'a bad escape', 'code=%zz&state=b' ],
	[ '400 bad_arguments', 'a NUL', 'code=%00&state=b' ],
	[ '400 bad_arguments', 'a line feed', 'code=a%0ab&state=b' ],
	[ '400 bad_arguments', 'beyond ASCII', 'code=%C3%A9&state=b' ],
	[ '400 state_unknown', 'a code of 4096', 'state=b&code=' . 'c' x 4096 ],
	[ '400 bad_arguments', 'a code of 4097', 'state=b&code=' . 'c' x 4097 ],
	[ '400 state_unknown', 'a state of 512', 'code=c&state=' . 's' x 512 ],
	[ '400 bad_arguments', 'a state of 513', 'code=c&state=' . 's' x 513 ],
	[ '400 bad_arguments', 'more than 8 kB',
		'code=c&state=s&x=' . 'x' x 8192 ],
	[ '400 state_unknown', 'an error for an unknown state',
		"error=access_denied&state=s&error_description=$hostile" ])
{
	my ($outcome, $what, $query) = @$_;
	my $res;

	is(outcome($t, $t->browser(), sub {
		$res = $b->callback("/oidc_callback?$query") }), $outcome,
		"F11 CB-2 CB-5 CB-10: $what");
	my $page = $res->head() . $res->body() =~ s/Request [0-9a-f]{32}//r;
	unlike($page, qr/script|alert|qrs|cccc|Set-Cookie/,
		"F11 B13: $what, nothing of it comes back");
}

is($idp->count('token') + $iss->count('token'), 0,
	'F11 CB-2: no token request for any of them');
is(session_of($b)->{value}, $session, 'F11 F12: the session is untouched');
is($b->get('/who')->status(), 200, 'F11 F12: and still good');
is(outcome($t, $t->browser(), sub { $b->callback($url) }), '302 ok',
	'F11: so is the other login on its way');

$r = $t->browser()->callback('/oidc_callback?state=qrs');
like($r->header('Content-Type'), qr/^text\/html/, 'B13: a page');
is($r->header('X-Content-Type-Options'), 'nosniff', 'B13: nosniff');
like($r->header('Content-Security-Policy'), qr/^default-src 'none'/,
	'B13: and a policy');
is($r->header('Cache-Control'), 'no-store', 'CB-9: not stored');
my ($id) = $r->body() =~ /Request ([0-9a-f]{32})</;
like($t->log(), qr/login refused: code_missing .*provider: "idp", id: $id/,
	'O04: it shows the id that is in the log');

# The same wherever the caller is no navigation.

$r = $b->api('/oidc_callback?state=qrs');
is($r->status() . $r->json()->{error}, '400bad_request', 'F11: as JSON');

# Parameters that we do not know, and tokens that nobody asked for.

$b = $t->browser();
$url = $b->start_login('/p');
is(outcome($t, $b, sub { $b->callback($url . '&x=1&x=2&access_token=evil'
	. '&id_token=evil&%zz=1&session_state=a&session_state=b') }),
	'302 ok session', 'CB-7: unknown parameters are ignored');

###############################################################################
# Methods, paths.

for my $method (qw/ POST PUT DELETE OPTIONS HEAD /) {
	$b = $t->browser();
	$url = $b->start_login('/');
	$r = $b->request($method, $url, site => 'cross-site');
	is($r->status(), 405, "CB-1: $method");
	is($r->header('Allow'), 'GET', "CB-1: $method, what is allowed");
}

is(outcome($t, $b, sub { $b->callback($url) }), '302 ok session',
	'CB-1: which did not use the login up');

$b = $t->browser();
$url = $b->start_login('/');
$idp->forget();

for my $path ('/oidc_callback/', '/oidc_callbac', '/oidc_callbackx',
	'/OIDC_CALLBACK', '/x/oidc_callback', '/oidc_callback;a')
{
	$r = $b->callback($url =~ s{/oidc_callback}{$path}r);
	like($r->location() // '', qr/\/protocol\/openid-connect\/auth/,
		"CB-1: $path is a page like another");
}

is($idp->count('token'), 0, 'CB-1: no token request from there');

$r = $t->browser(port => 1)->get('/oidc_callback?code=a&state=b');
is($r->status(), 200, 'CB-1: on a server without auth_oidc it is a page');

###############################################################################
# Errors from the provider.

for ([ '403 access_denied', 'access_denied' ],
	[ '403 login_required', 'login_required' ],
	[ '403 login_required', 'interaction_required' ],
	[ '403 login_required', 'consent_required' ],
	[ '403 login_required', 'account_selection_required' ],
	[ '503 provider_unavailable', 'temporarily_unavailable' ],
	[ '502 provider_error', 'server_error' ],
	[ '502 provider_error', 'invalid_scope' ],
	[ '502 provider_error', 'no_such_error' ])
{
	my ($outcome, $error) = @$_;
	my ($b, $res) = $t->browser();

	$idp->set(authorize => { error => $error });
	$idp->forget();
	is(outcome($t, $b, sub { $res = $b->login('/') }), $outcome,
		"F12 CB-6: $error");
	is($idp->count('token'), 0, "CB-6: $error, no token request");
	is($res->header('Retry-After') // '', $outcome =~ /^503/ ? 5 : '',
		"CB-6: $error, when to come back");
	is($b->cookie(qr/\./), undef, "F12: $error ends this login");
}

$idp->set(authorize => { error => 'access_denied',
	error_description => "a\r\nb\x{1b}[31m<b>\x{e9}\xff" });
$b = $t->browser();
$mark = $t->log_mark();
$r = $b->login('/');
is($r->status(), 403, 'CB-6: a description');
unlike($r->body(), qr/<b>|31m/, 'CB-6 B13: is not shown');
my ($line) = grep { /access_denied/ } split /\n/, $t->log_since($mark);
like($line, qr/: a\?\?b\?\[31m<b>/, 'CB-6: is logged, without controls');
like($line, qr/provider: "idp", id: [0-9a-f]{32}, client: /,
	'CB-6 O04: in one line');

$idp->set(authorize => { error => 'access_denied', code => 'qrs' });
$idp->forget();
is(outcome($t, $t->browser(), sub { $t->browser()->login('/') }),
	'403 access_denied', 'CB-6: a code beside an error');
is($idp->count('token'), 0, 'CB-6: is not used');
$idp->set(authorize => undef);

# For who is logged in already, nothing changes.

$b = $t->browser();
$b->login('/');
$session = session_of($b)->{value};
my $other = $t->browser();
my $other_url = $other->start_login('/') =~ s/code=/error=access_denied&x=/r;
is(outcome($t, $other, sub { $b->callback($other_url) }),
	'400 state_unknown', 'F12: an error for a state of another browser');
is(session_of($b)->{value}, $session, 'F12: forces nobody out');
is($b->get('/')->status(), 200, 'F12: and the session stays good');

###############################################################################
# iss, RFC 9207.

my $issuer = Test::OIDC::Browser::escape($iss->issuer());

for ([ $iss, '302 ok session', 'as announced', sub { $_[0] } ],
	[ $iss, '400 iss_missing', 'announced and missing',
		sub { $_[0] =~ s/iss=[^&]*&?//r } ],
	[ $iss, '400 iss_mismatch', 'another', sub {
		$_[0] =~ s/iss=[^&]*/iss=https%3A%2F%2Fevil.test/r } ],
	[ $iss, '400 iss_mismatch', 'with a slash behind', sub {
		$_[0] =~ s/iss=[^&]*/$&%2F/r } ],
	[ $iss, '400 iss_mismatch', 'escaped twice', sub {
		$_[0] =~ s/iss=[^&]*/$& =~ s{%}{%25}gr/er } ],
	[ $iss, '400 iss_mismatch', 'a prefix', sub {
		$_[0] =~ s/iss=[^&]*/substr $&, 0, -1/er } ],
	[ $iss, '400 bad_arguments', 'empty', sub {
		$_[0] =~ s/iss=[^&]*/iss=/r } ],
	[ $iss, '403 access_denied', 'of an error', sub {
		$_[0] =~ s/code=/error=access_denied&x=/r } ],
	[ $iss, '400 iss_missing', 'of an error, missing', sub {
		$_[0] =~ s/code=/error=access_denied&x=/r =~ s/iss=[^&]*&?//r } ],
	[ $iss, '400 iss_mismatch', 'of an error, another', sub {
		$_[0] =~ s/code=/error=access_denied&x=/r =~ s/iss=/iss=x/r } ],
	[ $idp, '302 ok session', 'not announced and missing', sub { $_[0] } ],
	[ $idp, '302 ok session', 'not announced and right', sub {
		"$_[0]&iss=" . Test::OIDC::Browser::escape($idp->issuer()) } ],
	[ $idp, '400 iss_mismatch', 'not announced and another (mix-up)', sub {
		"$_[0]&iss=$issuer" } ])
{
	my ($from, $outcome, $what, $bend) = @$_;
	my $b = $t->browser();
	my $url = $bend->($b->start_login($from == $iss ? '/iss' : '/'));

	$from->forget();
	is(outcome($t, $b, sub { $b->callback($url) }), $outcome,
		"F13 CB-4: iss $what");
	is($from->count('token'), $outcome =~ /^302/ ? 1 : 0,
		"F13 CB-4: iss $what, token requests");
}

###############################################################################
# A new session each time.

$b = $t->browser();
$b->login('/');
my $old = $b->clone();
$session = session_of($b)->{value};
$idp->set(user => 'bob');
$url = $t->browser()->url('/');
$b->jar()->remove(qr/^[^.]+$/);
my $start = $b->start_login('/');
$b->jar()->take($url, "NGX_OIDC_SESSION=$session; Path=/; HttpOnly");
is(outcome($t, $b, sub { $b->callback($start) }), '302 ok session',
	'CB-8: a login of who is logged in already');
isnt(session_of($b)->{value}, $session, 'CB-8 S01: makes a new session');
is(user($b), '90342ad5-bob', 'CB-8: of the one who logged in now');
is($old->get('/')->status(), 302, 'CB-8 S01: the older one is over');

# Nobody is given a session of somebody else's choice.

$b = $t->browser();
my $fixed = 'A' x 43;
$b->jar()->take($url, "NGX_OIDC_SESSION=$fixed; Path=/; HttpOnly");
$b->login('/');
isnt(session_of($b)->{value}, $fixed, 'CB-8: a planted cookie is replaced');
is(user($b), '90342ad5-bob', 'CB-8: logged in with the new one');
$idp->set(user => undef);

# Whatever fails leaves none behind, and the older one untouched.

$b = $t->browser();
$b->login('/');
$session = session_of($b)->{value};
my $with = $b->clone();
$with->jar()->remove(qr/^[^.]+$/);
$start = $with->start_login('/');
$with->jar()->take($url, "NGX_OIDC_SESSION=$session; Path=/; HttpOnly");
$idp->once(token => { set => { id_token => { claims => { aud => 'x' } } } });
$r = undef;
is(outcome($t, $t->browser(), sub { $r = $with->callback($start) }),
	'502 claim_aud', 'S15: a login that is refused');
is(scalar(grep { /^NGX_OIDC_SESSION=/ } $r->headers_all('Set-Cookie')), 0,
	'S15 ID-20: sets no session');
is($b->get('/')->status(), 200, 'S15: the older one is untouched');

###############################################################################
# What nginx refuses before the module is asked stands in the log without code.

my $early = $t->browser();
my $early_url = $early->start_login('/');
my $early_mark = $t->log_mark();
is($early->callback($early_url, body => 'x' x 100)->status(), 413,
	'O03 CB-10: a callback with too large a body');
like($t->log_since($early_mark), qr/too large body.*"GET \/oidc_callback HTTP/,
	'O03: is logged without its arguments');

###############################################################################
# Too late.  The cookie is over in the browser; one that keeps it gains nothing.

$t->pass(11 * 60);

is($late->cookie(qr/\./), undef, 'F09: a pending login expires in the browser');
$idp->forget();
is(outcome($t, $late, sub { again($late_url, $late_cookie) }),
	'400 state_expired', 'F09 CB-2: and for us');
is($idp->count('token'), 0, 'F09 CB-2: no token request');
is(outcome($t, $late, sub { $late->callback($late_url) }),
	'400 state_unknown', 'F09: without its cookie it is unknown');

$t->done();

###############################################################################

# What the browser would send in its Cookie field.
sub cookies {
	my ($b) = @_;

	return $b->jar()->header($b->url('/'), navigation => 1);
}


# Opens a callback URL with this Cookie field, in a browser of its own.
sub again {
	my ($url, $cookies) = @_;

	return $t->browser()->callback($url, cookie => $cookies);
}


# Who the backend was told is there.
sub user {
	my ($b) = @_;

	my $r = $b->get('/');

	return (map { $_->[1] } grep { $_->[0] eq 'X-User' }
		@{ $r->json()->{headers} })[0];
}

###############################################################################
