#!/usr/bin/perl

# Authorization requests that the browser does not carry in the open: pushed to
# the provider ahead of it (RFC 9126), signed (RFC 9101), and both.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;
use Test::OIDC::Keys qw/ b64u_decode key jwk /;

###############################################################################

my $t = Test::OIDC->new();

umask 077;
$t->write_file('sign.pem', key('p256', 1)->export_key_pem('private_short'));

my $jwk = jwk(key('p256', 1), kid => 'sign');

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_key %%TESTDIR%%/sign.pem use=sig kid=sign;
    oidc_provider plain {
        %%PROVIDER%%
        cookie_name PLAIN;
    }
    oidc_provider par {
        %%PROVIDER%%
        cookie_name PAR;
        par on;
        extra_auth_args "display=page&ui_locales=fr%20en";
        login_uri /login;
    }
    oidc_provider jwt {
        %%PROVIDER%%
        cookie_name JWT;
        client_auth_method private_key_jwt;
        par on;
    }
    oidc_provider object {
        %%PROVIDER%%
        cookie_name OBJECT;
        request_object on;
        extra_auth_args "max_age=600&ui_locales=fr%20en";
    }
    oidc_provider both {
        %%PROVIDER%%
        cookie_name BOTH;
        par on;
        request_object on;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location /plain/ { auth_oidc plain; proxy_pass http://%%BACKEND%%; }
        location /par/ { auth_oidc par; proxy_pass http://%%BACKEND%%; }
        location /jwt/ { auth_oidc jwt; proxy_pass http://%%BACKEND%%; }
        location /object/ { auth_oidc object; proxy_pass http://%%BACKEND%%; }
        location /both/ { auth_oidc both; proxy_pass http://%%BACKEND%%; }
    }
}
EOF

my $idp = $t->idp();
my @auth = qw/ client_secret_basic private_key_jwt /;

###############################################################################
# Pushed.

$idp->set(client => { auth => \@auth, keys => [ $jwk ], par => 1 });

is(login('par')->status(), 200, 'AD-1: a pushed request logs in');

my $pushed = $idp->last('par');
my $args = $idp->last('authorize')->{args};

is($pushed->{method}, 'POST', 'AD-1: by POST');
like($pushed->{h}{'content-type'}, qr{^application/x-www-form-urlencoded$},
	'AD-1: as a form');
like($pushed->{h}{authorization}, qr/^Basic /, 'AD-1: with authentication');
is($pushed->{h}{cookie}, undef, 'AD-1: nothing of the browser goes along');
is_deeply([ sort keys %{ $pushed->{form} } ], [ qw/ client_id code_challenge
	code_challenge_method display nonce redirect_uri response_type scope
	state ui_locales / ], 'AD-1: all of the request is in it');
is($pushed->{form}{ui_locales}, 'fr en', 'AD-1: what is configured, decoded');
is_deeply([ sort keys %$args ], [ qw/ client_id request_uri / ],
	'AD-1: the browser carries a reference, no more');

is($t->browser()->login('/login?next=/par/x')->status(), 200,
	'AD-1: by login_uri as well');

is(login('jwt')->status(), 200, 'AD-1: with private_key_jwt');
is($idp->last('par')->{auth}, 'private_key_jwt', 'AD-1: at this endpoint too');

my %jti = map { my $f = $idp->last($_)->{form}; (JSON::XS::decode_json(
	b64u_decode((split /\./, $f->{client_assertion})[1]))->{jti} => 1) }
	qw/ par token /;

is(scalar keys %jti, 2, 'TK-4: an assertion for each call');

is($t->browser()->login('/plain/')->status(), 400,
	'AD-1: the provider refuses what is not pushed');

$idp->set(metadata => { require_pushed_authorization_requests =>
	JSON::XS::true });
$t->restart();
is(login('plain')->status(), 200, 'AD-1: obligatory where it says so');

###############################################################################
# What a push can come to.

my $n = $idp->count('authorize');

for ([ 'an error' => { status => 400, json => { error =>
		'invalid_request' } }, 502, 'par_error .*invalid_request' ],
	[ 'a refusal' => { status => 401, json => { error =>
		'invalid_client' } }, 502, 'par_error .*invalid_client' ],
	[ 'a page' => { content_type => 'text/html', body => '<p>' }, 502,
		'content_type' ],
	[ 'no JSON' => { body => '{' }, 502, 'bad_json' ],
	[ 'a redirect' => { status => 302, own_headers => [ [ Location =>
		'https://evil.example.test/' ] ], body => '' }, 502,
		'provider_status' ],
	[ 'no request_uri' => { json => { expires_in => 60 } }, 502,
		'par_member' ],
	[ 'a request_uri that is none' => { json => { request_uri => [ 1 ],
		expires_in => 60 } }, 502, 'par_member' ],
	[ 'a request_uri with a line end' => { json => { request_uri =>
		"urn:x\r\nSet-Cookie: a=b", expires_in => 60 } }, 502,
		'par_member' ],
	[ 'a long request_uri' => { json => { request_uri => 'u' x 1025,
		expires_in => 60 } }, 502, 'par_member' ],
	[ 'half an answer' => { cut => 20 }, 502, 'provider_unreachable' ])
{
	my ($name, $answer, $status, $reason) = @$_;

	my $mark = $t->log_mark();
	my $b = $t->browser();

	$idp->once(par => $answer);

	my $r = $b->get('/par/');

	is($r->status(), $status, "AD-1: $name");
	like($t->wait_log(qr/login refused/, 5, $mark), qr/refused: $reason/,
		"AD-1: $name, in the log");
	is(scalar $b->cookies(), 0, "AD-1: $name leaves no cookie");
}

is($idp->count('authorize'), $n, 'AD-1: nobody was sent on');

$idp->set(metadata => { pushed_authorization_request_endpoint => undef });
$t->restart();

my $mark = $t->log_mark();

is($t->browser()->get('/par/')->status(), 502, 'AD-1: no endpoint to push to');
like($t->wait_log(qr/login refused/, 5, $mark), qr/metadata_member .*:
	\ pushed_authorization_request_endpoint/x, 'AD-1: and the log says which');

###############################################################################
# Signed.

$idp->set(metadata => undef, client => { auth => \@auth, keys => [ $jwk ],
	object => 1 });
$t->restart();

is(login('object')->status(), 200, 'AD-2: a signed request logs in');

$args = $idp->last('authorize')->{args};

is_deeply([ sort keys %$args ], [ qw/ client_id request response_type
	scope / ], 'AD-2: what is outside of it');

my ($header, $claims) = map { JSON::XS::decode_json(b64u_decode($_)) }
	(split /\./, $args->{request})[0, 1];

is_deeply($header, { alg => 'ES256', kid => 'sign',
	typ => 'oauth-authz-req+jwt' }, 'AD-2: its header');
is($claims->{aud}, $idp->issuer(), 'AD-2: its audience is the issuer');
cmp_ok($claims->{exp} - time(), '<=', 60, 'AD-2: good for a minute');
is($claims->{max_age}, 600, 'AD-2: max_age is a number');
is($claims->{ui_locales}, 'fr en', 'AD-2: what is configured');
is($t->browser()->login('/plain/')->status(), 400,
	'AD-2: the provider refuses what is not signed');

$idp->set(metadata => { require_signed_request_object => JSON::XS::true });
$t->restart();
is(login('plain')->status(), 200, 'AD-2: obligatory where it says so');

###############################################################################
# Both.

$idp->set(metadata => undef, client => { auth => \@auth, keys => [ $jwk ],
	object => 1, par => 1 });
$t->restart();

is(login('both')->status(), 200, 'AD-1 AD-2: signed and pushed');
is_deeply([ sort keys %{ $idp->last('par')->{form} } ],
	[ qw/ client_id request / ], 'AD-1 AD-2: the push is the object');

###############################################################################

$t->done();

###############################################################################

sub login {
	my ($name) = @_;

	return $t->browser()->login("/$name/");
}

###############################################################################
