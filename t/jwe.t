#!/usr/bin/perl

# ID tokens and userinfo that are encrypted to the keys that we publish: what is
# configured is accepted, anything else refused, and whatever depends on a
# private key is refused alike.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;
use Test::OIDC::Keys qw/ key jwk jwe jws json_text random_hex /;

###############################################################################

my $t = Test::OIDC->new();

# our keys: family and number => the alg that the key says it is for
my @own = ([ p256 => 1, 'ECDH-ES' ], [ p384 => 1, 'ECDH-ES+A128KW' ],
	[ p521 => 1, 'ECDH-ES+A256KW' ], [ p256 => 2, 'ECDH-ES+A192KW' ],
	[ rsa => 1, 'RSA-OAEP' ], [ rsa => 2, 'RSA-OAEP-256' ]);
my @encs = qw/ A128GCM A192GCM A256GCM A128CBC-HS256 A192CBC-HS384
	A256CBC-HS512 /;

# The last two are no keys of ours.
my %key = map { ("$_->[0]-$_->[1]" => jwk(key($_->[0], $_->[1]),
	kid => "$_->[0]-$_->[1]")) } @own, [ rsa => 3 ], [ p256 => 3 ];

umask 077;

for (@own) {
	my $key = key($_->[0], $_->[1]);

	$t->write_file("$_->[0]-$_->[1].pem", $key->export_key_pem(
		$_->[0] eq 'rsa' ? 'private' : 'private_short'));
}

my $keys = join '', map { "oidc_key %%TESTDIR%%/$_->[0]-$_->[1].pem use=enc "
	. "alg=$_->[2] kid=$_->[0]-$_->[1];\n" } @own;
my $algs = join ' ', map { $_->[2] } @own;

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    $keys
    oidc_provider all {
        %%PROVIDER%%
        cookie_name ALL;
        userinfo on;
        id_token_encrypted_response_alg $algs;
        id_token_encrypted_response_enc @encs;
        userinfo_encrypted_response_alg $algs;
        userinfo_encrypted_response_enc @encs;
    }
    oidc_provider one {
        %%PROVIDER%%
        cookie_name ONE;
        id_token_encrypted_response_alg ECDH-ES;
        id_token_encrypted_response_enc A256GCM;
    }
    oidc_provider rsa {
        %%PROVIDER%%
        cookie_name RSA;
        backchannel_logout_uri /bcl;
        id_token_encrypted_response_alg RSA-OAEP;
    }
    oidc_provider info {
        %%PROVIDER%%
        cookie_name INFO;
        userinfo on;
        userinfo_encrypted_response_alg ECDH-ES;
        userinfo_encrypted_response_enc A128GCM;
    }
    oidc_provider anew {
        %%PROVIDER%%
        cookie_name ANEW;
        userinfo on;
        userinfo_interval 1s;
        userinfo_encrypted_response_alg ECDH-ES;
        userinfo_encrypted_response_enc A128GCM;
    }
    oidc_provider plain {
        %%PROVIDER%%
        cookie_name PLAIN;
        userinfo on;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-User \$oidc_claim_sub;
        proxy_set_header X-Name \$oidc_claim_name;
        proxy_set_header X-Token \$oidc_id_token;
        location /all/ { auth_oidc all; proxy_pass http://%%BACKEND%%; }
        location /one/ { auth_oidc one; proxy_pass http://%%BACKEND%%; }
        location /rsa/ { auth_oidc rsa; proxy_pass http://%%BACKEND%%; }
        location /info/ { auth_oidc info; proxy_pass http://%%BACKEND%%; }
        location /anew/ { auth_oidc anew; proxy_pass http://%%BACKEND%%; }
        location /plain/ { auth_oidc plain; proxy_pass http://%%BACKEND%%; }
    }
}
EOF

my $idp = $t->idp();

###############################################################################
# Every alg with every enc; the first of each also for userinfo.

for my $own (@own) {
	my ($family, $n, $alg) = @$own;

	for my $enc (@encs) {
		my $how = { alg => $alg, enc => $enc, key => $key{"$family-$n"} };

		$idp->set(id_token => { encrypt => $how },
			userinfo => { jwt => 1, encrypt => $how });
		is(login('all')->status(), 200, "V17 R07 UI-6: $alg $enc");
	}
}

my @threads = glob '/proc/' . ($t->workers())[0] . '/task/*';

SKIP: {
	skip 'an nginx without threads', 1
		if $t->version() !~ /--with-threads\b/;
	cmp_ok(scalar @threads, '>', 1, 'R07: RSA is decrypted in a thread');
}

###############################################################################
# What is kept is the signed token inside.

my $good = { alg => 'ECDH-ES', enc => 'A256GCM', key => $key{'p256-1'} };

$idp->set(id_token => { encrypt => $good }, userinfo => undef);

my $h = headers(login('one'));

is($h->{'X-User'}, '248289761001', 'V17: claims are those inside');
is($h->{'X-Token'} =~ tr/.//, 2, 'V17: the backend can read the token');

for ([ 'no kid' => { kid => undef } ], [ 'no cty' => { cty => undef } ],
	[ 'another case of cty' => { cty => 'jwt' } ],
	[ 'iss and aud outside' => { iss => $idp->issuer(),
		aud => 'gateway' } ],
	[ 'members of their own' => { x => { y => [ 1 ] }, jku => 'https://x' } ])
{
	good_one("R10 R11: $_->[0]", header => $_->[1]);
}

###############################################################################
# What is not as configured.

refused_one('ID-18: alg that is not configured', 'jwe_alg',
	alg => 'ECDH-ES+A192KW', key => $key{'p256-2'});
refused_one('ID-18: enc that is not configured', 'jwe_enc', enc => 'A128GCM');
refused_one('R08: RSA1_5', 'jwe_alg', alg => 'RSA1_5', key => $key{'rsa-1'});
refused_one('R08: RSA-OAEP', 'jwe_alg', alg => 'RSA-OAEP',
	key => $key{'rsa-1'});
refused_one('R08: dir', 'jwe_alg', alg => 'dir', key => 'k' x 32);
refused_one('R10: zip', 'jwe_malformed', header => { zip => 'DEF' });
refused_one('R10: crit', 'jwe_malformed', header => { crit => [ 'exp' ] });
refused_one('R11: a kid that we do not have', 'jwe_key',
	header => { kid => 'of-somebody-else' });
refused_one('V17: inside is JSON, not signed', 'jws_malformed',
	payload => json_text({ iss => $idp->issuer(), sub => 'mallory',
		aud => 'gateway' }));
refused_one('V17: inside is encrypted once more', 'jws_malformed',
	payload => jwe(%$good, payload => '{}'));
refused_one('V17: iss outside is another', 'jwe_nested',
	header => { iss => 'https://evil.example.test' });
refused_one('V17: aud outside is another', 'jwe_nested',
	header => { aud => 'someone' });
refused_one('V17: cty says that it is no JWT', 'jwe_nested',
	header => { cty => 'JWK' });
refused_one('R09: a key off the curve of ours', 'jwe_malformed|jwe_key|jwe_dec',
	key => { %{ $key{'p256-3'} }, kid => 'p384-1' });

$idp->set(id_token => { encrypt => $good, sign => 'none' });
refused('V17: inside is alg none', one => 'jws_(?:alg|malformed)');
$idp->set(id_token => { encrypt => $good, sign => 'flip' });
refused('V17: inside the signature is bent', one => 'jws_signature');
$idp->set(id_token => { encrypt => $good, key => 'other' });
refused('V17: inside signed by somebody else', one => 'jws_signature');
$idp->set(id_token => { encrypt => $good, claims => { nonce => 'x' } });
refused('V17: inside another nonce', one => 'claim_nonce');

$idp->set(id_token => undef);
refused('ID-18: not encrypted', one => 'jwe_plain');
$idp->set(id_token => { encrypt => $good });
refused('ID-18: encrypted though nothing says so', plain => 'jws_malformed');

###############################################################################
# Whatever depends on a private key is one failure.

my @seen = map { refused_one("R08 IN-16: EC, $_->[0]", 'jwe_decrypt',
	@$_[1 .. $#$_]) }
	[ 'another key under our kid', key => { %{ $key{'p256-3'} },
		kid => 'p256-1' } ],
	[ 'ciphertext bent', break => 3 ], [ 'tag bent', break => 4 ],
	[ 'iv bent', break => 2 ];

$idp->set(id_token => { encrypt => { alg => 'RSA-OAEP',
	enc => 'A128CBC-HS256', key => $key{'rsa-1'} } });
is(login('rsa')->status(), 200, 'V17: RSA-OAEP, enc by default');

for ([ 'another key under our kid', key => { %{ $key{'rsa-3'} },
		kid => 'rsa-1' } ],
	[ 'encrypted key bent', break => 1 ], [ 'iv bent', break => 2 ],
	[ 'ciphertext bent', break => 3 ], [ 'tag bent', break => 4 ])
{
	my ($name, @how) = @$_;

	$idp->set(id_token => { encrypt => { alg => 'RSA-OAEP',
		enc => 'A128CBC-HS256', key => $key{'rsa-1'}, @how } });
	push @seen, refused("R08 IN-16: RSA, $name", rsa => 'jwe_decrypt');
}

is_deeply([ grep { $_ ne $seen[0] } @seen ], [],
	'R08 IN-16: the same answer and the same log line for all of them');

###############################################################################
# Logout tokens (BCL 2.4).

my $rsa = { alg => 'RSA-OAEP', enc => 'A128CBC-HS256', key => $key{'rsa-1'} };

is(logout(logout_token()), 400, 'LO-14: a logout token that is not encrypted');
is(logout(jwe(%$rsa, payload => logout_token(), break => 1)), 400,
	'LO-14: or bent');
is(logout(jwe(%$rsa, payload => logout_token())), 200,
	'LO-14: an encrypted one');

###############################################################################
# Userinfo.

my $info = { alg => 'ECDH-ES', enc => 'A128GCM', key => $key{'p256-1'} };

$idp->set(id_token => undef, userinfo => { jwt => 1, encrypt => $info });
is(headers(login('info'))->{'X-Name'}, 'Alice Adams', 'UI-6: userinfo');
like($idp->last('userinfo')->{h}{accept}, qr{^application/jwt$},
	'UI-6: nothing but a JWT is asked for');

$idp->set(userinfo => { jwt => 1 });
refused('UI-6: userinfo signed only', info => 'jwe_plain');
$idp->set(userinfo => undef);
refused('UI-5 UI-6: userinfo as JSON', info => 'content_type');
$idp->set(userinfo => { jwt => 1, encrypt => { %$info, enc => 'A256GCM' } });
refused('UI-6: another enc', info => 'jwe_enc');
$idp->set(userinfo => { jwt => 1, encrypt => { %$info,
	payload => json_text({ sub => '248289761001' }) } });
refused('UI-6: inside JSON', info => 'jws_malformed');
$idp->set(userinfo => { jwt => 1, encrypt => $info,
	claims => { sub => 'bob' } });
refused('UI-1 UI-6: inside another sub', info => 'claim_sub');
$idp->set(userinfo => { jwt => 1, encrypt => $info });
refused('UI-6: encrypted though nothing says so', plain => 'jws_malformed');

###############################################################################
# Anew: an ID token and userinfo that come with a refresh or after it.

my $alien = { %$good, key => { %{ $key{'p256-3'} }, kid => 'p256-1' } };

$idp->set(id_token => { encrypt => $good }, userinfo => undef,
	token => { expires_in => 2 });

my ($taken, @ends) = map { user('one') } 1 .. 3;

$idp->set(token => { expires_in => 300 }, users => { alice => {
	sub => '248289761001', name => 'Alice Bond' } });
named('V17 S10: the ID token of a refresh is opened', one => $taken);
$h = headers($taken->get('/one/'));
is($h->{'X-Token'} =~ tr/.//, 2, 'V17 S10: the backend can read it');

for ([ 'not encrypted', undef, 'jwe_plain' ],
	[ 'to another key', { encrypt => $alien }, 'jwe_decrypt' ])
{
	my ($what, $bend, $reason) = @$_;

	$idp->set(id_token => $bend);
	ended("ID-18 S10: the ID token of a refresh is $what", one => shift @ends,
		$reason);
}

$idp->set(id_token => undef, userinfo => { jwt => 1, encrypt => $info },
	users => undef);

($taken, @ends) = map { user('anew') } 1 .. 2;

$idp->set(users => { alice => { sub => '248289761001',
	name => 'Alice Bond' } });
named('UI-6 S10: userinfo anew is opened', anew => $taken);
$idp->set(userinfo => { jwt => 1, claims => { name => 'Mallory' } });

my $mark = $t->log_mark();

ok($t->wait_for(sub { $ends[0]->get('/anew/');
	$t->log_since($mark) =~ /refresh \w+: jwe_plain / }, 5),
	'UI-6 S10: userinfo anew is not encrypted');
unlike($ends[0]->get('/anew/')->body(), qr/Mallory/, 'UI-6: and is not taken');

###############################################################################

$t->done();

###############################################################################

sub login {
	my ($name) = @_;

	return $t->browser()->login("/$name/");
}

sub logout {
	my ($token) = @_;

	return $t->browser()->api('/bcl', method => 'POST',
		body => "logout_token=$token", headers => { 'Content-Type' =>
			'application/x-www-form-urlencoded' })->status();
}

sub logout_token {
	return jws(alg => 'RS256', key => $idp->private_key('RS256'),
		kid => $idp->kid('RS256'), header => { typ => 'logout+jwt' },
		payload => { iss => $idp->issuer(), aud => $idp->client_id(),
			iat => int(time), exp => time + 120,
			jti => random_hex(16), sid => 'none', events => {
			'http://schemas.openid.net/event/backchannel-logout'
				=> {} } });
}

sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/");

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}

# sooner or later the backend is told the name of now
sub named {
	my ($what, $name, $b) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($t->wait_for(sub { (headers($b->get("/$name/"))->{'X-Name'} // '')
		eq 'Alice Bond' }, 5), $what);
}

# sooner or later the session ends, for that reason
sub ended {
	my ($what, $name, $b, $reason) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $mark = $t->log_mark();

	ok($t->wait_for(sub { $b->get("/$name/")->status() == 302 }, 5), $what);
	ok($t->wait_log(qr/refresh refused: $reason /, 5, $mark),
		"O04: $what: the log");
}

sub headers {
	my ($r) = @_;

	return { map { @$_ } @{ $r->json()->{headers} } };
}

sub good_one {
	my ($name, %how) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$idp->set(id_token => { encrypt => { %$good, %how } });
	is(login('one')->status(), 200, $name);
}

sub refused_one {
	my ($name, $reason, %how) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$idp->set(id_token => { encrypt => { %$good, %how } });

	return refused($name, one => $reason);
}

# 502, no session, and the reason in the log.  Returns what is to be seen of it,
# but for what differs from request to request.
sub refused {
	my ($name, $provider, $reason) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $mark = $t->log_mark();
	my $b = $t->browser();
	my $r = $b->login("/$provider/");
	my $line = $t->wait_log(qr/login refused/, 5, $mark) // '';
	my $session = $b->cookie(uc $provider);

	ok($r->status() == 502 && !$session
		&& $line =~ /login refused: (?:$reason)\b/, $name)
		or diag($r->status() . " $line");

	my $seen = $r->body() . ($line =~ /(login refused: .*), provider/ ? $1
		: '');

	return $seen =~ s/[0-9a-f]{32}//gr;
}

###############################################################################
