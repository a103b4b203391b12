#!/usr/bin/perl

# The whole way with nothing faked: conf/nginx.conf as it stands, a real
# Keycloak with keycloak/demo-realm.json, the demo's backend, a real Chromium.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Browser;
use Test::OIDC::Chromium;
use Test::OIDC::Keycloak;

use Crypt::JWT qw/ decode_jwt encode_jwt /;
use Crypt::PK::RSA;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

###############################################################################

my $t = Test::OIDC->new();

for my $why (Test::OIDC::Keycloak::missing(), Test::OIDC::Chromium::missing(),
	Test::OIDC::Redis::installed() ? '' : 'no redis-server')
{
	next unless $why;
	die "$why\n" if $ENV{TEST_ALL};	# make test: nothing is left out
	$t->skip_all($why);
}

$t->plan(95);

my ($MANY, $LIFE) = (500, 5);	# requests at once, and after so many seconds
my $gateway = 'http://localhost:' . $t->port(0);
my $second = 'http://localhost:' . $t->port(1);
my ($keycloak_port, $backend_port) = ($t->free_port(), $t->free_port());
my $http = HTTP::Tiny->new(max_redirect => 0);

prepare();

my $kc = Test::OIDC::Keycloak->start(gateway => $gateway,
	port => $keycloak_port, dir => $t->testdir() . '/keycloak',
	secret => read_line('keys/client_secret'));

$t->secret($kc->secret(), read_line('keys/cookie.key'));
$t->write_file('local/userinfo.conf', userinfo_conf());
my $backend = start_backend();
$t->run();

my $redis = $t->redis_proxy($t->redis());	# before the browser: they fork
my $echo = $t->backend()->address();
my $browser = Test::OIDC::Chromium->start();
my $page;

###############################################################################

# Nobody is logged in.

is(get('/healthz')->{status}, 200, 'L11: an open location asks nobody');
is(get('/api/me')->{status}, 401, 'F05: an API gets 401');
like(get('/api/me')->{headers}{'www-authenticate'}, qr/^Bearer/i,
	'F05: with a challenge');

# A person opens a page and lands on Keycloak's own login page.

my $asked = "$gateway/reports/2026?tag=a%20b&x=%C3%A9";
my $alice = $browser->tab('alice');

$page = $alice->goto($asked);

is($page->{status}, 200, 'F01: the protected page leads to a page');
like($page->{url}, qr!^\Q${\ $kc->issuer()}\E/protocol/openid-connect/auth\?!,
	'F01: which is Keycloak\'s');
like($alice->title(), qr/Sign in to Demo realm/, 'F01: its login page');
like($page->{url}, qr/[?&]code_challenge_method=S256(&|$)/, 'F04: PKCE S256');
like($page->{url}, qr/[?&]state=[\w-]{43,}(&|$)/, 'F02: state');
like($page->{url}, qr/[?&]nonce=[\w-]{43,}(&|$)/, 'F02: nonce');

# Logs in and is back where it wanted to go.

my $start = time();
$page = log_in($alice, 'alice');

is($page->{url}, $asked, 'F07: back at the page asked for, query included');
is($alice->text('#uri'), '/reports/2026?tag=a%20b&x=%C3%A9',
	'F07: the backend is asked for it unchanged');
is($alice->text('#who'), 'Alice Liddell', 'S14: the backend knows the user');
is($alice->text('#x-username'), 'alice', 'S14: user name');
is($alice->text('#x-email'), 'alice@example.org', 'S14: e-mail');
is($alice->text('#x-groups'), '["staff"]', 'S14: groups as JSON');
isnt($alice->text('#x-user'), '', 'S14: subject');

# What the browser was given.

my @trail = @{ $alice->trail() };
my @callback = grep { $_->{url} =~ m!^\Q$gateway\E/oidc_callback! } @trail;
my ($cookie, @more) = @{ $alice->cookies("$gateway/") };
my @set = map { @{ $_->{set_cookie} || [] } }
	grep { $_->{url} =~ /^\Q$gateway\E/ } @trail;

is(scalar @callback, 1, 'F13: one callback');
like($callback[0]{url}, qr/[?&]iss=/, 'F13: with the issuer in it');
is_deeply(\@more, [], 'S02: one cookie stays, that of the session');
is($cookie->{name}, 'NGX_OIDC_SESSION', 'S02: its name');
ok($cookie->{httpOnly}, 'S02: HttpOnly');
is($cookie->{sameSite}, 'Lax', 'S02: SameSite');
like($cookie->{value}, qr/^[\w-]{22,64}$/, 'S02: a handle, not a token');
is(scalar(grep { /eyJ/ } @set), 0, 'S02: no token in any cookie');
is($alice->script_sees()->{cookie}, '', 'S02: no cookie for scripts');
unlike($alice->content(), qr/eyJ/, 'S02: no token on the page');

$t->secret($cookie->{value});

# The page loaded above was alice's first request of this minute.

my @codes = @{ $alice->fetch('/api/me', 30) };
my ($first) = grep { $codes[$_] == 429 } 0 .. $#codes;
my $refill = int((time() - $start) / 3) + 1;

cmp_ok($first // 999, '>=', 19, 'B16: 20 requests of a user pass at once');
cmp_ok($first // 999, '<=', 19 + $refill, 'B16: the 21st gets 429');

# Another user is not touched, and neither is alice by his login.

my $bob = $browser->tab('bob');

$bob->goto("$gateway/");
$page = log_in($bob, 'bob');

is($page->{status}, 200, 'B16: another user is not touched');
is($bob->text('#who'), 'Bob Dodgson', 'F10: his own session');
is($bob->fetch('/api/me')->[0], 200, 'B16: his requests pass');

# Keycloak fetches our /jwks: to check what we sign, to encrypt to us.

my $jwks = decode_json(get('/jwks')->{content});
my ($sign) = grep { $_->{use} eq 'sig' } @{ $jwks->{keys} };
my ($encrypt) = grep { $_->{use} eq 'enc' } @{ $jwks->{keys} };

my ($status, $answer) = $kc->grant(grant_type => 'client_credentials',
	client_id => 'gateway-jwks',
	client_assertion_type =>
		'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
	client_assertion => assertion('gateway-jwks', $sign->{kid}));

is($status, 200, 'R01 R02: Keycloak accepts an assertion signed by our key')
	or diag(explain($answer));
is(jwks_fetches(), 2, 'R01: having fetched /jwks itself');

($status, $answer) = $kc->grant(grant_type => 'password', scope => 'openid',
	client_id => 'gateway-encrypted', client_secret => $kc->secret(),
	username => 'alice', password => 'alice');

is($status, 200, 'R01 R02: Keycloak encrypts an ID token to our key')
	or diag(explain($answer));

my ($header, $inner) = decode_jwt(token => $answer->{id_token},
	key => private_key('encrypt'), decode_header => 1, decode_payload => 0);

is($header->{kid}, $encrypt->{kid}, 'R02: naming the key of /jwks');
is(decode_jwt(token => $inner, kid_keys => $kc->keys())
	->{preferred_username}, 'alice', 'R02: our private key opens it');

# Logout, which the limit does not hold up: here, at Keycloak, and back.

$alice->trail();
$page = $alice->follow('#logout');
@trail = @{ $alice->trail() };

is($page->{url}, "$gateway/logged-out", 'L05: logged out, at the final page');
ok((grep { $_->{url} =~ m!/openid-connect/logout\?.*id_token_hint=! } @trail),
	'L03: by way of Keycloak, which is told whose session it is');
is_deeply($alice->cookies("$gateway/"), [], 'L02: the cookies are gone');
is(scalar @{ $kc->events('LOGOUT') }, 1, 'L03: Keycloak has ended its session');

$page = $alice->goto("$gateway/");

like($alice->title(), qr/Sign in to Demo realm/, 'L02: asked to log in again');
is($bob->fetch('/api/me')->[0], 200, 'L02: the other user stays');

# An administrator of Keycloak signs bob out: back-channel logout.

my $sessions = '/oidc_sessions';
like(get($sessions)->{content}, qr/{"store":"sessions","sessions":1}/,
	'S13: his is the only session');

my $bobs_id = $kc->admin('GET', '/users?username=bob')->[0]{id};

cmp_ok(signed_out(sub { $bob->fetch('/api/me')->[0] == 401 },
	sub { $bob->goto("$gateway/"); log_in($bob, 'bob') }), '<=', 1,
	'L07 L10: signed out by an administrator, within a second');
ok($t->wait_log(qr/back-channel logout by si[db] ended 1 sessions/),
	'O04: the log says so');
like(get($sessions)->{content}, qr/{"store":"sessions","sessions":0}/,
	'L10: there is none left');

# And the gateway's own administrator ends a session.

my $eve = $browser->tab('eve');

$eve->goto("$gateway/");
log_in($eve, 'bob');
is($http->request(DELETE => "$gateway$sessions?sub=$bobs_id")->{content},
	qq({"ended":1}\n), 'S13: ended by sub');
is($eve->fetch('/api/me')->[0], 401, 'S13: and it is over');

# Userinfo as a signed JWT, from a client of its own on another server.

my $client = $kc->client('gateway-userinfo-jwt');
$client->{redirectUris} = [ "$second/*" ];
$client->{frontchannelLogout} = JSON::PP::true;
$client->{attributes}{'frontchannel.logout.url'} = "$second/frontchannel";
$client->{attributes}{'frontchannel.logout.session.required'} = 'true';
$kc->update_client($client);

my $carol = $browser->tab('userinfo');

$carol->goto("$second/");
$page = log_in($carol, 'alice');

is($page->{status}, 200, 'V14: userinfo as a signed JWT is accepted');
is($carol->text('#x-email'), 'alice@example.org', 'V13: and used');
like($carol->text('#x-userinfo'), qr/"email":\s*"alice\@example\.org"/,
	'V13: as a variable too');

# One browser, two applications: a logout at the one, and Keycloak's page frames
# the other's frontchannel_logout_uri.

my $dora = $browser->tab('dora');

$dora->goto("$second/");
log_in($dora, 'bob');
$page = $dora->goto("$gateway/");
is($page->{url}, "$gateway/", 'F22: logged in at Keycloak, logged in here');
$dora->follow('#logout');
ok($t->wait_log(qr/front-channel logout by sid ended 1 sessions/),
	'L12: Keycloak\'s page frames it, and the session is found without cookie');
is($carol->fetch('/x')->[0], 200, 'L12: that of another person stays');
$dora->goto("$second/");
like($dora->title(), qr/Sign in to Demo realm/, 'L12: logged out there too');

# An ID token encrypted to our key, and a client that our key stands for.

for my $name (qw/ gateway-encrypted gateway-jwks /) {
	my $client = $kc->client($name);
	$client->{redirectUris} = [ "$second/*" ];
	$kc->update_client($client);

	my $tab = $browser->tab($name);

	$tab->goto("$second/$name/");
	$page = log_in($tab, 'alice');

	is($page->{status}, 200, "V17 F21: $name logs in");
	is($tab->text('#x-email'), 'alice@example.org',
		"V17 F21: $name, with the claims");
}

# The first client again, but Keycloak no longer signs: a downgrade.

delete $client->{attributes}{'user.info.response.signature.alg'};
$client->{attributes}{'user.info.response.signature.alg'} = '';
$kc->update_client($client);

my $downgraded = $browser->tab('downgraded');

$downgraded->goto("$second/");
$page = log_in($downgraded, 'bob');

is($page->{status}, 502, 'UI-5: plain userinfo where a JWT was agreed');
is_deeply([ grep { $_->{name} eq 'NGX_OIDC_SESSION' }
	@{ $downgraded->cookies("$second/") } ], [], 'ID-20: no session then');

like($t->log(), qr/userinfo/, 'O04: the log says why');

# Access tokens of Keycloak's, verified here and asked about there.  The one that
# is soon over is wanted last.

my $api = $kc->client('api');
$api->{attributes}{'access.token.lifespan'} = 1;
$kc->update_client($api);
my $over = token('api')->{access_token};
$api->{attributes}{'access.token.lifespan'} = 300;
$kc->update_client($api);

my $issued = token('api');
my $token = $issued->{access_token};
my $bent = $token =~ s/(.{9})$/reverse $1/er;

for my $way (qw/ local introspected /) {
	my $res = api($way, $token);

	is($res->{status}, 200, "R23 R13: $way: a token passes");
	like($res->{content}, qr/"x-caller":"api".*"x-username":"alice"/,
		"R23 R13: $way: with its claims");

	is(api($way, $bent)->{status}, 401, "BE-5: $way: bent");
	is(api($way, $issued->{id_token})->{status}, 401,
		"BE-9: $way: an ID token, its aud ours");
	is(api($way, $issued->{refresh_token})->{status}, 401,
		"BE-9: $way: a refresh token");
	is(api($way, token('gateway-encrypted')->{access_token})->{status}, 401,
		"BE-8: $way: of another aud");
}

# A client of its own, without a user; and people who leave.

($status, $answer) = $kc->grant(grant_type => 'client_credentials',
	client_id => 'api', client_secret => $kc->secret());
is(api('local', $answer->{access_token})->{status}, 200,
	'R23: client credentials');
is(api('introspected', $answer->{access_token})->{status}, 200,
	'R13: client credentials');

$http->post_form($kc->issuer() . '/protocol/openid-connect/logout', {
	client_id => 'api', client_secret => $kc->secret(),
	refresh_token => $issued->{refresh_token} });
ok($t->wait_for(sub { api('introspected', $token)->{status} == 401 }, 10),
	'R20: introspected: logged out at Keycloak, the cache time later 401');
is(api('local', $token)->{status}, 200, 'R23: local: good until its end');
ok($t->wait_for(sub { api('local', $over)->{status} == 401 }, 10),
	'BE-5: local: 401 after its end');

# Keycloak's answer without "jwt": a downgrade.

$api->{attributes}{'client.introspection.response.allow.jwt.claim.enabled'} =
	'false';
$kc->update_client($api);
is(api('introspected', token('api')->{access_token})->{status}, 502,
	'IN-9: plain JSON where a JWT was agreed');

# Each refresh token is good once: many requests at the end of an access token
# are one refresh, and what it brought makes the next.

$kc->admin('PUT', '', { %{ $kc->admin('GET', '') },
	revokeRefreshToken => JSON::PP::true, refreshTokenMaxReuse => 0 });
$kc->admin('PUT', '/events/config', { %{ $kc->admin('GET', '/events/config') },
	enabledEventTypes => [ qw/ REFRESH_TOKEN REFRESH_TOKEN_ERROR / ] });
$client = $kc->client('gateway-jwks');
$client->{attributes}{'access.token.lifespan'} = 4;
$kc->update_client($client);

my $frank = $browser->tab('frank');

$frank->goto("$second/gateway-jwks/");
log_in($frank, 'bob');

my ($session) = map { "$_->{name}=$_->{value}" }
	grep { $_->{name} eq 'JWKS' } @{ $frank->cookies("$second/") };
$t->secret($session =~ s/^JWKS=//r);

for my $round (1, 2) {
	$t->sleep_until(time() + 2.2);	# half of its life: from then on

	my @answers = Test::OIDC::Browser->new(base => $second)
		->parallel_get("$second/gateway-jwks/", n => 60,
			concurrency => 60, headers => { Cookie => $session });

	is(scalar(grep { $_->status() == 200 } @answers), 60,
		"S11 TK-13: 60 requests at once pass, round $round");
	is(scalar @{ $kc->events('REFRESH_TOKEN') }, $round,
		'S11 TK-13: of which one has refreshed');
}

is_deeply($kc->events('REFRESH_TOKEN_ERROR'), [],
	'TK-13: no refresh token was sent twice');

# Two gateways with one Redis: Keycloak tells one, and it is over at both.

my $two = Test::OIDC->new(workers => 2);
my @nodes = map { 'http://localhost:' . $_->port(2) } $t, $two;

$kc->admin('POST', '/clients', { clientId => 'two', secret => $kc->secret(),
	redirectUris => [ "$nodes[0]/*" ], attributes => {
		'backchannel.logout.url' => "$nodes[0]/backchannel-logout",
		'backchannel.logout.session.required' => 'true' } });

chmod 0600, $two->write_file("keys/$_", $t->read_file("keys/$_"))
	for qw/ client_secret cookie.key /;
$two->conf("%%GLOBALS%%\nhttp {\n%%HTTP%%\n"
	. "oidc_cookie_key keys/cookie.key;\n" . two_conf() . '}')->run();
$t->write_file('local/two.conf', two_conf());
$t->reload();

my $gina = $browser->tab('gina');

$gina->goto("$nodes[0]/");
is(log_in($gina, 'bob')->{status}, 200, 'S03: a login at one gateway');
($session) = map { "$_->{name}=$_->{value}" }
	grep { $_->{name} eq 'TWO' } @{ $gina->cookies("$nodes[0]/") };
$t->secret($session =~ s/^TWO=//r);
is(at($nodes[1]), 200, 'S03: is good at the other');
ok($t->wait_for(sub {
	my $good;
	my $asked = $redis->asked(sub {
		$good = grep { at($nodes[1]) == 200 } 1 .. 20 });

	return $good == 20 && $asked <= 3;
}, 20), 'S03: which soon asks Redis no more');

# S11: many at both, of a session whose access token is over: none of them can go
# on with it, and its refresh token is good for one of them.

$client = $kc->client('two');
$client->{attributes}{'access.token.lifespan'} = $LIFE;
$kc->update_client($client);

my $henry = $browser->tab('henry');

$henry->goto("$nodes[0]/");
is(log_in($henry, 'alice')->{status}, 200, 'S11: a login');

my $end = time() + $LIFE + 0.1;
my ($his) = map { $_->{value} } grep { $_->{name} eq 'TWO' }
	@{ $henry->cookies("$nodes[0]/") };
my %before = map { $_ => scalar @{ $kc->events($_) } }
	qw/ REFRESH_TOKEN REFRESH_TOKEN_ERROR /;

$t->secret($his);
$t->sleep_until($end);

my @answers = Test::OIDC::Browser->new(base => $nodes[0], timeout => 60)
	->parallel_get(sub { "$nodes[ $_[0] % 2 ]/" }, n => $MANY,
		concurrency => $MANY, headers => { Cookie => "TWO=$his" });
my %token = map { ($_->passed('X-Token') // '') => 1 } @answers;

is(Test::OIDC::Response::statuses(@answers), "$MANY x 200",
	"S11: $MANY requests at once, at two gateways, all pass");
is(scalar keys %token, 1, 'S11: with one new access token');
is(@{ $kc->events('REFRESH_TOKEN') } - $before{REFRESH_TOKEN}, 1,
	'S11 TK-13: of which one has refreshed');
is(@{ $kc->events('REFRESH_TOKEN_ERROR') }
	- $before{REFRESH_TOKEN_ERROR}, 0,
	'TK-13: and no refresh token was sent twice');
$t->secret(keys %token);

my $mark = $t->log_mark();

cmp_ok(signed_out(sub { !grep { at($_) != 401 } @nodes }, sub {
	$gina->goto("$nodes[0]/");
	log_in($gina, 'bob');
	($session) = map { "$_->{name}=$_->{value}" }
		grep { $_->{name} eq 'TWO' } @{ $gina->cookies("$nodes[0]/") };
	$t->secret($session =~ s/^TWO=//r);
}), '<=', 1,
	'S13 L07 L10: signed out by an administrator: at both within a second');
ok($t->wait_log(qr/back-channel logout by si[db] ended 1 sessions/, 5, $mark),
	'O04: the one that was told says so');

$browser->stop();
kill 'TERM', $backend;
waitpid $backend, 0;
$kc->stop();

###############################################################################

# conf/nginx.conf in the test directory, its logs where the bed looks for them.
sub prepare {
	my $dir = $t->testdir();
	my $module = $t->{module} || 'static';

	mkdir "$dir/logs";
	symlink '../error.log', "$dir/logs/error.log";
	symlink '../access.log', "$dir/logs/access.log";

	system('conf/demo/prepare', '--dir', $dir, '--module', $module,
		'--gateway', $t->port(0), '--keycloak', $keycloak_port,
		'--backend', $backend_port) == 0 or die 'conf/demo/prepare';
}


# A second server beside that of nginx.conf, for userinfo.
sub userinfo_conf {
	my $port = $t->port(1);

	return <<"EOF";
oidc_provider userinfo {
	issuer ${\ $kc->issuer() };
	client_id gateway-userinfo-jwt;
	client_secret_file keys/client_secret;
	scope openid email;
	cookie_name NGX_OIDC_SESSION;
	frontchannel_logout_uri /frontchannel;
	userinfo on;
	userinfo_signed_response_alg RS256;
}
oidc_provider encrypted {
	issuer ${\ $kc->issuer() };
	client_id gateway-encrypted;
	client_secret_file keys/client_secret;
	scope openid email;
	cookie_name ENCRYPTED;
	redirect_uri /gateway-encrypted/callback;
	id_token_encrypted_response_alg RSA-OAEP;
	id_token_encrypted_response_enc A256GCM;
}
oidc_provider api {
	issuer ${\ $kc->issuer() };
	client_id api;
	client_secret_file keys/client_secret;
	cookie_name API;
	clock_skew 1s;
	introspection_response jwt;
	introspection_cache 2s negative=1s;
}
oidc_provider jwks {
	issuer ${\ $kc->issuer() };
	client_id gateway-jwks;
	client_auth_method private_key_jwt;
	scope openid email;
	cookie_name JWKS;
	redirect_uri /gateway-jwks/callback;
}
server {
	listen 127.0.0.1:$port;
	server_name localhost;
	oidc_base_url $second;
	auth_oidc userinfo;
	proxy_set_header X-Username \$oidc_claim_preferred_username;
	proxy_set_header X-Caller \$oidc_claim_azp;
	location /api/local {
		auth_oidc api;
		auth_oidc_bearer local only typ=any;
		proxy_pass http://backend;
	}
	location /api/introspected {
		auth_oidc api;
		auth_oidc_bearer introspection only;
		proxy_pass http://backend;
	}
	location /gateway-encrypted/ {
		auth_oidc encrypted;
		proxy_set_header X-User \$oidc_claim_sub;
		proxy_set_header X-Email \$oidc_claim_email;
		proxy_pass http://backend;
	}
	location /gateway-jwks/ {
		auth_oidc jwks;
		proxy_set_header X-User \$oidc_claim_sub;
		proxy_set_header X-Email \$oidc_claim_email;
		proxy_pass http://backend;
	}
	location / {
		proxy_set_header X-User \$oidc_claim_sub;
		proxy_set_header X-Email \$oidc_claim_email;
		proxy_set_header X-Userinfo \$oidc_userinfo;
		proxy_pass http://backend;
	}
}
EOF
}


# The same at both: one base URL, as behind a balancer.
sub two_conf {
	return <<"EOF";
oidc_session_store two {
	type redis;
	redis ${\ $t->redis()->url(port => $redis->port()) };
}
oidc_provider two {
	issuer ${\ $kc->issuer() };
	client_id two;
	client_secret_file keys/client_secret;
	cookie_name TWO;
	session_store two;
	backchannel_logout_uri /backchannel-logout;
}
server {
	listen 127.0.0.1:%%PORT_2%% backlog=1024;
	oidc_base_url $nodes[0];
	location / {
		auth_oidc two;
		proxy_set_header X-Token \$oidc_access_token;
		proxy_pass http://$echo;
	}
}
EOF
}


# The seconds from an administrator's call that signs bob out until it is so.  The
# second that it may take is of a machine that does nothing else: up to three
# tries, before each but the first he logs in again.
sub signed_out {
	my ($over, $again) = @_;

	my $took;

	for my $try (1 .. 3) {
		$again->() if $try > 1;
		$kc->admin_login();

		my $start = time();

		$kc->admin('POST', "/users/$bobs_id/logout", {});
		$t->wait_for($over, 30) or return 999;

		$took = time() - $start;
		note(sprintf 'signed out after %.2f s', $took);
		last if $took <= 1;
	}

	return $took;
}


# Of an API, which is not led to a login.
sub at {
	return $http->get("$_[0]/", { headers => { Cookie => $session,
		Accept => 'application/json' } })->{status};
}


sub start_backend {
	my $pid = fork() // die "fork: $!";

	if ($pid == 0) {
		no warnings 'exec';
		exec 'setpriv', '--pdeathsig', 'TERM', 'conf/demo/backend',
			$backend_port;
		POSIX::_exit(127);
	}

	for (1 .. 500) {
		return $pid if IO::Socket::INET->new(
			PeerAddr => "127.0.0.1:$backend_port");
		sleep 0.02;
	}

	die 'the backend does not start';
}


sub log_in {
	my ($tab, $user) = @_;

	$tab->fill('#username', $user);
	$tab->fill('#password', $user);

	return $tab->follow('#kc-login');
}


sub get { return $http->get($gateway . $_[0]); }


sub api {
	my ($way, $token) = @_;

	return $http->get("$second/api/$way",
		{ headers => { Authorization => "Bearer $token" } });
}


# Alice's, by the password grant.
sub token {
	my ($client) = @_;

	my ($status, $answer) = $kc->grant(grant_type => 'password',
		scope => 'openid', client_id => $client,
		client_secret => $kc->secret(),
		username => 'alice', password => 'alice');

	die "token for $client: $status" unless $status == 200;
	$t->secret(grep { defined } @{$answer}{qw/ access_token id_token
		refresh_token /});

	return $answer;
}


sub read_line {
	my ($name) = @_;

	my $line = $t->read_file($name);
	chomp $line;

	return $line;
}


sub private_key {
	my ($name) = @_;

	return Crypt::PK::RSA->new($t->testdir() . "/keys/$name.pem");
}


# assertion($client, $kid): RFC 7523, for the realm.
sub assertion {
	my ($client, $kid) = @_;

	return encode_jwt(alg => 'RS256', key => private_key('sign'),
		extra_headers => { kid => $kid },
		payload => { iss => $client, sub => $client,
			aud => $kc->issuer(), jti => "$$-" . time(),
			iat => int(time()), exp => int(time()) + 60 });
}


# One of them is this test's own.
sub jwks_fetches {
	return scalar(() = $t->access_log() =~ m!"GET /jwks"!g);
}

###############################################################################
