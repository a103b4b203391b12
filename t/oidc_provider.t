#!/usr/bin/perl

# A real authorization server: npm oidc-provider, the engine of ProConnect, in
# front of which the gateway stands as it would in production.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;
use Test::OIDC::Keys qw/ key /;
use Test::OIDC::Provider;

###############################################################################

my $t = Test::OIDC->new();
my $missing = Test::OIDC::Provider->missing();

if ($missing) {
	die $missing if $ENV{TEST_ALL};
	$t->skip_all($missing);
}

$t->plan(9);

my $op = Test::OIDC::Provider->start(port => $t->free_port(),
	gateway => $t->url(''), jwks_uri => $t->url('/jwks'));

# name of the client and of the provider in nginx => what is special about it
my %client = (
	basic => '',
	post => 'client_auth_method client_secret_post;',
	secret_jwt => 'client_auth_method client_secret_jwt;',
	private_key_jwt => 'client_auth_method private_key_jwt;',
	par => 'par on;',
	jar => 'request_object on;',
	encrypted => encrypted('ECDH-ES'),
	encrypted_rsa => encrypted('RSA-OAEP'),
);

umask 077;
$t->write_file('enc.pem', key('p256', 1)->export_key_pem('private_short'));
$t->write_file('sign.pem', key('p256', 2)->export_key_pem('private_short'));
$t->write_file('rsa.pem', key('rsa', 1)->export_key_pem('private'));

$t->conf(conf())->run();

###############################################################################

for my $name (sort keys %client) {
	my $r = login($name);

	is(user($r), 'alice Alice Adams', "F14: client $name is let in")
		or diag explain [ grep { $_->{event} ne 'request' } $op->seen() ];
}

my ($grant) = grep { $_->{event} eq 'grant.success' } $op->seen();

is($grant->{auth}, 'client_secret_basic', 'F14: it has seen the secret');

###############################################################################

# What a client has whose ID token and userinfo are encrypted to us.
sub encrypted {
	my ($alg) = @_;

	return join '', map { "${_}_encrypted_response_alg $alg;\n"
		. "${_}_encrypted_response_enc A256GCM;\n" }
		qw/ id_token userinfo /;
}

# Every client is a provider of its own and has a location.
sub conf {
	my $providers = '';
	my $locations = '';

	for my $name (sort keys %client) {
		my $conf = $op->nginx_conf($name);

		$providers .= <<"EOF";
oidc_provider $name {
    $conf
    $client{$name}
    scope openid profile email;
    userinfo on;
    cookie_name $name;
}
EOF
		$locations .= <<"EOF";
location /$name/ {
    auth_oidc $name;
    proxy_set_header X-User \$oidc_claim_sub;
    proxy_set_header X-Name \$oidc_claim_name;
    proxy_pass http://%%BACKEND%%;
}
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_key %%TESTDIR%%/enc.pem use=enc;
    oidc_key %%TESTDIR%%/rsa.pem use=enc;
    oidc_key %%TESTDIR%%/sign.pem use=sig;
    $providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
        $locations
        location = /jwks { oidc_jwks; }
    }
}
EOF
}

sub login {
	my ($name) = @_;

	return $t->browser()->login("/$name/");
}

# Whom the backend was told of.
sub user {
	my ($r) = @_;

	return $r->status() if $r->status() != 200;

	my %h = map { @$_ } @{ $r->json()->{headers} };

	return "$h{'X-User'} $h{'X-Name'}";
}

###############################################################################
