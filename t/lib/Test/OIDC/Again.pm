package Test::OIDC::Again;

# Runs a test file once more over another kind of store; a file t/redis/x.t is
#
#	use Test::OIDC::Again redis => 't/x.t';

use warnings;
use strict;

use Test::OIDC::Redis;
use Test::More ();

###############################################################################

sub import {
	my ($class, $store, $file) = @_;

	Test::More::plan(skip_all => 'no redis-server')
		if $store eq 'redis' and !Test::OIDC::Redis::installed();

	$ENV{TEST_OIDC_STORE} = $store;

	package main;

	defined(do "./$file") or $@ && die $@;
}

###############################################################################

1;
