#!/usr/bin/perl

# A key's life, as README has it: rolled over in three reloads, while logins are
# under way and providers still encrypt to what they fetched before.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';

use Test::OIDC;
use Test::OIDC::Keys qw/ b64u_decode key jwk /;

###############################################################################

my $t = Test::OIDC->new();

umask 077;
$t->write_file("$_->[0].pem", key($_->[1], $_->[2])->export_key_pem(
	$_->[1] eq 'rsa' ? 'private' : 'private_short')) for
	[ old => 'rsa', 1 ], [ new => 'rsa', 2 ], [ sign1 => 'p256', 1 ],
	[ sign2 => 'p256', 2 ];

my %enc = (old => jwk(key('rsa', 1), kid => 'old'),
	new => jwk(key('rsa', 2), kid => 'new'));
my @sign = map { jwk(key('p256', $_), kid => "sign$_") } 1, 2;
my $idp = $t->idp();

$idp->set(client => { auth => [ 'private_key_jwt' ], keys => \@sign });
$t->conf(conf('old use=enc', 'sign1 use=sig'))->run();

###############################################################################
# A key that decrypts.  After each reload: what is published, who may encrypt.

my @stages = ([ 'one key', [ 'old use=enc' ], [ 'old' ], old => 200,
		new => 502 ],
	[ 'the new one first', [ 'new use=enc', 'old use=enc' ],
		[ 'new', 'old' ], old => 200, new => 200 ],
	[ 'the old one retired', [ 'new use=enc', 'old use=enc retired' ],
		[ 'new' ], old => 200, new => 200 ],
	[ 'the old one removed', [ 'new use=enc' ], [ 'new' ], old => 502,
		new => 200 ]);

my $first = $t->browser();
encrypt('old');
is($first->login('/')->status(), 200, 'R04: a session of before');

my %etag;

for (@stages) {
	my ($name, $keys, $published, %status) = @$_;

	# a login that began before the reload ends after it

	my %flying = map { encrypt($_); my $b = $t->browser();
		$_ => [ $b, $b->start_login('/page') ] } sort keys %status;

	$t->reload(conf(@$keys, 'sign1 use=sig'));

	my ($kids, $etag) = published();

	is_deeply($kids, [ @$published, 'sign1' ],
		"R03 R04 JW-5: $name: published, in this order");

	for my $key (sort keys %status) {
		encrypt($key);
		is($t->browser()->login('/')->status(), $status{$key},
			"R04 JW-5: $name: encrypted to the $key one");

		my ($b, $url) = @{ $flying{$key} };
		my $r = $b->callback($url);

		is($r->status(), $status{$key} == 200 ? 302 : 502,
			"R04: $name: so is a login that was under way");
	}

	$etag{$etag} = 1;
	is($first->get('/')->status(), 200, "R04: $name: nobody is logged out");
}

is(scalar keys %etag, 3, 'JW-6: another set, another ETag');

my ($kids, $etag) = published();
my $head = $t->curl('-sI', '-H', "If-None-Match: $etag", $t->url('/jwks'));

like($head, qr{^HTTP/1.1 304 .*^ETag: \Q$etag\E}ms, 'JW-6: 304');

###############################################################################
# A key that signs is known before it is used.

encrypt('new');

for ([ 'the new one second', [ 'sign1 use=sig', 'sign2 use=sig' ], 'sign1' ],
	[ 'the new one first', [ 'sign2 use=sig', 'sign1 use=sig' ], 'sign2' ],
	[ 'the old one retired', [ 'sign1 use=sig retired', 'sign2 use=sig' ],
		'sign2' ],
	[ 'the old one removed', [ 'sign2 use=sig' ], 'sign2' ])
{
	my ($name, $keys, $signer) = @$_;

	$t->reload(conf('new use=enc', @$keys));
	is($t->browser()->login('/')->status(), 200, "JW-10: $name");

	my $token = $idp->last('token')->{form}{client_assertion};

	like(b64u_decode((split /\./, $token)[0]), qr/"kid":"$signer"/,
		"JW-10: $name: signed with $signer");
	is_deeply((published())[0], [ 'new', map { /retired/ ? () : /^(\w+)/ }
		@$keys ], "JW-10: $name: published");
}

###############################################################################

$t->done();

###############################################################################

# Lines of oidc_key, by name and parameters.
sub conf {
	my $keys = join '', map { my ($name, $how) = split / /, $_, 2;
		"oidc_key %%TESTDIR%%/$name.pem kid=$name $how;\n" } @_;

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    $keys
    oidc_provider idp {
        issuer %%IDP%%;
        client_id gateway;
        client_auth_method private_key_jwt;
        id_token_encrypted_response_alg RSA-OAEP;
        id_token_encrypted_response_enc A256GCM;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / { auth_oidc idp; proxy_pass http://%%BACKEND%%; }
        location = /jwks { oidc_jwks max_age=60s; }
    }
}
EOF
}

sub encrypt {
	my ($key) = @_;

	$idp->set(id_token => { encrypt => { alg => 'RSA-OAEP',
		enc => 'A256GCM', key => $enc{$key} } });
}

# Key ids in order, and the ETag.
sub published {
	my $r = $t->browser()->get('/jwks');

	return ([ map { $_->{kid} } @{ $r->json()->{keys} } ],
		$r->header('ETag'));
}

###############################################################################
