#!/usr/bin/perl

# Runs the C unit tests (t/unit/*.c, built by make) as subtests: each of their
# TAP lines becomes one of ours.

###############################################################################

use warnings;
use strict;

use Test::More;

###############################################################################

my $build = $ENV{TEST_BUILD_DIR} || 'build/release';
my @programs = map { m!([^/]+)\.c$! } sort glob 't/unit/*.c';

plan(skip_all => 'no unit tests') unless @programs;
plan(tests => scalar @programs);

run_unit($_) for @programs;

###############################################################################

sub run_unit {
	my ($name) = @_;

	subtest $name => sub {
		my $program = "$build/unit/$name";

		return fail("$program is built: run make") unless -x $program;

		open my $out, '-|', "$program 2>&1" or return fail("$program: $!");

		my ($plan, $ran) = (0, 0);

		while (my $line = <$out>) {
			chomp $line;

			if ($line =~ /^(not )?ok\b\s*\d*\s*-?\s*(.*)/) {
				$ran++;
				ok(!$1, $2);

			} elsif ($line =~ /^1\.\.(\d+)/) {
				$plan = $1;

			} else {
				note($line) if $line =~ /^#/;
				diag($line) unless $line =~ /^#/;
			}
		}

		close $out;
		is($?, 0, "$name: exit status");
		is($ran, $plan, "$name: ran what it planned");
	};
}

###############################################################################
