#!/usr/bin/perl

# The narrowest user of conf/redis/users.conf: nothing is denied to it, and each
# of its rights is needed by somebody.  Redis itself says so, in its ACL LOG.

###############################################################################

use warnings;
use strict;

use List::Util qw/ max /;
use Test::More;

use lib 't/lib';
use Test::OIDC;
use Test::OIDC::Keys qw/ jws random_hex /;

###############################################################################

plan(skip_all => 'no redis-server') if !Test::OIDC::Redis::installed();

my $t = Test::OIDC->new();
my $redis = $t->redis();
my $word = random_hex(16);

open my $fh, '<', 'conf/redis/users.conf' or die "users.conf: $!";
my ($name, @rules) = split ' ', (grep { /^user / } <$fh>)[0] =~ s/^user //r;
my @rights = grep { /^\+/ } @rules;

@rules = grep { $_ ne 'off' } @rules;
$redis->do(ACL => SETUSER => $name, @rules, 'on', ">$word");
$t->secret($word);

my $url = $redis->url(user => $name, password => $word, db => 2);

umask 077;
$t->write_file('cookie.key', random_hex(32));

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_cookie_key %%TESTDIR%%/cookie.key;
    oidc_session_store far {
        type redis;
        redis $url;
    }
    oidc_provider idp {
        %%PROVIDER%%
        session_store far;
        logout_uri /logout;
        backchannel_logout_uri /bcl;
        session_timeout 1h;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        proxy_set_header X-Sid \$oidc_sid;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
        location = /admin {
            oidc_sessions;
            auth_oidc off;
            allow 127.0.0.1;
        }
    }
}
EOF

###############################################################################

is(join(' ', live(sub { ok($_[0], "S07: $_[1]"); })), '',
	'S07: nothing is denied to the narrowest user');

for my $right (@rights) {
	my $less = $right =~ s/^\+/-/r;

	$redis->do(ACL => SETUSER => $name, $less);
	like(join(' ', live()), qr/(?:^| )\Q@{[ substr $right, 1 ]}\E(?: |$)/i,
		"S07: without $right something is");
	$redis->do(ACL => SETUSER => $name, $right);
}

for my $less ([ 'resetchannels' ], [ 'resetkeys', '~other:*' ]) {
	$redis->do(ACL => SETUSER => $name, @$less);
	isnt(join(' ', live()), '', "S07: nor with @$less");
	$redis->do(ACL => SETUSER => $name, @rules, ">$word");
}

is(join(' ', live()), '', 'S07: with all of it nothing is denied again');

$t->done();

###############################################################################

# Everything that needs Redis, until something is denied: what that is.
sub live {
	my ($tell) = @_;

	my ($b, $twin) = ($t->browser(), $t->browser());
	my $login = sub { $_[0]->login('/')->status() == 200 };

	$t->reload();
	$redis->do(ACL => LOG => 'RESET');
	$redis->do(SELECT => 2);

	for (
		[ 'a subscription' => sub { scalar $redis->clients(
			qr/ sub=1 .*user=\Q$name\E /) } ],
		[ 'a login' => sub { $login->($b) } ],
		[ 'a touch that is due' => sub {
			$redis->do(PEXPIRE => $_, 20_000)
				for grep { /:s:/ } $redis->keys();
			$b->get('/')->status() == 200
				&& 20_000 < max(map { $redis->do(PTTL => $_) }
				grep { /:s:/ } $redis->keys());
		} ],
		[ 'a logout' => sub { $login->($twin)
			&& $twin->get('/logout', site => 'same-origin')
			->status() == 302 } ],
		[ 'one by the provider' => sub { $t->browser()->post('/bcl',
			{ logout_token => token(sid($b)) })->status() == 200
			&& $b->api('/')->status() == 401 } ],
		[ 'a count' => sub { $t->browser()->api('/admin')->status()
			== 200 } ],
	) {
		my ($what, $code) = @$_;
		my @denied;
		my $good = $t->wait_for(sub {
			my $good = $code->();
			@denied = denied();
			return $good || @denied;
		}, 10);

		$tell->($good && !@denied, $what) if $tell;
		return @denied if @denied;
		return "no: $what" if !$good;
	}

	# of what nobody waits for
	$redis->do('PING');

	return denied();
}


sub denied {
	return map { my %entry = @$_; $entry{object} }
		@{ $redis->do(ACL => LOG => 100) };
}


sub sid {
	my ($b) = @_;

	return (map { $_->[1] } grep { $_->[0] eq 'X-Sid' }
		@{ $b->get('/')->json()->{headers} })[0];
}


sub token {
	my ($sid) = @_;

	my $idp = $t->idp();
	my $now = time();

	return jws(alg => 'RS256', key => $idp->private_key('RS256'),
		kid => $idp->kid('RS256'), header => { typ => 'logout+jwt' },
		sign => 'good', payload => { iss => $idp->issuer(),
		aud => $idp->client_id(), iat => $now, exp => $now + 120,
		jti => random_hex(16), sid => $sid, events => {
		'http://schemas.openid.net/event/backchannel-logout' => {} } });
}

###############################################################################
