#!/usr/bin/perl

# The memory store without nginx around it (t/store/store.c): built here against
# the headers of the nginx that the module is built for, with the sanitizers
# where the module has them.  Each of its TAP lines becomes one of ours.

###############################################################################

use warnings;
use strict;

use Test::More;

###############################################################################

my $build = $ENV{TEST_BUILD_DIR} || 'build/release';
my $tree = "$build/nginx-src";

plan(skip_all => "no configured nginx headers in $tree")
	unless -e "$tree/objs/ngx_auto_config.h";

my $program = compile() or BAIL_OUT('the store does not compile');

run_tests($program);
done_testing();

###############################################################################

sub compile {
	my $out = "$build/store_unit";
	my @flags = qw/ -std=gnu11 -g -Wall -Wextra -Werror -Wno-unused-parameter /;

	push @flags, $build =~ /sanitize/
		? ('-O1', '-fsanitize=address,undefined',
			'-fno-sanitize-recover=undefined')
		: '-O2';

	push @flags, map { "-I$tree/$_" }
		qw! src/core src/event src/event/modules src/os/unix objs !;
	push @flags, map { "-I$_" } qw! src/store src/net src/oidc t/unit t/store !;

	return system($ENV{CC} || 'cc', @flags, 't/store/store.c',
		grep({ !/_redis/ } glob 'src/store/ngx_oidc_store*.c'),
		'src/oidc/oidc_base.c',
		'-o', $out, '-lcrypto') == 0 && $out;
}


sub run_tests {
	my ($program) = @_;
	my ($plan, $ran) = (0, 0);

	# Its zones live as long as the program does.
	local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (),
		'detect_leaks=0';

	open my $out, '-|', "$program 2>&1" or return fail("$program: $!");

	while (my $line = <$out>) {
		chomp $line;

		if ($line =~ /^(not )?ok\b\s*\d*\s*-?\s*(.*)/) {
			$ran++;
			ok(!$1, $2);

		} elsif ($line =~ /^1\.\.(\d+)/) {
			$plan = $1;

		} elsif ($line =~ /^#/) {
			note($line);

		} else {
			diag($line);
		}
	}

	close $out;
	is($?, 0, 'store: exit status');
	is($ran, $plan, 'store: ran what it planned');
}

###############################################################################
