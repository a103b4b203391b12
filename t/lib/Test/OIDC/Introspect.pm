package Test::OIDC::Introspect;

# The introspection endpoint of the fake provider (RFC 7662, RFC 9701), correct
# by default and wrong on request; and access tokens as JWTs (RFC 9068).
#
# set() keys of Test::OIDC::Idp:
#   tokens      { token => { members of its answer } }; what is not there is
#               not active
#   introspect  { claims   added to the answer of an active token (undef removes)
#                 raw      bytes instead of it
#                 as       json (default), jwt (Keycloak's: JSON with a member
#                          "jwt"), signed, encrypted; whatever Accept says
#                 outer    members of the JWT around it
#                 alg, kid, header, sign, sign_alg, key   as id_token's
#                 type     Content-Type
#                 encrypt  { alg, enc, jwk => our public key, kid, header,
#                            plain => bytes instead of the JWS, broken => 1 } }

use warnings;
use strict;

use Crypt::JWT qw/ encode_jwt /;
use JSON::XS ();

use Test::OIDC::Clock qw/ now /;
use Test::OIDC::Keys qw/ json_text merge random_hex /;

my %type = (json => 'application/json', jwt => 'application/json',
	signed => 'application/token-introspection+jwt; charset=utf-8',
	encrypted => 'application/token-introspection+jwt; charset=utf-8');

###############################################################################

# answer($idp, $req): in the child.
sub answer {
	my ($idp, $req) = @_;

	my $bend = $idp->{bend}{introspect} || {};
	my $as = $bend->{as} || 'json';
	my $error = $idp->_bad_client($req);
	return $error if $error;

	my $token = $req->{form}{token} // '';
	my $known = ($idp->{bend}{tokens} || {})->{$token};
	my $claims = { active => JSON::XS::false };

	$claims = merge({ active => JSON::XS::true, iss => $idp->issuer(),
		sub => '248289761001', client_id => 'app', scope => 'openid email',
		aud => $idp->client_id(), token_type => 'Bearer',
		iat => now(), exp => now() + 300, %$known }, $bend->{claims})
		if $known;

	return { content_type => $bend->{type} // $type{$as},
		own_headers => [ [ 'Cache-Control' => 'no-store' ] ],
		body => $bend->{raw} // body($idp, $bend, $as, $claims) };
}


sub body {
	my ($idp, $bend, $as, $claims) = @_;

	return json_text($claims) if $as eq 'json';

	my $typ = $as eq 'jwt' ? 'JWT' : 'token-introspection+jwt';
	my $jwt = $idp->_token(introspect => merge($as eq 'jwt' ? { %$claims }
		: { iss => $idp->issuer(), aud => $idp->client_id(),
			iat => now(), token_introspection => $claims },
		$bend->{outer}), { (map { $_ => $bend->{$_} }
			grep { exists $bend->{$_} }
			qw/ alg kid sign sign_alg key / ),
			header => { typ => $typ, %{ $bend->{header} || {} } } });

	return json_text(merge($claims, { jwt => $jwt })) if $as eq 'jwt';
	return $jwt if $as ne 'encrypted';

	return encrypt($bend->{encrypt}, $jwt, { iss => $idp->issuer(),
		aud => $idp->client_id() });
}


# encrypt(\%how, $jws, \%more): a compact JWE around it.
sub encrypt {
	my ($how, $jws, $more) = @_;

	my $jwe = encode_jwt(payload => $how->{plain} // $jws,
		key => $how->{jwk}, alg => $how->{alg} // 'RSA-OAEP',
		enc => $how->{enc} // 'A256GCM', allow_none => 1,
		extra_headers => merge({ cty => 'JWT', %{ $more || {} },
			kid => $how->{kid} // $how->{jwk}{kid} },
			$how->{header}));

	if ($how->{broken}) {
		my @parts = split /\./, $jwe;
		my $c = \substr($parts[$how->{broken}], 5, 1);
		$$c = $$c eq 'A' ? 'B' : 'A';
		$jwe = join '.', @parts;
	}

	return $jwe;
}


# access_token($idp, \%claims, %how): a JWT that the provider has signed, in the
# test's process.  %how as of Keys::jws(); alg RS256, typ at+jwt.
sub access_token {
	my ($idp, $claims, %how) = @_;

	my $alg = $how{alg} // 'RS256';

	$how{key} //= $idp->private_key($alg);
	$how{kid} = $idp->kid($alg) if !exists $how{kid};

	return Test::OIDC::Keys::jws(alg => $alg, %how,
		header => { typ => 'at+jwt', %{ $how{header} || {} } },
		payload => $how{payload} // merge({ iss => $idp->issuer(),
			sub => '248289761001', client_id => 'app',
			aud => $idp->client_id(), scope => 'openid email',
			jti => random_hex(16), iat => now(),
			exp => now() + 300 }, $claims));
}

###############################################################################

1;
