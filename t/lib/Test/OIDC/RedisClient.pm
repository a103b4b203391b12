package Test::OIDC::RedisClient;

# The client of Redis alone inside nginx: t/redis_client/module.c, built here
# against the headers of the nginx that the module is built for.

=head1 SYNOPSIS

	my $c = Test::OIDC::RedisClient->new(4);	# plan: 4 + the bed's own
	my $hasty = Test::OIDC::RedisClient->new(4, hasty => 1);  # no back-off
	my $t = $c->bed();
	$c->run('server=%%REDIS%% command=500');	# nginx with redis_client
	$c->cmd(qw/ GET key /)		# "ok\nvalue"; see the top of module.c
	$c->get('/events')
	my ($status, $log) = $c->refuses('server=...');	# nginx -t

=cut

use warnings;
use strict;

use Test::OIDC;

###############################################################################

sub new {
	my ($class, $plan, %o) = @_;

	my $module = _build($o{hasty});
	my $t = Test::OIDC->new(module => 0);

	$plan ? $t->plan($plan) : ();

	return bless { t => $t, module => $module }, $class;
}


sub bed { return $_[0]{t}; }


sub run {
	my ($self, $client, %o) = @_;

	$self->{t}->conf($self->_conf($client, %o))->run();

	return $self;
}


sub reload {
	my ($self, $client, %o) = @_;

	return $self->{t}->reload($self->_conf($client, %o));
}


sub refuses {
	my ($self, $client) = @_;

	return $self->{t}->conf_test($self->_conf($client));
}


sub get {
	my ($self, $uri) = @_;

	return $self->{t}->browser()->get($uri)->body();
}


sub cmd { return shift->_args('/cmd', @_); }
sub read { return shift->_args('/read', @_); }
sub forget { return shift->_args('/forget', @_); }
sub cancel { return shift->_args('/cancel', @_); }
sub many { my ($self, $n) = splice @_, 0, 2;
	return $self->_args("/many/$n", @_); }
sub node { my ($self, $n) = splice @_, 0, 2;
	return $self->_args("/node/$n", @_); }


# events(qr/up/): those told until one matches
sub events {
	my ($self, $until, $time) = @_;
	my $all = '';

	$self->{t}->wait_for(sub { ($all .= $self->get('/events')) =~ $until },
		$time || 5);

	return $all;
}

###############################################################################

sub _args {
	my ($self, $path, @argv) = @_;

	return $self->get("$path?" . join '&',
		map { s/([^\w.:-])/sprintf '%%%02X', ord $1/ger } @argv);
}


sub _conf {
	my ($self, $client, %o) = @_;

	return <<"EOT";
load_module $self->{module};
%%GLOBALS%%
@{[ $o{main} // '' ]}
http {
    %%HTTP%%
    redis_client $client;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / { redis_client_answer; }
    }
}
EOT
}


# Tests run side by side: each builds for itself what is not there yet, and
# puts it into place at once.
sub _build {
	my ($hasty) = @_;
	my $build = $ENV{TEST_BUILD_DIR} || 'build/release';
	my $tree = "$build/nginx-src";
	my $out = "$build/ngx_oidc_redis_" . ($hasty ? 'hasty' : 'test')
		. '_module.so';

	my @src = ('t/redis_client/module.c', glob('src/net/ngx_oidc_redis*.c'),
		(map { "src/net/ngx_oidc_$_.c" } qw/ watch curl answer /),
		map { "src/oidc/oidc_$_.c" } qw/ redis redis_url url base /);
	my @deps = (@src, glob('src/net/*.h'), glob('src/oidc/*.h'),
		"$tree/objs/ngx_auto_config.h");

	my $made = -M $out;
	return _absolute($out) if defined $made
		and !grep { -M $_ < $made } @deps;

	my @flags = (qw/ -shared -fPIC -g -Wall -Wextra -Werror
		-Wno-unused-parameter /,
		'-Wl,--version-script=t/redis_client/exports');

	push @flags, $build =~ /sanitize/
		? ('-O1', '-fsanitize=address,undefined',
			'-fno-omit-frame-pointer') : '-O2';

	push @flags, qw/ -DNGX_OIDC_REDIS_WAIT_MIN=4
		-DNGX_OIDC_REDIS_WAIT_MAX=8 / if $hasty;
	push @flags, map { "-I$tree/$_" } qw! src/core src/event
		src/event/modules src/event/quic src/os/unix src/http
		src/http/modules src/http/v2 src/http/v3 objs !;
	push @flags, map { "-I$_" } qw! src/net src/oidc !;

	my $config = "$tree/objs/ngx_auto_config.h";
	my @ssl = `grep -A3 NGX_OIDC_REDIS_TLS '$config'` ? '-lhiredis_ssl' : ();
	my ($own) = grep { -d } "$build/hiredis";

	push @flags, "-I$own/include", "-L$own" if $own;
	my $new = "$out.$$";

	system($ENV{CC} || 'cc', @flags, @src, '-o', $new, '-ljansson', '-lcurl',
		@ssl, '-lhiredis', '-lssl', '-lcrypto') == 0
		or die "the client of Redis does not compile\n";
	rename $new, $out or die "$out: $!";

	return _absolute($out);
}


sub _absolute {
	my ($path) = @_;

	require Cwd;

	return Cwd::abs_path($path);
}

###############################################################################

1;
