#!/usr/bin/perl

# Many tabs of one browser that all want to log in: at once they all get there;
# one after another the pending logins are kept few and small, so that no
# request ever grows too big for the server.  The gateway itself keeps nothing.

###############################################################################

use warnings;
use strict;

use List::Util qw/ max /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Login qw/ outcome session_of /;

###############################################################################

my $t = Test::OIDC->new();
my $idp = $t->idp();

$t->conf(<<'EOF')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
    }
    oidc_provider other {
        %%PROVIDER%%
        redirect_uri /other/back;
        cookie_name other;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        auth_oidc idp;
        location / { proxy_pass http://%%BACKEND%%; }
        location /other { auth_oidc other; proxy_pass http://%%BACKEND%%; }
    }
}
EOF

my $at = $t->url('/') =~ s{/$}{}r;

###############################################################################
# Ten at once.

my $b = $t->browser();
my @started = $b->parallel_get(sub { "$at/tab$_[0]?n=$_[0]" }, n => 10,
	concurrency => 10);
is(scalar(grep { $_->is_redirect() } @started), 10, 'F08: ten tabs at once');
is(scalar pending($b), 10, 'F08: ten logins on their way');

my @back = map { $b->get($_->location(), site => 'cross-site')->location() }
	@started;
my $mark = $t->log_mark();
my @ended = $b->parallel_get(sub { $back[$_[0]] }, n => 10,
	concurrency => 10);
is(join(' ', map { $_->location() // $_->status() } @ended),
	join(' ', map { "$at/tab$_?n=$_" } 0 .. 9),
	'F08 CB-11: all of them get back to their pages');
is(scalar pending($b), 0, 'F08: nothing is left of the logins');
is($b->get('/tab0')->status(), 200, 'F08: and the browser is logged in');
is($t->log_since($mark) =~ /refused/ ? 'refused' : 'ok', 'ok',
	'F08: none was refused');

# As a browser that opens with ten tabs does it, the whole way.

$b = $t->browser();
@started = map { my $tab = $b->clone(jar => $b->jar());
	[ $tab, $tab->get("/again$_") ] } 0 .. 9;
my @pages = map { my ($tab, $res) = @$_; $tab->follow(5) } reverse @started;
is(join(' ', map { $_->status() . $_->url() } @pages),
	join(' ', map { "200$at/again$_" } reverse 0 .. 9),
	'F08: ten tabs, the last one is the first to end');

# Two, interleaved.

$b = $t->browser();
my $first = $b->start_login('/first');
my $second = $b->start_login('/second');
is($b->callback($second)->location(), "$at/second", 'CB-11: one tab ends');
is($b->get('/second')->status(), 200, 'CB-11: and is logged in');
is($b->callback($first)->location(), "$at/first", 'CB-11: the other one, too');
is($b->get("/$_")->status(), 200, "CB-11: both are logged in ($_)")
	for qw/ first second /;

###############################################################################
# Fifty, one after another.

$b = $t->browser();
my (@size, @number, @status);

@back = ();

for my $i (1 .. 50) {
	my $res = $b->get(sprintf "/tab%02d", $i);

	push @status, $res->status();
	push @size, length($b->jar()->header($b->url('/'),
		navigation => 1) // '');
	push @number, scalar pending($b);
	push @back, $res->is_redirect() ? $b->get($res->location(),
		site => 'cross-site')->location() : undef;
}

is(join(' ', @status), join(' ', (302) x 50), 'F08 LS-6: fifty tabs');
is(max(@number), 10, 'F08 LS-6: ten logins at most');
is($size[-1], $size[9], 'F08 LS-6: the Cookie field stays as it is');
cmp_ok(max(@size), '<', 6000, 'F08 LS-6: far below what a server takes');

my @outcome = map { my $url = $_; outcome($t, $t->browser(), sub {
	$b->callback($url) }) } @back;
is(join(',', @outcome[40 .. 49]), join(',', ('302 ok') x 10),
	'F08 LS-6: the newest ten get in');
is(join(',', @outcome[0 .. 39]), join(',', ('400 state_unknown') x 40),
	'F08 LS-6: the oldest are gone');
is($b->get('/tab50')->status(), 200, 'F08: and the browser is logged in');

# With long addresses there are fewer of them.

$b = $t->browser();
@size = @back = @status = ();

for my $i (1 .. 50) {
	my $res = $b->get("/$i?" . 'x' x 1000);

	push @status, $res->status();
	push @size, length $b->jar()->header($b->url('/'), navigation => 1);
	push @back, $b->get($res->location(), site => 'cross-site')
		->location() if $res->is_redirect();
}

is(join(' ', @status), join(' ', (302) x 50), 'F08: fifty long addresses');
cmp_ok(max(@size), '<', 6100, 'F08 LS-6: the Cookie field stays small');
is($b->callback($back[$_])->location(), "$at/" . ($_ + 1) . '?' . 'x' x 1000,
	"F08 LS-6: login $_ gets in") for 49, 48, 47;

# Each provider has its own ten.

$b = $t->browser();
my $kept = $b->start_login('/other');
$b->get("/tab$_") for 1 .. 12;
is(outcome($t, $b, sub { $b->callback($kept) }), '302 ok session',
	'F08 F22: logins elsewhere push none out');

###############################################################################
# Cookies that are nobody's: they go first, and only so many at a time.

$b = $t->browser();
my $name = 'NGX_OIDC_SESSION.';
my $real = $b->start_login('/');
$b->jar()->take($b->url('/'), map { sprintf '%s%016d=%08x.%s; Path=/', $name,
	$_, $_, 'x' x 60 } 1 .. 60);
my $r = $b->get('/');
my @deleted = grep { /=; Path=\/; Max-Age=0;/ } $r->headers_all('Set-Cookie');
is($r->status(), 302, 'LS-6: sixty stale cookies, a login begins');
cmp_ok(scalar @deleted, '>=', 1, 'LS-6: and deletes of them');
cmp_ok(scalar @deleted, '<=', 20, 'LS-6: so many at a time');
$b->get('/') for 1 .. 3;
cmp_ok(scalar pending($b), '<=', 10, 'LS-6: a few times, and all are gone');
is(outcome($t, $b, sub { $b->callback($real) }), '302 ok session',
	'LS-6: what was real is still there');

###############################################################################
# Nobody who has not logged in costs memory.

$b = $t->browser();
$b->login('/');

my ($worker) = $t->workers();
my @others = (headers => { Cookie => undef }, concurrency => 20,
	browsers => [ map { $t->browser() } 1 .. 100 ]);

$b->parallel_get("$at/", n => 500, @others);
my $before = $t->rss($worker);
my @answers = $b->parallel_get("$at/", n => 2500, @others);
is(scalar(grep { $_->status() == 302 } @answers), 2500,
	'F08: 2500 logins begun');
# ASan keeps what was freed for a while
cmp_ok($t->rss($worker) - $before, '<', $t->version() =~ /fsanitize/
	? 256 << 20 : 1 << 20, 'F08: the worker does not grow');
is($b->get('/')->status(), 200, 'F08 S06: and nobody is pushed out');

$t->done();

###############################################################################

# The logins on their way at the usual provider.
sub pending {
	my ($b) = @_;

	return grep { $_->{name} =~ /^(?:__Host-)?NGX_OIDC_SESSION\./ }
		$b->cookies();
}

###############################################################################
