#!/usr/bin/perl

# Sessions over time: idle and absolute time-outs, reload, restart, killed
# workers, roll-over of the cookie key, and whose session a cookie opens.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ random_hex /;

###############################################################################

my $t = Test::OIDC->new(workers => 2, clock => 1)->plan(62);

$t->write_file("key$_", random_hex(32) . "\n") for 1 .. 3;
chmod 0600, map { $t->testdir() . "/key$_" } 1 .. 3;
$t->secret(map { $t->read_file("key$_") =~ s/\n//r } 1 .. 3);
$t->conf(conf())->run();

###############################################################################
# S05, SE-4: one clock for both ends of a session, and use moves only one.

my $used = user('/idle/');
my $left = user('/idle/');
my $absolute = user('/absolute/');
my $long = user('/');
my ($start, $idle) = ($t->now(), '');
my $alive = '';

for my $minute (3, 6, 9, 12, 15) {
	$t->pass_to($start + 60 * $minute);
	$idle .= $used->get('/idle/')->status() . ' ';
	$alive .= $absolute->get('/absolute/')->status() . ' ';
}

is($idle, '200 200 200 200 200 ', 'S05: a session in use outlives session_timeout');
is($alive, '200 200 200 302 302 ',
	'S05: session_lifetime ends one, used or not, neither early nor late');
my $r = $left->get('/idle/');
is($r->status(), 302, 'S05: one that is not used does not');
is((grep { /^idle=;.*Max-Age=0/ } $r->headers_all('Set-Cookie')), 1,
	'SE-6: and its cookie is cleared');
is($long->get('/')->status(), 200, 'S05: the defaults are longer');

is($left->login('/idle/')->status(), 200, 'S05: and a login begins a new one');
is($left->api('/idle/')->status(), 200, 'S05: for scripts as well');

###############################################################################
# S12: reload, more workers, killed workers.

my @pending = map { my $b = $t->browser(); [ $b, $b->start_login('/p?q=1') ] }
	1 .. 4;

ok($t->reload(), 'S12: reload');
is($long->get('/')->status(), 200, 'S12: keeps sessions');
is(back(shift @pending), '302 /p?q=1', 'S12: and pending logins');

ok($t->reload(conf('session_timeout 30m; scope openid email;')),
	'S12: reload with other settings');
is($long->get('/')->status(), 200, 'S12: keeps sessions');
is(back(shift @pending), '302 /p?q=1', 'S12: and pending logins');

my $replay = $t->browser();
my $url = $replay->start_login('/p');
my $twin = $replay->clone();
is($replay->callback($url)->status(), 302, 'F09: a callback');
ok($t->reload(conf()), 'S12: reload');
is($twin->callback($url)->status(), 400, 'F09 S12: is spent after it too');

$t->kill_worker($_) for $t->workers();
is($long->get('/')->status(), 200, 'S12: killed workers lose no session');
is(back(shift @pending), '302 /p?q=1', 'S12: and no pending login');
is(user('/')->get('/')->status(), 200, 'S12: and logins go on');

my @many = $long->parallel_get('/', n => 40, concurrency => 20);
is(join(',', map { $_->status() || $_->error() } @many), join(',', (200) x 40),
	'S12: every worker knows the session');

# The one that was used until it was left alone.
$t->pass(11 * 60);
is($used->api('/idle/')->status(), 401, 'S05 B08: 401 for a script then');
is($used->post('/idle/', 'x' x 1e6)->status(), 401, 'B08: and a large POST');

# Without oidc_cookie_key nothing in memory outlives the process, and nothing
# breaks.
$t->restart();
is($long->get('/')->status(), $t->store() eq 'redis' ? 200 : 302,
	'S12: memory sessions end with a restart, those in Redis do not');
is(back(shift @pending), '400 ', 'S12: as do logins without oidc_cookie_key');
is($long->login('/')->status(), 200, 'S12: and everybody may log in again');

###############################################################################
# S04: oidc_cookie_key and its roll-over.

ok($t->reload(conf('', 1)), 'S04: a key of one\'s own');
is($long->get('/')->status(), 200, 'S04: changes nothing for sessions');

@pending = map { my $b = $t->browser(); [ $b, $b->start_login('/p') ] } 1 .. 4;
ok($t->reload(), 'S12: reload with it');
is(back(shift @pending), '302 /p', 'S12: keeps pending logins');

$t->restart();
is(back(shift @pending), '302 /p', 'S04: the key outlives a restart');

ok($t->reload(conf('', 2, 1)), 'S04: roll-over: the new key first');
is(back(shift @pending), '302 /p', 'S04: the previous one still opens');
my @new = map { my $b = $t->browser(); [ $b, $b->start_login('/n') ] } 1 .. 2;

ok($t->reload(conf('', 2)), 'S04: the old key goes');
is(back(shift @new), '302 /n', 'S04: the first had sealed');
is(back(shift @pending), '400 ', 'S04: what the old one sealed is void');

my $mark = $t->log_mark();
ok($t->reload(conf('', 3)), 'S04: another key altogether');
is(back(shift @new), '400 ', 'S04: opens nothing of before');
ok($t->wait_log(qr/login refused: state_unknown/, 1, $mark),
	'O04: the log says so');

my $survivor = user('/');
ok($t->reload(conf('', 1, 2, 3)), 'S04: three keys');
is($survivor->get('/')->status(), 200,
	'S04: sessions hang on their handle, not on this key');

###############################################################################
# F22: whose session.

my $one = user('/');
my $value = $one->cookie('NGX_OIDC_SESSION')->{value};

for my $name (qw/ idle absolute shared-a other /) {
	is($t->browser()->get("/$name/", cookie => "$name=$value")->status(),
		302, "F22: a session opens nothing as cookie \"$name\"");
}

my $shared = user('/shared-a/');
my $handle = $shared->cookie('shared-a')->{value};
is($shared->get('/shared-a/')->status(), 200, 'F22: two with one store: mine');
is($t->browser()->get('/shared-b/', cookie => "shared-b=$handle")->status(),
	302, 'F22: the other\'s session in the same store is none');
is($t->browser()->api('/shared-b/', cookie => "shared-b=$handle")->status(),
	401, 'F22: for a script too');
is(who($t->browser()->get('/shared-b/verify/', cookie => "shared-b=$handle")),
	undef, 'F22: nor does a variable know any of it');
is(who($shared->get('/shared-a/verify/')), '248289761001',
	'F22: but it knows what is its own');
$t->browser()->get('/shared-b/logout', site => 'same-origin',
	cookie => "shared-b=$handle");
is($shared->get('/shared-a/')->status(), 200,
	'F22: nor can it be ended by the other\'s logout');

is($shared->login('/shared-b/')->status(), 200, 'F22: both at once');
is($shared->get('/shared-a/')->status() . $shared->get('/shared-b/')->status(),
	'200200', 'F22: in one browser');
is($shared->get('/shared-b/logout', site => 'same-origin')->status(), 302,
	'F22: logout of one');
is($shared->get('/shared-a/')->status() . $shared->get('/shared-b/')->status(),
	'200302', 'F22: leaves the other');

my $other = user('/other/');
my $mine = $other->cookie('other')->{value};
is($t->browser()->get('/', cookie => "NGX_OIDC_SESSION=$mine")->status(), 302,
	'F22: of another provider');

###############################################################################
# S04, SE-2, SE-12: at rest there is nothing to read.

my $memory = shared_memory();

SKIP: {
	skip 'cannot read the memory of a process', 7 if !length $memory;

	my $b = user('/');
	my $issued = $t->idp()->issued();

	$memory = shared_memory();
	my %find = (cookie => $b->cookie('NGX_OIDC_SESSION')->{value},
		'the cookie\'s bytes' => Test::OIDC::Keys::b64u_decode(
			$b->cookie('NGX_OIDC_SESSION')->{value}),
		'e-mail' => 'alice@example.test',
		'access token' => $issued->{access_tokens}[-1],
		'ID token' => (split /\./, $issued->{id_tokens}[-1])[1],
		'refresh token' => $issued->{refresh_tokens}[-1]);

	isnt(index($memory, $t->idp()->issuer()), -1,
		'S04: shared memory can be read');
	is(index($memory, $find{$_}), -1, "S04 SE-12: no $_ in shared memory")
		for sort keys %find;
}

###############################################################################

sub conf {
	my ($more, @keys) = @_;

	$more //= '';
	my $keys = join '', map { "oidc_cookie_key %%TESTDIR%%/key$_;\n" } @keys;
	my ($providers, $locations) = ('', '');

	for ([ idle => 'session_timeout 10m;' ],
		[ absolute => 'session_lifetime 10m;' ],
		[ 'shared-a' => 'session_store both;' ],
		[ 'shared-b' => 'session_store both;' ])
	{
		my ($name, $directives) = @$_;

		$providers .= <<"EOF";
    oidc_provider $name {
        %%PROVIDER%%
        cookie_name $name;
        redirect_uri /$name/callback;
        logout_uri /$name/logout;
        $directives
    }
EOF
		$locations .= <<"EOF";
        location /$name/ {
            auth_oidc $name;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
            location /$name/verify/ {
                auth_oidc_mode verify;
                proxy_pass http://%%BACKEND%%;
            }
        }
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    $keys
    client_max_body_size 2m;
    oidc_session_store both { size 1m; }
$providers
    oidc_provider idp {
        %%PROVIDER%%
        $more
    }
    oidc_provider other {
        %%PROVIDER_other%%
        cookie_name other;
        redirect_uri /other/callback;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
        location /other/ {
            auth_oidc other;
            proxy_pass http://%%BACKEND%%;
        }
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}


sub who {
	my ($r) = @_;

	return (map { $_->[1] } grep { $_->[0] eq 'X-User' }
		@{ $r->json()->{headers} })[0];
}


sub user {
	my ($path) = @_;

	my $b = $t->browser();
	my $r = $b->login($path);

	die "no login at $path: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


# A callback opened: its status and the path that it leads to.
sub back {
	my ($b, $url) = @{ $_[0] };
	my $r = $b->callback($url);

	return $r->status() . ' ' . ($r->location() // '')
		=~ s{^http://[^/]*}{}r;
}


# What a worker shares with the others.
sub shared_memory {
	my ($pid) = $t->workers();
	my $all = '';

	open my $mem, '<:raw', "/proc/$pid/mem" or return '';

	for (split /\n/, $t->read_file("/proc/$pid/maps")) {
		my ($from, $to) = m{^(\w+)-(\w+) rw-s .*/dev/zero} or next;

		($from, $to) = map { unpack 'Q>', pack 'H16', $_ }
			map { '0' x (16 - length) . $_ } $from, $to;
		sysseek $mem, $from, 0 or next;
		my $left = $to - $from;

		while ($left > 0) {
			my $n = sysread $mem, my $part, $left or last;
			$all .= $part;
			$left -= $n;
		}
	}

	return $all;
}

###############################################################################
