#!/usr/bin/perl

# Many at once: a thousand logins in parallel, three times over, with nothing
# left behind; a flood of people who never log in.

###############################################################################

use warnings;
use strict;

use List::Util qw/ max /;
use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2)->plan(8);

# a zone that is full after the first round, so that it does not grow later

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_session_store small { type memory; size 2m; }
    oidc_provider idp {
        %%PROVIDER%%
        session_store small;

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
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $idp = $t->idp();
my $browser = $t->browser();

$idp->set(id_token => { alg => 'ES256' });
$idp->record(0);

is($browser->login('/first')->status(), 200, 'F08: the first one logs in');

my @rss;

for my $round (1 .. 3) {
	my @logins = $browser->parallel_logins(n => 1000, concurrency => 1000,
		path => "/round/$round");
	my @failed = grep { not $_->{ok} } @logins;

	is(scalar @failed, 0,
		"F08 B15: a thousand parallel logins, round $round")
		or diag(join "\n", map { "$_->{status} " . ($_->{error} // '') }
			@failed[0 .. (@failed > 5 ? 4 : $#failed)]);

	push @rss, [ map { $t->rss($_) } sort { $a <=> $b } $t->workers() ];
}

my @grown = map { $rss[2][$_] - $rss[1][$_] } 0, 1;

# ASan keeps what was freed for a while
cmp_ok(max(@grown), '<=', $t->version() =~ /fsanitize/ ? 256 << 20 : 1 << 20,
	'B15: a round of a thousand logins leaves no memory behind')
	or diag(join ' ', map { "@$_" } @rss);

# nobody who has not logged in pushes out a session

$browser->clear();
is($browser->login('/last')->status(), 200, 'S06: one more session');

my @flood = $t->browser()->parallel_get('/flood', n => 5000,
	concurrency => 100, browsers => [ map { $t->browser() } 1 .. 100 ]);

is(scalar(grep { $_->status() == 302 } @flood), 5000,
	'F08 S06: five thousand anonymous navigations are redirected');
is($browser->get('/last')->status(), 200,
	'F08 S06: and push out no session');

###############################################################################
