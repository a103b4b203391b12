#!/usr/bin/perl

# t/frontchannel_logout.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/frontchannel_logout.t';
