#!/usr/bin/perl

# Userinfo again, at userinfo_interval: a role that is taken from somebody is
# gone within it, whatever else is not answered stays as it is.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(clock => 1);
my $idp = $t->idp();

$t->conf(conf())->run();

###############################################################################
# Everybody logs in with the role, and then nobody has it.

my @faults = (
	[ stays => 'status 500', { status => 500 } ],
	[ stays => 'status 404', { status => 404 } ],
	[ stays => 'no answer', { reset => 1 } ],
	[ stays => 'too slow', { delay => 900 } ],
	[ stays => 'garbage', { body => 'garbage' } ],
	[ stays => 'a JWT that is none', { content_type => 'application/jwt',
		body => 'a.b.c' } ],
	[ ends => 'another sub', { set => { userinfo => { claims => {
		sub => 'somebody' } } } } ],
	[ ends => 'no sub', { set => { userinfo => { claims => {
		sub => undef } } } } ],
	[ ends => 'status 403', { status => 403 } ],
);

$idp->set(token => { expires_in => 7200 },
	userinfo => { claims => { role => 'admin', team => 'a' } },
	id_token => { claims => { role => 'token', level => 'low' } });

my %user = map { $_ => user('idp') } qw/ lost again refused /;
my @faulty = map { user($_->[1] eq 'too slow' ? 'hasty' : 'idp') } @faults;
$user{keep} = user('keep');
$user{never} = user('never');
$idp->set(token => { expires_in => 7200, refresh_token => undef });
$user{bare} = user('idp');
$idp->set(token => { expires_in => 200, refresh_token => undef });
$user{over} = user('idp');
$idp->set(token => { expires_in => 7200 });
my $logins = keys(%user) + @faulty;

is(role($user{lost}), 'admin', 'UI-10: the role');
is($idp->count('userinfo'), $logins, 'UI-10: asked once in a login');

$idp->set(userinfo => { claims => { role => 'none' } });
$t->pass(310);

###############################################################################

my $r = get('lost');
is(sent($r, 'X-Role'), 'none', 'UI-10: gone within the interval');
is(sent($r, 'X-Team'), undef, 'UI-10: what is not said any more too');
is(sent($r, 'X-Level'), 'low', 'UI-10: the ID token\'s claims stay');
like(sent($r, 'X-Userinfo'), qr/"role":"none"/, 'UI-10: $oidc_userinfo');
is($idp->count('userinfo'), $logins + 1, 'UI-10: asked once');
is($idp->count('refresh'), 0, 'UI-10: without a refresh');
is($idp->last('userinfo')->{h}{authorization},
	'Bearer ' . sent($r, 'X-Token'), 'UI-10: with the access token');

is(role($user{lost}), 'none', 'UI-10: the next request');
is($idp->count('userinfo'), $logins + 1, 'UI-10: does not ask again');
is(role($user{never}), 'admin', 'UI-10: without an interval: at login only');
is(role($user{over}), 'admin', 'UI-10: with an access token that is over');
is($idp->count('userinfo'), $logins + 1, 'UI-10: nobody is asked');

# 401: the access token is void. Refreshed, and asked again.
$idp->forget();
$idp->once(userinfo => { status => 401 });
$r = get('again');
is(sent($r, 'X-Role'), 'none', 'UI-7: 401, refreshed, asked again');
is(join(' ', map { $_->{endpoint} } $idp->requests()),
	'userinfo refresh userinfo', 'UI-7: in this order');
is(($idp->requests('userinfo'))[1]{h}{authorization},
	'Bearer ' . sent($r, 'X-Token'), 'UI-7: with the new token');

$idp->forget();
$idp->once(userinfo => { status => 401 }, 2);
is(get('refused')->status(), 302, 'UI-7: 401 again: refused');
is(join(' ', map { $_->{endpoint} } $idp->requests()),
	'userinfo refresh userinfo', 'UI-7: after one refresh');

$idp->forget();
$idp->once(userinfo => { status => 401 });
is(get('bare')->status(), 302, 'UI-7: 401, and nothing to refresh with');
is($idp->count('refresh'), 0, 'UI-7: not tried');

$idp->once(userinfo => { status => 403 });
is(role($user{keep}), 'admin', 'S10: refresh_error keep');

for (0 .. $#faults) {
	my ($kind, $what, $bend) = @{ $faults[$_] };

	$idp->forget();
	$idp->once(userinfo => $bend);
	$r = $faulty[$_]->get($faulty[$_]{path});
	is($r->status(), $kind eq 'stays' ? 200 : 302, "UI-10: $what: $kind");
	is($idp->count('userinfo'), 1, "UI-10: $what: asked once");

	next if $kind ne 'stays';

	is(sent($r, 'X-Role'), 'admin', "UI-10: $what: the claims as they were");
	is(role($faulty[$_]), 'admin', "UI-10: $what: and the next time");
	is($idp->count('userinfo'), 1, "UI-10: $what: not asked at once");
}

###############################################################################
# Refresh and userinfo are two things: neither asks the other's question.

$t->pass(310);
$idp->set(userinfo => { claims => { role => 'back' } });
is(role($user{lost}), 'back', 'UI-10: an interval later');

$t->done();

###############################################################################

sub conf {
	my ($providers, $locations) = ('', '');

	for ([ idp => 'userinfo_interval 5m;' ],
		[ hasty => 'userinfo_interval 5m; timeout 600ms;' ],
		[ keep => 'userinfo_interval 5m; refresh_error keep;' ],
		[ never => '' ])
	{
		my ($name, $directives) = @$_;

		$providers .= <<"EOF";
    oidc_provider $name {
        %%PROVIDER%%
        cookie_name $name;
        redirect_uri /$name/callback;
        userinfo on;
        $directives
    }
EOF
		$locations .= <<"EOF";
        location /$name/ {
            auth_oidc $name;
            proxy_pass http://%%BACKEND%%;
        }
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    proxy_set_header X-Role \$oidc_claim_role;
    proxy_set_header X-Team \$oidc_claim_team;
    proxy_set_header X-Level \$oidc_claim_level;
    proxy_set_header X-Token \$oidc_access_token;
    proxy_set_header X-Userinfo \$oidc_userinfo;
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
$locations
    }
}
EOF
}


sub user {
	my ($name) = @_;

	my $b = $t->browser();
	my $r = $b->login("/$name/");

	die "no login at $name: ", $r->status(), "\n" if $r->status() != 200;
	$b->{path} = "/$name/";

	return $b;
}


sub get { return $user{ $_[0] }->get($user{ $_[0] }{path}); }
sub role { return sent($_[0]->get($_[0]{path}), 'X-Role'); }


sub sent { return scalar $_[0]->passed($_[1]); }


###############################################################################
