#!/usr/bin/perl

# A provider with two addresses, of which one does not answer: the other one is
# used, for its documents and for the calls of a login, with no "resolver" set.

###############################################################################

use warnings;
use strict;

use IO::Socket::INET;
use IO::Socket::IP;
use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2);
my $idp = $t->idp();

# "localhost" is 127.0.0.1, where a full backlog swallows what comes, and ::1,
# where nginx passes everything on to the provider.

my $port = $t->free_port();

$t->skip_all('no ::1') if !IO::Socket::IP->new(LocalHost => '::1',
	LocalPort => $port, V6Only => 1, Listen => 1, ReuseAddr => 1);

my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	LocalPort => $port, Listen => 1, ReuseAddr => 1) or die "listen: $!";
my @full = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $port, Blocking => 0) } 1 .. 6;

$t->plan(5);

my %at = map { $_ => $idp->endpoint_url($_)
	=~ s{//[^/]+}{//localhost:$port}r } qw/ discovery jwks token /;

$idp->set(metadata => { token_endpoint => $at{token},
	jwks_uri => $at{jwks} });

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
        config_url $at{discovery};
        timeout 5s;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
    }
    server {
        listen [::1]:$port;
        location / {
            proxy_set_header Host \$http_host;
            proxy_pass %%IDP%%;
        }
    }
}
EOF

###############################################################################

is(login(), 200, 'DI-2: login by the address that answers');
is($idp->last('token')->{h}{host}, "localhost:$port",
	'DI-2: the provider is called by its name');
is(scalar(grep { login() != 200 } 1 .. 4), 0, 'DI-2: and again');

# After a failed call the address is asked for again.

my $b = $t->browser();
my $callback = $b->start_login('/');

$idp->answer(token => { reset => 1 });
is($b->callback($callback)->status(), 502, 'DI-2: a call fails');

$idp->answer(token => undef);
is(login(), 200, 'DI-2: the next one does not');

###############################################################################

sub login { return $t->browser()->login('/')->status(); }
