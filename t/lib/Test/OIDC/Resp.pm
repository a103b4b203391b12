package Test::OIDC::Resp;

# RESP2 and a small blocking client for it: what the test itself asks a Redis,
# and what Test::OIDC::Redis::Proxy reads on its way.  A reply is a string, an
# array reference, undef for nil, or an object of Test::OIDC::Resp::Error.

=head1 SYNOPSIS

	my $c = Test::OIDC::Resp->connect(port => 6379);	# or path =>
	my $value = $c->do(GET => 'key');	# dies with Redis's own words
	my $reply = $c->try(GET => 'key');	# an Error is a result
	my @values = $c->pipeline([ GET => 'a' ], [ GET => 'b' ]);
	my $pushed = $c->read(5);		# the next message

	my $bytes = Test::OIDC::Resp::encode(@arguments);
	my ($value, $next) = Test::OIDC::Resp::parse(\$bytes, $at);

=cut

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw/ time /;

###############################################################################

# encode(@arguments): a command.
sub encode {
	return join '', '*' . @_ . "\r\n",
		map { '$' . length($_) . "\r\n$_\r\n" } @_;
}


# parse(\$bytes, $at): (value, position after it), or nothing while it is not
# whole; dies when it is no RESP.
sub parse {
	my ($bytes, $at) = @_;

	$at //= 0;
	my $end = index $$bytes, "\r\n", $at;
	return if $end < 0;

	my $type = substr $$bytes, $at, 1;
	my $line = substr $$bytes, $at + 1, $end - $at - 1;
	my $next = $end + 2;

	return ($line, $next) if $type eq '+' or $type eq ':';
	return (bless(\$line, 'Test::OIDC::Resp::Error'), $next)
		if $type eq '-';

	if ($type eq '$') {
		return (undef, $next) if $line < 0;
		return if length($$bytes) < $next + $line + 2;
		return (substr($$bytes, $next, $line), $next + $line + 2);
	}

	die "no RESP: $type$line\n" if $type ne '*';
	return (undef, $next) if $line < 0;

	my @array;

	for (1 .. $line) {
		my ($value, $after) = parse($bytes, $next) or return;

		push @array, $value;
		$next = $after;
	}

	return (\@array, $next);
}

###############################################################################

# connect(%o): port of 127.0.0.1 or path of a socket, tls => { ca, cert, key },
# timeout in seconds (10), password, user.
sub connect {
	my ($class, %o) = @_;

	my $self = bless { timeout => 10, in => '', %o }, $class;

	$self->{fh} = $o{path} ? IO::Socket::UNIX->new(Peer => $o{path})
		: IO::Socket::INET->new(PeerAddr => '127.0.0.1',
			PeerPort => $o{port}, Timeout => $self->{timeout});
	die 'no Redis at ' . ($o{path} // $o{port}) . ": $!\n" if !$self->{fh};

	if ($o{tls}) {
		require IO::Socket::SSL;
		require Test::OIDC::Keys;

		my $own = Test::OIDC::Keys::certificate('client');

		IO::Socket::SSL->start_SSL($self->{fh}, SSL_ca_file =>
			$o{tls}{ca}, SSL_verifycn_scheme => 'none',
			SSL_cert_file => $own->{cert},
			SSL_key_file => $own->{key})
			or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
	}

	$self->do(AUTH => $o{user} // 'default', $o{password})
		if defined $o{password};

	return $self;
}


sub do {
	my ($self, @command) = @_;

	my $reply = $self->try(@command);

	die "$command[0]: $$reply\n" if is_error($reply);

	return $reply;
}


sub try {
	my ($self, @command) = @_;

	return ($self->pipeline(\@command))[0];
}


# pipeline([ command ], ...): their replies.
sub pipeline {
	my ($self, @commands) = @_;

	local $SIG{PIPE} = 'IGNORE';
	my $bytes = join '', map { encode(@$_) } @commands;

	while (length $bytes) {
		my $n = syswrite $self->{fh}, $bytes;
		die "Redis is gone: $!\n" if !$n;
		substr($bytes, 0, $n) = '';
	}

	return map { $self->read() } @commands;
}


# read($seconds): one more reply or message; dies when none comes.
sub read {
	my ($self, $seconds) = @_;

	my $end = time() + ($seconds // $self->{timeout});

	while () {
		my ($value, $next) = parse(\$self->{in});

		if ($next) {
			substr($self->{in}, 0, $next) = '';
			return $value;
		}

		my $left = $end - time();
		die "no reply from Redis\n" if $left <= 0;
		next if !$self->_pending()
			and !IO::Select->new($self->{fh})->can_read($left);

		my $n = sysread $self->{fh}, $self->{in}, 1 << 18,
			length $self->{in};
		die "Redis is gone\n" if !$n;
	}
}


# is_error($reply)
sub is_error { return ref $_[0] eq 'Test::OIDC::Resp::Error'; }

###############################################################################

sub _pending { return $_[0]{tls} && $_[0]{fh}->pending(); }

###############################################################################

1;
