#!/usr/bin/perl

# t/multi_provider.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/multi_provider.t';
