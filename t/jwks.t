#!/usr/bin/perl

# /jwks: our public keys for providers to fetch.  The second opinion on every
# key is another library's.

###############################################################################

use warnings;
use strict;

use Test::More;

use Crypt::Digest qw/ digest_data /;
use Crypt::PK::ECC;
use Crypt::PK::RSA;
use JSON::XS;
use MIME::Base64 qw/ encode_base64 /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ b64u b64u_decode key /;

###############################################################################

my $t = Test::OIDC->new();

# A coordinate that begins with a zero byte must keep it.
my $zero;
do { $zero = Crypt::PK::ECC->new->generate_key('secp256r1') }
	until b64u_decode($zero->export_key_jwk('public', 1)->{x}) =~ /^\0/;

my %key = (rsa => key('rsa', 21), rsa3072 => key('rsa3072', 21),
	p256 => key('p256', 21), p384 => key('p384', 21),
	p521 => key('p521', 21), ed25519 => key('ed25519', 21),
	x25519 => key('x25519', 21), zero => $zero, old => key('rsa', 22),
	old_ec => key('p256', 22), sig => key('p384', 22),
	oaep => key('rsa', 23));

for (keys %key) {
	$t->write_file("$_.pem", pem($key{$_}));
	chmod 0600, $t->testdir() . "/$_.pem";
}

# What is published, in this order: file, parameters, members.
my @keys = (
	[ rsa => '', { kty => 'RSA', use => 'enc', alg => 'RSA-OAEP' } ],
	[ p521 => '', { kty => 'EC', crv => 'P-521', use => 'enc',
		alg => 'ECDH-ES' } ],
	[ old => 'retired', undef ],
	[ p256 => 'use=sig', { kty => 'EC', crv => 'P-256', use => 'sig',
		alg => 'ES256' } ],
	[ p384 => 'alg=ES384', { kty => 'EC', crv => 'P-384', use => 'sig',
		alg => 'ES384' } ],
	[ ed25519 => '', { kty => 'OKP', crv => 'Ed25519', use => 'sig',
		alg => 'EdDSA' } ],
	[ x25519 => 'kid=my-key/1', { kty => 'OKP', crv => 'X25519',
		use => 'enc', alg => 'ECDH-ES', kid => 'my-key/1' } ],
	[ zero => '', { kty => 'EC', crv => 'P-256', use => 'enc',
		alg => 'ECDH-ES' } ],
	[ rsa3072 => 'use=sig alg=PS256 kid="a b"', { kty => 'RSA',
		use => 'sig', alg => 'PS256', kid => 'a b' } ],
	[ old_ec => 'use=enc retired kid=gone', undef ],
	[ sig => 'use=sig', { kty => 'EC', crv => 'P-384', use => 'sig',
		alg => 'ES384' } ],
	[ oaep => 'use=enc alg=RSA-OAEP-256', { kty => 'RSA', use => 'enc',
		alg => 'RSA-OAEP-256' } ],
);

my $keys = join '', map { my ($file, $args) = @$_;
	$args =~ s/(kid=)"(.*)"/"$1$2"/;
	"    oidc_key %%TESTDIR%%/$file.pem $args;\n" } @keys;

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
$keys
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location = /jwks {
            oidc_jwks;
        }
        location = /.well-known/jwks.json {
            oidc_jwks max_age=1h;
        }
    }
}
EOF

my $b = $t->browser();

###############################################################################
# R01, JW-1: no provider, no session, nothing but this.

my $r = $b->get('/jwks');
is($r->status(), 200, 'R01 JW-1: GET, with no provider at all');
is($r->header('Content-Type'), 'application/jwk-set+json', 'JW-1: its type');
is($r->header('Cache-Control'), 'public, max-age=600', 'R04 JW-6: for 10m');
is($r->header('Set-Cookie'), undef, 'JW-7: no cookie');
is(length $r->body(), $r->header('Content-Length'), 'R01: its length');

my $etag = $r->header('ETag');
my $body = $r->body();
like($etag, qr/^"[0-9a-f]{32}"$/, 'JW-6: a strong ETag');

my $head = $b->head('/jwks');
is($head->status(), 200, 'R01 JW-1: HEAD');
is($head->header('Content-Length'), length $body, 'JW-1: with the length');
is($head->header('ETag'), $etag, 'JW-1: and the ETag');

is($b->get('/.well-known/jwks.json')->header('Cache-Control'),
	'public, max-age=3600', 'R04: max_age');
is($b->get('/.well-known/jwks.json')->body(), $body, 'R01: the same set');

for my $method (qw/ POST PUT DELETE PATCH OPTIONS PROPFIND X /) {
	my $r = $b->request($method, '/jwks', body => $method eq 'POST'
		? 'x' x 10000 : undef);

	is($r->status(), 405, "JW-1: $method");
	is($r->header('Allow'), 'GET, HEAD', "JW-1: $method: Allow");
	unlike($r->body(), qr/"keys"/, "JW-1: $method: no keys");
}

for ([ Accept => 'application/json' ], [ Accept => 'text/html' ],
	[ Accept => 'image/png' ], [ Range => 'bytes=0-9' ],
	[ 'Accept-Encoding' => 'gzip' ], [ Cookie => 'NGX_OIDC_SESSION=x' ],
	[ Authorization => 'Bearer x' ], [ 'Sec-Fetch-Site' => 'cross-site' ],
	[ Origin => 'https://other.test' ], [ 'If-None-Match' => '"x"' ],
	[ 'If-Modified-Since' => 'Thu, 01 Jan 2037 00:00:00 GMT' ],
	[ Expect => '' ])
{
	my ($name, $value) = @$_;
	my $r = $b->get('/jwks', mode => 'plain', headers =>
		{ $name => $value });

	is($r->status() . $r->body(), "200$body", "JW-1: with $name: $value");
}

for my $value ($etag, "W/$etag", "\"x\", $etag", '*') {
	my $r = $b->get('/jwks', headers => { 'If-None-Match' => $value });

	is($r->status(), 304, "JW-6: If-None-Match: $value");
	is($r->body(), '', "JW-6: $value: no body");
	is($r->header('Cache-Control'), 'public, max-age=600',
		"JW-6: $value: good for as long again");
}

is($b->get('/jwks?x=y')->body(), $body, 'R01: with arguments');
is(($b->raw_responses("GET /jwks HTTP/1.0\r\n\r\n"))[0]->body(), $body,
	'B05: HTTP/1.0 without Host');
is($b->get('/jwks/')->status(), 404, 'R01: and nowhere else');

###############################################################################
# R02, R03, JW-2 to JW-5, JW-9: the keys.

my $set = $r->json();
is(join(',', keys %$set), 'keys', 'R02: a set of keys');

my @published = grep { $_->[2] } @keys;
is(scalar @{ $set->{keys} }, scalar @published, 'R04: no retired key');

for my $i (0 .. $#published) {
	my ($name, undef, $expected) = @{ $published[$i] };
	my $jwk = $set->{keys}[$i];
	my $key = $key{$name};
	my $public = $key->export_key_jwk('public', 1);

	is($jwk->{$_}, $public->{$_}, "R02 R03 JW-3 JW-5: $name: $_")
		for sort keys %$public;
	is($jwk->{$_}, $expected->{$_}, "R02 JW-9: $name: $_")
		for sort keys %$expected;
	is($jwk->{kid}, $expected->{kid} // thumbprint($public),
		"R02 JW-4: $name: kid");
	is(join(',', sort keys %$jwk), join(',', sort 'use', 'alg', 'kid',
		keys %$public), "R02 JW-2: $name: public members, nothing else");

	# Another library can use it.
	my $again = ref($key)->new(\encode_json($jwk));
	ok(!$again->is_private(), "JW-2: $name: a public key");
}

# None of the private numbers is anywhere in the text.
for my $name (sort keys %key) {
	my $private = $key{$name}->export_key_jwk('private', 1);

	is(index($body, $private->{$_}), -1, "R02 JW-2: no $_ of $name")
		for grep { defined $private->{$_} } qw/ d p q dp dq qi /;
}

is(scalar(() = $body =~ /"(?:d|p|q|dp|dq|qi|oth|k|r|t)":/g), 0,
	'R02 JW-2: no private member of any key type');

my %kids = map { $_->{kid} => 1 } @{ $set->{keys} };
is(scalar keys %kids, scalar @published, 'JW-4: each its own kid');
ok(!$kids{gone}, 'R04: a retired kid is not shown');

###############################################################################
# The same beside providers, in a guarded server.

ok($t->reload(<<"EOF"), 'JW-5: reload with a provider');
%%GLOBALS%%
http {
    %%HTTP%%
$keys
    oidc_provider idp {
        %%PROVIDER%%
    }
    auth_oidc idp;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / { proxy_pass http://%%BACKEND%%; }
        location = /jwks { oidc_jwks max_age=0; }
        location = /guarded/jwks {
            auth_oidc idp;
            auth_oidc_mode require;
            unauth_action 401;
            oidc_jwks;
        }
        location = /any/jwks { satisfy any; deny all; oidc_jwks; }
        location = /denied/jwks { deny all; oidc_jwks; }
        location = /value/jwks { auth_oidc \$arg_provider; oidc_jwks; }
        location /outer/ {
            proxy_pass http://%%BACKEND%%;
            location = /outer/jwks { oidc_jwks; }
        }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        location / { oidc_jwks; }
    }
}
EOF

$r = $b->get('/jwks');
is($r->status(), 200, 'L11 R01: no session is asked for in a guarded server');
is($r->body(), $body, 'R01: the same keys');
is($r->header('ETag'), $etag, 'JW-6: and ETag, after a reload');
is($r->header('Cache-Control'), 'public, max-age=0', 'R04: max_age=0');
is($r->header('Set-Cookie'), undef, 'JW-7: no cookie');
is($b->api('/guarded/jwks')->status(), 200,
	'L11: auth_oidc beside oidc_jwks means nothing');
is($b->get('/value/jwks?provider=nobody')->status(), 200,
	'L11: whatever its value');
is($b->get('/denied/jwks')->status(), 403, 'L11: but a ban is a ban');
is($b->get('/any/jwks')->status(), 403,
	'L11: and no session is what "satisfy any" may count on');
is($b->get('/outer/jwks')->body(), $body, 'L11: within a guarded location');
is($b->get('/outer/x')->status(), 302, 'L11: which is guarded');
is($t->browser(port => 1)->get('/any/path')->body(), $body,
	'R01: any location');
is($b->login('/x')->status(), 200, 'R01: a login beside it');
is($b->get('/jwks')->body(), $body, 'R01: and with a session');

ok($t->reload(<<'EOF'), 'R04: another set');
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        oidc_key %%TESTDIR%%/p256.pem;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location = /jwks { oidc_jwks; }
    }
}
EOF

$r = $b->get('/jwks', headers => { 'If-None-Match' => $etag });
is($r->status(), 200, 'JW-6: the old ETag is not good any more');
is($r->json()->{keys}[0]{crv}, 'P-256', 'R03: oidc_key of a provider');

ok($t->reload(<<'EOF'), 'R01: no key at all');
%%GLOBALS%%
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location = /jwks { oidc_jwks; }
    }
}
EOF
is($b->get('/jwks')->body(), '{"keys":[]}', 'R01: is an empty set');

###############################################################################
# R05, JW-8: what cannot be used.

my $rsa = $key{rsa};
$t->write_file('weak.pem', key('rsa1024')->export_key_pem('private'));
$t->write_file('public.pem', $rsa->export_key_pem('public'));
$t->write_file('locked.pem', $rsa->export_key_pem('private', 'pass word'));
$t->write_file('k1.pem', Crypt::PK::ECC->new->generate_key('secp256k1')
	->export_key_pem('private_short'));
$t->write_file('empty.pem', '');
$t->write_file('cut.pem', substr $rsa->export_key_pem('private'), 0, 800);
$t->write_file('text.pem', "no key\n" x 10);
$t->write_file('large.pem', 'x' x 100000);
$t->write_file('cert.pem', $t->read_file(Test::OIDC::Keys::certificate('good')
	->{cert}));

for (
	[ 'missing.pem', qr/No such file/ ],
	[ '', qr/not a regular file/ ],
	[ 'empty.pem', qr/cannot use key/ ],
	[ 'text.pem', qr/cannot use key/ ],
	[ 'cut.pem', qr/cannot use key/ ],
	[ 'cert.pem', qr/cannot use key/ ],
	[ 'large.pem', qr/too large/ ],
	[ 'public.pem', qr/cannot use key.*public/ ],
	[ 'locked.pem', qr/cannot use key.*passphrase/ ],
	[ 'weak.pem', qr/cannot use key.*2048/ ],
	[ 'k1.pem', qr/cannot use key/ ],
	[ 'rsa.pem alg=ES256', qr/cannot use key/ ],
	[ 'rsa.pem alg=ECDH-ES', qr/cannot use key/ ],
	[ 'p256.pem alg=RS256', qr/cannot use key/ ],
	[ 'p256.pem alg=ES384', qr/cannot use key/ ],
	[ 'x25519.pem use=sig', qr/cannot use key/ ],
	[ 'ed25519.pem use=enc', qr/cannot use key/ ],
	[ 'rsa.pem use=sig alg=RSA-OAEP', qr/cannot use key/ ],
	[ 'rsa.pem use=enc alg=RS256', qr/cannot use key/ ],
	[ 'rsa.pem alg=none', qr/cannot use key/ ],
	[ 'rsa.pem alg=HS256', qr/cannot use key/ ],
	[ 'rsa.pem alg=RSA1_5', qr/cannot use key/ ],
	[ 'rsa.pem use=both', qr/cannot use key/ ],
	[ 'rsa.pem kid=', qr/invalid parameter/ ],
	[ 'rsa.pem what=ever', qr/invalid parameter/ ],
	[ 'rsa.pem; oidc_key %%TESTDIR%%/rsa.pem use=sig', qr/the kid of another/ ],
	[ 'rsa.pem kid=x; oidc_key %%TESTDIR%%/p256.pem kid=x',
		qr/the kid of another/ ],
) {
	my ($what, $re) = @$_;
	my ($status, $out) = $t->conf_test("%%GLOBALS%%\nhttp {\n%%HTTP%%\n"
		. "oidc_key %%TESTDIR%%/$what;\n}\n");

	is($status, 1, "R05 JW-8: oidc_key $what");
	like($out, qr/\[emerg\].*$re.*conf-test-\d+\.conf:\d+/,
		"R05: $what: the reason, file and line");
	like($out, qr/\.pem|not a regular|invalid parameter/,
		"R05: $what: names it");
	unlike($out, qr/PRIVATE KEY|Enter|pass word/,
		"R05: $what: shows and asks nothing");
}

for my $args ('max_age', 'max_age=x', 'max_age=-1', 'x', 'max_age=1 max_age=2')
{
	is(($t->conf_test("%%GLOBALS%%\nhttp {\n%%HTTP%%\nserver {\n"
		. "location / { oidc_jwks $args; }\n}\n}\n"))[0], 1,
		"O02: oidc_jwks $args");
}

###############################################################################

$t->done();

###############################################################################

# RFC 7638: the required members in lexical order, without spaces.
sub thumbprint {
	my ($jwk) = @_;

	return b64u(digest_data('SHA256', '{' . join(',', map
		{ "\"$_\":\"$jwk->{$_}\"" } grep { defined $jwk->{$_} }
		qw/ crv e kty n x y /) . '}'));
}


# As "openssl genpkey" and its like write them.
sub pem {
	my ($key) = @_;

	return $key->export_key_pem('private') if $key->isa('Crypt::PK::RSA');
	return $key->export_key_pem('private_short')
		if $key->isa('Crypt::PK::ECC');
	return "-----BEGIN PRIVATE KEY-----\n" . encode_base64(
		$key->export_key_der('private')) . "-----END PRIVATE KEY-----\n";
}

###############################################################################
