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

The parts, each described at the top of its file and above each method:

	$t		this file (ports, files, text of the configuration)
			and Test::OIDC::Nginx (processes, logs)
	$t->idp()	Test::OIDC::Idp: contents; ::Server: control;
			::Message: how answers are sent
	$t->backend()	Test::OIDC::Echo: what the backend was told
	$t->browser()	Test::OIDC::Browser, ::Jar, ::Response, ::Bulk

=head2 nginx

	$t->conf($text)->run(); $t->reload($text or nothing); $t->restart();
	$t->stop(); my $pid = $t->kill_worker(); my @pids = $t->workers();
	my ($status, $output) = $t->conf_test($text);		# nginx -t
	my $mark = $t->log_mark();
	my $line = $t->wait_log(qr/reason/, 5, $mark);
	my $true = $t->wait_for(sub { ... }, 5);
	$t->pass(60); $t->pass_to($t->now() + 60);	# of new(clock => 1)
	my $file = $t->write_file('key.pem', $content); $t->read_file($name);
	$t->rss($pid); $t->fds($pid); $t->has('http_v2'); $t->curl(@args);
	$t->allow_log(qr/an alert that this test provokes/);
	$t->secret('a value that must not be logged');

=head2 Browser

	my $r = $b->get($path, headers => { Accept => undef, 'X-A' => 1 });
	$r = $b->api($path, method => 'PUT', body => $bytes);	# fetch()
	$r = $b->post($path, { name => 'value' });
	$r = $b->login($path); my @answers = $b->history();
	my $url = $b->start_login($path);	# callback URL, not yet opened
	$r = $b->callback($url);
	$r->status(), ->header($name), ->headers_all($name), ->body(), ->json(),
		->location(), ->args() (of the location), ->error(), ->sent()
	$b->cookie($name or qr//) { value, path, httponly, samesite, raw ... }
	$b->cookies(), ->clear(), ->clone(), ->jar()->refused(), ->remove(qr//)
	my $bytes = $b->raw("GET / HTTP/1.0\r\n\r\n");
	my @logins = $b->parallel_logins(n => 1000, concurrency => 200,
		path => '/');	# { ok, status, error, steps, time, browser }
	my @answers = $b->parallel_get($path, n => 100, concurrency => 20);

=head2 Provider

	$idp->set(user => 'bob', iss => 1);
	$idp->set(id_token => { alg => 'ES256', claims => { aud => 'x',
		sub => undef, exp => { '$raw' => '1e300' } } });
	$idp->set(id_token => { sign => 'flip' });	# empty none cut long ...
	$idp->set(token => { expires_in => '300' }, metadata => { ... });
	$idp->set(id_token => undef); $idp->reset();
	$idp->answer(jwks => { status => 503 });	# until answer(jwks => undef)
	$idp->once(token => { delay => 500, chunked => 1 });
	$idp->once(token => { set => { id_token => { ... } } });
	$idp->down(); $idp->up(); $idp->blackhole(1); $idp->rotate_keys();
	$idp->count('token'); $idp->wait_count(jwks => 2, 5);
	$idp->last('token')->{form}{code_verifier}; $idp->requests('userinfo');

=head2 Redis

	$t->redis()			Test::OIDC::Redis: a real redis-server
	$t->redis_proxy($redis)		::Redis::Proxy: what may happen to it
	Test::OIDC::Redis::Sentinel, ::Cluster: several of them

	With TEST_OIDC_STORE=redis every provider and store that says nothing
	else is in a Redis; $t->store() tells, t/redis/*.t run so.

=head2 Placeholders of conf(), conf_test() and write_file()

	%%GLOBALS%%	pid, error_log, user, worker_processes, load_module,
			events { }; each left out when the text has its own
	%%HTTP%%	temp paths, access_log, default_type
	%%PORT_0%% ..	free ports (PORT_0 is where browser() goes)
	%%IDP%%		issuer of the provider; %%IDP_name%% of idp('name')
	%%PROVIDER%%	issuer, client_id, client_secret; %%PROVIDER_name%%
	%%BACKEND%%	127.0.0.1:port of the echo backend
	%%REDIS%%	URL of redis(); %%REDIS_name%% of redis('name')
	%%CA%%		file of the CA that has signed the good certificates
	%%CERT%% %%CERT_KEY%%	certificate for localhost, 127.0.0.1 and
			*.example.test, for a TLS listener
	%%TESTDIR%% %%MODULE%%

=head2 Environment

	TEST_NGINX_BINARY	nginx to run
	TEST_OIDC_MODULE	the .so, or "static" when it is linked in
	TEST_OIDC_STORE=redis	sessions in a Redis, where memory is usual
	TEST_OIDC_LOG		level of error.log (info); debug for more
	TEST_OIDC_KEEP=1	keeps the test directory

At debug level only the module's own debug lines are searched for secrets: those
whose text begins with "oidc", as in ngx_log_debug1(..., "oidc store: ...").

=cut

use warnings;
use strict;

use base qw/ Test::OIDC::Nginx Test::OIDC::Checks /;

use Cwd ();
use Fcntl qw/ :flock /;
use File::Copy ();
use File::Path ();
use File::Spec;
use File::Temp ();
use IO::Socket::INET;
use Test::More ();

use Test::OIDC::Browser;
use Test::OIDC::Clock;
use Test::OIDC::Echo;
use Test::OIDC::Idp;
use Test::OIDC::Redis;
use Test::OIDC::Redis::Proxy;

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
# nginx; clock => 1: a clock that pass() puts forward.
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
	Test::OIDC::Clock::start("$self->{dir}/clock") if $self->{clock};
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


# redis($name, %o): the Redis of that name ('' is the usual one), started at its
# first use; options as of Test::OIDC::Redis->new().
sub redis {
	my ($self, $name, %o) = @_;

	$name //= '';

	return $self->{redis}{$name} ||= Test::OIDC::Redis->new($self, $name,
		%o);
}


# redis_proxy($redis, %o): a new Test::OIDC::Redis::Proxy before it.
sub redis_proxy {
	my ($self, $redis, %o) = @_;

	return Test::OIDC::Redis::Proxy->new(port => $self->free_port(),
		to => $redis->port(), stderr => "$self->{dir}/proxy.stderr",
		%o);
}


# store(): "memory" or "redis": what a provider uses that says nothing.
sub store { return $ENV{TEST_OIDC_STORE} || 'memory'; }


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
# Configuration text.

# conf($text): writes nginx.conf.
sub conf {
	my ($self, $text) = @_;

	$self->write_file('nginx.conf', $text);

	return $self;
}


# expand($text): fills in the placeholders.
sub expand {
	my ($self, $text) = @_;

	$text =~ s/%%GLOBALS%%/$self->_globals($text)/e;
	$text =~ s/%%HTTP%%/$self->_http($text)/e;
	$text =~ s/%%PORT_(\d+)%%/$self->port($1)/ge;
	$text =~ s/%%IDP(?:_(\w+))?%%/$self->idp($1)->issuer()/ge;
	$text =~ s/%%PROVIDER(?:_(\w+))?%%/$self->idp($1)->nginx_conf()/ge;
	$text = $self->_in_redis($text) if $self->store() eq 'redis';
	$text =~ s/%%REDIS(?:_(\w+))?%%/$self->redis($1)->url()/ge;
	$text =~ s/%%BACKEND%%/$self->backend()->address()/ge;
	$text =~ s/%%(CA|CERT|CERT_KEY)%%/$self->_pem($1)/ge;
	$text =~ s/%%TESTDIR%%/$self->{dir}/g;
	$text =~ s/%%MODULE%%/$self->{module} || ''/ge;

	die "unknown placeholder $1" if $text =~ /(%%\w+%%)/;

	return $text;
}


# The same configuration with its sessions in a Redis, line by line: stores
# become of that type, providers without a store get one.
sub _in_redis {
	my ($self, $text) = @_;

	my $move = sub {
		my ($begin, $inner, $store, $said) = @_;

		return "$begin\{$inner}" if $inner =~ $said;
		$inner =~ s/\b(?:type|size)\s+\w+;//g;
		return "$begin\{ $store$inner}";
	};

	$text =~ s!^(\s*oidc_session_store\s+[^\s{]+\s*)\{([^}]*)\}!
		$move->($1, $2, 'type redis; redis %%REDIS%%;', qr/redis/)
		!gme;
	$text =~ s!^(\s*oidc_provider\s+[^\s{]+\s*)\{([^}]*)\}!
		$move->($1, $2, 'session_store %%REDIS%%;',
			qr/\bsession_store\b/)
		!gme;

	return $text;
}


# A copy in the test directory, which workers of any user can read.
sub _pem {
	my ($self, $what) = @_;

	my $member = { CA => 'ca', CERT => 'cert', CERT_KEY => 'key' }->{$what};
	my $name = "$self->{dir}/$member.pem";

	File::Copy::copy(Test::OIDC::Keys::certificate('good')->{$member},
		$name) or die "$name: $!" if !-e $name;

	return $name;
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


###############################################################################
# Binary, module and ports.

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
	delete $self->{redis};

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
