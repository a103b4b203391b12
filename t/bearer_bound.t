#!/usr/bin/perl

# Tokens that only their owner can use: DPoP proofs (RFC 9449) and certificates
# (RFC 8705).

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ key jwk jws b64u random_hex /;

use Crypt::Digest qw/ digest_data /;
use IO::Socket::SSL ();
use IO::Socket::SSL::Utils;
use MIME::Base64 qw/ decode_base64 /;

###############################################################################

my $t = Test::OIDC->new(workers => 2);

$t->conf(<<'EOF_CONF')->run();
%%GLOBALS%%
http {
	%%HTTP%%
	oidc_provider idp {
		%%PROVIDER%%
		introspection_cache 60s;
	}
	auth_oidc idp;
	auth_oidc_bearer introspection only;
	proxy_set_header X-User $oidc_claim_sub;
	server {
		listen 127.0.0.1:%%PORT_0%%;
		location / { proxy_pass http://%%BACKEND%%; }
		location /dpop/ {
			auth_oidc_bearer introspection only bound=dpop;
			proxy_pass http://%%BACKEND%%;
		}
		location /mtls/ {
			auth_oidc_bearer introspection only bound=mtls;
			proxy_pass http://%%BACKEND%%;
		}
		location /any/ {
			auth_oidc_bearer introspection only bound=any;
			proxy_pass http://%%BACKEND%%;
		}
		location /public/ {
			oidc_base_url https://api.example.com;
			proxy_pass http://%%BACKEND%%;
		}
		location /moved/ { try_files /nothing /any/; }
	}
	server {
		listen 127.0.0.1:%%PORT_1%% ssl;
		ssl_certificate %%CERT%%;
		ssl_certificate_key %%CERT_KEY%%;
		ssl_verify_client optional_no_ca;
		location / { proxy_pass http://%%BACKEND%%; }
		location /mtls/ {
			auth_oidc_bearer introspection only bound=mtls;
			proxy_pass http://%%BACKEND%%;
		}
	}
}
EOF_CONF

my $idp = $t->idp();
my $key = key('p256', 11);
my $jkt = $key->export_key_jwk_thumbprint('SHA256');
my ($mine, $other) = map { client_certificate($_) } qw/ mine other /;
my $base = $t->url("");

$base =~ s{/$}{};

$idp->set(tokens => { free => {}, key => { cnf => { jkt => $jkt } },
	cert => { cnf => { 'x5t#S256' => x5t($mine) } },
	both => { cnf => { jkt => $jkt, 'x5t#S256' => x5t($mine) } },
	odd => { cnf => { jwe => 'x' } }, empty => { cnf => {} } });

###############################################################################
# DPoP.

is(dpop('/', 'key')->status(), 200, 'BE-13 IN-19: a proof');
is(dpop('/?a=b', 'key')->status(), 200, 'BE-13: htu has no query');
is(bearer('/', 'key')->status(), 401, 'BE-11: a bound token as Bearer');
is(bearer('/', 'free')->status(), 200, 'IN-19: one that is not bound');
is(dpop('/', 'free')->status(), 401, 'BE-13: which is no DPoP token');
is(bearer('/', $_)->status(), 401, "IN-19: cnf that is $_") for qw/ odd empty /;

for ([ 'no proof', proof => undef ], [ 'an empty one', proof => '' ],
	[ 'no JWS', proof => 'x.y.z' ], [ 'htm', htm => 'POST' ],
	[ 'htu', htu => "$base/other" ],
	[ 'htu of another host', htu => 'https://other.example.com/' ],
	[ 'no htm', htm => undef ], [ 'no htu', htu => undef ],
	[ 'ath', ath => b64u('x' x 32) ], [ 'no ath', ath => undef ],
	[ 'iat past', iat => int(time) - 400 ],
	[ 'iat to come', iat => int(time) + 400 ], [ 'no iat', iat => undef ],
	[ 'no jti', jti => undef ], [ 'an empty jti', jti => '' ],
	[ 'typ', header => { typ => 'JWT' } ],
	[ 'no typ', header => { typ => undef } ],
	[ 'no jwk', header => { jwk => undef } ],
	[ 'a private jwk', header => { jwk => { %{ jwk($key) }, d => 'AA' } } ],
	[ 'another jwk', header => { jwk => jwk(key('p256', 12)) } ],
	[ 'a bent signature', sign => 'flip' ], [ 'none', sign => 'none' ])
{
	my ($name, %how) = @$_;
	my $r = dpop('/', 'key', %how);

	is($r->status(), 401, "BE-13: $name");
	like($r->header('WWW-Authenticate'),
		qr/^DPoP .*error="invalid_dpop_proof".*algs="[^"]*ES256/,
		'BE-13: ... and what is said');
}

is(dpop('/', 'key', key => key('p256', 12))->status(), 401,
	'BE-13: the proof of another key');

my $proof = proof(htu => "$base/", token => 'key', key => key('p256', 12));

for (1 .. 2) {
	my $mark = $t->log_mark();

	dpop('/', 'key', proof => $proof);
	like($t->wait_log(qr/token refused/, 5, $mark), qr/bearer_binding/,
		'BE-13: the proof of another key leaves no mark');
}

$proof = proof(htu => "$base/", token => 'key');
is(dpop('/', 'key', proof => $proof)->status(), 200, 'BE-13: a proof');
is(dpop('/', 'key', proof => $proof)->status(), 401, 'BE-13: is good once');
like($t->wait_log(qr/dpop_replay/) // '', qr/dpop_replay/,
	'O04: the log says so');

is($t->browser()->raw("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	. "Authorization: DPoP key\r\nDPoP: " . proof() . "\r\nDPoP: " . proof()
	. "\r\nConnection: close\r\n\r\n") =~ / 401 / ? 1 : 0, 1,
	'BE-13: two proofs are none');

is(dpop('/public/x', 'key', htu => 'https://api.example.com/public/x')
	->status(), 200, 'BE-13: our address is oidc_base_url');
is(dpop('/public/x', 'key')->status(), 401, 'BE-13: and no other');
is(dpop('/moved/', 'key')->status(), 200,
	'BE-13: a proof outlives an internal redirect');

my $r = bearer('/dpop/', 'free');
is($r->status(), 401, 'BE-13: DPoP is required');
like($r->header('WWW-Authenticate'), qr/^DPoP /, 'BE-13: and said');
is(dpop('/dpop/', 'key')->status(), 200, 'BE-13: and taken');
is(dpop('/any/', 'key')->status(), 200, 'BE-13: bound=any');
is(bearer('/any/', 'free')->status(), 401, 'BE-13: but not unbound');
is(dpop('/mtls/', 'key')->status(), 401, 'BE-12: a certificate is required');

###############################################################################
# Certificates.

is(mtls('/', 'cert', $mine), 200, 'BE-12 IN-19: the right certificate');
is(mtls('/', 'cert', $other), 401, 'BE-12: another');
is(mtls('/', 'cert'), 401, 'BE-12: none');
is(bearer('/', 'cert')->status(), 401, 'BE-12: no TLS');
is(mtls('/', 'free', $mine), 200, 'BE-12: a free token');
is(mtls('/mtls/', 'free', $mine), 401, 'BE-12: not where it must be bound');
is(mtls('/mtls/', 'cert', $mine), 200, 'BE-12: one that is');
is(mtls('/', 'both', $mine), 401, 'IN-19: bound to both: one is not enough');

###############################################################################

$t->done();

###############################################################################

sub bearer {
	my ($path, $token) = @_;

	return $t->browser()->api($path, headers => {
		Authorization => "Bearer $token" });
}


sub dpop {
	my ($path, $token, %how) = @_;

	my $proof = exists $how{proof} ? $how{proof}
		: proof(htu => $base . ($path =~ s/\?.*//r), token => $token,
			%how);

	return $t->browser()->api($path, headers => {
		Authorization => "DPoP $token",
		defined $proof ? (DPoP => $proof) : () });
}


sub proof {
	my (%o) = @_;

	my $k = $o{key} || $key;
	my %claims = (htm => 'GET', htu => "$base/", iat => int(time),
		jti => random_hex(16), ath => b64u(digest_data('SHA256',
			$o{token} // 'key')),
		map { $_ => $o{$_} } grep { exists $o{$_} }
			qw/ htm htu iat jti ath /);

	delete $claims{$_} for grep { !defined $claims{$_} } keys %claims;

	return jws(alg => 'ES256', key => $k, payload => \%claims,
		sign => $o{sign} // 'good', header => { typ => 'dpop+jwt',
			jwk => jwk($k), %{ $o{header} || {} } });
}


sub client_certificate {
	my ($name) = @_;

	my ($cert, $key) = CERT_create(purpose => 'client',
		subject => { commonName => $name });

	return { cert => $t->write_file("$name.crt", PEM_cert2string($cert)),
		key => $t->write_file("$name.key", PEM_key2string($key)) };
}


sub x5t {
	my ($cert) = @_;

	open my $fh, '<', $cert->{cert} or die $!;
	local $/;
	my ($pem) = <$fh> =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;

	return b64u(digest_data('SHA256', decode_base64($pem)));
}


sub mtls {
	my ($path, $token, $cert) = @_;

	my $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1:' . $t->port(1),
		SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
		$cert ? (SSL_cert_file => $cert->{cert},
			SSL_key_file => $cert->{key}) : ()) or die $!;

	print $s "GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		. "Authorization: Bearer $token\r\nConnection: close\r\n\r\n";

	return (<$s> =~ / (\d+) /)[0];
}

###############################################################################
