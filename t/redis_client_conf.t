#!/usr/bin/perl

# What the client of Redis (t/redis_client/module.c) refuses at configuration
# time, without ever quoting a URL; sockets, names, and TLS where hiredis has it.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC::Keys;
use Test::OIDC::RedisClient;

###############################################################################

my $c = Test::OIDC::RedisClient->new();
my $t = $c->bed();
my $redis = $t->redis('main', unix => 1, password => 'a-password-to-keep');

my @refused = (
	[ '', qr/no Redis server/ ],
	[ 'server=redis://u:hunter2@h:x', qr/bad host or port in URL/ ],
	[ 'server=redis://hunter2@h', qr/user without password/ ],
	[ 'server=redis://:hunter2%zz@h', qr/bad percent coding/ ],
	[ 'server=http://:hunter2@h', qr/URL begins with none of/ ],
	[ 'server=redis://:hunter2@h/x', qr/bad number of data base/ ],
	[ 'server=redis://h server=redis://i', qr/are Sentinels or a Cluster/ ],
	[ 'server=unix:/x cluster=1', qr/have no socket files/ ],
	[ 'server=redis://h cluster=1 db=1', qr/data base 0 only/ ],
	[ 'server=redis://h cluster=1 sentinel=s', qr/no Sentinel of a Cluster/ ],
	[ 'server=redis://h user=u', qr/needs a password/ ],
	[ 'server=redis://h "name=a b"', qr/blank or control character/ ],
	[ 'server=redis://h server=rediss://h cluster=1', qr/TLS or none/ ],
	[ 'server=redis://h tls_name=x', qr/TLS without a "rediss:/ ],
	[ 'server=redis://h db=65536', qr/bad number of a data base/ ],
);

for (@refused) {
	my ($client, $why) = @$_;
	my ($status, $log) = $c->refuses($client || 'x=1');

	ok($status != 0 && $log =~ /\[emerg\].*$why.* in \S+:\d+/,
		"RE-4 S07: refused: $client") or diag($log);
	unlike($log, qr/hunter2/, 'RE-4: ... without the password');
}

###############################################################################
# A socket, and a name, which is resolved by each worker.

$c->run('server=unix:' . $redis->socket() . '?db=1 user=default'
	. ' password=a-password-to-keep');
is($c->cmd(qw/ SET k v /), "ok\nOK", 'S07: over a socket');
is($c->get('/nodes'), $redis->socket() . " version 0\n", 'S07: its name');

$c->reload('server=redis://localhost:' . $redis->port()
	. '/1 password=a-password-to-keep');
is($c->cmd(qw/ GET k /), "ok\nv", 'S07: over a name');

my $mark = $t->log_mark();
$c->reload('server=redis://no-such-host.invalid:1 password=a-password-to-keep');
like($c->cmd(qw/ GET k /), qr/unavailable/, 'S07: a name that nobody has');
ok($t->wait_log(qr/redis "test": no-such-host\.invalid:1: /, 10, $mark),
	'S07: ... is logged');

$c->reload('server=redis://:wrong-password@127.0.0.1:' . $redis->port());
like($c->cmd(qw/ GET k /), qr/unavailable/, 'RE-4: a wrong password');
ok($t->wait_log(qr/refuses user or password/, 5, $mark), 'RE-4: ... is logged');

$c->reload('server=redis://127.0.0.1:' . $redis->port());
like($c->cmd(qw/ GET k /), qr/unavailable/, 'RE-4: no password');
ok($t->wait_log(qr/wants a password/, 5, $mark), 'RE-4: ... is logged');

###############################################################################
# TLS.

my ($status, $log) = $c->refuses('server=rediss://127.0.0.1:1');

if ($log =~ /needs a module built with libhiredis_ssl/) {
	ok($status != 0, 'S07: no TLS in this hiredis: refused');
	like($log, qr/\[emerg\].* in \S+:\d+/, 'S07: ... with file and line');
	$t->done();
	exit;
}

my $secure = $t->redis('secure', tls => 1);
my $good = Test::OIDC::Keys::certificate('good');
my $port = $secure->port();

is(reaches("server=rediss://127.0.0.1:$port ca=$good->{ca}"), "ok\n1",
	'S07: TLS to an address');
is(reaches("server=rediss://localhost:$port ca=$good->{ca}"), "ok\n1",
	'S07: TLS to a name');
is(reaches("server=rediss://127.0.0.1:$port ca=$good->{ca}"
	. ' tls_name=redis.example.test'), "ok\n1", 'S07: TLS to another name');
is(reaches("server=rediss://127.0.0.1:$port ca=$good->{ca}"
	. " cert=$good->{cert} key=$good->{key}"), "ok\n1",
	'S07: TLS with a certificate of our own');
is(reaches("server=rediss://127.0.0.1:$port no_verify=1"), "ok\n1",
	'S07: TLS unverified, by request');

is(length $c->read('EVAL', 'return string.rep("x", 1000000)', 0), 1_000_003,
	'RE-5: a large answer over TLS');
is($c->many(2000, 'SET', 'big', 'y' x 2000), "ok 2000\n",
	'S07: many commands over TLS');

$c->get('/sub?oidc:');
like($c->events(qr/pong/), qr/up\n(?s:.*)pong/, 'S13: a subscriber over TLS');
$secure->do(qw/ SET oidc:a 1 /);
like($c->events(qr/key/), qr/key oidc:a/, 'S13: ... is told');

$mark = $t->log_mark();
like(reaches("server=rediss://127.0.0.1:$port"), qr/unavailable/,
	'S07: a CA that is not known');
like($t->log_since($mark), qr/unable to get local issuer|self.signed/,
	'S07: ... is logged');
like(reaches("server=rediss://127.0.0.1:$port ca=$good->{ca}"
	. ' tls_name=redis.example.com'), qr/unavailable/, 'S07: another name');
like($t->log_since($mark), qr/hostname mismatch/, 'S07: ... is logged');
like(reaches('server=rediss://127.0.0.1:' . $redis->port()), qr/unavailable/,
	'S07: a server without TLS');

for ([ "ca=$good->{key}", qr/no CA certificates in/ ],
	[ 'ca=nowhere.pem', qr/no CA certificates in ".*nowhere/ ],
	[ "cert=$good->{cert}", qr/go together/ ],
	[ "cert=$good->{key} key=$good->{key}", qr/no certificate in/ ],
	[ "cert=$good->{cert} key=$good->{cert}", qr/no key without pass phrase/ ])
{
	my ($param, $why) = @$_;

	like(($c->refuses("server=rediss://h $param"))[1],
		qr/\[emerg\].*$why.* in \S+:\d+/, "S07: refused: $why");
}

$t->done();

###############################################################################

sub reaches {
	my ($client) = @_;

	$c->reload("$client connect=2000 command=2000");

	return $c->cmd('EVAL', 'return 1', 0);
}
