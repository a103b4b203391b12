#!/usr/bin/perl

# Userinfo (OpenID Connect Core 5.3): asked with the access token in a header,
# about the same user, as JSON or as a signed JWT, and never in place of what
# the ID token says.

###############################################################################

use warnings;
use strict;

use JSON::XS ();
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Login qw/ outcome /;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp('', client_secret => 's3cret-' x 10, hook => {
	discovery => sub {
		my ($req, $answer) = @_;

		delete $answer->{json}{userinfo_endpoint}
			if $req->{args}{none};
	} });

$idp->set(jwks_algs => [ qw/ RS256 RS512 PS256 ES256 EdDSA / ]);

my %provider = (
	without => '',
	json => 'userinfo on;',
	rs256 => 'userinfo on; userinfo_signed_response_alg RS256;',
	es256 => 'userinfo on; userinfo_signed_response_alg ES256 PS256;',
	hs256 => 'userinfo on; userinfo_signed_response_alg HS256;',
	endpoint => 'userinfo on; userinfo_endpoint %%IDP%%/by/hand?x=1;',
	missing => 'userinfo on; '
		. 'config_url %%IDP%%/.well-known/openid-configuration?none=1;',
	idrs512 => 'userinfo on; id_token_signed_response_alg RS256 RS512;',
);

my $providers = join '', map { <<"EOF" } sort keys %provider;
    oidc_provider $_ {
        %%PROVIDER%%
        redirect_uri /$_/back;
        cookie_name $_;
        subrequest_output_buffer_size 512k;
        $provider{$_}
    }
EOF

my @claims = qw/ sub name email iss aud exp iat nonce auth_time acr amr azp sid
	at_hash c_hash extra /;
my $headers = join '', map { "proxy_set_header X-$_ \$oidc_claim_$_;\n" }
	@claims;
my $locations = join '', map { <<"EOF" } sort keys %provider;
        location /$_ {
            auth_oidc $_;
            $headers
            proxy_set_header X-Userinfo \$oidc_userinfo;
            proxy_pass http://%%BACKEND%%;
        }
EOF

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
    }
}
EOF

###############################################################################
# How it is asked for.

is(login('without'), 'ok', 'V13: without userinfo');
is($idp->count('userinfo'), 0, 'V13 F15: nobody asks');

is(login('json'), 'ok', 'V13: with userinfo');
is($idp->count('userinfo'), 1, 'V13 UI-10: once');

my $req = $idp->last('userinfo');
my ($token) = reverse @{ $idp->issued()->{access_tokens} };
is($req->{method} . ' ' . $req->{uri},
	'GET /protocol/openid-connect/userinfo', 'UI-2: GET, nothing in the URL');
is($req->{h}{authorization}, "Bearer $token", 'V13 UI-2: the access token');
is($req->{h}{accept}, 'application/json, application/jwt', 'UI-3: Accept');
is($req->{body}, '', 'UI-2: header only');

is(login('endpoint'), '502 provider_status', 'F15: an endpoint by hand');
is($idp->last('other')->{uri}, '/by/hand?x=1', 'F15: wins over discovery');
is($idp->count('userinfo'), 1, 'F15: which is not asked');
is(login('missing'), '502 metadata_member', 'V13: there is no endpoint');

$idp->set(id_token => { claims => { name => undef, email => undef } });
my $b = $t->browser();
$b->login('/json?once');
$idp->set(id_token => undef);
my %sent = sent($b, '/json');
is($sent{'X-name'}, 'Alice Adams', 'V13: its claims are known');
is(JSON::XS->new->decode($sent{'X-Userinfo'})->{email}, 'alice@example.test',
	'V13 S14: $oidc_userinfo is JSON');
my $asked = $idp->count('userinfo');
$b->get('/json') for 1 .. 3;
is($idp->count('userinfo'), $asked, 'UI-10: later requests do not ask');

###############################################################################
# About whom.

for ([ 'another' => 'mallory' ], [ 'missing' => undef ], [ 'empty' => '' ],
	[ 'a number' => raw('248289761001') ], [ 'a list' => [ '248289761001' ] ],
	[ 'null' => raw('null') ], [ 'a prefix' => '24828976100' ],
	[ 'longer' => '248289761001 ' ],
	[ 'with a NUL' => raw('"248289761001\u0000x"') ])
{
	my ($what, $value) = @$_;
	my $expected = $what =~ /NUL/ ? '502 bad_json' : '502 claim_sub';

	is(login('json', { claims => { sub => $value } }), $expected,
		"V13 UI-1: sub is $what");
	is(login('json', { jwt => 1, claims => { sub => $value } }), $expected,
		"V14 UI-1: sub is $what, signed");
}

###############################################################################
# As what.

my $good = '{"sub":"248289761001","name":"x"}';

for ([ 'application/json', 'ok' ], [ 'Application/JSON', 'ok' ],
	[ 'application/json;charset=utf-8', 'ok' ],
	[ 'application/json ; a=b', 'ok' ],
	[ 'text/json', '502 content_type' ], [ 'text/html', '502 content_type' ],
	[ 'text/plain', '502 content_type' ],
	[ 'application/jsonx', '502 content_type' ],
	[ 'application/userinfo+json', '502 content_type' ],
	[ undef, '502 content_type' ],
	[ 'application/jwt', '502 jws_malformed' ])
{
	my ($type, $expected) = @$_;

	is(login('json', undef, body => $good, content_type => $type), $expected,
		'V14 UI-3: JSON as ' . ($type // 'nothing'));
}

for ([ 'a list' => "[$good]" ], [ 'a string' => '"x"' ], [ 'empty' => '' ],
	[ 'no JSON' => 'sub=248289761001' ], [ 'cut' => substr $good, 0, -1 ],
	[ 'a member twice' => '{"sub":"mallory","sub":"248289761001"}' ],
	[ 'something behind' => "$good x" ], [ 'no UTF-8' =>
		"{\"sub\":\"248289761001\",\"name\":\"\xff\"}" ],
	[ 'deep' => '{"sub":"248289761001","x":' . '[' x 70 . ']' x 70 . '}' ],
	[ 'too big' => '{"sub":"248289761001","x":"' . 'x' x 300000 . '"}' ])
{
	my ($what, $body) = @$_;

	is(login('json', undef, body => $body,
		content_type => 'application/json'), '502 bad_json',
		"V14 UI-3: $what");
}

###############################################################################
# Signed.

is(login('json', { jwt => 1 }), 'ok', 'V14 UI-3: a JWT');
is(login('json', { jwt => 1, header => { typ => undef } }), 'ok',
	'V14: a JWT without typ');
is(login('json', { jwt => 1, claims => { iss => undef, aud => undef } }), 'ok',
	'V14 UI-4: iss and aud may be missing');
is(login('json', { jwt => 1, claims => { aud => [ 'gateway' ] } }), 'ok',
	'V14 UI-4: aud as a list');

for ([ claim_iss => 'another iss', claims => { iss => 'https://evil.test' } ],
	[ claim_iss => 'iss is a list', claims => { iss => [ 'x' ] } ],
	[ claim_aud => 'another aud', claims => { aud => 'other' } ],
	[ claim_aud => 'another aud beside', claims => { aud => [ 'gateway',
		'other' ] } ],
	[ claim_exp => 'exp is past', claims => { exp => 1000 } ],
	[ claim_nbf => 'nbf is future', claims => { nbf => time() + 1000 } ],
	[ claim_events => 'a logout token', claims => { events => {} } ],
	[ jws_signature => 'a bit flipped', sign => 'flip' ],
	[ jws_signature => 'another key', key => 'other' ],
	[ jws_malformed => 'no signature', sign => 'none' ],
	[ jws_alg => 'alg none', header => { alg => 'none' } ],
	[ jws_alg => 'HS256', alg => 'HS256' ],
	[ jws_alg => 'HS256 by the public key', alg => 'HS256',
		key => 'public_pem' ],
	[ jws_alg => 'RS512, which ID tokens may not have', alg => 'RS512' ],
	[ jws_crit => 'crit', header => { crit => [ 'x' ] } ],
	[ jws_typ => 'at+jwt', header => { typ => 'at+jwt' } ],
	[ jws_kid => 'an unknown kid', kid => 'no-such' ],
	[ bad_json => 'a list', payload => '[]' ],
	[ jws_malformed => 'no JWT', raw => 'x' ],
	[ jws_malformed => 'encrypted', raw => 'a.b.c.d.e' ])
{
	my ($reason, $what, %bend) = @$_;

	is(login('json', { jwt => 1, %bend }), "502 $reason",
		"V14 UI-4: $what");
}

is(login('idrs512', { jwt => 1, alg => 'RS512' }), 'ok',
	'V14 UI-4: by what ID tokens are signed with');

for ([ rs256 => 'RS256', 'ok' ], [ rs256 => 'ES256', '502 jws_alg' ],
	[ rs256 => 'HS256', '502 jws_alg' ], [ es256 => 'ES256', 'ok' ],
	[ es256 => 'PS256', 'ok' ], [ es256 => 'RS256', '502 jws_alg' ],
	[ hs256 => 'HS256', 'ok' ], [ hs256 => 'RS256', '502 jws_alg' ])
{
	my ($provider, $alg, $expected) = @$_;

	is(login($provider, { jwt => 1, alg => $alg }), $expected,
		"V14 UI-4: $provider configured, $alg");
}

is($idp->last('userinfo')->{h}{accept}, 'application/jwt',
	'UI-5: asked for where it must be signed');
is(login($_), '502 content_type', "V14 UI-5: $_ configured, plain JSON")
	for qw/ rs256 hs256 /;
is(login('rs256', undef, content_type => 'application/jwt',
	body => $good), '502 jws_malformed', 'UI-5: JSON under the name of a JWT');

###############################################################################
# It does not come.

for (401, 403, 404, 500, 503, 204, 302) {
	$idp->forget();
	is(login('json', undef, status => $_,
		$_ == 302 ? (redirect => $idp->issuer() . '/canary') : ()),
		'502 provider_status', "UI-7: status $_");
	is($idp->count('userinfo'), 1, "UI-7: status $_, asked once");
}

is($idp->count('other'), 0, 'UI-7 TK-7: a redirect is not followed');
is(login('json', undef, reset => 1), '502 provider_unreachable',
	'UI-7: no answer');

###############################################################################
# What the ID token says stands.

$idp->set(userinfo => { claims => { name => 'Userinfo', extra => 'more',
	(map { $_ => "evil-$_" } qw/ iss aud azp nonce acr sid at_hash
	c_hash /), amr => [ 'evil' ], exp => 1, iat => 1, auth_time => 1 } });
$b = $t->browser();
is(outcome($t, $b, sub { $b->login('/json') }), '200 ok session',
	'UI-8: hostile claims beside good ones');
%sent = sent($b, '/json');

is($sent{'X-extra'}, 'more', 'V13: what only userinfo has is added');
is($sent{'X-iss'}, $idp->issuer(), 'UI-8: iss');
is($sent{'X-aud'}, 'gateway', 'UI-8: aud');
is($sent{'X-azp'}, 'gateway', 'UI-8: azp');
is($sent{'X-acr'}, '1', 'UI-8: acr');
cmp_ok($sent{"X-$_"}, '>', 1e9, "UI-8: $_") for qw/ exp iat auth_time /;
is(scalar(grep { ($sent{"X-$_"} // '') =~ /^\[?"?evil/ } @claims), 0,
	'UI-8: nothing else of what an ID token is about');

$idp->set(userinfo => { claims => {
	_claim_names => { address => 'src' },
	_claim_sources => { src => { endpoint => $idp->issuer() . '/canary',
		access_token => 'x' } } } });
$idp->forget();
is(login('json'), 'ok', 'UI-9: distributed claims');
is($idp->count('other'), 0, 'UI-9: are not fetched');
$idp->set(userinfo => undef);

$t->done();

###############################################################################

# A login at that provider with the userinfo answer bent; "ok", or status and
# reason.
sub login {
	my ($provider, $bend, %o) = @_;

	my $b = $t->browser();

	$idp->once(userinfo => { $bend ? (set => { userinfo => $bend }) : (),
		%o }) if $bend or %o;

	my $got = outcome($t, $b, sub { $b->login("/$provider") });

	return $got eq '200 ok session' ? 'ok' : $got;
}


# The header fields that the backend is sent, by name.
sub sent {
	my ($b, $path) = @_;

	return map { @$_ } reverse @{ $b->get($path)->json()->{headers} };
}


sub raw { return { '$raw' => $_[0] }; }

###############################################################################
