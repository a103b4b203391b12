#!/usr/bin/perl

# t/refresh_validate.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/refresh_validate.t';
