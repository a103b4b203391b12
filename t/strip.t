#!/usr/bin/perl

# What is left of a request when our cookies are out of it: every other header,
# in its place, byte for byte, however many lines there are and wherever our
# cookies stood among them.

###############################################################################

use warnings;
use strict;

use JSON::XS ();
use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new()->plan(2);

$t->conf(<<'EOT')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    large_client_header_buffers 8 64k;
    oidc_provider idp {
        %%PROVIDER%%
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /open/ {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
        location /jump {
            auth_oidc off;
            try_files /nothing /open/x;
        }
    }
}
EOT

# what a browser sends, and what is to be left of it
my @cookies = (
	[ 'NGX_OIDC_SESSION=a', '' ],
	[ '__Host-NGX_OIDC_SESSION=b; NGX_OIDC_SESSION.x=1', '' ],
	[ 'o=2; NGX_OIDC_SESSION=z; p=3', 'o=2; p=3' ],
	[ 'o=1', 'o=1' ],
	[ 'odd;;  one', 'odd;;  one' ],
);

my $b = $t->browser();
my $seed = $ENV{TEST_SEED} // time;
srand $seed;

for my $uri (qw{ /open/x /jump }) {
	my $wrong = 0;

	for (1 .. 100) {
		my ($sent, $left) = headers(rand, 1 + int rand 70);
		$wrong++ if told($uri, $sent) ne $left;
	}

	is($wrong, 0, "S16 SE-9: headers of $uri (TEST_SEED=$seed)");
}

###############################################################################

sub headers {
	my ($share, $n) = @_;

	my ($sent, $left) = ('', '');

	for my $i (1 .. $n) {
		my ($name, $value, $rest) = rand() < $share
			? ('Cookie', @{ $cookies[ rand @cookies ] })
			: ("X-$i", "v$i", "v$i");

		$sent .= "$name: $value\r\n";
		$left .= "$name: $rest\n" if length $rest;
	}

	return ($sent, $left);
}


sub told {
	my ($uri, $headers) = @_;

	my $answer = $b->raw("GET $uri HTTP/1.0\r\n$headers\r\n");
	my $json = JSON::XS::decode_json($answer =~ s/.*?\r\n\r\n//sr);

	return join '', map { "$_->[0]: $_->[1]\n" }
		grep { $_->[0] =~ /^(?:X-|Cookie)/ } @{ $json->{headers} };
}
