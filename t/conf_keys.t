#!/usr/bin/perl

# Files that hold keys and secrets, as "nginx -t" sees them: what is missing,
# unreadable, weak, locked or not ours is an [emerg] with file and line; nobody
# is ever asked for a passphrase; what everyone may read is a [warn].

###############################################################################

use warnings;
use strict;

use POSIX ();
use File::Copy qw/ copy /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Conf;

###############################################################################

my $t = Test::OIDC->new();
my $c = Test::OIDC::Conf->new($t);
my $dir = $t->testdir();

umask 077;

key('rsa.pem', '-algorithm RSA -pkeyopt rsa_keygen_bits:2048');
key('rsa1024.pem', '-algorithm RSA -pkeyopt rsa_keygen_bits:1024');
key('p256.pem', '-algorithm EC -pkeyopt ec_paramgen_curve:P-256');
key('p384.pem', '-algorithm EC -pkeyopt ec_paramgen_curve:P-384');
key('p521.pem', '-algorithm EC -pkeyopt ec_paramgen_curve:P-521');
key('k1.pem', '-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1');
key('spelled.pem', '-algorithm EC -pkeyopt ec_paramgen_curve:P-256 '
	. '-pkeyopt ec_param_enc:explicit');
key('ed25519.pem', '-algorithm ED25519');
key('ed448.pem', '-algorithm ED448');
key('x25519.pem', '-algorithm X25519');
key('dh.pem', '-genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024');
openssl('rsa -in rsa.pem -aes128 -passout pass:x -out locked.pem -traditional');
openssl('pkey -in p256.pem -aes128 -passout pass:x -out locked8.pem');
openssl('pkey -in rsa.pem -pubout -out public.pem');
openssl('rsa -in rsa.pem -traditional -out pkcs1.pem');
openssl('ec -in p256.pem -out sec1.pem');
openssl('pkey -in rsa.pem -outform DER -out rsa.der');
$t->write_file('empty', '');
$t->write_file('garbage', 'x' x 100);
$t->write_file('half.pem', substr $t->read_file('rsa.pem'), 0, 900);
$t->write_file('flipped.pem', $t->read_file('sec1.pem') =~ s{^(MHc.{20})(.)}
	{$1 . ($2 eq 'A' ? 'B' : 'A')}mer);
$t->write_file('large', "x" x 40000);
$t->write_file('open.pem', $t->read_file('p256.pem'));
$t->write_file('open_secret', 's' x 40);
$t->write_file('secret', 's' x 40 . "\n");
$t->write_file('short', 's' x 31);
$t->write_file('newlines', "\n\n");
chmod 0644, "$dir/open.pem", "$dir/open_secret";
POSIX::mkfifo("$dir/fifo", 0600);
symlink 'loop', "$dir/loop";

###############################################################################
# oidc_key

for ([ 'nope.pem', qr/open\(\).*nope\.pem.*failed/ ],
	[ 'loop', qr/open\(\).*loop.*failed/ ],
	[ '.', qr/is not a regular file/ ],
	[ 'fifo', qr/is not a regular file/ ],
	[ 'empty', qr/not a private key in PEM/ ],
	[ 'garbage', qr/not a private key in PEM/ ],
	[ 'half.pem', qr/not a private key in PEM/ ],
	[ 'rsa.der', qr/not a private key in PEM/ ],
	[ 'dh.pem', qr/not a private key in PEM/ ],
	[ 'flipped.pem', qr/cannot use key/ ],
	[ 'large', qr/is too large/ ],
	[ 'public.pem', qr/a public key only/ ],
	[ 'locked.pem', qr/locked by a passphrase/ ],
	[ 'locked8.pem', qr/locked by a passphrase/ ],
	[ 'rsa1024.pem', qr/RSA keys need at least 2048 bits/ ],
	[ 'k1.pem', qr/curve is none of P-256, P-384 and P-521/ ],
	[ 'spelled.pem', qr/curve is none of P-256, P-384 and P-521/ ],
	[ 'ed448.pem', qr/neither RSA, EC, Ed25519 nor X25519/ ])
{
	my ($file, $re) = @$_;

	$c->refused("R05 JW-8: oidc_key $file", http => "oidc_key $dir/$file;",
		$re);
	$c->refused("R05 JW-8: oidc_key $file in a provider",
		provider => "oidc_key $dir/$file;", $re);
}

$c->refused("R05: oidc_key ''", http => "oidc_key '';",
	qr/is not a regular file|open\(\)/);

SKIP: {
	skip 'root reads everything', 1 if $> == 0 and !unprivileged();

	my ($status, $out) = as_nobody("oidc_key $dir/rsa.pem;");

	ok($status == 1 && $out =~ /\[emerg\].*rsa\.pem.*Permission denied/
		&& $out =~ / in \S+:\d+$/m, 'R05: a key that nginx may not read')
		or diag("$status $out");
}

for ([ rsa => 'use=sig alg=ES256' ], [ rsa => 'use=enc alg=RS256' ],
	[ rsa => 'use=sig alg=RSA-OAEP' ], [ rsa => 'alg=ECDH-ES' ],
	[ rsa => 'alg=RSA1_5' ], [ rsa => 'alg=none' ], [ rsa => 'alg=HS256' ],
	[ rsa => 'alg=dir' ], [ rsa => 'alg=rs256' ],
	[ p256 => 'alg=RSA-OAEP' ], [ p256 => 'alg=ES384' ],
	[ p384 => 'alg=ES256' ], [ p521 => 'alg=RS256' ],
	[ ed25519 => 'use=enc' ], [ ed25519 => 'alg=ECDH-ES' ],
	[ x25519 => 'use=sig' ], [ x25519 => 'alg=EdDSA' ])
{
	$c->refused("R05 JW-9: $_->[0] with $_->[1]",
		http => "oidc_key $dir/$_->[0].pem $_->[1];",
		qr/this key cannot do this alg|this kind of key cannot be used so/);
}

$c->refused("R05 JW-9: $_", http => "oidc_key $dir/rsa.pem $_;",
	qr/invalid parameter|use is neither sig nor enc|kid is too long/)
	for 'use=', 'alg=', 'kid=', 'use=both', 'retire', 'retired=1', 'kid',
		'use=sig use=enc', 'kid=a kid=b', 'alg=RS256 alg=RS256',
		'retired retired', '=', 'kid=' . 'k' x 2000, "kid=\xff";

$c->accepted("R03 JW-8: oidc_key $_->[0].pem $_->[1]",
	http => "oidc_key $dir/$_->[0].pem $_->[1];")
	for [ rsa => '' ], [ rsa => 'use=sig' ], [ rsa => 'use=enc' ],
		[ rsa => 'alg=PS512 kid=a' ], [ rsa => 'alg=RSA-OAEP-256' ],
		[ rsa => 'use=enc retired' ], [ pkcs1 => '' ], [ sec1 => '' ],
		[ p256 => 'use=sig' ], [ p384 => 'alg=ES384' ],
		[ p521 => 'alg=ECDH-ES' ], [ ed25519 => '' ], [ x25519 => '' ];

$c->refused('R05 JW-4: one key twice', http =>
	"oidc_key $dir/rsa.pem use=sig;\noidc_key $dir/rsa.pem use=enc;",
	qr/has the kid of another/);
$c->refused('R05 JW-4: one kid twice', http =>
	"oidc_key $dir/rsa.pem kid=a;\noidc_key $dir/p256.pem kid=a;",
	qr/has the kid of another: "a"/);
$c->refused('R05 JW-4: one key in http and in a provider',
	http => "oidc_key $dir/rsa.pem;", provider => "oidc_key $dir/rsa.pem;",
	qr/has the kid of another/);
$c->accepted('R03 JW-9: one key for both uses, with names', http =>
	"oidc_key $dir/rsa.pem use=sig kid=s;\n"
	. "oidc_key $dir/rsa.pem use=enc kid=e;");
$c->warned('JW-8: a key that everyone may read', http =>
	"oidc_key $dir/open.pem;", qr{"\Q$dir\E/open\.pem" holds a secret});

# With no terminal, with standard input closed, and with a terminal that would
# show a prompt.

for ([ 'no terminal' => "setsid %s </dev/null" ],
	[ 'standard input closed' => "setsid %s <&-" ],
	[ 'a terminal' => "script -qec '%s' /dev/null </dev/null" ])
{
	my ($name, $wrap) = @$_;

	for my $file ("locked.pem", "locked8.pem") {
		my ($status, $out) = shell($wrap, "oidc_key $dir/$file;");

		ok($status == 1 && $out =~ /locked by a passphrase in \S+:\d+/
			&& $out !~ /pass ?phrase:|Enter/i,
			"R05 JW-8: $file, $name: no prompt")
			or diag("$status $out");
	}
}

###############################################################################
# Secrets.

for ([ client_secret_file => 'provider' ], [ oidc_cookie_key => 'http' ]) {
	my ($name, $place) = @$_;
	my @base = $name eq 'client_secret_file' ? (base =>
		"issuer https://idp.example.test;\nclient_id gateway;") : ();

	$c->refused("O02 O03: $name $_->[0]", @base,
		$place => "$name '$dir/$_->[0]';", $_->[1])
		for [ 'nope', qr/open\(\).*failed/ ],
			[ '.', qr/is not a regular file/ ],
			[ 'fifo', qr/is not a regular file/ ],
			[ 'empty', qr/is empty/ ], [ 'newlines', qr/is empty/ ],
			[ 'large', qr/is too large/ ];
	$c->accepted("O02 O03: $name", @base, $place => "$name $dir/secret;");
	$c->warned("O03: $name that everyone may read", @base,
		$place => "$name $dir/open_secret;", qr/holds a secret/);
}

$c->refused('O02: client_secret and client_secret_file', provider =>
	"client_secret_file $dir/secret;",
	qr/both "client_secret" and "client_secret_file"/);
$c->refused('O02 V06: a file with a secret that is short for HS512',
	base => "issuer https://idp.example.test;\nclient_id gateway;",
	provider => "client_secret_file $dir/secret;\n"
		. 'id_token_signed_response_alg HS512;',
	qr/HS512 .* at least 64 bytes/);
$c->refused('O02: oidc_cookie_key of 31 bytes', http =>
	"oidc_cookie_key $dir/short;", qr/must hold at least 32 bytes/);
$c->accepted('O02 S04: two cookie keys', http =>
	"oidc_cookie_key $dir/secret;\noidc_cookie_key $dir/secret;");
$c->refused('O02 S04: too many cookie keys', http =>
	"oidc_cookie_key $dir/secret;\n" x 20, qr/more than \d+ "oidc_cookie_key"/);

###############################################################################

$t->done();

###############################################################################

sub key {
	my ($name, $args) = @_;

	openssl("genpkey $args -out $name");
}


sub openssl {
	my ($args) = @_;

	my $out = `cd $dir && openssl $args 2>&1 </dev/null`;

	die "openssl $args: $out" if $?;
}


# nginx -t of a configuration with the text in http{}, by a command line that
# has %s where nginx stands; hangs end after 20 seconds.
sub shell {
	my ($wrap, $text) = @_;

	my ($conf) = $c->text(http => $text);

	# nobody may not be let into the directory of a checkout

	if ($t->{module} ne 'static') {
		copy($t->{module}, "$dir/module.so") or die "$!";
		chmod 0755, "$dir/module.so";
		$conf =~ s/\Q$t->{module}\E/$dir\/module.so/;
	}

	my $file = $t->write_file('shell.conf', $conf);
	my $nginx = "$t->{binary} -t -p $dir/ -e stderr -c $file";
	my $command = sprintf $wrap, $nginx;
	my $out = `timeout 20 sh -c "$command" 2>&1`;

	return ($? >> 8, $out =~ s/\r//gr);
}


sub unprivileged { return defined getpwnam 'nobody'; }


sub as_nobody {
	my ($text) = @_;

	chmod 0711, $dir;

	my ($conf) = $c->text(http => $text);
	my $file = $t->write_file('nobody.conf', $conf);

	# nobody may not be let into the directory of a checkout

	if ($t->{module} ne 'static') {
		copy($t->{module}, "$dir/module.so") or die "$!";
		chmod 0755, "$dir/module.so";
		$t->write_file('nobody.conf', $t->read_file('nobody.conf')
			=~ s/\Q$t->{module}\E/$dir\/module.so/r);
	}

	chmod 0644, $file;

	my $nginx = "$t->{binary} -t -p $dir/ -e stderr -c $file";
	my $out = $> == 0 ? `setpriv --reuid nobody --clear-groups $nginx 2>&1`
		: `chmod 0 $dir/rsa.pem; $nginx 2>&1; s=\$?; chmod 600 $dir/rsa.pem; exit \$s`;

	return ($? >> 8, $out);
}

###############################################################################
