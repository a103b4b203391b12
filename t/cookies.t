#!/usr/bin/perl

# Our cookies: what is set, byte for byte, on http and on https, and that
# nobody behind the gateway gets them, while all others stay as they were.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::INET;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my $fastcgi = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
	LocalPort => $t->port(9), ReuseAddr => 1) or die "listen: $!";

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    large_client_header_buffers 4 64k;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    ssl_certificate     %%CERT%%;
    ssl_certificate_key %%CERT_KEY%%;

    oidc_provider idp {
        %%PROVIDER%%
        logout_uri /logout;
        logout_callback_uri /logged-out;
    }
    oidc_provider named {
        %%PROVIDER%%
        cookie_name sid;
        pre_auth_timeout 60s;
        redirect_uri /named/callback;
    }
    oidc_provider domain {
        %%PROVIDER%%
        cookie_domain example.test;
        redirect_uri /domain/callback;
        logout_uri /domain/logout;
    }
    oidc_provider host {
        %%PROVIDER%%
        cookie_name __Host-gate;
        redirect_uri /host/callback;
    }
    oidc_provider passing {
        %%PROVIDER%%
        cookie_name kept;
        pass_cookies on;
        redirect_uri /passing/callback;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% ssl;

        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location /named/ {
            auth_oidc named;
            proxy_pass http://%%BACKEND%%;
        }
        location /domain/ {
            auth_oidc domain;
            proxy_pass http://%%BACKEND%%;
        }
        location /host/ {
            auth_oidc host;
            proxy_pass http://%%BACKEND%%;
        }
        location /open/ {
            proxy_pass http://%%BACKEND%%;
        }
        location /fastcgi/ {
            fastcgi_pass 127.0.0.1:%%PORT_9%%;
        }
        location /var/ {
            auth_oidc idp;
            proxy_set_header X-Cookie $http_cookie;
            proxy_set_header X-One $cookie_a;
            proxy_set_header X-Ours $cookie_NGX_OIDC_SESSION;
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;

        location / {
            auth_oidc passing;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $backend = $t->backend();
my $id = qr/[A-Za-z0-9_-]{43}/;
my $sealed = qr/[0-9a-f]{8}[.][A-Za-z0-9_-]+/;
my $suffix = qr/[.][A-Za-z0-9_-]{16}/;
my $gone = 'Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT';

###############################################################################
# SE-1, S02, LS-5: what is set.

my $http = $t->browser();
my $https = $t->browser(port => 1, scheme => 'https');

for (
	[ $http, '/x', 'NGX_OIDC_SESSION', 300, '', '' ],
	[ $https, '/x', '__Host-NGX_OIDC_SESSION', 300, '', 'Secure; ' ],
	[ $http, '/named/', 'sid', 60, '', '' ],
	[ $https, '/named/', 'sid', 60, '', 'Secure; ' ],
	[ $https, '/host/', '__Host-gate', 300, '', 'Secure; ' ],
	[ $t->browser(host => 'www.example.test'), '/domain/',
		'NGX_OIDC_SESSION', 300, 'Domain=example.test; ', '' ],
	[ $t->browser(host => 'www.example.test', port => 1,
		scheme => 'https'), '/domain/', 'NGX_OIDC_SESSION', 300,
		'Domain=example.test; ', 'Secure; ' ],
) {
	my ($b, $path, $name, $age, $domain, $secure) = @$_;
	my $what = "$b->{base}$path" =~ s/:\d+//r;

	my $r = $b->login($path);
	my @chain = $b->history();

	is($r->status(), 200, "SE-1: login at $what");
	is(scalar(() = $chain[0]->headers_all('Set-Cookie')), 1,
		"LS-5: one cookie at $what");
	like($chain[0]->header('Set-Cookie'), qr/^\Q$name\E$suffix
		=$sealed;[ ]Path=\/;[ ]\Q$domain\EMax-Age=$age;
		[ ]\Q$secure\EHttpOnly;[ ]SameSite=Lax$/x,
		"LS-5: login cookie at $what");

	my ($back) = grep { $_->url() =~ /callback\?/ } @chain;
	my ($dropped, $session) = $back->headers_all('Set-Cookie');
	($dropped, $session) = ($session, $dropped)
		if $session =~ /Max-Age=0/;

	like($session, qr/^\Q$name\E=$id;[ ]Path=\/;
		[ ]\Q$domain$secure\EHttpOnly;[ ]SameSite=Lax$/x,
		"SE-1 S02: session cookie at $what");
	like($dropped, qr/^\Q$name\E$suffix=;[ ]Path=\/;
		[ ]\Q$domain$gone; $secure\EHttpOnly;[ ]SameSite=Lax$/x,
		"CB-8: login cookie deleted at $what");
	is(scalar($back->headers_all('Set-Cookie')), 2, "SE-1: both at $what");
	is(join(',', map { $_->[1] } $b->jar()->refused()), '',
		"SE-1: a browser takes them all at $what");
	is($b->get($path)->status(), 200, "SE-1: and sends them back to $what");
}

is($t->browser()->get('/host/')->status(), 500,
	'SE-1: no __Host- cookie on http, which a browser would drop: no login');

is(scalar(grep { $_->{name} !~ /\./ } $http->cookies()), 2,
	'SE-1: a session per cookie name');
cmp_ok(length($http->cookie('sid')->{raw}), '<=', 4096, 'SE-5: short enough');

# Logout deletes under the same attributes.
my ($deleted) = $https->get('/logout', site => 'same-origin')
	->headers_all('Set-Cookie');
is($deleted, "__Host-NGX_OIDC_SESSION=; Path=/; $gone; Secure; HttpOnly; "
	. 'SameSite=Lax', 'SE-1 L02: the deletion on https');
$https->login('/x');
my $domain = $t->browser(host => 'www.example.test');
$domain->login('/domain/');
($deleted) = $domain->get('/domain/logout', site => 'same-origin')
	->headers_all('Set-Cookie');
is($deleted, "NGX_OIDC_SESSION=; Path=/; Domain=example.test; $gone; "
	. 'HttpOnly; SameSite=Lax', 'SE-1 L02: and with a domain');

$http->login('/x');
my @out = $http->get('/logout', site => 'same-origin')->headers_all('Set-Cookie');
like($out[1], qr/^NGX_OIDC_SESSION\.out=$sealed;[ ]Path=\/;
	[ ]Max-Age=600;[ ]HttpOnly;[ ]SameSite=Lax$/x,
	'LO-2: cookie of the logout');

###############################################################################
# S01, SE-3: a new id at every login.

my $b = $t->browser();
$b->login('/x');
my $first = $b->cookie('NGX_OIDC_SESSION')->{value};
my $old = $b->clone();

is($b->callback($t->browser()->start_login('/x'))->status(), 400,
	'F10: somebody else\'s callback');
is($b->get('/x')->status(), 200, 'F11: ends no session');

# A browser with a session that logs in again: by a tab that began before.
my $fresh = $t->browser();
my $url = $fresh->start_login('/x');
$fresh->jar()->take($fresh->url('/'), "NGX_OIDC_SESSION=$first; Path=/");
my $r = $fresh->callback($url);
is($r->status(), 302, 'S01: a second login in the same browser');
isnt($fresh->cookie('NGX_OIDC_SESSION')->{value}, $first,
	'S01 SE-3 CB-8: has a new id');
is($fresh->get('/x')->status(), 200, 'S01: which works');
is($old->get('/x')->status(), 302, 'S01: the older record is deleted');

my $planted = $t->browser();
$planted->jar()->take($planted->url('/'), 'NGX_OIDC_SESSION=' . 'A' x 43
	. '; Path=/');
$planted->login('/x');
isnt($planted->cookie('NGX_OIDC_SESSION')->{value}, 'A' x 43,
	'SE-3: a planted id is not taken over');

my %seen;
my @logins = $b->parallel_logins(n => 50, concurrency => 10, path => '/x');
$seen{ $_->{browser}->cookie('NGX_OIDC_SESSION')->{value} }++ for @logins;
is(scalar keys %seen, 50, 'SE-2: 50 logins, 50 ids');

###############################################################################
# SE-9, S16: what the backend gets.

my $name = 'NGX_OIDC_SESSION';
my $good = "$name=" . $fresh->cookie($name)->{value};
my $login = "$name.ABCDEFGHIJKLMNOP=v1.x";

for (
	[ $good, undef, 'alone' ],
	[ "a=1; $good", 'a=1', 'last' ],
	[ "$good; a=1", 'a=1', 'first' ],
	[ "a=1; $good; b=2", 'a=1; b=2', 'in the middle' ],
	[ "a=1;$good;b=2", 'a=1; b=2', 'without spaces' ],
	[ "a=1; $good; $login; $name.out=x; b=2", 'a=1; b=2', 'all of ours' ],
	[ "__Host-$good; a=1", 'a=1', 'the name of https' ],
	[ "a=\"x y\"; $good; b=%00\xe9,{}; c", "a=\"x y\"; b=%00\xe9,{}; c",
		'beside odd values' ],
	[ "a = 1 ; $good", 'a = 1', 'spaces within another' ],
	[ 'sid=x; a=1', 'a=1', 'another provider\'s' ],
	[ 'sid.ABCDEFGHIJKLMNOP=x; a=1', 'a=1', 'and its logins' ],
	[ "$name; a=1", 'a=1', 'a name without =' ],
	[ "$good; $good", undef, 'doubled' ],
	[ "x$good; ${name}S=1; ${name}_2=3; ${name}-x=4; sidebar=5",
		"x$good; ${name}S=1; ${name}_2=3; ${name}-x=4; sidebar=5",
		'names that only begin alike' ],
	[ 'a=1; a=2;b', 'a=1; a=2;b', 'none of ours: untouched' ],
	[ "$good;;; a=1;;", 'a=1', 'empty pieces' ],
	[ "a=1; a=\"; $good; \"", 'a=1; a="; "', 'quotes hide nothing' ],
) {
	my ($cookie, $expected, $what) = @$_;

	$backend->forget();
	$t->browser()->get('/open/x', cookie => $cookie);
	is($backend->last('echo')->{h}{cookie}, $expected,
		"SE-9 S16: $what: to an open location");

	next if $cookie !~ /(?:^|;) ?\Q$good\E(?:;|$)/;

	$backend->forget();
	$t->browser()->get('/x', cookie => $cookie);
	is($backend->last('echo')->{h}{cookie}, $expected,
		"SE-9 S16: $what: to a guarded one");
}

# Our lines anywhere among the headers; the others in order, none lost.
for my $at ([ 0 ], [ 1 ], [ 5 ], [ 18 ], [ 19 ], [ 20 ], [ 21 ], [ 39 ],
	[ 40 ], [ 41 ], [ 59 ], [ 60 ], [ 0, 1 ], [ 19, 20 ], [ 0, 20, 40 ],
	[ 20, 21, 22 ], [ 20 .. 40 ], [ 0 .. 60 ])
{
	for my $keep (0, 1) {
		my %at = map { $_ => 1 } @$at;
		my $n = 0;
		my @lines;

		for my $i (0 .. 60) {
			push @lines, "Cookie: $good" . ($keep ? "; k$i=1" : '')
				if $at{$i};
			push @lines, "X-$i: v$i" if !$at{$i};
		}

		$backend->forget();
		my ($r) = $b->raw_responses("GET /x HTTP/1.1\r\n"
			. join('', map { "$_\r\n" } @lines)
			. "Host: h\r\nConnection: close\r\n\r\n");
		my $req = $backend->last('echo');
		my @got = map { "$_->[0]: $_->[1]" } grep
			{ $_->[0] =~ /^(?:X-|Cookie)/ } @{ $req->{headers} };
		my @want = map { s/^Cookie: .*; (k\d+)/Cookie: $1/r }
			grep { $keep or !/^Cookie/ } @lines;

		is(join('|', @got), join('|', @want), 'SE-9: Cookie lines at '
			. (@$at > 5 ? "$at->[0]..$at->[-1]" : "@$at")
			. ($keep ? ' with others' : ''));
	}
}

# A line that goes is followed by one that a later module might push.
$r = $fresh->get('/var/x', cookie => "a=1; $good");
is(told($r, 'X-Cookie'), 'a=1', 'S16: $http_cookie has the others');
is(told($r, 'X-One'), '1', 'S16: $cookie_a too');
is(told($r, 'X-Ours'), undef, 'S16: and no variable has ours');
is(told($fresh->get('/var/x', cookie => $good), 'X-Cookie'), undef,
	'S16: nothing where only ours was there');

# FastCGI gets what proxy_pass gets.
my $s = $b->connect('/');
syswrite $s, "GET /fastcgi/x HTTP/1.1\r\nHost: h\r\nX-Before: 1\r\n"
	. "Cookie: $good\r\nX-After: 2\r\nCookie: a=1; $good\r\n\r\n";
my $c = $fastcgi->accept();
my $bytes = '';
sysread $c, $bytes, 65536, length $bytes while $bytes !~ /HTTP_X_AFTER/;
like($bytes, qr/HTTP_COOKIEa=1/, 'S16: fastcgi_pass: the others are there');
unlike($bytes, qr/NGX_OIDC/, 'S16: fastcgi_pass: ours are not');
like($bytes, qr/HTTP_X_BEFORE/, 'S16: fastcgi_pass: nor is a header lost');
close $c;
close $s;

# pass_cookies on: as it came.
my $passing = $t->browser(port => 2);
$passing->login('/x');
my $kept = 'kept=' . $passing->cookie('kept')->{value};
$backend->forget();
is($passing->get('/x', cookie => "a=1;$kept; b=2")->status(), 200,
	'S16: pass_cookies on');
is($backend->last('echo')->{h}{cookie}, "a=1;$kept; b=2",
	'S16: everything goes through');

###############################################################################

$t->done();

###############################################################################

sub told {
	my ($r, $name) = @_;

	return (map { $_->[1] } grep { lc $_->[0] eq lc $name }
		@{ $r->json()->{headers} })[0];
}

###############################################################################
