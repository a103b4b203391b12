#!/usr/bin/perl

# t/logout.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/logout.t';
