#!/usr/bin/perl

# Documents are fetched again ahead of their expiry, by one worker, and not
# earlier; while that fails, what is known stays in use.  The least time that
# the module keeps a document is a minute, so this file takes one.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

# what the provider says, for how many seconds it is taken

my @ttl = (
	[ none => undef, 3600 ],
	[ hour => 'public, max-age=7200', 7200 ],
	[ short => 'max-age=1', 60 ],
	[ nostore => 'no-store, max-age=7200', 60 ],
	[ strict => 'max-age="600", Max-Age=300', 300 ],
	[ long => 'max-age=31536000', 86400 ],
	[ huge => 'max-age=99999999999999999999999', 86400 ],
	[ odd => 'max-age=-1, maximum-age=5', 3600 ],
);

my %ttl = map { $_->[0] => $_->[1] } @ttl;

my $t = Test::OIDC->new(workers => 2)->plan(@ttl + 11);

my $idp = $t->idp();
my $cached = $t->idp('cached', hook => { discovery => sub {
	my ($req, $answer) = @_;
	my $value = $ttl{ $req->{args}{case} };

	$answer->{own_headers} = [ defined $value
		? [ 'Cache-Control' => $value ] : () ];
} });

my $providers = join '', map { <<"EOF" } map { $_->[0] } @ttl;
    oidc_provider $_ {
        %%PROVIDER_cached%%
        config_url %%IDP_cached%%/.well-known/openid-configuration?case=$_;
        redirect_uri /cb_$_;
        cookie_name $_;
    }
EOF

my $start = time();

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
    }
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

###############################################################################

is(login(), 200, 'V12: login');

for (@ttl) {
	my ($name, undef, $seconds) = @$_;

	my $line = $t->wait_log(qr/"$name": metadata fetched/);

	like($line, qr/good for $seconds s$/, "V12 DI-5: Cache-Control: $name");
}

# The provider says no-store: a minute.

my $mark = $t->log_mark();

$idp->rotate_keys();
is($idp->wait_count(jwks => 2, 70), 2, 'V12 DI-5: keys are fetched again');

my $took = time() - $start;

cmp_ok($took, '>', 45, 'V12 DI-5: not before most of their time is over');
cmp_ok($took, '<', 60, 'V12 DI-5: and before all of it is');
ok($t->wait_log(qr/"idp": keys fetched/, 5, $mark), 'V12: they are taken');

is(login(), 200, 'DI-8: a new key works');
is($idp->count('jwks'), 2, 'DI-8: without asking for it');
is($idp->wait_count(discovery => 2, 10), 2,
	'V12 DI-5: one fetch over two workers');

# From now on the provider has neither document.

$idp->answer($_ => { status => 503 }) for qw/ discovery jwks /;
$mark = $t->log_mark();

like($t->wait_log(qr/"idp": fetch of \S+ failed/, 70, $mark),
	qr/\[warn\].*provider_status.*last good documents stay in use/,
	'V12: a failed refresh is logged');
is(login(), 200, 'V12: what is known stays in use');
$idp->rotate_keys();
is(login(), 502, 'V12 V07: and nothing else');

###############################################################################

sub login { return $t->browser()->login('/')->status(); }
