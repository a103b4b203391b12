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
use Crypt::PK::RSA;
use File::Temp qw/ tempdir /;
use JSON::XS;

###############################################################################

my $jose = ($ENV{TEST_BUILD_DIR} || 'build') . '/jose';
my $vectors = '../shared/vectors/rfc7520-cookbook';

plan(skip_all => "no $jose") unless -x $jose;

my $d = tempdir('jose-test-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $json = JSON::XS->new->canonical->utf8;
my $files = 0;

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
($status, $out) = jose("decrypt $pem", '');
is($status, 2, 'usage: what is not built yet');
($status, $out) = jose("verify /nonexistent", '');
is($status, 2, 'usage: no such file');

###############################################################################

# RFC 7520.

SKIP: {
	skip("no $vectors", 1) unless -d $vectors;

	my (%accepted, %refused);

	for my $path (glob "$vectors/{jws,jwe,curve25519,rfc7797}/*.json") {
		my $vector = read_json($path);
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

	my $nested = read_json("$vectors/6.nesting_signatures_and_encryption.json");
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

	# keys: public or private, of which only the public part is shown
	my $keys = '';

	for my $path (sort glob "$vectors/jwk/*.json") {
		my ($status, $out) = jose("jwk $path", '');
		my $set = $json->decode($out)->{keys};
		$keys .= @$set;
		unlike($out, qr/"(d|p|q|dp|dq|qi|oth|k)":/, "R02 $path: public only");
	}

	is($keys, '111100', 'V09 cookbook: four keys are usable, two are oct');
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


sub jose {
	my ($args, $input) = @_;

	my $in = file($input);
	my $out = `'$jose' $args < '$in' 2>&1`;
	unlink $in;

	return ($? >> 8, $out);
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


sub utf8 {
	my ($text) = @_;

	utf8::encode($text);

	return $text;
}

###############################################################################
