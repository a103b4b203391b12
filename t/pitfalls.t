#!/usr/bin/perl

# What the README warns of is so, and its advice helps: return before any
# guard, variables in the rewrite phase and in a map, proxy_cache, pages for
# errors behind the guard, subrequests of auth_request.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp();

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%

    proxy_cache_path %%TESTDIR%%/cache keys_zone=pages:1m;

    map $oidc_claim_sub $who {
        volatile;
        default $oidc_claim_sub;
        "" nobody;
    }

    oidc_provider idp {
        %%PROVIDER%%
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;

        location / {
            proxy_set_header X-User $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /returned { return 200 open; }
        location /early {
            set $early "<$oidc_claim_sub>";
            set $mapped_early $who;
            proxy_set_header X-Early $early;
            proxy_set_header X-Who $who;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /cached {
            proxy_cache pages;
            proxy_cache_valid 1h;
            proxy_cache_key $oidc_claim_iss$oidc_claim_sub$proxy_host$request_uri;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /paged {
            error_page 401 /sorry;
            unauth_action 401;
            proxy_pass http://%%BACKEND%%;
        }
        location = /sorry {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $alice = $t->browser();
my $bob = $t->browser();

is($alice->login('/')->status(), 200, 'alice is in');
$idp->set(user => 'bob');
is($bob->login('/')->status(), 200, 'bob is in');

my ($a, $b) = map { told($_->get('/'), 'x-user') } $alice, $bob;

isnt($a, $b, 'F22: they are two');

###############################################################################

is($t->browser()->get('/returned')->body(), 'open',
	'O01: return runs before any guard, as the README says');

my $r = $alice->get('/early');

is(told($r, 'x-early'), '<>', 'O01 S14: empty in the rewrite phase');
is(told($r, 'x-user'), $a, 'S14: ... and right later');
is(told($r, 'x-who'), $a, 'S14: a volatile map likewise');

# SE-10: 1. alice asks first, 2. her page is cached, 3. bob must not get it.

is(told($alice->get('/cached/1'), 'x-user'), $a, 'SE-10: her page');
is(told($bob->get('/cached/1'), 'x-user'), $b, 'SE-10: not hers for bob');

my $n = $t->backend()->count('echo');

is(told($alice->get('/cached/1'), 'x-user'), $a, 'SE-10: still hers');
is($t->backend()->count('echo'), $n, 'SE-10: ... out of the cache');
is($t->browser()->get('/cached/1')->status(), 302,
	'SE-10: a cached page is guarded');

$r = $t->browser()->get('/paged');

is($r->status(), 401, 'O01: an error_page keeps the status');
is($r->json()->{path}, '/sorry', 'O01: ... and is shown when not guarded');

###############################################################################

$t->done();

###############################################################################

# what the backend was told under that name
sub told {
	my ($response, $name) = @_;

	return (map { $_->[1] } grep { lc $_->[0] eq $name }
		@{ $response->json()->{headers} })[0];
}

###############################################################################
