package Test::OIDC::Checks;

# What no test may leave behind, whatever it tests: alerts, reports of the
# sanitizers, secrets in the error log (O03).  The methods of a Test::OIDC that
# look for it; each returns the lines that it found.

use warnings;
use strict;

###############################################################################

# alerts(): lines of alert level and above that nobody has allowed.
sub alerts {
	my ($self) = @_;

	my @lines = grep { /\[(?:alert|emerg|crit)\]/ } split /\n/,
		$self->log() . "\n" . ($self->read_file('nginx.stderr') // '');

	push @lines, 'nginx had to be killed' if $self->{killed};
	push @lines, "nginx ended by a signal ($self->{status})"
		if ($self->{status} // 0) & 127;

	return grep { my $line = $_; !grep { $line =~ $_ } @{ $self->{allow} } }
		@lines;
}


# sanitizer_errors(): reports of ASan, UBSan and LSan.
sub sanitizer_errors {
	my ($self) = @_;

	my @lines;

	for my $file (glob("$self->{dir}/asan* $self->{dir}/ubsan* "
		. "$self->{dir}/*.log $self->{dir}/*.stderr $self->{dir}/*.out"))
	{
		push @lines, grep { /ERROR:\s\w*Sanitizer|runtime\serror:
			|SUMMARY:\s\w*Sanitizer|LeakSanitizer/x
			and !_by_core($_) }
			split /\n/, $self->read_file($file) // '';
	}

	return @lines;
}


# nginx itself reads misaligned words and copies zero bytes from NULL; that is
# undefined behaviour, but not ours.  Our files have "oidc" in their names.
sub _by_core {
	my ($line) = @_;

	return $line =~ m{(?:runtime error:|UndefinedBehaviorSanitizer)}
		&& $line =~ m{\bsrc/(?:core|event|os|http)/[\w/]*ngx_\w+\.[ch]:}
		&& $line !~ /ngx_(?:http_)?oidc_/;
}


# leaked_secrets(): log lines with a secret in them.
sub leaked_secrets {
	my ($self) = @_;

	my %seen = (%Test::OIDC::Jar::SEEN, %{ $self->{secrets} });

	for my $idp (values %{ $self->{idp} }) {
		$seen{$_} = 1 for eval { $idp->secrets() };
	}

	my @secrets = grep { defined and !ref and length >= 12 } keys %seen;

	# An entry may have several lines: core's dump of the answer's header.
	my @lines = grep { !/\[debug\] / or m{\[debug\] \S+: (?:\*\d+ )?oidc}i }
		split m{^(?=\d{4}/\d\d/\d\d )}m, $self->log();
	@lines = grep { my $line = $_;
		!grep { $line =~ $_ } @{ $self->{allow_secret} } } @lines;

	# Found by their beginning: thousands of logins leave thousands of
	# secrets, more than one pattern of them all can hold.
	my %begins;
	push @{ $begins{substr $_, 0, 12} }, $_ for @secrets;

	return grep { _has_secret($_, \%begins) } @lines;
}


sub _has_secret {
	my ($line, $begins) = @_;

	for my $at (0 .. length($line) - 12) {
		my $some = $begins->{substr $line, $at, 12} or next;
		return 1 if grep { substr($line, $at, length) eq $_ } @$some;
	}

	return;
}

###############################################################################

1;
