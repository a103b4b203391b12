package Test::OIDC::Redis::Proxy;

# What may happen between nginx and its Redis: a proxy in a process of its own,
# before a real redis-server, which can go silent, be slow, cut a conversation
# after any byte and send replies in pieces of any size.  It reads the commands
# on their way, so that chosen ones get another reply than Redis's: what an old,
# a full, a broken or a malicious server would say.

=head1 SYNOPSIS

	my $proxy = $t->redis_proxy($redis);	# or to => port
	$redis->url(port => $proxy->port());

	$proxy->reply('GET', "-LOADING Redis is loading\r\n");	# until undef
	$proxy->reply('CLIENT TRACKING', "-ERR unknown\r\n");
	$proxy->reply_once('SET', { reply => ":1\r\n", delay => 300, n => 2 });
	$proxy->commands('GET');	# [ [ 'GET', $key ], ... ] so far
	$proxy->wait_count(GET => 2, 5); $proxy->count('GET'); ->forget();
	$proxy->asked(sub { ... });	# how many but PING while it ran

	$proxy->blackhole(1);		# accepts and reads, nothing goes on
	$proxy->blackhole('SUBSCRIBE');	# only connections that sent this
	$proxy->split(1);		# replies in pieces of one byte
	$proxy->delay(100);		# replies are late, in ms
	$proxy->cut(down => 17);	# each connection ends after 17 bytes of
	$proxy->cut(up => 17);		# replies or commands
	$proxy->walk('down', 2, 9);	# two connections end after 9 bytes, the
	$proxy->walked();		# next two after 10 ...; how far that is
	$proxy->garbage($bytes);	# says this once connected, no more
	$proxy->bytes();		# { up, down } of the first connection
	$proxy->drop_connections(); $proxy->down(); $proxy->up();
	$proxy->connections();		# { open, total, max }
	$proxy->to($port);		# another server from now on
	$proxy->reset();

A command is named by its first words, of which a rule may say one or more. A
rule is a reply, or { reply => bytes, delay => ms, hang => 1, close => 1, n =>
times }; with "pass" and a delay, Redis's own reply is late.  Before a Redis
with TLS it takes raw => 1, and then knows of no commands.

=cut

use warnings;
use strict;

use base qw/ Test::OIDC::Server /;

use AnyEvent;
use AnyEvent::Handle;
use EV;

use Test::OIDC::Resp;

###############################################################################

sub reply { my $self = shift; $self->call('rule', 0, @_); return $self; }
sub reply_once { my $self = shift; $self->call('rule', 1, @_); return $self; }
sub commands { my $self = shift; return @{ $self->call('commands', @_) }; }
sub split { my $self = shift; $self->call('set', 'split', @_); return $self; }
sub delay { my $self = shift; $self->call('set', 'delay', @_); return $self; }
sub cut { my $self = shift; $self->call('set', 'cut', { @_ }); return $self; }
sub walk { my $self = shift; $self->call('walk', @_); return $self; }
sub walked { return $_[0]->call('walked'); }
sub garbage { my $self = shift; $self->call('set', 'say', @_); return $self; }
sub to { my $self = shift; $self->call('set', 'to', @_); return $self; }
sub bytes { return $_[0]->call('bytes'); }


sub asked {
	my ($self, $code) = @_;

	my $before = $self->count('') - $self->count('PING');

	$code->();

	return $self->count('') - $self->count('PING') - $before;
}

###############################################################################
# In the child.

sub child_init {
	my ($self) = @_;

	$self->{commands} = [];
}


sub rpc_reset {
	my ($self) = @_;

	$self->SUPER::rpc_reset();
	delete @$self{qw/ split delay cut walk say first /};
	$self->{rules} = [];
	$self->{commands} = [];

	return;
}


sub rpc_forget {
	my ($self) = @_;

	$self->SUPER::rpc_forget();
	$self->{commands} = [];

	return;
}


sub rpc_set {
	my ($self, $name, $value) = @_;

	$self->{$name} = $value;

	return;
}


sub rpc_walk {
	my ($self, $way, $each, $from) = @_;

	$self->{walk} = { way => $way, each => $each,
		n => $each * ($from // 0) };

	return;
}



sub rpc_walked { my ($self) = @_; return _walked($self->{walk}); }
sub _walked { my ($walk) = @_; return int $walk->{n} / $walk->{each}; }
sub rpc_bytes { my ($self) = @_; return $self->{first} // {}; }


sub rpc_rule {
	my ($self, $once, $words, $rule) = @_;

	my $name = uc $words;

	@{ $self->{rules} } = grep { $_->{name} ne $name } @{ $self->{rules} };
	return if !defined $rule;

	$rule = ref $rule ? { %$rule } : { reply => $rule };
	$rule->{n} //= 1 if $once;
	$rule->{name} = $name;
	push @{ $self->{rules} }, $rule;

	return;
}


sub rpc_commands {
	my ($self, $words) = @_;

	return [ grep { !defined $words or _is($_, uc $words) }
		@{ $self->{commands} } ];
}


sub rpc_blackhole {
	my ($self, $hole) = @_;

	$self->{hole} = $hole // 1;
	$_->{resume} && $_->{resume}->() for values %{ $self->{conn} };

	return;
}


# A connection of nginx, and ours to Redis behind it.  "queue" has what is still
# to be said to nginx, in order: { real } waits for Redis, { bytes } does not.
sub _open {
	my ($self, $fh) = @_;

	my $c = { id => ++$self->{total}, timers => [], queue => [], up => 0,
		down => 0, said => {} };


	if (my $walk = $self->{walk}) {
		$c->{cut} = { $walk->{way} => _walked($walk) };
		$walk->{n}++;
	}

	$self->{first} = $c->{bytes} = { up => 0, down => 0 }
		if !$self->{first};
	$fh->blocking(0);
	$self->{conn}{ $c->{id} } = $c;
	my $open = keys %{ $self->{conn} };
	$self->{max} = $open if $open > $self->{max};

	my $close = sub { $self->_close($c) };
	my $read = sub {
		$self->_from_nginx($c) if $c->{h};
		$self->_from_redis($c) if $c->{r};
	};

	$c->{h} = AnyEvent::Handle->new(fh => $fh, no_delay => 1,
		on_error => $close, on_eof => $close, on_read => $read);
	$c->{resume} = $read;

	if (defined $self->{say}) {
		$self->_say($c, $self->{say});
		return;
	}

	$c->{r} = AnyEvent::Handle->new(connect => [ '127.0.0.1',
		$self->{to} ], no_delay => 1, on_connect_error => $close,
		on_error => sub { $self->_flush($c, 1) },
		on_eof => sub { $self->_flush($c, 1) }, on_read => $read);
}


sub _close {
	my ($self, $c) = @_;

	(delete $c->{r})->destroy() if $c->{r};
	delete $c->{resume};
	$self->SUPER::_close($c);
}


sub _silent {
	my ($self, $c) = @_;

	my $hole = $self->{hole} or return;

	return $hole eq '1' || $c->{said}{ uc $hole };
}


# Whole commands go on, or are answered by a rule.
sub _from_nginx {
	my ($self, $c) = @_;

	return if $self->_silent($c) or defined $self->{say};

	my $cut = ($c->{cut} || $self->{cut} || {})->{up};

	if (defined $cut and $c->{up} + length $c->{h}{rbuf} >= $cut) {
		my $bytes = substr $c->{h}{rbuf}, 0, $cut - $c->{up};
		$c->{r}->push_write($bytes);
		$c->{r}->on_drain(sub { $self->_close($c) });
		return;
	}

	if ($self->{raw}) {
		$c->{r}->push_write($c->{h}{rbuf});
		$c->{h}{rbuf} = '';
	}

	while ($c->{h} and length $c->{h}{rbuf}) {
		my ($command, $n) = Test::OIDC::Resp::parse(\$c->{h}{rbuf})
			or return;
		my $bytes = substr $c->{h}{rbuf}, 0, $n, '';

		$c->{up} += $n;
		$c->{bytes}{up} += $n if $c->{bytes};
		$self->_command($c, $command, $bytes);

		return if $self->_silent($c);
	}
}


sub _command {
	my ($self, $c, $command, $bytes) = @_;

	my $verb = uc $command->[0];

	$c->{said}{$verb} = 1;
	push @{ $self->{commands} }, $command if $self->{recording};
	$self->{count}{$verb}++;
	$self->{count}{''}++;
	$self->_wake() if @{ $self->{waiting} || [] };

	my ($rule) = grep { _is($command, $_->{name}) } @{ $self->{rules} };

	if (!$rule) {
		# one reply for each channel
		my $n = $verb =~ /^P?SUBSCRIBE$/ ? $#$command : 1;
		push @{ $c->{queue} }, map { +{ real => 1 } } 1 .. $n;
		$c->{r}->push_write($bytes);
		return;
	}

	@{ $self->{rules} } = grep { $_ != $rule } @{ $self->{rules} }
		if $rule->{n} and !--$rule->{n};

	return $self->_close($c) if $rule->{close} and !defined $rule->{reply};

	my $item = { %$rule };
	push @{ $c->{queue} }, $item;

	if ($rule->{pass}) {
		$item->{real} = 1;
		$c->{r}->push_write($bytes);

	} else {
		$item->{bytes} = $rule->{reply};
	}

	if ($rule->{delay}) {
		$item->{late} = 1;
		push @{ $c->{timers} }, EV::timer($rule->{delay} / 1000, 0,
			sub {
			delete $item->{late};
			$self->_flush($c);
		});
	}

	$self->_flush($c);
}


# Replies of Redis, each in its place; messages to a subscriber have none.
sub _from_redis {
	my ($self, $c) = @_;

	return if $self->_silent($c);

	if ($self->{raw}) {
		my $bytes = $c->{r}{rbuf};
		$c->{r}{rbuf} = '';
		$self->_say($c, $bytes);
	}

	while ($c->{r} and length $c->{r}{rbuf}) {
		my ($value, $n) = Test::OIDC::Resp::parse(\$c->{r}{rbuf})
			or return;
		my $bytes = substr $c->{r}{rbuf}, 0, $n, '';

		if (ref $value eq 'ARRAY' and @$value >= 3
			and $value->[0] =~ /^p?message$/)
		{
			$self->_say($c, $bytes);
			next;
		}

		my ($item) = grep { $_->{real} } @{ $c->{queue} };

		if ($item) {
			$item->{bytes} = $bytes;
			delete $item->{real};
		}

		$self->_flush($c);
	}
}


sub _flush {
	my ($self, $c, $end) = @_;

	while ($c->{h} and my $item = $c->{queue}[0]) {
		last if $item->{late} or !defined $item->{bytes};

		shift @{ $c->{queue} };
		$self->_say($c, $item->{bytes});
		$end ||= $item->{close};
	}

	if ($end and $c->{h}) {
		push @{ $c->{out} }, undef;
		$self->_pump($c);
	}
}


# What nginx hears: at once, or late, or in pieces, or cut off.
sub _say {
	my ($self, $c, $bytes) = @_;

	my $cut = ($c->{cut} || $self->{cut} || {})->{down};
	my $end;

	if (defined $cut and $c->{down} + length $bytes >= $cut) {
		$bytes = substr $bytes, 0, $cut - $c->{down};
		$end = 1;
	}

	$c->{down} += length $bytes;
	$c->{bytes}{down} += length $bytes if $c->{bytes};

	my $n = $self->{split} || length $bytes;
	my $write = sub {
		push @{ $c->{out} }, $n ? unpack "(a$n)*", $bytes : ();
		push @{ $c->{out} }, undef if $end;
		$self->_pump($c) if !$c->{pumping};
	};

	return $write->() if !$self->{delay};

	push @{ $c->{timers} }, EV::timer($self->{delay} / 1000, 0, $write);
}


# One piece at a time, each when the one before has left.
sub _pump {
	my ($self, $c) = @_;

	return $c->{pumping} = 0 if !$c->{h} or !@{ $c->{out} || [] };

	my $piece = shift @{ $c->{out} };

	return $self->_close($c) if !defined $piece;

	$c->{pumping} = 1;
	$c->{h}->push_write($piece);
	EV::once(undef, 0, 0, sub { $self->_pump($c); });
}


# whether these are the first words of the command
sub _is {
	my ($command, $words) = @_;

	my @words = CORE::split / /, $words;

	return @words <= @$command
		&& join(' ', map { uc } @$command[0 .. $#words]) eq $words;
}

###############################################################################

1;
