#!/usr/bin/perl

# HTTP/2 (B09): the guard, the flow and the limits as over HTTP/1.1, through
# curl, in clear text and in TLS.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();

$t->skip_all('nginx without HTTP/2') if !$t->has('http_v2');
$t->skip_all('curl without HTTP/2') if `curl --version` !~ /HTTP2/;
$t->plan(38);

my ($major, $minor) = $t->version() =~ m{nginx/1\.(\d+)\.(\d+)};
my $new = $major > 25 || $major == 25 && $minor >= 1;
my ($on, $http2) = $new ? ('http2 on;', '') : ('', 'http2');

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    $on
    ssl_certificate     %%CERT%%;
    ssl_certificate_key %%CERT_KEY%%;
    client_max_body_size 10m;
    limit_req_zone \$oidc_claim_sub zone=user:1m rate=1r/m;
    limit_req_status 429;

    oidc_provider idp {
        %%PROVIDER%%
        logout_uri /logout;
    }

    server {
        listen 127.0.0.1:%%PORT_0%% $http2;
        listen 127.0.0.1:%%PORT_1%% ssl $http2;
        auth_oidc idp;
        proxy_set_header X-User \$oidc_claim_sub;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /limited/ {
            limit_req zone=user burst=2 nodelay;
            proxy_pass http://%%BACKEND%%;
        }
        location /slow/ {
            mirror /mirror;
            proxy_pass http://%%BACKEND%%;
        }
        location = /mirror {
            internal;
            proxy_pass http://%%BACKEND%%\$request_uri;
        }
    }
}
EOF

my @navigate = ('-H', 'Sec-Fetch-Mode: navigate', '-H', 'Accept: text/html');
my $backend = $t->backend();
my $idp = $t->idp();

for my $tls (0, 1) {
	my $base = ($tls ? 'https' : 'http') . '://127.0.0.1:' . $t->port($tls);
	my $name = $tls ? 'h2' : 'h2c';
	my @curl = ($tls ? ('-k', '--http2') : '--http2-prior-knowledge');
	my $jar = $t->testdir() . "/jar$tls";

	my $r = h2(@curl, @navigate, "$base/x");
	is($r->{version}, '2', "B09: $name: HTTP/2");
	is($r->{status}, 302, "B09: $name: a navigation is sent to log in");
	is($r->{args}{redirect_uri}, "$base/oidc_callback",
		"B09 F16: $name: by :authority");
	is(h2(@curl, '-H', 'Sec-Fetch-Mode: cors', "$base/x")->{status}, 401,
		"B09: $name: a script gets 401");
	# The whole flow; the provider does not speak HTTP/2.
	my @jar = ('-b', $jar, '-c', $jar);
	$r = h2(@curl, @navigate, @jar, "$base/deep?x=1");
	$r = h2(@navigate, $r->{h}{location});
	$r = h2(@curl, @navigate, @jar, $r->{h}{location});
	$r = h2(@curl, @navigate, @jar, $r->{h}{location});
	is($r->{status}, 200, "B09: $name: login");
	like($r->{body}, qr/"248289761001"/, "B09: $name: the backend knows");
	like($r->{body}, qr{"uri":"/deep\?x=1"}, "B09 F07: $name: the page");

	my $jar_text = $t->read_file($jar);
	my ($cookie, $value) = $jar_text
		=~ /\t((?:__Host-)?NGX_OIDC_SESSION)\t(\S+)/;
	$t->secret($value);
	is($cookie, $tls ? '__Host-NGX_OIDC_SESSION' : 'NGX_OIDC_SESSION',
		"B09 SE-1: $name: its cookie");

	# RFC 9113 8.2.3: the Cookie field may come in pieces.
	$backend->forget();
	$r = h2(@curl, '-H', 'cookie: a=1', '-H', "cookie: $cookie=$value",
		'-H', 'cookie: b=2', "$base/x");
	is($r->{status}, 200, "B09: $name: cookies in pieces");
	is($backend->last('echo')->{h}{cookie}, 'a=1; b=2',
		"B09 SE-9: $name: the others reach the backend");
	is($r->{h}{connection}, undef, "B09: $name: no Connection");

	# In clear text curl 7.88 can do neither, whatever the server.
	if ($tls) {
		my $big = $t->write_file('body', 'x' x (2 << 20));
		my @many = (@curl, '-Z', '--parallel-max', 30,
			'--no-progress-meter', '-o', '/dev/null', '-w',
			"\n%{http_code}\n");

		is(h2(@curl, '--data-binary', "\@$big", "$base/x")->{status},
			401, 'B09 B08: a large POST gets 401');

		my @out = $t->curl(@many, '-b', "$cookie=$value",
			"$base/slow/[1-60]") =~ /^(\d+)$/mg;
		is(join(',', @out), join(',', (200) x 60),
			'B09: 60 streams at once');

		@out = $t->curl(@many, @navigate, "$base/[1-60]")
			=~ /^(\d+)$/mg;
		is(join(',', @out), join(',', (302) x 60),
			'B09: 60 anonymous streams at once');
	}

	my @out = map { h2(@curl, '-b', "$cookie=$value", "$base/limited/x")
		->{status} } 1 .. 4;
	is("@out", $tls ? '429 429 429 429' : '200 200 200 429',
		"B16 B09: $name: one limit per user, whatever the protocol");

	$r = h2(@curl, '-b', "$cookie=$value", '-H',
		'Sec-Fetch-Site: cross-site', "$base/logout");
	is($r->{status}, 403, "B09 L01: $name: cross-site logout");
	$r = h2(@curl, '-b', "$cookie=$value", "$base/logout");
	like($r->{h}{location}, qr/client_id=gateway/, "B09: $name: logout");
	is(h2(@curl, '-b', "$cookie=$value", "$base/x")->{status}, 302,
		"B09: $name: the session is gone");
	is(h2(@curl, @navigate, "$base/oidc_callback?code=x&state=y")->{status},
		400, "B09: $name: a forged callback");
}

# A client that resets its stream while the login waits for the provider.
$idp->answer(token => { delay => 1500 });

my $base = 'http://127.0.0.1:' . $t->port(0);
my $jar = $t->testdir() . '/jar-abort';
my @h2c = ('--http2-prior-knowledge');
my $start = h2(@h2c, @navigate, '-c', $jar, "$base/x");
my $back = h2(@navigate, $start->{h}{location})->{h}{location};

$idp->forget();
$t->curl(@h2c, @navigate, '-b', $jar, '--max-time', '0.5', $back);
is($? >> 8, 28, 'B07 B09: the client gives up');
is($idp->wait_count(token => 1, 3), 1, 'B07: while the token call runs');
is(h2(@h2c, @navigate, "$base/x")->{status}, 302, 'B07: the worker lives on');

###############################################################################

# { version, status, h, body, args } of the last answer that curl has seen.
sub h2 {
	my (@args) = @_;

	my $out = $t->curl('-i', @args);
	my ($head, $body, $rest) = ('', '', $out);

	while ($rest =~ s{^(HTTP/\S+ \d+.*?)\r\n\r\n}{}s) {
		$head = $1;
		last if $rest !~ m{^HTTP/};
	}

	my ($version, $status) = $head =~ m{^HTTP/(\S+) (\d+)};
	my %h = map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () }
		split /\r\n/, $head;
	my ($query) = ($h{location} // '') =~ /\?(.*)/;

	return { version => $version, status => $status // 0, h => \%h,
		body => $rest, args => Test::OIDC::Message::form_decode($query) };
}

###############################################################################
