package Test::OIDC::Login;

# What a login came to, in one line that a table of cases can hold: the status,
# the reason in the log, and whether a session is left.  "200 ok session" is a
# login that went well; every other one should read like "502 claim_aud".

use warnings;
use strict;

use base qw/ Exporter /;
our @EXPORT_OK = qw/ outcome reason session_of /;

###############################################################################

# outcome($t, $browser, sub { $browser->login(...) }): runs the code, which
# returns the last answer.
sub outcome {
	my ($t, $b, $code) = @_;

	my $mark = $t->log_mark();
	my $r = $code->();

	return join ' ', $r->status(), reason($t, $mark),
		session_of($b) ? 'session' : ();
}


# reason($t, $mark): the reasons of all logins refused since the mark; "ok".
sub reason {
	my ($t, $mark) = @_;

	my @reasons = $t->log_since($mark) =~ /oidc: \w+ refused: (\w+) \(/g;

	return @reasons ? join '+', @reasons : 'ok';
}


# session_of($browser): its session cookie, of whatever provider; the cookies
# of pending logins have a dot in their names.
sub session_of {
	my ($b) = @_;

	return $b->cookie(qr/^[^.]+$/);
}

###############################################################################

1;
