package Test::OIDC::Nginx;

# Starts, reloads, stops and watches the nginx of a bed: the methods of a
# Test::OIDC that deal with processes and their logs.  Nothing here sleeps for a
# fixed time; what can only be seen from outside is polled every 10 ms until a
# deadline.

use warnings;
use strict;

use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;

use Test::OIDC::Clock;

###############################################################################

# conf_test($text): (exit status, output) of nginx -t with that configuration;
# status -1 when it died by a signal.
sub conf_test {
	my ($self, $text) = @_;

	my $name = 'conf-test-' . ++$self->{conf_n};

	# nginx -t ends without giving anything back.
	local $self->{env} = { %{ $self->{env} || {} },
		ASAN_OPTIONS => join ':', grep { defined }
			$ENV{ASAN_OPTIONS}, 'detect_leaks=0' };
	local $self->{log_name} = $name;
	$self->write_file("$name.conf", $text);

	my $out = "$self->{dir}/$name.out";
	my $pid = $self->_spawn($out, '-t', '-c', "$self->{dir}/$name.conf",
		'-e', 'stderr');

	waitpid $pid, 0;
	my $status = $? & 127 ? -1 : $? >> 8;

	return ($status, $self->read_file($out));
}


# run(): starts nginx, waits until it accepts connections and has all its
# workers; dies with the error log when it does not come up.
sub run {
	my ($self) = @_;

	my $dir = $self->{dir};

	$self->{pid} = $self->_spawn("$dir/nginx.stderr", '-c',
		"$dir/nginx.conf", '-g', 'daemon off;');

	my @ports = $self->_listens();
	my $end = time() + 30;

	while (!$self->_ready(\@ports)) {
		if (waitpid($self->{pid}, WNOHANG) != 0) {
			delete $self->{pid};
			die "nginx did not start:\n" . $self->log() . "\n"
				. ($self->read_file('nginx.stderr') // '');
		}

		die "nginx does not listen:\n" . $self->log()
			if time() > $end;
		sleep 0.01;
	}

	return $self;
}


# reload($conf): SIGHUP, with another configuration if given; waits until new
# workers serve and the old ones are gone or leaving.  False when nginx refused
# the configuration.
sub reload {
	my ($self, $conf) = @_;

	my %old = map { $_ => 1 } $self->workers();
	my $at = length $self->log();
	my $end = time() + 30;

	$self->conf($conf) if defined $conf;
	kill 'HUP', $self->{pid};

	while (time() < $end) {
		my @now = $self->workers();

		return 1 if $self->_complete(@now) and !grep { $old{$_} } @now;
		return if substr($self->log(), $at) =~ /\[emerg\]/;
		sleep 0.01;
	}

	die "reload takes too long:\n" . $self->log();
}


# stop($signal): QUIT by default: open requests end first, at most 5 s; then
# TERM, then KILL.  Returns the exit status of the master (undef: killed).
sub stop {
	my ($self, $signal) = @_;

	my $pid = delete $self->{pid} or return;
	local $?;

	for ([ $signal // 'QUIT', 5 ], [ 'TERM', 30 ]) {
		my ($name, $seconds) = @$_;
		my $end = time() + $seconds;

		kill $name, $pid;

		while (time() < $end) {
			my $reaped = waitpid $pid, WNOHANG;

			# -1: the event loop's own handler was faster.
			if ($reaped != 0) {
				$self->{status} = $reaped == $pid ? $? : 0;
				kill 'KILL', -$pid;
				return $self->{status};
			}
			sleep 0.01;
		}
	}

	kill 'KILL', -$pid;
	waitpid $pid, 0;
	$self->{killed} = 1;

	return;
}


sub restart { my ($self) = @_; $self->stop(); return $self->run(); }


# workers(): pids of the serving workers (not of those that are leaving).
sub workers {
	my ($self) = @_;

	return grep { _cmdline($_) =~ /worker process$/ } $self->_children();
}


# leaving_workers(): pids of the workers of older configurations.
sub leaving_workers {
	my ($self) = @_;

	return grep { _cmdline($_) =~ /is shutting down/ } $self->_children();
}


# kill_worker($pid): kills that worker (or the first) with SIGKILL, waits until
# another one has taken its place; returns the pid that was.
sub kill_worker {
	my ($self, $pid) = @_;

	$pid //= ($self->workers())[0];

	$self->allow_log(qr/worker process $pid exited on signal 9/);
	kill 'KILL', $pid;

	my $end = time() + 10;

	while (time() < $end) {
		my @now = $self->workers();
		return $pid if $self->_complete(@now)
			and !grep { $_ == $pid } @now;
		sleep 0.01;
	}

	die "no worker took the place of $pid";
}


# rss($pid): resident memory of its own, not shared with others, in bytes.
sub rss {
	my ($self, $pid) = @_;

	my ($kb) = ($self->read_file("/proc/$pid/status") // '')
		=~ /^RssAnon:\s+(\d+)/m;

	return $kb ? $kb * 1024 : undef;
}


# fds($pid): number of open descriptors.
sub fds {
	my ($self, $pid) = @_;

	my @fds = glob "/proc/$pid/fd/*";

	return scalar @fds;
}


# curl(@args): output of curl, for what our browser does not speak (HTTP/2);
# its exit status is in $?.
sub curl {
	my ($self, @args) = @_;

	open my $fh, '-|', 'curl', '-s', '--max-time', 20, @args
		or die "curl: $!";
	local $/;
	my $out = <$fh>;
	close $fh;

	return $out;
}


# log(): text of error.log; access_log().
sub log { return $_[0]->read_file('error.log') // ''; }
sub access_log { return $_[0]->read_file('access.log') // ''; }


# log_mark(): position in error.log for wait_log() and log_since().
sub log_mark { return -s "$_[0]{dir}/error.log" // 0; }
sub log_since { return substr $_[0]->log(), $_[1]; }


# wait_log(qr/../, $seconds, $mark): waits for a line in error.log (after the
# mark); returns the line, or undef after 10 seconds.
sub wait_log {
	my ($self, $re, $seconds, $mark) = @_;

	return $self->wait_for(sub {
		my ($line) = grep { $_ =~ $re }
			split /\n/, substr $self->log(), $mark // 0;
		return $line;
	}, $seconds);
}


# sleep_until($time): not at all where that is over, and no signal ends it.
sub sleep_until {
	my ($self, $time) = @_;

	while ((my $left = $time - time()) > 0) {
		sleep $left;
	}
}


# now(): the time of day as nginx has it; pass($seconds), pass_to($time): makes
# it later, of new(clock => 1).
sub now { return Test::OIDC::Clock::now(); }
sub pass { Test::OIDC::Clock::pass($_[1]); }
sub pass_to { Test::OIDC::Clock::pass_to($_[1]); }


# wait_for(sub { }, $seconds): polls until the code returns something true;
# returns that, or undef after 10 seconds.
sub wait_for {
	my ($self, $code, $seconds) = @_;

	my $end = time() + ($seconds // 10);

	while () {
		my $value = $code->();
		return $value if $value;
		return if time() > $end;
		sleep 0.01;
	}
}

###############################################################################

sub _listens {
	my ($self) = @_;

	my $text = $self->read_file('nginx.conf');
	my %port;

	while ($text =~ /^\s*listen\s+(?!unix:)(?:[\w.*\[\]]*:)?(\d+)([^;]*);/gm) {
		my ($port, $rest) = ($1, $2);
		$port{$port} = 1 if $rest !~ /\b(?:quic|udp)\b/;
	}

	return keys %port;
}


sub _spawn {
	my ($self, $out, @args) = @_;

	my $dir = $self->{dir};
	my $pid = fork() // die "fork: $!";

	return $pid if $pid;

	setpgrp;
	_die_with_parent();
	open STDIN, '<', '/dev/null';
	open STDOUT, '>>', $out;
	open STDERR, '>>', $out;

	%ENV = (%ENV, %{ $self->{env} || {} });
	%ENV = (%ENV, Test::OIDC::Clock::environment(%ENV));

	for ([ ASAN_OPTIONS => 'asan' ], [ UBSAN_OPTIONS => 'ubsan' ],
		[ LSAN_OPTIONS => '' ])
	{
		my ($name, $log) = @$_;
		my @o = grep { length } $ENV{$name} // '', $log
			? "log_path=$dir/$log" : (), $log eq 'ubsan'
			? 'print_stacktrace=1' : ();
		$ENV{$name} = join ':', @o if @o;
	}

	@args = (@args, '-e', "$dir/error.log") if !grep { $_ eq '-e' } @args;

	exec $self->{binary}, '-p', "$dir/", @args
		or POSIX::_exit(127);
}


# prctl(PR_SET_PDEATHSIG): a killed test leaves no process behind.
sub _die_with_parent {
	my ($signal) = @_;

	my $number = { x86_64 => 157, aarch64 => 167 }->{ (POSIX::uname())[4] };

	syscall($number, 1, $signal // 15) if $number;
}


sub _ready {
	my ($self, $ports) = @_;

	return if !$self->_complete($self->workers());

	for (@$ports) {
		IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_,
			Timeout => 5) or return;
	}

	return 1;
}


# _complete(@workers): as many as the configuration wants ("auto": any); one that
# has just been forked is no worker before its title says so.
sub _complete {
	my ($self, @workers) = @_;

	my ($want) = $self->read_file('nginx.conf')
		=~ /^\s*worker_processes\s+(\w+);/m;

	$want //= 1;

	return $want eq 'auto' ? @workers > 0 : @workers == $want;
}


sub _children {
	my ($self) = @_;

	my $master = $self->{pid} or return;
	my $list = $self->read_file("/proc/$master/task/$master/children");

	return split ' ', $list if defined $list;

	my @children;

	for my $stat (glob '/proc/[0-9]*/stat') {
		my ($pid, $parent) = ($self->read_file($stat) // '')
			=~ /^(\d+) \(.*\) \S (\d+)/s;
		push @children, $pid if defined $parent and $parent == $master;
	}

	return sort { $a <=> $b } @children;
}


sub _cmdline {
	my ($pid) = @_;

	open my $fh, '<', "/proc/$pid/cmdline" or return '';
	local $/;
	my $text = <$fh> // '';
	$text =~ s/[\0 ]+$//;

	return $text;
}

###############################################################################

1;
