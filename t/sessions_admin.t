#!/usr/bin/perl

# oidc_sessions: counting sessions, and ending those of a person, of the
# provider's session, or one; who may, and what is refused.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2, clock => 1);
my $memory = $t->store() eq 'memory';

# in memory a provider that names none has a store of its own
my %store = map { $_ => ($memory ? 'oidc_default_store_' : '') . $_ }
	qw/ three short /;
my ($three, $short) = $memory ? ('') x 2 : map { "session_store $_;" }
	qw/ three short /;
my $stores = $memory ? 'oidc_session_store shared { type memory; size 1m; }'
	: join "\n", map { "oidc_session_store $_ { type redis;"
		. " redis %%REDIS%%; prefix $_:; }" } qw/ shared three short /;

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    $stores
    oidc_provider one {
        %%PROVIDER%%
        cookie_name one;
        redirect_uri /one/callback;
        logout_uri /one/logout;
        session_store shared;
    }
    oidc_provider two {
        %%PROVIDER_two%%
        cookie_name two;
        redirect_uri /two/callback;
        session_store shared;
    }
    oidc_provider three {
        %%PROVIDER%%
        cookie_name three;
        redirect_uri /three/callback;
        $three
    }
    oidc_provider short {
        %%PROVIDER%%
        cookie_name short;
        redirect_uri /short/callback;
        session_timeout 10m;
        $short
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-Sid \$oidc_sid;
        proxy_set_header X-Id \$oidc_session_id;
        auth_oidc one;
        location /one/ {
            proxy_pass http://%%BACKEND%%;
        }
        location /two/ {
            auth_oidc two;
            proxy_pass http://%%BACKEND%%;
        }
        location /three/ {
            auth_oidc three;
            proxy_pass http://%%BACKEND%%;
        }
        location /short/ {
            auth_oidc short;
            proxy_pass http://%%BACKEND%%;
        }
        location = /admin {
            oidc_sessions;
            auth_oidc off;
            allow 127.0.0.1;
            deny all;
        }
        location = /denied {
            oidc_sessions;
            auth_oidc off;
            deny all;
        }
        location = /guarded {
            oidc_sessions;
            error_page 400 /one/error;
        }
        location /admin/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        location / {
            oidc_sessions;
        }
    }
}
EOF

my $idp = $t->idp();
my $admin = $t->browser();
my %user;

###############################################################################

my $r = $admin->api('/admin');
is($r->status(), 200, 'GET: 200');
is($r->header('Content-Type'), 'application/json', 'GET: JSON');
is($r->header('Cache-Control'), 'no-store', 'GET: no-store');
is(scalar @{ $r->json() }, 3, 'GET: each store once');
is(count('shared'), 0, 'GET: nobody');
is(count($store{three}), 0, 'GET: nor in another');

for my $name (qw/ alice bob /) {
	$idp->set(user => $name);
	$t->idp('two')->set(user => $name);
	$user{"$name $_"} = user($_) for qw/ one two three /;
	$user{"$name again"} = user('one');
}

is(count('shared'), 6, 'GET: all of two providers');
is(count($store{three}), 2, 'GET: and of the third');
is($admin->request('HEAD', '/admin')->status(), 200, 'HEAD');
is($t->browser(port => 1)->api('/x')->status(), 200,
	'GET: in a server without auth_oidc');

###############################################################################
# What ends.

is(ended('id=' . header($user{'alice one'}, 'X-Id')), 1, 'id: one');
is(alive(), 'alice again, alice three, alice two, bob again, bob one, '
	. 'bob three, bob two', 'id: that one');
is(ended('id=' . header($user{'bob one'}, 'X-Id') =~ s/.$/x/r), '400',
	'id: no hex');
is(ended('sid=' . header($user{'bob one'}, 'X-Sid') . '&provider=two'), 0,
	'sid: of another provider');
is(ended('provider=one&sid=' . header($user{'bob one'}, 'X-Sid')), 1,
	'sid: of this provider');
is(alive(), 'alice again, alice three, alice two, bob again, bob three, '
	. 'bob two', 'sid: that one');
is(ended('sub=90342ad5-bob&provider=two', 'POST'), 1,
	'POST: sub at a provider');
is(alive(), 'alice again, alice three, alice two, bob again, bob three',
	'sub: there alone');
is(ended('sub=90342ad5%2Dbob'), 2, 'sub: everywhere');
is(alive(), 'alice again, alice three, alice two', 'sub: all of that person');
is(ended('sub=nobody'), 0, 'sub: unknown');
is(count('shared'), 2, 'GET: those that are left');
ok($t->wait_log(qr/oidc: administration ended 2 sessions/),
	'O04: the log says so');

$user{'alice again'}->get('/one/logout', site => 'same-origin');
is(count('shared'), 1, 'GET: without one that has logged out');

$idp->set(user => 'chloe');
user('short');
is(count($store{short}), 1, 'GET: one more');
$t->pass(11 * 60);
is(count($store{short}), 0, 'GET: without those that are over');
is(ended('sub=chloe-3'), 0, 'sub: and they are not ended');

###############################################################################
# What is refused.

my $last = $user{'alice two'};
my $id = header($last, 'X-Id');

for (
	[ DELETE => '', 'nothing' ],
	[ DELETE => 'provider=two', 'a provider alone' ],
	[ DELETE => 'sub=', 'an empty sub' ],
	[ DELETE => 'sub=x&sub=y', 'sub twice' ],
	[ DELETE => 'sub=x&sid=y', 'sub and sid' ],
	[ DELETE => "id=$id&sub=x", 'id and sub' ],
	[ DELETE => 'sub=x&foo=y', 'an unknown argument' ],
	[ DELETE => 'sub=%zz', 'a bad escape' ],
	[ DELETE => 'sub=%00', 'a NUL' ],
	[ DELETE => 'sub=x&provider=four', 'an unknown provider' ],
	[ DELETE => 'id=' . substr($id, 0, 14), 'a short id' ],
	[ DELETE => "id=${id}a", 'an id of odd length' ],
	[ DELETE => 'id=' . 'a' x 66, 'a long id' ],
	[ POST => '', 'a POST of nothing' ],
	[ GET => "id=$id", 'a GET that names a session' ],
	[ GET => 'sub=248289761001', 'a GET that names a person' ],
	[ HEAD => "id=$id", 'a HEAD' ],
) {
	my ($method, $args, $what) = @$_;

	$r = $admin->request($method, "/admin?$args", mode => 'plain');
	is($r->status(), 400, "$what: 400");
	ok($method eq 'HEAD' || $r->json()->{error}, "$what: JSON");
}

for my $method (qw/ PUT PATCH OPTIONS /) {
	$r = $admin->request($method, '/admin', mode => 'plain');
	is($r->status(), 405, "$method: 405");
	is($r->header('Allow'), 'GET, HEAD, POST, DELETE', "$method: Allow");
}

for (
	{ 'Sec-Fetch-Site' => 'cross-site' },
	{ Origin => 'https://evil.test' },
) {
	$r = $admin->request('POST', "/admin?id=$id", mode => 'plain',
		headers => $_);
	is($r->status(), 403, 'LO-3: a page of another site');
}

is($admin->request('DELETE', "/denied?id=$id", mode => 'plain')->status(), 403,
	'deny');
is($admin->request('DELETE', "/guarded?id=$id", mode => 'plain')->status(),
	401, 'auth_oidc holds there too');
is($last->api('/two/x')->status(), 200, 'nothing of that ended anything');

my $root = user('one');
is($root->request('DELETE', '/guarded?x=1', mode => 'plain')->status(), 400,
	'who is let in gets JSON, whatever error_page says');
is($root->request('DELETE', "/guarded?id=$id", mode => 'plain')->json()
	->{ended}, 1, 'who is let in may');
is($last->api('/two/x')->status(), 401, 'and it is gone');
is($admin->get('/admin/x')->status(), 200, 'below it is another location');

# A body is not looked at, and does not disturb the next request.
$r = $admin->raw("POST /admin?sub=x HTTP/1.1\r\nHost: x\r\nContent-Length: 9"
	. "\r\n\r\nsub=alice" . "GET /admin HTTP/1.1\r\nHost: x\r\n"
	. "Connection: close\r\n\r\n");
like($r, qr/"ended":0.*"store"/s, 'POST: a body');

$t->done();

###############################################################################

sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/x");

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


sub header {
	my ($b, $header) = @_;

	my ($name) = map { $_->{name} } $b->cookies();

	return (map { $_->[1] } grep { $_->[0] eq $header }
		@{ $b->get("/$name/x")->json()->{headers} })[0];
}


sub count {
	my ($store) = @_;

	return (map { $_->{sessions} } grep { $_->{store} eq $store }
		@{ $admin->api('/admin')->json() })[0];
}


# How many were ended, or the status.
sub ended {
	my ($args, $method) = @_;

	my $r = $admin->request($method // 'DELETE', "/admin?$args",
		mode => 'plain');

	return $r->status() == 200 ? $r->json()->{ended} : $r->status();
}


sub alive {
	return join ', ', grep { my $b = $user{$_};
		my ($name) = map { $_->{name} } $b->cookies();
		$b->api("/$name/x")->status() == 200 } sort keys %user;
}

###############################################################################
