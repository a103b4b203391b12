package Test::OIDC::Browser;

# A browser as far as a gateway can tell: HTTP/1.1 with keep-alive, a cookie
# jar, the header fields of a navigation or of a fetch().  It follows redirects
# only when told to.  Every host name is connected to at 127.0.0.1 (or at
# `connect`) and the URL's port, so tests can use any name.  Test::OIDC::Bulk has
# the asynchronous counterpart for many of them at once.

use warnings;
use strict;

use IO::Socket::INET;
use IO::Socket::SSL qw/ SSL_VERIFY_NONE /;
use Time::HiRes qw/ time /;

use Test::OIDC::Jar;
use Test::OIDC::Response;

###############################################################################

# new(base => URL, %o): headers => { defaults, undef removes }, jar, timeout
# (seconds, 15), trustworthy => 0 (see Jar), connect => address, keepalive => 0,
# same_site => 1 (hosts of one site: no cross-site marks on the way back),
# tls => { IO::Socket::SSL options }, max => redirects that follow() takes (10).
sub new {
	my ($class, %o) = @_;

	my $self = bless { timeout => 15, keepalive => 1, max => 10,
		headers => {}, history => [], idle => {}, %o }, $class;

	$self->{jar} ||= Test::OIDC::Jar->new(
		trustworthy => $o{trustworthy} // 1);

	return $self;
}


# get($path_or_url, %o), post($url, body or { form }, %o): a navigation.
# Options of every request: headers => { name => value, undef removes } or
# [ [ name, value ] ... ] (appended), site => Sec-Fetch-Site, no_cookies => 1,
# cookie => the whole Cookie field, redirects => n to follow, mode => 'plain'
# (no Sec-Fetch fields), 'navigate', 'api'.
sub get { my $self = shift; return $self->request(GET => @_); }
sub head { my $self = shift; return $self->request(HEAD => @_); }


sub post {
	my ($self, $url, $body, %o) = @_;

	if (ref $body) {
		$body = join '&', map { escape($_) . '=' . escape($body->{$_}) }
			sort keys %$body;
		$o{type} //= 'application/x-www-form-urlencoded';
	}

	return $self->request(POST => $url, %o, body => $body // '');
}


# api($path_or_url, %o): as fetch() does from a page of the same origin; method
# and body as options.
sub api {
	my ($self, $url, %o) = @_;

	return $self->request($o{method} // 'GET', $url, mode => 'api',
		site => 'same-origin', %o);
}


# request($method, $path_or_url, %o): a Test::OIDC::Response, also when the
# server closed early (then status 0 and ->error).
sub request {
	my ($self, $method, $target, %o) = @_;

	my $url = $self->url($target);
	my $bytes = $self->request_bytes($method, $url, %o);
	my $res = $self->_exchange($url, $method, $bytes);

	$res->{url} = $url->{text};
	$res->{method} = $method;
	$res->{sent} = $bytes;
	$self->{jar}->take($url, $res->headers_all('Set-Cookie'));
	$self->{url} = $url if ($o{mode} // '') ne 'api';
	push @{ $self->{history} }, $res;

	return $o{redirects} ? $self->follow($o{redirects}) : $res;
}


# follow($max): goes where the last answer points, until it is no redirect.
sub follow {
	my ($self, $max) = @_;

	my $res = $self->{history}[-1];

	for (1 .. $max // $self->{max}) {
		last if !$res->is_redirect();
		$res = $self->get($self->absolute($res->location()),
			site => $self->{same_site} ? 'same-site'
				: 'cross-site');
	}

	return $res;
}


# login($path, %o): a navigation to a protected path, through the provider and
# back; the final answer.  history() then has the whole chain.
sub login {
	my ($self, $path, %o) = @_;

	$self->{history} = [];
	$self->get($path // '/', %o);

	return $self->follow($o{max});
}


# start_login($path): only up to the provider's answer; returns the callback URL
# that a browser would open next.
sub start_login {
	my ($self, $path, %o) = @_;

	my $res = $self->get($path // '/', %o);
	return if !$res->is_redirect();

	return $self->get($res->location(), site => 'cross-site')->location();
}


# callback($url, %o): opens a callback URL as a browser does that comes from
# the provider.
sub callback {
	my ($self, $url, %o) = @_;

	return $self->get($url, site => 'cross-site', %o);
}


sub history { return @{ $_[0]{history} }; }
sub jar { return $_[0]{jar}; }
sub cookies { return $_[0]{jar}->all(); }
sub cookie { return $_[0]{jar}->cookie($_[1]); }
sub set_cookie_raw { return $_[0]{jar}->raw(); }
sub clear { $_[0]{jar}->clear(); }


# clone(%o): another browser with a copy of the cookies.
sub clone {
	my ($self, %o) = @_;

	return ref($self)->new(%$self, idle => {}, history => [],
		jar => $self->{jar}->copy(), %o);
}


# raw($bytes, %o): sends bytes, returns everything that comes back until the
# server closes, or `timeout` seconds (2) of silence, or until => qr/../
# matches.
# half_close => 1: shuts the sending side first.  url => where to.
sub raw {
	my ($self, $bytes, %o) = @_;

	my $s = $self->connect($o{url} // '/');
	local $SIG{PIPE} = 'IGNORE';
	_write($s, $bytes);
	shutdown $s, 1 if $o{half_close};

	my $got = '';

	while (_readable($s, $o{timeout} // 2)) {
		my $n = sysread $s, $got, 65536, length $got;
		next if !defined $n and $!{EAGAIN};
		last if !$n or $o{until} and $got =~ $o{until};
	}

	return $got;
}


# raw_responses($bytes, %o): raw() parsed: a list of responses (pipelining).
sub raw_responses {
	my ($self, $bytes, %o) = @_;

	my $got = $self->raw($bytes, %o);
	my @list;

	while (length $got) {
		my $res = Test::OIDC::Response::parse(\$got, 'GET', 1) or last;
		push @list, $res;
	}

	return @list;
}


# connect($path_or_url): a connected socket, for tests that write by hand.
sub connect {
	my ($self, $target) = @_;

	my $url = ref $target ? $target : $self->url($target);
	my $s = IO::Socket::INET->new(
		PeerAddr => $self->{connect} // '127.0.0.1',
		PeerPort => $url->{port}, Timeout => $self->{timeout})
		or die "connect to port $url->{port}: $!";

	if ($url->{scheme} eq 'https') {
		IO::Socket::SSL->start_SSL($s,
			SSL_verify_mode => SSL_VERIFY_NONE,
			SSL_hostname => $url->{host} =~ /^[\d.]+$/ ? ''
				: $url->{host}, %{ $self->{tls} || {} })
			or die "TLS: $IO::Socket::SSL::SSL_ERROR";
	}

	$s->blocking(0);

	return $s;
}


# begin($path, %o): sends a request whose answer nobody reads yet; the socket.
# answer($socket): what has come there, once something has.
sub begin {
	my ($self, $path, %o) = @_;

	my $url = $self->url($path);
	my $socket = $self->connect($url);

	$socket->syswrite($self->request_bytes('GET', $url, %o));

	return $socket;
}

sub answer {
	my ($self, $socket) = @_;

	$socket->blocking(1);
	sysread $socket, my $bytes, 65536;

	return $bytes;
}


# disconnect(): closes idle connections.
sub disconnect { $_[0]{idle} = {}; }

###############################################################################

# url($path_or_url): { scheme, host, port, path, query, text, origin }.
sub url {
	my ($self, $target) = @_;

	return $target if ref $target;

	$target = $self->{base} . $target if $target !~ m{^https?://}i;
	$target =~ s/#.*//s;

	my ($scheme, $authority, $rest) = $target
		=~ m{^(https?)://([^/?]*)(.*)$}is or die "bad URL $target";
	my ($host, $port) = $authority =~ /^(.*?)(?::(\d+))?$/s;
	my ($path, $query) = split /\?/, $rest, 2;

	$rest = "/$rest" if $rest !~ m{^/};

	return { scheme => lc $scheme, host => lc $host, authority => $authority,
		port => $port // (lc $scheme eq 'https' ? 443 : 80),
		path => length($path // '') ? $path : '/', query => $query,
		rest => $rest, text => "$scheme://$authority$rest",
		origin => lc "$scheme://$authority" };
}


# absolute($location): a Location resolved against the last page.
sub absolute {
	my ($self, $location) = @_;

	return $location if $location =~ m{^https?://}i;
	return "$self->{url}{scheme}:$location" if $location =~ m{^//};
	return $self->{url}{origin} . $location if $location =~ m{^/};

	(my $dir = $self->{url}{path}) =~ s{[^/]*$}{};
	return $self->{url}{origin} . $dir . $location;
}


# request_bytes($method, \%url, %o): what request() sends.
sub request_bytes {
	my ($self, $method, $url, %o) = @_;

	my $mode = $o{mode} // $self->{mode} // 'navigate';
	my $cookie = exists $o{cookie} ? $o{cookie} : $o{no_cookies} ? undef
		: $self->{jar}->header($url, method => $method,
			navigation => $mode ne 'api',
			cross_site => ($o{site} // '') eq 'cross-site');

	my @h = ([ Host => $url->{authority} ], _mode_headers($mode, $o{site}),
		defined $o{body} ? ([ 'Content-Length', length $o{body} ],
			$o{type} ? [ 'Content-Type', $o{type} ] : ()) : (),
		defined $cookie ? [ Cookie => $cookie ] : (),
		$self->{keepalive} ? () : [ Connection => 'close' ]);

	@h = _override(\@h, $self->{headers});
	@h = _override(\@h, $o{headers});

	my $bytes = "$method $url->{rest} HTTP/1.1\r\n"
		. join('', map { "$_->[0]: $_->[1]\r\n" } @h) . "\r\n"
		. ($o{body} // '');
	utf8::encode($bytes) if utf8::is_utf8($bytes);

	return $bytes;
}


sub escape {
	my ($text) = @_;

	utf8::encode($text) if utf8::is_utf8($text);
	$text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;

	return $text;
}

###############################################################################

sub _mode_headers {
	my ($mode, $site) = @_;

	my @agent = ([ 'User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) '
		. 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 '
		. 'Safari/537.36' ]);

	return @agent, [ Accept => '*/*' ] if $mode eq 'plain';

	return @agent, [ Accept => 'application/json' ],
		[ 'Sec-Fetch-Site', $site // 'same-origin' ],
		[ 'Sec-Fetch-Mode', 'cors' ], [ 'Sec-Fetch-Dest', 'empty' ]
		if $mode eq 'api';

	return @agent, [ Accept => 'text/html,application/xhtml+xml,'
		. 'application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8' ],
		[ 'Accept-Language', 'en-GB,en;q=0.9' ],
		[ 'Upgrade-Insecure-Requests', '1' ],
		[ 'Sec-Fetch-Site', $site // 'none' ],
		[ 'Sec-Fetch-Mode', 'navigate' ], [ 'Sec-Fetch-User', '?1' ],
		[ 'Sec-Fetch-Dest', 'document' ];
}


sub _override {
	my ($h, $with) = @_;

	return @$h if !$with;
	return (@$h, @$with) if ref $with eq 'ARRAY';

	my %left = map { lc $_ => [ $_, $with->{$_} ] } keys %$with;
	my @h = map { my $new = delete $left{ lc $_->[0] };
		$new ? (defined $new->[1] ? $new : ()) : $_ } @$h;

	return @h, map { $left{$_} } grep { defined $left{$_}[1] }
		sort keys %left;
}


sub _exchange {
	my ($self, $url, $method, $bytes) = @_;

	local $SIG{PIPE} = 'IGNORE';

	my $end = time() + $self->{timeout};
	my $s = delete $self->{idle}{ $url->{origin} };
	my $reused = defined $s;

	# A kept connection that the server has closed meanwhile.
	if ($reused and _readable($s, 0)) {
		$s->close();
		$reused = 0;
		undef $s;
	}

	$s ||= eval { $self->connect($url) }
		or return Test::OIDC::Response->failed("$@");

	my ($res, $error) = _talk($s, $method, $bytes, $end);

	if (!$res and $reused and $error eq 'closed') {
		$s = $self->connect($url);
		($res, $error) = _talk($s, $method, $bytes, $end);
	}

	return Test::OIDC::Response->failed($error) if !$res;

	$self->{idle}{ $url->{origin} } = $s
		if $self->{keepalive} and $res->keepalive();

	return $res;
}


sub _talk {
	my ($s, $method, $bytes, $end) = @_;

	my $got = '';

	_write($s, $bytes);

	while () {
		my $left = $end - time();
		return undef, 'timeout' if $left <= 0 or !_readable($s, $left);

		my $n = sysread $s, $got, 65536, length $got;
		next if !defined $n and $!{EAGAIN};

		my $res = Test::OIDC::Response::parse(\$got, $method, !$n);
		return $res if $res;
		return undef, length $got ? "cut: $got" : 'closed' if !$n;
	}
}


sub _write {
	my ($s, $bytes) = @_;

	while (length $bytes) {
		my $n = syswrite $s, $bytes;

		if (!defined $n) {
			return if !$!{EAGAIN};
			my $mask = '';
			vec($mask, fileno $s, 1) = 1;
			return if select(undef, $mask, undef, 10) <= 0;
			next;
		}

		substr($bytes, 0, $n) = '';
	}
}


sub _readable {
	my ($s, $timeout) = @_;

	return 1 if $s->can('pending') and $s->pending();

	my $end = time() + $timeout;

	while () {
		my $mask = '';
		vec($mask, fileno $s, 1) = 1;
		my $left = $end - time();
		my $n = select $mask, undef, undef, $left > 0 ? $left : 0;

		# A signal (a child's end) is no timeout.
		return $n > 0 if $n >= 0 or !$!{EINTR};
	}
}

###############################################################################
# Many at once, see Test::OIDC::Bulk.

# parallel_logins(n => 1000, concurrency => 200, path => '/', base => URL):
# a list of { ok, status, error, steps => [ [ status, url ], ... ], time
# (seconds), browser }.  headers as of new(); each login has its own jar.
sub parallel_logins {
	my ($class, %o) = @_;

	require Test::OIDC::Bulk;
	return Test::OIDC::Bulk::logins(ref $class
		? (base => $class->{base}) : (), %o);
}


# parallel_get($url, n => 100, concurrency => 50, browser => $b or
# browsers => [ $b, ... ] (in turn), headers, mode): a list of responses.
sub parallel_get {
	my ($class, $url, %o) = @_;

	require Test::OIDC::Bulk;
	return Test::OIDC::Bulk::gets($url, ref $class
		? (browser => $class) : (), %o);
}

###############################################################################

1;
