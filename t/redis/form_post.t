#!/usr/bin/perl

# t/form_post.t over a store of type redis.

###############################################################################

use warnings;
use strict;

use lib 't/lib';
use Test::OIDC::Again redis => 't/form_post.t';
