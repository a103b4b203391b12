#!/usr/bin/perl

# Refresh of tokens (RFC 6749 section 6, OpenID Connect Core 12): when it is
# done, what is sent, what the backend is told afterwards, and what stays.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new(clock => 1);
my $idp = $t->idp();
my $odd = join '', map { chr } 0x20 .. 0x7e;

$t->secret($odd);
$t->conf(conf())->run();

###############################################################################
# Sessions of all kinds first, since time passes for all of them alike.

my %user;
my $start = $t->now();

$idp->set(token => { expires_in => undef });
$user{unsaid} = user('idp');
$user{lifetime} = user('lifetime');
$idp->set(token => { expires_in => 7200 });
$user{fresh} = user('idp');
$idp->set(token => { expires_in => 1000, refresh_token => undef });
$user{bare} = user('idp');
$user{'bare required'} = user('required');
$idp->set(token => { expires_in => 1000, refresh_token => $odd });
$user{odd} = user('idp');
$idp->set(token => { expires_in => 1000, refresh_token => undef });
$idp->set(token => { expires_in => 1000 });
$user{denied} = user('idp');
$user{$_} = user($_) for qw/ never required post absolute idp /;
$user{$_} = user('post') for qw/ buffered unbuffered /;
$user{leeway} = user('leeway');
my $used = $user{idp}{refresh_token};
my %before = map { $_ => token($user{$_}) } keys %user;
is($idp->count('refresh'), 0, 'S10: nothing is refreshed before its time');

###############################################################################
# Before the end of the access token: after half of its life.

at(600);
$idp->set(users => { alice => { sub => '248289761001',
	name => 'Alice Bond' } });

my $r = get('idp');
is($r->status(), 200, 'S10: within leeway');
is($idp->count('refresh'), 1, 'S10: refreshed');

my $asked = $idp->last('refresh');
is_deeply($asked->{form}, { grant_type => 'refresh_token',
	refresh_token => $used }, 'TK-13: what is sent');
is($asked->{auth}, 'client_secret_basic', 'TK-13: as the client');
is($asked->{method}, 'POST', 'TK-13: by POST');
is($asked->{h}{cookie}, undef, 'SE-9: nothing of the browser\'s');
isnt(sent($r, 'X-Token'), $before{idp}, 'S10: the backend has a new token');
is(sent($r, 'X-Token'), $idp->issued()->{access_tokens}[-1],
	'S10: the very one');
is(sent($r, 'X-Id-Token'), $idp->issued()->{id_tokens}[-1],
	'S10: and the new ID token');
is(sent($r, 'X-Name'), 'Alice Bond', 'S10: with claims of now');
is(sent($r, 'X-Sub'), '248289761001', 'V15: of the same user');
ok(defined sent($r, 'X-Auth-Time'), 'V15: and the same login');

is(token($user{idp}), $idp->issued()->{access_tokens}[-1],
	'S10: the next request has it too');
is($idp->count('refresh'), 1, 'S10: without another refresh');

is(get('odd')->status(), 200, 'S10: a refresh token of all ASCII');
is($idp->last('refresh')->{form}{refresh_token}, $odd,
	'S10: is sent as it came');

is(token($user{fresh}), $before{fresh}, 'S10: a fresh one stays');
is(token($user{never}), $before{never}, 'S10: refresh off');
is(token($user{unsaid}), $before{unsaid}, 'S10: an end that nobody knows');
is(token($user{bare}), $before{bare}, 'S10: without a refresh token');
is(token($user{leeway}), $before{leeway}, 'S10: refresh_leeway: not yet');
is($idp->count('refresh'), 2, 'S10: none of these asked');

isnt(token($user{lifetime}), $before{lifetime},
	'S10: access_token_lifetime where there is no expires_in');

# What is refused after a refresh was not refused by it.
my $mark = length $t->log();
is($user{denied}->get('/idp/denied/')->status(), 401, 'B02: refused');
is($idp->count('refresh'), 4, 'B02: with fresh tokens');
like($t->wait_log(qr/ refused: requirement_401 /, 5, $mark) // '',
	qr/request refused: .*, provider: "idp", id: \w+/,
	'O04: the log says what, whose and which');

###############################################################################
# Rotation: what came last is sent next.

get('required');
my $second = $idp->issued()->{refresh_tokens}[-1];
isnt($second, $used, 'TK-13: rotated');

# By refresh_leeway, later than after half of a life.
at(920);
my $count = $idp->count('refresh');
isnt(token($user{leeway}), $before{leeway},
	'S10: refresh_leeway: a little before the end');
is($idp->count('refresh'), $count + 1, 'S10: refreshed');

# No ID token in the answer: what the last one said stays.
my $id = sent(get('odd'), 'X-Id-Token');
$idp->set(token => { expires_in => 7200, id_token => undef }, users => undef);
at(1400);
$r = get('odd');
is($r->status(), 200, 'V15: a refresh that brings no ID token');
is(sent($r, 'X-Token'), $idp->issued()->{access_tokens}[-1], 'V15: succeeds');
is(sent($r, 'X-Name'), 'Alice Bond', 'V15: the claims stay');
is(sent($r, 'X-Id-Token'), $id, 'V15: the ID token stays');
$idp->set(token => { expires_in => 1000 });
$idp->set(token => { expires_in => 1000 }, rotate => 0);

get('required');
is($idp->last('refresh')->{form}{refresh_token}, $second,
	'TK-13: the new refresh token is the next one');

###############################################################################
# Other methods than GET, with a body.

my $body = join '', map { "line $_\n" } 1 .. 100_000;
$idp->forget();
$r = $user{post}->post('/post/', $body);
is($r->status(), 200, 'B08: a POST at the moment of a refresh');
is($idp->count('refresh'), 1, 'B08: is what refreshes');
is(length($r->json()->{body} // ''), length $body,
	'B08: its body arrives whole');

# An upload that begins before the refresh, goes on in it and ends after it.
for (
	[ buffered => '/post/' ],
	[ unbuffered => '/post/unbuffered/' ],
) {
	my ($what, $path) = @$_;

	$body = join '', map { "line $_ of an upload\n" } 1 .. 4000;
	$r = upload($user{$what}, $path, $body);
	is($r->status(), 200, "B08: an upload over a refresh, $what: goes on");
	is($idp->count('refresh'), 1, "B08: $what: it has refreshed");
	ok(($r->json()->{body} // '') eq $body,
		"B08: $what: the backend has all of it");
	isnt(sent($r, 'X-Token'), $before{$what},
		"B08: $what: and the new token");
}

###############################################################################
# Over, and nothing to refresh with.

is(get('never')->status(), 200, 'S10: refresh off: the session goes on');
is(token($user{never}), $before{never}, 'S10: with the token it has');
is(get('bare')->status(), 200, 'S10: without a refresh token too');
is($user{'bare required'}->get('/required/')->status(), 302,
	'S10: refresh required: log in');
is($user{'bare required'}->api('/required/')->status(), 401,
	'S10: 401 for a script');
$r = $user{'bare required'}->get('/required/verify/');
is($r->status(), 200, 'S10: verify: let through');
is(sent($r, 'X-Sub'), undef, 'S10: as nobody');

###############################################################################
# verify refreshes as well.

$idp->forget();
is(sent($user{idp}->get('/idp/verify/'), 'X-Token'),
	$idp->issued()->{access_tokens}[-1], 'S10: in verify mode');
is($idp->count('refresh'), 1, 'S10: once');

# A refresh token that stays the same.
get('absolute');
at(2100);
get('required');
is($idp->last('refresh')->{form}{refresh_token}, $second,
	'TK-13: sent again, where no new one came');
is($idp->reused(), 0, 'TK-13: but none that was used up');

###############################################################################
# S05: nothing of this makes a session longer.

at(2500);
is(get('absolute')->status(), 302,
	'S05: session_lifetime, whatever was refreshed');

$t->done();

###############################################################################

sub conf {
	my ($providers, $locations) = ('', '');

	for ([ idp => 'refresh_leeway 10m;' ], [ never => 'refresh off; refresh_leeway 10m;' ],
		[ required => 'refresh required; refresh_leeway 10m;' ],
		[ lifetime => 'access_token_lifetime 500s;' ],
		[ leeway => 'refresh_leeway 100s;' ],
		[ absolute => 'session_lifetime 2000s; refresh_leeway 300s;' ],
		[ post => 'refresh_leeway 10m;' ])
	{
		my ($name, $directives) = @$_;

		$providers .= <<"EOF";
    oidc_provider $name {
        %%PROVIDER%%
        cookie_name $name;
        redirect_uri /$name/callback;
        $directives
    }
EOF
		$locations .= <<"EOF";
        location /$name/ {
            auth_oidc $name;
            proxy_pass http://%%BACKEND%%;
            location /$name/denied/ {
                auth_oidc_require \$oidc_claim_nothing error=401;
                proxy_pass http://%%BACKEND%%;
            }
            location /$name/unbuffered/ {
                proxy_request_buffering off;
                proxy_pass http://%%BACKEND%%;
            }
            location /$name/verify/ {
                auth_oidc_mode verify;
                proxy_pass http://%%BACKEND%%;
            }
        }
EOF
	}

	return <<"EOF";
%%GLOBALS%%
http {
    %%HTTP%%
    client_max_body_size 2m;
    proxy_set_header X-Sub \$oidc_claim_sub;
    proxy_set_header X-Name \$oidc_claim_name;
    proxy_set_header X-Auth-Time \$oidc_claim_auth_time;
    proxy_set_header X-Token \$oidc_access_token;
    proxy_set_header X-Id-Token \$oidc_id_token;
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
	$b->{refresh_token} = $idp->issued()->{refresh_tokens}[-1];

	return $b;
}


# A POST whose body comes in four parts: with the header, while the provider is
# asked, and two when it has answered, each when the one before has been taken.
sub upload {
	my ($b, $path, $body) = @_;

	my $url = $b->url($path);
	my $bytes = $b->request_bytes('POST', $url, body => $body,
		headers => { Connection => 'close' });
	my @parts = unpack '(a' . int(length($bytes) / 4 + 1) . ')*', $bytes;
	my $socket = $b->connect($url);
	my ($old, $got) = ($before{ $path =~ /un/ ? 'unbuffered' : 'buffered' });

	$socket->blocking(1);
	$socket->autoflush(1);
	$idp->forget();
	$idp->once(refresh => { delay => 300 });
	print $socket shift @parts;
	$idp->wait_count(refresh => 1, 5);
	print $socket shift @parts;
	$t->wait_for(sub { token($b) ne $old }, 5);
	print $socket $_ for @parts;

	{ local $/; $got = <$socket>; }

	return Test::OIDC::Response::parse(\$got, 'POST', 1);
}


sub get { return $user{ $_[0] }->get($user{ $_[0] }{path}); }
sub token { return sent($_[0]->get($_[0]{path}), 'X-Token'); }


sub sent { return scalar $_[0]->passed($_[1]); }


# So many seconds after the logins.
sub at { $t->pass_to($start + $_[0]); }

###############################################################################
