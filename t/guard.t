#!/usr/bin/perl

# The guard seen from outside: who is sent to log in, who gets a 401, and that
# nothing a client can write makes it crash, forget or open the door.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    client_max_body_size 20m;
    large_client_header_buffers 4 160k;

    map $http_x_provider $by_header {
        default $http_x_provider;
        ''      off;
    }

    oidc_provider idp {
        %%PROVIDER%%
        login_uri  /login;
        logout_uri /logout;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        proxy_set_header X-User $oidc_claim_sub;
        add_header X-Content ran;

        location / {
            proxy_pass http://%%BACKEND%%;
        }

        location /open/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }

        location /redirect/ {
            unauth_action redirect;
            proxy_pass http://%%BACKEND%%;
        }

        location /401/ {
            unauth_action 401;
            proxy_pass http://%%BACKEND%%;
        }

        location /verify/ {
            auth_oidc_mode verify;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_set_header X-Authenticated $oidc_authenticated;
            proxy_pass http://%%BACKEND%%;

            location /verify/require/ {
                auth_oidc_mode require;
                proxy_pass http://%%BACKEND%%;
            }
        }

        location /mode-off/ {
            auth_oidc_mode off;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }

        location /by-value/ {
            auth_oidc $by_header;
            proxy_pass http://%%BACKEND%%;
        }

        location /internal/ {
            internal;
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        server_name Gw.Example.Test;

        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $b = $t->browser();
my $backend = $t->backend();
my $html = 'text/html,application/xhtml+xml,*/*;q=0.8';

$b->get('/');	# the provider's metadata are there from here on

###############################################################################
# F05, F06: navigation or not.

for (
	[ GET => {}, 302, 'nothing said' ],
	[ GET => { Accept => $html }, 302, 'a page' ],
	[ HEAD => { Accept => $html }, 302, 'HEAD' ],
	[ GET => { Accept => '*/*' }, 302, 'Accept */*' ],
	[ GET => { Accept => 'TEXT/HTML' }, 302, 'Accept in capitals' ],
	[ GET => { Accept => '' }, 302, 'an empty Accept' ],
	[ GET => { Accept => 'application/xhtml+xml' }, 302, 'XHTML' ],
	[ GET => { Accept => 'application/json' }, 401, 'JSON only' ],
	[ GET => { Accept => 'image/png,image/*;q=0.8' }, 401, 'an image' ],
	[ GET => { Accept => $html, 'X-Requested-With' => 'XMLHttpRequest' },
		401, 'X-Requested-With' ],
	[ GET => { Accept => 'application/json', 'Sec-Fetch-Mode' =>
		'navigate', 'Sec-Fetch-Dest' => 'document' }, 302,
		'Sec-Fetch-Mode navigate beats Accept' ],
	[ GET => { Accept => $html, 'Sec-Fetch-Mode' => 'cors',
		'Sec-Fetch-Dest' => 'empty' }, 401, 'Sec-Fetch-Mode cors' ],
	[ GET => { Accept => $html, 'Sec-Fetch-Mode' => 'no-cors',
		'Sec-Fetch-Dest' => 'image' }, 401, 'Sec-Fetch-Mode no-cors' ],
	[ GET => { Accept => $html, 'Sec-Fetch-Mode' => 'websocket' }, 401,
		'Sec-Fetch-Mode websocket' ],
	[ GET => { Accept => $html, 'Sec-Fetch-Mode' => 'Navigate' }, 401,
		'Sec-Fetch-Mode is compared exactly' ],
	[ GET => { Accept => $html, 'Sec-Fetch-Dest' => 'empty' }, 401,
		'Sec-Fetch-Dest alone' ],
	[ GET => [ [ 'Sec-Fetch-Mode', 'navigate' ],
		[ 'Sec-Fetch-Mode', 'cors' ] ], 401, 'Sec-Fetch-Mode twice' ],
	[ GET => [ [ Accept => 'image/png' ], [ Accept => $html ] ], 401,
		'Accept twice' ],
	[ POST => { Accept => $html, 'Sec-Fetch-Mode' => 'navigate' }, 401,
		'a form' ],
	(map { [ $_ => { Accept => $html }, 401, $_ ] }
		qw/ PUT DELETE PATCH OPTIONS PROPFIND PURGE /),
) {
	my ($method, $headers, $status, $name) = @$_;

	is(ask($method, '/x', $headers)->status(), $status,
		"F05 LS-10: $name: $status");
}

is($backend->count(), 0, 'B11: no content handler has run');

my $r = $b->api('/x');
is($r->status(), 401, 'F05 LS-10: fetch()');
is($r->header('WWW-Authenticate'), 'Bearer realm="idp"', 'F05: a challenge');
is($r->header('Content-Type'), 'application/json', 'F05: of JSON');
is($r->json()->{error}, 'login_required', 'F05: that says why');
is($r->header('Cache-Control'), 'no-store', 'F05: not to be stored');
is($r->location(), undef, 'LS-10: and leads nowhere');
is($r->header('Set-Cookie'), undef, 'LS-10: no cookie for a script');

$r = $b->get('/x');
is($r->body(), '', 'B11: the login redirect has no body');
is($r->header('Cache-Control'), 'no-store', 'LS-11: a redirect not to store');

for (
	[ GET => '/401/', { Accept => $html }, 401 ],
	[ GET => '/401/', { 'Sec-Fetch-Mode' => 'navigate' }, 401 ],
	[ GET => '/redirect/', { 'Sec-Fetch-Mode' => 'cors' }, 302 ],
	[ POST => '/redirect/', {}, 303 ],
	[ DELETE => '/redirect/', {}, 302 ],
) {
	my ($method, $uri, $headers, $status) = @$_;

	is(ask($method, $uri, $headers)->status(), $status,
		"F05 F06: unauth_action of $uri: $method $status");
}

###############################################################################
# Modes.

$backend->forget();
is($b->get('/open/x')->status(), 200, 'F05: auth_oidc off');
is($b->get('/mode-off/x')->status(), 200, 'F05: auth_oidc_mode off');

$r = $b->get('/verify/x');
is($r->status(), 200, 'F05: auth_oidc_mode verify sends nobody away');
is(told($r, 'X-Authenticated'), '0', 'F05: and says so');
is(told($r, 'X-User'), undef, 'F05: without a user');
is($b->get('/verify/require/x')->status(), 302, 'F05: require within verify');

is(ask(GET => '/by-value/x')->status(), 200, 'F05: auth_oidc by value: off');
is(ask(GET => '/by-value/x', { 'X-Provider' => 'idp' })->status(), 302,
	'F05: by value: a provider');
is(ask(GET => '/by-value/x', { 'X-Provider' => 'nobody' })->status(), 500,
	'F05: by value: one that is not there is never "off"');
is(ask(GET => '/by-value/x', { 'X-Provider' => 'OFF' })->status(), 500,
	'F05: by value: nor is OFF');

my $user = $t->browser();
is(told($user->login('/in?x=1&y=%2F'), 'X-User'), '248289761001',
	'F05: logged in');
is($user->api('/in')->status(), 200, 'F05: a script with a session');
is($user->request(DELETE => '/in')->status(), 200, 'F06: DELETE with one');

$r = $user->get('/verify/x');
is(told($r, 'X-Authenticated'), '1', 'F05: verify knows a session');
is(told($r, 'X-User'), '248289761001', 'F05: and whose it is');
is(told($user->get('/mode-off/x'), 'X-User'), undef,
	'F05: mode off knows nobody');

###############################################################################
# F06, B08: bodies.

$backend->forget();
my $big = 'x' x (3 << 20);

for ([ 'no session', undef ], [ 'an ended session', 'NGX_OIDC_SESSION='
	. 'A' x 43 ])
{
	my ($name, $cookie) = @$_;

	is($b->post('/x', $big, cookie => $cookie)->status(), 401,
		"B08 F06: POST of 3 MiB with $name");
	is($b->request(PUT => '/redirect/x', body => $big,
		cookie => $cookie)->status(), 302,
		"B08: PUT where a redirect is forced with $name");

	my @r = $b->raw_responses("POST /x HTTP/1.1\r\nHost: h\r\n"
		. ($cookie ? "Cookie: $cookie\r\n" : '')
		. "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n",
		until => qr/login_required/);
	is($r[0]->status(), 401, "B08: Expect is answered by 401 with $name");

	@r = $b->raw_responses("POST /x HTTP/1.1\r\nHost: h\r\n"
		. ($cookie ? "Cookie: $cookie\r\n" : '')
		. "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"
		. "GET /open/x HTTP/1.0\r\n\r\n");
	is(join(',', map { $_->status() } @r), '401,200',
		"B08: a chunked body is thrown away with $name");
}

is($backend->count(), 2, 'F06: no body got through');
$r = $user->post('/x', $big);
is($r->status(), 200, 'F06: with a session a large POST is let through');
is($r->json()->{body_length}, 3 << 20, 'F06: as a whole');

###############################################################################
# B04: what the decision hangs on.

for my $uri ('/open/../x', '/open/%2e%2e/x', '//x', '/./x', '/open//../x',
	'/open/..%2fx', '/x/open/', '/x?/open/', '/x#/open/', '/OPEN/x',
	'/x;/open/', '/oidc_callback/', '/login/../x', '/login%2f')
{
	is((raw("GET $uri HTTP/1.1\r\nHost: h\r\n"))->status(), 302,
		"B04: $uri is guarded");
}

$backend->forget();
for my $header ('User-Agent: ELB-HealthChecker/2.0', 'X-Original-URI: /open/',
	'X-Forwarded-Uri: /open/', 'X-Rewrite-URL: /open/',
	'X-HTTP-Method-Override: OPTIONS', 'X-Forwarded-For: 127.0.0.1',
	'X-Accel-Redirect: /open/', 'X-User: root', 'Remote-User: root',
	'X-Auth-Request-User: root', 'Authorization: Bearer x',
	'Authorization: Basic YTph', 'X-Forwarded-User: root', 'Upgrade: h2c')
{
	is((raw("GET /x HTTP/1.1\r\nHost: h\r\n$header\r\n"))->status(), 302,
		"B04: nothing by $header");
}
is($backend->count(), 0, 'B04 B11: nobody has come through');

is(raw("GET /%6fidc_callback HTTP/1.1\r\nHost: h\r\n")->status(), 400,
	'B04 L11: our own URI by its normalised form');
is($b->get('/internal/x')->status(), 404, 'B10: internal is internal');
is($user->get("/$_")->json()->{path}, "/$_",
	"B10: nothing of ours answers at $_")
	for qw/ idp oidc_idp @idp oidc_call oidc_call_url /;

###############################################################################
# B05: odd requests.

for (
	[ "GET /x HTTP/1.0\r\n", 400, 'HTTP/1.0, no Host, no server_name' ],
	[ "GET /x HTTP/1.0\r\nHost: h\r\n", 302, 'HTTP/1.0 with Host' ],
	[ "GET /x HTTP/1.1\r\n", 400, 'HTTP/1.1 without Host' ],
	[ "GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n", 400, 'Host twice' ],
	[ "GET /x HTTP/1.1\r\nHost:\r\n", 400, 'an empty Host' ],
	(map { [ "GET /x HTTP/1.1\r\nHost: $_\r\n", 400, "Host $_" ] }
		'h:99999', 'h:-1', 'h:x', 'h:80x', 'h:80:80', 'h@i', 'h:1@i',
		'h?x', 'h#x', 'h\\i', '[::1', '::1', '[x]', 'h%00', 'a b',
		'h:4294967376', '"h"', 'h<i>', 'h,i', "h\x{e9}"),
	[ "GET http://h/x HTTP/1.1\r\nHost: h\r\n", 302, 'an absolute URI' ],
	[ "GET http://h:81/x HTTP/1.1\r\nHost: h:81\r\n", 302,
		'an absolute URI with a port' ],
	[ "OPTIONS * HTTP/1.1\r\nHost: h\r\n", qr/^[45]/, 'OPTIONS *' ],
	[ "GET /x?& HTTP/1.1\r\nHost: h\r\n", 302, 'query &' ],
	[ "GET /x?%zz=%&&=%00 HTTP/1.1\r\nHost: h\r\n", 302,
		'bad escapes in the query' ],
	[ "GET /%00 HTTP/1.1\r\nHost: h\r\n", 400, 'NUL in the path' ],
	[ "GET /%zz HTTP/1.1\r\nHost: h\r\n", 400, 'bad escapes in the path' ],
	[ "GET /oidc_callback?& HTTP/1.1\r\nHost: h\r\n", 400,
		'callback, query &' ],
	[ "GET /oidc_callback?%zz=%&&state=%00 HTTP/1.1\r\nHost: h\r\n", 400,
		'callback, bad escapes' ],
	[ "POST /x HTTP/1.1\r\nHost: h\r\n", 401, 'POST without any body' ],
	[ "GET /x HTTP/1.1\r\nHost: h\r\nSec-Fetch-Mode:\r\n", 401,
		'an empty Sec-Fetch-Mode' ],
	[ "GET /x HTTP/1.1\r\nHost: h\r\nX-Requested-With:\r\n", 401,
		'an empty X-Requested-With' ],
	[ "GET /login HTTP/1.0\r\n", 400, 'login_uri without a host' ],
) {
	my ($bytes, $status, $name) = @$_;

	like(raw($bytes)->status(), ref $status ? $status : qr/^$status$/,
		"B05: $name");
}

$r = raw("GET /x HTTP/1.0\r\n", 1);
is($r->args()->{redirect_uri}, 'http://gw.example.test:' . $t->port(1)
	. '/oidc_callback', 'B05 F16: without Host, the server_name and the port');

###############################################################################
# B05, SE-6: cookies.

my $name = 'NGX_OIDC_SESSION';
my $value = $user->cookie($name)->{value};
my $good = "$name=$value";

for (
	[ $good, 200, 'the cookie' ],
	[ "a=b; $good; c=d", 200, 'among others' ],
	[ "a;$good;;b ;=;=x; ;", 200, 'among rubbish, without spaces' ],
	[ "$name=\"$value\"", 200, 'in quotes' ],
	[ "$good; $good", 200, 'twice the same' ],
	[ "$good; $name=" . 'A' x 43, 302, 'two that differ' ],
	[ "$name=" . 'A' x 43 . "; $good", 302, 'two that differ, turned' ],
	[ "$name", 302, 'without =' ],
	[ "$name=", 302, 'empty' ],
	[ "$name=" . substr($value, 0, 42), 302, 'cut' ],
	[ "${good}A", 302, 'longer' ],
	[ "$good=", 302, 'padded' ],
	[ "$name=" . ($value =~ tr/A-Za-z/B-ZAb-za/r), 302, 'another' ],
	[ "$name= $value", 200, 'a space before the value' ],
	[ lc($name) . "=$value", 302, 'name in small letters' ],
	[ "x$good", 302, 'another name' ],
	[ "__Host-$good", 302, 'the name that it has on https' ],
	[ "$name=" . '+/' x 21 . '=', 302, 'the other base64' ],
	[ "$name=" . "\xff" x 43, 302, 'bytes above 127' ],
	[ "$name=" . 'A' x 102400, 302, '100 KiB' ],
	[ 'b=' . 'A' x 102400 . "; $good", 200, 'behind 100 KiB of another' ],
	[ join('; ', (map { "c$_=1" } 1 .. 999), $good), 200, 'the 1000th' ],
	[ join('; ', (map { "c$_=1" } 1 .. 2000), $good), 302,
		'the 2001st is not looked at' ],
	[ ';' x 50000, 302, '50,000 semicolons' ],
	[ '=' x 50000, 302, '50,000 equals signs' ],
	[ "$name." . 'A' x 11 . '=x; ' x 300, 302, '300 pending logins' ],
) {
	my ($cookie, $status, $what) = @$_;

	is(ask(GET => '/x', {}, $cookie)->status(), $status,
		"B05 SE-6: cookie: $what");
}

is((raw("GET /x HTTP/1.1\r\nHost: h\r\n" . join '', map
	{ "Cookie: d$_=1\r\n" } 1 .. 900))->status(), 302,
	'B05: 900 Cookie lines');
is((raw("GET /x HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nCookie: $good\r\n"))
	->status(), 200, 'SE-6: the session in the second line');
is((raw("GET /x HTTP/1.1\r\nHost: h\r\nCookie: $good\r\nCookie: $name=B\r\n"))
	->status(), 302, 'SE-6: two lines that differ');

$r = ask(GET => '/x', {}, "$name=" . 'A' x 43);
is((grep { /^\Q$name\E=;.*Max-Age=0/ } $r->headers_all('Set-Cookie')), 1,
	'SE-6: a cookie that opens nothing is cleared');
is($user->get('/x')->status(), 200, 'SE-6: the session lives on');

###############################################################################
# B09: one connection, several requests.

my $get = sub { "GET $_[0] HTTP/1.1\r\nHost: h\r\n"
	. ($_[1] ? "Cookie: $_[1]\r\n" : '') . ($_[2] // '') . "\r\n" };
my @r = $user->raw_responses(join '', $get->('/a', $good), $get->('/b'),
	$get->('/c', $good), $get->('/d', undef, "Sec-Fetch-Mode: cors\r\n"),
	$get->('/e', $good, "Connection: close\r\n"));

is(join(',', map { $_->status() } @r), '200,302,200,401,200',
	'B09: five requests in one packet');
is(join(',', map { $_->json()->{uri} } @r[0, 2, 4]), '/a,/c,/e',
	'B09: each with its own answer');
is((grep { defined } map { told($_, 'X-User') } @r[0, 2, 4]), 3,
	'B09: and its own user');

my $kept = $t->browser();
is(join(',', map { $kept->get('/x', cookie => $_)->status() }
	$good, undef, $good, "$name=x", undef), '200,302,200,302,302',
	'B09: keep-alive carries nobody over');

###############################################################################

$t->done();

###############################################################################

sub ask {
	my ($method, $uri, $headers, $cookie) = @_;

	$headers ||= {};
	$headers = { Accept => undef, %$headers } if ref $headers eq 'HASH';

	return Test::OIDC::Browser->new(base => $t->url(''),
		headers => { Accept => undef }, keepalive => 0)
		->request($method, $uri, mode => 'plain', cookie => $cookie,
		headers => $headers);
}


sub raw {
	my ($head, $port) = @_;

	my ($r) = $b->raw_responses($head . "Connection: close\r\n\r\n",
		url => $t->url('/', $port // 0), timeout => 5);

	return $r || Test::OIDC::Response->failed('no answer');
}


sub told {
	my ($r, $name) = @_;

	return (map { $_->[1] } grep { lc $_->[0] eq lc $name }
		@{ $r->json()->{headers} })[0];
}

###############################################################################
