package Test::OIDC::Jar;

# A cookie jar: RFC 6265 with the name prefixes and SameSite of RFC 6265bis, as
# far as a gateway's cookies can go wrong.  It keeps what a browser would keep,
# refuses what a browser would refuse and remembers the refusals.

use warnings;
use strict;

use Time::Local qw/ timegm /;

use Test::OIDC::Clock qw/ now /;

my %month = do { my $n = 0; map { $_ => $n++ } qw/ jan feb mar apr may jun jul
	aug sep oct nov dec / };

# Every value ever seen in a Set-Cookie, for the log check of Test::OIDC.
our %SEEN;

###############################################################################

# new(trustworthy => 1): Secure cookies are also set by and sent to plain http
# on localhost and 127.0.0.1, as browsers do.
sub new {
	my ($class, %o) = @_;

	return bless { cookies => [], refused => [], raw => [], n => 0,
		trustworthy => 1, %o }, $class;
}


# take($url, @set_cookie): stores what the answer to $url has set.
sub take {
	my ($self, $url, @lines) = @_;

	$self->_set($url, $_) for @lines;
}


# header($url, %o): value of the Cookie field for a request to $url, or undef.
# Options: cross_site => 1, navigation => 1, method.
sub header {
	my ($self, $url, %o) = @_;

	my $lax = $o{navigation} && ($o{method} // 'GET') =~ /^(?:GET|HEAD)$/;

	my @send = grep {
		my $site = lc($_->{samesite} // 'lax');

		$self->_matches($_, $url) and (!$o{cross_site}
			or $site eq 'none' or $site eq 'lax' and $lax);
	} $self->all();

	@send = sort { length $b->{path} <=> length $a->{path}
		or $a->{n} <=> $b->{n} } @send;

	return @send ? join '; ', map { $_->{name} eq '' ? $_->{value}
		: "$_->{name}=$_->{value}" } @send : undef;
}


# all(): the living cookies, oldest first: { name, value, domain, host_only,
# path, secure, httponly, samesite, expires (epoch or undef), raw }.
sub all {
	my ($self) = @_;

	my $now = now();
	@{ $self->{cookies} } = grep { !defined $_->{expires}
		or $_->{expires} > $now } @{ $self->{cookies} };

	return @{ $self->{cookies} };
}


# cookie($name or qr//): the first of that name.
sub cookie {
	my ($self, $name) = @_;

	return (grep { ref $name ? $_->{name} =~ $name : $_->{name} eq $name }
		$self->all())[0];
}


# refused(): [ Set-Cookie line, reason ] of each refusal.
sub refused { return @{ $_[0]{refused} }; }

# raw(): all Set-Cookie lines seen.
sub raw { return @{ $_[0]{raw} }; }


# remove($name or qr//)
sub remove {
	my ($self, $name) = @_;

	@{ $self->{cookies} } = grep { ref $name ? $_->{name} !~ $name
		: $_->{name} ne $name } @{ $self->{cookies} };
}


sub clear { @{ $_[0]{cookies} } = (); }


# copy(): another jar with the same cookies.
sub copy {
	my ($self) = @_;

	return bless { %$self, refused => [], raw => [],
		cookies => [ map { { %$_ } } @{ $self->{cookies} } ] }, ref $self;
}

###############################################################################

sub _set {
	my ($self, $url, $line) = @_;

	push @{ $self->{raw} }, $line;

	my ($pair, @attrs) = split /;/, $line;
	my ($name, $value) = ($pair // '') =~ /^\s*([^=]*?)\s*=\s*(.*?)\s*$/s
		or return $self->_refuse($line, 'no name=value pair');

	$SEEN{$value} = 1 if length $value >= 16;

	my $c = { name => $name, value => $value, raw => $line,
		host_only => 1, domain => $url->{host},
		path => _default_path($url->{path}) };

	for (@attrs) {
		my ($key, $v) = /^\s*([^=]*?)\s*(?:=\s*(.*?)\s*)?$/s;
		_attribute($c, lc $key, $v // '');
	}

	my $why = $self->_why_not($c, $url);
	return $self->_refuse($line, $why) if $why;

	$self->_store($c);
}


sub _attribute {
	my ($c, $key, $v) = @_;

	if ($key eq 'secure' or $key eq 'httponly') {
		$c->{$key} = 1;

	} elsif ($key eq 'samesite') {
		$c->{samesite} = $v;

	} elsif ($key eq 'path') {
		$c->{path} = $v if $v =~ m{^/};
		$c->{path_given} = 1;

	} elsif ($key eq 'domain' and $v ne '') {
		($c->{domain} = lc $v) =~ s/^\.//;
		$c->{host_only} = 0;

	} elsif ($key eq 'max-age' and $v =~ /^-?\d+$/) {
		$c->{expires} = $v > 0 ? now() + $v : 0;
		$c->{max_age} = $v;

	} elsif ($key eq 'expires' and !exists $c->{max_age}) {
		my $time = _parse_date($v);
		$c->{expires} = $time if defined $time;
	}
}


sub _why_not {
	my ($self, $c, $url) = @_;

	my $local = $url->{host} =~ /^(?:localhost|127\.[\d.]+|\[::1\])$/;
	my $secure = $url->{scheme} eq 'https'
		|| $self->{trustworthy} && $local;

	return 'control character' if $c->{raw} =~ /[\0-\x08\x0a-\x1f\x7f]/;
	return 'longer than 4096 bytes'
		if length($c->{name}) + length($c->{value}) > 4096;
	return 'Secure from an insecure origin' if $c->{secure} and !$secure;
	return 'Domain does not match the host' if !$c->{host_only}
		and !_domain_match($c->{domain}, $url->{host});
	return 'SameSite=None without Secure' if !$c->{secure}
		and lc($c->{samesite} // '') eq 'none';
	return '__Secure- without Secure'
		if $c->{name} =~ /^__(?:Secure|Host)-/i and !$c->{secure};
	return '__Host- with Domain'
		if $c->{name} =~ /^__Host-/i and !$c->{host_only};
	return '__Host- without Path=/' if $c->{name} =~ /^__Host-/i
		and !($c->{path_given} and $c->{path} eq '/');
	return 'would overwrite a Secure cookie' if !$secure and grep {
		$_->{secure} and $_->{name} eq $c->{name}
			and $_->{domain} eq $c->{domain} } $self->all();

	return;
}


sub _store {
	my ($self, $c) = @_;

	my ($old) = grep { $_->{name} eq $c->{name}
		and $_->{domain} eq $c->{domain} and $_->{path} eq $c->{path}
		and $_->{host_only} == $c->{host_only} } $self->all();

	$c->{n} = $old ? $old->{n} : ++$self->{n};
	@{ $self->{cookies} } = grep { !$old or $_ != $old }
		@{ $self->{cookies} };

	push @{ $self->{cookies} }, $c
		if !defined $c->{expires} or $c->{expires} > now();
}


sub _refuse {
	my ($self, $line, $why) = @_;

	push @{ $self->{refused} }, [ $line, $why ];
}


sub _matches {
	my ($self, $c, $url) = @_;

	my $path = $url->{path};
	my $local = $url->{host} =~ /^(?:localhost|127\.[\d.]+|\[::1\])$/;

	return if $c->{host_only} ? $url->{host} ne $c->{domain}
		: !_domain_match($c->{domain}, $url->{host});
	return if $c->{secure} and $url->{scheme} ne 'https'
		and !($self->{trustworthy} and $local);

	return $path eq $c->{path} || index($path, $c->{path}) == 0
		&& ($c->{path} =~ m{/$}
			|| substr($path, length $c->{path}, 1) eq '/');
}


sub _domain_match {
	my ($domain, $host) = @_;

	return 1 if $host eq $domain;
	return if $host =~ /^[\d.]+$/ or $domain !~ /\./;
	return substr($host, -length($domain) - 1) eq ".$domain";
}


sub _default_path {
	my ($path) = @_;

	return $path =~ m{^(/.*)/[^/]*$} ? $1 : '/';
}


sub _parse_date {
	my ($text) = @_;

	return if $text !~ /(\d{1,2})[ -]([a-z]{3})[a-z]*[ -](\d{2,4})
		\s+(\d{1,2}):(\d{2}):(\d{2})/xi;
	my ($day, $mon, $year) = ($1, $month{lc $2}, $3);
	my @clock = ($6, $5, $4);

	return if !defined $mon;
	$year += $year < 70 ? 2000 : 1900 if $year < 100;

	return eval { timegm(@clock, $day, $mon, $year) };
}

###############################################################################

1;
