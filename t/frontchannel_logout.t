#!/usr/bin/perl

# Front-channel logout: whose session ends, with the cookie and without, what
# is refused, who may frame the answer.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();

umask 077;
$t->write_file('cookie.key', 'k' x 32);
$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/cookie.key;
    oidc_provider one {
        %%PROVIDER%%
        cookie_name one;
        logout_revoke on;
        redirect_uri /one/callback;
        frontchannel_logout_uri /one/fcl;
    }
    oidc_provider two {
        %%PROVIDER_two%%
        cookie_name two;
        redirect_uri /two/callback;
        frontchannel_logout_uri /two/fcl any_iss;
        frontchannel_logout_ancestors https://a.test http://b.test:8080;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-Sid $oidc_sid;
        location /one/ {
            auth_oidc one;
            proxy_pass http://%%BACKEND%%;
        }
        location /two/ {
            auth_oidc two;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $idp = $t->idp();
my $iss = escape($idp->issuer());
my $nobody = $t->browser();

###############################################################################
# L12, LO-12: by iss and sid, without the cookie.

my $b = user('one');
my $r = $nobody->get("/one/fcl?iss=$iss&sid=" . sid($b), site => 'cross-site',
	headers => { 'Sec-Fetch-Dest' => 'iframe' });

is($r->status(), 200, 'L12: iss and sid, no cookie: 200');
is($r->header('Cache-Control'), 'no-store', 'L12: no-store');
is($r->header('Set-Cookie'), undef, 'L12: there is no cookie to delete');
is($r->header('Content-Security-Policy'), "default-src 'none'; "
	. 'frame-ancestors ' . $idp->issuer(), 'L12: framed by the issuer');
is($r->header('X-Frame-Options'), undef, 'L12: and nothing else said of it');
is($r->header('X-Content-Type-Options'), 'nosniff', 'B13: nosniff');
like($r->body(), qr/logged out/, 'L12: a page');
is($b->api('/one/x')->status(), 401, 'L12: the session is gone');

is($nobody->get("/one/fcl?iss=$iss&sid=unknown")->status(), 200,
	'L12: a session that is not there');

# A link of another site is no frame of the provider's.
$b = user('one');
$r = $b->get('/one/fcl', site => 'cross-site',
	headers => { 'Sec-Fetch-Dest' => 'document' });
is($r->status(), 403, 'LO-3: a link of another site');
is($b->api('/one/x')->status(), 200, 'LO-3: ends nothing');

# By the cookie.
my $twin = $b->clone();
$r = $b->get('/one/fcl', site => 'cross-site',
	headers => { 'Sec-Fetch-Dest' => 'iframe' });
is($r->status(), 200, 'L12: the cookie alone');
is($b->cookie('one'), undef, 'L12: is deleted');
is($twin->api('/one/x')->status(), 401, 'L12: its session is gone');
is($nobody->get('/one/fcl')->status(), 200, 'L12: neither: nothing to do');

# Both: the sid counts.
$b = user('one');
my $other = user('one');
$r = $b->get("/one/fcl?sid=" . escape(sid($other)) . "&iss=$iss");
is($r->status(), 200, 'L12: a cookie, and the sid of another session');
is($other->api('/one/x')->status(), 401, 'L12: the sid says which one');
is($b->api('/one/x')->status(), 200, 'L12: that of the cookie stays');
$r = $b->get("/one/fcl?iss=$iss&sid=" . sid($b));
is($b->cookie('one'), undef, 'L12: its own: the cookie is deleted too');
is($twin->api('/one/x')->status(), 401, 'L12: with the session');

for my $sid ("a b/c+d=&?\"'%zz", "\x{e9}\x{20ac}") {
	$idp->set(id_token => { claims => { sid => $sid } });
	$b = user('one');
	is($nobody->get("/one/fcl?iss=$iss&sid=" . escape($sid))->status(),
		200, 'L12: a sid of any text');
	is($b->api('/one/x')->status(), 401, 'L12: is found');
	$idp->set(id_token => undef);
}

###############################################################################
# LO-12: both or none, and each once.

$b = user('one');
my $sid = sid($b);

for (
	[ 'iss alone', "iss=$iss", 'bad_arguments' ],
	[ 'sid alone', "sid=$sid", 'iss_missing' ],
	[ 'a wrong iss', "iss=${iss}x&sid=$sid", 'iss_mismatch' ],
	[ 'an empty iss', "iss=&sid=$sid", 'bad_arguments' ],
	[ 'an empty sid', "iss=$iss&sid=", 'bad_arguments' ],
	[ 'iss twice', "iss=$iss&iss=$iss&sid=$sid", 'bad_arguments' ],
	[ 'sid twice', "iss=$iss&sid=$sid&sid=$sid", 'bad_arguments' ],
	[ 'a bad escape', "iss=$iss&sid=$sid%zz", 'bad_arguments' ],
	[ 'a NUL', "iss=$iss&sid=$sid%00", 'bad_arguments' ],
	[ 'the iss of another provider', 'iss='
		. escape($t->idp('two')->issuer()) . "&sid=$sid",
		'iss_mismatch' ],
) {
	my ($what, $args, $reason) = @$_;
	my $mark = $t->log_mark();

	for my $browser ($nobody, $b) {
		$r = $browser->get("/one/fcl?$args", site => 'cross-site',
	headers => { 'Sec-Fetch-Dest' => 'iframe' });
		is($r->status(), 400, "LO-12: $what: 400");
		is($r->header('Set-Cookie'), undef, "LO-12: $what: no cookie");
	}

	ok($t->wait_log(qr/front-channel logout refused: $reason/, 5, $mark),
		"O04: $what: the log says why");
}

is($b->api('/one/x')->status(), 200, 'LO-12: and nothing has ended');

for my $method (qw/ POST PUT HEAD DELETE /) {
	$r = $b->request($method, "/one/fcl?iss=$iss&sid=$sid",
		mode => 'plain', body => $method eq 'HEAD' ? undef : '');
	is($r->status(), 405, "LO-12: $method: 405");
	is($r->header('Allow'), 'GET', "LO-12: $method: Allow");
}

is($b->api('/one/x')->status(), 200, 'LO-12: and nothing has ended');

###############################################################################
# any_iss, ancestors, other providers, tokens.

$b = user('two');
my $one = user('one');
$r = $nobody->get('/two/fcl?sid=' . sid($one));
is($r->status(), 200, 'L12: any_iss: sid alone');
is($r->header('Content-Security-Policy'), "default-src 'none'; "
	. 'frame-ancestors https://a.test http://b.test:8080',
	'L12: framed by whom the directive names');
is($one->api('/one/x')->status(), 200,
	'L12: a sid of another provider ends nothing');
is($nobody->get('/two/fcl?sid=' . sid($b))->status(), 200, 'L12: its own');
is($b->api('/two/x')->status(), 401, 'L12: does');
is($nobody->get("/two/fcl?iss=$iss&sid=x")->status(), 400,
	'L12: any_iss: a wrong one is wrong');

is(join(',', map { $idp->count($_) } qw/ revoke end_session /), '0,0',
	'L12: no token is revoked, nobody is asked');
is($nobody->get('/one/fcl/x')->status(), 302,
	'L11: below it is an ordinary page');

$t->done();

###############################################################################

sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/x");

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


sub sid {
	my ($b) = @_;

	my ($name) = map { $_->{name} } $b->cookies();

	return (map { $_->[1] } grep { $_->[0] eq 'X-Sid' }
		@{ $b->get("/$name/x")->json()->{headers} })[0];
}


sub escape {
	my ($text) = @_;

	utf8::encode($text) if utf8::is_utf8($text);

	return $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
}

###############################################################################
