package Test::OIDC::Conf;

# One directive at a time in a configuration that is good but for it: what
# "nginx -t" says to it, and at which line.  Never starts nginx for real.

=head1 SYNOPSIS

	my $c = Test::OIDC::Conf->new($t);

	$c->refused('O02: no time', provider => 'clock_skew x;', qr/invalid/);
	$c->refused('O02: two at once', http => '...', provider => '...', qr//);
	$c->accepted('O02: a word', location => 'auth_oidc_mode verify;');
	$c->warned('O02: two names', http => '...', qr/share/);

Places: main, http (before the server), provider, server, location, end (of
http{}); "base" replaces what the provider has, "auth" what the location has.

Under a sanitizer, where nginx starts slowly, one refusal in four is tried; all
of them with TEST_OIDC_FULL=1.

A refusal is exit status 1, not a signal, and an [emerg] that matches, with
file and line; the line is one of the texts', or of the provider's block, or
with anywhere => 1 any.

=cut

use warnings;
use strict;

use Test::More ();

my $BASE = <<'EOT';
issuer https://idp.example.test;
client_id gateway;
client_secret 0123456789abcdef0123456789abcdef;
EOT

###############################################################################

sub new {
	my ($class, $t) = @_;

	return bless { t => $t, n => 0, every => !$ENV{TEST_OIDC_FULL}
		&& $t->version() =~ /-fsanitize=/ ? 4 : 1 }, $class;
}


sub refused {
	my $re = pop;
	my ($self, $name, %o) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return Test::More->builder->skip('one in four under a sanitizer')
		if $self->{n}++ % $self->{every};

	my ($status, $out, $lines) = $self->_try(%o);
	my @emerg = grep { /\[emerg\]/ } split /\n/, $out;
	my ($at) = map { / in (?:\S+):(\d+)$/ ? $1 : () } reverse @emerg;
	my $ok = $status == 1 && grep({ $_ =~ $re } @emerg)
		&& defined $at && ($lines->{$at} || $o{anywhere});

	return Test::More::ok($ok, $name)
		|| Test::More::diag("status $status, allowed lines "
			. join(' ', sort { $a <=> $b } keys %$lines)
			. ", expected $re\n$out");
}


# accepted($name, place => text ...): no word is said, a warning neither.
sub accepted {
	my ($self, $name, %o) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my ($status, $out) = $self->_try(%o);
	my $ok = $status == 0 && $out !~ /\[(?:warn|error|emerg|alert)\]/;

	return Test::More::ok($ok, $name)
		|| Test::More::diag("status $status\n$out");
}


# warned($name, place => text ..., qr//): it loads, with a [warn] that matches.
sub warned {
	my $re = pop;
	my ($self, $name, %o) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my ($status, $out) = $self->_try(%o);
	my $ok = $status == 0
		&& grep { /\[warn\]/ && $_ =~ $re && / in \S+:\d+$/ }
			split /\n/, $out;

	return Test::More::ok($ok, $name)
		|| Test::More::diag("status $status, expected $re\n$out");
}


# text(place => text ...): the whole configuration, and the lines to look at.
sub text {
	my ($self, %o) = @_;

	$_ //= '' for @o{qw/ main http provider server location end /};

	my $base = $o{base} // $BASE;
	my $auth = $o{auth} // 'auth_oidc idp;';
	my $port = $self->{t}->port(0);

	my @text = split /\n/, $self->{t}->expand(<<"EOT");
%%GLOBALS%%
#<
$o{main}
#>
http {
%%HTTP%%
#<
oidc_provider idp {
$base
$o{provider}
}
#>
#<
$o{http}
#>
server {
listen 127.0.0.1:$port;
#<
$o{server}
#>
location / {
#<
$auth
$o{location}
#>
root html;
}
}
#<
$o{end}
#>
}
EOT

	my %lines;
	my $in = 0;

	for my $n (1 .. @text) {
		$in = 1 if $text[$n - 1] eq '#<';
		$in = 0 if $text[$n - 1] eq '#>';
		$lines{$n} = 1 if $in;
	}

	return (join("\n", @text, ''), \%lines);
}

###############################################################################

sub _try {
	my ($self, %o) = @_;

	my ($text, $lines) = $self->text(%o);
	my ($status, $out) = $self->{t}->conf_test($text);

	return ($status, $out, $lines);
}

###############################################################################

1;
