#!/usr/bin/perl

# Who may do what: variables of nested claims, membership, and conditions on
# them.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(clock => 1);

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%

    oidc_claim_set $is_admin  realm_access roles has=admin;
    oidc_claim_set $in_group  groups has=staff;
    oidc_claim_set $fake      nickname has=admin;
    oidc_claim_set $city      address locality;
    oidc_claim_set $roles     realm_access roles;
    oidc_claim_set $odd       https://example.com/level;

    map $is_admin $what {
        1       boss;
        default user;
    }
    map $is_admin $may {
        volatile;
        1       yes;
        default "";
    }

    oidc_provider idp {
        %%PROVIDER%%
        refresh_leeway 10m;
    }
    oidc_provider info {
        %%PROVIDER%%
        cookie_name INFO;
        redirect_uri /info_callback;
        userinfo on;
        userinfo_interval 5m;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        proxy_set_header X-City  $city;
        proxy_set_header X-Roles $roles;
        proxy_set_header X-What  $what;
        proxy_set_header X-Odd   $odd;
        proxy_set_header X-Fake  $fake;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location /admin/ {
            auth_oidc_require $is_admin;
            proxy_pass http://%%BACKEND%%;
        }
        location /mapped/ {
            auth_oidc_require $may;
            proxy_pass http://%%BACKEND%%;
        }
        location /info/ {
            auth_oidc info;
            proxy_pass http://%%BACKEND%%;

            location /info/admin/ {
                auth_oidc_require $is_admin;
                proxy_pass http://%%BACKEND%%;
            }
            location /info/mapped/ {
                auth_oidc_require $may;
                proxy_pass http://%%BACKEND%%;
            }
        }
        location /both/ {
            auth_oidc_require $is_admin $in_group;
            proxy_pass http://%%BACKEND%%;

            location /both/free/ {
                auth_oidc_require $oidc_claim_sub;
                proxy_pass http://%%BACKEND%%;
            }
            location /both/still/ {
                proxy_pass http://%%BACKEND%%;
            }
        }
        location /or/ {
            auth_oidc_require $is_admin$in_group;
            proxy_pass http://%%BACKEND%%;
        }
        location /groups/ {
            auth_oidc_require $oidc_claim_groups;
            proxy_pass http://%%BACKEND%%;
        }
        location /two/ {
            auth_oidc_require $in_group error=401;
            auth_oidc_require $is_admin;
            proxy_pass http://%%BACKEND%%;
        }
        location /verified/ {
            auth_oidc_require $oidc_claim_email_verified;
            proxy_pass http://%%BACKEND%%;
        }
        location /verify/ {
            auth_oidc_mode verify;
            auth_oidc_require $in_group;
            proxy_pass http://%%BACKEND%%;
        }
        location /off/ {
            auth_oidc off;
            auth_oidc_require $is_admin;
            proxy_pass http://%%BACKEND%%;
        }
        location /page/ {
            auth_oidc_require $is_admin;
            error_page 403 = @denied;
            proxy_pass http://%%BACKEND%%;
        }
        location @denied {
            auth_oidc_mode verify;
            auth_oidc_require $oidc_authenticated;
            proxy_set_header X-Error $oidc_error;
            proxy_set_header X-User $oidc_claim_sub;
            proxy_pass http://%%BACKEND%%;
        }
        location /any/ {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            auth_oidc_require $is_admin;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOF

my $admin = person(sub => 'ada', realm_access => { roles => [qw/ x admin /] },
	groups => ['staff'], address => { locality => "L\x{fc}beck" },
	email_verified => \1, 'https://example.com/level' => 7);
my $user = person(sub => 'bob', realm_access => { roles => ['admins'] },
	groups => 'staff', nickname => '["admin"]', email_verified => \0,
	address => 'admin');

$t->plan(64);

###############################################################################

my $seen = $admin->get('/')->json();

is(header($seen, 'X-What'), 'boss', 'B02: membership in a map');
is(header($seen, 'X-City'), "L\xc3\xbcbeck", 'S14: a nested claim, in UTF-8');
is(header($seen, 'X-Roles'), '["x","admin"]', 'S14: an array inside is JSON');
is(header($seen, 'X-Odd'), '7', 'S14: a claim whose name is a URL');

$seen = $user->get('/')->json();

is(header($seen, 'X-What'), 'user', 'B02: a part of a role is no role');
is(header($seen, 'X-City'), undef, 'S14: a string has no members');
is(header($seen, 'X-Fake'), '0', 'B02: a name that looks like an array');

for (
	[ '/admin/', 200, 403 ], [ '/both/', 200, 403 ],
	[ '/both/free/', 200, 200 ], [ '/both/still/', 200, 403 ],
	[ '/two/', 200, 403 ], [ '/verified/', 200, 403 ],
	[ '/verify/', 200, 200 ], [ '/off/', 200, 200 ], [ '/any/', 200, 200 ],
)
{
	my ($path, $for_admin, $for_user) = @$_;

	is($admin->get($path)->status(), $for_admin,
		"B02: $path for the admin");
	is($user->get($path)->status(), $for_user,
		"B02: $path for the user");
}

my $nobody = $t->browser();

is($nobody->get('/verify/')->status(), 403,
	'B02: verify mode: nobody meets no condition');
is($nobody->get('/admin/')->status(), 302,
	'B02: who is not logged in logs in first');

my $other = person(sub => 'eve', groups => []);
my $answer = $other->get('/two/');

is($other->get('/or/')->status(), 403, 'B02: neither of two is not one');
is($other->get('/groups/')->status(), 403, 'B02: an empty array is not true');
is($user->get('/or/')->status(), 200, 'B02: one of two is');

is($answer->status(), 401, 'B02: error=401');
like($answer->header('WWW-Authenticate'), qr/^Bearer realm=/,
	'B02: with a challenge');
unlike($answer->body(), qr/Internal/, 'B02: and a page of its own');

$answer = $user->get('/page/x');

is($answer->status(), 200, 'B02: an error page for 403');
is(header($answer->json(), 'X-User'), 'bob', 'B02: knows the user');
is(header($answer->json(), 'X-Error'), 'requirement', 'O04: and the reason');

$answer = $user->get('/admin/x');

like($answer->body(), qr/Access denied/, 'B13: the page of a refusal');
unlike($answer->body(), qr/bob|admin/, 'B13: which tells nothing');
like($t->read_file('error.log'), qr/requirement \(auth_oidc_require/,
	'O04: one line says why');

my $post = $user->post('/admin/', 'a=b');
is($post->status(), 403, 'B02: a POST is refused alike');

###############################################################################
# A role that is taken away is gone with the next refresh, or the next userinfo,
# which come after minutes here; the session stays.

my $idp = $t->idp();
my %role = (realm_access => { roles => [qw/ x admin /] });
my @taken = (
	[ 'elsewhere', { realm_access => { roles => ['x'] },
		resource_access => { gateway => { roles => ['admin'] } },
		roles => ['admin'] } ],
	[ 'without the claim', { realm_access => undef,
		roles => ['admin'] } ],
	[ 'still there', \%role ],
);

$idp->set(token => { expires_in => 1000 }, id_token => { claims => \%role });
my @refreshed = map { logged_in('/') } @taken;
$idp->set(token => { expires_in => 7200 }, id_token => { claims => {} },
	userinfo => { claims => \%role });
my @informed = map { logged_in('/info/') } @taken;

for ([ 'a refresh', '/', @refreshed ], [ 'userinfo', '/info/', @informed ]) {
	my ($what, $path, @who) = @$_;

	is(statuses($_, $path), '200 200 200', "B02: $what: before it")
		for @who;
}

$t->pass(600);

for my $i (0 .. $#taken) {
	my ($where, $claims) = @{ $taken[$i] };
	my $may = $where =~ /still/ ? '200 200 200' : '403 403 200';

	$idp->set(id_token => { claims => $claims });
	$idp->forget();
	is(statuses($refreshed[$i], '/'), $may,
		"B02: after a refresh, the role $where: admin, mapped, any");
	is($idp->count('refresh'), 1, 'S10: there was one');
	is(statuses($refreshed[$i], '/'), $may, 'B02: and so it stays');

	$idp->set(id_token => { claims => {} }, userinfo =>
		{ claims => $claims });
	$idp->forget();
	is(statuses($informed[$i], '/info/'), $may,
		"B02: after userinfo, the role $where: admin, mapped, any");
	is($idp->count('userinfo'), 1, 'UI-10: asked once');
	is($idp->count('refresh'), 0, 'UI-10: without a refresh');
}

###############################################################################

sub person {
	my %claims = @_;

	my $b = $t->browser();

	$t->idp()->set(id_token => { claims => \%claims });
	$b->login('/');
	$t->idp()->reset();

	return $b;
}


sub logged_in {
	my ($path) = @_;

	my $b = $t->browser();
	my $r = $b->login($path);

	die "no login at $path: ", $r->status(), "\n" if $r->status() != 200;

	return $b;
}


# what is for admins, by membership and by the map, and what is for all
sub statuses {
	my ($b, $path) = @_;

	return join ' ', map { $b->get("$path$_")->status() }
		'admin/', 'mapped/', '';
}


sub header {
	my ($seen, $name) = @_;

	my ($found) = grep { lc $_->[0] eq lc $name } @{ $seen->{headers} };

	return $found ? $found->[1] : undef;
}
