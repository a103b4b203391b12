package Test::OIDC::IdpClient;

# What the fake provider knows of its client: how it authenticates (RFC 6749
# 2.3, RFC 7523, OpenID Connect Core 9, RFC 8705), pushed authorization requests
# (RFC 9126) and signed request objects (RFC 9101).  Strict: what is not as the
# standards have it is refused, in words that the test can look at.
#
# set(client => { ... }) besides id, secret and auth: keys => [ public JWK with
# kid ] of the client; aud => what an assertion must name (the issuer);
# par => 1: no request but a pushed one; object => 1: nothing but request
# objects.

use warnings;
use strict;

use base qw/ Test::OIDC::Server /;

use Crypt::JWT ();
use MIME::Base64 qw/ decode_base64 /;

use Test::OIDC::Clock qw/ now /;
use Test::OIDC::Keys qw/ b64u_decode random_hex /;

my $TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

###############################################################################

# RFC 6749 2.3.1: the parts of Basic are form-encoded first.
sub _bad_client {
	my ($self, $req) = @_;

	my $client = $self->_client();
	my $form = $req->{form};
	my ($how, $id, $secret) = ('none', $form->{client_id}, '');

	if (($req->{h}{authorization} // '') =~ /^Basic (\S+)$/i) {
		($id, $secret) = map { (keys %{
			Test::OIDC::Message::form_decode($_) })[0] }
			map { s/=/%3D/gr =~ s/&/%26/gr } split /:/,
			decode_base64($1), 2;
		$how = 'client_secret_basic';

	} elsif (defined $form->{client_assertion}) {
		$how = $self->_bad_assertion($form, $client)
			|| ($form->{client_assertion} =~ /^[^.]*/
				&& Test::OIDC::Keys::b64u_decode($&) =~ /"HS/
				? 'client_secret_jwt' : 'private_key_jwt');

	} elsif (defined $req->{certificate}) {
		$how = 'tls_client_auth';

	} elsif (defined $form->{client_secret}) {
		($how, $secret) = ('client_secret_post', $form->{client_secret});
	}

	$req->{auth} = $how;

	return if (grep { $_ eq $how } @{ $client->{auth} })
		and _is($id, $client->{id})
		and ($how !~ /^client_secret_(?:basic|post)$/
			or _is($secret, $client->{secret}));

	my $error = Test::OIDC::Idp::_error(401, 'invalid_client', $how);
	push @{ $error->{own_headers} },
		[ 'WWW-Authenticate' => 'Basic realm="fake"' ]
		if $how eq 'client_secret_basic';

	return $error;
}


# Why an assertion is none; '' when it is good.
sub _bad_assertion {
	my ($self, $form, $client) = @_;

	return 'client_assertion_type' if !_is($form->{client_assertion_type},
		$TYPE);
	return 'a secret beside it' if defined $form->{client_secret};

	my ($header, $claims) = $self->_opened($form->{client_assertion},
		$client);
	return 'signature' if !$claims;

	my $now = now();
	my $aud = $client->{aud} // $self->issuer();

	return 'iss or sub' if !_is($claims->{iss}, $client->{id})
		or !_is($claims->{sub}, $client->{id});
	return 'aud' if !_is($claims->{aud}, $aud);
	return 'iat or exp' if $claims->{iat} !~ /^\d+$/
		or $claims->{exp} !~ /^\d+$/ or $claims->{iat} > $now + 1
		or $claims->{exp} <= $now
		or $claims->{exp} - $claims->{iat} > 60;
	return 'jti' if length($claims->{jti} // '') < 16
		or $self->{jti}{ $claims->{jti} }++;

	return '';
}


# Header and claims of a JWS of the client, or nothing.
sub _opened {
	my ($self, $token, $client) = @_;

	return eval { Crypt::JWT::decode_jwt(token => $token,
		decode_header => 1, verify_exp => 0,
		accepted_alg => [ qw/ HS256 RS256 PS256 ES256 ES384 EdDSA / ],
		b64u_decode($token =~ /^([^.]*)/) =~ /"HS/
			? (key => $client->{secret})
			: (kid_keys => { keys => $client->{keys} || [] })) };
}


sub _answer_par {
	my ($self, $req) = @_;

	my $form = $req->{form};

	if (!$self->{bend}{lenient}) {
		my $error = $self->_bad_client($req);
		return $error if $error;
	}

	return Test::OIDC::Idp::_error(400, 'invalid_request', 'not here')
		if defined $form->{request_uri} or $req->{method} ne 'POST';

	my $uri = 'urn:ietf:params:oauth:request_uri:' . random_hex(16);
	$self->{pushed}{$uri} = { map { $_ => $form->{$_} }
		grep { !/^client_(?:secret|assertion)/ } keys %$form };

	return { status => 201, content_type => 'application/json',
		own_headers => [ [ 'Cache-Control' => 'no-store' ] ],
		json => Test::OIDC::Keys::merge({ request_uri => $uri,
			expires_in => 60 }, $self->{bend}{par}) };
}


# What is asked for, wherever it stands.
sub _request_args {
	my ($self, $args) = @_;

	my $client = $self->_client();

	if (defined $args->{request_uri}) {
		my $pushed = delete $self->{pushed}{ $args->{request_uri} };

		return {} if !$pushed or !_is($args->{client_id},
			$client->{id}) or keys %$args != 2;

		$args = $pushed;

	} elsif ($client->{par}) {
		return {};
	}

	return $client->{object} ? {} : $args if !defined $args->{request};

	my ($header, $claims) = $self->_opened($args->{request}, $client);
	my $now = now();

	return {} if !$claims or !_is($header->{typ}, 'oauth-authz-req+jwt')
		or !_is($claims->{iss}, $client->{id})
		or !_is($claims->{client_id}, $client->{id})
		or !_is($args->{client_id}, $client->{id})
		or !_is($claims->{aud}, $self->issuer())
		or $claims->{exp} <= $now or $claims->{exp} > $now + 61;

	return $claims;
}


sub _is { return defined $_[0] && !ref $_[0] && $_[0] eq $_[1]; }

###############################################################################

1;
