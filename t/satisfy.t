#!/usr/bin/perl

# The guard beside nginx's own access modules: it runs last of them, so that
# "satisfy", allow, deny, auth_basic and auth_request mean what they say.

###############################################################################

use warnings;
use strict;

use Test::More;

use MIME::Base64 qw/ encode_base64 /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new()->plan(62);

# Each row: name, directives, and the statuses for: a navigation by nobody,
# fetch() by nobody, nobody with the right password, nobody with a wrong
# one, a session, a session with the right password.
my @table = (
	[ 'plain', '', 302, 401, 302, 302, 200, 200 ],
	[ 'all-allow', 'satisfy all; allow 127.0.0.1; deny all;',
		302, 401, 302, 302, 200, 200 ],
	[ 'all-deny', 'satisfy all; deny all;',
		403, 403, 403, 403, 403, 403 ],
	[ 'any-allow', 'satisfy any; allow 127.0.0.1; deny all;',
		200, 200, 200, 200, 200, 200 ],
	[ 'any-deny', 'satisfy any; deny all;',
		302, 401, 302, 302, 200, 200 ],
	[ 'all-basic', 'satisfy all; auth_basic x; %B',
		401, 401, 302, 401, 401, 200 ],
	[ 'any-basic', 'satisfy any; auth_basic x; %B',
		302, 401, 200, 302, 200, 200 ],
	[ 'any-deny-basic', 'satisfy any; deny all; auth_basic x; %B',
		302, 401, 200, 302, 200, 200 ],
	[ 'all-deny-basic', 'satisfy all; deny all; auth_basic x; %B',
		403, 403, 403, 403, 403, 403 ],
	[ 'all-request-ok', 'satisfy all; auth_request /auth/204;',
		302, 401, 302, 302, 200, 200 ],
	[ 'all-request-no', 'satisfy all; auth_request /auth/403;',
		403, 403, 403, 403, 403, 403 ],
	[ 'any-request-ok', 'satisfy any; auth_request /auth/204;',
		200, 200, 200, 200, 200, 200 ],
	[ 'any-request-no', 'satisfy any; auth_request /auth/403;',
		302, 401, 302, 302, 200, 200 ],
	[ 'any-verify', 'satisfy any; deny all; auth_oidc_mode verify;',
		403, 403, 403, 403, 403, 403 ],
	[ 'any-off', 'satisfy any; deny all; auth_oidc off;',
		403, 403, 403, 403, 403, 403 ],
	[ 'all-verify', 'satisfy all; auth_basic x; %B auth_oidc_mode verify;',
		401, 401, 200, 401, 401, 200 ],
);

$t->write_file('htpasswd', "ann:{PLAIN}pw\n");
$t->conf(conf())->run();

my $password = { Authorization => 'Basic ' . encode_base64('ann:pw', '') };
my $wrong = { Authorization => 'Basic ' . encode_base64('ann:no', '') };
my $b = $t->browser();
my $user = $t->browser();

is($user->login('/plain')->status(), 200, 'F05: logged in');

for (@table) {
	my ($name, $directives, @status) = @$_;

	$t->backend()->forget();

	my @got = map { $_->status() } $b->get("/$name"), $b->api("/$name"),
		$b->get("/$name", headers => $password),
		$b->get("/$name", headers => $wrong),
		$user->get("/$name"),
		$user->get("/$name", headers => $password);

	is("@got", "@status", "F05: $name: " . ($directives || 'auth_oidc'));
	is($t->backend()->count(), scalar(grep { $_ == 200 } @status),
		"B11: $name: the backend sees who is let in, and nobody else");

	$user->disconnect();
}

# A challenge for a script beside that of auth_basic.
my $r = $b->api('/any-basic');
ok((grep { /^Bearer realm="idp"/ } $r->headers_all('WWW-Authenticate')),
	'F05: the challenge for a script');
is($b->get('/all-basic')->header('WWW-Authenticate'), 'Basic realm="x"',
	'F05: satisfy all: the first refusal counts');
is($b->get('/all-basic')->location(), undef, 'F05: and has no Location');
is($b->get('/any-request-no')->location() =~ /response_type=code/, 1,
	'F05: satisfy any: the login redirect is whole');

# Our own URIs are answered whatever "satisfy" says beside them, but a ban is a
# ban.
for my $name (qw/ any-allow any-deny any-basic any-request-ok /) {
	is($b->get("/at-$name/callback")->status(), 400,
		"L11: the callback below $name");
	is($b->get("/at-$name/logout", site => 'same-origin')->status(), 200,
		"L11: the logout below $name");
}

is($b->get('/at-all-deny/callback')->status(), 403,
	'L11: a banned address may not even call back');
is($b->get('/at-all-basic/callback')->status(), 401,
	'L11: nor who lacks the password of "satisfy all"');

# The session is known to an auth_request's location, which is not guarded.
$t->backend()->forget();
is($user->get('/all-request-ok')->status(), 200, 'SE-16: auth_request');
is($b->get('/auth-guarded')->status(), 302,
	'SE-16: auth_request to a guarded location lets nobody in');
is($user->get('/auth-guarded')->status(), 200, 'SE-16: but a session');
$user->get('/request-user');
is((map { $_->{h}{'x-user'} } grep { $_->{path} eq '/who' }
	$t->backend()->requests('echo'))[0], '248289761001',
	'SE-16: claims are there in the subrequest of auth_request');

# Nested: an inner location takes satisfy and auth_oidc from the outer one.
is($b->get('/nested/in/x')->status(), 200, 'F05: satisfy any is inherited');
is($b->get('/nested/deny/x')->status(), 302, 'F05: as auth_oidc is');
is($user->get('/nested/deny/x')->status(), 200, 'F05: with a session');

# A location that names no access module of its own.
is($b->get('/static.txt')->status(), 302, 'F05: a static file');
$t->write_file('html/static.txt', 'static');
is($user->get('/static.txt')->body(), 'static', 'F05: with a session');
is($b->get('/missing.txt')->status(), 302,
	'F05: a file that is not there is nobody\'s business');
is($user->get('/missing.txt')->status(), 404, 'F05: but that of a session');
is($b->get('/dir')->status(), 302, 'F05: no answer about a directory');
is($b->get('/dir/')->status(), 302, 'F05: nor about its index');
is($user->get('/return')->status(), 200, 'F05: return with a session');
is($b->get('/return')->status(), 200,
	'F05: return runs before any guard, as the README says');

###############################################################################

sub conf {
	my $locations = '';
	my $providers = '';

	for (@table) {
		my ($name, $directives) = @$_;
		my $both = $directives =~ s{%B}
			{auth_basic_user_file %%TESTDIR%%/htpasswd;}r;

		my $inner = $both =~ s/auth_oidc off;//r;

		$locations .= <<"EOF";
        location /$name {
            $both
            proxy_pass http://%%BACKEND%%;
        }
        location /at-$name/ {
            $inner
            auth_oidc at-$name;
            proxy_pass http://%%BACKEND%%;
        }
EOF
		$providers .= <<"EOF";
    oidc_provider at-$name {
        %%PROVIDER%%
        cookie_name at-$name;
        redirect_uri /at-$name/callback;
        logout_uri /at-$name/logout;
    }
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
    }
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        root %%TESTDIR%%/html;

$locations
        location /auth/ {
            auth_oidc off;
            location /auth/204 { return 204; }
            location /auth/403 { return 403; }
        }
        location = /auth-in-guard {
            internal;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%/auth-in-guard;
        }
        location /auth-guarded {
            auth_request /auth-in-guard;
            proxy_pass http://%%BACKEND%%;
        }
        location = /who {
            internal;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /request-user {
            auth_request /who;
            proxy_pass http://%%BACKEND%%;
        }
        location /nested/ {
            satisfy any;
            location /nested/in/ {
                allow all;
                proxy_pass http://%%BACKEND%%;
            }
            location /nested/deny/ {
                deny all;
                proxy_pass http://%%BACKEND%%;
            }
        }
        location /return {
            return 200 "returned\\n";
        }
        location / {
        }
    }
}
EOF
}

###############################################################################
