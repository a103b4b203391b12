package Test::OIDC::Idp;

# A fake OpenID Provider, correct by default (a strict authorization server with
# a Keycloak-like discovery document: RFC 6749, 7636, 8414, 9207, OpenID Connect
# Core, Discovery and RP-Initiated Logout) and wrong on request.
#
# Two kinds of bending.  What the answer says: set() keys, below.  How the
# answer is sent: answer() and once() of Test::OIDC::Server; once() also takes
# set => { ... } for one answer.  Endpoints: discovery, jwks, authorize, token,
# userinfo, end_session, introspect, revoke, par; "refresh" is the token endpoint
# asked with a refresh token; anything else is "other".
#
# Refresh tokens are good for one use (RFC 9700 4.14.2): one that comes again
# ends every token of its login, and is counted by reused().
#
# set() keys (undef: back to the default; any value may be { '$raw' => text }
# for JSON that a structure cannot say, null included):
#   user        who logs in (alice); users => { name => { claims } }
#   id_token    { alg, kid, claims, header, header_text, sign, sign_alg, key,
#               payload, raw } as of Keys::jws(); claims and header members are
#               added or replaced, undef removes; kid '' removes; key is
#               "other" or a family of Keys::key(), or "public_pem" (for HS*);
#               payload and raw (the whole token) are bytes
#               encrypt => { as of Keys::jwe() } around that
#   userinfo    the same, for the claims of userinfo; jwt => 1 answers a JWT
#   token       members of the token answer (undef removes)
#   metadata    members of the discovery document
#   jwk         members of each published key; jwks_add => [ jwk, ... ];
#               jwks_algs => [ alg, ... ] published (RS256, ES256 and whatever
#               id_token and userinfo sign with); jwks => the whole structure
#   authorize   parameters of the redirect back (undef removes, an array
#               repeats); { error => 'access_denied' } sends no code
#   iss         1: authorization responses carry iss and say so (RFC 9207)
#   rotate      0: refresh tokens stay good, and no new one is given
#   client      { id, secret, auth => [ methods ], redirect_uris => [ uri ] },
#               and as Test::OIDC::IdpClient says
#   lenient     1: the token endpoint checks nothing
#   tokens, introspect   see Test::OIDC::Introspect

use warnings;
use strict;

use base qw/ Test::OIDC::IdpClient /;

use Crypt::Digest qw/ digest_data /;

use Test::OIDC::Clock qw/ now /;
use Test::OIDC::Introspect;
use Test::OIDC::Keys qw/ b64u hash_half jwe jwk jws key merge random_hex /;

my %path = (
	'/.well-known/openid-configuration' => 'discovery',
	'/protocol/openid-connect/certs' => 'jwks',
	'/protocol/openid-connect/auth' => 'authorize',
	'/protocol/openid-connect/token' => 'token',
	'/protocol/openid-connect/userinfo' => 'userinfo',
	'/protocol/openid-connect/logout' => 'end_session',
	'/protocol/openid-connect/token/introspect' => 'introspect',
	'/protocol/openid-connect/revoke' => 'revoke',
	'/protocol/openid-connect/ext/par/request' => 'par',
);
my %endpoint = reverse %path;

my %user = (
	alice => { sub => '248289761001', name => 'Alice Adams',
		given_name => 'Alice', family_name => 'Adams',
		email => 'alice@example.test' },
	bob => { sub => '90342ad5-bob', name => 'Bob Brown',
		given_name => 'Bob', family_name => 'Brown',
		email => 'bob@example.test' },
	chloe => { sub => 'chloe-3', name => "Chlo\x{e9} M\x{fc}ller \x{2713}",
		given_name => "Chlo\x{e9}", family_name => "M\x{fc}ller",
		email => 'chloe@example.test' },
);

###############################################################################

# new(%o): as of Test::OIDC::Server; path => '/realms/test' puts all of it under
# that path; client_id, client_secret.
sub new {
	my ($class, %o) = @_;

	$o{client_id} //= 'gateway';
	$o{client_secret} //= random_hex(20);
	$o{path} //= '';

	return $class->SUPER::new(%o);
}


sub issuer { return $_[0]->url() . $_[0]{path}; }
sub client_id { return $_[0]{client_id}; }
sub client_secret { return $_[0]{client_secret}; }

# endpoint_url($endpoint)
sub endpoint_url { return $_[0]->issuer() . $endpoint{ $_[1] }; }

# set(key => value, ...): bends from now on.
sub set { my $self = shift; $self->call('set', @_); return $self; }

# rotate_keys(keep => 1): new keys under new kids; the old ones stay published
# with keep.  alg => only this one.
sub rotate_keys { my $self = shift; $self->call('rotate', @_); return $self; }

# kid($alg): key id in use.
sub kid { my $self = shift; return $self->call('kid', @_); }

# private_key($alg): the Crypt::PK object that signs now.
sub private_key {
	my ($self, $alg) = @_;

	return key($Test::OIDC::Keys::ALG{$alg}[0],
		$self->call('generation', $alg));
}


# issued(): { codes, access_tokens, refresh_tokens, id_tokens } so far, lists.
sub issued { my $self = shift; return $self->call('issued'); }


# reused(): how often a refresh token came that had been used before.
sub reused { my $self = shift; return $self->call('reused'); }

# alive($token): whether that access or refresh token is still good.
sub alive { my $self = shift; return $self->call('alive', @_); }


# nginx_conf(): the usual three directives.
sub nginx_conf {
	my ($self) = @_;

	return 'issuer ' . $self->issuer() . ";\n"
		. "client_id $self->{client_id};\n"
		. "client_secret $self->{client_secret};\n";
}

###############################################################################
# Below here it runs in the child.

sub child_init {
	my ($self) = @_;

	$self->{generation} = {};
	$self->{old} = [];
}


sub rpc_reset {
	my ($self) = @_;

	$self->{bend} = {};
	$self->SUPER::rpc_reset();

	return;
}


sub rpc_set {
	my ($self, %bend) = @_;

	merge($self->{bend}, \%bend);

	return;
}


sub rpc_rotate {
	my ($self, %o) = @_;

	my @algs = $o{alg} ? $o{alg} : keys %Test::OIDC::Keys::ALG;

	push @{ $self->{old} }, @{ $self->_jwks()->{keys} } if $o{keep};
	$self->{generation}{$_} = $self->rpc_generation($_) + 1 for @algs;

	return;
}


sub rpc_generation { return $_[0]{generation}{ $_[1] } || 1; }
sub rpc_kid { return lc($_[1]) . '-' . $_[0]->rpc_generation($_[1]); }
sub rpc_issued { return $_[0]{issued} || {}; }
sub rpc_reused { return $_[0]{reused} || 0; }


sub rpc_alive {
	my ($self, $token) = @_;

	my $code = $self->{refresh}{$token} || $self->{access}{$token};

	return $code && !$code->{ended} ? 1 : 0;
}


sub rpc_secrets {
	my ($self) = @_;

	return [ $self->{client_secret}, $self->_client()->{secret},
		@{ $self->{verifiers} || [] },
		map { @$_ } values %{ $self->{issued} || {} } ];
}


sub endpoint {
	my ($self, $req) = @_;

	my $path = $req->{path} // '';
	substr($path, 0, length $self->{path}) = ''
		if index($path, $self->{path}) == 0;

	my $endpoint = $path{$path} || 'other';

	return 'refresh' if $endpoint eq 'token' and _is(
		Test::OIDC::Message::form_decode($req->{body})->{grant_type},
		'refresh_token');
	return $endpoint;
}


sub handle {
	my ($self, $req, $set) = @_;

	local $self->{bend} = { %{ $self->{bend} }, %{ $set || {} } };

	my $method = "_answer_$req->{endpoint}";
	my $answer = $self->can($method) ? $self->$method($req)
		: _error(404, 'not_found');

	unshift @{ $answer->{own_headers} },
		[ 'Referrer-Policy' => 'no-referrer' ],
		[ 'X-Content-Type-Options' => 'nosniff' ];

	return $answer;
}


sub _client {
	my ($self) = @_;

	return { id => $self->{client_id}, secret => $self->{client_secret},
		auth => [ qw/ client_secret_basic client_secret_post / ],
		%{ $self->{bend}{client} || {} } };
}


sub _issue {
	my ($self, $kind, $value) = @_;

	push @{ $self->{issued}{$kind} }, $value;

	return $value;
}


sub _error {
	my ($status, $error, $text) = @_;

	return { status => $status, content_type => 'application/json',
		own_headers => [ [ 'Cache-Control' => 'no-store' ] ],
		json => { error => $error,
			$text ? (error_description => $text) : () } };
}

###############################################################################
# Discovery and keys.

sub _answer_discovery {
	my ($self) = @_;

	my @algs = qw/ RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512
		EdDSA HS256 HS384 HS512 /;
	my @auth = qw/ client_secret_basic client_secret_post
		client_secret_jwt private_key_jwt tls_client_auth /;
	my $bend = $self->{bend};

	my $metadata = {
		issuer => $self->issuer(),
		authorization_endpoint => $self->endpoint_url('authorize'),
		token_endpoint => $self->endpoint_url('token'),
		introspection_endpoint => $self->endpoint_url('introspect'),
		userinfo_endpoint => $self->endpoint_url('userinfo'),
		end_session_endpoint => $self->endpoint_url('end_session'),
		revocation_endpoint => $self->endpoint_url('revoke'),
		pushed_authorization_request_endpoint =>
			$self->endpoint_url('par'),
		jwks_uri => $self->endpoint_url('jwks'),
		grant_types_supported => [ qw/ authorization_code implicit
			refresh_token password client_credentials / ],
		response_types_supported => [ 'code', 'none', 'id_token',
			'code id_token' ],
		subject_types_supported => [ qw/ public pairwise / ],
		id_token_signing_alg_values_supported => \@algs,
		userinfo_signing_alg_values_supported => [ @algs, 'none' ],
		response_modes_supported => [ qw/ query fragment form_post / ],
		token_endpoint_auth_methods_supported =>
			$bend->{client} && $bend->{client}{auth} || \@auth,
		claims_supported => [ qw/ aud sub iss auth_time name given_name
			family_name preferred_username email acr / ],
		claim_types_supported => [ 'normal' ],
		claims_parameter_supported => JSON::XS::true,
		scopes_supported => [ qw/ openid profile email offline_access
			address phone roles / ],
		request_parameter_supported => JSON::XS::true,
		request_uri_parameter_supported => JSON::XS::true,
		code_challenge_methods_supported => [ qw/ plain S256 / ],
		tls_client_certificate_bound_access_tokens => JSON::XS::true,
		backchannel_logout_supported => JSON::XS::true,
		backchannel_logout_session_supported => JSON::XS::true,
		$bend->{iss} ? (authorization_response_iss_parameter_supported
			=> JSON::XS::true) : (),
	};

	return { content_type => 'application/json;charset=UTF-8',
		json => merge($metadata, $bend->{metadata}),
		own_headers => [ [ 'Cache-Control' =>
			'no-cache, must-revalidate, no-transform, no-store' ] ] };
}


sub _answer_jwks {
	my ($self) = @_;

	return { content_type => 'application/json;charset=UTF-8',
		json => $self->{bend}{jwks} || $self->_jwks(),
		own_headers => [ [ 'Cache-Control' => 'no-cache' ] ] };
}


sub _jwks {
	my ($self) = @_;

	my $bend = $self->{bend};
	my %seen;
	my @algs = grep { !$seen{$_}++ and !/^HS/ and $Test::OIDC::Keys::ALG{$_} }
		@{ $bend->{jwks_algs} || [ qw/ RS256 ES256 / ] },
		map { $bend->{$_}{alg} // () } qw/ id_token userinfo introspect /;

	my @keys = map { jwk($self->_key($_), kid => $self->rpc_kid($_),
		use => 'sig', alg => $_, %{ $bend->{jwk} || {} }) } @algs;

	push @keys, jwk(key('pss', 9), kid => 'enc-1', use => 'enc',
		alg => 'RSA-OAEP') if !$bend->{jwks_algs};

	return { keys => [ @keys, @{ $self->{old} },
		@{ $bend->{jwks_add} || [] } ] };
}


sub _key {
	my ($self, $alg) = @_;

	return key($Test::OIDC::Keys::ALG{$alg}[0],
		$self->rpc_generation($alg));
}

###############################################################################
# Front channel.

sub _answer_authorize {
	my ($self, $req) = @_;

	my $args = $self->_request_args($req->{method} eq 'POST'
		? $req->{form} : $req->{args});
	my $client = $self->_client();
	my $uri = $args->{redirect_uri};

	return _error(400, 'invalid_client') if !_is($args->{client_id},
		$client->{id});
	return _error(400, 'invalid_redirect_uri') if !defined $uri or ref $uri
		or $uri !~ m{^https?://} or $client->{redirect_uris}
		and !grep { $_ eq $uri } @{ $client->{redirect_uris} };

	my %back;
	$back{state} = $args->{state} if defined $args->{state};
	$back{iss} = $self->issuer() if $self->{bend}{iss};

	my $bend = $self->{bend}{authorize} || {};
	my $error = $bend->{error} ? '' : $self->_bad_authorize($args);

	if ($error) {
		$back{error} = $error;

	} elsif (!$bend->{error}) {
		my $code = $self->_issue(codes => random_hex(24));
		my $user = $self->{bend}{user} // 'alice';
		$self->{code}{$code} = { %$args, user => $user,
			time => now() };
		$back{code} = $code;
		$back{session_state} = $self->{code}{$code}{sid}
			= random_hex(16);
	}

	return { status => 302, own_headers => [ [ 'Cache-Control' =>
		'no-store' ], [ Location => _add($uri,
			merge(\%back, $bend)) ] ] };
}


sub _bad_authorize {
	my ($self, $args) = @_;

	return 'invalid_request' if grep { ref } values %$args;
	return 'unsupported_response_type'
		if !_is($args->{response_type}, 'code');
	return 'invalid_scope' if ($args->{scope} // '') !~ /\bopenid\b/;
	return 'invalid_request' if defined $args->{code_challenge}
		and !_is($args->{code_challenge_method}, 'S256');

	return '';
}


sub _answer_end_session {
	my ($self, $req) = @_;

	my $args = $req->{method} eq 'POST' ? $req->{form} : $req->{args};
	my $uri = $args->{post_logout_redirect_uri};

	return { content_type => 'text/html', body => 'logged out' }
		if !defined $uri or ref $uri;

	return _error(400, 'invalid_request',
		'id_token_hint or client_id is needed')
		if !defined $args->{id_token_hint}
		and !defined $args->{client_id};

	my %back = defined $args->{state} ? (state => $args->{state}) : ();

	return { status => 302, own_headers => [ [ Location => _add($uri,
		merge(\%back, $self->{bend}{end_session})) ] ] };
}


sub _add {
	my ($uri, $args) = @_;

	my @pairs = map { my $n = $_; map { _escape($n) . '=' . _escape($_) }
		ref $args->{$n} ? @{ $args->{$n} } : $args->{$n} }
		sort keys %$args;

	return $uri if !@pairs;
	return $uri . ($uri =~ /\?/ ? '&' : '?') . join '&', @pairs;
}


sub _escape {
	my ($text) = @_;

	utf8::encode($text) if utf8::is_utf8($text);
	$text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;

	return $text;
}


sub _is { return defined $_[0] && !ref $_[0] && $_[0] eq $_[1]; }

###############################################################################
# Token endpoint.

sub _answer_token {
	my ($self, $req) = @_;

	my $form = $req->{form};
	my $grant = $form->{grant_type} // '';

	push @{ $self->{verifiers} }, $form->{code_verifier}
		if defined $form->{code_verifier};

	if (!$self->{bend}{lenient}) {
		my $error = $self->_bad_client($req);
		return $error if $error;

		return _error(400, 'invalid_request', 'method, type, repetition')
			if $req->{method} ne 'POST' or grep { ref } values %$form
			or ($req->{h}{'content-type'} // '')
			!~ m{^application/x-www-form-urlencoded}i;
	}

	return $self->_by_code($form) if $grant eq 'authorization_code';
	return $self->_by_refresh($form) if $grant eq 'refresh_token';
	return _error(400, 'unsupported_grant_type');
}


sub _by_code {
	my ($self, $form) = @_;

	my $lenient = $self->{bend}{lenient};
	my $code = delete $self->{code}{ $form->{code} // '' };

	return _error(400, 'invalid_grant', 'unknown or used code') if !$code;

	if (!$lenient) {
		return _error(400, 'invalid_grant', 'redirect_uri differs')
			if !_is($form->{redirect_uri}, $code->{redirect_uri});

		my $verifier = $form->{code_verifier};

		return _error(400, 'invalid_grant', 'PKCE')
			if defined $verifier != defined $code->{code_challenge}
			or defined $verifier
			and ($verifier !~ /^[A-Za-z0-9._~-]{43,128}$/
				or b64u(digest_data('SHA256', $verifier))
					ne $code->{code_challenge});
	}

	return $self->_tokens($code);
}


sub _answer_refresh { return $_[0]->_answer_token($_[1]); }


sub _by_refresh {
	my ($self, $form) = @_;

	my $token = $form->{refresh_token} // '';
	my $code = $self->{refresh}{$token};
	my $rotate = $self->{bend}{rotate} // 1;

	if ($self->{used}{$token}) {
		$self->{reused}++;
		$self->{used}{$token}{ended} = 1;
	}

	return _error(400, 'invalid_grant', 'unknown or used')
		if !$code or $code->{ended};

	$self->{used}{$token} = delete $self->{refresh}{$token} if $rotate;

	local $self->{bend}{token} = { %{ $self->{bend}{token} || {} },
		$rotate ? () : (refresh_token => undef) };

	return $self->_tokens($code, 1);
}


# RFC 7009: 200 for a token that nobody knows as well.
sub _answer_revoke {
	my ($self, $req) = @_;

	my $error = $self->_bad_client($req);
	return $error if $error;

	my $token = $req->{form}{token};
	return _error(400, 'invalid_request')
		if !defined $token or ref $token or $req->{method} ne 'POST';

	my $code = delete $self->{refresh}{$token};
	$code->{ended} = 1 if $code;
	delete $self->{access}{$token};

	return { body => '' };
}


sub _tokens {
	my ($self, $code, $refreshed) = @_;

	my $bend = $self->{bend};
	my $answer = {
		access_token => random_hex(32), token_type => 'Bearer',
		expires_in => 300, refresh_token => random_hex(32),
		refresh_expires_in => 1800, 'not-before-policy' => 0,
		session_state => $code->{sid}, scope => $code->{scope} };

	merge($answer, { %{ $bend->{token} || {} }, id_token =>
		$answer->{id_token} });

	my $access = $answer->{access_token};
	$self->_issue(access_tokens => $access)
		if defined $access and !ref $access;
	$answer->{id_token} = $self->_issue(id_tokens =>
		$self->_id_token($code, $access, $refreshed));
	merge($answer, { id_token => $bend->{token}{id_token} })
		if exists(($bend->{token} || {})->{id_token});

	$self->{access}{$access} = $code if defined $access and !ref $access;

	my $refresh = $answer->{refresh_token};
	$self->{refresh}{ $self->_issue(refresh_tokens => $refresh) } = $code
		if defined $refresh and !ref $refresh;

	return { content_type => 'application/json', json => $answer,
		own_headers => [ [ 'Cache-Control' => 'no-store' ],
			[ Pragma => 'no-cache' ] ] };
}


sub _claims {
	my ($self, $user) = @_;

	my $users = { %user, %{ $self->{bend}{users} || {} } };
	my $claims = $users->{$user} || { sub => "sub-$user", name => $user,
		email => "$user\@example.test" };

	return (email_verified => JSON::XS::true,
		preferred_username => $user, %$claims);
}


# Core 12.2: one that is refreshed has no nonce, and the auth_time of the login.
sub _id_token {
	my ($self, $code, $access, $refreshed) = @_;

	my $alg = ($self->{bend}{id_token} || {})->{alg} // 'RS256';
	my $now = now();

	my $claims = {
		iss => $self->issuer(), aud => $self->_client()->{id},
		azp => $self->_client()->{id}, iat => $now, exp => $now + 300,
		auth_time => $code->{auth_time} //= $now - 1, jti => random_hex(16), typ => 'ID',
		sid => $code->{sid}, session_state => $code->{sid}, acr => '1',
		defined $code->{nonce} && !$refreshed ? (nonce => $code->{nonce}) : (),
		defined $access && !ref $access
			? (at_hash => hash_half($alg, $access)) : (),
		$self->_claims($code->{user}) };

	return $self->_token(id_token => $claims);
}


# Signs claims as $self->{bend}{$what} says, or $bend where it is given.
sub _token {
	my ($self, $what, $claims, $bend) = @_;

	$bend ||= $self->{bend}{$what} || {};
	my $alg = $bend->{alg} // 'RS256';

	return $bend->{raw} if defined $bend->{raw};

	my $from = $bend->{sign_alg} // $alg;
	my $key = $self->_signing_key($from, $bend->{key});
	my $kid = $bend->{kid} // ($alg =~ /^HS/ ? '' : $self->rpc_kid($alg));

	my $jws = jws(alg => $alg, key => $key, kid => $kid eq '' ? undef : $kid,
		(map { $_ => $bend->{$_} } grep { defined $bend->{$_} }
			qw/ header header_text sign sign_alg /),
		payload => $bend->{payload}
			// merge($claims, $bend->{claims}));

	return $bend->{encrypt} ? jwe(payload => $jws, %{ $bend->{encrypt} })
		: $jws;
}


sub _signing_key {
	my ($self, $alg, $which) = @_;

	my $family = ($Test::OIDC::Keys::ALG{$alg} || [ 'rsa' ])->[0];

	return $self->_key('RS256')->export_key_pem('public_x509')
		if ($which // '') eq 'public_pem';
	return $self->_client()->{secret} if $family eq 'oct';
	return $self->_key($alg) if !defined $which;
	return key($family, 99) if $which eq 'other';
	return key($which);
}

###############################################################################
# Introspection.

sub _answer_introspect { return Test::OIDC::Introspect::answer(@_); }

###############################################################################
# Userinfo.

sub _answer_userinfo {
	my ($self, $req) = @_;

	my $bend = $self->{bend}{userinfo} || {};
	my ($token) = ($req->{h}{authorization} // '') =~ /^Bearer (\S+)$/;
	my $code = $self->{access}{ $token // '' };

	if (!$code or $code->{ended}) {
		my $error = _error(401, 'invalid_token');
		push @{ $error->{own_headers} }, [ 'WWW-Authenticate' =>
			'Bearer realm="fake", error="invalid_token"' ];
		return $error;
	}

	my $claims = { $self->_claims($code->{user}) };

	if (!$bend->{jwt}) {
		return { content_type => 'application/json',
			defined $bend->{payload} ? (body => $bend->{payload})
			: (json => merge($claims, $bend->{claims})) };
	}

	$claims->{iss} = $self->issuer();
	$claims->{aud} = $self->_client()->{id};

	return { content_type => 'application/jwt',
		body => $self->_token(userinfo => $claims) };
}

###############################################################################

1;
