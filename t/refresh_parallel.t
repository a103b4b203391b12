#!/usr/bin/perl

# Many requests of one session at the moment its access token is over: one of
# them asks the provider, all of them are answered, and none of what happens
# beside a refresh is lost.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $N = 500;
my $t = Test::OIDC->new(workers => 2, clock => 1)->plan(17);
my $idp = $t->idp();

$t->conf(conf())->run();

###############################################################################

my $start = $t->now();

$idp->set(token => { expires_in => 300 });
my ($over, $refused, $touched) = map { user() } 1 .. 3;
$idp->set(token => { expires_in => 400 });
my $within = user();

# Within leeway: those who do not refresh go on with the old token.
at(210);
$idp->set(token => { expires_in => 7200 });
$idp->once(refresh => { delay => 500 });

my @answers = $within->parallel_get('/', n => 100, concurrency => 100);
is(statuses(@answers), '100 x 200', 'S11: 100 within leeway');
is($idp->count('refresh'), 1, 'S11 TK-13: one of them refreshes');
my %tokens;
$tokens{ sent($_) }++ for @answers;
cmp_ok($tokens{ $within->{token} } // 0, '>', 50,
	'S11: the others do not wait for it');
isnt(sent($within->get('/')), $within->{token}, 'S11: it is stored');

at(310);

for ([ $over, '200', 'over' ], [ $refused, '302', 'over, and refused' ]) {
	my ($b, $status, $what) = @$_;

	$idp->forget();
	$idp->once(refresh => { delay => 300, $status == 302 ? (status => 400,
		content_type => 'application/json',
		body => '{"error":"invalid_grant"}') : () });
	@answers = $b->parallel_get('/', n => $N, concurrency => $N);
	is(statuses(@answers), "$N x $status", "S11: $N at once: $what");
	is($idp->count('refresh'), 1, "S11 TK-13: one refresh: $what");
	is($idp->count('token'), 0, "S11: nothing else is asked: $what");
}

%tokens = ();
@answers = $over->parallel_get('/', n => 20, concurrency => 20);
$tokens{ sent($_) }++ for @answers;
is(join(' ', values %tokens), 20, 'S11: all have the same token then');
isnt((keys %tokens)[0], $over->{token}, 'S11: which is the new one');
is($idp->reused(), 0, 'S11 TK-13: no refresh token was sent twice');

# SE-17: touched and refreshed at once.
$idp->forget();
@answers = $touched->parallel_get('/touch/', n => 200, concurrency => 100);
is(statuses(@answers), '200 x 200', 'SE-17: 200 that also touch the session');
is($idp->count('refresh'), 1, 'SE-17: one refresh');
is(sent($touched->get('/')), $idp->issued()->{access_tokens}[-1],
	'SE-17: and it is not lost');

is(() = $t->log() =~ /refresh failed|answer to refresh lost/g, 0,
	'O04: nothing went wrong meanwhile');

###############################################################################

sub conf {
	return <<"EOF";
%%GLOBALS%%
events {
    worker_connections 2048;
}
http {
    %%HTTP%%
    proxy_set_header X-Token \$oidc_access_token;
    oidc_provider idp {
        %%PROVIDER%%
        session_timeout 16m;
        refresh_leeway 10m;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=1024;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}


sub user {
	my $b = $t->browser();
	my $r = $b->login('/');

	die 'no login: ', $r->status(), "\n" if $r->status() != 200;
	$b->{token} = sent($r);

	return $b;
}


sub statuses { return Test::OIDC::Response::statuses(@_); }
sub sent { return $_[0]->passed('X-Token') // ''; }


# So many seconds after the logins.
sub at { $t->pass_to($start + $_[0]); }

###############################################################################
