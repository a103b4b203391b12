#!/usr/bin/perl

# Connections to Redis that end after every byte of what it answers to a login
# and the logout after it.  Each is done or refused with 503, and a logout that
# was done is one, whatever was cut off.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

# As in t/redis_cut.t: who lost a connection waits, so there are many at once.
my ($STORES, $EACH) = (48, 3);

my $t = Test::OIDC->new();
my $redis = $t->redis();
my $proxy = $t->redis_proxy($redis);
my $url = $redis->url(port => $proxy->port());
my ($stores, $locations) = ('', '');

for my $n (1 .. $STORES) {
	$stores .= <<"EOF";
    oidc_session_store s$n {
        type redis;
        redis $url;
        prefix s$n:;
        local_copy off;
        command_timeout 500ms;
    }
    oidc_provider p$n {
        %%PROVIDER%%
        session_store s$n;
        cookie_name p$n;
        redirect_uri /p$n/callback;
        logout_uri /p$n/logout;
    }
EOF
	$locations .= <<"EOF";
        location /p$n/ {
            auth_oidc p$n;
            proxy_pass http://%%BACKEND%%;
        }
EOF
}

$t->write_file('key', "0123456789abcdef" x 4 . "\n");
chmod 0600, $t->testdir() . '/key';
$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/key;
$stores
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
    }
}
EOF

my $b = $t->browser();

is(scalar(grep { $b->login("/p$_/")->status() == 200 } 1 .. $STORES), $STORES,
	'S09: logins in many stores');
my $login = $proxy->bytes()->{down};
$b->get("/p$_/logout", site => 'same-origin') for 1 .. $STORES;
my $logout = $proxy->bytes()->{down};

###############################################################################

my (%login, %logout, @gone);

# The handshake and the session's making; its first page, and the logout: what
# lies between is the record.
cut(0, 200);
cut($login - 20, $login + 40);
cut($logout - 150, $logout + 20);

is(join(' ', sort keys %login), '200 503', 'S09: a login is done or refused');
is(join(' ', sort keys %logout), '302 503', 'S09: and so is a logout');

$proxy->reset();
$proxy->drop_connections();

is(scalar(grep { my $path = "/p$_/"; $t->wait_for(sub {
	$t->browser()->login($path)->status() == 200 }, 20) } 1 .. $STORES),
	$STORES, 'S09: logins go on afterwards');
is(scalar(grep { $_->[0]->get($_->[1])->status() != 302 } @gone), 0,
	'S09: whoever was logged out is out');

$t->done();

###############################################################################

sub cut {
	my ($from, $to) = @_;
	my ($n, $end) = ($from, time() + 120);

	$proxy->walk('down', $EACH, $from);
	$proxy->drop_connections();

	while ($n < $to and time() < $end) {
		$t->wait_for(sub {
			$proxy->connections()->{open} > $STORES * 0.8 }, 1);
		login_and_out();
		$n = $proxy->walked();
	}

	note("$from to $n bytes, logins ", said(%login), '; logouts ',
		said(%logout));
	cmp_ok($n, '>=', $to, "S09: every byte from $from");
}


sub login_and_out {
	my @logins = $b->parallel_logins(n => $STORES, concurrency => $STORES,
		path => sub { '/p' . (1 + $_[0]) . '/' });
	my @in = grep { $logins[$_]{ok} } 0 .. $#logins;

	$login{ $_->{status} }++ for @logins;

	my @kept = map { $logins[$_]{browser}->clone() } @in;
	my @out = !@in ? () : $b->parallel_get(sub {
		$t->url('/p' . (1 + $in[ $_[0] ]) . '/logout') },
		browsers => [ map { $logins[$_]{browser} } @in ],
		n => scalar @in, concurrency => scalar @in,
		headers => { 'Sec-Fetch-Site' => 'same-origin' });

	$logout{ $_->status() }++ for @out;
	push @gone, map { [ $kept[$_], '/p' . (1 + $in[$_]) . '/' ] }
		grep { $out[$_]->status() == 302 } 0 .. $#in;
}


sub said {
	my (%count) = @_;

	return join ', ', map { "$_: $count{$_}" } sort keys %count;
}

###############################################################################
