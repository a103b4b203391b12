#!/usr/bin/perl

# "nginx -t" and the directives: every bad configuration is an [emerg] with its
# file and line, never a signal, and the good ones load without a word.  Files
# of keys and secrets are in conf_keys.t, what a default does in conf_default.t.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Conf;

###############################################################################

my $t = Test::OIDC->new();
my $c = Test::OIDC::Conf->new($t);
my $ca = $t->expand('%%CA%%');

my $other = <<'EOF';
oidc_provider other {
    issuer https://other.example.test;
    client_id gateway;
    cookie_name other;
    %s
}
EOF

$c->accepted('O02: the smallest provider', base => <<'EOF');
issuer https://idp.example.test;
client_id gateway;
EOF

###############################################################################
# Numbers of arguments, duplicates, contexts: every directive.

my %one = (
	issuer => 'https://a.example',
	client_id => 'x',
	client_secret => 'x',
	client_secret_file => 'x',
	client_auth_method => 'none',
	config_url => 'https://a.example/c',
	extra_auth_args => 'a=b',
	pkce => 'on',
	userinfo => 'on',
	redirect_uri => '/r',
	login_uri => '/l',
	logout_uri => '/o',
	post_logout_uri => '/p',
	logout_token_hint => 'on',
	logout_cross_site => 'on',
	session_store => 'x',
	session_timeout => '1h',
	session_lifetime => '1h',
	pre_auth_timeout => '1m',
	cookie_name => 'x',
	cookie_domain => 'example.test',
	pass_cookies => 'on',
	clock_skew => '1s',
	authorization_endpoint => 'https://a.example/a',
	token_endpoint => 'https://a.example/t',
	userinfo_endpoint => 'https://a.example/u',
	jwks_uri => 'https://a.example/j',
	end_session_endpoint => 'https://a.example/e',
	introspection_endpoint => 'https://a.example/i',
	revocation_endpoint => 'https://a.example/r',
	pushed_authorization_request_endpoint => 'https://a.example/p',
	ssl_trusted_certificate => $ca,
	ssl_crl => $ca,
	timeout => '1s',
	allow_http => 'on',
);

for (sort keys %one) {
	my $base = $_ eq 'issuer' ? '' : undef;
	my @base = defined $base ? (base => $base) : ();

	$c->refused("O02: $_ without a value", provider => "$_;",
		qr/invalid number of arguments in "$_"/);
	$c->refused("O02: $_ with two", provider => "$_ $one{$_} $one{$_};",
		qr/invalid number of arguments in "$_"/);
	$c->refused("O02: $_ twice", @base,
		provider => "$_ $one{$_};\n$_ $one{$_};",
		qr/"$_" directive is duplicate/);
	$c->refused("O02: $_ outside a provider", http => "$_ $one{$_};",
		qr/unknown directive "$_"|"$_" directive is not allowed here/)
		if !/^ssl_/;
}

for ((sort keys %one), 'scope', 'scopes openid', 'trusted_audience a',
	'id_token_signed_response_alg RS256', 'logout_callback_uri',
	'logout_callback_uri /a', 'oidc_key', 'oidc_key x')
{
	$c->refused("O02: $_ ''", /^(issuer|client_id)$/ ? (base => '') : (),
		provider => "$_ '';", qr/directive has an empty value/);
}

for (qw/ scope scopes id_token_signed_response_alg trusted_audience
	userinfo_signed_response_alg logout_callback_uri oidc_key /)
{
	$c->refused("O02: $_ without a value", provider => "$_;",
		qr/invalid number of arguments in "$_"/);
}

$c->refused('O02: scope twice', provider => "scope a;\nscopes b;",
	qr/directive is duplicate/);
$c->refused("O02: $_ twice", provider => "$_ ES256;\n$_ RS256;",
	qr/"$_" directive is duplicate/)
	for qw/ id_token_signed_response_alg userinfo_signed_response_alg /;
$c->refused('O02: logout_callback_uri twice', provider =>
	"logout_callback_uri /a;\nlogout_callback_uri /b;", qr/is duplicate/);
$c->refused('O02: logout_callback_uri with another word', provider =>
	'logout_callback_uri /a lax;', qr/takes a URI and "strict"/);
$c->refused('O02: logout_callback_uri with three', provider =>
	'logout_callback_uri /a strict strict;', qr/invalid number/);

for ([ oidc_provider => 'x y { }' ], [ oidc_session_store => 'x y { }' ],
	[ oidc_provider => '{ }' ], [ oidc_session_store => '{ }' ],
	[ oidc_key => ';' ], [ oidc_cookie_key => ';' ],
	[ oidc_cookie_key => 'a b;' ], [ trusted_proxy => ';' ],
	[ auth_oidc => ';' ], [ auth_oidc => 'a b;' ],
	[ auth_oidc_mode => ';' ], [ auth_oidc_mode => 'off off;' ],
	[ unauth_action => ';' ], [ unauth_action => '401 401;' ],
	[ oidc_base_url => ';' ], [ oidc_base_url => 'a b;' ])
{
	my ($name, $rest) = @$_;

	$c->refused("O02: $name $rest", http => "$name $rest",
		qr/invalid number of arguments in "$name" directive/);
}

$c->warned("ID-10: extra_auth_args $_", provider => "extra_auth_args '$_=1';",
	qr/"$_" in "extra_auth_args" of .* not checked/)
	for qw/ acr_values max_age /;
$c->refused('O02: a requirement of nobody', auth => '', location =>
	'auth_oidc_require $oidc_claim_sub;',
	qr/"auth_oidc_require" without "auth_oidc" in /);
$c->refused('BE-10: a token that is taken away', location =>
	"auth_oidc_bearer introspection;\nauth_oidc_header authorization x;",
	qr/takes the token away/);
$c->refused("B02: auth_oidc_header $_", location => "auth_oidc_header $_ x;",
	qr/cannot set this header/) for qw/ DPoP Sec_Fetch_Mode X-Forwarded-Host /;
$c->refused('O02: oidc_jwks with two', auth => '',
	location => 'oidc_jwks max_age=1m max_age=1m;',
	qr/invalid number of arguments in "oidc_jwks"/);

$c->refused('O02: oidc_provider without a block', http => 'oidc_provider x;',
	qr/"oidc_provider" has no opening/);
$c->refused('O02: oidc_session_store without a block',
	http => 'oidc_session_store x;', qr/"oidc_session_store" has no opening/);
$c->refused('O02: auth_oidc with a block', location => 'auth_oidc idp { }',
	qr/unexpected "\{"|is not terminated|"auth_oidc" is not terminated/);
$c->refused('O02: a block in the provider', provider => 'proxy_pass { }',
	qr/unexpected "\{"/);
$c->refused('O02: a block in the store', http =>
	"oidc_session_store s {\ntype { }\n}", qr/unexpected "\{"/);

$c->refused('O02: a semicolon that is missing', provider => "pkce on\nscope a;",
	qr/invalid number of arguments in "pkce"/);
$c->refused('O02: ... before the closing brace', provider => 'pkce on',
	qr/unexpected "\}"/);
$c->refused('O02: a quote that is not closed', anywhere => 1,
	provider => 'client_secret "a;',
	qr/unexpected end of file/);
$c->refused('O02: a block that is not closed', anywhere => 1,
	end => 'oidc_provider x {',
	qr/no "client_id" in oidc_provider "x"/);
$c->refused('O02: a value of 5000 bytes', provider => 'client_secret '
	. 'x' x 5000 . ';', qr/too long parameter/);
$c->refused('O02: zero bytes', provider => "issuer2 a\0b;", qr/is not allowed/);

for ([ oidc_provider => 'x { issuer https://a.b; client_id c; }' ],
	[ oidc_session_store => 'x { }' ], [ oidc_key => 'x;' ],
	[ oidc_cookie_key => 'x;' ])
{
	my ($name, $rest) = @$_;

	$c->refused("O02: $name in $_", $_ => "$name $rest",
		qr/"$name" directive is not allowed here/)
		for qw/ main server location /;
}

$c->refused('O02: trusted_proxy in a location',
	location => 'trusted_proxy 127.0.0.1;', qr/not allowed here/);
$c->refused("O02: oidc_sessions in $_", $_ => 'oidc_sessions;',
	qr/not allowed here/) for qw/ http server /;
$c->refused('O02: oidc_sessions twice', location =>
	"oidc_sessions;\noidc_sessions;", qr/"oidc_sessions" directive is duplicate/);
$c->refused('O02: oidc_sessions with a value', location => 'oidc_sessions x;',
	qr/invalid number of arguments in "oidc_sessions"/);
$c->refused("O02: oidc_jwks in $_", $_ => 'oidc_jwks;', qr/not allowed here/)
	for qw/ main http server /;
$c->refused("O02: $_ in main", main => "$_;", qr/not allowed here/)
	for 'auth_oidc idp', 'auth_oidc_mode verify', 'unauth_action 401',
		'oidc_base_url https://a.b', 'trusted_proxy 127.0.0.1';
$c->refused("O02: $_ in an if", location => "if (\$arg_a) {\n$_;\n}",
	qr/not allowed here/)
	for 'auth_oidc idp', 'auth_oidc_mode verify', 'unauth_action 401',
		'oidc_base_url https://a.b', 'oidc_jwks';

for ('auth_oidc off', 'auth_oidc_mode verify', 'unauth_action 401',
	'oidc_base_url https://a.b')
{
	my ($text, $name) = ($_, split);

	for my $place (qw/ http server location /) {
		$c->refused("O02: $name twice in $place", auth => '',
			$place => "$text;\n$text;",
			qr/"$name" directive is duplicate/);
		$c->accepted("O02: $name in $place", auth => '',
			$place => "$text;");
	}
}

$c->refused('O02 L11: oidc_jwks beside what must be guarded', auth => '',
	location => "oidc_jwks;\nproxy_pass http://127.0.0.1:1;",
	qr/"oidc_jwks" beside another handler/);
$c->refused('O02: oidc_jwks twice', auth => '', location =>
	"oidc_jwks;\noidc_jwks;", qr/"oidc_jwks" directive is duplicate/);
$c->refused('O02: two providers of one name', http => sprintf($other, '') x 2,
	qr/duplicate oidc_provider "other"/);
$c->refused('O02: two stores of one name', http =>
	"oidc_session_store s { }\noidc_session_store s { }",
	qr/duplicate oidc_session_store "s"/);

###############################################################################
# Values of the provider.

$c->refused('O02: no issuer', base => 'client_id x;', qr/no "issuer"/);
$c->refused('O02: no client_id', base => 'issuer https://idp.example.test;',
	qr/no "client_id"/);
$c->refused('O02: an empty provider', http => 'oidc_provider x { }',
	qr/no "client_id" in oidc_provider "x"/);

for ('idp.example.test', '/idp', 'ftp://idp.example.test', 'https:idp',
	'https://', 'https:///realm', 'https://u:p@idp.example.test',
	'https://idp.example.test:0', 'https://idp.example.test:65536',
	'https://idp.example.test:x', 'https://idp.example.test/#a',
	'https://idp example', 'https://idp.example.test\\\\a',
	'https://[::1', "https://idp.ex\xc3\xa4mple")
{
	$c->refused("O02: issuer $_",
		base => "issuer '$_';\nclient_id gateway;",
		qr/"issuer" .* is no http or https URL/);
	$c->refused("O02: token_endpoint $_", provider => "token_endpoint '$_';",
		qr/"token_endpoint" .* is no http or https URL/);
}

$c->refused('O02 DI-2: an issuer with a query',
	base => "issuer https://idp.example.test/?a=b;\nclient_id gateway;",
	qr/"issuer" .* is no http or https URL/);
$c->accepted('O02: an endpoint with a query', provider =>
	'authorization_endpoint https://idp.example.test/a?b=c;');

for ('idp.example.test', '10.0.0.1', '127.0.0.1.example.test',
	'localhost.example.test', '[::2]')
{
	$c->refused("O02 O06: http to $_ is refused",
		base => "issuer http://$_;\nclient_id gateway;",
		qr/"issuer" .* must be https.*"allow_http"/);
	$c->accepted("O02 O06: ... unless allow_http says so",
		base => "issuer http://$_;\nclient_id gateway;\nallow_http on;");
}

$c->accepted("O02 O06: http to $_", base =>
	"issuer http://$_;\nclient_id gateway;")
	for qw{ 127.0.0.1:8081/realms/demo localhost [::1]:8080 a.localhost
		127.1.2.3 };

$c->refused('O02 O06: http at an endpoint of an https issuer', provider =>
	"$_ http://127.0.0.1/x;", qr/"$_" .* must be https/)
	for qw/ config_url authorization_endpoint token_endpoint jwks_uri
		userinfo_endpoint end_session_endpoint introspection_endpoint
		revocation_endpoint pushed_authorization_request_endpoint /;
$c->refused('O02 O06: allow_http does not open an https issuer', provider =>
	"allow_http on;\ntoken_endpoint http://127.0.0.1/x;", qr/must be https/);
$c->accepted('O02 F15: every endpoint by hand', provider => <<'EOF');
authorization_endpoint https://idp.example.test/a;
token_endpoint https://idp.example.test/t;
jwks_uri https://idp.example.test/j;
userinfo_endpoint https://idp.example.test/u;
end_session_endpoint https://idp.example.test/e;
introspection_endpoint https://idp.example.test/i;
revocation_endpoint https://idp.example.test/r;
pushed_authorization_request_endpoint https://idp.example.test/p;
EOF

for my $name (qw/ session_timeout session_lifetime pre_auth_timeout timeout /) {
	$c->refused("O02: $name 0", provider => "$name 0;", qr/a time of 0/);
	$c->refused("O02: $name $_", provider => "$name $_;",
		qr/"$name" directive invalid value/)
		for qw/ x -1 1.5 1x 1s1h 99999999999999999999d /;
	$c->accepted("O02: $name 1h", provider => "$name 1h;");
}

$c->refused('O02: pre_auth_timeout over an hour',
	provider => 'pre_auth_timeout 3601s;', qr/"pre_auth_timeout" must be at/);
$c->accepted('O02: clock_skew 0', provider => 'clock_skew 0;');
$c->accepted('O02: clock_skew 300', provider => 'clock_skew 300;');
$c->refused('O02 V04: clock_skew 301', provider => 'clock_skew 301s;',
	qr/"clock_skew" must be at most 300s/);
$c->refused('O02: clock_skew x', provider => 'clock_skew x;',
	qr/"clock_skew" directive invalid value/);

$c->refused("O02: $_ maybe", provider => "$_ maybe;",
	qr/invalid value "maybe" in "$_" directive, it must be "on" or "off"/)
	for qw/ pkce userinfo logout_token_hint logout_cross_site pass_cookies
		allow_http /;

for ('"a\\"b"', "'a\\\\b'", "a\xc3\xa4", "'a\tb'", "''", "' '", "'a  b'",
	"'a '")
{
	$c->refused("O02: scope $_", provider => "scope $_;",
		qr/"scope" directive has a character|"scope" directive has an empty/);
}

$c->accepted("O02: scope $_", provider => "scope $_;")
	for 'openid', 'profile email', '"profile openid email"',
		'api://gateway/.default';

$c->refused("O02: extra_auth_args $_", provider => "extra_auth_args '$_';",
	qr/"extra_auth_args" .* malformed or sets what the module sets itself/)
	for 'state=x', 'nonce=x', 'client_id=x', 'redirect_uri=x', 'scope=x',
		'response_type=token', 'code_challenge=x',
		'code_challenge_method=plain', 'a=b&state=x', '%73tate=x',
		'a=%', 'a=%00', 'a=b#c', 'a=b c', '=x', '&', "a=\xc3\xa4";
$c->accepted('O02: extra_auth_args of the commercial module', provider =>
	'extra_auth_args "display=page&prompt=login";');

$c->refused("O02: client_auth_method $_", provider =>
	"client_auth_method $_;", qr/invalid value "$_"/)
	for qw/ basic private_key tls self_signed_tls_client_auth /;
$c->refused("O02 TK-2: client_auth_method $_ without a secret",
	base => "issuer https://idp.example.test;\nclient_id gateway;",
	provider => "client_auth_method $_;", qr/needs a "client_secret"/)
	for qw/ client_secret_basic client_secret_post /;
$c->accepted("O02: client_auth_method $_", provider =>
	"client_auth_method $_;")
	for qw/ client_secret_basic client_secret_post none /;

for my $name (qw/ id_token userinfo /) {
	my $word = "${name}_signed_response_alg";

	$c->refused("O02 V06: $word $_", provider => "$word $_;",
		qr/"$_" is no signature algorithm for "$word"/)
		for qw/ none rs256 RS1 ES256K RSA-OAEP HS255 /, 'RS256,ES256';
	$c->accepted("O02 V06: $word of them all", provider => "$word RS256 "
		. 'RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256;');
	$c->refused("O02 V06: $word HS256 with a short secret",
		base => "issuer https://idp.example.test;\nclient_id gateway;\n"
			. 'client_secret 0123456789abcdef0123456789abcde;',
		provider => "$word HS256;",
		qr/HS256 .* needs a client_secret of at least 32 bytes/);
	$c->refused("O02 V06: $word $_->[0] wants $_->[1] bytes",
		provider => "$word RS256 $_->[0];",
		qr/$_->[0] .* client_secret of at least $_->[1] bytes/)
		for [ HS384 => 48 ], [ HS512 => 64 ];
}

$c->accepted('O02: trusted_audience', provider => 'trusted_audience a b;');

$c->accepted("O02: $_", provider => "$_;")
	for 'backchannel_logout_uri /bc', 'frontchannel_logout_uri /fc any_iss',
	'frontchannel_logout_ancestors https://a.test http://b.test:8080';
$c->refused("O02: $_->[0]", provider => "$_->[0];", $_->[1])
	for [ 'frontchannel_logout_uri /fc x', qr/takes a URI and "any_iss"/ ],
	[ 'frontchannel_logout_ancestors https://a.test/x', qr/is no origin/ ],
	[ "frontchannel_logout_ancestors *", qr/is no origin/ ],
	[ "frontchannel_logout_ancestors 'https://a;x'", qr/is no origin/ ],
	[ 'frontchannel_logout_ancestors https://a https://b;'
		. 'frontchannel_logout_ancestors https://c', qr/is duplicate/ ];

# Our own URIs.

for my $name (qw/ redirect_uri login_uri logout_uri logout_callback_uri
	post_logout_uri /)
{
	my @bad = ('/a#b', qw{ cb /a\\\\b ftp://a/b //a/b /../a /a/./b },
		"/\xc3\xa4", "'/a b'", "/a\\tb");

	push @bad, '/a?b=c', '/a%41', '/a//b', '/a/..' if $name ne
		'post_logout_uri';
	push @bad, 'https://a.example/b' if $name =~ /^log(?:in|out)_uri/;
	push @bad, 'https://a.example', 'https://a.example/b?c',
		'https://a.example/b#c' if $name =~ /^(?:redirect|logout_call)/;

	for (@bad) {
		next if $name eq 'post_logout_uri' && m{/\./|/\.\.};

		$c->refused("O02 B01: $name $_", provider => "$name $_;",
			qr/invalid URI ".*" in oidc_provider "idp"/s);
	}

	$c->accepted("O02: $name /a/b", provider => "$name /a/b;");
}

$c->accepted("O02: $_ absolute", provider => "$_ https://www.example.test/x;")
	for qw/ redirect_uri logout_callback_uri post_logout_uri /;
$c->accepted('O02: post_logout_uri with a query', provider =>
	'post_logout_uri /bye?a=b;');

for (qw/ login_uri logout_uri logout_callback_uri /) {
	$c->refused("O02: $_ on the callback's address", provider =>
		"$_ /oidc_callback;", qr{uses "/oidc_callback" twice});
	$c->refused("O02: $_ on an absolute callback's address", provider =>
		"$_ /cb;\nredirect_uri https://www.example.test/cb;",
		qr{uses "/cb" twice});
}

$c->refused('O02: one address, two meanings, two providers on one server',
	http => sprintf($other, 'logout_uri /oidc_callback; redirect_uri /cb;'),
	server => "location /other {\nauth_oidc other;\n}",
	qr{"/oidc_callback" means different things});
$c->refused('O02: ... and where a variable chooses the provider',
	http => sprintf($other, 'logout_uri /oidc_callback; redirect_uri /cb;'),
	auth => 'auth_oidc $arg_p;', qr/means different things/);
$c->accepted('O02 F22: two providers on one server', http =>
	sprintf($other, 'redirect_uri /cb;'),
	server => "location /other {\nauth_oidc other;\n}");
$c->warned('O02 F22: ... whose answers are told apart by "iss" alone', http =>
	sprintf($other, ''), server => "location /other {\nauth_oidc other;\n}",
	qr/share a redirect_uri/);

# Cookies.

$c->refused("O02 LS-9: cookie_name $_", provider => "cookie_name $_;",
	qr/invalid "cookie_name"/)
	for '"a b"', "'a=b'", "'a;'", "'a,b'", '\'a"b\'', '(a)', "\xc3\xa4",
		"'a\tb'";
$c->refused("O02 LS-9: cookie_domain $_", provider => "cookie_domain $_;",
	qr/invalid "cookie_domain"/)
	for '.', '-a.test', 'a..b', '"a b"', "'a;b'", 'a_b', "\xc3\xa4.test",
		'*.example.test', 'a.' . 'b' x 64 . '.test', 'example.test:80';
$c->refused('O02 LS-9: __Host- with a domain', provider =>
	"cookie_name __Host-a;\ncookie_domain example.test;", qr/__Host-/);
$c->accepted('O02: cookie_name, cookie_domain', provider =>
	"cookie_name __Secure-a;\ncookie_domain example.test;");
warned_cookie();

###############################################################################
# What is no directive here, and nginx's own.

for (qw/ foo issuers proxy_pass proxy_cache proxy_set_header proxy_method
	proxy_set_body proxy_intercept_errors proxy_next_upstream proxy_store
	proxy_redirect proxy_hide_header proxy_buffering error_page return
	rewrite root add_header auth_oidc auth_request access_log error_log
	client_max_body_size limit_req sub_filter server_name listen type size
	auth_jwt proxy_ssl_trusted_certificate proxy_ssl_crl
	bearer /)
{
	$c->refused("O02: $_ in a provider", provider => "$_ on;",
		qr/directive "$_" is not allowed in oidc_provider/);
}

$c->refused('O02: location in a provider', provider => "location / {\n}",
	qr/unexpected "\{"/);
$c->refused("O02: $_ in a store", http => "oidc_session_store s {\n$_ x;\n}",
	qr/directive "$_" is not allowed in oidc_session_store/)
	for qw/ foo issuer proxy_read_timeout keyval ssl_crl /;

my @nginx = (
	'proxy_http_version 1.1', 'proxy_connect_timeout 1s',
	'proxy_send_timeout 1s', 'proxy_read_timeout 1s',
	'proxy_bind 127.0.0.1', 'proxy_bind 127.0.0.1 transparent',
	'proxy_bind off', 'proxy_socket_keepalive on', 'proxy_buffer_size 8k',
	"proxy_buffer_size 8k;\nproxy_buffers 4 8k",
	'subrequest_output_buffer_size 128k',
	'resolver 127.0.0.1:53 valid=10s', 'resolver_timeout 5s',
	'proxy_ssl_server_name on', 'proxy_ssl_name idp.example.test',
	'proxy_ssl_verify_depth 2', 'proxy_ssl_protocols TLSv1.3',
	'proxy_ssl_ciphers HIGH', 'proxy_ssl_session_reuse off',
	'proxy_ssl_conf_command CipherString HIGH',
	$t->expand("proxy_ssl_certificate %%CERT%%;\n"
		. 'proxy_ssl_certificate_key %%CERT_KEY%%'),
);

$c->accepted("O06 O02: $_ in a provider", provider => "$_;") for @nginx;
$c->accepted('O06: all of them at once', provider => join '',
	map { "$_;\n" } grep { !/transparent|bind off|size 8k$/ } @nginx);
$c->warned('O06: proxy_ssl_verify off is said aloud',
	provider => 'proxy_ssl_verify off;', qr/"idp" are not verified/);

for (qw/ proxy_buffers /, map { (split)[0] } @nginx, 'proxy_ssl_verify on',
	'proxy_ssl_certificate_key x', 'proxy_ssl_password_file x')
{
	$c->refused("O02: $_ without a value", provider => "$_;",
		qr/invalid number of arguments/);
	$c->refused("O02: $_ with four", provider => "$_ a b c d;",
		qr/invalid number of arguments|invalid value "a"/)
		if !/^(?:resolver|proxy_ssl_protocols)$/;
}

$c->refused("O02: $_ with one", provider => "$_ 4;",
	qr/invalid number of arguments/)
	for qw/ proxy_buffers proxy_ssl_conf_command /;
$c->refused("O02: $_->[0] $_->[1]", provider => "$_->[0] $_->[1];", $_->[2])
	for [ proxy_read_timeout => 'x', qr/invalid value/ ],
		[ proxy_buffers => '4 x', qr/invalid value/ ],
		[ proxy_bind => 'nowhere', qr/invalid address/ ],
		[ proxy_bind => '127.0.0.1 opaque', qr/invalid parameter/ ],
		[ proxy_ssl_verify => 'maybe', qr/it must be "on" or "off"/ ],
		[ proxy_ssl_protocols => 'SSLv9', qr/invalid value "SSLv9"/ ],
		[ proxy_ssl_ciphers => 'NONSENSE', qr/SSL_CTX_set_cipher|ciphers/ ],
		[ proxy_ssl_conf_command => 'No Such', qr/SSL_CONF_cmd/ ],
		[ proxy_http_version => '3.7', qr/invalid value/ ],
		[ proxy_ssl_certificate => $ca, qr/no "proxy_ssl_certificate_key"/ ],
		[ resolver => '', qr/invalid number/ ],
		[ resolver => '127.0.0.1 ipv6=x', qr/invalid parameter/ ],
		[ proxy_buffer_size => 'x', qr/invalid value/ ];
$c->refused("O02: $_ twice", provider => "$_ 1s;\n$_ 1s;",
	qr/"$_" directive is duplicate/)
	for qw/ proxy_read_timeout proxy_connect_timeout resolver_timeout /;

for (qw/ ssl_trusted_certificate ssl_crl /) {
	$t->write_file('garbage.pem', "-----BEGIN CERTIFICATE-----\nAAAA\n");
	$t->write_file('empty.pem', '');

	$c->refused("O02 O06: $_ that is not there",
		provider => "$_ /nonexistent;", qr{"/nonexistent"});
	$c->refused("O02 O06: $_ that is a directory",
		provider => "$_ %%TESTDIR%%;", qr/./);
	$c->refused("O02 O06: $_ with nothing inside",
		provider => "$_ %%TESTDIR%%/empty.pem;", qr/empty\.pem/);
	$c->refused("O02 O06: $_ of garbage",
		provider => "$_ %%TESTDIR%%/garbage.pem;", qr/garbage\.pem/);
}

$c->refused("O02: a provider called $_", http =>
	"oidc_provider $_ { issuer https://a.b; client_id c; }",
	qr/invalid name of an oidc_provider/)
	for 'off', "''", '"a b"', "'a\"b'", "'a\\\\b'", '$host', "\xc3\xa4";

###############################################################################
# include.

$t->write_file('inc/deep.conf', "session_timeout 1h;\n");
$t->write_file('inc/deep-good.conf', "userinfo on;\nproxy_read_timeout 1s;\n");
$t->write_file('inc/bad.conf', "\n\nscope profile;\nreturn 200;\n");
$t->write_file('inc/store.conf', "type memory;\nsize 1m;\n");
$t->write_file('inc/store-bad.conf', "type memory;\n\nsize x;\n");

$c->accepted('O02: include in a provider', provider =>
	'include %%TESTDIR%%/inc/deep-good.conf;');
$c->accepted('O02: include in a store', http =>
	'oidc_session_store s { include %%TESTDIR%%/inc/store.conf; }');
$c->accepted('O02: include of a pattern that matches nothing', provider =>
	'include %%TESTDIR%%/inc/none-*.conf;');
$c->refused('O02: include without a file', provider => 'include;',
	qr/invalid number of arguments in "include"/);
$c->refused('O02: include of a file that is not there',
	provider => 'include %%TESTDIR%%/inc/nope.conf;', qr/open\(\)/);
in_include('provider', 'include %%TESTDIR%%/inc/bad.conf;',
	qr{"return" is not allowed in oidc_provider in \S+/inc/bad\.conf:4$}m);
in_include('http',
	'oidc_session_store s { include %%TESTDIR%%/inc/store-bad.conf; }',
	qr{"size" directive invalid value in \S+/inc/store-bad\.conf:3$}m);

###############################################################################
# Names, wherever they are defined.

$c->refused('O02: auth_oidc of an unknown provider', auth => 'auth_oidc nope;',
	qr/no oidc_provider "nope"/);
$c->refused('O02: ... in a server', server => 'auth_oidc nope;',
	qr/no oidc_provider "nope"/);
$c->refused('O02: ... in http', http => 'auth_oidc nope;',
	qr/no oidc_provider "nope"/);
$c->refused('O02: ... of an empty name', auth => "auth_oidc '';",
	qr/"auth_oidc" directive has an empty value/);
$c->accepted('O02: auth_oidc before its provider', auth => 'auth_oidc other;',
	end => sprintf $other, '');
$c->accepted('O02: auth_oidc by a variable', auth => 'auth_oidc $arg_p;');
$c->accepted('O02: auth_oidc off', auth => 'auth_oidc off;');
no_provider();

$c->refused('O02: an unknown store', provider => 'session_store nope;',
	qr/no oidc_session_store "nope" for oidc_provider "idp"/);
$c->accepted('O02: a store that comes later', provider => 'session_store s;',
	end => 'oidc_session_store s { type memory; size 1m; }');
$c->refused('O02: a store of another type', http =>
	"oidc_session_store s {\ntype disk;\n}",
	qr/unknown type "disk" of oidc_session_store "s"/);
$c->refused("O02: a store's size $_", http =>
	"oidc_session_store s {\nsize $_;\n}", qr/"size" directive invalid value/)
	for qw/ x -1 1.5m 99999999999999999999g /;
$c->refused("O02 S06: a store's size $_", http =>
	"oidc_session_store s {\nsize $_;\n}",
	qr/"s" is too small, "size" must be at least \d+k/)
	for qw/ 0 1 4k /;
$c->refused("O02: a store's $_ twice", http =>
	"oidc_session_store s {\n$_ $_;\n$_ $_;\n}",
	qr/directive (?:is duplicate|invalid value)/) for qw/ type /;
$c->refused("O02: a store's size twice", http =>
	"oidc_session_store s {\nsize 1m;\nsize 1m;\n}", qr/is duplicate/);
$c->refused("O02: a store's $_ without a value", http =>
	"oidc_session_store s {\n$_;\n}", qr/invalid number of arguments in "$_"/)
	for qw/ type size /;
$c->refused('O02: a store without a name', http => "oidc_session_store '' { }",
	qr/an oidc_session_store needs a name/);
$c->refused("O02: a store with another's zone", http =>
	"limit_req_zone \$host zone=s:1m rate=1r/s;\noidc_session_store s { }",
	qr/zone "s"/);
$c->refused('O02: ... and the other way round', http =>
	"oidc_session_store s { }\nlimit_req_zone \$host zone=s:1m rate=1r/s;",
	qr/zone "s"|"s"/);

###############################################################################
# http, server, location.

$c->refused("O02: auth_oidc_mode $_", location => "auth_oidc_mode $_;",
	qr/invalid value "$_"/) for qw/ on optional /;
$c->accepted("O02: auth_oidc_mode $_", location => "auth_oidc_mode $_;")
	for qw/ off verify require /;
$c->refused("O02: unauth_action $_", location => "unauth_action $_;",
	qr/invalid value "$_"/) for qw/ 403 302 deny /;
$c->accepted("O02: unauth_action $_", location => "unauth_action $_;")
	for qw/ auto redirect 401 /;
$c->refused("O02 F16: oidc_base_url $_", server => "oidc_base_url $_;",
	qr/"oidc_base_url" must be a scheme and a host/)
	for "''", 'www.example.test', '//www.example.test',
		'https://www.example.test/app', 'https://www.example.test?a',
		'https://u@www.example.test', 'ftp://www.example.test',
		'https://$host', 'https://', 'https://www.example.test//';
$c->accepted("O02 F16: oidc_base_url $_", server => "oidc_base_url $_;")
	for qw{ https://www.example.test https://www.example.test/
		http://localhost:8080 https://[2001:db8::1]:8443 };
$c->refused("O02 F16: trusted_proxy $_", server => "trusted_proxy $_;",
	qr/invalid address "\Q$_\E" in "trusted_proxy"/)
	for qw{ proxy.example.test 10.0.0.0/33 10.0.0 ::1/129 10.0.0.0/x any };
$c->accepted("O02 F16: trusted_proxy $_", server => "trusted_proxy $_;")
	for '10.0.0.0/8', '2001:db8::/32 127.0.0.1', 'unix:';
$c->warned('O02 F16: trusted_proxy with host bits', server =>
	'trusted_proxy 10.0.0.1/8;', qr/low address bits/);
$c->refused("O02 JW-6: oidc_jwks $_", auth => '', location => "oidc_jwks $_;",
	qr/invalid parameter|invalid time/)
	for qw/ max_age max_age= max_age=x max_age=-1 maxage=1m 10m /;
$c->accepted("O02 JW-6: oidc_jwks $_", auth => '', location => "oidc_jwks $_;")
	for '', 'max_age=1h', 'max_age=0';

###############################################################################

$t->done();

###############################################################################

sub warned_cookie {
	my $two = $other =~ s/cookie_name other;//r;

	$c->warned('O02: two providers share a cookie on one server',
		http => sprintf($two, 'redirect_uri /cb;'),
		server => "location /other {\nauth_oidc other;\n}",
		qr/"(?:idp|other)" and "(?:idp|other)" share a cookie_name/);
}


# an error in an included file has that file's name and line
sub in_include {
	my ($place, $text, $re) = @_;

	my ($whole) = $c->text($place => $text);
	my ($status, $out) = $t->conf_test($whole);

	ok($status == 1 && $out =~ $re, "O02: a mistake in a file of $place")
		or diag("$status $out");
}


sub no_provider {
	my ($status, $out) = $t->conf_test(<<'EOF');
%%GLOBALS%%
http {
%%HTTP%%
server {
listen 127.0.0.1:%%PORT_0%%;
auth_oidc $arg_p;
}
}
EOF

	ok($status == 1 && $out =~ /without any oidc_provider in \S+:\d+$/m,
		'O02: auth_oidc by a variable without any provider')
		or diag("$status $out");
}

###############################################################################
