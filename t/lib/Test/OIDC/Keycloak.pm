package Test::OIDC::Keycloak;

# The real Keycloak for a test file, with the realm of keycloak/demo-realm.json:
# started on a free port by keycloak/start, ended with the object or with the
# test, however that ends.  It takes some 20 seconds, so one per file.
#
#	my $kc = Test::OIDC::Keycloak->start(gateway => 'http://localhost:8080',
#		port => $port, dir => $dir, secret => 's3cret');
#	$kc->issuer();                           # ".../realms/demo"
#	my $client = $kc->client('gateway');     # as the admin API has it
#	$kc->update_client($client);
#	$kc->events('LOGIN');                    # newest first
#	$kc->admin_login();        # for the next call, where its time is taken
#	$kc->grant(grant_type => 'client_credentials', ...);  # a token request
#
# What the admin API refuses dies with its answer.

###############################################################################

use warnings;
use strict;

use File::Path ();
use File::Temp ();
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;

my $START_S = 300;	# two busy cores, several suites side by side

###############################################################################

# missing(): why Keycloak cannot run here; an empty string when it can.
sub missing {
	return 'no java: run make deps' if system('java -version >/dev/null 2>&1');
	return 'no Keycloak in build/cache: run make deps'
		unless glob 'build/cache/keycloak-*/.ready';
	return '';
}


# start(%o): gateway (base URL), port, dir, secret; returns when the realm
# answers.
sub start {
	my ($class, %o) = @_;

	my $self = bless { owner => $$, secret => 'demo-secret', %o }, $class;

	$self->{dir} //= File::Temp::tempdir('test-keycloak-XXXXXXXX',
		TMPDIR => 1, CLEANUP => 1);
	File::Path::make_path($self->{dir});
	$self->{port} //= _free_port();
	$self->{http} = HTTP::Tiny->new(timeout => 60, max_redirect => 0);

	my $ready = "$self->{dir}/ready";
	my $pid = fork() // die "fork: $!";

	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP PIPE /;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$self->{dir}/start.log";
		open STDERR, '>&', \*STDOUT;
		no warnings 'exec';
		exec 'setpriv', '--pdeathsig', 'TERM', 'keycloak/start',
			'--port', $self->{port}, '--data', $self->{dir},
			'--gateway', $self->{gateway}, '--ready', $ready,
			'--secret', $self->{secret};
		POSIX::_exit(127);
	}

	$self->{pid} = $pid;
	my $end = time() + $START_S;

	until (-e $ready) {
		if (waitpid($pid, WNOHANG) == $pid) {
			delete $self->{pid};
			die 'Keycloak did not start: ' . $self->log();
		}

		die 'Keycloak takes too long: ' . $self->log() if time() > $end;
		sleep 0.2;
	}

	return $self;
}


sub port { return $_[0]{port}; }
sub url { return "http://127.0.0.1:$_[0]{port}"; }
sub issuer { return $_[0]->url() . '/realms/demo'; }
sub secret { return $_[0]{secret}; }


# log(): what Keycloak and its start script have said.
sub log {
	my ($self) = @_;

	my $text = '';

	for my $file ("$self->{dir}/start.log", "$self->{dir}/keycloak.log") {
		open my $fh, '<', $file or next;
		local $/;
		$text .= <$fh>;
	}

	return $text;
}


# stop(): ends it, with what belongs to it.
sub stop {
	my ($self) = @_;

	my $pid = delete $self->{pid} or return;
	return unless $self->{owner} == $$;

	local $?;
	kill 'TERM', $pid;
	waitpid $pid, 0;
}


sub DESTROY {
	my ($self) = @_;

	local ($@, $!);
	$self->stop();
}

###############################################################################
# As a client of the realm.

# grant(%form): a token request; (status, answer as a hash).
sub grant {
	my ($self, %form) = @_;

	my $res = $self->{http}->post_form(
		$self->issuer() . '/protocol/openid-connect/token', \%form);

	return ($res->{status}, eval { decode_json($res->{content}) });
}


# keys(): the realm's own keys, a JWK Set.
sub keys {
	my ($self) = @_;

	my $res = $self->{http}->get(
		$self->issuer() . '/protocol/openid-connect/certs');

	return decode_json($res->{content});
}

###############################################################################
# As its administrator.

# admin_login(): the token of the next admin(), which then is one call.
sub admin_login {
	my ($self) = @_;

	my $res = $self->{http}->post_form(
		$self->url() . '/realms/master/protocol/openid-connect/token',
		{ grant_type => 'password', client_id => 'admin-cli',
			username => 'admin', password => 'admin' });

	die "admin login: $res->{status} $res->{content}"
		unless $res->{success};

	$self->{token} = decode_json($res->{content})->{access_token};

	return $self;
}


# admin($method, $path, $data): the realm's admin API.
sub admin {
	my ($self, $method, $path, $data) = @_;

	my $token = delete $self->{token}
		// $self->admin_login() && delete $self->{token};

	my $res = $self->{http}->request($method,
		$self->url() . "/admin/realms/demo$path", {
			headers => {
				'Authorization' => "Bearer $token",
				'Content-Type' => 'application/json' },
			defined $data ? (content => encode_json($data)) : () });

	die "$method $path: $res->{status} $res->{content}"
		unless $res->{success};

	return length $res->{content} ? decode_json($res->{content}) : undef;
}


# client($client_id): its representation.
sub client {
	my ($self, $id) = @_;

	return $self->admin('GET', "/clients?clientId=$id")->[0];
}


# update_client($client): writes a changed representation back.
sub update_client {
	my ($self, $client) = @_;

	return $self->admin('PUT', "/clients/$client->{id}", $client);
}


# events($type): what the realm remembers, newest first.
sub events {
	my ($self, $type) = @_;

	return $self->admin('GET', '/events'
		. (defined $type ? "?type=$type" : ''));
}

###############################################################################

sub _free_port {
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
		or die "no free port: $!";

	return $socket->sockport();
}

1;

###############################################################################
