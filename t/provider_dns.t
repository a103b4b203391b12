#!/usr/bin/perl

# A name server that never answers: nobody but who needs that name waits.  A
# mount namespace gives nginx a resolv.conf of its own.

###############################################################################

use warnings;
use strict;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw/ time sleep /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $address = sprintf '127.53.%d.%d', $$ >> 8 & 255, ($$ & 255 || 1);

my $t = Test::OIDC->new(workers => 1);

my $silent = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $address,
	LocalPort => 53) or $t->skip_all("no name server on $address: $!");

$t->skip_all('no mount namespace')
	if system("unshare -m mount --bind /dev/null /etc/resolv.conf"
		. ' 2>/dev/null');

$t->plan(6);

$t->write_file('resolv.conf', "nameserver $address\n");
$t->write_file('nginx.sh', <<"EOF");
#!/bin/sh
exec unshare -m sh -c '
mount --bind %%TESTDIR%%/resolv.conf /etc/resolv.conf && exec "\$\@"' \\
sh $t->{binary} "\$\@"
EOF
chmod 0755, $t->testdir() . '/nginx.sh';

my $idp = $t->idp();

$t->conf(<<"EOF");
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
    }
    oidc_provider silent {
        issuer https://silent.example;
        client_id gateway;
        client_secret 0123456789abcdef0123456789abcdef;
        redirect_uri /cb_silent;
        cookie_name silent;
        timeout 2s;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location /open/ {
            proxy_pass http://%%BACKEND%%;
        }
        location /silent {
            auth_oidc silent;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

$t->{binary} = $t->testdir() . '/nginx.sh';
$t->run();

###############################################################################

my $b = $t->browser();
my $worst = 0;

# The worker resolves from its start on; it gives up after two seconds.

ok($t->wait_for(sub {
	my $time = time();

	$b->get('/open/');
	$worst = time() - $time if time() - $time > $worst;

	return $t->log() =~ /provider "silent": fetch of \S+ failed/;
}), 'DI-2: the fetch is given up');

cmp_ok($worst, '<', 0.5, 'DI-2: a silent name server blocks no worker');

$silent->blocking(0);
ok($silent->recv(my $query, 512), 'DI-2: it was asked');

like($t->log(), qr/"silent".*provider_timeout: Resolving timed out/,
	'DI-2: the reason is logged');
is($b->get('/silent')->status(), 503, 'DI-2: no login there');
is($b->login('/')->status(), 200, 'DI-2: logins elsewhere');
