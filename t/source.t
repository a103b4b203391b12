#!/usr/bin/perl

# The source itself: layers, what the module exports, sizes of files and
# functions, white space, defaults and merge rules, what must not stand in a
# repository, and which requirements have a test.

###############################################################################

use warnings;
use strict;

use File::Find ();
use Test::More;

###############################################################################

# A test shows a requirement by its name's first words.
my @REQUIREMENTS = (
	(map { sprintf 'F%02d', $_ } 1 .. 22),
	(map { sprintf 'V%02d', $_ } 1 .. 17),
	(map { sprintf 'S%02d', $_ } 1 .. 16),
	(map { sprintf 'B%02d', $_ } 1 .. 17),
	(map { sprintf 'R%02d', $_ } 1 .. 23),
	(map { sprintf 'L%02d', $_ } 1 .. 13),
	(map { sprintf 'O%02d', $_ } 1, 2, 3, 4, 6, 8, 9, 11),
);

my $FILE_MAX = 600;
my $FUNCTION_MAX = 100;
my $LINE_MAX = 80;

my @all = files();
my %text = map { $_ => slurp($_) } grep { -f && -s _ < 1_000_000 } @all;
my @src = grep { m{^src/.*\.[ch]$|^ngx_http_oidc_module\.c$} } @all;
my @c = grep { m{\.[ch]$} } @all;

cmp_ok(scalar @src, '>', 50, 'O08: the source is found');

###############################################################################
# Layers: arrows point down only.

nowhere('O08: no nginx in src/oidc', qr/\bngx_|\bNGX_|<nginx/,
	code(grep { m{^src/oidc/} } @src));
nowhere('O08: no clock and no environment in src/oidc',
	qr/\b(?:time|gettimeofday|clock_gettime|rand|getenv) ?\(/,
	code(grep { m{^src/oidc/} } @src));
nowhere("O08: no request in $_", qr/\bngx_http_(?!oidc_module\b)|<ngx_http/,
	code(grep { m{^$_/} } @src)) for qw{ src/net src/store };
nowhere('O08: src/http alone sees a request', qr/\bngx_http_request_t\b/,
	code(grep { !m{^src/http/|^ngx_http_oidc_module} } @src));
nowhere('O08: src/net does not know the store', qr/\bngx_oidc_(?:store|shm)_/,
	code(grep { m{^src/net/} } @src));
nowhere('O08: src/store does not know a provider', qr/\bngx_oidc_idp_/,
	code(grep { m{^src/store/} } @src));

for my $library (qw{ jwt\.h curl/ hiredis/ }) {
	my @in = grep { $text{$_} =~ m{^\s*#\s*include\s*<$library}m } @src;

	cmp_ok(scalar @in, '<=', 1, "O08: <$library is included in one file")
		or diag(join ' ', @in);
}

my %base;
$base{ (split '/')[-1] }++ for grep { /\.c$/ } @src;

is_deeply([ grep { $base{$_} > 1 } keys %base ], [],
	'O08: names of files are unique, as auto/make wants them');

# What a process gets to see that loads the module.

SKIP: {
	my ($module) = grep { defined && -e } $ENV{TEST_OIDC_MODULE},
		'build/ngx_http_oidc_module.so';

	skip 'a static build', 1 if !$module;

	my @symbols = map { (split)[-1] }
		`nm -D --defined-only '$module'`;

	is_deeply([ sort @symbols ], [ sort qw/ ngx_modules ngx_module_names
		ngx_module_order ngx_http_oidc_module / ],
		'O08: the module exports what nginx asks for and no more');
}

###############################################################################
# Defaults and merge rules.

my $header = $text{'src/http/ngx_http_oidc.h'};
my $conf = join '', map { $text{$_} } grep { m{^src/http/.*\.c$} } @src;

# oidc_jwks and oidc_sessions hold in their own location alone

for ([ loc => { map { $_ => 1 } qw/ jwks jwks_file jwks_line jwks_max_age
	sessions / } ],
	[ srv => { own => 1, strip => 1 } ])
{
	my ($name, $except) = @$_;
	my ($struct) = $header =~ /typedef struct \{([^}]*)\} ngx_http_oidc_${name}_conf_t;/;
	my ($merge) = $conf =~ /^ngx_http_oidc_merge_${name}_conf\(.*?^\}/ms
		? $& : '';

	for ($struct =~ /^ +\w+ +\*?(\w+);/mg) {
		next if $except->{$_};
		like($merge, qr/\bconf->$_\b.*\bprev->$_\b/s,
			"O01: $_ of ${name}_conf is merged");
	}
}

my %unset = map { $_ => 1 } $conf =~ /\bp->(\w+) = NGX_CONF_UNSET/g;
my %init = map { $_ => 1 } $conf =~ /ngx_conf_init_\w+\(p->(\w+),/g;
my %slot = map { $_ => 1 }
	$conf =~ /ngx_conf_set_(?:flag|sec|msec|num|size|enum)_slot,\s*ngx_http_oidc_offset\((\w+)\)/g;

cmp_ok(scalar keys %slot, '>', 8, 'O01: slots of a provider are found');
is_deeply(\%unset, \%slot, 'O01: each is unset before its block is read');
is_deeply(\%init, \%slot, 'O01: ... and has a default after it');

###############################################################################
# Sizes and white space.

# libcurl and hiredis may be included in one file each, a little longer ones

is_deeply([ grep { /\.c$/ and lines($_) > $FILE_MAX
	+ (m{/ngx_oidc_(?:curl|redis_conn)\.c$} ? 100 : 0) } @src ], [],
	"files have at most $FILE_MAX lines");

my @long;

for my $file (grep { m{^src/|^ngx_} and /\.c$/ } @src) {
	my ($line, $begin, $name) = (0, 0, '');

	for (split /\n/, $text{$file}) {
		$line++;
		$name = $1 if /^(\w+)\(/;
		$begin = $line if /^\{/;
		next if !/^\}/;
		push @long, "$file: $name" if $begin
			and $line - $begin > $FUNCTION_MAX;
		$begin = 0;
	}
}

is_deeply(\@long, [], "functions have at most $FUNCTION_MAX lines");
nowhere('no tab in C', qr/\t/, @c);
nowhere('no trailing blank', qr/[ \t]$/m, @c,
	grep { /\.(?:t|pm|conf)$|Makefile$/ } @all);
nowhere("no line of over $LINE_MAX columns in C", qr/^.{81,}$/m, @c);
nowhere('no // comment in C', qr{^\s*//|[;{}]\s*//}m, @src);

is_deeply([ grep { $text{$_} !~ m{\A\n/\*\n \* Copyright} } @src ], [],
	'each file names its copyright');

###############################################################################
# What must not stand in a repository.

nowhere('no private key', qr/-----BEGIN (?:\w+ )?PRIVATE KEY-----\n\w/,
	grep { !m{^t/(?:fuzz/seeds|vectors|unit)/} } keys %text);
nowhere('no path of a workplace', qr{(?<![\w/.])/(?:home|work|root)/\w+},
	keys %text);
nowhere('no leftover', qr/^(?:<{7}|>{7}) |\b(?:XXX|FIXME)\b/m,
	grep { m{^src/|\.t$|\.pm$} and $_ ne 't/source.t' } keys %text);

###############################################################################
# Requirements: "prove -v t/source.t" lists which tests show them.

my %shown;

for my $file (grep { m{^t/.*\.(?:t|c|pm|h|js)$} } keys %text) {
	while ($text{$file} =~ /["'(|]((?:[A-Z]{1,2}-?\d+[ :,])+)/g) {
		push @{ $shown{$_}{$file} }, $_ for split /[ :,]/, $1;
	}
}

for (@REQUIREMENTS) {
	my %in = %{ $shown{$_} // {} };

	note("$_ ", join ' ', map { "$_(" . @{ $in{$_} } . ')' } sort keys %in)
		if %in;
}

is_deeply([ grep { !$shown{$_} } @REQUIREMENTS ], [],
	'each requirement has a test');

done_testing();

###############################################################################

# what is in the repository, or would be
sub files {
	my @files = `git ls-files -co --exclude-standard 2>/dev/null`;

	if (!@files) {
		File::Find::find({ no_chdir => 1, wanted => sub {
			$File::Find::prune = 1 if m{/(?:\.git|build|node_modules)$};
			push @files, s{^\./}{}r if -f;
		} }, '.');
	}

	chomp @files;

	return grep { -e and !m{node_modules|package-lock} } @files;
}


sub slurp {
	my ($name) = @_;

	open my $fh, '<', $name or return '';
	binmode $fh;
	local $/;

	return scalar(<$fh>) // '';
}


sub lines {
	my ($file) = @_;

	return $text{$file} =~ tr/\n//;
}


# the same files, of which nowhere() does not look at comments
sub code { return map { [ $_ ] } @_; }


# the pattern is in none of the files
sub nowhere {
	my ($name, $re, @files) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my @found;

	for my $file (@files) {
		my $code = $text{ ref $file ? $file->[0] : $file } // '';

		if (ref $file) {
			$code =~ s{/\*.*?\*/}{ $& =~ tr/\n//cdr }gse;
			$file = $file->[0];
		}

		next if $code !~ $re;

		my $line = substr($code, 0, $-[0]) =~ tr/\n// + 1;
		push @found, "$file:$line: $&" =~ s/\n.*//sr;
	}

	is_deeply([ sort @found ], [], $name);
}

###############################################################################
