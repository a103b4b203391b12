#!/usr/bin/perl

# The module beside others: a dynamic one in either order, auth_request, and
# what is said when a module of this name is there already.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();
my $dynamic = $t->{module} ne 'static';
my ($echo) = grep { -e } map { "$_/ngx_http_echo_module.so" }
	qw{ /usr/lib/nginx/modules /usr/share/nginx/modules };
my $ours = $dynamic ? "load_module $t->{module};" : '';

$t->{module} = 0;	# the order is ours

my $http = <<'EOF';
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        location / { proxy_pass http://%%BACKEND%%; }
        location /asked {
            auth_request /ask;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location = /ask {
            internal;
            proxy_pass http://%%BACKEND%%;
        }
        %ECHO%
    }
}
EOF
my $location = 'location /echo { echo "user=$oidc_claim_sub"; }';

###############################################################################

SKIP: {
	skip 'the module is inside', 3 if !$dynamic;

	my ($status, $out) = $t->conf_test("$ours\n$ours\n%%GLOBALS%%\n"
		. $http =~ s/%ECHO%//r);

	is($status, 1, 'O08 O11: a second module of this name is refused');
	like($out, qr/module "ngx_http_oidc_module" is already loaded in \S+:\d/,
		'O11: as the README says');

	my ($plain, $text) = $t->conf_test("$ours\n%%GLOBALS%%\nhttp { %%HTTP%%\n"
		. 'server { listen 127.0.0.1:%%PORT_0%%; } }');

	is($plain, 0, 'O08: loaded and not used') or diag($text);
}

SKIP: {
	skip 'no echo module for this nginx', 2 if !$dynamic or !$echo;

	for ([ 'before' => "load_module $echo;\n$ours" ],
		[ 'after' => "$ours\nload_module $echo;" ])
	{
		my ($status, $out) = $t->conf_test("$_->[1]\n%%GLOBALS%%\n"
			. $http =~ s/%ECHO%/$location/r);

		is($status, 0, "O08: with the echo module loaded $_->[0] ours")
			or diag($out);
	}
}

my $with = $dynamic && $echo;

SKIP: {
	skip 'no dynamic module', 1 if !$dynamic;

	my ($file) = $ours =~ /load_module (\S+);/;

	$file = $t->expand($file);

	# a thread of libcurl's may run when a worker unloads its modules
	like(`readelf -d '$file'`, qr/NODELETE/, 'O08: stays until the very end');
}

$t->conf(($with ? "load_module $echo;\n" : '') . "$ours\n%%GLOBALS%%\n"
	. $http =~ s/%ECHO%/$with ? $location : ''/er)->run();

my $b = $t->browser();

is($b->login('/')->status(), 200, 'O08: a login beside them');
is($b->get('/asked')->status(), 200, 'O08: auth_request, with a session');
is($t->browser()->get('/asked')->status(), 302,
	'O08: auth_request, without one');

SKIP: {
	skip 'no echo module for this nginx', 2 if !$with;

	like($b->get('/echo')->body(), qr/user=248289761001/,
		"O08: another module's content, with a session");
	is($t->browser()->get('/echo')->status(), 302,
		"O08: another module's content, without one");
}

###############################################################################

$t->done();

###############################################################################
