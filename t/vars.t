#!/usr/bin/perl

# Variables: whose claims they hold, in what form, where they are empty, and
# that nothing in them can break a header.

###############################################################################

use warnings;
use strict;

use Test::More;

use JSON::XS;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    log_format who '$uri "$oidc_claim_sub" $oidc_authenticated '
                   '"$oidc_provider" "$oidc_session_id" "$oidc_error"';

    map $oidc_claim_groups $admin {
        volatile;
        ~"admin"  yes;
        default   no;
    }
    map $oidc_authenticated $anonymous {
        volatile;
        0        $remote_addr;
        default  '';
    }

    oidc_provider idp {
        %%PROVIDER%%
        userinfo on;
        login_uri /login;
        logout_uri /logout;
    }
    oidc_provider bare {
        %%PROVIDER_bare%%
        cookie_name bare;
        redirect_uri /bare/callback;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/who.log who;
        large_client_header_buffers 4 32k;

        proxy_set_header X-Sub           $oidc_claim_sub;
        proxy_set_header X-Name          $oidc_claim_name;
        proxy_set_header X-Value         $oidc_claim_value;
        proxy_set_header X-Upper         $oidc_claim_VALUE;
        proxy_set_header X-Iss           $oidc_claim_iss;
        proxy_set_header X-Verified      $oidc_claim_email_verified;
        proxy_set_header X-Groups        $oidc_claim_groups;
        proxy_set_header X-Admin         $admin;
        proxy_set_header X-Anonymous     $anonymous;
        proxy_set_header X-Nonce         $oidc_claim_nonce;
        proxy_set_header X-Authenticated $oidc_authenticated;
        proxy_set_header X-Id-Token      $oidc_id_token;
        proxy_set_header X-Access-Token  $oidc_access_token;
        proxy_set_header X-Userinfo      $oidc_userinfo;
        proxy_set_header X-Sid           $oidc_sid;
        proxy_set_header X-Session-Id    $oidc_session_id;
        proxy_set_header X-Provider      $oidc_provider;
        proxy_set_header X-Error         $oidc_error;
        proxy_set_header X-Call-Url      "$oidc_call_url$oidc_call_body$oidc_call_authorization";

        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location /open/ {
            proxy_pass http://%%BACKEND%%;
        }
        location /verify/ {
            auth_oidc idp;
            auth_oidc_mode verify;
            proxy_pass http://%%BACKEND%%;
        }
        location /bare/ {
            auth_oidc bare;
            proxy_pass http://%%BACKEND%%;
        }
        location /early/ {
            auth_oidc idp;
            set $early $oidc_claim_sub;
            if ($oidc_authenticated) { return 418; }
            proxy_set_header X-Early $early;
            proxy_set_header X-Sub $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /header/ {
            auth_oidc idp;
            add_header X-Value "<$oidc_claim_value>";
            proxy_pass http://%%BACKEND%%;
        }
        location /redirect/ {
            auth_oidc idp;
            try_files $uri @redirect;
        }
        location @redirect {
            auth_oidc idp;
            return 302 /to/$oidc_claim_value;
        }
        error_page 400 403 /error;
        error_page 502 503 504 @failed;
        location /error {
            internal;
            proxy_set_header X-Error       $oidc_error;
            proxy_set_header X-Description $oidc_error_description;
            proxy_set_header X-Provider    $oidc_provider;
            proxy_pass http://%%BACKEND%%;
        }
        location @failed {
            proxy_set_header X-Error       $oidc_error;
            proxy_set_header X-Description $oidc_error_description;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $idp = $t->idp();
my $b = $t->browser();
my $r = $b->login('/x');
my $issued = $idp->issued();
my $iss = $idp->issuer();

###############################################################################
# S14: each of them, with a session.

is(told('X-Sub'), '248289761001', 'S14: $oidc_claim_sub');
is(told('X-Name'), 'Alice Adams', 'S14: $oidc_claim_name');
is(told('X-Iss'), $iss, 'S14: $oidc_claim_iss');
is(told('X-Verified'), 'true', 'S14: a boolean');
is(told('X-Authenticated'), '1', 'S14: $oidc_authenticated');
is(told('X-Provider'), 'idp', 'S14: $oidc_provider');
is(told('X-Id-Token'), $issued->{id_tokens}[-1], 'S14: $oidc_id_token');
is(told('X-Access-Token'), $issued->{access_tokens}[-1],
	'S14: $oidc_access_token');
is(decode_json(told('X-Userinfo'))->{sub}, '248289761001',
	'S14: $oidc_userinfo');
like(told('X-Sid'), qr/^[0-9a-f]{32}$/, 'S14: $oidc_sid');
like(told('X-Session-Id'), qr/^[0-9a-f]{16}$/, 'S14: $oidc_session_id');
is(told('X-Nonce'), undef, 'S14: what was only of the login is gone');
is(told('X-Error'), undef, 'S14: $oidc_error is empty');
is(told('X-Upper'), undef, 'S14: $oidc_claim_VALUE is not there');
is(told('X-Call-Url'), undef,
	'B10: what the back channel uses is empty for everybody else');

my $session = told('X-Session-Id');
$r = $b->get('/y');
is(told('X-Session-Id'), $session, 'S14: $oidc_session_id stays');
isnt(told('X-Session-Id'), substr(unpack('H*', Test::OIDC::Keys::b64u_decode(
	$b->cookie('NGX_OIDC_SESSION')->{value})), 0, 16),
	'O03: and is no part of the cookie');
my $other = $t->browser();
$r = $other->login('/x');
isnt(told('X-Session-Id'), $session, 'S14: another session, another id');

###############################################################################
# Empty where nobody is known.

for my $path ('/open/x', '/verify/x') {
	$r = $t->browser()->get($path);
	is(join(',', map { told($_) // '' } qw/ X-Sub X-Name X-Iss X-Id-Token
		X-Access-Token X-Userinfo X-Sid X-Session-Id X-Groups /),
		',' x 8, "S14: all empty at $path");
	is(told('X-Authenticated'), '0', "S14: \$oidc_authenticated at $path");
	is(told('X-Anonymous'), '127.0.0.1', "B16: a map of it at $path");
}

$r = $b->get('/open/x');
is(told('X-Sub'), undef, 'S14: empty without auth_oidc, session or not');
is(told('X-Provider'), undef, 'S14: nor is there a provider');
is(told('X-Authenticated'), '0', 'S14: nor anybody authenticated');
$r = $b->get('/verify/x');
is(told('X-Sub'), '248289761001', 'S14: mode verify knows a session');
is(told('X-Anonymous'), undef, 'B16: the map too');

$r = $b->get('/early/x');
is($r->status(), 200, 'S14: if () runs too early to know');
is(told('X-Early'), undef, 'S14: and so does set');
is(told('X-Sub'), '248289761001', 'S14: which spoils no later use');

# The client cannot say any of it.
$r = $t->browser()->get('/verify/x', headers => { 'X-Sub' => 'root',
	'x-admin' => 'yes', 'X-Authenticated' => '1', 'oidc_claim_sub' => 'r' });
is(told('X-Sub'), undef, 'SE-7: a client\'s X-Sub does not get through');
is(told('X-Authenticated') . told('X-Admin'), '0no', 'SE-7: nor do others');
is($t->browser()->get('/open/x?oidc_claim_sub=root&oidc_authenticated=1')
	->json()->{uri} =~ /root/ ? 1 : 0, 1, 'SE-7: arguments are just that');

###############################################################################
# Claims of every JSON type.

for (
	[ 'a string', 'plain', 'plain' ],
	[ 'a string with quotes', 'a"b\\c', 'a"b\\c' ],
	[ 'an empty string', '', undef ],
	[ 'a number', 42, '42' ],
	[ 'zero', 0, '0' ],
	[ 'a negative number', -7, '-7' ],
	[ 'a large integer', { '$raw' => '9007199254740993' },
		'9007199254740993' ],
	[ 'a real', { '$raw' => '1.5' }, '1.5' ],
	[ 'true', JSON::XS::true, 'true' ],
	[ 'false', JSON::XS::false, 'false' ],
	[ 'null', { '$raw' => 'null' }, undef ],
	[ 'an array', [ 'a', 'b' ], '["a","b"]' ],
	[ 'an array of one', [ 'a' ], '["a"]' ],
	[ 'an array with a comma in it', [ 'a,b', 'c' ], '["a,b","c"]' ],
	[ 'an empty array', [], '[]' ],
	[ 'an object', { a => { b => 1 } }, '{"a":{"b":1}}' ],
	[ 'UTF-8', "Chlo\x{e9} \x{2713} \x{1f600}",
		"Chlo\xc3\xa9 \xe2\x9c\x93 \xf0\x9f\x98\x80" ],
	[ 'UTF-8 in an array', [ "\x{e9}" ], "[\"\xc3\xa9\"]" ],
	[ '3000 bytes', 'x' x 3000, 'x' x 3000 ],
	[ 'spaces', 'a  b', 'a  b' ],

	# B03, SE-8.
	[ 'CR LF', "a\r\nX-Admin: yes", undef ],
	[ 'LF', "a\nb", undef ],
	[ 'TAB', "a\tb", undef ],
	[ 'ESC', "\e[31m", undef ],
	[ 'DEL', "a\x{7f}", undef ],
	[ 'NEL', "a\x{85}b", undef ],
	[ 'CSI', "\x{9b}31m", undef ],
	[ 'LF in an array', [ "a\nb" ], '["a\\nb"]' ],
	[ 'DEL in an array', [ "\x{7f}" ], undef ],
) {
	my ($what, $value, $expected) = @$_;
	my $id = $expected // 'none of it';

	$idp->set(id_token => { claims => { value => $value } });
	my $user = $t->browser();
	$r = $user->login('/x');

	is($r->status(), 200, "S14: a claim with $what: the login");
	is(told('X-Value'), $expected, "S14 B03 SE-8: $what: "
		. (length $id > 40 ? 'as it is' : $id =~ tr/\x20-\x7e/?/cr));
	is(told('X-Admin'), 'no', "B03: $what: no other header")
		if !defined $expected;
}

for my $json ('"a\\u0000b"', '{"a":"\\u0000"}', '["\\u0000"]') {
	$idp->set(id_token => { claims => { value => { '$raw' => $json } } });
	is($t->browser()->login('/x')->status(), 502,
		"B03 SE-8: NUL as $json: no login by such a token");
}

$idp->set(id_token => { claims => { groups => [ 'users', 'admin' ],
	value => 'a b' } });
my $admin = $t->browser();
$r = $admin->login('/x');
is(told('X-Groups'), '["users","admin"]', 'S14: several values');
is(told('X-Admin'), 'yes', 'S14: map with volatile');
is($admin->get('/header/x')->header('X-Value'), '<a b>', 'S14: add_header');
is($admin->get('/redirect/x')->status(), 302,
	'S14: return in a named location behind the guard');
is($t->browser()->get('/header/x')->header('X-Value'), '<>',
	'S14: empty in the answer that sends to log in');
$r = $b->get('/x');
is(told('X-Admin'), 'no', 'S14: and everybody has their own');

# A name that a header or a log could not bear.
$idp->set(id_token => { claims => { "bad\nname" => 'x', value => 'good',
	'x' x 300 => 'y' } });
$r = $t->browser()->login('/x');
is(told('X-Value'), 'good', 'B03: an odd name costs nothing but itself');

# Userinfo adds, and speaks of the person, not of the login.
$idp->set(id_token => undef, userinfo => { claims => { value => 'from there',
	iss => 'http://other', sid => 'x', name => 'Al' } });
$r = $t->browser()->login('/x');
is(told('X-Value'), 'from there', 'S14: a claim from userinfo');
is(told('X-Name'), 'Al', 'S14: which wins');
is(told('X-Iss'), $iss, 'S14: but not over the issuer');
like(told('X-Sid'), qr/^[0-9a-f]{32}$/, 'S14: nor over the sid');
$idp->reset();

# A provider without sid and without userinfo.
$t->idp('bare')->set(id_token => { claims => { sid => undef } });
my $bare = $t->browser();
$r = $bare->login('/bare/x');
is(told('X-Sid'), undef, 'S14: no sid, no $oidc_sid');
is(told('X-Userinfo'), undef, 'S14: no userinfo, no $oidc_userinfo');
is(told('X-Provider'), 'bare', 'S14: $oidc_provider of the location');
$bare->login('/x');
$r = $bare->get('/bare/x');
is(told('X-Iss'), $t->idp('bare')->issuer(), 'F22: each location');
$r = $bare->get('/x');
is(told('X-Iss'), $iss, 'F22: has its own provider\'s claims');

###############################################################################
# O04: $oidc_error and $oidc_error_description.

$r = $t->browser()->get('/oidc_callback?code=x&state=y');
is($r->status(), 400, 'O04: an error page for a bad callback');
is(told('X-Error'), 'state_unknown', 'O04: $oidc_error');
is(told('X-Description'), 'state belongs to no login of this browser',
	'O04: $oidc_error_description');
is(told('X-Provider'), 'idp', 'O04: $oidc_provider');

$idp->set(authorize => { error => 'access_denied',
	error_description => "<b>no\r\nX-Admin: yes" });
$r = $t->browser()->login('/x');
is($r->status(), 403, 'O04: an error page for a refusal by the provider');
is(told('X-Error'), 'access_denied', 'O04: its $oidc_error');
unlike(told('X-Description') // '', qr/[\x00-\x1f\x7f]/,
	'B03: no control character in $oidc_error_description');
is(told('X-Admin'), undef, 'B03: and so no header by it');
$idp->reset();

$idp->once(token => { status => 500 });
$r = $t->browser()->login('/x');
is($r->status(), 502, 'O04: a named error page');
is(told('X-Error'), 'provider_status', 'O04: knows why');

$r = $b->get('/logout', site => 'cross-site');
is($r->status() . told('X-Error'), '403cross_site', 'O04: of a logout');

###############################################################################
# O04: the access log.

$b->get('/logged?code=secret');
$t->browser()->get('/logged');
$t->browser()->get('/oidc_callback?code=x&state=y');
$b->get('/open/logged');

my $log = $t->wait_for(sub { my $log = $t->read_file('who.log');
	$log =~ m{/open/logged} ? $log : undef });
like($log, qr{^/logged "248289761001" 1 "idp" "$session" "-"$}m,
	'S14 O04: log_format: a session');
like($log, qr{^/logged "-" 0 "idp" "-" "-"$}m,
	'S14 O04: log_format: a redirect to log in');
like($log, qr{^/error "-" 0 "idp" "-" "state_unknown"$}m,
	'O04: log_format: a failed login');
like($log, qr{^/open/logged "-" 0 "-" "-" "-"$}m,
	'S14: log_format: without auth_oidc');

###############################################################################

$t->done();

###############################################################################

# What the backend was told in the last answer; UTF-8 as bytes.
sub told {
	my ($name) = @_;

	my ($value) = map { $_->[1] } grep { lc $_->[0] eq lc $name }
		@{ $r->body() =~ /^\{/ ? $r->json()->{headers} : [] };

	utf8::encode($value) if defined $value and $value =~ /[^\x00-\xff]/;

	return $value;
}

###############################################################################
