package Test::OIDC::Provider;

# A real authorization server for tests, npm oidc-provider (the engine behind
# ProConnect), run by t/provider/provider.mjs.  Whoever comes is logged in at
# once as alice, so that Test::OIDC::Browser walks through it.
#
#	my $reason = Test::OIDC::Provider->missing();   # '' when it can run
#	my $p = Test::OIDC::Provider->start(port => $t->free_port(),
#		gateway => $t->url(''), jwks_uri => $t->url('/jwks'));
#	$p->issuer();
#	$p->nginx_conf('basic');    # issuer, client_id, client_secret
#	$p->secret('basic');
#	$p->user('bob');
#	my $token = $p->token(client => 'basic', scope => 'read',
#		resource => 'urn:api:jwt');     # user, jkt, x5t, ttl as well
#	$p->revoke($token);
#	$p->rotate(keep => 1);      # its keys; the old ones stay published
#	$p->forget_keys();          # fetches /jwks again at the next use
#	my @seen = $p->seen();      # since the last time: { event, client, ... }
#
# The clients are named for what they show: "basic" and "post" (a secret),
# "secret_jwt", "private_key_jwt" (keys of jwks_uri), "tls" (needs tls => 1,
# then the whole server is https with client certificates), "par" (nothing but
# pushed requests), "jar" (nothing but signed request objects), "encrypted" and
# "encrypted_rsa" (ID token, userinfo), and the resource servers "rs_json",
# "rs_signed", "rs_ecdh", "rs_rsa" (introspection).  clients => { name =>
# { members } } changes or adds some.  Resources: "urn:api:opaque",
# "urn:api:jwt", resources => { name => { as of oidc-provider } } adds.
# features and options go to oidc-provider's configuration, users => { name =>
# { claims, token_claims => { } } } to the accounts.

###############################################################################

use warnings;
use strict;

use Cwd qw/ abs_path /;
use File::Basename qw/ dirname /;
use IPC::Open2 qw/ open2 /;
use JSON::PP;

use Test::OIDC::Chromium;
use Test::OIDC::Keys;

###############################################################################

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $dir = abs_path(dirname(__FILE__) . '/../../../provider');

# Reasons why it cannot run here; an empty string when it can.

sub missing {
	return 'no node_modules in t/provider: run make deps'
		unless -d "$dir/node_modules/oidc-provider";
	return 'no node 20 or newer: run make deps'
		unless Test::OIDC::Chromium::node();
	return '';
}

# start(%o): port, gateway (base URL), jwks_uri; tls => 1; clients, resources,
# features, options, users, require_par.  Returns when it listens.

sub start {
	my ($class, %o) = @_;

	my $self = bless { port => $o{port}, tls => $o{tls}, id => 0,
		owner => $$ }, $class;
	my $tls = $o{tls} && Test::OIDC::Keys::certificate('good');

	$self->{clients} = _clients(%o);

	$self->{pid} = open2($self->{out}, $self->{in},
		Test::OIDC::Chromium::node(), "$dir/provider.mjs");
	$self->_say({ port => $o{port} + 0, $tls ? (tls => $tls) : (),
		clients => [ values %{ $self->{clients} } ],
		resources => { 'urn:api:opaque' => {},
			'urn:api:jwt' => { accessTokenFormat => 'jwt',
				jwt => { sign => { alg => 'ES256' } } },
			%{ $o{resources} || {} } },
		map { $_ => $o{$_} } grep { defined $o{$_} }
			qw/ features options users require_par / });
	$self->_answer();

	return $self;
}

sub issuer {
	my ($self) = @_;

	return ($self->{tls} ? 'https' : 'http')
		. "://127.0.0.1:$self->{port}";
}

sub client { return $_[0]{clients}{ $_[1] } || die "no client $_[1]"; }
sub secret { return $_[0]->client($_[1])->{client_secret}; }

sub nginx_conf {
	my ($self, $name) = @_;

	my $secret = $self->secret($name);

	return 'issuer ' . $self->issuer() . ";\nclient_id $name;\n"
		. (defined $secret ? "client_secret $secret;\n" : '');
}

sub user { my ($self, $name) = @_; $self->_ask('user', name => $name); }
sub token { my ($self, %o) = @_; return $self->_ask('token', %o); }
sub revoke { my ($self, $token) = @_; $self->_ask('revoke', token => $token); }
sub rotate { my ($self, %o) = @_; $self->_ask('rotate', %o); }
sub forget_keys { my ($self) = @_; $self->_ask('forget_keys'); }
sub seen { my ($self) = @_; return @{ $self->_ask('seen') }; }
sub jwks { my ($self) = @_; return $self->_ask('jwks'); }

sub stop {
	my ($self) = @_;

	my $pid = delete $self->{pid} or return;
	return unless $self->{owner} == $$;

	# a fake provider, forked since, may hold the other end of its input

	local $?;
	close $self->{in};
	kill 'TERM', $pid;
	waitpid $pid, 0;
}

sub DESTROY {
	my ($self) = @_;

	local ($@, $!);
	$self->stop();
}

###############################################################################

sub _clients {
	my (%o) = @_;

	my $gateway = $o{gateway} // 'http://127.0.0.1';
	my @uri = $o{jwks_uri} ? (jwks_uri => $o{jwks_uri}) : ();
	my %login = (redirect_uris => [ "$gateway/oidc_callback" ],
		grant_types => [ qw/ authorization_code refresh_token
			client_credentials / ]);
	my %server = (redirect_uris => [], response_types => [],
		grant_types => []);
	my %auth = map { my $m = $_; $m => {
		token_endpoint_auth_method => $m } } qw/ client_secret_basic
		client_secret_post client_secret_jwt private_key_jwt
		tls_client_auth none /;

	my %clients = (
		basic => { %login, %{ $auth{client_secret_basic} } },
		post => { %login, %{ $auth{client_secret_post} } },
		secret_jwt => { %login, %{ $auth{client_secret_jwt} } },
		par => { %login, %{ $auth{client_secret_basic} },
			require_pushed_authorization_requests => JSON::PP::true },
		rs_json => { %server, %{ $auth{client_secret_basic} } },
		rs_signed => { %server, %{ $auth{client_secret_post} },
			introspection_signed_response_alg => 'ES256' },
	);

	# keys of ours are only to be had where they are published

	%clients = (%clients,
		private_key_jwt => { %login, %{ $auth{private_key_jwt} }, @uri },
		jar => { %login, %{ $auth{client_secret_basic} }, @uri,
			require_signed_request_object => JSON::PP::true,
			request_object_signing_alg => 'ES256' },
		encrypted => { %login, %{ $auth{client_secret_basic} }, @uri,
			_encrypted('id_token', 'ES256', 'ECDH-ES'),
			_encrypted('userinfo', 'ES256', 'ECDH-ES') },
		encrypted_rsa => { %login, %{ $auth{client_secret_basic} }, @uri,
			_encrypted('id_token', 'RS256', 'RSA-OAEP'),
			_encrypted('userinfo', 'RS256', 'RSA-OAEP') },
		rs_ecdh => { %server, %{ $auth{client_secret_post} }, @uri,
			_encrypted('introspection', 'ES256', 'ECDH-ES') },
		rs_rsa => { %server, %{ $auth{client_secret_post} }, @uri,
			_encrypted('introspection', 'ES256', 'RSA-OAEP') },
	) if @uri;

	$clients{tls} = { %login, %{ $auth{tls_client_auth} },
		tls_client_auth_subject_dn => 'CN=gateway' } if $o{tls};

	my %more = %{ $o{clients} || {} };

	for my $name (keys %clients, keys %more) {
		my $client = $clients{$name} = { client_id => $name,
			%{ $clients{$name} || \%login }, %{ $more{$name} || {} } };

		$client->{client_secret} //= Test::OIDC::Keys::random_hex(32)
			if ($client->{token_endpoint_auth_method}
				// 'client_secret_basic') =~ /^client_secret_/;
	}

	return \%clients;
}

sub _encrypted {
	my ($what, $sign, $alg) = @_;

	return ("${what}_signed_response_alg" => $sign,
		"${what}_encrypted_response_alg" => $alg,
		"${what}_encrypted_response_enc" => 'A256GCM');
}

sub _say {
	my ($self, $message) = @_;

	my $in = $self->{in};
	local $SIG{PIPE} = 'IGNORE';
	print $in $json->encode($message) . "\n";
	$in->flush();
}

sub _ask {
	my ($self, $verb, %args) = @_;

	$self->_say({ id => ++$self->{id}, do => $verb, %args });

	return $self->_answer();
}

sub _answer {
	my ($self) = @_;

	my $out = $self->{out};
	my $line = <$out>;
	die "oidc-provider is gone\n" unless defined $line;

	my $answer = $json->decode($line);
	die "oidc-provider: $answer->{error}\n" if defined $answer->{error};

	return $answer->{value};
}

1;

###############################################################################
