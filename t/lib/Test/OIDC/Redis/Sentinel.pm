package Test::OIDC::Redis::Sentinel;

# A master, a replica and three sentinels that watch them, all of the test's
# own.  A failover takes about a second after the master is gone.

=head1 SYNOPSIS

	my $s = Test::OIDC::Redis::Sentinel->new($t, password => 'secret');

	$s->name();		# "oidc": what the sentinels call the master
	$s->urls();		# redis://127.0.0.1:port of each sentinel
	$s->master();		# the Test::OIDC::Redis that they name now
	$s->replica();		# the other one
	$s->fail(sub { $_[0]->kill() });	# that to the master; waits until
					# another one is named, returns it
	$s->look();		# the sentinels look again at what there is
	my @sentinels = $s->sentinels();	# a Test::OIDC::Redis each

=cut

use warnings;
use strict;

use Time::HiRes qw/ sleep time /;

###############################################################################

# new($t, %o): options of Test::OIDC::Redis for master and replica.
sub new {
	my ($class, $t, %o) = @_;

	my $self = bless { t => $t, name => 'oidc' }, $class;
	my $auth = defined $o{password} ? "masterauth $o{password}\n" : '';
	my $conf = $auth . ($o{conf} // '');

	my $master = $t->redis('master', %o, conf => $conf);
	my $replica = $t->redis('replica', %o, conf => $conf,
		replicaof => $master);

	$self->{data} = [ $master, $replica ];
	$self->_until('the replica follows', sub {
		my %info = $replica->info('replication');
		return $info{master_link_status} eq 'up';
	});

	my $monitor = "sentinel monitor oidc 127.0.0.1 $master->{port} 2\n"
		. "sentinel down-after-milliseconds oidc 700\n"
		. "sentinel failover-timeout oidc 3000\n"
		. "sentinel parallel-syncs oidc 1\n";
	$monitor .= "sentinel auth-pass oidc $o{password}\n"
		if defined $o{password};

	$self->{sentinels} = [ map { $t->redis("sentinel$_",
		sentinel => $monitor) } 1 .. 3 ];

	return $self->_met();
}


sub name { return $_[0]{name}; }
sub sentinels { return @{ $_[0]{sentinels} }; }
sub urls { return map { $_->url() } $_[0]->sentinels(); }


sub master {
	my ($self) = @_;

	my $port = $self->_port($self->{sentinels}[0]);

	return (grep { $_->port() == $port } @{ $self->{data} })[0];
}


sub replica {
	my ($self) = @_;

	my $master = $self->master();

	return (grep { $_ != $master } @{ $self->{data} })[0];
}


sub fail {
	my ($self, $how) = @_;

	my $old = $self->master();
	my ($new) = grep { $_ != $old } @{ $self->{data} };

	$how->($old);

	for my $sentinel (grep { $_->pid() } $self->sentinels()) {
		$self->_until('there is another master', sub {
			return $self->_port($sentinel) == $new->port();
		});
	}

	return $new;
}


# They look at replicas every ten seconds by themselves.
sub look {
	my ($self) = @_;

	$_->do(SENTINEL => 'RESET', 'oidc') for $self->sentinels();

	return $self->_met();
}

###############################################################################

sub _met {
	my ($self) = @_;

	for my $sentinel ($self->sentinels()) {
		$self->_until('the sentinels know what there is', sub {
			my %master = @{ $sentinel->do(SENTINEL => 'MASTER',
				'oidc') };
			my ($replica) = @{ $sentinel->do(SENTINEL =>
				'REPLICAS', 'oidc') };
			my %replica = @{ $replica // [] };

			return $master{'num-other-sentinels'} == 2
				&& $master{'num-slaves'} == 1
				&& $master{flags} eq 'master'
				&& $replica{flags} eq 'slave'
				&& $replica{'master-link-status'} eq 'ok';
		});
	}

	return $self;
}


sub _port {
	my ($self, $sentinel) = @_;

	return $sentinel->do(SENTINEL => 'GET-MASTER-ADDR-BY-NAME',
		'oidc')->[1];
}


sub _until {
	my ($self, $what, $code) = @_;

	$self->{t}->wait_for($code, 60) or die "not in a minute: $what\n";
}

###############################################################################

1;
