#!/usr/bin/perl

# Directives of the resource server, as "nginx -t" sees them; and the samples
# of conf/ that use them.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Conf;
use Test::OIDC::Keys qw/ key /;

###############################################################################

my $t = Test::OIDC->new();
my $c = Test::OIDC::Conf->new($t);

$t->write_file('enc.pem', key('rsa', 5)->export_key_pem('private'));
$t->write_file('ec.pem', key('p256', 5)->export_key_pem('private_short'));
chmod 0600, map { $t->testdir() . "/$_" } qw/ enc.pem ec.pem /;

###############################################################################
# auth_oidc_bearer and the rules.

my %once = (auth_oidc_bearer => 'local', auth_oidc_bearer_audience => 'x',
	auth_oidc_bearer_caller => 'aud', auth_oidc_scope => 'any x');

for (sort keys %once) {
	$c->refused("O02: $_ without a value", server => "$_;",
		qr/invalid number of arguments in "$_"/);
	$c->refused("O02: $_ twice", server => "$_ $once{$_};\n$_ $once{$_};",
		qr/"$_" directive is duplicate/);
	$c->refused("O02: $_ in a provider", provider => "$_ $once{$_};",
		qr/"$_" is not allowed in oidc_provider/);
	$c->accepted("O02: $_ in http", http => "$_ $once{$_};");
	$c->accepted("O02: $_ in location",
		server => "location /a { $_ $once{$_}; }");

	next if $_ eq 'auth_oidc_bearer_audience';

	$c->accepted("O02: $_ off", server => "$_ off;");
	$c->refused("O02: $_ off and more", server => "$_ off x;",
		qr/takes nothing after "off"/);
}

$c->refused("O02: auth_oidc_bearer $_", server => "auth_oidc_bearer $_;",
	qr/"auth_oidc_bearer" directive is "introspection", "local" or "off"/)
	for qw/ on json '' /;

for my $param ('x', 'realm=', 'realm', 'realm=a"b', '"realm=a\\\\b"',
	"realm=\xc3\xa9", 'bound=', 'bound=x', 'error=401', 'typ=jwt',
	'resource_metadata=', 'sign=', 'sign=none', 'sign=HS256',
	'sign=RS256,', 'sign=RS256,x', 'alg=RSA1_5', 'alg=dir', 'enc=x',
	'base64=on', 'ONLY')
{
	(my $value = $param) =~ s/realm=a"b/'realm=a"b'/;

	$c->refused("O02: parameter $param",
		server => "auth_oidc_bearer local $value;",
		qr/invalid parameter/);
}

$c->refused("O02: introspection with $_",
	server => "auth_oidc_bearer introspection $_;",
	qr/invalid parameter "\Q$_\E"/)
	for qw/ typ=any sign=RS256 alg=RSA-OAEP enc=A256GCM /;
$c->refused("O02: $_ twice", server => "auth_oidc_bearer local $_ $_;",
	qr/invalid parameter "\Q$_\E"/)
	for qw/ realm=a bound=any sign=RS256 resource_metadata=https:\/\/a.example /;
$c->refused('O02: resource_metadata that is no URL',
	server => 'auth_oidc_bearer local resource_metadata=/x;',
	qr/"resource_metadata" is no http or https URL: "\/x"/);
$c->refused('O02: enc without alg',
	server => 'auth_oidc_bearer local enc=A128GCM;',
	qr/has "enc" without "alg"/);

$c->refused('O02: local tokens for nobody', server => 'auth_oidc_bearer local;
	auth_oidc_bearer_audience none;',
	qr/"auth_oidc_bearer local" needs an audience/);
$c->refused('O02: ... below another level', server => 'auth_oidc_bearer local;
	location /a { auth_oidc_bearer_audience none; }',
	qr/"auth_oidc_bearer local" needs an audience/);
$c->accepted('O02: introspected ones for anybody',
	server => 'auth_oidc_bearer introspection;
	auth_oidc_bearer_audience none;');

$c->refused('O02: encrypted tokens without a key',
	server => 'auth_oidc_bearer local alg=RSA-OAEP;',
	qr/no "oidc_key" can decrypt what "auth_oidc_bearer" asks for/);
$c->refused('O02: ... without one that fits', http =>
	'oidc_key ec.pem alg=ECDH-ES;', server =>
	'auth_oidc_bearer local alg=RSA-OAEP;', qr/no "oidc_key" can decrypt/);
$c->accepted('O02: with one', http => 'oidc_key enc.pem alg=RSA-OAEP;',
	server => 'auth_oidc_bearer local alg=RSA-OAEP enc=A128CBC-HS256 base64
	only preflight error=400 bound=mtls typ=any sign=RS512,ES384 "realm=a b"
	resource_metadata=https://a.example/m;');

$c->refused("O02: auth_oidc_scope $_", server => "auth_oidc_scope $_;",
	qr/"auth_oidc_scope" directive takes "any" or "all", and scopes/)
	for 'any', 'all', 'some a', "a b";
$c->refused("O02: scope $_", server => "auth_oidc_scope any $_;",
	qr/has a character that a scope cannot have/)
	for '"a b"', q('a"b'), "\xc3\xa9", "''";
$c->refused("O02: auth_oidc_bearer_caller $_",
	server => "auth_oidc_bearer_caller $_;",
	qr/names a claim: "client_id", "azp" or "aud"/) for qw/ sub x /;
$c->refused('O02: an empty caller', server => "auth_oidc_bearer_caller aud '';",
	qr/has an empty value/);
$c->refused('O02: an empty audience',
	server => "auth_oidc_bearer_audience '';", qr/has an empty value/);

###############################################################################
# introspection_response and introspection_cache.

$c->refused("O02: introspection_response $_",
	provider => "introspection_response $_;",
	qr/is "json", "jwt", "signed" or "encrypted"/) for qw/ x signed+encrypted /;
$c->refused("O02: introspection_response $_",
	provider => "introspection_response $_;", qr/invalid parameter/)
	for 'json sign=RS256', 'json alg=RSA-OAEP', 'signed alg=RSA-OAEP',
	'signed enc=A256GCM', 'encrypted alg=RSA1_5', 'encrypted alg=',
	'encrypted enc=A256KW', 'encrypted alg=RSA-OAEP alg=RSA-OAEP',
	'signed sign=none', 'signed sign=RS256 sign=RS256', 'signed x';
$c->refused('O02: introspection_response twice', provider =>
	"introspection_response json;\nintrospection_response json;",
	qr/"introspection_response" directive is duplicate/);
$c->refused('O02: HS256 with a short secret', base =>
	"issuer https://a.example;\nclient_id a;\nclient_secret short;",
	provider => 'introspection_response signed sign=HS256;',
	qr/HS256 of "introspection_response" .* at least 32 bytes/);
$c->refused('O02: encrypted without a key',
	provider => 'introspection_response encrypted;',
	server => 'auth_oidc_bearer introspection;',
	qr/no "oidc_key" can decrypt the "introspection_response"/);
$c->accepted('O02: encrypted with one', http => 'oidc_key ec.pem alg=ECDH-ES;',
	provider => 'introspection_response encrypted alg=ECDH-ES enc=A128GCM
	sign=ES256,RS256;', server => 'auth_oidc_bearer introspection;');

$c->refused("O02: introspection_cache $_", provider => "introspection_cache $_;",
	qr/takes "off" or a time of 1s to 1h|invalid parameter|takes nothing/)
	for '0', '2h', 'x', '-1s', '10s negative=x', '10s negative=2h',
	'10s size=1k', '10s size=x', '10s x', 'off negative=1s',
	'10s negative=1s negative=1s', '10s size=1m size=1m';
$c->refused('O02: introspection_cache twice', provider =>
	"introspection_cache off;\nintrospection_cache off;",
	qr/"introspection_cache" directive is duplicate/);
$c->accepted("O02: introspection_cache $_",
	provider => "introspection_cache $_;",
	server => 'auth_oidc_bearer introspection;')
	for 'off', '1s', '1h', '10s negative=0', '10s negative=5s size=64k';

###############################################################################
# The samples.

for my $name (qw/ proconnect-api keycloak-api /) {
	my $text = slurp("conf/$name.conf");

	mkdir $t->testdir() . '/oidc', 0700;
	$t->write_file('oidc/introspection.pem',
		key('rsa', 5)->export_key_pem('private'));
	$t->write_file('oidc/proconnect_secret', 's' x 40);
	chmod 0600, glob $t->testdir() . '/oidc/*';
	$text =~ s/listen 127.0.0.1:\d+/'listen 127.0.0.1:' . $t->port(0)/e;

	my ($status, $out) = $t->conf_test(
		"%%GLOBALS%%\nhttp {\n%%HTTP%%\n$text\n}\n");

	is($status, 0, "O07: conf/$name.conf loads") or diag($out);
	unlike($out, qr/\[warn\]/, 'O07: ... without a warning');
}

###############################################################################

$t->done();

###############################################################################

sub slurp {
	my ($name) = @_;

	open my $fh, '<', $name or die "$name: $!";
	local $/;

	return scalar <$fh>;
}

###############################################################################
