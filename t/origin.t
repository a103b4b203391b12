#!/usr/bin/perl

# Our public address (F16, LS-12): oidc_base_url, the request's scheme and
# Host, or what a trusted proxy says of them; nobody else is believed.

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
    ssl_certificate     %%CERT%%;
    ssl_certificate_key %%CERT_KEY%%;

    oidc_provider idp {
        %%PROVIDER%%
        login_uri  /login;
        logout_uri /logout;
        post_logout_uri /bye;
    }
    oidc_provider absolute {
        %%PROVIDER%%
        cookie_name absolute;
        redirect_uri https://fixed.example.test:8443/absolute/callback;
    }
    auth_oidc idp;

    # nobody is trusted
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% ssl;
        location / { proxy_pass http://%%BACKEND%%; }
        location /base/ {
            oidc_base_url https://base.example.test;
            proxy_pass http://%%BACKEND%%;
        }
        location /absolute/ {
            auth_oidc absolute;
            proxy_pass http://%%BACKEND%%;
        }
    }

    # the client's address is that of a trusted proxy
    server {
        listen 127.0.0.1:%%PORT_2%%;
        listen 127.0.0.1:%%PORT_3%% ssl;
        trusted_proxy 127.0.0.1 10.0.0.0/8;
        location / { proxy_pass http://%%BACKEND%%; }
        location /base/ {
            oidc_base_url https://base.example.test:444;
            proxy_pass http://%%BACKEND%%;
        }
    }

    # a proxy is trusted, the client is none
    server {
        listen 127.0.0.1:%%PORT_4%%;
        trusted_proxy 10.0.0.0/8;
        location / { proxy_pass http://%%BACKEND%%; }
    }

    # realip has put the client's address in place of the proxy's
    server {
        listen 127.0.0.1:%%PORT_5%%;
        trusted_proxy 127.0.0.1;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        location / {
            proxy_set_header X-Address $remote_addr;
            proxy_pass http://%%BACKEND%%;
        }
    }

    # and a client that says to be the proxy
    server {
        listen 127.0.0.1:%%PORT_6%%;
        trusted_proxy 10.0.0.1;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        location / { proxy_pass http://%%BACKEND%%; }
    }

    # a base for all of the server
    server {
        listen 127.0.0.1:%%PORT_7%%;
        oidc_base_url https://app.example.test/;
        location / { proxy_pass http://%%BACKEND%%; }
    }
}
EOF

my $p0 = $t->port(0);
my $p2 = $t->port(2);
my $p4 = $t->port(4);
my $p6 = $t->port(6);
my $forwarded = { 'X-Forwarded-Proto' => 'https',
	'X-Forwarded-Host' => 'evil.test' };

$t->browser()->get('/');

###############################################################################
# The request itself.

is(origin(0), "http://127.0.0.1:$p0", 'F16: Host with its port');
is(origin(1), 'https://127.0.0.1:' . $t->port(1), 'F16: a TLS listener');

for (
	[ 'app.example.test', 'http://app.example.test' ],
	[ 'App.Example.TEST', 'http://app.example.test' ],
	[ 'app.example.test:80', 'http://app.example.test' ],
	[ 'app.example.test:443', 'http://app.example.test:443' ],
	[ 'app.example.test:8080', 'http://app.example.test:8080' ],
	[ '[::1]', 'http://[::1]' ],
	[ '[::1]:80', 'http://[::1]' ],
	[ '[2001:DB8::1]:8080', 'http://[2001:db8::1]:8080' ],
	[ 'app.example.test:', qr/^(?:400|http:..app\.example\.test)$/ ],
	[ 'xn--bcher-kva.example.test', 'http://xn--bcher-kva.example.test' ],
	[ 'a_b.example.test', qr/^(?:400|http:..a_b\.example\.test)$/ ],
	[ 'evil.test/x', 400 ],
	[ 'user@evil.test', 400 ],
	[ 'evil.test:80@app', 400 ],
	[ 'evil.test:0', 400 ],
	[ 'evil.test?', 400 ],
	[ 'evil.test"', 400 ],
) {
	my ($host, $expected) = @$_;

	like(origin(0, { Host => $host }), ref $expected ? $expected
		: qr/^\Q$expected\E$/, "F16: Host: $host");
}

is(origin(1, { Host => 'app.example.test:443' }), 'https://app.example.test',
	'F16: the default port of https');
is(origin(1, { Host => 'app.example.test:80' }), 'https://app.example.test:80',
	'F16: which 80 is not');

my ($r) = $t->browser()->raw_responses('GET http://one.test:81/x HTTP/1.1'
	. "\r\nHost: two.test:82\r\nConnection: close\r\n\r\n");
like($r->status() == 302 ? $r->args()->{redirect_uri} : 400,
	qr/^400$|^http:..(?:one\.test|two\.test)(?::8[12])?\/oidc_callback$/,
	'F16: an absolute URI and another Host: nothing but these two');

###############################################################################
# LS-12: nobody is trusted by default.

for (
	[ 'X-Forwarded-Proto' => 'https' ],
	[ 'X-Forwarded-Host' => 'evil.test' ],
	[ 'X-Forwarded-Port' => '444' ],
	[ 'X-Forwarded-Server' => 'evil.test' ],
	[ 'X-Forwarded-Prefix' => '/evil' ],
	[ 'X-Forwarded-Scheme' => 'https' ],
	[ 'X-Forwarded-Ssl' => 'on' ],
	[ 'Front-End-Https' => 'on' ],
	[ 'X-Original-Host' => 'evil.test' ],
	[ 'X-Host' => 'evil.test' ],
	[ 'X-Real-IP' => '10.0.0.1' ],
	[ 'X-Forwarded-For' => '10.0.0.1' ],
	[ 'Forwarded' => 'for=10.0.0.1;host=evil.test;proto=https' ],
) {
	my ($name, $value) = @$_;

	is(origin(0, { $name => $value }), "http://127.0.0.1:$p0",
		"LS-12 SE-14: $name from anybody");
	is(origin(4, { %$forwarded, $name => $value }),
		"http://127.0.0.1:$p4",
		"LS-12 SE-14: $name from who is no trusted_proxy");
}

$r = get(4, $forwarded);
like($r->header('Set-Cookie'), qr/^NGX_OIDC_SESSION\.[^;]*;(?!.*Secure)/,
	'SE-14: nor does it change the cookie');

###############################################################################
# A trusted proxy.

for (
	[ {}, "http://127.0.0.1:$p2", 'says nothing' ],
	[ { 'X-Forwarded-Proto' => 'https' }, "https://127.0.0.1:$p2", 'proto' ],
	[ { 'X-Forwarded-Proto' => 'HTTPS' }, "https://127.0.0.1:$p2",
		'proto in capitals' ],
	[ { 'X-Forwarded-Proto' => 'http' }, "http://127.0.0.1:$p2", 'http' ],
	[ { 'X-Forwarded-Proto' => 'ftp' }, "http://127.0.0.1:$p2",
		'some other scheme' ],
	[ { 'X-Forwarded-Host' => 'app.example.test' },
		'http://app.example.test', 'host' ],
	[ { 'X-Forwarded-Host' => 'app.example.test:8080' },
		'http://app.example.test:8080', 'host and port' ],
	[ { 'X-Forwarded-Proto' => 'https',
		'X-Forwarded-Host' => 'app.example.test' },
		'https://app.example.test', 'both' ],
	[ { 'X-Forwarded-Proto' => 'https',
		'X-Forwarded-Host' => 'app.example.test:443' },
		'https://app.example.test', 'both and the default port' ],
	[ { 'X-Forwarded-Proto' => 'http, https', 'X-Forwarded-Host' =>
		'evil.test, app.example.test' }, 'https://app.example.test',
		'lists: what the last proxy has added counts' ],
	[ { Forwarded => 'proto=https;host=app.example.test' },
		'https://app.example.test', 'Forwarded' ],
	[ { Forwarded => 'for=1.2.3.4;Proto=https;HOST="app.example.test:8"' },
		'https://app.example.test:8', 'Forwarded with quotes' ],
	[ { Forwarded => 'host=evil.test;proto=http, for=_x;host=a.test;'
		. 'proto=https' }, 'https://a.test',
		'Forwarded: the last element' ],
	[ { Forwarded => 'host=evil.test, for=1.2.3.4' },
		"http://127.0.0.1:$p2",
		'Forwarded: an element of others does not count' ],
	[ { Forwarded => 'host=a.test;host=b.test' }, "http://127.0.0.1:$p2",
		'Forwarded: a parameter twice' ],
	[ { Forwarded => 'host=evil.test;proto=http', 'X-Forwarded-Host' =>
		'app.example.test', 'X-Forwarded-Proto' => 'https' },
		'https://app.example.test', 'X-Forwarded-* before Forwarded' ],
	[ { 'X-Forwarded-Host' => 'a b' }, 400, 'no host' ],
	[ { 'X-Forwarded-Host' => 'user@evil.test' }, 400, 'user-info' ],
	[ { 'X-Forwarded-Host' => 'a.test/x' }, 400, 'a path' ],
	[ { 'X-Forwarded-Host' => 'a.test:99999' }, 400, 'a bad port' ],
	[ { 'X-Forwarded-Port' => '444', 'X-Forwarded-Prefix' => '/x' },
		"http://127.0.0.1:$p2", 'what nobody asks for' ],
) {
	my ($headers, $expected, $name) = @$_;

	is(origin(2, $headers), $expected, "F16 LS-12: trusted: $name");
}

is(origin(2, [ [ 'X-Forwarded-Host', 'a.test' ],
	[ 'X-Forwarded-Host', 'b.test' ] ]), "http://127.0.0.1:$p2",
	'F16: X-Forwarded-Host in two lines: none of them');
is(origin(3, { 'X-Forwarded-Proto' => 'http' }), 'http://127.0.0.1:'
	. $t->port(3), 'F16: a trusted proxy is believed against TLS, too');

$r = get(2, { 'X-Forwarded-Proto' => 'https' });
like($r->header('Set-Cookie'), qr/^__Host-NGX_OIDC_SESSION\.[^;]*;.*Secure/,
	'SE-14 SE-1: the cookie of https behind a TLS terminator');

###############################################################################
# realip: who is connected counts, not who is said to be.

is(origin(5, { %$forwarded, 'X-Real-IP' => '192.0.2.7' }), 'https://evil.test',
	'F16: realip: the proxy is still trusted');
is(origin(6, { %$forwarded, 'X-Real-IP' => '10.0.0.1' }),
	"http://127.0.0.1:$p6", 'LS-12: realip: an address that is only claimed');

###############################################################################
# oidc_base_url.

for my $port (0, 1) {
	is(origin($port, $forwarded, '/base/x'), 'https://base.example.test',
		"F16: oidc_base_url at $port");
}

is(origin(2, $forwarded, '/base/x'), 'https://base.example.test:444',
	'F16: oidc_base_url goes before a trusted proxy');
is(origin(7, { Host => 'evil.test' }), 'https://app.example.test',
	'F16: oidc_base_url and any Host');
is(origin(7, {}, '/x', "GET /x HTTP/1.0\r\n"), 'https://app.example.test',
	'F16: oidc_base_url without a Host');

$r = get(7, {});
like($r->header('Set-Cookie'), qr/^__Host-NGX_OIDC_SESSION\.[^;]*;.*Secure/,
	'SE-1: and the cookie of https');

is(origin(0, $forwarded, '/absolute/x'), 'https://fixed.example.test:8443',
	'F16: an absolute redirect_uri is sent as it is');

###############################################################################
# The same address everywhere: token call, way back, logout.

my $b = $t->browser(port => 2, headers => { 'X-Forwarded-Proto' => 'https',
	'X-Forwarded-Host' => "app.example.test:$p2" });
my $url = $b->start_login('/deep?x=1');
is($url =~ s/\?.*//r, "https://app.example.test:$p2/oidc_callback",
	'F14: the way back');
$b->jar()->{trustworthy} = 1;
my $cookie = join '; ', map { "$_->{name}=$_->{value}" } $b->cookies();
$cookie ||= join '; ', map { /^([^;]*)/ } $b->set_cookie_raw();
$r = $b->get($url =~ s{^https://[^/]*}{}r, cookie => $cookie);
is($r->status(), 302, 'F16: login behind a TLS terminator');
is($r->location(), "https://app.example.test:$p2/deep?x=1",
	'F07 F16: back at the public address');
is($t->idp()->last('token')->{form}{redirect_uri},
	"https://app.example.test:$p2/oidc_callback",
	'F14: the token call has the identical redirect_uri');

($cookie) = map { /^(__Host-NGX_OIDC_SESSION=[^;]+)/ }
	$r->headers_all('Set-Cookie');
$r = $b->get('/logout', cookie => $cookie, site => 'same-origin');
is($r->args()->{post_logout_redirect_uri},
	"https://app.example.test:$p2/bye", 'L03 F16: the logout too');

# An Origin is compared with that address.
for ([ "https://app.example.test:$p2", 303 ], [ "http://127.0.0.1:$p2", 403 ],
	[ 'https://app.example.test', 403 ], [ 'null', 403 ])
{
	my ($origin, $status) = @$_;

	is($b->post('/logout', '', mode => 'plain', headers => { Origin =>
		$origin })->status(), $status,
		"L01: POST of the logout with Origin $origin");
}

###############################################################################

$t->done();

###############################################################################

sub get {
	my ($port, $headers, $path, $raw) = @_;

	my $b = $t->browser(port => $port, ($port == 1 or $port == 3)
		? (scheme => 'https') : ());

	return ($b->raw_responses("$raw\r\n"))[0] if $raw;
	return $b->get($path // '/x', headers => $headers);
}


# Scheme, host and port of the redirect_uri; the status where there is none.
sub origin {
	my $r = get(@_);

	return $r->status() if $r->status() != 302;
	return $r->args()->{redirect_uri} =~ s{^(https?://[^/]*)/.*}{$1}r;
}

###############################################################################
