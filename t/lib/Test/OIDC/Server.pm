package Test::OIDC::Server;

# A scripted HTTP/1.1 server in a forked child: the fake provider and the echo
# backend stand on it.  It parses requests, records them, asks handle() of the
# subclass for an answer and sends that answer bent as the test has asked: late,
# cut, chunked, too long, compressed, never.  It never decides anything about
# OpenID Connect.  The test process talks to the child over a socket pair, so
# that control still works while the server is "down".
#
# Test::OIDC::Message lists the members of an answer and of its bending.

use warnings;
use strict;

use AnyEvent;
use AnyEvent::Handle;
use AnyEvent::TLS ();
use EV;
use IO::Socket::INET;
use POSIX ();
use Socket;
use Storable ();
use Time::HiRes qw/ time /;

use Test::OIDC::Keys qw/ merge /;
use Test::OIDC::Message;

###############################################################################

# new(%o): forks the server.  port (of 127.0.0.1), tls => { cert, key } files,
# client_ca => file: asks clients for certificates of this CA, { certificate } of
# a request is then their subject,
# hook => { endpoint => sub ($req, $answer) }, called in the child, stderr file.
sub new {
	my ($class, %o) = @_;

	my $self = bless { %o, owner => $$ }, $class;

	$self->{listen} = $self->_listen();
	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
		or die "socketpair: $!";

	my $pid = fork() // die "fork: $!";

	if ($pid == 0) {
		close $ours;
		eval { $self->_child($theirs); };
		warn $@ if $@;
		POSIX::_exit(1);
	}

	close $theirs;
	close delete $self->{listen};

	$self->{pid} = $pid;
	$self->{ctl} = $ours;

	return $self;
}


# call($verb, @args): runs rpc_$verb in the child, returns what it returns.
sub call {
	my ($self, @args) = @_;

	local $SIG{PIPE} = 'IGNORE';
	my $bytes = Storable::nfreeze(\@args);
	$bytes = pack('N', length $bytes) . $bytes;

	while (length $bytes) {
		my $n = syswrite $self->{ctl}, $bytes;
		die "fake server is gone: $!" if !defined $n;
		substr($bytes, 0, $n) = '';
	}

	my $n = unpack 'N', $self->_read(4);
	my $answer = Storable::thaw($self->_read($n));
	die $answer->{error} if defined $answer->{error};

	return wantarray ? @{ $answer->{result} } : $answer->{result}[-1];
}


sub port { return $_[0]{port}; }
sub scheme { return $_[0]{tls} ? 'https' : 'http'; }
sub url { return $_[0]->scheme() . "://127.0.0.1:$_[0]{port}"; }
sub address { return "127.0.0.1:$_[0]{port}"; }

# answer($endpoint => \%bending): for all answers from now on (undef: ends).
sub answer { my $self = shift; $self->call('answer', @_); return $self; }

# once($endpoint => \%bending, $n): for the next answer, or the next $n.
sub once { my $self = shift; $self->call('once', @_); return $self; }

# reset(): no bending, nothing recorded.
sub reset { my $self = shift; $self->call('reset'); return $self; }

# forget(): nothing recorded, the bending stays.
sub forget { my $self = shift; $self->call('forget'); return $self; }

# requests($endpoint): recorded requests, oldest first: { n, endpoint, method,
# uri, path, version, args, form, headers => [ [ name, value ] ], h => { lower
# case name => value }, body, time, connection, status }.
sub requests { my $self = shift; return @{ $self->call('requests', @_) }; }

# last($endpoint): the youngest recorded request.
sub last { my $self = shift; return $self->call('last', @_); }

# count($endpoint): how many requests so far.
sub count { my $self = shift; return $self->call('count', @_); }

# wait_count($endpoint, $n, $seconds): waits until count() >= $n; its value.
sub wait_count { my $self = shift; return $self->call('wait_count', @_); }

# connections(): { open => now, total => ever accepted, max => at once }.
sub connections { my $self = shift; return $self->call('connections'); }

# record($bool): recording off for bulk runs; counters go on.
sub record { my $self = shift; $self->call('record', @_); return $self; }

# secrets(): values that must never be logged by the gateway.
sub secrets { my $self = shift; return @{ $self->call('secrets') }; }

# down(), up(): refuses connections, as a stopped process; same port after.
sub down { my $self = shift; $self->call('down'); return $self; }
sub up { my $self = shift; $self->call('up'); return $self; }

# blackhole($bool): accepts and reads, never answers.
sub blackhole { my $self = shift; $self->call('blackhole', @_); return $self; }

# drop_connections(): closes those that are open.
sub drop_connections { my $self = shift; $self->call('drop'); return $self; }

# finish(): ends the child.
sub finish {
	my ($self) = @_;

	return if $self->{owner} != $$ or !$self->{pid};

	close $self->{ctl};
	kill 'KILL', $self->{pid};
	local $?;
	waitpid $self->{pid}, 0;
	delete $self->{pid};
}


sub DESTROY { local ($@, $!, $?); $_[0]->finish(); }

###############################################################################

sub _read {
	my ($self, $want) = @_;

	my $bytes = '';
	my $end = time() + 120;

	while (length $bytes < $want) {
		my $mask = '';
		vec($mask, fileno $self->{ctl}, 1) = 1;
		my $left = $end - time();
		die "fake server does not answer" if $left <= 0;
		next if select($mask, undef, undef, $left) <= 0;

		my $n = sysread $self->{ctl}, $bytes, $want - length $bytes,
			length $bytes;
		die "fake server is gone" if !$n;
	}

	return $bytes;
}


sub _listen {
	my ($self) = @_;

	return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 4096,
		LocalPort => $self->{port}, ReuseAddr => 1, Blocking => 0)
		|| die "port $self->{port}: $!";
}


sub _child {
	my ($self, $ctl) = @_;

	$SIG{PIPE} = 'IGNORE';
	$SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP CHLD __DIE__ /;
	setpgrp;
	EV::default_loop()->loop_fork();

	open STDIN, '<', '/dev/null';
	open STDOUT, '>', '/dev/null';
	open STDERR, '>>', $self->{stderr} // '/dev/null';

	$self->{conn} = {};
	$self->{total} = $self->{max} = 0;
	$self->{recording} = 1;
	$self->_forget();
	$self->rpc_reset();
	$self->child_init();
	$self->_accept();

	my $in = '';
	my $parent = getppid();
	my $watch = EV::io($ctl, EV::READ, sub {
		POSIX::_exit(0) if !sysread $ctl, $in, 1 << 20, length $in;

		while (length $in >= 4 and length $in >= 4 + unpack 'N', $in) {
			my $n = unpack 'N', substr $in, 0, 4, '';
			my @args = @{ Storable::thaw(substr $in, 0, $n, '') };
			$self->_control($ctl, @args);
		}
	});
	my $alive = EV::timer(2, 2, sub {
		POSIX::_exit(0) if getppid() != $parent;
	});

	EV::run();
}


sub _control {
	my ($self, $ctl, $verb, @args) = @_;

	my $reply = sub {
		my $bytes = Storable::nfreeze($_[0]);
		$bytes = pack('N', length $bytes) . $bytes;

		while (length $bytes) {
			my $n = syswrite $ctl, $bytes;
			POSIX::_exit(0) if !defined $n;
			substr($bytes, 0, $n) = '';
		}
	};

	return $self->_wait_count($reply, @args) if $verb eq 'wait_count';

	my $method = "rpc_$verb";
	my @result = eval { $self->$method(@args) };

	$reply->($@ ? { error => "$@" } : { result => \@result });
}


sub _wait_count {
	my ($self, $reply, $endpoint, $n, $timeout) = @_;

	my $wait = { endpoint => $endpoint, n => $n, reply => $reply };
	$wait->{timer} = EV::timer($timeout // 10, 0, sub {
		$wait->{n} = 0;
		$self->_wake();
	});

	push @{ $self->{waiting} }, $wait;
	$self->_wake();
}


sub _wake {
	my ($self) = @_;

	my @keep;

	for my $wait (@{ $self->{waiting} }) {
		my $count = $self->rpc_count($wait->{endpoint});

		if ($count < $wait->{n}) {
			push @keep, $wait;
			next;
		}

		delete $wait->{timer};
		$wait->{reply}->({ result => [ $count ] });
	}

	$self->{waiting} = \@keep;
}

###############################################################################
# Verbs of the control connection, run in the child.

sub child_init { }
sub rpc_secrets { return []; }


sub rpc_reset {
	my ($self) = @_;

	$self->{answer} = {};
	$self->{once} = {};
	$self->{hole} = 0;
	$self->_forget();

	return;
}


sub rpc_forget { $_[0]->_forget(); return; }


sub _forget {
	my ($self) = @_;

	$self->{recorded} = [];
	$self->{count} = {};
}


sub rpc_answer {
	my ($self, $endpoint, $bending) = @_;

	merge($self->{answer}, { $endpoint => $bending });

	return;
}


sub rpc_once {
	my ($self, $endpoint, $bending, $n) = @_;

	push @{ $self->{once}{$endpoint} }, ($bending) x ($n || 1);

	return;
}


sub rpc_requests {
	my ($self, $endpoint) = @_;

	return [ grep { !defined $endpoint or $_->{endpoint} eq $endpoint }
		@{ $self->{recorded} } ];
}


sub rpc_last {
	my ($self, $endpoint) = @_;

	return $self->rpc_requests($endpoint)->[-1];
}


sub rpc_count {
	my ($self, $endpoint) = @_;

	return $self->{count}{$endpoint // ''} || 0;
}


sub rpc_connections {
	my ($self) = @_;

	return { open => scalar keys %{ $self->{conn} },
		total => $self->{total}, max => $self->{max} };
}


sub rpc_record { $_[0]{recording} = $_[1]; return; }
sub rpc_blackhole { $_[0]{hole} = $_[1] // 1; return; }


sub rpc_down {
	my ($self) = @_;

	delete $self->{acceptor};
	close delete $self->{listen} if $self->{listen};
	$self->rpc_drop();

	return;
}


sub rpc_up {
	my ($self) = @_;

	return if $self->{listen};
	$self->{listen} = $self->_listen();
	$self->_accept();

	return;
}


sub rpc_drop {
	my ($self) = @_;

	$self->_close($_) for values %{ $self->{conn} };

	return;
}

###############################################################################
# Connections.

sub _accept {
	my ($self) = @_;

	$self->{acceptor} = EV::io($self->{listen}, EV::READ, sub {
		for (1 .. 64) {
			my $fh = $self->{listen}->accept() or last;
			$self->_open($fh);
		}
	});
}


sub _open {
	my ($self, $fh) = @_;

	my $c = { id => ++$self->{total}, timers => [] };

	$fh->blocking(0);
	$self->{conn}{ $c->{id} } = $c;
	my $open = keys %{ $self->{conn} };
	$self->{max} = $open if $open > $self->{max};

	$c->{h} = AnyEvent::Handle->new(fh => $fh, no_delay => 1,
		rbuf_max => 32 << 20,
		$self->{tls} ? (tls => 'accept', tls_ctx => $self->_tls()) : (),
		on_error => sub { $self->_close($c) },
		on_eof => sub { $self->_close($c) },
		on_read => sub { $self->_on_read($c) });
}


sub _tls {
	my ($self) = @_;

	return $self->{tls_ctx} ||= AnyEvent::TLS->new(
		cert_file => $self->{tls}{cert},
		key_file => $self->{tls}{key}, method => 'any',
		$self->{client_ca} ? (verify => 1,
			ca_file => $self->{client_ca}) : ());
}


# Subject of the client's certificate.
sub _certificate {
	my ($c) = @_;

	my $cert = Net::SSLeay::get_peer_certificate($c->{h}{tls}) or return;
	my $name = Net::SSLeay::X509_NAME_oneline(
		Net::SSLeay::X509_get_subject_name($cert));

	Net::SSLeay::X509_free($cert);

	return $name;
}


sub _close {
	my ($self, $c) = @_;

	delete $self->{conn}{ $c->{id} };
	$c->{timers} = [];
	$c->{gone} = 1;
	(delete $c->{h})->destroy() if $c->{h};
}


sub _on_read {
	my ($self, $c) = @_;

	return if $c->{busy} or $self->{hole};

	while (!$c->{gone} and !$c->{busy} and length $c->{h}{rbuf}) {
		my $req = Test::OIDC::Message::parse($c) or return;

		$req->{certificate} = _certificate($c) if $self->{client_ca};
		$c->{busy} = 1;
		$self->_serve($c, $req);
	}
}


sub _serve {
	my ($self, $c, $req) = @_;

	my $endpoint = $req->{endpoint} = $self->endpoint($req);
	my $once = shift @{ $self->{once}{$endpoint} || [] };
	my %bend = (%{ $self->{answer}{$endpoint} || {} }, %{ $once || {} });

	my $answer = eval { $self->handle($req, $bend{set}) }
		|| { status => 500, body => "fake server: $@" };
	delete $answer->{json} if exists $bend{body};
	$answer = { %$answer, %bend };
	$self->{hook}{$endpoint}->($req, $answer)
		if $self->{hook} and $self->{hook}{$endpoint};

	$req->{status} = $answer->{status} //= 200;
	$req->{n} = ++$self->{count}{''};
	$self->{count}{$endpoint}++;

	if ($self->{recording}) {
		push @{ $self->{recorded} }, $req;
		splice @{ $self->{recorded} }, 0, 5000
			if @{ $self->{recorded} } > 20000;
	}

	$self->_wake() if @{ $self->{waiting} || [] };

	return if $answer->{hang};

	_after($c, $answer->{delay}, sub { $self->_send($c, $req, $answer) });
}


sub _after {
	my ($c, $ms, $code) = @_;

	return $code->() if !$ms;

	push @{ $c->{timers} }, EV::timer($ms / 1000, 0, sub {
		$code->() if !$c->{gone};
	});
}


sub _send {
	my ($self, $c, $req, $a) = @_;

	return $self->_reset($c) if $a->{reset} and !defined $a->{cut};

	if (defined $a->{raw}) {
		$c->{h}->push_write($a->{raw});
		return $self->_done($c, { %$a, close => 1 });
	}

	my ($head, @body) = Test::OIDC::Message::render($req, $a);

	if (defined $a->{cut}) {
		$c->{h}->push_write(substr join('', $head, @body), 0,
			$a->{cut}) if $a->{cut};
		return $self->_reset($c) if $a->{reset};
		return $self->_done($c, { close => 1 });
	}

	if (!$a->{body_delay} and !$a->{chunk_delay} and !$a->{endless}) {
		$c->{h}->push_write(join '', $head, @body);
		return $self->_done($c, $a, $req);
	}

	$c->{h}->push_write($head);
	_after($c, $a->{body_delay}, sub {
		$self->_send_body($c, $req, $a, @body);
	});
}


sub _send_body {
	my ($self, $c, $req, $a, @body) = @_;

	if (@body and !$a->{chunk_delay}) {
		$c->{h}->push_write(join '', @body);
		@body = ();

	} elsif (@body) {
		$c->{h}->push_write(shift @body);
	}

	if (!@body and $a->{endless}) {
		my $n = 16384;
		push @body, sprintf("%x\r\n", $n) . ' ' x $n . "\r\n";
		$a->{chunk_delay} ||= 1;
	}

	return $self->_done($c, $a, $req) if !@body;

	_after($c, $a->{chunk_delay}, sub {
		$self->_send_body($c, $req, $a, @body);
	});
}


sub _done {
	my ($self, $c, $a, $req) = @_;

	if ($a->{close} or $a->{no_length} or defined $a->{truncate}
		or $req->{version} eq 'HTTP/1.0'
		or ($req->{h}{connection} // '') =~ /close/i)
	{
		$c->{h}->on_drain(sub { $self->_close($c) });
		return;
	}

	$c->{busy} = 0;
	EV::once(undef, 0, 0, sub {
		$self->_on_read($c) if !$c->{gone};
	}) if length $c->{h}{rbuf};
}


sub _reset {
	my ($self, $c) = @_;

	my $reset = sub {
		setsockopt $c->{h}{fh}, SOL_SOCKET, SO_LINGER,
			pack 'll', 1, 0 if $c->{h} and $c->{h}{fh};
		$self->_close($c);
	};

	return $reset->() if !length($c->{h}{wbuf} // '');
	$c->{h}->on_drain($reset);
}

###############################################################################

1;
