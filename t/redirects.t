#!/usr/bin/perl

# One request, several locations: error_page, try_files, named locations,
# internal redirects, X-Accel-Redirect, mirror, SSI.  The session is looked up
# once, a request is refused once, and our own URIs are ours everywhere.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my $addition = $t->has('http_addition') ? 'add_before_body /open/before;
	add_after_body /guarded/after; addition_types *;' : '';

$t->conf(<<'EOF' =~ s/%ADDITION/$addition/r)->run();
%%GLOBALS%%
http {
    %%HTTP%%
    log_format one '$request_method $uri $status $oidc_claim_sub '
                   '"$oidc_error" $sent_http_location';

    oidc_provider idp {
        %%PROVIDER%%
        login_uri  /login;
        logout_uri /logout;
    }

    oidc_provider two {
        %%PROVIDER%%
        cookie_name two;
        redirect_uri /two/callback;
        login_uri /two/login;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/one.log one;
        auth_oidc idp;
        root %%TESTDIR%%/html;
        proxy_set_header X-User $oidc_claim_sub;
        proxy_set_header X-Error $oidc_error;
        proxy_set_header X-Cookie $http_cookie;

        location / {
            proxy_pass http://%%BACKEND%%;
        }

        # error_page of each kind of answer, to a page that is open, one that
        # is guarded too, a named location, an URL.

        location /e401/open { error_page 401 /open/401; }
        location /e401/same { error_page 401 = /open/401; }
        location /e401/guarded { error_page 401 /guarded/401; }
        location /e401/named { error_page 401 = @named; }
        location /e401/url { error_page 401 http://other.test/; }
        location /e401/code { error_page 401 =404 /open/401; }
        location /e401/loop { error_page 401 /e401/loop; }
        location /e401/recursive {
            recursive_error_pages on;
            error_page 401 /e401/recursive;
        }
        location /e401/chain {
            recursive_error_pages on;
            error_page 401 /e401/open;
        }
        location /e401/named-guarded {
            recursive_error_pages on;
            error_page 401 = @named-guarded;
        }
        location /e404/ {
            error_page 404 = /guarded/404;
        }
        location /e404-named/ {
            error_page 404 = @named;
        }
        location /e302/ {
            error_page 302 = /open/302;
        }
        location /e403/ {
            deny all;
            error_page 403 = /guarded/403;
        }
        location /e403-login/ {
            deny all;
            error_page 403 = /login;
        }

        location /open/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }

        location /guarded/ {
            proxy_pass http://%%BACKEND%%;
        }

        location @named {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }

        location @named-guarded {
            proxy_pass http://%%BACKEND%%;
        }

        # Internal redirects.

        location /try/ {
            auth_oidc off;
            try_files $uri /guarded/try;
        }
        location /try-named/ {
            auth_oidc off;
            try_files $uri @named-guarded;
        }
        location /try-guarded/ {
            try_files $uri @named;
        }
        location /rewrite/ {
            auth_oidc off;
            rewrite ^ /guarded/rewritten last;
        }
        location /rewrite-out/ {
            rewrite ^ /open/rewritten last;
        }
        location /index/ {
            auth_oidc off;
            index index.html;
        }
        location = /index/index.html {
            auth_oidc idp;
        }
        location /accel/ {
            proxy_pass http://%%BACKEND%%;
        }
        location /accel-open/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
        location /files/ {
            internal;
            proxy_pass http://%%BACKEND%%;
        }

        # Subrequests.

        location /mirror/ {
            mirror /mirrored;
            proxy_pass http://%%BACKEND%%;
        }
        location = /mirrored {
            internal;
            proxy_pass http://%%BACKEND%%$request_uri-mirrored;
        }
        location /ssi/ {
            ssi on;
            ssi_types *;
        }
        location /add/ {
            %ADDITION
        }

        # Our own URIs, where other modules stand too.

        location = /login { proxy_pass http://%%BACKEND%%; }
        location /oidc_callback {
            try_files /ssi/x.html =404;
        }
        location = /logout {
            mirror /mirrored;
            error_page 403 @named-guarded;
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        access_log %%TESTDIR%%/one.log one;
        auth_oidc idp;
        proxy_set_header X-Error $oidc_error;
        proxy_set_header X-Description $oidc_error_description;
        proxy_set_header X-Args $args;
        proxy_set_header X-Request $request;

        error_page 400 502 503 = @failed;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location @failed {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        auth_oidc idp;
        recursive_error_pages on;
        error_page 400 401 403 = @failed;
        error_page 502 503 /sorry;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location @failed {
            proxy_set_header X-Error $oidc_error;
            proxy_pass http://%%BACKEND%%;
        }
        location /again/ {
            auth_oidc two;
            proxy_pass http://%%BACKEND%%;
        }
        location = /two/callback {
            error_page 400 502 = /two/login;
        }
        location /sorry {
            proxy_set_header X-Error $oidc_error;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

$t->write_file('html/ssi/x.html', 'one <!--#include virtual="/guarded/ssi" -->'
	. '<!--#include virtual="/open/ssi" --><!--#echo var="oidc_claim_sub" -->'
	. ' two');
$t->write_file('html/add/x', 'middle');
$t->write_file('html/index/index.html', 'index');

my $b = $t->browser();
my $user = $t->browser();
my $backend = $t->backend();
my $sub = '248289761001';
my $r;

is($user->login('/')->status(), 200, 'F05: logged in');

###############################################################################
# error_page for a 401: what a script sees.

for (
	[ '/e401/open', 401, '/open/401' ],
	[ '/e401/same', 200, '/open/401' ],
	[ '/e401/guarded', 401, undef ],
	[ '/e401/named', 200, '/e401/named' ],
	[ '/e401/url', 302, undef ],
	[ '/e401/code', 404, '/open/401' ],
	[ '/e401/loop', 401, undef ],
	[ '/e401/recursive', 401, undef ],
	[ '/e401/chain', 401, undef ],
	[ '/e401/named-guarded', 401, undef ],
) {
	my ($uri, $status, $page) = @$_;

	$backend->forget();
	$r = $b->api($uri);
	is($r->status(), $status, "SE-16: $uri: $status for a script");
	is(join(',', map { $_->{path} } $backend->requests('echo')),
		$page // '', "SE-16 B11: $uri: what the backend saw");
	is(scalar($r->headers_all('WWW-Authenticate')),
		$status == 401 ? 1 : $r->headers_all('WWW-Authenticate') + 0,
		"F05: $uri: one challenge") if $status == 401;
}

is($b->api('/e401/url')->location(), 'http://other.test/',
	'F05: error_page 401 to an URL');
is(scalar($b->api('/e401/chain')->headers_all('Cache-Control')), 1,
	'SE-16: no header twice after two refusals');

# A navigation is sent to log in once, with one Location and one cookie.
for my $uri ('/e401/open', '/e401/guarded', '/e401/loop', '/e302/x',
	'/e404/x', '/try/x', '/rewrite/x', '/try-named/x', '/index/')
{
	$backend->forget();
	$r = $b->get($uri);
	is($r->status(), 302, "SE-16: $uri: a navigation is redirected");
	like($r->location(), qr/response_type=code/, "SE-16: $uri: to log in");
	is(scalar($r->headers_all('Location')) . scalar($r->headers_all(
		'Set-Cookie')), '11', "SE-16: $uri: once");
	is($backend->count(), 0, "B11: $uri: nothing else runs");
	$b->clear();
}

###############################################################################
# With a session: each of them ends where it should, and knows who it is.

for (
	[ '/e404/x', '/guarded/404', $sub ],
	[ '/try/x', '/guarded/try', $sub ],
	[ '/try-named/x', '/try-named/x', $sub ],
	[ '/rewrite/x', '/guarded/rewritten', $sub ],
	[ '/rewrite-out/x', '/open/rewritten', undef ],
	[ '/open/x', '/open/x', undef ],
) {
	my ($uri, $path, $who) = @$_;

	$r = $user->get($uri);
	is($r->status(), 200, "S14 SE-16: $uri with a session");
	is($r->json()->{path}, $path, "SE-16: $uri ends at $path");
	is(told($r, 'X-User'), $who, "S14 S16: $uri finds the session")
		if defined $who;
	is(told($r, 'X-Cookie'), undef, "S16: $uri: our cookie stays here");
}

is($user->get('/index/')->body(), 'index', 'SE-16: an index page');
is($user->get('/try-guarded/x')->json()->{path}, '/try-guarded/x',
	'SE-16: a guarded location that passes on to an open one');
is($b->get('/try-guarded/x')->status(), 302,
	'SE-16: guarded before it passes on');
is($b->get('/rewrite-out/x')->status(), 200,
	'SE-16: rewrite comes before any guard, as everywhere in nginx');

# A refusal of another module, with an error page of ours.
is($b->get('/e403/x')->status(), 302, 'SE-16: 403 with a guarded page');
is($user->get('/e403/x')->json()->{path}, '/guarded/403',
	'SE-16: which a session sees');
is($b->get('/e403-login/x')->status(), 302, 'SE-16: 403 sends to login_uri');
like($b->get('/e403-login/x')->location(), qr/response_type=code/,
	'SE-16: and login_uri answers');

# X-Accel-Redirect: the backend decides, the session is known.
$backend->once(echo => { headers => { 'X-Accel-Redirect' => '/files/a' } });
$r = $user->get('/accel/x');
is($r->status(), 200, 'SE-16: X-Accel-Redirect to an internal location');
is($r->json()->{path}, '/files/a', 'SE-16: is followed');
is(told($r, 'X-User'), $sub, 'S14: by a location that knows the session');
is(told($r, 'X-Cookie'), undef, 'S16: and gets no cookie of ours');

$backend->once(echo => { headers => { 'X-Accel-Redirect' => '/files/a' } });
is($b->get('/accel-open/x')->status(), 302,
	'SE-16: X-Accel-Redirect does not open the guard of its target');
$backend->once(echo => { headers => { 'X-Accel-Redirect' =>
	'/oidc_callback?code=x&state=y' } });
is($b->get('/accel-open/x')->status(), 400,
	'L11: X-Accel-Redirect to our callback is a callback without a cookie');

###############################################################################
# Subrequests.

$backend->forget();
is($user->get('/mirror/x')->status(), 200, 'SE-16: mirror');
$backend->wait_count(echo => 2, 5);
is(join(',', sort map { $_->{path} } $backend->requests('echo')),
	'/mirror/x,/mirror/x-mirrored', 'SE-16: the mirror gets its copy');
is(join(',', map { $_->{h}{'x-user'} // '' } $backend->requests('echo')),
	"$sub,$sub", 'S14: both know who it is');
is((grep { ($_->{h}{cookie} // '') =~ /OIDC/ } $backend->requests('echo')), 0,
	'S16: and neither gets our cookie');

$backend->forget();
is($b->get('/mirror/x')->status(), 302, 'SE-16: mirror without a session');
is($backend->count(), 0, 'B11: nothing is mirrored before the login');

$r = $user->get('/ssi/x.html');
is($r->status(), 200, 'SE-16: SSI');
like($r->body(), qr/^one .*guarded\/ssi.*open\/ssi.*\Q$sub\E two$/s,
	'SE-16 S14: its includes are there, and the user');
unlike($r->body(), qr/login_required|302 Found/, 'SE-16: none is refused');
is($b->get('/ssi/x.html')->status(), 302, 'SE-16: SSI without a session');

SKIP: {
	skip 'no addition module', 1 if !$addition;

	like($user->get('/add/x')->body(), qr/before.*middle.*after/s,
		'SE-16: addition module');
}

###############################################################################
# L11: our own URIs.

is($b->get('/login')->status(), 302, 'L11: login_uri beside proxy_pass');
is($b->get('/oidc_callback')->status(), 400,
	'L11: the callback is ours beside try_files');
is($b->get('/oidc_callback?code=x')->status(), 400, 'L11: with arguments');
is($b->get('/oidc_callback/x')->status(), 302, 'L11: and only that');
is($user->get('/oidc_callback')->status(), 400, 'L11: with a session too');

$backend->forget();
is($b->get('/logout', site => 'cross-site')->status(), 403,
	'L01: a cross-site logout');
is($b->post('/logout', '', site => 'same-origin')->status(), 200,
	'L11: the logout is ours beside mirror');
is($backend->count(), 0, 'L11: and nobody else sees it');

# A callback that fails, with an error page in a named location: the page once,
# the callback once.
my $c = $t->browser(port => 1);
my $mark = $t->log_mark();

$backend->forget();
$r = $c->get('/oidc_callback?code=xyz&state=abc');
is($r->status(), 200, 'SE-16: a named error page for the callback');
is(told($r, 'X-Error'), 'state_unknown', 'O04: which knows the reason');
is(told($r, 'X-Description'), 'state belongs to no login of this browser',
	'O04: in words');
is(told($r, 'X-Args'), undef, 'O03: but no code');
is(told($r, 'X-Request'), 'GET /oidc_callback HTTP/1.1', 'O03: anywhere');
is($backend->count(), 1, 'SE-16: one page');
is(scalar(() = $t->log_since($mark) =~ /login refused/g), 1,
	'O04 SE-16: one line in the log');

# A page that is guarded itself cannot be shown to whoever has no session.
$c = $t->browser(port => 2);
$mark = $t->log_mark();
$backend->forget();
$r = $c->get('/oidc_callback?code=xyz&state=abc');
is($r->status(), 400, 'SE-16: a guarded error page: our own instead');
like($r->body(), qr/Login not completed/, 'SE-16: of the same failure');
is(scalar($r->headers_all('Cache-Control')), 1, 'SE-16: not to be stored');
is($backend->count(), 0, 'B11: the backend sees nothing');
is(scalar(() = $t->log_since($mark) =~ /login refused/g), 1,
	'O04 SE-16: one line in the log');

$c = $t->browser(port => 2, jar => $user->jar());
$r = $c->get('/oidc_callback?code=xyz&state=abc');
is(told($r, 'X-Error'), 'state_unknown', 'SE-16: a session sees the page');

# The same where the provider is at fault, after waiting for it.
$c = $t->browser(port => 1);
$t->idp()->once(token => { status => 500 });
$mark = $t->log_mark();
$t->idp()->forget();
$r = $c->login('/x');
is($r->status(), 200, 'SE-16: an error page after a failed token call');
is(told($r, 'X-Error'), 'provider_status', 'O04: with the reason')
	or diag(told($r, 'X-Error'));
is($t->idp()->count('token'), 1, 'F09 SE-16: one token call');
is(scalar(() = $t->log_since($mark) =~ /login refused/g), 1, 'O04: one line');

$c = $t->browser(port => 2);
$t->idp()->once(token => { status => 500 });
$t->idp()->forget();
$r = $c->login('/x');
is($r->status(), 502, 'SE-16: an error page that is guarded itself');
is($t->idp()->count('token') . $t->idp()->count('authorize'), '11',
	'SE-16: and no second login');
is($c->login('/x')->status(), 200, 'SE-16: the next login is a good one');

# An error page that is our own login_uri: what has failed is left behind.
$c = $t->browser(port => 2);
my $again = $c->start_login('/again/x');
$t->idp()->once(token => { status => 500 });
$t->idp()->forget();
$r = $c->callback($again);
is($r->status(), 302, 'SE-16: error_page to login_uri begins a new login');
is($r->args()->{redirect_uri}, $t->url('/two/callback', 2),
	'SE-16: of the same provider');
is($t->idp()->count('token'), 1, 'F09: and runs no step of the old one');
$r = $c->follow();
is($r->status(), 200, 'SE-16: which ends well');

is($t->browser(port => 2)->api('/x')->status(), 401,
	'SE-16: 401 to a guarded named location: refused once');

# Nothing was told twice, nobody was let in without a name.
my @log = split /\n/, $t->read_file('one.log');
is((grep { m{^GET /guarded/\S* 200 - } } @log), 0,
	'SE-16: no guarded page without a session');

###############################################################################

$t->done();

###############################################################################

sub told {
	my ($r, $name) = @_;

	return (map { $_->[1] } grep { lc $_->[0] eq lc $name }
		@{ ($r->body() =~ /^\{"/ ? $r->json()->{headers} : undef)
			|| [] })[0];
}

###############################################################################
