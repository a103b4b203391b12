package Test::OIDC::Echo;

# The backend behind the gateway: answers 200 with a JSON description of the
# request it got, so that a test sees what came through.  Its answers bend and
# its requests are recorded as those of the fake provider; endpoint "echo".

use warnings;
use strict;

use base qw/ Test::OIDC::Server /;

###############################################################################

sub endpoint { return 'echo'; }


# { method, uri, path, version, headers => [ [ name, value ], ... ],
# body_length, body } of the request.
sub handle {
	my ($self, $req) = @_;

	my $body = $req->{body};
	utf8::upgrade($body);

	return { content_type => 'application/json', json => {
		(map { $_ => $req->{$_} }
			qw/ method uri path version headers /),
		body => $body, body_length => length $req->{body} } };
}

###############################################################################

1;
