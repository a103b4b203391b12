#!/usr/bin/perl

# Redis over TLS: whose certificate is believed.  Where the module was built
# with a hiredis without TLS, that rediss:// is refused with that reason.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $t = Test::OIDC->new();
my $redis = $t->redis('', tls => 1, password => 'opening-of-the-cave');

my ($status, $output) = $t->conf_test(conf(''));

if ($status) {
	like($output, qr/\[emerg\].*rediss:.*hiredis.* in \S+:\d+/,
		'S07: a hiredis without TLS refuses rediss://');
	note('no TLS in this build: the rest is not tested');
	$t->done();
	exit 0;
}

###############################################################################

my $untrusted = qr/: self-signed certificate in certificate chain/;
my $client = Test::OIDC::Keys::certificate('client');
my $mine = "ssl_trusted_certificate %%CA%%; ssl_certificate $client->{cert};
	ssl_certificate_key $client->{key};";

$t->conf(conf('ssl_trusted_certificate %%CA%%;'))->run();

my $b = $t->browser();

is($b->login('/')->status(), 200, 'S07: a login over TLS');
is($b->get('/')->status(), 200, 'S07: and a session');
is(scalar(() = $redis->clients()) > 0, 1, 'S07: that Redis knows of');

for (
	[ 'an unknown CA' => 'ssl_trusted_certificate %%TESTDIR%%/other.pem;',
		$untrusted ],
	[ 'the system\'s CAs' => '', $untrusted ],
	[ 'another name' => 'ssl_trusted_certificate %%CA%%;
		ssl_name redis.example.org;', qr/: hostname mismatch/i ],
	[ 'the right name' => 'ssl_trusted_certificate %%CA%%;
		ssl_name localhost;' ],
	[ 'no verification' => 'ssl_verify off;' ],
) {
	my ($name, $directives, $wrong) = @$_;
	my $mark = $t->log_mark();

	$t->write_file('other.pem', $t->read_file(
		Test::OIDC::Keys::certificate('otherca')->{ca}));
	ok($t->reload(conf($directives)), "S07: $name");

	if (!$wrong) {
		ok($t->wait_for(sub { $b->get('/')->status() == 200 }, 10),
			"S07: $name: it is believed");

	} else {
		ok($t->wait_for(sub { $b->get('/')->status() == 503 }, 10),
			"S07: $name: it is not");
		ok($t->wait_log($wrong, 10, $mark),
			"O04: $name: is in the log")
			or diag($t->log_since($mark));
	}
}

# a server that requires a certificate of its clients
my $mark = $t->log_mark();

ok($t->reload(conf('ssl_trusted_certificate %%CA%%;')), 'S07: none to show');
$redis->do(CONFIG => SET => 'tls-auth-clients', 'yes');
$redis->kill_clients();
ok($t->wait_for(sub { $b->get('/')->status() == 503 }, 10),
	'S07: without a certificate, where Redis wants one');
ok($t->wait_log(qr/redis "far": \S+: Server closed the connection/,
	10, $mark),
	'O04: is in the log') or diag($t->log_since($mark));

ok($t->reload(conf($mine)), 'S07: one to show');
ok($t->wait_for(sub { $b->get('/')->status() == 200 }, 10),
	'S07: a certificate of our own, where Redis wants one');

# the local copy, whose subscription is a connection of its own
ok($t->reload(conf($mine, undef, 'local_copy 1m;')), 'S03 S07: a copy');
ok($t->wait_for(sub { $b->get('/')->status() == 200
	&& $redis->clients(qr/ sub=1 /) }, 10), 'S03 S07: it listens over TLS');
ok($t->wait_for(sub { gets(5) == 0 }, 10), 'S03 S07: Redis is not asked');

$redis->do('FLUSHDB');
ok($t->wait_for(sub { $b->get('/')->status() == 302 }, 10),
	'S03 S07: what is gone there is gone here');
is($b->login('/')->status(), 200, 'S07: a login after that');

# a URL alone, for a certificate that the system's CAs vouch for
my $short = Test::OIDC->new(env => {
	SSL_CERT_FILE => Test::OIDC::Keys::certificate('good')->{ca} });
my $url = $redis->url();

$redis->do(CONFIG => SET => 'tls-auth-clients', 'no');
$short->conf(<<"EOF")->run();
%%GLOBALS%%
env SSL_CERT_FILE;
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        session_store $url;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
is($short->browser()->login('/')->status(), 200, 'S07: rediss:// as session_store');
$redis->do(CONFIG => SET => 'tls-auth-clients', 'yes');

# what speaks no TLS
my $plain = $t->redis('plain');

ok($t->reload(conf('ssl_verify off;', 'rediss://127.0.0.1:'
	. $plain->port())), 'S07: rediss:// of a Redis without');
ok($t->wait_for(sub { $b->get('/')->status() == 503 }, 10),
	'S07: is not asked');

# and in every piece that it may come in
my $proxy = $t->redis_proxy($redis, raw => 1);

ok($t->reload(conf($mine, $redis->url(port => $proxy->port()))), 'S07: through a slow line');
$proxy->split(1);
ok($t->wait_for(sub { $b->get('/')->status() == 200 }, 10),
	'S07: in pieces of one byte');

$t->done();

###############################################################################

# GETs of Redis for so many requests
sub gets {
	my ($n) = @_;

	my ($before, $after) = map {
		$b->get('/') for 1 .. $_ && $n;
		my %info = $redis->info('commandstats');
		($info{cmdstat_get} // '') =~ /calls=(\d+)/ ? $1 : 0;
	} 0, 1;

	return $after - $before;
}


sub conf {
	my ($directives, $url, $copy) = @_;

	$url //= $redis->url();
	$copy //= 'local_copy off;';

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_session_store far {
        type redis;
        redis $url;
        $copy
        $directives
    }
    oidc_provider idp {
        %%PROVIDER%%
        session_store far;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}

###############################################################################
