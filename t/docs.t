#!/usr/bin/perl

# README.md and the source say the same: directives with default and context,
# variables, reasons of refusals, files; and its examples load.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ key /;
use Test::OIDC::Conf;

###############################################################################

my $t = Test::OIDC->new();
my $readme = slurp('README.md');

# Directives: { name => { context => 1 } } of the source.

my %source;
my %context = (MAIN => 'http', SRV => 'server', LOC => 'location');

my $module = slurp('ngx_http_oidc_module.c');

while ($module =~ /\{ ngx_string\("(\w+)"\),\s*([A-Z0-9_|\s]+),/g) {
	my ($name, $flags) = ($1, $2);

	$source{$name}{ $context{$_} } = 1
		for $flags =~ /NGX_HTTP_(MAIN|SRV|LOC)_CONF/g;
}

$source{$_}{oidc_provider} = 1 for commands('ngx_http_oidc_provider.c'),
	slurp('src/oidc/oidc_metadata.h') =~ /^    X\((\w+), [01]\)/mg;
$source{$_}{oidc_session_store} = 1 for commands('ngx_http_oidc_store_conf.c');

# directives of a login stand in both tables
for my $name (slurp('src/http/ngx_http_oidc_args.h')
	=~ /\{ ngx_string\("(\w+)"\)/g)
{
	$source{$name}{$_} = 1 for 'oidc_provider', values %context;
}

my (%readme, %default);

while ($readme =~ /^\| `(\w+)[^`]*` \| (.*?) \| ([\w, ]+) \| /mg) {
	$readme{$1}{$_} = 1 for split /, /, $3;
	$default{$1} = $2;
}

cmp_ok(scalar keys %source, '>', 50, 'O01: the tables of the source are read');
is_deeply(\%readme, \%source,
	'O01: every directive in its contexts, in README and source alike');
is_deeply([ grep { !length $default{$_} } sort keys %default ], [], 'O01: every directive has its default');

# Defaults that stand in the source as a number or a word.

my $check = join '', map { slurp("src/http/ngx_http_oidc_$_") }
	qw/ provider_check.c provider.c store_check.c /;

for ([ session_timeout => 3600 * 8, '`8h`' ],
	[ session_lifetime => 3600 * 12, '`12h`' ],
	[ pre_auth_timeout => 300, '`300s`' ], [ clock_skew => 30, '`30s`' ],
	[ timeout => 30000, '`30s`' ], [ pkce => 1, '`on`' ],
	[ refresh => 'NGX_HTTP_OIDC_REFRESH_ON', '`on`' ],
	[ refresh_error => 'NGX_HTTP_OIDC_REFRESH_END', '`end`' ],
	[ refresh_leeway => 30, '`30s`' ],
	[ access_token_lifetime => 0, 'none: never refreshed' ],
	[ userinfo_interval => 0, '`0`: once per login' ],
	[ response_mode => 0, '`query`', 'form_post' ],
	[ ssl_verify => 1, '`on`' ], [ cluster => 0, '`off`' ],
	[ port => 6379, '`6379`' ], [ local_copy => 8 << 20, '`8m`', 'sc.copy' ],
	[ connect_timeout => 1000, '`1s`' ], [ command_timeout => 1000, '`1s`' ],
	map { [ $_ => 0, '`off`' ] } qw/ userinfo logout_token_hint
		logout_cross_site pass_cookies allow_http par request_object
		logout_revoke /)
{
	my ($name, $value, $text, $member) = @$_;

	$member //= $name;
	my ($in) = $check =~ /ngx_conf_init_\w+\([pb]->\Q$member\E,\s+([\w *]+)\)/;

	is(number($in), $value, "O01: default of $name");
	is($default{$name}, $text, "O01: ... in README");
}

my $introspect = slurp('src/http/ngx_http_oidc_introspect_conf.c');
my %init = $introspect =~ /in->(\w+) == NGX_CONF_UNSET\w*\) \{\s+in->\1 = (\w+);/g;

is(sprintf('`%ss negative=%ss size=%sm`', @init{qw/ cache negative /},
	number($init{size}) >> 20), $default{introspection_cache},
	'O01: default of introspection_cache, in README too');

my $block = slurp('src/http/ngx_http_oidc_store_check.c');

is($block =~ /ngx_str_set\(&b->sc\.prefix, "(.*?)"/ ? "`$1`" : '',
	$default{prefix}, 'O01: default of prefix, in README too');
is(number('NGX_OIDC_STORE_SIZE') >> 20, $default{size} =~ /^`(\d+)m`$/ && $1,
	'O01: default of size, in README too');

# Directives of nginx in oidc_provider.

my $channel = slurp('src/http/ngx_http_oidc_back_channel.c');

while ($channel =~ /^    \{ "(\w+)", (NULL|"[^"]*"), 1 \}/mg) {
	my ($name, $value) = ($1, $2 eq 'NULL' ? '' : $2 =~ tr/"//dr);

	$value = '' if $value =~ /^\$/;
	like($readme, $value ? qr/`$name`\s\(\Q$value\E\)/s : qr/`$name`/,
		"O01: $name $value in oidc_provider");
}

# Variables.

my @vars = grep { !/^oidc_call_/ } slurp('src/http/ngx_http_oidc_vars.c')
	=~ /\{ ngx_string\("(\w+)"\)/g;
my @said = $readme =~ /^\| `\$(oidc_\w+)` \|/mg;

is_deeply([ sort map { s/NAME$//r } @said ], [ sort @vars ],
	'O01: every variable, in README and source alike');

# Reasons: all that a request can be refused for, under their status.

my %row = map { /^\| (\d+) \|/ ? ($1 => $_) : () } split /\n/, $readme;
my %inner = map { $_ => 1 } qw/ ok seal bad_key session_version
	session_expired session_provider bearer_missing dpop_nonce /;
my $base = slurp('src/oidc/oidc_base.h');
my @reasons;

while ($base =~ /^    X\(OIDC_\w+,\s+"(\w+)",\s+(\d+)/mg) {
	push @reasons, [ $1, $2 ] if !$inner{$1};
}

is_deeply([ map { $_->[0] } grep { ($row{$_->[1]} // '') !~ /`$_->[0]`/ }
	@reasons ], [], 'O01 O04: every reason stands at its status');
is_deeply([ grep { $readme =~ /^\|.*`$_`/m } sort keys %inner ], [],
	'O01 O04: and none that no request is refused for');

# Files and targets that README names.

my @files = $readme =~ m{(?:\]\(|`)((?:conf|src|t|keycloak)/[\w./-]*|LICENSE)[)`]}g;

is_deeply([ grep { !(() = glob $_) } map { s{/$}{}r } @files ], [],
	'O01: what README points to is there');
is_deeply([ grep { slurp('Makefile') !~ /^$_:/m }
	$readme =~ /^(?:sudo )?make ([a-z]+)/mg ], [],
	'O01: its make targets are there');
like($readme, qr/Only one can be loaded.*NGINX Plus, Angie and kjdev/s,
	'O11: the name clash is stated');
like($readme, qr/`return` and `rewrite` run before any guard/,
	'O01: so is what return does');

# Its examples load.

my $n = 0;

unlike($readme, qr/^```nginx$/m, 'O01: every example says where it belongs');

while ($readme =~ /^```nginx (\w+)\n(.*?)^```/msg) {
	my ($place, $text) = ($1, $2);
	my @lines = grep { /\S/ } split /\n/, $text;

	$n++;
	cmp_ok(scalar @lines, '<', 15, 'O01: under 15 lines') if $n == 1;

	$t->write_file("$_", 's' x 40) for grep { chmod 0700, $t->testdir() }
		map { "oidc/$_" } qw/ client_secret staff_secret
			customers_secret redis_password /;
	$t->write_file("oidc/$_->[0].pem", key('p256', $_->[1])
		->export_key_pem('private_short')) for [ encrypt => 1 ],
		[ sign => 2 ];
	chmod 0600, glob $t->testdir() . '/oidc/*';
	$text =~ s{ssl_certificate tls/www\.crt}{ssl_certificate %%CERT%%};
	$text =~ s{ssl_certificate_key tls/www\.key}
		{ssl_certificate_key %%CERT_KEY%%};
	$text = "oidc_provider doc {\nissuer https://idp.example.com;\n"
		. "client_id gateway;\nclient_secret secret;\n$text\n}\n"
		if $place eq 'oidc_provider';
	$text = "server {\nlisten 80;\n$text\n}\n" if $place eq 'server';
	if ($place eq 'location') {
		$text = "server {\nauth_oidc idp;\n$text\n}\n";
		$place = 'http';
	}
	if ($place eq 'http') {
		$text = "oidc_provider idp {\nissuer https://idp.example.com;\n"
			. "client_id gateway;\nclient_secret secret;\n}\n$text"
			if $text =~ /auth_oidc +idp;/ && $text !~ /oidc_provider idp /;
		$text = "upstream backend {\nserver 127.0.0.1:8080;\n}\n$text"
			if $text =~ m{http://backend;};
		$text =~ s/^server \{\n/server {\nlisten 80;\n/m
			if $text !~ /listen \d/;
	}
	$text =~ s/listen (\d+)/'listen 127.0.0.1:' . $t->port($n)/e;

	my ($status, $out) = $t->conf_test(
		"%%GLOBALS%%\nhttp {\n%%HTTP%%\n$text\n}\n");

	is($status, 0, "O01: example $n loads") or diag($out);
	unlike($out, qr/\[warn\]/, "O01: ... without a warning");
}

cmp_ok($n, '>', 2, 'O01: there are examples');

# Every directive is in a test.

my $tests = join '', map { slurp($_) } grep { $_ ne 't/docs.t' } glob 't/*.t';

is_deeply([ grep { $tests !~ /\b$_\b/ } sort keys %source ], [],
	'O01: every directive is in a test');

###############################################################################

$t->done();

###############################################################################

sub slurp {
	my ($name) = @_;

	open my $fh, '<', $name or die "$name: $!";
	local $/;

	return scalar <$fh>;
}


# of an expression, or of a constant; an enumeration's name stays as it is
sub number {
	my ($text) = @_;

	our $all //= join '', map { slurp($_) } glob 'src/*/*.[ch]';

	return if !defined $text;
	$text = $1 if $text =~ /^[A-Z]\w+$/ && $text !~ /_REFRESH_/
		&& $all =~ /^#define $text +\(?([\d *]+)\)?$/m;

	return $text =~ /^[\d *]+$/ ? eval $text : $text;
}


sub commands {
	my ($name) = @_;

	return slurp("src/http/$name") =~ /\{ ngx_string\("(\w+)"\),\s*NGX_CONF_/g;
}

###############################################################################
