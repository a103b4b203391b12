#!/usr/bin/perl

# The start of a login: who is sent to the provider and who gets a 401, what is
# in the redirect and in the cookie, which of our own addresses the provider is
# told, and where the browser is led back to.

###############################################################################

use warnings;
use strict;

use Crypt::Digest qw/ digest_data /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ b64u /;
use Test::OIDC::Login qw/ outcome session_of /;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp();

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%

    oidc_provider idp {
        %%PROVIDER%%
        login_uri /login;
    }
    oidc_provider extra {
        %%PROVIDER%%
        scope profile email;
        extra_auth_args "display=page&prompt=login";
        authorization_endpoint %%IDP%%/protocol/openid-connect/auth?x=1;
        redirect_uri /extra/back;
        cookie_name extra;
    }
    oidc_provider plain {
        %%PROVIDER%%
        pkce off;
        redirect_uri /plain/back;
        cookie_name plain;
        pre_auth_timeout 77s;
    }
    oidc_provider absolute {
        %%PROVIDER%%
        redirect_uri https://other.example.test/absolute/back;
        cookie_name absolute;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;

        location / { proxy_pass http://%%BACKEND%%; }
        location /redirect {
            unauth_action redirect;
            proxy_pass http://%%BACKEND%%;
        }
        location /401 {
            unauth_action 401;
            proxy_pass http://%%BACKEND%%;
        }
        location /extra {
            auth_oidc extra;
            proxy_pass http://%%BACKEND%%;
        }
        location /plain {
            auth_oidc plain;
            proxy_pass http://%%BACKEND%%;
        }
        location /absolute {
            auth_oidc absolute;
            proxy_pass http://%%BACKEND%%;
        }
        location /based {
            oidc_base_url https://app.example.test:8443/;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        trusted_proxy 127.0.0.1;
        auth_oidc idp;
        location / { proxy_pass http://%%BACKEND%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_2%%;
        trusted_proxy 192.0.2.1;
        auth_oidc idp;
        location / { proxy_pass http://%%BACKEND%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_3%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERT_KEY%%;
        auth_oidc idp;
        location / { proxy_pass http://%%BACKEND%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_4%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERT_KEY%%;
        location / {
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-Proto https;
            proxy_pass http://127.0.0.1:%%PORT_1%%;
        }
    }
}
EOF

my $at = $t->url('') =~ s{/$}{}r;

my $b = $t->browser();
my $r = $b->get('/page?x=1');
my $args = $r->args();

###############################################################################
# The redirect.

is($r->status(), 302, 'F01 LS-1: a navigation is redirected');
is(($r->location() =~ /^([^?]+)/)[0], $idp->endpoint_url('authorize'),
	'F01 LS-1: to the authorization endpoint');
is_deeply([ sort keys %$args ], [ qw/ client_id code_challenge
	code_challenge_method nonce redirect_uri response_type scope state / ],
	'F03 LS-8: eight parameters, each once');
is(scalar(() = $r->location() =~ /=/g), 8, 'LS-1: none twice');
is($args->{response_type}, 'code', 'F01: response_type');
is($args->{client_id}, 'gateway', 'F01: client_id');
is($args->{scope}, 'openid', 'F01: scope');
is($args->{redirect_uri}, "$at/oidc_callback", 'F01 F16: redirect_uri');
like($r->location(), qr/&redirect_uri=http%3A%2F%2F127/, 'LS-1: escaped');
like($args->{state}, qr/^[\w-]{43}$/, 'F02 LS-2: state has 256 bits');
like($args->{nonce}, qr/^[\w-]{43}$/, 'F02 LS-3: nonce has 256 bits');
is($args->{code_challenge_method}, 'S256', 'F04 LS-4: S256');
like($args->{code_challenge}, qr/^[\w-]{43}$/, 'F04 LS-4: a challenge');
is($r->header('Cache-Control'), 'no-store', 'F01 LS-11: no-store');
is($r->header('Referrer-Policy'), 'no-referrer', 'LS-11: no referrer');
is($r->body(), '', 'F01: nothing else is sent');

my ($cookie) = $r->headers_all('Set-Cookie');
my $hash = substr b64u(digest_data('SHA256', $args->{state})), 0, 16;
like($cookie, qr/^NGX_OIDC_SESSION\.\Q$hash\E=[\da-f]{8}\.[\w-]+;\ Path=\/;
	\ Max-Age=300;\ HttpOnly;\ SameSite=Lax$/x, 'LS-5: the cookie on http');
is(scalar $r->headers_all('Set-Cookie'), 1, 'LS-5: one cookie');
unlike($cookie, qr/$_->[1]/, "LS-3: $_->[0] is not readable in the cookie")
	for [ state => $args->{state} ], [ nonce => $args->{nonce} ],
		[ page => 'page' ];

is($b->head('/')->status(), 302, 'LS-1 F05: HEAD as GET');
is($t->backend()->count('echo'), 0, 'B11: nobody reaches the backend');

$args = $t->browser()->get('/?client_id=evil&scope=x&state=s&redirect_uri=u')
	->args();
is_deeply([ grep { ref } values %$args ], [], 'LS-9: nothing is doubled');
is(join(' ', @$args{qw/ client_id scope /}), 'gateway openid',
	'LS-9: nothing is replaced');

$r = $t->browser()->get('/extra');
$args = $r->args();
like($r->location(), qr/\/auth\?x=1&response_type=code&/,
	'LS-1 F15: the query of an endpoint stays, a directive wins');
is($args->{scope}, 'openid profile email', 'F01: openid is always asked for');
is($args->{prompt}, 'login', 'F03 LS-8: configured parameters are sent');
is($args->{display}, 'page', 'F03 LS-8: all of them');
is(scalar keys %$args, 11, 'F03 LS-8: and no others');

$r = $t->browser()->get('/plain');
$args = $r->args();
is_deeply([ grep { /^code_challenge/ } keys %$args ], [], 'F04: pkce off');
like($r->header('Set-Cookie'), qr/ Max-Age=77; /,
	'F09 LS-5: pre_auth_timeout is the age of the cookie');

###############################################################################
# What is random is.

my (%state, %nonce, %challenge);

for ($b->parallel_get($at, n => 1000, concurrency => 20,
	headers => { Cookie => undef }))
{
	my $args = $_->args();

	$state{ $args->{state} } = 1;
	$nonce{ $args->{nonce} } = 1;
	$challenge{ $args->{code_challenge} } = 1;
}

is(scalar keys %state, 1000, 'F02 LS-2: no state comes twice');
is(scalar keys %nonce, 1000, 'F02 LS-3: no nonce');
is(scalar keys %challenge, 1000, 'F04 LS-4: no challenge');
is(scalar(grep { $state{$_} or $challenge{$_} } keys %nonce), 0,
	'LS-3: and none is another');
is(scalar(grep { $challenge{ b64u(digest_data('SHA256', $_)) }
	or $nonce{ b64u(digest_data('SHA256', $_)) } } keys %nonce, keys %state),
	0, 'LS-3 LS-4: nor the verifier, which stays here');

###############################################################################
# Who is redirected.

my $html = 'text/html,application/xhtml+xml,*/*;q=0.8';

for ([ 302, 'navigate', 'Sec-Fetch-Mode' => 'navigate', Accept => $html ],
	[ 302, 'navigate counts alone', 'Sec-Fetch-Mode' => 'navigate',
		Accept => 'image/png' ],
	[ 401, 'cors', 'Sec-Fetch-Mode' => 'cors', Accept => '*/*' ],
	[ 401, 'no-cors', 'Sec-Fetch-Mode' => 'no-cors', Accept => $html ],
	[ 401, 'same-origin', 'Sec-Fetch-Mode' => 'same-origin' ],
	[ 401, 'websocket', 'Sec-Fetch-Mode' => 'websocket' ],
	[ 401, 'an odd mode', 'Sec-Fetch-Mode' => 'Navigate' ],
	[ 401, 'dest without mode', 'Sec-Fetch-Dest' => 'empty',
		Accept => '*/*' ],
	[ 302, 'html', Accept => $html ],
	[ 302, 'html in capitals', Accept => 'TEXT/HTML' ],
	[ 302, 'anything', Accept => '*/*' ],
	[ 302, 'no Accept' ],
	[ 302, 'an empty Accept', Accept => '' ],
	[ 401, 'json', Accept => 'application/json' ],
	[ 401, 'an image', Accept => 'image/webp,image/*;q=0.8' ],
	[ 401, 'events', Accept => 'text/event-stream' ],
	[ 401, 'XMLHttpRequest', Accept => '*/*',
		'X-Requested-With' => 'XMLHttpRequest' ],
	[ 401, 'X-Requested-With of any kind', Accept => $html,
		'X-Requested-With' => 'x' ])
{
	my ($status, $name, %headers) = @$_;
	my $res = bare(GET => '/', \%headers);

	is($res->status() . (defined $res->location() ? ' to' : ''),
		$status == 302 ? '302 to' : 401, "F05 LS-10: $name");
}

for my $method (qw/ POST PUT DELETE PATCH OPTIONS PROPFIND /) {
	$r = bare($method => '/form', { Accept => $html,
		'Sec-Fetch-Mode' => 'navigate' }, body => 'kept=never');
	is($r->status(), 401, "F06 LS-10: $method");
	is($r->location(), undef, "F06 LS-10: $method is not redirected");
	is($r->header('Set-Cookie'), undef, "F06: $method starts no login");
}

like($r->header('WWW-Authenticate'), qr/^Bearer realm="idp"$/,
	'LS-10: a challenge');
is($r->header('Content-Type'), 'application/json', 'LS-10: as JSON');
is($r->json()->{error}, 'login_required', 'LS-10: in short');
is($r->header('Cache-Control'), 'no-store', 'LS-10: not stored');
is($t->backend()->count('echo'), 0, 'F06: no body reaches the backend');

is(bare(GET => '/redirect', { Accept => 'application/json' })->status(), 302,
	'F05: unauth_action redirect, a script');
is(bare(POST => '/redirect', {}, body => 'x')->status(), 303,
	'F06: unauth_action redirect, POST becomes GET');
is(bare(GET => '/401', { Accept => $html })->status(), 401,
	'F05: unauth_action 401, a navigation');

###############################################################################
# Back at the page.

for my $path ('/', '/a/b?x=1&y=2', '/a%2Fb%20c/%C3%A9?x=%26y&z=1+2&e=&f',
	'/x?url=https://other.test/?a=b', '/%7euser/;p=1/?', '/a//b/../c',
	'/%41%2e?%41')
{
	my $b = $t->browser();
	my $r = $b->login($path);

	is($r->status() . ' ' . $r->url(), "200 $at$path", "F07: back at $path");
	is($r->json()->{uri}, $path, 'F07: as the backend sees it');
}

$b = $t->browser();
$b->login('/x?' . 'y' x 1100);
is(($b->history())[-1]->url(), "$at/x", 'F08: over 1 KiB, cut to the path');

$b = $t->browser();
$b->login('/' . 'y' x 1100);
is(($b->history())[-1]->url(), "$at/", 'F08: a path over 1 KiB, cut to "/"');

$b = $t->browser();
$b->get('/' . 'y' x 255);
cmp_ok(length $b->cookie(qr/\./)->{raw}, '<', 600,
	'F08 LS-6: a cookie stays under 600 bytes');

# As a browser never asks, but whoever writes a link can.

my @hostile = ('//evil.test', '//evil.test/', '///evil.test', '////evil.test',
	'/\\evil.test', '/%5cevil.test', '/%5Cevil.test/%2e%2e', '/%2fevil.test',
	'/%2Fevil.test', '//%2fevil.test', '/./%2fevil.test', '/.//evil.test',
	'/x/..//evil.test', '/%2e/%2fevil.test', '/%2e//evil.test',
	'/x/%2e%2e//evil.test', '/%09/evil.test', '/%0d%0aSet-Cookie:a=b',
	'/%0aLocation:x', '/%0D%0A', '/x%00y', '/%7f', '/x%1f', '//evil.test%2f..',
	'//user@evil.test', '//[::1]/', '//127.0.0.1:1/', '///', '//',
	'//evil.test;x', '//evil.test?x=1', '//.evil.test', '/x%5c..%5cevil.test');

for my $path (@hostile) {
	my $b = $t->browser();
	my $got = $b->raw("GET $path HTTP/1.1\r\nHost: 127.0.0.1:"
		. $t->port(0) . "\r\nAccept: */*\r\nConnection: close\r\n\r\n");

	is(off_site($b, $got), 'no', "LS-7 B01: $path leads nowhere else");
}

for my $next (@hostile, 'http://evil.test/', 'https:evil.test', 'evil.test',
	'javascript:alert(1)', ' /x', "/\t/evil.test", 'http:/evil.test',
	"$at.evil.test/", "$at\@evil.test/", 'http://127.0.0.1:1/', '/x#y',
	"\xe2\x80\x8b//evil.test", '')
{
	my $b = $t->browser();
	my $name = $next =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
	my $got = outcome($t, $b, sub {
		return $b->get('/login?next='
			. Test::OIDC::Browser::escape($next));
	});

	like($got, qr/^400 bad_(?:target|arguments)$/, "LS-7 B01: next=$name");
}

$b = $t->browser();
$b->login('/login?next=/deep%3Fa%3D1');
is(($b->history())[-1]->url(), "$at/deep?a=1", 'F07: login_uri and next');
$b = $t->browser();
# What a link brings is cut as what was asked for is: to its path, then to "/".
for my $next ('/deep%3F' . 'a' x 2000, '/' . 'a' x 2000) {
	my $long = $t->browser();

	is($long->get("/login?next=$next")->status(), 302, 'F08: a long target');
	cmp_ok(length(($long->cookies())[0]{value}), '<', 600,
		'F08: ... in a cookie of less than 600 bytes');
}

is(outcome($t, $b, sub { $b->get('/login?next=/a&next=/b') }),
	'400 bad_arguments', 'LS-7: next comes once');

$b = $t->browser();
$b->login("/login?next=$at/same");
is(($b->history())[-1]->url(), "$at/same", 'F07: next on our own origin');
my $put = $b->request(PUT => '/login', body => 'x');
is($put->status(), 405, 'LS-10: login_uri takes GET, HEAD and POST alone');
is($put->header('Allow'), 'GET, HEAD, POST', 'LS-10: and says so');

###############################################################################
# Who we are.

my %spoof = ('X-Forwarded-Host' => 'evil.test', 'X-Forwarded-Proto' => 'https',
	'X-Forwarded-Port' => '1', Forwarded => 'host=evil.test;proto=https');

is(told(0, %spoof), "$at/oidc_callback", 'F16 LS-12: spoofed, unchanged');
is(told(2, %spoof), $t->url('/oidc_callback', 2),
	'F16 LS-12: spoofed, another proxy is trusted');
is(told(0, Host => 'App.Example.test:99'),
	'http://app.example.test:99/oidc_callback', 'F16: the Host with its port');
is(told(0, Host => 'app.example.test:80'),
	'http://app.example.test/oidc_callback', 'F16: not the default one');
is(told(0, Host => 'evil.test/x'), 'status 400', 'F16: no host, no login');
is(told(0, Host => 'a@evil.test'), 'status 400', 'F16: no user-info');
is(told(1, 'X-Forwarded-Proto' => 'https',
	'X-Forwarded-Host' => 'pub.example.test'),
	'https://pub.example.test/oidc_callback', 'F16: X-Forwarded-*, trusted');
is(told(1, 'X-Forwarded-Proto' => 'https', Host => 'h.test'),
	'https://h.test/oidc_callback', 'F16: the scheme alone');
is(told(1, Forwarded => 'for=192.0.2.9;proto=https;host="pub.example.test"'),
	'https://pub.example.test/oidc_callback', 'F16: Forwarded, trusted');
is(told(1, 'X-Forwarded-Host' => 'evil.test, pub.example.test'),
	'http://pub.example.test/oidc_callback',
	'F16: the nearest proxy is believed');
is(told(1, 'X-Forwarded-Host' => 'a b'), 'status 400',
	'F16: what a proxy says is checked too');

$r = $t->browser()->get('/based');
is($r->args()->{redirect_uri}, 'https://app.example.test:8443/oidc_callback',
	'F16: oidc_base_url');
like($r->header('Set-Cookie'), qr/^__Host-.*; Secure;/,
	'F16 LS-5: its scheme decides on the cookie');
$r = $t->browser()->get('/based', headers => { %spoof });
is($r->args()->{redirect_uri}, 'https://app.example.test:8443/oidc_callback',
	'F16 LS-12: oidc_base_url, spoofed');

is($t->browser()->get('/absolute')->args()->{redirect_uri},
	'https://other.example.test/absolute/back',
	'LS-12: an absolute redirect_uri as it is');

my $s = $t->browser(scheme => 'https', host => 'app.example.test', port => 3);
$r = $s->get('/tls');
is($r->args()->{redirect_uri}, 'https://app.example.test:' . $t->port(3)
	. '/oidc_callback', 'F16: https by itself');
like($r->header('Set-Cookie'), qr/^__Host-NGX_OIDC_SESSION\.[\w-]{16}=
	[\da-f]{8}\.[\w-]+;\ Path=\/;\ Max-Age=300;\ Secure;\ HttpOnly;
	\ SameSite=Lax$/x, 'LS-5: the cookie on https');
$r = $s->login('/tls?a=b');
is($r->status() . $r->url(), '200https://app.example.test:' . $t->port(3)
	. '/tls?a=b', 'F07 F16: a login over https');
is(scalar $s->jar()->refused(), 0, 'LS-5: a browser takes all the cookies');

$s = $t->browser(scheme => 'https', host => 'app.example.test', port => 4);
$r = $s->login('/behind?a=b');
is($r->status() . $r->url(), '200https://app.example.test:' . $t->port(4)
	. '/behind?a=b', 'F16: a login behind a TLS terminator');
like(session_of($s)->{name}, qr/^__Host-/, 'F16: with the cookie of https');

$t->done();

###############################################################################

# A request with these headers and no others.
sub bare {
	my ($method, $path, $headers, %o) = @_;

	return $t->browser()->request($method, $path, mode => 'plain',
		headers => { 'User-Agent' => 'x', Accept => undef, %$headers },
		%o);
}


# The redirect_uri that the provider is told.
sub told {
	my ($port, %headers) = @_;

	my $r = $t->browser(port => $port)->get('/', headers => \%headers);

	return $r->is_redirect() ? $r->args()->{redirect_uri}
		: 'status ' . $r->status();
}


# Goes on after the answer $got to the start of a login: is there any Location
# outside of our origin, but at the provider?
sub off_site {
	my ($b, $got) = @_;

	my $r = Test::OIDC::Response::parse(\$got, 'GET', 1) or return 'no';
	my $origin = $idp->issuer();

	for (1 .. 4) {
		my $location = $r->location() // return 'no';
		return $location if $location !~ m{^(?:\Q$origin\E|\Q$at\E)/};
		return $location if $location =~ m{^\Q$at\E/(?:/|\\|%2f|%5c)}i;

		$b->jar()->take($b->url("$at/"), $r->headers_all('Set-Cookie'));
		$r = $b->get($location);
	}

	return 'a loop';
}

###############################################################################
