package Test::OIDC::Chromium;

# A real headless Chromium for tests, driven through t/browser/driver.mjs.
#
#	my $browser = Test::OIDC::Chromium->start();
#	my $alice = $browser->tab('alice');     # own cookie jar, own page
#	my $page = $alice->goto('http://localhost:8080/x');  # {status, url}
#	$alice->fill('#username', 'alice');
#	$page = $alice->follow('#kc-login');    # click and wait for the page
#	like($alice->text(), qr/Alice/);
#
# A verb that fails in the browser dies here with the browser's reason.  The
# browser ends with the object.  It never touches a profile of the user.

###############################################################################

use warnings;
use strict;

use Cwd qw/ abs_path /;
use File::Basename qw/ dirname /;
use IPC::Open2 qw/ open2 /;
use JSON::PP;

###############################################################################

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $driver = abs_path(dirname(__FILE__) . '/../../../browser') . '/driver.mjs';

# Reasons why there is no browser here; an empty string when there is one.

sub missing {
	my $chromium = $ENV{CHROMIUM} || '/usr/bin/chromium';

	return "no $chromium" unless -x $chromium;
	return 'no node_modules in t/browser: run make deps'
		unless -d dirname($driver) . '/node_modules/playwright-core';
	return 'no node 20 or newer: run make deps' unless node();
	return '';
}

# The node binary: of the machine when new enough, else the one of make deps.

sub node {
	for my $node ($ENV{OIDC_NODE},
		dirname($driver) . '/../../build/cache/node/bin/node', 'node')
	{
		next unless defined $node;
		my $version = `'$node' --version 2>/dev/null`;
		return $node if $version =~ /^v(\d+)/ && $1 >= 20;
	}

	return undef;
}

sub start {
	my ($class) = @_;

	my $self = bless { id => 0, tabs => {} }, $class;
	$self->{pid} = open2($self->{out}, $self->{in}, node(), $driver);
	$self->{version} = $self->_answer();

	return $self;
}

sub version {
	my ($self) = @_;
	return $self->{version};
}

sub tab {
	my ($self, $name) = @_;

	return bless { browser => $self, name => $name },
		'Test::OIDC::Chromium::Tab';
}

sub stop {
	my ($self) = @_;

	return unless $self->{pid};
	close $self->{in};
	waitpid delete $self->{pid}, 0;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $@);
	$self->stop();
}

sub _ask {
	my ($self, $verb, %args) = @_;

	my $in = $self->{in};
	local $SIG{PIPE} = 'IGNORE';
	print $in $json->encode({ id => ++$self->{id}, do => $verb, %args })
		. "\n";
	$in->flush();

	return $self->_answer();
}

sub _answer {
	my ($self) = @_;

	my $out = $self->{out};
	my $line = <$out>;
	die "the browser is gone\n" unless defined $line;

	my $answer = $json->decode($line);
	die "browser: $answer->{error}\n" if defined $answer->{error};

	return $answer->{value};
}

###############################################################################

package Test::OIDC::Chromium::Tab;

use warnings;
use strict;

sub _do {
	my ($self, $verb, %args) = @_;
	return $self->{browser}->_ask($verb, tab => $self->{name}, %args);
}

sub goto { $_[0]->_do('goto', url => $_[1]) }
sub fill { $_[0]->_do('fill', selector => $_[1], value => $_[2]) }
sub click { $_[0]->_do('click', selector => $_[1]) }
sub follow { $_[0]->_do('follow', selector => $_[1]) }
sub wait_for { $_[0]->_do('wait_for', selector => $_[1]) }
sub exists { $_[0]->_do('exists', selector => $_[1]) }
sub url { $_[0]->_do('url') }
sub title { $_[0]->_do('title') }
sub content { $_[0]->_do('content') }
sub text { $_[0]->_do('text', $_[1] ? (selector => $_[1]) : ()) }
sub fetch { $_[0]->_do('fetch', url => $_[1], times => ($_[2] || 1) + 0) }
sub trail { $_[0]->_do('trail') }
sub cookies { $_[0]->_do('cookies', $_[1] ? (url => $_[1]) : ()) }
sub script_sees { $_[0]->_do('script_sees') }
sub screenshot { $_[0]->_do('screenshot', path => $_[1]) }
sub close { $_[0]->_do('close') }

1;

###############################################################################
