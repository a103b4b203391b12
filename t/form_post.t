#!/usr/bin/perl

# Answers that come as forms: the callback with response_mode=form_post, and a
# login that a third party begins by POST.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Conf;

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
        login_uri     /login;
        response_mode form_post;
    }
    oidc_provider query {
        %%PROVIDER%%
        redirect_uri  /query_callback;
        cookie_name   QUERY;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% ssl;
        auth_oidc idp;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /strong/ {
            acr_values strong;
            proxy_pass http://%%BACKEND%%;
        }
        location /query/ {
            auth_oidc query;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $idp = $t->idp();
my $base = 'https://127.0.0.1:' . $t->port(1);

###############################################################################
# The way there.

my $b = browser();
my $start = $b->get('/page?x=1');

like($start->location(), qr/[?&]response_mode=form_post(?:&|$)/,
	'F17: the provider is asked for a form');

my ($login) = grep { $_->{name} =~ /^__Host-NGX_OIDC_SESSION\./ }
	$b->cookies();

is($login->{samesite}, 'None', 'F17: the login cookie comes with the POST');
ok($login->{secure} && $login->{httponly}, 'LS-5: only over https');

unlike($b->get('/query/')->location(), qr/response_mode/,
	'F03: not asked of the other provider');

# And back.

my ($path, $form) = answer($b, '/page?x=1');
my $tokens = $idp->count('token');
my $back = $b->post($path, $form, site => 'cross-site');

is($back->status(), 303, 'CB-9: a POST is answered with 303');
is($back->location(), "$base/page?x=1", 'F07: to the page');
like($back->header('Cache-Control'), qr/no-store/, 'CB-9: no-store');
is($idp->count('token'), $tokens + 1, 'F17: one code, one token request');

my $session = $b->cookie('__Host-NGX_OIDC_SESSION');

is($session->{samesite}, 'Lax', 'SE-1: the session cookie is Lax all the same');
is($b->follow()->status(), 200, 'F17: logged in');
is($b->post($path, $form, site => 'cross-site')->status(), 400,
	'F09: the form is good for one login');

# A session that the POST does not name.

$idp->set(id_token => { claims => { acr => 'strong' } });
($path, $form) = answer($b, '/strong/');
is($b->post($path, $form, site => 'cross-site')->status(), 303,
	'SE-3: step-up by form');
isnt($b->cookie('__Host-NGX_OIDC_SESSION')->{value}, $session->{value},
	'SE-3: with a new session');
is(browser()->get('/page', cookie =>
	"__Host-NGX_OIDC_SESSION=$session->{value}")->status(), 302,
	'S01: the old one is gone');

# As a query it is good as well.

is(browser()->login('/page')->status(), 200,
	'F17: an answer in the query is taken');

$b = browser();
($path, $form) = answer($b, '/page');
delete $form->{code};
is($b->post($path, { %$form, error => 'access_denied' },
	site => 'cross-site')->status(), 403, 'CB-6: an error as a form');

# What is no such form.

for (
	[ 415, headers => { 'Content-Type' => 'application/json' } ],
	[ 415, headers => { 'Content-Type' => undef } ],
	[ 415, headers => { 'Content-Type' => 'multipart/form-data' } ],
)
{
	my ($status, %o) = @$_;

	$b = browser();
	($path, $form) = answer($b, '/page');
	is($b->post($path, $form, site => 'cross-site', %o)->status(), $status,
		'CB-12: ' . ($o{headers}{'Content-Type'} // 'no type'));
}

$b = browser();
($path, $form) = answer($b, '/page');
$tokens = $idp->count('token');

is($b->post($path, { %$form, filler => 'x' x 70_000 }, site => 'cross-site')
	->status(), 413, 'CB-12: a form of 70 kB');
is($b->post("$path?code=$form->{code}&state=$form->{state}", '',
	site => 'cross-site', headers => { 'Content-Type' =>
	'application/x-www-form-urlencoded' })->status(), 400,
	'CB-12: the query of a POST is not looked at');
is($b->request(PUT => $path, body => 'x')->status(), 405, 'CB-1: PUT');
is($idp->count('token'), $tokens, 'CB-2: none of them is a token request');

($path, $form) = answer($b, '/query/', 'code');
is($b->post($path, $form, site => 'cross-site')->status(), 405,
	'CB-1: no POST where response_mode is query');
like($b->post($path, $form)->header('Allow'), qr/^GET$/, 'CB-1: Allow');

# On plain http there is no SameSite=None.

$b = $t->browser();
$b->get('/page');
($login) = grep { $_->{name} =~ /^NGX_OIDC_SESSION\./ } $b->cookies();
is($login->{samesite}, 'Lax', 'F17: over http the cookie stays Lax');
is_deeply([ $b->jar()->refused() ], [], 'LS-5: and no browser refuses it');

###############################################################################
# Logins begun by POST.

my $begin = browser()->post('/login', { iss => $idp->issuer(),
	target_link_uri => "$base/page" }, site => 'cross-site');

is($begin->status(), 303, 'F20: begun by POST');
like($begin->location(), qr/[?&]state=/, 'F20: goes to the provider');
is(browser()->post('/login', { iss => 'https://evil.example' })->status(), 400,
	'F20: by another issuer');
is(browser()->post('/login', { next => '//evil.example' })->status(), 400,
	'B01: to another site');
is(browser()->post('/login', '{}', headers => { 'Content-Type' =>
	'application/json' })->status(), 415, 'F20: by JSON');
is(browser()->request(PUT => '/login', body => 'a')->status(), 405,
	'F20: by PUT');

my $c = Test::OIDC::Conf->new($t);

$c->refused('O02: response_mode fragment', provider =>
	'response_mode fragment;', qr/invalid value "fragment"/);

$t->done();

###############################################################################

sub browser {
	return $t->browser(base => $base,
		tls => { SSL_verify_mode => 0 });
}


# where the provider's page would post which fields
sub answer {
	my ($browser, $page) = @_;

	my ($path, $query) = $browser->start_login($page)
		=~ m{^https://[^/]+([^?]*)\?(.*)};
	my %form = map { split /=/, $_, 2 } split /&/, $query;

	s/%([0-9A-F]{2})/chr hex $1/egi for values %form;

	return ($path, \%form);
}
