#!/usr/bin/perl

# auth_oidc_header: what the backend hears about the user comes from us, whatever
# the client sent, on every way to a backend.

###############################################################################

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my %raw = map { $_ => IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	Listen => 5) || die "no socket: $!\n" } qw/ fastcgi uwsgi /;

$t->conf(<<"EOF" . <<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%

    map \$oidc_authenticated \$fastcgi { default 127.0.0.1:@{[ $raw{fastcgi}->sockport() ]}; }
    map \$oidc_authenticated \$uwsgi   { default 127.0.0.1:@{[ $raw{uwsgi}->sockport() ]}; }
EOF
    underscores_in_headers on;
    ignore_invalid_headers off;

    oidc_provider idp {
        %%PROVIDER%%
    }

    server {
        listen 127.0.0.1:%%PORT_1%% http2;
        location / {
            return 200 "[$http_x_user]";
        }
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        auth_oidc_header X-User $oidc_claim_sub;
        auth_oidc_header X-Empty $oidc_claim_missing;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /off/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
        location /verify/ {
            auth_oidc_mode verify;
            proxy_pass http://%%BACKEND%%;
        }
        location /more/ {
            auth_oidc_header X-Role "role of $oidc_claim_sub";
            auth_oidc_header Authorization "Bearer $oidc_access_token";
            proxy_pass http://%%BACKEND%%;
        }
        location /other/ {
            auth_oidc_header x_user other;
            proxy_pass http://%%BACKEND%%;
        }
        location /moved/ {
            auth_oidc_header X-Role first;
            try_files /nothing /off/moved;
        }
        location /arg/ {
            auth_oidc_header X-Arg $uri;
            proxy_pass http://%%BACKEND%%/;
        }
        location /ask/ {
            auth_request /asked;
            proxy_pass http://%%BACKEND%%;
        }
        location = /asked {
            internal;
            proxy_method POST;
            proxy_pass http://%%BACKEND%%/asked;
        }
        location /ask2/ {
            auth_oidc_header X-User "";
            auth_request /asked;
            proxy_pass http://%%BACKEND%%;
        }
        location /fastcgi/ {
            fastcgi_pass $fastcgi;
        }
        location /uwsgi/ {
            uwsgi_pass $uwsgi;
        }
        location /grpc/ {
            grpc_pass grpc://127.0.0.1:%%PORT_1%%;
        }
        error_page 404 = @missing;
        location @missing {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
        location /missing/ {
            return 404;
        }
    }
}
EOF

$t->plan(41);

my @spoofed = ([ 'X-User', 'root' ], [ 'x-user', 'root' ],
	[ 'X_User', 'root' ], [ 'X-USER', 'root' ], [ 'X-User', 'root2' ],
	[ 'X.User', 'root' ], [ 'x~user', 'root' ],	# as PHP folds names
	[ 'X-Empty', 'full' ], [ 'x_EMPTY', 'full' ], [ 'x.empty', 'full' ], [ 'X-Users', 'kept' ]);

my $b = $t->browser();
$t->idp()->set(id_token => { claims => { sub => 'alice' } });
$b->login('/');

###############################################################################
# The user in, and whatever the client said out.

for my $method (qw/ GET HEAD POST OPTIONS /) {
	my $seen = told('/page', $method);

	is_deeply($seen->{user}, ['alice'], "B02 SE-7: the user, by $method");
	is_deeply($seen->{empty}, [], "B02: no claim, no header, by $method");
	is_deeply($seen->{users}, ['kept'], "B02: another name is, by $method");
}

for my $path (qw{ /off/page /missing/page }) {
	is_deeply(told($path)->{user}, [], "B02 SE-7: $path: nothing spoofed");
}

is_deeply(told('/verify/')->{user}, ['alice'], 'B02: a session in verify mode');
is_deeply(told('/verify/', 'GET', $t->browser())->{user}, [],
	'B02: nobody in verify mode');

my $seen = told('/more/');

is_deeply($seen->{user}, ['alice'], 'B02: a level adds to those above');
is_deeply($seen->{role}, ['role of alice'], 'B02: with text');
like($seen->{authorization}[0], qr/^Bearer \S+$/, 'B02: the access token');
is(scalar @{ $seen->{authorization} }, 1, 'B02: and no other Authorization');
is_deeply(told('/other/')->{user}, ['other'], 'B02: or sets a name anew');

$seen = told('/moved/');

is_deeply($seen->{user}, ['alice'], 'B02: moved within: still the user');
is_deeply($seen->{role}, [], 'B02: nor the header of the first location');

is_deeply(told('/arg/plain')->{arg}, ['/arg/plain'], 'B02: any value');
is_deeply(told('/arg/a%0d%0aX-User:root')->{arg}, [], 'SE-8: but no controls');
is_deeply(told('/arg/a%0d%0aX-User:root')->{user}, ['alice'],
	'SE-8: and no header smuggled in');

###############################################################################
# Subrequests have a say of their own.

my ($ask, $ask2) = map { told($_); [ map { $_->[1] }
	grep { $_->[0] =~ /^X.User$/i } map { @{ $_->{headers} } }
	grep { $_->{path} eq '/asked' } $t->backend()->requests('echo') ] }
	'/ask/x', '/ask2/x';

is_deeply($ask, ['alice'], 'B02: a subrequest is told the user');
is_deeply($ask2, ['alice'], 'B02: whatever its parent says');

is_deeply(told('/ask2/x')->{user}, [], 'B02: and the parent says nothing');

###############################################################################
# Other protocols.

for my $protocol (qw/ fastcgi uwsgi /) {
	my $bytes = taken($protocol);

	like($bytes, qr/HTTP_X_USER.{0,4}alice/s, "B02: by $protocol");
	unlike($bytes, qr/root/, "B02: nothing spoofed by $protocol");
}

is($b->get('/grpc/', headers => [@spoofed])->body(), '[alice]', 'B02: by gRPC');

###############################################################################
# Configuration.

for (
	'X-User', 'Host a', 'content_length 1', 'Cookie $oidc_claim_sub',
	'"" a', '"X User" a', 'X-A a; auth_oidc_header x_a b',
)
{
	my ($status, $out) = $t->conf_test(<<"EOF");
%%GLOBALS%%
http {
    auth_oidc_header $_;
}
EOF

	like($out, qr/\[emerg\].*"auth_oidc_header" .*\.conf:\d+/,
		"O02: auth_oidc_header $_ is refused");
}

###############################################################################

sub told {
	my ($path, $method, $browser) = @_;

	$t->backend()->forget();
	($browser // $b)->request($method // 'GET', $path,
		headers => [@spoofed, [ 'Authorization', 'Basic cm9vdDo=' ] ],
		($method // '') eq 'POST' ? (body => 'x') : ());

	my $request = $t->backend()->last('echo') // die "no request\n";
	my %seen;

	for my $name (qw/ User Empty Users Role Arg /) {
		$seen{lc $name} = [ map { $_->[1] } grep {
			$_->[0] =~ /^X[-_]\Q$name\E$/i
		} @{ $request->{headers} } ];
	}

	$seen{authorization} = [ map { $_->[1] } grep {
		lc $_->[0] eq 'authorization' } @{ $request->{headers} } ];

	return \%seen;
}


# what a backend reads of one request; it is not answered
sub taken {
	my ($protocol) = @_;

	my $c = $b->connect('/');
	print {$c} "GET /$protocol/ HTTP/1.0\r\nHost: localhost\r\n"
		. "X-User: root\r\nX_User: root\r\nCookie: " . join('; ',
			map { "$_->{name}=$_->{value}" } $b->cookies()) . "\r\n\r\n";
	$c->flush();

	my $bytes = '';
	my $peer = $raw{$protocol}->accept();
	my $select = IO::Select->new($peer);

	while ($bytes !~ /HTTP_X_USER.{0,4}\w{4}/s && $select->can_read(5)) {
		sysread $peer, $bytes, 65536, length $bytes or last;
	}

	return $bytes;
}
