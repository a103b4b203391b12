#!/usr/bin/perl

# Round trips between the jose command and other implementations of JOSE: npm
# jose, Python's joserfc and Perl's Crypt::JWT.  What they encrypt and sign we
# open, what we sign they verify, and of our keys they see the public half.

###############################################################################

use warnings;
use strict;

use Test::More;

use Crypt::JWT qw/ decode_jwt /;
use Crypt::Misc qw/ encode_b64u /;
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::X25519;
use Crypt::PK::RSA;
use Digest::SHA qw/ sha256 /;
use File::Temp qw/ tempdir /;
use JSON::XS;

use lib 't/lib';
use Test::OIDC::Chromium;

###############################################################################

my $jose = ($ENV{TEST_BUILD_DIR} || 'build') . '/jose';
my $node = Test::OIDC::Chromium::node();
my $now = 1900000000;

my %missing = (
	"no $jose" => !-x $jose,
	'no npm jose: run make deps' =>
		!($node && -d 't/provider/node_modules/jose'),
	'no joserfc: run make deps' => !-d 'build/cache/python/joserfc',
);

for (grep { $missing{$_} } sort keys %missing) {
	die "$_\n" if $ENV{TEST_ALL};
	plan(skip_all => $_);
}

my $d = tempdir('jose-peers-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $json = JSON::XS->new->canonical->utf8;
my $files = 0;

# each: who it is, and "op what" of what it cannot do, all of which must fail

my @peers = (
	{ name => 'npm jose', ask => sub { program(@_, $node, 't/jose/peer.mjs') },
		cannot => qr/^$/ },
	{ name => 'joserfc', ask => sub { program(@_, 'python3', 't/jose/peer.py') },
		cannot => qr/^encrypt RSA-OAEP-(?:384|512) / },
	{ name => 'Crypt::JWT', ask => \&crypt_jwt,
		cannot => qr/^(?:encrypt|nest|sign) / },      # t/jose.t has these
);

local $ENV{PYTHONPATH} = 'build/cache/python';
local $ENV{PYTHONWARNINGS} = 'ignore';    # EdDSA by that name is RFC 9864's past

###############################################################################

my %pem25519;
my %key = (
	RSA => Crypt::PK::RSA->new->generate_key(256, 65537),
	'P-256' => Crypt::PK::ECC->new->generate_key('secp256r1'),
	'P-384' => Crypt::PK::ECC->new->generate_key('secp384r1'),
	'P-521' => Crypt::PK::ECC->new->generate_key('secp521r1'),
	Ed25519 => Crypt::PK::Ed25519->new(\openssl_pem('ed25519')),
	X25519 => Crypt::PK::X25519->new(\openssl_pem('x25519')),
);

my %public = map { $_ => $key{$_}->export_key_jwk('public', 1) } keys %key;
my %private = map { $_ => $key{$_}->export_key_jwk('private', 1) } keys %key;
$public{oct} = $private{oct} = { kty => 'oct',
	k => encode_b64u(join '', map { chr(33 + int rand 90) } 1 .. 64) };

my %pem = map { $_ => file(/519$/ ? $pem25519{ lc $_ }
	: $key{$_}->export_key_pem(/^P-/ ? 'private_short' : 'private')) } keys %key;

my %kind = (ES256 => 'P-256', ES384 => 'P-384', ES512 => 'P-521',
	EdDSA => 'Ed25519', (map { ("RS$_" => 'RSA', "PS$_" => 'RSA',
		"HS$_" => 'oct') } 256, 384, 512));

my @encs = qw/ A128GCM A192GCM A256GCM A128CBC-HS256 A192CBC-HS384
	A256CBC-HS512 /;
my @kws = qw/ ECDH-ES ECDH-ES+A128KW ECDH-ES+A192KW ECDH-ES+A256KW /;
my %algs = ((map { $_ => \@kws } qw/ P-256 P-384 P-521 X25519 /),
	RSA => [ qw/ RSA-OAEP RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512 / ]);

my $claims = { iss => 'https://idp.example', aud => 'app', sub => 'joe',
	exp => $now + 60, iat => $now + 0 };
my $text = $json->encode($claims);
my $provider = { %{ $private{'P-256'} }, kid => 'idp' };
my $ours = { %{ $private{'P-384'} }, kid => 'ours', use => 'enc' };
my $both = keyset({ %{ $public{'P-256'} }, kid => 'idp' }, $ours);

my @jobs = (encrypting(), signing(), ours_signed(), whole(), keys_of_ours());
my $made = @jobs;

for my $peer (@peers) {
	my @answers = @{ $peer->{ask}->([ map { $_->{job} } @jobs ]) };
	my ($did, $could_not) = (0, 0);

	is(scalar @answers, $made, "KE-8 $peer->{name} answers all");

	for my $i (0 .. $#answers) {
		my ($name, $check) = @{ $jobs[$i] }{qw/ name check /};

		if ($name =~ $peer->{cannot}) {
			ok(defined $answers[$i]{error}, "$peer->{name} cannot: $name")
				if $peer->{name} ne 'Crypt::JWT';
			$could_not++;
			next;
		}

		$did++;

		if (defined $answers[$i]{error}) {
			fail("KE-8 $peer->{name}: $name");
			diag($answers[$i]{error});
			next;
		}

		is($check->($answers[$i]{text}), $jobs[$i]{is},
			"KE-8 $peer->{name}: $name");
	}

	$peer->{did} = "$did of $made, $could_not skipped";
	note("$peer->{name}: $peer->{did}");
}

# what each is known to do, so that nothing drops out unseen

is_deeply({ map { $_->{name} => $_->{did} } @peers }, {
	'npm jose' => "$made of $made, 0 skipped",
	'joserfc' => ($made - 12) . " of $made, 12 skipped",
	'Crypt::JWT' => "25 of $made, " . ($made - 25) . ' skipped',
}, "KE-8: $made round trips with each");

done_testing();

###############################################################################

# They encrypt to our key, we open.
sub encrypting {
	my @jobs;

	for my $kind (sort keys %algs) {
		my $set = keyset({ %{ $private{$kind} }, use => 'enc', kid => 'k1' });

		for my $alg (@{ $algs{$kind} }) {
			push @jobs, map { my $enc = $_; {
				name => "encrypt $alg $enc $kind",
				job => { op => 'encrypt', key => $public{$kind},
					text => $text,
					header => { alg => $alg, enc => $enc, kid => 'k1' } },
				check => sub { jose("decrypt $set --alg $alg --enc $enc",
					$_[0]) },
				is => "0 $text",
			} } @encs;
		}
	}

	return @jobs;
}


# They sign, we verify.
sub signing {
	return map {
		my $alg = $_;
		my $set = keyset({ %{ $public{ $kind{$alg} } }, kid => 'k1' });

		{
			name => "sign $alg",
			job => { op => 'sign', key => $private{ $kind{$alg} },
				text => $text, header => { alg => $alg, kid => 'k1' } },
			check => sub { jose("verify $set --alg $alg", $_[0]) },
			is => "0 $text",
		}
	} sort keys %kind;
}


# We sign with a PEM, they verify by what we publish; a client assertion and a
# request object as well.  Of the HS* the module has HS256 alone.
sub ours_signed {
	my $as = '--client-id app --audience https://idp.example --now ' . $now;
	my $args = "$as --redirect-uri https://app.example/cb --scope openid"
		. ' --state s --nonce n';
	my @jobs;

	for my $alg (sort grep { !/^HS(?:384|512)/ } keys %kind) {
		my $kind = $kind{$alg};
		my $file = $pem{$kind} || keyset($private{oct});
		my $jwk = $pem{$kind} ? $json->decode(said(
			"jwk $file --use sig --alg $alg"))->{keys}[0] : $private{oct};
		my $verify = sub { my ($what, $token, $check, $is) = @_;
			push @jobs, { name => "verify our $what $alg", check => $check,
				is => $is, job => { op => 'verify', alg => $alg,
					key => $jwk, token => $token } } };

		$verify->('token', said("sign $file --alg $alg", $text),
			sub { $_[0] }, $text);

		next unless $alg =~ /^(?:[REH]S256|EdDSA)$/;

		$verify->('assertion', said("assertion $file --alg $alg $as"), sub {
			join ' ', map { $json->decode($_[0])->{$_} }
				qw/ iss sub aud iat exp /;
		}, "app app https://idp.example $now " . ($now + 60));

		$verify->('request object', said("request-object $file --alg $alg"
			. " $args", 'max_age=5'), sub {
				join ' ', map { $json->decode($_[0])->{$_} // '-' }
					qw/ iss sub aud client_id scope state max_age /;
			}, 'app - https://idp.example app openid s 5');
	}

	return @jobs;
}


# What a provider sends to a resource server, each whole: encrypted to us, or
# signed, by typ; a proof of possession.
sub whole {
	my @as = ("$both --issuer https://idp.example --now $now --alg"
		. ' ES256,ECDH-ES+A256KW');
	my $enc = '--enc A256GCM';
	my $at = "access-token @as --audience app --strict";
	my $answer = "introspection @as --client-id app --mode";
	my %member = (%$claims, client_id => 'them', jti => 'j');
	my $at_text = $json->encode(\%member);
	my $in_text = $json->encode({ active => JSON::XS::true, scope => 'read' });
	my $out_text = $json->encode({ iss => 'https://idp.example', aud => 'app',
		iat => $now + 0, token_introspection => $json->decode($in_text) });
	my $is = sub { my ($args, $payload) = @_; check => sub {
		my $out = jose($args, $_[0]);
		my ($status, $said) = split / /, $out, 2;
		return $status == 0 ? $json->encode($json->decode($said)) : $out;
	}, is => $payload };

	my $proof = $json->encode({ htm => 'GET', htu => 'https://api.example/x',
		iat => $now + 0, jti => 'j',
		ath => encode_b64u(sha256('token')) });

	return (
		{ name => 'sign an access token', job => signed('at+jwt', $at_text),
			$is->($at, $at_text) },
		{ name => 'nest an access token', job => nested('at+jwt', $at_text),
			$is->("$at $enc", $at_text) },
		{ name => 'sign an introspection answer',
			job => signed('token-introspection+jwt', $out_text),
			$is->("$answer signed", $in_text) },
		{ name => 'nest an introspection answer',
			job => nested('token-introspection+jwt', $out_text),
			$is->("$answer encrypted $enc", $in_text) },
		{ name => 'sign a DPoP proof',
			job => { op => 'sign', key => $private{'P-256'}, text => $proof,
				header => { alg => 'ES256', typ => 'dpop+jwt',
					jwk => $public{'P-256'} } },
			check => sub { jose('dpop --method GET --url https://api.example/x'
				. " --access-token token --now $now", $_[0]) },
			is => '0 ' . $key{'P-256'}->export_key_jwk_thumbprint('SHA256') },
	);
}


sub signed {
	my ($typ, $payload) = @_;

	return { op => 'sign', key => $provider, text => $payload,
		header => { alg => 'ES256', typ => $typ, kid => 'idp' } };
}


sub nested {
	my ($typ, $payload) = @_;

	return { op => 'nest', sign => signed($typ, $payload),
		encrypt => { key => $public{'P-384'}, header => { kid => 'ours',
			alg => 'ECDH-ES+A256KW', enc => 'A256GCM', cty => 'JWT' } } };
}


# Our JWK Set, which they import as public keys.
sub keys_of_ours {
	return map {
		my $kind = $_;
		my $jwk = $json->decode(said("jwk $pem{$kind}"))->{keys}[0];

		{ name => "import our $kind", job => { op => 'import', key => $jwk },
			check => sub { $_[0] },
			is => 'public ' . said("jwk $pem{$kind} --thumbprint") }
	} sort keys %key;
}

###############################################################################

# one process for all jobs
sub program {
	my ($jobs, @command) = @_;

	my $in = file($json->encode({ jobs => $jobs }));
	my $out = `@command < '$in'`;

	return eval { $json->decode($out) } || [];
}


# Crypt::JWT, asked as the programs are
sub crypt_jwt {
	my ($jobs) = @_;

	return [ map { my $job = $_; eval {
		die "not this\n" if $job->{op} ne 'verify' && $job->{op} ne 'import';
		{ text => $job->{op} eq 'verify'
			? decode_jwt(token => $job->{token}, key => $job->{key},
				accepted_alg => $job->{alg}, decode_payload => 0,
				verify_exp => 0)
			: crypt_thumbprint($job->{key}) }
	} || { error => "$@" } } @$jobs ];
}


sub crypt_thumbprint {
	my ($jwk) = @_;

	my %class = (RSA => 'RSA', 'P-256' => 'ECC', 'P-384' => 'ECC',
		'P-521' => 'ECC', Ed25519 => 'Ed25519', X25519 => 'X25519');
	my $key = "Crypt::PK::$class{ $jwk->{crv} || 'RSA' }"->new($jwk);

	my $public = $key->export_key_jwk('public', 1);
	my %needed = map { $_ => $public->{$_} }
		grep { exists $public->{$_} } qw/ crv e kty n x y /;

	return ($key->is_private ? 'private ' : 'public ')
		. encode_b64u(sha256($json->encode(\%needed)));
}


# status and output, which must not be a failure with said()
sub jose {
	my ($args, $input) = @_;

	my $in = file($input // '');
	my $out = `'$jose' $args < '$in' 2>&1`;
	unlink $in;
	chomp $out;

	return ($? >> 8) . " $out";
}


sub said {
	my ($status, $out) = split / /, jose(@_), 2;

	is($status, 0, "R06: jose $_[0]" =~ s/\S*$d\S*/KEYSET/r) or diag($out);

	return $out;
}


# CryptX writes these two in a form that OpenSSL 3.0 does not read
sub openssl_pem {
	my ($algorithm) = @_;

	return $pem25519{$algorithm}
		= `openssl genpkey -algorithm $algorithm 2>/dev/null`;
}


sub keyset { return file($json->encode({ keys => [ @_ ] })); }


sub file {
	my ($content) = @_;

	my $path = "$d/" . ++$files;

	open my $f, '>:raw', $path or die "$path: $!";
	print $f $content;
	close $f;

	return $path;
}

###############################################################################
