#!/usr/bin/perl

# t/step_up.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/step_up.t';
