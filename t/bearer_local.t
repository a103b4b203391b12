#!/usr/bin/perl

# Access tokens that are JWTs, verified with the provider's keys (RFC 9068, RFC
# 8725): what passes, and each of the things that may be wrong with one.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ key jwk jws jwe /;

###############################################################################

my $t = Test::OIDC->new(workers => 2);

$t->write_file('enc.pem', key('rsa', 5)->export_key_pem('private'));
chmod 0600, $t->testdir() . '/enc.pem';

$t->conf(<<'EOF_CONF')->run();
%%GLOBALS%%
http {
	%%HTTP%%
	oidc_key %%TESTDIR%%/enc.pem use=enc alg=RSA-OAEP;
	oidc_provider idp {
		%%PROVIDER%%
		introspection_cache 2s;
	}
	server {
		listen 127.0.0.1:%%PORT_0%%;
		auth_oidc idp;
		auth_oidc_bearer local only;
		proxy_set_header X-User $oidc_claim_sub;
		location / { proxy_pass http://%%BACKEND%%; }
		location /plain/ {
			auth_oidc_bearer local only typ=any;
			proxy_pass http://%%BACKEND%%;
		}
		location /es/ {
			auth_oidc_bearer local only sign=ES256;
			proxy_pass http://%%BACKEND%%;
		}
		location /aud/ {
			auth_oidc_bearer_audience one two;
			auth_oidc_scope any email;
			proxy_pass http://%%BACKEND%%;
		}
		location /enc/ {
			auth_oidc_bearer local only alg=RSA-OAEP;
			proxy_pass http://%%BACKEND%%;
		}
		location /wrapped/ {
			auth_oidc_bearer local only base64;
			proxy_pass http://%%BACKEND%%;
		}
		location /introspected/ {
			auth_oidc_bearer introspection only;
			proxy_pass http://%%BACKEND%%;
		}
	}
}
EOF_CONF

my $idp = $t->idp();
my ($alg, $old) = ('RS256');

###############################################################################
# Good ones.

my $r = api('/', token());

is($r->status(), 200, 'R23 BE-7: a token passes');
is({ map { @$_ } @{ $r->json()->{headers} } }->{'X-User'}, '248289761001',
	'R23: with its claims');
is($idp->count('introspect'), 0, 'R23: nobody is asked');

ok(good('/', {}, alg => $_), "R23: $_") for qw/ RS256 ES256 /;
ok(good('/', {}, header => { typ => $_ }), "BE-7: typ $_")
	for 'application/at+jwt', 'AT+JWT';
ok(good('/', { aud => [ 'x', $idp->client_id() ] }), 'BE-7: aud an array');
ok(good('/aud/', { aud => 'two' }), 'BE-7: aud by directive');
ok(good('/plain/', { client_id => undef, jti => undef, typ => 'Bearer',
	azp => 'app' }, header => { typ => 'JWT' }), 'BE-8: as Keycloak has it');
ok(good('/', { exp => int(time) - 5 }), 'BE-5: clock_skew is granted');

###############################################################################
# Bad ones: 401 and no more, whatever it is.

for ([ 'aud of another', { aud => 'other' } ], [ 'no aud', { aud => undef } ],
	[ 'no exp', { exp => undef } ], [ 'exp past', { exp => time - 400 } ],
	[ 'exp a string', { exp => 'x' } ], [ 'no iss', { iss => undef } ],
	[ 'iss of another', { iss => 'https://other.example.com' } ],
	[ 'nbf to come', { nbf => int(time) + 400 } ],
	[ 'iat to come', { iat => int(time) + 400 } ],
	(map { [ "no $_", { $_ => undef } ] } qw/ sub client_id iat jti /),
	[ 'typ JWT', {}, header => { typ => 'JWT' } ],
	[ 'no typ', {}, header => { typ => undef } ],
	[ 'typ of an introspection answer', {}, header => {
		typ => 'token-introspection+jwt' } ],
	[ 'typ of a logout token', {}, header => { typ => 'logout+jwt' } ],
	[ 'a bent signature', {}, sign => 'flip' ],
	[ 'no signature', {}, sign => 'empty' ], [ 'none', {}, sign => 'none' ],
	[ 'a key of its own', {}, key => key('rsa', 99) ],
	[ 'HS256 with the secret', {}, alg => 'HS256',
		key => $idp->client_secret(), kid => undef ],
	[ 'crit', {}, header => { crit => [ 'x' ], x => 1 } ],
	[ 'RS512', {}, alg => 'RS512', key => $idp->private_key('RS256'),
		kid => $idp->kid('RS256') ])
{
	my ($name, $claims, %how) = @$_;

	bad('/', $claims, "BE-5 BE-7: $name", %how);
}

bad('/es/', {}, 'BE-7: an alg that is not listed');
ok(good('/es/', {}, alg => 'ES256'), 'BE-7: one that is');
bad('/plain/', { nonce => 'x' }, 'BE-9: an ID token: nonce',
	header => { typ => 'JWT' });
bad('/plain/', { at_hash => 'x' }, 'BE-9: an ID token: at_hash',
	header => { typ => 'JWT' });
bad('/plain/', { typ => 'ID' }, 'BE-9: an ID token: typ',
	header => { typ => 'JWT' });
bad('/plain/', { exp => undef }, 'BE-9: no exp', header => { typ => 'JWT' });
bad('/plain/', { aud => 'x' }, 'BE-8: aud is needed all the same',
	header => { typ => 'JWT' });
bad('/plain/', { token_introspection => { active => \1 } },
	'IN-15: an introspection answer', header => {
	typ => 'token-introspection+jwt' });

my $person = $t->browser();
is(api('/', 'opaque')->status(), 401, 'BE-5: no JWT at all');
is(api('/', token({}, payload => '[]'))->status(), 401, 'BE-5: no claims');

is(api('/aud/', token({ aud => 'one', scope => 'openid' }))->status(), 403,
	'IN-5: the scope is a matter of the location');
bad('/', { cnf => { jkt => 'x' x 43 } }, 'BE-11: bound to a key', reason =>
	'bearer_binding');

###############################################################################
# Encrypted, wrapped.

my $jwk = { %{ jwk(key('rsa', 5)) },
	kid => key('rsa', 5)->export_key_jwk_thumbprint('SHA256') };
my $nested = sub { return jwe(payload => token(@_), key => $jwk,
	alg => 'RSA-OAEP', enc => 'A256GCM', header => { cty => 'JWT' }) };

is(api('/enc/', $nested->())->status(), 200, 'R23: nested in a JWE');
is(api('/enc/', token())->status(), 401, 'R23: and nothing less there');
is(api('/enc/', $nested->({}, sign => 'flip'))->status(), 401,
	'R23: what is inside is verified');
is(api('/', $nested->())->status(), 401, 'R23: and not where it is not said');

use MIME::Base64 qw/ encode_base64 /;

is(api('/wrapped/', encode_base64(token(), ''))->status(), 200,
	'R21 IN-20: wrapped in base64, by directive');
is(api('/wrapped/', token())->status(), 200, 'R21: or not');
isnt(api('/', encode_base64(token(), ''))->status(), 200,
	'R21: not without it');

###############################################################################
# Keys and time.

$old = token();
$idp->rotate_keys();
ok(good('/', {}), 'DI-8: a key that is new, without a reload');
ok($t->wait_for(sub { api('/', $old)->status() == 401 }, 10),
	'DI-8: the old one verifies no more');
is(api('/', token({}, kid => 'unknown'))->status(), 401,
	'DI-6: an unknown kid');

my $jwks = $idp->count('jwks');
api('/', token({}, kid => "unknown$_")) for 1 .. 20;
is($idp->count('jwks'), $jwks, 'DI-6: makes us fetch no more');

my $short = token({ exp => int(time) - 28 });
is(api('/', $short)->status(), 200, 'BE-5: a token about to end');
ok($t->wait_for(sub { api('/', $short)->status() == 401 }, 6),
	'BE-5: ends, remembered or not');

is(api('/introspected/', token())->status(), 401,
	'R23: what is verified here says nothing there');
is($idp->count('introspect'), 1, 'R23: where the provider is asked');

###############################################################################

$t->done();

###############################################################################

sub token {
	my ($claims, %how) = @_;

	return Test::OIDC::Introspect::access_token($idp, $claims, %how);
}


sub api {
	my ($path, $token) = @_;

	return $t->browser()->api($path, headers => {
		Authorization => "Bearer $token" });
}


sub good {
	my ($path, $claims, %how) = @_;

	my $mark = $t->log_mark();
	my $r = api($path, token($claims, %how));

	diag($t->wait_log(qr/refused/, 1, $mark)) if $r->status() != 200;

	return $r->status() == 200;
}


sub bad {
	my ($path, $claims, $name, %how) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $reason = delete $how{reason} // 'bearer_token';
	my $mark = $t->log_mark();
	my $r = api($path, token($claims, %how));
	my $log = $t->wait_log(qr/token refused: /, 5, $mark) // '';
	my ($why) = $log =~ /token refused: (\w+)/;

	is(join(' ', $r->status(), $why, $r->json()->{error}),
		"401 $reason invalid_token", $name);
}

###############################################################################
