#!/usr/bin/perl

# The back channel: calls to the provider that are slow, cut, endless, too big
# or not HTTP fail cleanly and keep nobody else waiting; nothing of the browser's
# request gets into them, and nothing that is set in http{} works on them.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ sleep time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Login qw/ outcome reason session_of /;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp();

$t->idp('tls', tls => 1);
$t->idp($_, tls => $_) for qw/ wronghost expired selfsigned /;

my %provider = (
	idp => '%%PROVIDER%% userinfo on;',
	fast => '%%PROVIDER%% timeout 700ms;',
	fastinfo => '%%PROVIDER%% timeout 700ms; userinfo on;',
	read => '%%PROVIDER%% proxy_read_timeout 300ms;',
	small => '%%PROVIDER%% subrequest_output_buffer_size 2k;',
	large => '%%PROVIDER%% subrequest_output_buffer_size 256k;',
	named => '%%PROVIDER%% allow_http on; userinfo on; '
		. 'token_endpoint http://idp.example.test'
		. '/protocol/openid-connect/token; '
		. 'userinfo_endpoint http://idp.example.test'
		. '/protocol/openid-connect/userinfo;',
	nohost => '%%PROVIDER%% allow_http on; timeout 1s; token_endpoint '
		. 'http://no-such-host.invalid/token;',
	refused => '%%PROVIDER%% token_endpoint http://127.0.0.1:1/token;',
	(map { $_ => '%%PROVIDER%% ssl_trusted_certificate %%CA%%; '
		. 'token_endpoint ' . $t->idp($_)->endpoint_url('token')
		=~ s/127.0.0.1/localhost/r . ';' }
		qw/ tls wronghost expired selfsigned /),
);

my $providers = join '', map { <<"EOF" } sort keys %provider;
    oidc_provider $_ {
        $provider{$_}
        redirect_uri /$_/back;
        cookie_name $_;
    }
EOF

my $locations = join '', map { <<"EOF" } sort keys %provider;
        location /$_ {
            auth_oidc $_;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
EOF

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
$providers
    upstream idp.example.test {
        server 127.0.0.1:@{[ $idp->port() ]};
        keepalive 4;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
        location /static { return 200 "static"; }
    }
}
EOF

my $canary = $idp->issuer() . '/canary';
my $too_big = 'B06: the log names the directive';

###############################################################################
# Answers that come in an odd way, or not.

for ([ ok => 'chunked', chunked => 1 ],
	[ ok => 'in small chunks', chunked => 1, chunk_size => 7 ],
	[ ok => 'in pieces', chunk_size => 100, chunk_delay => 1 ],
	[ ok => 'until the connection ends', no_length => 1 ],
	[ ok => 'late', delay => 300 ],
	[ ok => 'body late', body_delay => 300 ],
	[ ok => '8 kB', pad => 8192 ], [ ok => '40 kB', pad => 40960 ],
	[ ok => '40 kB, chunked', pad => 40960, chunked => 1 ],
	[ ok => '40 kB, no length', pad => 40960, no_length => 1 ],
	[ ok => 'exactly 64 kB', pad => 65536 ],
	[ '502 provider_answer_size', '64 kB and a byte', pad => 65537 ],
	[ '502 provider_answer_size', '70 kB, chunked', pad => 70000,
		chunked => 1 ],
	[ '502 provider_answer_size', '70 kB, no length', pad => 70000,
		no_length => 1 ],
	[ '502 provider_answer_size', 'endless', endless => 1 ],
	[ '502 provider_unreachable', 'truncated', truncate => 100 ],
	[ '502 provider_unreachable', 'truncated, chunked', chunked => 1,
		truncate => 100 ],
	[ '502 provider_unreachable', 'shorter than it says', length => 60000,
		close => 1 ],
	[ '502 bad_json', 'longer than it says', length => 100, close => 1 ],
	[ '502 provider_unreachable', 'cut in the header', cut => 20 ],
	[ '502 provider_unreachable', 'nothing', cut => 0 ],
	[ '502 provider_unreachable', 'reset', reset => 1 ],
	[ '502 provider_unreachable', 'reset in the body', cut => 400,
		reset => 1 ],
	[ '502 provider_unreachable', 'a header of 20 kB',
		headers => { X => 'y' x 20000 } ],
	[ '502 bad_json', 'gzip', gzip => 1 ],
	[ '502 bad_json', 'empty', body => '' ],
	[ '502 content_type', 'HTML', body => '<html>',
		content_type => 'text/html' ],
	[ '502 provider_status', 'no HTTP at all', raw => "hello\r\n" ],
	[ '502 provider_status', '302', redirect => $canary ],
	[ '502 provider_status', '307', redirect => $canary, status => 307 ])
{
	my ($expected, $what, %bend) = @$_;
	my $mark = $t->log_mark();

	is(login('idp', token => \%bend), $expected, "B06 TK-7: token, $what");
	like($t->log_since($mark), qr/subrequest_output_buffer_size/, $too_big)
		if $expected =~ /size/;

	is(login('idp', userinfo => \%bend), $expected,
		"B06 TK-7 UI-7: userinfo, $what")
		if $what !~ /longer than|kB|late|pieces|small|in the body/;
}

# older versions of nginx take them for the answer and wait for a body

like(login('read', token => { interim => $_ }),
	qr/^(?:ok|502 provider_status|504 provider_timeout)$/,
	"B06: @$_ before the answer") for [ 103 ], [ 100, 102 ];
is($idp->count('other'), 0, 'B06 TK-7: redirects are not followed');

is(login('small', token => { pad => 4096 }), '502 provider_answer_size',
	'B06: a smaller limit holds');
is(login('large', token => { pad => 200000 }), 'ok',
	'B06: a larger limit as well');

is(login('refused'), '502 provider_unreachable', 'B06: connection refused');
my $from = $t->log_mark();
like(login('nohost'), qr/^50[24] provider_(?:unreachable|timeout)$/,
	'B06: no such host');
is(scalar(() = $t->log_since($from) =~ /no connection to/g), 1,
	'B06: which is asked for once');

###############################################################################
# Not in time: each call as a whole, however it drips.

for ([ 'fast', token => 'no answer', hang => 1 ],
	[ 'fast', token => 'no body', body_delay => 5000 ],
	[ 'fast', token => 'a slow one', chunked => 1, chunk_size => 5,
		chunk_delay => 50 ],
	[ 'fast', token => 'a slow one without length', no_length => 1,
		chunk_size => 5, chunk_delay => 50 ],
	[ 'fastinfo', userinfo => 'no answer', hang => 1 ],
	[ 'fastinfo', userinfo => 'a slow one', chunked => 1, chunk_size => 5,
		chunk_delay => 50 ])
{
	my ($provider, $endpoint, $what, %bend) = @$_;
	my $start = time();

	is(login($provider, $endpoint => \%bend), '504 provider_timeout',
		"B06 TK-7: $endpoint, $what");
	my $took = time() - $start;
	cmp_ok($took, '>', 0.6, 'TK-7: not before the timeout');
	cmp_ok($took, '<', 3, 'TK-7: but soon after');
}

my $start = time();
is(login('read', token => { hang => 1 }), '504 provider_timeout',
	'B06: proxy_read_timeout of the block');
cmp_ok(time() - $start, '<', 3, 'B06: which is shorter');

###############################################################################
# A slow provider keeps nobody else waiting, with one worker.

my $user = $t->browser();
$user->login('/idp');

for my $endpoint (qw/ token userinfo /) {
	$idp->forget();
	$idp->once($endpoint => { delay => 1500 });

	my $slow = $t->browser();
	my $s = begin($slow, $slow->start_login('/idp'));
	$idp->wait_count($endpoint, 1, 5);

	my @times;
	my $end = time() + 1;

	while (time() < $end) {
		my $at = time();
		my $r = $user->get(@times % 2 ? '/static' : '/idp');
		push @times, time() - $at;
		die 'not served' if $r->status() != 200;
	}

	@times = sort { $a <=> $b } @times;
	cmp_ok(scalar @times, '>', 40, "TK-8: $endpoint slow, others served");
	cmp_ok($times[@times / 2], '<', 0.05, "TK-8: $endpoint slow, in 50 ms");
	cmp_ok($times[-1], '<', 0.5, "TK-8: $endpoint slow, none waits");
	like(finish($s), qr/^HTTP\/1.1 302 /, "TK-8: $endpoint slow, but served");
}

###############################################################################
# The client leaves while a call is on its way.

my ($worker) = $t->workers();
my $fds = settled_fds($worker);

for my $endpoint (qw/ token userinfo /) {
	$idp->forget();
	$idp->answer($endpoint => { delay => 400 });

	my $mark = $t->log_mark();
	my @clients = map { my $b = $t->browser();
		begin($b, $b->start_login('/idp')) } 1 .. 10;

	$idp->wait_count($endpoint, 10, 10);
	close $_ for @clients;
	$idp->answer($endpoint => undef);

	is(settled_fds($worker), $fds, "B07: clients leave, $endpoint: no leak");
	is(login('idp'), 'ok', "B07: clients leave, $endpoint: the next one");
	is(reason($t, $mark), 'ok', "B07: clients leave, $endpoint: no error");
}

is(join(' ', $t->workers()), $worker, 'B07: the worker is still there');

###############################################################################
# What the browser sends stays here.

my $b = $t->browser();
$b->jar()->take($b->url('/'), 'mine=1; Path=/');
my $url = $b->start_login('/idp');
$idp->forget();
my $got = $b->request(GET => $url, site => 'cross-site', body => 'a',
	headers => [ [ Range => 'bytes=0-1' ], [ 'If-None-Match' => '*' ],
	[ 'If-Modified-Since' => 'Thu, 01 Jan 2026 00:00:00 GMT' ],
	[ 'If-Range' => '"x"' ], [ 'Accept-Encoding' => 'gzip' ],
	[ Authorization => 'Basic bWU6bWU=' ], [ Referer => 'http://x.test/' ],
	[ 'X-Forwarded-For' => '192.0.2.1' ], [ 'X-Mine' => '1' ],
	[ TE => 'trailers' ], [ 'Content-Type' => 'text/x-mine' ] ]);
is($got->status(), 302, 'B17: a callback with all kinds of headers');

my $req = $idp->last('token');
is(names($req), 'accept authorization content-length content-type host '
	. 'user-agent', 'B17: none of them in the token request');
is($req->{h}{'content-type'}, 'application/x-www-form-urlencoded',
	'B17: nor their values');
like($req->{h}{authorization}, qr/^Basic (?!bWU6)/, 'B17: our Authorization');
unlike($req->{h}{'user-agent'}, qr/Mozilla/, 'B17: our User-Agent');

$req = $idp->last('userinfo');
is(names($req), 'accept authorization content-length host user-agent',
	'B17 UI-2: none of them in the userinfo request');
is($req->{body}, '', 'B17: nor the body');

# Expect: 100-continue is between the browser and us

$b = $t->browser();
$url = $b->start_login('/idp');
$got = $b->request(GET => $url, site => 'cross-site', body => 'a',
	headers => { Expect => '100-continue' });
is($got->status(), 302, 'B17: Expect');
is($idp->last('token')->{h}{expect}, undef, 'B17: is not passed on');

###############################################################################
# An upstream of that name; certificates.

$idp->forget();
is(login('named'), 'ok', 'F15: an upstream of the host\'s name is used');
$req = $idp->last('token');
is($req->{h}{host}, 'idp.example.test', 'F15: with the name in Host');
is($idp->last('userinfo')->{connection}, $req->{connection},
	'F15: and its connections are kept alive');

is(login('tls'), '502 token_error', 'O06 TK-7: https, a token endpoint that '
	. 'knows nothing of this code');
is($t->idp('tls')->last('token')->{h}{host}, 'localhost:'
	. $t->idp('tls')->port(), 'O06 TK-7: was asked');

for (qw/ wronghost expired selfsigned /) {
	is(login($_), '502 provider_unreachable',
		"O06 TK-7: certificate $_ at the token endpoint");
	is($t->idp($_)->count(''), 0, "O06: $_, nothing was sent");
}

###############################################################################
# http{} as a hostile colleague would fill it.

my $hostile = Test::OIDC->new();
my $own = $hostile->idp();

$hostile->write_file('www/index.html', 'hello');
my $text = <<'EOF';
%%GLOBALS%%
http {
    %%HTTP%%

    proxy_cache_path %%TESTDIR%%/cache keys_zone=c:1m;
    proxy_cache c;
    proxy_cache_key same;
    proxy_cache_methods GET HEAD POST;
    proxy_cache_valid any 1h;
    proxy_cache_use_stale error timeout updating http_500;
    proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
    proxy_intercept_errors on;
    error_page 400 401 403 404 500 502 503 504 =200 /error.html;
    proxy_method PUT;
    proxy_set_body "body of http";
    proxy_set_header X-Leak "$http_cookie";
    proxy_set_header Authorization "Basic bWU6bWU=";
    proxy_pass_request_headers on;
    proxy_hide_header Content-Type;
    proxy_http_version 1.0;
    proxy_read_timeout 1ms;
    proxy_send_timeout 1ms;
    proxy_limit_rate 1;
    subrequest_output_buffer_size 10;
    #sub_filter access_token broken;
    #sub_filter_types *;
    gzip on;
    gzip_types *;
    expires max;
    add_header X-User $oidc_claim_sub always;
    add_header X-Name $oidc_claim_name always;
    add_header X-Token $oidc_access_token always;

    oidc_provider idp {
        %%PROVIDER%%
        userinfo on;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        root %%TESTDIR%%/www;
        auth_oidc idp;
        location / {
            limit_except GET { deny all; }
        }
        location /error.html { return 200 "page of http"; }
    }
}
EOF

$text =~ s/#sub_filter/sub_filter/g if $hostile->has('http_sub');
$hostile->conf($text)->run();

my %token;

for my $name (qw/ alice bob chloe /) {
	my $b = $hostile->browser();
	my $r;

	$own->set(user => $name);
	is(outcome($hostile, $b, sub { $r = $b->login('/index.html') }),
		'200 ok session', "B06: $name logs in with all that in http{}");
	is($r->header('X-User'), { alice => '248289761001',
		bob => '90342ad5-bob', chloe => 'chloe-3' }->{$name},
		"B06: $name is $name");
	$token{ $r->header('X-Token') // '' } = 1;
}

is(scalar keys %token, 3, 'B06: each has a token of his own, cache or not');
is($own->count('token') . $own->count('userinfo'), '33',
	'B06: nothing was answered from a cache');

$req = $own->last('token');
is($req->{method}, 'POST', 'B06: proxy_method of http{} does nothing');
is(names($req), 'accept authorization content-length content-type host '
	. 'user-agent', 'B06: nor does proxy_set_header');
is($req->{version}, 'HTTP/1.1', 'B06: nor proxy_http_version');
is($req->{form}{grant_type}, 'authorization_code', 'B06: nor proxy_set_body');

$own->once(token => { delay => 100, pad => 30000 });
$b = $hostile->browser();
is(outcome($hostile, $b, sub { $b->login('/index.html') }), '200 ok session',
	'B06: nor proxy_read_timeout, nor subrequest_output_buffer_size');

$own->once(token => { status => 500 });
my $mark = $hostile->log_mark();
$b = $hostile->browser();
is($b->login('/index.html')->body(), 'page of http',
	'B06: error_page works for the browser');
is(reason($hostile, $mark), 'provider_status',
	'B06: and does not hide what the provider said');
is(session_of($b), undef, 'B06 ID-20: there is no session');

is_deeply([ glob $hostile->testdir() . '/cache/*' ], [],
	'B06: the cache is empty');

$t->done();

###############################################################################

# A login at that provider, with one endpoint bent; "ok", or status and reason.
sub login {
	my ($provider, $endpoint, $bend) = @_;

	my $b = $t->browser();
	$idp->once($endpoint => $bend) if $bend;
	my $got = outcome($t, $b, sub { $b->login("/$provider") });

	return $got eq '200 ok session' ? 'ok' : $got;
}


# Sends the request for a callback and does not wait for the answer.
sub begin {
	my ($b, $url) = @_;

	my $s = $b->connect($url);
	syswrite $s, $b->request_bytes('GET', $b->url($url),
		site => 'cross-site');

	return $s;
}


# The answer to what begin() sent.
sub finish {
	my ($s) = @_;

	$s->blocking(1);
	local $SIG{ALRM} = sub { die 'no answer' };
	alarm 10;
	my $n = sysread $s, my $got, 65536;
	alarm 0;

	return $n ? $got : '';
}


# The number of descriptors of the worker once it no longer changes.
sub settled_fds {
	my ($pid) = @_;

	my ($before, $same) = (-1, 0);

	$user->disconnect();

	for (1 .. 200) {
		my $now = $t->fds($pid);

		$same = $now == $before ? $same + 1 : 0;
		return $now if $same == 12;
		$before = $now;
		sleep 0.05;
	}

	return -1;
}


sub names {
	my ($req) = @_;

	return join ' ', sort map { lc $_->[0] } @{ $req->{headers} };
}

###############################################################################
