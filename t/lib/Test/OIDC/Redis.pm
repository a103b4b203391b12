package Test::OIDC::Redis;

# A real redis-server of the test's own, in the test's directory, on a free port
# or a unix socket, that ends with the test.  It can be paused, killed and
# started again where it was, and asked what it holds.

=head1 SYNOPSIS

	my $redis = $t->redis();			# %%REDIS%%: its URL
	my $other = $t->redis('other', password => 'secret', maxmemory => '4mb',
		users => [ 'app on >word ~oidc:* &* +get +set' ], tls => 1,
		unix => 1, persist => 1, replicaof => $redis, conf => "line\n");

	$redis->url();  $redis->url(user => 'app', password => 'word', db => 2);
	$redis->port(); $redis->socket(); $redis->address(); $redis->pid();

	$redis->do(GET => 'key');	# dies with Redis's own words
	$redis->try(GET => 'key');	# see Test::OIDC::Resp
	my $c = $redis->client();	# a connection of one's own
	my %all = $redis->dump();	# key => { type, ttl (ms), value }
	my %info = $redis->info('memory');
	my @clients = $redis->clients(qr/name=.../);	# { id, name, cmd ... }
	$redis->kill_clients(qr/.../);	# CLIENT KILL of those; their number

	$redis->pause(); $redis->resume();		# SIGSTOP, SIGCONT
	$redis->kill(); $redis->stop(); $redis->start();

Unless persist is set, what it held is gone after kill() and stop(); with it,
every write is on the disk before it is answered.

=cut

use warnings;
use strict;

use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;

use Test::OIDC::Clock;
use Test::OIDC::Keys;
use Test::OIDC::Resp;

my %number;

###############################################################################

# installed(): whether there is a redis-server at all.
sub installed {
	require Test::OIDC;

	my $found = Test::OIDC::_which('redis-server');

	die "no redis-server\n" if !$found and $ENV{TEST_ALL};

	return !!$found;
}


# new($t, $name, %o): see above; also port, binary ("redis-server"), and
# sentinel => text or cluster => 1 as Redis::Sentinel and ::Cluster want them.
sub new {
	my ($class, $t, $name, %o) = @_;

	my $self = bless { binary => 'redis-server', %o, owner => $$,
		port => $o{port} // $t->free_port() }, $class;

	$self->{name} = length $name ? $name : 'redis';
	$self->{dir} = $t->testdir() . "/redis-$self->{name}";
	mkdir $self->{dir} or die "$self->{dir}: $!";
	$self->{path} = "$self->{dir}/socket" if $o{unix};
	$self->{tls} = Test::OIDC::Keys::certificate('good') if $o{tls};

	$self->{bus} = $t->free_port() if $o{cluster};
	$self->{file} = "$self->{dir}/redis.conf";
	$t->write_file($self->{file} =~ s{^\Q@{[ $t->testdir() ]}\E/}{}r,
		$self->_conf($t));
	$t->secret(grep { defined and length >= 12 } $o{password});

	return $self->start();
}


# start(): where it was before, with what it has kept.
sub start {
	my ($self) = @_;

	return $self if $self->{pid};

	my $pid = fork() // die "fork: $!";

	if (!$pid) {
		setpgrp;
		Test::OIDC::Nginx::_die_with_parent(9);
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$self->{dir}/stdout";
		open STDERR, '>>', "$self->{dir}/stdout";
		%ENV = (%ENV, Test::OIDC::Clock::environment(%ENV));
		exec { $self->{binary} } $self->{binary}, $self->{file},
			$self->{sentinel} ? '--sentinel' : ()
			or POSIX::_exit(127);
	}

	$self->{pid} = $pid;
	$self->_await() if !$self->{no_wait};

	return $self;
}


# pause(), resume(): it holds its connections and says nothing.
sub pause { $_[0]->signal('STOP'); return $_[0]; }
sub resume { $_[0]->signal('CONT'); return $_[0]; }


sub signal {
	my ($self, $name) = @_;

	die "$self->{name} does not run" if !$self->{pid};
	CORE::kill($name, $self->{pid});

	return $self;
}


# kill(): at once; stop(): after it has saved what "persist" says.
sub kill { return $_[0]->_end('KILL'); }
sub stop { return $_[0]->_end('TERM'); }


sub port { return $_[0]{port}; }
sub pid { return $_[0]{pid}; }
sub socket { return $_[0]{path}; }
sub address { return "127.0.0.1:$_[0]{port}"; }
sub testdir { return $_[0]{dir}; }


# url(%o): as "redis" and "session_store" take it; user, password, db, port
# (of a proxy before it).
sub url {
	my ($self, %o) = @_;

	my $password = exists $o{password} ? $o{password} : $self->{password};
	my $user = defined $password ? ($o{user} // '') . ":$password\@" : '';
	my $db = defined $o{db} ? "/$o{db}" : '';

	return "unix:$self->{path}" if $self->{path} and !$o{port};

	my $port = $o{port} // $self->{port};

	return ($self->{tls} ? 'rediss' : 'redis') . "://${user}127.0.0.1:$port$db";
}


sub client {
	my ($self, %o) = @_;

	return Test::OIDC::Resp->connect(port => $self->{port},
		path => $self->{path}, password => $self->{password},
		tls => $self->{tls}, %o);
}


sub do {
	my ($self, @command) = @_;

	my $reply = $self->try(@command);

	die "$command[0]: $$reply\n" if Test::OIDC::Resp::is_error($reply);

	return $reply;
}


sub try {
	my ($self, @command) = @_;

	my $reply = eval { [ $self->_client()->try(@command) ] };

	return $reply->[0] if $reply;
	die $@ if $@ !~ /is gone/;

	# Sentinels close the connections of whom they turn into a replica
	delete $self->{client};

	return $self->_client()->try(@command);
}


# keys(): names of all keys, by SCAN.
sub keys {
	my ($self) = @_;

	my ($cursor, %keys) = (0);

	do {
		($cursor, my $some) = @{ $self->do(SCAN => $cursor,
			COUNT => 1000) };
		$keys{$_} = 1 for @$some;
	} while ($cursor);

	return sort CORE::keys %keys;
}


# dump(): everything it holds: key => { type, ttl in milliseconds, -1 without,
# value: a string, a list of the members and scores or of fields and values }.
sub dump {
	my ($self) = @_;

	my %how = (string => [ 'GET' ], hash => [ 'HGETALL' ],
		set => [ 'SMEMBERS' ], list => [ 'LRANGE', 0, -1 ],
		zset => [ 'ZRANGE', 0, -1, 'WITHSCORES' ]);
	my $c = $self->_client();
	my @keys = $self->keys();
	my @type = $c->pipeline(map { [ TYPE => $_ ] } @keys);
	my @ttl = $c->pipeline(map { [ PTTL => $_ ] } @keys);
	my @value = $c->pipeline(map {
		my ($verb, @args) = @{ $how{ $type[$_] } || [ 'EXISTS' ] };
		[ $verb, $keys[$_], @args ]
	} 0 .. $#keys);

	return map { $keys[$_] => { type => $type[$_], ttl => $ttl[$_],
		value => $value[$_] } } 0 .. $#keys;
}


sub info {
	my ($self, $section) = @_;

	return $self->do(INFO => $section // 'default')
		=~ /^(\w+):(.*?)\r?$/mg;
}


# clients(qr/../): of CLIENT LIST, those whose line matches, without our own.
sub clients {
	my ($self, $re) = @_;

	my $id = $self->do(CLIENT => 'ID');

	return grep { $_->{id} != $id }
		map { +{ /(\S+?)=(\S*)/g } }
		grep { !$re or $_ =~ $re }
		split /\n/, $self->do(CLIENT => 'LIST');
}


sub kill_clients {
	my ($self, $re) = @_;

	return scalar grep { $self->do(CLIENT => 'KILL', ID => $_->{id}) }
		$self->clients($re);
}


# log(): what it has written.
sub log {
	my ($self) = @_;

	open my $fh, '<', "$self->{dir}/stdout" or return '';
	local $/;

	return scalar(<$fh>) // '';
}


sub DESTROY {
	local ($@, $!, $?);

	$_[0]->kill() if $_[0]{pid} and $_[0]{owner} == $$;
}

###############################################################################

sub _conf {
	my ($self, $t) = @_;

	my $own = $self->{tls} ? "port 0\ntls-port $self->{port}\n"
		: "port $self->{port}\n";
	my $text = "bind 127.0.0.1\n${own}dir $self->{dir}\nsave ''\n"
		. "daemonize no\nloglevel verbose\n";

	return $text . $self->{sentinel} if $self->{sentinel};

	$text .= "repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n";
	$text .= "unixsocket $self->{path}\nunixsocketperm 777\n"
		if $self->{path};
	$text .= "maxmemory $self->{maxmemory}\nmaxmemory-policy noeviction\n"
		if $self->{maxmemory};
	$text .= "requirepass $self->{password}\n" if $self->{password};
	$text .= "user $_\n" for @{ $self->{users} || [] };
	$text .= "appendonly yes\nappendfsync always\n" if $self->{persist};
	$text .= "replicaof 127.0.0.1 $self->{replicaof}{port}\n"
		if $self->{replicaof};
	$text .= "cluster-enabled yes\ncluster-config-file nodes.conf\n"
		. "cluster-node-timeout 1000\ncluster-port "
		. "$self->{bus}\n" if $self->{cluster};
	$text .= "tls-cert-file $self->{tls}{cert}\n"
		. "tls-key-file $self->{tls}{key}\n"
		. "tls-ca-cert-file $self->{tls}{ca}\ntls-auth-clients no\n"
		if $self->{tls};

	return $text . ($self->{conf} // '');
}


sub _await {
	my ($self) = @_;

	my $end = time() + 30;

	while () {
		my $pong = eval { $self->client(timeout => 5)->try('PING') };

		return if defined $pong and (!ref $pong
			or $$pong !~ /^LOADING/);

		if (waitpid($self->{pid}, WNOHANG) != 0 or time() > $end) {
			delete $self->{pid};
			die "$self->{name} does not start:\n" . $self->log();
		}

		sleep 0.01;
	}
}


sub _client {
	my ($self) = @_;

	my $c = $self->{client};

	# closed by a restart, or by CLIENT KILL
	if ($c and IO::Select->new($c->{fh})->can_read(0)) {
		undef $c;
	}

	return $self->{client} = $c || $self->client();
}


sub _end {
	my ($self, $signal) = @_;

	my $pid = delete $self->{pid} or return $self;
	local $?;

	delete $self->{client};
	CORE::kill($signal, $pid);
	CORE::kill('CONT', $pid);

	my $end = time() + 20;

	while (waitpid($pid, WNOHANG) == 0) {
		CORE::kill('KILL', $pid) if time() > $end;
		sleep 0.005;
	}

	return $self;
}

###############################################################################

1;
