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

$t->plan(25);

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
$t->write_file('new.pem', key('p256', 3)->export_key_pem('private_short'));
$t->write_file('rsa.pem', key('rsa', 1)->export_key_pem('private'));

$t->conf(conf('enc use=enc'))->run();

###############################################################################

my %seen;

for my $name (sort keys %client) {
	my $r = login($name);

	is(user($r), 'alice Alice Adams', "F14 V17: client $name is let in");
	$seen{$name} = [ $op->seen() ];
	diag(explain([ grep { $_->{event} ne 'request' } @{ $seen{$name} } ]))
		if $r->status() != 200;
}

# It has seen what the client is to show, for it takes nothing else.

my %auth = (basic => 'client_secret_basic', post => 'client_secret_post',
	secret_jwt => 'client_secret_jwt', private_key_jwt =>
	'private_key_jwt');

for my $name (sort keys %auth) {
	my ($grant) = grep { $_->{event} eq 'grant.success' } @{ $seen{$name} };

	is($grant->{auth}, $auth{$name}, "F14 F21: $name by $auth{$name}");
}

is(scalar(grep { $_->{event} eq 'pushed_authorization_request.success' }
	@{ $seen{par} }), 1, 'AD-1: a request was pushed');
like(front('par'), qr{^/auth\?client_id=par&request_uri=urn[^&]+$},
	'AD-1: the browser had a reference only');
like(front('jar'), qr{[?&]request=eyJ}, 'AD-2: a request was signed');
unlike(front('jar'), qr{[?&]state=}, 'AD-2: and its state is inside');
is(scalar(() = $t->read_file('access.log') =~ m{"GET /jwks HTTP/1\.1" 200 }g),
	4, 'R06: our keys were fetched by HTTP, for each client with need of them');

###############################################################################
# Our keys are rolled over while it remembers the old ones.  An empty browser
# each time, so that everything is encrypted anew.

is(user(login('encrypted')), 'alice Alice Adams', 'R06: as before');

$t->reload(conf('new use=enc', 'enc use=enc'));
is(user(login('encrypted')), 'alice Alice Adams',
	'R04 R06: the old key is still encrypted to');

$t->reload(conf('new use=enc', 'enc use=enc retired'));
is(user(login('encrypted')), 'alice Alice Adams',
	'R04 R06: and decrypts when it is retired');
$op->forget_keys();
is(user(login('encrypted')), 'alice Alice Adams',
	'R06: the new key is fetched');

$t->reload(conf('new use=enc'));
is(user(login('encrypted')), 'alice Alice Adams',
	'R04 R06: nothing hangs on the old one any more');

# Its own keys change as well: an unknown kid has them fetched again.

$op->rotate(keep => 1);
is(user(login('encrypted')), 'alice Alice Adams', 'R06 V07: its keys as well');

$t->reload(conf('enc use=enc'));
is(login('encrypted')->status(), 502,
	'R06: what is encrypted to a key that is gone is refused');
$op->forget_keys();
is(user(login('encrypted')), 'alice Alice Adams',
	'R06: until it fetches ours again');

###############################################################################

# What a client has whose ID token and userinfo are encrypted to us.
sub encrypted {
	my ($alg) = @_;

	return join '', map { "${_}_encrypted_response_alg $alg;\n"
		. "${_}_encrypted_response_enc A256GCM;\n" }
		qw/ id_token userinfo /;
}

# Every client is a provider of its own and has a location.  Our keys, as of
# oidc_key.
sub conf {
	my $keys = join q{}, map { "oidc_key %%TESTDIR%%/" . s/ /.pem /r . ";\n" }
		@_;
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
    $keys
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

# What the browser was sent with to the provider at first.
sub front {
	my ($name) = @_;

	my ($req) = grep { ($_->{url} // '') =~ m{^/auth\?} } @{ $seen{$name} };

	return $req->{url};
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
