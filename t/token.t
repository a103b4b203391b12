#!/usr/bin/perl

# The token request and its answer (RFC 6749 2.3.1, 4.1.3, 5.1, 5.2): what the
# provider is sent, how the client says who it is, and that no malformed answer
# makes a session.  How answers may fail to come is in back_channel.t.

###############################################################################

use warnings;
use strict;

use JSON::XS ();
use Crypt::Digest qw/ digest_data /;
use MIME::Base64 qw/ decode_base64 /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ b64u /;
use Test::OIDC::Login qw/ outcome /;

###############################################################################

# what the discovery document says of client authentication
my %methods = (
	both => [ qw/ client_secret_post client_secret_basic / ],
	post => [ 'client_secret_post' ],
	none => undef,
	others => [ qw/ private_key_jwt tls_client_auth / ],
);

my ($id, $secret) = ('an app: 1&2=3%41+/', "a:b%c+d \xc3\xa9 & =\xe2\x82\xac;~");

my $t = Test::OIDC->new();
my $idp = $t->idp('', client_id => $id, client_secret => $secret, hook => {
	discovery => sub {
		my ($req, $answer) = @_;
		my $case = $req->{args}{case} // return;

		Test::OIDC::Keys::merge($answer->{json}, {
			token_endpoint_auth_methods_supported =>
				$methods{$case} });
	} });

$t->secret('TheSecretOfAFile');
$t->write_file('secret', "TheSecretOfAFile\n");

my %provider = (
	basic => 'client_auth_method client_secret_basic;',
	posted => 'client_auth_method client_secret_post;',
	public => 'client_auth_method none;',
	nopkce => 'pkce off;',
	endpoint => 'token_endpoint %%IDP%%/by/hand?x=1;',
	(map { $_ => "config_url %%IDP%%/.well-known/openid-configuration"
		. "?case=$_;" } keys %methods),
);

my $providers = join '', map { <<"EOF" } sort keys %provider;
    oidc_provider $_ {
        issuer %%IDP%%;
        client_id "$id";
        client_secret "$secret";
        redirect_uri /$_/back;
        cookie_name $_;
        $provider{$_}
    }
EOF

my $locations = join '', map { <<"EOF" } sort(keys %provider), 'file';
        location /$_ {
            auth_oidc $_;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
EOF

sub conf { return <<"EOF"; }
%%GLOBALS%%
$_[0]
http {
    %%HTTP%%
$providers
    oidc_provider file {
        issuer %%IDP%%;
        client_id "$id";
        client_secret_file %%TESTDIR%%/secret;
        client_auth_method client_secret_post;
        redirect_uri /file/back;
        cookie_name file;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
    }
}
EOF

$t->conf(conf(''))->run();

###############################################################################
# The request.

is(login('basic'), 'ok', 'F14: a login');

my $req = $idp->last('token');
my $authorize = $idp->last('authorize')->{args};
my $form = $req->{form};

is("$req->{method} $req->{uri}", 'POST /protocol/openid-connect/token',
	'TK-1: POST, nothing in the URL');
is($req->{h}{'content-type'}, 'application/x-www-form-urlencoded',
	'TK-1: as a form');
is_deeply([ sort keys %$form ], [ qw/ code code_verifier grant_type
	redirect_uri / ], 'F14 TK-1: its members');
is($form->{grant_type}, 'authorization_code', 'F14: grant_type');
is($form->{redirect_uri}, $authorize->{redirect_uri},
	'F14 TK-1: the redirect_uri of the login');
like($form->{code_verifier}, qr/^[\w-]{43}$/, 'F04 LS-4: verifier');
is(b64u(digest_data('SHA256', $form->{code_verifier})),
	$authorize->{code_challenge}, 'F04 LS-4: that the challenge is of');
is(join(' ', sort map { lc $_->[0] } @{ $req->{headers} }), 'accept '
	. 'authorization content-length content-type host user-agent',
	'B17: its headers, and no others');
is($req->{h}{accept}, 'application/json', 'TK-1: Accept');

# RFC 6749 2.3.1: each is form-encoded, then both are joined

my ($basic) = $req->{h}{authorization} =~ /^Basic (\S+)$/;
is(decode_base64($basic), 'an%20app%3A%201%262%3D3%2541%2B%2F:'
	. 'a%3Ab%25c%2Bd%20%C3%A9%20%26%20%3D%E2%82%AC%3B~',
	'F14 TK-2: client_secret_basic');
is($idp->last('token')->{auth}, 'client_secret_basic', 'TK-3: once');

is(login('posted'), 'ok', 'F14: client_secret_post');
$req = $idp->last('token');
is($req->{auth}, 'client_secret_post', 'F14: by directive');
is($req->{form}{client_secret}, $secret, 'F14: the secret');
is($req->{form}{client_id}, $id, 'F14: the id');
is($req->{h}{authorization}, undef, 'TK-3: no second method');

$idp->once(token => { set => { client => { auth => [ 'none' ] } } });
is(login('public'), 'ok', 'F14: none');
$req = $idp->last('token');
is($req->{form}{client_id}, $id, 'F14: a public client says its id');
is($req->{h}{authorization} // $req->{form}{client_secret}, undef,
	'TK-3: and no secret');

$idp->once(token => { set => { client => {
	secret => 'TheSecretOfAFile' } } });
is(login('file'), 'ok', 'O03: client_secret_file, without the line\'s end');

for ([ both => 'client_secret_basic' ], [ post => 'client_secret_post' ],
	[ none => 'client_secret_basic' ], [ others => 'client_secret_basic' ])
{
	login($_->[0]);
	is($idp->last('token')->{auth}, $_->[1],
		"F14 DI-4: by discovery ($_->[0])");
}

is(login('nopkce'), 'ok', 'F04: without PKCE');
is($idp->last('token')->{form}{code_verifier}, undef, 'F04: no verifier');

$idp->forget();
is(login('endpoint'), '502 provider_status', 'F15: an endpoint by hand');
is($idp->last('other')->{uri}, '/by/hand?x=1', 'F15: wins over discovery');
is($idp->count('token'), 0, 'F15: which is not asked');

###############################################################################
# What is no answer.

for ([ token_type => undef, '502 token_member' ],
	[ token_type => 'bearer', 'ok' ], [ token_type => 'BEARER', 'ok' ],
	[ token_type => 'mac', '502 token_type' ],
	[ token_type => 'DPoP', '502 token_type' ],
	[ token_type => 'Bearer ', '502 token_type' ],
	[ token_type => '', '502 token_type' ],
	[ token_type => 1, '502 token_member' ],
	[ token_type => raw('null'), '502 token_member' ],
	[ access_token => undef, '502 token_member' ],
	[ access_token => '', '502 token_member' ],
	[ access_token => 1, '502 token_member' ],
	[ access_token => [ 'x' ], '502 token_member' ],
	[ access_token => raw('null'), '502 token_member' ],
	[ access_token => 'a b', '502 token_member' ],
	[ access_token => "a\r\nX: y", '502 token_member' ],
	[ access_token => "\x{e9}", '502 token_member' ],
	[ id_token => undef, '502 token_member' ],
	[ id_token => '', '502 token_member' ],
	[ id_token => 1, '502 token_member' ],
	[ id_token => { a => 1 }, '502 token_member' ],
	[ id_token => raw('null'), '502 token_member' ],
	[ refresh_token => undef, 'ok' ], [ refresh_token => raw('null'), 'ok' ],
	[ refresh_token => 1, '502 token_member' ],
	[ refresh_token => "a\nb", '502 token_member' ],
	[ scope => undef, 'ok' ], [ unknown => { a => [ 1 ] }, 'ok' ],
	[ expires_in => undef, 'ok' ], [ expires_in => 0, 'ok' ],
	[ expires_in => '300', 'ok' ], [ expires_in => -1, 'ok' ],
	[ expires_in => '-1', 'ok' ], [ expires_in => raw('3.5'), 'ok' ],
	[ expires_in => raw('1e300'), 'ok' ], [ expires_in => '9' x 30, 'ok' ],
	[ expires_in => raw('null'), 'ok' ],
	[ expires_in => raw('9' x 30), '502 bad_json' ],
	[ expires_in => '', '502 token_member' ],
	[ expires_in => 'x', '502 token_member' ],
	[ expires_in => '3x', '502 token_member' ],
	[ expires_in => '-', '502 token_member' ],
	[ expires_in => ' 3', '502 token_member' ],
	[ expires_in => JSON::XS::true, '502 token_member' ],
	[ expires_in => [ 300 ], '502 token_member' ])
{
	my ($name, $value, $expected) = @$_;
	my $shown = !defined $value ? 'missing' : ref $value eq 'HASH'
		? $value->{'$raw'} // 'an object' : ref $value || "\"$value\"";

	$shown =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
	is(login('basic', set => { token => { $name => $value } }), $expected,
		($name eq 'expires_in' ? 'TK-11' : 'TK-9') . ": $name $shown");
}

my $type = 'application/json';

for ([ content_type => 'a list', body => '[]' ],
	[ bad_json => 'a list', body => '[]', content_type => $type ],
	[ bad_json => 'a string', body => '"x"', content_type => $type ],
	[ bad_json => 'empty', body => '', content_type => $type ],
	[ bad_json => 'no JSON', body => 'access_token=x&token_type=Bearer',
		content_type => $type ],
	[ bad_json => 'something behind', body => '{} {}',
		content_type => $type ],
	[ bad_json => 'a member twice', content_type => $type,
		body => '{"token_type":"Bearer","token_type":"Bearer"}' ],
	[ bad_json => 'no UTF-8', body => "{\"a\":\"\xff\"}",
		content_type => $type ],
	[ bad_json => 'deep', body => '[' x 5000, content_type => $type ],
	[ bad_json => 'a NUL', body => '{"a":"\\u0000"}',
		content_type => $type ],
	[ token_member => 'an empty object', body => '{}',
		content_type => $type ],
	[ content_type => 'HTML', content_type => 'text/html',
		body => '<html>log in</html>' ],
	[ content_type => 'no type', content_type => undef ],
	[ content_type => 'text/plain', content_type => 'text/plain' ],
	[ content_type => 'a type that begins so',
		content_type => 'application/jsonp' ],
	[ content_type => 'a JWT', content_type => 'application/jwt' ],
	[ token_error => 'an error with status 200',
		body => '{"error":"invalid_grant"}', content_type => $type ],
	[ token_error => 'an error beside tokens',
		set => { token => { error => 'invalid_grant' } } ],
	[ token_member => 'an error that is no string',
		set => { token => { error => 1 } } ])
{
	my ($reason, $what, %bend) = @$_;

	$bend{content_type} //= undef if !exists $bend{content_type}
		and exists $bend{body};
	is(login('basic', %bend), "502 $reason", "TK-9: $what");
}

is(login('basic', content_type => $_), 'ok', "TK-9: type $_")
	for 'application/json; charset=utf-8', 'Application/JSON',
		'application/json ;x=y';

for my $status (201, 204, 206, 301, 302, 303, 307, 308, 304, 403, 404, 405,
	413, 429, 500, 502, 503, 504)
{
	$idp->forget();
	is(login('basic', status => $status,
		$status =~ /^30/ ? (redirect => $idp->issuer() . '/canary') : ()),
		'502 provider_status', "TK-7 TK-9: status $status");
	is($idp->count('other') . $idp->count('token'), '01',
		"TK-7 TK-10: status $status, not followed, not repeated")
		if $status =~ /^(?:30|503)/;
}

for ([ 400, 'invalid_grant', '502 token_error' ],
	[ 401, 'invalid_client', '502 token_error' ],
	[ 400, "a\r\nb<b>\x{e9}" . 'x' x 100, '502 token_error' ])
{
	my ($status, $error, $expected) = @$_;
	my $mark = $t->log_mark();

	$idp->forget();
	is(login('basic', status => $status, content_type => $type, json => {
		error => $error, error_description => 'hostile text' }),
		$expected, "TK-10: $status " . substr $error, 0, 14);
	is($idp->count('token'), 1, 'TK-10: the code is not sent again');

	my $log = $t->log_since($mark);
	my $shown = $error =~ /^a/ ? 'a\?\?b<b>\?\?x{55},' : "$error,";
	like($log, qr/\(token endpoint refused\): $shown provider: "basic"/,
		'TK-10 O04: the error is logged');
	unlike($log, qr/hostile text/, 'TK-10: its description is not');
}

is(login('basic', status => 400, content_type => 'text/html',
	body => 'invalid_grant'), '502 provider_status', 'TK-10: 400 as HTML');
is(login('basic', status => 400, content_type => $type, body => '{}'),
	'502 provider_status', 'TK-10: 400 without an error');

###############################################################################
# Nothing secret at any level; the bed looks for it in the log of this part.

$t->stop();
$t->conf(conf('error_log %%TESTDIR%%/error.log debug;'))->run();

is(login('basic'), 'ok', 'TK-12 O03: a login at debug level');
is(login('posted'), 'ok', 'TK-12 O03: with the secret in the body');
is(login('basic', set => { id_token => { sign => 'flip' } }),
	'502 jws_signature', 'TK-12 O03: a refused one');

my $b = $t->browser();
my $url = $b->start_login('/basic');
my $cookie = $b->jar()->header($b->url('/'), navigation => 1);
$b->callback($url);
is(outcome($t, $t->browser(), sub { $t->browser()->callback($url,
	cookie => $cookie) }), '400 state_spent', 'TK-12 O03: a replayed one');
like($t->log(), qr/\[debug\].*oidc/, 'TK-12: there are debug lines')
	if $t->version() =~ /--with-debug/;

unlike($t->access_log(), qr/code=|state=/,
	'TK-12 O03: no code in the access log');

$t->done();

###############################################################################

# A login at that provider with the token answer bent; "ok", or status, reason.
sub login {
	my ($provider, %bend) = @_;

	my $b = $t->browser();
	$idp->once(token => \%bend) if %bend;
	my $got = outcome($t, $b, sub { $b->login("/$provider") });

	return $got eq '200 ok session' ? 'ok' : $got;
}


sub raw { return { '$raw' => $_[0] }; }

###############################################################################
