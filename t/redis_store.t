#!/usr/bin/perl

# Sessions in a real Redis under the narrowest user of conf/redis: what lies
# there and for how long, who ends it, and what the local copy saves.  The
# sample configurations load.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Conf;
use Test::OIDC::Keys qw/ random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $t = Test::OIDC->new(workers => 2, clock => 1);
my $word = random_hex(16);
my $redis = $t->redis('narrow', users => [ user() ]);
my $sub = '248289761001';

$t->secret($word);
$t->write_file($_, "$word$word\n") for qw/ cookie.key /;
$t->write_file($_, "$word\n") for qw/ password /;
chmod 0600, map { $t->testdir() . "/$_" } qw/ password cookie.key /;

my $port = $redis->port();

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/cookie.key;
    oidc_session_store copied {
        type redis;
        hostname 127.0.0.1;
        port $port;
        username gateway;
        password_file %%TESTDIR%%/password;
    }
    oidc_session_store asked {
        type redis;
        redis redis://gateway:$word\@127.0.0.1:$port/0;
        prefix oidc:other:;
        local_copy off;
        connect_timeout 2s;
        command_timeout 2s;
    }
    oidc_provider copied {
        %%PROVIDER%%
        session_store copied;
        refresh_leeway 10m;
        logout_uri /logout;
        backchannel_logout_uri /backchannel;
    }
    oidc_provider asked {
        %%PROVIDER%%
        session_store asked;
        cookie_name asked;
        redirect_uri /asked/callback;
        session_timeout 10m;
    }
    oidc_provider touched {
        %%PROVIDER%%
        session_store copied;
        cookie_name touched;
        redirect_uri /touched/callback;
        session_timeout 16m;
    }
    oidc_provider touched_there {
        %%PROVIDER%%
        session_store asked;
        cookie_name touched_there;
        redirect_uri /touched_there/callback;
        session_timeout 16m;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-User \$oidc_claim_sub;
        proxy_set_header X-Token \$oidc_access_token;
        proxy_set_header X-Id \$oidc_session_id;
        location / {
            auth_oidc copied;
            proxy_pass http://%%BACKEND%%;
        }
        location /asked/ {
            auth_oidc asked;
            proxy_pass http://%%BACKEND%%;
        }
        location /touched/ {
            auth_oidc touched;
            proxy_pass http://%%BACKEND%%;
        }
        location /touched_there/ {
            auth_oidc touched_there;
            proxy_pass http://%%BACKEND%%;
        }
        location /verify/ {
            auth_oidc copied;
            auth_oidc_mode verify;
            proxy_pass http://%%BACKEND%%;
        }
        location = /admin {
            oidc_sessions;
        }
    }
}
EOF

###############################################################################
# What lies in Redis.

my $b = $t->browser();
is($b->login('/')->status(), 200, 'S03 S07: a login with the narrowest user');

is(told('X-User'), $sub, 'S03: claims');
like(told('X-Token') // '', qr/./,
	'S03: a token, whose reader cannot wait');

my %all = $redis->dump();
my ($key) = my @session = grep { /^oidc:s:\{[\w-]{43}\}$/ } keys %all;

is(scalar @session, 1, 'S09: a session');
is(scalar(grep { /^oidc:o:\{[\w-]{43}\}$/ } keys %all), 1,
	'S09 RE-6: the mark of a spent state');
cmp_ok(scalar(grep { /^oidc:i:\{[\w-]{43}\}$/ } keys %all), '>=', 1,
	'S13: an index');
is_deeply([ grep { !/^oidc:[soi]:\{[\w-]{43}\}$/ } keys %all ], [],
	'S09: and nothing else');
is_deeply([ grep { $all{$_}{ttl} <= 0 || $all{$_}{ttl} > 43_200_000 }
	keys %all ], [], 'RE-3 S05: each for a time, the lifetime at most');

# What is no record of ours is none: its owner logs in again.

my $good = $redis->do(GET => $key);

for ([ 'of another version', "\x02" . substr $good, 1 ],
	[ 'whose head is longer than it is',
		substr($good, 0, 4) . "\xff" x 4 . substr $good, 8 ],
	[ 'cut short', substr $good, 0, 5 ], [ 'that is empty', '' ],
	[ 'that is too long', $good . 'x' x 300_000 ],
	[ 'whose seal is broken', substr($good, 0, 40) . 'xx' . substr $good, 42 ])
{
	$redis->do(SET => $key, $_->[1], 'PX', 60_000);
	ok(soon(sub { $b->clone()->get('/')->status() == 302 }),
		"S09 RE-5: a record $_->[0]");
}

$redis->do(SET => $key, $good, 'PX', 60_000);
ok(soon(sub { $b->get('/')->status() == 200 }), 'S09: the good one again');

###############################################################################
# The local copy.

ok(soon(sub { asked(10) == 0 }), 'S03: 10 requests, and Redis is not asked');
is(scalar(() = $redis->clients(qr/ sub=1 /)), 1, 'S03: one worker listens');

$redis->do(PEXPIRE => $key, 50_000);
my $n = 0;
soon(sub { $n += asked(1) });
$n += asked(10);
ok($n >= 1 && $n <= 3, 'S03: what was changed is asked for, once') or diag($n);

$redis->do('FLUSHDB');
ok(soon(sub { $b->get('/')->status() == 302 }), 'S03: all is gone at once');
is($b->login('/')->status(), 200, 'S03: a login after that');
ok(soon(sub { asked(10) == 0 }), 'S03: is copied, too');

###############################################################################
# Ends.

my $admin = $t->browser();

my $id = told('X-Id');

is(sessions('copied'), 1, 'S13: sessions are counted');
is(ended("id=$id"), 1, 'S13: one is ended by its id');
is($b->get('/')->status(), 302, 'S13: at once');

is(scalar(grep { $t->browser()->login('/')->status() == 200 } 1 .. 70), 70,
	'S13: 70 logins of one person');
is(sessions('copied'), 70, 'S13: are counted');
is(ended("sub=$sub&provider=copied"), 70, 'S13: all of them are ended');
is(sessions('copied'), 0, 'S13: so they are');

%all = $redis->dump();
is_deeply([ grep { /:s:/ } keys %all ], [], 'S13: nothing of them is left');

# A session that is used is touched.

my $c = $t->browser();
is($c->login('/asked/')->status(), 200, 'S05: a short session');

for (1 .. 3) {
	$t->pass(6 * 60);
	is($c->get('/asked/')->status(), 200, 'S05: lives while it is used');
}

is(sessions('asked'), 1, 'S05: and so it does in Redis');
$t->pass(11 * 60);
ok(soon(sub { sessions('asked') == 0 }), 'S05: and ends when it is not');

# At most once in a 16th of session_timeout, whichever worker serves it.

my $idp = $t->idp();

$idp->set(token => { expires_in => 7200 });

for my $path (qw{ /touched/ /touched_there/ }) {
	is($c->login($path)->status(), 200, 'SE-4: a session of 16 min');

	my ($calls, $served) = (calls('pexpire'), 0);

	for (1 .. 5) {
		$t->pass(61);
		$served += $c->get($path)->status() == 200 for 1 .. 20;
	}

	is($served, 100, "SE-4: $path: used for five minutes");
	is(calls('pexpire') - $calls, 5, "SE-4: $path: touched once a minute");
}

# The indexes are emptied with the session, however it ends: nobody else logs in
# as the person whose indexes these are.

$idp->set(user => 'bob', token => { expires_in => 1000 });

my @mine = map { my %before = map { $_ => 1 } $redis->keys();
	my $user = $t->browser();
	$user->login('/');
	{ user => $user, new => [ grep { /:i:/ && !$before{$_} }
		$redis->keys() ] } } 1 .. 2;

is(scalar @{ $mine[0]{new} }, 2, 'S13: indexes of a sub and a sid');
is(scalar @{ $mine[1]{new} }, 1, 'S13: of the same sub and another sid');
is(cards(), '1 1 2', 'S13: a session in each, two of that sub');

is($mine[0]{user}->get('/logout', site => 'same-origin')->status(), 302,
	'S13: a logout');
ok(soon(sub { cards() eq '0 1 1' }), 'S13: takes its session out of them')
	or diag(cards());

$t->pass(1001);
$idp->once(refresh => { status => 400, content_type => 'application/json',
	body => '{"error":"invalid_grant"}' });
is($mine[1]{user}->get('/')->status(), 302, 'S10: a refresh that is refused');
ok(soon(sub { cards() eq '0 0 0' }), 'S13: does so, too') or diag(cards());
$idp->set(user => undef, token => undef);

###############################################################################
# Redis away: no page for a holder of a cookie, in any mode; one for nobody.

is($b->login('/')->status(), 200, 'S03: a session');
$redis->kill();

my $r;

ok(soon(sub { ($r = $b->get('/'))->status() == 503 }), 'RE-1: 503 without it');
like($r->header('Retry-After') // '', qr/^\d+$/, 'RE-1: with Retry-After');
is($b->get('/verify/')->status(), 503, 'S03: in verify mode too');
is($t->browser()->get('/verify/')->status(), 200, 'S03: but not for anybody');
is($b->get('/logout', site => 'same-origin')->status(), 503,
	'RE-1: a logout that cannot be done is none');
like($t->log(), qr/request refused: store .*unavailable: Redis cannot be/,
	'O04: the log says why');

$redis->start();
ok(soon(sub { $t->browser()->login('/')->status() == 200 }, 15),
	'RE-1: Redis is back, and so are logins');

###############################################################################
# Stores named by their URL alone, and what a new worker is asked first, before
# it has a connection.

my $one = Test::OIDC->new();
my $socket = $one->redis('socket', unix => 1)->url();

$one->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        session_store redis://gateway:$word\@127.0.0.1:$port/0;
    }
    oidc_provider local {
        %%PROVIDER%%
        session_store $socket;
        cookie_name local;
        redirect_uri /local/callback;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location /local/ {
            auth_oidc local;
            proxy_pass http://%%BACKEND%%;
        }
        location = /admin {
            oidc_sessions;
        }
        location = /free {
            return 204;
        }
    }
}
EOF

my $stored = sessions('copied') + 1;

is($one->browser()->login($_)->status(), 200, "S07: $_: a URL is a store")
	for qw{ / /local/ };
like(join(' ', $one->redis('socket')->keys()), qr/oidc:s:/,
	'S07: which is there');

$redis->pause();
$one->kill_worker();
my $first = $one->browser()->begin('/admin');
is($one->browser()->get('/free')->status(), 204, 'RE-1: a worker that waits');
$redis->resume();
like($one->browser()->answer($first), qr/ 200 .*"sessions":$stored\b/s,
	'S13: counts when it is connected');

###############################################################################
# The samples load.

my $conf = Test::OIDC::Conf->new($t);

for my $file (sort glob 'conf/redis/*.conf') {
	my $store = slurp($file);

	next if $store !~ /oidc_session_store/;

	$store =~ s{keys/redis\.password}{%%TESTDIR%%/password};
	$store =~ s{keys/redis-ca\.pem}{%%CA%%};

	my ($text) = $conf->text(provider => 'session_store redis;',
		end => $t->expand("oidc_cookie_key %%TESTDIR%%/cookie.key;\n"
			. $store));
	my ($status, $out) = $t->conf_test($text);

	if ($status && $out =~ /\[emerg\].*libhiredis_ssl/) {
		like($file, qr/tls/, 'S07: this hiredis has no TLS, and it says so');
		next;
	}

	is($status, 0, "S07: $file loads") or diag($out);
	unlike($out, qr/\[warn\]/, 'S07: ... without a warning');
}

my ($text) = $conf->text(provider => 'session_store redis://127.0.0.1;');
my ($status, $out) = $t->conf_test($text);

is($status, 0, 'S07: a URL as session_store') or diag($out);
like($out, qr/\[warn\].*without "oidc_cookie_key"/, 'S04: with a warning');

for (qw/ backchannel_logout_uri frontchannel_logout_uri /) {
	($text) = $conf->text(provider =>
		"session_store redis://127.0.0.1; $_ /end;");
	($status, $out) = $t->conf_test($text);

	is($status, 1, "L10: $_ would find no session");
	like($out, qr/\[emerg\].*without "oidc_cookie_key" a logout by the /,
		'L10: ... and is refused');
}

###############################################################################

$t->done();

###############################################################################

sub user {
	my ($user) = slurp('conf/redis/users.conf') =~ /^user (.*)$/m;

	return $user =~ s/ off resetpass / on >$word /r;
}


sub slurp {
	my ($name) = @_;

	open my $fh, '<', $name or die "$name: $!";
	local $/;

	return scalar <$fh>;
}


sub soon {
	my ($what, $time) = @_;

	return $t->wait_for($what, $time // 5) ? 1 : 0;
}


# what the backend was told in a header
sub told {
	my ($name) = @_;

	return (map { $_->[1] } grep { $_->[0] eq $name }
		@{ $b->get('/')->json()->{headers} })[0];
}


# GETs of Redis for so many requests
sub asked {
	my ($n) = @_;

	my $before = gets();

	$b->get('/') for 1 .. $n;

	return gets() - $before;
}


sub gets { return calls('get'); }


sub calls {
	my ($command) = @_;

	my %info = $redis->info('commandstats');

	return ($info{"cmdstat_$command"} // '') =~ /calls=(\d+)/ ? $1 : 0;
}


# how many sessions are in the indexes of @mine, fewest first
sub cards {
	return join ' ', sort map { $redis->do(ZCARD => $_) }
		map { @{ $_->{new} } } @mine;
}


sub sessions {
	my ($store) = @_;

	return (map { $_->{sessions} } grep { $_->{store} eq $store }
		@{ $admin->api('/admin')->json() })[0];
}


sub ended {
	my ($args) = @_;

	return $admin->request('DELETE', "/admin?$args", mode => 'plain')
		->json()->{ended};
}

###############################################################################
