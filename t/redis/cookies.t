#!/usr/bin/perl

# t/cookies.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/cookies.t';
