#!/usr/bin/perl

# Replays the seeds of every fuzz target (t/fuzz/NAME.c over t/fuzz/seeds/NAME)
# through the same code that "make fuzz" drives for longer: B14's part of the
# normal run.  A seed that once crashed stays here for good.

###############################################################################

use warnings;
use strict;

use Test::More;

###############################################################################

my $build = $ENV{TEST_BUILD_DIR} || 'build/release';
my @targets = grep { $_ ne 'replay' }
	map { m!([^/]+)\.c$! } sort glob 't/fuzz/*.c';

plan(skip_all => 'no fuzz targets') unless @targets;
plan(tests => 2 * @targets);

for my $target (@targets) {
	my @seeds = sort glob "t/fuzz/seeds/$target/*";

	cmp_ok(scalar @seeds, '>', 0, "B14: $target has seeds");

	my $log = `'$build/fuzz/$target' t/fuzz/seeds/$target/* 2>&1`;
	is($?, 0, "B14: $target survives its " . @seeds . ' seeds')
		or diag($log);
}

###############################################################################
