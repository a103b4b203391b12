package Test::OIDC::Response;

# One HTTP/1.1 answer as it came over the wire.  A body is whole or the answer
# is an error: status 0 and error() says why.

use warnings;
use strict;

use JSON::XS ();

###############################################################################

# parse(\$bytes, $method, $eof): takes one final answer off the bytes, or
# returns undef when it is not all there.  $eof: no more bytes will come.
sub parse {
	my ($bytes, $method, $eof) = @_;

	my $end = index $$bytes, "\r\n\r\n";
	return if $end < 0;

	my ($line, @lines) = split /\r\n/, substr $$bytes, 0, $end;
	my ($version, $status, $reason) = $line
		=~ m{^HTTP/(\d\.\d) (\d{3}) ?(.*)$} or return;

	if ($status =~ /^1/ and $status != 101) {
		substr($$bytes, 0, $end + 4) = '';
		return parse($bytes, $method, $eof);
	}

	my $self = bless { status => $status, reason => $reason,
		version => $version, headers => [ map { /^([^:]*):[ \t]*(.*)$/s
			? [ $1, $2 ] : () } @lines ] }, __PACKAGE__;
	my ($body, $next) = $self->_body($bytes, $end + 4, $method, $eof);

	return if !defined $body;

	$self->{body} = $body;
	$self->{head} = substr $$bytes, 0, $end + 4;
	substr($$bytes, 0, $next) = '';

	return $self;
}


# failed($error): what request() returns when there was no answer.
sub failed {
	my ($class, $error) = @_;

	return bless { status => 0, error => $error, headers => [], body => '',
		head => '', version => '' }, $class;
}


sub status { return $_[0]{status}; }
sub reason { return $_[0]{reason}; }
sub error { return $_[0]{error}; }
sub body { return $_[0]{body}; }
sub url { return $_[0]{url}; }
sub version { return $_[0]{version}; }

# headers(): [ [ name, value ], ... ] as received; head(): their bytes.
sub headers { return $_[0]{headers}; }
sub head { return $_[0]{head}; }

# sent(): the bytes of the request.
sub sent { return $_[0]{sent}; }


# header($name): the first; headers_all($name): a list.
sub header { return ($_[0]->headers_all($_[1]))[0]; }

sub headers_all {
	my ($self, $name) = @_;

	return map { $_->[1] } grep { lc $_->[0] eq lc $name }
		@{ $self->{headers} };
}


sub location { return $_[0]->header('Location'); }


sub is_redirect {
	my ($self) = @_;

	return $self->{status} =~ /^30[12378]$/ && defined $self->location();
}


# json(): the body decoded; dies when it is not JSON.
sub json { return JSON::XS->new->utf8->decode($_[0]{body}); }


# statuses(@responses): "3 x 200 1 x 302", errors as they are. Not a method.
sub statuses {
	my %n;
	$n{ $_->status() || $_->error() }++ for @_;

	return join ' ', map { "$n{$_} x $_" } sort keys %n;
}


# passed($name): a header of the request as the echo backend got it, undef
# without one and where the answer is not the backend's.
sub passed {
	my ($self, $name) = @_;

	return undef if $self->{status} != 200;
	return (map { $_->[1] } grep { $_->[0] eq $name }
		@{ $self->json()->{headers} })[0];
}


# args(): query of the Location as a hash (an array for a repeated name).
sub args {
	my ($self) = @_;

	require Test::OIDC::Message;
	my (undef, $query) = split /\?/, $self->location() // '', 2;

	return Test::OIDC::Message::form_decode(($query // '') =~ s/#.*//sr);
}


sub keepalive {
	my ($self) = @_;

	return $self->{version} eq '1.1' && !$self->{until_close}
		&& ($self->header('Connection') // '') !~ /close/i;
}

###############################################################################

# The body and where the next answer starts; undef when it is not all there.
sub _body {
	my ($self, $bytes, $start, $method, $eof) = @_;

	return ('', $start) if $method eq 'HEAD'
		or $self->{status} =~ /^(?:101|204|304)$/;

	return _chunked($bytes, $start)
		if ($self->header('Transfer-Encoding') // '') =~ /chunked/i;

	my $n = $self->header('Content-Length');

	if (defined $n) {
		return if length $$bytes < $start + $n;
		return (substr($$bytes, $start, $n), $start + $n);
	}

	return if !$eof;
	$self->{until_close} = 1;

	return (substr($$bytes, $start), length $$bytes);
}


sub _chunked {
	my ($bytes, $at) = @_;

	my $body = '';

	while () {
		my $eol = index $$bytes, "\r\n", $at;
		return if $eol < 0;
		my $n = hex substr $$bytes, $at, $eol - $at;
		return if length $$bytes < $eol + 4 + $n;
		$body .= substr $$bytes, $eol + 2, $n;
		$at = $eol + 4 + $n;
		return ($body, $at) if !$n;
	}
}

###############################################################################

1;
