#!/usr/bin/perl

# t/revoke.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/revoke.t';
