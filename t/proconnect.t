#!/usr/bin/perl

# conf/examples/proconnect.conf as it stands, but for addresses and names, with
# a provider that is as particular as ProConnect.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp('', client_id => 'CLIENT_ID',
	client_secret => 'f0' x 32);

umask 077;
mkdir $t->testdir() . '/oidc';
chmod 0755, $t->testdir() . '/oidc';
$t->write_file('oidc/proconnect_secret', 'f0' x 32 . "\n");
$t->write_file('oidc/cookie.key', 'c' x 40);

$t->conf("%%GLOBALS%%\nhttp {\n%%HTTP%%\n" . sample() . "\n}\n")->run();

my @claims = (given_name => "Ren\x{e9}e", usual_name => 'Dupont',
	email => 'renee@agence.example.test', uid => '7', siret =>
	'13002526500013', idp_id => 'abc');

$idp->set(client => { id => 'CLIENT_ID', auth => [ 'client_secret_post' ] },
	user => 'renee', users => { renee => { sub => 'renee-1' } }, iss => 1,
	metadata => { token_endpoint_auth_methods_supported =>
		[ 'client_secret_post', 'private_key_jwt' ] },
	id_token => { alg => 'ES256', claims => { acr => 'eidas1' } },
	userinfo => { jwt => 1, alg => 'ES256', claims => { @claims } });

###############################################################################

my $r = $t->browser()->login('/page');

is($r->status(), 200, 'PC-2: logs in') or diag($t->log());

my %h = map { @$_ } @{ $r->json()->{headers} };
my %seen = ('X-User' => 'renee-1', 'X-Idp' => 'abc', 'X-Siret' =>
	'13002526500013', 'X-Usual-Name' => 'Dupont', 'X-Email' =>
	'renee@agence.example.test');

is_deeply({ map { $_ => $h{$_} } keys %seen }, \%seen,
	'PC-14: the backend is told who it is');

my $args = $idp->last('authorize')->{args};
my %known = map { $_ => 1 } qw/ client_id response_type response_mode
	redirect_uri scope state nonce acr_values claims prompt login_hint
	idp_hint siret_hint code_challenge code_challenge_method /;

is_deeply([ grep { !$known{$_} } sort keys %$args ], [],
	'PC-2: no parameter that it does not know');
cmp_ok(length $args->{$_}, '>=', 32, "PC-1: $_") for qw/ state nonce /;
is($args->{acr_values}, 'eidas1 eidas1-mfa eidas2 eidas3',
	'PC-7: acr_values');

my $token = $idp->last('token');

is($token->{form}{client_secret}, 'f0' x 32, 'PC-3: the secret in the form');
is($token->{h}{authorization}, undef, 'PC-3: and not in a header');
is($idp->last('userinfo')->{h}{accept}, 'application/jwt',
	'PC-5: userinfo as a JWT');

for ([ 'PC-7: another acr' => 403, id_token => { alg => 'ES256',
		claims => { acr => 'eidas0' } } ],
	[ 'PC-5: userinfo not signed' => 502, userinfo => { claims =>
		{ @claims } } ],
	[ 'PC-5: userinfo signed otherwise' => 502, userinfo => { jwt => 1,
		alg => 'RS256', claims => { @claims } } ])
{
	my ($name, $status, $what, $how) = @$_;

	$idp->set(id_token => { alg => 'ES256',
		claims => { acr => 'eidas1' } },
		userinfo => { jwt => 1, alg => 'ES256', claims => { @claims } });
	$idp->set($what => $how);
	is($t->browser()->login('/')->status(), $status, $name);
}

###############################################################################

$t->done();

###############################################################################

# The file, with addresses of this machine.
sub sample {
	my $text = $t->read_file(Cwd::abs_path('conf/examples/proconnect.conf'));

	$text =~ s{issuer https:[^;]+}{issuer %%IDP%%} or die 'issuer';
	$text =~ s{listen 8443}{listen 127.0.0.1:%%PORT_0%%} or die 'listen';
	$text =~ s{https://WWW\.EXAMPLE\.COM}{http://127.0.0.1:%%PORT_0%%}
		or die 'base';
	$text =~ s{127\.0\.0\.1:8080}{%%BACKEND%%} or die 'backend';

	return $text;
}

###############################################################################
