#!/usr/bin/perl

# A provider at run time: down and up, documents fetched once for all workers,
# keys that come and go, reload, killed workers, endpoints set by hand.

###############################################################################

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(workers => 2)->plan(44);

my $idp = $t->idp();
my $static = $t->idp('static');
my $b = $t->browser();

###############################################################################
# Down at the start: nginx runs, logins are refused, and begin to work without
# a reload.

$idp->down();
$t->conf(conf())->run();

is($b->get('/open/')->status(), 200, 'DI-2: nginx starts without the provider');
is($b->get('/')->status(), 503, 'DI-2: no login without the provider');
like($t->wait_log(qr/provider "idp": fetch of \S+ failed/),
	qr/\[error\].*openid-configuration failed: provider_unreachable/,
	'DI-2 O04: the reason is logged');

my $lines = () = $t->log() =~ /provider "idp": fetch/g;
cmp_ok($lines, '<=', 3, 'DI-2: attempts back off, and so do log lines');

$idp->up();

ok($t->wait_for(sub { $b->get('/')->status() == 302 }, 12),
	'DI-2: comes up without a reload');
is($b->login('/')->status(), 200, 'DI-2: login after the provider came up');
like($t->log(), qr/\[notice\].*provider "idp" answers again/,
	'DI-2: recovery is logged');

###############################################################################
# Many first logins over two workers: one fetch of each document.

$idp->forget();
$idp->answer($_ => { delay => 300 }) for qw/ discovery jwks /;
$t->restart();

my @r = $b->parallel_get('/', n => 40, concurrency => 40);

is(scalar(grep { $_->status() == 302 } @r), 40,
	'V12 DI-5: first logins wait for the documents');
is(count(), '1 1', 'V12 DI-5: by one fetch of each');

$idp->answer($_ => undef) for qw/ discovery jwks /;

is(login(), 200, 'V12: login with them');
is(count(), '1 1', 'V12 DI-5: a login fetches no document');

###############################################################################
# What is known outlives a reload and a killed worker, not another provider.

ok($t->reload(), 'V12: reload');
is(login(), 200, 'V12: login after a reload');
is(count(), '1 1', 'V12 DI-5: a reload fetches nothing');

$t->kill_worker();
is(login(), 200, 'V12: login after a kill');
is(count(), '1 1', 'V12 DI-5: a new worker fetches nothing');

ok($t->reload(conf('config_url %%IDP%%/.well-known/openid-configuration?x=1;')),
	'V12: reload with another config_url');
is(login(), 200, 'V12: login after it');
is(count(), '2 2', 'V12: other settings, other documents');

###############################################################################
# Workers that die while they fetch: another one takes over.

$t->stop();
$idp->answer(discovery => { delay => 1000 });
$idp->forget();
$t->conf(conf())->run();

$idp->wait_count(discovery => 1, 5);
$t->kill_worker($_) for $t->workers();
$idp->answer(discovery => undef);

my $time = time();

ok($t->wait_for(sub { $b->get('/')->status() == 302 }, 10),
	'V12: what killed workers fetched is fetched again');
cmp_ok(time() - $time, '<', 3, 'V12: before their lease is over');

###############################################################################
# A key that nobody knows: fetched once, while the login waits.

is(login(), 200, 'V07: login');

$idp->rotate_keys();
$idp->forget();

is(login(), 200, 'V07 DI-8: a new key works without a reload');
is(count(), '0 1', 'V07 DI-6: by one fetch of the keys');

$idp->rotate_keys();

is(login(), 502, 'V07 DI-6: another one is refused for a while');
is(count(), '0 1', 'V07 DI-6: without a fetch');
ok($t->wait_log(qr/jws_kid/), 'V07 O04: the reason is logged');

# Many at once share one fetch; the throttle is new.

$t->restart();
is(login(), 200, 'V07: the keys of today');

$idp->forget();
$idp->answer(jwks => { delay => 300 });
$idp->set(id_token => { kid => 'unknown' });

my @logins = $b->parallel_logins(n => 60, concurrency => 60, path => '/');

is(scalar(grep { ($_->{status} // 0) == 502 } @logins), 60,
	'V07 DI-6: sixty logins with an unknown kid are refused');
is(count(), '0 1', 'V07 DI-6: and share one fetch');

$idp->set(id_token => undef);
$idp->answer(jwks => undef);

is(login(), 200, 'V07: others are not in the way');

# A key that is gone from the document is gone here.

$t->restart();
is(login(), 200, 'DI-8: login with RS256');

$idp->set(jwks_algs => [ 'ES256' ]);
$idp->once(token => { set => { id_token => { kid => 'unknown' } } });

is(login(), 502, 'DI-8: keys are fetched, RS256 is not among them');
is(login(), 502, 'DI-8: the removed key verifies nothing');

$idp->set(id_token => { alg => 'ES256' });
is(login(), 200, 'DI-8: those that stayed do');

$idp->set(jwks_algs => undef, id_token => undef);

# Keys cannot be had when they are needed: what is known stays in use.

$t->restart();
is(login(), 200, 'V12: login');

$idp->answer(jwks => { status => 500 });
$idp->once(token => { set => { id_token => { kid => 'unknown' } } });

is(login(), 502, 'V07: no keys to be had: refused');
is(login(), 200, 'V12: those that are known stay in use');
ok($t->wait_log(qr/\[warn\].*provider_status.*last good documents stay/),
	'V12 O04: and the log says so');

$idp->answer(jwks => undef);

###############################################################################
# A provider that takes connections and says nothing.

$idp->blackhole(1);
$t->restart();

$time = time();
my ($r) = $b->parallel_get('/', n => 4, concurrency => 4);

is($r->status(), 503, 'DI-2: a silent provider is unavailable');
cmp_ok(time() - $time, '<', 6, 'DI-2: within its timeout');

$idp->blackhole(0);
$idp->drop_connections();

###############################################################################
# Endpoints set by hand: no discovery.

ok($t->reload(conf(join("\n", 'authorization_endpoint '
	. $static->endpoint_url('authorize') . ';',
	'token_endpoint ' . $static->endpoint_url('token') . ';',
	'jwks_uri ' . $static->endpoint_url('jwks') . ';'), 'PROVIDER_static')),
	'DI-9: endpoints set by hand');

is(login(), 200, 'DI-9: login');
is(join(' ', map { $static->count($_) } qw/ discovery jwks /), '0 1',
	'DI-9: no discovery document is fetched');

###############################################################################

sub login { return $t->browser()->login('/')->status(); }
sub count { return join ' ', map { $idp->count($_) } qw/ discovery jwks /; }


sub conf {
	my ($more, $provider) = @_;

	$more //= '';
	$provider //= 'PROVIDER';

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%$provider%%
        timeout 3s;
        $more
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /open/ {
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF
}
