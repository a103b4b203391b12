#!/usr/bin/perl

# Who we are for a provider, as "nginx -t" sees it: client authentication, keys
# and encryption that contradict each other die before the first request.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;
use Test::OIDC::Conf;

###############################################################################

my $t = Test::OIDC->new();
my $c = Test::OIDC::Conf->new($t);
my $dir = $t->testdir();

umask 077;

key('rsa', '-algorithm RSA -pkeyopt rsa_keygen_bits:2048');
key('p256', '-algorithm EC -pkeyopt ec_paramgen_curve:P-256');
key('p384', '-algorithm EC -pkeyopt ec_paramgen_curve:P-384');

my $bare = "issuer https://idp.example.test;\nclient_id gateway;";
my $short = "$bare\nclient_secret " . 's' x 31 . ';';
my $sig = "oidc_key $dir/p256.pem use=sig;";
my $enc = "oidc_key $dir/p256.pem use=enc;";
my $tls = "proxy_ssl_certificate $dir/tls.crt;\n"
	. "proxy_ssl_certificate_key $dir/tls.pem;";

key('tls', '-algorithm EC -pkeyopt ec_paramgen_curve:P-256');
openssl('req -new -x509 -key tls.pem -out tls.crt -subj /CN=gateway -days 9');

###############################################################################
# client_auth_method

$c->refused('TK-4: private_key_jwt without a key',
	provider => 'client_auth_method private_key_jwt;',
	qr/"private_key_jwt" of oidc_provider "idp" needs an "oidc_key"/);
$c->refused('TK-4: private_key_jwt with a key for encryption',
	http => $enc, provider => 'client_auth_method private_key_jwt;',
	qr/needs an "oidc_key" with use=sig/);
$c->refused('TK-4: private_key_jwt with a retired key',
	http => $sig =~ s/;/ retired;/r,
	provider => 'client_auth_method private_key_jwt;',
	qr/needs an "oidc_key" with use=sig that is not retired/);
$c->refused('TK-4: private_key_jwt with the key of another provider',
	http => "oidc_provider other {\n$bare\n$sig\n}",
	provider => 'client_auth_method private_key_jwt;',
	qr/needs an "oidc_key" with use=sig/);
$c->accepted('F21 TK-4: private_key_jwt with a key of http', http => $sig,
	base => $bare, provider => 'client_auth_method private_key_jwt;');
$c->accepted('F21 TK-4: private_key_jwt with a key of its own', base => $bare,
	provider => "client_auth_method private_key_jwt;\n$sig");
$c->accepted('F21 TK-4: a key behind the provider', base => $bare,
	provider => 'client_auth_method private_key_jwt;', end => $sig);

$c->refused('TK-5: client_secret_jwt without a secret', base => $bare,
	provider => 'client_auth_method client_secret_jwt;',
	qr/"client_secret_jwt" .* needs a client_secret of 32 bytes/);
$c->refused('TK-5: client_secret_jwt with a short one', base => $short,
	provider => 'client_auth_method client_secret_jwt;',
	qr/"client_secret_jwt" .* needs a client_secret of 32 bytes/);
$c->accepted('TK-5: client_secret_jwt',
	provider => 'client_auth_method client_secret_jwt;');

$c->refused('TK-6: tls_client_auth without a certificate',
	provider => 'client_auth_method tls_client_auth;',
	qr/"tls_client_auth" .* needs an https issuer, verified, and "proxy_ssl/);
$c->refused('TK-6: tls_client_auth over http', provider =>
	"client_auth_method tls_client_auth;\n$tls",
	base => "issuer http://127.0.0.1;\nclient_id gateway;",
	qr/"tls_client_auth" .* needs an https issuer/);
$c->refused('TK-6: tls_client_auth with whoever answers', provider =>
	"client_auth_method tls_client_auth;\nproxy_ssl_verify off;\n$tls",
	qr/"tls_client_auth" .* needs an https issuer, verified/);
$c->accepted('TK-6: tls_client_auth', base => $bare, provider =>
	"client_auth_method tls_client_auth;\n$tls");

$c->refused("TK-4: client_assertion_audience $_", provider =>
	"client_assertion_audience $_;",
	qr/is neither issuer, token_endpoint nor a URL/)
	for qw/ token-endpoint Issuer idp.example.test urn:x /;
$c->refused('TK-4: client_assertion_audience twice', provider =>
	"client_assertion_audience issuer;\nclient_assertion_audience issuer;",
	qr/is duplicate/);
$c->accepted("TK-4: client_assertion_audience $_", provider =>
	"client_assertion_audience $_;")
	for qw{ issuer token_endpoint https://idp.example.test/token };

###############################################################################
# par and request_object

for my $name (qw/ par request_object /) {
	$c->refused("AD-1 AD-2: $name $_", provider => "$name $_;",
		qr/must be "on" or "off"|invalid value|it must be/)
		for qw/ yes 1 /;
	$c->refused("AD-1 AD-2: $name twice", provider =>
		"$name off;\n$name off;", qr/is duplicate/);
	$c->accepted("AD-1 AD-2: $name", http => $sig,
		provider => "$name on;");
}

$c->refused('AD-2: request_object with nothing to sign', base => $bare,
	http => $enc, provider => 'request_object on;',
	qr/"request_object" .* needs an "oidc_key" .* or a client_secret/);
$c->refused('AD-2: request_object with a short secret', base => $short,
	provider => 'request_object on;', qr/or a client_secret of 32 bytes/);
$c->accepted('AD-2: request_object with a secret',
	provider => 'request_object on;');

###############################################################################
# Encryption.

for ([ qw/ id_token_encrypted_response_alg
		id_token_encrypted_response_enc / ],
	[ qw/ userinfo_encrypted_response_alg
		userinfo_encrypted_response_enc / ])
{
	my ($a, $e) = @$_;
	my $name = $a =~ s/_alg$//r;

	$c->refused("V17 R08: $a $_", http => $enc,
		provider => "$a $_;",
		qr/"\Q$_\E" is no encryption algorithm for "$a"/)
		for qw/ RSA1_5 dir A128KW A128GCMKW PBES2-HS256+A128KW none
			rsa-oaep ECDH RS256 A256GCM /;
	$c->refused("V17 R08: $e $_", http => $enc,
		provider => "$a ECDH-ES;\n$e $_;",
		qr/"\Q$_\E" is no encryption algorithm for "$e"/)
		for qw/ A256CBC A512GCM none a256gcm ECDH-ES /;
	$c->refused("V17: $e alone", http => $enc,
		provider => "$e A256GCM;",
		qr/"$name" .* has an _enc, no _alg/);
	$c->refused("V17: $a twice", http => $enc, provider =>
		"$a ECDH-ES;\n$a ECDH-ES;", qr/is duplicate/);
	$c->refused("V17: $e twice", http => $enc, provider =>
		"$a ECDH-ES;\n$e A256GCM;\n"
		. "$e A128GCM;", qr/is duplicate/);

	my $re = qr/"$name" .* _alg names one that no "oidc_key" has/;

	$c->refused("V17 JW-9: $a without a key", provider =>
		"$a ECDH-ES;", $re);
	$c->refused("V17 JW-9: $a with a key that signs",
		http => $sig, provider => "$a ECDH-ES;", $re);
	$c->refused("V17 JW-9: $a of another kind of key",
		http => $enc, provider => "$a RSA-OAEP;", $re);
	$c->refused("V17 JW-9: $a of another alg",
		http => "oidc_key $dir/rsa.pem;",
		provider => "$a RSA-OAEP-256;", $re);
	$c->refused("V17 JW-9: the second of two", http => $enc,
		provider => "$a ECDH-ES RSA-OAEP;", $re);
	$c->refused("V17 JW-9: the key of another provider",
		http => "oidc_provider other {\n$bare\n$enc\n}",
		provider => "$a ECDH-ES;", $re);

	$c->accepted("V17: $a, enc by default", http => $enc,
		provider => "$a ECDH-ES;");
	$c->accepted("V17: two of each", http =>
		"$enc\noidc_key $dir/rsa.pem;", provider =>
		"$a ECDH-ES RSA-OAEP;\n$e A256GCM A128GCM;");
	$c->accepted("V17: a key of its own", provider =>
		"$a ECDH-ES+A256KW;\n$e A256CBC-HS512;\n"
		. "oidc_key $dir/p384.pem alg=ECDH-ES+A256KW;");
	$c->accepted("V17 R04: a retired key, which is not published",
		http => $enc =~ s/;/ retired;/r,
		provider => "$a ECDH-ES;");
	$c->accepted("V17: a key behind the provider", end => $enc,
		provider => "$a ECDH-ES;");
}

###############################################################################

$t->done();

###############################################################################

sub key {
	my ($name, $args) = @_;

	openssl("genpkey $args -out $name.pem");
}

sub openssl {
	my ($args) = @_;

	my $out = `cd $dir && openssl $args 2>&1`;
	die "openssl $args: $out" if $?;
}

###############################################################################
