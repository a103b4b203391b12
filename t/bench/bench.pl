#!/usr/bin/perl

# make bench: what the module costs, as ratios to plain nginx.
#
# One worker of each nginx is pinned to core 0; wrk, the backend and the
# provider share core 1.  Plain nginx and the module are asked in turns within
# one run, so that a noisy machine is noisy to both; the ratio is the median of
# the rounds.  CPU time is that of the worker, from /proc/PID/schedstat.
#
# BENCH_SECONDS (3) a round, BENCH_ROUNDS (5), BENCH_SESSIONS (100000),
# BENCH_ANONYMOUS (1000000).

###############################################################################

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw/ sum /;
use Test::OIDC;
use Test::OIDC::Browser;

###############################################################################

my $SECONDS = $ENV{BENCH_SECONDS} // 3;
my $ROUNDS = $ENV{BENCH_ROUNDS} // 5;
my $SESSIONS = $ENV{BENCH_SESSIONS} // 100_000;
my $ANONYMOUS = $ENV{BENCH_ANONYMOUS} // 1_000_000;
my $NODE = $ENV{NODE} // 'node';

$| = 1;

my $t = Test::OIDC->new(workers => 1);
my $idp_port = $t->free_port();

my $backend = start('taskset', '-c', 1, nginx('backend', <<"EOC"));
worker_processes 1;
http {
    access_log off; keepalive_requests 1000000;
    server { listen 127.0.0.1:%%PORT_1%% reuseport;
        location / { return 200 "0123456789abcdef0123456789abcdef\\n"; } }
}
EOC

my $plain = start(nginx('plain', <<"EOC"));
worker_processes 1; worker_cpu_affinity 01;
http {
    access_log off; keepalive_requests 1000000;
    upstream backend { server 127.0.0.1:%%PORT_1%%; keepalive 64; }
    server { listen 127.0.0.1:%%PORT_2%%;
        location / {
            proxy_pass http://backend; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header X-User nobody;
        } }
}
EOC

my $module = start(nginx('module', <<"EOC"));
worker_processes 1; worker_cpu_affinity 01;
http {
    access_log off; keepalive_requests 1000000;
    upstream backend { server 127.0.0.1:%%PORT_1%%; keepalive 64; }
    oidc_session_store bench { type memory; size 1024m; }
    oidc_provider bench {
        issuer http://127.0.0.1:$idp_port;
        client_id bench; client_secret secret;
        session_store bench;
    }
    server { listen 127.0.0.1:%%PORT_3%%;
        location / {
            auth_oidc bench;
            proxy_pass http://backend; proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-User \$oidc_claim_sub;
        } }
}
EOC

my $idp = start('taskset', '-c', 1, $NODE, "$FindBin::Bin/idp.mjs", $idp_port,
	'ES256');

my ($plain_url, $module_url) = map { $t->url('/protected/page', $_) } 2, 3;
my %worker = (plain => worker($plain), module => worker($module));

wait_port($_) for $idp_port, map { $t->port($_) } 1 .. 3;

my $cookie = session();
my $stored = 1;

row('', 'of plain nginx', 'requests/s', 'CPU us/request');

for my $sessions (1, $SESSIONS) {
	fill($sessions);
	hot($sessions);
	anonymous($sessions);
	logins($sessions);
}

million();

###############################################################################

# With a session, in turns with plain nginx.
sub hot {
	my ($sessions) = @_;
	my (@rps, @cpu, %last);

	for (1 .. $ROUNDS) {
		my $p = wrk('plain', $plain_url, '-H', "Cookie: $cookie");
		my $m = wrk('module', $module_url, '-H', "Cookie: $cookie");

		push @rps, $m->{rps} / $p->{rps};
		push @cpu, $m->{cpu} / $p->{cpu};
		%last = (p => $p, m => $m);
	}

	row('plain nginx', '', sprintf('%.0f', $last{p}{rps}),
		sprintf('%.1f', $last{p}{cpu}));
	row("with a session, $sessions stored",
		sprintf('%.3f of its requests/s, %.3f of its CPU', median(@rps),
			median(@cpu)),
		sprintf('%.0f', $last{m}{rps}), sprintf('%.1f', $last{m}{cpu}));
}

sub anonymous {
	my ($sessions) = @_;
	my $m = wrk('module', $module_url, '-H', 'Sec-Fetch-Mode: navigate');

	row("anonymous redirect, $sessions stored", '',
		sprintf('%.0f', $m->{rps}), sprintf('%.1f', $m->{cpu}));
}

sub logins {
	my ($sessions) = @_;
	my $m = logins_for($SECONDS * 2);

	row("complete login, $sessions stored", '',
		sprintf('%.0f', $m->{logins} / $m->{seconds}),
		sprintf('%.1f', $m->{cpu}));
}

# What nobody who has not logged in may do: push out a session.
sub million {
	my $before = rss($worker{module});
	my $n = 0;

	while ($n < $ANONYMOUS) {
		$n += wrk('module', $module_url, '-H',
			'Sec-Fetch-Mode: navigate')->{requests};
		print "\r  $n anonymous requests" if -t STDOUT;
	}

	my $left = session_is_good($cookie) ? 'still good' : 'GONE';

	printf "\n%d anonymous requests: the first session is %s, "
		. "the worker grew by %d KiB\n", $n, $left,
		rss($worker{module}) - $before;

	exit 1 if $left eq 'GONE';
}

###############################################################################

sub wrk {
	my ($who, $url, @args) = @_;
	my $cpu = cpu($worker{$who});
	my $out = `@{[ map { quotemeta } 'taskset', '-c', 1, 'wrk', '-t', 1, '-c',
		32, '-d', "${SECONDS}s", @args, $url ]} 2>&1`;

	die $out if $? or $out !~ m!(\d+) requests in ([\d.]+)(m?s)!;

	my $n = $1;
	my ($rps) = $out =~ m!Requests/sec:\s+([\d.]+)!;

	die "errors: $out" if $out =~ /Non-2xx/ and "@args" !~ /navigate/;

	return { rps => $rps, requests => $n,
		cpu => (cpu($worker{$who}) - $cpu) / 1000 / $n };
}

sub logins_for {
	my ($seconds) = @_;
	my $cpu = cpu($worker{module});
	my $url = $module_url;
	my $out = `taskset -c 1 wrk -t 16 -c 16 -d ${seconds}s -s @{[ quotemeta
		"$FindBin::Bin/login.lua" ]} @{[ quotemeta $url ]} 2>&1`;

	die $out if $out !~ /LOGINS (\d+) FAILED (\d+) SECONDS ([\d.]+)/;
	die "$2 logins failed of $1: " . log_tail() if $2;

	$stored += $1;

	return { logins => $1, seconds => $3,
		cpu => (cpu($worker{module}) - $cpu) / 1000 / $1 };
}

sub fill {
	my ($sessions) = @_;

	while ($stored < $sessions) {
		my $rate = logins_for(5);

		printf "\r  %d sessions stored", $stored if -t STDOUT;
	}

	print "\n" if -t STDOUT and $sessions > 1;
}

sub session {
	my $b = Test::OIDC::Browser->new(base => $t->url('/', 3));

	for (1 .. 50) {
		my $r = $b->get('/protected/page');

		if ($r->status() == 302) {
			my $args = $r->args();

			$r = $b->get("/oidc_callback?code=$args->{nonce}"
				. "&state=$args->{state}");

			die 'login: ' . $r->status() . log_tail() if $r->status() != 302;

			my $c = $b->cookie('NGX_OIDC_SESSION');

			return "NGX_OIDC_SESSION=$c->{value}";
		}

		select undef, undef, undef, 0.1;
	}

	die 'no login: ' . log_tail();
}

sub session_is_good {
	my ($cookie) = @_;
	my $out = `curl -s -o /dev/null -w '%{http_code}' -H @{[ quotemeta
		"Cookie: $cookie" ]} @{[ quotemeta $module_url ]}`;

	return $out eq '200';
}

sub nginx {
	my ($name, $text) = @_;
	my $dir = $t->testdir() . "/$name";
	my $load = $name eq 'module' && $t->{module} ne 'static'
		? "load_module $t->{module};\n" : '';

	mkdir $dir;
	$text =~ s/%%PORT_(\d)%%/$t->port($1)/ge;
	$text =~ s/http \{/http { client_body_temp_path $dir\/a; proxy_temp_path $dir\/b; fastcgi_temp_path $dir\/c; uwsgi_temp_path $dir\/d; scgi_temp_path $dir\/e;/;

	open my $fh, '>', "$dir/nginx.conf" or die $!;
	print $fh "${load}daemon off; pid $dir/pid; error_log $dir/error.log;\n"
		. ($> == 0 ? "user root;\n" : '')
		. "events { worker_connections 1024; }\n$text";
	close $fh;

	return ($ENV{TEST_NGINX_BINARY} // 'nginx', '-p', $dir, '-e',
		"$dir/error.log", '-c', "$dir/nginx.conf");
}

my @pids;

sub start {
	my @command = @_;
	my $pid = fork() // die $!;

	if ($pid == 0) {
		exec @command or die "$command[0]: $!";
	}

	push @pids, $pid;
	return $pid;
}

END { my $status = $?; kill TERM => @pids; waitpid $_, 0 for @pids;
	$? = $status; }

sub worker {
	my ($master) = @_;

	for (1 .. 100) {
		my $pid = `ps --no-headers -o pid --ppid $master`;

		return $1 if $pid =~ /(\d+)/;
		select undef, undef, undef, 0.05;
	}

	die 'no worker: ' . log_tail();
}

sub wait_port {
	my ($port) = @_;

	for (1 .. 200) {
		return if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
		select undef, undef, undef, 0.05;
	}

	die "nobody listens on $port: " . log_tail();
}

sub log_tail {
	return join '', map { `tail -n 5 $_` }
		glob $t->testdir() . '/*/error.log';
}

# nanoseconds on a CPU
sub cpu {
	my ($pid) = @_;

	open my $fh, '<', "/proc/$pid/schedstat" or die $!;
	return (split ' ', <$fh>)[0];
}

sub rss {
	my ($pid) = @_;

	return $1 if `cat /proc/$pid/status` =~ /RssAnon:\s+(\d+)/;
	return 0;
}

sub median {
	my @n = sort { $a <=> $b } @_;

	return $n[$#n / 2];
}

sub row {
	printf "%-40s %-44s %12s %16s\n", @_;
}

###############################################################################
