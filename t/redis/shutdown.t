#!/usr/bin/perl

# t/shutdown.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/shutdown.t';
