#!/usr/bin/perl

# Several providers (F22): on one server, on one redirect_uri, behind a variable,
# on servers of their own.  States, sessions, keys and cookies of one are never
# those of another.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Login qw/ outcome session_of /;

###############################################################################

my $t = Test::OIDC->new(workers => 2);
my $one = $t->idp('one', client_id => 'first');
my $two = $t->idp('two', client_id => 'second');

# the same user names mean other people at the second
$two->set(users => { alice => { sub => 'alice-of-two' } });

my $conf = <<'EOF';
%%GLOBALS%%
http {
    %%HTTP%%

    oidc_session_store shared { size 1m; }

    oidc_provider one {
        %%PROVIDER_one%%
        cookie_name one;
        logout_uri /logout;
        session_store shared;
    }
    oidc_provider two {
        %%PROVIDER_two%%
        cookie_name two;
        logout_uri /logout;
        session_store shared;
    }
    oidc_provider same {
        %%PROVIDER_two%%
        session_store shared;
        redirect_uri /same/back;
        cookie_name one;
    }

    map $http_x_provider $wanted {
        volatile;
        default $http_x_provider;
        nobody "";
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-User $oidc_claim_sub;
        proxy_set_header X-Provider $oidc_provider;

        location /one { auth_oidc one; proxy_pass http://%%BACKEND%%; }
        location /two { auth_oidc two; proxy_pass http://%%BACKEND%%; }
        location /open { proxy_pass http://%%BACKEND%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        proxy_set_header X-User $oidc_claim_sub;
        auth_oidc $wanted;
        location / { proxy_pass http://%%BACKEND%%; }
        location /off { auth_oidc off; proxy_pass http://%%BACKEND%%; }
        location /mode {
            auth_oidc_mode off;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_2%%;
        proxy_set_header X-User $oidc_claim_sub;
        auth_oidc same;
        location / { proxy_pass http://%%BACKEND%%; }
    }
}
EOF

$t->conf($conf)->run();

my $alice = '248289761001';

###############################################################################
# Two on one server and on one redirect_uri: each its own people and tokens.

my $b = $t->browser();

is(outcome($t, $b, sub { $b->login('/one') }), '200 ok session',
	'F22: a login at the first');
is($one->last('token')->{form}{redirect_uri},
	$t->url('/oidc_callback'), 'F22: they share a redirect_uri');
is(user($b, '/one'), $alice, 'F22: who is there, for the first');
is($b->get('/two')->status(), 302, 'F22: a session there is none here');
is($two->count('token'), 0, 'F22: the second knows nothing of it');

$b->jar()->remove(qr/\./);
is(outcome($t, $b, sub { $b->login('/two') }), '200 ok session',
	'F22: a login at the second, at the same redirect_uri');
is($two->count('token') . $one->count('token'), '11', 'F22: each was asked');
is(user($b, '/two'), 'alice-of-two', 'F22: who is there, for the second');
is(user($b, '/one'), $alice, 'F22: and still, for the first');
is(join(' ', sort map { $_->{name} } $b->cookies()), 'one two',
	'F22: two sessions');

my %sent = map { @$_ } @{ $b->get('/one')->json()->{headers} };
is($sent{Cookie}, undef, 'F22 SE-9: the backend sees no cookie of either');
%sent = map { @$_ } @{ $b->get('/open')->json()->{headers} };
is($sent{'X-User'}, undef, 'F22: where nobody asks, nobody is there');

# The cookie of one under the name of the other.

my $first = $b->cookie('one')->{value};
my $second = $b->cookie('two')->{value};

is($t->browser()->get('/two', cookie => "two=$first")->status(), 302,
	'F22: a session of the first does not open the second');
is($t->browser()->get('/one', cookie => "one=$second")->status(), 302,
	'F22: nor the other way round');
is($t->browser(port => 2)->get('/', cookie => "one=$first")->status(), 302,
	'F22: nor under the same name on another server');
is($t->browser()->get('/one', cookie => "one=$first; two=$second")->status(),
	200, 'F22: though it is good where it belongs');

###############################################################################
# Two logins on their way at once.

$b = $t->browser();
my $back_one = $b->start_login('/one/a?x=1');
my $back_two = $b->start_login('/two/b?x=2');

is($b->callback($back_two)->location(), $t->url('/two/b?x=2'),
	'F22: begun second, back first');
is($b->callback($back_one)->location(), $t->url('/one/a?x=1'),
	'F22: and the other one');
is(user($b, '/one') . ' ' . user($b, '/two'), "$alice alice-of-two",
	'F22: each is who he is there');

# Mix-up (RFC 9207): the code of one with the state of the other.

$_->forget() for $one, $two;
$b = $t->browser();
$back_one = $b->start_login('/one');
$back_two = $b->start_login('/two');

my ($code) = $back_two =~ /\bcode=([^&]*)/;
my $mixed = $back_one =~ s/\bcode=[^&]*/code=$code/r;

is(outcome($t, $b, sub { $b->callback($mixed) }), '502 token_error',
	'F22 CB-4: the code of the second with the state of the first');
is($one->count('token') . $two->count('token'), '10',
	'F22: goes to whom the state is of, who does not know it');

$b = $t->browser();
$back_one = $b->start_login('/one');
my $iss = Test::OIDC::Browser::escape($two->issuer());
is(outcome($t, $b, sub { $b->callback("$back_one&iss=$iss") }),
	'400 iss_mismatch', 'F13 F22 CB-4: iss of the other');
is($one->count('token') . $two->count('token'), '10',
	'F22 CB-4: and nobody is asked');

# A pending login of one under the name of the other.

$b = $t->browser();
$back_one = $b->start_login('/one');
my $pending = $b->cookie(qr/^one\./);
(my $name = $pending->{name}) =~ s/^one/two/;
is(outcome($t, $t->browser(), sub { $t->browser()->callback($back_one,
	cookie => "$name=$pending->{value}") }), '400 state_unknown',
	'F22: a login of the first as one of the second');

# A callback at the URI of another provider.

$b = $t->browser(port => 2);
my $back = $b->start_login('/');
like($back, qr{/same/back\?}, 'F22: another redirect_uri');
my $wrong = $back =~ s{/same/back}{/oidc_callback}r;
isnt($b->callback($wrong)->location() // '', $t->url('/', 2),
	'CB-1 F22: is not served at the usual one');

###############################################################################
# Keys: one provider's signature is worth nothing at the other.

$b = $t->browser();
$one->once(token => { set => { id_token => { claims => {
	iss => $two->issuer() } } } });
is(outcome($t, $b, sub { $b->login('/one') }), '502 claim_iss',
	'V01 F22: a token in the name of the other');

$b = $t->browser();
$two->once(token => { set => { id_token => { claims => {
	aud => 'first', azp => 'first' } } } });
is(outcome($t, $b, sub { $b->login('/two') }), '502 claim_aud',
	'V02 F22: a token for the other client');

$one->rotate_keys();
$b = $t->browser();
$two->once(token => { set => { id_token => { kid => 'rs256-2' } } });
is(outcome($t, $b, sub { $b->login('/two') }), '502 jws_kid',
	'V07 F22: the kid of a key of the other');
$b = $t->browser();
is(outcome($t, $b, sub { $b->login('/one') }), '200 ok session',
	'V07 F22: which is good at home');

###############################################################################
# By a variable.

for ([ one => $alice ], [ two => 'alice-of-two' ]) {
	my ($provider, $sub) = @$_;
	my $b = $t->browser(port => 1, headers => { 'X-Provider' => $provider });

	is(outcome($t, $b, sub { $b->login('/page?a=b') }), '200 ok session',
		"F22: auth_oidc by a variable, $provider");
	is(user($b, '/'), $sub, "F22: who is there for $provider");

	$b->{headers}{'X-Provider'} = $provider eq 'one' ? 'two' : 'one';
	is($b->get('/')->status(), 302, 'F22: another value, another session');
}

for ([ 'names none' => 'three' ], [ 'is in other letters' => 'ONE' ],
	[ 'is empty' => 'nobody' ], [ 'has a blank' => '"one "' ],
	[ 'is a list' => 'one,two' ])
{
	my ($what, $value) = @$_;
	my $b = $t->browser(port => 1, headers => { 'X-Provider' => $value });
	my $before = $t->backend()->count('echo');

	is(outcome($t, $b, sub { $b->get('/') }), '500 no_provider',
		"F22: the variable $what");
	is(outcome($t, $b, sub { $b->post('/', 'x') }), '500 no_provider',
		"F22: the variable $what, POST");
	is($t->backend()->count('echo'), $before,
		"F22: the variable $what, the backend is not reached");
}

$b = $t->browser(port => 1, headers => { 'X-Provider' => 'off' });
is($b->get('/')->status(), 200, 'F22: the value "off" is off');
$b = $t->browser(port => 1, headers => { 'X-Provider' => 'three' });
is($b->get('/off')->status(), 200, 'F22: auth_oidc off is off');
is($b->get('/mode')->status(), 200, 'F22: auth_oidc_mode off is off');
is($b->get('/oidc_callback')->status(), 400,
	'F22: the redirect_uri needs no variable');

# Nobody gets in by asking for another provider than the one in the session.

$b = $t->browser(port => 1, headers => { 'X-Provider' => 'one' });
$b->login('/');
my $value = $b->cookie('one')->{value};
is($t->browser(port => 1, headers => { 'X-Provider' => 'two' })->get('/',
	cookie => "two=$value")->status(), 302,
	'F22: a session of one under the cookie name of another');

# A logout_uri that both have is of the one whose session there is.

for (qw/ one two /) {
	$b = $t->browser();
	$b->login("/$_");
	is($b->get('/logout')->status(), 302, "F22 L01: logged out of $_");
	is($b->get("/$_")->status(), 302, "F22 L02: and $_ asks again");
}

###############################################################################
# One provider down is nothing to the other.

$two->down();
$b = $t->browser();
is(outcome($t, $b, sub { $b->login('/one') }), '200 ok session',
	'F22: the other one is down');
$two->up();

###############################################################################
# Told about when the configuration is read.

my ($status, $out) = $t->conf_test($conf =~ s/cookie_name two/cookie_name one/r);
is($status, 0, 'F22: two providers with one cookie_name on a server');
like($out, qr/\[warn\].*"two" and "one"|\[warn\].*"one" and "two"/,
	'F22: are warned about');
($status, $out) = $t->conf_test($conf =~ s/auth_oidc two/auth_oidc too/r);
like("$status $out", qr/^1 .*\[emerg\].*no oidc_provider "too" in \S+:\d+/s,
	'F22 O02: a provider that there is not');

$t->done();

###############################################################################

# Who the backend was told is there.
sub user {
	my ($b, $path) = @_;

	my $r = $b->get($path);

	return 'status ' . $r->status() if $r->status() != 200;
	return (map { $_->[1] } grep { $_->[0] eq 'X-User' }
		@{ $r->json()->{headers} })[0];
}

###############################################################################
