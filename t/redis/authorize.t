#!/usr/bin/perl

# t/authorize.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/authorize.t';
