#!/usr/bin/perl

# Back-channel logout: which logout tokens end sessions and which do not, that
# a token is good once, whose sessions end, and how the answers look.

###############################################################################

use warnings;
use strict;

use IO::Select;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ jws key merge random_hex /;

###############################################################################

my $EVENT = 'http://schemas.openid.net/event/backchannel-logout';

my $t = Test::OIDC->new(workers => 2);

$t->conf(conf())->run();

my $idp = $t->idp();
my $api = $t->browser();

###############################################################################
# L10, S13: a good token ends what it names, at all workers.

my $b = user('one');
my $sid = sid($b);

like($sid, qr/^\w{32}$/, 'ID-21: the session knows its sid');

my $r = logout(token(sid => $sid));
is($r->status(), 200, 'L07 LO-9: a good token: 200');
is($r->header('Cache-Control'), 'no-store', 'L07: no-store');
is($r->body(), '', 'L07: nothing to say');
is($r->header('Set-Cookie'), undef, 'L11: no cookie');
is(scalar(grep { $b->api('/one/x')->status() == 401 } 1 .. 20), 20,
	'L10: the session is gone, whichever worker answers');
ok($t->wait_log(qr/back-channel logout by sid ended 1 sessions/),
	'O04: the log says so');

is(logout(token(sid => $sid))->status(), 200, 'L07: 200 when it is gone');
is(logout(token(sid => 'never seen'))->status(), 200,
	'L07: 200 when it never was');
ok($t->wait_log(qr/by sid ended 0 sessions/), 'O04: and the log says that');

# A user's own logout takes the session out of its indexes.
$b = user('one');
$sid = sid($b);
$b->get('/one/logout', site => 'same-origin');
is(logout(token(sid => $sid))->status(), 200, 'S13: after a logout');
ok($t->wait_log(qr/by sid ended 0 sessions/), 'S13: nothing is found');

# And so does the next login of the same browser.
$b = user('one');
$sid = sid($b);
$b->callback($b->start_login('/one/in'));
isnt(sid($b), $sid, 'S01: a login after a login');
is(logout(token(sid => $sid))->status(), 200, 'S13: the session of before');
is($b->api('/one/x')->status(), 200, 'L10: that of now stays');

###############################################################################
# L08, LO-6, LO-7: each bent token gets 400 and ends nothing.

my $victim = user('one');
$sid = sid($victim);

for (
	[ 'alg none', sign => 'none' ],
	[ 'an empty signature', sign => 'empty' ],
	[ 'a flipped signature', sign => 'flip' ],
	[ 'HS256 with the public key', alg => 'HS256', key => 'public' ],
	[ 'HS256 with the secret', alg => 'HS256', key => 'secret' ],
	[ 'another key', key => 'other' ],
	[ 'PS256 by an RS256 key', alg => 'PS256' ],
	[ 'no iss', claims => { iss => undef } ],
	[ 'a wrong iss', claims => { iss => $idp->issuer() . '/' } ],
	[ 'no aud', claims => { aud => undef } ],
	[ 'a wrong aud', claims => { aud => 'other' } ],
	[ 'another aud beside', claims => { aud => [ 'gateway', 'x' ] } ],
	[ 'no iat', claims => { iat => undef } ],
	[ 'an iat of the future', claims => { iat => time() + 3600 } ],
	[ 'an old iat', claims => { iat => time() - 200, exp => undef } ],
	[ 'an exp that is past', claims => { exp => time() - 60 } ],
	[ 'an exp as text', claims => { exp => '' . (time() + 60) } ],
	[ 'no jti', claims => { jti => undef } ],
	[ 'an empty jti', claims => { jti => '' } ],
	[ 'a number as jti', claims => { jti => 1 } ],
	[ 'no events', claims => { events => undef } ],
	[ 'another event', claims => { events => { "${EVENT}s" => {} } } ],
	[ 'an event that is text', claims => { events => { $EVENT => '' } } ],
	[ 'events as a list', claims => { events => [ $EVENT ] } ],
	[ 'a nonce', claims => { nonce => 'n' } ],
	[ 'an empty nonce', claims => { nonce => '' } ],
	[ 'neither sub nor sid', claims => { sid => undef, sub => undef } ],
	[ 'an empty sid', claims => { sid => '' } ],
	[ 'a number as sid', claims => { sid => 7 } ],
	[ 'an empty sub', claims => { sub => '', sid => undef } ],
	[ 'typ at+jwt', header => { typ => 'at+jwt' } ],
	[ 'typ ID', header => { typ => 'ID' } ],
	[ 'crit', header => { crit => [ 'exp' ] } ],
	[ 'not JSON', payload => 'events' ],
) {
	my ($what, %how) = @$_;
	my $mark = $t->log_mark();

	$r = logout(token(sid => $sid, sub => sub_of('alice'), %how));
	is($r->status(), 400, "L08 LO-6: $what: 400");
	ok($r->json() && $r->json()->{error}, "L07: $what: JSON");
	is($r->header('Cache-Control'), 'no-store', "L07: $what: no-store");
	ok($t->wait_log(qr/back-channel logout refused: \w+ /, 5, $mark),
		"O04: $what: the log says why");
}

is(logout(last_id_token())->status(), 400, 'L08: an ID token');
is($victim->api('/one/x')->status(), 200, 'L08: none of them ended anything');

for my $typ (undef, 'JWT', 'logout+jwt', 'application/logout+jwt',
	'Logout+JWT')
{
	is(logout(token(sid => 'x', header => { typ => $typ }))->status(), 200,
		'LO-7: typ ' . ($typ // 'absent'));
}

is(logout(token(sid => 'x', alg => 'ES256'))->status(), 200,
	'L08: another alg of the list');
is(logout(token(sid => 'x', claims => { exp => undef, iat => time() - 100 }))
	->status(), 200, 'LO-7: without exp, 100 s old');
is(logout(token(sid => 'x', claims => { azp => 'gateway', foo => [] }))
	->status(), 200, 'V16: other claims');

###############################################################################
# L07, LO-5: the request.

for my $method (qw/ GET HEAD PUT DELETE OPTIONS PATCH /) {
	$r = $api->request($method, '/one/bcl', mode => 'plain');
	is($r->status(), 405, "L07 LO-5: $method: 405");
	is($r->header('Allow'), 'POST', "L07: $method: Allow");
	is($r->header('Cache-Control'), 'no-store', "L07: $method: no-store");
}

my $good = token(sid => $sid);

for (
	[ 'no body', '' ],
	[ 'no token', 'x=1' ],
	[ 'an empty token', 'logout_token=' ],
	[ 'the token twice', "logout_token=$good&logout_token=$good" ],
	[ 'another name', "Logout_Token=$good" ],
	[ 'a bad escape', "logout_token=$good%zz" ],
	[ 'a NUL', "logout_token=$good%00" ],
	[ 'JSON', $good, 'application/json' ],
	[ 'no type', "logout_token=$good", undef ],
	[ 'text', "logout_token=$good", 'text/plain' ],
	[ 'multipart', "logout_token=$good", 'multipart/form-data; boundary=x' ],
	[ 'a type that begins like it', "logout_token=$good",
		'application/x-www-form-urlencodedx' ],
	[ 'more than 64 KiB', "logout_token=$good&x=" . 'x' x 65536 ],
) {
	my ($what, $body) = @$_;
	my $type = @$_ > 2 ? $_->[2] : 'application/x-www-form-urlencoded';

	$r = post($body, 'Content-Type' => $type);
	is($r->status(), 400, "L07 LO-5: $what: 400");
	is($r->header('Content-Type'), 'application/json', "L07: $what: JSON");
}

is($victim->api('/one/x')->status(), 200, 'LO-5: and ends nothing');
is($api->get("/one/bcl?logout_token=$good")->status(), 405,
	'LO-5: nothing by the query');
is(post('', 'Content-Type' => 'application/x-www-form-urlencoded',
	path => "/one/bcl?logout_token=$good")->status(), 400,
	'LO-5: nor of a POST');
is(post("x=%20&logout_token=$good&y", 'Content-Type' =>
	'Application/X-WWW-Form-Urlencoded; charset=UTF-8')->status(), 200,
	'LO-5: any case, parameters, other arguments');
is($victim->api('/one/x')->status(), 401, 'L10: a good one does');

# Chunked, byte by byte, in two packets, in a file, over HTTP/1.0, and with a
# body that never comes.
for (
	[ 'chunked', sub { raw(chunked($_[0]), te => 1) } ],
	[ 'chunked in pieces of 7', sub { raw(chunked($_[0], 7), te => 1) } ],
	[ 'in two packets', sub { raw($_[0], split => 100) } ],
	[ 'expecting 100', sub { raw($_[0], expect => 1, split => 0) } ],
	[ 'HTTP/1.0', sub { raw($_[0], version => '1.0') } ],
	[ 'of 60 KiB', sub { raw("$_[0]&x=" . 'x' x 60000) } ],
	[ 'of 60 KiB, chunked', sub { raw(chunked("$_[0]&x=" . 'x' x 60000,
		5000), te => 1) } ],
	[ 'where bodies go to files', sub { raw($_[0], path => '/file/bcl') } ],
	[ 'where bodies are small', sub { raw($_[0], path => '/small/bcl') } ],
) {
	my ($what, $send) = @$_;
	my $user = user('one');

	like($send->('logout_token=' . token(sid => sid($user))),
		qr{^HTTP/1\.\d (100 .*?\r\n\r\nHTTP/1\.\d )?200 }s,
		"L07: a body $what");
	is($user->api('/one/x')->status(), 401, "L10: $what: ended");
}

like(raw(chunked('x=' . 'x' x 70000, 5000), te => 1), qr{^HTTP/1\.1 4(00|13) },
	'LO-5: more than 64 KiB, chunked');
like(raw("zz\r\n", te => 1), qr{^HTTP/1\.1 400 }, 'LO-5: no chunks');

# nginx refuses a body while we wait for it, and has a page for that, which is
# guarded: whoever sent it gets an answer.
{
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port(0));
	my $all = '';

	print $s "POST /two/bcl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		. "Content-Type: application/x-www-form-urlencoded\r\n"
		. "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";

	$t->wait_for(sub { $all .= some($s); $all =~ / 100 /; }, 5);
	print $s "186a0\r\nlogout_";
	ok($t->wait_for(sub { $all .= some($s); $all =~ / 100 .* (302|413) /s },
		5), 'L07: a body that is refused on its way, and a guarded page')
		or diag($all);
}

# A client that leaves in the middle costs nothing.
{
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port(0));
	print $s "POST /one/bcl HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
		. "Content-Type: application/x-www-form-urlencoded\r\n\r\nlogout_";
	close $s;
}

###############################################################################
# L09, LO-8: a token is good once.

my $once = token(sid => 'replayed');
is(logout($once)->status(), 200, 'L09: the first time');
is(logout($once)->status(), 400, 'L09 LO-8: the second time');
ok($t->wait_log(qr/refused: logout_replay/), 'O04: the log says why');
is(logout(token(sid => 'x', claims => { jti => 'same' }))->status(), 200,
	'L09: a jti');
is(logout(token(sid => 'y', claims => { jti => 'same' }))->status(), 400,
	'L09: in another token');
$b = user('one');
is(logout(token(sid => sid($b), claims => { jti => 'same' }))->status(), 400,
	'L09: in one that names a session');
is($b->api('/one/x')->status(), 200, 'L09: which stays');
is(logout(token(sid => 'y', idp => 'two', claims => { jti => 'same' }),
	'two')->status(), 200, 'L09: of another provider');
is(logout(token(sid => 'x', claims => { jti => "\x{1}\x{20ac}\"' " x 20 }))
	->status(), 200, 'L09: a jti of any characters');

my $race = 'logout_token=' . token(sid => 'race');
my @raced = map { send_raw($race) } 1 .. 10;
is(join(',', sort map { local $/; <$_> =~ /^HTTP\S+ (\d+)/ } @raced),
	join(',', 200, (400) x 9), 'L09: ten at once: one is good');

$t->reload();
is(logout($once)->status(), 400, 'L09: after a reload, too');

###############################################################################
# L10, LO-10: whose sessions end.

my %user;

$idp->set(user => $_) and $user{$_} = [ map { user('one') } 1 .. 3 ]
	for qw/ alice bob /;
$t->idp('two')->set(user => 'alice');
$user{two} = [ user('two') ];
$user{same} = [ map { $idp->set(user => 'alice'); user('same') } 1 .. 2 ];
$user{other} = [ user('other') ];

is(logout(token(sid => sid($user{alice}[0])))->status(), 200,
	'L10: sid of one of three');
is(alive('alice'), '0,1,1', 'L10: ends that one');
is(alive('bob'), '1,1,1', 'L10: and nobody else\'s');

is(logout(token(sub => sub_of('alice'), sid => sid($user{alice}[1])))
	->status(), 200, 'L10: sub and sid');
is(alive('alice'), '0,0,1', 'L10: ends that of the sid alone');

is(logout(token(sub => sub_of('alice'), sid => 'unknown'))->status(), 200,
	'L10: sub and an unknown sid');
is(alive('alice'), '0,0,1', 'L10: ends none');

is(logout(token(sub => sub_of('alice')))->status(), 200, 'L10: sub alone');
is(alive('alice'), '0,0,0', 'L10: ends all of that person');
is(alive('same'), '0,0', 'L10: in each block of the same client');
is(alive('bob'), '1,1,1', 'L10: and nobody else\'s');
is(alive('two'), '1', 'L10: nor those at another provider');
is(alive('other'), '1', 'L10: nor those of another client there');

is(logout(token(sid => sid($user{bob}[0])), 'two')->status(), 400,
	'L08: a token of another provider');
is(logout(token(sid => sid($user{bob}[0]), idp => 'two'), 'two')->status(),
	200, 'L10: a sid of another provider');
is(alive('bob'), '1,1,1', 'L10: ends nothing here');

# A sid is any text.
for my $sid ("a b/c+d=&?\"'\\%00", "\x{e9}\x{20ac}", 's' x 5000) {
	$idp->set(id_token => { claims => { sid => $sid } });
	my $user = user('one');
	is(logout(token(sid => $sid))->status(), 200, 'L10: a sid of any text');
	is($user->api('/one/x')->status(), 401, 'L10: is found');
}

$idp->set(id_token => { claims => { sid => undef } });
$b = user('one');
is(logout(token(sid => 'x'))->status(), 200, 'L10: a session without sid');
is($b->api('/one/x')->status(), 200, 'L10: is not ended by one');
is(logout(token(sub => sub_of('alice')))->status(), 200, 'L10: but by sub');
is($b->api('/one/x')->status(), 401, 'L10: is ended');
$idp->set(id_token => undef);

###############################################################################
# The cookie key changes: sessions of before are still found.

$b = user('one');
$t->conf(conf('oidc_cookie_key %%TESTDIR%%/new.key;'
	. 'oidc_cookie_key %%TESTDIR%%/old.key;'));
$t->reload();

is($b->api('/one/x')->status(), 200, 'S04: a new cookie key in front');
is(logout(token(sub => sub_of('alice')))->status(), 200, 'S13: sub');
is($b->api('/one/x')->status(), 401, 'S13: a session of before is found');

$b = user('one');
is(logout(token(sid => sid($b)))->status(), 200, 'S13: sid');
is($b->api('/one/x')->status(), 401, 'S13: and one of now');

###############################################################################
# V07: keys that changed, at most one fetch for many unknown ones.

$b = user('one');
$sid = sid($b);
$idp->rotate_keys();
$idp->forget();
is(logout(token(sid => $sid))->status(), 200, 'V07: the provider\'s new key');
is($b->api('/one/x')->status(), 401, 'V07: is known at once');
is(logout(token(sid => 'x', kid => "k$_"))->status(), 400,
	"V07: unknown key $_") for 1 .. 5;
is($idp->count('jwks'), 1, 'V07 DI-6: one fetch for all of them');

###############################################################################
# L11: not guarded, not for others, and nobody else may have the URI.

is(logout(token(sid => 'x'), 'one', 'Cookie' => 'one=' . 'A' x 43)->status(),
	200, 'L11: cookies mean nothing');
is($api->get('/one/bcl/x')->status(), 302,
	'L11: below it is an ordinary page');

for (
	[ 'two providers with one URI', 'backchannel_logout_uri /one/bcl;',
		qr/means different things/ ],
	[ 'the URI of the callback', 'backchannel_logout_uri /oidc_callback;',
		qr/uses "\/oidc_callback" twice/ ],
	[ 'a URL', 'backchannel_logout_uri https://x.test/bcl;',
		qr/invalid URI/ ],
	[ 'no URI', 'backchannel_logout_uri;', qr/invalid number/ ],
	[ 'twice', 'backchannel_logout_uri /a; backchannel_logout_uri /b;',
		qr/duplicate/ ],
) {
	my ($what, $directive, $error) = @$_;
	my ($status, $output) = $t->conf_test(conf() =~
		s/(?<=oidc_provider new \{)/$directive/r);

	isnt($status, 0, "O02: $what is refused");
	like($output, $error, "O02: $what: why");
}

###############################################################################

$t->done();

###############################################################################

sub conf {
	my ($keys) = @_;

	$t->write_file('old.key', 'o' x 64);
	$t->write_file('new.key', 'n' x 64);
	$keys //= 'oidc_cookie_key %%TESTDIR%%/old.key;';

	my ($providers, $locations) = ('', '');
	my %page = map { $_ => '' } qw/ one same other /;
	$page{two} = 'error_page 413 /two/too-large;';
	my %extra = (same => '', other => 'client_id another;
		client_secret other-secret;');

	for my $name (qw/ one two same other /) {
		my $idp = $name eq 'two' ? '_two' : '';
		my $who = "%%PROVIDER$idp%%";

		$who = "issuer %%IDP%%; $extra{$name}" if $name eq 'other';
		$providers .= <<"EOF";
    oidc_provider $name {
        $who
        cookie_name $name;
        redirect_uri /$name/callback;
        login_uri /$name/in;
        logout_uri /$name/logout;
        backchannel_logout_uri /$name/bcl;
    }
EOF
		$locations .= <<"EOF";
        location /$name/ {
            auth_oidc $name;
            proxy_set_header X-Sid \$oidc_sid;
            $page{$name}
            proxy_pass http://%%BACKEND%%;
        }
EOF
	}

	# The same client again, whose sessions lie in a store of their own.
	$providers .= <<"EOF";
    oidc_provider new {
        %%PROVIDER%%
        cookie_name new;
    }
    oidc_provider file {
        %%PROVIDER%%
        cookie_name file;
        redirect_uri /file/callback;
        backchannel_logout_uri /file/bcl;
    }
    oidc_provider small {
        %%PROVIDER%%
        cookie_name small;
        redirect_uri /small/callback;
        backchannel_logout_uri /small/bcl;
    }
EOF

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    large_client_header_buffers 4 32k;
    $keys
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
        location /new/ {
            auth_oidc new;
            proxy_pass http://%%BACKEND%%;
        }
        location /file/ {
            auth_oidc file;
            client_body_in_file_only clean;
            proxy_pass http://%%BACKEND%%;
        }
        location /small/ {
            auth_oidc small;
            client_body_buffer_size 16;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}


sub user {
	my ($name) = @_;

	my $b = $t->browser();
	$t->idp()->set(client => $name eq 'other' ? { id => 'another',
		secret => 'other-secret' } : undef);
	my $r = $b->login("/$name/x");
	$t->idp()->set(client => undef);

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


sub sid {
	my ($b) = @_;

	my ($name) = map { $_->{name} } $b->cookies();

	return (map { $_->[1] } grep { $_->[0] eq 'X-Sid' }
		@{ $b->get("/$name/x")->json()->{headers} })[0];
}


sub alive {
	my ($who) = @_;

	return join ',', map { my $b = $_;
		my ($name) = map { $_->{name} } $b->cookies();
		$b->api("/$name/x")->status() == 200 ? 1 : 0 }
		@{ $user{$who} };
}


sub sub_of {
	my ($name) = @_;

	return { alice => '248289761001', bob => '90342ad5-bob' }->{$name};
}


sub last_id_token { return $t->idp()->issued()->{id_tokens}[-1]; }


# A logout token: sid, sub; claims and header members are replaced, undef
# removes them; idp, alg, kid, key, sign, payload.
sub token {
	my (%o) = @_;

	my $idp = $t->idp($o{idp});
	my $alg = $o{alg} // 'RS256';
	my $now = time();
	my $key = $o{key} // '';

	my $claims = { iss => $idp->issuer(), aud => $idp->client_id(),
		iat => $now, exp => $now + 120, jti => random_hex(16),
		events => { $EVENT => {} },
		(map { defined $o{$_} ? ($_ => $o{$_}) : () } qw/ sid sub /) };

	my $signs = $key eq 'other' ? key('rsa', 99)
		: $key eq 'public' ? $idp->private_key('RS256')
			->export_key_pem('public_x509')
		: $key eq 'secret' ? $idp->client_secret()
		: $alg eq 'PS256' ? $idp->private_key('RS256')
		: $idp->private_key($alg);

	return jws(alg => $alg, key => $signs,
		kid => $o{kid} // $idp->kid($alg =~ /^ES/ ? $alg : 'RS256'),
		header => { typ => 'logout+jwt', %{ $o{header} || {} } },
		sign => $o{sign} // 'good',
		payload => $o{payload} // merge($claims, $o{claims}));
}


sub logout {
	my ($token, $name, @headers) = @_;

	$name //= 'one';

	return post("logout_token=$token", path => "/$name/bcl", 'Content-Type' =>
		'application/x-www-form-urlencoded', @headers);
}


sub post {
	my ($body, %headers) = @_;

	my $path = delete $headers{path} // '/one/bcl';

	return $t->browser()->request('POST', $path, mode => 'plain',
		body => $body, headers => \%headers);
}


sub chunked {
	my ($body, $size) = @_;

	return join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
		unpack('(a' . ($size || length $body) . ')*', $body), '';
}


# raw($body, %o): the answer, in text; te => 1: chunked; split => n: n bytes of
# the body, and the rest later.
sub raw {
	my $s = send_raw(@_);

	local $/;

	return scalar(<$s>) // '';
}


# what has come by now
sub some {
	my ($s) = @_;

	return '' if !IO::Select->new($s)->can_read(0);

	sysread $s, my $some, 4096;

	return $some // '';
}


sub send_raw {
	my ($body, %o) = @_;

	my $path = $o{path} // '/one/bcl';
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port(0),
		Timeout => 5) or die "connect: $!";

	$s->autoflush(1);
	print $s "POST $path HTTP/" . ($o{version} // '1.1') . "\r\nHost: x\r\n"
		. "Content-Type: application/x-www-form-urlencoded\r\n"
		. "Connection: close\r\n"
		. ($o{expect} ? "Expect: 100-continue\r\n" : '')
		. ($o{te} ? "Transfer-Encoding: chunked\r\n"
			: 'Content-Length: ' . length($body) . "\r\n") . "\r\n";

	my $at = $o{split} // length $body;
	print $s substr $body, 0, $at;

	if ($at < length $body) {
		select undef, undef, undef, 0.1;
		print $s substr $body, $at;
	}

	return $s;
}

###############################################################################
