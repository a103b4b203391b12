#!/usr/bin/perl

# oidc_session_store of type redis, and session_store with a URL: what
# contradicts itself is an [emerg] with file and line, and none quotes a
# password.  No server is needed: nothing connects before there are workers.

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
my $dir = $t->testdir();
my ($ca, $cert, $key) = map { $t->expand("%%$_%%") } qw/ CA CERT CERT_KEY /;

$t->write_file('password', "geheim-4711\n");
$t->write_file('cookie.key', 's' x 40);
chmod 0600, "$dir/password", "$dir/cookie.key";

my $cookie_key = "oidc_cookie_key $dir/cookie.key;";

###############################################################################
# Numbers of arguments, duplicates, contexts.

my %one = (
	hostname => 'redis.example.test',
	port => 6379,
	database => 1,
	username => 'app',
	password => 'geheim-4711',
	password_file => "$dir/password",
	prefix => 'app:',
	sentinel => 'mymaster',
	cluster => 'on',
	connect_timeout => '1s',
	command_timeout => '1s',
	local_copy => '1m',
	ssl_trusted_certificate => $ca,
	ssl_certificate => $cert,
	ssl_certificate_key => $key,
	ssl_name => 'redis.example.test',
	ssl_verify => 'on',
);

for (sort keys %one) {
	$c->refused("S07: $_ without a value", http => store($_),
		qr/invalid number of arguments in "$_"/);
	$c->refused("S07: $_ twice", http => store("$_ $one{$_};\n$_ $one{$_}"),
		qr/"$_" directive is duplicate/);
	$c->refused("S07: $_ is of type redis", http =>
		"oidc_session_store s {\ntype memory;\n$_ $one{$_};\n}",
		qr/"$_" of oidc_session_store "s" needs "type redis"/);
}

$c->refused('S07: redis without a URL', http => store('redis'),
	qr/invalid number of arguments in "redis"/);
$c->refused('S07: an empty URL', http => store("redis ''"),
	qr/"redis" directive has an empty value/);
$c->refused('S07: redis is of type redis', http =>
	"oidc_session_store s {\nredis redis://127.0.0.1;\n}",
	qr/"redis" of oidc_session_store "s" needs "type redis"/);

###############################################################################
# Values, and what does not go together.

my $url = 'redis redis://127.0.0.1';
my $tls = 'redis rediss://redis.example.test';

for (
	[ '', qr/"type redis" needs "redis" or "hostname"/ ],
	[ "$url; size 1m", qr/"size" is of "type memory"/ ],
	[ "$url; hostname h", qr/"redis" beside "hostname"/ ],
	[ "$url; port 1", qr/"redis" beside "hostname" or "port"/ ],
	(map { [ "hostname h; port $_", qr/invalid "port"/ ] } 0, 65536),
	[ 'hostname h; port x', qr/"port" directive invalid number/ ],
	(map { [ "hostname '$_'", qr/invalid "hostname"/ ] }
		'a b', 'a/b', 'u:p@h'),
	[ "$url; database x", qr/"database" directive invalid number/ ],
	[ "$url; database 65536", qr/invalid "database"/ ],
	[ "$url; password a; password_file $dir/password",
		qr/both "password" and "password_file"/ ],
	[ "$url; username u", qr/"username" without "password"/ ],
	[ 'redis redis://u:geheim-4711@h; password b',
		qr/a password beside one in the URL/ ],
	[ "$url; password_file $dir/nothing", qr/nothing" failed/ ],
	[ "$url redis://127.0.0.2", qr/several URLs need/ ],
	[ "$url; redis redis://127.0.0.2", qr/several URLs need/ ],
	[ "$url; cluster on; sentinel m", qr/both "cluster" and "sentinel"/ ],
	[ "$url; cluster on; database 1", qr/a "cluster" has no "database"/ ],
	[ "$url; cluster maybe", qr/invalid value "maybe"/ ],
	[ "$url; connect_timeout 0", qr/a time-out of 0/ ],
	[ "$url; command_timeout 0", qr/a time-out of 0/ ],
	[ "$url; command_timeout x", qr/"command_timeout" directive invalid/ ],
	(map { [ "$url; prefix '$_'", qr/invalid "prefix"/ ] }
		'a b', '{a}', 'x' x 65, "\xc3\xa4"),
	[ "$url; local_copy 255k", qr/"local_copy" directive must be at least/ ],
	[ "$url; local_copy on", qr/"local_copy" directive takes a size/ ],
	[ "$tls; ssl_certificate $cert", qr/need each other/ ],
	[ "$tls; ssl_certificate_key $key", qr/need each other/ ],
	(map { [ "$url; ssl_$_", qr/"ssl_\*" without a rediss:/ ] }
		"trusted_certificate $ca", 'name x', 'verify on', 'verify off',
		"certificate $cert; ssl_certificate_key $key"),
	[ "$tls; ssl_verify off; ssl_name x", qr/"ssl_verify off" beside/ ],
	[ "$tls; ssl_verify off; ssl_trusted_certificate $ca",
		qr/"ssl_verify off" beside/ ],
) {
	my ($text, $re) = @$_;

	$c->refused("S07: $text" =~ s/\Q$dir\E//gr, http => store($text), $re);
}

$c->refused('S07: a store named as a URL', http =>
	"oidc_session_store redis://h {\n}", qr/is no URL/);
$c->refused('S07: a store named as a socket', http =>
	"oidc_session_store unix:x {\n}", qr/is no URL/);

###############################################################################
# A password is never shown, however wrong the URL around it is.

for ('reds://u:geheim-4711@h', 'u:geheim-4711@h', 'http://u:geheim-4711@h',
	'redis://u:geheim-4711', 'redis:/u:geheim-4711@h',
	'redis://u:geheim-4711@h:x', 'rediss://u:geheim-4711@h/x',
	'redis://u:geheim-4711@h/1/2', 'unix:geheim-4711')
{
	for my $place ([ provider => "session_store '$_';" ],
		[ http => store("redis '$_'") ])
	{
		my ($text) = $c->text(@$place);
		my ($status, $out) = $t->conf_test($text);

		is($status, 1, "RE-4 S07: $place->[0]: $_ is refused");
		unlike($out, qr/geheim/, 'RE-4: ... and not shown');
		like($out, qr/\[emerg\].* in \S+:\d+$/m, 'RE-4: ... at its line');
	}
}

###############################################################################

$t->done();

###############################################################################

sub store {
	my ($text) = @_;

	return "oidc_session_store s {\ntype redis;\n$text"
		. ($text ? ';' : '') . "\n}";
}

###############################################################################
