#!/usr/bin/perl

# A name server that never answers: nobody but who needs that name waits.  A
# mount namespace gives nginx a resolv.conf of its own.

###############################################################################

use warnings;
use strict;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw/ time /;

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

$t->plan(10);

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
    oidc_session_store silent {
        type redis;
        redis redis://redis.silent.example;
        connect_timeout 2s;
    }
    oidc_provider kept {
        %%PROVIDER%%
        redirect_uri /cb_kept;
        cookie_name kept;
        session_store silent;
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
        location /kept {
            auth_oidc kept;
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

# The worker resolves from its start on, a provider's name and a Redis's; it gives
# up after two seconds.

ok($t->wait_for(sub {
	my $time = time();

	$b->get('/open/');
	$worst = time() - $time if time() - $time > $worst;

	return $t->log() =~ /provider "silent": fetch of \S+ failed/
		&& $t->log() =~ /redis "silent": \S+: connecting timed out/;
}), 'DI-2 S08: both are given up');

cmp_ok($worst, '<', 0.5, 'DI-2: a silent name server blocks no worker');

$silent->blocking(0);
my ($asked, $query) = '';
$asked .= $query while defined $silent->recv($query, 512);

like($asked, qr/\x06silent\x07example\0/, 'DI-2: it was asked');
like($asked, qr/\x05redis\x06silent/, 'S08: for the Redis, too');

like($t->log(), qr/"silent".*provider_timeout: Resolving timed out/,
	'DI-2: the reason is logged');
is($b->get('/silent')->status(), 503, 'DI-2: no login there');
is($b->login('/')->status(), 200, 'DI-2: logins elsewhere');

# Who has a session there waits for a connection, nobody else does.

my $held = $t->browser()->begin('/kept', cookie => 'kept=' . 'A' x 43);
my $time = time();

is($b->get('/')->status(), 200, 'S08: sessions elsewhere');
cmp_ok(time() - $time, '<', 0.5, 'S08: at once');
like($b->answer($held), qr/ 503 /, 'S08: no session there');
