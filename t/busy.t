#!/usr/bin/perl

# What is bounded in each worker: calls that ask a provider about tokens, and
# decryptions that wait for a thread.  Who comes too many is told to come again
# (503), the others are served, and it is over when they are.

###############################################################################

use warnings;
use strict;

use HTTP::Tiny;
use MIME::Base64;
use Test::More;
use Time::HiRes qw/ time /;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ key jwk /;

###############################################################################

my ($CALLS, $DECRYPTIONS, $ANSWERS) = (256, 64, 200);

my $t = Test::OIDC->new();
my $key = key('rsa4096', 1);

umask 077;
$t->write_file('enc.pem', $key->export_key_pem('private'));

$t->conf(<<'EOF')->run();
%%GLOBALS%%
thread_pool default threads=1;
http {
    %%HTTP%%
    oidc_key enc.pem alg=RSA-OAEP use=enc;
    oidc_provider plain {
        %%PROVIDER%%
        cookie_name plain;
        introspection_cache off;
    }
    oidc_provider encrypted {
        %%PROVIDER%%
        cookie_name encrypted;
        introspection_cache off;
        introspection_response encrypted;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=1024;
        auth_oidc_bearer introspection only;
        location /plain {
            auth_oidc plain;
            proxy_pass http://%%BACKEND%%;
        }
        location /encrypted {
            auth_oidc encrypted;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $idp = $t->idp();

$idp->set(tokens => { x => {} });
$idp->record(0);
$t->backend()->record(0);

###############################################################################
# Calls.

is(statuses(api('/plain')), '1 x 200', 'R19: a token');

$idp->answer(introspect => { delay => 2000 });

my @answers = api('/plain', $CALLS + 40);

is(statuses(@answers), "$CALLS x 200 40 x 503",
	"R19: $CALLS calls at once, and 40 too many");

my ($busy) = grep { $_->status() == 503 } @answers;

ok($busy->header('Retry-After'), 'R19: come again');
is($busy->header('WWW-Authenticate'), undef, 'R19: it is not about the token');
ok($t->wait_log(qr/token refused: bearer_busy/), 'O04: the log says why');

# Those that go away do not count.
my @gone = begin('/plain', $CALLS);

ok($t->wait_for(sub { statuses(api('/plain')) eq '1 x 503' }, 10),
	'R19: as many that wait');
close $_ for @gone;
$idp->answer(introspect => undef);
ok($t->wait_for(sub { statuses(api('/plain')) eq '1 x 200' }, 10),
	'R19 B07: have gone away');

###############################################################################
# Decryptions: a single thread, and a worker that finds all answers at once.

$idp->set(introspect => { as => 'encrypted', encrypt => { jwk => {
	%{ jwk($key) }, kid => $key->export_key_jwk_thumbprint('SHA256') } } });
is(statuses(api('/encrypted')), '1 x 200', 'R07: an encrypted answer');

my $answer = HTTP::Tiny->new()->post_form($idp->endpoint_url('introspect'),
	{ token => 'x' }, { headers => { Authorization => 'Basic '
	. encode_base64($idp->client_id() . ':' . $idp->client_secret(), '') } });
my ($worker) = $t->workers();
my $count = $idp->count('introspect');

$idp->answer(introspect => { delay => 1500, body => $answer->{content} });
my @many = begin('/encrypted', $ANSWERS);
$idp->wait_count(introspect => $count + $ANSWERS, 10);
kill 'STOP', $worker;
$t->sleep_until(time() + 2);
kill 'CONT', $worker;

my %n;
$n{ (split ' ', $t->browser()->answer($_))[1] }++ for @many;

cmp_ok($n{200}, '>=', $DECRYPTIONS, "R07: $DECRYPTIONS decryptions wait");
is($n{503}, $ANSWERS - $n{200}, 'R07: the others are told to come again');
ok($t->wait_log(qr/token refused: busy/), 'O04: the log says why');

$idp->answer(introspect => undef);
is(statuses(api('/encrypted')), '1 x 200', 'R07: afterwards it goes on');

$t->done();

###############################################################################

sub api {
	my ($path, $n) = @_;

	$n //= 1;

	return $t->browser()->parallel_get($path, n => $n, concurrency => $n,
		headers => { Authorization => 'Bearer x' });
}


# sockets of requests whose answers nobody reads yet
sub begin {
	my ($path, $n) = @_;

	my @sockets = map { $t->browser()->connect($path) } 1 .. $n;

	syswrite $_, "GET $path HTTP/1.1\r\nHost: x\r\n"
		. "Authorization: Bearer x\r\n\r\n" for @sockets;

	return @sockets;
}


sub statuses { return Test::OIDC::Response::statuses(@_); }

###############################################################################
