#!/usr/bin/perl

# t/limit_req.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/limit_req.t';
