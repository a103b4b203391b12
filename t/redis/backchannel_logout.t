#!/usr/bin/perl

# t/backchannel_logout.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/backchannel_logout.t';
