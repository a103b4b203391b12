#!/usr/bin/perl

# ID tokens (OpenID Connect Core 3.1.3.7): every claim, header member, key and
# signature bent in every way that a hostile or broken provider can, through a
# whole login.  What is refused names its reason in the log and leaves no
# session.

###############################################################################

use warnings;
use strict;

use JSON::XS ();
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ b64u json_text jwk jws key /;
use Test::OIDC::Login qw/ outcome session_of /;

###############################################################################

my @asymmetric = map { my $family = $_; map { "$family$_" } 256, 384, 512 }
	qw/ RS PS ES /;
push @asymmetric, 'EdDSA';

my $t = Test::OIDC->new();
my $idp = $t->idp('', client_secret => 's3cret-' x 10,
	hook => { token => \&after_signing });
my $keys = $t->idp('keys');
my $nokid = $t->idp('nokid');
my $many = $t->idp('many');

$idp->set(jwks_algs => [ @asymmetric ]);
$keys->set(jwks => { keys => [ published() ] });
$nokid->set(jwks => { keys => [ map { jwk(key('rsa', $_), kid => undef) }
	2, 3, 4, 1 ] });
$many->set(jwks => { keys => [ map { jwk(key('rsa', $_), kid => undef) }
	1 .. 5 ] });

my %provider = (
	idp => '',
	all => "id_token_signed_response_alg @asymmetric;",
	es => 'id_token_signed_response_alg ES256;',
	hs => 'id_token_signed_response_alg HS256 HS384 HS512;',
	mixed => 'id_token_signed_response_alg RS256 HS256;',
	trusted => 'trusted_audience other more;',
	exact => 'clock_skew 0;',
);

my $providers = join '', map { <<"EOF" } sort keys %provider;
    oidc_provider $_ {
        %%PROVIDER%%
        redirect_uri /$_/back;
        cookie_name $_;
        subrequest_output_buffer_size 256k;
        $provider{$_}
    }
EOF

my @own = qw/ keys nokid many /;

$providers .= join '', map { <<"EOF" } @own;
    oidc_provider $_ {
        %%PROVIDER_$_%%
        redirect_uri /$_/back;
        cookie_name $_;
    }
EOF

my $locations = join '', map { <<"EOF" } sort(keys %provider), @own;
        location /$_ {
            auth_oidc $_;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_set_header X-Sid \$oidc_claim_sid;
            proxy_pass http://%%BACKEND%%;
        }
EOF

my $conf = <<"EOF";
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

$t->conf($conf)->run();

my $now = time();
my $issuer = $idp->issuer();

###############################################################################
# Claims.

is(login('idp', {}), 'ok', 'V01 ID-4: a good token');

claim(iss => claim_iss => [ missing => undef ], [ empty => '' ],
	[ 'another' => 'https://evil.test' ], [ 'with a slash' => "$issuer/" ],
	[ 'in capitals' => uc $issuer ], [ 'a prefix' => substr $issuer, 0, -1 ],
	[ 'a list' => [ $issuer ] ], [ 'a number' => 1 ], [ null => raw('null') ]);

claim(aud => claim_aud => [ missing => undef ], [ empty => '' ],
	[ another => 'other' ], [ 'in capitals' => 'GATEWAY' ],
	[ 'with more behind' => 'gateway2' ], [ 'a prefix' => 'gatewa' ],
	[ 'an empty list' => [] ], [ 'others only' => [ 'other', 'more' ] ],
	[ 'ours and another' => [ 'gateway', 'other' ] ],
	[ 'another and ours' => [ 'other', 'gateway' ] ],
	[ 'ours and a number' => [ 'gateway', 1 ] ],
	[ 'an object' => { gateway => 1 } ], [ null => raw('null') ],
	[ 'a list in a list' => [ [ 'gateway' ] ] ]);
good('V02 ID-2', [ 'a list of ours' => { aud => [ 'gateway' ] } ]);

is(login('trusted', { claims => { aud => [ 'gateway', 'other' ] } }), 'ok',
	'V02 ID-2: another audience that is trusted');
is(login('trusted', { claims => { aud => [ 'gateway', 'other' ],
	azp => undef } }), 'ok', 'V02 ID-3: several without azp, all trusted');
is(login('trusted', { claims => { aud => [ 'gateway', 'other', 'x' ] } }),
	'502 claim_aud', 'V02 ID-2: another audience that is not trusted');
is(login('trusted', { claims => { aud => 'other' } }), '502 claim_aud',
	'V02 ID-2: a trusted audience instead of ours');
is(login('trusted', { claims => { aud => [ 'gateway', 'other' ],
	azp => 'other' } }), '502 claim_azp',
	'V02 ID-3: azp is not ours, trusted or not');

claim(azp => claim_azp => [ another => 'other' ], [ empty => '' ],
	[ 'a list' => [ 'gateway' ] ], [ 'a number' => 1 ],
	[ null => raw('null') ]);
good('V02 ID-3', [ 'no azp' => { azp => undef } ]);

claim(sub => claim_sub => [ missing => undef ], [ empty => '' ],
	[ 'a number' => 1 ], [ 'a list' => [ 'x' ] ], [ null => raw('null') ],
	[ '256 characters' => 'x' x 256 ], [ 'beyond ASCII' => "\x{e9}" ],
	[ 'a line feed' => "a\nb" ]);
good('V03 ID-13', [ '255 characters' => { sub => 'x' x 255 } ]);

claim(exp => claim_exp => [ missing => undef ], [ past => $now - 60 ],
	[ 'a string' => '' . ($now + 300) ], [ negative => -1 ], [ zero => 0 ],
	[ true => JSON::XS::true ], [ null => raw('null') ],
	[ 'long ago, as a real' => raw('1.5e9') ],
	[ '-1e300' => raw('-1e300') ]);
good('V04 ID-7', [ 'past within the skew' => { exp => $now - 5 } ],
	[ 'after 2038' => { exp => raw('4102444800') } ],
	[ '1e300' => { exp => raw('1e300') } ],
	[ 'a real' => { exp => raw(($now + 300) . '.5') } ]);
is(login('exact', { claims => { exp => $now - 5 } }), '502 claim_exp',
	'V04 ID-7: clock_skew 0');
is(login('idp', { claims => { exp => raw('9' x 30) } }), '502 bad_json',
	'V04: exp beyond any integer');

claim(iat => claim_iat => [ missing => undef ], [ future => $now + 90 ],
	[ 'a string' => "$now" ], [ negative => -1 ], [ null => raw('null') ],
	[ '1e300' => raw('1e300') ]);
good('V04 ID-8', [ 'future within the skew' => { iat => $now + 20 } ],
	[ 'long ago' => { iat => 1 } ]);
is(login('exact', { claims => { iat => $now + 20 } }), '502 claim_iat',
	'V04 ID-8: clock_skew 0');

claim(nbf => claim_nbf => [ future => $now + 90 ], [ 'a string' => "$now" ],
	[ null => raw('null') ], [ '1e300' => raw('1e300') ]);
good('V04 ID-15', [ past => { nbf => $now - 10 } ],
	[ 'future within the skew' => { nbf => $now + 20 } ]);

my $other = $t->browser()->get('/idp')->args()->{nonce};
claim(nonce => claim_nonce => [ missing => undef ], [ empty => '' ],
	[ another => 'x' x 43 ], [ 'of another login' => $other ],
	[ 'a list' => [ $other ] ], [ null => raw('null') ],
	[ 'a number' => 1 ]);
is(login('idp', {}, flip => 'nonce'), '502 claim_nonce',
	'V05 ID-9: nonce with one letter changed');

claim(at_hash => claim_at_hash => [ another => 'x' x 22 ], [ empty => '' ],
	[ 'a number' => 1 ], [ 'a list' => [ 'x' ] ], [ null => raw('null') ]);
good('V10 ID-12', [ 'no at_hash' => { at_hash => undef } ]);
is(login('idp', {}, flip => 'access_token'), '502 claim_at_hash',
	'V10 ID-12: another access token than the one that was hashed');

claim(events => claim_events => [ 'a logout token' => {
	'http://schemas.openid.net/event/backchannel-logout' => {} } ],
	[ empty => {} ], [ null => raw('null') ]);
claim(sid => claim_type => [ 'a number' => 1 ], [ 'a list' => [ 'x' ] ]);
claim(auth_time => claim_type => [ 'a string' => "$now" ]);

my $b = $t->browser();
is(outcome($t, $b, sub { $b->login('/idp') }), '200 ok session', 'ID-21: login');
my %sent = map { @$_ } @{ $b->get('/idp')->json()->{headers} };
is($sent{'X-User'}, '248289761001', 'V03 S14: sub');
like($sent{'X-Sid'}, qr/^[0-9a-f]{32}$/, 'ID-21: sid is kept');

###############################################################################
# What is not known is ignored; what is not JSON within bounds is refused.

good('V16', [ 'unknown claims' => { x => { y => [ 1, raw('null') ] },
	'https://claim.test/a b' => 1 } ], [ 'depth' => {
	x => raw('[' x 30 . ']' x 30) } ]);
is(login('idp', { header => { x => { y => 1 } } }), 'ok',
	'V16: unknown header members');

for ([ bad_json => 'a claim twice', claims => { x => raw('1,"sub":"evil"') } ],
	[ bad_json => 'a member twice, deep inside',
		claims => { x => raw('{"a":1,"a":2}') } ],
	[ bad_json => 'deeper than 64', claims => {
		x => raw('[' x 70 . ']' x 70) } ],
	[ bad_json => 'a NUL in a string', claims => {
		name => raw('"a\u0000b"') } ],
	[ bad_json => 'half a surrogate', claims => { name => raw('"\ud800"') } ],
	[ bad_json => 'no UTF-8', claims => { name => raw("\"\xff\"") } ],
	[ bad_json => 'a list', payload => '[]' ],
	[ bad_json => 'a string', payload => '"x"' ],
	[ bad_json => 'no JSON', payload => 'x' ],
	[ bad_json => 'something behind', payload => '{} x' ],
	[ claim_iss => 'an empty object', payload => '{}' ],
	[ jws_malformed => 'nothing', payload => '' ],
	[ jws_malformed => 'more than 64 KiB', claims => { x => 'y' x 65536 } ],
	[ jws_malformed => 'alg twice', header_text =>
		'{"alg":"RS256","alg":"none","kid":"rs256-1"}' ],
	[ jws_malformed => 'a list as header', header_text => '["RS256"]' ],
	[ jws_malformed => 'no JSON as header', header_text => 'RS256' ],
	[ jws_malformed => 'kid is a number', header => { kid => 1 } ],
	[ jws_alg => 'no alg', header => { alg => undef } ],
	[ jws_alg => 'alg is a list', header => { alg => [ 'RS256' ] } ],
	[ jws_alg => 'alg in small letters', header => { alg => 'rs256' } ],
	[ jws_alg => 'alg with a NUL behind',
		header => { alg => raw('"RS256 "') } ],
	[ jws_crit => 'crit', header => { crit => [ 'exp' ] } ],
	[ jws_crit => 'crit, empty', header => { crit => [] } ],
	[ jws_crit => 'crit, null', header => { crit => raw('null') } ],
	[ jws_crit => 'b64 false', header => { b64 => JSON::XS::false } ],
	[ jws_crit => 'b64 true', header => { b64 => JSON::XS::true } ],
	[ jws_crit => 'b64 and crit', header => { b64 => JSON::XS::false,
		crit => [ 'b64' ] } ])
{
	my ($reason, $what, %bend) = @$_;

	is(login('idp', \%bend), "502 $reason", "V16 ID-16 ID-19: $what");
}

for ('JWT', 'jwt', 'application/jwt', undef) {
	is(login('idp', { header => { typ => $_ } }), 'ok',
		'ID-14: typ ' . ($_ // 'missing'));
}

for (qw| at+jwt AT+JWT application/at+jwt logout+jwt secevent+jwt JOSE
	token-introspection+jwt application/token-introspection+jwt dpop+jwt
	oauth-authz-req+jwt |, '', 1)
{
	is(login('idp', { header => { typ => $_ } }), '502 jws_typ',
		"ID-14: typ \"$_\"");
}

###############################################################################
# Algorithms.

my %default = map { $_ => 1 } qw/ RS256 PS256 ES256 EdDSA /;

for my $alg (@asymmetric) {
	is(login('all', { alg => $alg }), 'ok', "V06 V10 ID-5 ID-12: $alg");
	is(login('all', { alg => $alg, sign => 'flip' }), '502 jws_signature',
		"V06 ID-4: $alg, a bit flipped");
	is(login('all', { alg => $alg, key => 'other' }), '502 jws_signature',
		"V06 ID-4: $alg, by another key");
	is(login('idp', { alg => $alg }), $default{$alg} ? 'ok' : '502 jws_alg',
		"V06 ID-5: $alg by default");
	is(login('es', { alg => $alg }), $alg eq 'ES256' ? 'ok' : '502 jws_alg',
		"V06 ID-5: $alg where only ES256 is configured");
}

for my $alg (qw/ HS256 HS384 HS512 /) {
	is(login('hs', { alg => $alg }), 'ok', "V06 ID-6: $alg configured");
	is(login('hs', { alg => $alg, sign => 'flip' }), '502 jws_signature',
		"V06 ID-6: $alg, a bit flipped");
	is(login('hs', { alg => $alg, sign => 'cut' }), '502 jws_signature',
		"V06 ID-6: $alg, one byte short");
	is(login($_, { alg => $alg }), '502 jws_alg',
		"V06 ID-6: $alg not configured ($_)") for qw/ idp all es /;
}

is(login('hs', { alg => 'RS256' }), '502 jws_alg', 'V06: RS256 not configured');
is(login('mixed', { alg => 'HS256' }), 'ok', 'V06: HS256 beside RS256');
is(login('mixed', { alg => 'RS256' }), 'ok', 'V06: RS256 beside HS256');
is(login('mixed', { alg => 'HS256', key => 'public_pem', kid => $_ }),
	'502 jws_signature', "V06 KE-3: HS256 by the public key, kid \"$_\"")
	for '', 'rs256-1';

for my $none (qw/ none None NONE nOnE HS256 /, '') {
	is(login('idp', { header => { alg => $none } }), '502 jws_alg',
		"V06 ID-5: alg \"$none\" over a good signature");
	like(login('all', { header => { alg => $none }, sign => 'none' }),
		qr/^502 jws_(?:alg|malformed)$/,
		"V06 ID-5: alg \"$none\" and no signature");
}

for ([ empty => 'jws_malformed' ], [ none => 'jws_malformed' ],
	[ pad => 'jws_malformed' ], [ cut => 'jws_signature' ],
	[ long => 'jws_signature' ])
{
	for my $alg (qw/ RS256 ES256 EdDSA /) {
		is(login('idp', { alg => $alg, sign => $_->[0] }),
			"502 $_->[1]", "V06 ID-4: $alg, signature $_->[0]");
	}
}

is(login('idp', { alg => 'ES256', sign => 'der' }), '502 jws_signature',
	'V06 KE-6: an ES256 signature in DER');
is(login('all', { alg => 'RS256', sign_alg => 'PS256', key => 'rsa' }),
	'502 jws_signature', 'V06: PSS under the name of RS256');
is(login('all', { alg => 'PS256' }, flip => 'salt'), '502 jws_signature',
	'V06: PS256 with a salt of another length (RFC 7518 3.5)');
is(login('all', { alg => 'RS256', sign_alg => 'RS512', key => 'rsa' }),
	'502 jws_signature', 'V06: SHA-512 under the name of RS256');
is(login('all', { alg => 'ES256', kid => 'es384-1' }), '502 jws_key',
	'V06: ES256 with the kid of a P-384 key');
is(login('all', { alg => 'RS256', kid => 'es256-1' }), '502 jws_key',
	'V06: RS256 with the kid of an EC key');
is(login('all', { alg => 'EdDSA', kid => 'rs256-1' }), '502 jws_key',
	'V06: EdDSA with the kid of an RSA key');

is(login('idp', {}, flip => $_), '502 jws_signature',
	"ID-4: a bit of the $_ flipped") for qw/ header payload /;
is(login('idp', {}, flip => 'swap'), '502 jws_signature',
	'ID-4: the signature of another token');
is(login('idp', { raw => $_ }), '502 jws_malformed', "ID-19: \"$_\"")
	for 'x', '.', '..', 'a.b', 'a.b.c', 'a.b.c.d', 'a.b.c.d.e';

###############################################################################
# Keys that a token brings along are nobody's.

my $canary = $idp->issuer() . '/canary';
my $evil = key('rsa', 77);

for ([ jku => $canary ], [ x5u => $canary ], [ jwk => jwk($evil) ],
	[ x5c => [ 'MIIB' ] ], [ x5t => 'x' ])
{
	my ($name, $value) = @$_;

	is(login('idp', { header => { $name => $value } }), 'ok',
		"ID-16 KE-11: $name is ignored");
	is(login('idp', { header => { $name => $value }, key => 'other',
		kid => $_ }), '502 jws_signature',
		"ID-16 KE-11: $name does not help, kid \"$_\"")
		for '', 'rs256-1';
}

is($idp->count('other'), 0, 'ID-16: nothing of it was fetched');

###############################################################################
# Which key.

my %kid = (plain => 'ok', 'ops-verify' => 'ok', 'alg-same' => 'ok',
	x5c => 'ok', 'no-use' => 'ok', enc => '502 jws_key',
	'alg-other' => '502 jws_key', 'ops-encrypt' => '502 jws_key',
	weak => '502 jws_kid', 'no-e' => '502 jws_kid');

is(login('keys', { kid => $_, key => $_ eq 'weak' ? 'rsa1024' : 'rsa' }),
	$kid{$_}, "V09 ID-17 KE-5: a key that is $_") for sort keys %kid;
is(login('keys', { alg => 'ES256', kid => 'ec', key => 'p256' }), 'ok',
	'V09: an EC key beside broken ones');
is(login('keys', { alg => 'ES256', kid => 'off-curve', key => 'p256' }),
	'502 jws_kid', 'V09: a point that is not on its curve');
is(login('keys', { kid => 'PLAIN', key => 'rsa' }), '502 jws_kid',
	'ID-17: kid in other letters');
is(login('keys', { kid => 'plain ', key => 'rsa' }), '502 jws_kid',
	'ID-17: kid with a blank behind');
is(login('keys', { kid => '', key => 'rsa' }), '502 jws_key',
	'V08 ID-17: no kid, and more than four keys that fit');
is(login('keys', { kid => '', alg => 'ES256', key => 'p256' }), 'ok',
	'V08: no kid, the single key that fits');

is(login('nokid', { kid => '' }), 'ok', 'V08 ID-17: no kid, four that fit');
is(login('nokid', { kid => '', key => 'other' }), '502 jws_signature',
	'V08: no kid, none of four');
is(login('nokid', { kid => 'x', key => 'rsa' }), '502 jws_kid',
	'ID-17: a kid that no key has');
is(login('many', { kid => '' }), '502 jws_key', 'V08: no kid, five that fit');

cmp_ok($keys->count('jwks'), '<=', 2, 'V07 DI-6: unknown kids fetch once');
is($idp->count('jwks'), scalar keys %provider, 'V07: and known ones never');

###############################################################################
# What cannot even be configured.

for ([ 'HS256', 31, qr/HS256 .* at least 32 bytes/ ],
	[ 'HS384', 47, qr/HS384 .* at least 48 bytes/ ],
	[ 'HS512', 63, qr/HS512 .* at least 64 bytes/ ],
	[ 'none', 64, qr/"none" is no signature algorithm/ ],
	[ 'RS256 none', 64, qr/"none" is no signature algorithm/ ],
	[ 'RS1', 64, qr/"RS1" is no signature algorithm/ ])
{
	my ($algs, $length, $why) = @$_;
	my ($status, $out) = $t->conf_test(<<"EOF");
%%GLOBALS%%
http {
    oidc_provider p {
        issuer %%IDP%%;
        client_id x;
        client_secret @{[ 'x' x $length ]};
        id_token_signed_response_alg $algs;
    }
}
EOF
	like("$status $out", qr/^1 .*\[emerg\] .*$why.* in \S+:\d+/s,
		"V06 ID-5 ID-6 O02: $algs, a secret of $length");
}

$t->done();

###############################################################################

# One login at that provider with the ID token bent; "ok", or status and reason.
sub login {
	my ($provider, $bend, %o) = @_;

	my $from = { keys => $keys, nokid => $nokid, many => $many }
		->{$provider} || $idp;
	my $b = $t->browser();

	$from->once(token => { set => { id_token => $bend }, %o });
	my $got = outcome($t, $b, sub { $b->login("/$provider") });

	return $got eq '200 ok session' ? 'ok' : $got;
}


# claim($name => $reason, [ what => value ], ...): each is refused for that.
sub claim {
	my ($name, $reason, @cases) = @_;

	my $ids = { iss => 'V01 ID-1', aud => 'V02 ID-2', azp => 'V02 ID-3',
		sub => 'V03 ID-13', exp => 'V04 ID-7', iat => 'V04 ID-8',
		nbf => 'V04 ID-15', nonce => 'V05 ID-9',
		at_hash => 'V10 ID-12', events => 'ID-14', sid => 'ID-21',
		auth_time => 'ID-20' }->{$name};

	for (@cases) {
		my ($what, $value) = @$_;

		is(login('idp', { claims => { $name => $value } }),
			"502 $reason", "$ids ID-20: $name is $what");
	}
}


# good($ids, [ what => claims ], ...): each is accepted.
sub good {
	my ($ids, @cases) = @_;

	is(login('idp', { claims => $_->[1] }), 'ok', "$ids: $_->[0]")
		for @cases;
}


sub raw { return { '$raw' => $_[0] }; }


# In the provider: changes a token answer once it is signed.
sub after_signing {
	my ($req, $answer) = @_;

	my $flip = $answer->{flip} or return;
	my $json = $answer->{json};
	my @part = split /\./, $json->{id_token};

	if ($flip eq 'header') {
		# "jWT" is as good a typ as "JWT", but not what was signed
		$part[0] = b64u(Test::OIDC::Keys::b64u_decode($part[0])
			=~ s/JWT/jWT/r);

	} elsif ($flip eq 'payload') {
		# a digit of a number, so that it stays JSON
		my $text = Test::OIDC::Keys::b64u_decode($part[1]);
		$text =~ s/("iat":\d+)(\d)/$1 . ($2 ^ "\1")/e;
		$part[1] = b64u($text);

	} elsif ($flip eq 'salt') {
		$part[2] = b64u(key('pss', 1)->sign_message(
			"$part[0].$part[1]", 'SHA256', 'pss', 20));

	} elsif ($flip eq 'swap') {
		my $last = (split /\./, jws(alg => 'RS256',
			key => key('rsa', 1), payload => { x => 1 }))[2];
		$part[2] = $last;

	} elsif ($flip eq 'access_token') {
		$json->{access_token} = 'x' . $json->{access_token};

	} elsif ($flip eq 'nonce') {
		my $text = Test::OIDC::Keys::b64u_decode($part[1]);
		my $claims = JSON::XS->new->utf8->decode($text);
		substr($claims->{nonce}, 20, 1) =~ tr/a-zA-Z0-9_-/b-zaB-ZA1-90\-_/;
		$json->{id_token} = jws(alg => 'RS256', key => key('rsa', 1),
			kid => 'rs256-1', payload => $claims);
		return;
	}

	$json->{id_token} = join '.', @part;
}


# Keys of the provider "keys": good, bad and odd ones, under telling kids.
sub published {
	my $rsa = key('rsa', 1);
	my $ec = jwk(key('p256', 1), kid => 'off-curve');
	$ec->{y} = $ec->{x};

	return jwk(key('rsa', 1), kid => 'plain', use => 'sig', alg => 'RS256'),
		jwk($rsa, kid => 'no-use'),
		jwk($rsa, kid => 'enc', use => 'enc'),
		jwk($rsa, kid => 'alg-same', alg => 'RS256'),
		jwk($rsa, kid => 'alg-other', alg => 'RS512'),
		jwk($rsa, kid => 'ops-verify', key_ops => [ 'verify' ]),
		jwk($rsa, kid => 'ops-encrypt', key_ops => [ 'encrypt' ]),
		jwk($rsa, kid => 'x5c', x5c => [ 'garbage' ], x5t => 1),
		jwk($rsa, kid => 'no-e', e => undef),
		jwk(key('rsa1024', 1), kid => 'weak'),
		{ kty => 'XYZ', kid => 'odd' },
		{ kty => 'EC', crv => 'P-999', x => 'a', y => 'b', kid => 'odd' },
		{ kty => 'oct', k => b64u('x' x 32), kid => 'oct' },
		$ec, jwk(key('p256', 1), kid => 'ec', use => 'sig');
}

###############################################################################
