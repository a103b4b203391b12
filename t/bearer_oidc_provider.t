#!/usr/bin/perl

# Access tokens of a real authorization server, npm oidc-provider, the engine
# of ProConnect.  It fetches our /jwks over HTTP, signs and encrypts what it
# says of a token, and we read it; before and after both sides have changed
# their keys.

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

$t->plan(34);

my $op = Test::OIDC::Provider->start(port => $t->free_port(),
	gateway => $t->url(''), jwks_uri => $t->url('/jwks'));

# client of the resource server => what it is told of a token
my %response = (
	rs_json => 'json',
	rs_signed => 'signed sign=ES256',
	rs_ecdh => 'encrypted alg=ECDH-ES enc=A256GCM sign=ES256',
	rs_rsa => 'encrypted alg=RSA-OAEP enc=A256GCM sign=ES256',
);
my @names = sort keys %response;

umask 077;

for (1, 2) {
	$t->write_file("ec$_.pem", key('p256', $_)->export_key_pem(
		'private_short'));
	$t->write_file("rsa$_.pem", key('rsa', $_)->export_key_pem('private'));
}

my @old = map { "oidc_key %%TESTDIR%%/$_.pem use=enc" } qw/ ec1 rsa1 /;
my @new = map { "oidc_key %%TESTDIR%%/$_.pem use=enc" } qw/ ec2 rsa2 /;

$t->conf(conf(@old))->run();

###############################################################################

all('R06 R07 IN-13: as it comes');

my $local = $op->token(client => 'basic', scope => 'read',
	resource => 'urn:api:jwt', user => 'alice');

is(user(api('local', $local)), 'alice', 'R23 BE-7: a JWT, verified here');
is(api('local', $op->token(client => 'basic', scope => 'read',
	resource => 'urn:api:opaque'))->status(), 401,
	'R23: an opaque one cannot be');
is(api('other', $local)->status(), 401, 'BE-7: meant for another');

# revoked: the provider knows, a signature does not

my $token = token();
$op->revoke($token);
is(api('rs_rsa', $token)->status(), 401, 'IN-3: a revoked token');
is(api('rs_rsa', 'never-issued')->status(), 401, 'IN-3: an unknown one');

# a token for this key alone

my ($jkt) = key('p256', 7)->export_key_jwk_thumbprint('SHA256');
is(api('rs_rsa', $op->token(client => 'basic', scope => 'read',
	resource => 'urn:api:opaque', user => 'alice', jkt => $jkt))->status(),
	401, 'BE-11 IN-19: a token bound to a key, without it');

###############################################################################
# Their keys change: a new kid makes us fetch them again.

$op->rotate();
all('R06 DI-8: after their rotation');

###############################################################################
# Ours change, in three reloads (README, "Keys and secrets").

ok($t->reload(conf(@new, @old)), 'R06: both are published, the new ones first');
all('R06 JW-5: with what it knew before');
$op->forget_keys();
all('R06 JW-5: with the new ones');

ok($t->reload(conf(@new, map { "$_ retired" } @old)),
	'R04: the old ones are retired');
all('R06: no difference');

ok($t->reload(conf(@new)), 'R06: and gone');
$op->forget_keys();
all('R06: nothing is missed');

is($t->wait_log(qr/\[alert\]/, 0.1), undef, 'R06: no harm done');

###############################################################################

$t->done();

###############################################################################

sub token {
	return $op->token(client => 'basic', scope => 'read',
		resource => 'urn:api:opaque', user => 'alice');
}


sub all {
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	for (@names) {
		my $mark = $t->log_mark();

		is(user(api($_, token())), 'alice', "$name: $_")
			or diag($t->wait_log(qr/refused/, 1, $mark),
				explain [ grep { $_->{event} =~ /error/ }
					$op->seen() ]);
	}

	return;
}


sub api {
	my ($path, $token) = @_;

	return $t->browser()->api("/$path/", headers => {
		Authorization => "Bearer $token" });
}


# Whom the backend was told of.
sub user {
	my ($r) = @_;

	return $r->status() if $r->status() != 200;

	my %h = map { @$_ } @{ $r->json()->{headers} };

	return $h{'X-User'};
}


sub conf {
	my (@keys) = @_;

	my $keys = join '', map { "$_;\n" } @keys;
	my $providers = join '', map {
		my $method = $_ eq 'rs_json' ? 'client_secret_basic'
			: 'client_secret_post';

		"oidc_provider $_ {\n" . $op->nginx_conf($_)
			. "introspection_response $response{$_};\n"
			. "client_auth_method $method;\ncookie_name $_;\n}\n"
	} @names;
	my $locations = join '', map { <<"EOL" } @names;
		location /$_/ {
			auth_oidc $_;
			proxy_pass http://%%BACKEND%%;
		}
EOL

	return <<"EOF";
%%GLOBALS%%
http {
	%%HTTP%%
	$keys
	$providers
	server {
		listen 127.0.0.1:%%PORT_0%%;
		auth_oidc_bearer introspection only;
		auth_oidc_bearer_audience urn:api:opaque;
		auth_oidc_bearer_caller client_id basic;
		auth_oidc_scope all read;
		proxy_set_header X-User \$oidc_claim_sub;
		$locations
		location /local/ {
			auth_oidc rs_json;
			auth_oidc_bearer local only;
			auth_oidc_bearer_audience urn:api:jwt;
			proxy_pass http://%%BACKEND%%;
		}
		location /other/ {
			auth_oidc rs_json;
			auth_oidc_bearer local only;
			auth_oidc_bearer_audience urn:other;
			proxy_pass http://%%BACKEND%%;
		}
		location = /jwks {
			auth_oidc off;
			oidc_jwks;
		}
	}
}
EOF
}

###############################################################################
