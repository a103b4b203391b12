#!/usr/bin/perl

# What a discovery document must be before anything in it is used.  Each
# provider here has its own fault; the query of its config_url says which.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

# name, how the answer is bent, what the log says

my @cases = (
	[ slash => sub { $_[0]{json}{issuer} .= '/' }, 'metadata_issuer' ],
	[ upper => sub { $_[0]{json}{issuer} =~ s/^http/HTTP/ },
		'metadata_issuer' ],
	[ other => sub { $_[0]{json}{issuer} = 'https://other.example' },
		'metadata_issuer' ],
	[ list => sub { $_[0]{json}{issuer} = [ $_[0]{json}{issuer} ] },
		'metadata_(?:issuer|member)' ],
	[ noissuer => sub { delete $_[0]{json}{issuer} },
		'metadata_(?:issuer|member)' ],
	[ nokeys => sub { delete $_[0]{json}{jwks_uri} }, 'metadata_member' ],
	[ notoken => sub { delete $_[0]{json}{token_endpoint} },
		'metadata_member' ],
	[ noauth => sub { delete $_[0]{json}{authorization_endpoint} },
		'metadata_member' ],
	[ user => sub { $_[0]{json}{token_endpoint} =~ s{//}{//me\@} },
		'metadata_member' ],
	[ fragment => sub { $_[0]{json}{token_endpoint} .= '#x' },
		'metadata_member' ],
	[ file => sub { $_[0]{json}{jwks_uri} = 'file:///etc/passwd' },
		'metadata_member' ],
	[ number => sub { $_[0]{json}{jwks_uri} = 1 }, 'metadata_member' ],
	[ html => sub { body($_[0], '<html></html>') }, 'bad_json' ],
	[ array => sub { body($_[0], '[]') }, 'bad_json' ],
	[ empty => sub { body($_[0], '') }, 'bad_json' ],
	[ twice => sub { body($_[0], '{"issuer":"a","issuer":"b"}') },
		'bad_json' ],
	[ missing => sub { $_[0]{status} = 404 }, 'provider_status' ],
	[ accepted => sub { $_[0]{status} = 202 }, 'provider_status' ],
	[ redirect => sub { $_[0]{redirect} = '/canary' }, 'provider_status' ],
	[ large => sub { $_[0]{pad} = 1024 * 1024 + 1 },
		'provider_answer_size' ],
	[ endless => sub { $_[0]{endless} = 1 }, 'provider_answer_size' ],
	[ short => sub { $_[0]{truncate} = 50 }, 'provider_unreachable' ],
	[ cut => sub { $_[0]{cut} = 10 }, 'provider_unreachable' ],
	[ reset => sub { $_[0]{reset} = 1 }, 'provider_unreachable' ],
	[ hang => sub { $_[0]{hang} = 1 }, 'provider_timeout' ],
	[ slow => sub { @{ $_[0] }{qw/ chunked chunk_size chunk_delay /}
		= (1, 1, 100) }, 'provider_timeout' ],
);

my %bend = map { $_->[0] => $_->[1] } @cases;

my $t = Test::OIDC->new(workers => 2)->plan(3 * @cases + 5);

my $idp = $t->idp('', hook => { discovery => sub {
	my ($req, $answer) = @_;
	my $bend = $bend{ $req->{args}{case} // '' };

	$bend->($answer) if $bend;
} });

my $url = $idp->issuer() . '/.well-known/openid-configuration';
my $secret = $idp->client_secret();

my $providers = join '', map { <<"EOF" } map { $_->[0] } @cases;
    oidc_provider $_ {
        issuer %%IDP%%;
        config_url $url?case=$_;
        client_id gateway;
        client_secret $secret;
        redirect_uri /cb_$_;
        cookie_name $_;
        timeout 1s;
    }
EOF

my $locations = join '', map { <<"EOF" } map { $_->[0] } @cases;
        location /$_ {
            auth_oidc $_;
            proxy_pass http://%%BACKEND%%;
        }
EOF

$t->conf(<<"EOF")->run();
%%GLOBALS%%
http {
    %%HTTP%%
    oidc_provider idp {
        %%PROVIDER%%
    }
$providers
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            auth_oidc idp;
            proxy_pass http://%%BACKEND%%;
        }
$locations
    }
}
EOF

###############################################################################

my $b = $t->browser();

is($b->login('/')->status(), 200, 'DI-3: a good document');

for (@cases) {
	my ($name, undef, $reason) = @$_;

	my $line = $t->wait_log(qr/provider "$name": fetch of \S+ failed: /);

	like($line, qr/ failed: $reason: /, "DI-1 DI-3 V11: $name: reason");
	like($line, qr/\[error\].* of \Q$url\E failed/,
		"DI-3 O04: $name: the URL without its query");
	is($b->get("/$name")->status(), 503, "DI-1 DI-3 V11: $name: no login");
}

is($idp->count('other'), 0, 'TK-7: no redirect is followed');

my $seen = $idp->last('discovery');

is($seen->{h}{'accept-encoding'}, undef, 'DI-3: no compression is asked for');
is($seen->{h}{cookie}, undef, 'DI-3: no cookie is sent');

is($t->browser()->login('/x')->status(), 200, 'DI-3: the good one still works');

###############################################################################

sub body {
	my ($answer, $text) = @_;

	delete $answer->{json};
	$answer->{body} = $text;
}
