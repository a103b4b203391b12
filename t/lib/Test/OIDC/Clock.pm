package Test::OIDC::Clock;

# The wall clock of a test: what nginx, redis-server and the fake provider take
# for the time of day, ahead of the machine's by as many seconds as the test has
# let pass.  Hours pass at once, and a machine that stood still for some seconds
# is not late for anything.

use warnings;
use strict;

use Cwd ();
use Exporter qw/ import /;
use Fcntl qw/ O_CREAT O_WRONLY /;

our @EXPORT_OK = qw/ now /;

my ($file, $library);

###############################################################################

# start($name): from here on there is such a clock, kept in the file; once for
# all beds of a process, before anything is started that is to go by it.
sub start {
	my ($name) = @_;

	return if defined $file;

	$library = Cwd::abs_path(($ENV{TEST_BUILD_DIR} // 'build/release')
		. '/clock.so');
	die "no $library: run make test-tools\n" if !-e $library;

	$file = $name;
	_write(0);
}


# environment(%env): additions to that of a process that is to go by the clock.
sub environment {
	my (%env) = @_;

	return if !defined $file;

	return (LD_PRELOAD => $library, TEST_OIDC_CLOCK => $file,
		ASAN_OPTIONS => join ':', grep { length } $env{ASAN_OPTIONS} // '',
			'verify_asan_link_order=0');
}


# now(): the time by the clock, in whole seconds since the epoch.
sub now { return time() + (defined $file ? _read() : 0); }


# pass($seconds), pass_to($time): time goes by; never backwards.
sub pass {
	my ($seconds) = @_;

	die 'no clock: new(clock => 1)' if !defined $file;
	_write(_read() + $seconds) if $seconds > 0;
}


sub pass_to { pass($_[0] - now()); }

###############################################################################

sub _read {
	open my $fh, '<:raw', $file or die "$file: $!";
	sysread $fh, my $bytes, 8;

	return unpack 'q', $bytes;
}


# in place: nginx has it mapped
sub _write {
	sysopen my $fh, $file, O_WRONLY | O_CREAT or die "$file: $!";
	syswrite $fh, pack('q', $_[0]) or die "$file: $!";
}

###############################################################################

1;
