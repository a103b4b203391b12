package Test::OIDC::Bulk;

# Many browsers at once in one event loop: logins() and gets() behind
# parallel_logins() and parallel_get() of Test::OIDC::Browser, and steady(), a
# load that does not wait for answers.  Plain http only.  Each browser keeps one
# connection per origin, as long as its login lasts.

use warnings;
use strict;

use AnyEvent;
use AnyEvent::Handle;
use AnyEvent::Socket;
use EV;
use Time::HiRes qw/ time /;

use Test::OIDC::Browser;

###############################################################################

# logins(%o): see Test::OIDC::Browser::parallel_logins().
sub logins {
	my (%o) = @_;

	my $path = $o{path} // '/';

	return _many($o{n} // 1, $o{concurrency} // 200, sub {
		my ($i, $done) = @_;

		my $browser = Test::OIDC::Browser->new(base => $o{base},
			headers => $o{headers} || {},
			timeout => $o{timeout} // 60);
		my $result = { browser => $browser, steps => [],
			start => time() };

		_login($browser, $result, ref $path ? $path->($i) : $path,
			$o{max} // 10, $done);
	});
}


# gets($url, %o): see Test::OIDC::Browser::parallel_get().
sub gets {
	my ($url, %o) = @_;

	my @browsers = @{ $o{browsers} || [ $o{browser}
		|| Test::OIDC::Browser->new(base => $url =~ m{^(\w+://[^/]+)}) ] };
	my $n = $o{n} // 1;
	my $width = $o{concurrency} // 50;
	$width = $n if $width > $n;
	my @idle = map { {} } 1 .. $width;

	my @responses = _many($n, $width, sub {
		my ($i, $done) = @_;

		my $browser = $browsers[$i % @browsers];
		my $conns = shift @idle;

		_request($browser, $conns, $o{method} // 'GET',
			ref $url ? $url->($i) : $url,
			{ headers => $o{headers}, mode => $o{mode} }, sub {
			push @idle, $conns;
			$done->($_[0]);
		});
	});

	_close(@idle);

	return @responses;
}



# steady(%o): requests at a fixed rate (a second, 200) for so many seconds,
# whether the ones before were answered or not.  next => sub ($i) returns
# [ $kind, $browser, $path_or_url, options of Browser::request() ]; at => {
# seconds => sub } is called meanwhile and must not wait.  Returns { kind, at
# (seconds from the beginning), time (seconds it took), response } of each.
sub steady {
	my (%o) = @_;

	local $SIG{PIPE} = 'IGNORE';

	my ($rate, $seconds) = ($o{rate} // 200, $o{seconds});
	my ($cv, $sent, $left, %idle, @results) = (AE::cv, 0, 0);

	EV::now_update();
	my $start = time();

	my $send = sub {
		my ($kind, $browser, $target, %with) = @{ $o{next}->($sent) };
		my $result = { kind => $kind, at => time() - $start };
		my $conns = pop @{ $idle{$kind} } || {};

		$left++;
		push @results, $result;
		_request($browser, $conns, $with{method} // 'GET', $target,
			\%with, sub {
			$result->{response} = $_[0];
			$result->{time} = time() - $start - $result->{at};
			push @{ $idle{$kind} }, $conns;
			$cv->send() if !--$left and $sent >= $rate * $seconds;
		});
		$sent++;
	};
	my $tick = EV::timer(0, 1 / $rate / 2, sub {
		my $due = (time() - $start) * $rate;

		$due = $rate * $seconds if $due > $rate * $seconds;
		$send->() while $sent < $due;
	});
	my @at = map {
		my $code = $o{at}{$_};
		EV::timer($_, 0, sub { $code->(time() - $start); });
	} keys %{ $o{at} || {} };

	$cv->recv();
	_close(map { @$_ } values %idle);

	return @results;
}

###############################################################################

# A handle and what it calls hold each other: what is idle would stay open.
sub _close { $_->{h} && $_->{h}->destroy() for map { values %$_ } @_; }


# Runs $start->($i, $done) n times, at most $width at once; results in order.
sub _many {
	my ($n, $width, $start) = @_;

	local $SIG{PIPE} = 'IGNORE';

	my @results;
	my $cv = AE::cv;
	my $next = 0;
	my $left = $n;
	my $go;

	# Timers count from the loop's own clock, which stood still since the
	# last call: they would be over before they begin.
	EV::now_update();

	$go = sub {
		return if $next >= $n;
		my $i = $next++;
		$start->($i, sub {
			$results[$i] = $_[0];
			return $cv->send() if !--$left;
			# A fresh stack for each, however fast they end.
			EV::once(undef, 0, 0, $go);
		});
	};

	$cv->send() if !$n;
	$go->() for 1 .. ($width < $n ? $width : $n);
	$cv->recv();
	undef $go;

	return @results;
}


sub _login {
	my ($browser, $result, $target, $max, $done, $conns) = @_;

	my $first = !$conns;
	$conns ||= {};

	_request($browser, $conns, 'GET', $target, $first ? {}
		: { site => 'cross-site' }, sub {
		my ($res) = @_;

		push @{ $result->{steps} }, [ $res->status(), $res->url() ];

		return _login($browser, $result,
			$browser->absolute($res->location()), $max - 1, $done,
			$conns) if $res->is_redirect() and $max > 0;

		_close($conns);
		$result->{status} = $res->status();
		$result->{error} = $res->error();
		$result->{response} = $res;
		$result->{ok} = $res->status() == 200
			&& @{ $result->{steps} } > 1;
		$result->{time} = time() - delete $result->{start};
		$done->($result);
	});
}


sub _request {
	my ($browser, $conns, $method, $target, $o, $done) = @_;

	my $url = $browser->url($target);
	my $bytes = $browser->request_bytes($method, $url, %$o);
	my $finish = sub {
		my ($res) = @_;

		$res->{url} = $url->{text};
		$browser->{jar}->take($url, $res->headers_all('Set-Cookie'));
		$browser->{url} = $url;
		$done->($res);
	};

	_exchange($browser, $conns, $url, $method, $bytes, $finish);
}


sub _exchange {
	my ($browser, $conns, $url, $method, $bytes, $finish) = @_;

	my $c = $conns->{ $url->{origin} };
	my $reused = $c && $c->{h};
	$c = $conns->{ $url->{origin} } = {} if !$reused;

	my $over = sub {
		my ($res, $keep) = @_;

		return if !$c->{wait};
		delete $c->{wait};
		delete $c->{timer};
		(delete $c->{h})->destroy() if $c->{h} and !$keep;
		$finish->($res);
	};
	my $failed = sub {
		my ($error) = @_;

		# The server may have closed a kept connection meanwhile.
		if ($reused and $error eq 'closed' and $c->{wait}) {
			delete $c->{wait};
			(delete $c->{h})->destroy();
			return _exchange($browser, $conns, $url, $method,
				$bytes, $finish);
		}

		$over->(Test::OIDC::Response->failed($error));
	};

	$c->{wait} = 1;
	$c->{timer} = AE::timer $browser->{timeout}, 0,
		sub { $failed->('timeout') };

	my $read = sub {
		my ($eof, $why) = @_;

		return if !$c->{h};
		my $res = Test::OIDC::Response::parse(\$c->{h}{rbuf}, $method,
			$eof);
		return $over->($res, $res->keepalive() && !$eof) if $res;
		$failed->(length $c->{h}{rbuf} ? 'cut' : $why // 'closed')
			if $eof;
	};

	$c->{h} ||= AnyEvent::Handle->new(connect => [
		$browser->{connect} // '127.0.0.1', $url->{port} ],
		no_delay => 1,
		on_connect_error => sub { $failed->("connect: $_[1]") });
	$c->{h}->on_error(sub {
		$read->(1, $!{EPIPE} || $!{ECONNRESET} ? 'closed' : $_[2]);
	});
	$c->{h}->on_eof(sub { $read->(1) });
	$c->{h}->on_read(sub { $read->(0) });
	$c->{h}->push_write($bytes);
}

###############################################################################

1;
