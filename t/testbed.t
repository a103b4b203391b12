#!/usr/bin/perl

# Tests of the test bed itself, with stock nginx and no module: what it says
# about the gateway is worth something only if it can see both sides of each
# assertion.

###############################################################################

use warnings;
use strict;

use Crypt::Digest qw/ digest_data /;
use Crypt::JWT qw/ decode_jwt /;
use JSON::XS;
use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ b64u b64u_decode /;

###############################################################################

my $t = Test::OIDC->new(module => 0, workers => 2)->plan(158);

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            proxy_set_header Host \$http_host;
            proxy_pass http://%%BACKEND%%;
        }
        location /start {
            return 302 "%%IDP%%/protocol/openid-connect/auth?response_type=code&scope=openid&client_id=gateway&state=s-\$request_id&redirect_uri=http%3A%2F%2F127.0.0.1%3A%%PORT_0%%%2Fback";
        }
        location /back {
            add_header Set-Cookie "session=\$request_id\$request_id; HttpOnly; Path=/";
            return 302 "/welcome?\$args";
        }
        location /chunked {
            gzip on;
            gzip_types *;
            gzip_min_length 1;
            proxy_pass http://%%BACKEND%%;
        }
        location /empty { return 204; }
        location /close { return 444; }
        location /proxied/ { proxy_pass %%IDP%%/; }
        location /log { return 200 "%%TESTDIR%%"; }
    }
    server {
        listen 127.0.0.1:%%PORT_1%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERT_KEY%%;
        location / {
            add_header Set-Cookie "__Host-a=1; Secure; Path=/";
            return 200 "\$ssl_server_name";
        }
    }
}
EOF

my $idp = $t->idp();
my $b = $t->browser();

###############################################################################
# The browser and the backend.

my $r = $b->get('/x%2Fy?z=1&z=2');
is($r->status(), 200, 'bed: proxied answer');
is($r->json()->{uri}, '/x%2Fy?z=1&z=2', 'bed: backend sees the raw URI');
is(header($r, 'Sec-Fetch-Mode'), 'navigate', 'bed: navigation header');
like(header($r, 'Accept'), qr/^text\/html/, 'bed: navigation accepts html');

$r = $b->api('/api', method => 'PUT', body => "\xff\0x");
is($r->json()->{method}, 'PUT', 'bed: method');
is($r->json()->{body_length}, 3, 'bed: length of a binary body');
is(header($r, 'Sec-Fetch-Dest'), 'empty', 'bed: fetch header');

$r = $b->get('/', headers => { Accept => undef, 'X-Two' => 'b' });
is(header($r, 'Accept'), undef, 'bed: a default header removed');
is(header($r, 'X-Two'), 'b', 'bed: a header added');

$r = $b->get('/', headers => [ [ 'X-A', 1 ], [ 'X-A', 2 ] ]);
is(join(',', map { $_->[1] } grep { $_->[0] eq 'X-A' }
	@{ $r->json()->{headers} }), '1,2', 'bed: repeated headers in order');

$r = $b->post('/form', { 'a b' => 'c&d' });
is($t->backend()->last('echo')->{form}{'a b'}, 'c&d', 'bed: form post');
is($t->backend()->count('echo'), 5, 'bed: backend counts its requests');

is($b->get('/empty')->status(), 204, 'bed: answer without a body');
is($b->head('/')->body(), '', 'bed: HEAD has no body');
is($b->get('/close')->status(), 0, 'bed: a closed connection is status 0');

$r = $b->get('/chunked', headers => { 'Accept-Encoding' => 'gzip' });
is($r->header('Transfer-Encoding'), 'chunked', 'bed: chunked answer');
like($r->body(), qr/^\x1f\x8b/, 'bed: chunked body whole');

like($b->raw("GET /empty HTTP/1.0\r\n\r\n"), qr/^HTTP\/1.1 204/,
	'bed: bytes written by hand');
my @pipelined = $b->raw_responses("GET /log HTTP/1.1\r\nHost: a\r\n\r\n" x 2
	. "GET /log HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
is(scalar @pipelined, 3, 'bed: pipelined answers');

my $s = $t->browser(scheme => 'https', host => 'a.example.test', port => 1);
is($s->get('/')->body(), 'a.example.test', 'bed: TLS with a server name');
ok($s->cookie('__Host-a'), 'bed: __Host- cookie over TLS');

is(scalar(grep { $_->status() == 200 } $b->parallel_get('/many', n => 300,
	concurrency => 50)), 300, 'bed: parallel gets');

###############################################################################
# Cookie jar.

my $jar = Test::OIDC::Jar->new(trustworthy => 0);

sub sent {
	my ($url, %o) = @_;

	return $jar->header($b->url($url), navigation => 1, %o);
}

sub take { $jar->take($b->url($_[0]), @_[1 .. $#_]); }

take('http://h.test/d/p', 'a=1');
is(sent('http://h.test/d/q'), 'a=1', 'jar: default path');
is(sent('http://h.test/dd'), undef, 'jar: path ends at a slash');
is(sent('http://x.h.test/d/'), undef, 'jar: host only');

take('http://h.test/', 'b=2; Path=/d/p', 'c=3; Domain=h.test; Path=/');
is(sent('http://h.test/d/p/'), 'b=2; a=1; c=3', 'jar: longest path first');
is(sent('http://x.h.test/'), 'c=3', 'jar: domain');

take('http://h.test/', 'c=; Domain=h.test; Path=/; Max-Age=0',
	'b=; Path=/d/p; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
is(sent('http://h.test/d/p'), 'a=1', 'jar: Max-Age and Expires delete');

take('https://h.test/', 's=1; Secure', 'l=1; SameSite=Strict');
is(sent('http://h.test/'), 'l=1', 'jar: Secure stays on https');
is(sent('https://h.test/'), 's=1; l=1', 'jar: Secure is sent on https');
is(sent('https://h.test/', cross_site => 1), 's=1',
	'jar: Strict stays at home');
is(sent('https://h.test/', cross_site => 1, method => 'POST'), undef,
	'jar: Lax is not sent with a cross-site POST');

take('https://h.test/', $_) for '__Host-a=1; Secure; Path=/; Domain=h.test',
	'__Host-b=1; Path=/', '__Host-c=1; Secure; Path=/d', '__Secure-d=1',
	'e=1; Domain=other.test', 'f=1; SameSite=None', 'g=' . 'x' x 4100;
take('http://h.test/', 'h=1; Secure', 's=2');
is(scalar $jar->refused(), 9, 'jar: bad cookies refused and remembered');
is(sent('https://h.test/'), 's=1; l=1', 'jar: and not stored');

$jar->{trustworthy} = 1;
take('http://127.0.0.1/', 'k=1; Secure');
is(sent('http://127.0.0.1:81/'), 'k=1', 'jar: a trustworthy local host');

###############################################################################
# A code flow by hand, as RFC 6749, 7636 and OpenID Connect Core say.

my $doc = $b->get($idp->issuer() . '/.well-known/openid-configuration')->json();
is($doc->{issuer}, $idp->issuer(), 'idp: issuer');
is($doc->{token_endpoint}, $idp->endpoint_url('token'), 'idp: endpoint');

my $verifier = 'v' x 50;
my $back = $t->url('/back');
my $code = authorize(nonce => 'n-1', code_challenge_method => 'S256',
	code_challenge => b64u(digest_data('SHA256', $verifier)));

$r = token(code => $code, code_verifier => $verifier);
is($r->status(), 200, 'idp: token answer');
is($idp->last('token')->{auth}, 'client_secret_basic', 'idp: knows how');

my $answer = $r->json();
my $claims = claims($answer->{id_token});
is($claims->{nonce}, 'n-1', 'idp: nonce');
is($claims->{aud}, 'gateway', 'idp: audience');
is($claims->{at_hash}, b64u(substr digest_data('SHA256',
	$answer->{access_token}), 0, 16), 'idp: at_hash');

$r = userinfo($answer->{access_token});
is($r->json()->{sub}, $claims->{sub}, 'idp: userinfo');
is(userinfo('wrong')->status(), 401, 'idp: userinfo with a wrong token');

is(token(code => $code, code_verifier => $verifier)->json()->{error},
	'invalid_grant', 'idp: a code works once');
is(token(code => authorize())->status(), 200, 'idp: without PKCE');
is(token(code => authorize(), code_verifier => $verifier)->status(), 400,
	'idp: a verifier without a challenge');
is(token(code => authorize(code_challenge => 'x',
	code_challenge_method => 'S256'), code_verifier => $verifier)->status(),
	400, 'idp: a wrong verifier');
is(token(code => authorize(), redirect_uri => "$back/")->status(), 400,
	'idp: another redirect_uri');
is(token(code => authorize(), secret => 'wrong')->status(), 401,
	'idp: a wrong secret');
is(token(code => authorize(), client_id => 'gateway',
	client_secret => $idp->client_secret(), secret => undef)->status(), 200,
	'idp: client_secret_post');

$idp->set(client => { auth => [ 'none' ] });
is(token(code => authorize(), client_id => 'gateway', secret => undef)
	->status(), 200, 'idp: public client');

$idp->set(client => { secret => 'p%:+ w' });
is(token(code => authorize(), secret => 'p%25%3A%2B+w')->status(), 200,
	'idp: Basic parts are form-decoded');
is(token(code => authorize(), secret => 'p%:+ w')->status(), 401,
	'idp: and must be form-encoded');
$idp->set(client => undef);

like($b->get($idp->endpoint_url('end_session') . '?client_id=gateway&state=q'
	. '&post_logout_redirect_uri=' . Test::OIDC::Browser::escape($back))
	->location(), qr/\/back\?state=q$/, 'idp: end of session');

my $refreshed = post($idp->endpoint_url('token'), {
	grant_type => 'refresh_token',
	refresh_token => $answer->{refresh_token} })->json();
is(claims($refreshed->{id_token})->{sub}, $claims->{sub}, 'idp: refresh');

###############################################################################
# What the answers say, bent.

for my $alg (sort grep { !/^HS/ } keys %Test::OIDC::Keys::ALG) {
	$idp->set(id_token => { alg => $alg });
	is(header_of(id_token())->{alg}, $alg, "idp: ID token by $alg");
}

$idp->set(id_token => { alg => 'HS256' });
ok(decode_jwt(token => id_token(), key => $idp->client_secret()),
	'idp: HS256 by the client secret');

$idp->set(id_token => { claims => { sub => undef, aud => [ 'a', 'b' ],
	exp => { '$raw' => '1e300' }, extra => { '$raw' => '1,"extra":2' } } });
$claims = payload_of(id_token());
like($claims, qr/"exp":1e300\b/, 'idp: raw JSON in a claim');
like($claims, qr/"extra":1,"extra":2/, 'idp: duplicate members');
unlike($claims, qr/"sub":/, 'idp: claim removed');
like($claims, qr/"aud":\["a","b"\]/, 'idp: claim replaced');

$idp->set(id_token => { header => { typ => undef, crit => [ 'x' ], x => 1 },
	kid => 'other', payload => '[]' });
my $header = header_of(id_token());
is(join(' ', map { $_ . '=' . (ref $header->{$_} ? 'list' : $header->{$_}) }
	sort keys %$header), 'alg=RS256 crit=list kid=other x=1',
	'idp: header members');
is(payload_of(id_token()), '[]', 'idp: raw payload');

for my $how ({ sign => 'flip' }, { sign => 'empty' }, { sign => 'cut' },
	{ key => 'other' }, { sign => 'long' },
	{ alg => 'HS256', key => 'public_pem' }, { sign_alg => 'RS512' })
{
	$idp->set(id_token => $how);
	ok(!claims(id_token()), 'idp: bad signature '
		. join ' ', map { "$_ $how->{$_}" } sort keys %$how);
}

$idp->set(id_token => { sign => 'none' });
is(header_of(id_token())->{alg}, 'none', 'idp: alg none');
$idp->set(id_token => { raw => 'x' });
is(id_token(), 'x', 'idp: any text as the token');

$idp->reset()->set(token => { expires_in => '300', refresh_token => undef,
	foo => [ 1 ] });
$answer = token(code => authorize())->json();
is($answer->{foo}[0], 1, 'idp: member added to the token answer');
is($answer->{refresh_token}, undef, 'idp: member removed from it');
$idp->set(token => { id_token => undef });
is(token(code => authorize())->json()->{id_token}, undef, 'idp: no ID token');
$idp->set(token => undef);

$idp->set(userinfo => { claims => { sub => 'other' } }, user => 'chloe');
$r = userinfo(token(code => authorize())->json()->{access_token});
is($r->json()->{sub}, 'other', 'idp: userinfo claims');
is($r->json()->{given_name}, "Chlo\x{e9}", 'idp: another user');

$idp->set(userinfo => { jwt => 1, alg => 'ES256' });
$r = userinfo(token(code => authorize())->json()->{access_token});
is($r->header('Content-Type'), 'application/jwt', 'idp: userinfo as a JWT');
is(claims($r->body())->{aud}, 'gateway', 'idp: signed');

$idp->set(metadata => { issuer => 'http://other', pkce => 1 }, iss => 1,
	authorize => { state => [ 'a', 'b' ], extra => 'x' });
$doc = $b->get($idp->endpoint_url('discovery'))->json();
is($doc->{issuer}, 'http://other', 'idp: metadata');
ok($doc->{authorization_response_iss_parameter_supported}, 'idp: iss said');
my $args = redirect()->args();
is($args->{iss}, $idp->issuer(), 'idp: iss sent');
is(join(',', @{ $args->{state} }), 'a,b', 'idp: repeated parameter');
$idp->set(authorize => { error => 'access_denied' });
is(redirect()->args()->{code}, undef, 'idp: error instead of a code');

$idp->reset();
is(scalar @{ jwks() }, 3, 'idp: keys');
my $kid = $idp->kid('RS256');
$idp->rotate_keys();
isnt($idp->kid('RS256'), $kid, 'idp: rotated');
ok(claims(id_token()), 'idp: signs with the new key');
$idp->rotate_keys(keep => 1);
is(scalar @{ jwks() }, 6, 'idp: keeps old keys on request');
$idp->set(jwk => { kid => undef, alg => undef }, jwks_algs => [ 'ES384' ]);
is(scalar(grep { !defined $_->{kid} } @{ jwks() }), 1, 'idp: keys bent');

###############################################################################
# How the answers are sent, bent.

my $jwks = $idp->endpoint_url('jwks');
$idp->reset();

is(bent(status => 503)->status(), 503, 'bend: status');
is(bent(body => 'x', json => undef)->body(), 'x', 'bend: body');
is(bent(content_type => undef)->header('Content-Type'), undef,
	'bend: no content type');
is(bent(headers => { Age => 5 })->header('Age'), 5, 'bend: header');
is(bent(redirect => '/x')->status(), 302, 'bend: redirect');
is(bent(gzip => 1)->header('Content-Encoding'), 'gzip', 'bend: gzip');
is(length bent(pad => 100000)->body(), 100000, 'bend: size');
is(bent(chunked => 1, chunk_size => 7)->json()->{keys}[0]{use}, 'sig',
	'bend: chunked');
is(bent(no_length => 1)->json()->{keys}[0]{use}, 'sig', 'bend: until close');
is(bent(interim => [ 103, 100 ])->status(), 200, 'bend: interim answers');
is(bent(raw => "rubbish\r\n\r\n")->status(), 0, 'bend: raw bytes');
like(bent(truncate => 10)->error(), qr/^cut/, 'bend: truncated body');
like(bent(cut => 20)->error(), qr/^cut/, 'bend: cut answer');
is(bent(cut => 0)->error(), 'closed', 'bend: cut before the first byte');
is(bent(reset => 1)->status(), 0, 'bend: reset');
like(bent(length => 1e6, close => 1)->error(), qr/^cut/, 'bend: wrong length');

my $start = time();
is(bent(delay => 200)->status(), 200, 'bend: delay');
cmp_ok(time() - $start, '>=', 0.19, 'bend: which takes its time');
$start = time();
bent(body_delay => 50, chunked => 1, chunk_size => 500, chunk_delay => 50);
cmp_ok(time() - $start, '>=', 0.14, 'bend: delay between chunks');

my $hasty = $t->browser(timeout => 0.3);
$idp->once(jwks => { hang => 1 })->once(jwks => { endless => 1 });
is($hasty->get($jwks)->error(), 'timeout', 'bend: no answer');
is($hasty->get($jwks)->error(), 'timeout', 'bend: an answer without end');

$idp->answer(jwks => { status => 500 });
is(join(',', map { $b->get($jwks)->status() } 1 .. 3), '500,500,500',
	'bend: until further notice');
$idp->answer(jwks => undef)->once(jwks => { status => 500 }, 2);
is(join(',', map { $b->get($jwks)->status() } 1 .. 3), '500,500,200',
	'bend: for two answers');

$idp->once(token => { set => { id_token => { raw => 'y' } } });
is(id_token(), 'y', 'bend: contents for one answer');
isnt(id_token(), 'y', 'bend: and for no other');

$idp->down();
is($b->get($jwks)->status(), 0, 'bend: provider down');
is($b->get('/proxied/x')->status(), 502, 'bend: nginx sees that too');
$idp->up()->blackhole();
is($hasty->get($jwks)->error(), 'timeout', 'bend: black hole');
$idp->blackhole(0);
is($b->get($jwks)->status(), 200, 'bend: up again');

$idp->forget();
is($idp->wait_count(jwks => 1, 0.1), 0, 'bed: wait for a request in vain');
$b->get("$jwks?a=b", headers => { 'X-A' => 'b' });
is($idp->wait_count(jwks => 1), 1, 'bed: wait for a request');
is($idp->last('jwks')->{h}{'x-a'}, 'b', 'bed: recorded header');
is(($idp->requests('jwks'))[0]{args}{a}, 'b', 'bed: recorded argument');

my $tls = $t->idp('tls', tls => 1);
like($tls->issuer(), qr/^https:/, 'idp: TLS issuer');
is($b->get($tls->endpoint_url('jwks'))->status(), 200, 'idp: TLS');

for my $name (qw/ good expired future wronghost selfsigned otherca /) {
	my $bad = $t->idp($name, tls => $name);
	my $careful = $t->browser(tls => { SSL_verify_mode => 1,
		SSL_ca_file => $t->expand('%%CA%%'),
		SSL_verifycn_scheme => 'http', SSL_verifycn_name => 'localhost' });

	is($careful->get($bad->endpoint_url('jwks'))->status(),
		$name eq 'good' ? 200 : 0, "idp: TLS with a certificate: $name");
}

###############################################################################
# Logins at once.

$idp->forget();
my @logins = $b->parallel_logins(n => 200, concurrency => 100,
	path => '/start');
is(scalar(grep { $_->{ok} } @logins), 200, 'bed: parallel logins');
is($idp->count('authorize'), 200, 'bed: each at the provider');
ok($logins[0]{browser}->cookie('session'), 'bed: each with its cookies');

###############################################################################
# nginx.

my @old = $t->workers();
is(scalar @old, 2, 'nginx: workers');
ok($t->reload(), 'nginx: reload');
is(scalar(grep { my $pid = $_; grep { $pid == $_ } @old } $t->workers()), 0,
	'nginx: all workers are new');

my $killed = $t->kill_worker();
is(scalar(grep { $_ == $killed } $t->workers()), 0, 'nginx: worker killed');
ok($t->wait_log(qr/$killed exited on signal 9/), 'nginx: log awaited');
cmp_ok($t->rss(($t->workers())[0]), '>', 1e5, 'nginx: memory of a worker');

my ($status, $out) = $t->conf_test("%%GLOBALS%%\nhttp {\n bad on;\n}\n");
is($status, 1, 'nginx: bad configuration');
like($out, qr/\[emerg\].*unknown directive "bad".*:\d+/, 'nginx: its reason');
is(($t->conf_test("%%GLOBALS%%\nhttp { %%HTTP%% }\n"))[0], 0,
	'nginx: good configuration');

###############################################################################
# What the bed asserts by itself can fail.

append("2026/01/01 00:00:00 [alert] 1#1: provoked\n");
is(scalar($t->alerts()), 1, 'bed: sees an alert');
$t->allow_log(qr/provoked/);
is(scalar($t->alerts()), 0, 'bed: but allows what the test declares');

my $secret = $idp->issued()->{id_tokens}[-1] || $idp->client_secret();
append("2026/01/01 00:00:00 [info] 1#1: *1 oidc: $secret\n"
	. "2026/01/01 00:00:00 [debug] 1#1: *1 oidc store: $secret\n"
	. "2026/01/01 00:00:00 [debug] 1#1: *1 http header: $secret\n"
	. "2026/01/01 00:00:00 [info] 1#1: " . $logins[0]{browser}
		->cookie('session')->{value} . "\n");
is(scalar($t->leaked_secrets()), 3, 'bed: sees secrets in the log');
$t->allow_secret(qr/#1: /);
is(scalar($t->leaked_secrets()), 0, 'bed: but allows what the test declares');

$t->write_file('asan.1', "==1==ERROR: AddressSanitizer: provoked\n");
is(scalar($t->sanitizer_errors()), 1, 'bed: sees a sanitizer report');
unlink $t->testdir() . '/asan.1';

is($t->stop(), 0, 'nginx: ends well');

###############################################################################

sub header {
	my ($r, $name) = @_;

	return (map { $_->[1] } grep { lc $_->[0] eq lc $name }
		@{ $r->json()->{headers} })[0];
}


sub redirect {
	my (%args) = @_;

	%args = (response_type => 'code', client_id => 'gateway',
		scope => 'openid', state => 's', redirect_uri => $back, %args);

	return $b->get($idp->endpoint_url('authorize') . '?' . join '&',
		map { "$_=" . Test::OIDC::Browser::escape($args{$_}) }
		keys %args);
}


sub authorize { return redirect(@_)->args()->{code}; }


sub token {
	my (%form) = @_;

	my $secret = exists $form{secret} ? delete $form{secret}
		: $idp->client_secret();

	return post($idp->endpoint_url('token'), {
		grant_type => 'authorization_code', redirect_uri => $back,
		%form }, $secret);
}


sub post {
	my ($url, $form, $secret) = @_;

	$secret = $idp->client_secret() if @_ < 3;

	return $b->post($url, $form, mode => 'plain', headers => defined $secret
		? { Authorization => 'Basic ' . MIME::Base64::encode_base64(
			"gateway:$secret", '') } : {});
}


sub userinfo {
	return $b->get($idp->endpoint_url('userinfo'),
		headers => { Authorization => "Bearer $_[0]" });
}


sub id_token { return token(code => authorize())->json()->{id_token}; }
sub jwks { return $b->get($idp->endpoint_url('jwks'))->json()->{keys}; }


# The claims, if the second opinion accepts the token by the published keys.
sub claims {
	my ($token) = @_;

	return eval { decode_jwt(token => $token, kid_keys =>
		{ keys => jwks() }) };
}


sub header_of { return decode_json(b64u_decode((split /\./, $_[0])[0])); }
sub payload_of { return b64u_decode((split /\./, $_[0])[1]); }


sub bent {
	my (%bending) = @_;

	$idp->once(jwks => \%bending);

	return $b->get($idp->endpoint_url('jwks'));
}


sub append {
	open my $fh, '>>', $t->testdir() . '/error.log' or die $!;
	print $fh @_;
	close $fh;
}

###############################################################################
