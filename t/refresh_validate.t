#!/usr/bin/perl

# An ID token that comes with a refresh is verified as one of a login, and must
# be about the same login (OpenID Connect Core 12.2): each thing bent ends the
# session.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Login qw/ reason /;

###############################################################################

my $t = Test::OIDC->new(clock => 1);
my $idp = $t->idp();

$t->conf(conf())->run();

my $now = $t->now();
my @good = (
	[ 'the least', nonce => undef, auth_time => undef, at_hash => undef ],
	[ 'aud as an array', aud => [ 'gateway' ] ],
	[ 'another acr', acr => '0' ],
	[ 'a longer life', exp => $now + 3600 ],
);
my @bad = (
	[ claim_iss => 'iss', iss => 'https://other.example.com' ],
	[ claim_sub => 'sub', sub => '248289761002' ],
	[ claim_sub => 'no sub', sub => undef ],
	[ claim_aud => 'aud', aud => 'another' ],
	[ claim_aud => 'one more aud', aud => [ 'gateway', 'trusted' ] ],
	[ claim_azp => 'azp', azp => 'another' ],
	[ claim_azp => 'azp gone', azp => undef ],
	[ claim_auth_time => 'auth_time', auth_time => $now + 1 ],
	[ claim_sid => 'another sid', sid => 'another' ],
	[ claim_nonce => 'nonce', nonce => 'another' ],
	[ claim_iat => 'iat of the login', iat => $now - 100 ],
	[ claim_iat => 'no iat', iat => undef ],
	[ claim_iat => 'iat to come', iat => $now + 3600 ],
	[ claim_exp => 'exp', exp => $now - 100 ],
	[ claim_at_hash => 'at_hash', at_hash => 'AAAAAAAAAAAAAAAAAAAAAA' ],
	[ claim_events => 'a logout token', events => {} ],
);
my @forged = (
	[ jws_signature => 'a bit flipped', sign => 'flip' ],
	[ jws_signature => 'another key', key => 'other' ],
	[ jws_alg => 'alg none', header => { alg => 'none' } ],
	[ jws_alg => 'HS256 by the public key', alg => 'HS256',
		key => 'public_pem' ],
	[ jws_malformed => 'no JWT', raw => 'x' ],
);

$idp->set(token => { expires_in => 1000 });

my @users = map { user() } @good, @bad, @forged;

$t->pass(600);
$idp->set(token => { expires_in => 7200 });

for (@good) {
	my ($what, %claims) = @$_;

	refresh($what, { claims => \%claims }, undef);
}

for (@bad) {
	my ($reason, $what, %claims) = @$_;

	refresh($what, { claims => \%claims }, $reason);
}

for (@forged) {
	my ($reason, $what, %bend) = @$_;

	refresh($what, \%bend, $reason);
}

$t->done();

###############################################################################

sub refresh {
	my ($what, $bend, $reason) = @_;

	my $b = shift @users;
	my $mark = $t->log_mark();
	my $n = $idp->count('refresh');

	$idp->once(refresh => { set => { id_token => $bend } });

	is($b->get('/')->status(), $reason ? 302 : 200, "V15 TK-14: $what");
	is($idp->count('refresh'), $n + 1, "TK-14: $what: it was refreshed");
	is(reason($t, $mark), $reason // 'ok', "O04: $what: the log");
	is($b->get('/')->status(), $reason ? 302 : 200,
		"V15 TK-14: $what: and the session is " . ($reason ? 'gone'
		: 'there'));
	is($idp->count('refresh'), $n + 1, "TK-14: $what: asked once");
}


sub user {
	my $b = $t->browser();
	my $r = $b->login('/');

	die 'no login: ', $r->status(), "\n" if $r->status() != 200;

	return $b;
}


sub conf {
	return <<'EOF';
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        trusted_audience trusted;
        refresh_leeway 10m;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}

###############################################################################
