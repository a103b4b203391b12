package Test::OIDC::Message;

# Requests from bytes and answers to bytes, for Test::OIDC::Server.  It parses
# what an honest client sends and renders what a dishonest server may.
#
# An answer is a hash, and so is its bending:
#   status, reason        status line
#   body                  bytes; json => structure for Keys::json_text()
#   content_type          undef: no such header
#   headers               { name => value } or [ [ name, value ], ... ]
#   delay                 ms before the first byte
#   body_delay            ms between header and body
#   chunked, chunk_size, chunk_delay (ms)
#   gzip                  Content-Encoding: gzip
#   pad                   spaces before the body until it has so many bytes
#   length                a Content-Length that lies
#   no_length             the body ends with the connection
#   truncate              so many bytes of the body, then close
#   cut                   so many bytes of the whole answer, then close
#   reset                 RST instead of an answer (with cut: after it)
#   endless               spaces for ever after the body (chunked)
#   hang                  no answer at all, the connection stays open
#   redirect              302 to this URL
#   interim               [ 103, ... ] interim answers first
#   raw                   these bytes instead of an answer
#   close                 close after the answer

use warnings;
use strict;

use Compress::Zlib ();
use Time::HiRes qw/ time /;

use Test::OIDC::Keys qw/ json_text /;

###############################################################################

# parse($connection): takes one request off the read buffer; undef when it is
# not all there.
sub parse {
	my ($c) = @_;

	my $end = index $c->{h}{rbuf}, "\r\n\r\n";
	return if $end < 0;

	my ($line, @lines) = split /\r\n/, substr $c->{h}{rbuf}, 0, $end;
	my ($method, $uri, $version) = split / /, $line // '';
	my @headers = map { /^([^:]*):\s*(.*?)\s*$/ ? [ $1, $2 ] : () } @lines;
	my %h = map { lc $_->[0] => $_->[1] } reverse @headers;
	my $start = $end + 4;
	my $body = '';

	if (($h{'transfer-encoding'} // '') =~ /chunked/i) {
		my $at = $start;

		while () {
			my $eol = index $c->{h}{rbuf}, "\r\n", $at;
			return if $eol < 0;
			my $n = hex substr $c->{h}{rbuf}, $at, $eol - $at;
			return if length $c->{h}{rbuf} < $eol + 4 + $n;
			$body .= substr $c->{h}{rbuf}, $eol + 2, $n;
			$at = $eol + 4 + $n;
			last if !$n;
		}

		$start = $at;

	} elsif (my $n = $h{'content-length'}) {
		return if length $c->{h}{rbuf} < $start + $n;
		$body = substr $c->{h}{rbuf}, $start, $n;
		$start += $n;
	}

	substr($c->{h}{rbuf}, 0, $start) = '';

	my ($path, $query) = split /\?/, $uri // '', 2;

	return { method => $method, uri => $uri, path => $path,
		version => $version // '', headers => \@headers, h => \%h,
		args => form_decode($query), body => $body, time => time(),
		connection => $c->{id}, form => ($h{'content-type'} // '')
			=~ m{^application/x-www-form-urlencoded}i
			? form_decode($body) : {} };
}


# form_decode($text): a hash of application/x-www-form-urlencoded text; a name
# that comes twice has an array of its values.
sub form_decode {
	my ($text) = @_;

	my %form;

	for my $pair (split /&/, $text // '') {
		my ($name, $value) = map { s/\+/ /g; s/%([0-9a-f]{2})/chr hex $1/gie;
			$_ } map { my $copy = $_ } split /=/, $pair, 2;

		$name //= '';
		$value //= '';
		$form{$name} = exists $form{$name}
			? [ ref $form{$name} ? @{ $form{$name} } : $form{$name},
				$value ]
			: $value;
	}

	return \%form;
}


# render($request, $answer): bytes: header, then one or more pieces of the body.
sub render {
	my ($req, $a) = @_;

	my $body = defined $a->{json} ? json_text($a->{json}) : $a->{body} // '';
	my $headers = $a->{headers} || [];
	my $head = '';

	utf8::encode($body) if utf8::is_utf8($body);

	my @h = ref $headers eq 'HASH'
		? map { [ $_, $headers->{$_} ] } sort keys %$headers : @$headers;
	unshift @h, @{ $a->{own_headers} || [] };

	if (defined $a->{redirect}) {
		$a->{status} = 302 if $a->{status} == 200;
		push @h, [ Location => $a->{redirect} ];
	}

	$body = ' ' x ($a->{pad} - length $body) . $body
		if $a->{pad} and $a->{pad} > length $body;

	if ($a->{gzip}) {
		$body = Compress::Zlib::memGzip($body);
		push @h, [ 'Content-Encoding', 'gzip' ];
	}

	push @h, [ 'Content-Type', $a->{content_type} ]
		if defined $a->{content_type};

	my $chunked = $a->{chunked} || $a->{endless};

	if ($chunked) {
		push @h, [ 'Transfer-Encoding', 'chunked' ];

	} elsif (!$a->{no_length} and $a->{status} !~ /^(?:1..|204|304)$/) {
		push @h, [ 'Content-Length', $a->{length} // length $body ];
	}

	push @h, [ Connection => 'close' ]
		if $a->{close} or $a->{no_length}
			or defined $a->{truncate} or $req->{version} eq 'HTTP/1.0';

	$head .= "HTTP/1.1 $_ Interim\r\n\r\n" for @{ $a->{interim} || [] };
	$head .= "HTTP/1.1 $a->{status} " . ($a->{reason} // 'Fake') . "\r\n";
	$head .= "$_->[0]: $_->[1]\r\n" for @h;
	$head .= "\r\n";
	utf8::encode($head) if utf8::is_utf8($head);

	$body = substr $body, 0, $a->{truncate} if defined $a->{truncate};

	return $head if $req->{method} eq 'HEAD';
	return ($head, $body) if !$chunked and !$a->{chunk_delay};

	my $size = $a->{chunk_size} || 1024;
	my @part = unpack "(a$size)*", $body;

	return ($head, @part) if !$chunked;

	@part = map { sprintf("%x\r\n", length $_) . "$_\r\n" } @part;
	push @part, "0\r\n\r\n" if !$a->{endless} and !defined $a->{truncate};

	return ($head, @part);
}

###############################################################################

1;
