
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the files of the jose command share: its options, its key set, its
 * memory.  Each command returns an exit status.
 */


#ifndef _JOSE_H_INCLUDED_
#define _JOSE_H_INCLUDED_


#include <stdio.h>

#include "oidc_access.h"
#include "oidc_authz.h"
#include "oidc_dpop.h"


#define JOSE_INPUT_MAX   (1024 * 1024)
#define JOSE_TYPS_MAX    8
#define JOSE_SKEW        30

#define JOSE_REFUSED     1
#define JOSE_USAGE       2


/* a key set as it was read: JSON and oct secret, or one private key */

typedef struct {
    oidc_jwks_t        *jwks;
    oidc_str_t          secret;
    oidc_key_t         *private;    /* those of the set that are */
    size_t              private_n;
    oidc_key_t          own;        /* of a PEM, otherwise OIDC_KTY_NONE */
    oidc_key_t          signer;     /* a copy, with the alg that was named */
} jose_keys_t;


typedef struct {
    unsigned            algs;
    unsigned            jwe_algs;
    unsigned            encs;
    const char         *typs[JOSE_TYPS_MAX + 1];
    oidc_str_t          use;
    oidc_str_t          alg;
    oidc_str_t          kid;
    oidc_expect_t       expect;
    oidc_str_t          audience;
    oidc_str_t          content_type;
    oidc_introspect_e   mode;
    oidc_authz_t        authz;      /* arguments of a request object */
    oidc_dpop_expect_t  proof;
    int                 has_mode;
    int                 has_nonce;
    int                 strict;
    int                 thumbprint;
    int                 own_alg;    /* --alg is that of our key */
} jose_options_t;


int jose_verify(jose_options_t *options, jose_keys_t *keys);
int jose_decrypt(jose_options_t *options, jose_keys_t *keys);
int jose_jwk(jose_options_t *options, jose_keys_t *keys);
int jose_id_token(jose_options_t *options, jose_keys_t *keys);
int jose_introspection(jose_options_t *options, jose_keys_t *keys);
int jose_access_token(jose_options_t *options, jose_keys_t *keys);
int jose_dpop(jose_options_t *options, jose_keys_t *keys);
int jose_sign(jose_options_t *options, jose_keys_t *keys);
int jose_assertion(jose_options_t *options, jose_keys_t *keys);
int jose_request_object(jose_options_t *options, jose_keys_t *keys);


/* KEYSET, and our own public key as the set where it is a PEM */

int jose_read_keys(const char *path, jose_options_t *options,
    jose_keys_t *keys);
oidc_rc_t jose_own_jwks(jose_keys_t *keys);

/* at most JOSE_INPUT_MAX bytes; 0 where there are more */

int jose_read_all(FILE *f, oidc_str_t *out);

/* the same of standard input, one line break at its end left out */

int jose_read_input(oidc_str_t *input);
int jose_read_token(oidc_str_t *token);

int jose_usage(const char *why);
int jose_refused(oidc_rc_t rc);


extern oidc_pool_t  jose_pool;


#endif /* _JOSE_H_INCLUDED_ */
