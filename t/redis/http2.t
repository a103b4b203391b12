#!/usr/bin/perl

# t/http2.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/http2.t';
