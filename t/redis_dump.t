#!/usr/bin/perl

# Whoever reads Redis learns nothing: after a thousand logins no token, no
# claim and no cookie stands in it, and everything in it ends by itself.

###############################################################################

use warnings;
use strict;

use MIME::Base64 qw/ encode_base64 /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $LOGINS = 1000;
my $t = Test::OIDC->new(workers => 2);

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_session_store shared { type redis; redis %%REDIS%%; }
    oidc_provider idp {
        %%PROVIDER%%
        session_store shared;
        session_timeout 30m;
        session_lifetime 1h;
        userinfo on;
        logout_uri /logout;

        # the provider is one process that signs, not what is tested here
        proxy_connect_timeout 60s;
        proxy_read_timeout 60s;
        timeout 60s;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=4096;
        location / {
            auth_oidc idp;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_set_header X-Token $oidc_access_token;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my ($idp, $redis) = ($t->idp(), $t->redis());

$idp->record(0);
$idp->set(id_token => { alg => 'ES256', claims => {
	sid => 'sid-of-the-provider-0815', groups => [ 'secret-society' ] } });

my @logins = $t->browser()->parallel_logins(n => $LOGINS, concurrency => 200);
my @users = map { $_->{browser} } grep { $_->{ok} } @logins;

is(scalar @users, $LOGINS, 'S04: a thousand logins');

###############################################################################
# What stands there, and until when.

my %all = $redis->dump();
my %type;

$type{ $_->{type} }++ for values %all;
note(join ', ', map { "$type{$_} of type $_" } sort keys %type);

cmp_ok(scalar keys %all, '>=', $LOGINS, 'S04: there are records');
is_deeply([ grep { $all{$_}{ttl} <= 0 } sort keys %all ], [],
	'RE-3: every key has a time to live');

# a session idles out; an index may be needed for the session's whole lifetime
is_deeply([ grep { $all{$_}{ttl} > 3600_000 + 60_000 } sort keys %all ], [],
	'RE-3 S05: which is within the session\'s lifetime');
cmp_ok(scalar(grep { $_->{ttl} <= 1800_000 + 60_000 } values %all), '>=',
	$LOGINS, 'RE-3 S05: and a record\'s within the time it may be idle');

###############################################################################
# What may not be in it, as it is or in a spelling of it.

my $issued = $idp->issued();
my %needle;

needle('claim', qw/ 248289761001 alice@example.test secret-society Alice Adams
	sid-of-the-provider-0815 /, $idp->issuer());
needle('access token', @{ $issued->{access_tokens} });
needle('refresh token', @{ $issued->{refresh_tokens} });
needle('code', @{ $issued->{codes} });
needle('ID token', map { my @part = split /\./; @part[1, 2],
	Test::OIDC::Keys::b64u_decode($part[1]) } @{ $issued->{id_tokens} });

for my $b (@users) {
	for my $c ($b->cookies()) {
		my $bytes = Test::OIDC::Keys::b64u_decode($c->{value});

		needle('cookie', $c->{value}, $bytes, unpack('H*', $bytes),
			encode_base64($bytes, ''));
	}
}

cmp_ok(scalar keys %needle, '>', 8 * $LOGINS, 'S04: much to look for');

my $text = join "\0", map { flat($_, $all{$_}{value}) } sort keys %all;

cmp_ok(length $text, '>', 100 * $LOGINS, 'S04: in all that Redis holds');
is_deeply(found($text . "\0" . $users[0]->cookie('NGX_OIDC_SESSION')->{value}),
	{ cookie => 1 }, 'S04: what is there is found');
is_deeply(found($text), {}, 'S04 SE-12: no token, no claim, no cookie');

###############################################################################
# A session ends, and its record is gone, with its place in the indexes.

my $before = $redis->do('DBSIZE');

is($users[0]->get('/logout', site => 'same-origin')->status(), 302,
	'S13: a logout');
ok($t->wait_for(sub { $redis->do('DBSIZE') == $before - 1 }),
	'S13: takes one record out of Redis');

$t->done();

###############################################################################

sub needle {
	my ($what, @values) = @_;

	$needle{$_} = $what for grep { length >= 5 } @values;
}


# keys, values, members and scores
sub flat {
	return map { ref $_ ? flat(@$_) : $_ // '' } @_;
}


# { what => number } of the needles in a text, which are too many for a pattern
sub found {
	my ($haystack) = @_;

	my (%begins, %found);

	push @{ $begins{ substr $_, 0, 5 } }, $_ for keys %needle;

	while ($haystack =~ /(?=(.{5}))/gs) {
		my $some = $begins{$1} or next;
		my $at = pos $haystack;

		$found{ $needle{$_} }++ for grep {
			substr($haystack, $at, length) eq $_ } @$some;
	}

	return \%found;
}

###############################################################################
