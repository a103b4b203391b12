#!/usr/bin/perl

# "make demo" as a person runs it: two words, wait for "ready", log in with a
# real browser, exceed the limit, log out, Ctrl-C.  All it needs is there when
# the suite runs, so it must not ask the network for anything: the proxy that
# is given to it answers nobody.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC::Chromium;
use Test::OIDC::Keycloak;

use File::Temp ();
use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;

my $READY_S = 300;	# Keycloak on busy cores
my $STOP_S = 60;

###############################################################################

for my $why (Test::OIDC::Keycloak::missing(), Test::OIDC::Chromium::missing()) {
	next unless $why;
	die "$why\n" if $ENV{TEST_ALL};	# make test: nothing is left out
	plan(skip_all => $why);
}

plan(skip_all => 'the demo runs the release build')
	if ($ENV{TEST_OIDC_MODULE} || '') eq 'static';
plan(tests => 15);

my $dir = File::Temp::tempdir('test-demo-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($gateway, $keycloak, $backend) = free_ports(3);
my $url = "http://localhost:$gateway";
my $demo = start_demo();

END {
	if ($demo) {
		local $?;
		kill 'TERM', -$demo;
		kill 'TERM', $demo;
		waitpid $demo, 0;
	}
}

ok(wait_for(qr/^demo: ready/m, $READY_S), 'make demo gets ready')
	or BAIL_OUT('the demo does not start: ' . output());

like(output(), qr!\Q$url\E/!, 'it says where to go');
like(output(), qr!alice / alice!, 'and who there is');
like(output(), qr/Ctrl-C stops it/, 'and how to stop');
like(output(), qr/keycloak: starting .*\.\./, 'it showed progress');
unlike(output(), qr/^deps: /m, 'it installed nothing');

# The whole story in a browser.

my $browser = Test::OIDC::Chromium->start();
my $tab = $browser->tab('alice');

$tab->goto("$url/hello?from=demo");
like($tab->title(), qr/Sign in to Demo realm/, 'F01: Keycloak\'s login page');

my $page = log_in($tab);

is($page->{url}, "$url/hello?from=demo", 'F07: back at the page');
is($tab->text('#who'), 'Alice Liddell', 'S14: it says who is there');

$tab->click('#try');
$tab->wait_for('#codes:has-text("done")');
like($tab->text('#codes'), qr/^(200 ){19,}.*429/,
	'B16: its button exceeds the limit');

is($tab->follow('#logout')->{url}, "$url/logged-out", 'L05: logged out');

$tab->goto("$url/");
like($tab->title(), qr/Sign in to Demo realm/, 'L02: asked to log in again');
$browser->stop();

# Ctrl-C reaches everything in the foreground.

kill 'INT', -$demo;
ok(ended($STOP_S), 'Ctrl-C ends it');
is_deeply([ grep { in_use($_) } $gateway, $keycloak, $backend ], [],
	'nobody listens any more');
is(left_over(), '', 'no process is left');

###############################################################################

sub start_demo {
	my $pid = fork() // die "fork: $!";

	return $pid if $pid;

	setpgrp;
	$SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP PIPE /;
	delete @ENV{grep { /^(MAKE|MFLAGS|GNUMAKEFLAGS|BUILD$|PROFILE$)/ }
		keys %ENV};

	$ENV{GATEWAY_PORT} = $gateway;
	$ENV{KEYCLOAK_PORT} = $keycloak;
	$ENV{BACKEND_PORT} = $backend;
	$ENV{DEMO_DIR} = "$dir/demo";
	$ENV{$_} = 'http://127.0.0.1:9'
		for qw/ http_proxy https_proxy HTTP_PROXY HTTPS_PROXY /;
	$ENV{$_} = '127.0.0.1,localhost' for qw/ no_proxy NO_PROXY /;

	open STDIN, '<', '/dev/null';
	open STDOUT, '>', "$dir/out";
	open STDERR, '>&', \*STDOUT;

	no warnings 'exec';
	exec 'make', 'demo';
	POSIX::_exit(127);
}


sub output {
	open my $fh, '<', "$dir/out" or return '';
	local $/;

	return scalar <$fh>;
}


sub wait_for {
	my ($re, $seconds) = @_;

	for (my $end = time() + $seconds; time() < $end; sleep 0.2) {
		return 1 if output() =~ $re;
		return if waitpid($demo, WNOHANG) != 0;
	}

	return;
}


sub ended {
	my ($seconds) = @_;

	for (my $end = time() + $seconds; time() < $end; sleep 0.1) {
		next if waitpid($demo, WNOHANG) == 0;
		undef $demo;
		return 1;
	}

	return;
}


sub log_in {
	my ($tab) = @_;

	$tab->fill('#username', 'alice');
	$tab->fill('#password', 'alice');

	return $tab->follow('#kc-login');
}


sub free_ports {
	my ($n) = @_;

	my @sockets = map { IO::Socket::INET->new(LocalAddr => '127.0.0.1',
		Listen => 1) or die "no free port: $!" } 1 .. $n;

	return map { $_->sockport() } @sockets;
}


sub in_use {
	my ($port) = @_;

	return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
}


# Processes that name the demo's directory on their command lines.
sub left_over {
	my @left;

	for my $file (glob '/proc/[0-9]*/cmdline') {
		open my $fh, '<', $file or next;
		my $command = <$fh> // '';
		push @left, $command =~ tr/\0/ /r if $command =~ /\Q$dir\E/;
	}

	return join "\n", @left;
}

###############################################################################
