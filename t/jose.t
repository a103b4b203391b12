#!/usr/bin/perl

# The jose command: tokens that another implementation (Crypt::JWT) made, with
# every algorithm, and every vector of RFC 7520's cookbook, accepted or refused
# as what we support says.

###############################################################################

use warnings;
use strict;

use Test::More;

use Crypt::JWT qw/ encode_jwt /;
use Crypt::Misc;
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::X25519;
use Crypt::PK::RSA;
use Digest::SHA qw/ sha256 /;
use File::Temp qw/ tempdir /;
use JSON::XS;

###############################################################################

my $jose = ($ENV{TEST_BUILD_DIR} || 'build') . '/jose';
my $vectors = '../shared/vectors/rfc7520-cookbook';

plan(skip_all => "no $jose") unless -x $jose;

my $d = tempdir('jose-test-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $json = JSON::XS->new->canonical->utf8;
my $files = 0;
my ($file_of_vectors, %count);

###############################################################################

# Crypt::JWT signs, we verify; each alg alone is allowed.

my %key = (
	RS => Crypt::PK::RSA->new->generate_key(256, 65537),
	ES256 => Crypt::PK::ECC->new->generate_key('secp256r1'),
	ES384 => Crypt::PK::ECC->new->generate_key('secp384r1'),
	ES512 => Crypt::PK::ECC->new->generate_key('secp521r1'),
	EdDSA => Crypt::PK::Ed25519->new->generate_key,
	HS => random_secret(),
);
$key{PS} = $key{RS};

my @algs = ((map { ("RS$_", "PS$_", "HS$_", "ES$_") } 256, 384, 512), 'EdDSA');
my $claims = { sub => 'joe', iss => 'https://idp.example', aud => 'app',
	exp => 2000000000, iat => 1900000000, nonce => 'n-0' };
my $all = join ',', @algs;

for my $alg (@algs) {
	my $key = $key{$alg} || $key{substr $alg, 0, 2};
	my $set = keyset({ jwk($key, kid => 'k1') });
	my $token = encode_jwt(alg => $alg, payload => $claims,
		key => ref $key eq 'ARRAY' ? $key->[0] : $key,
		extra_headers => { kid => 'k1' });

	my ($status, $out) = jose("verify $set --alg $alg", $token);
	is($status, 0, "V06 $alg: a token of Crypt::JWT is accepted");
	is_deeply(eval { $json->decode($out) }, $claims, "V06 $alg: its payload");

	my $others = join ',', grep { $_ ne $alg } @algs;
	($status, $out) = jose("verify $set --alg $others", $token);
	is($status, 1, "V06 $alg: refused where only the others are allowed");
	like($out, qr/^jws_alg: /, "V06 $alg: by its alg");

	($status, $out) = jose("verify $set --alg $all", tampered($token));
	is("$status $out", "1 jws_signature: signature does not verify\n",
		"V06 $alg: refused with another payload");

	my @args = ('--issuer', 'https://idp.example', '--client-id', 'app',
		'--nonce', 'n-0', '--now', 1900000010, '--alg', $alg);
	($status, $out) = jose("id-token $set @args", $token);
	is($status, 0, "V06 $alg: an ID token of Crypt::JWT is accepted")
		or diag($out);

	($status, $out) = jose("id-token $set @args --nonce n-1", $token);
	like("$status $out", qr/^1 claim_nonce: /, "V05 $alg: another nonce");
}

# The secret is for HS* only, and only where they are named.

my $hs = keyset({ jwk($key{HS}) });
my $token = encode_jwt(alg => 'HS256', key => $key{HS}[0], payload => $claims);
my ($status, $out) = jose("verify $hs", $token);
is($status, 1, 'V06 HS256 is not among the defaults');

$token = encode_jwt(alg => 'none', key => undef, payload => $claims,
	allow_none => 1);
($status, $out) = jose("verify $hs --alg $all", $token);
is($status, 1, 'V06 none is refused');

###############################################################################

# Crypt::JWT encrypts, we decrypt.  Version 0.034 writes epk as a string, which
# is made an object here, and agrees on no key of more than 32 octets rightly
# (the numbers for those are in t/unit/jwe.c).

for my $name (qw/ ecdh_key_wrap ecdhaes_key_wrap /) {
	no strict 'refs';
	no warnings 'redefine';

	my $wrap = \&{"Crypt::JWT::$name"};

	*{"Crypt::JWT::$name"} = sub {
		my ($result, $epk) = $wrap->(@_);

		return ($result, ref $epk ? $epk : $json->decode($epk));
	};
}

my @rsa_algs = qw/ RSA-OAEP RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512 /;
my @ecdh_algs = qw/ ECDH-ES ECDH-ES+A128KW ECDH-ES+A192KW ECDH-ES+A256KW /;
my @encs = qw/ A128GCM A192GCM A256GCM A128CBC-HS256 A192CBC-HS384
	A256CBC-HS512 /;
my $all_algs = join ',', @rsa_algs, @ecdh_algs;
my $all_encs = join ',', @encs;
my $made = 0;

my %to = (
	'RSA' => $key{RS}, 'P-256' => $key{ES256}, 'P-384' => $key{ES384},
	'P-521' => $key{ES512}, 'X25519' => Crypt::PK::X25519->new->generate_key,
);

for my $kind (sort keys %to) {
	my $private = keyset({ %{ $to{$kind}->export_key_jwk('private', 1) },
		use => 'enc', kid => 'k1' });

	for my $alg ($kind eq 'RSA' ? @rsa_algs : @ecdh_algs) {
		for my $enc (@encs) {
			next if $alg eq 'ECDH-ES' and $enc =~ /HS(384|512)$/;

			my $jwe = eval { encode_jwt(alg => $alg, enc => $enc,
				payload => $claims, key => $to{$kind},
				extra_headers => { kid => 'k1', iss => 'me' }) };

			if (!$jwe) {
				note("Crypt::JWT cannot $alg $enc $kind: $@");
				next;
			}

			$made++;
			my ($status, $out) = jose("decrypt $private --alg $alg --enc $enc",
				$jwe);
			is($status, 0, "R07 $kind $alg $enc of Crypt::JWT") or diag($out);
			is_deeply(eval { $json->decode($out) }, $claims,
				"R07 $kind $alg $enc: its payload");
		}
	}
}

cmp_ok($made, '>=', 2 * 6 + 3 * (4 + 3 * 6) + 3 * 6, "R07: $made tokens of Crypt::JWT");

{
	my $private = keyset({ %{ $to{RSA}->export_key_jwk('private', 1) } });
	my $jwe = encode_jwt(alg => 'RSA-OAEP', enc => 'A256GCM',
		payload => $claims, key => $to{RSA});

	my ($status, $out) = jose("decrypt $private --alg RSA-OAEP-256"
		. " --enc $all_encs", $jwe);
	like("$status $out", qr/^1 jwe_alg: /, 'R08 another alg is allowed');
	($status, $out) = jose("decrypt $private --alg $all_algs --enc A128GCM",
		$jwe);
	like("$status $out", qr/^1 jwe_enc: /, 'R08 another enc is allowed');

	my @parts = split /\./, $jwe;
	my %said;

	for my $i (1, 3, 4) {
		my @twisted = @parts;
		$twisted[$i] =~ s/^(.)/$1 eq 'A' ? 'B' : 'A'/e;
		$said{ join ' ', jose("decrypt $private --alg $all_algs"
			. " --enc $all_encs", join '.', @twisted) }++;
	}

	is_deeply(\%said, { "1 jwe_decrypt: JWE does not decrypt\n" => 3 },
		'R08: key, text or tag, the reason is one');

	my $file = file($to{RSA}->export_key_pem('private'));
	($status, $out) = jose("decrypt $file --alg RSA-OAEP --enc A256GCM", $jwe);
	is_deeply(eval { $json->decode($out) }, $claims, 'R07 with a PEM');

	($status, $out) = jose("decrypt " . keyset({ jwk($to{RSA}) })
		. " --alg $all_algs --enc $all_encs", $jwe);
	like("$status $out", qr/^1 jwe_key: /, 'R07 with a public key');

	($status, $out) = jose("verify $private --alg $all", $jwe);
	is($status, 1, 'P16 a JWE is no JWS');
	($status, $out) = jose("decrypt $private --alg $all_algs --enc $all_encs",
		encode_jwt(alg => 'RS256', payload => $claims, key => $to{RSA}));
	like("$status $out", qr/^1 jwe_malformed: /, 'P16 nor a JWS a JWE');
}

###############################################################################

# What jose jwk prints of a private key is public.

my $pem = file($key{RS}->export_key_pem('private'));
($status, $out) = jose("jwk $pem --kid mine", '');
is($status, 0, 'R02 a set of one PEM');
is_deeply([ sort keys %{ $json->decode($out)->{keys}[0] } ],
	[ qw/ alg e kid kty n use / ], 'R02 public members only');
is($json->decode($out)->{keys}[0]{kid}, 'mine', 'R02 its kid');

($status, $out) = jose("jwk $pem --thumbprint", '');
is($out, $key{RS}->export_key_jwk_thumbprint('SHA256') . "\n",
	'R02 the thumbprint is what CryptX says');

($status, $out) = jose("jwk $pem --use sig --alg RSA-OAEP", '');
like("$status $out", qr/^1 bad_key: /, 'R05 an alg that is not its use');

($status, $out) = jose("jwk $pem --nonsense", '');
is($status, 2, 'usage: an unknown option');
($status, $out) = jose("decrypt $pem", 'x');
is($status, 2, 'usage: decrypt needs --alg and --enc');
($status, $out) = jose("decrypt $pem --alg RSA1_5 --enc A128GCM", 'x');
is($status, 2, 'R08 usage: RSA1_5 cannot be allowed');
($status, $out) = jose("decrypt $pem --alg RSA-OAEP --enc A128CBC", 'x');
is($status, 2, 'usage: an unknown --enc');
($status, $out) = jose("verify /nonexistent", '');
is($status, 2, 'usage: no such file');

for my $args ("introspection $pem --issuer x --client-id y",
	"introspection $pem --issuer x --client-id y --mode xml",
	"access-token $pem --issuer x", 'dpop --method GET --url x',
	"assertion $pem --client-id x", "request-object $pem --audience x",
	"sign", "frobnicate $pem")
{
	($status, $out) = jose($args, 'x');
	is($status, 2, 'usage: ' . $args =~ s/\s\S*$d\S*//r);
}

###############################################################################

# What the other commands refuse; what they take is in t/jose_peers.t.

{
	my $set = keyset({ jwk($key{ES256}, kid => 'idp') });
	my $now = 1900000010;
	my $at_now = '--now 1900000010';
	my $as = "$set --issuer https://idp.example $at_now";
	my %at = (%$claims, client_id => 'them', jti => 'j');
	delete $at{nonce};
	my $es = sub { my ($payload, %header) = @_;
		encode_jwt(alg => 'ES256', key => $key{ES256}, payload => $payload,
			extra_headers => { kid => 'idp', %header }) };
	my $at = sub { $es->({ %at, @_ }, typ => 'at+jwt') };

	my @access = (
		[ $at->(), 0, qr/^\{/ ],
		[ $at->(aud => 'other'), 1, qr/^claim_aud: / ],
		[ $at->(iss => 'https://other.example'), 1, qr/^claim_iss: / ],
		[ $at->(exp => $now - 31), 1, qr/^claim_exp: / ],
		[ $at->(nonce => 'n'), 1, qr/^jws_typ: / ],
		[ $es->(\%at, typ => 'JWT'), 1, qr/^jws_typ: / ],
		[ tampered($at->()), 1, qr/^jws_signature: / ],
	);

	for (@access) {
		my ($token, $expected, $re) = @$_;
		my ($status, $out) = jose("access-token $as --audience app --strict",
			$token);
		is($status, $expected, "R23 access-token: $re");
		like($out, $re, "R23 ... and says so");
	}

	my %out = (iss => 'https://idp.example', aud => 'app', iat => $now,
		token_introspection => { active => JSON::XS::true });
	my $signed = sub { $es->({ %out, @_ }, typ => 'token-introspection+jwt') };

	my @answers = (
		[ 'json', '{"active":true}', 0, qr/^\{/ ],
		[ 'json', '{"active":false}', 1, qr/^bearer_inactive: / ],
		[ 'json', '{"active":"true"}', 1, qr/^introspection: / ],
		[ 'json', $signed->(), 1, qr/^bad_json: / ],
		[ 'signed', $signed->(), 0, qr/^\{/ ],
		[ 'signed', '{"active":true}', 1, qr/^jws_malformed: / ],
		[ 'signed', $es->(\%out, typ => 'JWT'), 1, qr/^jws_typ: / ],
		[ 'signed', $signed->(aud => 'other'), 1, qr/^claim_aud: / ],
		[ 'encrypted', $signed->(), 1, qr/^jwe_(?:plain|key): / ],
		[ 'encrypted --enc A256GCM', $signed->(), 1, qr/^jwe_plain: / ],
	);

	for (@answers) {
		my ($mode, $answer, $expected, $re) = @$_;
		my ($status, $out) = jose("introspection $as --client-id app"
			. " --mode $mode", $answer);
		is($status, $expected, "R13 introspection $mode: $re");
		like($out, $re, "R13 ... and says so");
	}

	my %proof = (htm => 'GET', htu => 'https://api.example/x', iat => $now,
		jti => 'j', ath => Crypt::Misc::encode_b64u(sha256('token')));
	my %public = jwk($key{ES256});
	delete $public{key_ops};
	my $proof = sub { $es->({ %proof, @_ }, typ => 'dpop+jwt',
		jwk => \%public) };

	my @proofs = (
		[ $proof->(), 0, qr/^[\w-]{43}$/ ],
		[ $proof->(htm => 'POST'), 1, qr/^dpop_request: / ],
		[ $proof->(ath => 'x'), 1, qr/^dpop_token: / ],
		[ $proof->(iat => $now - 300), 1, qr/^dpop_time: / ],
		[ tampered($proof->()), 1, qr/^dpop_signature: / ],
		[ $es->(\%proof, typ => 'dpop+jwt'), 1, qr/^dpop_proof: / ],
	);

	for (@proofs) {
		my ($token, $expected, $re) = @$_;
		my ($status, $out) = jose('dpop --method GET --url'
			. " https://api.example/x --access-token token $at_now",
			$token);
		is($status, $expected, "R23 dpop: $re");
		like($out, $re, "R23 ... and says so");
	}

	($status, $out) = jose("sign $set --alg ES256", 'x');
	like("$status $out", qr/^1 bad_key: /, 'R06 a public key signs nothing');
	($status, $out) = jose("sign $hs --alg HS512", 'x');
	like("$status $out", qr/^1 bad_key: /, 'R06 a secret signs HS256 alone');
	($status, $out) = jose("sign $pem --alg ES256", 'x');
	like("$status $out", qr/^1 bad_key: /, 'R06 RSA does not sign ES256');
}

###############################################################################

# Examples that stand in the RFCs themselves; those of RFC 7515, RFC 7518 and
# RFC 8037 are in t/unit/jws.c, jwe.c and key.c.

{
	my $rsa = keyset({ kty => 'RSA', e => 'AQAB',
		n => 'oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-BVvxkeDNjbC4he8rUW'
			. 'cJoZmds2h7M70imEVhRU5djINXtqllXI4DFqcI1DgjT9LewND8MW2Krf3S'
			. 'psk_ZkoFnilakGygTwpZ3uesH-PFABNIUYpOiN15dsQRkgr0vEhxN92i2a'
			. 'sbOenSZeyaxziK72UwxrrKoExv6kc5twXTq4h-QChLOln0_mtUZwfsRaMS'
			. 'tPs6mS6XrgxnxbWhojf663tuEQueGC-FCMfra36C9knDFGzKsNa7LZK2dj'
			. 'YgyD3JR_MB_4NUJW_TqOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw',
		d => 'kLdtIj6GbDks_ApCSTYQtelcNttlKiOyPzMrXHeI-yk1F7-kpDxY4-WY5N'
			. 'WV5KntaEeXS1j82E375xxhWMHXyvjYecPT9fpwR_M9gV8n9Hrh2anTpTD9'
			. '3Dt62ypW3yDsJzBnTnrYu1iwWRgBKrEYY46qAZIrA2xAwnm2X7uGR1hghk'
			. 'qDp0Vqj3kbSCz1XyfCs6_LehBwtxHIyh8Ripy40p24moOAbgxVw3rxT_vl'
			. 't3UVe4WO3JkJOzlpUf-KTVI2Ptgm-dARxTEtE-id-4OJr0h-K-VFs3VSnd'
			. 'VTIznSxfyrj8ILL6MG_Uv8YAu7VILSB3lOW085-4qE3DzgrTjgyQ' });
	my $encrypted = 'OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9k'
		. 'iMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnI'
		. 'mGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdI'
		. 'KLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0j'
		. 'e81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi'
		. '6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeD'
		. 'Qz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYU'
		. 'ZodetZdvTiFvSkQ';
	my $decrypt = "decrypt $rsa --alg $all_algs --enc $all_encs";

	($status, $out) = jose($decrypt,
		"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.$encrypted");
	is("$status $out", '0 The true sign of intelligence is not knowledge but'
		. ' imagination.', 'R07 RFC 7516 A.1: RSA-OAEP, A256GCM');

	# the headers of A.2 and A.3, which decide already
	for my $header ('{"alg":"RSA1_5","enc":"A128CBC-HS256"}',
		'{"alg":"A128KW","enc":"A128CBC-HS256"}')
	{
		($status, $out) = jose($decrypt, Crypt::Misc::encode_b64u($header)
			. ".$encrypted");
		like("$status $out", qr/^1 jwe_alg: /, "R08 RFC 7516: $header");
	}

	my $jwt = Crypt::Misc::encode_b64u(qq({"iss":"joe",\r\n "exp":1300819380,)
		. qq(\r\n "http://example.com/is_root":true}));
	($status, $out) = jose('verify ' . keyset({ kty => 'oct',
		k => 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75'
			. 'aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow' }) . ' --alg HS256',
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.$jwt."
			. 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk');
	like("$status $out", qr/^0 \{"iss":"joe"/, 'V06 RFC 7519 3.1: HS256');
	($status, $out) = jose("verify $hs --alg $all",
		"eyJhbGciOiJub25lIn0.$jwt.");
	is($status, 1, 'P1 RFC 7519 6.1: an unsecured JWT is refused');

	my $keys = keyset(
		{ kty => 'EC', crv => 'P-256', use => 'enc', kid => '1',
			x => 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
			y => '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM' },
		{ kty => 'RSA', e => 'AQAB', alg => 'RS256', kid => '2011-04-29',
			n => '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbb'
				. 'fAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn'
				. 'jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-6'
				. '5YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM'
				. 'QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4l'
				. 'Fd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz'
				. 'KnqDKgw' });
	($status, $out) = jose("jwk $keys --thumbprint", '');
	like("$status $out", qr/^0 [\w-]{43}\nNzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n$/,
		'V09 RFC 7517 A.1: both keys, RFC 7638: the thumbprint of the second');
}

###############################################################################

# RFC 7520.

SKIP: {
	skip("no $vectors", 1) unless -d $vectors;

	my (%accepted, %refused);

	for my $path (glob "$vectors/{jws,jwe,curve25519,rfc7797}/*.json") {
		my $vector = read_vectors($path);
		my ($name) = $path =~ m!([^/]+)\.json$!;

		$refused{$name} = cookbook($name, $vector->{input},
			$vector->{output}{compact}, \%accepted)
			if $vector->{output}{compact};

		# no other serialization is taken, whatever is in it
		for my $form (qw/ json json_flat /) {
			next unless $vector->{output}{$form};
			my ($status) = jose('verify ' . keyset($vector->{input}{key})
				. " --alg $all", $json->encode($vector->{output}{$form}));
			is($status, 1, "KE-10 $name: $form is refused");
		}
	}

	my $nested = read_vectors("$vectors/6.nesting_signatures_and_encryption.json");
	$refused{'6.inner'} = cookbook('6.inner', $nested->{sign}{input},
		$nested->{sign}{output}{compact}, \%accepted);
	$refused{'6.nesting'} = cookbook('6.nesting', $nested->{encrypt}{input},
		$nested->{encrypt}{output}{compact}, \%accepted);

	delete @refused{keys %accepted};

	is(join(' ', map { /^([\d_]+|[^.]+)/; $1 || $_ } sort keys %accepted),
		join(' ', qw/ 4_1 4_2 4_3 4_4 6 jws /),
		'V06 cookbook: 4.1 to 4.4, the inner token of 6, RFC 8037: accepted');
	is(scalar keys %refused, 13,
		'V06 P16 cookbook: 11 JWE, the detached, the one with b64: refused');

	# decryption
	my (%opened, %kept);

	for my $path (glob "$vectors/{jwe,curve25519}/*.json") {
		my $vector = read_vectors($path);
		my ($name) = $path =~ m!([^/]+)\.json$!;

		open_jwe($name, $vector, \%opened, \%kept)
			if $vector->{encrypting_content};
	}

	$nested = read_vectors("$vectors/6.nesting_signatures_and_encryption.json");
	open_jwe('6.nesting', $nested->{encrypt}, \%opened, \%kept);

	is(join(' ', map { /^([\d_]+|[^.]+)/; $1 || $_ } sort keys %opened),
		'5_2 5_4 5_5 6 ecdh-es',
		'R07 KE-8 cookbook: 5.2, 5.4, 5.5, the nested one of 6, X25519');
	is(join(' ', map { /^([\d_]+)/; $1 } sort keys %kept),
		'5_1 5_3 5_6 5_7 5_8 5_9',
		'R08 KE-10 cookbook: RSA1_5, PBES2, dir, two kinds of key wrap and'
			. ' zip are refused');

	my $inner = (jose('decrypt ' . keyset($nested->{encrypt}{input}{key})
		. " --alg $all_algs --enc $all_encs",
		$nested->{encrypt}{output}{compact}))[1];
	($status, $out) = jose('verify ' . keyset($nested->{sign}{input}{key})
		. ' --alg PS256', $inner);
	is("$status $out", '0 ' . utf8($nested->{sign}{input}{payload}),
		'P16 cookbook: what is nested verifies');

	# keys: public or private, of which only the public part is shown
	my $keys = '';

	for my $path (sort glob "$vectors/jwk/*.json") {
		read_vectors($path);
		my ($status, $out) = jose("jwk $path", '');
		my $set = $json->decode($out)->{keys};
		$keys .= @$set;
		unlike($out, qr/"(d|p|q|dp|dq|qi|oth|k)":/, "R02 $path: public only");
	}

	is($keys, '111100', 'V09 cookbook: four keys are usable, two are oct');

	my $tokens = 0;

	for (sort keys %count) {
		my %n = %{ $count{$_} };
		note("vectors $_: ", join ', ', map { "$n{$_} $_" } sort keys %n);
		$tokens += $_ for values %n;
	}

	is(join(' ', scalar keys %count, $tokens), '32 115',
		'KE-10 cookbook: files, and answers as counted above');
}

done_testing();

###############################################################################

# undef where it is accepted as far as we can; the reason otherwise
sub cookbook {
	my ($name, $input, $token, $accepted) = @_;

	my $set = keyset(ref $input->{key} eq 'HASH' ? $input->{key} : ());
	my ($status, $out) = jose("verify $set --alg $all", $token);

	if ($status == 0) {
		is($out, utf8($input->{payload}), "V06 $name: its payload");
		$accepted->{$name} = 1;
	}

	cmp_ok($status, '<', 2, "V06 $name: accepted or refused");

	return $out;
}


# by what is in the file alone, as {compact}
sub open_jwe {
	my ($name, $vector, $opened, $kept) = @_;

	my $input = $vector->{input};
	my $args = 'decrypt ' . keyset(ref $input->{key} eq 'HASH'
		? $input->{key} : ()) . " --alg $all_algs --enc $all_encs";

	# no other serialization is taken
	for my $form (grep { $vector->{output}{$_} } qw/ json json_flat /) {
		my ($status) = jose($args, $json->encode($vector->{output}{$form}));
		is($status, 1, "KE-10 $name: $form is not decrypted");
	}

	my $token = $vector->{output}{compact} or return;
	my ($status, $out) = jose($args, $token);

	if ($status == 0) {
		is($out, utf8($input->{plaintext}), "R07 $name: its plaintext");
		$opened->{$name} = 1;

	} else {
		is($status, 1, "R08 $name: refused");
		like($out, qr/^jwe_alg: /, "R08 $name: by its alg");
		$kept->{$name} = 1;
	}
}


sub jose {
	my ($args, $input) = @_;

	my $in = file($input);
	my $out = `'$jose' $args < '$in' 2>&1`;
	my $status = $? >> 8;
	unlink $in;
	$count{$file_of_vectors}{ $status ? 'refused' : 'accepted' }++
		if defined $file_of_vectors;

	return ($status, $out);
}


# a secret is an array of one, to tell it from the objects
sub random_secret {
	return [ join '', map { chr(33 + int rand 90) } 1 .. 64 ];
}


sub jwk {
	my ($key, %members) = @_;

	if (ref $key eq 'ARRAY') {
		return (kty => 'oct', k => Crypt::Misc::encode_b64u($key->[0]),
			%members);
	}

	return (%{ $key->export_key_jwk('public', 1) }, %members,
		key_ops => [ 'verify' ]);
}


sub keyset {
	return file($json->encode({ keys => [ @_ ] }));
}


# the same signature over another payload
sub tampered {
	my ($header, $payload, $signature) = split /\./, $_[0];

	return join '.', $header, Crypt::Misc::encode_b64u('{"sub":"jim"}'),
		$signature;
}


sub file {
	my ($text) = @_;

	my $path = "$d/" . ++$files;

	open my $f, '>:raw', $path or die "$path: $!";
	print $f $text;
	close $f;

	return $path;
}


sub read_json {
	my ($path) = @_;

	open my $f, '<:raw', $path or die "$path: $!";
	local $/;

	return $json->decode(scalar <$f>);
}


# from here on what jose says is counted for this file
sub read_vectors {
	my ($path) = @_;

	$file_of_vectors = $path =~ s!^\Q$vectors\E/!!r;

	return read_json($path);
}


sub utf8 {
	my ($text) = @_;

	utf8::encode($text);

	return $text;
}

###############################################################################
