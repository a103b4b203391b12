package Test::OIDC::Keys;

# Keys, certificates and JOSE objects for the fake provider and the tests.
#
# Keys are named by family and number (rsa 1, rsa 2, p256 1 ...), made once and
# kept in a private folder under the temporary directory, since an RSA key takes
# longer to make than most tests to run.  Nothing here is fit for production:
# the keys lie on disk unprotected, and the encoder writes broken tokens on
# request, which is its main purpose (RFC 7515, 7517, 7518, 8037).

use warnings;
use strict;

use base qw/ Exporter /;
our @EXPORT_OK = qw/ key jwk jws jwe json_text b64u b64u_decode hash_half
	certificate merge random_hex /;

use Crypt::Digest qw/ digest_data /;
use Crypt::JWT ();
use Crypt::KeyWrap qw/ ecdhaes_key_wrap rsa_key_wrap /;
use Crypt::Mac::HMAC qw/ hmac /;
use Crypt::Misc qw/ encode_b64u decode_b64u /;
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::RSA;
use Crypt::PK::X25519;
use Crypt::PRNG qw/ random_bytes random_bytes_hex /;
use File::Spec;
use IO::Socket::SSL::Utils;
use JSON::XS;

my $json = JSON::XS->new->canonical->utf8;

# JWS algorithm: family of its key, digest.
our %ALG = (
	(map {; "RS$_" => [ 'rsa', "SHA$_" ] } 256, 384, 512),
	(map {; "PS$_" => [ 'pss', "SHA$_" ] } 256, 384, 512),
	(map {; "HS$_" => [ 'oct', "SHA$_" ] } 256, 384, 512),
	ES256 => [ 'p256', 'SHA256' ],
	ES384 => [ 'p384', 'SHA384' ],
	ES512 => [ 'p521', 'SHA512' ],
	EdDSA => [ 'ed25519', 'SHA512' ],
);

my %curve = (p256 => 'secp256r1', p384 => 'secp384r1', p521 => 'secp521r1');
my %cek_len = (A128GCM => 16, A192GCM => 24, A256GCM => 32,
	'A128CBC-HS256' => 32, 'A192CBC-HS384' => 48, 'A256CBC-HS512' => 64);
my %cache;
my %public;

###############################################################################

# key($family, $number): a Crypt::PK object with the private key.  Families:
# rsa (2048 bits), pss (another RSA key), rsa1024, rsa3072, rsa4096, p256, p384,
# p521, ed25519, x25519.
sub key {
	my ($family, $n) = @_;

	$n ||= 1;

	return $cache{"$family-$n"} ||= _load("$family-$n", sub {
		return _generate($family);
	});
}


# jwk($key, %members): the public JWK as a hash; undef removes a member.
sub jwk {
	my ($key, %members) = @_;

	my $public = $public{$key} ||= [ $key,
		$key->export_key_jwk('public', 1) ];

	return merge({ %{ $public->[1] } }, \%members);
}


# jws(%how): a compact JWS.
#   payload  bytes, or a structure for json_text()
#   alg      header's algorithm; kid; header => { members, undef removes };
#            header_text => raw JSON of the header
#   key      Crypt::PK object, or bytes for HS*
#   sign     good (default), flip (one bit), empty, cut (last byte missing),
#            long (one byte more), pad (base64 padding), none, der (ES*)
#   sign_alg algorithm really used, when the header is to lie
sub jws {
	my (%o) = @_;

	my $sign = $o{sign} // 'good';
	my $alg = $sign eq 'none' ? 'none' : $o{alg};

	my $header = { alg => $alg, typ => 'JWT' };
	$header->{kid} = $o{kid} if defined $o{kid};
	merge($header, $o{header});

	my $head = $o{header_text} // json_text($header);
	my $body = ref $o{payload} ? json_text($o{payload}) : $o{payload};
	my $input = b64u($head) . '.' . b64u($body);

	return "$input." if $sign eq 'none' or $sign eq 'empty';

	my $sig = _sign($o{sign_alg} // $o{alg}, $o{key}, $input,
		$sign eq 'der');

	if ($sign eq 'flip') {
		substr($sig, 10, 1) ^= "\x01";

	} elsif ($sign eq 'cut') {
		chop $sig;

	} elsif ($sign eq 'long') {
		$sig .= "\0";
	}

	return "$input." . b64u($sig) . ($sign eq 'pad' ? '=' : '');
}


# jwe(%how): a compact JWE.
#   payload  bytes
#   alg enc  RSA-OAEP, RSA-OAEP-256, RSA1_5, ECDH-ES..., dir; A256GCM ...
#   key      public JWK, as of jwk(), which also gives the kid; bytes for dir
#   header   { members, undef removes }
#   break    the part, 0 to 4, of which a character is another
sub jwe {
	my (%o) = @_;

	my $alg = $o{alg};
	my $header = merge({ alg => $alg, enc => $o{enc}, cty => 'JWT',
		ref $o{key} && defined $o{key}{kid} ? (kid => $o{key}{kid})
			: () }, $o{header});
	my ($cek, $wrapped, $epk) = (random_bytes($cek_len{ $o{enc} }), '');

	if ($alg eq 'dir') {
		$cek = $o{key};

	} elsif ($alg =~ /^RSA/) {
		$wrapped = rsa_key_wrap(Crypt::PK::RSA->new($o{key}), $cek,
			$alg);

	} elsif ($alg eq 'ECDH-ES') {
		($cek, $epk) = _ecdh_es(_public($o{key}), $o{enc});

	} else {
		($wrapped, $epk) = ecdhaes_key_wrap(_public($o{key}), $cek,
			$alg);
	}

	$header->{epk} = ref $epk ? $epk : $json->decode($epk) if $epk;

	my $head = b64u(json_text($header));
	my ($text, $iv, $tag) = Crypt::JWT::_encrypt_jwe_payload($cek, $o{enc},
		$head, undef, $o{payload});
	my @part = ($head, map { b64u($_) } $wrapped, $iv, $text, $tag);

	substr($part[ $o{break} ], 5, 1) =~ tr/A-Za-z0-9_-/B-ZAb-za1-90AB/
		if defined $o{break};

	return join '.', @part;
}


# RFC 7518 4.6.2; Crypt::KeyWrap's does not count the rounds.
sub _ecdh_es {
	my ($public, $enc) = @_;

	my $mine = Crypt::PK::ECC->new->generate_key($public->curve2hash);
	my $info = $mine->shared_secret($public) . pack('N/a* N N N', $enc,
		0, 0, 8 * $cek_len{$enc});
	my $key = join '', map { digest_data('SHA256', pack('N', $_) . $info) }
		1, 2;

	return (substr($key, 0, $cek_len{$enc}),
		$mine->export_key_jwk('public'));
}


sub _public {
	my ($jwk) = @_;

	return $jwk->{kty} eq 'OKP' ? Crypt::PK::X25519->new($jwk)
		: Crypt::PK::ECC->new($jwk);
}


# merge(\%into, \%members): sets members, undef deletes; returns \%into.
sub merge {
	my ($into, $members) = @_;

	for my $name (keys %{ $members || {} }) {
		if (defined $members->{$name}) {
			$into->{$name} = $members->{$name};

		} else {
			delete $into->{$name};
		}
	}

	return $into;
}


# json_text($structure): JSON bytes; { '$raw' => text } anywhere in it is put
# out as it is (1e300, null, duplicate members after a value ...).
sub json_text {
	my ($data) = @_;

	my @raw;
	my $mark = 'raw-' . random_hex(8) . '-';
	my $text = $json->encode(_mark_raw($data, $mark, \@raw));
	$text =~ s/"$mark(\d+)"/$raw[$1]/g if @raw;

	return $text;
}


# a copy: the XS function sees nothing in what substr() lends
sub b64u { my ($data) = @_; return encode_b64u($data); }
sub b64u_decode { my ($text) = @_; return decode_b64u($text); }
sub random_hex { return random_bytes_hex($_[0]); }


# hash_half($alg, $value): at_hash and c_hash of OpenID Connect Core 3.1.3.6.
sub hash_half {
	my ($alg, $value) = @_;

	my $hash = digest_data($ALG{$alg} ? $ALG{$alg}[1] : 'SHA256', $value);

	return b64u(substr($hash, 0, length($hash) / 2));
}


# certificate($name): { cert, key, ca } as PEM file names.  Names: good
# (localhost, 127.0.0.1, *.example.test), wronghost, expired, future,
# selfsigned, otherca, client (good, but for clients only).
sub certificate {
	my ($name) = @_;

	my $dir = _dir();
	my $of = $name eq 'otherca' ? 'ca2' : 'ca';
	my %file = (cert => "$dir/$name.crt", key => "$dir/$name.key",
		ca => "$dir/$of.crt");

	_lock(sub {
		_make_ca("$dir/$of") if !-e "$dir/$of.crt";
		_make_certificate($name, \%file, "$dir/$of")
			if !-e $file{cert};
	});

	return \%file;
}

###############################################################################

sub _mark_raw {
	my ($data, $mark, $raw) = @_;

	if (ref $data eq 'HASH') {
		if (exists $data->{'$raw'}) {
			push @$raw, $data->{'$raw'};
			return $mark . $#$raw;
		}

		return { map { $_ => _mark_raw($data->{$_}, $mark, $raw) }
			keys %$data };
	}

	return [ map { _mark_raw($_, $mark, $raw) } @$data ]
		if ref $data eq 'ARRAY';

	return $data;
}


sub _sign {
	my ($alg, $key, $input, $der) = @_;

	my ($family, $digest) = @{ $ALG{$alg} or die "unknown alg $alg" };

	return hmac($digest, $key, $input) if $family eq 'oct';
	return $key->sign_message($input) if $family eq 'ed25519';
	return $key->sign_message($input, $digest, 'v1.5') if $family eq 'rsa';

	return $key->sign_message($input, $digest, 'pss',
		substr($digest, 3) / 8) if $family eq 'pss';

	return $der ? $key->sign_message($input, $digest)
		: $key->sign_message_rfc7518($input, $digest);
}


sub _generate {
	my ($family) = @_;

	if ($family =~ /^(?:rsa|pss)(\d*)$/) {
		my $key = Crypt::PK::RSA->new;
		$key->generate_key(($1 || 2048) / 8, 65537);
		return $key;
	}

	return Crypt::PK::Ed25519->new->generate_key if $family eq 'ed25519';
	return Crypt::PK::X25519->new->generate_key if $family eq 'x25519';

	return Crypt::PK::ECC->new->generate_key($curve{$family}
		or die "unknown key family $family");
}


sub _load {
	my ($name, $make) = @_;

	my $file = _dir() . "/$name.jwk";
	my $class = $name =~ /^p\d/ ? 'Crypt::PK::ECC'
		: $name =~ /^ed/ ? 'Crypt::PK::Ed25519'
		: $name =~ /^x/ ? 'Crypt::PK::X25519' : 'Crypt::PK::RSA';

	_lock(sub {
		_write($file, $make->()->export_key_jwk('private'))
			if !-e $file;
	});

	my $key = $class->new;
	$key->import_key($file);

	return $key;
}


sub _dir {
	my $dir = File::Spec->tmpdir() . "/test-oidc-keys-$>";

	mkdir $dir, 0700;

	my @stat = lstat $dir;
	die "$dir: not a private folder of ours"
		if !-d _ or $stat[4] != $> or $stat[2] & 022;

	return $dir;
}


sub _lock {
	my ($code) = @_;

	my $name = _dir() . '/lock';
	open my $fh, '>>', $name or die "$name: $!";
	flock $fh, 2 or die "$name: $!";
	$code->();
	close $fh;
}


sub _write {
	my ($name, $content) = @_;

	open my $fh, '>', "$name.new" or die "$name.new: $!";
	binmode $fh;
	print $fh $content;
	close $fh or die "$name.new: $!";
	rename "$name.new", $name or die "$name: $!";
}


sub _make_ca {
	my ($base) = @_;

	my ($cert, $key) = CERT_create(CA => 1,
		subject => { commonName => "Test CA $base" },
		key => KEY_create_rsa(2048), not_after => time() + 3e8,
		ext => [ { sn => 'keyUsage', critical => 1,
			data => 'keyCertSign,cRLSign' } ]);

	_write("$base.key", PEM_key2string($key));
	_write("$base.crt", PEM_cert2string($cert));
}


sub _make_certificate {
	my ($name, $file, $ca) = @_;

	my $host = $name eq 'wronghost' ? 'wrong.invalid' : 'localhost';
	my @names = ([ DNS => $host ]);

	push @names, [ IP => '127.0.0.1' ], [ DNS => '*.example.test' ]
		if $name ne 'wronghost';

	my ($cert, $key) = CERT_create(
		subject => { commonName => $host },
		subjectAltNames => \@names, key => KEY_create_rsa(2048),
		not_before => time() + ($name eq 'future' ? 9e7 : -9e6),
		not_after => time() + ($name eq 'expired' ? -9e5 : 3e8),
		purpose => $name eq 'client' ? 'client' : 'server',
		$name eq 'selfsigned' ? () : (issuer => [
			PEM_file2cert("$ca.crt"), PEM_file2key("$ca.key") ]));

	_write($file->{key}, PEM_key2string($key));
	_write($file->{cert}, PEM_cert2string($cert));
}

###############################################################################

1;
