#!/usr/bin/perl

# Revocation of tokens at logout (RFC 7009): what is asked, and that nothing
# the provider does or leaves undone keeps anybody logged in.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new()->plan(55);
my $idp = $t->idp();

$t->conf(conf())->run();

###############################################################################

my ($b, $refresh, $access) = user('/');
ok($idp->alive($refresh) && $idp->alive($access), 'L13: a session');
is(leave($b, '/logout'), '302', 'L13: logout');
my @asked = $idp->requests('revoke');
is(scalar @asked, 2, 'L13 TK-16: two tokens are revoked');
is_deeply($asked[0]{form}, { token => $refresh,
	token_type_hint => 'refresh_token' }, 'TK-16: the refresh token first');
is_deeply($asked[1]{form}, { token => $access,
	token_type_hint => 'access_token' }, 'TK-16: then the access token');
is($asked[0]{auth}, 'client_secret_basic', 'TK-16: as the client');
is($asked[0]{method}, 'POST', 'TK-16: by POST');
ok(!$idp->alive($refresh) && !$idp->alive($access), 'L13: they are void');

$idp->forget();
($b) = user('/off/');
is(leave($b, '/off/logout'), '302', 'L13: logout_revoke off');
is($idp->count('revoke'), 0, 'L13: the default');

$idp->set(token => { refresh_token => undef });
($b, undef, $access) = user('/');
is(leave($b, '/logout'), '302', 'L13: without a refresh token');
is($idp->last('revoke')->{form}{token}, $access, 'L13: the access token');
is($idp->count('revoke'), 1, 'L13: alone');
$idp->set(token => undef);

$idp->forget();
is($t->browser()->get('/logout', site => 'same-origin')->status(), 200,
	'L13: without a session');
is($idp->count('revoke'), 0, 'L13: there is nothing to revoke');

# No endpoint: nothing to ask.
($b) = user('/none/');
is(leave($b, '/none/logout'), '302', 'L13: no revocation_endpoint');
is($idp->count('revoke'), 0, 'L13: nothing is asked');

###############################################################################
# It fails, and the logout does not.

for ([ status => { status => 500 } ],
	[ status => { status => 503, headers => { 'Retry-After' => 30 } } ],
	[ status => { status => 400 } ], [ status => { status => 401 } ],
	[ status => { redirect => $idp->issuer() . '/canary' } ],
	[ unreachable => { reset => 1 } ],
	[ unreachable => { status => 200, body => 'x' x 100, truncate => 10 } ],
	[ timeout => { hang => 1 } ])
{
	my ($why, $bend) = @$_;
	my $what = join ' ', map { "$_ " . (ref $bend->{$_} ? '' : $bend->{$_}) }
		sort keys %$bend;

	($b) = user('/');
	$idp->forget();
	$idp->answer(revoke => $bend);

	my $mark = $t->log_mark();
	my $start = time();

	is(leave($b, '/logout'), '302', "L13 TK-16: $what: logged out");
	cmp_ok(time() - $start, '<', 4, "TK-16: $what: soon");
	is($idp->count('revoke'), 1, "TK-16: $what: asked once, and no more");
	ok($t->wait_log(qr/refresh token not revoked: provider_$why/, 2, $mark),
		"O04: $what: the log says so");
	$idp->answer(revoke => undef);
}

is($idp->count('other'), 0, 'TK-7: a redirect is not followed');

($b) = user('/');
$idp->down();
is(leave($b, '/logout'), '302', 'L13: provider down: logged out');
$idp->up();

# The access token cannot be revoked: not worth a warning.
($b) = user('/');
$idp->once(revoke => {});
$idp->once(revoke => { status => 400 });
my $mark = $t->log_mark();
is(leave($b, '/logout'), '302', 'L13: unsupported_token_type');
like($t->log_since($mark), qr/\[info\].*access token not revoked/,
	'O04: not worth a warning');

$idp->forget();
($b) = user('/');
is($b->get('/logout', site => 'cross-site')->status(), 403,
	'SE-13: a logout that another site began');
is($idp->count('revoke'), 0, 'L13: revokes nothing');

###############################################################################

sub conf {
	return <<'EOF';
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        logout_uri /logout;
        logout_revoke on;
    }
    oidc_provider never {
        %%PROVIDER%%
        cookie_name never;
        redirect_uri /off/callback;
        logout_uri /off/logout;
    }
    oidc_provider none {
        %%PROVIDER%%
        authorization_endpoint %%IDP%%/protocol/openid-connect/auth;
        token_endpoint %%IDP%%/protocol/openid-connect/token;
        jwks_uri %%IDP%%/protocol/openid-connect/certs;
        end_session_endpoint %%IDP%%/protocol/openid-connect/logout;
        cookie_name none;
        redirect_uri /none/callback;
        logout_uri /none/logout;
        logout_revoke on;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location /off/ {
            auth_oidc never;
            proxy_pass http://%%BACKEND%%;
        }
        location /none/ {
            auth_oidc none;
            proxy_pass http://%%BACKEND%%;
        }
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}


# A browser that has logged in, and its tokens.
sub user {
	my ($path) = @_;

	my $b = $t->browser();
	my $r = $b->login($path);
	die "no login at $path: ", $r->status(), "\n" if $r->status() != 200;
	my $issued = $idp->issued();
	$b->{path} = $path;

	return ($b, $issued->{refresh_tokens}[-1],
		$issued->{access_tokens}[-1]);
}


# The status of the logout; dies where the session still opens.
sub leave {
	my ($b, $path) = @_;

	my $kept = $b->clone();
	my $r = $b->get($path, site => 'same-origin');
	my $after = $kept->get($b->{path})->status();

	return $r->status() . ($after == 302 ? '' : " still $after");
}

###############################################################################
