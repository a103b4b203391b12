#!/usr/bin/perl

# What holds where a directive says nothing, seen from outside; with the very
# configuration that nginx.org shows for the commercial module, in which only
# the hosts are ours.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp('', client_id => 'unique_id',
	client_secret => 'unique_secret');

$idp->set(jwks_algs => [ qw/ RS256 PS256 ES256 EdDSA RS512 / ], metadata => {
	id_token_signing_alg_values_supported =>
	[ qw/ RS256 PS256 ES256 EdDSA RS512 HS256 / ] });

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    upstream backend { server %%BACKEND%%; }

    resolver 127.0.0.1;

    oidc_provider my_idp {
        issuer        "%%IDP%%";
        client_id     "unique_id";
        client_secret "unique_secret";
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location / {
            auth_oidc my_idp;

            proxy_set_header username $oidc_claim_sub;
            proxy_pass       http://backend;
        }

        location /open {
            proxy_set_header username $oidc_claim_sub;
            proxy_pass       http://backend;
        }

        location /jwks { oidc_jwks; }
    }

    oidc_provider leaves {
        issuer        "%%IDP%%";
        client_id     "unique_id";
        client_secret "unique_secret";
        logout_uri    /logout;
        post_logout_uri /bye;
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        auth_oidc leaves;
        location / { proxy_pass http://backend; }
        location /bye { auth_oidc off; proxy_pass http://backend; }
    }
}
EOF

my $origin = 'http://127.0.0.1:' . $t->port(0);

###############################################################################

my $b = $t->browser();
my $r = $b->login('/page?a=b');

is($r->status(), 200, 'O02: the configuration of nginx.org logs in');
is($r->json()->{uri}, '/page?a=b', 'O02 F07: back at the page');
is(told($r, 'username'), '248289761001',
	'O02: proxy_set_header username $oidc_claim_sub');

my ($start) = grep { ($_->location() // '') =~ /response_type=/ }
	@{[ $b->history() ]};
my $args = $start->args();

is($start->status(), 302, 'O02: unauth_action is auto: a page redirects');
is($args->{scope}, 'openid', 'O02: scope is openid');
is($args->{redirect_uri}, "$origin/oidc_callback",
	'O02: redirect_uri is /oidc_callback, oidc_base_url what was asked');
is($args->{code_challenge_method}, 'S256', 'O02: pkce is on');
is_deeply([ sort keys %$args ], [ qw/ client_id code_challenge
	code_challenge_method nonce redirect_uri response_type scope state / ],
	'O02 F03: extra_auth_args is empty');

is($idp->count('userinfo'), 0, 'O02: userinfo is off');
like(header($idp->last('token'), 'authorization') // '', qr/^Basic /,
	'O02: client_auth_method is basic when the provider takes it');

my $cookie = $b->cookie('NGX_OIDC_SESSION');

ok($cookie, 'O02: cookie_name is NGX_OIDC_SESSION on http');
unlike($cookie->{raw}, qr/Domain|Max-Age|Expires/i,
	'O02: no cookie_domain, and it ends with the browser');
unlike(told($r, 'cookie') // '', qr/NGX_OIDC/,
	'O02: pass_cookies is off');

is($b->api('/page')->status(), 200, 'O02: with a session, whatever it is');
is($t->browser()->api('/page')->status(), 401,
	'O02: unauth_action is auto: all else gets 401');
is(told($t->browser()->get('/open'), 'username'), undef,
	'O02: auth_oidc is off');
is($t->browser()->get('/jwks')->header('Cache-Control'),
	'public, max-age=600', 'O02 JW-6: oidc_jwks says 600 s');
is($t->browser()->get('/logout')->status(), 302,
	'O02: without logout_uri there is nothing at /logout');
like($t->browser()->get('/page', headers => { 'X-Forwarded-Proto' => 'https',
	'X-Forwarded-Host' => 'evil.example', Forwarded => 'host=evil.example' }
	)->args()->{redirect_uri}, qr/^\Q$origin\E/,
	'O02 F16: trusted_proxy is empty');

# Tokens: algorithms and slack.

for ([ 'a clock 20 s ahead' => { claims => { iat => time() + 20 } }, 200 ],
	[ 'a clock 60 s ahead' => { claims => { iat => time() + 60 } }, 502 ],
	[ 'PS256' => { alg => 'PS256' }, 200 ],
	[ 'ES256' => { alg => 'ES256' }, 200 ],
	[ 'EdDSA' => { alg => 'EdDSA' }, 200 ],
	[ 'RS512' => { alg => 'RS512' }, 502 ],
	[ 'HS256' => { alg => 'HS256' }, 502 ],
	[ 'another audience' => { claims => { aud => [ 'unique_id', 'x' ],
		azp => 'unique_id' } }, 502 ])
{
	my ($name, $token, $status) = @$_;

	$idp->set(id_token => $token);
	is($t->browser()->login('/')->status(), $status, "O02 V04 V06: $name");
}

$idp->reset();

# Logout.

my $l = $t->browser(port => 1);
$l->login('/');
$r = $l->get('/logout');

is($r->args()->{client_id}, 'unique_id', 'O02 L03: logout_token_hint is off');
is($r->args()->{id_token_hint}, undef, 'O02 L03: ... no id_token_hint');
is($l->get('/page')->status(), 302, 'L02: the session is gone');

###############################################################################

$t->done();

###############################################################################

# what the backend was told under that name
sub told { return header($_[0]->json(), $_[1]); }


sub header {
	my ($message, $name) = @_;

	return (map { $_->[1] } grep { lc $_->[0] eq $name }
		@{ $message->{headers} })[0];
}

###############################################################################
