#!/usr/bin/perl

# What a login asks for beyond a login, and that nobody passes who has not got
# it: acr_values, max_age, claims, prompt, by provider, location and query.

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

    oidc_provider idp {
        %%PROVIDER%%
        login_uri       /login;
        ui_locales      de fr;
        extra_auth_args "display=page&prompt=login";
    }
    oidc_provider extra {
        %%PROVIDER%%
        redirect_uri    /extra_callback;
        cookie_name     EXTRA;
        extra_auth_args "resource=a&resource=b";
    }
    oidc_provider strict {
        %%PROVIDER%%
        redirect_uri    /strict_callback;
        cookie_name     STRICT;
        acr_values      eidas2;
        claims '{"id_token":{"amr":{"essential":true}},"userinfo":{}}';
    }

    oidc_provider quiet {
        %%PROVIDER%%
        login_uri       /quiet/login;
        redirect_uri    /quiet/callback;
        cookie_name     QUIET;
        auth_args_from_query prompt ui_locales;
    }
    oidc_provider asks {
        %%PROVIDER%%
        redirect_uri    /asks/callback;
        cookie_name     ASKS;
        max_age         90;
        prompt          consent login;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        proxy_set_header X-Acr $oidc_claim_acr;
        proxy_set_header X-User $oidc_claim_sub;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /strong/ {
            acr_values eidas2 eidas3;
            proxy_pass http://%%BACKEND%%;
        }
        location /fresh/ {
            max_age 60;
            proxy_pass http://%%BACKEND%%;
        }
        location /verify/ {
            auth_oidc_mode verify;
            acr_values eidas2;
            proxy_pass http://%%BACKEND%%;
        }
        location /verify_then/ {
            auth_oidc_mode verify;
            acr_values eidas2;
            try_files /none /x;
        }
        location /extra/ {
            auth_oidc extra;
            proxy_pass http://%%BACKEND%%;
        }
        location /strict/ {
            auth_oidc strict;
            proxy_pass http://%%BACKEND%%;
        }
        location /hint/ {
            login_hint $arg_mail;
            proxy_pass http://%%BACKEND%%;
        }
        location /query/ {
            prompt select_account;
            acr_values eidas1;
            auth_args_from_query acr_values login_hint prompt max_age display;
            proxy_pass http://%%BACKEND%%;
        }
        location /wish/ {
            auth_args_from_query max_age acr_values;
            proxy_pass http://%%BACKEND%%;
        }
        location /ask/ {
            auth_oidc extra;
            auth_args_from_query prompt;
            proxy_pass http://%%BACKEND%%;
        }
        location /silent/ {
            prompt none;
            proxy_pass http://%%BACKEND%%;
        }
        location /quiet/ {
            auth_oidc quiet;
            proxy_pass http://%%BACKEND%%;
        }
        location /quiet/verify/ {
            auth_oidc quiet;
            auth_oidc_mode verify;
            proxy_pass http://%%BACKEND%%;
        }
        location /asks/ {
            auth_oidc asks;
            proxy_pass http://%%BACKEND%%;
        }
        location /here/ {
            ui_locales cy en;
            claims '{"userinfo":{"email":null}}';
            proxy_pass http://%%BACKEND%%;
        }
        location /login {
            auth_args_from_query prompt;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $idp = $t->idp();

###############################################################################
# What is sent.

my $args = asked('/x');

is($args->{ui_locales}, 'de fr', 'F18: ui_locales of the provider');
is($args->{display}, 'page', 'F18: extra_auth_args');
is($args->{prompt}, 'login', 'F18: all of them');

$args = asked('/strong/x');

is($args->{acr_values}, 'eidas2 eidas3', 'F18: acr_values of the location');

$args = asked('/fresh/x');

is($args->{max_age}, '60', 'F18: max_age of the location');

$args = asked('/here/x');

is($args->{ui_locales}, 'cy en',
	'F18: ui_locales of the location, before the provider\'s');
is($args->{claims}, '{"userinfo":{"email":null}}',
	'F18: claims of the location');
is(asked('/x')->{claims}, undef, 'F03: of that one alone');

$args = asked('/asks/x');

is($args->{max_age}, '90', 'F18: max_age of the provider');
is($args->{prompt}, 'consent login', 'F18: prompt of the provider');
is(asked('/quiet/x?ui_locales=de-CH%20it')->{ui_locales}, 'de-CH it',
	'F18: ui_locales by the query');
is(asked('/x?ui_locales=de-CH')->{ui_locales}, 'de fr',
	'LS-9: where that is allowed');

like(location('/hint/?mail=ada'), qr/[&]login_hint=ada(?:&|$)/,
	'F18: login_hint by a variable');
unlike(location('/hint/'), qr/login_hint/, 'F03: an empty one is not sent');

is(scalar(() = location('/extra/') =~ /[?&]resource=[ab]/g), 2,
	'LS-15: extra_auth_args may repeat a name');
is(scalar(() = location('/silent/x') =~ /[?&]prompt=/g), 1,
	'LS-9: no argument twice');
like(location('/silent/x'), qr/[?&]prompt=none(?:&|$)/,
	'LS-9: a directive wins over extra_auth_args');

my $query = location('/query/?acr_values=eidas0&login_hint=%C3%A9va%26x'
	. '&prompt=none&display=popup&max_age=5&client_id=evil&scope=admin');

like($query, qr/[?&]acr_values=eidas1(?:&|$)/,
	'LS-9: what is configured is not replaced by the query');
like($query, qr/[?&]prompt=select_account(?:&|$)/, 'LS-9: nor weakened');
like($query, qr/[?&]login_hint=%C3%A9va%26x(?:&|$)/,
	'F18: what is allowed is taken, and escaped');
like($query, qr/[?&]max_age=5(?:&|$)/, 'F18: all of it');
like($query, qr/[?&]display=page(?:&|$)/, 'LS-9: extra_auth_args stand');
unlike($query, qr/evil|admin|popup|eidas0/, 'LS-9: and nothing else');

unlike(location('/query/?login_hint=a&login_hint=b'), qr/login_hint/,
	'LS-9: an argument that comes twice means nothing');
unlike(location('/query/?login_hint=a%0Db'), qr/login_hint/,
	'LS-9: nor one with controls');
unlike(location('/query/?login_hint=' . 'a' x 513), qr/login_hint/,
	'LS-9: nor a long one');
unlike(location('/query/?max_age=-1'), qr/max_age/, 'LS-9: nor no number');

###############################################################################
# What comes back: acr.

my $b = $t->browser();

$idp->set(id_token => { claims => { acr => 'eidas1', auth_time => time } });
is($b->login('/x')->status(), 200, 'F19: a weak login where it is enough');

my $weak = $b->cookie('NGX_OIDC_SESSION')->{value};

$idp->set(id_token => { claims => { acr => 'eidas3', auth_time => time } });
is($b->get('/strong/x')->status(), 302, 'F19: a weak session logs in again');
is($b->get('/verify_then/x')->status(), 200,
	'F19: too weak for one location, good for the one it redirects to');

my $answer = $b->login('/strong/x?y=1');

is($answer->status(), 200, 'F19: and comes back stronger');
is($answer->json()->{uri}, '/strong/x?y=1', 'F07: to the page');
isnt($b->cookie('NGX_OIDC_SESSION')->{value}, $weak,
	'SE-3: with a new session');
is($t->browser()->get('/x', cookie => "NGX_OIDC_SESSION=$weak")->status(), 302,
	'S01: the old one is gone');
is($b->get('/x')->status(), 200, 'F19: stronger is good where weak is enough');

my $other = $t->browser();

$idp->set(id_token => { claims => { acr => 'eidas1' } });
$other->login('/x');

$answer = $other->api('/strong/x');

is($answer->status(), 401, 'F19: a script gets 401');
like($answer->header('WWW-Authenticate'), qr/error="insufficient_user_authe
	ntication",.*\ acr_values="eidas2\ eidas3"/x, 'BE-14: and is told why');

my $tokens = $idp->count('token');

$answer = $other->login('/strong/x');

is($answer->status(), 403, 'F19: still too weak: 403');
is($idp->count('token'), $tokens + 1, 'F19: after one attempt, no loop');
like($t->wait_log(qr/acr \(acr is none of acr_values\)/), qr/acr_values/,
	'O04: one line says why');
is($other->get('/x')->status(), 200, 'S15: the session is untouched');

is($other->get('/verify/')->json() && sent('X-User'), undef,
	'F19: in verify mode a weak session is none');
$b->get('/verify/');
is(sent('X-Acr'), undef, 'F19: acr values have no order');

for (undef, [ 'eidas3' ], 'eidas2 eidas3', '') {
	$idp->set(id_token => { claims => { acr => $_ } });
	is($t->browser()->login('/strong/x')->status(), 403,
		'F19: acr ' . (defined ? "is $_" : 'is missing'));
}

###############################################################################
# auth_time

$idp->set(id_token => { claims => { auth_time => time - 50 } });
is($t->browser()->login('/fresh/')->status(), 200, 'ID-11: fresh enough');

$b = $t->browser();
$idp->set(id_token => { claims => { auth_time => time - 200 } });
$b->login('/x');
$tokens = $idp->count('token');

$answer = $b->login('/fresh/');

is($answer->status(), 403, 'ID-11: a provider that does not ask again: 403');
is($idp->count('token'), $tokens + 2, 'ID-11: after a second attempt');

my @asked = grep { $_->{path} =~ /auth/ } $idp->requests('authorize');

like($asked[-2]{uri}, qr/[?&]max_age=60/, 'ID-11: max_age first');
like($asked[-1]{uri}, qr/[?&]prompt=login/, 'ID-11: then prompt=login');
like($asked[-1]{uri}, qr/[?&]max_age=60/, 'ID-11: and max_age again');

$idp->set(id_token => { claims => { auth_time => undef } });
is($t->browser()->login('/fresh/')->status(), 403, 'ID-11: no auth_time');

$b = $t->browser();
$idp->set(id_token => { claims => { auth_time => time - 200 } });
my $url = $b->start_login('/fresh/');
$answer = $b->callback($url);
is($answer->status(), 302, 'ID-11: once more');
$idp->set(id_token => { claims => { auth_time => time } });
$answer = $b->follow();
is($answer->status(), 200, 'ID-11: a provider that asks again');
is($answer->json()->{uri}, '/fresh/', 'ID-11: back at the page');

$idp->set(id_token => { claims => { auth_time => time - 200 } });
is($t->browser()->login('/wish/?max_age=60')->status(), 403,
	'ID-11: a wish of the query is checked as well');
$idp->set(id_token => { claims => { acr => 'a' } });
is($t->browser()->login('/wish/?acr_values=b')->status(), 403,
	'ID-10: for acr, too');
is($t->browser()->login('/wish/?acr_values=b%20a')->status(), 200,
	'ID-10: and granted');

###############################################################################
# The claims parameter.

like(location('/strict/'), qr/[?&]claims=%7B%22id_token%22/,
	'PC-8: the claims parameter is sent');

for ([ 200, { acr => 'eidas2', amr => ['pwd'] }, 'all that is essential' ],
	[ 403, { acr => 'eidas2' }, 'no amr' ],
	[ 403, { acr => 'eidas1', amr => ['pwd'] }, 'another acr' ])
{
	my ($status, $claims, $name) = @$_;

	$idp->set(id_token => { claims => $claims });
	is($t->browser()->login('/strict/')->status(), $status, "ID-22: $name");
}

###############################################################################
# Silent logins.

$idp->reset();
$b = $t->browser();
$url = $b->start_login('/silent/x?y=1');
my ($state) = $url =~ /[?&]state=([^&]+)/;
my ($iss) = $url =~ /([?&]iss=[^&]+)/;

$answer = $b->callback("/oidc_callback?error=login_required&state=$state"
	. ($iss // ''));

is($answer->status(), 302, 'LS-13: nobody is logged in at the provider');
like($answer->location(), qr{/silent/x\?y=1$}, 'F12: back as nobody');
is($b->cookie('NGX_OIDC_SESSION'), undef, 'F12: without a session');

$answer = $b->get('/silent/x?y=1');

is($answer->status(), 401, 'LS-13: and not sent away again');
is($b->get('/x')->status(), 302, 'LS-13: but elsewhere');
is($t->browser()->login('/silent/x')->status(), 200,
	'LS-13: who is logged in there is so here');

$b = $t->browser();
$url = $b->start_login('/ask/x?prompt=none');
($state) = $url =~ /[?&]state=([^&]+)/;

like(location('/ask/x?prompt=none'), qr/[?&]prompt=none(?:&|$)/,
	'F18: prompt=none by the query');

$answer = $b->callback('/extra_callback?error=login_required&state=' . $state
	. ($iss // ''));

like($answer->location(), qr{/ask/x\?prompt=none$}, 'F12: back as nobody');
is($b->get('/ask/x?prompt=none')->status(), 401,
	'LS-13: and not sent round in a circle');
is($b->get('/ask/x')->status(), 302, 'LS-13: unless the query is another');
is($b->get('/ask/x?prompt=%6eone')->status(), 401,
	'LS-13: ... which an escape does not make it');

$b = $t->browser();
$answer = $b->get('/login?next=/verify/z&prompt=none');
like($answer->location(), qr/[?&]prompt=login/,
	'LS-9: the query does not win over extra_auth_args');

# A link of the login_uri, to a page that is for nobody, too: opened by a browser
# whose user the provider does not know, and by one whose user it knows.
my $link = '/quiet/login?next=/quiet/verify/%3Fa=b&prompt=none';

$b = $t->browser();
$idp->forget();
$idp->set(authorize => { error => 'login_required' });
$answer = $b->login($link);
is($answer->status(), 200, 'LS-13: prompt=none of a login link: back');
is($answer->json()->{uri}, '/quiet/verify/?a=b', 'F07: at its target');
is(sent('X-User'), undef, 'F12: as nobody');
is($b->cookie('QUIET'), undef, 'F12: without a session');
is($idp->count('authorize'), 1, 'LS-13: the provider was asked once');
is($idp->last('authorize')->{args}{prompt}, 'none', 'F18: silently');
is($b->get('/quiet/verify/')->status(), 200, 'LS-13: who goes on');
is($idp->count('authorize'), 1, 'LS-13: is not sent away for it');

$idp->set(authorize => undef);
$answer = $t->browser()->login($link);
is($answer->status(), 200, 'LS-13: a user whom the provider knows: back');
is(sent('X-User'), '248289761001', 'LS-13: as that user');
is($idp->count('authorize'), 2, 'LS-13: at one request, too');

###############################################################################
# Begun by somebody else.

my $issuer = escape($idp->issuer());
my $here = escape($t->url('/page?a=b'));

$answer = $t->browser()->login("/login?iss=$issuer&target_link_uri=$here"
	. '&scope=admin&login_hint=eve');
is($answer->status(), 200, 'F20: a login that the provider has begun');
is($answer->json()->{uri}, '/page?a=b', 'F20: ends at its target');
$args = $idp->last('authorize')->{args};
delete @{$args}{qw/ state nonce code_challenge /};	# any letters
is($args->{client_id}, 'gateway', 'F20: of what the provider was asked');
unlike(join(' ', %$args), qr/admin|eve/, 'F20: nothing else is taken over');

for (
	[ 'iss=https%3A%2F%2Fevil.example', 'another issuer' ],
	[ "iss=$issuer&iss=$issuer", 'two issuers' ],
	[ "iss=$issuer%2F", 'a slash more' ],
	[ "iss=$issuer&target_link_uri=https%3A%2F%2Fevil.example%2F",
		'a target elsewhere' ],
	[ "iss=$issuer&target_link_uri=%2F%2Fevil.example", 'another one' ],
	[ "iss=$issuer&target_link_uri=$here&next=/x", 'two targets' ],
)
{
	my ($query, $name) = @$_;

	is($t->browser()->get("/login?$query")->status(), 400, "F20: $name");
}

###############################################################################
# Configuration.

my $c = Test::OIDC::Conf->new($t);

for (
	[ 'prompt none login;', qr/"none" beside another/ ],
	[ 'acr_values a a"b;', qr/character/ ],
	[ 'acr_values ' . 'a' x 256 . ';', qr/too long/ ],
	[ 'max_age x;', qr/invalid value/ ],
	[ 'claims {};', qr/unexpected|claims parameter|not terminated/ ],
	[ q{claims '{"id_token":1}';}, qr/claims parameter/ ],
	[ 'auth_args_from_query scope;', qr/"scope" cannot be taken/ ],
	[ 'auth_args_from_query claims;', qr/"claims" cannot be taken/ ],
	[ 'auth_args_from_query a=b;', qr/"a=b" cannot be taken/ ],
	[ 'ui_locales de; ui_locales fr;', qr/is duplicate/ ],
)
{
	my ($text, $why) = @$_;

	$c->refused("O02: $text", location => $text, $why);
	$c->refused("O02: $text of a provider", provider => $text, $why);
}

$t->done();

###############################################################################

sub escape { return $_[0] =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/egr; }
sub location { return $t->browser()->get($_[0])->location() // ''; }


sub asked {
	my ($path) = @_;

	return $t->browser()->get($path)->args();
}


# a header of the last request that the backend saw
sub sent {
	my ($name) = @_;

	my ($found) = grep { lc $_->[0] eq lc $name }
		@{ $t->backend()->last('echo')->{headers} };

	return $found ? $found->[1] : undef;
}
