#!/usr/bin/perl

# How the gateway says to a provider who it is: each method's shape, with one
# method at a time, as a provider sees it that believes nothing.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;
use Test::OIDC::Keys qw/ b64u_decode key jwk /;

###############################################################################

my $t = Test::OIDC->new();
my $dir = $t->testdir();

umask 077;

my @keys = map { jwk(key($_->[0], $_->[1]), kid => $_->[2]) }
	[ p256 => 1, 'of-all' ], [ p384 => 1, 'of-one' ], [ rsa => 1, 'rsa' ];

for ([ p256 => 'private_short' ], [ p384 => 'private_short' ],
	[ rsa => 'private' ])
{
	$t->write_file("$_->[0].pem", key($_->[0], 1)->export_key_pem($_->[1]));
}

system("openssl genpkey -algorithm ED25519 -out $dir/ed25519.pem") == 0
	or die 'openssl';
push @keys, jwk(Crypt::PK::Ed25519->new("$dir/ed25519.pem"), kid => 'ed');

system("openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
	. "-nodes -keyout $dir/tls.pem -out $dir/tls.crt -subj /CN=gateway "
	. '-days 9 2>/dev/null') == 0 or die 'openssl';

$t->idp('tls', tls => 1, client_ca => "$dir/tls.crt");

my $bare = "issuer %%IDP%%;\nclient_id gateway;";

my %provider = (
	private => "$bare client_auth_method private_key_jwt;",
	endpoint => "$bare client_auth_method private_key_jwt;"
		. 'client_assertion_audience token_endpoint;',
	url => "$bare client_auth_method private_key_jwt;"
		. 'client_assertion_audience https://idp.example.test/x;',
	own => "$bare client_auth_method private_key_jwt;"
		. 'oidc_key %%TESTDIR%%/p384.pem use=sig kid=of-one;',
	rsa => "$bare client_auth_method private_key_jwt;"
		. 'oidc_key %%TESTDIR%%/rsa.pem use=sig alg=PS256 kid=rsa;',
	ed => "$bare client_auth_method private_key_jwt;"
		. 'oidc_key %%TESTDIR%%/ed25519.pem kid=ed;',
	auto => $bare,
	secret => '%%PROVIDER%% client_auth_method client_secret_jwt;',
	tls => 'issuer %%IDP_tls%%; client_id gateway;'
		. 'client_auth_method tls_client_auth; userinfo on;'
		. 'ssl_trusted_certificate %%CA%%;'
		. 'proxy_ssl_certificate %%TESTDIR%%/tls.crt;'
		. 'proxy_ssl_certificate_key %%TESTDIR%%/tls.pem;',
);

my $providers = join '', map { "oidc_provider $_ {\n$provider{$_}\n"
	. "cookie_name $_;\n}\n" } sort keys %provider;
my $locations = join '', map { "location /$_/ { auth_oidc $_; "
	. "proxy_pass http://%%BACKEND%%; }\n" } sort keys %provider;

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    $providers
    oidc_key %%TESTDIR%%/p256.pem use=sig kid=of-all;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        $locations
        location = /jwks { oidc_jwks; }
    }
}
EOF

my $idp = $t->idp();

$idp->set(client => { auth => [ 'private_key_jwt' ], keys => \@keys });

###############################################################################
# private_key_jwt

my ($header, $claims) = good('private', 'F21 TK-4: private_key_jwt');
my $form = $idp->last('token')->{form};

is_deeply([ sort keys %$form ], [ qw/ client_assertion client_assertion_type
	client_id code code_verifier grant_type redirect_uri / ],
	'TK-3 TK-4: what the form holds, and no more');
is($idp->last('token')->{h}{authorization}, undef,
	'TK-3: no second method in a header');
is_deeply($header, { alg => 'ES256', kid => 'of-all', typ => 'JWT' },
	'TK-4: its header');
is_deeply([ sort keys %$claims ], [ qw/ aud exp iat iss jti sub / ],
	'TK-4: its claims');
is($claims->{aud}, $idp->issuer(), 'TK-4: aud is the issuer, a string');
is($claims->{exp} - $claims->{iat}, 60, 'TK-4: good for a minute');

my %jti = ($claims->{jti} => 1);

for (1 .. 3) {
	$jti{ (good('private', 'TK-4: once more'))[1]{jti} } = 1;
}

is(scalar keys %jti, 4, 'TK-4: jti is another each time');

my $jwks = $t->curl($t->url('/jwks'));

like($jwks, qr/"$_"/, "JW-10: $_ is published") for qw/ of-all of-one rsa ed /;

is((good('own', 'F21: a key of the provider'))[0]{alg}, 'ES384',
	'JW-10: it signs for this one, by its alg');
is((good('rsa', 'F21: RSA'))[0]{alg}, 'PS256', 'F21: with PSS');
is((good('ed', 'F21: Ed25519'))[0]{alg}, 'EdDSA', 'F21: with EdDSA');
good('auto', 'F14: by metadata, with a key and no secret');

$idp->set(client => { auth => [ 'private_key_jwt' ], keys => \@keys,
	aud => $idp->endpoint_url('token') });
good('endpoint', 'TK-4: aud is the token endpoint');
refused('private', 'TK-4: the provider wants another aud');

$idp->set(client => { auth => [ 'private_key_jwt' ], keys => \@keys,
	aud => 'https://idp.example.test/x' });
good('url', 'TK-4: aud is what it says');

$idp->set(client => { auth => [ 'private_key_jwt' ],
	keys => [ @keys[1 .. 3] ] });
refused('private', 'TK-4: the provider does not know the key');

###############################################################################
# client_secret_jwt

$idp->set(client => { auth => [ 'client_secret_jwt' ] });
($header, $claims) = good('secret', 'TK-5: client_secret_jwt');
is_deeply($header, { alg => 'HS256', typ => 'JWT' }, 'TK-5: its header');
is($claims->{aud}, $idp->issuer(), 'TK-5: aud is the issuer');
is($idp->last('token')->{form}{client_secret}, undef,
	'TK-3: the secret itself stays here');

$idp->set(client => { auth => [ 'client_secret_jwt' ],
	secret => 'another' x 9 });
refused('secret', 'TK-5: the provider has another secret');

###############################################################################
# tls_client_auth

# nginx compares names of certificates with names, not with addresses

$idp = $t->idp('tls');

my %by_name = map { $_ => $idp->endpoint_url($_)
	=~ s/127\.0\.0\.1/localhost/r } qw/ token userinfo /;

$idp->set(client => { auth => [ 'tls_client_auth' ] },
	metadata => { map { ("${_}_endpoint" => $by_name{$_}) }
		keys %by_name });
$t->restart();

good('tls', 'TK-6: tls_client_auth');

my $req = $idp->last('token');

is($req->{certificate}, '/CN=gateway', 'TK-6: the certificate is seen');
is_deeply([ sort keys %{ $req->{form} } ], [ qw/ client_id code code_verifier
	grant_type redirect_uri / ], 'TK-6: the form says who, nothing else');
is($idp->last('userinfo')->{certificate}, '/CN=gateway',
	'AD-4: at the userinfo endpoint as well');
is($req->{uri} =~ /\?/, '', 'TK-6: no aliases, the usual endpoint');

$idp->set(metadata => { mtls_endpoint_aliases => {
	map { ("${_}_endpoint" => "$by_name{$_}?mtls") } keys %by_name } });
$t->restart();
good('tls', 'TK-6 AD-4: with aliases');
like($idp->last($_)->{uri}, qr/\?mtls$/, "TK-6 AD-4: that of $_")
	for qw/ token userinfo /;

###############################################################################

$t->done();

###############################################################################

# A login that ends well; header and claims of the assertion.
sub good {
	my ($name, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $r = $t->browser()->login("/$name/");

	is($r->status(), 200, $what) or diag($t->wait_log(qr/refused/, 1));

	my $token = $idp->last('token')->{form}{client_assertion} // return;

	$t->secret($token);

	return map { JSON::XS::decode_json(b64u_decode($_)) }
		(split /\./, $token)[0, 1];
}

sub refused {
	my ($name, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $mark = $t->log_mark();

	is($t->browser()->login("/$name/")->status(), 502, $what);
	like($t->wait_log(qr/login refused/, 5, $mark),
		qr/token_error .*invalid_client/, "$what: its word is logged");
}

###############################################################################
