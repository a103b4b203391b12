package Test::OIDC::Redis::Cluster;

# A Redis Cluster of the test's own on loopback: masters with the slots spread
# evenly over them, and a replica for each.

=head1 SYNOPSIS

	my $c = Test::OIDC::Redis::Cluster->new($t, masters => 3,
		replicas => 1);

	my @urls = $c->urls();		# of all nodes
	my @nodes = $c->nodes();	# a Test::OIDC::Redis each
	my @masters = $c->masters();	# who has slots now, by anybody's word
	my $node = $c->owner($slot);
	my $slot = $c->slot($key);
	my $move = $c->begin_move($slot, $to);	# some keys may be at either
	$c->move_keys($slot, $to, $n);		# n of them, or all
	$c->end_move($slot, $to);
	my $new = $c->fail($master, sub { $_[0]->kill() });	# its replica
	my %all = $c->dump();		# of all masters, see Test::OIDC::Redis
	$c->wait_ok();

=cut

use warnings;
use strict;

use Time::HiRes qw/ sleep time /;

my $SLOTS = 16384;

###############################################################################

# new($t, %o): masters, replicas of each, and options of Test::OIDC::Redis.
sub new {
	my ($class, $t, %o) = @_;

	my $masters = delete $o{masters} // 3;
	my $replicas = delete $o{replicas} // 1;
	my $self = bless { t => $t }, $class;
	my $conf = defined $o{password} ? "masterauth $o{password}\n" : '';

	my @nodes = map { $t->redis("node$_", %o, cluster => 1,
		conf => $conf . ($o{conf} // '')) }
		1 .. $masters * (1 + $replicas);

	$self->{nodes} = \@nodes;

	for my $i (0 .. $masters - 1) {
		$nodes[$i]->do(CLUSTER => 'ADDSLOTSRANGE',
			int($SLOTS * $i / $masters),
			int($SLOTS * ($i + 1) / $masters) - 1);
	}

	for my $i (0 .. $#nodes) {
		$nodes[$i]->do(CLUSTER => 'SET-CONFIG-EPOCH', $i + 1);
		$nodes[$i]->do(CLUSTER => 'MEET', '127.0.0.1',
			$nodes[0]->port(), $nodes[0]{bus}) if $i;
	}

	$self->_until('the nodes have met', sub {
		return !grep { !/cluster_known_nodes:@{[ scalar @nodes ]}\r/ }
			map { $_->do(CLUSTER => 'INFO') } @nodes;
	});

	$_->{id} = $_->do(CLUSTER => 'MYID') for @nodes;

	# a node that has just met another may not know yet that it is a master
	for my $i ($masters .. $#nodes) {
		my $id = $nodes[$i % $masters]{id};

		$self->_until('there are replicas', sub {
			return !Test::OIDC::Resp::is_error($nodes[$i]->try(
				CLUSTER => 'REPLICATE', $id));
		});
	}

	return $self->wait_ok();
}


sub nodes { return @{ $_[0]{nodes} }; }
sub urls { return map { $_->url() } $_[0]->nodes(); }


# wait_ok(): until all nodes that run agree that all is well.
sub wait_ok {
	my ($self) = @_;

	for my $node (grep { $_->pid() } $self->nodes()) {
		$self->_until('the cluster is well', sub {
			my %info = $node->info('replication');

			return $node->do(CLUSTER => 'INFO')
				=~ /cluster_state:ok/
				&& ($info{role} eq 'master'
				or $info{master_link_status} eq 'up');
		});
	}

	return $self;
}


# slots of whom: [ [ first, last, node ], ... ], as somebody who runs has it
sub _map {
	my ($self) = @_;

	my ($any) = grep { $_->pid() } $self->nodes();
	my %by_id = map { $_->{id} => $_ } $self->nodes();

	return map { [ @$_[0, 1], $by_id{ $_->[2][2] } ] }
		@{ $any->do(CLUSTER => 'SLOTS') };
}


sub masters {
	my ($self) = @_;

	my %seen;

	return grep { !$seen{$_}++ } map { $_->[2] } $self->_map();
}


sub owner {
	my ($self, $slot) = @_;

	return (map { $_->[2] } grep { $_->[0] <= $slot and $slot <= $_->[1] }
		$self->_map())[0];
}


sub slot {
	my ($self, $key) = @_;

	my ($any) = grep { $_->pid() } $self->nodes();

	return $any->do(CLUSTER => 'KEYSLOT', $key);
}


sub begin_move {
	my ($self, $slot, $to) = @_;

	my $from = $self->owner($slot);

	$to->do(CLUSTER => 'SETSLOT', $slot, 'IMPORTING', $from->{id});
	$from->do(CLUSTER => 'SETSLOT', $slot, 'MIGRATING', $to->{id});
	$self->{from}{$slot} = $from;

	return $from;
}


sub move_keys {
	my ($self, $slot, $to, $n) = @_;

	my $from = $self->{from}{$slot};
	my @keys = @{ $from->do(CLUSTER => 'GETKEYSINSLOT', $slot,
		$n // 100000) };

	$from->do(MIGRATE => '127.0.0.1', $to->port(), '', 0, 5000,
		defined $to->{password} ? (AUTH => $to->{password}) : (),
		KEYS => @keys) if @keys;

	return scalar @keys;
}


sub end_move {
	my ($self, $slot, $to) = @_;

	my $from = delete $self->{from}{$slot};

	$_->do(CLUSTER => 'SETSLOT', $slot, 'NODE', $to->{id})
		for $to, $from, grep { $_ != $to and $_ != $from }
		$self->masters();
}


sub fail {
	my ($self, $master, $how) = @_;

	my ($slot) = map { $_->[0] } grep { $_->[2] == $master } $self->_map();
	my $new;

	$how->($master);

	$self->_until('a replica has taken over', sub {
		my ($any) = grep { $_->pid() and $_ != $master }
			$self->nodes();
		my ($id) = map { $_->[2][2] } grep { $_->[0] <= $slot
			and $slot <= $_->[1] }
			@{ $any->do(CLUSTER => 'SLOTS') };

		return if !$id or $id eq $master->{id};
		($new) = grep { $_->{id} eq $id } $self->nodes();
	});

	return $new;
}


sub dump {
	my ($self) = @_;

	return map { $_->dump() } $self->masters();
}

###############################################################################

sub _until {
	my ($self, $what, $code) = @_;

	$self->{t}->wait_for($code, 60) or die "not in a minute: $what\n";
}

###############################################################################

1;
