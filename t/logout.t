#!/usr/bin/perl

# Logout that the user starts: who may start it, that our session is gone
# before anything else, what the provider is told, and where the way ends.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();

my @providers = (
	[ plain => '' ],
	[ hint => 'logout_token_hint on; post_logout_uri /bye?a=b;' ],
	[ absolute => 'post_logout_uri https://www.example.test/bye?x=1;' ],
	[ back => 'logout_callback_uri /back/out; post_logout_uri /bye;' ],
	[ strict => 'logout_callback_uri /strict/out strict;
		post_logout_uri /bye;' ],
	[ far => 'logout_callback_uri http://%%HOST%%/far/out;
		logout_token_hint on;' ],
	[ cross => 'logout_cross_site on;' ],
	[ query => 'end_session_endpoint %%IDP%%/end?a=b&c=d;
		post_logout_uri /bye;' ],
	[ none => 'logout_token_hint on; post_logout_uri /bye;', 'bare' ],
);

$t->idp('bare')->set(metadata => { end_session_endpoint => undef });
$t->conf(conf())->run();

my $idp = $t->idp();
my $host = '127.0.0.1:' . $t->port(0);
my $base = "http://$host";

###############################################################################
# L01, LO-3: who may start it.

my $b = user('plain');
my $cookie = $b->cookie('plain')->{value};

for (
	[ GET => { 'Sec-Fetch-Site' => 'cross-site' }, 403 ],
	[ POST => { 'Sec-Fetch-Site' => 'cross-site' }, 403 ],
	[ GET => { 'Sec-Fetch-Site' => 'Same-Origin' }, 403 ],
	[ GET => { 'Sec-Fetch-Site' => '' }, 403 ],
	[ GET => [ [ 'Sec-Fetch-Site', 'same-origin' ],
		[ 'Sec-Fetch-Site', 'cross-site' ] ], 403 ],
	[ POST => { Origin => 'https://evil.test' }, 403 ],
	[ POST => { Origin => 'null' }, 403 ],
	[ POST => { Origin => "https://$host" }, 403 ],
	[ POST => { Origin => "$base.evil.test" }, 403 ],
	[ POST => { Origin => 'http://127.0.0.1' }, 403 ],
	[ POST => { Origin => '' }, 403 ],
	[ POST => [ [ Origin => $base ], [ Origin => $base ] ], 403 ],
	[ POST => { Origin => $base, 'Sec-Fetch-Site' => 'cross-site' }, 403 ],
	[ HEAD => {}, 405 ],
	[ PUT => {}, 405 ],
	[ DELETE => {}, 405 ],
	[ OPTIONS => {}, 405 ],
) {
	my ($method, $headers, $status) = @$_;
	my $r = $b->request($method, '/plain/logout', mode => 'plain',
		headers => $headers);

	is($r->status(), $status, "L01 LO-3: $method " . say_headers($headers)
		. ": $status");
	is($r->header('Allow'), $status == 405 ? 'GET, POST' : undef,
		'L01: Allow');
	is($r->header('Set-Cookie'), undef, 'LO-3: and deletes nothing');
}

is($b->get('/plain/x')->status(), 200, 'LO-3: the session is still there');
ok($t->wait_log(qr/logout refused: cross_site/), 'O04: the log says why');

for (
	[ GET => {} ],
	[ GET => { 'Sec-Fetch-Site' => 'same-origin' } ],
	[ GET => { 'Sec-Fetch-Site' => 'same-site' } ],
	[ GET => { 'Sec-Fetch-Site' => 'none' } ],
	[ GET => { 'Sec-Fetch-Site' => 'same-origin',
		Origin => 'https://evil.test' } ],
	[ POST => {} ],
	[ POST => { 'Sec-Fetch-Site' => 'same-origin' } ],
	[ POST => { Origin => $base } ],
	[ POST => { Origin => $base =~ s/^http/HTTP/r } ],
) {
	my ($method, $headers) = @$_;
	my $user = user('plain');
	my $twin = $user->clone();
	my $r = $user->request($method, '/plain/logout', mode => 'plain',
		headers => $headers);

	is($r->status(), $method eq 'POST' ? 303 : 302,
		"L01: $method " . say_headers($headers) . ' logs out');
	is($twin->get('/plain/x')->status(), 302,
		'L02: the session is gone on the server');
}

my $r = user('cross')->get('/cross/logout', site => 'cross-site');
is($r->status(), 302, 'L01: logout_cross_site on');

# A POST with a body, and large.
$b = user('plain');
$r = $b->post('/plain/logout', { next => '/evil', x => 'y' x 100000 });
is($r->status(), 303, 'L01: a POST with a body');
unlike($r->location(), qr/evil/, 'L06: whose contents mean nothing');

###############################################################################
# L02, LO-1: the order: our session first, whatever the provider does.

for my $how (qw/ down blackhole error /) {
	my $user = user('hint');
	my $twin = $user->clone();

	$idp->down() if $how eq 'down';
	$idp->blackhole(1) if $how eq 'blackhole';
	$idp->answer(end_session => { status => 500 }) if $how eq 'error';

	$r = $user->get('/hint/logout', site => 'same-origin');
	is($r->status(), 302, "L02: logout with the provider $how");
	is($twin->api('/hint/x')->status(), 401,
		"L02: our session is gone with the provider $how");
	is($user->cookie('hint'), undef, "L02: and so is the cookie: $how");

	$idp->up()->blackhole(0)->answer(end_session => undef);
}

$b = user('plain');
$idp->forget();
$r = $b->get('/plain/logout', site => 'same-origin');
is(join(',', map { $idp->count($_) } qw/ token userinfo end_session revoke /),
	'0,0,0,0', 'L02: the gateway itself asks the provider nothing');
is($r->header('Cache-Control'), 'no-store', 'L02: no-store');
is($r->header('Referrer-Policy'), 'no-referrer', 'L02: no referrer');
is(scalar($r->headers_all('Location')), 1, 'L02: one Location');

###############################################################################
# L03, LO-1: what the provider is told.

is($r->location(), $idp->endpoint_url('end_session') . '?client_id=gateway',
	'L03: client_id, and nothing that is not configured');

$r = logout('hint');
my $args = $r->args();
is($args->{id_token_hint}, $idp->issued()->{id_tokens}[-1],
	'L03: logout_token_hint on: the ID token');
is($args->{post_logout_redirect_uri}, "$base/bye?a=b",
	'L03: post_logout_uri on our address');
like($args->{state}, qr/^[A-Za-z0-9_-]{32,}$/, 'L03 LO-2: a state');
is(join(',', sort keys %$args),
	'id_token_hint,post_logout_redirect_uri,state',
	'L03: and nothing else: the hint says whose it is');
isnt($args->{state}, logout('hint')->args()->{state}, 'LO-2: a new one');

$args = logout('absolute')->args();
is($args->{post_logout_redirect_uri}, 'https://www.example.test/bye?x=1',
	'L03: an absolute post_logout_uri');
is($args->{id_token_hint}, undef, 'L03: no hint by default');

$args = logout('back')->args();
is($args->{post_logout_redirect_uri}, "$base/back/out",
	'L03: logout_callback_uri goes before post_logout_uri');
is(logout('far')->args()->{post_logout_redirect_uri}, "$base/far/out",
	'L03: an absolute logout_callback_uri');

$r = logout('query');
like($r->location(), qr{/end\?a=b&c=d&client_id=}, 'L03: joined by &');
is($r->location() =~ tr/?//, 1, 'L03: with one question mark');

###############################################################################
# L04: nothing to tell the provider.

$b = $t->browser();
$r = $b->get('/plain/logout', site => 'same-origin');
is($r->status(), 200, 'L04: without a session, without post_logout_uri');
like($r->body(), qr/You are logged out/, 'L04: our own page');
is($r->header('Cache-Control'), 'no-store', 'L04: no-store');
is($r->header('X-Content-Type-Options'), 'nosniff', 'B13: nosniff');
like($r->header('Content-Security-Policy'), qr/default-src 'none'/,
	'B13: CSP');
is($b->get('/hint/logout', site => 'same-origin')->location(), "$base/bye?a=b",
	'L04: without a session: post_logout_uri');
is($b->get('/absolute/logout', site => 'none')->location(),
	'https://www.example.test/bye?x=1', 'L04: which may be elsewhere');
is($b->get('/plain/logout', cookie => 'plain=' . 'A' x 43, site => 'none')
	->status(), 200, 'L04: a cookie that opens nothing');
is($b->post('/hint/logout', '', site => 'same-origin')->status(), 303,
	'L04: 303 after a POST');

my $bare = user('none');
$r = $bare->get('/none/logout', site => 'same-origin');
is($r->location(), "$base/bye", 'L04: no end_session_endpoint');
is($bare->cookie('none'), undef, 'L04: the session has ended all the same');

# Again and again.
$b = user('back');
$b->get('/back/logout', site => 'same-origin');
is($b->get('/back/logout', site => 'same-origin')->location(), "$base/bye",
	'L04: the second logout of a double click');

###############################################################################
# L05: the way back.

for (
	[ 'the right state', sub { $_[0] }, 0 ],
	[ 'no state', sub { $_[0] =~ s/\?.*//r }, 1 ],
	[ 'an empty state', sub { $_[0] =~ s/state=.*/state=/r }, 1 ],
	[ 'a wrong state', sub { $_[0] =~ s/state=.*/'state=' . 'A' x 43/er },
		1 ],
	[ 'the state twice', sub { my ($s) = $_[0] =~ /(state=.*)/;
		"$_[0]&$s" }, 1 ],
	[ 'a long state', sub { "$_[0]" . 'A' x 3000 }, 1 ],
	[ 'other arguments', sub { "$_[0]&error=x&foo=%00&&" }, 0 ],
) {
	my ($what, $bend, $wrong) = @$_;

	for my $name (qw/ back strict /) {
		my $user = user($name);
		my $mark = $t->log_mark();
		my $url = $user->get($user->get("/$name/logout",
			site => 'same-origin')->location(), site =>
			'cross-site')->location();

		$r = $user->callback($bend->($url));

		if ($wrong and $name eq 'strict') {
			is($r->status(), 400, "L05: strict: $what");
			is($r->location(), undef, "L05: strict: $what: stays");
			next;
		}

		is($r->status(), 302, "L05: $name: $what");
		is($r->location(), "$base/bye", "L05: $name: $what: the page");
		is($user->cookie("$name.out"), undef,
			"L05: $name: $what: the cookie is gone") if !$wrong;
		is($t->log_since($mark) =~ /logout came back/ ? 1 : 0, $wrong,
			"L05: $name: $what: the log");
	}
}

for my $name (qw/ back strict /) {
	my $out = user($name);
	my $thief = $t->browser();
	my $url = $out->get($out->get("/$name/logout", site => 'same-origin')
		->location())->location();

	is($thief->callback($url)->status(), $name eq 'back' ? 302 : 400,
		"LO-2: another browser's state: $name");

	$out->callback($url);
	is($out->callback($url)->status(), $name eq 'back' ? 302 : 400,
		"LO-2: a state that was used: $name");
}

is($b->post('/back/out', '', site => 'same-origin')->status(), 405,
	'L05: GET only');
is($b->head('/back/out')->status(), 302, 'L05: or HEAD');
$r = $b->post('/back/out', '', site => 'same-origin');
is($r->header('Allow'), 'GET, HEAD', 'L05: says Allow');

# A state of a login is none of a logout, nor the other way round.
my $mixed = $t->browser();
my ($state) = $mixed->start_login('/strict/x') =~ /state=([^&]*)/;
my ($login) = grep { $_->{name} =~ /^strict\./ } $mixed->cookies();
is($mixed->get("/strict/out?state=$state", cookie => "strict.out="
	. $login->{value})->status(), 400, 'LO-2: a login\'s state and cookie');

# Nor is that of another provider's logout.
$mixed = user('back');
($state) = $mixed->get('/back/logout', site => 'same-origin')->location()
	=~ /state=([^&]*)/;
is($mixed->get("/strict/out?state=$state", cookie => 'strict.out='
	. $mixed->cookie('back.out')->{value})->status(), 400,
	'LO-2 F22: the state and cookie of another provider\'s logout');
is($mixed->get("/back/out?state=$state")->status(), 302,
	'LO-2: which are good at home');

# A session that lives is not touched by a forged way back.
$b = user('back');
$b->callback("$base/back/out?state=" . 'A' x 43);
is($b->get('/back/x')->status(), 200, 'L05: a forged way back ends nothing');

###############################################################################
# L06, LO-4: next=.

for (
	[ '/after', '/after' ],
	[ '/after?x=1', '/after?x=1' ],
	[ '%2Fafter%3Fx%3D1%26y', '/after?x=1&y' ],
	[ "$base/after", '/after' ],
	[ 'http%3A%2F%2F' . $host =~ s/:/%3A/r . '%2Fafter', '/after' ],
	[ '/a%252Fb', '/a%2Fb' ],
) {
	my ($next, $to) = @$_;
	my $user = user('back');
	my $url = $user->get($user->get("/back/logout?next=$next",
		site => 'same-origin')->location())->location();

	is($user->callback($url)->location(), "$base$to",
		"L06: next=$next after the way back");
	is($t->browser()->get("/plain/logout?next=$next", site => 'none')
		->location(), "$base$to", "L06: next=$next without a session");
}

for my $next ('//evil.test', '///evil.test', '/%5Cevil.test', '%5C%5Cevil.test',
	'https://evil.test/', 'http:evil.test', 'https:/evil.test',
	'javascript:alert(1)', 'data:text/html,x', '/%09/evil.test',
	'/%0A/evil.test', '%09//evil.test', '%20//evil.test', '/x%0D%0AX: y',
	'/%00', 'evil.test', '@evil.test', '.evil.test', "$base.evil.test/",
	"$base\@evil.test/", "https://$host/", 'http://127.0.0.1:1/',
	'%2F%2Fevil.test', '%2F%5Cevil.test', '/x%zz', '%FF%FE', '/%e2%80%ae',
	'/x&next=/y', '/' . 'x' x 10000)
{
	my $user = user('back');
	my $r = $user->get("/back/logout?next=$next", site => 'same-origin');
	my $name = length $next > 40 ? substr($next, 0, 40) . '...' : $next;

	is($r->status(), 400, "L06 LO-4: next=$name is refused");
	is($r->location(), undef, "L06 LO-4: next=$name leads nowhere");
	is($user->get('/back/x')->status(), 200,
		"L06: next=$name: and nothing has happened");
}

###############################################################################
# L11: the URIs are ours in every location of the server.

is($b->get('/back/logout/x', site => 'cross-site')->json()->{path},
	'/back/logout/x', 'L11: below logout_uri it is an ordinary page');
like($t->browser()->get('/back/logout/x')->location(), qr/response_type=code/,
	'L11: and a guarded one');
is($t->browser(port => 1)->get('/plain/logout')->status(), 404,
	'L11: another server knows nothing of them');

###############################################################################

$t->done();

###############################################################################

sub conf {
	my ($providers, $locations) = ('', '');

	for (@providers) {
		my ($name, $directives, $idp) = @$_;
		my $address = '127.0.0.1:%%PORT_0%%';

		$directives =~ s/%%HOST%%/$address/;
		$idp = $idp ? "_$idp" : '';
		$providers .= <<"EOF";
    oidc_provider $name {
        %%PROVIDER$idp%%
        cookie_name $name;
        redirect_uri /$name/callback;
        logout_uri /$name/logout;
        $directives
    }
EOF
		$locations .= <<"EOF";
        location /$name/ {
            auth_oidc $name;
            proxy_pass http://%%BACKEND%%;
        }
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    large_client_header_buffers 4 32k;
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
        location / {
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        location / { return 404; }
    }
}
EOF
}


sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/x");

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


sub logout {
	my ($name) = @_;

	return user($name)->get("/$name/logout", site => 'same-origin');
}


sub say_headers {
	my ($headers) = @_;

	my @pairs = ref $headers eq 'ARRAY' ? @$headers
		: map { [ $_, $headers->{$_} ] } sort keys %$headers;

	return @pairs ? 'with ' . join(', ', map { "$_->[0]: $_->[1]" } @pairs)
		=~ s/:\d+//gr : 'with nothing said';
}

###############################################################################
