#!/usr/bin/perl

# Access tokens: how they come, what decides, how a refusal looks (RFC 6750),
# and the rules of a location.  Introspection is plain JSON here.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2);

$t->conf(<<'EOF_CONF')->run();
%%GLOBALS%%
http {
	%%HTTP%%
	limit_req_zone $oidc_claim_sub zone=person:1m rate=1r/m;

	oidc_provider idp {
		%%PROVIDER%%
		introspection_cache off;
	}

	server {
		listen 127.0.0.1:%%PORT_0%%;

		auth_oidc idp;
		auth_oidc_bearer introspection;
		proxy_set_header X-User $oidc_claim_sub;
		proxy_set_header X-Caller $oidc_claim_client_id;
		proxy_set_header X-Auth $oidc_authenticated;
		proxy_set_header X-Token $oidc_access_token;
		proxy_set_header X-Sid $oidc_session_id;
		proxy_set_header X-Error $oidc_error;

		location / { proxy_pass http://%%BACKEND%%; }
		location /only/ {
			auth_oidc_bearer introspection only "realm=the api"
				resource_metadata=https://api.example.com/.well-known/oauth-protected-resource;
			proxy_pass http://%%BACKEND%%;
		}
		location /verify/ {
			auth_oidc_mode verify;
			proxy_pass http://%%BACKEND%%;
		}
		location /off/ {
			auth_oidc_bearer off;
			proxy_pass http://%%BACKEND%%;
		}
		location /any/ {
			auth_oidc_scope any admin profile;
			proxy_pass http://%%BACKEND%%;
		}
		location /all/ {
			auth_oidc_scope all openid profile;
			proxy_pass http://%%BACKEND%%;
		}
		location /aud/ {
			auth_oidc_bearer_audience https://api.example.com other;
			proxy_pass http://%%BACKEND%%;
		}
		location /anyaud/ {
			auth_oidc_bearer_audience none;
			proxy_pass http://%%BACKEND%%;
		}
		location /caller/ {
			auth_oidc_bearer_audience none;
			auth_oidc_bearer_caller client_id app-1 app-2;
			proxy_pass http://%%BACKEND%%;
		}
		location /anycaller/ {
			auth_oidc_bearer_audience none;
			auth_oidc_bearer_caller aud;
			proxy_pass http://%%BACKEND%%;
		}
		location /django/ {
			auth_oidc_bearer introspection only error=400;
			auth_oidc_scope all groups;
			proxy_pass http://%%BACKEND%%;
		}
		location /cors/ {
			auth_oidc_bearer introspection only preflight;
			proxy_pass http://%%BACKEND%%;
		}
		location /page/ {
			error_page 401 403 = @denied;
			auth_oidc_scope all never;
			proxy_pass http://%%BACKEND%%;
		}
		location @denied {
			auth_oidc off;
			add_header X-Denied $oidc_error always;
			return 418;
		}
		location /limited/ {
			limit_req zone=person burst=1 nodelay;
			limit_req_status 429;
			proxy_pass http://%%BACKEND%%;
		}
		location /any-of/ {
			satisfy any;
			allow 127.0.0.1;
			deny all;
			proxy_pass http://%%BACKEND%%;
		}
		location /all-of/ {
			deny all;
			proxy_pass http://%%BACKEND%%;
		}
		location /moved/ {
			try_files /nothing /all/;
		}
	}
}
EOF_CONF

my $idp = $t->idp();
my $b = $t->browser();

$idp->set(tokens => {
	good => {}, bob => { sub => 'bob' },
	narrow => { scope => 'profile' }, wide => { scope => 'openid profile x' },
	api => { aud => [ 'x', 'https://api.example.com' ] },
	noaud => { aud => undef }, caller => { client_id => 'app-2' },
	nocaller => { client_id => '' },
	'a.b-c_d~e+f/g==' => {},
});

###############################################################################
# How a token comes.

my $r = api('/x?y=1', 'good');

is($r->status(), 200, 'IN-1 R22: a good token passes');
is(told($r, 'X-User'), '248289761001', 'IN-18: with its claims');
is(told($r, 'X-Caller'), 'app', 'R17: and its caller');
is(told($r, 'X-Auth'), 1, 'R22: authenticated');
is(told($r, 'X-Token'), 'good', 'R22: the token as a variable');
is(told($r, 'X-Sid'), undef, 'R22: there is no session');
is(told($r, 'Authorization'), 'Bearer good', 'IN-18: passed on unless told');

my $asked = $idp->last('introspect');

is($asked->{method}, 'POST', 'IN-1: asked by POST');
is_deeply($asked->{form}, { token => 'good',
	token_type_hint => 'access_token' }, 'IN-1: for this token');
like($asked->{h}{authorization}, qr/^Basic /, 'IN-1: as the client');
is($asked->{h}{accept}, 'application/json', 'R12: JSON');

$idp->forget();
$r = api('/', 'good', headers => { Cookie => 'a=b', Range => 'bytes=0-1',
	'X-Api-Key' => 's3', DPoP => 'x' });
is($r->status(), 200, 'R12: whatever else the client sends');
is_deeply([ grep { $idp->last('introspect')->{h}{$_} }
	qw/ cookie range x-api-key dpop / ], [], 'R12 B17: stays here');

is(api('/', undef, headers => { Authorization => "$_ good" })->status(), 200,
	"BE-1: scheme $_") for qw/ bearer BEARER bEaReR /;
is(api('/', 'a.b-c_d~e+f/g==')->status(), 200, 'BE-1: every character');

$idp->forget();

for (['a b', 'a blank'], ["a,b", 'a comma'], ['a"b', 'a quote'],
	['=a', '= first'], ['a=b', '= inside'], ["\xc3\xa9", 'UTF-8'],
	['', 'empty'], ['x' x 20000, 'too long', 1])
{
	my ($token, $name, $long) = @$_;

	$r = api('/', $token);
	is($r->status(), 400, "BE-1 R21: $name is 400") if !$long;
	like($r->status(), qr/^40[01]$/, "R21: $name is refused") if $long;
	like($r->header('WWW-Authenticate'), qr/error="invalid_request"/,
		"BE-1: $name is an invalid request") if !$long;
}

is($idp->count('introspect'), 0, 'BE-1: and nobody is asked');

like($b->raw("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"
	. "Authorization: Bearer good\r\nConnection: close\r\n\r\n"),
	qr/ 400 /, 'BE-3: two Authorization headers');

is(api('/?access_token=good', undef)->status(), 401,
	'BE-4: not taken from the query');
is($b->api('/', method => 'POST', body => 'access_token=good', type =>
	'application/x-www-form-urlencoded')->status(), 401,
	'BE-4: nor from a form');

###############################################################################
# No token.

$r = api('/', undef);
is($r->status(), 401, 'BE-2: no token, no session');
is($r->header('WWW-Authenticate'), 'Bearer realm="idp"',
	'BE-2 R18: a challenge without an error');
is($r->header('Cache-Control'), 'no-store', 'BE-2: not to be kept');

$r = $b->get('/');
is($r->status(), 302, 'R22: a navigation is sent to log in');

$r = $b->get('/only/');
is($r->status(), 401, 'R18: not where only tokens are taken');
is($r->header('WWW-Authenticate'), 'Bearer realm="the api", resource_metadata='
	. '"https://api.example.com/.well-known/oauth-protected-resource"',
	'BE-14: realm and metadata');
is($r->location(), undef, 'R22: no redirect');

is(api('/', undef, headers => { Authorization => 'Basic YTpi' })->status(),
	401, 'BE-1: another scheme is no token');

###############################################################################
# A refused token.

$r = api('/', 'unknown');
is($r->status(), 401, 'IN-3 BE-5: not active');
like($r->header('WWW-Authenticate'),
	qr/^Bearer realm="idp", error="invalid_token"(?:, error_description="[ !#-\[\]-~]+")?$/,
	'IN-3 BE-6: the challenge');
is($r->json()->{error}, 'invalid_token', 'R18: the body');
is($r->header('Content-Type'), 'application/json', 'R18: is JSON');
is($r->header('Cache-Control'), 'no-store', 'R18: not to be kept');

my $id = $r->json()->{request_id};
like($t->wait_log(qr/token refused: bearer_inactive .*id: \Q$id/) // '',
	qr/provider: "idp"/, 'O04: one log line with reason and id');

is($b->get('/', headers => { Authorization => 'Bearer unknown' })->status(),
	401, 'R22: a navigation with a bad token is not sent to log in');

my $person = $t->browser();
is($person->login('/')->status(), 200, 'R22: a session');
is(told($person->api('/'), 'X-User'), '248289761001', 'R22: passes as ever');

$r = $person->api('/', headers => { Authorization => 'Bearer bob' });
is(told($r, 'X-User'), 'bob', 'BE-10: a token goes before the session');
$r = $person->api('/', headers => { Authorization => 'Bearer unknown' });
is($r->status(), 401, 'BE-10: and a bad one does not fall back to it');
is((grep { /Max-Age=0/ } $r->headers_all('Set-Cookie')), 0,
	'BE-10: which goes on');
is($person->api('/only/')->status(), 401, 'R22: only tokens: not the session');
is($person->api('/off/', headers => { Authorization => 'Bearer unknown' })
	->status(), 200, 'R22: off: the session alone');
is(api('/off/', 'good')->status(), 401, 'R22: off: not the token');
is($person->api('/')->status(), 200, 'R22: the session is as it was');

###############################################################################
# Rules of a location.

is(join(' ', map { api("/any/", $_)->status() } qw/ good narrow wide /),
	'403 200 200', 'R16 IN-5: any of the scopes');
is(join(' ', map { api("/all/", $_)->status() } qw/ good narrow wide /),
	'403 403 200', 'R16 IN-5: all of them');

$r = api('/all/', 'narrow');
like($r->header('WWW-Authenticate'),
	qr/error="insufficient_scope".*scope="openid profile"/,
	'R16 IN-5: the challenge says which');
is($r->json()->{error}, 'insufficient_scope', 'R16: so does the body');

is(join(' ', map { api('/aud/', $_)->status() } qw/ good api noaud /),
	'401 200 401', 'IN-5: audience by directive');
is(join(' ', map { api('/', $_)->status() } qw/ good api /),
	'200 401', 'IN-5: client_id by default');
is(join(' ', map { api('/anyaud/', $_)->status() } qw/ good api noaud /),
	'200 200 200', 'IN-5: none by word');
is(join(' ', map { api('/caller/', $_)->status() } qw/ good caller nocaller /),
	'403 200 403', 'R17: callers on the list');
is(join(' ', map { api('/anycaller/', $_)->status() } qw/ good noaud /),
	'200 403', 'R17: any caller, but one');
is(api('/moved/', 'good')->status(), 403,
	'R16: an internal redirect does not go around the rules');
is(api('/moved/', 'wide')->status(), 200, 'R16: and leads where they are met');

is(join(' ', map { my $x = api('/django/', $_); $x->status() }
	undef, qw/ unknown good /), '401 400 400',
	'R18: 400 for every refused token, by directive');

###############################################################################
# Modes, phases, other modules.

$r = api('/verify/', 'good');
is(told($r, 'X-User'), '248289761001', 'R22: verify takes a good token');
$r = api('/verify/', 'unknown');
is($r->status(), 200, 'R22: verify sends nobody away');
is(told($r, 'X-User'), undef, 'R22: nor believes a bad token');
is(told($r, 'X-Error'), 'bearer_inactive', 'R22: and says why');
$r = $person->api('/verify/', headers => { Authorization => 'Bearer unknown' });
is(told($r, 'X-Auth'), 0, 'BE-10: the session is not looked at');

$r = api('/page/', 'good');
is($r->status(), 418, 'R18: an error_page');
is($r->header('X-Denied'), 'bearer_scope', 'O04: knows the reason');

is(join(' ', map { api('/limited/', 'good')->status() } 1 .. 3), '200 200 429',
	'B16: limit_req by the claim of a token');
is(api('/limited/', 'bob')->status(), 200, 'B16: another is not touched');

is(api('/any-of/', 'unknown')->status(), 200, 'R22: satisfy any');
is(api('/all-of/', 'good')->status(), 403, 'R22: satisfy all');

###############################################################################
# CORS.

my %preflight = (Origin => 'https://app.example.com',
	'Access-Control-Request-Method' => 'GET');

$r = api('/cors/', undef, method => 'OPTIONS', headers => \%preflight);
is($r->status(), 200, 'BE-15: a preflight passes');
is(told($r, 'X-Auth'), 0, 'BE-15: as nobody');
is(api('/cors/', undef, method => 'OPTIONS')->status(), 401,
	'BE-15: no other OPTIONS');
is(api('/cors/', undef, headers => \%preflight)->status(), 401,
	'BE-15: no other method');
is(api('/cors/', 'unknown', method => 'OPTIONS', headers => \%preflight)
	->status(), 401, 'BE-15: not with a bad token');
is(api('/only/', undef, method => 'OPTIONS', headers => \%preflight)
	->status(), 401, 'BE-15: only by the switch');

###############################################################################

$t->done();

###############################################################################

sub api {
	my ($path, $token, %o) = @_;
	my %h = %{ delete $o{headers} || {} };

	$h{Authorization} = "Bearer $token" if defined $token;

	return $t->browser()->api($path, headers => \%h, %o);
}


# what the backend was told
sub told {
	my ($r, $name) = @_;

	my ($h) = grep { lc $_->[0] eq lc $name } @{ $r->json()->{headers} };

	return $h ? $h->[1] : undef;
}

###############################################################################
