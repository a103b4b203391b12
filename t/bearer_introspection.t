#!/usr/bin/perl

# Introspection answers, right and wrong, in each mode: json, jwt, signed,
# encrypted.  What is wrong with the provider is 502, 503 or 504 and never the
# client's fault, nothing of it is kept, and the client cannot tell one from
# another (RFC 7662, RFC 9701).

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ key jwk /;

###############################################################################

my $t = Test::OIDC->new(workers => 2);

for ([ enc => "rsa3072", "private" ], [ ec => "p256", "private_short" ]) {
	$t->write_file("$_->[0].pem", key($_->[1], 5)->export_key_pem($_->[2]));
	chmod 0600, $t->testdir() . "/$_->[0].pem";
}

my %mode = (json => 'json', jwt => 'jwt sign=RS256,ES256',
	signed => 'signed', es => 'signed sign=ES256', hs => 'signed sign=HS256',
	encrypted => 'encrypted');

my $providers = join '', map { <<"EOP" } sort keys %mode;
	oidc_provider $_ {
		%%PROVIDER%%
		introspection_response $mode{$_};
		introspection_cache 60s negative=60s;
		cookie_name $_;
		timeout 1s;
	}
EOP
my $locations = join '', map { <<"EOL" } sort keys %mode;
		location /$_/ {
			auth_oidc $_;
			proxy_pass http://%%BACKEND%%;
		}
EOL

my $conf = <<"EOF_CONF";
%%GLOBALS%%
http {
	%%HTTP%%
	oidc_key enc.pem alg=RSA-OAEP use=enc;
	oidc_key ec.pem alg=ECDH-ES use=enc;
$providers
	oidc_provider down {
		issuer http://127.0.0.1:%%PORT_2%%;
		client_id gateway;
		client_secret xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;
		cookie_name down;
		timeout 300ms;
	}
	oidc_provider noendpoint {
		issuer %%IDP%%;
		client_id gateway;
		cookie_name noendpoint;
		authorization_endpoint %%IDP%%/a;
		token_endpoint %%IDP%%/t;
		jwks_uri %%IDP%%/protocol/openid-connect/certs;
	}
	server {
		listen 127.0.0.1:%%PORT_0%%;
		auth_oidc_bearer introspection only;
		proxy_set_header X-User \$oidc_claim_sub;
$locations
		location /down/ {
			auth_oidc down;
			proxy_pass http://%%BACKEND%%;
		}
		location /noendpoint/ {
			auth_oidc noendpoint;
			proxy_pass http://%%BACKEND%%;
		}
		location /verify/ {
			auth_oidc json;
			auth_oidc_mode verify;
			proxy_pass http://%%BACKEND%%;
		}
	}
}
EOF_CONF

$t->conf($conf)->run();

my $idp = $t->idp();
my $n = 0;
my $token;
my %rsa = (jwk => { %{ jwk(key('rsa3072', 5)) }, kid => kid('enc') });
my %ec = (jwk => { %{ jwk(key('p256', 5)) }, kid => kid('ec') },
	alg => 'ECDH-ES');

###############################################################################
# JSON.

good('json', 'IN-2: an active token');
good('json', 'IN-2: Content-Type with parameters and case',
	type => 'Application/JSON; charset=utf-8');

bad('json', 502, 'introspection', "IN-2: active $_->[0]",
	claims => { active => $_->[1] }) for [ 'a string', 'true' ],
	[ 'a number', 1 ], [ 'missing', undef ], [ 'null', raw('null') ],
	[ 'an object', {} ];
bad('json', 502, 'bad_json', "IN-2: $_->[0]", raw => $_->[1])
	for [ 'an array', '[]' ], [ 'no JSON', 'no' ], [ 'nothing', '' ],
	[ 'duplicate members', '{"active":false,"active":true}' ],
	[ 'more behind it', '{"active":true}x' ],
	[ 'a string alone', '"active"' ];
bad('json', 502, 'content_type', "R13: type $_", type => $_)
	for 'text/html', 'application/jwt', 'application/jsonx', 'text/json';

bad('json', 401, 'bearer_inactive', 'IN-3: not active',
	claims => { active => JSON::XS::false });
bad('json', 401, 'bearer_expired', 'IN-4 R15: exp is past',
	claims => { exp => time() - 400 });
bad('json', 401, 'bearer_expired', 'IN-4 R15: nbf is to come',
	claims => { nbf => time() + 400 });
bad('json', 401, 'bearer_token', 'BE-9: an ID token, as Keycloak has it',
	claims => { typ => 'ID', token_type => 'ID' });
bad('json', 502, undef, "IN-4: exp is $_->[0]", claims => { exp => $_->[1] })
	for [ 'a string', 'x' ], [ 'an object', {} ];
bad('json', 502, undef, 'R15: iss of another',
	claims => { iss => 'https://other.example.com' });
good('json', 'R15: no iss', claims => { iss => undef });
good('json', 'IN-4: no exp', claims => { exp => undef });
bad('json', 401, 'bearer_audience', 'IN-5: aud of another',
	claims => { aud => 'other' });

###############################################################################
# The provider's own faults.

for ([ 502, 'a status of its own', status => 500 ],
	[ 502, 'the client refused', status => 401 ],
	[ 502, 'forbidden', status => 403 ], [ 502, 'a redirect', status => 302 ],
	[ 502, 'no content', status => 204 ])
{
	my ($status, $name, %bend) = @$_;

	fault('json', $status, "IN-7 R19: $name", %bend);
}

fault('json', 504, 'IN-7 R19: silence', delay => 3000);
fault('json', 502, 'IN-7 R19: cut short', cut => 5);

$idp->set(tokens => { v => {} });
$idp->once(introspect => { status => 500 });
is(api('verify', 'v')->status(), 502, 'R19: in verify mode too');
is(api('verify', 'v')->status(), 200, 'R19: and not for long');

is(api('down', 'x')->status(), 503, 'R19: no metadata');
is(api('noendpoint', 'x')->status(), 502, 'R19: no endpoint');

###############################################################################
# JWT answers.

good('jwt', 'R13: JSON with the token as a JWT, as Keycloak has it',
	as => 'jwt');
is($idp->last('introspect')->{h}{accept}, 'application/jwt',
	'R13: asked for by Accept');
bad('jwt', 502, undef, 'IN-9: JSON alone', as => 'json');
bad('jwt', 502, 'jws_signature', 'R13: a bad signature', as => 'jwt',
	sign => 'flip');
bad('jwt', 502, undef, 'R13: iss of another', as => 'jwt',
	outer => { iss => 'https://other.example.com' });
bad('jwt', 502, 'content_type', 'R13: a bare JWT', as => 'signed',
	type => 'application/jwt');

good('signed', 'R14: a signed answer', as => 'signed');
is($idp->last('introspect')->{h}{accept},
	'application/token-introspection+jwt', 'IN-8 R12: exactly this type');
good('signed', "IN-8: type $_", as => 'signed', type => $_)
	for 'application/token-introspection+jwt',
	'Application/Token-Introspection+JWT;x=y';
bad('signed', 502, 'content_type', 'IN-9 R13: JSON instead', as => 'json');
bad('signed', 502, 'content_type', "IN-8: type $_", as => 'signed', type => $_)
	for 'application/jwt', 'application/json', 'text/plain';

good('signed', "IN-10: typ $_", as => 'signed', header => { typ => $_ })
	for 'application/token-introspection+jwt', 'Token-Introspection+JWT';
bad('signed', 502, 'jws_typ', 'IN-10: typ ' . ($_ // 'missing'),
	as => 'signed', header => { typ => $_ })
	for undef, 'JWT', 'at+jwt', 'token-introspection';

for ([ iss => 'claim_iss', undef, 'https://other.example.com', 1 ],
	[ aud => 'claim_aud', undef, 'other', [], [ 'x', 'y' ] ],
	[ iat => 'claim_iat', undef, time() - 400, time() + 400, 'x' ],
	[ token_introspection => 'introspection', undef, 'x', [],
		{ active => 'true' } ])
{
	my ($claim, $reason, @values) = @$_;

	bad('signed', 502, undef, "R14 IN-11: $claim "
		. (defined $_ ? ref || $_ : 'missing'), as => 'signed',
		outer => { $claim => $_ }) for @values;
}

good('signed', 'IN-11: aud is an array', as => 'signed',
	outer => { aud => [ 'x', $idp->client_id() ] });
bad('signed', 502, undef, "IN-12 R14: signature $_", as => 'signed',
	sign => $_) for 'flip', 'empty';
bad('signed', 502, undef, 'IN-12: alg none', as => 'signed', sign => 'none');
bad('signed', 502, 'jws_signature', 'IN-12: another key', as => 'signed',
	key => 'other');
bad('signed', 401, 'bearer_inactive', 'R15: not active',
	as => 'signed', claims => { active => JSON::XS::false });

good('es', 'IN-12: ES256', as => 'signed', alg => 'ES256');
bad('es', 502, 'jws_alg', 'IN-12: RS256 where ES256 is pinned',
	as => 'signed', alg => 'RS256');
good('hs', 'IN-12: HS256 with the secret', as => 'signed', alg => 'HS256');
bad('signed', 502, 'jws_alg', 'IN-12: HS256 is not taken unasked',
	as => 'signed', alg => 'HS256');

###############################################################################
# Encrypted ones.

good('encrypted', 'R07 IN-13: RSA-OAEP, A256GCM', as => 'encrypted',
	encrypt => \%rsa);
good('encrypted', 'IN-12: ES256 inside', as => 'encrypted', alg => 'ES256',
	encrypt => \%rsa);
good('encrypted', 'IN-14: more members in the header', as => 'encrypted',
	encrypt => { %rsa, header => { 'x-y' => 1, cty => undef } });

bad('encrypted', 502, undef, 'IN-13 R13: only signed', as => 'signed');
bad('encrypted', 502, 'content_type', 'IN-9: JSON', as => 'json');
bad('encrypted', 502, 'jwe_alg', 'R08 IN-13: another alg', as => 'encrypted',
	encrypt => \%ec);
bad('encrypted', 502, 'jwe_enc', 'R08 IN-13: another enc', as => 'encrypted',
	encrypt => { %rsa, enc => 'A128GCM' });
bad('encrypted', 502, 'jwe_decrypt', "R08: part $_ broken", as => 'encrypted',
	encrypt => { %rsa, broken => $_ }) for 1 .. 4;
bad('encrypted', 502, undef, 'R11: for another key', as => 'encrypted',
	encrypt => { jwk => { %{ jwk(key('rsa', 7)) }, kid => 'nobody' } });
bad('encrypted', 502, undef, 'IN-13: JSON inside', as => 'encrypted',
	encrypt => { %rsa, plain => '{"active":true,"aud":"gateway"}' });
bad('encrypted', 502, undef, "IN-14: $_ of the JWE is another",
	as => 'encrypted', encrypt => { %rsa, header => { $_ => 'other' } })
	for qw/ iss aud /;
bad('encrypted', 502, 'jws_signature', 'IN-12: inner signature',
	as => 'encrypted', sign => 'flip', encrypt => \%rsa);
bad('encrypted', 502, 'jws_typ', 'IN-10: inner typ', as => 'encrypted',
	header => { typ => 'JWT' }, encrypt => \%rsa);

###############################################################################
# IN-16: one answer for all of it.

my %answers;

for ([ sign => 'flip' ], [ key => 'other' ], [ outer => { aud => 'x' } ],
	[ header => { typ => 'JWT' } ], [ encrypt => { %rsa, broken => 1 } ],
	[ encrypt => { %rsa, broken => 4 } ])
{
	$token = 'same' . $n++;
	$idp->set(tokens => { $token => {} }, introspect => {
		as => 'encrypted', encrypt => \%rsa, @$_ });

	my $r = api('encrypted', $token);
	my $body = $r->body() =~ s/"request_id":"\w+"//r;

	$answers{ join '|', $r->status(), $body, map { $r->header($_) // '' }
		qw/ WWW-Authenticate Content-Type Content-Length
			Cache-Control / }++;
}

is(scalar keys %answers, 1, 'IN-16 R08: failures cannot be told apart');

###############################################################################
# A rotation of the provider's keys.

$idp->set(introspect => { as => 'signed' });
$idp->rotate_keys();
good('signed', 'DI-8: keys are fetched again for an unknown kid',
	as => 'signed');

###############################################################################

$t->done();

###############################################################################

sub raw { return { '$raw' => $_[0] }; }


sub kid {
	my ($name) = @_;

	my $file = $t->testdir() . "/$name.pem";
	return key($name eq 'enc' ? 'rsa3072' : 'p256', 5)
		->export_key_jwk_thumbprint('SHA256');
}


sub api {
	my ($mode, $token) = @_;

	return $t->browser()->api("/$mode/", headers => {
		Authorization => "Bearer $token" });
}


# a token that passes, and is asked for once
sub good {
	my ($mode, $name, %bend) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$token = 'good' . $n++;
	$idp->set(tokens => { $token => {} }, introspect => \%bend);

	my $count = $idp->count('introspect');
	my $mark = $t->log_mark();
	my $r = api($mode, $token);

	is($r->status(), 200, $name)
		or diag($t->wait_log(qr/token refused/, 1, $mark));
	api($mode, $token);
	is($idp->count('introspect') - $count, 1, '... and is kept');
}


# an answer that is refused; what is the provider's fault is not kept
sub bad {
	my ($mode, $status, $reason, $name, %bend) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$token = 'bad' . $n++;
	$idp->set(tokens => { $token => {} }, introspect => \%bend);

	my $mark = $t->log_mark();
	my $count = $idp->count('introspect');
	my $r = api($mode, $token);
	my $log = $t->wait_log(qr/token refused: \w+/, 5, $mark) // '';
	my ($why) = $log =~ /token refused: (\w+)/;

	is($r->status() . " $why", "$status " . ($reason // $why), $name);

	$idp->set(introspect => { map { $_ => $bend{$_} }
		grep { $mode ne 'json' and exists $bend{$_} } () });
	api($mode, $token);
	is($idp->count('introspect') - $count,
		$status == 401 && $why ne 'bearer_audience' ? 1
			: $why eq 'bearer_audience' ? 1 : 2,
		$status == 401 ? '... and this is kept' : '... and not kept');
}


sub fault {
	my ($mode, $status, $name, %bend) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$token = 'fault' . $n++;
	$idp->set(tokens => { $token => {} }, introspect => {});
	$idp->once(introspect => \%bend);

	my $r = api($mode, $token);

	is($r->status(), $status, $name);
	is($r->header('WWW-Authenticate'), undef, '... no challenge');
	is(api($mode, $token)->status(), 200, '... and nothing is kept');
}

###############################################################################
