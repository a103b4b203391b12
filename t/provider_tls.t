#!/usr/bin/perl

# Documents over TLS: verified unless the operator says otherwise, and nothing
# below TLS 1.2.  Each provider has another certificate.

###############################################################################

use warnings;
use strict;

use POSIX ();
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys;

###############################################################################

my @bad = (
	[ wronghost => 'subject name' ],
	[ expired => 'expired' ],
	[ future => 'not yet valid' ],
	[ selfsigned => 'self.signed' ],
	[ otherca => 'unable to get local issuer|self.signed' ],
);

my $t = Test::OIDC->new(workers => 2)->plan(2 * @bad + 10);

# nginx matches names only, so its own calls go to a name: which needs no
# "resolver" here.

my $idp = $t->idp('good', tls => 1);
$idp->set(metadata => { map { $_->[0] => $idp->endpoint_url($_->[1])
	=~ s/127\.0\.0\.1/localhost/r } [ token_endpoint => 'token' ],
	[ jwks_uri => 'jwks' ] });

$t->idp($_->[0], tls => $_->[0]) for @bad;

my $good = Test::OIDC::Keys::certificate('good');
my $old = $t->free_port();
my $server = old_server();

my $providers = join '', map { provider($_, '', "%%PROVIDER_$_%%") }
	map { $_->[0] } @bad;
my $locations = join '', map { <<"EOF" } map({ $_->[0] } @bad), qw/ system lax /;
        location /$_ {
            auth_oidc $_;
            proxy_pass http://%%BACKEND%%;
        }
EOF

$providers .= provider('old', '', "issuer https://127.0.0.1:$old;\n"
	. "client_id gateway;\nclient_secret 0123456789abcdef0123456789abcdef;");
$providers .= provider('lax', 'proxy_ssl_verify off;', "%%PROVIDER_otherca%%");

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider good {
        %%PROVIDER_good%%
        ssl_trusted_certificate %%CA%%;
    }
    oidc_provider system {
        %%PROVIDER_good%%
        redirect_uri /cb_system;
        cookie_name system;
    }
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc good;
            proxy_set_header X-User \$oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
$locations
    }
}
EOF

###############################################################################

my $b = $t->browser();

is($b->login('/')->status(), 200, 'O06 DI-10: a good certificate');
is($idp->last('token')->{h}{host}, 'localhost:' . $idp->port(),
	'O06: a name is called by its name');

for (@bad) {
	my ($name, $reason) = @$_;

	like(complaint($name), qr/provider_unreachable: .*(?:$reason)/i,
		"O06 DI-10 TK-7: $name: refused, and the log says why");
	is($b->get("/$name")->status(), 503, "O06 DI-10: $name: no login");
}

like(complaint('system'), qr/unable to get local issuer|self.signed/i,
	'O06 DI-10: without a file, the CAs of the system count');
is($b->get('/system')->status(), 503, 'O06 DI-10: no login');

is($b->login('/lax')->status(), 200,
	'O06: proxy_ssl_verify off is an explicit way out');

SKIP: {
	skip 'openssl s_server speaks no TLS 1.1', 1 if !$server;

	like(complaint('old'), qr/provider_unreachable: .*(?:protocol|version)/i,
		'TK-7: nothing below TLS 1.2');
}

# None has been asked for more than a handshake.

is($t->idp($_)->count(''), 0, "O06: $_: no request was sent")
	for qw/ wronghost expired future selfsigned /;

if ($server) {
	kill 'KILL', $server;
	waitpid $server, 0;
}

###############################################################################

sub provider {
	my ($name, $more, $directives) = @_;

	my $ca = $more ? '' : 'ssl_trusted_certificate %%CA%%;';

	return <<"EOF";
    oidc_provider $name {
        $directives
        redirect_uri /cb_$name;
        cookie_name $name;
        $ca
        $more
    }
EOF
}


sub complaint {
	my ($name) = @_;

	return $t->wait_log(qr/provider "$name": fetch of \S+ failed: /) // '';
}


# The fake provider speaks no TLS 1.1.
sub old_server {
	my $pid = fork() // die "fork: $!";

	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'openssl', 's_server', '-accept', "127.0.0.1:$old",
			'-tls1_1', '-cipher', 'ALL:@SECLEVEL=0', '-www',
			'-cert', $good->{cert}, '-key', $good->{key}
			or POSIX::_exit(127);
	}

	my $up = $t->wait_for(sub {
		IO::Socket::INET->new(PeerAddr => '127.0.0.1',
			PeerPort => $old) or waitpid($pid, 1) == $pid && 'dead';
	}, 5);

	return ref $up ? $pid : 0;
}
