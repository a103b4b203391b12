#!/usr/bin/perl

# A refused login leaves nothing behind: no door open, nothing in the log, no
# cookie that spoils the next one.  Two providers share their redirect_uri.

###############################################################################

use warnings;
use strict;

use Test::More;

use lib 't/lib';
use Test::OIDC;

###############################################################################

my $t = Test::OIDC->new();

$t->conf(<<'EOT')->run();
%%GLOBALS%%
http {
    %%HTTP%%
    log_format told '$request|$request_uri|$args|$arg_code|$arg_state';

    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;

    map $request_uri $early {
        default 0;
        ~nobody 1;
    }

    oidc_provider a {
        %%PROVIDER_a%%
    }
    oidc_provider b {
        %%PROVIDER_b%%
        cookie_name B;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/told.log told;
        proxy_set_header X-User $oidc_claim_sub;
        proxy_set_header X-Provider $oidc_provider;
        error_page 403 = /b/error;
        error_page 400 = @open;

        if ($early) {
            return 204;
        }
        if ($arg_code = nobody) {
            return 204;
        }

        location /a/ {
            auth_oidc a;
            proxy_pass http://%%BACKEND%%;
        }
        location /b/ {
            auth_oidc b;
            proxy_pass http://%%BACKEND%%;
        }
        location @open {
            proxy_pass http://%%BACKEND%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        auth_oidc a;
        limit_req zone=one;
        error_page 503 = @open;

        location / {
            proxy_pass http://%%BACKEND%%;
        }
        location @open {
            auth_oidc off;
            proxy_pass http://%%BACKEND%%;
        }
    }
}
EOT

my $b = $t->browser();
my $backend = $t->backend();

is($b->login('/a/x')->status(), 200, 'F13: a session at one provider');

my ($state) = $b->start_login('/b/x') =~ /[?&]state=([^&]+)/;
$backend->forget();

my $r = $b->get("/oidc_callback?error=access_denied&state=$state");
is($r->status(), 403, 'F12: a login at the other one fails');
is($backend->count(), 0,
	'F13: whose error_page does not take the session of the first');
is($r->header('Referrer-Policy'), 'no-referrer',
	'O03 CB-9: no Referer from a refused login');

$r = $b->get('/oidc_callback?code=x&state=y');
is($backend->count(), 1, 'F12: an error_page that is a named location');
is($r->header('Referrer-Policy'), 'no-referrer', 'O03 CB-9: no Referer then');

for my $suffix ('A' x 16, '(' x 16, '"' x 16, "\xe4" x 16) {
	like($b->raw("GET /a/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		. "Connection: close\r\n"
		. "Cookie: NGX_OIDC_SESSION.$suffix=x\r\n\r\n"),
		qr{^HTTP/1.1 302 }, sprintf 'SE-6: a pending cookie of %02x',
		ord $suffix);
}

my $limited = $t->browser(port => 1);
$limited->get('/');
is($limited->get('/oidc_callback?code=x&state=y')->status(), 200,
	'B11: a named error_page is no way around limit_req for our URIs');

$t->stop();
my $log = $t->read_file('told.log');
like($log, qr{^GET /oidc_callback HTTP/1.1\|/oidc_callback\|}m,
	'O03 TK-12: variables that a map has read are read again');
unlike($log, qr/code=|state=|\|[^|\n]+\|[^|\n]*[^-\n]$/m,
	'O03 TK-12: no code and no state in the log');

$t->done();
