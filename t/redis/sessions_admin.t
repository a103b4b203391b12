#!/usr/bin/perl

# t/sessions_admin.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/sessions_admin.t';
