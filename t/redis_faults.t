#!/usr/bin/perl

# Everything that Redis, or somebody in its place, can say but should not: each
# fault has its line in the log and its status, nobody gets in by it, and it is
# over when it is over.  What was written to Redis by another hand is no session.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $t = Test::OIDC->new();
my $redis = $t->redis();
my $proxy = $t->redis_proxy($redis);
my $url = $redis->url(port => $proxy->port());

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_session_store asked {
        type redis;
        redis $url;
        local_copy off;
        command_timeout 500ms;
    }
    oidc_session_store copied {
        type redis;
        redis $url;
        prefix copied:;
        command_timeout 500ms;
    }
    oidc_provider asked {
        %%PROVIDER%%
        session_store asked;
    }
    oidc_provider copied {
        %%PROVIDER%%
        session_store copied;
        cookie_name copied;
        redirect_uri /copied/callback;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc asked;
            proxy_set_header X-Token \$oidc_access_token;
            proxy_pass http://%%BACKEND%%;
        }
        location /copied/ {
            auth_oidc copied;
            proxy_pass http://%%BACKEND%%;
        }
        location /public/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $cookie = 'NGX_OIDC_SESSION';
my ($alice, $bob) = map { user('/') } 1 .. 2;
my $key = key_of($alice);

###############################################################################
# What Redis says: of reads, of writes, of who we are.

my $replica = $t->redis('replica', replicaof => $redis);
my $locked = $t->redis('locked', password => 'another-password');
my $away = qr/refused: store .*: Redis cannot be reached or does not answer in /;

for (
	[ 'loading' => sub { $proxy->reply('GET',
		"-LOADING Redis is loading the dataset in memory\r\n") },
		503, 503, qr/loading/i ],
	[ 'full' => sub { $redis->do(CONFIG => SET => maxmemory => 1); },
		200, 503, qr/full/i,
		sub { $redis->do(CONFIG => SET => maxmemory => 0); } ],
	[ 'a replica' => sub { replicated(); to($replica); },
		200, 503, qr/read-only/i ],
	[ 'a disk that is full' => sub { $proxy->reply('SET',
		"-MISCONF Redis is configured to save RDB snapshots\r\n") },
		200, 503, qr/read-only|save/i ],
	[ 'no password' => sub { to($locked); }, 503, 503,
		qr/password/i ],
	[ 'a right too few to read' => sub {
		$redis->do(ACL => SETUSER => default => '-get'); }, 503, 503,
		qr/ACL/, sub {
		$redis->do(ACL => SETUSER => default => '+get'); } ],
	[ 'a right too few to write' => sub {
		$redis->do(ACL => SETUSER => default => '-set'); }, 200, 503,
		qr/ACL/, sub {
		$redis->do(ACL => SETUSER => default => '+set'); } ],
	[ 'an error without a name' => sub {
		$proxy->reply('GET', "-WHAT is it\r\n") }, 503, 503,
		qr/: Redis answered with an error/ ],
	[ 'an error of any bytes' => sub {
		$proxy->reply('GET', "-\x00\xff\x1b[31m\r\n") }, 503, 503,
		qr/: Redis answered with an error/ ],
	[ 'silence' => sub { $proxy->reply('GET', { hang => 1 }); }, 503, 503,
		$away ],
	[ 'a closed connection' => sub {
		$proxy->reply('GET', { close => 1 }); }, 503, 503,
		$away ],
	[ 'nobody' => sub { $proxy->down(); }, 503, 503,
		$away, sub { $proxy->up(); } ],
	[ 'a web server' => sub { says("HTTP/1.1 400 Bad Request\r\n\r\n") },
		503, 503, $away ],
	[ 'a mail server' => sub { says("220 mail.example.test\r\n") },
		503, 503, $away ],
	[ 'answers that nobody asked for' => sub { says("+OK\r\n" x 100) },
		503, 503, $away ],
	[ 'a very long answer' => sub { $proxy->reply('GET',
		"\$5000000\r\n" . 'x' x 5e6 . "\r\n"); }, 503, 503,
		$away ],
	[ 'the promise of one' => sub { $proxy->reply('GET',
		"\$999999999999\r\n" . 'x' x 5e6); }, 503, 503, $away ],
	[ 'a line without an end' => sub { $proxy->reply('GET',
		'+' . 'x' x 5e6); }, 503, 503, $away ],
	[ 'a billion answers' => sub { $proxy->reply('GET',
		"*1000000000\r\n"); }, 503, 503, $away ],
	[ 'arrays in arrays' => sub { $proxy->reply('GET',
		"*1\r\n" x 100 . ":1\r\n"); }, 503, 503, $away ],
	[ 'a negative length' => sub { $proxy->reply('GET',
		"\$-17\r\n"); }, 503, 503, $away ],
	[ 'a length that is none' => sub { $proxy->reply('GET',
		"\$abc\r\n"); }, 503, 503, $away ],
) {
	my ($name, $begin, $status, $login, $log, $end) = @$_;

	my $mark = $t->log_mark();
	$begin->();
	my $r = steady($alice, $status);

	is($r->status(), $status, "S08 RE-5: $name: a session: $status");
	like($r->header('Retry-After') // '', qr/^[1-9]\d*$/,
		"S08: $name: and when to come back") if $status == 503;
	is($t->browser()->api('/', cookie => "$cookie=" . 'A' x 43)->status(),
		$status == 503 ? 503 : 401,
		"S08: $name: none lets nobody in");

	if ($login) {
		my $b = $t->browser();

		is($b->login('/')->status(), $login,
			"S08: $name: a login: $login");

		# where Redis can be written to, it was the page that failed
		is($b->cookie($cookie), undef, "S08: $name: sets no cookie")
			if $status == 200;
	}

	is($t->browser()->get('/public/')->status(), 200,
		"S08: $name: public is public");

	# a worker that was just connecting says so, and then the reason
	ok($t->wait_for(sub {
		return 1 if $t->log_since($mark) =~ $log;
		$t->browser()->login('/');
		return;
	}, 10), "O04: $name: is in the log") or diag($t->log_since($mark));

	$end->() if $end;
	$proxy->to($redis->port());
	$proxy->reset();
	$proxy->drop_connections();

	ok($t->wait_for(sub { $alice->get('/')->status() == 200 }, 20),
		"S08: $name: it is over when it is over");
}

is(scalar(() = $t->log() =~ /\x1b|\xff/g), 0, 'O03: no raw bytes in the log');

# What is wrong only in its type is no session.
for ([ 'nil' => "\$-1\r\n" ], [ 'a number' => ":17\r\n" ],
	[ 'an empty string' => "\$0\r\n\r\n" ], [ 'a status' => "+OK\r\n" ],
	[ 'an array' => "*2\r\n+OK\r\n\$1\r\nx\r\n" ],
	[ 'an empty array' => "*0\r\n" ], [ 'no array' => "*-1\r\n" ])
{
	my ($name, $reply) = @$_;

	$proxy->reply('GET', $reply);
	like($alice->clone()->api('/')->status(), qr/^(?:401|503)$/,
		"RE-5: $name is no session");
	$proxy->reply('GET', undef);
	is($alice->get('/')->status(), 200, "RE-5: $name: one answer, not two");
}

###############################################################################
# Pieces.

for my $n (1, 2, 3, 7, 1000) {
	$proxy->split($n);
	is(join(',', map { $_->get('/')->status() } ($alice, $bob) x 3),
		join(',', (200) x 6), "S09: answers in pieces of $n");
}

$proxy->split(1);
is($t->browser()->login('/')->status(), 200, 'S09: and a login');
$proxy->split(0);

###############################################################################
# Redis without tracking.

my $copied = user('/copied/');

# a subscriber that met one of the answers above tries again in a minute
ok($t->wait_for(sub { !asked() }, 75), 'S03: served from the local copy');

my $mark = $t->log_mark();

$proxy->reply('CLIENT TRACKING', "-ERR Unknown subcommand or wrong number of "
	. "arguments for 'TRACKING'\r\n");
$proxy->drop_connections();

ok($t->wait_for(sub { asked() }, 10), 'S03: without tracking Redis is asked');
is($copied->get('/copied/')->status(), 200, 'S03: and sessions are served');
is($t->browser()->login('/copied/')->status(), 200, 'S03: and begin');
ok($t->wait_log(qr/tracking/i, 5, $mark), 'O04: that is said in the log');
$proxy->drop_connections();
ok($t->wait_for(sub { $copied->get('/copied/')->status() == 200 }, 10),
	'S03: again');
is(scalar(() = $t->log_since($mark) =~ /tracking/gi), 1, 'O04: once')
	or diag($t->log_since($mark));
$proxy->reset();
$proxy->drop_connections();

###############################################################################
# Records by another hand.

my ($good, $ttl) = ($redis->do(GET => $key), $redis->do(PTTL => $key));
my $other = $redis->do(GET => key_of($bob));

my $token = token($alice->get('/'));

isnt($token, '', 'S04: a record, and a token in it');

for (
	[ 'the record of another session' => $other ],
	[ 'of another version' => "\x02" . substr $good, 1 ],
	[ 'of no version' => "\x00" . substr $good, 1 ],
	[ 'with a reserved byte' => put($good, 1, "\x01") ],
	[ 'with a head that is too long' => put($good, 4, "\xff\xff\xff\xff") ],
	# what it begins with is sealed, how long that is is but a hint
	[ 'with a head of one byte less' => put($good, 7,
		chr((ord(substr $good, 7, 1) - 1) & 255)), "200 $token" ],
	[ 'without a head' => put($good, 4, "\0\0\0\0"), "200 $token" ],
	[ 'with another bit' => flip($good, 12) ],
	[ 'with another last bit' => flip($good, length($good) - 1), '200 ' ],
	[ 'with a byte more' => $good . 'x', '200 ' ],
	[ 'with a byte less' => substr($good, 0, -1), '200 ' ],
	[ 'that is not ours' => 'hello' ],
	[ 'of nothing' => '' ],
	[ 'of a megabyte less one' => $good . 'x' x (1e6 - length $good) ],
	(map { [ "torn after $_ bytes" => substr $good, 0, $_ ] }
		1 .. 9, 20, 36, 64, 200),
) {
	my ($name, $value, $expected) = @$_;

	$redis->do(SET => $key, $value, PX => $ttl);
	my $r = $alice->clone()->api('/');

	# tokens are sealed apart, and read only where they are wanted
	is($r->status() . ' ' . token($r), $expected // '401 ',
		"S04 RE-5: a record $name: nothing is believed that is wrong");
}

$redis->do(DEL => $key);
$redis->do(RPUSH => $key, $good);
like($alice->clone()->api('/')->status(), qr/^(?:401|503)$/,
	'RE-5: nor is a list');
$redis->do(DEL => $key);
$redis->do(SET => $key, $good, PX => $ttl);
is($alice->get('/')->status(), 200, 'S04: the record itself is one');
$redis->do(PERSIST => $key);
like($alice->get('/')->status(), qr/^(?:200|302)$/,
	'RE-3: one that was made to last');
ok($t->wait_for(sub { $alice->get('/'); $redis->do(PTTL => $key) != -1 }, 5),
	'RE-3: does not');

$t->done();

###############################################################################

# the access token that the backend got
sub token {
	my ($r) = @_;

	return '' if $r->status() != 200;
	return (map { $_->[1] } grep { $_->[0] eq 'X-Token' }
		@{ $r->json()->{headers} })[0] // '';
}


# The status once it has set in.
sub steady {
	my ($b, $status) = @_;

	my $r;

	$t->wait_for(sub {
		$r = $b->get('/');
		return $r->status() == $status;
	}, 5);

	return $r;
}


sub to {
	my ($server) = @_;

	$proxy->to($server->port());
	$proxy->drop_connections();
}


sub says {
	$proxy->garbage(@_);
	$proxy->drop_connections();
}


sub replicated {
	$t->wait_for(sub {
		my %info = $replica->info('replication');
		return $info{master_link_status} eq 'up';
	}) or die "no replica\n";
	$redis->do(WAIT => 1, 5000);
}


# commands of a few requests to the provider with a local copy
sub asked {
	my $before = $proxy->count('GET');

	$copied->get('/copied/') for 1 .. 5;

	return $proxy->count('GET') - $before;
}


# the key that a request with this session asks for
sub key_of {
	my ($b) = @_;

	$t->wait_for(sub { $b->get('/')->status() == 200 }, 20)
		or die "no session\n";
	$proxy->forget();
	$b->get('/');

	return ($proxy->commands('GET'))[0][1];
}


sub put {
	my ($bytes, $at, $new) = @_;

	substr $bytes, $at, length $new, $new;

	return $bytes;
}


sub flip {
	my ($bytes, $at) = @_;

	return put($bytes, $at, chr(ord(substr $bytes, $at, 1) ^ 1));
}


sub user {
	my ($path) = @_;

	my $b = $t->browser();
	my $r = $b->login($path);

	die "no login at $path: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}

###############################################################################
