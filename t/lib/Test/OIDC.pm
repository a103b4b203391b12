package Test::OIDC;

# Runs nginx with the module under test, a fake provider and a backend beside
# it, and checks at the end of each test file what no test may leave behind:
# alerts, sanitizer reports, secrets in the log.  It never looks into the
# module; everything is asserted from outside.

=head1 SYNOPSIS

	use Test::More;
	use lib 't/lib';
	use Test::OIDC;

	my $t = Test::OIDC->new()->plan(3);	# 3 + the bed's own assertions

	$t->conf(<<'EOF')->run();
	%%GLOBALS%%
	http {
		%%HTTP%%
		oidc_provider idp {
			%%PROVIDER%%
		}
		server {
			listen 127.0.0.1:%%PORT_0%%;
			location / {
				auth_oidc idp;
				proxy_set_header X-User $oidc_claim_sub;
				proxy_pass http://%%BACKEND%%;
			}
		}
	}
	EOF

	my $b = $t->browser();
	my $r = $b->login('/page?x=1');
	is($r->status(), 200, 'F07: back at the page');
	is($r->json()->{uri}, '/page?x=1', 'F07: query included');

	$t->idp()->once(token => { status => 500 });
	is($t->browser()->login('/')->status(), 502, 'TK-10: failed token call');

The bed has its own POD in each module's comments; the parts are

	$t		this module: nginx, ports, files, logs
	$t->idp()	Test::OIDC::Idp (+ Test::OIDC::Server): bending, records
	$t->backend()	Test::OIDC::Echo: what the backend was told
	$t->browser()	Test::OIDC::Browser, ::Jar, ::Response

=head2 Placeholders of conf(), conf_test() and write_file()

	%%GLOBALS%%	pid, error_log, user, worker_processes, load_module,
			events { }; each left out when the text has its own
	%%HTTP%%	temp paths, access_log, default_type
	%%PORT_0%% ..	free ports (PORT_0 is where browser() goes)
	%%IDP%%		issuer of the provider; %%IDP_name%% of idp('name')
	%%PROVIDER%%	issuer, client_id, client_secret; %%PROVIDER_name%%
	%%BACKEND%%	127.0.0.1:port of the echo backend
	%%TESTDIR%% %%MODULE%%

=head2 Environment

	TEST_NGINX_BINARY	nginx to run
	TEST_OIDC_MODULE	the .so, or "static" when it is linked in
	TEST_OIDC_LOG		level of error.log (info); debug for more
	TEST_OIDC_KEEP=1	keeps the test directory

At debug level only the module's own debug lines are searched for secrets: those
whose text begins with "oidc", as in ngx_log_debug1(..., "oidc store: ...").

=cut

use warnings;
use strict;

use Cwd ();
use Fcntl qw/ :flock /;
use File::Path ();
use File::Spec;
use File::Temp ();
use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Test::More ();
use Time::HiRes qw/ sleep time /;

use Test::OIDC::Browser;
use Test::OIDC::Echo;
use Test::OIDC::Idp;

my $EXTRA = 3;
my $SLICE = 40;
my ($LOWEST, $HIGHEST) = (12000, 32000);

my @beds;
my $planned;
my $checked;
my $owner = $$;
my %version;

$SIG{$_} ||= sub { exit 1 } for qw/ INT TERM HUP /;
$SIG{PIPE} = 'IGNORE';

###############################################################################

# new(%o): module => 0 for a stock nginx without the module; workers => n (1);
# user => 'nobody nogroup' (root, when the tests run as root); env => { ... } of
# nginx.
sub new {
	my ($class, %o) = @_;

	my $self = bless { workers => 1, allow => [], allow_secret => [],
		idp => {}, secrets => {}, conf_n => 0, %o }, $class;

	$self->{dir} = File::Temp::tempdir('test-oidc-XXXXXXXX', TMPDIR => 1,
		CLEANUP => 0);
	chmod 0755, $self->{dir};
	$self->{binary} = $ENV{TEST_NGINX_BINARY} || _which('nginx')
		|| '/usr/sbin/nginx';
	$self->{module} //= $self->_module();
	$self->_reserve_ports();
	push @beds, $self;

	return $self;
}


# plan($n): $n assertions of the test, and the bed's own.
sub plan {
	my ($self, $n) = @_;

	Test::More::plan(tests => $n + $EXTRA);
	$planned = 1;

	return $self;
}


# done(): for a file that does not know its number of assertions.
sub done {
	my ($self) = @_;

	_check();
	Test::More::done_testing();
}


# skip_all($reason)
sub skip_all {
	my ($self, $reason) = @_;

	Test::More::plan(skip_all => $reason);
}


# has($feature): http_v2, http_ssl ... of the nginx binary, or has_module().
sub has {
	my ($self, $feature) = @_;

	return $self->version() =~ /--with-${feature}_module\b/;
}


# version(): what nginx -V prints.
sub version {
	my ($self) = @_;

	return $version{ $self->{binary} } //= `$self->{binary} -V 2>&1`;
}

###############################################################################
# Parts.

# idp($name, %o): the fake provider of that name ('' is the usual one), started
# at its first use; options as of Test::OIDC::Idp->new(), tls => 1 or the name
# of a certificate of Keys::certificate().
sub idp {
	my ($self, $name, %o) = @_;

	$name //= '';

	return $self->{idp}{$name} ||= do {
		$o{tls} = Test::OIDC::Keys::certificate($o{tls} eq '1' ? 'good'
			: $o{tls}) if $o{tls};

		Test::OIDC::Idp->new(port => $self->free_port(),
			stderr => "$self->{dir}/idp.stderr", %o);
	};
}


# backend(): the echo backend, started at its first use.
sub backend {
	my ($self) = @_;

	return $self->{backend} ||= Test::OIDC::Echo->new(
		port => $self->free_port(),
		stderr => "$self->{dir}/backend.stderr");
}


# browser(%o): a new browser for PORT_0; port => n for PORT_n, scheme, host.
sub browser {
	my ($self, %o) = @_;

	my $port = $self->port(delete $o{port} // 0);
	my $scheme = delete $o{scheme} // 'http';
	my $host = delete $o{host} // '127.0.0.1';

	return Test::OIDC::Browser->new(base => "$scheme://$host:$port", %o);
}


# port($n): number of %%PORT_n%%.
sub port {
	my ($self, $n) = @_;

	return $self->{port}[$n] //= $self->free_port();
}


# url($path, $n): http URL at PORT_n.
sub url {
	my ($self, $path, $n) = @_;

	return 'http://127.0.0.1:' . $self->port($n // 0) . ($path // '/');
}


sub testdir { return $_[0]{dir}; }
sub pid { return $_[0]{pid}; }


# write_file($name, $content), in the test directory; placeholders are filled
# in.  Returns the full name.
sub write_file {
	my ($self, $name, $content) = @_;

	my $file = "$self->{dir}/$name";

	File::Path::make_path($file =~ s{/[^/]*$}{}r);
	open my $fh, '>', $file or die "$file: $!";
	binmode $fh;
	print $fh $self->expand($content);
	close $fh or die "$file: $!";

	return $file;
}


# read_file($name), undef when there is none.
sub read_file {
	my ($self, $name) = @_;

	open my $fh, '<', $name =~ m{^/} ? $name : "$self->{dir}/$name"
		or return;
	binmode $fh;
	local $/;

	return scalar <$fh>;
}


# secret($value, ...): values that must not be logged, besides those that the
# provider and the browsers know of.
sub secret {
	my ($self, @values) = @_;

	$self->{secrets}{$_} = 1 for @values;

	return $self;
}


# allow_log(qr/../, ...): alerts that the test provokes.
sub allow_log {
	my ($self, @patterns) = @_;

	push @{ $self->{allow} }, @patterns;

	return $self;
}


# allow_secret(qr/../, ...): log lines that may hold a secret: say why.
sub allow_secret {
	my ($self, @patterns) = @_;

	push @{ $self->{allow_secret} }, @patterns;

	return $self;
}

###############################################################################
# nginx.

# conf($text): writes nginx.conf.
sub conf {
	my ($self, $text) = @_;

	$self->write_file('nginx.conf', $text);

	return $self;
}


# conf_test($text): (exit status, output) of nginx -t with that configuration;
# status -1 when it died by a signal.
sub conf_test {
	my ($self, $text) = @_;

	my $name = 'conf-test-' . ++$self->{conf_n};

	local $self->{log_name} = $name;
	$self->write_file("$name.conf", $text);

	my $out = "$self->{dir}/$name.out";
	my $pid = $self->_spawn($out, '-t', '-c', "$self->{dir}/$name.conf",
		'-e', 'stderr');

	waitpid $pid, 0;
	my $status = $? & 127 ? -1 : $? >> 8;

	return ($status, $self->read_file($out));
}


# run(): starts nginx, waits until it accepts connections; dies with the error
# log when it does not come up.
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

		return 1 if @now and !grep { $old{$_} } @now;
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

	my @old = $self->workers();
	$pid //= $old[0];

	$self->allow_log(qr/worker process $pid exited on signal 9/);
	kill 'KILL', $pid;

	my $end = time() + 10;

	while (time() < $end) {
		my @now = $self->workers();
		return $pid if @now == @old and !grep { $_ == $pid } @now;
		sleep 0.01;
	}

	die "no worker took the place of $pid";
}


# rss($pid): resident memory in bytes.
sub rss {
	my ($self, $pid) = @_;

	my ($kb) = ($self->read_file("/proc/$pid/status") // '')
		=~ /^VmRSS:\s+(\d+)/m;

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
# Configuration text.

# expand($text): fills in the placeholders.
sub expand {
	my ($self, $text) = @_;

	$text =~ s/%%GLOBALS%%/$self->_globals($text)/e;
	$text =~ s/%%HTTP%%/$self->_http($text)/e;
	$text =~ s/%%PORT_(\d+)%%/$self->port($1)/ge;
	$text =~ s/%%IDP(?:_(\w+))?%%/$self->idp($1)->issuer()/ge;
	$text =~ s/%%PROVIDER(?:_(\w+))?%%/$self->idp($1)->nginx_conf()/ge;
	$text =~ s/%%BACKEND%%/$self->backend()->address()/ge;
	$text =~ s/%%TESTDIR%%/$self->{dir}/g;
	$text =~ s/%%MODULE%%/$self->{module} || ''/ge;

	die "unknown placeholder $1" if $text =~ /(%%\w+%%)/;

	return $text;
}


sub _globals {
	my ($self, $text) = @_;

	my $name = $self->{log_name} // 'error';
	my $level = $ENV{TEST_OIDC_LOG} // 'info';
	my $user = $self->{user} // ($> == 0 ? 'root root' : '');

	my @lines = (
		[ pid => "pid %%TESTDIR%%/$name.pid;" ],
		[ error_log => "error_log %%TESTDIR%%/$name.log $level;" ],
		[ worker_processes => "worker_processes $self->{workers};" ],
		[ worker_rlimit_nofile => '' ],
		[ user => $user && "user $user;" ],
		[ load_module => $self->{module}
			&& $self->{module} ne 'static'
			&& 'load_module %%MODULE%%;' ],
		[ events => 'events { worker_connections 8192; }' ],
	);

	return join '', map { "$_->[1]\n" } grep { $_->[1]
		and ($_->[0] eq 'load_module'
			or $text !~ /^\s*$_->[0]\b/m) } @lines;
}


sub _http {
	my ($self, $text) = @_;

	my $without = $self->version();
	my @temp = grep { $without !~ /--without-http_${_}_module\b/ }
		qw/ proxy fastcgi uwsgi scgi /;

	return join '', map { "$_\n" }
		(map { "${_}_temp_path %%TESTDIR%%/${_}_temp;" } 'client_body',
			@temp),
		'access_log %%TESTDIR%%/access.log;',
		'default_type text/plain;';
}


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

###############################################################################
# Processes and ports.

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

	for ([ ASAN_OPTIONS => 'asan' ], [ UBSAN_OPTIONS => 'ubsan' ],
		[ LSAN_OPTIONS => '' ])
	{
		my ($name, $log) = @$_;
		my @o = grep { length } $ENV{$name} // '', $log
			? "log_path=$dir/$log" : (), $log eq 'ubsan'
			? 'print_stacktrace=1' : ();
		$ENV{$name} = join ':', @o if @o;
	}

	%ENV = (%ENV, %{ $self->{env} || {} });
	@args = (@args, '-e', "$dir/error.log") if !grep { $_ eq '-e' } @args;

	exec $self->{binary}, '-p', "$dir/", @args
		or POSIX::_exit(127);
}


# prctl(PR_SET_PDEATHSIG, SIGTERM): a killed test leaves no nginx behind.
sub _die_with_parent {
	my $number = { x86_64 => 157, aarch64 => 167 }->{ (POSIX::uname())[4] };

	syscall($number, 1, 15) if $number;
}


sub _ready {
	my ($self, $ports) = @_;

	return if !$self->workers();

	for (@$ports) {
		IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_,
			Timeout => 5) or return;
	}

	return 1;
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


sub _module {
	my ($self) = @_;

	my $module = $ENV{TEST_OIDC_MODULE};

	return $module if ($module // '') eq 'static';
	return Cwd::abs_path($module) || $module if defined $module;

	for ('build/ngx_http_oidc_module.so', 'ngx_http_oidc_module.so') {
		return Cwd::abs_path($_) if -e $_;
	}

	die "no ngx_http_oidc_module.so: run make, or set TEST_OIDC_MODULE\n";
}


# A slice of the port space that no other bed has: whoever holds the lock on
# its file.  The order is by process id, so that beds seldom meet.
sub _reserve_ports {
	my ($self) = @_;

	my $dir = File::Spec->tmpdir() . '/test-oidc-ports';
	my $slices = int(($HIGHEST - $LOWEST) / $SLICE);

	mkdir $dir and chmod 01777, $dir;

	for my $i (0 .. $slices - 1) {
		my $n = ($$ * 7 + @beds + $i) % $slices;

		sysopen my $fh, "$dir/$n", Fcntl::O_RDWR | Fcntl::O_CREAT, 0666
			or next;
		flock $fh, LOCK_EX | LOCK_NB or next;

		$self->{ports} = [ map { $LOWEST + $n * $SLICE + $_ }
			0 .. $SLICE - 1 ];
		$self->{ports_lock} = $fh;
		return;
	}

	die "no free slice of ports";
}


# free_port(): a port that nobody listens on, ours until the test ends.
sub free_port {
	my ($self) = @_;

	while (defined(my $port = shift @{ $self->{ports} })) {
		return $port if IO::Socket::INET->new(Listen => 1,
			LocalAddr => '0.0.0.0', LocalPort => $port,
			ReuseAddr => 1);
	}

	die "no free port left";
}


sub _which {
	my ($name) = @_;

	return (grep { -x } map { "$_/$name" }
		File::Spec->path(), '/usr/sbin')[0];
}

###############################################################################
# What every test file also asserts.

# alerts(): lines of alert level and above that nobody has allowed.
sub alerts {
	my ($self) = @_;

	my @lines = grep { /\[(?:alert|emerg|crit)\]/ } split /\n/,
		$self->log() . "\n" . ($self->read_file('nginx.stderr') // '');

	push @lines, 'nginx had to be killed' if $self->{killed};
	push @lines, "nginx ended by a signal ($self->{status})"
		if ($self->{status} // 0) & 127;

	return grep { my $line = $_; !grep { $line =~ $_ } @{ $self->{allow} } }
		@lines;
}


# sanitizer_errors(): reports of ASan, UBSan and LSan.
sub sanitizer_errors {
	my ($self) = @_;

	my @lines;

	for my $file (glob("$self->{dir}/asan* $self->{dir}/ubsan* "
		. "$self->{dir}/*.log $self->{dir}/*.stderr $self->{dir}/*.out"))
	{
		push @lines, grep { /ERROR:\s\w*Sanitizer|runtime\serror:
			|SUMMARY:\s\w*Sanitizer|LeakSanitizer/x }
			split /\n/, $self->read_file($file) // '';
	}

	return @lines;
}


# leaked_secrets(): log lines with a secret in them.
sub leaked_secrets {
	my ($self) = @_;

	my %seen = (%Test::OIDC::Jar::SEEN, %{ $self->{secrets} });

	for my $idp (values %{ $self->{idp} }) {
		$seen{$_} = 1 for eval { $idp->secrets() };
	}

	my @secrets = grep { defined and !ref and length >= 12 } keys %seen;
	my @found;

	# An entry may have several lines: core's dump of the answer's header.
	my @lines = grep { !/\[debug\] / or m{\[debug\] \S+: (?:\*\d+ )?oidc}i }
		split m{^(?=\d{4}/\d\d/\d\d )}m, $self->log();
	@lines = grep { my $line = $_;
		!grep { $line =~ $_ } @{ $self->{allow_secret} } } @lines;

	while (my @some = splice @secrets, 0, 5000) {
		my $any = join '|', map { quotemeta } @some;
		push @found, grep { /$any/ } @lines;
	}

	return @found;
}


sub _check {
	return if $checked or $owner != $$;
	$checked = 1;

	$_->stop() for @beds;
	_none('no alerts', map { $_->alerts() } @beds);
	_none('no sanitizer errors', map { $_->sanitizer_errors() } @beds);
	_none('O03 TK-12: no secrets in the log',
		map { $_->leaked_secrets() } @beds);
}


sub _none {
	my ($name, @lines) = @_;

	my $ok = Test::More::is(scalar @lines, 0, $name);

	if (!$ok) {
		splice @lines, 10, @lines - 10, '...' if @lines > 10;
		Test::More::diag(join "\n", @lines);
	}
}


sub _cleanup {
	my ($self) = @_;

	return if $owner != $$;

	$self->stop('TERM');
	delete $self->{idp};
	delete $self->{backend};

	if ($ENV{TEST_OIDC_KEEP}) {
		Test::More::diag("kept $self->{dir}");

	} else {
		File::Path::remove_tree($self->{dir}, { error => \my $ignored });
	}
}


END {
	if ($owner == $$) {
		my $status = $?;

		eval { _check() if $planned and !$status; };
		Test::More::diag($@) if $@;

		eval { $_->_cleanup() } for @beds;
		$? = $status;
	}
}

###############################################################################

1;
