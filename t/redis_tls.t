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

$t->conf(conf('ssl_trusted_certificate %%CA%%;'))->run();

my $b = $t->browser();

is($b->login('/')->status(), 200, 'S07: a login over TLS');
is($b->get('/')->status(), 200, 'S07: and a session');
is(scalar(() = $redis->clients()) > 0, 1, 'S07: that Redis knows of');

for (
	[ 'an unknown CA' => 'ssl_trusted_certificate %%TESTDIR%%/other.pem;',
		0 ],
	[ 'the system\'s CAs' => '', 0 ],
	[ 'another name' => 'ssl_trusted_certificate %%CA%%;
		ssl_name redis.example.org;', 0 ],
	[ 'the right name' => 'ssl_trusted_certificate %%CA%%;
		ssl_name localhost;', 1 ],
	[ 'no verification' => 'ssl_verify off;', 1 ],
	[ 'a certificate of our own' => 'ssl_trusted_certificate %%CA%%;
		ssl_certificate %%CERT%%; ssl_certificate_key %%CERT_KEY%%;',
		1 ],
) {
	my ($name, $directives, $good) = @$_;
	my $mark = $t->log_mark();

	$t->write_file('other.pem', $t->read_file(
		Test::OIDC::Keys::certificate('otherca')->{ca}));
	ok($t->reload(conf($directives)), "S07: $name");

	if ($good) {
		ok($t->wait_for(sub { $b->get('/')->status() == 200 }, 10),
			"S07: $name: it is believed");

	} else {
		ok($t->wait_for(sub { $b->get('/')->status() == 503 }, 10),
			"S07: $name: it is not");
		ok($t->wait_log(qr/certificate|verify/i, 10, $mark),
			"O04: $name: is in the log")
			or diag($t->log_since($mark));
	}
}

# a server that requires a certificate of its clients, in other words
$redis->do(CONFIG => SET => 'tls-auth-clients', 'yes');
$redis->kill_clients();
ok($t->wait_for(sub { $b->get('/')->status() == 200 }, 10),
	'S07: a certificate of our own, where Redis wants one');

# what speaks no TLS
my $plain = $t->redis('plain');

ok($t->reload(conf('ssl_verify off;', 'rediss://127.0.0.1:'
	. $plain->port())), 'S07: rediss:// of a Redis without');
ok($t->wait_for(sub { $b->get('/')->status() == 503 }, 10),
	'S07: is not asked');

# and in every piece that it may come in
my $proxy = $t->redis_proxy($redis, raw => 1);

ok($t->reload(conf('ssl_trusted_certificate %%CA%%;
	ssl_certificate %%CERT%%; ssl_certificate_key %%CERT_KEY%%;',
	$redis->url(port => $proxy->port()))), 'S07: through a slow line');
$proxy->split(1);
ok($t->wait_for(sub { $b->get('/')->status() == 200 }, 10),
	'S07: in pieces of one byte');

$t->done();

###############################################################################

sub conf {
	my ($directives, $url) = @_;

	$url //= $redis->url();

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_session_store far {
        type redis;
        redis $url;
        local_copy off;
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
