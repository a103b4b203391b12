#!/usr/bin/perl

# A worker that is told to end while logins wait for the provider: it lets go of
# them without looking at what it has freed.  Most telling with BUILD=sanitize.

###############################################################################

use warnings;
use strict;

use IO::Socket::INET;
use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new()->plan(6);

$t->conf(<<'EOT')->run();
%%GLOBALS%%
worker_shutdown_timeout 500ms;
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        userinfo on;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOT

my $idp = $t->idp();

for my $endpoint (qw/ token userinfo /) {
	my @waiting;
	my ($worker) = $t->workers();

	$idp->answer($endpoint => { delay => 5000 });

	for (1 .. 3) {
		my $b = $t->browser();
		push @waiting, [ $b, $b->start_login('/x') ];
	}

	my $asked = $idp->count($endpoint);
	my @sockets = map { begin(@$_) } @waiting;
	$idp->wait_count($endpoint => $asked + 3, 5);

	ok($t->reload(), "B07: reload with calls to $endpoint in flight");
	ok($t->wait_for(sub { !kill 0, $worker }, 10), 'B07: the worker ends');

	$idp->answer($endpoint => undef);
	is($t->browser()->login('/x')->status(), 200, 'B07: the next one works');
}

###############################################################################

# A callback whose answer nobody waits for.
sub begin {
	my ($b, $url) = @_;

	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $t->port(0)) or die "connect: $!";
	my $cookies = join '; ', map { "$_->{name}=$_->{value}" }
		$b->cookies();

	print $s 'GET ', $url =~ s{^http://[^/]+}{}r, " HTTP/1.1\r\n",
		'Host: 127.0.0.1:', $t->port(0), "\r\n",
		"Cookie: $cookies\r\n\r\n";

	return $s;
}
