#!/usr/bin/perl

# Two gateways with one Redis: a refresh token is sent once, although the local
# copy of one of them has not been told what the other has done.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $one = Test::OIDC->new(clock => 1);
my $two = Test::OIDC->new(clock => 1);

my ($idp, $redis) = ($one->idp(), $one->redis());
my %proxy = map { $_ => $one->redis_proxy($redis) } $one, $two;
my $base = 'http://gateway.example.test:' . $one->port(0);
my $key = random_hex(32);

for my $t ($one, $two) {
	$t->secret($key);
	chmod 0600, $t->write_file('key', "$key\n");
	$t->conf(conf($t))->run();
}

###############################################################################

$idp->set(token => { expires_in => 800 });

my $b = $one->browser(host => 'gateway.example.test');

is($b->login('/')->status(), 200, 'S03: a login at one');

ok($two->wait_for(sub { from_copy($two) }, 3),
	'S03: the other has it in its copy');

# The other's subscription falls silent for the rest of its lease.
is($idp->count('refresh'), 0, 'S10: nothing was refreshed before its time');
$one->pass(410);
$proxy{$two}->blackhole('SUBSCRIBE');

is($b->get(at($one))->status(), 200, 'S11: one refreshes');
is($b->get(at($two))->status(), 200, 'S11: the other goes on');
is($idp->count('refresh'), 1, 'S11: and does not send that token again');

$one->done();

###############################################################################

sub conf {
	my ($t) = @_;

	my $url = $redis->url(port => $proxy{$t}->port());
	my $provider = $idp->nginx_conf();
	my $backend = $one->backend()->address();

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/key;
    oidc_session_store shared {
        type redis;
        redis $url;
    }
    oidc_provider idp {
        $provider
        session_store shared;
        refresh on;
        refresh_leeway 10m;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        oidc_base_url $base;
        location / {
            auth_oidc idp;
            proxy_pass http://$backend;
        }
    }
}
EOF
}


sub at {
	my ($t) = @_;

	return 'http://gateway.example.test:' . $t->port(0) . '/';
}


sub from_copy {
	my ($t) = @_;

	my @status;
	my $asked = $proxy{$t}->asked(sub {
		@status = map { $b->get(at($t))->status() } 1 .. 10 });

	return $asked <= 2 && !grep { $_ != 200 } @status;
}

###############################################################################
