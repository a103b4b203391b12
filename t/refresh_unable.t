#!/usr/bin/perl

# Refreshes that fail for reasons of our own: a store that cannot be written
# to, keys that cannot be had just now, a session that has outgrown its store.
# Nobody whose session is good is sent away for them.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $t = Test::OIDC->new(clock => 1);
my $idp = $t->idp();
my $redis = $t->redis();
my $proxy = $t->redis_proxy($redis);
my $url = $redis->url(port => $proxy->port());

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    auth_oidc_header X-Role \$oidc_claim_role;
    auth_oidc_header X-Nick \$oidc_claim_nickname;
    auth_oidc_header X-Token \$oidc_access_token;
    auth_oidc_header X-Info \$oidc_userinfo;
    oidc_claim_set \$admin role has=admin;
    oidc_session_store shared { type redis; redis $url; command_timeout 300ms; }
    oidc_session_store tiny { size 128k; }
    oidc_provider full { %%PROVIDER%% refresh_leeway 10m;
        cookie_name full; session_store shared;
        redirect_uri /full/callback; }
    oidc_provider must { %%PROVIDER%% refresh_leeway 10m;
        cookie_name must; session_store shared;
        redirect_uri /must/callback; refresh required; }
    oidc_provider big { %%PROVIDER%% refresh_leeway 10m;
        cookie_name big; session_store tiny;
        redirect_uri /big/callback; userinfo on; userinfo_interval 5m; }
    oidc_provider back { %%PROVIDER%% refresh_leeway 10m;
        cookie_name back;
        redirect_uri /back/callback; userinfo on; userinfo_interval 5m; }
    oidc_provider stale { %%PROVIDER%% refresh_leeway 10m;
        cookie_name stale;
        redirect_uri /stale/callback; userinfo on; }
    oidc_provider keys { %%PROVIDER%% refresh_leeway 10m;
        cookie_name keys; timeout 2s;
        redirect_uri /keys/callback; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location /full/ { auth_oidc full; proxy_pass http://%%BACKEND%%; }
        location /must/ { auth_oidc must; proxy_pass http://%%BACKEND%%; }
        location /big/ { auth_oidc big; proxy_pass http://%%BACKEND%%; }
        location /back/ { auth_oidc back; proxy_pass http://%%BACKEND%%; }
        location /stale/ { auth_oidc stale; proxy_pass http://%%BACKEND%%; }
        location /stale/admin { auth_oidc stale; auth_oidc_require \$admin;
            proxy_pass http://%%BACKEND%%; }
        location /keys/ { auth_oidc keys; proxy_pass http://%%BACKEND%%; }
    }
}
EOF

my ($ADMIN, $NONE) = map { { claims => { role => $_ } } } qw/ admin none /;

$idp->set(id_token => $ADMIN,
	userinfo => { claims => { role => 'admin', nickname => 'Ada' } },
	token => { expires_in => 1000 });

my ($full, $other, $locked, $lapsed) = map { user('full') } 1 .. 4;
my $stale = user('stale');
my $keys = user('keys');
my $must = user('must');
my $start = $t->now();

is($stale->get('/stale/admin')->status(), 200, 'V15: an admin, to begin with');

$idp->set(token => { expires_in => 7200 });
$t->pass_to($start + 600);

###############################################################################
# Redis is full: what is stored stays good, and nothing is sent.

$redis->do(CONFIG => SET => maxmemory => 1);
is(statuses($full, 5), '200', 'S10: within leeway, and the store is full');
is($idp->count('refresh'), 0, 'S10: ... no refresh token is sent');
ok($t->wait_log(qr/\[warn\].*refresh put off: store .*maxmemory/, 2),
	'S10: ... as the log says');
$redis->do(CONFIG => SET => maxmemory => 0);

# The tokens that came are stored when there is a store again.
is($full->get('/full/')->status(), 200, 'S10: room again');
is($idp->count('refresh'), 1, 'S10: ... and a refresh');

$idp->once(refresh => { delay => 400 });
my $socket = $other->begin('/full/');
ok($idp->wait_count(refresh => 2, 5), 'S10: another');
$redis->do(CONFIG => SET => maxmemory => 1);
$t->sleep_until(time() + 1);
$redis->do(CONFIG => SET => maxmemory => 0);
like($other->answer($socket), qr/ 200 /, 'S10: ... while there is no room');
is($other->get('/full/')->passed('X-Token'),
	$idp->issued()->{access_tokens}[-1], 'S10: ... does not lose its tokens');
is($idp->count('refresh'), 2, 'S10: ... and asks once');

###############################################################################
# A lock that Redis gave when nobody listened any more is soon over.

$proxy->reply_once('SET', { pass => 1, delay => 600 });
is(statuses($locked, 1), '200', 'S11: no word from Redis in time');
my %left = $redis->dump();
my ($ttl) = map { $left{$_}{ttl} } grep { /^oidc:l:/ } keys %left;
ok(!defined $ttl || $ttl <= 5000, 'S11: ... whose lock is a short one')
	or diag($ttl);

# One that is somebody else's by now is not given back.

my $n = $idp->count('refresh');
my %before = $redis->dump();
$idp->once(refresh => { delay => 400 });
$socket = $lapsed->begin('/full/');
$idp->wait_count(refresh => $n + 1, 5);
my %held = $redis->dump();
my ($lock) = grep { /^oidc:l:/ and !$before{$_} } keys %held;
$redis->do(SET => $lock, 'another', PX => 60000);
like($lapsed->answer($socket), qr/ 200 /, 'RE-6: a lock that has lapsed');
is($lapsed->get('/full/')->status(), 200, 'RE-6: ... and its session');
is($redis->do(GET => $lock), 'another', 'RE-6: ... is the next owner\'s');

###############################################################################
# Of a role that the new ID token lacks the userinfo of before does not speak.

my $asked = $idp->count('userinfo');
$idp->set(id_token => $NONE);
my $r = $stale->get('/stale/');

is($r->passed('X-Role'), 'none', 'V15: a role that is lost is lost');
is($r->passed('X-Nick'), 'Ada', 'V15: ... what is not stays');
unlike($r->passed('X-Info'), qr/admin/, 'V15: ... userinfo, too');
is($stale->get('/stale/admin')->status(), 403, 'V15: ... and so refused');
is($idp->count('userinfo'), $asked, 'UI-10: without asking it again');

###############################################################################
# Keys that cannot be had just now prove nothing against a token.

$idp->rotate_keys('RS256');
$idp->answer(jwks => { status => 503 });
is(statuses($keys, 2), '200', 'S10: an ID token that cannot be checked');
ok($t->wait_log(qr/answer to refresh lost: jws_kid/, 2), 'S10: ... is a lost one');
$idp->answer(jwks => undef);

###############################################################################
# A session that its store cannot take any more ends; and userinfo that is
# refused, while no refresh succeeds, is not asked again at once.

my $big = user('big');
my $back = user('back');

$t->pass(310);
$idp->set(userinfo => { claims => { role => 'none', big => 'x' x 60000 } });
$idp->forget();
is(statuses($big, 3), '302', 'S06: a session that has outgrown its store');
is($idp->count('userinfo'), 1, 'S06: ... has asked once');

$idp->set(userinfo => $NONE);
$idp->forget();
$idp->answer(userinfo => { status => 401 });
$idp->answer(refresh => { status => 503 });
is(statuses($back, 10), '200', 'S10: userinfo refused, no refresh to be had');
is($idp->count('userinfo'), 1, 'S10: ... is asked once');
is($idp->count('refresh'), 1, 'S10: ... and so is the refresh');

###############################################################################
# One that must have a live access token, and cannot get one, is not sent away.

$idp->answer(userinfo => undef);
$idp->answer(refresh => undef);
$t->pass_to($start + 1100);
$redis->do(CONFIG => SET => maxmemory => 1);
is(statuses($must, 2), '503', 'SE-11: the token is over, and the store is full');
$redis->do(CONFIG => SET => maxmemory => 0);
is(statuses($must, 2), '200', 'SE-11: ... and the session is still there');

$t->done();

###############################################################################

sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/");

	die "no login of $name: ", $r->status(), "\n" if $r->status() != 200;

	$b->{path} = "/$name/";

	return $b;
}


# the statuses of n requests, each once
sub statuses {
	my ($b, $n) = @_;
	my %seen;

	$seen{ $b->get($b->{path})->status() }++ for 1 .. $n;

	return join ' ', sort keys %seen;
}
